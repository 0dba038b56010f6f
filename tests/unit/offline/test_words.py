"""What scripts make of words beside other columns, and of helpers that a task calls for or does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mle_star.offline.frame import write_script
from mle_star.offline.library import recipes_for
from mle_star.offline.parts import calls, functions, trimmed
from mle_star.offline.reading import read_environment, read_facts
from mle_star.offline.refining import ideas_for
from mle_star.offline.script import functions_of
from tests.unit.offline.simulate import ENVIRONMENT, Task, ask, code

RNG = np.random.default_rng
WORDS = np.array(["alder", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "yew"])


def titles(rows: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Titles of three words, each of which has an effect, and their sum."""
    chosen = RNG(seed).integers(0, len(WORDS), (rows, 3))
    effects = np.linspace(-2, 2, len(WORDS))
    return pd.DataFrame({"title": [" ".join(WORDS[row]) for row in chosen]}), effects[chosen].sum(axis=1)


def scores(fit: pd.DataFrame, target: np.ndarray, new: pd.DataFrame, **scope: Any) -> tuple[np.ndarray, np.ndarray]:
    """What the words of titles say, as a script finds it; with `groups_of` in scope, where the test has own groups."""
    scope = {"np": np, "SEED": 0, "TARGET_KIND": "continuous"} | scope
    for name in ("word_weights", "inner_folds", "word_scores"):
        exec(trimmed(functions("tabular")[name], {"groups"} if "groups_of" in scope else ()), scope)
    fit_words, new_words = scope["word_weights"](fit, new, "title")
    folds = scope["inner_folds"](fit, target)
    found: tuple[np.ndarray, np.ndarray] = scope["word_scores"](fit_words, target, new_words, folds)
    return found


def test_words_tell_a_target_that_is_the_sum_of_their_effects() -> None:
    (fit, target), (new, truth) = titles(600), titles(200, seed=1)
    for told, known in zip(scores(fit, target, new), (target, truth), strict=True):
        assert told.shape == (len(known), 1)
        assert np.corrcoef(told[:, 0], known)[0, 1] > 0.95


def test_words_that_tell_nothing_do_not_betray_a_rows_own_target() -> None:
    fit = pd.DataFrame({"title": [f"word{row} word{row // 2}" for row in range(600)]})
    noise = RNG(2).normal(size=600)
    told, _ = scores(fit, noise, fit.head(5))
    assert np.corrcoef(told[:, 0], noise)[0, 1] < 0.15


@pytest.mark.parametrize("has_groups", [True, False])
def test_words_do_not_betray_the_target_of_a_group_that_the_test_would_not_share(has_groups: bool) -> None:
    group = np.repeat(np.arange(100), 6)
    fit = pd.DataFrame({"title": [f"word{one}" for one in group]})
    noise = RNG(2).normal(size=100)[group]
    known = {"groups_of": lambda rows: pd.Series(group).loc[rows.index]} if has_groups else {}
    told, _ = scores(fit, noise, fit.head(5), **known)
    assert (np.corrcoef(told[:, 0], noise)[0, 1] < 0.15) == has_groups


def test_inner_folds_hold_rare_classes_each_row_once() -> None:
    scope: dict[str, Any] = {"np": np, "SEED": 0, "TARGET_KIND": "multiclass"}
    exec(trimmed(functions("tabular")["inner_folds"], ()), scope)
    target = np.array([0] * 30 + [1] * 9 + [2] * 3 + [3] * 2)
    folds = scope["inner_folds"](pd.DataFrame({"x": target}), target)
    assert sorted(np.concatenate([judge for _, judge in folds])) == list(range(len(target)))
    assert all({0, 1} <= set(target[judge]) for _, judge in folds)


def test_each_of_several_classes_has_a_score() -> None:
    fit, effect = titles(600)
    target = np.digitize(effect, np.quantile(effect, [0.33, 0.67]))
    told, new = scores(fit, target, fit.head(7), TARGET_KIND="multiclass", classes=np.array(list("abc")))
    assert told.shape == (600, 3)
    assert new.shape == (7, 3)
    assert (told.argmax(axis=1) == target).mean() > 0.7


def test_a_column_without_a_word_has_scores_all_the_same() -> None:
    empty = pd.DataFrame({"title": pd.Series([None] * 40, dtype="str")})
    told, new = scores(empty, RNG(0).normal(size=40), empty.head(3))
    assert np.isfinite(told).all()
    assert np.isfinite(new).all()


