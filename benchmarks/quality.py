"""Grade whole runs on held-back answers: the embedded model, LightGBM as it comes, and AutoGluon in the same wall time.

    pip install -e ".[benchmark]"
    python benchmarks/quality.py --seeds 3

Every rival sees `train.csv` and `test.csv` and nothing else. AutoGluon's `medium_quality` gets the wall time that our
run took. The answers are those that `make_examples.py` held back.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from itertools import product
from pathlib import Path
from statistics import mean

import numpy as np
import pandas as pd
from sklearn import metrics

from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import TaskBrief, TaskDescription
from mle_star.orchestrator import MLEStarOrchestrator
from mle_star.tools.profile import inspect_task

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"


def grade(brief: TaskBrief, answers: pd.DataFrame, submission: pd.DataFrame) -> float:
    """Score a submission by the task's metric."""
    form = brief.profile.submission
    assert form is not None
    assert form.id_column is not None
    merged = answers.merge(submission, on=form.id_column, suffixes=("_true", ""), validate="one_to_one")
    assert len(merged) == len(answers), "the submission lacks rows"
    truth_name = next(name for name in answers.columns if name != form.id_column)
    truth = merged[f"{truth_name}_true" if f"{truth_name}_true" in merged else truth_name]
    predicted = merged[list(form.prediction_columns)]
    first = predicted.iloc[:, 0]
    match brief.metric.name:
        case "auc_roc":
            return float(metrics.roc_auc_score(truth, first))
        case "log_loss":
            columns = sorted(predicted.columns)
            return float(metrics.log_loss(truth, predicted[columns], labels=columns))
        case "accuracy":
            return float(metrics.accuracy_score(truth, first))
        case "rmsle":
            return float(metrics.root_mean_squared_log_error(truth, first))
        case "rmse":
            return float(metrics.root_mean_squared_error(truth, first))
        case "mae":
            return float(metrics.mean_absolute_error(truth, first))
    raise SystemExit(f"quality.py does not know the metric {brief.metric.name}")


def ours(task: Path, brief: TaskBrief, seed: int, work: Path) -> tuple[pd.DataFrame, float]:
    """Run the whole pipeline with the embedded model; returns the submission and the seconds."""
    # without the cache, which would answer for scripts that an earlier run has run and make the wall time a fiction
    config = MLEStarConfig(model_provider="offline", seed=seed, runs_dir=work, cache=False)
    started = time.monotonic()
    result = MLEStarOrchestrator(config).run_sync(TaskDescription.from_directory(task))
    assert result.submission_path, f"no submission: {result.message}"
    return pd.read_csv(result.submission_path), time.monotonic() - started


def tables(task: Path, brief: TaskBrief) -> tuple[pd.DataFrame, pd.Series, pd.DataFrame, pd.DataFrame]:
    """Load features and target of train, features of test, and the submission's ids."""
    assert brief.profile.target is not None
    assert brief.profile.submission is not None
    target, id_column = brief.profile.target.names[0], brief.profile.submission.id_column
    train, test = pd.read_csv(task / "train.csv"), pd.read_csv(task / "test.csv")
    return train.drop(columns=[target, id_column]), train[target], test.drop(columns=[id_column]), test[[id_column]]


