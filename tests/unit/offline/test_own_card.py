"""The embedded model and a card from elsewhere: the card's own estimator where there is one that fits."""

from __future__ import annotations

from typing import Any

import pytest

from mle_star.models.metric import Metric
from mle_star.models.profile import ColumnProfile, DataProfile, TargetProfile
from mle_star.offline.own_card import NAME, find_estimator, own_function, own_script
from mle_star.offline.recipe import Facts
from mle_star.offline.script import Script

USED = """
from sklearn.datasets import load_iris
from sklearn.ensemble import ExtraTreesClassifier as Trees
TREES = 7
table, target = load_iris(return_X_y=True)
{name} = Trees(n_estimators=TREES, max_depth=3)
{name}.fit(table[:100], target[:100])
print("Final Validation Performance:", {name}.score(table, target))
"""
DEFINED = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

def shares(target):
    return np.bincount(target) / len(target)

class Prior(ClassifierMixin, BaseEstimator):
    def fit(self, matrix, target):
        self.classes_, self.shares = np.unique(target), shares(target)
        return self
    def predict(self, matrix):
        return np.full(len(matrix), self.shares.argmax())
"""


def facts(task_type: str = "classification", modality: str = "tabular") -> Facts:
    classifies = task_type == "classification"
    target = TargetProfile(
        names=("y",), kind="binary" if classifies else "numeric", dtype="int64", class_count=2 if classifies else None,
        classes=(("0", 0.5), ("1", 0.5)) if classifies else (),
    )  # fmt: skip
    columns = (ColumnProfile(name="a", kind="numeric", dtype="float64"),)
    profile = DataProfile(files=(), train_file="train.csv", train_rows=100, columns=columns, target=target)
    name = "accuracy" if classifies else "rmse"
    return Facts(task_type, modality, Metric(name=name, maximize=classifies), profile)  # type: ignore[arg-type]


def test_an_estimator_is_taken_with_what_it_rests_on_and_without_the_cards_data() -> None:
    found = find_estimator(USED.format(name="model"))
    assert found is not None
    assert found.expression == "Trees(n_estimators=TREES, max_depth=3)"
    assert found.support == "from sklearn.ensemble import ExtraTreesClassifier as Trees\nTREES = 7"


def test_an_estimator_that_is_fitted_where_it_is_made_is_found() -> None:
    found = find_estimator("from sklearn.svm import SVC\nmodel = SVC(C=2).fit(X, y)\n")
    assert found is not None
    assert found.expression == "SVC(C=2)"


def test_a_class_in_scikit_learns_manner_is_taken_with_its_helpers() -> None:
    found = find_estimator(DEFINED)
    assert found is not None
    assert found.expression == "Prior()"
    assert "def shares" in found.support


@pytest.mark.parametrize(
    "code",
    [
        "import torch\nmodel = torch.nn.Linear(2, 1)\nloss = model(x)\n",
        "from x import Model\nn = len(open('train.csv').read())\nmodel = Model(n)\nmodel.fit(X, y)\n",
        "def model(x):\n    return x\n",
        "scaler = Scaler()\nscaler.fit(X)\n",
        "x = = 1",
        "",
    ],
)
def test_what_is_no_estimator_or_rests_on_the_cards_data_is_left(code: str) -> None:
    assert find_estimator(code) is None


@pytest.mark.parametrize(
    ("expression", "task_type"),
    [
        ("RandomForestRegressor()", "classification"), ("Ridge()", "classification"),
        ("LinearRegression()", "classification"),
        ("RandomForestClassifier()", "regression"), ("LogisticRegression()", "regression"),
        ("make_pipeline(TfidfVectorizer(), LogisticRegression())", "classification"),
        ("make_pipeline(ColumnTransformer([]), SVC())", "classification"),
    ],
)  # fmt: skip
def test_an_estimator_for_another_kind_of_task_or_input_is_left(expression: str, task_type: str) -> None:
    assert own_function(f"from x import *\nmodel = {expression}\nmodel.fit(X, y)\n", facts(task_type)) is None


@pytest.mark.parametrize(
    "expression", ["LogisticRegression(C=2)", "RidgeClassifier()", "make_pipeline(Scaler(), SVC())"]
)
def test_an_estimator_for_classes_is_taken_for_classes(expression: str) -> None:
    assert own_function(f"from x import *\nmodel = {expression}\nmodel.fit(X, y)\n", facts()) is not None


@pytest.mark.parametrize("modality", ["tabular", "text"])
@pytest.mark.parametrize("code", [USED.format(name="model"), DEFINED])
def test_the_script_is_one_of_the_librarys_around_the_cards_estimator(code: str, modality: str) -> None:
    text = own_script('My "model"', code, facts(modality=modality), 1, 2)
    assert text is not None
    script = Script.parse(text)
    assert script.is_ours
    assert list(script.models) == [NAME]
    assert "My 'model'" in script.head
    compile(text, "script", "exec")


def run(function: str, **given: Any) -> Any:
    import numpy as np

    def spread(model: Any, matrix: Any) -> Any:
        return model.predict_proba(matrix)

    scope: dict[str, Any] = {"np": np, "spread": spread} | given
    exec(function, scope)
    rng = np.random.default_rng(0)
    matrix, target = rng.normal(size=(40, 3)), np.arange(40) % 2
    return scope[NAME](matrix, target, matrix[:5])


def test_probabilities_come_from_an_estimator_with_or_without_them() -> None:
    import numpy as np

    for code in (USED.format(name="m"), DEFINED):
        function = own_function(code, facts())
        assert function is not None
        probabilities = run(function, classes=np.array([0, 1]))
        assert probabilities.shape == (5, 2)
        assert np.allclose(probabilities.sum(axis=1), 1)


def test_a_number_is_predicted_in_one_column() -> None:
    function = own_function("from sklearn.linear_model import Ridge\nm = Ridge()\nm.fit(X, y)\n", facts("regression"))
    assert function is not None
    assert run(function).shape == (5,)
