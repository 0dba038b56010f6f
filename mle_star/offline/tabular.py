"""Recipes for tables: which models and features a table calls for, and their text."""

from __future__ import annotations

from mle_star.offline import parts
from mle_star.offline.columns import (
    code_columns,
    found_in,
    has_groups,
    has_words,
    is_number,
    is_string,
    may_write_numbers,
)
from mle_star.offline.frame import functions
from mle_star.offline.places import find_places
from mle_star.offline.recipe import Facts, Family, Idea, set_keywords
from mle_star.offline.script import constants
from mle_star.offline.tables import shared_columns, training_table, whole_test
from mle_star.offline.tabular_sizes import sized

FAMILIES = (
    Family(
        "LightGBM, gradient-boosted trees",
        "Leaf-wise gradient boosting with early stopping: takes missing values as they are, learns thresholds and "
        "interactions by itself, and is fast on large tables.",
        "tree_matrix", "lightgbm", ("lightgbm",),
    ),
    Family(
        "CatBoost, oblivious boosted trees",
        "Gradient boosting with symmetric trees and ordered statistics: strong with its defaults, hard to overfit.",
        "tree_matrix", "catboost", ("catboost",),
    ),
    Family(
        "HistGradientBoosting with random columns",
        "scikit-learn's histogram boosting with small trees, each cut over a random half of the columns.",
        "tree_matrix", "hist_gradient_boosting",
    ),
    Family(
        "ExtraTrees, extremely randomised trees",
        "Hundreds of trees with random cuts, averaged: low variance, and unlike boosting in its errors.",
        "tree_matrix", "extra_trees",
    ),
    Family(
        "Regularised linear model on splines and one-hot categories",
        "A ridge or logistic regression on smooth curves of the numbers, on categories and on words of "
        "texts: strong on "
        "small data and a good partner for trees.",
        "spline_matrix", "linear",
    ),
    Family(
        "Multi-layer perceptron on normalised columns",
        "A small neural network over quantile-normalised numbers and one-hot categories, averaged over starts: smooth "
        "where trees make steps.",
        "dense_matrix", "neural_network",
    ),
    Family(
        "XGBoost, level-wise boosted trees",
        "Regularised gradient boosting that grows trees level by level, over random columns and rows.",
        "tree_matrix", "xgboost", ("xgboost",),
    ),
    Family(
        "LightGBM on categories as they are",
        "Gradient boosting that groups a category's values by itself at every cut, with LightGBM's own settings: "
        "quick, and unlike the boosters that are given codes and means.",
        "category_matrix", "categorical_lightgbm", ("lightgbm",),
    ),
    Family(
        "Nystroem kernel machine",
        "An RBF kernel approximated by landmarks under a linear model: smooth functions of all columns at once.",
        "dense_matrix", "kernel_machine",
    ),
    Family(
        "Random forest",
        "Bagged trees over bootstrap samples: robust, needs no tuning.",
        "tree_matrix", "random_forest",
    ),
    Family(
        "skrub TableVectorizer with boosted trees",
        "skrub reads dates, categories and texts of a messy table by itself; a histogram booster learns from them.",
        "table_matrix", "booster_on_table", ("skrub",),
    ),
    Family(
        "Nearest neighbours on scaled columns",
        "Predicts from the most similar training rows: no assumptions at all, a partner for the others.",
        "dense_matrix", "nearest_neighbours",
    ),
)  # fmt: skip


