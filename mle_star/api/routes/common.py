"""What the routes share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query
from starlette.requests import HTTPConnection

from mle_star.api.service import RunService
from mle_star.api.settings import ServerSettings
from mle_star.api.uploads import Uploads

RunId = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$", description="A run's id.",
        examples=["20260102-030405-titanic-1a2b"],
    ),
]  # fmt: skip
Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, description="How many to leave out at the beginning.")]


def _service(connection: HTTPConnection) -> RunService:
    service: RunService = connection.app.state.service
    return service


def _uploads(connection: HTTPConnection) -> Uploads:
    uploads: Uploads = connection.app.state.uploads
    return uploads


def _settings(connection: HTTPConnection) -> ServerSettings:
    settings: ServerSettings = connection.app.state.settings
    return settings


Service = Annotated[RunService, Depends(_service)]
UploadFolder = Annotated[Uploads, Depends(_uploads)]
Settings = Annotated[ServerSettings, Depends(_settings)]
