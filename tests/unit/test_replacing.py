"""A block is asked for, then the whole script; what is not only the block is told apart."""

from __future__ import annotations

import pytest

from graphs import refinement
from mle_star.models.data_models import Solution
from mle_star.tools.blocks import numbered
from mle_star.tools.keeping import check_kept
from mle_star.tools.preparation import is_cleared, learning_calls
from mle_star.tools.replacing import parse_block, parse_rewrite
from mle_star.tools.replies import ReplyError
from tests.stage import GARBAGE, Play, Stage, extraction, play
from tests.support import fenced, section

SCRIPT = """\
import pandas as pd

rows = pd.read_csv("./input/train.csv").sample(n=100)


def prepare(rows):
    rows = rows.dropna()
    rows["a"] = rows["a"] + 1
    return rows


model = fit(prepare(rows))
print(f"Final Validation Performance: {model.score}")
"""
BLOCK = '    rows["a"] = rows["a"] + 1'
NEW = SCRIPT.replace("+ 1", "+ 2")


def refine(stage: Stage, **settings: object) -> Play:
    """Refine one block by one plan."""
    settings = {"outer_loop_iterations": 1, "inner_loop_iterations": 1, "reply_retries": 1} | settings
    stage.replies["ablation_study"] = lambda p: GARBAGE
    solution = Solution(script=stage.write(0.5, parts=2), score=0.5)
    return play(refinement.graph, stage, {"solution": solution}, leakage_check=False, **settings)


def test_a_block_that_is_refused_is_asked_for_again_with_the_numbered_script() -> None:
    stage = Stage(extractor=lambda p: extraction("part_0 = 0", "p"), coder=lambda p: GARBAGE, rewrite=lambda p: GARBAGE)
    refine(stage, reply_retries=2)
    asked = [one.name for one in stage.log if getattr(one, "name", "") in ("coder", "rewrite")]
    assert asked == ["coder"] * 3 + ["rewrite"] * 3


def test_a_block_that_never_fits_is_asked_for_within_the_whole_script() -> None:
    stage = Stage(
        extractor=lambda p: extraction("part_0 = 0", "p"),
        coder=lambda p: fenced("part_0 = ("),
        rewrite=lambda p: fenced(section(p, "script").replace("part_0 = 0", f"part_0 = 1  {stage.mark(0.9)}")),
    )
    assert refine(stage).score == 0.9


def test_a_step_for_which_neither_comes_is_skipped_and_recorded_as_skipped() -> None:
    stage = Stage(extractor=lambda p: extraction("part_0 = 0", "p"), coder=lambda p: GARBAGE, rewrite=lambda p: GARBAGE)
    record = refine(stage).state["history"][-1]
    assert (record.agent, record.error) == ("coder", "skipped")


def test_the_whole_script_in_place_of_a_block_is_taken_when_nothing_else_is_changed() -> None:
    assert parse_block(SCRIPT, BLOCK, fenced(NEW)) == NEW


@pytest.mark.parametrize(
    "reply",
    [
        NEW.replace("n=100", "n=200"),
        NEW[NEW.index("def prepare") : NEW.index("model =")],
        '    rows = rows.dropna()\n    rows["a"] = rows["a"] + 2\n    return rows\n\n\nmodel = fit(prepare(rows))',
    ],
    ids=["the whole script, and more is changed", "the function around it", "the lines around it"],
)
def test_more_than_the_block_is_refused(reply: str) -> None:
    with pytest.raises(ReplyError):
        parse_block(SCRIPT, BLOCK, fenced(reply))


def test_a_rewritten_script_may_add_what_the_block_needs() -> None:
    added = NEW.replace("import pandas as pd\n", "import numpy as np\nimport pandas as pd\n")
    assert parse_rewrite(SCRIPT, BLOCK, fenced(added)) == added


