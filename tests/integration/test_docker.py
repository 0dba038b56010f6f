"""Scripts in containers of a real engine, which the tests start themselves."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mle_star.execution.limits import Limits
from mle_star.execution.on_docker import OWNER, OnDocker
from mle_star.execution.runner import Job
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskDescription
from mle_star.models.errors import ConfigError
from mle_star.orchestrator import MLEStarOrchestrator
from tests.integration.driver import SETTINGS, make_model
from tests.support import SUBMISSION, make_task_folder

from .engine import IMAGE, engine

docker = pytest.importorskip("docker")
SCORED = "print('Final Validation Performance: 0.5')\n"
TRY = """
def attempt(what, *arguments):
    try:
        print("DONE", what(*arguments))
    except OSError as error:
        print("failed:", error)
import os, socket
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="mle-star-", ignore_cleanup_errors=True) as name, engine(Path(name)) as it:
        yield it


@pytest.fixture
def backend(address: str) -> Iterator[OnDocker]:
    """Give the way to run scripts there; whatever happened, no container may be left."""
    yield OnDocker(IMAGE, address)
    assert containers(address) == []


@pytest.fixture
def make_job(tmp_path: Path) -> Any:
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.csv").write_text("a,y\n1,0\n")

    def make(text: str, **more: Any) -> Job:
        script = tmp_path / "scripts" / "001-coder.py"
        script.parent.mkdir()
        script.write_text(text)
        job = Job(script, script.with_suffix(".log"), tmp_path / "work" / "001-coder", data, timeout=60)
        return replace(job, **more)

    return make


def containers(address: str) -> list[Any]:
    return docker.DockerClient(base_url=address).containers.list(all=True)  # type: ignore[no-any-return]


async def test_a_script_reads_its_data_and_leaves_its_files_and_its_score(backend: OnDocker, make_job: Any) -> None:
    job = make_job("print(open('input/train.csv').read())\nopen('final/submission.csv', 'w').write('id\\n')\n" + SCORED)
    result = await backend.run(job)
    assert (result.score, result.error) == (0.5, None)
    assert job.log.read_text() == "a,y\n1,0\n\nFinal Validation Performance: 0.5\n"
    assert (job.workdir / "final" / "submission.csv").read_text() == "id\n"


async def test_a_score_that_atexit_prints_does_not_count(backend: OnDocker, make_job: Any) -> None:
    text = "import atexit\natexit.register(print, 'Final Validation Performance: 0.9')\n"
    assert (await backend.run(make_job(text + SCORED))).score == 0.5


async def test_a_failure_is_told_as_it_is_at_home(backend: OnDocker, make_job: Any) -> None:
    result = await backend.run(make_job("raise ValueError('bad column')\n"))
    assert result.error == "exception"
    assert '001-coder.py", line 1' in result.message
    assert "ValueError: bad column" in result.message


async def test_a_script_that_never_ends_is_stopped(backend: OnDocker, make_job: Any) -> None:
    text = "import os, time\nos.fork()\nos.write(1, b'begun\\n')\ntime.sleep(600)\n"
    result = await backend.run(make_job(text, timeout=15.0))
    assert (result.error, result.output) == ("timeout", "begun\nbegun\n")


async def test_a_memory_hog_is_out_of_memory(backend: OnDocker, make_job: Any) -> None:
    text = "held = []\nwhile True: held.append(b'x' * (10 << 20))\n"
    result = await backend.run(make_job(text, limits=Limits(memory=200 << 20)))
    assert result.error == "out of memory"
    assert "out of memory at 200 MB: use fewer rows" in result.message


async def test_too_many_processes_are_not_started(backend: OnDocker, make_job: Any) -> None:
    text = "import os, time\nfor _ in range(200):\n    if os.fork() == 0: time.sleep(60)\n"
    result = await backend.run(make_job(text, limits=Limits(processes=50)))
    assert result.error == "processes"


async def test_endless_output_is_stopped(backend: OnDocker, make_job: Any) -> None:
    job = make_job("while True: print('x' * 1000)\n", limits=Limits(output=1 << 20))
    assert (await backend.run(job)).error == "output"
    assert job.log.stat().st_size < 2 << 20


