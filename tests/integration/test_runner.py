"""Scripts as real processes."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mle_star.execution.machine import available_cores
from mle_star.execution.runner import Job, run_script
from mle_star.models.data_models import ExecutionResult

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
LONG = 60.0
"""Seconds that nothing here takes."""
WAYS = ["fresh", "warm"] if sys.platform == "linux" else ["fresh"]
_way = "warm"


@pytest.fixture(params=WAYS, autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run each test in a fresh process, and forked from the server."""
    global _way
    _way = request.param
    yield _way
    _way = "warm"


def job(folder: Path, script: str, *, name: str = "001-coder", timeout: float = LONG, **more: Any) -> Job:
    """Write a script, and the job to run it."""
    (folder / "data").mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(script))
    return Job(
        script=path,
        log=path.with_suffix(".log"),
        workdir=folder / "work" / name,
        data=folder / "data",
        timeout=timeout,
        warm=_way == "warm",
        **more,
    )


async def run(folder: Path, script: str, **more: Any) -> ExecutionResult:
    """Run a script, in the way that was wanted."""
    result = await run_script(job(folder, script, **more))
    assert not result.note
    return result


async def eventually(holds: Callable[[], bool]) -> bool:
    """Wait until something holds; False if it never does."""
    for _ in range(int(LONG * 50)):
        if holds():
            return True
        await asyncio.sleep(0.02)
    return False


def alive(token: str) -> bool:
    """Whether a process lives, anywhere on the machine, that bears the token in its command line."""
    return any(token in " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))


async def test_the_score_is_read_from_the_last_line_of_its_form(tmp_path: Path) -> None:
    result = await run(tmp_path, "for n in (1, 2): print(f'Final Validation Performance: 0.{n}')\nprint('done')")
    assert (result.score, result.error) == (0.2, None)


async def test_an_integer_is_a_score(tmp_path: Path) -> None:
    assert (await run(tmp_path, "print('Final Validation Performance: 1')")).score == 1.0


async def test_a_script_under_a_main_guard_runs(tmp_path: Path) -> None:
    script = """
        def main():
            print("Final Validation Performance: 0.5")
        if __name__ == "__main__":
            main()
    """
    assert (await run(tmp_path, script)).score == 0.5


async def test_worker_processes_of_a_script_work(tmp_path: Path) -> None:
    script = """
        from concurrent.futures import ProcessPoolExecutor
        def half(x):
            return x / 2
        if __name__ == "__main__":
            with ProcessPoolExecutor(2) as pool:
                print("Final Validation Performance:", sum(pool.map(half, [1, 2])))
    """
    assert (await run(tmp_path, script)).score == 1.5


async def test_an_exception_comes_back_as_its_traceback_with_the_scripts_own_line(tmp_path: Path) -> None:
    result = await run(tmp_path, "x = {}\nprint('before')\nx['missing']\n")
    assert (result.error, "before" in result.output) == ("exception", True)
    assert f'"{tmp_path / "001-coder.py"}", line 3' in result.message
    assert result.message.endswith("KeyError: 'missing'")


async def test_a_script_that_does_not_compile_fails(tmp_path: Path) -> None:
    result = await run(tmp_path, "x = (")
    assert (result.error, "SyntaxError" in result.message) == ("exception", True)


async def test_a_script_that_leaves_early_without_a_score_fails(tmp_path: Path) -> None:
    assert (await run(tmp_path, "import sys; sys.exit(0)")).error == "no score"


async def test_a_timeout_stops_the_script(tmp_path: Path) -> None:
    result = await run(tmp_path, "import time\nprint('begun', flush=True)\ntime.sleep(3600)", timeout=0.5)
    assert (result.ok, result.error) == (False, "timeout")


async def test_a_timeout_kills_the_whole_group_grandchildren_included(tmp_path: Path) -> None:
    script = """
        import subprocess, sys, time
        inner = f"import time, os; open('grandchild', 'w').write('begun'); time.sleep(3600) # {__file__}"
        child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
        subprocess.Popen([sys.executable, "-c", child])
        time.sleep(3600)
    """
    work = tmp_path / "work" / "001-coder" / "grandchild"
    running = asyncio.create_task(run(tmp_path, script, timeout=8.0))
    assert await eventually(lambda: work.exists() and work.read_text() != "")
    assert alive(str(tmp_path))
    assert (await running).error == "timeout"
    assert await eventually(lambda: not alive(str(tmp_path)))


async def test_what_a_script_leaves_running_is_killed_when_it_ends(tmp_path: Path) -> None:
    script = """
        import subprocess, sys
        subprocess.Popen([sys.executable, "-c", f"import time; time.sleep(3600) # {__file__}"])
        print("Final Validation Performance: 0.5")
    """
    result = await run(tmp_path, script)
    assert result.score == 0.5
    assert await eventually(lambda: not alive(str(tmp_path)))


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT"])
async def test_a_script_killed_by_a_signal_is_a_failed_script(tmp_path: Path, name: str) -> None:
    script = f"import os, signal\nprint('Final Validation Performance: 1')\nos.kill(os.getpid(), signal.{name})"
    result = await run(tmp_path, script)
    assert (result.ok, result.error, name in result.message) == (False, "killed", True)


SECRETS = ("OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MLE_STAR_MODEL_ID", "LANGSMITH_API_KEY",
           "GOOGLE_API_KEY", "HF_TOKEN", "SOMEBODYS_PASSWORD")  # fmt: skip


async def test_no_secret_of_the_users_is_in_a_scripts_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "secret-value")
    result = await run(tmp_path, "import os\nprint(dict(os.environ))", needs_score=False)
    assert "PATH" in result.output
    assert "secret-value" not in result.output
    assert not [name for name in SECRETS if name in result.output]


