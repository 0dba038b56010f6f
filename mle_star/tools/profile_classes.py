"""What classes mean: which of two is the positive one, and in which order grades stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, takewhile
from typing import NamedTuple

# fmt: off
YES = frozenset({
    "yes", "y", "true", "t", "positive", "pos", "ja", "si", "sí", "sì", "oui", "sim", "да", "da", "tak", "evet", "是",
    "はい", "예",
})
NO = frozenset({
    "no", "n", "not", "non", "false", "f", "negative", "neg", "without", "nein", "kein", "keine", "nej", "nee", "não",
    "nao", "нет", "ні", "nie", "ne", "hayır", "否", "いいえ", "아니요",
})
# fmt: on
OF_ONE_CLASS = re.compile(r"f1|f\d+(\.\d+)?|precision|recall|specificity|jaccard|dice")
"""Metrics of labels that judge one class of two."""
BEFORE = re.compile(
    r"(?i)\b(?:probabilit\w+|likelihood|(?:chances?|risk|odds) (?:of|that)|wahrscheinlichkeit\w*|probabilidad\w*|"
    r"probabilités?|probabilità|positive (?:class|label)\w*|class of interest|"
    r"(?:f[- ]?\d(?:\.\d)?|f[- ]?(?:score|measure)|precision|recall|sensitivity|jaccard|dice)\b[^.\n]{0,30}"
    r"\b(?:of|for|on)\b|1\s*(?:=|:|-?>|→|for\b|means\b|if\b|when\b|stands for\b))"
)
"""What stands before the positive class in a sentence."""
AFTER = re.compile(
    r"(?i)[`'\"*’”»]*\s*(?:\((?:1|(?:the )?positive\b)|=\s*1\b|(?:is|are|as|being|counts as) (?:the )?positive\b|"
    r"(?:probabilit|likelihood|risk\b))"
)
"""What stands after it."""
NEAR = re.compile(
    r"(?i)[\s:=]*(?:\b(?:of|for|that|it|he|she|they|will|to|be|being|is|are|was|has|have|the|an?|class|label|der|die|des|de)\b"
    r"\s*)*[`'\"*‘“«]*"
)
"""What may stand between what is before the class and the class itself."""
OTHER_MEANT = re.compile(
    r"(?i)\b(?:not|rather than|instead of|no longer|nicht|never)\s+(?:(?:be|being|a|an|the)\s+)?\W*$"
)
MEANING = r"[`'\"*’”»]*\s*(?:=|:|→|–|—|-(?!\w)|\bmeans\b|\bstands for\b|\()\s*(?P<meaning>[^\W\d_][^,;.:()=\n]{1,40})"
"""What follows a label whose meaning is told."""
JOINED = re.compile(r"(?i)[\s`'\"*,/|’”“«»]*(?:\b(?:and|or|und|oder|et|ou|y|o|e)\b)?[\s`'\"*/|’”“«»]*")
"""What stands between two labels that are named side by side: neither is meant alone."""

COUNTS_ORDER = frozenset({"quadratic_kappa"})
"""Metrics of labels to which a class that is nearer the true one is less wrong."""
SCALES = tuple(
    tuple(frozenset(words.split("/")) for words in scale.split(" < "))
    for scale in (
        "none/no/absent < very low/minimal/very mild < low/mild/minor/slight < "
        "medium/moderate/mid/middle/average/normal < high/severe/major < very high/very severe/extreme/critical",
        "terrible/awful/very bad/very poor < bad/poor/unacceptable/unacc < fair/ok/okay/acceptable/acc < "
        "average/neutral < good < very good/vgood/great < excellent/outstanding/perfect",
        "never < rarely/seldom < sometimes/occasionally < often/frequently/usually < always",
        "very small/tiny/xs/extra small < small/s/short < medium/m/mid < large/l/big/long/tall < "
        "very large/xl/extra large/huge < xxl",
        "strongly disagree < disagree < somewhat disagree < neutral/neither agree nor disagree/undecided < "
        "somewhat agree < agree < strongly agree",
        "very dissatisfied < dissatisfied < neutral < satisfied < very satisfied",
        "very negative < negative < neutral < positive < very positive",
        "bronze < silver < gold < platinum < diamond",
        "beginner/novice/basic < elementary < intermediate < advanced < expert",
        "primary/elementary < secondary/high school < bachelor/bachelors < master/masters < doctorate/phd",
        "cold < cool < warm < hot",
    )
)
"""Words for grades, by scale and from one end to the other."""
STEP = r"(?:[\s`'\"*_,;/|()–—≤‘’“”«»-]|[=<>→]|\d|(?<=\d)[.:]|\b(?:and|or|to|then|und|oder|bis|et|y|o|e|à|a)\b)*"
"""What may stand between two grades of a list."""
UPWARDS = re.compile(r"<|≤|>|→|\d|\b(?:to|then|bis)\b")
"""What between grades says that their order is meant."""


class Positive(NamedTuple):
    """The positive class of a column."""

    label: str
    guessed: bool = False
    """Whether nothing tells it but that it is the rarer one."""


def positive_class(
    shares: Mapping[str, float], names: Sequence[str], description: str, *, by_label: bool = False
) -> Positive | None:
    """Find the positive one of two classes; None for more of them, or where a lone class is not known to be it.

    It is the one that the prediction is called by, then the one that the description tells. Of numbers it is the
    greater, as scikit-learn has it, but 1 where a metric judges one class `by_label`. Of words it is the one for yes,
    or the other of one for no, then what the target's names hint at, and at last the rarer.
    """
    labels = sorted(shares)
    if not labels or len(labels) > 2:
        return None
    for label in labels:
        if label.lower() in [name.lower() for name in names]:
            return Positive(label)
    if len(labels) == 1:
        return Positive(labels[0]) if labels[0] == "1" or _says(labels[0], YES) else None
    if told := _told(labels, description):
        return Positive(told)
    if all(re.fullmatch(r"-?\d+(\.\d+)?", label) for label in labels):
        return Positive("1" if by_label and "1" in labels else max(labels, key=float))
    yes, no = ([label for label in labels if _says(label, words)] for words in (YES, NO))
    hinted = [label for label in labels if label not in no and _hinted(label, names)]
    for found in (yes, [label for label in labels if label not in no] if no else [], hinted):
        if len(found) == 1:
            return Positive(found[0])
    # Of classes that are alike in number, the last of the alphabet.
    return Positive(min(labels, key=lambda label: (shares[label], -labels.index(label))), guessed=True)


def _says(label: str, words: frozenset[str]) -> bool:
    """Whether a label is such a word, or begins with one: `not fraud`."""
    first = re.match(r"\w+", label.lower())
    return label.lower() in words or (first is not None and len(first[0]) > 1 and first[0] in words)


def _hinted(label: str, names: Sequence[str]) -> bool:
    """Whether a label and a name have a word, or its stem, in common: `churn` and `Churned`."""
    pairs = [(one, other) for one in _words(label) for name in names for other in _words(name)]
    return any(_alike(*pair) >= max(4, 0.6 * min(map(len, pair))) for pair in pairs)


def _alike(one: str, other: str) -> int:
    """How many letters two words begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())