async def test_a_disk_filler_is_stopped(backend: OnDocker, make_job: Any) -> None:
    text = "for n in range(600):\n    open(f'working/{n}', 'wb').write(b'x' * (1 << 20))\nimport time\ntime.sleep(60)\n"
    assert (await backend.run(make_job(text, limits=Limits(disk=200 << 20)))).error == "disk"


async def test_it_reaches_nothing_but_its_own(backend: OnDocker, make_job: Any, tmp_path: Path) -> None:
    text = (
        TRY
        + f"""
print("user", os.getuid())
attempt(open, "input/train.csv", "w")
attempt(open, "/mle-star/main.py", "w")
attempt(open, "/bin/new", "w")
attempt(os.listdir, {str(tmp_path)!r})
attempt(socket.create_connection, ("1.1.1.1", 53), 3)
attempt(os.setuid, 0)
print([line for line in open("/proc/self/status") if line.startswith(("CapEff", "NoNewPrivs"))])
"""
    )
    result = await backend.run(make_job(text))
    assert "user 65534" in result.output
    assert "DONE" not in result.output
    assert result.output.count("failed:") == 6
    assert r"['CapEff:\t0000000000000000\n', 'NoNewPrivs:\t1\n']" in result.output


async def test_other_runs_and_keys_in_the_data_folder_are_out_of_sight(backend: OnDocker, make_job: Any) -> None:
    job = make_job(TRY + "attempt(os.listdir, 'input/runs')\nprint(repr(open('input/.env').read()))\n")
    (job.data / "runs" / "one").mkdir(parents=True)
    (job.data / ".env").write_text("OPENAI_API_KEY=secret")
    result = await backend.run(replace(job, hidden=(job.data / "runs",)))
    assert "one" not in result.output
    assert result.output.endswith("''\n")


async def test_a_script_whose_run_is_cancelled_is_ended(backend: OnDocker, make_job: Any, address: str) -> None:
    task = asyncio.create_task(backend.run(make_job("import time\ntime.sleep(600)\n")))
    for _ in range(100):
        if any(container.status == "running" for container in await asyncio.to_thread(containers, address)):
            break
        await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_container_that_nobody_stops_ends_after_the_scripts_timeout(backend: OnDocker, make_job: Any) -> None:
    job = make_job("import time\nwhile True: time.sleep(600)\n", timeout=1.0)
    container = await asyncio.to_thread(backend._create, job, "marker")
    try:
        await asyncio.to_thread(container.start)
        assert (await asyncio.to_thread(container.wait, timeout=60))["StatusCode"] == 137
    finally:
        await asyncio.to_thread(container.remove, force=True)


async def test_what_a_dead_process_left_is_swept_away_by_the_next(address: str, backend: OnDocker) -> None:
    import socket

    client = docker.DockerClient(base_url=address)
    labels = {OWNER: f"{socket.gethostname()}:1:12345"}
    client.containers.run(IMAGE, ["python3", "-c", "import time; time.sleep(600)"], detach=True, labels=labels)
    assert "isolation full" in await asyncio.to_thread(backend.check)


async def test_a_whole_run_ends_with_a_valid_submission(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(tmp_path / "calls")
    monkeypatch.setattr("mle_star.tools.chat.make_model", lambda config: model)
    config = MLEStarConfig(
        out_dir=tmp_path / "run", execution_backend="docker", docker_image=IMAGE, docker_url=address,
        parallel_scripts=2, **SETTINGS | {"outer_loop_iterations": 1},
    )  # fmt: skip
    result = await MLEStarOrchestrator(config).run(TaskDescription.from_directory(make_task_folder(tmp_path / "task")))
    assert result.status == "succeeded", result
    assert Path(str(result.submission_path)).read_text() == SUBMISSION
    assert result.usage.scripts > 5
    assert containers(address) == []


async def test_an_image_that_is_not_there_is_told_in_one_line(address: str) -> None:
    with pytest.raises(ConfigError, match="has no image localhost/nothing: build or pull it first"):
        await asyncio.to_thread(OnDocker("localhost/nothing", address).check)


async def test_an_engine_that_is_not_there_is_told_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"no container engine answers at tcp://127.0.0.1:1: start Docker or Podman"):
        await asyncio.to_thread(OnDocker(IMAGE, "tcp://127.0.0.1:1").check)
