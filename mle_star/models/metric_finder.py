"""Find the metric that a task's description names."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from mle_star.models.known_metrics import KNOWN, WORDED
from mle_star.models.metrics import AVERAGES, FILLERS, plain, recognise
from mle_star.models.passages import Sentence, plain_text, sentences

CUE = re.compile(
    r"(?i)\b(eval[uú]\w+|évalu\w+|scored|scoring|scores?|m[eé]tri(?:c|k|ca|que)s?|judg\w+|graded|bewert\w+|gemessen|"
    r"puntuaci[oó]n|rank(?:ed|ings?|s)?(?: (?:is|are|will be|done|made|determined))* (?:by|on|with|using|according to)|"
    r"rankings?(?=:)|(?:performance|quality|error) measures?|decides?|wins(?=[.!]|$)|"
    r"measured? (?:by|with|using|in)|leaderboard|performance (?:is|will be)|assessed|maximi[sz]e|minimi[sz]e|"
    r"optimi[sz]e|criteri(?:on|a)|as (?:low|small|high) as possible|what counts|counts(?=[.!]|$)|matters)\b|"
    r"评[价估测]|指标|评分"
)
USED = re.compile(
    r"(?i)\b(?:we use|highest|lowest|best|greatest|smallest|(?:goal|objective|target)(?: is|:)) (?:the )?$"
)
"""What stands right before a metric that is aimed at: `we use RMSE`, `the highest R2`."""
IN_USE = re.compile(r"(?i)[^.;:,]{0,40}\b(?:is|are|will be) used(?: (?:for|to) (?:the )?(?:rank|compar)\w+|[.!]|$)")
"""What follows one, in its clause: `the F1 of "yes" is used`. The weakest of hints, since methods are used as well."""
NEGATION = re.compile(r"(?i)\b(not|rather than|instead of|unlike|neither|no longer|nor)\b(?:(?!\bbut\b)[^.;:,]){0,30}$")
CLAUSE = re.compile(
    r"(?i);|,\s+(?=(?:we|this|these|here|now|it|you|your|the|submissions?|unlike|as|and|so|hint|in case)\b)|"
    r",?\s(?=(?:but|while|whereas|unlike)\b)"
)
ASIDE = re.compile(
    r"(?i)\b(unlike|last (?:year|time)|previous(?:ly)?|earlier (?:contest|competition|model|version)s?|formerly|"
    r"(?:old|current) (?:\w+ )?(?:model|metric)|baselines?|benchmarks? (?:has|gets|reaches|scores?|of)|secondary|"
    r"also (?:report|show|list)\w*|for (?:information|reference|comparison)|ties?)\b"
)
"""What a clause says that is not of the metric, but of another contest, of another model, or of what else is told."""
REACHED = re.compile(r"(?i)[\s:=~≈><*|)]*(?:scores?\s+)?(?:of\s+[$€£]?\d|(?:is\s+|was\s+)?[$€£]?\d+(?:[.,]\d|\s?%))")
"""A number after the metric: what something comes to in it."""
# fmt: off
AMBIGUOUS = frozenset({
    "accuracy", "precision", "recall", "sensitivity", "specificity", "map", "f1", "dice", "gini", "kappa",
    "r2", "pearson", "spearman", "jaccard", "hamming_loss", "error_rate", "perplexity", "concordance_index",
    "hit_rate", "eer", "cer", "wer", "male", "rae", "max_error", "levenshtein", "bleu", "rouge", "exact_match",
    "explained_variance", "huber", "youden", "g_mean", "brier", "mrr", "ccc", "cosine_similarity",
    "average_precision",
})
# fmt: on
"""Metrics whose spellings are also words of plain prose: they count only in a sentence about the evaluation."""
EVERYDAY = frozenset({"accuracy", "precision", "recall", "sensitivity", "specificity", "error_rate", "exact_match"})
"""Of these the ones that stand in a sentence about the evaluation and yet may mean nothing: `accuracy is judged by`."""
LONG = 3
"""Words of a spelling that is no plain prose, though its metric has shorter ones: `coefficient of determination`."""
# fmt: off
NEVER = frozenset({
    "f", "acc", "hr", "hits", "r", "sq", "uar", "nll", "pr", "ap", "l1", "l2", "rms", "rmse log", "mse log", "mae log",
})
# fmt: on
"""Spellings too short to be looked for in prose, or that run into others: `RMSE - log loss`."""
ALONE = re.compile(r"\s*(?:\*\*)?[\s.!:。]*(?:\*\*)?[\s.!:。]*")
"""What may stand around a metric's name that is all there is of a sentence; an item of a list may be a column."""
BRACKET = re.compile(r"\s?\([^()]{1,120}\)")
CALL = re.compile(r"\b(?:average|weights|squared|beta|k)\s*=")
"""Arguments of scikit-learn's metrics that make another metric, perhaps one that is not known."""
LETTER = "[a-zà-ÿ0-9_]"
LOGARITHMS = re.compile(
    r"\blogarithm(?:s|ic scale)?\b|\b(?:logs?|log10|log1p|ln)\b"
    r"(?:\s*\(|\s+of\b|[- ](?:transform|scale|space|predict|observ|actual|target|true))"
)
OF_LOGARITHMS = {"rmse": "rmsle", "mse": "msle"}


