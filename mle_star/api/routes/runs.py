"""What a run has made: events, solution, studies, attempts, ensembles, scripts, the submission."""

from __future__ import annotations

import asyncio
import csv
import json
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import FileResponse

from mle_star.api.hub import read_lines
from mle_star.api.insight import Notebook, ScriptView
from mle_star.api.problems import Problem, responses
from mle_star.api.routes.common import Limit, Offset, RunId, Service
from mle_star.api.schemas import AttemptPage, EventPage, Preview, SolutionView, StepPage
from mle_star.api.service import RunService
from mle_star.models.data_models import StepRecord
from mle_star.tools.run_folder import RunFolder

router = APIRouter(tags=["results"])
PREVIEW_ROWS = 100
CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The submission."}
}


@router.get("/api/submission/download/{run_id}", response_class=FileResponse, responses={**responses(404), **CSV})
async def download(run_id: RunId, service: Service) -> FileResponse:
    """Download the submission."""
    path = await _submission(service, run_id)
    return FileResponse(path, media_type="text/csv", filename=f"{run_id}.csv")


@router.get("/api/submission/download/{run_id}/preview", responses=responses(404))
async def preview(run_id: RunId, service: Service) -> Preview:
    """Show the first 100 rows of the submission."""
    return await asyncio.to_thread(_preview, await _submission(service, run_id))


@router.get("/api/runs/{run_id}/events", responses=responses(404))
async def events(
    run_id: RunId,
    service: Service,
    after: Annotated[int, Query(ge=0, le=2**53, description="Only events with a higher number.")] = 0,
    limit: Limit = 200,
) -> EventPage:
    """Read the events in order."""
    folder = await _folder(service, run_id)
    lines = await asyncio.to_thread(read_lines, folder.path / "events.jsonl", after, limit + 1)
    page = lines[:limit]
    return EventPage(events=[json.loads(line.text) for line in page], next=page[-1].seq if len(lines) > limit else None)


@router.get("/api/runs/{run_id}/solution", responses=responses(404))
async def solution(run_id: RunId, service: Service) -> SolutionView:
    """Show the best solution so far, or the one that was submitted."""
    record = await service.runs.get(run_id)
    follower = service.runs.follower(record)
    await asyncio.to_thread(follower.refresh)
    view = follower.view
    step, score = (view.best_step, view.best) if view else ("", None)
    return await asyncio.to_thread(_solution, RunFolder(FilePath(record.folder)), step, score)


@router.get("/api/runs/{run_id}/ablations", responses=responses(404))
async def ablations(run_id: RunId, service: Service, limit: Limit = 100, offset: Offset = 0) -> StepPage:
    """List the ablation studies with what they found."""
    return await _steps(service, run_id, limit, offset, lambda step: step.step.endswith(".ablation"))


@router.get("/api/runs/{run_id}/ensembles", responses=responses(404))
async def ensembles(run_id: RunId, service: Service, limit: Limit = 100, offset: Offset = 0) -> StepPage:
    """List the ensembles, each with its plan and score."""
    return await _steps(service, run_id, limit, offset, lambda step: step.step.startswith("ensemble."))


@router.get("/api/runs/{run_id}/steps", responses=responses(404))
async def steps(run_id: RunId, service: Service, limit: Limit = 100, offset: Offset = 0) -> StepPage:
    """List all steps, in the order in which they ended."""
    return await _steps(service, run_id, limit, offset, lambda step: True)


@router.get("/api/runs/{run_id}/attempts", responses=responses(404))
async def attempts(run_id: RunId, service: Service, limit: Limit = 20, offset: Offset = 0) -> AttemptPage:
    """List the attempts on code blocks, each with its plan, its score and its diff."""
    folder = await _folder(service, run_id)
    found = await asyncio.to_thread(Notebook(folder).attempts)
    return AttemptPage(items=found[offset : offset + limit], total=len(found))


@router.get("/api/runs/{run_id}/scripts/{number}", responses=responses(404))
async def script(
    run_id: RunId,
    number: Annotated[int, Path(ge=1, le=1_000_000, description="The script's number, from 1.")],
    service: Service,
    output: Annotated[int, Query(ge=0, le=1_000_000, description="Bytes of the end of its output.")] = 20_000,
) -> ScriptView:
    """Show a script as it was run, its output and what came of it."""
    folder = await _folder(service, run_id)
    found = await asyncio.to_thread(Notebook(folder).script, number, output)
    if found is None:
        raise Problem(404, f"the run has no script {number}")
    return found


async def _folder(service: RunService, run_id: str) -> RunFolder:
    return RunFolder(FilePath((await service.runs.get(run_id)).folder))


async def _submission(service: RunService, run_id: str) -> FilePath:
    path = (await _folder(service, run_id)).path / "final" / "submission.csv"
    if not await asyncio.to_thread(path.is_file):
        raise Problem(404, "the run has no submission yet")
    return path


async def _steps(service: RunService, run_id: str, limit: int, offset: int, wanted: object) -> StepPage:
    assert callable(wanted)
    folder = await _folder(service, run_id)
    found: list[StepRecord] = [step for step in await asyncio.to_thread(folder.history) if wanted(step)]
    return StepPage(items=found[offset : offset + limit], total=len(found))


def _preview(path: FilePath) -> Preview:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        lines = csv.reader(file)
        columns = next(lines, [])
        rows, total = [], 0
        for row in lines:
            total += 1
            if total <= PREVIEW_ROWS:
                rows.append(row)
    return Preview(columns=columns, rows=rows, total_rows=total)


def _solution(folder: RunFolder, step: str, score: float | None) -> SolutionView:
    result = folder.about().result
    if result and result.final_solution:
        final = result.submission_path is not None
        return SolutionView(script=result.final_solution, step=step, score=result.final_score, final=final)
    notebook = Notebook(folder)
    text = notebook.source(notebook.scripts().get(step))
    if not text:
        raise Problem(404, "the run has no solution yet")
    return SolutionView(script=text, step=step, score=score, final=False)
