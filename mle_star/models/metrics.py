"""Finds the metric that a name means, in any usual spelling, for k or beta of one's own, columnwise or averaged."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from mle_star.models.data_models import Direction
from mle_star.models.errors import ConfigError, MissingFacts
from mle_star.models.known_metrics import KNOWN, WORDED
from mle_star.models.metric import Metric

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
BRACKETS = re.compile(r"\(([^)]*)\)|\[([^\]]*)\]")
AT_K = re.compile(r"^(?P<name>.+?) ?(?:@|\bat\b) ?(?P<k>k|\d*\.\d+|\d+)(?: (?P<rest>.*))?$")
SHORT_AT_K = re.compile(r"^(?P<name>map|ndcg|mrr|hr) ?(?P<k>k|\d+)$")
TOP_K = re.compile(r"^top ?(?P<k>k|\d+) (?:categorical |classification )?(?P<name>accuracy|acc|error)(?: rate)?$")
F_BETA = re.compile(r"^f ?(?:beta ?)*(?P<beta>[1-9]\d*(?:\.\d+)?|0[. ]\d+)(?: beta (?P=beta))?$")
K_IS = re.compile(r"(?i)(?:\b(?:where|with|for)\s+)?(?:@|\bat\b)?\s*\bk\s*[=:]\s*(?P<k>\d+)")
ARGUMENTS = (
    (re.compile(r"(?i)\bsklearn\.metrics\.|\by_?(?:true|pred|test|score|proba|prob|hat)\b"), " "),
    (re.compile(r"(?i)\b(?:pos_label|labels|zero_division|multi_class)\s*=\s*[\"']?[\w.-]+"), " "),
    (re.compile(r"(?i)\baverage\s*="), " "),
    (re.compile(r"(?i)\bweights\s*=\s*[\"']?none\b"), " "),
    (re.compile(r"(?i)\bweights\s*=\s*[\"']?(\w+)"), r"\1 weighted"),
    (re.compile(r"(?i)\bsquared\s*=\s*true\b"), " "),
    (re.compile(r"(?i)\bsquared\s*=\s*false\b"), "root"),
)
"""The arguments of a call in scikit-learn, each with the words that say the same."""
VARIANT = re.compile(
    r"\b(macro|micro|weight|sample|balanc|quadratic|linear|log(?=s?\b|1p|10|2|arithm)|ln\b|top(?= ?(?:\d|k\b))|"
    r"k ?\d|beta\b|root\b|squar|median|symmetric|percentage|normali[sz]|scaled|relative|adjust|partial|trimmed|"
    r"clipped|per class|class ?wise|pr\b|precision recall|iou\b|none\b)|(@|^\d[\d. ]*$)"
)
"""Words beside a metric's name that make another metric of it, unless its own spellings have them."""
SETTING = re.compile(r"(?i)=\s*(?:[\"'\d.]|true\b|false\b|none\b)")
"""An argument that is not read, and so may make another metric: `delta=2`."""
OF_A_QUANTILE = re.compile(r"(?i)\b(?:pinball|quantile loss)")
LEVEL = re.compile(
    r"(?i)(?:\b(?:q|alpha|tau|quantile|level)\b|[ατ])\s*(?:=|:|of|is|at)?\s*(0?\.\d+)|\b(0?\.\d+)[- ](?:th )?quantile|"
    r"\b(?:pinball|quantile)(?: loss)?\s*(?:@|at|for|with|\()\s*(?:the )?(0?\.\d+)"
)
PERCENTILE = re.compile(
    r"(?i)\b(\d{1,2}(?:\.\d+)?)(?:(?:st|nd|rd|th)?[- ]?(?=percentile)|"
    r"(?:st|nd|rd|th)(?=[ ,](?:[\d ,]|and|or|the|st|nd|rd|th)*percentile))"
)
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
    if OF_A_QUANTILE.search(name) and (level := quantile_level(name)) and "weighted" not in name.lower():
        return _known("pinball").model_copy(update={"name": f"pinball@{level}"})
    text = _in_words(name)
    outside, inside = BRACKETS.sub(" ", text), ["".join(found) for found in BRACKETS.findall(text)]
    for whole in (text, " ".join([outside, *inside]), " ".join([*inside, outside])):
        if found := _one(plain(whole)):
            return found
    parts = [outside, *inside]
    named = [found for part in parts if (found := _one(plain(part)) or _worded(part))]
    if not named:
        return None
    closest = max(named, key=lambda metric: len(metric.name.removesuffix("@k")))
    return closest if all(_fits(part, closest) for part in parts) else None


