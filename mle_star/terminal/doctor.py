"""`mle-star doctor`: what works on this machine, and what to do about what does not."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

from rich.console import Console
from rich.text import Text

from mle_star.models.config import MLEStarConfig
from mle_star.models.errors import ConfigError
from mle_star.terminal.words import near, one_line

Level = Literal["ok", "warn", "fail"]
STYLES: dict[Level, str] = {"ok": "green", "warn": "yellow", "fail": "bold red"}
NEEDED = ("numpy", "pandas", "sklearn")
WANTED = ("lightgbm", "pyarrow", "PIL", "skrub")
PIP_NAMES = {"sklearn": "scikit-learn", "PIL": "pillow"}
IMPORT = """
import importlib, json, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
        problem = ""
    except BaseException as error:
        problem = f"{type(error).__name__}: {error}"
    print(json.dumps([name, problem]), flush=True)
"""
PROBE = """
import os
cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
print("cores", ",".join(map(str, cores)))
print("Final Validation Performance: 0.5")
"""
GIGABYTE = 2**30
LITTLE_MEMORY, LITTLE_DISK = 2 * GIGABYTE, 2 * GIGABYTE
KEYS = {
    "openai": (("OPENAI_API_KEY",), "set OPENAI_API_KEY, in the environment or in .env, to use --provider openai"),
    "bedrock": (
        ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and AWS_REGION to use --provider bedrock",
    ),
}


MODEL_FIELDS = {"model_provider", "model_id", "models", "ollama_base_url", "openai_base_url"}
"""Settings by which a person chooses a model."""


class Check(NamedTuple):
    """One line of the report."""

    level: Level
    what: str
    found: str
    remedy: str = ""


def examine(config: MLEStarConfig) -> Iterator[Check]:
    """Try everything that a run needs, one thing after another."""
    yield check_python()
    yield from check_packages(try_imports((*NEEDED, *WANTED)))
    yield check_cores()
    yield check_memory()
    yield check_runs_dir(config.runs_dir)
    yield check_disk(config.runs_dir)
    yield check_isolation(config)
    yield asyncio.run(check_script(config))
    yield check_offline()
    yield from asyncio.run(check_models(config))
    yield from check_keys(known_variables(), config.model_provider)
    yield asyncio.run(check_search(config))
    yield check_studio()


def run_doctor(console: Console, config: MLEStarConfig) -> bool:
    """Print what was found; tell whether a run is possible."""
    possible = True
    for check in examine(config):
        possible &= check.level != "fail"
        line = Text.assemble((f"{check.level:<5}", STYLES[check.level]), f"{check.what:<15}", check.found)
        console.print(line, soft_wrap=True)
        if check.remedy:
            console.print(Text(f"{'':<20}{check.remedy}", STYLES[check.level]), soft_wrap=True)
    console.print()
    if possible:
        text = "A run is possible: `mle-star run TASK_DIR --provider offline` needs no model and no key."
    else:
        text = "No run is possible before what is marked `fail` is put right."
    console.print(text, soft_wrap=True)
    return possible


def check_python() -> Check:
    """Python 3.11 or later."""
    if sys.version_info < (3, 11):  # noqa: UP036 - installers can be overruled
        return Check("fail", "python", platform.python_version(), "install Python 3.11 or later")
    return Check("ok", "python", f"{platform.python_version()}, {sys.executable}")


def try_imports(names: Iterable[str]) -> dict[str, str]:
    """Import packages in a process of their own; gives what went wrong by name, empty where nothing did.

    A package whose library crashes the process is started over behind.
    """
    left = list(names)
    found: dict[str, str] = {}
    while left:
        command = [sys.executable, "-c", IMPORT, *left]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        told = dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
        found |= told
        left = left[len(told) :]
        if left:
            found[left.pop(0)] = f"crashes Python (exit code {done.returncode})"
    return found


def check_packages(problems: Mapping[str, str]) -> Iterator[Check]:
    """The packages that scripts use."""
    if good := [PIP_NAMES.get(name, name) for name, problem in problems.items() if not problem]:
        yield Check("ok", "packages", f"{', '.join(good)} can be imported")
    for name, problem in problems.items():
        if problem:
            level: Level = "fail" if name in NEEDED else "warn"
            found = f"{PIP_NAMES.get(name, name)}: {one_line(problem)}"
            yield Check(level, "packages", found, package_remedy(name, problem))


def package_remedy(name: str, problem: str) -> str:
    """Say what to do about a package that can't be imported."""
    if "libgomp" in problem:
        return "LightGBM needs OpenMP's libgomp: `apt-get install libgomp1` (Debian, Ubuntu), `dnf install libgomp`"
    if "libomp" in problem:
        return "LightGBM needs OpenMP's library libomp: `brew install libomp`"
    return f"{sys.executable} -m pip install --force-reinstall {PIP_NAMES.get(name, name)}"


