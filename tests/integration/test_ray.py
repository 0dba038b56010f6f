"""Scripts as tasks of a real cluster: two nodes on this machine, one of which is killed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from mle_star.execution import on_ray
from mle_star.execution.isolation.detect import strongest
from mle_star.execution.on_ray import OnRay
from mle_star.execution.runner import Job
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskDescription
from mle_star.models.errors import ConfigError
from mle_star.orchestrator import MLEStarOrchestrator

ray = pytest.importorskip("ray")
PENGUINS = Path(__file__).parents[2] / "examples" / "penguins"
SLEEPER = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
SCORED = "print('Final Validation Performance: 0.5')\n"


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Any]:
    """A cluster of a head that runs nothing and two nodes of one core each."""
    from ray.cluster_utils import Cluster as RayCluster

    cluster = RayCluster()
    try:
        start(cluster, num_cpus=0, include_dashboard=False)
        cluster.spare, _ = [start(cluster, num_cpus=1) for _ in range(2)]
        cluster.wait_for_nodes(timeout=120)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def start(cluster: Any, **node: Any) -> Any:
    """Start a node of a cluster; Ray gives up after 30 seconds, which a busy machine may need."""
    for left in (2, 1, 0):
        try:
            return cluster.add_node(**node)
        except Exception:
            if not left:
                raise
    return None


@pytest.fixture
def make_job(tmp_path: Path) -> Any:
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.csv").write_text("a,y\n1,0\n")

    def make(name: str, text: str, timeout: float = 60.0) -> Job:
        script = tmp_path / f"{name}.py"
        script.write_text(text)
        return Job(script=script, log=tmp_path / f"{name}.log", workdir=tmp_path / name, data=data, timeout=timeout)

    return make


async def test_a_script_reads_its_data_and_its_result_and_its_files_come_back(two_nodes: Any, make_job: Any) -> None:
    job = make_job(
        "one", "print(open('input/train.csv').read())\nopen('final/submission.csv', 'w').write('id\\n')\n" + SCORED
    )
    result = await OnRay(two_nodes.address).run(job)
    assert result.score == 0.5
    assert result.script_path == str(job.script)
    assert "a,y" in job.log.read_text()
    assert (job.workdir / "final" / "submission.csv").read_text() == "id\n"


async def test_scripts_of_one_core_run_on_both_nodes_at_once(two_nodes: Any, make_job: Any) -> None:
    text = "import os, time\nprint(sorted(os.sched_getaffinity(0)))\ntime.sleep(25)\n" + SCORED
    jobs = [make_job(f"side{number}", text) for number in range(2)]
    await asyncio.gather(*(OnRay(two_nodes.address).run(job) for job in jobs))
    cores = {job.log.read_text().splitlines()[0] for job in jobs}
    assert len(cores) == min(2, len(os.sched_getaffinity(0)))


async def test_a_script_that_never_ends_is_stopped_on_its_node_with_all_its_processes(
    two_nodes: Any, make_job: Any, tmp_path: Path
) -> None:
    text = f"import time\n{SLEEPER}\ntime.sleep(600)\n"
    result = await OnRay(two_nodes.address).run(make_job("endless", text, timeout=3.0))
    assert result.error == "timeout"
    assert no_sleepers()


async def test_a_script_that_waited_past_the_deadline_is_not_started(two_nodes: Any, make_job: Any) -> None:
    result = await OnRay(two_nodes.address).run(replace(make_job("late", SCORED), deadline=time.time() - 1))
    assert result.error == "no time left"


async def test_a_failure_is_told_as_it_is_at_home(two_nodes: Any, make_job: Any) -> None:
    result = await OnRay(two_nodes.address).run(make_job("failing", "raise ValueError('bad column')\n"))
    assert result.error == "exception"
    assert "ValueError: bad column" in result.message


async def test_a_script_whose_run_is_cancelled_is_ended(two_nodes: Any, make_job: Any) -> None:
    job = make_job("cancelled", f"{SLEEPER}.wait()\n")
    task = asyncio.create_task(OnRay(two_nodes.address).run(job))
    await asyncio.sleep(3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert no_sleepers()


async def test_scripts_on_a_node_that_is_killed_run_again_on_another(two_nodes: Any, make_job: Any) -> None:
    text = "import time\ntime.sleep(4)\n" + SCORED
    tasks = [asyncio.create_task(OnRay(two_nodes.address).run(make_job(f"lost{number}", text))) for number in range(2)]
    await asyncio.sleep(2)
    await asyncio.to_thread(two_nodes.remove_node, two_nodes.spare, allow_graceful=False)
    results = await asyncio.gather(*tasks)
    assert [result.score for result in results] == [0.5, 0.5]


async def test_a_run_whose_node_is_killed_ends_with_a_valid_submission(two_nodes: Any, tmp_path: Path) -> None:
    lost = start(two_nodes, num_cpus=1)  # it wants the main thread
    config = MLEStarConfig(
        model_provider="offline", execution_backend="ray", ray_address=two_nodes.address, parallel_scripts=2,
        num_retrieved_models=2, outer_loop_iterations=1, inner_loop_iterations=1, ensemble_iterations=1,
        num_solutions=2, cache=False, runs_dir=tmp_path / "runs", require_isolation=strongest().level,
    )  # fmt: skip
    orchestrator = MLEStarOrchestrator(config)
    killed = False
    async for event in orchestrator.stream(TaskDescription.from_directory(PENGUINS)):
        if event.kind == "script started" and not killed and await asyncio.to_thread(runs_a_script, lost):
            await asyncio.to_thread(two_nodes.remove_node, lost, allow_graceful=False)
            killed = True
    assert killed
    result = orchestrator.result
    assert result is not None
    assert result.submission_path is not None
    assert Path(result.submission_path).is_file()
    assert all(step.score is not None for step in result.history if step.agent == "candidate_evaluator")


async def test_more_than_any_node_has_is_refused_before_anything_is_spent(two_nodes: Any) -> None:
    with pytest.raises(ConfigError, match="no node of the Ray cluster has what a script asks for"):
        await asyncio.to_thread(OnRay(two_nodes.address, cpus=64).check)


async def test_the_check_tells_the_isolation_of_the_nodes(two_nodes: Any) -> None:
    backend = OnRay(two_nodes.address)
    assert f"isolation {strongest().level}" in await asyncio.to_thread(backend.check)
    assert len(backend.shares()[0].cores) == 1


async def test_a_node_that_was_lost_a_moment_ago_does_not_keep_a_run_from_starting(
    two_nodes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = OnRay(two_nodes.address, parallel=7)
    alive = on_ray._nodes(backend)
    monkeypatch.setattr(on_ray, "_nodes", lambda _: [("ab" * 28, 1, 1e9), *alive])
    nodes = f"{len(alive)} node{'s' * (len(alive) > 1)}"
    assert f"Ray cluster of {nodes}, isolation {strongest().level}" in await asyncio.to_thread(backend.check)
    monkeypatch.setattr(on_ray, "_nodes", lambda _: [("ab" * 28, 1, 1e9)])
    with pytest.raises(ConfigError, match="no node of the Ray cluster is left"):
        await asyncio.to_thread(replace(backend, parallel=8).check)


def test_a_cluster_that_is_not_there_is_told_in_one_line_before_anything_is_spent(tmp_path: Path) -> None:
    command = ["run", str(PENGUINS), "--provider", "offline", "--backend", "ray", "--runs-dir", str(tmp_path / "runs")]
    environment = {**os.environ, "MLE_STAR_RAY_ADDRESS": "127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-m", "mle_star.cli", *command], env=environment, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "no Ray cluster answers at 127.0.0.1:1: start one with `ray start --head`" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def runs_a_script(node: Any) -> bool:
    """Wait a while for a script that runs on a node."""
    raylet = psutil.Process(next(process.pid for kind, process in node.live_processes() if kind == "raylet"))
    for _ in range(600):
        commands = (" ".join(process.cmdline()) for process in raylet.children(recursive=True) if process.is_running())
        with suppress(psutil.Error):
            if any("/mle-star-" in command and command.endswith(".py") for command in commands):
                return True
        time.sleep(0.1)
    return False


def no_sleepers() -> bool:
    """Whether no process sleeps as the scripts above do; one that was just killed has a moment to go."""
    for _ in range(50):
        found = [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"time.sleep(600)" in _read(path)]
        if not found:
            return True
        time.sleep(0.1)
    return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
