"""What a page needs of one run, folded from its folder: progress, agents, attempts, studies, ensembles."""

from __future__ import annotations

import difflib
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from mle_star.models.data_models import StepRecord, Usage
from mle_star.models.events import Event
from mle_star.models.frozen import Frozen
from mle_star.models.language_model import AGENTS
from mle_star.tools.accounting import usage_of
from mle_star.tools.progress import View, advance, new_view, task_name
from mle_star.tools.run_folder import RunFolder


class AgentView(Frozen):
    """What one of the 14 agents does, or did."""

    name: str
    state: Literal["idle", "asking", "script runs", "done"] = "idle"
    step: str = ""
    """The step that it is at, or was at last."""
    questions: int = 0
    scripts: int = 0
    failures: int = 0
    """Scripts of its steps that failed."""


@dataclass(frozen=True)
class Work:
    """One agent at work on one step."""

    agent: str
    step: str
    since: float
    """Seconds of the run's own clock."""
    script: bool = False


class Asked(NamedTuple):
    """A question that was answered."""

    agent: str
    seconds: float


@dataclass
class Follower:
    """Follows a run's event file: reads only what is new, folds it, and keeps what it came to."""

    folder: RunFolder
    view: View | None = None
    agents: dict[str, AgentView] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    _offset: int = 0
    _work: dict[str, Work] = field(default_factory=dict)
    _replies: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refresh(self) -> list[tuple[Event, Asked | None]]:
        """Take in what is new; gives each event with the question that it ended."""
        with self._lock:
            if self.view is None and not self._begin():
                return []
            news = []
            for line in self._lines():
                event = Event.model_validate_json(line)
                if event.kind == "run started":  # in a thread of LangGraph's, another one may have gone before
                    self._begin()
                news.append((event, self._take(event)))
            self._count_replies()
            return news

    def _begin(self) -> bool:
        about, brief = self.folder.about(), self.folder.brief()
        if brief is None:
            return False
        self.view = new_view(task_name(about.task.dataset_path), brief.metric, about.config)
        self.agents = {name: AgentView(name=name) for name in AGENTS}
        self._work.clear()
        return True

    def _lines(self) -> list[bytes]:
        path = self.folder.path / "events.jsonl"
        if not path.is_file():
            return []
        with path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.splitlines()

    def _take(self, event: Event) -> Asked | None:
        assert self.view is not None, "made before events are taken in"
        self.view = advance(self.view, event)
        if event.kind == "run finished":
            self._rest(*self._work)
            return None
        group = _group(event)
        before = self._work.get(group)
        ends = before is not None and not before.script and event.kind != "note"
        asked = Asked(before.agent, event.elapsed - before.since) if before and ends else None
        agent = self.agents.get(event.agent)
        if event.kind in ("agent started", "script started") and agent:
            script = event.kind == "script started"
            if before and before.agent != event.agent:
                self._rest(group)
            self._work[group] = Work(event.agent, event.step, event.elapsed, script)
            self.agents[event.agent] = agent.model_copy(
                update={"state": "script runs" if script else "asking", "step": event.step}
                | ({} if script else {"questions": agent.questions + 1})
            )
        elif event.kind == "script finished" and agent:
            self._rest(group)
            failures = agent.failures + bool(event.error)
            self.agents[event.agent] = self.agents[event.agent].model_copy(
                update={"scripts": agent.scripts + 1, "failures": failures}
            )
            self.usage += Usage(scripts=1, script_seconds=event.seconds or 0.0)
        elif event.kind == "step":
            self._rest(group)
        return asked

    def _rest(self, *groups: str) -> None:
        for group in groups:
            work = self._work.pop(group, None)
            if work and not any(other.agent == work.agent for other in self._work.values()):
                self.agents[work.agent] = self.agents[work.agent].model_copy(update={"state": "done"})

    def _count_replies(self) -> None:
        folder = self.folder.path / "replies"
        names = {path.name for path in folder.glob("*.json")} - self._replies if folder.is_dir() else set()
        for name in names:
            reply = json.loads((folder / name).read_text(encoding="utf-8"))
            self.usage += usage_of(reply)
        self._replies |= names

    @property
    def share(self) -> tuple[int, int]:
        """Steps that are done, and how many there are at most."""
        if self.view is None:
            return 0, 1
        view = self.view
        done = sum(path.done for path in view.paths) + view.ensemble_done + view.submitted
        return done, sum(path.total for path in view.paths) + view.ensemble_total + 1


