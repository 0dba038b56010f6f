"""A script that the fork server runs can't tell that it is not in a fresh process, except by its speed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from mle_star.execution import forkserver
from mle_star.execution.forkserver import ForkServer, Servers
from mle_star.execution.machine import available_cores
from mle_star.execution.runner import Job, run_script
from mle_star.models.data_models import ExecutionResult

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every script has a fresh process")

ROOT = Path(__file__).parents[2]
MINUTE = 60.0


async def run(folder: Path, script: str, *, warm: bool = True, **more: Any) -> ExecutionResult:
    """Run a script, on one core unless told otherwise."""
    (folder / "data").mkdir(exist_ok=True)
    path = folder / "001-coder.py"
    path.write_text(textwrap.dedent(script))
    given: dict[str, Any] = {"timeout": MINUTE, "cores": available_cores()[:1], "needs_score": False} | more
    return await run_script(
        Job(
            script=path, log=folder / "001-coder.log", workdir=folder / "work", data=folder / "data", warm=warm, **given
        )
    )


def like(result: ExecutionResult) -> tuple[Any, ...]:
    """Give what has to be the same: all but the time and the numbers of processes and addresses."""

    def same(text: str) -> str:
        return re.sub(r"0x[0-9a-f]{6,}|pid \d+|repeated \d+ more", "-", text)

    return result.score, result.error, same(result.message), same(result.output)


async def both(folder: Path, script: str, **more: Any) -> ExecutionResult:
    """Run a script both ways, assert that it came to the same, and return that."""
    fresh = await run(folder, script, warm=False, **more)
    warm = await run(folder, script, **more)
    assert not warm.note
    assert like(warm) == like(fresh)
    return warm


# What a script sees

SEES = {
    "what it is": "print(__name__, __file__, __doc__, __package__, __spec__, __cached__, sorted(globals()))",
    "its loader": "print(type(__loader__), __loader__.name, __loader__.path)",
    "its arguments": "import sys; print(sys.argv, sys.orig_argv, sys.flags, sys.warnoptions, sys._xoptions)",
    "the path": "import sys; print(sys.path, sys.executable, sys.prefix)",
    "its command line": "print(open('/proc/self/cmdline').read().split('\\0'))",
    "the environment": "import os; print(sorted(os.environ.items()), os.getcwd())",
    "the environment of its children": "import subprocess; subprocess.run(['env', '-0'])",
    "the environment in C": """
        import ctypes, os
        getenv = ctypes.CDLL(None).getenv
        getenv.restype = ctypes.c_char_p
        print([getenv(name.encode()) for name in ("HOME", "TMPDIR", "OPENBLAS_NUM_THREADS", "JE_ARROW_MALLOC_CONF")])
    """,
    "hashes": "print(hash('text'), list({'b', 'a', 'c'}))",
    "its streams": """
        import sys, os
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            print(stream.encoding, stream.errors, stream.line_buffering, stream.isatty(), stream.fileno(),
                  type(stream.buffer), stream.name, stream.mode)
        print(os.readlink("/proc/self/fd/0"))
    """,
    "open files": "import os; print(sorted(os.listdir('/proc/self/fd'), key=int)[:3])",
    "its own group and session": "import os; print(os.getpgrp() == os.getpid() == os.getsid(0))",
    "signal handlers": "import signal; print([signal.getsignal(s) for s in sorted(signal.valid_signals())])",
    "threads": "import os, threading as t; print(t.enumerate()[0].name, os.listdir('/proc/self/task')[1:])",
    "temporary files": "import tempfile; print(tempfile.gettempdir())",
    "the home folder": "from pathlib import Path; print(Path.home(), Path('~').expanduser())",
    "cores": "import os, joblib; print(os.sched_getaffinity(0), joblib.cpu_count())",
    "threads of the libraries": """
        import numpy, sklearn.ensemble, threadpoolctl, lightgbm
        print(sorted((i["internal_api"], i["num_threads"]) for i in threadpoolctl.threadpool_info()))
    """,
    "the drawing library": "import matplotlib; print(matplotlib.get_backend(), matplotlib.get_configdir())",
    "names of ours": """
        import importlib.util, sys
        print([importlib.util.find_spec(name) for name in ("launch", "zygote", "title", "contain", "main")])
        print([name for name in sys.modules if "zygote" in name or name in ("launch", "title", "main")])
    """,
    "the recursion limit": "import sys; print(sys.getrecursionlimit())",
    "its limits": "import resource; print([resource.getrlimit(n) for n in range(16)])",
    "garbage collection": "import gc; print(gc.isenabled(), gc.get_threshold())",
    "future statements": "def f(x: int) -> str: ...\nprint(f.__annotations__)",
    "warnings": "import warnings\nwarnings.warn('careful')",
}


@pytest.mark.parametrize("what", SEES)
async def test_a_script_sees_the_same(tmp_path: Path, what: str) -> None:
    result = await both(tmp_path, SEES[what])
    assert result.ok, result.message


@pytest.mark.skipif(len(available_cores()) < 2, reason="there is one core only")
@pytest.mark.parametrize("what", ["threads of the libraries", "cores", "the environment"])
async def test_a_script_with_two_cores_sees_the_same(tmp_path: Path, what: str) -> None:
    assert (await both(tmp_path, SEES[what], cores=available_cores()[:2])).ok


async def test_random_numbers_without_a_seed_are_new_in_each_script(tmp_path: Path) -> None:
    script = "import numpy, os, random, uuid\n"
    script += "print(numpy.random.rand(), random.random(), uuid.uuid4(), os.urandom(8).hex())"
    seen = [(await run(tmp_path, script)).output.split() for _ in range(3)]
    assert all(len(set(values)) == 3 for values in zip(*seen, strict=True))


# How it fails

FAILS = {
    "an exception": "def f(x):\n    return 1 / x\n\nprint('before')\nf(0)",
    "an exception in a library": "import pandas as pd\npd.DataFrame({'a': [1]})['b']",
    "an exception with a cause": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('no') from e",
    "a group of exceptions": "raise ExceptionGroup('many', [ValueError(1), TypeError(2)])",
    "a note": "e = ValueError('x')\ne.add_note('look there')\nraise e",
    "endless recursion": "def f():\n    return f()\nf()",
    "a syntax error": "x = (\nprint('never')",
    "a wrong indentation": "if True:\nprint(1)",
    "exit codes": "import sys; sys.exit(3)",
    "an exit code beyond a byte": "import sys; sys.exit(256 + 7)",
    "a negative exit code": "import sys; sys.exit(-1)",
    "a message at the exit": "import sys; sys.exit('that is wrong')",
    "a plain exit": "raise SystemExit",
    "os._exit": "import os\nprint('x')\nos._exit(4)",
    "a signal": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "a segmentation fault": "import ctypes; ctypes.string_at(0)",
    "an interruption": "raise KeyboardInterrupt",
    "an interruption by a signal": "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
    "its own excepthook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0], a[2].tb_lineno)\n1 / 0",
    "a thread's exception": "import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start(); t.join()",
    "an exception at the exit": "import atexit\natexit.register(lambda: 1 / 0)",
}


@pytest.mark.parametrize("how", FAILS)
async def test_a_script_fails_the_same(tmp_path: Path, how: str) -> None:
    await both(tmp_path, FAILS[how])


async def test_a_traceback_shows_the_scripts_lines_and_no_frame_of_ours(tmp_path: Path) -> None:
    result = await run(tmp_path, "def outer():\n    inner()\n\ndef inner():\n    raise KeyError('k')\n\nouter()\n")
    lines = re.findall(r'File "(.*)", line (\d+)', result.message)
    path = str(tmp_path / "001-coder.py")
    assert lines == [(path, "7"), (path, "2"), (path, "5")]


# How it ends

ENDS = {
    "threads that are no daemons": """
        import threading, time
        def work():
            time.sleep(1)
            print("thread done")
        threading.Thread(target=work).start()
        print("main done")
    """,
    "daemon threads": """
        import threading, time
        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
        print("main done")
    """,
    "functions at the exit": """
        import atexit
        for n in range(3):
            atexit.register(print, "at exit", n)
        print("main done")
    """,
    "a file that was not closed": """
        f = open("out.txt", "w")
        f.write("x" * 100)
        import atexit
        atexit.register(lambda: print("main done"))
    """,
    "objects with finalisers": """
        import weakref
        class Thing:
            def __del__(self):
                print("deleted")
        thing = Thing()
        cycle = Thing()
        cycle.self = cycle
        kept = {1, 2}
        class Other: ...
        other = Other()
        weakref.finalize(other, print, "finalised")
        print("main done")
    """,
    "an executor that is not shut down": """
        from concurrent.futures import ThreadPoolExecutor
        import time
        pool = ThreadPoolExecutor(2)
        pool.submit(lambda: (time.sleep(1), print("task done")))
        print("main done")
    """,
    "output without a line's end": "import sys\nsys.stdout.write('no end')\nsys.stderr.write('error')",
    "output from C": "import ctypes\nctypes.CDLL(None).puts(b'from C')\nprint('from Python')",
    "a stream of its own": """
        import io, sys
        sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), encoding="utf-8")
        print("buffered")
    """,
    "a forked child": """
        import os
        pid = os.fork()
        if pid == 0:
            print("child")
            os._exit(0)
        os.waitpid(pid, 0)
        print("parent")
    """,
}


@pytest.mark.parametrize("how", ENDS)
async def test_a_script_ends_the_same(tmp_path: Path, how: str) -> None:
    assert (await both(tmp_path, ENDS[how])).ok


async def test_a_file_that_a_script_did_not_close_is_written_whole(tmp_path: Path) -> None:
    await run(tmp_path, ENDS["a file that was not closed"])
    assert (tmp_path / "work" / "out.txt").read_text() == "x" * 100


# What it can use

USES = {
    "numbers": """
        import numpy as np
        rng = np.random.default_rng(0)
        a = rng.normal(size=(300, 300))
        print(repr(float(np.linalg.svd(a @ a.T)[1].sum())), repr(np.linalg.inv(a)[0, 0]))
    """,
    "LightGBM": """
        import numpy as np, pandas as pd
        from lightgbm import LGBMRegressor
        rng = np.random.default_rng(0)
        x = pd.DataFrame(rng.normal(size=(500, 8)))
        model = LGBMRegressor(n_estimators=30, verbose=-1, subsample=0.7, subsample_freq=1).fit(x, x[0] + x[1] ** 2)
        print("Final Validation Performance:", float(model.predict(x).sum()))
    """,
    "scikit-learn": """
        import numpy as np
        from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import cross_val_score
        rng = np.random.default_rng(0)
        x = rng.normal(size=(300, 6))
        y = (x[:, 0] + rng.normal(size=300) > 0).astype(int)
        forest = RandomForestClassifier(20, random_state=0, n_jobs=-1)
        for model in (HistGradientBoostingClassifier(max_iter=20), forest, LogisticRegression()):
            print(repr(cross_val_score(model, x, y).mean()))
    """,
    "worker processes of joblib": """
        from joblib import Parallel, delayed
        def half(x):
            return x / 2
        if __name__ == "__main__":
            print(Parallel(n_jobs=2)(delayed(half)(x) for x in range(4)))
    """,
    "a search with worker processes": """
        import numpy as np
        from sklearn.linear_model import Ridge
        from sklearn.model_selection import GridSearchCV
        rng = np.random.default_rng(0)
        x = rng.normal(size=(100, 3))
        search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, n_jobs=2).fit(x, x[:, 0])
        print(search.best_params_)
    """,
    "tables in Parquet": """
        import pandas as pd
        pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}).to_parquet("t.parquet")
        print(pd.read_parquet("t.parquet").b.str.upper().tolist())
    """,
    "drawings": """
        import matplotlib.pyplot as plt, os
        plt.plot([1, 2])
        plt.savefig("plot.png")
        print(os.path.getsize("plot.png") > 1000)
    """,
    "pickles": """
        import pickle
        class Thing:
            pass
        print(type(pickle.loads(pickle.dumps(Thing()))) is Thing, Thing.__module__)
    """,
    "dataclasses and types": """
        import dataclasses, typing, inspect
        @dataclasses.dataclass
        class Point:
            x: "int"
        print(typing.get_type_hints(Point), inspect.getsource(Point))
    """,
    "other Pythons": """
        import subprocess, sys
        print(subprocess.run([sys.executable, "-c", "import pandas; print(1)"], capture_output=True, text=True))
    """,
    "an event loop": """
        import asyncio
        async def main():
            process = await asyncio.create_subprocess_exec("echo", "hello", stdout=-1)
            print(await process.communicate())
        asyncio.run(main())
    """,
}


@pytest.mark.parametrize("what", USES)
async def test_a_script_gets_the_same_from(tmp_path: Path, what: str) -> None:
    result = await both(tmp_path, USES[what])
    assert result.ok, result.message


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
async def test_worker_processes_can_be_started_by(tmp_path: Path, method: str) -> None:
    script = f"""
        import multiprocessing, os
        def half(x):
            return x / 2
        if __name__ == "__main__":
            with multiprocessing.get_context({method!r}).Pool(2) as pool:
                print(pool.map(half, [1, 2, 3]), multiprocessing.current_process().name)
    """
    assert (await both(tmp_path, script)).output == "[0.5, 1.0, 1.5] MainProcess\n"


@pytest.mark.skipif(len(available_cores()) < 2, reason="there is one core only")
@pytest.mark.parametrize("what", ["numbers", "LightGBM", "scikit-learn"])
async def test_a_script_with_two_cores_comes_to_the_same(tmp_path: Path, what: str) -> None:
    assert (await both(tmp_path, USES[what], cores=available_cores()[:2])).ok


async def test_fits_at_the_same_time_do_not_stall_each_other(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(8)]
    for folder in folders:
        folder.mkdir()
    cores = available_cores()
    results = await asyncio.gather(
        *(
            run(folder, USES["LightGBM"], cores=(cores[number % len(cores)],), needs_score=True)
            for number, folder in enumerate(folders)
        )
    )
    assert len({result.score for result in results}) == 1
    assert all(result.ok for result in results)


# When the server dies


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have servers of this test's own."""
    made = Servers()
    monkeypatch.setattr("mle_star.execution.runner.servers", made)
    yield made
    made.close()


