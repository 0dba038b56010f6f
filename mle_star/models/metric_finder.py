"""Find the metric that a task's description names."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from mle_star.models.known_metrics import KNOWN
from mle_star.models.metrics import AVERAGES, FILLERS, recognise

HEADING = re.compile(
    r"^\s{0,3}(?:#{1,6}\s+|\*\*)?(?P<title>(?:evaluation|metric|scoring|judging|how it is judged)[^\n]{0,40})$", re.I
)
ANY_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+\S")
CUE = re.compile(
    r"(?i)\b(evaluat\w+|scored|scoring|scores?|metrics?|judg\w+|graded|measured (?:by|with|using|in)|ranked by|"
    r"leaderboard|performance (?:is|will be)|assessed|maximi[sz]e|minimi[sz]e|optimi[sz]e)\b"
)
NEGATION = re.compile(r"(?i)\b(not|rather than|instead of|unlike|neither|no longer|nor)\b(?:(?!\bbut\b)[^.;:,]){0,30}$")
# fmt: off
AMBIGUOUS = frozenset({
    "accuracy", "precision", "recall", "sensitivity", "specificity", "map", "f1", "dice", "gini", "kappa", "mse",
    "mae", "r2", "pearson", "spearman", "jaccard", "hamming_loss", "error_rate", "perplexity", "concordance_index",
    "hit_rate", "eer", "cer", "wer", "male", "rae", "max_error", "levenshtein", "bleu", "rouge", "exact_match",
    "explained_variance", "huber", "youden", "g_mean", "brier", "mrr", "ccc", "cosine_similarity",
    "average_precision",
})
# fmt: on
"""Metrics whose spellings are also words of plain prose: they count only in a sentence about the evaluation."""
NEVER = frozenset(["f", "acc", "hr", "hits", "r", "sq", "uar", "nll", "auc", "pr"]) - {"auc"}
"""Spellings too short to be looked for in prose."""


class _Hit(NamedTuple):
    worth: int
    length: int
    start: int
    name: str


def find_metric(text: str) -> str | None:
    """Give the canonical name of the metric that a description says it is judged by; None if it names none.

    What stands under an Evaluation heading, or in a sentence with `evaluated`, `metric`, `scored` and the like, counts
    more than a mention elsewhere; an everyday word such as `accuracy` or `recall` counts only there.
    """
    hits: list[_Hit] = []
    offset = 0
    in_section = False
    for line in text.splitlines():
        if heading := HEADING.match(line):
            in_section = True
            hits += _hits(heading["title"], offset, section=True)
        elif ANY_HEADING.match(line):
            in_section = False
        else:
            for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z*`])", line):
                hits += _hits(sentence, offset, section=in_section)
                offset += len(sentence) + 1
        offset += 1
    hits = [hit for hit in hits if hit.worth > 0]
    return min(hits, key=lambda hit: (-hit.worth, hit.start, -hit.length)).name if hits else None


def _hits(sentence: str, offset: int, *, section: bool) -> list[_Hit]:
    cue = CUE.search(sentence) is not None
    found: list[_Hit] = []
    for match in _pattern().finditer(sentence):
        name = _refined(match[0], sentence, match.start(), match.end())
        if name is None or NEGATION.search(sentence[: match.start()]):
            continue
        base = name.removeprefix("mean_columnwise_").split("@")[0]
        worth = 2 * section + 2 * cue
        if base in AMBIGUOUS and "@" not in name:
            if not worth or (base == "map" and not re.search(r"mAP|MAP|(?i:mean average precision)", match[0])):
                continue
            if re.match(r"(?i)recall(s|ed)?\s+(that|the|how|from)\b", sentence[match.start() :]):
                continue
        else:
            worth += 1
        found.append(_Hit(worth, len(match[0]), offset + match.start(), name))
    return found


def _refined(phrase: str, sentence: str, start: int, end: int) -> str | None:
    """Take in what stands around the name: `macro`, `column-wise`, `@5`, `of the logarithms`."""
    metric = recognise(phrase)
    if metric is None:
        return None
    before, after = sentence[max(0, start - 60) : start].lower(), sentence[end : end + 90].lower()
    name = metric.name
    if name == "f1" and (kind := re.search(r"\b(macro|micro|weighted|samples)\b", f"{before} {after}")):
        name = f"f1_{kind[1]}"
    if name in ("rmse", "mse") and re.search(
        r"\blog(arithms?)?\b[^.]{0,40}\b(predict|observ|actual|target|true)", after
    ):
        name = {"rmse": "rmsle", "mse": "msle"}[name]
    if name == "kappa" and re.search(r"quadratic", f"{before} {after}"):
        name = "quadratic_kappa"
    if name == "gini" and "impurity" in after:
        return None
    if not name.startswith("mean_columnwise_") and re.search(r"column[- ]?wise", before + " " + after[:30]):
        name = f"mean_columnwise_{name}"
    at = re.match(r"\s*(?:scores?\s*)?(?:@\s*|at\s+|\(\s*@\s*)(\d+|k)\b", after)
    if (at and "@" not in name and metric.predicts in ("ranking", "labels")) or (at and name == "average_precision"):
        assert at is not None
        name = f"{'map' if name == 'average_precision' else name}@{at[1]}"
    return name


@cache
def _pattern() -> re.Pattern[str]:
    """One pattern of all spellings, the longest first, words set apart by spaces, hyphens or nothing."""
    phrases = {
        spelling
        for name, known in KNOWN.items()
        for spelling in (name.replace("_", " "), *known.spellings.split("|"))
        if spelling not in NEVER and spelling not in FILLERS | AVERAGES
    }
    phrases.discard("male")
    parts = [_words(phrase) for phrase in sorted(phrases, key=lambda p: (-len(p), p))]
    return re.compile(rf"(?i)(?<![\w@])(?:mc(?=rmse|auc|mae))?(?:{'|'.join(parts)})(?:s\b|\b)(?:\s?@\s?(?:k\b|\d+))?")


def _words(phrase: str) -> str:
    gap = r"(?:[\s\-_–*]|\\_)*"
    fill = rf"{gap}(?:(?:the|of|a|score){gap})*"
    words = [
        re.escape(word).replace("cohens", "cohen['’]?s").replace("spearmans", "spearman['’]?s")
        for word in phrase.split()
    ]
    body = fill.join(words)
    body = body.replace("r2", r"r(?:\^?2|²|\^\{2\})")
    return body
