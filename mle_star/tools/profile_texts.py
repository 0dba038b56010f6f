"""Free text, measured: whether the order of its words tells anything, and how many words of a new text are new."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise

from mle_star.models.writing import UNSPACED

MOST_TEXTS = 10_000
MOST_ORDERED = 5_000
"""Of them, whose words are shuffled: it takes longer."""
MOST_WORDS = 60
"""Of each text."""
WORD = re.compile(rf"{UNSPACED.pattern}|\w+")
SEED = 0

Words = Sequence[str]


def measure_texts(values: Iterable[object]) -> tuple[float, float]:
    """Measure texts: the bits that words owe to their order, and the share of words that are new, 0 to 1."""
    texts = [[found[0] for found in islice(WORD.finditer(str(value).lower()), MOST_WORDS)] for value in values]
    return round(word_order(texts[:MOST_ORDERED]), 3), round(new_words(texts), 4)


def word_order(texts: Sequence[Words]) -> float:
    """How much less than the same texts with their words shuffled do neighbouring words vary: entropy, in bits.

    Near 0 where words stand in any order, as in lists of key words.
    """
    shuffle = random.Random(SEED)
    shuffled = [shuffle.sample(words, len(words)) for words in texts]
    return max(0.0, _entropy(shuffled) - _entropy(texts))


def new_words(texts: Sequence[Words]) -> float:
    """Which share of the words of one half of the texts does not occur in the other half."""
    half = len(texts) // 2
    known = {word for words in texts[:half] for word in words}
    new = [word not in known for words in texts[half:] for word in words]
    return sum(new) / max(len(new), 1)


def _entropy(texts: Sequence[Words]) -> float:
    pairs = Counter(pair for words in texts for pair in pairwise(words))
    total = sum(pairs.values())
    return math.log2(total) - sum(count * math.log2(count) for count in pairs.values()) / total if total else 0.0