async def test_a_script_finds_the_packages_that_we_have(tmp_path: Path) -> None:
    result = await run(tmp_path, "import sys, pydantic\nprint(sys.executable)", needs_score=False)
    assert result.output.strip() == sys.executable


async def test_a_script_does_not_find_our_own_modules_beside_the_launcher(tmp_path: Path) -> None:
    result = await run(tmp_path, "import sys\nprint(sys.path, sys.argv)", needs_score=False)
    assert "mle_star" not in result.output
    assert f"['{tmp_path / '001-coder.py'}']" in result.output


@pytest.mark.skipif(len(available_cores()) < 2, reason="there is one core only")
async def test_two_scripts_at_once_run_on_the_different_cores_that_they_were_given(tmp_path: Path) -> None:
    script = "import os\nprint(sorted(os.sched_getaffinity(0)))"
    one, other = available_cores()[:2]
    results = await asyncio.gather(
        run(tmp_path, script, name="001-a", cores=(one,), needs_score=False),
        run(tmp_path, script, name="002-b", cores=(other,), needs_score=False),
    )
    assert [result.output.strip() for result in results] == [f"[{one}]", f"[{other}]"]


async def test_a_huge_output_stays_on_disk_and_its_excerpt_is_bounded(tmp_path: Path) -> None:
    result = await run(
        tmp_path, "for _ in range(200): print('x' * 100_000)\nprint('Final Validation Performance: 0.5')"
    )
    assert result.score == 0.5
    assert Path(result.log_path).stat().st_size > 20_000_000
    assert len(result.output) < 10_000


async def test_standard_error_is_in_the_log_too(tmp_path: Path) -> None:
    result = await run(tmp_path, "import sys\nprint('complaint', file=sys.stderr)", needs_score=False)
    assert "complaint" in Path(result.log_path).read_text()


async def test_a_script_that_waits_for_input_does_not_hang(tmp_path: Path) -> None:
    assert "EOFError" in (await run(tmp_path, "input()")).message


async def test_cancelling_kills_the_script(tmp_path: Path) -> None:
    script = "import os, time\nopen('begun', 'w').write('yes')\ntime.sleep(3600)"
    file = tmp_path / "work" / "001-coder" / "begun"
    running = asyncio.create_task(run(tmp_path, script))
    assert await eventually(lambda: file.exists() and file.read_text() != "")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await eventually(lambda: not alive(str(tmp_path)))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
async def test_a_script_dies_when_our_process_is_killed(tmp_path: Path) -> None:
    made = job(tmp_path, "import os, time\nopen('begun', 'w').write('yes')\ntime.sleep(3600)")
    code = f"""
import asyncio
from pathlib import Path
from mle_star.execution.runner import Job, run_script
asyncio.run(run_script(Job(script=Path({str(made.script)!r}), log=Path({str(made.log)!r}),
    workdir=Path({str(made.workdir)!r}), data=Path({str(made.data)!r}), timeout=3600, warm={made.warm})))
"""
    ours = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    file = made.workdir / "begun"
    assert await eventually(lambda: file.exists() and file.read_text() != "")
    ours.kill()
    await ours.wait()
    assert await eventually(lambda: not alive(str(tmp_path)))


async def test_the_data_folder_is_reachable_as_input(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("a,b\n")
    assert (await run(tmp_path, "print(open('./input/train.csv').read())", needs_score=False)).output == "a,b\n\n"


async def test_a_relative_data_folder_is_reachable_as_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/train.csv").write_text("a,b\n")
    made = job(tmp_path, "print(open('./input/train.csv').read())", needs_score=False)
    result = await run_script(Job(**(vars(made) | {"data": Path("data")})))
    assert result.output == "a,b\n\n"


async def test_a_script_begins_in_a_folder_without_anything_of_an_earlier_one(tmp_path: Path) -> None:
    stale = tmp_path / "work" / "001-coder" / "final"
    stale.mkdir(parents=True)
    (stale / "submission.csv").write_text("stale")
    await run(tmp_path, "x = 1", needs_score=False)
    assert list(stale.iterdir()) == []


async def test_a_folder_for_the_submission_and_one_for_work_are_there(tmp_path: Path) -> None:
    result = await run(tmp_path, "import os\nprint(sorted(os.listdir('.')))", needs_score=False)
    assert result.output.strip() == "['final', 'input', 'tmp', 'working']"


async def test_clearing_the_working_folder_away_leaves_the_data_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("a,b\n")
    for _ in range(2):
        await run(tmp_path, "x = 1", needs_score=False)
    assert (tmp_path / "data" / "train.csv").read_text() == "a,b\n"


async def test_other_work_goes_on_while_a_script_runs(tmp_path: Path) -> None:
    work = tmp_path / "work" / "001-coder"
    script = "import os, time\nopen('begun', 'w')\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('went')"
    running = asyncio.create_task(run(tmp_path, script, needs_score=False))
    assert await eventually((work / "begun").exists)
    (work / "go").touch()
    assert (await running).output == "went\n"