class _Clause(NamedTuple):
    end: int
    cue: bool
    aside: bool


class _Hit(NamedTuple):
    worth: int
    length: int
    start: tuple[int, int]
    name: str
    alone: bool
    """Whether an everyday word counts because its sentence says nothing else."""


def find_metric(text: str) -> str | None:
    """Give the canonical name of the metric that a description says it is judged by; None if it names none.

    What stands under an Evaluation heading counts most, then a sentence with `evaluated`, `metric`, `scored` and the
    like, most of all in the same clause, then a sentence that is a metric's name alone, then a mention elsewhere. An
    everyday word such as `accuracy` or `recall` does not count elsewhere, and alone where it is the only one. What is
    told of a baseline, of last year or of ties counts less, and so does a metric with what was reached in it.
    """
    text = unicodedata.normalize("NFC", text)
    for prose in dict.fromkeys((plain_text(text), text)):
        hits = [hit for place, sentence in enumerate(sentences(prose)) for hit in _hits(place, sentence)]
        alone = {hit.name for hit in hits if hit.alone}
        hits = [hit for hit in hits if not hit.alone or len(alone) == 1]
        if hits:
            return min(hits, key=lambda hit: (-hit.worth, hit.start, -hit.length)).name
    return None


def _hits(place: int, sentence: Sentence) -> Iterator[_Hit]:
    text = sentence.text
    cue = CUE.search(text) is not None
    clauses = deque(_clauses(text))
    for match in _pattern().finditer(text):
        name = _refined(match[0], text, match.start(), match.end())
        before, after = text[max(0, match.start() - 60) : match.start()], text[match.end() : match.end() + 60]
        while clauses[0].end <= match.start():
            clauses.popleft()
        if name is None or NEGATION.search(before):
            continue
        base = name.removeprefix("mean_columnwise_").split("@")[0]
        ambiguous, everyday = ("@" not in name and base in words for words in (AMBIGUOUS, EVERYDAY))
        ambiguous = ambiguous and (everyday or len(plain(match[0]).split()) < LONG)
        worth = 4 * sentence.section + 2 * (cue or (not everyday and USED.search(before) is not None))
        worth += clauses[0].cue
        alone = (
            not worth and ambiguous and ALONE.fullmatch(f"{text[: match.start()]}.{text[match.end() :]}") is not None
        )
        worth += 2 * alone
        if ambiguous:
            named = worth > 0 or (not everyday and IN_USE.match(after) is not None)
            spelled = base != "map" or re.search(r"mAP|MAP|(?i:mean average precision)", match[0]) is not None
            if not (named and spelled):
                continue
            if re.match(r"(?i)recall(s|ed)?\s+(that|the|how|from)\b", text[match.start() :]):
                continue
        aside = clauses[0].aside + (REACHED.match(after) is not None)
        sure = not everyday and (worth > 0 or not ambiguous)
        yield _Hit(worth + sure - 4 * aside, len(match[0]), (place, match.start()), name, alone)