def _group(event: Event) -> str:
    """Tell apart what goes on side by side: paths, the candidates of one path, and its early submission."""
    head, _, rest = event.step.partition(".")
    return event.step if rest.startswith(("candidate", "submission")) else head


class AttemptView(Frozen):
    """One plan for one code block, and what came of it."""

    step: str
    path: int
    outer: int
    inner: int
    plan: str = ""
    score: float | None = None
    error: str | None = None
    seconds: float = 0.0
    accepted: bool = False
    script: int | None = None
    """Its number among the run's scripts; None when none was run."""
    diff: str = ""
    """Unified, against the solution that the outer step began with."""


class ScriptView(Frozen):
    """A script as it was run, its output and what came of it."""

    number: int
    name: str
    step: str = ""
    agent: str
    script: str
    output: str = ""
    output_bytes: int = 0
    score: float | None = None
    error: str | None = None
    message: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Notebook:
    """A run's scripts and steps, read from its folder."""

    folder: RunFolder

    def scripts(self) -> dict[str, int]:
        """Give the number of the last script of each step."""
        return {event.step: _number(event.message) for event in self.folder.events() if event.kind == "script started"}

    def steps(self) -> list[StepRecord]:
        """Give the history."""
        return self.folder.history()

    def source(self, number: int | None) -> str:
        """Read a script; empty if there is none."""
        found = self.find(number) if number is not None else None
        return found.read_text(encoding="utf-8", errors="replace") if found else ""

    def find(self, number: int) -> Path | None:
        """Find a script's file by its number."""
        return next(iter(sorted((self.folder.path / "scripts").glob(f"{number:03d}-*.py"))), None)

    def attempts(self) -> list[AttemptView]:
        """List the attempts on code blocks, in the order in which they ended, each with its diff."""
        numbers, steps = self.scripts(), self.steps()
        bases = _bases(steps)
        found = []
        for record in steps:
            place = _place(record.step)
            if place is None:
                continue
            base = numbers.get(bases.get((place[0], place[1]), ""))
            own = numbers.get(record.step)
            found.append(
                AttemptView(
                    step=record.step, path=place[0], outer=place[1], inner=place[2], plan=record.note,
                    score=record.score, error=record.error, seconds=record.seconds, accepted=record.accepted,
                    script=own, diff=_diff(self.source(base), self.source(own)) if own else "",
                )
            )  # fmt: skip
        return found

    def script(self, number: int, limit: int) -> ScriptView | None:
        """Read a script with up to `limit` bytes of the end of its output."""
        path = self.find(number)
        if path is None:
            return None
        agent = path.stem.partition("-")[2]
        log, record = path.with_suffix(".log"), path.with_suffix(".json")
        size = log.stat().st_size if log.is_file() else 0
        made = ScriptView(
            number=number, name=path.name, agent=agent, script=path.read_text(encoding="utf-8", errors="replace"),
            output=_tail(log, limit) if size else "", output_bytes=size,
        )  # fmt: skip
        if not record.is_file():
            return made
        known = json.loads(record.read_text(encoding="utf-8"))
        result = known["result"]
        return made.model_copy(
            update={"step": known["step"], **{name: result[name] for name in ("score", "error", "message", "seconds")}}
        )


def _number(name: str) -> int:
    return int(name.partition("-")[0])


def _place(step: str) -> tuple[int, int, int] | None:
    """Read (path, t, k) out of `p1.t0.k2`."""
    parts = step.split(".")
    if len(parts) != 3 or [part[:1] for part in parts] != ["p", "t", "k"]:
        return None
    numbers = [part[1:] for part in parts]
    return (int(numbers[0]), int(numbers[1]), int(numbers[2])) if all(map(str.isdigit, numbers)) else None


def _bases(steps: list[StepRecord]) -> dict[tuple[int, int], str]:
    """Name the step of the solution that each outer step began with, by (path, t)."""
    current: dict[int, str] = {}
    pending: dict[int, tuple[int, str]] = {}
    bases: dict[tuple[int, int], str] = {}
    for record in steps:
        path = Event(seq=0, elapsed=0, kind="step", step=record.step).path
        if path is None:
            continue
        place = _place(record.step)
        if place is None:
            if record.accepted and not record.step.endswith(".ablation"):
                current[path] = record.step
            continue
        outer = place[1]
        if path in pending and pending[path][0] != outer:
            current[path] = pending.pop(path)[1]
        bases.setdefault((path, outer), current.get(path, ""))
        if record.accepted:
            pending[path] = (outer, record.step)
    return bases


def _diff(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm="")
    return "\n".join(lines)


def _tail(path: Path, limit: int) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - limit))
        return file.read().decode("utf-8", "replace")
