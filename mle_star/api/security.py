"""Who is let in: the Host and Origin headers, the key, the rate and the size of requests, checked before anything else.

One ASGI middleware for HTTP and WebSocket alike. A browser can't put a header on a WebSocket: there, the key may come
in the first message instead, which the socket's own route asks for.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Any
from urllib.parse import urlsplit

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mle_star.api.problems import response
from mle_star.api.settings import ServerSettings, is_loopback
from mle_star.models.errors import ConfigError

OURS = ("/api", "/ws", "/health", "/ready", "/metrics", "/docs", "/redoc", "/openapi.json")
OPEN = ("/health", "/ready")
UPLOADS = ("/api/datasets",)
LOCAL = ("localhost", "127.0.0.1", "::1")


class Key:
    """The key that requests have to bring; only its hash is kept."""

    def __init__(self, settings: ServerSettings) -> None:
        given = settings.api_key.get_secret_value() if settings.api_key else ""
        os.environ.pop("MLE_STAR_API_KEY", None)  # what this process starts has no business with it
        if given.startswith("sha256:"):
            try:
                self._digest = bytes.fromhex(given.removeprefix("sha256:"))
            except ValueError:
                raise ConfigError("MLE_STAR_API_KEY: after `sha256:` come 64 hexadecimal digits") from None
            if len(self._digest) != 32:
                raise ConfigError("MLE_STAR_API_KEY: after `sha256:` come 64 hexadecimal digits")
        else:
            self._digest = hashlib.sha256(given.encode()).digest() if given else b""

    @property
    def needed(self) -> bool:
        """Whether there is a key."""
        return bool(self._digest)

    def opens(self, given: str) -> bool:
        """Compare in constant time."""
        digest = hashlib.sha256(given.encode("utf-8", "replace")).digest()
        return not self.needed or hmac.compare_digest(digest, self._digest)


class Door:
    """The middleware."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, key: Key) -> None:
        self.app, self.settings, self.key = app, settings, key
        self._hosts = {*LOCAL, settings.host.strip("[]").lower(), *map(str.lower, settings.allowed_hosts)}
        self._rate: RateLimitItem = parse(settings.rate_limit)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then let in or refuse."""
        if scope["type"] not in ("http", "websocket") or not scope["path"].startswith(OURS):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if problem := self._problem(scope, headers):
            await _refuse(scope, receive, send, *problem)
            return
        if scope["type"] == "websocket":
            scope.setdefault("state", {})["key_given"] = self.key.opens(_given_key(headers))
            await self.app(scope, receive, send)
            return
        limit = self._size_limit(scope["path"])
        if int(headers.get("content-length") or 0) > limit:
            await _refuse(scope, receive, send, 413, f"a request may have {limit:,} bytes at most")
            return
        await self.app(scope, _counting(receive, limit), send)

    def _problem(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        path, settings = scope["path"], self.settings
        host = _host_of(headers.get("host", ""))
        if "*" not in self._hosts and host not in self._hosts:
            return 400, f"this server does not go by the name {host!r}: see MLE_STAR_SERVER_ALLOWED_HOSTS"
        server = scope.get("server")
        remote = server is not None and server[1] is not None and not is_loopback(str(server[0]))
        if remote and not self.key.needed and not settings.insecure and host != "testserver":
            return 403, "the server listens to other machines and has no key: set MLE_STAR_API_KEY, or say --insecure"
        if scope["type"] == "websocket" and not self._origin_is_ours(headers):
            return 403, "pages of that origin may not connect: see MLE_STAR_SERVER_ALLOWED_ORIGINS"
        changes = scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS")
        if changes and not self._origin_is_ours(headers):
            return 403, "pages of that origin may not change anything: see MLE_STAR_SERVER_ALLOWED_ORIGINS"
        length = headers.get("content-length")
        if length is not None and not length.isdigit():
            return 400, "Content-Length is not a number"
        if path in OPEN:
            return None
        client = scope.get("client")
        if not self._limiter.hit(self._rate, str(client[0]) if client else "-"):
            return 429, f"too many requests: {settings.rate_limit} at most"
        preflight = scope["type"] == "http" and scope["method"] == "OPTIONS"
        if scope["type"] == "http" and not preflight and not self.key.opens(_given_key(headers)):
            return 401, "give the key: `Authorization: Bearer KEY` or `X-API-Key: KEY`"
        return None

    def _origin_is_ours(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None or origin in self.settings.allowed_origins:
            return True
        parts = urlsplit(origin)
        return parts.netloc.lower() == headers.get("host", "").lower() and bool(parts.netloc)

    def _size_limit(self, path: str) -> int:
        return self.settings.max_upload + self.settings.max_body if path.startswith(UPLOADS) else self.settings.max_body


def _host_of(header: str) -> str:
    """Take the name out of a Host header, without the port."""
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.rpartition(":")[0] if header.count(":") == 1 else header


def _given_key(headers: Headers) -> str:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def _counting(receive: Receive, limit: int) -> Receive:
    """Count a body as it comes in, whatever its length was said to be."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                from starlette.exceptions import HTTPException

                raise HTTPException(413, f"a request may have {limit:,} bytes at most")
        return message

    return counted


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, detail: str) -> None:
    headers: dict[str, Any] = {"Connection": "close"}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 429:
        headers["Retry-After"] = "5"
    refusal = response(status, detail, scope["path"], headers=headers)
    if scope["type"] == "websocket":
        if "websocket.http.response" in scope.get("extensions", {}):
            start = {"type": "websocket.http.response.start", "status": status, "headers": refusal.raw_headers}
            await receive()
            await send(start)
            await send({"type": "websocket.http.response.body", "body": refusal.body})
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": detail[:120]})
        return
    await refusal(scope, receive, send)
