"""Scores, durations and texts, as a terminal shows them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mle_star.models.data_models import StepRecord
    from mle_star.models.events import Event

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
PART = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
NO_LIMIT = ("none", "off", "unlimited")


def parse_duration(text: str) -> float | None:
    """Read `90`, `30m`, `2h`, `1h30m` as seconds; `none` as no limit.

    Raises:
        ValueError: It is none of these.
    """
    text = text.strip().lower().replace(" ", "")
    if text in NO_LIMIT:
        return None
    parts = PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration: give seconds, or 30m, 2h, 1h30m, or none")
    if len(parts) > 1 and any(not unit for _, unit in parts):
        raise ValueError(f"{text!r} is not a duration: give each of its parts a unit, such as 1h30m")
    return sum(float(number) * UNITS[unit or "s"] for number, unit in parts)


def score_text(score: float | None) -> str:
    """Show a score with five digits that count; a dash where there is none."""
    return "–" if score is None else f"{score:.5g}"


def money_text(dollars: float) -> str:
    """Show US dollars; the small change of a cheap call too."""
    return f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.4f}"


def outcome(record: Event | StepRecord) -> tuple[str, bool]:
    """Say what a step came to, and whether its solution was taken on.

    What an ablation study or a submission prints is no solution's score.
    """
    if record.error and record.score is None:
        return record.error, False
    if record.step.endswith(".ablation"):
        return "studied", False
    if record.agent == "submission" and record.accepted:
        return "valid", False
    return score_text(record.score), bool(record.accepted)


def duration_text(seconds: float) -> str:
    """Show seconds as a clock does: 0:07, 12:31, 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def one_line(text: str, length: int = 200) -> str:
    """Fit a text that a model or a script wrote into one line: no line breaks, no control characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= length else line[: length - 1] + "…"


def near(path: Path) -> str:
    """Show a path the short way where it lies under the working folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def count(number: int, noun: str) -> str:
    """Say `1 script`, `2 scripts`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def command(name: str, argument: str) -> str:
    """Write a command of ours that can be pasted into a shell."""
    return f"mle-star {name} {shlex.quote(argument)}"
