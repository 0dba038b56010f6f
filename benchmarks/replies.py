"""What becomes of sloppy replies? `python -m benchmarks.replies`, with `-v` for those that were not recovered.

Every reply of the corpus in `benchmarks/replies/` is read as the agent reads it that asked for it, and the outcome is
held against the right answer, which is written beside it. By class:

    recovered  what was meant, exactly: the same program, the same values
    refused    asked for again; right where there is nothing to recover, a loss elsewhere
    wrong      taken for something that it is not: never

A reply of kind `script` is a whole script (with `earlier`, one that replaces another; with `continued`, one that was
cut off, and the reply that goes on with it). A `block` takes the place of some lines of a script. A `place` is a quote,
whose lines are to be found. The other kinds are shapes of JSON.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from mle_star.agents.extractor import Extraction
from mle_star.agents.leakage_checker import Verdict
from mle_star.agents.submission import Subsampling
from mle_star.models.data_models import ModelCard
from mle_star.models.syntax import parse, same
from mle_star.tools.blocks import find_block
from mle_star.tools.replacing import parse_block
from mle_star.tools.replies import ReplyError, parse_json, parse_script
from mle_star.tools.replies.continuation import is_finished, joined

CORPUS = Path(__file__).with_name("replies")
SHAPES: dict[str, Any] = {
    "extraction": Extraction, "verdict": Verdict, "cards": list[ModelCard], "subsampling": Subsampling,
}  # fmt: skip
Outcome = Literal["recovered", "refused", "wrong"]


@dataclass(frozen=True)
class Case:
    """One reply, the question that it answers, and what is right."""

    group: str
    number: int
    given: dict[str, Any]

    @property
    def must_be_refused(self) -> bool:
        """Whether there is nothing in it to recover."""
        right = {"script": "answer", "block": "new", "place": "lines"}.get(self.given["kind"], "value")
        return self.given[right] is None

    def __str__(self) -> str:
        return f"{self.group} {self.number}: {self.given.get('what', self.given['kind'])}"


def read_corpus() -> list[Case]:
    """Read all cases, class by class."""
    cases = []
    for path in sorted(CORPUS.glob("*.yaml")):
        group = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
        cases += [Case(group["class"], number, given) for number, given in enumerate(group["cases"], 1)]
    return cases


def outcome(case: Case) -> tuple[Outcome, str]:
    """Read a reply and judge what was made of it; with the reason of a refusal."""
    try:
        is_right = _judge(case)
    except ReplyError as error:
        return "refused", str(error)
    return ("recovered", "") if is_right else ("wrong", "taken for something that it is not")


def _judge(case: Case) -> bool:
    given, kind = case.given, case.given["kind"]
    if kind == "script":
        found = parse_script(_whole(given), _code(given["earlier"]) if "earlier" in given else "")
        return given["answer"] is not None and _same(found, _code(given["answer"]))
    if kind == "block":
        script, (first, last) = _code(given["script"]), given["lines"]
        lines = script.split("\n")
        found = parse_block(script, "\n".join(lines[first - 1 : last]), given["reply"])
        right = "\n".join([*lines[: first - 1], given["new"] or "", *lines[last:]])
        return given["new"] is not None and _same(found, right)
    if kind == "place":
        first, last = find_block(_code(given["script"]), given["quote"])
        return [first + 1, last] == given["lines"]
    value = parse_json(given["reply"], SHAPES[kind])
    shown = [one.model_dump(exclude={"source"}) for one in value] if isinstance(value, list) else value.model_dump()
    return _stripped(shown) == _stripped(_filled(given["value"]))


def _whole(given: dict[str, Any]) -> str:
    """The reply with what continues it, as `ask` puts them together."""
    reply: str = given["reply"]
    if "continued" not in given or is_finished(reply):
        return reply
    return joined(reply, given["continued"])


@cache
def _code(name: str) -> str:
    return (CORPUS / "code" / name).read_text(encoding="utf-8")


def _same(one: str, other: str) -> bool:
    return same(parse(one), parse(other))


def _filled(value: Any) -> Any:
    """Model cards with what they leave out."""
    if isinstance(value, list):
        return [{"name": "", "description": "", "example_code": ""} | one for one in value]
    return value


def _stripped(value: Any) -> Any:
    """Without the line breaks at the ends of texts, which mean nothing."""
    if isinstance(value, list):
        return [_stripped(one) for one in value]
    return {key: part.strip("\n") for key, part in value.items()} if isinstance(value, dict) else value


def main() -> None:
    """Print the table; exit with 1 if a reply was taken for something that it is not."""
    told: dict[str, Counter[str]] = {}
    for case in read_corpus():
        result, reason = outcome(case)
        name = "rightly refused" if result == "refused" and case.must_be_refused else result
        told.setdefault(case.group, Counter())[name] += 1
        if "-v" in sys.argv and name in ("refused", "wrong"):
            print(f"{name}: {case}: {reason}")
    width = max(map(len, told))
    print(f"{'class':<{width}}  replies  recovered  rightly refused  refused  wrong")
    for group, counts in [*told.items(), ("all", sum(told.values(), Counter()))]:
        good, right, lost, wrong = (counts[name] for name in ("recovered", "rightly refused", "refused", "wrong"))
        share = f"{good / (good + lost + wrong):.0%}" if good + lost + wrong else "-"
        print(f"{group:<{width}}  {counts.total():>7}  {share:>9}  {right:>15}  {lost:>7}  {wrong:>5}")
    if any(counts["wrong"] for counts in told.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
