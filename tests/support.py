"""A scripted chat model and scripted scores: the graphs run for real, the model and the scripts say what a test wants.

A scripted script is Python source that says what it scores in its text (`# score: 0.8`, `# fails`), so that the fake
runner can tell without starting a process. A test that wants real processes leaves the runner alone: the same text
runs.
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from mle_star.execution.runner import Job
from mle_star.models.data_models import ExecutionResult

Reply = Callable[[str], str]
SUBMISSION = "id,y\n1,0.5\n2,0.5\n"


def free_port() -> int:
    """Give a port that nothing listens on; a worker's own, below those that the system gives to whoever asks."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 24
    while True:
        port = random.randrange(20_000 + 500 * worker, 20_500 + 500 * worker)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class ScriptedModel(BaseChatModel):
    """Replies by the prompt's heading: a function of the prompt's text for each."""

    replies: dict[str, Any]
    asked: list[tuple[str, str]] = Field(default_factory=list)
    """Heading and text of every prompt, in order; a prompt whose reply was refused stands there again."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._reply(str(messages[0].content))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._reply(str(messages[0].content))

    def _reply(self, text: str) -> ChatResult:
        if text.startswith("Reply with the word"):  # whether anyone is there
            return _result("ready")
        name = text.partition("\n")[0].removeprefix("# ").strip()
        self.asked.append((name, text))
        return _result(self.replies[name](text))

    def counts(self) -> Counter[str]:
        """How often each prompt was asked."""
        return Counter(name for name, _ in self.asked)


def _result(reply: str) -> ChatResult:
    usage = {"input_tokens": 2, "output_tokens": 1, "total_tokens": 3}
    return ChatResult(generations=[ChatGeneration(message=AIMessage(reply, usage_metadata=usage))])


def script(score: float | None = None, body: str = "x = 1", *, fails: bool = False) -> str:
    """Write a script with a preprocessing block, a block to refine, and a score."""
    end = "raise RuntimeError('scripted failure')" if fails else f"print('Final Validation Performance: {score}')"
    mark = "# fails" if fails else f"# score: {score}"
    return f"{mark}\nprepared = 1\n{body}\n{end}\n"


def fenced(code: str) -> str:
    """Put code into the fence that a model puts it in."""
    return f"```python\n{code.rstrip()}\n```"


def section(prompt: str, tag: str) -> str:
    """Take a part out of a prompt."""
    found = re.search(rf"<{tag}>\n(.*)\n</{tag}>", prompt, re.DOTALL)
    return found[1] if found else ""


def cards(count: int) -> str:
    """Reply with model cards."""
    return json.dumps([{"name": f"model {n}", "description": "d", "example_code": "pass"} for n in range(1, count + 1)])


def submission_script() -> str:
    """Write a script that leaves a valid submission."""
    return f"# submits\nopen('final/submission.csv', 'w').write({SUBMISSION!r})\n"


def default_replies(**changes: Reply) -> dict[str, Reply]:
    """Reply well to every prompt, with the same score everywhere; `changes` replace some."""
    replies: dict[str, Reply] = {
        "search_queries": lambda p: json.dumps({"queries": ["first query", "second query"]}),
        "retriever": lambda p: cards(int(re.search(r"exactly (\d+) objects", p)[1])),  # type: ignore[index]
        "candidate_evaluator": lambda p: fenced(script(0.5, f"model = {section(p, 'model')!r}")),
        "merger": lambda p: fenced(script(0.5, "merged = True")),
        "ablation_study": lambda p: fenced("print('without x: 0.4')\n"),
        "summarizer": lambda p: "x matters most",
        "extractor": lambda p: json.dumps({"code_block": section(p, "script").splitlines()[2], "plan": "first plan"}),
        "coder": lambda p: fenced(f"x = {section(p, 'plan')!r}\n"),
        "rewrite": lambda p: fenced(section(p, "script").replace(section(p, "code_block"), "x = 'rewritten'")),
        "planner": lambda p: f"plan after {section(p, 'history').count('score:')}",
        "debugger": lambda p: fenced(section(p, "script") + "\n"),
        "leakage_detect": lambda p: json.dumps({"verdict": "no leakage", "code_block": "prepared = 1", "reason": ""}),
        "leakage_correct": lambda p: fenced("prepared = 2\n"),
        "data_usage_checker": lambda p: "All the provided information is used.",
        "ensemble_planner": lambda p: "mean",
        "ensemble_planner_next": lambda p: f"ensemble plan after {section(p, 'history').count('score:')}",
        "ensembler": lambda p: fenced(script(0.5, f"ensemble = {section(p, 'plan')!r}")),
        "submission": lambda p: fenced(submission_script()),
        "subsampling_extract": lambda p: json.dumps({"code_block": ""}),
        "subsampling_remove": lambda p: fenced("pass\n"),
    }
    return replies | changes


async def scripted_runner(job: Job) -> ExecutionResult:
    """Say what a scripted script would have come to, without a process."""
    text = job.script.read_text()
    job.log.write_text("")
    paths = {"script_path": str(job.script), "log_path": str(job.log), "seconds": 0.01}
    if "# fails" in text:
        return ExecutionResult(error="exception", message="RuntimeError: scripted failure", **paths)
    if "# submits" in text:
        (job.workdir / "final").mkdir(parents=True, exist_ok=True)
        (job.workdir / "final" / "submission.csv").write_text(SUBMISSION)
        return ExecutionResult(**paths)
    found = re.search(r"# score: (\S+)", text)
    score = float(found[1]) if found and found[1] != "None" else None
    if job.needs_score and score is None:
        return ExecutionResult(error="no score", message="no score", **paths)
    return ExecutionResult(score=score, output="printed", **paths)


def make_task_folder(folder: Path, metric: str = "AUC") -> Path:
    """Write a tiny task."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "description.md").write_text(f"# Tiny\n\nPredict y.\n\n## Evaluation\n\nThe metric is {metric}.\n")
    rows = "".join(f"{n},{n % 7},{n % 2}\n" for n in range(10, 50))
    (folder / "train.csv").write_text(f"id,a,y\n{rows}")
    (folder / "test.csv").write_text("id,a\n1,3\n2,4\n")
    (folder / "sample_submission.csv").write_text("id,y\n1,0.5\n2,0.5\n")
    return folder


def use_model(monkeypatch: pytest.MonkeyPatch, model: BaseChatModel, *, fake_runner: bool = True) -> None:
    """Have every run ask `model`, and, unless told otherwise, start no process."""
    monkeypatch.setattr("mle_star.tools.chat.make_model", lambda config: model)
    if fake_runner:
        monkeypatch.setattr("mle_star.tools.scripts.run_script", scripted_runner)
        monkeypatch.setattr("mle_star.tools.scripts.warm_up", lambda cores: None)
