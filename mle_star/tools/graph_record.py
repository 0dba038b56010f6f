"""The `run.json` of a graph that no orchestrator of ours drives: a LangGraph Server does, Studio, or a notebook.

So that `mle-star runs`, `mle-star show` and the API list such a run as any other. Its checkpoints are LangGraph's, and
it is LangGraph's to pause and resume.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mle_star import __version__
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskBrief, TaskDescription
from mle_star.models.errors import ConfigError
from mle_star.tools.results import result_of
from mle_star.tools.run_folder import LANGGRAPH, About, RunFolder


@dataclass
class GraphRecord:
    """What a graph writes down of its own run. Its methods read and write files."""

    folder: RunFolder
    run_id: str
    ours: bool = False
    """Whether it is ours to write: no orchestrator's."""
    _held: ExitStack = field(default_factory=ExitStack)

    def take_up(self) -> None:
        """Go on with the run of an earlier process, if there was one that did not end."""
        about = self._about()
        self.ours = about is None or about.checkpoints == LANGGRAPH
        if self.ours and about is not None and about.resumable:
            self._hold()

    def begin(self, task: TaskDescription, brief: TaskBrief, config: MLEStarConfig) -> None:
        """Write down that a run begins; in place of the thread's earlier one, if it had one."""
        if self.ours:
            self._hold()
            about = About(
                run_id=self.run_id, started=datetime.now(UTC).isoformat(timespec="seconds"), version=__version__,
                status="running", task=task, metric=brief.metric.name,
                config=config.model_copy(update={"out_dir": self.folder.path}), checkpoints=LANGGRAPH,
            )  # fmt: skip
            self.folder.write(about)

    def conclude(self, state: Mapping[str, Any], seconds: float, cut_short: str) -> None:
        """Write down what the run came to."""
        about = self._about()
        if about is not None:
            result = result_of(self.folder, about, state, seconds=seconds, cut_short=cut_short)
            self.folder.write(about.model_copy(update={"status": result.status, "result": result}))
        self._held.close()

    def _about(self) -> About | None:
        with suppress(ConfigError):
            return self.folder.about()
        return None

    def _hold(self) -> None:
        """Show others that a process is at work on the run; another worker of the same server may be."""
        self._held.close()
        with suppress(ConfigError):
            self._held.enter_context(self.folder.lock())
