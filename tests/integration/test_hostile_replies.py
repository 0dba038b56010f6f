"""Whole runs against a server whose model replies sloppily: every class of the corpus, at every agent."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.replies import Case, read_corpus
from mle_star.cli import main
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskDescription
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.tools.replies.continuation import GO_ON
from mle_star.tools.run_folder import RunFolder
from tests.support import SUBMISSION, Reply, default_replies, fenced, make_task_folder, script, scripted_runner, section
from tests.wire import Answer, Asked, Said, WireServer, embedded, keys

__all__ = ["keys"]
pytestmark = pytest.mark.usefixtures("keys")
ROOT = Path(__file__).parents[2]
CASES = read_corpus()
CLASSES = sorted({case.group for case in CASES})
SIZES = ["--models", "3", "--solutions", "2", "--outer", "2", "--inner", "2", "--ensemble", "2"]
MOST_CALLS = 1_500
"""Far above what a run of these sizes asks; one that never gives up would come to more."""


def good_replies() -> dict[str, Reply]:
    """Reply well, and so that every prompt there is comes up: some scripts fail, leak and subsample."""

    def candidate(prompt: str) -> str:
        first = "model 1" in section(prompt, "model")
        return fenced(script(0.5, f"model = {section(prompt, 'model')!r}", fails=first))

    def subsampling(prompt: str) -> str:
        return json.dumps({"code_block": section(prompt, "script").splitlines()[2]})

    def extraction(prompt: str) -> str:
        """Quote a line that the script has once: a hostile reply may have become the script."""
        lines = [line.strip() for line in section(prompt, "script").splitlines()]
        block = next(line for line in lines[2:] + lines if line and lines.count(line) == 1)
        return json.dumps({"code_block": block, "plan": "first plan"})

    return default_replies(
        candidate_evaluator=candidate,
        extractor=extraction,
        debugger=lambda p: fenced(script(0.5, "repaired = True")),
        leakage_detect=lambda p: json.dumps({"verdict": "leakage", "code_block": "prepared = 1", "reason": "r"})
        if "prepared = 1" in p else json.dumps({"verdict": "no leakage", "code_block": "prepared = 2", "reason": ""}),
        subsampling_extract=subsampling,
        subsampling_remove=lambda p: fenced("whole = True\n"),
    )  # fmt: skip


EVERYWHERE = set(good_replies()) - {"search_queries", "rewrite", "merger", "subsampling_remove", "debugger"}
"""The prompts that come up whatever is replied: there may be no block to rewrite, no second script to merge.

