"""What is measured of a task's data."""

from __future__ import annotations

from typing import Literal

from mle_star.models.frozen import Frozen


class FileProfile(Frozen):
    """One data file, or one folder of many alike files (images)."""

    path: str
    """Relative to the task's folder."""
    bytes: int
    rows: int | None = None
    columns: int | None = None
    files: int | None = None
    """How many files a folder holds; None for a file."""
    separator: str | None = None
    """What stands between a CSV's values, where it is not the comma: `pandas.read_csv(sep=...)`."""
    encoding: str | None = None
    """A CSV's encoding, where it is not UTF-8: `pandas.read_csv(encoding=...)`."""
    decimal: str | None = None
    """A CSV's decimal mark, where it is not the point: `pandas.read_csv(decimal=...)`."""
    remarks: int | None = None
    """Lines of remarks before a CSV's header, where there are any: `pandas.read_csv(skiprows=...)`."""


class ColumnProfile(Frozen):
    """One column of the training table, measured."""

    name: str
    kind: Literal["numeric", "boolean", "category", "text", "date", "path", "id", "constant"]
    dtype: str
    missing: float = 0.0
    """Share of missing values, 0 to 1."""
    unique: int | None = None
    examples: tuple[str, ...] = ()
    minimum: float | str | None = None
    maximum: float | str | None = None
    word_order: float | None = None
    """Of a text: bits by which a word tells of the next one, other than in the same texts with their words shuffled."""
    new_words: float | None = None
    """Of a text: share of words that do not occur in as many other texts, 0 to 1."""


class TargetProfile(Frozen):
    """The column (or columns) to predict."""

    names: tuple[str, ...]
    kind: Literal["binary", "multiclass", "multilabel", "numeric"]
    dtype: str
    classes: tuple[tuple[str, float], ...] = ()
    """(label, share) for a classification target, most frequent first; at most 100."""
    class_count: int | None = None
    order: tuple[str, ...] = ()
    """Worded classes from one end to the other, where the metric counts how far apart they are."""
    positives: tuple[str, ...] = ()
    """Where a column has two classes, the one that a single probability, or a metric of one class, is of: for each
    of `names` in turn, empty where it has another number of classes."""
    quantiles: tuple[float, ...] = ()
    """Minimum, 5%, 25%, 50%, 75%, 95%, maximum of a numeric target."""
    skew: float | None = None
    missing: float = 0.0
    as_text: bool = False
    """The column is to be read as text: its numbers are written for people, such as `$1,234`, or it has labels such as
    `007` or `NA`, which pandas takes for a number and a missing value: `pandas.read_csv(keep_default_na=False)`."""
    tags_column: str | None = None
    """The training column that lists those of `names` that are 1 in a row, where they have no columns of their own."""
    tags_separator: str | None = None
    """What stands between the names there."""


class SplitProfile(Frozen):
    """How the test rows differ from the training rows, measured: what the validation must imitate."""

    kind: Literal["random", "time", "group"] = "random"
    column: str | None = None
    """The time column that the test rows continue, or the group column whose values do not recur."""
    part: str | None = None
    """Where the group is a part of the column's text, such as `p12` in `p12_v3`: the pattern that finds it."""
    days: int | None = None
    """Where the groups are stretches of days of a date column: how many days the test's are long."""
    evidence: str = "test rows look like training rows"
    untrusted: tuple[str, ...] = ()
    """Columns that only count time (or rows): constant within a group, or beyond the training range in the test."""
    worded: tuple[str, ...] = ()
    """Columns that name the groups, all of them new in the test, in words that recur: each word can tell something."""


class ImageProfile(Frozen):
    """Where the images are and how a table's row finds its file."""

    column: str | None
    """The column that names the file; None where the folder's name is the label."""
    train_pattern: str
    """Such as `train/{}.png`: the column's value goes into the braces; relative to the task's folder."""
    test_pattern: str
    width: int
    height: int
    mode: str
    """PIL's mode of a first image: L, RGB, RGBA, ..."""
    same_size: bool = True


class SubmissionFormat(Frozen):
    """What the submission file must look like."""

    columns: tuple[str, ...]
    id_column: str | None
    """The column that names the rows; None where there is none, or where several do so together."""
    prediction_columns: tuple[str, ...]
    other_columns: tuple[str, ...] = ()
    """Columns of the sample that name no rows and are not predicted: they are copied."""
    rows: int | None = None
    sample_file: str | None = None
    values: Literal["labels", "probabilities", "numbers", "unknown"] = "unknown"
    id_as_text: bool = False
    """An id is a word such as `NA`, which pandas takes for a missing value: `read_csv(keep_default_na=False)`."""
    one_for_several: bool = False
    """Whether several test rows have the same key, and the sample asks for one prediction for each key."""
    separator: str | None = None
    """What stands between the labels where a cell lists several, best first."""

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that name the rows, together where there are several."""
        others = {*self.prediction_columns, *self.other_columns}
        return tuple(name for name in self.columns if name not in others)


class DataProfile(Frozen):
    """A task's data, measured once: what every prompt says of it."""

    files: tuple[FileProfile, ...]
    train_file: str | None = None
    more_train_files: tuple[str, ...] = ()
    """Further files of the training table, of the same columns, where it is cut into several."""
    labels_file: str | None = None
    """The table that holds the target, where the training table does not."""
    labels_key: str | None = None
    """The column that joins the two; without one they have the same rows in the same order."""
    test_file: str | None = None
    more_test_files: tuple[str, ...] = ()
    """Further files of the test table, likewise."""
    train_rows: int | None = None
    test_rows: int | None = None
    column_count: int | None = None
    columns: tuple[ColumnProfile, ...] = ()
    """The features, without id and target; at most 80, the rest is summed up in `more_columns`."""
    more_columns: str | None = None
    target: TargetProfile | None = None
    split: SplitProfile = SplitProfile()
    images: ImageProfile | None = None
    submission: SubmissionFormat | None = None
    warnings: tuple[str, ...] = ()
    """What looks odd but does not stop a run, such as a sample submission with fewer rows than the test set."""
