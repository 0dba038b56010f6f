"""Starting runs, steering them, and how they stand."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import ValidationError

from mle_star.api.problems import FieldProblem, Problem, responses
from mle_star.api.routes.common import Limit, RunId, Service, Settings, UploadFolder
from mle_star.api.schemas import (
    PathStatus,
    Progress,
    ReviewAnswers,
    ReviewList,
    RunPage,
    RunStatus,
    RunSummary,
    StartRequest,
    TaskRequest,
    request_fields,
)
from mle_star.api.service import RunService
from mle_star.api.settings import ServerSettings
from mle_star.api.store import RunRecord
from mle_star.api.store import RunStatus as StatusName
from mle_star.api.uploads import Uploads, inside
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskDescription
from mle_star.tools.run_folder import RunFolder
from mle_star.tools.task_folder import read_task_folder

router = APIRouter(prefix="/api/pipeline", tags=["pipeline"])
MARK = r"^[0-9]{1,11}\.[0-9]{6}~[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"


@router.post("/start", status_code=202, responses=responses(404))
async def start(request: StartRequest, service: Service, uploads: UploadFolder, settings: Settings) -> RunSummary:
    """Check a task and its settings, and queue its run."""
    task = await asyncio.to_thread(_task, request.task, uploads, settings)
    config = await asyncio.to_thread(_config, request, settings)
    record = await service.start(task, config)
    return RunSummary.of(record, service.place(record.run_id))


@router.get("/status", responses=responses())
async def runs(
    service: Service,
    limit: Limit = 50,
    after: Annotated[str | None, Query(pattern=MARK, description="`next` of the page before.")] = None,
    status: Annotated[StatusName | None, Query(description="Only runs of this status.")] = None,
    search: Annotated[
        str,
        Query(max_length=200, pattern=r"^[^\x00]*$", description="In the id, task, metric or model."),
    ] = "",
) -> RunPage:
    """List the runs, newest first."""
    before = _cursor(after) if after else None
    records = await service.store.page(limit, before, status, search)
    total = await service.store.count(status, search)
    page = [service.runs.current(record) for record in records]
    last = records[-1] if len(records) == limit else None
    return RunPage(
        runs=[RunSummary.of(record, service.place(record.run_id)) for record in page],
        total=total,
        next=_mark(last) if last else None,
    )


@router.get("/status/{run_id}", responses=responses(404))
async def status_of(run_id: RunId, service: Service) -> RunStatus:
    """Tell how one run stands: its phase, paths, agents, progress, scores, usage and error."""
    return await _status(service, await service.runs.get(run_id))


@router.post("/pause/{run_id}", responses=responses(404, 409))
async def pause(run_id: RunId, service: Service) -> RunSummary:
    """Pause at the end of the steps that are under way; a script that takes longer than the grace time runs again."""
    record = await service.pause(run_id)
    return RunSummary.of(record, service.place(run_id))


@router.post("/resume/{run_id}", responses=responses(404, 409))
async def resume(run_id: RunId, service: Service) -> RunSummary:
    """Go on with a run that was paused, failed or was killed."""
    record = await service.resume(run_id)
    return RunSummary.of(record, service.place(run_id))


@router.post("/stop/{run_id}", responses=responses(404, 409))
async def stop(run_id: RunId, service: Service) -> RunSummary:
    """Go straight to the submission with the best so far, and end."""
    record = await service.stop(run_id)
    return RunSummary.of(record, service.place(run_id))


@router.get("/review/{run_id}", responses=responses(404))
async def reviews(run_id: RunId, service: Service) -> ReviewList:
    """List what a run waits for a person to answer; empty while it is at work."""
    return ReviewList(reviews=list(await service.reviews(run_id)))


@router.post("/review/{run_id}", responses=responses(404, 409))
async def answer(run_id: RunId, request: ReviewAnswers, service: Service) -> RunSummary:
    """Answer reviews: go on with the plan, edit it or its block, instruct in words, or skip. The run goes on."""
    record = await service.answer(run_id, request.answers)
    return RunSummary.of(record, service.place(run_id))


def _task(request: TaskRequest, uploads: Uploads, settings: ServerSettings) -> TaskDescription:
    if bool(request.dataset) == bool(request.dataset_path):
        message = "give either `dataset` or `dataset_path`"
        raise Problem(422, message, [FieldProblem(field="task.dataset", message=message)])
    if request.dataset:
        folder = uploads.data(request.dataset)
    else:
        roots = (*settings.dataset_roots, settings.uploads_dir)
        folder = inside(request.dataset_path or "", roots)
    found = read_task_folder(folder)
    facts = request.model_dump(exclude={"dataset", "dataset_path"}, exclude_unset=True)
    facts = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items() if value}
    task = TaskDescription(**found.model_dump() | facts)
    inside(task.dataset_path, (folder,))
    return task


def _config(request: StartRequest, settings: ServerSettings) -> MLEStarConfig:
    given: dict[str, Any] = request.config.model_dump(exclude_unset=True)
    allowed = request_fields(settings.allow_endpoints)
    if errors := [
        FieldProblem(field=f"config.{name}", message="this server does not let requests name addresses")
        for name in given
        if name not in allowed
    ]:
        raise Problem(422, errors[0].message, errors)
    try:
        return MLEStarConfig(**given, runs_dir=settings.runs_dir.absolute(), out_dir=None)
    except ValidationError as error:
        errors = [
            FieldProblem(field=".".join(("config", *map(str, found["loc"]))), message=found["msg"])
            for found in error.errors()
        ]
        raise Problem(422, errors[0].message, errors) from None


async def _status(service: RunService, record: RunRecord) -> RunStatus:
    folder = RunFolder(Path(record.folder))
    follower = service.runs.follower(record)
    await asyncio.to_thread(follower.refresh)
    about = await asyncio.to_thread(folder.about)
    submission = await asyncio.to_thread((folder.path / "final" / "submission.csv").is_file)
    view, usage = follower.view, follower.usage
    done, total = follower.share
    ended = record.finished is not None
    paths = view.paths if view else ()
    return RunStatus(
        run=RunSummary.of(record, service.place(record.run_id)),
        progress=Progress(done=done, total=total, share=1.0 if ended else min(1.0, done / max(total, 1))),
        paths=[
            PathStatus(
                number=path.number, step=path.step, agent=path.agent, script_runs=path.running, done=path.done,
                total=path.total, score=path.score, score_step=path.score_step,
            )
            for path in paths
        ],
        agents=list(follower.agents.values()),
        best_score=view.best if view else None,
        best_step=view.best_step if view else "",
        best_history=list(view.trail) if view else [],
        scripts=view.scripts if view else 0,
        scripts_failed=view.failed if view else 0,
        usage=usage,
        events=view.seq if view else 0,
        error=record.reason if record.status == "failed" else None,
        submission=submission,
        config=about.config.model_dump(mode="json", include=set(request_fields(endpoints=False))),
    )  # fmt: skip


def _mark(record: RunRecord) -> str:
    return f"{record.created:.6f}~{record.run_id}"


def _cursor(mark: str) -> tuple[float, str]:
    created, _, run_id = mark.partition("~")
    return float(created), run_id
