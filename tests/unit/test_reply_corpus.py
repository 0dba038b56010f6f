"""The corpus of sloppy replies: nothing in it is taken for something that it is not, and what can be saved is saved."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from benchmarks.replies import CORPUS, Outcome, outcome, read_corpus

LEAST_REPLIES = 200
FLOOR = 0.95
"""Share of a class that has to be recovered, of what can be."""
CLASSES = sorted({case.group for case in read_corpus()})


@cache
def outcomes() -> list[tuple[str, str, bool, Outcome]]:
    """Judge every reply once: class, name, whether it must be refused, what became of it."""
    return [(case.group, str(case), case.must_be_refused, outcome(case)[0]) for case in read_corpus()]


def test_the_corpus_is_large_and_no_reply_is_in_it_twice() -> None:
    replies = Counter(
        (case.given["kind"], case.given.get("script"), case.given.get("reply", case.given.get("quote")),
         case.given.get("earlier"), case.given.get("continued"))
        for case in read_corpus()
    )  # fmt: skip
    assert len(replies) >= LEAST_REPLIES
    assert [reply for reply, times in replies.items() if times > 1] == []


def test_every_script_of_the_corpus_is_asked_for() -> None:
    named = {str(case.given.get(key)) for case in read_corpus() for key in ("script", "answer", "earlier")}
    assert {path.name for path in (CORPUS / "code").iterdir()} <= named


@pytest.mark.parametrize("group", CLASSES)
def test_no_reply_is_taken_for_something_that_it_is_not(group: str) -> None:
    assert [name for cls, name, _, became in outcomes() if cls == group and became == "wrong"] == []


@pytest.mark.parametrize("group", CLASSES)
def test_what_can_be_recovered_is(group: str) -> None:
    became = [result for cls, _, refuse, result in outcomes() if cls == group and not refuse]
    assert became.count("recovered") >= FLOOR * len(became)


def test_what_cannot_be_recovered_is_refused() -> None:
    assert [name for _, name, refuse, became in outcomes() if refuse and became != "refused"] == []