def script(folder: Path, **columns: Any) -> str:
    """The first script for a table of two numbers and these columns."""
    generator = RNG(0)
    table = pd.DataFrame({"a": generator.normal(size=400), "b": generator.integers(0, 9, 400), **columns})
    table["y"] = generator.normal(size=400)
    facts = read_facts(Task(folder, table[:300], table[300:], "y", "rmse").brief, read_environment(ENVIRONMENT))
    recipes = recipes_for(facts)
    return write_script(facts, recipes, recipes.families(facts)[:1], 1, 2)


def test_a_table_of_plain_numbers_needs_no_helper_for_anything_else(tmp_path: Path) -> None:
    text = script(tmp_path)
    assert not {"as_numbers", "clock_numbers", "as_dates", "word_scores", "telling_columns"} & set(functions_of(text))
    assert "WORDS:" not in text
    assert "# where" not in text


@pytest.mark.parametrize(
    ("values", "helper"),
    [
        ([f"${value:,}" for value in range(1_000, 1_400)], "as_numbers"),
        ([f"{value // 60}:{value % 60:02}" for value in range(400, 800)], "clock_numbers"),
        (pd.date_range("2020-01-01", periods=400).astype(str)[::-1], "as_dates"),
        ([f"{WORDS[i % 12]} {WORDS[i % 11]} {WORDS[i % 7]}" for i in range(400)], "word_scores"),
    ],
)
def test_a_helper_is_there_once_where_a_column_calls_for_it(tmp_path: Path, values: Any, helper: str) -> None:
    text = script(tmp_path, told=values)
    assert text.count(f"def {helper}(") == 1
    assert "# where" not in text


def test_statements_are_left_out_with_their_blocks_where_the_data_does_not_call_for_them() -> None:
    source = (
        "def f(x):\n    for name in x:  # where words\n        a = 1\n\n        b = 2\n    return x  # where not words"
    )
    assert trimmed(source, {"words"}) == "def f(x):\n    for name in x:\n        a = 1\n\n        b = 2"
    assert trimmed(source, set()) == "def f(x):\n    return x"


def test_a_functions_helpers_are_the_names_that_it_reads_and_does_not_define() -> None:
    source = "def f(x):\n    y = g(x)\n    return [h(z) for z in y] + rows.apply(k) + f.table.linear(y)"
    assert set(calls(source)) - {"x"} == {"g", "h", "k", "rows"}


def test_a_study_leaves_the_words_out(tmp_path: Path) -> None:
    titled = script(tmp_path / "titles", told=[f"{WORDS[i % 12]} {WORDS[i % 11]} {WORDS[i % 7]}" for i in range(400)])
    plain = script(tmp_path / "numbers")
    studied = ("string_features", "number_features", "model_scale", "lightgbm")
    earlier = "\n".join(f"- `{part}` left out: 1.2 (+0.1, worse)" for part in studied)
    studies = [
        code(ask("ablation_study", environment=ENVIRONMENT, script=text, earlier_summaries=earlier))
        for text in (titled, plain)
    ]
    assert ["word_scores" in study.split("unchanged = ")[1] for study in studies] == [True, False]


@pytest.mark.parametrize(("goes_on", "ideas"), [(True, 1), (False, 0)])
def test_days_to_the_time_are_planned_only_where_the_test_goes_on_in_time(
    goes_on: bool, ideas: int, tmp_path: Path
) -> None:
    generator = RNG(0)
    days = pd.date_range("2018-01-01", periods=400).astype(str)
    table = pd.DataFrame(
        {"when": days if goes_on else generator.permutation(days), "born": generator.permutation(days)}
    )
    table["y"] = generator.normal(size=400)
    facts = read_facts(Task(tmp_path, table[:300], table[300:], "y", "rmse").brief, read_environment(ENVIRONMENT))
    assert facts.follows == goes_on
    assert sum("to the time" in idea.title for idea in ideas_for("date_features", facts)) == ideas


def test_places_that_only_count_time_are_no_features(tmp_path: Path) -> None:
    names = ("from_lat", "from_lon", "to_lat", "to_lon")
    table = pd.DataFrame({"when": pd.date_range("2018-01-01", periods=400).astype(str)})
    table = table.assign(**{name: np.arange(400) / 10 for name in names}, y=RNG(0).normal(size=400))
    facts = read_facts(Task(tmp_path, table[:300], table[300:], "y", "rmse").brief, read_environment(ENVIRONMENT))
    assert {*names} <= {*facts.profile.split.untrusted}
    recipes = recipes_for(facts)
    assert "PLACES" not in write_script(facts, recipes, recipes.families(facts)[:1], 1, 2)
