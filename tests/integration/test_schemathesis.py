"""What the OpenAPI document promises is held against a real server, by requests that nobody thought of.

schemathesis can't be installed beside langgraph-api (their jsonschema-rs differ), so uv runs it in an environment of
its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.served import Served, start, upload, wait_for
from tests.support import make_task_folder

TOOL = [str(Path(sys.executable).with_name("uv")), "tool", "run", "--from", "schemathesis==4.32.5", "schemathesis"]
EXAMPLES = 30
"""Requests to one operation, at the most: the same ones in each pass, however fast the machine is."""
CONFIG = """
[[operations]]
include-name = "POST /api/datasets"
# a file is refused by its name's ending, which OpenAPI has no words for
checks.positive_data_acceptance.enabled = false
"""


@pytest.fixture(scope="module")
def schemathesis() -> list[str]:
    """Give the command; skip where it can't be had."""
    try:
        found = subprocess.run([*TOOL, "--version"], capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("schemathesis did not come from the package index in two minutes")
    if found.returncode:
        pytest.skip(f"schemathesis can't be installed here: {found.stderr.strip().splitlines()[-1:]}")
    return TOOL


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("served")
    server = Served(place, MLE_STAR_SERVER_RATE_LIMIT="1000000/minute").start()
    yield server
    server.close()


def check(command: list[str], served: Served, config: str) -> None:
    file = served.place / "schemathesis.toml"
    file.write_text(CONFIG + config)
    options = [
        "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--continue-on-failure",
        "--suppress-health-check", "all", "--warnings", "off", "--seed", os.environ.get("SCHEMATHESIS_SEED", "1"),
    ]  # fmt: skip
    document = f"{served.url}/openapi.json"
    found = subprocess.run(
        [*command, "--config-file", str(file), "run", document, *options],
        capture_output=True, text=True, cwd=served.place, timeout=300, check=False,
    )  # fmt: skip
    assert found.returncode == 0, f"{found.stdout}\n{found.stderr}"
    assert '"level": "error"' not in served.log()


def test_no_request_breaks_the_api_or_its_promises(schemathesis: list[str], served: Served) -> None:
    check(schemathesis, served, "")


async def test_no_request_about_a_real_run_breaks_the_api_or_its_promises(
    schemathesis: list[str], served: Served
) -> None:
    async with served.client() as client:
        dataset = await upload(client, make_task_folder(served.place / "task"))
        run_id = await start(client, dataset, outer_loop_iterations=1, ensemble_iterations=1)
        await wait_for(client, run_id, "succeeded")
    check(schemathesis, served, f'[parameters]\n"path.run_id" = "{run_id}"\n"path.number" = 1\n')