def lightgbm_default(task: Path, brief: TaskBrief, seed: int) -> pd.DataFrame:
    """Fit LightGBM with default settings, strings as categories."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    train, target, test, ids = tables(task, brief)
    for column in train.columns:
        if not all(pd.api.types.is_numeric_dtype(frame[column]) for frame in (train, test)):
            words = [frame[column].astype("str") for frame in (train, test)]
            levels = pd.concat(words).dropna().unique()
            train[column], test[column] = (pd.Categorical(values, levels) for values in words)
    if brief.task.task_type == "regression":
        model = LGBMRegressor(random_state=seed, verbose=-1, n_jobs=2).fit(train, target)
        return as_submission(
            brief, ids, np.maximum(model.predict(test), 0.0) if brief.metric.name == "rmsle" else model.predict(test)
        )
    classifier = LGBMClassifier(random_state=seed, verbose=-1, n_jobs=2).fit(train, target)
    return as_submission(brief, ids, classifier.predict_proba(test), classifier.classes_)


def autogluon_medium(task: Path, brief: TaskBrief, seconds: float, work: Path) -> pd.DataFrame:
    """Fit AutoGluon's `medium_quality` within the wall time given."""
    from autogluon.tabular import TabularPredictor

    names = {"auc_roc": "roc_auc", "log_loss": "log_loss", "accuracy": "accuracy", "rmsle": "root_mean_squared_error"}
    train, target, test, ids = tables(task, brief)
    logged = brief.metric.name == "rmsle"
    label = str(target.name)
    train = train.assign(**{label: np.log1p(target) if logged else target})
    predictor = TabularPredictor(
        label, eval_metric=names.get(brief.metric.name, brief.metric.name), path=str(work), verbosity=0
    )
    predictor.fit(train, presets="medium_quality", time_limit=max(10.0, seconds), num_gpus=0)
    if brief.task.task_type == "regression":
        values = predictor.predict(test).to_numpy()
        return as_submission(brief, ids, np.expm1(values) if logged else values)
    probabilities = predictor.predict_proba(test)
    return as_submission(brief, ids, probabilities.to_numpy(), np.asarray(probabilities.columns))


def as_submission(
    brief: TaskBrief, ids: pd.DataFrame, values: np.ndarray, classes: np.ndarray | None = None
) -> pd.DataFrame:
    """Bring predictions into the sample's form."""
    assert brief.profile.submission is not None
    columns = brief.profile.submission.prediction_columns
    if classes is None:
        return ids.assign(**{columns[0]: values})
    if len(columns) > 1:
        return ids.assign(**{str(name): values[:, position] for position, name in enumerate(classes)})
    if brief.metric.predicts == "labels":
        return ids.assign(**{columns[0]: classes[values.argmax(axis=1)]})
    return ids.assign(**{columns[0]: values[:, 1]})


def scores_of(task: Path, brief: TaskBrief, answers: pd.DataFrame, seed: int, autogluon: bool) -> dict[str, float]:
    """Run every rival once; returns the scores by name, and the seconds that our run took."""
    with tempfile.TemporaryDirectory() as work:
        submission, seconds = ours(task, brief, seed, Path(work))
        scores = {
            "seconds": round(seconds, 1),
            "MLE-STAR": grade(brief, answers, submission),
            "LightGBM": grade(brief, answers, lightgbm_default(task, brief, seed)),
        }
        if autogluon:
            rival = autogluon_medium(task, brief, seconds, Path(work) / "autogluon")
            scores["AutoGluon"] = grade(brief, answers, rival)
    return scores


def main() -> None:
    """Print a line for every run, and at last a table of the means over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", type=Path, help="task folders; by default the tabular examples")
    parser.add_argument("--answers", type=Path, default=HERE / "answers", help="folder of <task>.csv with the truth")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--no-autogluon", action="store_true")
    arguments = parser.parse_args()
    tasks = arguments.tasks or [EXAMPLES / name for name in ("titanic", "diamonds", "penguins")]
    briefs = {task: inspect_task(TaskDescription.from_directory(task)) for task in tasks}
    runs: dict[Path, list[dict[str, float]]] = {task: [] for task in tasks}
    # a seed of every task, then the next seed: what is broken off says something of each
    for seed, task in product(range(arguments.seeds), tasks):
        answers = pd.read_csv(arguments.answers / f"{task.name}.csv")
        scores = scores_of(task, briefs[task], answers, seed, autogluon=not arguments.no_autogluon)
        runs[task].append(scores)
        print(json.dumps({"task": task.name, "seed": seed, **scores}), flush=True)
    columns = list(dict.fromkeys(name for scores in runs[tasks[0]] for name in scores))
    print(f"{'task':<24}{'metric':<10}" + "".join(f"{name:>11}" for name in columns))
    for task in tasks:
        means = "".join(f"{mean(scores[name] for scores in runs[task]):>11.4f}" for name in columns)
        print(f"{task.name:<24}{briefs[task].metric.name:<10}{means}")


if __name__ == "__main__":
    main()
