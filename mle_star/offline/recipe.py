"""The seam between the agents' operations and what a modality knows: families of models, features, ideas.

Every script of the library has the same frame, in sections headed by a comment line (`# --- Models ---`):

    Settings      SEED, SPLIT_SEED, CORES, BAGS, TARGET, FOLDS, FOLDS_USED, ... then the modality's own constants
    Loading       `train`: a DataFrame, one row per training row, target column included; subsampled by one statement
    Target        classification: `classes`, `target` (codes 0..k-1); regression: `target` (floats on the model scale)
    Features      functions `step(frame) -> frame`, row by row, nothing learnt; then `FEATURES = [step, ...]`
    Preparation   functions `prepare(fit_rows, fit_target, new_rows) -> (fit_matrix, new_matrix)`: what is learnt
                  (encoders, imputers, vocabularies) is learnt from `fit_rows` alone
    Models        functions `model(fit_matrix, fit_target, new_matrix) -> predictions`; then the table
                  `MODELS = {"name": (prepare, model), ...}`
    Blend         `blend_weights`, `blend`: how the models' predictions become one
    Validation    folds, out-of-fold predictions, the metric, the last line that prints the score

A modality implements `Recipes`: it supplies the text of its constants, its loading, its features, its preparations and
its models; the frame supplies the rest. Because every model has the same signature, the operations work for any
modality: the merger moves a model (and its preparation) from one script into another, the ablation drops entries of
FEATURES and MODELS and varies the functions' keyword arguments, the ensembler puts whole scripts side by side, and the
submission calls the same functions with the test rows.

Rules for the functions that a modality supplies as text:

- Each is one top-level function with a docstring, named in the field's terms, and uses only: its arguments, the
  constants of Settings, `classes`, `np`, `pd`, `os`, the frame's helpers (below), and its own imports, which stand
  INSIDE the function (`from lightgbm import LGBMClassifier`), so that it can be moved from script to script.
  A function may call other parts by their names: they come along. What only some data calls for ends in a mark,
  `# where words`, and is left out elsewhere with its block.
- What a person would turn is a keyword argument with a default: `def lightgbm(fit_matrix, fit_target, new_matrix,
  learning_rate=0.05, leaves=15)`; the first ones are the most telling. The ablation varies these (a number is halved,
  a flag is flipped) and ideas rewrite them.
- A classifier returns an array (n, len(classes)) of probabilities by position in `classes`. A class can be missing
  from `fit_target`: the frame's helper `spread(model, matrix)` calls `model.predict_proba(matrix)` and puts the columns
  where they belong. A regressor returns (n,) values on the model scale (what it was given as `fit_target`).
- Seeds come from SEED; threads from CORES (`n_jobs=CORES`). Fitting `BAGS` models with seeds SEED, SEED + 1, ... and
  averaging them is how the submission spends its time: honour BAGS where a seed matters.
- Test rows come through the very same functions as `new_rows`, without a target column.

An `Idea` is one refinement of one function (its `block` names it). The planner picks ideas by the history, says their
`plan` in words, and the coder knows them again by their `title`, the first sentence of the plan.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Literal, Protocol

from mle_star.models.metric import Metric
from mle_star.models.profile import DataProfile
from mle_star.models.writing import UNSPACED

TEXT_A_SECOND = 25_000
"""Bytes of texts that scripts can bear for each second of their pace."""
A_SCRIPTS_PART = 0.19
"""Of a run's time at the most, while solutions are searched for; a run has many more scripts, and most take less."""
OTHER_BYTES = 10
"""Of a value in a column that holds no texts."""


@dataclass(frozen=True)
class Environment:
    """What `<environment>` says a script may use."""

    packages: dict[str, str] = field(default_factory=dict)
    """Name to version, of the listed packages alone."""
    cores: int = 1
    time_limit: float = 600.0
    """Seconds for each script."""
    run_limit: float | None = None
    """Seconds for all scripts of the run, where there is such a limit."""

    @property
    def pace(self) -> float:
        """Seconds by which scripts are sized: a script's, or the run's where a script's is a part of that."""
        run = self.run_limit
        return run if run is not None and self.time_limit >= A_SCRIPTS_PART * run else self.time_limit

    def has(self, *names: str) -> bool:
        """Tell whether all of these packages are listed."""
        return all(name in self.packages for name in names)


