"""The metrics that are well known, under the names people give them: which way is better, and what they judge."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import NamedTuple

from mle_star.models.data_models import Direction
from mle_star.models.errors import ConfigError, MissingFacts
from mle_star.models.metric import Metric, Predicts

UP, DOWN = True, False


class Known(NamedTuple):
    """One well-known metric."""

    maximize: bool
    predicts: Predicts
    spellings: str
    """Separated by `|`; matched whatever the case, the punctuation, and words such as `score` or `the`."""


KNOWN: dict[str, Known] = {
    # probabilities of classes
    "auc_roc": Known(
        UP,
        "probabilities",
        "auc|roc auc|auc roc|auroc|rocauc|area under roc|area under roc curve|area under curve|roc auc ovr|roc auc ovo|"
        "area under receiver operating characteristic|area under receiver operating characteristic curve|"
        "area under receiver operating curve|area under receiver operator characteristic curve|macro auc|macro roc auc|"
        "macro averaged roc auc|weighted roc auc|c statistic",
    ),
    "log_loss": Known(
        DOWN,
        "probabilities",
        "log loss|logloss|logarithmic loss|multiclass log loss|multi class log loss|mlogloss|multiclass logloss|"
        "multi class logarithmic loss|multiclass logarithmic loss|binary log loss|cross entropy|cross entropy loss|"
        "crossentropy|binary cross entropy|categorical cross entropy|multiclass cross entropy|"
        "multi class cross entropy|"
        "negative log likelihood|nll|log likelihood loss|weighted log loss|weighted multiclass log loss|"
        "multi class weighted log loss|weighted logarithmic loss",
    ),
    "brier": Known(DOWN, "probabilities", "brier|brier loss"),
    "average_precision": Known(
        UP,
        "probabilities",
        "average precision|pr auc|auc pr|aupr|auprc|area under precision recall curve|area under pr curve|"
        "precision recall auc",
    ),
    "gini": Known(
        UP,
        "probabilities",
        "gini|normalized gini|normalised gini|gini coefficient|normalized gini coefficient|gini index",
    ),
    "kl_divergence": Known(DOWN, "probabilities", "kl divergence|kullback leibler divergence|kullback leibler"),
    "eer": Known(DOWN, "probabilities", "eer|equal error rate"),
    # labels
    "accuracy": Known(
        UP,
        "labels",
        "accuracy|acc|classification accuracy|categorization accuracy|categorisation accuracy|multiclass accuracy|"
        "percentage of correct predictions|percent correct|proportion correct|subset accuracy",
    ),
    "balanced_accuracy": Known(
        UP,
        "labels",
        "balanced accuracy|balanced acc|bacc|mean per class accuracy|mean class accuracy|unweighted average recall|uar",
    ),
    "f1": Known(UP, "labels", "f1|f measure|f one|binary f1|f1 binary|fscore|f"),
    "f1_macro": Known(
        UP, "labels", "f1 macro|macro f1|macro averaged f1|macro average f1|f1 macro averaged|macro f measure|macrof1"
    ),
    "f1_micro": Known(
        UP, "labels", "f1 micro|micro f1|micro averaged f1|micro average f1|f1 micro averaged|micro f measure|microf1"
    ),
    "f1_weighted": Known(
        UP, "labels", "f1 weighted|weighted f1|weighted averaged f1|weighted average f1|support weighted f1"
    ),
    "f1_samples": Known(UP, "labels", "f1 samples|samples f1|sample averaged f1|example based f1"),
    "precision": Known(UP, "labels", "precision|positive predictive value|ppv"),
    "precision_macro": Known(UP, "labels", "precision macro|macro precision|macro averaged precision"),
    "precision_weighted": Known(UP, "labels", "precision weighted|weighted precision"),
    "recall": Known(UP, "labels", "recall|sensitivity|true positive rate|tpr|hit recall"),
    "recall_macro": Known(UP, "labels", "recall macro|macro recall|macro averaged recall"),
    "recall_weighted": Known(UP, "labels", "recall weighted|weighted recall"),
    "specificity": Known(UP, "labels", "specificity|true negative rate|tnr|selectivity"),
    "mcc": Known(
        UP, "labels", "mcc|matthews correlation|matthews correlation coefficient|matthews corrcoef|phi coefficient"
    ),
    "quadratic_kappa": Known(
        UP,
        "labels",
        "quadratic kappa|quadratic weighted kappa|quadratically weighted kappa|qwk|weighted kappa|"
        "quadratic cohen kappa|"
        "quadratic weighted cohen kappa|cohen kappa quadratic|quadratic weighted cohens kappa|"
        "cohens kappa with quadratic weights|cohen kappa with quadratic weights",
    ),
    "kappa": Known(UP, "labels", "kappa|cohen kappa|cohens kappa|cohen s kappa|cohen kappa coefficient"),
    "error_rate": Known(
        DOWN,
        "labels",
        "error rate|classification error|misclassification|misclassification rate|misclassification error|"
        "zero one loss|0 1 loss",
    ),
    "hamming_loss": Known(DOWN, "labels", "hamming loss|hamming distance|hamming"),
    "jaccard": Known(
        UP, "labels", "jaccard|jaccard index|jaccard similarity|iou|intersection over union|miou|jaccard coefficient"
    ),
    "dice": Known(
        UP,
        "labels",
        "dice|dice coefficient|sorensen dice|dice similarity|dice similarity coefficient|sorensen dice coefficient",
    ),
    "exact_match": Known(UP, "labels", "exact match|exact match ratio"),
    "g_mean": Known(UP, "labels", "g mean|gmean|geometric mean of sensitivity and specificity"),
    "youden": Known(UP, "labels", "youden|youden j|youdens j|informedness"),
    # numbers
    "rmse": Known(
        DOWN,
        "values",
        "rmse|root mean squared error|root mean square error|root mean squared deviation|rmsd|"
        "root mean square deviation|"
        "root of mean squared error|root squared error",
    ),
    "mse": Known(
        DOWN, "values", "mse|mean squared error|mean square error|squared error|l2 loss|mean squared deviation"
    ),
    "mae": Known(
        DOWN, "values", "mae|mean absolute error|mean absolute deviation|absolute error|l1 loss|average absolute error"
    ),
    "medae": Known(DOWN, "values", "medae|median absolute error|med ae|mdae"),
    "mape": Known(
        DOWN, "values", "mape|mean absolute percentage error|mean absolute percent error|absolute percentage error"
    ),
    "smape": Known(
        DOWN,
        "values",
        "smape|symmetric mean absolute percentage error|symmetric mape|symmetric mean absolute percent error",
    ),
    "wmape": Known(
        DOWN,
        "values",
        "wmape|wape|weighted mape|weighted mean absolute percentage error|weighted absolute percentage error",
    ),
    "wmae": Known(DOWN, "values", "wmae|weighted mae|weighted mean absolute error"),
    "rmsle": Known(
        DOWN,
        "values",
        "rmsle|root mean squared log error|root mean squared logarithmic error|root mean square log error|"
        "root mean square logarithmic error|rmsle error|root mean squared log10 error",
    ),
    "msle": Known(DOWN, "values", "msle|mean squared log error|mean squared logarithmic error|mean square log error"),
    "male": Known(DOWN, "values", "male error|mean absolute log error|mean absolute logarithmic error"),
    "rmspe": Known(DOWN, "values", "rmspe|root mean square percentage error|root mean squared percentage error"),
    "nrmse": Known(DOWN, "values", "nrmse|normalized rmse|normalised rmse|normalized root mean squared error"),
    "mase": Known(DOWN, "values", "mase|mean absolute scaled error"),
    "rmsse": Known(DOWN, "values", "rmsse|root mean squared scaled error"),
    "wrmsse": Known(DOWN, "values", "wrmsse|weighted root mean squared scaled error"),
    "rae": Known(DOWN, "values", "rae|relative absolute error"),
    "max_error": Known(DOWN, "values", "max error|maximum error|maximum absolute error|max absolute error"),
    "pinball": Known(DOWN, "values", "pinball|pinball loss|quantile loss|mean pinball loss|quantile pinball loss"),
    "weighted_pinball": Known(
        DOWN, "values", "weighted pinball|weighted pinball loss|weighted scaled pinball loss|wspl"
    ),
    "crps": Known(DOWN, "values", "crps|continuous ranked probability"),
    "huber": Known(DOWN, "values", "huber|huber loss"),
    "log_cosh": Known(DOWN, "values", "log cosh|logcosh"),
    "poisson_deviance": Known(DOWN, "values", "poisson deviance|mean poisson deviance|poisson loss"),
    "gamma_deviance": Known(DOWN, "values", "gamma deviance|mean gamma deviance"),
    "r2": Known(
        UP,
        "values",
        "r2|r squared|r square|rsquared|r 2|coefficient of determination|determination coefficient|r sq|rsq",
    ),
    "explained_variance": Known(UP, "values", "explained variance|explained variance ratio|variance explained"),
    "spearman": Known(
        UP,
        "values",
        "spearman|spearman correlation|spearman rank correlation|spearmans rank correlation|"
        "spearman s rank correlation|"
        "spearmans correlation|spearman s correlation|spearman rho|spearman s rho|rank correlation|spearmanr|"
        "spearman correlation coefficient|spearman rank correlation coefficient|spearmans rank correlation coefficient|"
        "spearman s rank correlation coefficient|spearman s correlation coefficient|spearmans correlation coefficient",
    ),
    "pearson": Known(
        UP,
        "values",
        "pearson|pearson correlation|pearson r|pearsonr|pearson correlation coefficient|pearsons correlation|"
        "pearson s correlation|pearsons r|pearson s r|pearson s correlation coefficient|linear correlation",
    ),
    "kendall": Known(UP, "values", "kendall|kendall tau|kendalls tau|kendall s tau|kendall rank correlation"),
    "concordance_index": Known(
        UP, "values", "concordance index|c index|cindex|concordance|harrell c index|harrells c index|harrell s c index"
    ),
    "ccc": Known(UP, "values", "ccc|concordance correlation coefficient|lin s concordance correlation coefficient"),
    "cosine_similarity": Known(UP, "values", "cosine similarity"),
    # ranked items, text
    "map": Known(UP, "ranking", "map|mean average precision"),
    "ndcg": Known(UP, "ranking", "ndcg|normalized discounted cumulative gain|normalised discounted cumulative gain"),
    "mrr": Known(UP, "ranking", "mrr|mean reciprocal rank|reciprocal rank"),
    "hit_rate": Known(UP, "ranking", "hit rate|hr|hits|hit ratio"),
    "bleu": Known(UP, "ranking", "bleu"),
    "rouge": Known(UP, "ranking", "rouge|rouge l|rouge 1|rouge 2"),
    "wer": Known(DOWN, "ranking", "wer|word error rate"),
    "cer": Known(DOWN, "ranking", "cer|character error rate"),
    "levenshtein": Known(
        DOWN,
        "ranking",
        "levenshtein|levenshtein distance|edit distance|mean levenshtein distance|normalized levenshtein distance",
    ),
    "perplexity": Known(DOWN, "ranking", "perplexity"),
}

FILLERS = frozenset(
    [
        "the",
        "score",
        "scores",
        "metric",
        "metrics",
        "of",
        "a",
        "an",
        "on",
        "in",
        "by",
        "value",
        "measure",
        "neg",
        "negative",
        "evaluation",
    ]
)
AVERAGES = frozenset(["mean", "average", "averaged", "avg", "overall", "total"])
COLUMNWISE = re.compile(r"\b(?:column ?wise|columnwise|per column|over (?:all )?columns|mc(?=rmse|auc|mae|logloss))")
AT_K = re.compile(r"^(?P<name>.+?) ?(?:@|\bat\b) ?\[?(?P<k>k|\d+(?:\.\d+)?|0?\.\d+)\]?(?: .*)?$")
TOP_K = re.compile(r"^top ?(?P<k>\d+|k) (?:categorical )?(?P<name>accuracy|error rate|error)$")
F_BETA = re.compile(r"^f ?(?:beta)? ?(?P<beta>\d+(?:[. ]\d+)?)$")
RANKED_AT_K = {"average_precision": "map", "accuracy": "accuracy", "error_rate": "error_rate"}


def resolve_metric(name: str, direction: Direction | None = None) -> Metric:
    """Give the metric that goes by `name`, in any usual spelling; its name is canonical when it is well known.

    Raises:
        ConfigError: `direction` contradicts a well-known metric, or the name is empty.
        MissingFacts: The metric is not well known and `direction` was not given.
    """
    if not name.strip():
        raise ConfigError("the evaluation metric's name is empty")
    known = recognise(name)
    if known is None:
        if direction is None:
            raise MissingFacts(
                ("metric_direction",),
                f"the metric {name.strip()!r} is not a well-known one: set `metric_direction` to maximize or minimize "
                "in task.yaml or TaskDescription(metric_direction=...)",
            )
        return Metric(name=name.strip(), maximize=direction == "maximize")
    if direction is not None and (direction == "maximize") != known.maximize:
        right = "maximized" if known.maximize else "minimized"
        raise ConfigError(f"{known.name} is {right}, but metric_direction says {direction}: leave it out")
    return known


@cache
def recognise(name: str) -> Metric | None:
    """Give the well-known metric of that name, None if there is none."""
    text = plain(name)
    for candidate in (
        text,
        plain(re.sub(r"\([^)]*\)|\[[^\]]*\]", " ", name)),
        *map(plain, re.findall(r"\(([^)]*)\)", name)),
    ):
        if candidate and (found := _one(candidate)):
            return found
    return None


def plain(text: str) -> str:
    """Lower case, ASCII, and single spaces for punctuation (but for `@` and a number's point)."""
    text = text.replace("²", "2").replace("ø", "o").replace("Ø", "O")
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    text = re.sub(r"r\s*\^\s*2", "r2", text)
    text = re.sub(r"(\w)'s\b", r"\1s", text)
    text = re.sub(r"(?<!\d)\.|\.(?!\d)|[^\w@.]|_", " ", text)
    return " ".join(text.split())


def _one(text: str) -> Metric | None:
    if columnwise := COLUMNWISE.search(text):
        base = _one(" ".join((text[: columnwise.start()] + " " + text[columnwise.end() :]).split()))
        return base and Metric(name=f"mean_columnwise_{base.name}", maximize=base.maximize, predicts=base.predicts)
    if ranked := TOP_K.match(text) or AT_K.match(text):
        base = _one(ranked["name"])
        if base is None:
            return None
        name = RANKED_AT_K.get(base.name, base.name)
        return Metric(name=f"{name}@{ranked['k']}", maximize=base.maximize, predicts="ranking")
    words = text.split()
    meaningful = [word for word in words if word not in FILLERS]
    without_averages = [word for word in meaningful if word not in AVERAGES]
    for attempt in (words, meaningful, without_averages):
        if attempt and (spelled := _spellings().get(_key(attempt))):
            known = KNOWN[spelled]
            return Metric(name=spelled, maximize=known.maximize, predicts=known.predicts)
    if beta := F_BETA.match(" ".join(without_averages)):
        return Metric(name=f"f{beta['beta'].replace(' ', '.')}", maximize=True, predicts="labels")
    return None


@cache
def _spellings() -> dict[str, str]:
    table: dict[str, str] = {}
    for name, known in KNOWN.items():
        for spelling in (name.replace("_", " "), *known.spellings.split("|")):
            words = spelling.split()
            for attempt in (words, [word for word in words if word not in FILLERS]):
                if attempt:
                    table.setdefault(_key(attempt), name)
    return table


def _key(words: list[str]) -> str:
    return "".join(words)
