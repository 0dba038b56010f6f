"""A run's folder on disk: what is in it, and finding it again.

run.json            task, config, version, status, result      (written atomically)
brief.json          the task with everything that was found in the data
checkpoint.sqlite   LangGraph's own checkpoints
events.jsonl        every progress event, in order
replies/            every prompt and reply
scripts/            NNN-<agent>.py as run, .log what it printed, .json what came of it
stop                there when the run was told to go straight to the submission
final/              submission.csv, solution.py that wrote it, submission.json: the solution that it came from
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import RunResult, StepRecord, TaskBrief, TaskDescription, Usage
from mle_star.models.errors import ConfigError
from mle_star.models.events import Event
from mle_star.models.frozen import Frozen
from mle_star.tools.accounting import usage_in
from mle_star.tools.files import write_atomically
from mle_star.tools.submissions import Kept, kept

LANGGRAPH = "langgraph"
Status = Literal["queued", "running", "paused", "failed", "succeeded", "no submission", "no script ran"]


class About(Frozen):
    """What `run.json` says."""

    run_id: str
    started: str
    """UTC, ISO 8601."""
    version: str
    status: Status
    task: TaskDescription
    metric: str
    config: MLEStarConfig
    result: RunResult | None = None
    checkpoints: str = "sqlite"
    """Where they are: in the run's own file (`sqlite`), in our server's database (`postgresql`), or LangGraph's own
    (`langgraph`), where its server, or code that calls the graph, drives the run."""

    @property
    def resumable(self) -> bool:
        """Whether there is something left to do. A run that says `running` and has no owner was killed."""
        return self.status in ("queued", "running", "paused", "failed")


@dataclass(frozen=True)
class RunFolder:
    """A run's folder."""

    path: Path

    @classmethod
    def find(cls, run: str | Path, runs_dir: Path) -> RunFolder:
        """Find a run by its id or its folder.

        Raises:
            ConfigError: There is none.
        """
        for path in (Path(run), runs_dir / run):
            if (path / "run.json").is_file():
                return cls(path.absolute())
        raise ConfigError(f"there is no run {run}: `mle-star runs` lists those in {runs_dir}")

    @classmethod
    def all(cls, runs_dir: Path) -> list[RunFolder]:
        """List the runs in a folder, oldest first."""
        found = [cls(path.parent) for path in runs_dir.glob("*/run.json")] if runs_dir.is_dir() else []
        return sorted(found, key=lambda folder: folder.about().started)

    def check_free(self) -> None:
        """See that a new run may be made here.

        Raises:
            ConfigError: It holds a run already.
        """
        if (self.path / "run.json").exists():
            raise ConfigError(
                f"{self.path} holds a run already: resume it with `mle-star resume`, or name another --out"
            )

    def create(self, about: About, brief: TaskBrief) -> None:
        """Make the folder of a new run.

        Raises:
            ConfigError: It holds a run already, or can't be written.
        """
        self.check_free()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.write_brief(about.task, brief)
            self.write(about)
        except OSError as error:
            raise ConfigError(f"the run's folder {self.path} can't be written: {error.strerror}") from None

    def about(self) -> About:
        """Read `run.json`.

        Raises:
            ConfigError: It can't be read.
        """
        try:
            text = (self.path / "run.json").read_text(encoding="utf-8")
            return About.model_validate_json(text)
        except (OSError, ValidationError) as error:
            raise ConfigError(f"{self.path / 'run.json'} can't be read: {str(error).splitlines()[0]}") from None

    def write(self, about: About) -> None:
        """Write `run.json`."""
        write_atomically(self.path / "run.json", about.model_dump_json(indent=1))

    def write_brief(self, task: TaskDescription, brief: TaskBrief) -> None:
        """Keep what was found for the task that was asked."""
        record = {"asked": task.model_dump(mode="json"), "found": brief.model_dump(mode="json")}
        write_atomically(self.path / "brief.json", json.dumps(record, indent=1, ensure_ascii=False))

    def brief(self, task: TaskDescription | None = None) -> TaskBrief | None:
        """Read what was found for the task; None if it was another task, or none."""
        path = self.path / "brief.json"
        if not path.is_file():
            return None
        known = json.loads(path.read_text(encoding="utf-8"))
        if task is not None and known["asked"] != task.model_dump(mode="json"):
            return None
        return TaskBrief.model_validate(known["found"])

    def events(self) -> Iterator[Event]:
        """Read the events so far; a line that a crash cut off is left out."""
        path = self.path / "events.jsonl"
        if not path.is_file():
            return
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):
                    yield Event.model_validate_json(line)

    def history(self) -> list[StepRecord]:
        """Read the steps so far from the events; a step that was repeated after a crash counts once.

        A thread of LangGraph's may have had other runs before: the last one counts.
        """
        steps: dict[str, StepRecord] = {}
        for event in self.events():
            if event.kind == "run started":
                steps.clear()
            elif event.kind == "step":
                record = StepRecord(
                    step=event.step, agent=event.agent, score=event.score, accepted=bool(event.accepted),
                    note=event.message, error=event.error, seconds=event.seconds or 0.0,
                )  # fmt: skip
                steps[event.step] = record.after(steps.get(event.step))
        return list(steps.values())

    def submission(self) -> Kept | None:
        """Read which submission is in `final/`; None when there is none."""
        return kept(self.path / "final")

    @property
    def stopped(self) -> bool:
        """Whether the run was told to go straight to the submission with what there is."""
        return (self.path / "stop").exists()

    def mark_stopped(self) -> None:
        """Have the run, now and whenever it is resumed, go straight to the submission."""
        (self.path / "stop").touch()

    def spent(self) -> Usage:
        """Add up what a run that has not ended spent, from its replies and events."""
        usage = usage_in(self.path / "replies")
        for event in self.events():
            if event.kind == "script finished":
                usage += Usage(scripts=1, script_seconds=event.seconds or 0.0)
        return usage

    def at_work(self) -> bool:
        """Tell whether a process is at work on the run."""
        import fcntl

        try:
            with (self.path / "lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run, so that no other process works on it. The system lets go of it when we die.

        Raises:
            ConfigError: Another process holds it.
        """
        import fcntl

        with (self.path / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ConfigError(f"another process is at work on {self.path}") from None
            yield
