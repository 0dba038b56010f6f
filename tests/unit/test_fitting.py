"""Prompts that are too long for a model."""

from __future__ import annotations

from collections.abc import Mapping

from mle_star.tools.accounting import estimate_tokens
from mle_star.tools.fitting import fit, window


def render(values: Mapping[str, object]) -> str:
    return "\n".join(f"<{name}>{value}</{name}>" for name, value in values.items())


def test_a_prompt_that_fits_stays_as_it_is() -> None:
    assert fit(render, {"script": "x = 1"}, 100) == "<script>x = 1</script>"


def test_logs_are_cut_before_scripts_and_the_task_is_not_cut() -> None:
    values = {"task": "t" * 3_000, "script": "s" * 9_000, "output": "o" * 9_000}
    text = fit(render, values, 5_500)
    assert estimate_tokens([text]) <= 5_500
    assert "t" * 3_000 in text
    assert "s" * 9_000 in text
    assert "characters left out" in text


def test_scripts_are_cut_where_logs_are_not_enough() -> None:
    text = fit(render, {"task": "t", "script": "s" * 9_000, "output": "o" * 9_000}, 2_000)
    assert estimate_tokens([text]) <= 2_000
    assert text.count("characters left out") == 2


def test_the_context_asked_for_holds_the_prompt_in_few_sizes() -> None:
    assert [window(tokens, None) for tokens in (1, 8_193, 9_000, 40_000)] == [8_192, 16_384, 16_384, 65_536]
    assert window(40_000, 32_000) == 32_000
