"""The app: `mle_star.api.server:app` for any ASGI server, or `create_app(settings)`."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from sqlalchemy.exc import SQLAlchemyError

from mle_star import __version__
from mle_star.api import logs, problems
from mle_star.api.metrics import Metrics
from mle_star.api.problems import ProblemDocument
from mle_star.api.routes import datasets, live, pipeline, runs, system
from mle_star.api.routes.common import refuse_repeated
from mle_star.api.security import Door, Key
from mle_star.api.service import RunService
from mle_star.api.settings import ServerSettings
from mle_star.api.store import RunStore, sqlite_url
from mle_star.api.uploads import Uploads
from mle_star.models.errors import ConfigError
from mle_star.tools.checkpoints import Checkpoints, PostgresCheckpoints, SqliteCheckpoints
from mle_star.tools.preflight import check_folder

if TYPE_CHECKING:
    from io import TextIOWrapper

DESCRIPTION = """Start, follow, pause, resume and stop MLE-STAR runs. Errors are RFC 9457 problem documents.

Events come over the WebSocket `/ws/pipeline/{run_id}?after=N`; large files go to `/api/datasets/upload` by tus 1.0."""


def create_app(settings: ServerSettings | None = None) -> FastAPI:
    """Make the app.

    Raises:
        ConfigError: Its settings would let anyone in, or can't be used.
    """
    settings = settings or ServerSettings()
    key = Key(settings)
    app = FastAPI(title="MLE-STAR", version=__version__, description=DESCRIPTION, lifespan=_lifespan)
    app.state.settings, app.state.key = settings, key
    app.state.uploads = Uploads(settings)
    problems.install(app)
    for module in (pipeline, runs, system):
        app.include_router(module.router, dependencies=[Depends(refuse_repeated)])
    app.include_router(live.router)
    app.include_router(datasets.tus_router(app.state.uploads), include_in_schema=False)
    app.include_router(datasets.router, dependencies=[Depends(refuse_repeated)])
    app.add_middleware(
        CORSMiddleware, allow_origins=list(settings.allowed_origins), allow_methods=["*"], allow_headers=["*"],
        expose_headers=["Location", "Upload-Offset", "Upload-Length", "Tus-Resumable"],
    )  # fmt: skip
    app.add_middleware(Door, settings=settings, key=key)
    _describe(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: ServerSettings = app.state.settings
    if not structlog.is_configured():  # a LangGraph Server has its own
        logs.configure()
    await asyncio.to_thread(check_folder, settings.runs_dir)
    lock = await asyncio.to_thread(_lock, settings)
    url = settings.database_url.get_secret_value() if settings.database_url else ""
    store = RunStore(url or await asyncio.to_thread(sqlite_url, settings.runs_dir))
    checkpoints: Checkpoints = PostgresCheckpoints(url) if url.startswith("postgres") else SqliteCheckpoints()
    try:
        await store.open()
        if isinstance(checkpoints, PostgresCheckpoints):
            await checkpoints.open()
    except (SQLAlchemyError, OSError) as error:
        raise ConfigError(f"the database can't be used: {type(error).__name__}; see MLE_STAR_DATABASE_URL") from None
    service = app.state.service = RunService(settings, store, checkpoints, Metrics())
    await service.open()
    try:
        yield
    finally:
        await service.close()
        if isinstance(checkpoints, PostgresCheckpoints):
            with suppress(Exception):
                await checkpoints.close()
        await store.close()
        lock.close()


def _lock(settings: ServerSettings) -> TextIOWrapper:
    """Hold the runs' folder: two servers would take up each other's runs.

    Raises:
        ConfigError: Another server holds it.
    """
    file = (settings.runs_dir / "server.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ConfigError(f"another server is at work on {settings.runs_dir}: give this one another folder") from None
    return file


def _describe(app: FastAPI) -> None:
    """Complete the OpenAPI document: the problem document's schema, and how the key is given."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = plain()
            parts = schema.setdefault("components", {})
            made = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
            inner = made.pop("$defs", {})
            parts.setdefault("schemas", {}).update(inner | {"ProblemDocument": made})
            for unused in ("HTTPValidationError", "ValidationError"):
                parts["schemas"].pop(unused, None)
            if app.state.key.needed:
                parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
                schema["security"] = [{"key": []}]
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]


def __getattr__(name: str) -> FastAPI:
    """Make `app` when it is asked for, so that importing this module reads no settings."""
    if name != "app":
        raise AttributeError(name)
    app = globals()["app"] = create_app()
    return app