def text_bytes(profile: DataProfile) -> float:
    """Bytes of the texts of a training row, roughly; 0 where there are none."""
    table = next((file for file in profile.files if file.path == profile.train_file), None)
    texts = sum(column.kind == "text" for column in profile.columns)
    if table is None or not table.rows or not texts:
        return 0.0
    others = (profile.column_count or len(profile.columns)) - texts
    return max(0.0, table.bytes / table.rows - OTHER_BYTES * others)


@dataclass(frozen=True)
class Facts:
    """A task as its prompt describes it: the last yaml block of `<task>`, and `<environment>`."""

    task_type: Literal["classification", "regression", "other"]
    modality: str
    metric: Metric
    profile: DataProfile
    environment: Environment = Environment()
    max_rows: int = 30_000
    """Training rows that a script may use while we search."""
    title: str = ""
    """The task's first heading or sentence, for the script's docstring."""

    @property
    def classifies(self) -> bool:
        """Whether classes are predicted (several 0/1 columns count as classes of their own)."""
        return self.task_type == "classification"

    @property
    def targets(self) -> tuple[str, ...]:
        """The target's columns."""
        return self.profile.target.names if self.profile.target else ("target",)

    @property
    def id_columns(self) -> tuple[str, ...]:
        """The column of row identifiers, where there is one."""
        submission = self.profile.submission
        return (submission.id_column,) if submission and submission.id_column else ()

    @property
    def class_count(self) -> int:
        """Number of classes, 2 where it is not known."""
        target = self.profile.target
        if target is None:
            return 2
        return target.class_count or len(target.classes) or 2

    @property
    def follows(self) -> bool:
        """Whether one thing is predicted for rows that follow the training rows in time."""
        split = self.profile.split
        return len(self.targets) == 1 and split.kind == "time" and split.column is not None

    @property
    def rows(self) -> int:
        """Training rows in the file."""
        return self.profile.train_rows or 1_000

    @property
    def search_rows(self) -> int:
        """Training rows that a script of the search sees."""
        return min(self.rows, self.max_rows)

    @property
    def columns(self) -> int:
        """Number of columns of the training table."""
        return self.profile.column_count or len(self.profile.columns)

    @property
    def unspaced(self) -> bool:
        """Whether texts are in a language that puts no space between words, so that each letter is read as a word."""
        texts = [column for column in self.profile.columns if column.kind == "text"]
        return any(UNSPACED.search(example) for column in texts for example in column.examples)

    def count(self, kind: str) -> float:
        """How many columns a script finds of a kind; infinity where not all columns are described.

        A category is one of words or of two values; a grade is a number of at most twelve values; a later date is the
        one that the test rows continue.
        """
        described = [column for column in self.profile.columns if column.name not in self.targets]
        if self.profile.more_columns is not None:
            return inf
        if kind == "grade":
            return sum(column.kind == "numeric" and (column.unique or inf) <= 12 for column in described)
        if kind == "later date":
            return sum(self.follows and c.kind == "date" and c.name == self.profile.split.column for c in described)
        kinds = {"category", "boolean"} if kind == "category" else {kind}
        return sum(column.kind in kinds for column in described)


@dataclass(frozen=True)
class Family:
    """A family of models: what the retriever proposes as a card and what a candidate is built of."""

    name: str
    """The card's name, such as `LightGBM, gradient-boosted trees`. Unique in the library."""
    description: str
    """What it is and when it fits, one or two sentences."""
    prepare: str
    """Name of the preparation function."""
    model: str
    """Name of the model function, also its key in MODELS. Unique in the library."""
    packages: tuple[str, ...] = ("scikit-learn",)
    """What must be listed in the environment."""


Change = Callable[[str, str], "str | None"]
"""(block, whole script) -> the new block, or None where the idea does not apply."""


