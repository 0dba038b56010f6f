"""Turn a task with gaps into a brief with none: measure the data, and ask by name for what cannot be found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mle_star.models.data_models import TaskBrief, TaskDescription
from mle_star.models.errors import HINTS, ConfigError, MissingFacts, TaskError
from mle_star.models.metric import Metric
from mle_star.models.metric_finder import find_metric
from mle_star.models.metrics import quantile_level, recognise, resolve_metric
from mle_star.models.profile import (
    ColumnProfile,
    DataProfile,
    ImageProfile,
    SplitProfile,
    SubmissionFormat,
    TargetProfile,
)
from mle_star.tools.profile_classes import COUNTS_ORDER, OF_ONE_CLASS, class_order, positive_class
from mle_star.tools.profile_columns import profile_columns
from mle_star.tools.profile_files import sealed
from mle_star.tools.profile_images import profile_images
from mle_star.tools.profile_labels import class_shares, list_separator
from mle_star.tools.profile_modality import find_modality
from mle_star.tools.profile_split import measure_split
from mle_star.tools.profile_submission import submission_format, submission_values
from mle_star.tools.profile_target import check_fit, class_columns, decide_type, profile_target
from mle_star.tools.profile_task_tables import TaskTables, listed
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
        root = Path(task.dataset_path).expanduser()
        self.task = _with_folder_facts(task).model_copy(update={"dataset_path": str(root.absolute())})
        self.tables = TaskTables(root)
        self.train, self.test, self.sample = self.tables.train, self.tables.test, self.tables.sample
        self.media, self.roles = self.tables.media, self.tables.roles
        self.warnings = self.tables.warnings
        self.missing: dict[str, str] = {}

    def brief(self) -> TaskBrief:
        metric = self._metric()
        self._check_data()
        id_column = self.tables.id_column(self.task.id_column)
        targets = self._targets(id_column)
        if self.missing:
            raise MissingFacts(tuple(self.missing), "; ".join(self.missing.values()))
        if metric is None:  # not reached: it would be missing
            raise MissingFacts(("evaluation_metric",))
        numbers = self.task.task_type == "regression" or (self.task.task_type is None and metric.predicts == "values")
        values = self.tables.target_values(targets, self.task.description, numbers=numbers)
        kind = self.task.task_type or "classification"
        if values:
            asks_numbers, parts = self.tables.asks_numbers(id_column), self.tables.asks_numbers(id_column, parts=True)
            kind = decide_type(self.task.task_type, values, metric, asks_numbers=asks_numbers, asks_parts=parts)
            if kind == "classification" and recognise(metric.name) is None:
                metric = metric.model_copy(update={"predicts": "probabilities" if parts else "labels"})
            check_fit(kind, values, metric)
        target = profile_target(kind, values) if values else self._folder_target(targets)
        target = target.model_copy(update={"as_text": self.tables.target_as_text})
        target = self._with_order(self._with_positives(target, values, id_column, metric), values, metric)
        if target.missing:
            self.warnings.append(f"{target.missing:.1%} of the training rows have no {target.names[0]}")
        answers = list(targets)
        if self.tables.tags is not None:
            column, separator = self.tables.tags
            target = target.model_copy(update={"tags_column": column, "tags_separator": separator})
            answers.append(column)
        features = self._features(answers, id_column)
        split = self._split(features, id_column, [] if self.tables.labels else values)
        columns, more = self._columns(features, split)
        images = self._images()
        audio = self.media is not None and self.media.kind == "audio"
        modality = self.task.data_modality or find_modality(self.train, columns, images, split, audio=audio)
        submission = self._submission(id_column, targets, target, kind, metric)
        self._compare_rows(submission)
        profile = DataProfile(
            files=self.tables.files(),
            train_file=self.roles.train,
            more_train_files=tuple(part.path for part in self.tables.train_parts[1:]),
            labels_file=self.tables.labels.path if self.tables.labels else None,
            labels_key=self.tables.labels_key,
            test_file=self.roles.test,
            more_test_files=tuple(part.path for part in self.tables.test_parts[1:]),
            train_rows=self.train.rows if self.train else sum(self.tables.class_counts.values()) or None,
            test_rows=self.tables.test_rows,
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
            metric = resolve_metric(name, self.task.metric_direction)
            if metric.name == "pinball" and (level := quantile_level(self.task.description)):
                return resolve_metric(f"pinball@{level}")
            return metric
        except MissingFacts as error:
            self.missing["metric_direction"] = str(error)
        except ConfigError as error:
            raise TaskError(str(error)) from error
        return None

    def _check_data(self) -> None:
        has_training = self.train is not None or (self.media is not None and bool(self.media.train))
        if not has_training:
            advice = next(
                (told for folder in self.tables.folders for name in folder.files if (told := sealed(name))), None
            )
            if advice:
                raise TaskError(f"there is no training data: {advice}")
            self.missing["train_file"] = HINTS["train_file"]
        has_test = self.test is not None or (
            self.media is not None and (bool(self.media.test) or self.sample is not None)
        )
        if not has_test:
            self.missing["test_file"] = HINTS["test_file"]

    def _targets(self, id_column: str | None) -> tuple[str, ...]:
        told = self.task.target or ()
        found = self.tables.targets([told] if isinstance(told, str) else told, id_column, self.task.description)
        if not found:
            hint, names = HINTS["target"], self.tables.names.train
            self.missing["target"] = hint.replace("not found:", f"not found among {listed(names)}:") if names else hint
        return self.tables.split_tags(found, id_column)

    def _folder_target(self, targets: tuple[str, ...]) -> TargetProfile:
        """The target where folders, or the first part of file names, are the classes."""
        counts = self.tables.class_counts
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

    def _with_positives(
        self, target: TargetProfile, values: Sequence[pd.Series[Any]], id_column: str | None, metric: Metric
    ) -> TargetProfile:
        """Say which of two classes is the positive one, and warn where it had to be guessed and matters."""
        if target.kind in ("numeric", "multilabel"):
            return target
        asked = self.tables.asked(id_column)
        alone = asked if len(asked) == 1 else ()
        shares = [class_shares([column]) for column in values] or [dict(target.classes)]
        if len(values) > 1:  # of columns with more values scripts learn the two most frequent
            shares = [dict(list(each.items())[:2]) for each in shares]
        found = [
            positive_class(each, [name, *alone], self.task.description, by_label=metric.predicts == "labels")
            for name, each in zip(target.names, shares, strict=True)
        ]
        matters = OF_ONE_CLASS.fullmatch(metric.name) or (metric.predicts == "probabilities" and len(asked) < 2)
        if matters and (guessed := [one.label for one in found if one and one.guessed]):
            self.warnings.append(f"positive class guessed: {listed(guessed, 3)}, the rarer; name it in the description")
        positives = tuple(one.label if one else "" for one in found)
        return target.model_copy(update={"positives": positives}) if any(positives) else target

    def _with_order(self, target: TargetProfile, values: Sequence[pd.Series[Any]], metric: Metric) -> TargetProfile:
        """Say how worded grades follow one another where that counts, and warn where it is not known."""
        worded = target.kind == "multiclass" and re.match(r"(?i)u?int|float", target.dtype) is None and len(values) < 2
        if not worded or metric.name not in COUNTS_ORDER:
            return target
        labels = sorted(class_shares(values) or dict(target.classes))
        order = class_order(labels, self.task.description)
        if not order:
            self.warnings.append(
                f"order of the classes guessed by the alphabet; tell it in the description: {listed(labels, 3)}"
            )
        return target.model_copy(update={"order": order})

    def _features(self, targets: Sequence[str], id_column: str | None) -> list[str]:
        if self.train is None:
            return []
        features = [n for n in self.train.names if n not in targets and n != id_column]
        if self.test is None:
            return features
        there = set(self.tables.test_names)
        shared = [n for n in features if n in there]
        if only := [n for n in features if n not in there]:
            self.warnings.append(f"columns of training that the test lacks: {listed(only)}")
        return shared

    def _split(self, features: Sequence[str], id_column: str | None, targets: Sequence[pd.Series[Any]]) -> SplitProfile:
        if self.train is None or self.test is None:
            return SplitProfile(evidence="there is no test table to compare with the training table")
        return measure_split(self.train, self.test, features, id_column, targets)

    def _columns(self, features: Sequence[str], split: SplitProfile) -> tuple[tuple[ColumnProfile, ...], str | None]:
        """The features, measured.

        A counter of rows that the comparison with the test trusts is a number as others, and names of groups that are
        new in the test are texts, where their words are known.
        """
        if self.train is None:
            return (), None
        columns, more = profile_columns(self.train.sample, features)
        if self.test is None:
            return columns, more
        counts = {c.name for c in columns if c.kind == "id" and c.maximum is not None} - set(split.untrusted)
        kinds = dict.fromkeys(counts, "numeric") | dict.fromkeys(split.worded, "text")
        return tuple(c.model_copy(update={"kind": kinds.get(c.name, c.kind)}) for c in columns), more

    def _images(self) -> ImageProfile | None:
        if self.media is None or self.media.kind != "image":
            return None
        train = self.train.sample if self.train else None
        test = self.test.sample if self.test else self.sample.sample if self.sample else None
        return profile_images(self.tables.root, self.tables.folders, self.media, train, test)

    def _submission(
        self, id_column: str | None, targets: Sequence[str], target: TargetProfile, kind: Any, metric: Metric
    ) -> SubmissionFormat:
        names, asked = self.tables.names, self.tables.asked(id_column)
        known = [name for name, _ in target.classes]
        several = target.kind == "multiclass" and len(targets) == 1
        may_be = [[name for name in names.sample if name != id_column], asked]  # a class may be named like a feature
        if self.sample is None and several and metric.predicts == "probabilities" and len(known) == target.class_count:
            may_be = [sorted(known, key=lambda name: (len(name) if name.isdigit() else 0, name))]
        by_class = next((tuple(some) for some in may_be if class_columns(some, known)), ())
        wide = target.kind in ("binary", "multiclass") and bool(by_class)
        predicted = by_class if wide else tuple(targets)
        values = submission_values(kind, metric, wide=wide, numeric=target.kind == "numeric", several=several)
        if id_column is None and self.train is None and self.sample is None:
            id_column = "id"
        form = submission_format(
            names.sample,
            id_column,
            predicted,
            names.test,
            self.sample.rows if self.sample else self.tables.test_rows,
            self.roles.sample,
            values,
        )
        more: dict[str, Any] = {
            "one_for_several": self.tables.asks_one_for_several(form.key_columns),
            "id_as_text": id_column is not None and self.tables.names_rows_in_words(id_column),
        }
        if self.sample is not None and metric.predicts == "ranking" and len(asked) == 1:
            more["separator"] = list_separator(self.sample.sample[asked[0]], known)
        return form.model_copy(update=more)

    def _compare_rows(self, submission: SubmissionFormat) -> None:
        rows = self.tables.test_rows
        key = " and ".join(submission.key_columns)
        if len(submission.key_columns) > 1:
            self.warnings.append(f"the submission names its rows by {key}, as {self.roles.sample} does")
        if submission.one_for_several:
            self.warnings.append(
                f"several rows of {self.roles.test} have the same {key}: the submission holds one prediction for each "
                f"{key}, in the order of {self.roles.sample}"
            )
        elif self.sample is not None and self.test is not None:
            sample, test = self.roles.sample, self.roles.test
            if strangers := self.tables.strangers(submission.key_columns):
                raise TaskError(f"{sample} asks for rows that {test} does not have: {key} {listed(strangers, 3)}")
            if rows != submission.rows:
                self.warnings.append(f"{sample} has {submission.rows:,} rows, {test} has {rows:,}")


def _with_folder_facts(task: TaskDescription) -> TaskDescription:
    """Add what the folder's description and `task.yaml` say, where the task itself says nothing."""
    found = read_task_folder(task.dataset_path)
    facts = {
        name: value
        for name in TaskDescription.model_fields
        if name != "dataset_path" and not getattr(task, name) and (value := getattr(found, name))
    }
    return task.model_copy(update=facts) if facts else task