def _told(labels: Sequence[str], description: str) -> str | None:
    """The class that the description calls the positive one, by its label or by what it says that the label means."""
    named = {label: _mention(label) for label in labels}
    for label in labels:
        bare = re.escape(label)
        found = re.search(rf"(?<!\w){bare}{MEANING}|\b(?P<before>[^\W\d_]{{3,}})\s*[=(]\s*\W?{bare}\b", description)
        meaning = " ".join((found["meaning"] or found["before"]).split()) if found else ""
        if meaning and not any(re.search(_mention(other), meaning) for other in labels):
            named[label] += rf"|{_mention(meaning)}"
    for sentence in re.split(r"(?<=[.!?;])\s+|\n{2,}|\n\s*[-*+]\s", description):
        mentions = sorted(_mentions(named, sentence))
        for cue in BEFORE.finditer(sentence):
            after = [mention for mention in mentions if mention.start >= cue.end()]
            meant = [_meant(mention, labels, sentence) for mention in after]
            side_by_side = len(after) > 1 and JOINED.fullmatch(sentence[after[0].end : after[1].start])
            near = after and NEAR.fullmatch(sentence[cue.end() : after[0].start]) and not side_by_side
            if near or len(set(meant)) == 1:
                return meant[0]
        for mention in mentions:
            if AFTER.match(sentence[mention.end :]):
                return mention.label
    return None


