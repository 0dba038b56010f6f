"""What the properties of all three algorithms draw from, and how their plays are shared.

A world says beforehand what everything comes to. It is played once: the tests of a module draw the same worlds (the
same seed for all of them) and each looks at the plays for the one property that it is about.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, example, given, seed, settings
from hypothesis import strategies as st

from tests.stage import Outcome

F = TypeVar("F", bound=Callable[..., None])

SCORES = st.sampled_from([0.0, 0.4, 0.5, 0.6, 0.7, 1e9])
"""Few, so that ties are frequent; with the numbers that others take for `no score`."""
FAILURES = st.sampled_from(["fails", "no score", "garbage"])
OUTCOMES: st.SearchStrategy[Outcome] = st.one_of(SCORES, SCORES, SCORES, FAILURES)
METRIC_NAMES = st.sampled_from(["AUC", "RMSE"])


def in_any(worlds: st.SearchStrategy[Any], examples: int, *rare: Any) -> Callable[[F], F]:
    """Check a property in every one of `examples` worlds, the same ones for each property, and in some `rare` ones."""

    def decorate(test: F) -> F:
        quiet = settings(
            max_examples=examples,
            deadline=None,
            phases=[
                Phase.explicit,
                Phase.generate,
            ],  # worlds are small as they are, and to shrink one is to play hundreds
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        )
        checked = seed(20250618)(quiet(given(worlds)(test)))
        for world in rare:
            checked = example(world)(checked)
        return checked  # type: ignore[return-value]

    return decorate


def is_score(outcome: object) -> bool:
    """Tell whether a script came to a score."""
    return isinstance(outcome, float)


def worth(metric: str, outcome: Outcome) -> float:
    """Make scores comparable, the greater the better; the tests' own idea of it, apart from the code's."""
    assert isinstance(outcome, float)
    return outcome if metric == "AUC" else -outcome
