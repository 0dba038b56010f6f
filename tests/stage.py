"""A stage for the graphs: a test says what every script will come to, a graph plays, and the log tells what happened.

Each piece of code that the scripted model writes carries a number, `# try 7`, and the newest number in a script says
what running it comes to. So a script that was put together from parts comes to what its last change was meant to.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Literal

import pytest
from langgraph.graph.state import CompiledStateGraph

from mle_star.execution.runner import Job
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ExecutionResult, Solution, TaskBrief, TaskDescription
from mle_star.models.metric import Metric
from mle_star.models.profile import DataProfile, FileProfile, SubmissionFormat
from mle_star.tools.run import Run
from mle_star.tools.run_folder import RunFolder
from tests.support import SUBMISSION, Reply, ScriptedModel, default_replies, fenced, section

Outcome = float | Literal["fails", "no score", "garbage", "too long", "killed"]
"""What an answer comes to: a script's score or failure, or a reply that never parses."""
Submitted = Literal["submits", "fails", "no file", "too long"]
"""What a submission script comes to."""
GARBAGE = "I am sorry, but no: there is nothing (here that; anyone [could use.\n"
FAST = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
METRICS = {"AUC": Metric(name="auc_roc", maximize=True), "RMSE": Metric(name="rmse", maximize=False)}
_numbers = count(1)


@dataclass(frozen=True)
class Asked:
    """A prompt that reached the model."""

    name: str
    text: str
    again: bool
    """Whether it is the same question once more, because the reply was refused."""

    def part(self, tag: str) -> str:
        """Take out what stands between two tags."""
        found = re.search(rf"<{tag}>\n(.*?)\n</{tag}>", self.text, re.DOTALL)
        assert found, f"the prompt {self.name} has no <{tag}>"
        return found[1]


@dataclass(frozen=True)
class Ran:
    """A script that was started."""

    agent: str
    script: str
    needs_score: bool
    comes_to: Outcome | Submitted


class Stage:
    """The scripted model, the fake runner, and the log of what they were asked for."""

    def __init__(self, **replies: Reply) -> None:
        self.log: list[Asked | Ran] = []
        self.outcomes: list[Outcome] = []
        self.replies = default_replies(**replies)
        self.model = _Actor(replies={name: self._reply(name) for name in self.replies})
        self.submissions: list[Submitted] = []
        """What the submission scripts come to, in order; valid beyond the end."""

    def _reply(self, name: str) -> Reply:
        def reply(text: str) -> str:
            self.log.append(Asked(name, text, bool(self.model.again)))
            return self.replies[name](text)

        return reply

    # What the model writes

    def mark(self, outcome: Outcome) -> str:
        """Give a new number to something that will come to `outcome`: a comment to put behind a statement."""
        self.outcomes.append(outcome)
        return f"# try {len(self.outcomes) - 1}"

    def write(self, outcome: Outcome, *lines: str, prepared: str = "prepared = 1", parts: int = 0) -> str:
        """Write a script: a line that prepares the data, `parts` lines to refine, and `lines`."""
        refined = [f"part_{number} = 0" for number in range(parts)]
        return "\n".join([prepared, *refined, *lines, f"print('score') {self.mark(outcome)}"]) + "\n"

    def answer(self, outcome: Outcome, *lines: str, **options: Any) -> str:
        """Write a script into a reply; garbage if that is what it comes to."""
        return GARBAGE if outcome == "garbage" else fenced(self.write(outcome, *lines, **options))

    def comes_to(self, script: str) -> Outcome:
        """Tell what a script comes to, by the newest number in it."""
        return self.outcomes[max(int(number) for number in re.findall(r"# try (\d+)", script))]

    # What the scripts do

    async def run_script(self, job: Job) -> ExecutionResult:
        """Stand in for the runner."""
        text = job.script.read_text()
        job.log.write_text("")
        comes_to: Any = self._submit(job) if "# submits" in text else self.comes_to(text)
        self.log.append(Ran(job.script.stem[4:], text, job.needs_score, comes_to))
        paths: dict[str, Any] = {"script_path": str(job.script), "log_path": str(job.log), "seconds": 0.01}
        if comes_to == "too long":
            return ExecutionResult(error="timeout", message="too long", **paths)
        if comes_to == "killed":
            return ExecutionResult(error="killed", message="The script was killed by SIGKILL", **paths)
        if comes_to == "fails":
            return ExecutionResult(error="exception", message=f"RuntimeError: {text[-20:]}", **paths)
        if comes_to == "no score":
            error: Any = "no score" if job.needs_score else None
            return ExecutionResult(error=error, message="no score", output="printed", **paths)
        return ExecutionResult(score=comes_to if isinstance(comes_to, float) else None, output="printed", **paths)

    def _submit(self, job: Job) -> Submitted:
        comes_to: Submitted = self.submissions.pop(0) if self.submissions else "submits"
        if comes_to == "submits":
            (job.workdir / "final").mkdir(parents=True, exist_ok=True)
            (job.workdir / "final" / "submission.csv").write_text(SUBMISSION)
        return comes_to

    # What happened

    def asked(self, *names: str) -> list[Asked]:
        """List the questions by these prompts, repetitions of refused ones left out."""
        return [one for one in self.log if isinstance(one, Asked) and one.name in names and not one.again]

    def ran(self, *agents: str) -> list[Ran]:
        """List the scripts of these agents that were started; all without a name."""
        return [one for one in self.log if isinstance(one, Ran) and (one.agent in agents or not agents)]

    def calls(self) -> int:
        """Count the model calls, repetitions included."""
        return sum(isinstance(one, Asked) for one in self.log)

    def counts(self) -> Counter[str]:
        """Count the questions by prompt, repetitions left out."""
        return Counter(one.name for one in self.log if isinstance(one, Asked) and not one.again)


