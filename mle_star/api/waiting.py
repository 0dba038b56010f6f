"""What a run waits for when it broke off through no fault of its own: room on the disk, or a database."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import DBAPIError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DISK = "the disk is full: the run goes on when there is room"
DATABASE = "the database does not answer: the run goes on when it is back"
DISK_WORDS = ("disk is full", "disk i/o error", "unable to open database file", "readonly database")


def disk_is_full(folder: Path, least: int) -> bool:
    """Tell whether fewer than `least` bytes are left where a folder is, or will be."""
    while not folder.exists():
        folder = folder.absolute().parent
    return shutil.disk_usage(folder).free < least


def what_it_waits_for(error: BaseException) -> str:
    """Say what has to come back before a run can go on; empty when it is something else that is wrong."""
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in FULL:
            return DISK
        if isinstance(one, sqlite3.OperationalError) and any(words in str(one).lower() for words in DISK_WORDS):
            return DISK
        if isinstance(one, DBAPIError) or type(one).__module__.partition(".")[0] in ("psycopg", "psycopg_pool"):
            return DATABASE
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        left += [one.__cause__, one.__context__]
        left += one.exceptions if isinstance(one, BaseExceptionGroup) else []
