"""What the routes share."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from fastapi import Depends, Path, Query
from starlette.requests import HTTPConnection

from mle_star.api.problems import FieldProblem, Problem
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


async def refuse_repeated(request: HTTPConnection) -> None:
    """Refuse a parameter that is given twice: no route takes a list, and which of the two was meant nobody can know."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    if repeated := [name for name, times in given.items() if times > 1]:
        problems = [FieldProblem(field=name, message="is given more than once") for name in repeated]
        raise Problem(422, f"{', '.join(repeated)}: given more than once", problems)


Service = Annotated[RunService, Depends(_service)]
UploadFolder = Annotated[Uploads, Depends(_uploads)]
Settings = Annotated[ServerSettings, Depends(_settings)]
