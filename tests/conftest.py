"""For all tests: none reads the settings, or a `.env`, of the machine that it runs on, and none takes others' cores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from mle_star.execution.machine import available_cores

settings.register_profile("no deadline", deadline=None)  # no test judges the wall-clock time
settings.load_profile("no deadline")

if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    # Fits that share their cores stall each other, so that half a second becomes minutes: each worker has its own.
    _cores = available_cores()
    _workers, _worker = int(os.environ["PYTEST_XDIST_WORKER_COUNT"]), int(os.environ["PYTEST_XDIST_WORKER"][2:])
    os.sched_setaffinity(0, _cores[_worker % len(_cores) :: _workers])


def pytest_xdist_auto_num_workers() -> int:
    """One worker for each core that may be used here, not for each that the machine has."""
    return len(available_cores())


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in list(os.environ):
        if name.startswith(("MLE_STAR_", "LANGSMITH_", "LANGCHAIN_", "GOOGLE_")):
            monkeypatch.delenv(name)
    if Path(".env").is_file():
        monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(autouse=True, scope="session")
def _no_cache_of_this_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