def server_of(servers: Servers) -> ForkServer:
    """Give the server for one core."""
    return servers._servers["1"]


async def eventually(holds: Callable[[], bool]) -> bool:
    """Wait until something holds; False if it never does."""
    for _ in range(int(MINUTE * 50)):
        if holds():
            return True
        await asyncio.sleep(0.02)
    return False


def gone(pid: int) -> bool:
    """Whether a process is no more, or only waits to be collected."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


WAITS = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\nwhile not os.path.exists('go'): time.sleep(0.01)"


async def begun(folder: Path) -> None:
    """Wait until the script that waits has begun."""
    file = folder / "work" / "pid"
    assert await eventually(lambda: file.exists() and file.read_text() != "")


async def test_a_script_whose_server_dies_is_run_again_and_the_run_says_so(tmp_path: Path, servers: Servers) -> None:
    running = asyncio.create_task(run(tmp_path, f"{WAITS}\nprint('done')"))
    await begun(tmp_path)
    os.kill(server_of(servers).pid or 0, signal.SIGKILL)
    while not running.done():
        await asyncio.sleep(0.05)
        if (tmp_path / "work" / "pid").exists():
            with suppress(FileNotFoundError):  # the folder is being made anew
                (tmp_path / "work" / "go").touch()
    result = await running
    assert (result.output, "the fork server died" in result.note) == ("done\n", True)


async def test_a_server_that_died_is_started_again(tmp_path: Path, servers: Servers) -> None:
    await run(tmp_path, "x = 1")
    first = server_of(servers).pid
    os.kill(first or 0, signal.SIGKILL)
    assert "process of its own" in (await run(tmp_path, "x = 1")).note
    assert (await run(tmp_path, "x = 1")).note == ""
    assert server_of(servers).pid != first


async def test_a_server_that_can_not_be_started_is_done_without(
    tmp_path: Path, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit(7)")
    monkeypatch.setattr(forkserver, "ZYGOTE", broken)
    results = [await run(tmp_path, "print('done')") for _ in range(forkserver.TRIES + 1)]
    assert all(result.output == "done\n" for result in results)
    assert all("exit code 7" in result.note for result in results[:-1])


async def test_a_library_that_starts_threads_is_left_to_the_scripts(
    tmp_path: Path, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "catboost.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(99,)).start()"
    )
    usual = forkserver._for_server
    monkeypatch.setattr(forkserver, "_for_server", lambda given: usual(given) | {"PYTHONPATH": str(tmp_path)})
    result = await run(tmp_path, "import sys, threading\nprint('pandas' in sys.modules, threading.active_count())")
    assert (result.output, result.note) == ("True 1\n", "")


async def test_nothing_survives_when_our_process_is_killed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "001-coder.py").write_text(f"import subprocess\nsubprocess.Popen(['sleep', '3600'])\n{WAITS}")
    code = f"""
