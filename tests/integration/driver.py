"""A run in a process of its own, which a test may kill: `python -m tests.integration.driver PLACE`.

It begins the run in PLACE/run, or resumes it. The model and the scripts are scripted but for their work. For every
model call and every script that completes, a line is appended to PLACE/calls or PLACE/scripts. What they say and score
follows from what they were given, so that two runs come to the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from zlib import crc32

from mle_star.execution.runner import Job, run_script
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ExecutionResult, TaskDescription
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.tools import chat, scripts
from tests.stage import extraction
from tests.support import SUBMISSION, ScriptedModel, default_replies, fenced, section

SETTINGS: dict[str, Any] = {
    "num_solutions": 2, "num_retrieved_models": 2, "outer_loop_iterations": 2, "inner_loop_iterations": 2,
    "ensemble_iterations": 2, "max_debug_retries": 1, "model_provider": "offline",
    "cache": False,
}  # fmt: skip
SCRIPT = """\
prepared = {number}
part_0 = {number}
part_1 = {number}
import time, zlib
text = open(__file__, "rb").read()
time.sleep(0.05)
if zlib.crc32(text) % 11 == 0:
    raise RuntimeError("bad luck")
print("Final Validation Performance:", zlib.crc32(text) % 1000 / 1000)
"""
SUBMISSION_SCRIPT = f"open('final/submission.csv', 'w').write({SUBMISSION!r})\n"


def key(messages: list[Any]) -> str:
    """Tell calls apart by what was sent."""
    return hashlib.sha256(json.dumps(messages).encode()).hexdigest()


def number(prompt: str, *tags: str) -> int:
    """Make a number of what a prompt hands over in these tags."""
    return crc32("".join(section(prompt, tag) for tag in tags).encode())


def new_script(prompt: str, *tags: str) -> str:
    return fenced(SCRIPT.format(number=number(prompt, *tags)))


def extract(prompt: str) -> str:
    parts = re.findall(r"^part_\d = .*", section(prompt, "script"), re.MULTILINE)
    block = next(part for part in parts if part not in section(prompt, "earlier_blocks"))
    return extraction(block, f"Plan {number(prompt, 'script', 'summary')}.")


class MarkingModel(ScriptedModel):
    """Appends a line for every call that it has answered."""

    calls: Path

    async def _agenerate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0.02)
        result = await super()._agenerate(messages, *args, **kwargs)
        if not str(messages[0].content).startswith("Reply with the word"):
            with self.calls.open("a") as file:
                file.write(key([[message.type, message.text] for message in messages]) + "\n")
        return result


def make_model(calls: Path) -> MarkingModel:
    """Make the model."""
    replies = default_replies(
        candidate_evaluator=lambda p: fenced(
            SCRIPT.format(number=crc32(p[p.index("Use the seed") :].encode() + section(p, "model").encode()))
        ),
        merger=lambda p: new_script(p, "base_script", "reference_script"),
        ablation_study=lambda p: new_script(p, "script", "earlier_summaries"),
        summarizer=lambda p: f"Summary {number(p, 'script')}.",
        extractor=extract,
        coder=lambda p: fenced(f"{section(p, 'code_block')[:6]} = {number(p, 'code_block', 'plan')}"),
        planner=lambda p: f"Plan {number(p, 'code_block', 'history')}.",
        debugger=lambda p: fenced(f"{section(p, 'script')}\n# repaired"),
        leakage_detect=lambda p: json.dumps(
            {"verdict": "no leakage", "code_block": section(p, "script").split("\n")[0]}
        ),
        ensemble_planner=lambda p: "The mean.",
        ensemble_planner_next=lambda p: f"Plan {number(p, 'history')}.",
        ensembler=lambda p: new_script(p, "solutions", "plan"),
        submission=lambda p: fenced(SUBMISSION_SCRIPT),
    )
    return MarkingModel(replies=replies, calls=calls)


def marking(marks: Path) -> Callable[[Job], Awaitable[ExecutionResult]]:
    """Make a runner that appends a line for every script that has completed: a script itself can't write there."""

    async def run(job: Job) -> ExecutionResult:
        result = await run_script(job)
        if result.error is None:
            with marks.open("a") as file:
                file.write(hashlib.sha256(job.script.read_bytes()).hexdigest() + "\n")
        return result

    return run


def main(place: Path) -> None:
    model = make_model(place / "calls")
    chat.make_model = lambda config: model
    scripts.run_script = marking(place / "scripts")  # type: ignore[assignment]
    orchestrator = MLEStarOrchestrator(MLEStarConfig(out_dir=place / "run", _env_file=None, **SETTINGS))
    if (place / "run" / "run.json").exists():
        result = asyncio.run(orchestrator.resume(place / "run"))
    else:
        result = orchestrator.run_sync(TaskDescription.from_directory(place / "task"))
    (place / "result.json").write_text(result.model_dump_json())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
