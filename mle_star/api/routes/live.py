"""Events as they happen, over a WebSocket."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path as FilePath
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from mle_star.api.hub import BATCH, Channel, read_lines
from mle_star.api.problems import Problem
from mle_star.api.routes.common import Service
from mle_star.api.schemas import RunSummary
from mle_star.api.service import RunService
from mle_star.api.store import FINAL

router = APIRouter()
KEY_SECONDS = 10
SEND_SECONDS = 60
FOREIGN_SECONDS = 2.0
"""Between two looks at what has become of a run that another process drives."""
UNAUTHORISED, NOT_FOUND, BAD_REQUEST, GOING_AWAY = 4401, 4404, 4400, 1001


@router.websocket("/ws/pipeline/{run_id}")
async def follow(socket: WebSocket, run_id: str, service: Service) -> None:
    """Send every event from the one after `after`, as it happens; changes of status; a heartbeat when it is quiet.

    Messages are JSON objects with a `type`: event, status, heartbeat, error, end.
    """
    await socket.accept()
    if not await _may_enter(socket):
        await socket.close(UNAUTHORISED, "the key is missing or wrong")
        return
    try:
        after = int(socket.query_params.get("after", "0"))
        if after < 0:
            raise ValueError
    except ValueError:
        await socket.close(BAD_REQUEST, "`after` is the number of an event")
        return
    try:
        record = await service.runs.get(run_id)
    except Problem as problem:
        await socket.close(NOT_FOUND, problem.detail[:120])
        return
    sending = asyncio.create_task(_send_all(socket, service, run_id, FilePath(record.folder), after))
    leaving = asyncio.create_task(_wait_for_leaving(socket))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if sending.done() and not leaving.done() and sending.exception() is None:
            await socket.close()
    except (RuntimeError, WebSocketDisconnect):
        pass
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)


async def _may_enter(socket: WebSocket) -> bool:
    """Tell whether the key came in a header, or comes in the first message: `{"type": "auth", "key": "..."}`."""
    if socket.scope.get("state", {}).get("key_given", True):
        return True
    try:
        async with asyncio.timeout(KEY_SECONDS):
            message = json.loads(await socket.receive_text())
        return bool(socket.app.state.key.opens(str(message["key"])))
    except (TimeoutError, ValueError, KeyError, TypeError, WebSocketDisconnect):
        return False


async def _wait_for_leaving(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _send_all(socket: WebSocket, service: RunService, run_id: str, folder: FilePath, position: int) -> None:
    told = ""
    async with service.hub.follow(run_id, folder) as channel:
        reading: asyncio.Task[Any] | None = None
        try:
            while True:
                record = await service.runs.get(run_id)
                if record.status != told:
                    told = record.status
                    summary = RunSummary.of(record, service.place(run_id)).model_dump()
                    await _send(socket, {"type": "status", **summary})
                if record.status in FINAL:
                    await _send_rest(socket, channel, position)
                    await _send(socket, {"type": "end", "status": record.status})
                    return
                reading = reading or asyncio.create_task(channel.read(position))
                seconds = service.settings.heartbeat
                if record.source != "server":  # no one tells us that it has ended
                    seconds = min(seconds, FOREIGN_SECONDS)
                if not await _first(reading, service, seconds):
                    await _send(socket, {"type": "heartbeat", "seq": position})
                if reading.done():
                    for line in reading.result():
                        await _send_line(socket, line.text)
                        position = line.seq
                    reading = None
        finally:
            if reading:
                reading.cancel()


async def _first(reading: asyncio.Task[Any], service: RunService, seconds: float) -> bool:
    """Wait for events, for a change of status or for so many seconds; tell whether something happened."""
    changing = asyncio.create_task(service.runs.changed(seconds + 60))
    try:
        done, _ = await asyncio.wait({reading, changing}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        changing.cancel()


async def _send_rest(socket: WebSocket, channel: Channel, position: int) -> None:
    while lines := await asyncio.to_thread(read_lines, channel.file, position, BATCH):
        for line in lines:
            await _send_line(socket, line.text)
            position = line.seq


async def _send_line(socket: WebSocket, text: str) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await socket.send_text(f'{{"type":"event","event":{text}}}')


async def _send(socket: WebSocket, message: dict[str, Any]) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await socket.send_text(json.dumps(message))
