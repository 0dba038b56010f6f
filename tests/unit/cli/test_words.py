"""Scores, durations and texts, as a terminal shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mle_star.terminal.words import command, count, duration_text, near, one_line, parse_duration, score_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400), (" 45 S ", 45), ("1d", 86_400)],
)
def test_a_duration_is_seconds_or_has_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


def test_none_is_no_limit() -> None:
    assert parse_duration("none") is None


@pytest.mark.parametrize("text", ["", "soon", "2x", "-5", "1h30", "m", "1e3"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("score", "text"), [(0.87412345, "0.87412"), (531.2, "531.2"), (1.0, "1"), (1e-7, "1e-07"), (None, "–")]
)
def test_a_score_shows_five_digits_that_count(score: float | None, text: str) -> None:
    assert score_text(score) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (7.9, "0:07"), (751, "12:31"), (3723, "1:02:03")])
def test_a_duration_shows_as_a_clock(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_what_a_model_wrote_fits_one_line_and_moves_no_cursor() -> None:
    assert one_line("use\n\x1b[31mred\x07  trees") == "use [31mred trees"
    assert one_line("a" * 300, 10) == "a" * 9 + "…"


def test_one_script_is_not_scripts() -> None:
    assert (count(1, "script"), count(2000, "script")) == ("1 script", "2,000 scripts")


def test_a_command_can_be_pasted_into_a_shell() -> None:
    assert command("resume", "my runs/one") == "mle-star resume 'my runs/one'"


def test_a_path_under_the_working_folder_is_shown_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert near(tmp_path / "runs" / "one") == "runs/one"
    assert near(Path("/elsewhere")) == "/elsewhere"