@dataclass(frozen=True)
class Idea:
    """One refinement of one function of a script."""

    block: str
    """The function that it rewrites."""
    title: str
    """The plan's first sentence. Unique: the coder knows the idea again by it."""
    reason: str
    """Two to four further sentences: what to do in detail, why, and what stays as it is."""
    change: Change
    needs: Mapping[str, int] = field(default_factory=dict, hash=False)
    """How many columns of a kind the table has to have, or the idea would change nothing; see `Facts.count`."""

    @property
    def plan(self) -> str:
        """The idea in words."""
        return f"{self.title} {self.reason}"

    def suits(self, facts: Facts) -> bool:
        """Whether the table has the columns that the idea is about."""
        return all(facts.count(kind) >= least for kind, least in self.needs.items())


class Recipes(Protocol):
    """What a modality brings. One instance per modality, registered in `library.py`. Pure: text in, text out."""

    name: str
    """The modality: `tabular`, `text`, `image`."""

    def families(self, facts: Facts) -> tuple[Family, ...]:
        """Families that fit the task and its environment, strongest first; eight or more where possible."""

    def settings(self, facts: Facts) -> str:
        """Lines of constants for Settings, beyond the frame's own; may be empty."""

    def loading(self, facts: Facts) -> str:
        """Lines that define `train`, NOT subsampled: the frame drops rows without a target and subsamples."""

    def test_loading(self, facts: Facts) -> str:
        """Lines that define `test`, alike to `train` without the target, in the test file's order, the id kept."""

    def features(self, facts: Facts) -> tuple[str, ...]:
        """Names of the feature functions that this task calls for, in order; may be empty."""

    def part(self, name: str, facts: Facts) -> str | None:
        """Source of the function `name` (feature, preparation or model), or None where it is not this modality's."""

    def ideas(self, block: str) -> tuple[Idea, ...]:
        """Ideas for the function `block`, most promising first; four or more, for the inner loop."""


# What an idea's `change` is usually made of.


def set_keywords(**values: object) -> Change:
    """Give keyword arguments of the function's signature other defaults: `set_keywords(learning_rate=0.02)`."""

    def change(block: str, script: str) -> str | None:
        changed = block
        for name, value in values.items():
            pattern = rf"(\bdef\s+\w+\((?:[^()]|\([^()]*\))*?\b{name}\s*=\s*)((?:[^,()]|\([^()]*\))+)"
            changed = re.sub(pattern, partial(_with_default, value), changed, count=1)
        return changed if changed != block else None

    return change


def _with_default(value: object, match: re.Match[str]) -> str:
    return match[1] + repr(value)


def scale_keywords(**factors: float) -> Change:
    """Multiply keyword defaults, which were fitted to the task's size: `scale_keywords(leaves=0.5, penalty=4)`."""

    def change(block: str, script: str) -> str | None:
        values = {name: (keyword_default(block, name), factor) for name, factor in factors.items()}
        scaled = {name: _scaled(value, factor) for name, (value, factor) in values.items() if value is not None}
        return set_keywords(**scaled)(block, script) if scaled else None

    return change


def keyword_default(block: str, name: str) -> int | float | None:
    """The number that is a keyword's default in the function's signature."""
    match = re.search(rf"\b{name}\s*=\s*(\d[\d_]*(?:\.\d+)?(?:e-?\d+)?)\s*[,)]", block)
    if match is None:
        return None
    text = match[1].replace("_", "")
    return int(text) if text.isdigit() else float(text)


def _scaled(value: int | float, factor: float) -> int | float:
    return max(1, round(value * factor)) if isinstance(value, int) else float(f"{value * factor:.3g}")


def before_return(code: str) -> Change:
    """Insert lines before the function's last `return`, at its indentation."""

    def change(block: str, script: str) -> str | None:
        lines = block.rstrip().split("\n")
        places = [number for number, line in enumerate(lines) if line.lstrip().startswith("return")]
        if not places:
            return None
        indent = lines[places[-1]][: len(lines[places[-1]]) - len(lines[places[-1]].lstrip())]
        added = textwrap.indent(textwrap.dedent(code).strip("\n"), indent).split("\n")
        return "\n".join(lines[: places[-1]] + added + lines[places[-1] :])

    return change


def replace_text(old: str, new: str) -> Change:
    """Replace a piece of the function's text; does not apply where the piece is not there."""

    def change(block: str, script: str) -> str | None:
        return block.replace(old, new, 1) if old in block else None

    return change


def replace_with(source: str) -> Change:
    """Put another function of the same name in the block's place."""
    return lambda block, script: textwrap.dedent(source).strip("\n")
