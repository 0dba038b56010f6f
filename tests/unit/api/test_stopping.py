"""A run that is stopped while it ends by itself, or by another request."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from mle_star.tools.run_folder import RunFolder
from tests.support import make_task_folder
from tests.unit.api.conftest import Serve
from tests.unit.api.test_reviews import begin, settled, waiting


async def test_a_run_that_ends_while_it_is_being_stopped_has_ended(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_task_folder(tmp_path / "root" / "task")
    mark, asked, ended = RunFolder.mark_stopped, threading.Event(), threading.Event()

    def mark_slowly_at_first(folder: RunFolder) -> None:
        mark(folder)
        if not asked.is_set():
            asked.set()
            assert ended.wait(60)

    async with serve(dataset_roots=(tmp_path / "root",)) as client:
        run_id = await begin(client, tmp_path / "root")
        await waiting(client, run_id)
        monkeypatch.setattr(RunFolder, "mark_stopped", mark_slowly_at_first)
        late = asyncio.create_task(client.post(f"/api/pipeline/stop/{run_id}"))
        assert await asyncio.to_thread(asked.wait, 60)
        assert (await client.post(f"/api/pipeline/stop/{run_id}")).status_code == 200
        assert (await settled(client, run_id))["status"] == "succeeded"
        ended.set()
        reply = await late
    assert (reply.status_code, "has ended" in reply.text) == (409, True)
