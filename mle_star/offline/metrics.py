"""How scripts compute the metrics: the text of `score`, and how probabilities are turned into what it judges."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from textwrap import indent
from typing import Literal

from mle_star.offline.recipe import Facts

Decision = Literal["none", "argmax", "threshold", "columns", "priors", "stretch", "factor", "line", "positive"]

RANKED = re.compile(r"(map|mrr|ndcg|hit_rate|accuracy|error_rate|recall)(?:@(\d+))?")
USUAL_PLACES = 5
"""How many guesses a row gets where the metric's name does not say it."""


@dataclass(frozen=True)
class Scoring:
    """One metric as a script states it."""

    expression: str
    """Of `target` and `prediction` (labels or values) or `probabilities`; `binary` forms read column 1."""
    imports: str = ""
    """Name in sklearn.metrics that it needs."""
    decision: Decision = "none"
    """How predictions become what is judged: not at all, the most probable class, a tuned threshold or factor, ..."""
    remark: str = ""
    """A comment, or a statement, that stands before the expression."""


def scoring(facts: Facts) -> Scoring:
    """The metric of the task, or the nearest sensible one where its name is unknown."""
    name = plain_name(facts)
    table = _classification(facts) if facts.classifies else _REGRESSION
    if guesses := ranked_guesses(facts):
        return _ranking(name, guesses)
    found = _PINBALL if quantile(facts) else table.get(name)
    if found is None:
        near = table[stand_in(facts) or ""]
        note = f"# {name} is not known here: the score below stands in for it."
        found = replace(near, remark=f"{note}\n    {near.remark}".rstrip())
    if facts.classifies or len(facts.targets) == 1:
        return found
    return _by_column(found) if name != facts.metric.name or name in _AVERAGED_OVER_COLUMNS else _pooled(found)


_AVERAGED_OVER_COLUMNS = {"r2", "explained_variance"}
"""Metrics of numbers that are a mean over columns even where their name does not say it."""


def stand_in(facts: Facts) -> str | None:
    """The name of the nearest sensible metric in place of one that is not known here; None where it is known."""
    name = plain_name(facts)
    if (
        quantile(facts)
        or ranked_guesses(facts)
        or name in (_classification(facts) if facts.classifies else _REGRESSION)
    ):
        return None
    if not facts.classifies:
        return "r2" if facts.metric.maximize else "mae" if name in _LIKE_ABSOLUTE else "rmse"
    if not facts.metric.maximize:
        return "error_rate" if wants_labels(facts) else "log_loss"
    return "auc_roc" if facts.metric.predicts == "probabilities" else "accuracy"


_LIKE_ABSOLUTE = {"wmae", "mase", "crps", "pinball", "weighted_pinball"}


def quantile(facts: Facts) -> float | None:
    """The quantile that a pinball loss judges, where it is told."""
    told = re.fullmatch(r"pinball@(0?\.\d+)", plain_name(facts))
    return float(told[1]) if told and not facts.classifies else None


def wants_labels(facts: Facts) -> bool:
    """Whether a submission holds labels, not probabilities."""
    form = facts.profile.submission
    wanted = form.values if form else "unknown"
    return wanted == "labels" or (wanted != "probabilities" and facts.metric.predicts == "labels")


def tells_values(facts: Facts) -> bool:
    """Whether labels of several columns are wanted, and one of them at least has more than two values."""
    target = facts.profile.target
    several = facts.classifies and len(facts.targets) > 1 and target is not None and target.kind == "multiclass"
    return several and wants_labels(facts)


def ranked_guesses(facts: Facts) -> int:
    """How many classes, best first, each row of the submission names; 0 where the metric asks for no ranking."""
    asked = RANKED.fullmatch(plain_name(facts))
    if asked is None or not facts.classifies or len(facts.targets) > 1 or facts.metric.predicts != "ranking":
        return 0
    return min(int(asked[2] or USUAL_PLACES), facts.class_count)


def _ranking(name: str, guesses: int) -> Scoring:
    """One true class a row: all such metrics depend on its place among the guesses alone."""
    place = "place = (probabilities > probabilities[np.arange(len(target)), target][:, None]).sum(axis=1)"
    gain = {"map": "1 / (place + 1)", "mrr": "1 / (place + 1)", "ndcg": "1 / np.log2(place + 2)"}
    expression = f"np.mean(np.where(place < {guesses}, {gain.get(name.split('@')[0], '1.0')}, 0.0))"
    return Scoring(f"1 - {expression}" if name.startswith("error_rate") else expression, remark=place)