def check_cores() -> Check:
    """The cores that scripts are dealt."""
    from mle_star.execution.machine import available_cores

    return Check("ok", "cores", f"{len(available_cores())} of {os.cpu_count()}")


def check_memory() -> Check:
    """The memory that is free."""
    import psutil

    memory = psutil.virtual_memory()
    found = f"{memory.available / GIGABYTE:.1f} GB of {memory.total / GIGABYTE:.1f} GB free"
    if memory.available < LITTLE_MEMORY:
        return Check("warn", "memory", found, "end other programs, or run one script at a time: --parallel 1")
    return Check("ok", "memory", found)


def check_disk(runs_dir: Path) -> Check:
    """The room for runs."""
    folder = next(path for path in (runs_dir.absolute(), *runs_dir.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    found = f"{free / GIGABYTE:.1f} GB free for {near(runs_dir.absolute())}"
    if free < LITTLE_DISK:
        return Check("warn", "disk", found, "make room, or put the runs elsewhere: --runs-dir DIR")
    return Check("ok", "disk", found)


def check_runs_dir(runs_dir: Path) -> Check:
    """The runs' folder; it is left as it was found."""
    from mle_star.tools.preflight import check_folder

    made = not runs_dir.exists()
    try:
        check_folder(runs_dir)
    except ConfigError as error:
        return Check("fail", "runs", str(error), "put the runs elsewhere: --runs-dir DIR, or MLE_STAR_RUNS_DIR")
    if made:
        runs_dir.rmdir()
    return Check("ok", "runs", f"{near(runs_dir.absolute())} can be written")


def check_isolation(config: MLEStarConfig) -> Check:
    """What keeps scripts from harm, and within their memory, found by trying."""
    if config.execution_backend != "local":
        from mle_star.execution.backend import backend_of

        try:
            return Check("ok", "isolation", backend_of(config).check())
        except ConfigError as error:
            return Check("fail", "isolation", str(error))
    from mle_star.execution.cgroup import delegated
    from mle_star.execution.isolation.detect import strongest

    isolation = strongest()
    memory = "memory is limited by control groups" if delegated() else "memory is watched"
    found, why = f"{str(isolation).removeprefix('isolation ')}; {memory}", "; ".join(isolation.problems)
    if not isolation.reaches(config.require_isolation):
        return Check("fail", "isolation", found, f"the settings demand {config.require_isolation}: {why}")
    if isolation.level == "full":
        return Check("ok", "isolation", found)
    return Check("warn", "isolation", found, f"install bubblewrap, or run on a system that lets you isolate: {why}")


async def check_script(config: MLEStarConfig) -> Check:
    """A script, really run on its share of the cores."""
    from mle_star.execution.runner import Job, run_script
    from mle_star.execution.slots import slots_here

    shares = slots_here().shares(config.parallel_scripts)
    cores = shares[0].cores
    with tempfile.TemporaryDirectory(prefix="mle-star-") as name:
        folder = Path(name)
        script = folder / "probe.py"
        script.write_text(PROBE, encoding="utf-8")
        (folder / "data").mkdir()
        result = await run_script(
            Job(
                script,
                folder / "probe.log",
                folder / "work",
                folder / "data",
                timeout=60,
                cores=cores,
                warm=config.warm,
            )
        )
    if result.score != 0.5:
        problem = one_line(result.message or result.output or str(result.error))
        return Check("fail", "scripts", f"a script can't be run: {problem}", "check that processes may be started here")
    pinned = f"cores {','.join(map(str, cores))}\n" in result.output
    found = f"one ran in {result.seconds:.2f} s; {len(shares)} at a time, {len(cores)} core(s) each"
    if result.note:
        return Check("warn", "scripts", f"{found}; {result.note}", "scripts take longer: each imports its libraries")
    if not pinned:
        return Check("warn", "scripts", f"{found}, not pinned", "cores can't be dealt out here: use --parallel 1")
    return Check("ok", "scripts", found)


def check_offline() -> Check:
    """The embedded model."""
    if find_spec("mle_star.offline.chat") is None:
        return Check("fail", "offline", "the embedded model is missing", "install mle-star anew")
    return Check("ok", "offline", "the embedded model needs no server and no key")


async def check_models(config: MLEStarConfig) -> list[Check]:
    """The models that the settings name, each called once. Nobody chose the default one, so it may be away."""
    from mle_star.tools.preflight import model_problem

    chosen = bool(config.model_fields_set & MODEL_FIELDS)
    specs = config.model_specs()
    problems = await asyncio.gather(*map(model_problem, specs))
    checks = []
    for (spec, agents), problem in zip(specs.items(), problems, strict=True):
        asked_by = f", asked by {', '.join(agents)}" if len(specs) > 1 else ""
        if spec.provider == "offline":
            checks.append(Check("ok", "model", f"the embedded model{asked_by}: it needs no server and no key"))
        elif problem:
            checks.append(Check("fail" if chosen else "warn", "model", problem.found + asked_by, problem.remedy))
        else:
            checks.append(Check("ok", "model", f"{spec.label} answers{asked_by}"))
    return checks


def known_variables() -> dict[str, str]:
    """Give the environment, with `.env` under it."""
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(".env").items() if value} | dict(os.environ)


def check_keys(variables: Mapping[str, str], provider: str) -> Iterator[Check]:
    """The keys of the providers; their values are nobody's business."""
    for name, (accepted, remedy) in KEYS.items():
        have = [variable for variable in accepted if variables.get(variable)]
        if name == "bedrock" and not have and (Path.home() / ".aws" / "credentials").is_file():
            have = ["~/.aws/credentials"]
        if have:
            yield Check("ok", name, f"{have[0]} is there")
        else:
            chosen = " and is the provider that the settings name" if name == provider else ""
            yield Check("warn", name, f"no key{chosen}", remedy)


async def check_search(config: MLEStarConfig) -> Check:
    """The web search of the retriever, tried by one query."""
    from mle_star.tools.search.engine import SearchError, named_engine

    what, remedy = "web search", "set GOOGLE_API_KEY and GOOGLE_SEARCH_ENGINE_ID, or choose --search duckduckgo"
    if config.search_engine == "none":
        return Check("ok", what, "is switched off: the model and the curated library name the models")
    try:
        engine = named_engine(config)
        if engine is None:
            return Check("warn", what, "no key: the model and the curated library name the models", remedy)
        hits = await engine.search("gradient boosting example code")
    except ConfigError as error:
        return Check("warn", what, one_line(str(error), 160), "a run is refused as long as this engine is chosen")
    except SearchError as error:
        return Check("warn", what, one_line(str(error), 160), "a run goes on without: the curated library fills in")
    return Check("ok", what, f"{engine.name} answers, with {len(hits)} hits")


def check_studio() -> Check:
    """`langgraph dev`, for LangGraph Studio."""
    beside = Path(sys.executable).with_name("langgraph")
    if (shutil.which("langgraph") or beside.is_file()) and find_spec("langgraph_api"):
        return Check("ok", "langgraph dev", "is there: LangGraph Studio shows the graphs")
    return Check("warn", "langgraph dev", "is not there", f"{sys.executable} -m pip install 'mle-star[studio]'")
