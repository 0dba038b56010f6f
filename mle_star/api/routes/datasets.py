"""Uploading data: in one request, or in chunks that can be resumed (tus)."""

from __future__ import annotations

import asyncio
from pathlib import Path as FilePath
from typing import Annotated, Any, cast

from fastapi import APIRouter, File, Form, Path, UploadFile
from tuspyserver import create_tus_router
from tuspyserver.storage.local import LocalFileStorage

from mle_star.api.problems import Problem, responses
from mle_star.api.routes.common import Service, UploadFolder
from mle_star.api.schemas import DatasetList, DatasetView
from mle_star.api.uploads import Uploads, safe_name

router = APIRouter(prefix="/api/datasets", tags=["datasets"])
DatasetId = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="A data set's id.", examples=["titanic-1a2b3c4d"])
]


@router.post("", status_code=201, responses=responses())
async def create(
    uploads: UploadFolder,
    name: Annotated[str, Form(min_length=1, max_length=200, pattern=r"^[^\x00]*$", description="What to call it.")],
    files: Annotated[list[UploadFile], File(description="Its files; large ones better come through tus.")] = [],  # noqa: B006
) -> DatasetView:
    """Make a data set of the files, or an empty one that files are uploaded into afterwards."""
    for file in files:
        safe_name(file.filename or "")
    dataset = await asyncio.to_thread(uploads.create, name)
    try:
        for file in files:
            saved = await asyncio.to_thread(uploads.save, file.file)
            await asyncio.to_thread(uploads.add, dataset, file.filename or "", saved)
    except Problem:
        await uploads.remove(dataset)
        raise
    return await asyncio.to_thread(uploads.view, dataset)


@router.get("", responses=responses())
async def datasets(uploads: UploadFolder) -> DatasetList:
    """List the data sets."""
    return DatasetList(datasets=await asyncio.to_thread(uploads.all))


@router.get("/{dataset}", responses=responses(404))
async def dataset(dataset: DatasetId, uploads: UploadFolder) -> DatasetView:
    """Describe a data set: its files, their columns, and what is wrong with it, if anything is."""
    return await asyncio.to_thread(uploads.view, dataset)


@router.delete("/{dataset}", status_code=204, responses=responses(404, 409))
async def delete(dataset: DatasetId, uploads: UploadFolder, service: Service) -> None:
    """Delete a data set that no unfinished run needs."""
    folder = await asyncio.to_thread(uploads.folder, dataset)
    for record in await service.store.unfinished():
        if FilePath(record.dataset_path).is_relative_to(folder):
            raise Problem(409, f"the run {record.run_id} needs it: stop that first")
    await uploads.remove(dataset)


def tus_router(uploads: Uploads) -> APIRouter:
    """Make the routes that take chunks: tus 1.0, at /api/datasets/upload.

    `Upload-Metadata` gives `filename`, `filetype` and the id of the `dataset` that the file goes into.
    """

    async def before(metadata: dict[str, Any], info: dict[str, Any]) -> None:
        safe_name(str(metadata.get("filename") or ""))
        await asyncio.to_thread(uploads.folder, str(metadata.get("dataset") or ""))
        if int(info.get("size") or 0) > uploads.settings.max_upload:
            raise Problem(413, f"a file may have {uploads.settings.max_upload:,} bytes at most")

    async def done(path: str, metadata: dict[str, Any]) -> None:
        await asyncio.to_thread(uploads.add, str(metadata["dataset"]), str(metadata["filename"]), FilePath(path))
        await asyncio.to_thread(FilePath(f"{path}.info").unlink, True)

    router: APIRouter = create_tus_router(
        prefix="api/datasets/upload", files_dir=str(uploads.partial), max_size=uploads.settings.max_upload,
        days_to_keep=2, on_upload_complete=cast(Any, done), pre_create_hook=cast(Any, before),
        strict_offset_validation=True, storage=LocalFileStorage(str(uploads.partial)),
    )  # fmt: skip
    return router