def plain_name(facts: Facts) -> str:
    """The metric's name without what it says of columns: `mean_columnwise_rmse` is `rmse` for one column."""
    return facts.metric.name.removeprefix("mean_columnwise_")


def absolute_loss(facts: Facts) -> bool:
    """Whether the metric rewards medians rather than means."""
    return plain_name(facts) in {"mae", "medae", "mape", "smape", "wmape", "male", "rae", "mase"}


def judged_on_logs(facts: Facts) -> bool:
    """Whether models should learn the logarithm of the target: relative errors count, or the target is very skewed."""
    target = facts.profile.target
    if facts.classifies or target is None or not target.quantiles or target.quantiles[0] < 0:
        return False
    if plain_name(facts) in {"rmsle", "msle", "mape", "smape", "male", "rmspe", "gamma_deviance"}:
        return True
    skewed = (target.skew or 0.0) > 1.0
    return skewed and plain_name(facts) in {"mae", "medae", "wmape", "rae", "mase"}


def _classification(facts: Facts) -> dict[str, Scoring]:
    if len(facts.targets) > 1:
        return _VALUES if tells_values(facts) else _MULTILABEL
    return _BINARY if facts.class_count == 2 else _MULTICLASS


_EXPECTED = "probabilities[:, 1]"

_BINARY = {
    "auc_roc": Scoring(f"roc_auc_score(target, {_EXPECTED})", "roc_auc_score"),
    "average_precision": Scoring(f"average_precision_score(target, {_EXPECTED})", "average_precision_score"),
    "log_loss": Scoring("log_loss(target, probabilities.clip(1e-6), labels=range(len(classes)))", "log_loss"),
    "brier": Scoring(f"np.mean((target - {_EXPECTED}) ** 2)"),
    "gini": Scoring(f"2 * roc_auc_score(target, {_EXPECTED}) - 1", "roc_auc_score"),
    "accuracy": Scoring("accuracy_score(target, prediction)", "accuracy_score", "argmax"),
    "balanced_accuracy": Scoring("balanced_accuracy_score(target, prediction)", "balanced_accuracy_score", "threshold"),
    "f1": Scoring("f1_score(target, prediction, zero_division=0)", "f1_score", "threshold"),
    "f1_macro": Scoring('f1_score(target, prediction, average="macro", zero_division=0)', "f1_score", "threshold"),
    "f1_micro": Scoring('f1_score(target, prediction, average="micro")', "f1_score", "argmax"),
    "f1_weighted": Scoring('f1_score(target, prediction, average="weighted")', "f1_score", "threshold"),
    "precision": Scoring("precision_score(target, prediction, zero_division=0)", "precision_score", "argmax"),
    "recall": Scoring("recall_score(target, prediction, zero_division=0)", "recall_score", "argmax"),
    "mcc": Scoring("matthews_corrcoef(target, prediction)", "matthews_corrcoef", "threshold"),
    "quadratic_kappa": Scoring(
        'cohen_kappa_score(target, prediction, weights="quadratic")', "cohen_kappa_score", "threshold"
    ),
    "kappa": Scoring("cohen_kappa_score(target, prediction)", "cohen_kappa_score", "threshold"),
}

_BINARY |= {
    "precision_macro": Scoring(
        'precision_score(target, prediction, average="macro", zero_division=0)', "precision_score", "argmax"
    ),
    "recall_macro": _BINARY["balanced_accuracy"],
    "precision_weighted": Scoring(
        'precision_score(target, prediction, average="weighted", zero_division=0)', "precision_score", "argmax"
    ),
    "recall_weighted": _BINARY["accuracy"],
    "specificity": Scoring("recall_score(target, prediction, pos_label=0, zero_division=0)", "recall_score", "argmax"),
    "error_rate": Scoring("np.mean(target != prediction)", "", "argmax"),
    "hamming_loss": Scoring("np.mean(target != prediction)", "", "argmax"),
    "exact_match": _BINARY["accuracy"],
    "jaccard": Scoring("jaccard_score(target, prediction, zero_division=0)", "jaccard_score", "threshold"),
    "dice": _BINARY["f1"],
    "youden": Scoring("2 * balanced_accuracy_score(target, prediction) - 1", "balanced_accuracy_score", "threshold"),
    "g_mean": Scoring(
        "np.sqrt(np.mean(prediction[target == 1] == 1) * np.mean(prediction[target == 0] == 0))", "", "threshold"
    ),
}

