"""Turn a task with gaps into a brief with none: measure the data, and ask by name for what cannot be found."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mle_star.models.data_models import (
    ColumnProfile,
    DataProfile,
    FileProfile,
    ImageProfile,
    SplitProfile,
    SubmissionFormat,
    TargetProfile,
    TaskBrief,
    TaskDescription,
)
from mle_star.models.errors import HINTS, ConfigError, MissingFacts, TaskError
from mle_star.models.metric import Metric
from mle_star.models.metric_finder import find_metric
from mle_star.models.metrics import resolve_metric
from mle_star.tools.profile_columns import profile_columns, shorten
from mle_star.tools.profile_files import Folder, Roles, find_roles, inventory, sealed, walk
from mle_star.tools.profile_images import Media, class_counts, find_media, profile_images, test_files
from mle_star.tools.profile_modality import find_modality, measured
from mle_star.tools.profile_parts import Series, labels_key, training_table
from mle_star.tools.profile_split import measure_split
from mle_star.tools.profile_submission import sample_has_id, submission_format, submission_values
from mle_star.tools.profile_tables import Table
from mle_star.tools.profile_target import (
    Columns,
    check_fit,
    class_columns,
    decide_type,
    find_id,
    find_target,
    label,
    profile_target,
)
from mle_star.tools.task_folder import read_task_folder

if TYPE_CHECKING:
    import pandas as pd


def inspect_task(task: TaskDescription) -> TaskBrief:
    """Complete a task from its data and its description, and profile the data; reads files, asks no model.

    Raises:
        MissingFacts: Something could neither be found nor was given; it names all such things at once.
        TaskError: The folder or a file cannot be read, or what is given contradicts the data.
    """
    return _Inspection(task).brief()


class _Inspection:
    """One look at a task's folder; each step adds what it finds."""

    def __init__(self, task: TaskDescription) -> None:
        self.task = _with_folder_facts(task)
        self.root = Path(task.dataset_path).expanduser()
        self.folders: list[Folder] = list(walk(self.root))
        self.roles: Roles = find_roles(self.folders)
        self.media: Media | None = find_media(self.folders)
        self.test = self._table(self.roles.test)
        self.sample = self._table(self.roles.sample)
        self.labels: Table | None = None
        self.labels_key: str | None = None
        self.warnings: list[str] = []
        self.train = self._training_table()
        self.missing: dict[str, str] = {}

    def _table(self, path: str | None) -> Table | None:
        return Table(self.root, path) if path else None

    def _training_table(self) -> Table | None:
        if self.roles.train is None:
            return None
        table, warnings = training_table(self.root, self.roles.train, self.roles.more)
        self.warnings += warnings
        return table

    def brief(self) -> TaskBrief:
        metric = self._metric()
        self._check_data()
        id_column = self._id_column()
        targets = self._targets(id_column)
        if self.missing:
            raise MissingFacts(tuple(self.missing), "; ".join(self.missing.values()))
        if metric is None:  # not reached: it would be missing
            raise MissingFacts(("evaluation_metric",))
        values = self._target_values(targets)
        kind = decide_type(self.task.task_type, values, metric) if values else self.task.task_type or "classification"
        if values:
            check_fit(kind, values, metric)
        target = profile_target(kind, values) if values else self._folder_target(targets)
        if target.missing:
            self.warnings.append(f"{target.missing:.1%} of the training rows have no {target.names[0]}")
        features = self._features(targets, id_column)
        split = self._split(features, id_column, [] if self.labels else values)
        columns, more = self._columns(features, split)
        images = self._images()
        audio = self.media is not None and self.media.kind == "audio"
        modality = self.task.data_modality or find_modality(self.train, columns, images, split, audio=audio)
        submission = self._submission(id_column, targets, target, kind, metric)
        self._compare_rows(submission)
        profile = DataProfile(
            files=self._files(),
            train_file=self.roles.train,
            more_train_files=tuple(p.path for p in self.train.parts[1:]) if isinstance(self.train, Series) else (),
            labels_file=self.labels.path if self.labels else None,
            labels_key=self.labels_key,
            test_file=self.roles.test,
            train_rows=self.train.rows if self.train else sum(self._classes().values()) or None,
            test_rows=self._test_rows(),
            column_count=len(self.train.names) if self.train else None,
            columns=columns,
            more_columns=more,
            target=target,
            split=split,
            images=images,
            submission=submission,
            warnings=tuple(self.warnings[:10]),
        )
        facts: dict[str, Any] = {
            "task_type": kind,
            "data_modality": modality,
            "evaluation_metric": metric.name,
            "metric_direction": "maximize" if metric.maximize else "minimize",
            "target": targets[0] if len(targets) == 1 else targets,
            "id_column": id_column,
        }
        return TaskBrief(task=self.task.model_copy(update=facts), metric=metric, profile=profile)

    def _metric(self) -> Metric | None:
        name = self.task.evaluation_metric or find_metric(self.task.description)
        if name is None:
            self.missing["evaluation_metric"] = HINTS["evaluation_metric"]
            return None
        try:
            return resolve_metric(name, self.task.metric_direction)
        except MissingFacts as error:
            self.missing["metric_direction"] = str(error)
        except ConfigError as error:
            raise TaskError(str(error)) from error
        return None

    def _check_data(self) -> None:
        has_training = self.train is not None or (self.media is not None and bool(self.media.train))
        if not has_training:
            advice = next((told for folder in self.folders for name in folder.files if (told := sealed(name))), None)
            if advice:
                raise TaskError(f"there is no training data: {advice}")
            self.missing["train_file"] = HINTS["train_file"]
        has_test = self.test is not None or (
            self.media is not None and (bool(self.media.test) or self.sample is not None)
        )
        if not has_test:
            self.missing["test_file"] = HINTS["test_file"]

    def _names(self) -> Columns:
        return Columns(*([] if table is None else table.names for table in (self.train, self.test, self.sample)))

    @cached_property
    def _test_names(self) -> list[str]:
        """The test's columns, without those of training that hold nothing there, as the target may."""
        if self.train is None or self.test is None:
            return [] if self.test is None else self.test.names
        known, test = self.train.sample.notna().any(), self.test
        empty = [n for n in test.names if known.get(n, False) and not test.sample[n].notna().any()]
        return [n for n in test.names if n not in empty or test.column(n).notna().any()]

    def _id_column(self) -> str | None:
        given, names = self.task.id_column, self._names()
        if given is not None:
            if names.test and given not in names.test and given not in names.sample:
                raise TaskError(f"the id column {given!r} is not in {self.roles.test}: {_listed(names.test)}")
            return given
        known = self.train.sample if self.train else None
        is_id = self.sample is not None and sample_has_id(self.sample.sample, known, self._test_names)
        found = find_id(names, is_id)
        if (
            found is not None
            and self.sample is None
            and self.test is not None
            and not self.test.column(found).is_unique
        ):
            return None
        return found

    def _targets(self, id_column: str | None) -> tuple[str, ...]:
        names = self._names()
        if self.task.target is not None:
            given = (self.task.target,) if isinstance(self.task.target, str) else tuple(self.task.target)
            unknown = [n for n in given if n not in names.train] if self.train is not None else []
            if unknown and not self._take_labels(given, id_column):
                told = ", ".join(map(repr, unknown))
                raise TaskError(f"the target {told} is not in {self.roles.train}: {_listed(names.train)}")
            return given
        if self.train is None:
            if self.media is not None and self._classes():
                asked = [n for n in names.sample if n != id_column]
                return (asked[0],) if len(asked) == 1 else ("label",)
        else:
            # The test may have a column for the target, with nothing in it.
            for columns in (names, names._replace(test=self._test_names)):
                if found := find_target(columns, id_column, self._classes_of, self.task.description):
                    return found
            if found := self._target_in_labels(names, id_column):
                return found
        hint = HINTS["target"]
        if names.train:
            hint = hint.replace("not found:", f"not found among {_listed(names.train)}:")
        self.missing["target"] = hint
        return ()

    def _target_in_labels(self, names: Columns, id_column: str | None) -> tuple[str, ...]:
        """Look for the target in a table of its own, such as train_labels.csv."""
        if self.roles.labels is None:
            return ()
        table = Table(self.root, self.roles.labels)
        found = find_target(names._replace(train=table.names), id_column, lambda name: [], self.task.description)
        found = tuple(n for n in found if n in table.names and n not in names.train)
        if not found:
            rest = [n for n in table.names if n not in names.train and n not in names.test and n != id_column]
            found = (rest[0],) if len(rest) == 1 else ()
        return found if found and self._take_labels(found, id_column) else ()

    def _take_labels(self, targets: Sequence[str], id_column: str | None) -> bool:
        if self.roles.labels is None:
            return False
        table = Table(self.root, self.roles.labels)
        if not all(name in table.names for name in targets):
            return False
        self.labels = table
        if self.train is None:
            return True
        self.labels_key = key = labels_key(self.train, table, id_column)
        how = f"join them on {key}" if key else "their rows are in the same order"
        self.warnings.append(f"the target is in {table.path}, not in {self.roles.train}: {how}")
        return True

    def _classes_of(self, name: str) -> list[str]:
        """A column's values as text, when they are few enough to be classes."""
        assert self.train is not None
        if self.train.sample[name].nunique() > 5000:
            return []
        return sorted({text for value in self.train.column(name).unique() if (text := label(value)) is not None})

    def _target_values(self, targets: Sequence[str]) -> list[pd.Series[Any]]:
        source = self.labels or self.train
        if source is None:
            return []
        source.load(targets)
        gaps = [n for n in targets if source.column(n).isna().any() and source.column(n).dtype.kind not in "iufb"]
        if gaps:
            source.read_in_words(gaps)
        values = [source.column(name) for name in targets]
        for column in values:
            if (column == "None").any():
                self.warnings.append(
                    f"None is a class of {column.name}, not a missing value: read the column with keep_default_na=False"
                )
        return values

    def _classes(self) -> dict[str, int]:
        return class_counts(self.folders, self.media) if self.media is not None and self.train is None else {}

    def _folder_target(self, targets: tuple[str, ...]) -> TargetProfile:
        """The target where folders, or the first part of file names, are the classes."""
        counts = self._classes()
        total = sum(counts.values())
        if not total:
            raise MissingFacts(
                ("train_file",), "the images' labels were not found: put a train.csv that names file and target there"
            )
        shares = sorted(((name, round(count / total, 4)) for name, count in counts.items()), key=lambda pair: -pair[1])
        return TargetProfile(
            names=targets,
            kind="binary" if len(counts) == 2 else "multiclass",
            dtype="str",
            classes=tuple(shares[:100]),
            class_count=len(counts),
        )

    def _features(self, targets: Sequence[str], id_column: str | None) -> list[str]:
        if self.train is None:
            return []
        features = [n for n in self.train.names if n not in targets and n != id_column]
        if self.test is None:
            return features
        there = set(self._test_names)
        shared = [n for n in features if n in there]
        if only := [n for n in features if n not in there]:
            self.warnings.append(f"columns of training that the test lacks: {_listed(only)}")
        return shared

    def _split(self, features: Sequence[str], id_column: str | None, targets: Sequence[pd.Series[Any]]) -> SplitProfile:
        if self.train is None or self.test is None:
            return SplitProfile(evidence="there is no test table to compare with the training table")
        return measure_split(self.train, self.test, features, id_column, targets)

    def _columns(self, features: Sequence[str], split: SplitProfile) -> tuple[tuple[ColumnProfile, ...], str | None]:
        """The features, measured; a counter of rows that the comparison with the test trusts is a number as others."""
        if self.train is None:
            return (), None
        columns, more = profile_columns(self.train.sample, features)
        if self.test is None:
            return columns, more
        counts = {c.name for c in columns if c.kind == "id" and c.maximum is not None} - set(split.untrusted)
        return tuple(c.model_copy(update={"kind": "numeric"}) if c.name in counts else c for c in columns), more

    def _images(self) -> ImageProfile | None:
        if self.media is None or self.media.kind != "image":
            return None
        train = self.train.sample if self.train else None
        test = self.test.sample if self.test else self.sample.sample if self.sample else None
        return profile_images(self.root, self.folders, self.media, train, test)

    def _test_rows(self) -> int | None:
        if self.test is not None:
            return self.test.rows
        if self.sample is not None:
            return self.sample.rows
        return test_files(self.folders, self.media) or None if self.media else None

    def _submission(
        self, id_column: str | None, targets: Sequence[str], target: TargetProfile, kind: Any, metric: Metric
    ) -> SubmissionFormat:
        names = self._names()
        asked = [n for n in names.sample if n != id_column and n not in names.test]
        known = [name for name, _ in target.classes]
        wide = target.kind in ("binary", "multiclass") and len(asked) > 1 and class_columns(asked, known) is not None
        values = submission_values(kind, metric, wide=wide, numeric=target.kind == "numeric")
        if id_column is None and self.train is None and self.sample is None:
            id_column = "id"
        return submission_format(
            names.sample,
            id_column,
            targets,
            names.test,
            self.sample.rows if self.sample else self._test_rows(),
            self.roles.sample,
            values,
        )

    def _compare_rows(self, submission: SubmissionFormat) -> None:
        rows = self._test_rows()
        if self.sample is not None and self.test is not None and rows != submission.rows:
            self.warnings.append(f"{self.roles.sample} has {submission.rows:,} rows, {self.roles.test} has {rows:,}")

    def _files(self) -> tuple[FileProfile, ...]:
        """The inventory, with rows, columns and dialect for tables."""
        train = self.train.parts if isinstance(self.train, Series) else [self.train]
        tables = {table.path: table for table in (*train, self.test, self.sample, self.labels) if table}
        return tuple(measured(self.root, file, tables.get(file.path)) for file in inventory(self.root, self.folders))


def _with_folder_facts(task: TaskDescription) -> TaskDescription:
    """Add what the folder's description and `task.yaml` say, where the task itself says nothing."""
    found = read_task_folder(task.dataset_path)
    facts = {
        name: value
        for name in TaskDescription.model_fields
        if name != "dataset_path" and not getattr(task, name) and (value := getattr(found, name))
    }
    return task.model_copy(update=facts) if facts else task


def _listed(names: Sequence[str], limit: int = 12) -> str:
    shown = ", ".join(shorten(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
