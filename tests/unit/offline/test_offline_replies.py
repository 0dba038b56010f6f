"""The embedded model's replies: their form, and that each does what its prompt asks. No script is run here."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from langchain_core.messages import HumanMessage
from sklearn.metrics import f1_score

import prompts
from mle_star.agents.leakage_checker import FIT_APART
from mle_star.execution.limits import Limits
from mle_star.execution.watch import out_of_memory, out_of_time
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import Attempt, Solution
from mle_star.models.profile import ColumnProfile, DataProfile, FileProfile
from mle_star.offline.chat import OfflineChatModel
from mle_star.offline.library import recipes_by_name
from mle_star.offline.parts import frame_part, functions
from mle_star.offline.reading import Scored, read_environment, read_facts, rows_in
from mle_star.offline.refining import choose_block, fitting_ideas, ideas_for, name_of, next_plan
from mle_star.offline.script import Script, functions_of, keywords_of
from mle_star.offline.tabular import FAMILIES
from mle_star.offline.tabular_ideas import IDEAS
from mle_star.tools.blocks import find_block, quote_block, substitute
from mle_star.tools.environment import render_environment
from mle_star.tools.keeping import check_rewrite
from mle_star.tools.listing import attempts_text, numbered, solutions_text
from tests.unit.offline.simulate import ENVIRONMENT, Task, ask, code

SUMMARY = """- Unchanged: 0.81 (higher is better)
- `string_features` left out: 0.78 (-0.03, worse)
- `lightgbm` with leaves=4 instead of 9: 0.80 (-0.01, worse)
The score depends most on `string_features`, which is worth improving."""

NOTHING_FOUND = {"pages": "none", "taken": "none"}


def people(rows: int = 200) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age [years]": generator.integers(1, 80, rows),
            "name": [f"Person {i}, Mr. John the {i % 7}th of his house" for i in range(rows)],
            "town": generator.choice(["A", "B", "C"], rows),
            "seen": pd.Timestamp("2020-01-01") + pd.to_timedelta(generator.integers(0, 400, rows), unit="D"),
            "income": generator.normal(size=rows),
            "lived": generator.choice(["yes", "no"], rows),
        }
    )


@pytest.fixture(params=["auc_roc", "rmse"])
def task(request: pytest.FixtureRequest, tmp_path: Path) -> Task:
    target = "lived" if request.param == "auc_roc" else "income"
    table = people()
    return Task(tmp_path, table[:150], table[150:], target, request.param)


def common(task: Task) -> dict[str, str]:
    return {"task": task.brief, "environment": ENVIRONMENT}


def cards(task: Task, path: int = 1, paths: int = 1, count: int = 4) -> list[dict[str, str]]:
    reply = ask("retriever", **common(task), path=path, paths=paths, count=count)
    found: list[dict[str, str]] = json.loads(reply)
    return found


def candidate(task: Task, card: dict[str, str]) -> str:
    return code(
        ask(
            "candidate_evaluator", **common(task), model_name=card["name"], model_description=card["description"],
            example_code=card["example_code"], split_seed=7, seed=3,
        )
    )  # fmt: skip


def merged(task: Task) -> str:
    first, second, third = (candidate(task, card) for card in cards(task, count=3))
    base = code(ask("merger", **common(task), base_script=first, reference_script=second))
    return code(ask("merger", **common(task), base_script=base, reference_script=third))


def test_paths_share_no_card_while_the_library_lasts(task: Task) -> None:
    one, two = ({card["name"] for card in cards(task, path, 2)} for path in (1, 2))
    assert len(one) == len(two) == 4
    assert not one & two


def test_more_cards_than_a_path_owns_are_still_all_different(task: Task) -> None:
    names = [card["name"] for card in cards(task, 1, 2, 8)]
    assert len(set(names)) == 8


def test_families_of_packages_that_are_not_listed_are_left_out(task: Task) -> None:
    names = " ".join(card["name"] for card in cards(task, count=9))
    assert "CatBoost" not in names
    assert "LightGBM" in names


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model)
def test_every_family_makes_a_script_that_compiles(task: Task, family: object) -> None:
    environment = ENVIRONMENT.replace("lightgbm 4.7.0", "lightgbm 4.7.0, catboost 1.2, xgboost 3.0")
    reply = ask(
        "candidate_evaluator", task=task.brief, environment=environment, model_name=family.name,  # type: ignore[attr-defined]
        model_description="", example_code="", split_seed=7, seed=3,
    )  # fmt: skip
    script = code(reply)
    ast.parse(script)
    assert family.model in functions_of(script)  # type: ignore[attr-defined]
    assert "SPLIT_SEED = 7" in script
    assert "SEED = 3" in script
    assert 'print(f"Final Validation Performance: {validation_score}")' in script
    assert "test.csv" not in script


def test_the_same_prompt_has_the_same_reply_and_tells_what_it_cost(task: Task) -> None:
    prompt = prompts.render("retriever", **common(task), **NOTHING_FOUND, path=1, paths=1, count=4)
    first, second = (OfflineChatModel().invoke(prompt) for _ in range(2))
    assert first.text == second.text
    assert first.usage_metadata is not None
    assert first.usage_metadata["output_tokens"] > 10


async def test_it_answers_asynchronously_too(task: Task) -> None:
    prompt = prompts.render("retriever", **common(task), **NOTHING_FOUND, path=1, paths=1, count=2)
    reply = await OfflineChatModel().ainvoke([HumanMessage(prompt)])
    assert len(json.loads(reply.text)) == 2


def test_a_merge_holds_all_models_and_runs_in_the_frame_of_the_base(task: Task) -> None:
    script = Script.parse(merged(task))
    assert len(script.models) == 3
    names = functions_of(script.text)
    assert all(prepare in names and model in names for prepare, model in script.models.values())


def test_merging_a_changed_function_of_the_same_name_keeps_both(task: Task) -> None:
    first = candidate(task, cards(task)[0])
    second = first.replace("trees=", "trees=1 * ", 1)
    script = Script.parse(code(ask("merger", **common(task), base_script=first, reference_script=second)))
    assert list(script.models) == ["lightgbm", "lightgbm_2"]
    assert "lightgbm_2" in functions_of(script.text)


def test_an_ablation_takes_parts_that_were_not_studied(task: Task) -> None:
    script = merged(task)
    first = code(ask("ablation_study", environment=ENVIRONMENT, script=script, earlier_summaries="none"))
    ast.parse(first)
    earlier = numbered(["\n".join(line for line in first.split("\n") if line.startswith("# `"))])
    second = code(ask("ablation_study", environment=ENVIRONMENT, script=script, earlier_summaries=earlier))
    studied = [{line.split("`")[1] for line in text.split("\n") if line.startswith("# `")} for text in (first, second)]
    assert all(2 <= len(names) <= 3 for names in studied)
    assert not studied[0] & studied[1]


def test_a_summary_reports_printed_figures_and_no_others() -> None:
    output = "Unchanged: 0.81 (higher is better)\n`lightgbm` with leaves=4 instead of 9: 0.80 (-0.01)\n"
    output += "`clean` left out: 0.83 (-0.02) on 50 of 90 held-out rows\n"
    summary = ask("summarizer", script="", output=output)
    assert "0.81" in summary
    assert "0.83 on 50 of 90 held-out rows (-0.02, worse)" in summary
    assert "(-0.01, worse)" in summary
    assert "missing" in ask("summarizer", script="", output="Traceback") or "failed" in ask(
        "summarizer", script="", output="Traceback"
    )


def test_the_extractor_quotes_the_part_with_the_largest_effect(task: Task) -> None:
    script = merged(task)
    found = json.loads(ask("extractor", **common(task), script=script, summary=SUMMARY, earlier_blocks="none"))
    assert name_of(found["code_block"]) == "string_features"
    assert quote_block(script, found["code_block"]) == found["code_block"]
    earlier = numbered([f"```python\n{found['code_block']}\n```"])
    other = json.loads(ask("extractor", **common(task), script=script, summary=SUMMARY, earlier_blocks=earlier))
    assert name_of(other["code_block"]) == "lightgbm"


def test_an_instruction_in_place_of_a_summary_names_the_block(task: Task) -> None:
    script = merged(task)
    summary = "Please work on the date features first."
    found = json.loads(ask("extractor", **common(task), script=script, summary=summary, earlier_blocks="none"))
    assert name_of(found["code_block"]) == "date_features"


def test_plans_never_repeat_and_each_changes_the_block(task: Task) -> None:
    script = merged(task)
    found = json.loads(ask("extractor", **common(task), script=script, summary=SUMMARY, earlier_blocks="none"))
    block, plan = found["code_block"], found["plan"]
    plans: list[str] = []
    for turn in range(7):
        assert plan not in plans
        new = code(ask("coder", environment=ENVIRONMENT, script=script, code_block=block, plan=plan))
        if turn < 3:
            substitute(script, block, new)
        plans.append(plan)
        attempts = [Attempt(plan=text, score=0.8 + 0.01 * place) for place, text in enumerate(plans)]
        history = attempts_text(attempts)
        plan = ask(
            "planner", **common(task), code_block=block, baseline=0.5, direction="higher is better", history=history
        )


@pytest.mark.parametrize("idea", IDEAS, ids=lambda idea: f"{idea.block}: {idea.title}")
@pytest.mark.parametrize("metric", ["auc_roc", "rmse"])
def test_every_idea_yields_code_that_compiles(metric: str, idea: object, tmp_path: Path) -> None:
    table = people(40)
    task = Task(tmp_path, table[:30], table[30:], "lived" if metric == "auc_roc" else "income", metric)

    block = recipes_by_name("tabular").part(idea.block, read_facts(task.brief, read_environment(ENVIRONMENT)))  # type: ignore[attr-defined]
    assert block is not None
    changed = idea.change(block, block)  # type: ignore[attr-defined]
    assert changed is None or (ast.parse(changed) and name_of(changed) == idea.block)  # type: ignore[attr-defined]


def test_titles_are_unique_within_a_block() -> None:
    titles = [(idea.block, idea.title) for idea in IDEAS]
    assert len(titles) == len(set(titles))


def test_an_ensemble_holds_every_solution_and_rounds_differ(task: Task) -> None:
    solutions = solutions_text([Solution(script=merged(task), score=0.8), Solution(script=merged(task), score=0.7)])
    attempts: list[Attempt] = []
    plan = ask("ensemble_planner", task=task.brief, solutions=solutions)
    for _ in range(6):
        assert plan not in [attempt.plan for attempt in attempts]
        script = code(ask("ensembler", **common(task), solutions=solutions, plan=plan))
        ast.parse(script)
        assert {"solution_1", "solution_2"} <= set(functions_of(script))
        attempts.append(Attempt(plan=plan, score=0.8 + len(attempts) / 100))
        plan = ask(
            "ensemble_planner_next", task=task.brief, solutions=solutions, direction="higher is better",
            history=attempts_text(attempts),
        )  # fmt: skip


def test_a_submission_reads_the_test_rows_and_writes_the_sample_columns(task: Task) -> None:
    script = code(ask("submission", **common(task), script=merged(task)))
    ast.parse(script)
    assert "./input/test.csv" in script
    assert "./final/submission.csv" in script
    assert "BAGS = 5" in script


def test_subsampling_is_one_statement_and_goes_away(tmp_path: Path) -> None:
    table = people(600)
    task = Task(tmp_path, table[:550], table[550:], "lived", "auc_roc")
    reply = ask(
        "candidate_evaluator", **common(task), model_name="LightGBM", model_description="", example_code="",
        split_seed=7, seed=3, subsample="500",
    )  # fmt: skip
    script = code(reply)
    block = json.loads(ask("subsampling_extract", script=script))["code_block"]
    assert "500" in block
    new = code(ask("subsampling_remove", environment="", script=script, code_block=block))
    whole = substitute(script, block, new)
    assert ".sample(" not in whole
    assert json.loads(ask("subsampling_extract", script=whole))["code_block"] == ""


LEAKS = {
    "scaler": "s = 1\nscaler = StandardScaler()\nX = scaler.fit_transform(X)\nX_train, X_val = train_test_split(X)",
    "all rows": "X_train, X_val, y_train, y_val = train_test_split(X, y)\nvectorizer.fit(pd.concat([X_train, X_val]))",
    "validation": "X_train, X_val, y_train, y_val = train_test_split(X, y)\nX_val = imputer.fit_transform(X_val)",
    "model": "X_train, X_val, y_train, y_val = train_test_split(X, y)\nmodel.fit(X_val, y_val)",
    "target": "df['m'] = df.groupby('c')['target'].transform('mean')\na, b = train_test_split(df)",
}


@pytest.mark.parametrize("name", LEAKS)
def test_classical_leaks_are_found_in_any_script(name: str) -> None:
    verdict = json.loads(ask("leakage_detect", script=LEAKS[name]))
    assert verdict["verdict"] == "leakage"
    quote_block(LEAKS[name], verdict["code_block"])


def test_a_leaking_scaler_is_fitted_on_the_training_part() -> None:
    script = LEAKS["scaler"]
    found = json.loads(ask("leakage_detect", script=script))
    known = {"environment": "", "script": script, "code_block": found["code_block"]}
    block = code(ask("leakage_correct", **known, reason=found["reason"]))
    mended = substitute(script, found["code_block"], block)
    assert json.loads(ask("leakage_detect", script=mended))["verdict"] == "no leakage"


def test_a_block_that_is_asked_for_within_the_whole_script_is_put_right_there() -> None:
    script = LEAKS["scaler"]
    block = json.loads(ask("leakage_detect", script=script))["code_block"]
    plan = f"{FIT_APART} It is fitted on all rows."
    whole = code(ask("rewrite", environment="", script=script, code_block=block, plan=plan))
    assert json.loads(ask("leakage_detect", script=whole))["verdict"] == "no leakage"
    check_rewrite(script, find_block(script, block), whole)


def test_the_librarys_own_scripts_are_found_clean(task: Task) -> None:
    script = merged(task)
    verdict = json.loads(ask("leakage_detect", script=script))
    assert verdict["verdict"] == "no leakage"
    quote_block(script, verdict["code_block"])


REPAIRS = {
    "timeout": (out_of_time(60).message, "FOLDS_USED = 1"),
    "memory": (out_of_memory(Limits()).message, "FOLDS_USED = 1"),
    "time limit": ("TimeoutError: the time limit of 60 seconds was reached", "FOLDS_USED = 1"),
    "encoding": ("UnicodeDecodeError: 'utf-8' codec can't decode byte 0xe9", "latin-1"),
    "package": ("ModuleNotFoundError: No module named 'lightgbm'", "HistGradientBoosting"),
    "rare": ("ValueError: n_splits=5 cannot be greater than the number of members in each class.", "KFold("),
}


@pytest.mark.parametrize("name", REPAIRS)
def test_its_own_scripts_are_repaired(name: str, task: Task) -> None:
    script = candidate(task, cards(task)[0])
    error, expected = REPAIRS[name]
    mended = code(ask("debugger", environment=ENVIRONMENT, script=script, error=error))
    ast.parse(mended)
    assert expected in mended


def test_a_further_table_is_joined_and_then_all_is_used(tmp_path: Path) -> None:
    table = people()
    towns = pd.DataFrame({"town": ["A", "B", "C"], "size": [1, 2, 3]})
    task = Task(tmp_path, table[:150], table[150:], "lived", "auc_roc", extra={"towns.csv": towns})
    script = candidate(task, cards(task)[0])
    revised = code(ask("data_usage_checker", **common(task), script=script))
    ast.parse(revised)
    assert "./input/towns.csv" in revised
    assert ask("data_usage_checker", **common(task), script=revised) == "All the provided information is used."


def test_columns_that_the_test_rows_lack_are_left_out(tmp_path: Path) -> None:
    table = people().assign(outcome=1.5)
    task = Task(tmp_path, table[:150], table[150:].drop(columns="outcome"), "income", "rmse")
    script = candidate(task, cards(task)[0])
    frame = pd.read_csv(tmp_path / "input" / "train.csv")
    settings = script[script.index("# --- Settings") : script.index("# --- Loading")]
    lines = script[script.index("LISTED = ") :].split("\n")[:2]
    names: dict[str, object] = {"os": os, "train": frame}
    exec("\n".join([settings, *lines]), names)
    kept = names["train"]
    assert isinstance(kept, pd.DataFrame)
    assert set(frame.columns) - set(kept.columns) == {"outcome"}


def test_a_trend_is_looked_for_where_test_rows_come_later(tmp_path: Path) -> None:
    table = people().drop(columns="seen").assign(week=np.arange(200) // 2)
    task = Task(tmp_path / "later", table[:150], table[150:], "income", "rmse")
    assert task.facts.profile.split.kind == "time"
    assert "trend" in functions_of(candidate(task, cards(task)[0]))
    other = Task(tmp_path / "mixed", people()[:150], people()[150:], "income", "rmse")
    assert "trend" not in functions_of(candidate(other, cards(other)[0]))


def part(name: str, **names: object) -> Callable[..., Any]:
    """A function of the frame, defined."""
    scope: dict[str, Any] = {"np": np, "pd": pd, **names}
    exec(frame_part(name), scope)
    function: Callable[..., Any] = scope[name]
    return function


def test_a_line_is_drawn_through_what_rises_and_none_through_noise() -> None:
    times, noise = np.arange(200.0), np.random.default_rng(0).normal(size=200)
    assert part("trend")(times, 3 * times + noise)[0] == pytest.approx(3, abs=0.05)
    assert not part("trend")(times, noise).any()
    assert not part("trend")(times[:10], 3 * times[:10]).any()


def test_models_are_told_the_time_where_what_was_lately_so_goes_on() -> None:
    times = np.arange(400.0)
    rows = pd.DataFrame({"x": 0.0, "elapsed": times})

    def lately(fit_matrix: pd.DataFrame, fit_target: np.ndarray, new_matrix: pd.DataFrame) -> np.ndarray:
        if "elapsed" not in fit_matrix:
            return np.full(len(new_matrix), fit_target.mean())
        return np.interp(new_matrix["elapsed"], fit_matrix["elapsed"], fit_target)

    models = {"lately": (lambda fit_rows, fit_target, new_rows: (fit_rows, new_rows), lately)}
    later = pd.DataFrame({"x": 0.0, "elapsed": times + 400})
    told, new = part("told_time")(rows, np.where(times < 200, 0.0, 5.0), later, models)
    assert new["elapsed"].max() <= told["elapsed"].max() <= times.max()
    noise = np.random.default_rng(0).normal(size=400)
    assert "elapsed" not in part("told_time")(rows, noise, later, models)[0]


def test_a_study_may_leave_the_time_out() -> None:
    scope: dict[str, Any] = {"np": np, "model_scale": lambda values, undo=False: values}
    exec(frame_part("fit_predict", "trend"), scope)
    models = {"mean": (lambda fit, target, new: (fit, new), lambda fit, target, new: np.full(len(new), target.mean()))}
    rows = pd.DataFrame({"x": np.arange(4.0)})
    assert scope["fit_predict"](rows, np.arange(4.0), rows, models).tolist() == [[1.5] * 4]


def folded(variant: str, **names: Any) -> list[tuple[Any, Any]]:
    """The folds of 60 rows over 30 days, of ten patients."""
    days = pd.date_range("2020-01-01", periods=60, freq="12h").astype(str)
    train = pd.DataFrame({"when": days, "id": [f"p{row % 10}_v{row}" for row in range(60)]})
    scope: dict[str, Any] = {"np": np, "pd": pd, "train": train, "SPLIT_SEED": 0, "FOLDS": 5, "FOLDS_USED": 5, **names}
    names_groups = [frame_part("groups_of", "part")] if variant == "group" else []
    exec("\n\n\n".join([functions("tabular")["as_dates"], *names_groups, frame_part("folds", variant)]), scope)
    found: list[tuple[Any, Any]] = scope["folds"](train, np.zeros(60))
    return found


def test_folds_keep_groups_together_that_are_a_part_of_an_id() -> None:
    for fit, held in folded("group", GROUP_COLUMN="id", GROUP_PART=r"^([^\W_]+)[\W_]"):
        assert not set(fit % 10) & set(held % 10)


def test_folds_of_periods_hold_out_whole_stretches_of_days() -> None:
    for _, held in folded("period", GROUP_COLUMN="when", GROUP_DAYS=5):
        assert set(np.bincount(held // 10)) <= {0, 10}


def test_a_ranking_names_the_most_probable_classes_in_order(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": np.arange(200), "y": np.arange(200) % 7})
    task = Task(tmp_path, table[:150], table[150:], "y", "map@3")
    assert task.facts.task.task_type == "classification"
    script = candidate(task, cards(task)[0])
    scope: dict[str, Any] = {"np": np}
    exec(functions_of(script)["score"], scope)
    probabilities = np.array([[0.5, 0.3, 0.2, 0.0], [0.5, 0.3, 0.15, 0.05], [0.1, 0.2, 0.3, 0.4]])
    assert scope["score"](np.array([0, 2, 0]), probabilities) == pytest.approx((1 + 1 / 3 + 0) / 3)
    final = code(ask("submission", **common(task), script=script))
    assert "[:, :3]" in final
    assert '" ".join(' in final


def test_relative_errors_are_met_by_a_factor_below_one(tmp_path: Path) -> None:
    target = np.random.default_rng(0).lognormal(sigma=1, size=500)
    prediction = np.full(500, np.median(target))
    scope: dict[str, Any] = {"np": np, "score": lambda target, values: np.mean(np.abs(target - values) / target)}
    exec(frame_part("decide", "factor") + "\n\n\n" + frame_part("fit_decision", "factor"), scope)
    assert scope["fit_decision"](prediction, target) < 0.8


@pytest.mark.parametrize("share", [0.002, 0.02, 0.3])
def test_the_cut_of_rare_positives_is_as_high_as_it_has_to_be(share: float) -> None:
    rng = np.random.default_rng(0)
    chances = rng.beta(share, 1 - share, 20_000)  # as they should be: most are near 0, the positives' near 1
    probabilities, target = np.column_stack([1 - chances, chances]), (rng.random(20_000) < chances).astype(int)
    scope: dict[str, Any] = {"np": np, "score": f1_score}
    parts = frame_part("best_cut"), frame_part("decide", "threshold"), frame_part("fit_decision", "threshold")
    exec("\n\n\n".join(parts), scope)

    def reached(cut: float) -> float:
        return float(f1_score(target, scope["decide"](probabilities, cut)))

    assert reached(scope["fit_decision"](probabilities, target)) > max(map(reached, np.linspace(0.05, 0.95, 40))) - 0.03


@pytest.mark.parametrize("positives", [3, 40, 431])
@pytest.mark.parametrize("rows", [60, 1_237])
def test_classes_that_are_apart_are_cut_in_the_middle_of_the_gap(positives: int, rows: int) -> None:
    rng = np.random.default_rng(positives)
    target = np.arange(rows) < min(positives, rows // 2)
    chances = np.where(target, rng.uniform(0.8, 1, rows), rng.uniform(0, 0.1, rows))
    scope: dict[str, Any] = {"np": np}
    exec(frame_part("best_cut"), scope)
    cut = scope["best_cut"](chances, target.sum(), lambda cut: f1_score(target, chances >= cut))
    assert 0.2 < cut < 0.7


@pytest.mark.parametrize(
    ("labels", "metric", "positive"),
    [
        ((1, 2), "auc_roc", "2"),
        ((1, 2), "f1", "1"),
        ((0, 1), "f1", "1"),
        ((-1, 1), "log_loss", "1"),
        ((9, 10), "auc_roc", "10"),
        (("no", "yes"), "auc_roc", "yes"),
        (("f", "m"), "auc_roc", "m"),
        (("left", "stayed", "stayed"), "auc_roc", "left"),
    ],
)
def test_the_positive_class_is_the_one_that_the_metric_takes(
    tmp_path: Path, labels: tuple[Any, Any], metric: str, positive: str
) -> None:
    table = pd.DataFrame({"x": np.arange(200), "y": np.resize(labels, 200)})
    task = Task(tmp_path, table[:150], table[150:], "y", metric)
    assert f"POSITIVE = {positive!r}\n" in candidate(task, cards(task)[0])


def test_grades_stand_in_their_order_in_a_script(tmp_path: Path) -> None:
    grades = ["poor", "fair", "good", "excellent"]
    table = pd.DataFrame({"x": np.arange(200), "y": np.resize(grades, 200)})
    task = Task(tmp_path, table[:150], table[150:], "y", "quadratic_kappa")
    text = candidate(task, cards(task)[0])
    assert f"ORDER = {grades!r}\n".replace("'", '"') in text.replace("'", '"')
    assert "key=ORDER.index" in text


@pytest.mark.parametrize(
    ("every", "metric", "folds", "used"),
    [(100, "average_precision", 3, 2), (2, "average_precision", 5, 1), (2, "accuracy", 5, 3)],
)
def test_a_rare_class_gets_larger_folds_and_labels_get_more_of_them(
    tmp_path: Path, every: int, metric: str, folds: int, used: int
) -> None:
    positive = np.arange(12_000) % every == 0
    table = pd.DataFrame({"x": np.random.default_rng(0).normal(size=12_000), "y": positive.astype(int)})
    task = Task(tmp_path, table[:11_500], table[11_500:], "y", metric)
    assert f"FOLDS = {folds}\nFOLDS_USED = {used}\n" in candidate(task, cards(task)[0])


def test_boosters_go_as_far_on_few_rows_of_many_classes_as_they_do_by_default(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    table = pd.DataFrame({"x": generator.normal(size=1_300), "y": [f"kind {i % 30}" for i in range(1_300)]})
    task = Task(tmp_path, table[:1_200], table[1_200:], "y", "log_loss")
    found = {}
    for card in cards(task, count=8):
        functions = functions_of(candidate(task, card))
        for name in {"lightgbm", "hist_gradient_boosting", "categorical_lightgbm"} & set(functions):
            settings = {key: float(str(value)) for key, value in keywords_of(functions[name]).items()}
            found[name] = settings["trees"] * settings["learning_rate"]
    assert len(found) == 3
    assert min(found.values()) >= 9  # LightGBM's own: 100 trees at a rate of 0.1


def test_the_inner_loop_never_runs_out_of_plans_for_a_chosen_block(task: Task) -> None:
    script, done = merged(task), ""
    for _ in range(6):
        reply = ask("extractor", **common(task), script=script, summary="none", earlier_blocks=done or "none")
        found = json.loads(reply)
        plans = [found["plan"]]
        while len(plans) < 4:
            history = "\n".join(f"{place}. score: 0.5\n{plan}" for place, plan in enumerate(plans, 1))
            plans.append(ask("planner", **common(task), code_block=found["code_block"], history=history))
        assert len(set(plans)) == 4
        assert not any("Leave this block" in plan for plan in plans)
        changed = {code(ask("coder", environment=ENVIRONMENT, script=script, code_block=found["code_block"], plan=plan))
                   for plan in plans}  # fmt: skip
        assert found["code_block"] not in changed
        assert len(changed) == 4
        done += f"\n1. ```python\n{found['code_block']}\n```\n"


def test_what_would_undo_an_idea_that_helped_is_tried_late_and_alone(task: Task) -> None:
    block = recipes_by_name("tabular").part("extra_trees", read_facts(task.brief, read_environment(ENVIRONMENT)))
    good = 0.2 if "rmse" in task.brief else 0.8
    plans = ["Let trees grow to single rows."]
    while not plans[-1].startswith("Ask for more rows in a leaf."):
        history = attempts_text([Attempt(plan=plan, score=good if plan is plans[0] else 0.7) for plan in plans])
        told = {"code_block": block, "baseline": 0.5, "direction": "higher is better", "history": history}
        plans.append(ask("planner", **common(task), **told))
        assert len(plans) < 5
    assert "Let trees grow" not in plans[-1]
    assert len(plans) > 2
    assert all(plan.startswith("Let trees grow to single rows. That helped") for plan in plans[1:-1])


@pytest.mark.parametrize(
    "name", ["linear", "kernel_machine", "neural_network", "extra_trees", "lightgbm", "nearest_neighbours"]
)
def test_whatever_helped_each_plan_after_it_makes_a_block_of_its_own(task: Task, name: str) -> None:
    facts = read_facts(task.brief, read_environment(ENVIRONMENT))
    block, better = recipes_by_name("tabular").part(name, facts), facts.metric.direction == "higher is better"
    given = {"environment": ENVIRONMENT, "script": block, "code_block": block}
    for idea in fitting_ideas(name, block, facts):
        plans, made = [idea.plan], [block]
        while len(plans) < 7:
            made.append(code(ask("coder", **given, plan=plans[-1])))
            scores = [0.7 if better else 0.3] + [0.5] * (len(plans) - 1)
            history = tuple(Scored(plan, score) for plan, score in zip(plans, scores, strict=True))
            plans.append(next_plan(block, history, facts, tuple(plans), baseline=0.5))
        assert len(set(made)) == len(made), idea.title


def test_numbers_are_turned_from_where_they_stand_by_what_helped(task: Task) -> None:
    facts = read_facts(task.brief, read_environment(ENVIRONMENT))
    block = recipes_by_name("tabular").part("linear", facts)
    strength = keywords_of(block)["strength"]
    assert isinstance(strength, float)
    better = 0.8 if facts.metric.direction == "higher is better" else 0.2
    tried = Scored("Triple the strength.", better), Scored("Take a third of the strength.", 0.5)
    plan = next_plan(block, tried, facts, tuple(item.text for item in tried), baseline=0.5)
    assert f"Set `strength` to {strength * 3 * 0.6:.2g}. It stands at {strength * 3:.2g}" in plan


def test_with_a_single_model_no_step_is_spent_on_how_models_are_blended(task: Task) -> None:
    script, done, chosen = candidate(task, cards(task)[0]), "", []
    for _ in range(6):
        reply = ask("extractor", **common(task), script=script, summary="none", earlier_blocks=done or "none")
        block = json.loads(reply)["code_block"]
        chosen.append(name_of(block))
        done += f"\n1. ```python\n{block}\n```\n"
    assert not {"blend", "blend_weights"} & set(chosen)


def test_a_column_of_the_submission_stands_for_the_class_that_it_ends_in() -> None:
    place = part("class_place", classes=np.array(["p", "q"]))
    assert [place(column) for column in ("p", "p_p", "p_q", "q_chance")] == [0, 0, 1, 1]
    place = part("class_place", classes=np.array(["New York", "York", "A", "A+"]))
    assert [place(column) for column in ("New_York", "york", "A", "A+", "p_new york")] == [0, 1, 2, 3, 0]
    place = part("class_place", classes=np.array([-1, 1]))
    assert [place(column) for column in ("-1", "1")] == [0, 1]


def test_a_solution_with_fewer_folds_and_rows_is_joined_by_the_others(task: Task) -> None:
    script = candidate(task, cards(task)[0])
    lighter = code(ask("debugger", environment=ENVIRONMENT, script=script, error="timeout"))
    solutions = solutions_text([Solution(script=script, score=0.8), Solution(script=lighter, score=0.7)])
    plan = ask("ensemble_planner", task=task.brief, solutions=solutions)
    ensemble = code(ask("ensembler", **common(task), solutions=solutions, plan=plan))
    assert ensemble.count("    FOLDS_USED = 1\n") == 2
    assert ensemble.count("min(len(train), 5_000)") == 2


@pytest.mark.parametrize(
    ("step", "limit", "script_time", "pace"),
    [
        ("p1.t0.k1", None, 600, 600),
        ("p1.t0.k1", 92, 18.4, 92),
        ("p1.t0.k1", 30, 10, 30),
        ("p1.t0.k1", 6_000, 600, 600),
        ("p2.submission", 92, 92, 92),
        ("ensemble.r0", 92, 92, 92),
        ("submission", 6_000, 600, 600),
    ],
)
def test_the_environment_tells_how_long_a_script_and_the_whole_run_may_take(
    step: str, limit: float | None, script_time: float, pace: float
) -> None:
    told = read_environment(render_environment(MLEStarConfig(time_limit=limit, script_timeout=600), step))
    assert (told.time_limit, told.run_limit) == (script_time, limit)
    assert told.pace == pytest.approx(pace)


@pytest.mark.parametrize(
    ("size", "kind", "rows"),
    [(200, "text", 3_000), (1_000, "text", 750), (3_000, "text", 250), (3_000, "category", 3_000)],
)
@pytest.mark.parametrize("numbers", [0, 300])
def test_long_texts_mean_fewer_rows(size: int, kind: str, rows: int, numbers: int) -> None:
    file = FileProfile(path="train.csv", bytes=10_000 * (size + 10 * numbers), rows=10_000)
    column = ColumnProfile(name="a", kind=kind, dtype="str")
    profile = DataProfile(files=(file,), train_file="train.csv", columns=(column,), column_count=1 + numbers)
    assert rows_in(30, profile) == max(500, rows)


def test_a_short_time_limit_means_fewer_rows_and_trees(task: Task) -> None:
    card = cards(task)[0]
    hasty = ENVIRONMENT.replace("600 seconds", "30 seconds")
    reply = ask(
        "candidate_evaluator", task=task.brief, environment=hasty, model_name=card["name"], model_description="",
        example_code="", split_seed=7, seed=3,
    )  # fmt: skip
    assert "learning_rate=0.08, trees=150" in code(reply)
    assert rows_in(30, DataProfile(files=())) == 3_000


def test_scripts_of_others_get_replies_of_the_right_form(task: Task) -> None:
    foreign = (
        "import pandas as pd\n\n\ndef load():\n    return pd.read_csv('input/train.csv')\n\n\nprint(len(load()))\n"
    )
    assert code(ask("merger", **common(task), base_script=foreign, reference_script=foreign)) == foreign.rstrip()
    found = json.loads(ask("extractor", **common(task), script=foreign, summary="x", earlier_blocks="none"))
    quote_block(foreign, found["code_block"])
    ast.parse(code(ask("submission", **common(task), script=foreign)))
    ast.parse(code(ask("debugger", environment=ENVIRONMENT, script=foreign, error="ValueError: x")))
    assert json.loads(ask("leakage_detect", script=foreign))["verdict"] == "no leakage"


def test_other_talk_is_answered_with_a_hint() -> None:
    assert "model_provider" in OfflineChatModel().invoke("Tell me a joke.").text


def test_models_that_are_chosen_already_are_not_named_again(task: Task) -> None:
    first, *_ = cards(task)
    reply = ask("retriever", **common(task), path=1, paths=1, count=4, taken=f"- {first['name']}")
    assert first["name"] not in {card["name"] for card in json.loads(reply)}


def test_queries_are_written_as_many_as_are_asked_for(task: Task) -> None:
    assert len(json.loads(ask("search_queries", **common(task), count=3))["queries"]) == 3


def test_a_step_of_features_is_refined_third_at_the_latest(task: Task) -> None:
    script, done, chosen = merged(task), "", []
    for _ in range(3):
        summary = "- `lightgbm` was left out: 0.9 (+0.2)\n- `blend_weights` was left out: 0.8 (+0.1)"
        block = json.loads(
            ask("extractor", **common(task), script=script, summary=summary, earlier_blocks=done or "none")
        )
        chosen.append(name_of(block["code_block"]))
        done += f"\n1. ```python\n{block['code_block']}\n```\n"
    assert chosen[2].endswith("_features")


def test_no_plan_is_about_columns_that_a_table_lacks(task: Task) -> None:
    facts = read_facts(task.brief, read_environment(ENVIRONMENT))
    numbers = replace(facts, profile=facts.profile.model_copy(update={
        "columns": tuple(column for column in facts.profile.columns if column.kind == "numeric"),
        "column_count": sum(column.kind == "numeric" for column in facts.profile.columns),
    }))  # fmt: skip
    titles = {idea.title for block in ("tree_matrix", "number_features") for idea in ideas_for(block, numbers)}
    assert "Add the fractions of the numbers, and whether they are round." in titles
    assert not {"Take more topics from the texts.", "Cross the categories of few values in pairs."} & titles


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("name", ["lightgbm", "categorical_lightgbm", "hist_gradient_boosting", "xgboost", "catboost"])
def test_a_booster_is_averaged_with_a_forest_of_its_own_kind(kind: str, name: str) -> None:
    source = functions(kind)[name]
    idea = next(idea for idea in IDEAS if idea.block == name and "Average it" in idea.title)
    changed = idea.change(source, source)
    assert changed is not None
    assert ("ExtraTreesClassifier" if kind == "classification" else "ExtraTreesRegressor") in changed
    if name in {"xgboost", "catboost"}:
        return
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.normal(size=120), "kind": pd.Categorical(rng.choice(list("ab"), 120))})
    if name == "hist_gradient_boosting":
        rows["kind"] = rows["kind"].cat.codes
    target = (rows["x"] > 0).to_numpy().astype(int)
    scope: dict[str, Any] = {"np": np, "pd": pd, "SEED": 0, "BAGS": 2, "CORES": 1, "ABSOLUTE_LOSS": False}
    scope["classes"] = np.array([0, 1])
    for needed in ("spread", "hold_back"):
        exec(functions(kind).get(needed, ""), scope)
    exec(changed, scope)
    predicted = scope[name](rows[:90], target[:90], rows[90:])
    assert predicted.shape == ((30, 2) if kind == "classification" else (30,))
    assert ((predicted if predicted.ndim == 1 else predicted[:, 1]) > 0.5).astype(int).tolist() == target[90:].tolist()


def test_of_blocks_without_ideas_one_with_a_number_to_turn_is_chosen(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": np.arange(90.0), "y": np.arange(90.0)})
    facts = read_facts(Task(tmp_path, table[:60], table[60:], "y", "rmse").brief, read_environment(ENVIRONMENT))
    text = "def build(frame, features=None):\n    return frame\n\n\ndef held(rows, share=0.15):\n    return rows\n"
    assert choose_block(Script.parse(text), "", "", facts) == "held"