def _clauses(sentence: str) -> Iterator[_Clause]:
    """The parts of a sentence, between two commas or the like."""
    ends = [0, *(border.end() for border in CLAUSE.finditer(sentence)), len(sentence)]
    for start, end in pairwise(ends):
        yield _Clause(end, *(word.search(sentence, start, end) is not None for word in (CUE, ASIDE)))


def _refined(phrase: str, sentence: str, start: int, end: int) -> str | None:
    """Take in what stands around the name: `macro`, `column-wise`, `@5`, `of the logarithms`."""
    metric = recognise(phrase)
    if bracket := BRACKET.match(sentence, end):
        whole = recognise(phrase + bracket[0])
        metric = whole if CALL.search(bracket[0]) else whole or metric
    if metric is None:
        return None
    before, after = sentence[max(0, start - 60) : start].lower(), sentence[end : end + 90].lower()
    name = metric.name
    if name == "f1" and (kind := re.search(r"\b(macro|micro|weighted|samples)\b", f"{before} {after}")):
        name = f"f1_{kind[1]}"
    if LOGARITHMS.search(CLAUSE.split(after, maxsplit=1)[0]):
        name = OF_LOGARITHMS.get(name, name)
    if name == "kappa" and re.search(r"quadratic", f"{before} {after}"):
        name = "quadratic_kappa"
    if name == "gini" and "impurity" in after:
        return None
    if not name.startswith("mean_columnwise_") and re.search(r"column[- ]?wise", before + " " + after[:30]):
        name = f"mean_columnwise_{name}"
    at = re.match(r"\s*(?:\([^)]*\)\s*)?(?:scores?\s*)?(?:@\s*|at\s+|\(\s*@\s*)(\d+|k)\b", after)
    if (at and "@" not in name and metric.predicts in ("ranking", "labels")) or (at and name == "average_precision"):
        assert at is not None
        name = f"{'map' if name == 'average_precision' else name}@{at[1]}"
    if name.endswith("@k") and (told := re.search(r"(?:\bwhere|\bwith|\bfor|,|\()\s*k\s*(?:=|is)\s*(\d+)", after)):
        name = f"{name[:-1]}{told[1]}"
    return name


@cache
def _pattern() -> re.Pattern[str]:
    """One pattern of all spellings, the longest first, words set apart by spaces, hyphens or nothing.

    Names in Latin letters also count next to others, since there may be no space: `指标为RMSE`.
    They may end as in scikit-learn: `accuracy_score`.
    """
    phrases = {
        spelling
        for name, known in KNOWN.items()
        for spelling in (name.replace("_", " "), *known.spellings.split("|"))
        if spelling not in NEVER and spelling not in FILLERS | AVERAGES
    }
    phrases.discard("male")
    parts = [_words(phrase) for phrase in sorted(phrases, key=lambda p: (-len(p), p))]
    parts.append(r"f[ -]?(?:0\.\d|[2-9])[ -]?(?:score|measure)|f0\.\d")
    parts.append(r"top[ -]?(?:k|\d+) error|(?-i:MAP|mAP|NDCG|nDCG|MRR)(?:\d+|k)")
    before = r"(?:mc(?=rmse|auc|mae)|top[ _-]?(?:k|\d+)[ _-](?=accuracy|error rate))?"
    worded = "|".join(pattern for _, pattern in WORDED)
    spelled = rf"(?:neg_)?{before}(?:{'|'.join(parts)})s?(?:_(?:score|loss|error))*(?!{LETTER})(?:\s?@\s?(?:k\b|\d+))?"
    return re.compile(rf"(?i)(?<!{LETTER})(?:(?:{worded})(?!{LETTER})|(?<!@){spelled})")


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
