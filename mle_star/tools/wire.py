"""Bounds on what a server may send: the clients read whatever comes, for as long as it comes."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

from mle_star.tools.failures import CutReply, EndlessReply, ServerRefusal

T = TypeVar("T")

LEAST_BYTES = 8 * 2**20
BYTES_PER_TOKEN = 2**10
"""A streamed token comes in a JSON object of its own."""
CONNECT_SECONDS = 10
ERROR_BYTES = 2**16


def most_bytes(max_tokens: int) -> int:
    """Give the bytes that no reply of `max_tokens` needs."""
    return LEAST_BYTES + max_tokens * BYTES_PER_TOKEN


def bounded_hook(limit: int) -> Any:
    """Make a response hook for httpx (or httpx2, which the newer OpenAI client has) that bounds the body."""

    async def hook(response: Any) -> None:
        stream = response.stream
        stream_class = next(cls for cls in type(stream).__mro__ if cls.__name__ == "AsyncByteStream")

        class Bounded(stream_class):  # type: ignore[misc, valid-type]
            async def __aiter__(self) -> AsyncIterator[bytes]:
                left = limit
                async for part in stream:
                    left -= len(part)
                    if left < 0:
                        raise EndlessReply(f"the reply has more than {limit:,} bytes")
                    yield part

            async def aclose(self) -> None:
                await stream.aclose()

        response.stream = Bounded()

    return hook


async def json_hook(response: Any) -> None:
    """Refuse a reply that is not JSON as a whole: what a connection that was cut leaves, or a page of a proxy's."""
    _check_json(response.status_code, await response.aread())


async def refusal_hook(response: Any) -> None:
    """Raise an error status with its headers, which Ollama's client leaves out."""
    if response.is_error:
        text = (await response.aread())[:ERROR_BYTES].decode(errors="replace")
        raise ServerRefusal(response.status_code, text, response.headers)


class BoundedBody:
    """A response's body, as botocore takes it, that ends with an error when it goes on for too long."""

    def __init__(self, raw: Any, limit: int, until: float) -> None:
        self._raw, self._limit, self._until = raw, limit, until

    def stream(self) -> Iterator[bytes]:
        """Yield the body."""
        left = self._limit
        for part in self._raw.stream():
            left -= len(part)
            if left < 0:
                raise EndlessReply(f"the reply has more than {self._limit:,} bytes")
            if time.monotonic() > self._until:
                raise TimeoutError("the reply did not end in time")
            yield part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


def bound_session(session: Any, limit: int, seconds: float) -> None:
    """Bound what a botocore HTTP session receives: in bytes, and in the seconds from the request on."""
    send = session.send

    def bounded(request: Any) -> Any:
        until = time.monotonic() + seconds
        request.stream_output = True  # or it is read before we have our hand on it
        response = send(request)
        response.raw = BoundedBody(response.raw, limit, until)
        _check_json(response.status_code, response.content)
        return response

    session.send = bounded


def _check_json(status: int, body: bytes) -> None:
    if status < 400:
        try:
            json.loads(body)
        except ValueError:
            raise CutReply("the reply is not JSON, or only a part of it") from None


async def in_thread(work: Callable[[], T]) -> T:
    """Wait for blocking work in a thread that nobody waits for when the process ends, or when we are cancelled."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(error: BaseException | None, value: T | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(value)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def run() -> None:
        error, value = None, None
        try:
            value = work()
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the loop is closed by now
            loop.call_soon_threadsafe(deliver, error, value)

    threading.Thread(target=copy_context().run, args=(run,), name="model-call", daemon=True).start()
    return await future
