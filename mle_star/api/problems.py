"""Errors as RFC 9457 problem documents: one form for everything that the API refuses."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from mle_star.models.errors import ConfigError, MissingFacts, MLEStarError, TaskError

log = structlog.get_logger(__name__)
CONTENT_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    field: str = Field(examples=["config.inner_loop_iterations"])
    message: str = Field(examples=["Input should be less than or equal to 64"])


class ProblemDocument(BaseModel):
    """RFC 9457."""

    type: str = Field("about:blank", examples=["about:blank"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["the run has ended: succeeded"])
    instance: str = Field("", examples=["/api/pipeline/pause/20260102-030405-titanic-1a2b"])
    errors: list[FieldProblem] = Field(default_factory=list)


class Problem(Exception):
    """Refuses a request with a status and a reason."""

    def __init__(self, status: int, detail: str, errors: list[FieldProblem] | None = None, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors or [], headers


def document(status: int, detail: str, instance: str, errors: list[FieldProblem] | None = None) -> dict[str, Any]:
    """Write the document."""
    title = HTTPStatus(status).phrase
    made = ProblemDocument(title=title, status=status, detail=detail, instance=instance, errors=errors or [])
    return made.model_dump()


def response(status: int, detail: str, instance: str, errors: list[FieldProblem] | None = None,
             headers: dict[str, str] | None = None) -> JSONResponse:  # fmt: skip
    """Make the response."""
    content = document(status, _plain(detail), _plain(instance), errors)
    return JSONResponse(content, status, headers=headers, media_type=CONTENT_TYPE)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declare for OpenAPI what a route may refuse; what any route may is among it."""
    every = sorted({400, 401, 403, 413, 422, 429, 500, 503, *statuses})
    schema = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    return {status: {"description": HTTPStatus(status).phrase, "content": {CONTENT_TYPE: schema}} for status in every}


def install(app: FastAPI) -> None:
    """Have every error of an app told as a problem document."""

    @app.exception_handler(Problem)
    async def refused(request: Request, error: Problem) -> JSONResponse:
        return response(error.status, error.detail, request.url.path, error.errors, error.headers)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(sorted(_methods(app, request.url.path)))
        return response(error.status_code, str(error.detail), request.url.path, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [
            FieldProblem(field=_plain(_name(found["loc"])), message=_plain(str(found["msg"])))
            for found in error.errors()
        ]
        detail = "; ".join(f"{one.field}: {one.message}" for one in errors[:5])
        return response(422, detail, request.url.path, errors)

    @app.exception_handler(MLEStarError)
    async def ours(request: Request, error: MLEStarError) -> JSONResponse:
        wrong = isinstance(error, ConfigError | TaskError)
        fields = error.fields if isinstance(error, MissingFacts) else ()
        errors = [
            FieldProblem(field=f"task.{name}", message="could not be found in the data: give it") for name in fields
        ]
        return response(422 if wrong else 500, str(error), request.url.path, errors)

    @app.exception_handler(DBAPIError)
    @app.exception_handler(PoolTimeoutError)
    async def database(request: Request, error: Exception) -> JSONResponse:
        log.warning("the database does not answer", path=request.url.path, error=type(error).__name__)
        detail = "the database does not answer: try again in a moment"
        return response(503, detail, request.url.path, headers={"Retry-After": "5"})

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("a request failed", path=request.url.path, exc_info=error)
        return response(500, "something went wrong here; the server's log says what", request.url.path)


def _methods(app: FastAPI, path: str) -> set[str]:
    """List the methods that a path has, on whichever of the routes."""
    fitting = [methods for route, methods in app.openapi()["paths"].items() if _fits(route, path)]
    return {method.upper() for methods in fitting for method in methods}


def _fits(route: str, path: str) -> bool:
    """Tell whether a path is one of a route's, such as `/runs/{run_id}`."""
    wanted, parts = route.split("/"), path.split("/")
    return len(wanted) == len(parts) and all(
        one[:1] == "{" or one == part for one, part in zip(wanted, parts, strict=True)
    )


def _name(where: tuple[int | str, ...]) -> str:
    parts = [str(part) for part in where if part not in ("body", "query", "path", "header")]
    return ".".join(parts) or str(where[0]) if where else "request"


def _plain(text: str) -> str:
    """Leave out what can't be written as UTF-8: a request may bring half a surrogate pair."""
    return text.encode("utf-8", "replace").decode()