def _meant(mention: _Mention, labels: Sequence[str], sentence: str) -> str:
    """The class that is meant where one of two is named: after `not` or `rather than` it is the other."""
    other = OTHER_MEANT.search(sentence[: mention.start]) is not None
    return next(label for label in labels if (label == mention.label) != other)


class _Mention(NamedTuple):
    start: int
    end: int
    label: str


def _mentions(named: Mapping[str, str], text: str) -> Iterator[_Mention]:
    """Where labels stand in a text, of two that overlap the longer one: `very good` is not `good`."""
    found = [_Mention(*match.span(), label) for label, form in named.items() for match in re.finditer(form, text)]
    for one in found:
        if not any(one != other and other.start <= one.start and one.end <= other.end for other in found):
            yield one


def _mention(label: str) -> str:
    """The pattern of a label in prose, where a longer word may have another ending.

    What may be another word there counts where it is quoted or called a class.
    """
    if len(label) > 2 and label.lower() not in YES | NO and not label.isdigit():
        stem = re.sub(r"(?<=\w{4})(?:ed|d|ing|s)$", "", label)
        return rf"(?i:(?<!\w){re.escape(stem)}\w*)" if len(label) > 4 and " " not in label else _form(label)
    form = re.escape(label)
    return (
        rf"(?:(?<=[`'\"‘“«*])|(?i:(?<=\bclass )|(?<=\blabel )|(?<=\bklasse )|(?<=\bclase )|(?<=\bclasse ))){form}(?!\w)"
    )


def _form(label: str) -> str:
    form = r"[\s_-]+".join(re.escape(word) for word in re.split(r"[\s_-]+", label.strip()))
    return rf"(?i:(?<!\w){form}(?!\w))"


def class_order(labels: Sequence[str], description: str) -> tuple[str, ...]:
    """Put worded grades in order, from one end to the other; empty where nothing tells it.

    It is the order of a list that the description gives with `<`, numbers or the like; then of a known scale of words,
    of the numbers in the labels, of any list of all of them in the description that is not just sorted.
    """
    listed = list(_lists(labels, description))
    if told := next((order for order, meant in listed if meant), None):
        return told
    for scale in SCALES:
        places = {label: place for label in labels for place, words in enumerate(scale) if _plain(label) in words}
        if len(places) == len(labels) == len(set(places.values())):
            return tuple(sorted(labels, key=places.__getitem__))
    numbers = {label: float(found[0]) for label in labels if (found := re.search(r"\d+(?:\.\d+)?", label))}
    if len(numbers) == len(labels) == len(set(numbers.values())):
        return tuple(sorted(labels, key=numbers.__getitem__))
    sorted_too = (tuple(sorted(labels)), tuple(sorted(labels, reverse=True)))
    return next((order for order, _ in listed if order not in sorted_too), ())


def _plain(label: str) -> str:
    return " ".join(re.split(r"[\s_-]+", label.lower().strip()))


def _lists(labels: Sequence[str], description: str) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Lists of all labels in a text, and whether they tell that their order is meant."""
    mentions = sorted(_mentions({label: _form(label) for label in labels}, description))
    for place in range(len(mentions) - len(labels) + 1):
        row = mentions[place : place + len(labels)]
        between = [description[one.end : other.start] for one, other in pairwise(row)]
        if len({one.label for one in row}) == len(row) and all(re.fullmatch(rf"(?i){STEP}", gap) for gap in between):
            yield tuple(one.label for one in row), all(UPWARDS.search(gap) for gap in between)