import asyncio
from pathlib import Path
from mle_star.execution.runner import Job, run_script
here = Path({str(tmp_path)!r})
asyncio.run(run_script(Job(here / "001-coder.py", here / "log", here / "work", here / "data", timeout=3600)))
"""
    ours = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    await begun(tmp_path)
    below = [process.pid for process in psutil.Process(ours.pid).children(recursive=True)]
    ours.kill()
    await ours.wait()
    assert len(below) >= 3
    assert await eventually(lambda: all(gone(pid) for pid in below))


async def test_the_server_ends_when_it_is_closed(tmp_path: Path, servers: Servers) -> None:
    await run(tmp_path, "x = 1")
    pid = server_of(servers).pid or 0
    servers.close()
    assert gone(pid)


async def test_the_server_forks_with_one_thread_and_keeps_no_file_of_a_script_open(
    tmp_path: Path, servers: Servers
) -> None:
    await run(tmp_path, "x = 1")
    server = psutil.Process(server_of(servers).pid)
    before = server.num_fds()
    for _ in range(5):
        await run(tmp_path, "x = 1")
    assert server.num_threads() == 1
    assert await eventually(lambda: server.num_fds() <= before)  # it closes a script's once it has told of its end


async def test_our_own_files_do_not_grow_in_number(tmp_path: Path, servers: Servers) -> None:
    await run(tmp_path, "x = 1")
    before = psutil.Process().num_fds()
    for _ in range(5):
        await run(tmp_path, "x = 1")
    assert await eventually(lambda: psutil.Process().num_fds() <= before)  # a look at a script's memory holds one


async def test_a_script_with_gpus_sees_its_own_alone(tmp_path: Path) -> None:
    result = await both(tmp_path, "import os\nprint(os.environ['CUDA_VISIBLE_DEVICES'])", gpus=("GPU-a", "GPU-b"))
    assert result.output == "GPU-a,GPU-b\n"
