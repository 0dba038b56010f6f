"""Measure how scripts are run: `python -m benchmarks.execution`, on a machine that does nothing else.

    pip install -e ".[benchmark]"
    pip install --no-deps aideml          # the rival: it pins older libraries than ours, only its interpreter is called

Ratios are between figures of one run of this program. `--plot FILE` draws them, `--json FILE` keeps them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest

from mle_star.execution.forkserver import servers
from mle_star.execution.machine import this_machine
from mle_star.execution.runner import Job, run_script, warm_up
from mle_star.execution.slots import Slots, shares_of
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ExecutionResult, RunResult, TaskDescription
from mle_star.orchestrator import MLEStarOrchestrator
from tests.integration.driver import extract, number
from tests.support import SUBMISSION, ScriptedModel, default_replies, fenced, make_task_folder, section, use_model

Figures = dict[str, Any]
ROOT = Path(__file__).parent.parent
TRAINING = """\
import time
import pandas as pd
from lightgbm import LGBMRegressor
from sklearn.metrics import root_mean_squared_error
began = time.perf_counter()
rows = pd.read_csv("./input/train.csv")
train, held_out = rows[:400], rows[400:]
model = LGBMRegressor(n_estimators={trees}, random_state={seed}, verbose=-1)
model.fit(train.drop(columns="y"), train["y"])
score = root_mean_squared_error(held_out["y"], model.predict(held_out.drop(columns="y")))
print("own work:", time.perf_counter() - began)
print("Final Validation Performance:", score)
"""
RIVAL = """\
import importlib.util, json, logging, sys, time
import pandas  # as its own program does before it starts an interpreter
spec = importlib.util.spec_from_file_location("aide_interpreter", sys.argv[1])
aide = importlib.util.module_from_spec(spec)
sys.modules["aide_interpreter"] = aide
spec.loader.exec_module(aide)
interpreter = aide.Interpreter(sys.argv[2], timeout=600)
for code in json.load(sys.stdin):
    began = time.perf_counter()
    result = interpreter.run(code)
    print(json.dumps([time.perf_counter() - began, "".join(result.term_out)]), flush=True)
interpreter.cleanup_session()
"""


class Place:
    """A folder with data, in which scripts are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        self.cores = shares_of(this_machine(), min(2, len(this_machine().cores)))[0].cores
        lines = ["a,b,c,y"]
        for n in range(500):
            a, b, c = n % 17, (n * 7) % 23, (n * 13) % 31
            lines.append(f"{a},{b},{c},{a * b + c % 5}")
        (self.data / "train.csv").write_text("\n".join(lines) + "\n")

    async def run(self, script: str, *, name: str = "one", warm: bool = True, **more: Any) -> ExecutionResult:
        """Run a script that has to succeed; `seconds` of the result is all that it took, from outside."""
        path = self.folder / f"{name}.py"
        path.write_text(script)
        given: dict[str, Any] = {"timeout": 600, "cores": self.cores} | more
        work = self.folder / f"work-{name}"
        began = time.perf_counter()
        result = await run_script(Job(path, path.with_suffix(".log"), work, self.data, warm=warm, **given))
        assert result.ok, result
        assert not result.note, result.note
        return result.model_copy(update={"seconds": time.perf_counter() - began})


def training(seed: int, trees: int = 50) -> str:
    """Write a small script: it reads 500 rows, fits, and prints a score."""
    return TRAINING.format(seed=seed, trees=trees)


def overhead(seconds: float, output: str) -> float:
    """Take a script's own work, which it prints, from the time that it took."""
    own = next(line for line in output.splitlines() if line.startswith("own work:"))
    return seconds - float(own.partition(":")[2])


async def warm_against_fresh(place: Place, scripts: int, again: int) -> Figures:
    """Run the same scripts both ways, in turn, and many of them warm; look for stalls."""
    await place.run(training(0))
    took: dict[bool, list[float]] = {True: [], False: []}
    over: dict[bool, list[float]] = {True: [], False: []}
    scores: dict[bool, list[float | None]] = {True: [], False: []}
    for seed in range(scripts):
        for warm in (True, False):
            result = await place.run(training(seed), warm=warm)
            took[warm].append(result.seconds)
            over[warm].append(overhead(result.seconds, result.output))
            scores[warm].append(result.score)
    assert scores[True] == scores[False], "a script comes to another score on the fork server"
    many = [(await place.run(training(seed))).seconds for seed in range(again)]
    return {
        "fresh, median s": median(took[False]),
        "warm, median s": median(took[True]),
        "fresh over warm": median(took[False]) / median(took[True]),
        f"longest of {again} warm, s": max(many),
        "fresh, overhead s": median(over[False]),
        "warm, overhead s": median(over[True]),
    }


