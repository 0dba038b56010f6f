"""A person's own card and the embedded model: the card's estimator is trained, on tables, texts and images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mle_star.cards import parse_card
from mle_star.models.data_models import TaskDescription
from mle_star.tools.brief import render_brief
from mle_star.tools.profile import inspect_task
from tests.integration.test_offline_image import in_a_table
from tests.integration.test_offline_text import ask, candidate, code, reviews, run

CLASSIFIER = """# Nearest mean of mine

```python
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class NearestMean(ClassifierMixin, BaseEstimator):
    def fit(self, matrix, target):
        print("my own estimator learns")
        self.classes_ = np.unique(target)
        self.means = np.array([matrix[target == label].mean(axis=0) for label in self.classes_])
        return self

    def predict(self, matrix):
        return self.classes_[((matrix[:, None] - self.means) ** 2).sum(axis=2).argmin(axis=1)]
```
"""
REGRESSOR = """# Ridge of mine

```python
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

table, target = load_diabetes(return_X_y=True)
model = Ridge(alpha=3.0)
model.fit(table, target)
```
"""


def table(data: Path, target: str) -> None:
    random = np.random.default_rng(0)
    data.mkdir(parents=True)
    rows = pd.DataFrame({"id": range(300), "a": random.normal(size=300), "b": random.choice(["x", "y", None], 300)})
    worth = rows["a"] + (rows["b"] == "x")
    rows[target] = np.where(worth > 0.3, "yes", "no") if target == "kind" else worth + random.normal(0, 0.1, 300)
    rows[:200].to_csv(data / "train.csv", index=False)
    rows[200:].drop(columns=target).to_csv(data / "test.csv", index=False)


def texts(data: Path, target: str) -> None:
    data.mkdir(parents=True)
    rows = reviews(240, 1)
    rows[target] = np.where(rows["stars"] > 3, "good", "bad") if target == "kind" else rows["stars"].astype(float)
    rows = rows.drop(columns="stars")
    rows[:180].to_csv(data / "train.csv", index=False)
    rows[180:].drop(columns=target).to_csv(data / "test.csv", index=False)


@pytest.mark.parametrize(("metric", "target"), [("accuracy", "kind"), ("rmse", "brightness")])
@pytest.mark.parametrize("write", [table, texts, in_a_table], ids=["table", "texts", "images"])
def test_the_estimator_of_the_card_is_what_is_trained(
    tmp_path: Path, write: Callable[[Path, str], None], metric: str, target: str
) -> None:
    write(tmp_path / "input", target)
    task = render_brief(inspect_task(TaskDescription(dataset_path=str(tmp_path / "input"), evaluation_metric=metric)))
    card = parse_card(CLASSIFIER if metric == "accuracy" else REGRESSOR, "mine")[1]
    script = candidate(task, card.model_dump())
    assert "NearestMean()" in script if metric == "accuracy" else "Ridge(alpha=3.0)" in script
    score = run(tmp_path, script)
    spread = pd.read_csv(tmp_path / "input" / "train.csv")[target]
    assert score > spread.value_counts(normalize=True).max() if metric == "accuracy" else score < spread.std()


def test_it_merges_with_a_model_of_the_librarys(tmp_path: Path) -> None:
    table(tmp_path / "input", "kind")
    brief = inspect_task(TaskDescription(dataset_path=str(tmp_path / "input"), evaluation_metric="accuracy"))
    task = render_brief(brief)
    (theirs,) = json.loads(ask("retriever", task=task, path=1, paths=1, count=1, taken="- Nearest mean of mine"))
    mine = candidate(task, parse_card(CLASSIFIER, "mine")[1].model_dump())
    merged = code(ask("merger", task=task, base_script=candidate(task, theirs), reference_script=mine))
    assert "NearestMean()" in merged
    assert run(tmp_path, merged) > 0.6