def quantile_level(text: str) -> str | None:
    """Find the one quantile that a text names, such as `0.9` in `the 90th percentile`; None where it names several."""
    told = [float("".join(found)) for found in LEVEL.findall(text)]
    told += [float(found) / 100 for found in PERCENTILE.findall(text)]
    levels = {f"{level:g}" for level in told if 0 < level < 1}
    return levels.pop() if len(levels) == 1 else None


def plain(text: str) -> str:
    """Lower case, ASCII, and single spaces for punctuation (but for `@` and a number's point)."""
    text = text.replace("²", "2").replace("ø", "o").replace("Ø", "O")
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    text = re.sub(r"r\s*\^\s*2", "r2", text)
    text = re.sub(r"(\w)'s\b", r"\1s", text)
    text = re.sub(r"(?<![\d@])\.|\.(?!\d)|[^\w@.]|_", " ", text)
    return " ".join(text.split())


def _in_words(name: str) -> str:
    """Say in words, and with `@`, what the name says by arguments: `average='macro'`, `k=5`."""
    for argument, words in ARGUMENTS:
        name = argument.sub(words, name)
    if told := K_IS.search(name):
        name = re.sub(r"(?i)(?:@|\bat\b|\btop)[\s_-]*k(?![a-z])", " ", K_IS.sub(" ", name)) + f" @{told['k']}"
    return name


def _fits(part: str, metric: Metric) -> bool:
    """Tell whether a part of a name says nothing of another metric: `RMSE`, `lower is better`, but not `macro`."""
    text = plain(part)
    if same := _one(text) or _worded(part):
        general, special = (f"_{each.replace('@', '_')}_" for each in (same.name.removesuffix("@k"), metric.name))
        return general in special
    base = metric.name.split("@")[0].removeprefix("mean_columnwise_")
    own = f"{base.replace('_', ' ')}|{KNOWN[base].spellings}" if base in KNOWN else "beta"
    return not SETTING.search(part) and set(VARIANT.findall(text)) <= set(VARIANT.findall(own))


def _worded(text: str) -> Metric | None:
    told = unicodedata.normalize("NFC", " ".join(text.split()))
    return next((_known(worded) for worded, pattern in WORDED if re.fullmatch(rf"(?i){pattern}", told)), None)


def _one(text: str) -> Metric | None:
    if columnwise := COLUMNWISE.search(text):
        base = _one(" ".join((text[: columnwise.start()] + " " + text[columnwise.end() :]).split()))
        return base and Metric(name=f"mean_columnwise_{base.name}", maximize=base.maximize, predicts=base.predicts)
    if ranked := TOP_K.match(text) or SHORT_AT_K.match(text) or AT_K.match(text):
        base = _one("error rate" if ranked["name"] == "error" else ranked["name"])
        if base is None or not _fits(ranked.groupdict().get("rest") or "", base):
            return None
        name = RANKED_AT_K.get(base.name, base.name)
        return Metric(name=f"{name}@{ranked['k']}", maximize=base.maximize, predicts="ranking")
    words = text.split()
    meaningful = [word for word in words if word not in FILLERS]
    without_averages = [word for word in meaningful if word not in AVERAGES]
    for attempt in (words, meaningful, without_averages):
        if attempt and (spelled := _spellings().get(_key(attempt))):
            return _known(spelled)
    if beta := F_BETA.match(" ".join(without_averages)):
        return Metric(name=f"f{float(beta['beta'].replace(' ', '.')):g}", maximize=True, predicts="labels")
    return None


def _known(name: str) -> Metric:
    return Metric(name=name, maximize=KNOWN[name].maximize, predicts=KNOWN[name].predicts)


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
