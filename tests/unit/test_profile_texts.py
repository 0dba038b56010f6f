"""What is measured of free text: the order of its words, and words that are new."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from mle_star.tools.profile_texts import measure_texts, new_words, word_order

SENTENCES = [
    f"the {size} {thing} {stands} {where} of the {town}"
    for size in ("old", "small", "red", "tall")
    for thing in ("house", "tower", "tree", "wall")
    for stands in ("stands", "fell", "was built", "is seen")
    for where in ("in the north", "on the edge", "at the gate", "in the middle")
    for town in ("town", "village")
]


def test_sentences_have_an_order_and_lists_of_key_words_have_none() -> None:
    rng = random.Random(1)
    lists = [" ".join(rng.sample(sentence.split(), len(sentence.split()))) for sentence in SENTENCES]
    ordered, _ = measure_texts(SENTENCES)
    shuffled, _ = measure_texts(lists)
    assert ordered > 0.5
    assert shuffled < 0.03 * ordered


def test_chinese_is_read_letter_by_letter() -> None:
    order, _ = measure_texts(["房间很干净", "房间很漂亮", "早餐很好吃"] * 50)
    assert order > 0.5


def test_words_are_new_where_other_texts_lack_them() -> None:
    assert new_words([["a", "b"], ["a", "c"]]) == 0.5
    assert new_words([["a", "b"]] * 4) == 0.0
    assert measure_texts(f"word{number}" for number in range(10))[1] == 1.0


@given(st.lists(st.lists(st.sampled_from("abcdefg"), max_size=8), max_size=40))
def test_any_texts_can_be_measured(texts: list[list[str]]) -> None:
    assert 0 <= new_words(texts) <= 1
    order = word_order(texts)
    assert 0 <= order <= 12
    assert order == word_order(texts)
