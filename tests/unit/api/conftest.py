"""The app in this process, with a scripted model and scripted scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from mle_star.api.server import create_app
from mle_star.api.settings import ServerSettings
from tests.support import ScriptedModel, default_replies, use_model

Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Serve the app with some settings; gives a client."""
    monkeypatch.chdir(tmp_path)
    use_model(monkeypatch, ScriptedModel(replies=default_replies()))

    @asynccontextmanager
    async def serving(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
        made = ServerSettings(runs_dir=tmp_path / "runs", uploads_dir=tmp_path / "uploads", **settings)
        app = create_app(made)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            client.app = app  # type: ignore[attr-defined]
            yield client

    return serving
