"""The recipes for texts: what they offer for a task, and that their functions and ideas hold together."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from mle_star.models.metric import Metric
from mle_star.models.profile import ColumnProfile, DataProfile, SplitProfile, TargetProfile
from mle_star.offline import parts
from mle_star.offline.frame import functions, write_script
from mle_star.offline.recipe import Environment, Facts
from mle_star.offline.text import TextRecipes, text_columns
from mle_star.offline.text_ideas import IDEAS

RECIPES = TextRecipes()
TEXT = ColumnProfile(name="text", kind="text", dtype="str")
PACKAGES = Environment(packages={"scikit-learn": "", "lightgbm": "", "pandas": "", "numpy": ""})


def facts(task_type: str, columns: tuple[ColumnProfile, ...] = (TEXT,), rows: int = 500) -> Facts:
    classifies = task_type == "classification"
    target = TargetProfile(
        names=("label",), kind="binary" if classifies else "numeric", dtype="str", class_count=2 if classifies else None
    )
    profile = DataProfile(files=(), train_file="train.csv", train_rows=rows, columns=columns, target=target)
    metric = Metric(name="accuracy", maximize=True) if classifies else Metric(name="rmse", maximize=False)
    return Facts(task_type, "text", metric, profile, PACKAGES)  # type: ignore[arg-type]


def part(name: str, task: Facts | None = None, **settings: Any) -> Callable[..., Any]:
    """A function of a text script with those that it calls, defined."""
    constants = {"SEED": 0, "DROP": [], "NUMBERS": [], "CATEGORIES": [], "TEXTS": ["text"], "TARGET_KIND": "continuous"}
    scope: dict[str, Any] = {"np": np, "pd": pd, **constants, **settings}
    exec(functions(task or facts("regression"), RECIPES, [name]), scope)
    function: Callable[..., Any] = scope[name]
    return function


@pytest.mark.parametrize("task_type", ["classification", "regression"])
def test_eight_families_are_offered_and_each_makes_a_script_that_compiles(task_type: str) -> None:
    task = facts(task_type)
    families = RECIPES.families(task)
    assert len(families) >= 8
    for family in families:
        script = write_script(task, RECIPES, (family,), 1, 2)
        ast.parse(script)
        assert f"def {family.model}(" in script
        assert f"def {family.prepare}(" in script
        assert ("def spread(" in script) == (task_type == "classification" and "spread(" in script)


def test_without_lightgbm_no_boosting_is_offered() -> None:
    task = Facts(**{**facts("classification").__dict__, "environment": Environment(packages={"scikit-learn": ""})})
    assert "text_boosting" not in {family.model for family in RECIPES.families(task)}


def test_strings_stand_in_where_no_column_is_free_text() -> None:
    column = ColumnProfile(name="query", kind="id", dtype="str", unique=500)
    assert text_columns(facts("classification", (column,))) == ["query"]


def test_strings_that_stand_in_for_texts_are_read_by_letters_and_left_as_they_are() -> None:
    task = facts("classification", (ColumnProfile(name="address", kind="id", dtype="str", unique=500),), rows=5_000)
    script = write_script(task, RECIPES, RECIPES.families(task)[:1], 1, 2)
    assert "DROP = ['label']" in script
    assert "TEXTS = ['address']" in script
    assert "clean_text" not in script  # which puts one word in the place of every address
    rows = pd.DataFrame({"address": [f"https://a.example/{row}" for row in range(1_200)]})
    fit_matrix, new_matrix = part("word_letter_matrix", task, TEXTS=["address"])(rows, None, rows[:5])
    assert fit_matrix.shape[1] == new_matrix.shape[1] > 100


@pytest.mark.parametrize("kind", ["id", "text"])
def test_a_string_is_a_feature_even_if_a_part_of_it_tells_groups(kind: Literal["id", "text"]) -> None:
    column = ColumnProfile(name="address", kind=kind, dtype="str", unique=500)
    split = SplitProfile(kind="group", column="address", part="^(.+)/", untrusted=("address",))
    task = facts("classification", (column,))
    task = replace(task, profile=task.profile.model_copy(update={"split": split}))
    assert text_columns(task) == ["address"]


def test_what_is_no_number_in_either_table_is_missing_and_true_and_false_are_numbers() -> None:
    fit_rows = pd.DataFrame({"size": [1.0, 2.0, np.nan, 4.0], "age": ["1", "?", "3", "4"], "new": [True, False] * 2})
    new_rows = pd.DataFrame({"size": ["1", "-", " ", "4"], "age": [1, 2, 3, 4], "new": [True, None, False, True]})
    numbers, _, fit_side, new_side = part("beside", NUMBERS=["age"], CATEGORIES=["new"])(fit_rows, new_rows)
    assert numbers == ["size", "age", "new"]
    assert fit_side["age"].isna().tolist() == [False, True, False, False]
    assert new_side["size"].isna().tolist() == [False, True, True, False]
    fit_matrix, new_matrix = part("side_columns", NUMBERS=["age"], CATEGORIES=["new"])(fit_rows, new_rows)
    assert fit_matrix.shape == new_matrix.shape == (4, 5)  # three numbers, and where two of them have gaps


def test_amounts_that_are_written_for_people_are_numbers_beside_texts() -> None:
    rows = pd.DataFrame({"price": ["$1,234.50", "$7.00", None, "on request"], "text": list("abcd")})
    _, _, side, _ = part("beside", NUMBERS=["price"])(rows, rows)
    assert side["price"].tolist()[:2] == [1234.5, 7.0]
    assert side["price"].isna().tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("column", "numbers"),
    [
        (pd.Series(["12.5 %", "1", None], dtype="string"), [12.5, 1.0, np.nan]),
        (pd.Series(["$1,234", "x"], dtype="string[pyarrow]"), [1234.0, np.nan]),
        (pd.Series([True, None, False]), [1.0, np.nan, 0.0]),
        (pd.Series([pd.Timestamp("2020-01-01"), pd.NaT]), [np.nan, np.nan]),
        (pd.Series(["a", 1, "2"]), [np.nan, 1.0, 2.0]),
    ],
)
def test_numbers_are_read_whatever_a_column_is_made_of(column: pd.Series[Any], numbers: list[float]) -> None:
    np.testing.assert_array_equal(part("as_numbers")(column), numbers)


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        (["14:35", "2:05", None, "soon"], [875, 125, np.nan, np.nan]),
        (["2:35 PM", "12:05 am", "12:00 p.m."], [875, 5, 720]),
        (["1:02:03", "59:59", "100:00:00.5"], [3_723, 3_599, 360_000.5]),
        (["1:02:03 pm", "12:00:01 AM"], [46_923, 1]),
        (["16:9", "a:30", "$1,200"], [np.nan, np.nan, 1_200]),
    ],
)
def test_times_of_day_and_durations_are_numbers(written: list[str | None], numbers: list[float]) -> None:
    column = ColumnProfile(name="at", kind="numeric", dtype="str", examples=("14:35",))
    read = part("as_numbers", facts("regression", (column, TEXT)))
    np.testing.assert_array_equal(read(pd.Series(written)), numbers)


def test_where_words_are_not_told_apart_each_letter_is_read_as_one() -> None:
    column = TEXT.model_copy(update={"examples": ("房间干净",)})
    rows = pd.DataFrame({"text": ["房间干净", "房间漂亮"]})
    fit_matrix, _ = part("word_matrix", facts("classification", (column,)))(rows, None, rows)
    assert fit_matrix.shape[1] == 6 + 5 + 4  # letters, pairs and threes, those that both texts have counted once


@pytest.mark.parametrize(
    ("measured", "keywords"),
    [
        ({}, ("longest=2", "letters=True")),
        ({"word_order": 0.69, "new_words": 0.06}, ("longest=2", "letters=True")),
        ({"word_order": 0.002, "new_words": 0.06}, ("longest=1", "letters=True")),
        ({"word_order": 2.1, "new_words": 0.0}, ("longest=2", "letters=False")),
    ],
)
def test_pairs_and_letters_are_counted_where_they_tell_something(
    measured: dict[str, float], keywords: tuple[str, str]
) -> None:
    task = facts("classification", (TEXT.model_copy(update=measured),))
    script = "".join(RECIPES.part(name, task) or "" for name in ("word_matrix", "word_letter_matrix"))
    assert all(keyword in script for keyword in keywords)


def test_trees_see_gaps_as_gaps_and_thousands_of_shops_as_three_columns() -> None:
    rows = pd.DataFrame({"text": ["a", "b c", "c d"] * 2_000, "size": [np.nan, 1.0] * 3_000})
    rows["shop"] = [f"shop {row % 3_000}" for row in range(6_000)]
    prepare = part("tree_words", NUMBERS=["size"], CATEGORIES=["shop"])
    fit_matrix, new_matrix = prepare(rows, rows.index.to_numpy() % 3_000 / 3_000, rows[:9].assign(shop="unheard of"))
    assert np.isnan(fit_matrix[::2]).sum() == 3_000
    assert fit_matrix.shape[1] == new_matrix.shape[1] < 20
    assert np.allclose(new_matrix[:, -2:], [-1, 0.5], atol=0.01)  # a new one: no place, and the mean of all


def test_days_that_come_first_are_read_as_days_in_all_rows() -> None:
    frame = part("date_parts", DATES=["when"])(pd.DataFrame({"when": ["05.03.2020", "25.03.2020", None]}))
    assert frame["when month"].tolist()[:2] == [3, 3]


def test_every_title_is_unique() -> None:
    titles = [idea.title for idea in IDEAS]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("idea", IDEAS, ids=lambda idea: idea.title)
def test_an_idea_changes_its_block_into_another_that_compiles(idea) -> None:  # type: ignore[no-untyped-def]
    sources = [RECIPES.part(idea.block, facts(kind)) for kind in ("classification", "regression")]
    blocks = [source for source in sources if source]
    changed = [new for block in blocks if (new := idea.change(block, block)) and new != block]
    assert changed, f"{idea.title} applies nowhere"
    for block in changed:
        ast.parse(block)


def test_every_family_has_three_ideas_for_its_model_and_its_preparation() -> None:
    for task_type in ("classification", "regression"):
        for family in RECIPES.families(facts(task_type)):
            for block in (family.model, family.prepare):
                source = RECIPES.part(block, facts(task_type)) or ""
                assert sum(idea.change(source, source) not in (None, source) for idea in RECIPES.ideas(block)) >= 3


def test_a_topic_that_hardly_varies_in_the_fit_does_not_carry_predictions_away() -> None:
    rng = np.random.default_rng(0)
    fit, new = rng.normal(size=(200, 5)), rng.normal(size=(50, 5))
    fit[:, 1] *= 1e-9
    target = fit[:, 0] + 0.1 * rng.normal(size=200)
    scope: dict[str, Any] = {"np": np}
    exec(parts.functions("text_regression")["topic_ridge"], scope)
    assert np.abs(scope["topic_ridge"](fit, target, new) - new[:, 0]).max() < 2
