"""Read a prompt as the embedded model does: its heading, the material in its tags, the facts of the task."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, cast

import yaml
from pydantic import ValidationError

from mle_star.models.data_models import TaskType
from mle_star.models.metric import Metric
from mle_star.models.profile import DataProfile
from mle_star.offline.recipe import TEXT_A_SECOND, Environment, Facts, text_bytes


@dataclass(frozen=True)
class Scored:
    """A numbered item of a prompt: a plan or a script with the score that it led to."""

    text: str
    score: float | None


@dataclass(frozen=True)
class Prompt:
    """A prompt's text, and what is asked of it."""

    text: str

    @property
    def agent(self) -> str:
        """The first heading: the name of the prompt, empty where there is none."""
        match = re.search(r"^#\s+([\w-]+)\s*$", self.text, re.MULTILINE)
        return match[1] if match else ""

    def part(self, tag: str) -> str:
        """The material in `<tag>`: up to its last closing tag, since a script may hold tags of its own."""
        start = self.text.find(f"<{tag}>")
        if start < 0:
            return ""
        start += len(tag) + 2
        end = self.text.rfind(f"</{tag}>")
        return self.text[start:end].strip("\n") if end >= start else ""

    @property
    def facts(self) -> Facts:
        """The task's facts: the last yaml block of `<task>`, and `<environment>`."""
        facts = read_facts(self.part("task"), self.environment)
        limit = re.search(r"trains on at most ([\d,_]+) rows", self.text)
        if limit is None:
            return facts
        asked = int(re.sub(r"\D", "", limit[1]))
        bearable = rows_in(self.environment.pace, facts.profile)
        return replace(facts, max_rows=min(most_rows(facts.profile, asked), bearable))

    @property
    def environment(self) -> Environment:
        """What the scripts may use."""
        return read_environment(self.part("environment"))

    def number(self, pattern: str, default: int) -> int:
        """The integer that a phrase of the prompt names, such as `r"split_seed (\\d+)"`."""
        match = re.search(pattern, self.text)
        return int(match[1]) if match else default

    @property
    def history(self) -> tuple[Scored, ...]:
        """The plans tried before, with their scores; None for a script that failed."""
        items = re.split(r"^\s*\d+\.\s+score:[ \t]*(\S+)[ \t]*$", self.part("history"), flags=re.MULTILINE)
        pairs = zip(items[1::2], items[2::2], strict=True)
        return tuple(Scored(" ".join(text.split()), _number(score)) for score, text in pairs)

    @property
    def solutions(self) -> tuple[Scored, ...]:
        """The scripts of an ensemble prompt."""
        pieces = re.split(r'^<solution index="\d+"(?: score="([^"]*)")?>[ \t]*\n', self.part("solutions"), flags=re.M)
        scripts = (re.sub(r"\n?</solution>\s*\Z", "", text) for text in pieces[2::2])
        return tuple(Scored(script, _number(score or "")) for score, script in zip(pieces[1::2], scripts, strict=True))

    def numbered(self, tag: str) -> tuple[str, ...]:
        """The numbered items in `<tag>`, fences taken off; empty for `none`."""
        text = self.part(tag).strip()
        if not text or text.lower() == "none":
            return ()
        items = re.split(r"^\s*\d+\.[ \t]*$|^\s*\d+\.[ \t]+", text, flags=re.MULTILINE)
        return tuple(unfenced(item) for item in items if item.strip())


def unfenced(text: str) -> str:
    """The inside of a text's first fence, or the text itself."""
    match = re.search(r"^[ \t]*(`{3,})[^\n]*\n(.*?)^[ \t]*\1[ \t]*$", text, re.DOTALL | re.MULTILINE)
    return match[2].rstrip("\n") if match else text.strip("\n")


def read_environment(text: str) -> Environment:
    """Read `<environment>`: packages, cores and the time limit, where they are told."""
    packages = re.search(r"^packages:(.*)$", text, re.MULTILINE)
    pairs = [item.split() for item in packages[1].split(",")] if packages else []
    cores = re.search(r"^cores:\s*(\d+)", text, re.MULTILINE)
    limit = re.search(r"^time limit:\s*([\d.]+)", text, re.MULTILINE)
    whole = re.search(r"^whole run:\s*([\d.]+)", text, re.MULTILINE)
    known = {words[0]: words[1] if len(words) > 1 else "" for words in pairs if words}
    return Environment(
        packages=known or {"scikit-learn": "", "lightgbm": "", "pandas": "", "numpy": ""},
        cores=int(cores[1]) if cores else 1,
        time_limit=float(limit[1]) if limit else 600.0,
        run_limit=float(whole[1]) if whole else None,
    )


MOST_ROWS, MOST_ROWS_OF_CLASSES = 30_000, 20_000


def most_rows(profile: DataProfile, asked: int = MOST_ROWS) -> int:
    """Training rows of a script: as asked, and fewer for many classes, since boosters grow a tree for each of them."""
    many = profile.target is not None and profile.target.kind == "multiclass"
    return min(asked, MOST_ROWS_OF_CLASSES) if many and asked <= MOST_ROWS else asked


ROWS_A_SECOND = 100


def rows_in(seconds: float, profile: DataProfile) -> int:
    """Training rows that scripts can bear: so many for each second, or so many bytes of them where there are texts."""
    rows = ROWS_A_SECOND * seconds
    if long := text_bytes(profile):
        rows = min(rows, TEXT_A_SECOND * seconds / long)
    return max(500, int(rows))


def read_facts(task: str, environment: Environment) -> Facts:
    """Read the task's facts from its last yaml block; a task without one is taken for a plain table.

    Raises:
        ValueError: The block is not the dump of a task brief.
    """
    blocks = re.findall(r"^```ya?ml[ \t]*\n(.*?)^```[ \t]*$", task, re.DOTALL | re.MULTILINE)
    dump: Any = yaml.safe_load(blocks[-1]) if blocks else {}
    if not isinstance(dump, dict):
        raise ValueError("the task's yaml block holds no mapping")
    try:
        profile = DataProfile.model_validate({"files": [], **dump.get("profile", {})})
        metric = Metric.model_validate(dump.get("metric") or {"name": "unknown", "maximize": True})
    except ValidationError as error:
        raise ValueError(f"the task's yaml block does not describe a task: {error}") from error
    heading = re.search(r"^#+\s*(.+)$", task, re.MULTILINE)
    title = heading[1].strip() if heading else (profile.train_file or "a task")
    return Facts(
        task_type=task_type_of(dump.get("task_type"), profile),
        modality=str(dump.get("data_modality") or "tabular"),
        metric=metric,
        profile=profile,
        environment=environment,
        max_rows=min(most_rows(profile), rows_in(environment.pace, profile)),
        title=title.replace('"', "'").replace("\\", "/")[:80],
    )


def task_type_of(told: str | None, profile: DataProfile) -> TaskType:
    """What is learnt: as told, or else by the target."""
    if told and told != "other":
        return cast(TaskType, told)
    return "classification" if profile.target and profile.target.kind != "numeric" else "regression"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