_MACRO = 'average="macro", zero_division=0'

_MULTICLASS = {
    "auc_roc": Scoring(
        "np.mean([roc_auc_score(target == c, probabilities[:, c]) for c in np.unique(target)])", "roc_auc_score"
    ),
    "average_precision": Scoring(
        "np.mean([average_precision_score(target == c, probabilities[:, c]) for c in np.unique(target)])",
        "average_precision_score",
    ),
    "log_loss": _BINARY["log_loss"],
    "brier": Scoring("np.mean(np.sum((np.eye(len(classes))[target] - probabilities) ** 2, axis=1))"),
    "accuracy": _BINARY["accuracy"],
    "balanced_accuracy": Scoring("balanced_accuracy_score(target, prediction)", "balanced_accuracy_score", "priors"),
    "f1": Scoring(f"f1_score(target, prediction, {_MACRO})", "f1_score", "priors"),
    "f1_macro": Scoring(f"f1_score(target, prediction, {_MACRO})", "f1_score", "priors"),
    "f1_micro": _BINARY["f1_micro"],
    "f1_weighted": Scoring('f1_score(target, prediction, average="weighted")', "f1_score", "priors"),
    "precision": Scoring(f"precision_score(target, prediction, {_MACRO})", "precision_score", "priors"),
    "recall": Scoring(f"recall_score(target, prediction, {_MACRO})", "recall_score", "priors"),
    "mcc": Scoring("matthews_corrcoef(target, prediction)", "matthews_corrcoef", "priors"),
    "quadratic_kappa": Scoring(
        'cohen_kappa_score(target, prediction, weights="quadratic")', "cohen_kappa_score", "stretch"
    ),
    "kappa": Scoring("cohen_kappa_score(target, prediction)", "cohen_kappa_score", "priors"),
}

_MULTICLASS |= {
    "precision_macro": _MULTICLASS["precision"],
    "recall_macro": _MULTICLASS["balanced_accuracy"],
    "precision_weighted": _BINARY["precision_weighted"],
    "recall_weighted": _BINARY["accuracy"],
    "error_rate": _BINARY["error_rate"],
    "hamming_loss": _BINARY["error_rate"],
    "exact_match": _BINARY["accuracy"],
    "jaccard": Scoring(f"jaccard_score(target, prediction, {_MACRO})", "jaccard_score", "priors"),
    "dice": _MULTICLASS["f1_macro"],
}


def _by_column(single: Scoring, predicted: str = "prediction") -> Scoring:
    """The mean of a metric over the target's columns, each judged by the rows where it is known."""
    lines = f"{single.expression}\nfor target, {predicted} in known_columns(target, {predicted})\nif len(target)"
    decision: Decision = "columns" if single.decision == "threshold" else single.decision
    return replace(single, expression=f"np.nanmean([\n{indent(lines, ' ' * 8)}\n    ])", decision=decision)


def _averaged(function: str, average: str, decision: Decision) -> Scoring:
    """A metric that scikit-learn averages over cells, rows or columns; no label is expected where none is known."""
    expected = "np.where(known, target, 0), np.where(known, prediction, 0)"
    return Scoring(
        f'{function}(target, prediction, average="{average}", zero_division=0)',
        function,
        decision,
        f"known = ~np.isnan(target)\n    target, prediction = {expected}",
    )


def _pooled(single: Scoring) -> Scoring:
    """A metric over all known cells of the target's columns at once."""
    known = "known = ~np.isnan(target)\n    target, prediction = target[known], prediction[known]"
    return replace(single, remark=f"{single.remark}\n    {known}".strip())


_EXACT = Scoring("np.mean(np.all((target == prediction) | np.isnan(target), axis=1))", "", "argmax")

_JUDGED_BY_COLUMN = (
    "accuracy", "balanced_accuracy", "error_rate", "hamming_loss", "f1", "dice", "jaccard", "precision", "recall",
    "specificity", "mcc", "kappa", "quadratic_kappa", "youden", "g_mean",
)  # fmt: skip

