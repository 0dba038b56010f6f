"""Play the agents' part for the embedded model: profile a table, fill in its prompts, run its scripts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

import prompts
from mle_star.models.data_models import TaskBrief, TaskDescription
from mle_star.offline.chat import OfflineChatModel
from mle_star.tools.brief import render_brief
from mle_star.tools.profile import inspect_task

COMMON: dict[str, object] = {
    "subsample": "30,000", "direction": "as the task says", "baseline": "nothing yet", "pages": "none", "taken": "none",
    "exceptions": "none",
}  # fmt: skip
"""What prompts ask for beside the material: a test gives its own where it matters."""

OF_PROBABILITIES = {"auc_roc", "log_loss", "average_precision", "brier"}

ENVIRONMENT = """python: 3.11.7
packages: lightgbm 4.7.0, numpy 2.4.6, pandas 3.1.1, scikit-learn 1.9.1, skrub 0.11.0
cores: 1
memory: 11.7 GB
time limit: 600 seconds for each script"""


@dataclass
class Folder:
    """A task in a folder that was written already, and what the prompts say of it."""

    folder: Path
    target: str | tuple[str, ...]
    metric: str
    id_column: str | None = None
    environment: str = ENVIRONMENT
    description: str = "# A test task\n\nPredict the target."

    @cached_property
    def facts(self) -> TaskBrief:
        """The task, profiled."""
        return inspect_task(
            TaskDescription(
                dataset_path=str(self.folder / "input"),
                description=self.description,
                evaluation_metric=self.metric,
                target=self.target,
                id_column=self.id_column,
            )
        )

    @cached_property
    def brief(self) -> str:
        """The text that stands in <task>."""
        return render_brief(self.facts)


@dataclass
class Task:
    """A task whose tables are written to a folder: its answers are kept back."""

    folder: Path
    train: pd.DataFrame
    test: pd.DataFrame
    target: str | tuple[str, ...]
    metric: str
    id_column: str | None = None
    prediction_columns: tuple[str, ...] = ()
    extra: dict[str, pd.DataFrame] = field(default_factory=dict)
    environment: str = ENVIRONMENT
    description: str = "# A test task\n\nPredict the target."

    def __post_init__(self) -> None:
        data = self.folder / "input"
        data.mkdir(parents=True, exist_ok=True)
        if self.id_column is None:
            self.id_column = "row id"
            self.train = self.train.reset_index(drop=True)
            self.test = self.test.reset_index(drop=True)
            self.train.insert(0, "row id", range(len(self.train)))
            self.test.insert(0, "row id", range(len(self.train), len(self.train) + len(self.test)))
        self.train.to_csv(data / "train.csv", index=False)
        hidden = self.test.drop(columns=list(self.targets), errors="ignore")
        hidden.to_csv(data / "test.csv", index=False)
        for name, table in self.extra.items():
            table.to_csv(data / name, index=False)
        sample = hidden[[self.id_column]].copy()
        columns = self.prediction_columns or self.targets
        for name in columns:
            probability = self.metric in OF_PROBABILITIES
            sample[name] = 1 / max(2, len(columns)) if probability else self.train[self.targets[0]].dropna().iloc[0]
        sample.to_csv(data / "sample_submission.csv", index=False)

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.target,) if isinstance(self.target, str) else self.target

    @cached_property
    def _written(self) -> Folder:
        return Folder(self.folder, self.target, self.metric, self.id_column, self.environment, self.description)

    @property
    def facts(self) -> TaskBrief:
        """The task, profiled."""
        return self._written.facts

    @property
    def brief(self) -> str:
        """The text that stands in <task>."""
        return self._written.brief


def ask(name: str, **values: object) -> str:
    """Fill in a prompt, and give the embedded model's reply."""
    return str(OfflineChatModel().invoke(prompts.render(name, **{**COMMON, **values})).content)


def code(reply: str) -> str:
    """The script in a reply."""
    match = re.fullmatch(r"```python\n(.*)\n```\s*", reply, re.DOTALL)
    if match is None:
        raise ValueError(f"no single code block: {reply[:200]}")
    return match[1]


@dataclass(frozen=True)
class Run:
    """What a script came to; `seconds` of processor time."""

    score: float | None
    output: str
    error: str
    seconds: float


def run(task: Task | Folder, script: str, name: str = "script", limit: float = 600) -> Run:
    """Run a script in the task's folder."""
    path = task.folder / f"{name}.py"
    path.write_text(script)
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(path)], cwd=task.folder, capture_output=True, text=True, timeout=limit,
        env={**os.environ, "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0)))},
    )  # fmt: skip
    after = os.times()
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    found = re.findall(r"^Final Validation Performance: (\S+)$", done.stdout, re.MULTILINE)
    score = float(found[-1]) if found and done.returncode == 0 else None
    return Run(score, done.stdout, done.stderr if done.returncode else "", seconds)
