"""Where an event belongs can be told from its step."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mle_star.models.events import Event


@pytest.mark.parametrize(
    ("step", "path", "phase"),
    [
        ("p1.retrieve", 1, "initial"),
        ("p2.candidate3", 2, "initial"),
        ("p12.merge1", 12, "initial"),
        ("p1.data", 1, "initial"),
        ("p1.t0.ablation", 1, "refinement"),
        ("p3.t11.k2", 3, "refinement"),
        ("ensemble.r0", None, "ensemble"),
        ("submission", None, "submission"),
        ("submission.1", None, "submission"),
        ("", None, None),
    ],
)
def test_an_event_knows_its_path_and_phase(step: str, path: int | None, phase: str | None) -> None:
    event = Event(seq=1, elapsed=0.0, kind="step", step=step)
    assert (event.path, event.phase) == (path, phase)


def test_an_event_survives_being_written_down() -> None:
    event = Event(seq=3, elapsed=1.5, kind="step", step="p1.t0.k0", agent="coder", score=0.5, accepted=False)
    assert Event.model_validate_json(event.model_dump_json(exclude_defaults=True)) == event


def test_an_event_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="kind"):
        Event.model_validate({"seq": 1, "elapsed": 0.0, "kind": "other"})
