"""What the scripts may count on: told to every agent that writes code."""

from __future__ import annotations

import math
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from mle_star.execution.backend import backend_of
from mle_star.models.config import MLEStarConfig
from mle_star.models.events import phase_of

SHARE_OF_RUN, LEAST = 0.2, 10.0

USEFUL_PACKAGES = (
    "autogluon.tabular", "catboost", "category-encoders", "gensim", "imbalanced-learn", "lightgbm", "librosa", "nltk",
    "numpy", "opencv-python", "opencv-python-headless", "optuna", "pandas", "pillow", "polars", "pyarrow",
    "scikit-image", "scikit-learn", "scipy", "sentence-transformers", "skrub", "spacy", "statsmodels", "tabpfn",
    "tensorflow", "timm", "torch", "torchvision", "transformers", "xgboost",
)  # fmt: skip


@cache
def installed_packages() -> tuple[str, ...]:
    """List the installed packages that a solution may want, as `name version`."""
    found = []
    for name in USEFUL_PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return tuple(found)


def width_of(config: MLEStarConfig, step: str) -> int:
    """Say how many scripts' share one of `step` gets: when the paths are done it is alone, and has what all had."""
    return config.num_solutions if step.partition(".")[0] in ("ensemble", "submission") else 1


def script_limit(config: MLEStarConfig, step: str) -> float:
    """Say how many seconds one script of `step` may take.

    Where the run has a limit, each script of the search has a fifth of it at the most, though no less than ten
    seconds: one that is slow must not take the time of all that come after it.
    """
    run = config.time_limit or float("inf")
    if phase_of(step) in ("initial", "refinement"):
        run = min(run, max(SHARE_OF_RUN * run, LEAST))
    return min(config.script_timeout, run)


def render_environment(config: MLEStarConfig, step: str = "", left: float = math.inf) -> str:
    """Describe the share that each script of `step` gets where it runs, in lines of `key: value`.

    `left` are the seconds that there are for the step, where its scripts should know.
    """
    share = backend_of(config).shares(width_of(config, step))[0]
    seconds = f"{min(script_limit(config, step), left):.1f}"
    return "\n".join(
        [
            f"python: {platform.python_version()}",
            f"packages: {', '.join(installed_packages())}",
            f"cores: {len(share.cores)}",
            *([f"GPUs: {len(share.gpus)}"] if share.gpus else []),
            f"memory: {share.memory / 2**30:.1f} GB",
            f"time limit: {seconds.removesuffix('.0')} seconds for each script",
            *([f"whole run: {config.time_limit:.0f} seconds"] if config.time_limit else []),
        ]
    )