@pytest.mark.parametrize(
    ("rewritten", "reason"),
    [
        (SCRIPT, "same as before"),
        (NEW.replace("n=100", "n=200"), "outside of the block"),
        (NEW.replace("model = fit(prepare(rows))\n", ""), "outside of the block"),
        (NEW[: NEW.index("print")], "outside of the block"),
    ],
    ids=["nothing new", "another change", "a line left out", "the score left out"],
)
def test_a_rewritten_script_with_any_other_change_is_refused_with_the_numbered_script(
    rewritten: str, reason: str
) -> None:
    with pytest.raises(ReplyError, match=reason) as refused:
        parse_rewrite(SCRIPT, BLOCK, fenced(rewritten))
    assert refused.value.shown == numbered(SCRIPT)


@pytest.mark.parametrize("gone", ["Final Validation Performance", ".sample(n=100)"])
def test_the_score_and_the_subsampling_have_to_stay(gone: str) -> None:
    with pytest.raises(ReplyError, match="has to stay"):
        check_kept(SCRIPT, SCRIPT.replace(gone, ""))


def test_a_shuffle_is_no_subsampling() -> None:
    check_kept("rows = rows.sample(frac=1)", "rows = rows")


@pytest.mark.parametrize(
    ("line", "calls"),
    [
        ("scaler.fit(X)", {"fit(X)"}),
        (
            "X = StandardScaler().fit_transform(X)",
            {"StandardScaler", "fit_transform(X)", "X = StandardScaler().fit_transform(X)"},
        ),
        ("model.fit(X_train, y_train, sample_weight=w)", {"fit(X_train, y_train, sample_weight=w)"}),
        ("a = a.fillna(a.mean())", {"fillna(a.mean())", "a = a.fillna(a.mean())"}),
        ("a = a.fillna(0)", set()),
        ("b = g.transform('mean')", {"transform('mean')"}),
        ("b = scaler.transform(X_valid)", set()),
        ("model = Ridge(alpha=3)", set()),
        ("a, b = X, y\nmodel.fit(a, b)\nc = 1", {"fit(a, b)", "a, b = (X, y)"}),
        ("train = a\nmodel.fit(train[cols], y)", {"fit(train[cols], y)", "train = a"}),
        ("model = Ridge(3)\npipe = Pipeline([('model', model)])", {"Pipeline"}),
        ("m = data.pivot_table(index='c', values='y')", {"pivot_table(index='c', values='y')"}),
        ("broken = (", set()),
    ],
)
def test_what_learns_from_rows_is_told_from_what_does_not(line: str, calls: set[str]) -> None:
    assert set(learning_calls(line)) == calls


def test_another_setting_of_a_model_needs_no_new_verdict() -> None:
    script = "X = scaler.fit_transform(X_train)\nmodel = Ridge(alpha=3)\nmodel.fit(X, y)\n"
    cleared = ("X = scaler.fit_transform(X_train)", *learning_calls(script))
    assert is_cleared(script.replace("3", "5"), cleared)
    assert not is_cleared(script.replace("fit(X, y)", "fit(X_all, y_all)"), cleared)
    assert not is_cleared(script.replace("X_train", "X_all"), cleared)
    assert not is_cleared(script + "X, y = everything, target\n", cleared)


@pytest.mark.parametrize(
    "leak",
    [
        "train = pd.concat([train, valid])",
        "train, valid = data, data.sample(frac=.2)",
        "means = data.pivot_table(index='c', values='y')",
    ],
)
def test_another_split_and_an_encoding_from_all_rows_need_a_new_verdict(leak: str) -> None:
    script = (
        "train, valid = train_test_split(data)\n# here\nmodel = Ridge(alpha=3)\nmodel.fit(train[cols], train['y'])\n"
    )
    cleared = ("train, valid = train_test_split(data)", *learning_calls(script))
    assert is_cleared(script.replace("3", "5"), cleared)
    assert not is_cleared(script.replace("# here", leak), cleared)
