"""Settings, providers, health and figures."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal, get_args, get_origin

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from mle_star import __version__
from mle_star.api.problems import responses
from mle_star.api.providers import look_at_providers
from mle_star.api.routes.common import Service, Settings
from mle_star.api.schemas import Defaults, Health, Providers, ProviderView, Setting, request_fields
from mle_star.api.waiting import disk_is_full
from mle_star.models.config import MLEStarConfig

router = APIRouter(tags=["system"])
FRESH = 10.0
METRICS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text form."}
}


@router.get("/api/config/defaults", responses=responses())
async def defaults(settings: Settings) -> Defaults:
    """List the settings that a request may give, with this server's defaults and their bounds."""
    config = await asyncio.to_thread(MLEStarConfig)
    fields = request_fields(settings.allow_endpoints)
    return Defaults(settings=[_setting(name, field, getattr(config, name)) for name, field in fields.items()])


@router.get("/api/providers", responses=responses())
async def providers(request: Request) -> Providers:
    """Tell which model providers answer now."""
    known: tuple[float, list[ProviderView]] | None = getattr(request.app.state, "providers", None)
    if known is None or time.monotonic() - known[0] > FRESH:
        config = await asyncio.to_thread(MLEStarConfig)
        known = request.app.state.providers = (time.monotonic(), await look_at_providers(config))
    return Providers(providers=known[1])


@router.get("/health", responses={500: responses()[500]})
async def health() -> Health:
    """Tell that the server is alive."""
    return Health(status="ok", version=__version__)


@router.get("/ready", response_model=Health, responses={503: {"model": Health, "description": "Not ready"}})
async def ready(service: Service, settings: Settings) -> JSONResponse:
    """Tell whether the server can take a run: its database answers, its disk has room."""
    checks = {"database": "ok", "disk": "ok", "runs": "ok"}
    try:
        async with asyncio.timeout(10):
            await service.store.ping()
    except Exception as error:
        checks["database"] = f"does not answer: {type(error).__name__}"
    if await asyncio.to_thread(disk_is_full, settings.runs_dir, settings.min_free):
        checks["disk"] = "full"
    if service.closing:
        checks["runs"] = "shutting down"
    good = set(checks.values()) == {"ok"}
    body = Health(status="ok" if good else "not ready", version=__version__, checks=checks)
    return JSONResponse(body.model_dump(), 200 if good else 503)


@router.get("/metrics", response_class=Response, responses={**responses(), **METRICS})
async def metrics(service: Service) -> Response:
    """Give the figures to Prometheus."""
    by_status = await service.store.by_status()
    text = service.metrics.text(by_status, service.queue_length, service.hub.readers)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _setting(name: str, field: Any, default: Any) -> Setting:
    bounds: dict[str, Any] = {}
    for rule in field.metadata:
        bounds |= {word: getattr(rule, word) for word in ("ge", "gt", "le", "lt") if hasattr(rule, word)}
    kinds = [kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind is not type(None)]
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else None
    words = {int: "integer", float: "number", str: "string", bool: "boolean"}
    return Setting(
        name=name, description=field.description or "", default=default,
        type="string" if choices else words.get(kinds[0], "string"), optional=type(None) in get_args(field.annotation),
        minimum=bounds.get("ge"), maximum=bounds.get("le"), exclusive_minimum=bounds.get("gt"),
        exclusive_maximum=bounds.get("lt"), choices=list(choices) if choices else None,
    )  # fmt: skip
