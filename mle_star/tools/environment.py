"""What the scripts may count on: told to every agent that writes code."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from mle_star.execution.cores import core_pool
from mle_star.models.config import MLEStarConfig

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


def render_environment(config: MLEStarConfig) -> str:
    """Describe the machine's share that each script gets, in lines of `key: value`."""
    import psutil

    pool = core_pool(config.parallel_scripts)
    memory = psutil.virtual_memory().total / len(pool.shares) / 2**30
    timeout = min(config.script_timeout, config.time_limit or config.script_timeout)
    return "\n".join(
        [
            f"python: {platform.python_version()}",
            f"packages: {', '.join(installed_packages())}",
            f"cores: {min(len(share) for share in pool.shares)}",
            f"memory: {memory:.1f} GB",
            f"time limit: {timeout:.0f} seconds for each script",
        ]
    )