Nor a script to repair: which candidates are replied to well depends on the order in which the paths ask.
"""


OF_SEVERAL_PATHS = {"ensemble_planner", "ensemble_planner_next", "ensembler"}
"""The prompts that need a solution of each path: in some orders all candidates of a path are replied to badly."""


class Hostile:
    """Replies to every second question of each agent, its repetitions included, with the next case of a class."""

    def __init__(self, cases: list[Case]) -> None:
        self.cases, self.good = cases, good_replies()
        self.turns: Counter[str] = Counter()
        self.served: Counter[str] = Counter()
        self.lock = threading.Lock()

    def __call__(self, asked: Asked) -> Answer:
        if not asked.heading:
            return "ready"
        with self.lock:
            if len(asked.messages) == 1:
                self.turns[asked.heading] += 1
            if self.turns[asked.heading] % 2 == 0:
                return self.good[asked.heading](asked.prompt)
            case = self.cases[self.served[asked.heading] % len(self.cases)].given
            if asked.messages[-1][1] == GO_ON and "continued" in case:
                return str(case["continued"])
            self.served[asked.heading] += 1
        return Said(case.get("reply", case.get("quote", "")), finish="length" if "continued" in case else "stop")


@pytest.mark.parametrize("group", CLASSES)
def test_a_run_survives_every_class_of_reply_at_every_agent(
    group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mle_star.tools.scripts.run_script", scripted_runner)
    make_task_folder(tmp_path / "task")
    hostile = Hostile([case for case in CASES if case.group == group])
    with WireServer(hostile) as server:
        address = ["--provider", "openai", "--model", "tiny:1b", "--openai-url", f"{server.url}/v1"]
        code = main(["run", "task", *address, *SIZES, "--search", "none", "--no-cache", "--out", "run"])
    said = capsys.readouterr()
    about = RunFolder(tmp_path / "run").about()
    assert about.result is not None
    assert {0: "succeeded", 3: "no script ran", 4: "no submission"}[code] == about.status
    assert "Traceback" not in said.out + said.err + (tmp_path / "run" / "events.jsonl").read_text()
    assert len(server.asked) < MOST_CALLS
    if code != 3:  # with a script that ran, the run comes by all agents
        paths = {r.step.partition(".")[0] for r in about.result.history if ".candidate" in r.step and r.score}
        assert set(hostile.served) >= EVERYWHERE - (OF_SEVERAL_PATHS if len(paths) < 2 else set())
        assert about.result.final_score == 0.5
    assert (tmp_path / "run" / "final" / "submission.csv").is_file() == (code == 0)
    if code == 0:
        assert (tmp_path / "run" / "final" / "submission.csv").read_text() == SUBMISSION


# Good replies, sloppily put

CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
Wrap = Callable[[str], str]


def _code(change: Wrap) -> Wrap:
    """Change the code of a reply; its fences go with it."""
    return lambda reply: CODE.sub(lambda found: change(found[1]), reply)


CODE_WRAPS: dict[str, Wrap] = {
    "as asked": lambda reply: reply,
    "another tag": _code(lambda code: f"```Py3 title=x\n{code}```"),
    "tildes": _code(lambda code: f"~~~~\n{code}~~~~"),
    "no fence": _code(lambda code: code),
    "prose around": _code(
        lambda code: f"Here's the code — it's “ready”:\n\n```python\n{code}```\n\nLet me know! I'd also try:\n\n- more"
    ),
    "a shell block beside it": _code(
        lambda code: f"```bash\npip install -U lightgbm\n```\n\n```python\n{code}```\n\n```text\n0.5\n```"
    ),
    "Windows line endings": lambda reply: reply.replace("\n", "\r\n"),
    "trailing spaces": _code(lambda code: "```python   \n\n\n" + code.rstrip() + "\n   \n```  "),
    "thoughts": lambda reply: f"<think>\nFirst\n```python\nprint('a draft')\n```\nno.\n</think>\n{reply}",
    "within a quote": _code(lambda code: "".join(f"> {line}\n" for line in f"```python\n{code}```".split("\n"))),
    "the last fence missing": _code(lambda code: f"```python\n{code}"),
    "an indented list item": _code(
        lambda code: "1. The script:\n\n" + "".join(f"   {line}\n" for line in f"```python\n{code}```".split("\n"))
    ),
}  # fmt: skip


def _python_literal(reply: str) -> str:
    return repr(json.loads(reply))


JSON_WRAPS: dict[str, Wrap] = {
    "as asked": lambda reply: reply,
    "fenced": lambda reply: f"Here you are:\n\n```json\n{reply}\n```\nI hope this helps.",
    "a Python literal": _python_literal,
    "a trailing comma": lambda reply: f"{reply.rstrip()[:-1].rstrip()},\n{reply.rstrip()[-1]}",
    "a comment": lambda reply: f"{reply.rstrip()[:1]}\n// as you asked\n{reply.rstrip()[1:]}",
    "in a list, or alone": lambda reply: f"[{reply}]" if reply.lstrip().startswith("{") else reply,
    "thoughts": lambda reply: f"<think>{{'not': 'this'}}</think>{reply}",
}


@pytest.mark.parametrize("first", range(2))
async def test_good_replies_that_are_sloppily_put_come_to_a_submission(first: int, tmp_path: Path) -> None:
    turn, lock, used = {"code": first * 6, "json": first * 4}, threading.Lock(), set()

    def sloppy(asked: Asked) -> Answer:
        reply = embedded(asked)
        assert isinstance(reply, str)
        kind, wraps = ("code", CODE_WRAPS) if CODE.search(reply) else ("json", JSON_WRAPS)
        try:
            if kind == "json":
                json.loads(reply)
        except ValueError:
            return reply
        with lock:
            name = list(wraps)[turn[kind] % len(wraps)]
            turn[kind] += 1
            used.add((kind, name))
        return Said(wraps[name](reply), calls_tool=False)

    with WireServer(sloppy) as server:
        config = MLEStarConfig(
            out_dir=tmp_path / "run", search_engine="none", num_solutions=2, num_retrieved_models=2,
            outer_loop_iterations=1, inner_loop_iterations=2, ensemble_iterations=1, **server.settings("openai"),
        )  # fmt: skip
        task = TaskDescription.from_directory(ROOT / "examples" / "penguins")
        result = await MLEStarOrchestrator(config).run(task)
    assert len(used) >= len(CODE_WRAPS)
    assert result.status == "succeeded"
    assert not [record for record in result.history if record.error]
    again = [asked.heading for asked in server.questions() if len(asked.messages) > 1]
    assert again == [], "a good reply is understood at once, however it is put"


def test_each_wrap_is_a_reply_of_its_own() -> None:
    reply: Any = "```python\nx = 1\n```"
    assert len({wrap(reply) for wrap in CODE_WRAPS.values()}) == len(CODE_WRAPS)