def rival(place: Place, scripts: int) -> Figures:
    """Run the same scripts through AIDE's interpreter."""
    found = find_spec("aide")
    if found is None or not found.submodule_search_locations:
        return {}
    work = place.folder / "aide"
    work.mkdir()
    (work / "input").symlink_to(place.data)
    command = [sys.executable, "-c", RIVAL, f"{found.submodule_search_locations[0]}/interpreter.py", str(work)]
    asked = json.dumps([training(seed) for seed in range(scripts)])
    # The interpreter leaves the threads to the libraries; it is given the same cores.
    cores = set(place.cores)
    done = subprocess.run(
        command, input=asked, capture_output=True, text=True, check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )  # fmt: skip
    results = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        "AIDE, median s": median(seconds for seconds, _ in results),
        "AIDE, overhead s": median(overhead(seconds, output) for seconds, output in results),
    }


async def side_by_side(place: Place, scripts: int) -> Figures:
    """Run the same scripts one, two and four at once, each on its share of the machine; count them by the second."""
    machine = this_machine()
    figures: Figures = {}
    base = 0.0
    for at_once in (1, 2, 4):
        slots, gate = Slots(machine), asyncio.Semaphore(at_once)
        width = max(at_once, len(machine.cores))

        async def work(one: int, slots: Slots = slots, gate: asyncio.Semaphore = gate, width: int = width) -> None:
            async with gate, slots.share(str(one % 2), width) as share:
                await place.run(training(one, trees=1500), name=str(one), cores=share.cores)

        await work(0)
        began = time.perf_counter()
        await asyncio.gather(*(work(one) for one in range(scripts)))
        speed = scripts / (time.perf_counter() - began)
        base = base or speed
        ideal = base * min(at_once, len(machine.cores))
        figures[f"{at_once} at once, scripts/s"] = speed
        figures[f"{at_once} at once, of the ideal"] = speed / ideal
    return figures