_MULTILABEL = {name: _by_column(_BINARY[name]) for name in _JUDGED_BY_COLUMN}
_MULTILABEL |= {
    name: _by_column(
        replace(_BINARY[name], expression=_BINARY[name].expression.replace(_EXPECTED, "probabilities")), "probabilities"
    )
    for name in ("auc_roc", "average_precision", "brier", "gini")
}
_MULTILABEL |= {
    "log_loss": _by_column(
        Scoring("log_loss(target, probabilities.clip(1e-6, 1 - 1e-6), labels=[0, 1])", "log_loss"), "probabilities"
    ),
    "exact_match": _EXACT,
    "f1_macro": _MULTILABEL["f1"],
    "f1_micro": _averaged("f1_score", "micro", "columns"),
    "f1_weighted": _averaged("f1_score", "weighted", "columns"),
    "f1_samples": _averaged("f1_score", "samples", "columns"),
    "precision_macro": _MULTILABEL["precision"],
    "precision_weighted": _averaged("precision_score", "weighted", "argmax"),
    "recall_macro": _MULTILABEL["recall"],
    "recall_weighted": _averaged("recall_score", "weighted", "argmax"),
}

_CODES = "target = decide(target)"
_VALUES = {
    name: _by_column(replace(single, decision="argmax", remark=_CODES))
    for name, single in _MULTICLASS.items()
    if single.decision != "none"
} | {"exact_match": replace(_EXACT, remark=_CODES)}
"""Of columns with many values: `target` has an indicator for each value, `prediction` the places of the likeliest."""

_MISSED = "target - prediction"
_PINBALL = Scoring(f"np.mean(np.maximum(QUANTILE * ({_MISSED}), (QUANTILE - 1) * ({_MISSED})))", decision="line")

_REGRESSION = {
    "rmse": Scoring("np.sqrt(np.mean((target - prediction) ** 2))"),
    "mse": Scoring("np.mean((target - prediction) ** 2)"),
    "mae": Scoring("np.mean(np.abs(target - prediction))"),
    "medae": Scoring("np.median(np.abs(target - prediction))"),
    "mape": Scoring(
        "np.mean(np.abs(target - prediction) / np.abs(target).clip(np.finfo(float).eps))", decision="factor"
    ),
    "smape": Scoring(
        "100 * np.mean(2 * np.abs(target - prediction) / (np.abs(target) + np.abs(prediction)).clip(1e-12))"
    ),
    "rmsle": Scoring("np.sqrt(np.mean((np.log1p(target) - np.log1p(prediction.clip(0))) ** 2))"),
    "msle": Scoring("np.mean((np.log1p(target) - np.log1p(prediction.clip(0))) ** 2)"),
    "r2": Scoring("r2_score(target, prediction)", "r2_score"),
    "explained_variance": Scoring("explained_variance_score(target, prediction)", "explained_variance_score"),
    "wmape": Scoring("np.sum(np.abs(target - prediction)) / np.sum(np.abs(target))"),
    "male": Scoring("np.mean(np.abs(np.log1p(target) - np.log1p(prediction.clip(0))))"),
    "rmspe": Scoring("np.sqrt(np.mean(((target - prediction) / np.abs(target).clip(1e-9)) ** 2))", decision="factor"),
    "nrmse": Scoring("np.sqrt(np.mean((target - prediction) ** 2)) / np.ptp(target)"),
    "rae": Scoring("np.sum(np.abs(target - prediction)) / np.sum(np.abs(target - target.mean()))"),
    "max_error": Scoring("np.max(np.abs(target - prediction))"),
    "pearson": Scoring("np.corrcoef(target.ravel(), prediction.ravel())[0, 1]"),
    "spearman": Scoring("np.corrcoef(pd.Series(target.ravel()).rank(), pd.Series(prediction.ravel()).rank())[0, 1]"),
    "gini": Scoring(
        "np.cov(target.ravel(), pd.Series(prediction.ravel()).rank())[0, 1]"
        " / np.cov(target.ravel(), pd.Series(target.ravel()).rank())[0, 1]"
    ),
    "poisson_deviance": Scoring("mean_poisson_deviance(target, prediction)", "mean_poisson_deviance", "positive"),
    "gamma_deviance": Scoring("mean_gamma_deviance(target, prediction)", "mean_gamma_deviance", "positive"),
    "huber": Scoring(
        f"np.mean(np.where(np.abs({_MISSED}) < 1, ({_MISSED}) ** 2 / 2, np.abs({_MISSED}) - 0.5))",
        remark="# From a miss of 1 on it grows straight.",
    ),
    "log_cosh": Scoring(f"np.mean(np.logaddexp({_MISSED}, -({_MISSED})) - np.log(2))"),
}