class _Actor(ScriptedModel):
    """A scripted model that knows whether it is asked the same once more."""

    again: bool = False
    cut_off: bool = False
    """Whether every reply is said to have reached the most tokens."""

    async def _agenerate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        self.again = len(messages) > 1
        result = await super()._agenerate(messages, *args, **kwargs)
        if self.cut_off:
            result.generations[0].message.response_metadata["finish_reason"] = "length"
        return result


@dataclass(frozen=True)
class Play:
    """A graph's run that is over: what it returned, and the log."""

    state: dict[str, Any]
    stage: Stage
    metric: Metric
    config: MLEStarConfig
    folder_listing: tuple[str, ...] = ()

    @property
    def solution(self) -> Solution | None:
        """What the graph came to."""
        return self.state.get("solution")

    @property
    def score(self) -> float | None:
        """The score of what the graph came to."""
        return self.solution.score if self.solution else None


@cache
def _runner() -> asyncio.Runner:
    return asyncio.Runner()


def a_brief(folder: Path, metric: str) -> TaskBrief:
    """Describe a tiny task, with a file beside the table that a solution may leave unused."""
    files = tuple(FileProfile(path=name, bytes=9) for name in ("extra.csv", "train.csv", "test.csv", "sample.csv"))
    kind = "classification" if metric == "AUC" else "regression"
    task = TaskDescription(
        dataset_path=str(folder), description="Predict y.", task_type=kind, data_modality="tabular",
        evaluation_metric=metric, metric_direction="maximize" if metric == "AUC" else "minimize", target="y",
    )  # fmt: skip
    form = SubmissionFormat(
        columns=("id", "y"), id_column="id", prediction_columns=("y",), rows=2, sample_file="sample.csv"
    )
    profile = DataProfile(files=files, train_file="train.csv", test_file="test.csv", submission=form)
    return TaskBrief(task=task, metric=METRICS[metric], profile=profile)


def play(
    graph: CompiledStateGraph[Any, Any, Any, Any],
    stage: Stage,
    inputs: dict[str, Any] | None = None,
    *,
    metric: str = "AUC",
    look: Callable[[Path], tuple[str, ...]] = lambda folder: (),
    **settings: Any,
) -> Play:
    """Play a graph to its end, in a folder of its own that is gone afterwards; `look` may see the folder before."""
    folder = Path(tempfile.mkdtemp(dir=FAST))
    run_id = f"play-{next(_numbers)}"
    try:
        (folder / "data").mkdir()
        (folder / "data" / "sample.csv").write_text(SUBMISSION)
        (folder / "data" / "test.csv").write_text("id,a\n1,3\n2,4\n")
        brief = a_brief(folder / "data", metric)
        task = TaskDescription(dataset_path=str(folder / "data"))
        config = MLEStarConfig(
            out_dir=folder / "run", _env_file=None, **({"max_debug_retries": 0, "cache": False} | settings)
        )
        (folder / "run").mkdir()
        RunFolder(folder / "run").write_brief(task, brief)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mle_star.tools.chat.make_model", lambda config: stage.model)
            patch.setattr("mle_star.tools.scripts.run_script", stage.run_script)
            patch.setattr("mle_star.tools.scripts.warm_up", lambda cores: None)
            thread: Any = {"configurable": {"thread_id": run_id}, "recursion_limit": 10_000}
            state = _runner().run(graph.ainvoke({"task": task} | (inputs or {}), thread, context=config))
        return Play(state, stage, METRICS[metric], config, look(folder / "run"))
    finally:
        Run.forget(run_id)
        shutil.rmtree(folder, ignore_errors=True)


def extraction(block: str, plan: str) -> str:
    """Reply as the extractor does."""
    return json.dumps({"code_block": block, "plan": plan})


def verdict(block: str, *, leaks: bool) -> str:
    """Reply as the leakage checker does."""
    return json.dumps({"verdict": "leakage" if leaks else "no leakage", "code_block": block, "reason": "r"})


SMALL = {
    "num_solutions": 2, "num_retrieved_models": 2, "outer_loop_iterations": 1, "inner_loop_iterations": 2,
    "ensemble_iterations": 1, "max_debug_retries": 1, "reply_retries": 1,
}  # fmt: skip
"""Settings of a small run in which there is something to do for every agent."""


def whole_run() -> Stage:
    """Set a stage on which every agent does its part, and each has something to do."""

    def candidate(prompt: str) -> str:
        lines = (section(prompt, "model").split("\n")[0].replace(" ", "_") + " = 1", f"seed = {len(prompt)}")
        first = "model 1" in section(prompt, "model")
        return stage.answer(0.5 if first else "fails", *lines, f"path = {stage.counts()}", parts=1)

    stage = Stage(
        candidate_evaluator=candidate,
        debugger=lambda p: fenced(f"{section(p, 'script')}\nrepaired = 1  {stage.mark(0.4)}"),
        merger=lambda p: stage.answer(0.6, f"merged = {stage.counts()}", parts=1),
        ablation_study=lambda p: stage.answer("no score"),
        extractor=lambda p: extraction("part_0 = 0", "Plan 0."),
        coder=lambda p: fenced(f"part_0 = {section(p, 'plan')!r}  {stage.mark(0.7)}"),
        leakage_detect=lambda p: verdict("prepared = 1", leaks="prepared = 1" in p),
        ensembler=lambda p: stage.answer(0.8, f"ensemble = {stage.counts()}"),
        data_usage_checker=lambda p: fenced(f"{section(p, 'script')}\nopen('extra.csv')  {stage.mark(0.65)}"),
        subsampling_extract=lambda p: json.dumps({"code_block": next(iter(section(p, "script").splitlines()))}),
    )
    return stage
