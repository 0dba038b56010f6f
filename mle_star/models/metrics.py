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
AT_K = re.compile(r"^(?P<name>.+?) ?(?:@|\bat\b) ?\[?(?P<k>k|\d+(?:\.\d+)?|0?\.\d+)\]?(?: .*)?$")
TOP_K = re.compile(r"^top ?(?P<k>\d+|k) (?:categorical )?(?P<name>accuracy|error rate|error)$")
F_BETA = re.compile(r"^f ?(?:beta)? ?(?P<beta>\d+(?:[. ]\d+)?)$")
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
    text = plain(name)
    for candidate in (
        text,
        plain(re.sub(r"\([^)]*\)|\[[^\]]*\]", " ", name)),
        *map(plain, re.findall(r"\(([^)]*)\)", name)),
    ):
        if candidate and (found := _one(candidate)):
            return found
    told = unicodedata.normalize("NFC", " ".join(name.split()))
    return next((_known(worded) for worded, pattern in WORDED if re.fullmatch(rf"(?i){pattern}", told)), None)


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
            return _known(spelled)
    if beta := F_BETA.match(" ".join(without_averages)):
        return Metric(name=f"f{beta['beta'].replace(' ', '.')}", maximize=True, predicts="labels")
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
