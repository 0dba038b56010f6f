"""Recipes for tables: which models and features a table calls for, and their text."""

from __future__ import annotations

import re
from collections.abc import Callable

from mle_star.models.data_models import ColumnProfile
from mle_star.models.writing import MISSING, count_words
from mle_star.offline import parts
from mle_star.offline.places import find_places
from mle_star.offline.recipe import Facts, Family, Idea, set_keywords
from mle_star.offline.script import constants
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

    def settings(self, facts: Facts) -> str:
        """Columns by what they are."""
        columns = facts.profile.columns
        split = facts.profile.split
        time_columns = [split.column] if split.kind == "time" and split.column else []
        dates = [column.name for column in columns if column.kind == "date"]
        untrusted = [name for name in split.untrusted if name not in dates]
        codes = _codes(facts)
        useless = [c.name for c in columns if c.kind in {"id", "path", "constant"} and c.name not in codes]
        drop = [*facts.targets, *facts.id_columns, *useless, *untrusted]
        if split.kind == "group" and split.column and not split.days:
            drop.append(split.column)
        drop = list(dict.fromkeys(drop))
        kept = [column for column in columns if column.name not in drop]
        strings = [column.name for column in kept if _is_string(column) or column.name in codes]
        return constants(
            DROP=drop,
            DATES=[column.name for column in kept if column.kind == "date"],
            TEXTS=[column.name for column in kept if column.kind == "text"],
            STRINGS=strings,
            CODES=[name for name in strings if name in codes],
            NUMBERS=[column.name for column in kept if _is_number(column)],
            CATEGORIES=[c.name for c in kept if c.kind in {"category", "boolean"} and not _is_number(c)],
            WORDS=[column.name for column in kept if _has_words(column)],
            TIME_COLUMNS=time_columns,
            **({"PLACES": places} if (places := find_places(kept)) else {}),
        )

    def loading(self, facts: Facts) -> str:
        """Read the training table; find the columns whose numbers are written as text, where there may be any."""
        text = f"{training_table(facts)}\n{shared_columns(facts, *LISTS)}"
        if not _may_write_numbers(facts):
            return text.rstrip()
        return f"{text}\n\n{parts.functions('tabular')['as_numbers']}\n\n\n{NUMBERS_FOUND}"

    def test_loading(self, facts: Facts) -> str:
        """Read the test table as the training table was read."""
        return f"test = {whole_test(facts)}"

    def features(self, facts: Facts) -> tuple[str, ...]:
        """Cleaning, then what the kinds of columns call for."""
        kept = facts.profile.columns
        steps = ["elapsed_time", "clean"] if facts.follows else ["clean"]
        if any(column.kind == "date" for column in kept):
            steps.append("date_features")
        if any(_is_string(column) for column in kept) or _codes(facts):
            steps.append("string_features")
        if find_places(kept):
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
        source = parts.trimmed(source, _found(facts))
        changed = set_keywords(**sized(name, facts))(source, "")
        return changed or source

    def ideas(self, block: str) -> tuple[Idea, ...]:
        """The repertoire for tables."""
        from mle_star.offline.tabular_ideas import IDEAS

        return tuple(idea for idea in IDEAS if idea.block == block)


NUMBERS_DTYPE = re.compile(r"u?int|float", re.IGNORECASE)
MONTH = re.compile(r"^[A-Za-z]{3,9}\W+\d{4}$")
WRITTEN_NUMBER = re.compile(r"\W*\d[\d\s.,]*\W*(k|mn?|bn?)?\W*", re.IGNORECASE)

LISTS = ("TARGETS", "DROP", "DATES", "TEXTS", "CODES", "NUMBERS", "CATEGORIES")
"""The constants that name all columns of a table that a script knows of."""

NUMBERS_FOUND = """\
NUMERIC = []  # columns of which nearly all values are numbers, written as numbers or as text
for name in train.columns.difference(TARGETS + DROP + DATES + TEXTS):
    known = train[name].dropna()
    known = known[:: 1 + len(known) // 10_000]  # as many tell it as well as all
    if not pd.api.types.is_bool_dtype(known) and as_numbers(known).notna().mean() > 0.9:
        NUMERIC.append(name)"""


