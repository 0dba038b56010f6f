"""Replies on disk: readable by a person, without secrets, and shared between runs where that is wanted."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from mle_star.models.config import MLEStarConfig
from mle_star.models.errors import ConfigError
from mle_star.tools.preflight import check_settings
from mle_star.tools.reply_files import ReplyFiles, shared_cache

RECORD = {
    "agent": "coder", "model": "openai/gpt-4o", "phase": "refinement", "input_tokens": 12, "output_tokens": 3,
    "cached_tokens": 0, "cost": 0.5, "messages": [["human", "# coder\n\nWrite it."]], "reply": "```python\nx = 1\n```",
}  # fmt: skip


def files(folder: Path, shared: Path | None = None, seed: int = 1) -> ReplyFiles:
    folder.mkdir(exist_ok=True)
    return ReplyFiles(folder, shared, seed)


async def paid(**changes: Any) -> dict[str, Any]:
    return RECORD | changes


async def free() -> dict[str, Any]:
    raise AssertionError("it was asked again")


async def test_a_request_and_its_reply_are_there_to_be_read(tmp_path: Path) -> None:
    await files(tmp_path / "replies").remembered("abc", "p1.t0.k0-coder", paid)
    text = (tmp_path / "replies" / "p1.t0.k0-coder-abc.md").read_text()
    assert text.startswith("# p1.t0.k0-coder\n\ncoder, openai/gpt-4o: 12 tokens read, 3 written, $0.5000\n")
    assert "# coder\n\nWrite it." in text
    assert text.endswith("```python\nx = 1\n```\n")


async def test_what_a_person_reads_holds_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "a-very-secret-value")
    await files(tmp_path / "replies").remembered(
        "abc", "name", lambda: paid(reply="a-very-secret-value and sk-0123456789abcdef")
    )
    text = (tmp_path / "replies" / "name-abc.md").read_text()
    assert "secret" not in text
    assert "0123456789" not in text


async def test_the_same_request_of_another_run_costs_nothing_with_a_shared_file(tmp_path: Path) -> None:
    shared = tmp_path / "cache" / "replies.sqlite"
    await files(tmp_path / "one", shared).remembered("abc", "name", paid)
    again = await files(tmp_path / "two", shared).remembered("abc", "name", free)
    assert again["reply"] == RECORD["reply"]
    assert (again["calls"], again["input_tokens"], again["cost"]) == (0, 0, 0.0)


async def test_another_seed_is_asked_anew(tmp_path: Path) -> None:
    shared = tmp_path / "replies.sqlite"
    await files(tmp_path / "one", shared).remembered("abc", "name", paid)
    again = await files(tmp_path / "two", shared, seed=2).remembered("abc", "name", lambda: paid(reply="new"))
    assert again["reply"] == "new"


OPEN_MANY = """
import pathlib, sys
from mle_star.tools.reply_files import shared_cache
print("ready", flush=True)
for name in sys.stdin:
    shared_cache(pathlib.Path(name.strip()))
    print("open", flush=True)
"""


async def test_processes_and_threads_that_open_a_new_shared_file_at_once_all_have_it(tmp_path: Path) -> None:
    program = (sys.executable, "-c", OPEN_MANY)
    pipe = asyncio.subprocess.PIPE
    others = [await asyncio.create_subprocess_exec(*program, stdin=pipe, stdout=pipe) for _ in range(2)]
    said = [one.stdout for one in others if one.stdout]
    told = [one.stdin for one in others if one.stdin]
    assert [await one.readline() for one in said] == [b"ready\n"] * 2
    for number in range(40):
        path = tmp_path / f"{number}.sqlite"
        for one in told:
            one.write(f"{path}\n".encode())
        await asyncio.gather(*(asyncio.to_thread(shared_cache, path) for _ in range(4)))
        assert [await one.readline() for one in said] == [b"open\n"] * 2
    for one in told:
        one.close()
    assert [await one.wait() for one in others] == [0, 0]


@pytest.mark.parametrize("what", ["folder", "text", "below a file"])
def test_a_shared_file_that_can_not_be_used_is_refused_before_anything_is_asked(what: str, tmp_path: Path) -> None:
    path = tmp_path / what
    if what == "folder":
        path.mkdir()
    elif what == "text":
        path.write_text("no database\n" * 100)
    else:
        path.write_text("a file")
        path /= "replies.sqlite"
    with pytest.raises(ConfigError, match=r"can't be used \(.+\): name another with --reply-cache"):
        check_settings(MLEStarConfig(reply_cache=path))