class TabularRecipes:
    """What is known of tables of any shape. Also serves modalities that have no recipes of their own."""

    name = "tabular"

    def families(self, facts: Facts) -> tuple[Family, ...]:
        """Families whose packages are listed, strongest first for this table's size."""
        found = [family for family in FAMILIES if facts.environment.has(*family.packages)]
        if facts.columns > 300:
            late = {"neural_network", "kernel_machine", "nearest_neighbours", "booster_on_table"}
        elif facts.search_rows < 2_000:
            late = {"booster_on_table"}  # slow to import, and its many columns need many rows
        else:
            late = {"nearest_neighbours"}
        return tuple(sorted(found, key=lambda family: family.model in late))

    def dropped(self, facts: Facts) -> list[str]:
        """The columns that are no features: target, identifiers, groups, what tells nothing or only counts time."""
        columns, split = facts.profile.columns, facts.profile.split
        dates = [column.name for column in columns if column.kind == "date"]
        untrusted = [name for name in split.untrusted if name not in dates]
        codes = code_columns(facts)
        useless = [c.name for c in columns if c.kind in {"id", "path", "constant"} and c.name not in codes]
        drop = [*facts.targets, *facts.id_columns, *useless, *untrusted]
        if has_groups(facts) and split.column and split.column in split.untrusted:
            drop.append(split.column)
        return list(dict.fromkeys(drop))

    def places(self, facts: Facts) -> list[tuple[str, str]]:
        """Latitude and longitude of two places or more, among the features."""
        drop = self.dropped(facts)
        return find_places([column for column in facts.profile.columns if column.name not in drop])

    def settings(self, facts: Facts) -> str:
        """Columns by what they are."""
        split = facts.profile.split
        time_columns = [split.column] if split.kind == "time" and split.column else []
        codes, drop = code_columns(facts), self.dropped(facts)
        kept = [column for column in facts.profile.columns if column.name not in drop]
        strings = [column.name for column in kept if is_string(column) or column.name in codes]
        return constants(
            DROP=drop,
            DATES=[column.name for column in kept if column.kind == "date"],
            TEXTS=[column.name for column in kept if column.kind == "text"],
            STRINGS=strings,
            CODES=[name for name in strings if name in codes],
            NUMBERS=[column.name for column in kept if is_number(column)],
            CATEGORIES=[c.name for c in kept if c.kind in {"category", "boolean"} and not is_number(c)],
            WORDS=[column.name for column in kept if has_words(column)],
            TIME_COLUMNS=time_columns,
            **({"PLACES": places} if (places := self.places(facts)) else {}),
        )

    def loading(self, facts: Facts) -> str:
        """Read the training table; find the columns whose numbers are written as text, where there may be any."""
        text = f"{training_table(facts)}\n{shared_columns(facts, *LISTS)}"
        if not may_write_numbers(facts):
            return text.rstrip()
        helpers = functions(facts, self, ["as_numbers"])
        return f"{text}\n\n{helpers}\n\n\n{NUMBERS_FOUND}"

    def test_loading(self, facts: Facts) -> str:
        """Read the test table as the training table was read."""
        return f"test = {whole_test(facts)}"

    def features(self, facts: Facts) -> tuple[str, ...]:
        """Cleaning, then what the kinds of columns call for."""
        kept = facts.profile.columns
        steps = ["elapsed_time", "clean"] if facts.follows else ["clean"]
        if any(column.kind == "date" for column in kept):
            steps.append("date_features")
        if any(is_string(column) for column in kept) or code_columns(facts):
            steps.append("string_features")
        if self.places(facts):
            steps.append("place_features")
        if len(kept) <= 80:
            steps.append("number_features")
        return tuple(steps)

    def part(self, name: str, facts: Facts) -> str | None:
        """A function's text, fitted to the task: without what its data does not call for, its defaults by the size."""
        source = parts.functions("tabular").get(name)
        if source is None:
            source = parts.functions("classification" if facts.classifies else "regression").get(name)
        if source is None:
            return None
        source = parts.trimmed(source, found_in(facts))
        changed = set_keywords(**sized(name, facts))(source, "")
        return changed or source

    def ideas(self, block: str) -> tuple[Idea, ...]:
        """The repertoire for tables."""
        from mle_star.offline.tabular_ideas import IDEAS

        return tuple(idea for idea in IDEAS if idea.block == block)


LISTS = ("TARGETS", "DROP", "DATES", "TEXTS", "CODES", "NUMBERS", "CATEGORIES")
"""The constants that name all columns of a table that a script knows of."""

NUMBERS_FOUND = """\
NUMERIC = []  # columns of which nearly all values are numbers, written as numbers or as text
for name in train.columns.difference(TARGETS + DROP + DATES + TEXTS):
    known = train[name].dropna()
    known = known[:: 1 + len(known) // 10_000]  # as many tell it as well as all
    if not pd.api.types.is_bool_dtype(known) and as_numbers(known).notna().mean() > 0.9:
        NUMERIC.append(name)"""