def training_table(facts: Facts, read: Callable[[str, Facts], str] | None = None) -> str:
    """Read `train`: one file or several alike, with the target, which may stand in a table of its own.

    `read` writes the expression that reads a file, `read_call` if it is not given.
    """
    profile, read = facts.profile, read or read_call
    first, more = profile.train_file or "train.csv", profile.more_train_files
    calls = [read(file, facts) for file in (first, *more)]
    lines = [f"train = {_one_table(calls)}"]
    if profile.labels_file:
        call, key = read(profile.labels_file, facts), profile.labels_key
        lines.append(f"labels = {call}")
        if key:
            as_text = '.astype("str").str.removesuffix(".0")'
            lines.append(f"labels = labels.set_index(labels[{key!r}]{as_text})")
            lines.append(f"train[TARGETS] = labels[TARGETS].reindex(train[{key!r}]{as_text}).to_numpy()")
        else:
            lines.append("train[TARGETS] = labels[TARGETS].to_numpy()")
    elif profile.target and profile.target.tags_column:
        told = f"train[{profile.target.tags_column!r}].fillna('').str.get_dummies({profile.target.tags_separator!r})"
        lines.append(f"train[TARGETS] = {told}.reindex(columns=TARGETS, fill_value=0)")
    return "\n".join(lines)


def whole_test(facts: Facts, read: Callable[[str, Facts], str] | None = None) -> str:
    """The expression that reads the test table, one file or several alike, by `read` or else by `read_call`."""
    profile, read = facts.profile, read or read_call
    return _one_table([read(file, facts) for file in (profile.test_file or "test.csv", *profile.more_test_files)])


def _one_table(calls: list[str]) -> str:
    """The expression that puts tables below one another."""
    listed = "".join(f"\n    {call}," for call in calls)
    return calls[0] if len(calls) == 1 else f"pd.concat([{listed}\n], ignore_index=True)"


NO_INDEX = ".pipe(lambda table: table.reset_index() if any(table.index.names) else table)"
"""What a Parquet file keeps as an index with a name is a column as others."""
AS_TEXT = '.apply(lambda column: column.map(str, na_action="ignore") if column.dtype == object else column)'
"""Lists and records, as JSON and Parquet have them, become text as the profile reads them."""


def read_call(file: str, facts: Facts, texts: tuple[str, ...] = ()) -> str:
    """The expression that reads a table as its profile says.

    Identifiers, and further columns that are named, stay text, so that they are written back.
    """
    path = repr(f"./input/{file}")
    bare = re.sub(r"\.(gz|bz2|zip|xz)$", "", file.lower())
    if bare.endswith((".parquet", ".pq")):
        return f"pd.read_parquet({path}){NO_INDEX}{AS_TEXT}"
    if bare.endswith((".jsonl", ".ndjson")):
        return f"pd.read_json({path}, lines=True){AS_TEXT}"
    if bare.endswith(".json"):
        return f"pd.read_json({path}){AS_TEXT}"
    if bare.endswith(".feather"):
        return f"pd.read_feather({path}){AS_TEXT}"
    if bare.endswith((".xls", ".xlsx")):
        return f"pd.read_excel({path})"
    options = []
    profile = next((item for item in facts.profile.files if item.path == file), None)
    separator = (profile.separator if profile else None) or ("\t" if bare.endswith((".tsv", ".tab")) else None)
    if separator:
        options.append(f"sep={separator!r}")
    if profile and profile.encoding:
        options.append(f"encoding={profile.encoding!r}")
    if profile and profile.decimal:
        options.append(f"decimal={profile.decimal!r}")
    if profile and profile.remarks:
        options.append(f"skiprows={profile.remarks}")
    names = dict.fromkeys((*facts.id_columns, *texts))
    typed = [f"dtype={{{', '.join(f'{name!r}: str' for name in names)}}}"] if names else []
    call = f"pd.read_csv({path}, {', '.join(['low_memory=False', *options, *typed])})"
    if as_written := _as_written(facts):
        # Read apart: with the other columns pandas takes 007 for a number, and NA for a missing value.
        call += f".assign(**pd.read_csv({path}, {', '.join([as_written, *options])}))"
    return call


def _as_written(facts: Facts) -> str:
    """The options that read only the columns whose cells must stay as they are written; none where there are none."""
    target, submission = facts.profile.target, facts.profile.submission
    labels = list(facts.targets) if facts.classifies and target and target.as_text else []
    names = [*labels, *(facts.id_columns if submission and submission.id_as_text else ())]
    if not names:
        return ""
    options = f"usecols=lambda name: name in {names!r}, dtype=str, keep_default_na=False"
    if labels and target:
        missing = [word for word in MISSING if word not in dict(target.classes)]
        options += f", na_values=dict.fromkeys({labels!r}, {missing!r})"
    return options