async def many(place: Place, scripts: int) -> Figures:
    """Run very many scripts, and look at what that costs this process and the server."""
    ours = psutil.Process()
    figures: Figures = {}
    for count in range(scripts + 1):
        await place.run("print('Final Validation Performance: 1')")
        if count in (scripts // 10, scripts):
            server = next(child for child in ours.children() if "zygote" in " ".join(child.cmdline()))
            for who, process in (("ours", ours), ("server", server)):
                figures[f"after {count}, {who}, MB"] = process.memory_info().rss / 1e6
                figures[f"after {count}, {who}, open files"] = process.num_fds()
    return figures


class SlowModel(ScriptedModel):
    """Answers after a while."""

    delay: float

    async def _agenerate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(self.delay)
        return await super()._agenerate(messages, *args, **kwargs)


def slow_model(delay: float, sleep: float) -> SlowModel:
    """Make a model whose scripts sleep."""

    def new(prompt: str, *tags: str) -> str:
        made = number(prompt, *tags)
        parts = "".join(f"part_{n} = {made}\n" for n in range(4))
        sleeps = f"import time\ntime.sleep({sleep})\n" if sleep else ""
        return fenced(f"prepared = 1\n{parts}{sleeps}print('Final Validation Performance:', {made % 1000 / 1000})\n")

    def submission(prompt: str) -> str:
        return fenced(f"import time\ntime.sleep({sleep})\nopen('final/submission.csv', 'w').write({SUBMISSION!r})\n")

    return SlowModel(
        delay=delay,
        replies=default_replies(
            candidate_evaluator=lambda p: new(p[p.index("Use the seed") :] + p, "model"),
            merger=lambda p: new(p, "base_script", "reference_script"),
            ablation_study=lambda p: new(p, "script", "earlier_summaries"),
            summarizer=lambda p: f"Summary {number(p, 'script')}.",
            extractor=extract,
            coder=lambda p: fenced(f"{section(p, 'code_block')[:6]} = {number(p, 'code_block', 'plan')}"),
            planner=lambda p: f"Plan {number(p, 'code_block', 'history')}.",
            leakage_detect=lambda p: json.dumps(
                {"verdict": "no leakage", "code_block": section(p, "script").split("\n")[0]}
            ),
            ensembler=lambda p: new(p, "solutions", "plan"),
            ensemble_planner_next=lambda p: f"Plan {number(p, 'history')}.",
            submission=submission,
        ),
    )


def critical_path(run: Path, delay: float, sleep: float) -> float:
    """Say how long a run takes at least: the sleeping that has to come one after the other.

    The candidates of a path are evaluated side by side, its early submission beside its refinement, and so are the
    paths. These do the same here, and what one has run the other takes over, so that both wait for it. Everything else
    waits for the last step.
    """
    costs: Counter[str] = Counter()
    for reply in (run / "replies").glob("*.json"):
        costs[reply.name.partition("-")[0]] += delay  # type: ignore[assignment]
    for record in (run / "scripts").glob("*.json"):
        costs[json.loads(record.read_text())["step"]] += sleep  # type: ignore[assignment]
    paths: dict[str, float] = {}
    for step, cost in costs.items():
        path, _, own = step.partition(".")
        if path.startswith("p") and own != "submission":
            name = "candidates" if own.startswith("candidate") else own
            paths[name] = max(paths.get(name, 0.0), cost)
    rest = sum(cost for step, cost in costs.items() if not step.startswith("p"))
    return delay + sum(paths.values()) + rest  # before all, the model is asked whether it is there


async def instantly(job: Job) -> ExecutionResult:
    """Say what a script would come to, without a process."""
    text = job.script.read_text()
    job.log.write_text("")
    paths = {"script_path": str(job.script), "log_path": str(job.log)}
    if not job.needs_score and "submission" in text:
        (job.workdir / "final").mkdir(parents=True)
        (job.workdir / "final" / "submission.csv").write_text(SUBMISSION)
    found = text.rpartition("Performance:', ")[2].partition(")")[0]
    return ExecutionResult(score=float(found) if job.needs_score else None, **paths)


def pipeline(delay: float, sleep: float, **settings: Any) -> tuple[RunResult, float, float]:
    """Run the whole pipeline; no script is started when they don't sleep.

    Returns:
        The result, the seconds that it took, and those of its critical path.
    """
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        use_model(patch, slow_model(delay, sleep), fake_runner=not sleep)
        if not sleep:
            patch.setattr("mle_star.tools.scripts.run_script", instantly)
        task = TaskDescription.from_directory(make_task_folder(folder / "task"))
        config = MLEStarConfig(out_dir=folder / "run", cache=False, _env_file=None, **settings)
        orchestrator = MLEStarOrchestrator(config)
        began = time.perf_counter()
        result = asyncio.run(orchestrator.run(task))
        took = time.perf_counter() - began
        assert result.status == "succeeded", result
        return result, took, critical_path(folder / "run", delay, sleep)


def whole_runs(times: int) -> Figures:
    """Compare whole runs with their critical path, and take the time of a model call when everything is instant."""
    small = {
        "num_retrieved_models": 2,
        "outer_loop_iterations": 2,
        "inner_loop_iterations": 2,
        "ensemble_iterations": 2,
    }
    pipeline(0, 0, **small)  # imports
    warm_up(shares_of(this_machine(), 16)[0].cores)
    asyncio.run(_ready())
    real = [pipeline(0.5, 1, **small, parallel_scripts=16) for _ in range(times)]
    instant = [pipeline(0, 0) for _ in range(times)]
    return {
        "critical path, s": median(critical for _, _, critical in real),
        "wall time, s": median(took for _, took, _ in real),
        "wall time over critical path": median(took / critical for _, took, critical in real),
        "model calls of a whole run": instant[0][0].usage.calls,
        "a model call, all instant, ms": median(1000 * took / result.usage.calls for result, took, _ in instant),
    }


async def _ready() -> None:
    """Wait until the fork servers have warmed up."""
    while any(server.state == "starting" for server in servers.all()):  # noqa: ASYNC110 - a thread is at work
        await asyncio.sleep(0.05)


def draw(figures: Figures, file: Path) -> None:
    """Draw the figures."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    ways = [way for way in ("fresh", "AIDE", "warm") if f"{way}, median s" in figures]
    for axis, what, title in (
        (axes[0], "median s", "a small script, seconds"),
        (axes[1], "overhead s", "over the script's own work, seconds"),
    ):
        bars = axis.bar(
            ways, [figures[f"{way}, {what}"] for way in ways], color=["#bbb", "#e8a33d", "#3b6ea8"][: len(ways)]
        )
        axis.bar_label(bars, fmt="%.3f")
        axis.set_title(title, fontsize=10)
    counts = [count for count in (1, 2, 4) if f"{count} at once, scripts/s" in figures]
    bars = axes[2].bar(
        list(map(str, counts)), [figures[f"{count} at once, scripts/s"] for count in counts], color="#3b6ea8"
    )
    axes[2].bar_label(bars, [f"{figures[f'{count} at once, of the ideal']:.0%}" for count in counts])
    axes[2].set_title(f"scripts a second, so many at once on {len(this_machine().cores)} cores", fontsize=10)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    plt.savefig(file)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripts", type=int, default=20, help="small scripts, fresh and warm")
    parser.add_argument("--again", type=int, default=200, help="warm runs in which to look for stalls")
    parser.add_argument("--many", type=int, default=1000, help="scripts after which to look at memory and open files")
    parser.add_argument("--times", type=int, default=5, help="whole runs")
    parser.add_argument("--plot", type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name))

        async def scripts() -> None:
            figures.update(await warm_against_fresh(place, arguments.scripts, arguments.again))
            figures.update(await asyncio.to_thread(rival, place, arguments.scripts))
            figures.update(await side_by_side(place, 3 * arguments.scripts // 2))
            figures.update(await many(place, arguments.many))

        asyncio.run(scripts())
    figures.update(whole_runs(arguments.times))
    for title, value in figures.items():
        print(f"{title:<40}{value:>12,.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))
    if arguments.plot:
        draw(figures, arguments.plot)


if __name__ == "__main__":
    main()
