"""How scripts read tables: the text of the calls, as the profile says that the files are written."""

from __future__ import annotations

import re
from collections.abc import Callable

from mle_star.models.writing import MISSING
from mle_star.offline.recipe import Facts


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