def _all_are_profiled(facts: Facts) -> bool:
    """Whether the profile names every column that training and test share."""
    profile = facts.profile
    return bool(profile.columns and profile.test_file) and profile.more_columns is None


def shared_columns(facts: Facts, *lists: str) -> str:
    """Leave out what the test lacks: all that these lists do not name; of very many columns, by the test's rows."""
    if not facts.profile.test_file:
        return ""
    listed = ", ".join(f"*{name}" for name in lists)
    if _all_are_profiled(facts):
        return (
            "# Columns that only training rows have cannot be used: "
            "the listed ones are all that test rows have as well.\n"
            f"LISTED = {{{listed}}}\n"
            "train = train[[name for name in train.columns if name in LISTED]]\n"
        )
    rows = read_call(facts.profile.test_file, facts).replace("low_memory=False", "nrows=10_000")
    return (
        "# Columns that only training rows have, or that hold nothing in test rows, cannot be used.\n"
        f'SHARED = {{*{rows}.dropna(axis="columns", how="all").columns, {listed}}}\n'
        "train = train[[name for name in train.columns if name in SHARED]]\n"
    )


def _found(facts: Facts) -> set[str]:
    """What of the things that parts are marked with (`# where words`) there is in the data."""
    columns = [column for column in facts.profile.columns if column.name not in facts.targets]
    dates = [column for column in columns if column.kind == "date"]
    found = {
        "written": _may_write_numbers(facts),
        "texts": any(column.kind == "text" for column in columns),
        "words": any(map(_has_words, columns)),
        "gaps": sum(column.name != facts.profile.split.column for column in dates) > 1,
        "months": any(MONTH.search(example) for column in dates for example in column.examples),
        "stamps": any(NUMBERS_DTYPE.match(column.dtype) for column in dates),
        "wide": facts.columns > 40,
    }
    return {name for name, is_there in found.items() if is_there}


def _is_number(column: ColumnProfile) -> bool:
    """Whether a column is numbers, 0 and 1 among them."""
    return column.kind == "numeric" or (column.kind == "boolean" and NUMBERS_DTYPE.match(column.dtype) is not None)


def _may_write_numbers(facts: Facts) -> bool:
    """Whether some column may hold numbers that are written as text, such as `$1,234`."""
    if facts.profile.more_columns is not None or not facts.profile.columns:
        return True
    texts = [column for column in facts.profile.columns if not NUMBERS_DTYPE.match(column.dtype)]
    return any(c.kind == "numeric" or all(map(WRITTEN_NUMBER.fullmatch, c.examples)) for c in texts if c.kind != "date")


def _has_words(column: ColumnProfile) -> bool:
    """Whether a column's strings have several words, so that each says something by itself."""
    several = sum(count_words(example) > 1 for example in column.examples) > len(column.examples) / 4
    return column.kind == "text" or (_is_string(column) and several)


def _codes(facts: Facts) -> list[str]:
    """Columns of which every value is unlike, but all of one form, such as `AB-1234-XL`: their parts may recur."""
    split = facts.profile.split
    if split.kind != "random":
        return []  # the numbers in them may count time, or the groups that the test set does not share
    lost = {*facts.targets, *facts.id_columns, *split.untrusted}
    return [
        column.name
        for column in facts.profile.columns
        if column.kind == "id" and column.minimum is None and column.name not in lost and _of_one_form(column.examples)
    ]


def _of_one_form(examples: tuple[str, ...]) -> bool:
    """Whether strings have letters, numbers and marks at the same places: hashes and names have not."""
    forms = {re.sub(r"\d+", "9", re.sub(r"[^\W\d_]+", "A", text)) for text in examples}
    return len(examples) > 1 and len(forms) == 1 and re.search("A.*9|9.*A|9.*9", forms.pop()) is not None


def _is_string(column: ColumnProfile) -> bool:
    """Whether a column's strings are worth reading: texts, and categories of many values."""
    if column.kind == "text":
        return True
    wordy = not re.match(r"(u?int|float|bool)", column.dtype.lower())
    return column.kind == "category" and wordy and (column.unique or 0) > 30
