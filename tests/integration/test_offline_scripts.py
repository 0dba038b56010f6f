"""The embedded model's scripts, run: from the cards to a submission, on tables of awkward shapes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.metrics import roc_auc_score, root_mean_squared_error

from mle_star.models.data_models import Solution
from mle_star.tools.blocks import substitute
from mle_star.tools.listing import solutions_text
from mle_star.tools.submission_check import check_submission
from tests.unit.offline.simulate import ENVIRONMENT, Folder, Run, Task, ask, code, run

pytestmark = pytest.mark.integration

Target = Callable[[pd.DataFrame], Any]


def awkward(rows: int) -> pd.DataFrame:
    """A table with most of what goes wrong with tables."""
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "a b": generator.normal(size=rows),
            "c[d]": generator.normal(size=rows),
            'q"x{y}': generator.integers(0, 5, rows),
            "ünï,cødé": generator.choice(np.array(["x", "y", None], dtype=object), rows),
            "many": [f"v{value}" for value in generator.integers(0, rows // 2, rows)],
            "empty": np.nan,
            "constant": 7,
            "flag": generator.choice([True, False], rows),
            "flag with gaps": generator.choice(np.array([True, False, None], dtype=object), rows),
            "mixed": generator.choice(np.array([1, "two", 3.5, None], dtype=object), rows),
            "money": [f"${value:,.2f}" for value in generator.uniform(0, 5000, rows)],
            "when": pd.Timestamp("2021-03-01") + pd.to_timedelta(generator.integers(0, 700, rows), unit="D"),
            "infinite": np.where(generator.random(rows) < 0.1, np.inf, generator.normal(size=rows)),
            "note": [
                " ".join(generator.choice(["alpha", "beta", "gamma", "delta"], 5)) if row % 9 else None
                for row in range(rows)
            ],
        }
    )


def signal(frame: pd.DataFrame) -> pd.Series:
    return frame["a b"] + frame["c[d]"] * frame["flag"]


CASES: dict[str, tuple[int, str, Target]] = {
    "sixty rows": (60, "accuracy", lambda frame: np.where(signal(frame) > 0, "yes", "no")),
    "booleans": (150, "f1", lambda frame: signal(frame) > 0),
    "a class with one member": (
        150, "f1_macro", lambda frame: np.where(frame.index == 3, "once", np.where(signal(frame) > 0, "A", "B")),
    ),
    "grades": (150, "quadratic_kappa", lambda frame: signal(frame).round().clip(-2, 2).astype(int) + 3),
    "skewed, with gaps": (
        150, "rmsle", lambda frame: np.where(np.arange(len(frame)) % 10 == 0, np.nan, np.exp(2 * signal(frame))),
    ),
    "relative errors": (150, "mape", lambda frame: 10 + np.exp(signal(frame))),
}  # fmt: skip


def candidates(task: Task | Folder, count: int, path: int = 1, paths: int = 1) -> list[str]:
    reply = ask("retriever", task=task.brief, environment=ENVIRONMENT, path=path, paths=paths, count=count)
    return [
        code(
            ask(
                "candidate_evaluator", task=task.brief, environment=ENVIRONMENT, model_name=card["name"],
                model_description=card["description"], example_code=card["example_code"], split_seed=7, seed=number,
            )
        )
        for number, card in enumerate(json.loads(reply))
    ]  # fmt: skip


def ran(task: Task | Folder, script: str) -> Run:
    result = run(task, script)
    assert result.score is not None, result.error
    return result


def submitted(task: Task, script: str) -> pd.DataFrame:
    ran(task, code(ask("submission", task=task.brief, environment=ENVIRONMENT, script=script)))
    assert check_submission(task.folder / "final" / "submission.csv", task.facts) == []
    written = pd.read_csv(task.folder / "final" / "submission.csv")
    sample = pd.read_csv(task.folder / "input" / "sample_submission.csv")
    assert list(written.columns) == list(sample.columns)
    assert list(written[task.id_column]) == list(sample[task.id_column])
    assert written.notna().all(axis=None)
    return written


@pytest.mark.parametrize("name", CASES)
def test_an_awkward_table_is_learnt_and_predicted(name: str, tmp_path: Path) -> None:
    rows, metric, target = CASES[name]
    table = awkward(rows + rows // 2)
    table["y"] = target(table)
    task = Task(tmp_path, table[:rows], table[rows:], "y", metric)
    first, second = candidates(task, 2)
    merged = code(ask("merger", task=task.brief, environment=ENVIRONMENT, base_script=first, reference_script=second))
    submitted(task, merged)


def test_a_short_run_beats_the_mean_by_far(tmp_path: Path) -> None:
    table = load_diabetes(as_frame=True).frame
    task = Task(tmp_path, table[:300], table[300:], "target", "rmse")
    common = {"task": task.brief, "environment": ENVIRONMENT}
    first, second = candidates(task, 1, 1, 2)[0], candidates(task, 2, 2, 2)[1]
    score = ran(task, second).score
    study = code(ask("ablation_study", environment=ENVIRONMENT, script=second, earlier_summaries="none"))
    summary = ask("summarizer", script=study, output=run(task, study).output)
    assert "Unchanged" in summary
    found = json.loads(ask("extractor", **common, script=second, summary=summary, earlier_blocks="none"))
    block = code(
        ask("coder", environment=ENVIRONMENT, script=second, code_block=found["code_block"], plan=found["plan"])
    )
    refined = substitute(second, found["code_block"], block)
    ran(task, refined)
    solutions = solutions_text([Solution(script=first, score=60.0), Solution(script=refined, score=score)])
    plan = ask("ensemble_planner", task=task.brief, solutions=solutions)
    ensemble = code(ask("ensembler", **common, solutions=solutions, plan=plan))
    written = submitted(task, ensemble)
    truth = task.test["target"]
    assert root_mean_squared_error(truth, written["target"]) < 0.8 * truth.std()


def test_further_tables_are_joined(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    shops = pd.DataFrame({"shop": [f"s{i}" for i in range(40)], "size": generator.normal(size=40)})
    table = pd.DataFrame({"shop": generator.choice(shops["shop"], 300), "x": generator.normal(size=300)})
    table["y"] = table["shop"].map(shops.set_index("shop")["size"]) * 3 + table["x"]
    task = Task(tmp_path, table[:200], table[200:], "y", "rmse", extra={"shops.csv": shops})
    (script,) = candidates(task, 1)
    alone = ran(task, script)
    revised = code(ask("data_usage_checker", task=task.brief, environment=ENVIRONMENT, script=script))
    joined = ran(task, revised)
    assert (joined.score or np.inf) < (alone.score or 0)
    submitted(task, revised)


def test_a_trend_goes_on_beyond_the_training_rows(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    days = np.arange(250)
    table = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=250).astype(str), "x": generator.normal(size=250)})
    table["y"] = 100 + days + 5 * table["x"] + generator.normal(size=250)
    task = Task(tmp_path, table[:200], table[200:], "y", "rmse")
    assert task.facts.profile.split.kind == "time"
    written = submitted(task, candidates(task, 1)[0])
    assert root_mean_squared_error(task.test["y"], written["y"]) < 6


def test_a_column_that_only_training_rows_have_does_not_make_the_score_a_lie(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    table = pd.DataFrame({"x": generator.normal(size=120), "z": generator.normal(size=120)})
    table["y"] = table["x"] + generator.normal(size=120)
    table["paid"] = 2 * table["y"]
    task = Task(tmp_path, table[:100], table[100:].drop(columns="paid"), "y", "rmse")
    assert (ran(task, candidates(task, 1)[0]).score or 0) > 0.9


@pytest.mark.parametrize("there", ["missing", "empty"])
def test_where_columns_are_too_many_to_be_told_those_that_the_test_lacks_are_still_left_out(
    there: str, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    table = pd.DataFrame(generator.normal(size=(150, 90)), columns=[f"x{place}" for place in range(90)])
    table["y"] = table["x0"] + generator.normal(size=150)
    paid = pd.DataFrame({f"paid, {place}": table["y"] + place for place in range(15)})
    train = pd.concat([table, paid], axis=1)[:120]
    test = table[120:] if there == "missing" else table[120:].assign(**dict.fromkeys(paid.columns, np.nan))
    task = Task(tmp_path, train, test, "y", "rmse")
    assert (ran(task, candidates(task, 1)[0]).score or 0) > 0.9


def test_words_among_numbers_that_only_the_test_holds_count_as_missing(tmp_path: Path) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 3)), columns=list("abc"))
    table["y"] = np.where(table["a"] + table["b"] > 0, "yes", "no")
    test = table[150:].astype({"a": object, "b": object})
    test.iloc[3, 0], test.iloc[4, 1] = "unknown", "-"
    task = Task(tmp_path, table[:150], test, "y", "auc_roc")
    scripts = candidates(task, 8)
    common = {"task": task.brief, "environment": ENVIRONMENT}
    merged = scripts[0]
    for script in scripts[1:]:
        merged = code(ask("merger", **common, base_script=merged, reference_script=script))
    submitted(task, merged)


@pytest.mark.parametrize(
    "write",
    [
        "${:,.2f}".format,
        "{:,.0f} €".format,
        "{:.4f}%".format,
        lambda minutes: f"{minutes // 60:.0f}:{minutes % 60:04.1f}",
    ],
)
def test_amounts_that_are_written_for_people_are_numbers(write: Callable[[float], str], tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    amounts = generator.uniform(1_000, 90_000, 240)
    table = pd.DataFrame({"price": [write(amount) for amount in amounts], "x": generator.normal(size=240)})
    table["y"] = amounts / 1_000
    task = Task(tmp_path, table[:180], table[180:], "y", "rmse")
    assert task.facts.profile.columns[0].kind == "numeric"
    written = submitted(task, candidates(task, 1)[0])
    assert root_mean_squared_error(task.test["y"], written["y"]) < 0.2 * task.test["y"].std()


@pytest.mark.parametrize(
    "write",
    [
        lambda value: f"${value:,.0f}",
        lambda value: f"{value:,.2f} €".translate(str.maketrans(",.", ".,")),
        lambda value: f"{value / 1_000:.2f}K",
    ],
)
def test_a_target_that_is_written_for_people_is_learnt_as_numbers(
    write: Callable[[float], str], tmp_path: Path
) -> None:
    amounts = np.random.default_rng(0).uniform(1_000, 90_000, 240)
    table = pd.DataFrame({"costs": [write(amount) for amount in amounts]})
    table["price"] = [write(amount * 1.2) for amount in amounts]
    task = Task(tmp_path, table[:180], table[180:], "price", "mae")
    assert task.facts.profile.columns[0].kind == "numeric"
    written = submitted(task, candidates(task, 1)[0])
    assert np.abs(written["price"] - 1.2 * amounts[180:]).mean() < 3_000


@pytest.mark.parametrize("sample", ["none", "labels", "more columns"])
def test_a_submission_of_several_classes_has_what_the_sample_asks_for(sample: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    table = pd.DataFrame({"x": generator.normal(size=160), "b": generator.normal(size=160)})
    table["y"] = np.where(table["x"] > 0.5, "a", np.where(table["b"] > 0, "b", "c"))
    task = Task(tmp_path, table[:120], table[120:], "y", "log_loss")
    file = tmp_path / "input" / "sample_submission.csv"
    asked = pd.read_csv(file)
    if sample == "none":
        file.unlink()
        assert task.facts.profile.submission
        asked[["row id"]].assign(a=0.3, b=0.3, c=0.4).to_csv(file, index=False)  # what is compared with
    else:
        asked["y"] = "a"
        more = {"Usage": np.where(asked.index % 3, "Public", "Private")} if sample == "more columns" else {}
        asked.assign(**more).to_csv(file, index=False)
    written = submitted(task, candidates(task, 1)[0])
    if sample != "none":
        assert (written["y"] == task.test["y"]).mean() > 0.6
    if sample == "more columns":
        assert written["Usage"].tolist() == ["Private" if row % 3 == 0 else "Public" for row in range(40)]


def test_codes_that_are_unlike_in_every_row_tell_by_their_parts(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    kinds, numbers = generator.choice(["AB", "KL", "XY"], 240), generator.permutation(240)
    table = pd.DataFrame({"article": [f"{kind}-{number:04}" for kind, number in zip(kinds, numbers, strict=True)]})
    table["x"] = generator.normal(size=240)
    table["y"] = 10.0 * (kinds == "KL") + table["x"]
    task = Task(tmp_path, table[:180], table[180:], "y", "rmse")
    assert task.facts.profile.columns[0].kind == "id"
    for script in candidates(task, 8):
        assert (ran(task, script).score or 99) < 0.5 * table["y"].std()
    submitted(task, script)


@pytest.mark.parametrize("metric", ["rmse", "accuracy"])
def test_schools_that_training_never_saw_are_known_by_the_words_of_their_names(metric: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    starts, ends = ("Nor", "Sud", "Gran", "Bel", "Mar", "Lin", "Tor"), ("ton", "ville", "field")
    words = np.array([start + end for start in starts for end in ends])
    chosen, effects = generator.integers(0, len(words), (160, 3)), generator.normal(size=len(words))
    effects[::2] = 0.0
    school = np.repeat(np.arange(160), 6)
    table = pd.DataFrame({"school": [" ".join(words[chosen[one]]) + f" School {one}" for one in school]})
    table["code"] = 500 + generator.permutation(160)[school]
    table = table.assign(**{name: generator.normal(size=len(table)) for name in "vwxyz"})
    effect = effects[chosen].sum(axis=1)[school] + 0.2 * table["x"]
    table["result"] = effect if metric == "rmse" else np.where(effect > np.median(effect), "good", "fair")
    is_new = school >= 120
    task = Task(tmp_path, table[~is_new], table[is_new].reset_index(drop=True), "result", metric)
    assert task.facts.profile.split.worded == ("school",)
    for script in candidates(task, 8):
        score = ran(task, script).score
        assert score is not None
        assert score < 0.9 * effect.std() if metric == "rmse" else score > 0.6
    submitted(task, script)


def test_the_number_in_a_code_that_counts_the_rows_is_no_feature(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    table = pd.DataFrame({"code": [f"FL-{row:04}" for row in range(240)], "x": generator.normal(size=240)})
    table["y"] = np.where(np.arange(240) < 120, "yes", "no")  # as training tables are sorted at times
    task = Task(tmp_path, table, table.assign(code=[f"FL-{row:04}" for row in range(500, 740)]), "y", "auc_roc")
    assert (ran(task, candidates(task, 1)[0]).score or 1) < 0.7


@pytest.mark.parametrize("kind", ["text", "category"])
@pytest.mark.parametrize("metric", ["rmse", "auc_roc", "accuracy"])
def test_what_each_of_many_words_says_is_learnt_beside_numbers(metric: str, kind: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    titles, effects = generator.integers(0, 80, (1_000, 3)), generator.normal(size=80)
    if kind == "category":
        titles = titles[np.arange(1_000) % 60]
    table = pd.DataFrame({name: generator.normal(size=1_000) for name in "abcdef"})
    table["title"] = [" ".join(f"word{word}" for word in title) for title in titles]
    effect = effects[titles].sum(axis=1) + 0.5 * table["a"]
    classes = np.digitize(effect, [0] if metric == "auc_roc" else [-1, 1])
    table["y"] = effect if metric == "rmse" else np.array(["low", "mid", "top"])[classes]
    task = Task(tmp_path, table[:700], table[700:], "y", metric)
    assert task.facts.profile.columns[-1].kind == kind
    scores = [ran(task, script).score for script in candidates(task, 4)]
    least = {"rmse": -0.6 * effect.std(), "auc_roc": 0.85, "accuracy": 0.65}[metric]
    told = [-score if metric == "rmse" else score for score in scores if score is not None]
    assert len(told) == 4
    assert min(told) > least, scores
    submitted(task, candidates(task, 1)[0])


def test_how_far_places_are_apart_and_how_many_days_dates_are_learnt(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    places = ("startLat", "startLng", "endLat", "endLng")
    table = pd.DataFrame({name: generator.uniform(0, 10, 900) for name in places})
    days = generator.integers(0, 2_000, (2, 900))
    for name, day in zip(("opened", "closed"), days, strict=True):
        table[name] = (pd.Timestamp("2015-01-01") + pd.to_timedelta(day, unit="D")).strftime("%d.%m.%Y")
    apart = np.hypot(table["endLat"] - table["startLat"], table["endLng"] - table["startLng"])
    table["y"] = 100 * apart + 0.3 * (days[1] - days[0])
    task = Task(tmp_path, table[:600], table[600:], "y", "rmse")
    scripts = candidates(task, 2)
    assert all("place_features" in script for script in scripts)
    written = submitted(task, scripts[0])
    assert root_mean_squared_error(task.test["y"], written["y"]) < 0.15 * table["y"].std()


@pytest.mark.parametrize("form", ["%b-%Y", "%Y-%m"])
def test_months_that_go_on_in_the_test_are_validated_by_the_latest(form: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    months = pd.date_range("2012-01-01", periods=90, freq="MS").repeat(10)
    table = pd.DataFrame(
        {"month": months.strftime(form), "x": generator.normal(size=900), "z": generator.normal(size=900)}
    )
    table["y"] = table["x"] + np.arange(900) / 300
    task = Task(tmp_path, table[:700], table[700:], "y", "rmse")
    assert task.facts.profile.split.kind == "time"
    written = submitted(task, candidates(task, 1)[0])
    assert root_mean_squared_error(task.test["y"], written["y"]) < 0.6


def test_texts_without_spaces_are_read_beside_numbers(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    words = ["房间", "早餐", "位置", "服务", "干净", "安静", "地铁", "很远", "价格", "漂亮"]
    texts = ["".join(generator.choice(words, 8)) + generator.choice(["好", "坏"]) for _ in range(240)]
    table = pd.DataFrame({name: generator.normal(size=240) for name in "abcd"} | {"评论": texts})
    table["y"] = 10.0 * table["评论"].str.contains("好") + table["a"]
    task = Task(tmp_path, table[:180], table[180:], "y", "rmse")
    assert task.facts.profile.columns[-1].kind == "text"
    scores = [ran(task, script).score or 99 for script in candidates(task, 8)]
    assert min(scores) < 0.5 * table["y"].std()
    assert sorted(scores)[5] < 0.8 * table["y"].std()  # one takes no texts


def test_a_table_of_another_dialect_is_read_and_answered_in_the_samples_order(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    data = tmp_path / "input"
    data.mkdir()
    table = pd.DataFrame({"id": [f"{row:05d}" for row in range(120)], "x": generator.normal(size=120)})
    table["ort"] = generator.choice(["Köln", "Ulm"], 120)
    table["y"] = table["x"] + (table["ort"] == "Ulm")
    dialect = {"sep": ";", "decimal": ",", "encoding": "latin-1", "index": False}
    table[:90].to_csv(data / "train.csv", **dialect)
    table[90:].drop(columns="y").to_csv(data / "test.csv", **dialect)
    pd.DataFrame({"id": table["id"][:89:-1], "y": 0.5}).to_csv(data / "sample_submission.csv", **dialect)
    for file in data.iterdir():
        file.write_bytes(b"# exported by hand; two towns\n# units: metres\n" + file.read_bytes())
    task = Folder(tmp_path, "y", "rmse")
    ran(task, code(ask("submission", task=task.brief, environment=ENVIRONMENT, script=candidates(task, 1)[0])))
    assert check_submission(tmp_path / "final" / "submission.csv", task.facts) == []
    written = pd.read_csv(tmp_path / "final" / "submission.csv", dtype={"id": str}).set_index("id")["y"]
    truth = table.set_index("id")["y"][90:]
    assert root_mean_squared_error(truth, written[truth.index]) < 0.6 * truth.std()


@pytest.mark.parametrize("key", ["row id", None])
def test_features_in_several_files_and_answers_in_one_of_their_own_are_brought_together(
    key: str | None, tmp_path: Path
) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(240, 3)), columns=list("abc"))
    table["y"] = 10 * table["a"] + table["b"]
    task = Task(tmp_path, table[:180], table[180:], "y", "rmse")
    data = tmp_path / "input"
    (data / "train.csv").unlink()
    answers = task.train[[*([key] if key else []), "y"]]
    answers = answers.sample(frac=1, random_state=0) if key else answers
    answers.to_csv(data / "y_train.csv", index=False)
    shown = task.train.drop(columns="y" if key else ["y", "row id"])
    for number, part in enumerate((shown[:70], shown[70:])):
        part.to_csv(data / f"X_train_{number}.csv", index=False)
    assert task.facts.profile.train_rows == 180
    written = submitted(task, candidates(task, 1)[0])
    assert root_mean_squared_error(task.test["y"], written["y"]) < 0.4 * task.test["y"].std()


def test_test_rows_in_several_files_are_all_predicted_in_the_samples_order(tmp_path: Path) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(240, 3)), columns=list("abc"))
    table["y"] = 10 * table["a"] + table["b"]
    task = Task(tmp_path, table[:180], table[180:], "y", "rmse")
    data = tmp_path / "input"
    hidden = task.test.drop(columns="y")
    (data / "test.csv").unlink()
    for number, part in enumerate((hidden[40:], hidden[:40])):
        part.to_csv(data / f"test_{number}.csv", index=False)
    written = submitted(task, candidates(task, 1)[0])
    assert root_mean_squared_error(task.test["y"], written["y"]) < 0.4 * task.test["y"].std()


def test_where_the_test_table_names_no_rows_they_are_those_of_the_sample(tmp_path: Path) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(240, 3)), columns=list("abc"))
    table["y"] = 10 * table["a"] + table["b"]
    task = Task(tmp_path, table[:180], table[180:], "y", "rmse")
    task.test.drop(columns=["row id", "y"]).to_csv(tmp_path / "input" / "test.csv", index=False)
    written = submitted(task, candidates(task, 1)[0])
    assert root_mean_squared_error(task.test["y"], written["y"]) < 0.4 * task.test["y"].std()


@pytest.mark.parametrize("metric", ["rmse", "accuracy"])
def test_of_several_test_rows_with_the_same_id_the_predictions_are_averaged(metric: str, tmp_path: Path) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(240, 3)), columns=list("abc"))
    table.insert(0, "visit", [f"v{number:03d}" for number in np.arange(240) // 3])
    table["a"] += np.random.default_rng(1).normal(scale=2, size=80).repeat(3)
    means = table.groupby("visit")["a"].transform("mean")
    table["y"] = 10 * means if metric == "rmse" else np.where(means > 0, "long", "short")
    task = Task(tmp_path, table[:180], table[180:], "y", metric, id_column="visit")
    truth = table[180:].drop_duplicates("visit")[::-1]
    file = tmp_path / "input" / "sample_submission.csv"
    pd.read_csv(file).drop_duplicates("visit")[::-1].to_csv(file, index=False)
    written = submitted(task, candidates(task, 1)[0])["y"]
    if metric == "rmse":
        assert root_mean_squared_error(truth["y"], written) < 0.7 * truth["y"].std()
    else:
        assert (truth["y"].to_numpy() == written).mean() > 0.7


def test_a_target_that_lists_the_samples_columns_is_answered_column_by_column(tmp_path: Path) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(240, 3)), columns=list("abc"))
    truth = (table > 0).set_axis(["red", "dark blue", "green"], axis=1)
    table["colours"] = [", ".join(row.index[row]) for _, row in truth.iterrows()]
    task = Task(
        tmp_path, table[:180], table[180:], "colours", "mean_columnwise_auc_roc", prediction_columns=tuple(truth)
    )
    written = submitted(task, candidates(task, 1)[0])
    assert roc_auc_score(truth[180:], written[truth.columns]) > 0.9


def test_rows_that_are_ranked_by_their_grade_are_given_numbers(tmp_path: Path) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(240, 3)), columns=list("abc"))
    table["y"] = np.digitize(table["a"], [-1, 0, 1])
    task = Task(tmp_path, table[:180], table[180:], "y", "ndcg@10")
    written = submitted(task, candidates(task, 1)[0])
    assert np.corrcoef(task.test["y"], written["y"])[0, 1] > 0.8


def test_ranked_labels_stand_apart_as_in_the_sample(tmp_path: Path) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(240, 3)), columns=list("abc"))
    table["y"] = np.select([table["a"] > 0.5, table["a"] < -0.5], ["item one", "item two"], "item three")
    task = Task(tmp_path, table[:180], table[180:], "y", "map@2")
    file = tmp_path / "input" / "sample_submission.csv"
    pd.read_csv(file).assign(y="item one|item two").to_csv(file, index=False)
    written = submitted(task, candidates(task, 1)[0])["y"].str.split("|", expand=True)
    assert (written[0].to_numpy() == task.test["y"].to_numpy()).mean() > 0.8


def test_rows_that_several_columns_name_together_are_written_with_all_of_them(tmp_path: Path) -> None:
    table = pd.DataFrame({"shop": [f"{place % 12:03d}" for place in range(240)], "week": np.arange(240) // 12})
    table["y"] = table["shop"].astype(float) % 5 + np.random.default_rng(0).normal(scale=0.1, size=240)
    data = tmp_path / "input"
    data.mkdir()
    table[:180].to_csv(data / "train.csv", index=False)
    table[180:][["shop", "week"]].to_csv(data / "test.csv", index=False)
    asked = table[180:].sample(frac=1, random_state=0)
    asked.assign(y=0)[["shop", "week", "y"]].to_csv(data / "sample_submission.csv", index=False)
    task = Folder(tmp_path, "y", "rmse")
    ran(task, code(ask("submission", task=task.brief, environment=ENVIRONMENT, script=candidates(task, 1)[0])))
    assert check_submission(tmp_path / "final" / "submission.csv", task.facts) == []
    written = pd.read_csv(tmp_path / "final" / "submission.csv", dtype={"shop": str})
    assert list(written["shop"]) == list(asked["shop"])
    assert root_mean_squared_error(asked["y"], written["y"]) < 0.5 * asked["y"].std()


def test_a_column_that_is_empty_in_the_test_is_not_counted_as_missing_there(tmp_path: Path) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(240, 5)), columns=list("abcde"))
    table["y"] = 10 * table["a"] + table["b"]
    task = Task(tmp_path, table[:180], table[180:].assign(c=np.nan, d=np.nan), "y", "rmse")
    written = submitted(task, candidates(task, 2)[1])
    assert root_mean_squared_error(task.test["y"], written["y"]) < 0.4 * task.test["y"].std()
    script = code(ask("submission", task=task.brief, environment=ENVIRONMENT, script=candidates(task, 1)[0]))
    assert "test.reindex(columns=train.columns)" in script


@pytest.mark.parametrize("solutions", [1, 2])
@pytest.mark.parametrize(
    ("takes", "rows"),
    [("1e-9", ["800"]), ("9", ["125"]), ("9 * (step.__name__ == model)", ["125", "800"])],  # 500 are validated on
    ids=["quick", "slow", "one of each"],
)
def test_of_many_rows_each_model_has_as_many_in_the_last_fit_as_the_time_allows(
    takes: str, rows: list[str], solutions: int, tmp_path: Path
) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(900, 3)), columns=list("abc"))
    table["y"] = 10 * table["a"] + table["b"]
    task = Task(tmp_path, table[:800], table[800:], "y", "rmse")
    first, second = candidates(task, 2)
    solution = code(ask("merger", task=task.brief, environment=ENVIRONMENT, base_script=first, reference_script=second))
    if solutions == 2:
        both = solutions_text([Solution(script=solution, score=1.0)] * 2)
        plan = ask("ensemble_planner", task=task.brief, solutions=both)
        told = {"task": task.brief, "environment": ENVIRONMENT}
        solution = code(ask("ensembler", **told, solutions=both, plan=plan))
    hurried = f"{ENVIRONMENT}\nwhole run: 0.001 seconds"
    script = code(ask("submission", task=task.brief, environment=hurried, script=solution))
    model = re.findall(r"^ *MODELS = .*\n? *.*: \(\w+, (\w+)\)", script, re.M)[0]
    script = script.replace("time.monotonic() - began", takes.replace("model", repr(model)))
    script = re.sub(r"^( *)(parts \|= )", r"\1print(number, 'rows')\n\1\2", script, flags=re.M)
    assert re.findall(r"^(\d+) rows$", ran(task, script).output, re.M) == rows * solutions
    written = pd.read_csv(tmp_path / "final" / "submission.csv")
    assert root_mean_squared_error(task.test["y"], written["y"]) < 0.4 * task.test["y"].std()


def test_a_date_that_only_late_rows_of_a_wide_test_table_have_is_read(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    table = pd.DataFrame(generator.normal(size=(11_200, 84)), columns=[f"x{place}" for place in range(84)]).round(2)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(generator.integers(0, 300, len(table)), unit="D")
    table.insert(0, "when", days.strftime("%Y-%m-%d"))
    table["y"] = table["x0"]
    test = table[200:].copy()
    test.loc[:10_900, "when"] = None
    ran(task := Task(tmp_path, table[:200], test, "y", "rmse"), candidates(task, 3)[2])


@pytest.mark.parametrize(("metric", "files"), [("log_loss", 1), ("accuracy", 2)])
def test_none_is_the_name_of_a_class(metric: str, files: int, tmp_path: Path) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(240, 3)), columns=list("abc"))
    table["y"] = np.select([table["a"] > 0.5, table["a"] < -0.5], ["Green", "None"], "Blue")
    table.loc[::40, "y"] = None
    names = ("Blue", "Green", "None") if metric == "log_loss" else ()
    task = Task(tmp_path, table[:180].copy(), table[180:].fillna("Blue"), "y", metric, prediction_columns=names)
    if files == 2:
        task.train[:90].to_csv(tmp_path / "input" / "train_1.csv", index=False)
        task.train[90:].to_csv(tmp_path / "input" / "train_2.csv", index=False)
        (tmp_path / "input" / "train.csv").unlink()
    assert task.facts.profile.target is not None
    assert {name for name, _ in task.facts.profile.target.classes} == {"Blue", "Green", "None"}
    script = code(ask("submission", task=task.brief, environment=ENVIRONMENT, script=candidates(task, 1)[0]))
    ran(task, script)
    assert check_submission(tmp_path / "final" / "submission.csv", task.facts) == []
    written = pd.read_csv(tmp_path / "final" / "submission.csv", keep_default_na=False)
    answers = written[list(names)].idxmax(axis=1) if names else written["y"]
    assert (answers.to_numpy() == task.test["y"].to_numpy()).mean() > 0.8


def test_lists_and_records_in_a_table_are_read_as_text(tmp_path: Path) -> None:
    table = pd.DataFrame({"tags": [["red", "new"], ["blue"], []] * 80, "place": [{"x": 1}, {"x": 2}] * 120})
    table["y"] = table["tags"].str.len() + table["place"].str["x"]
    task = Task(tmp_path, table[:180], table[180:], "y", "rmse")
    for name in ("train", "test"):
        rows = task.train if name == "train" else task.test.drop(columns="y")
        rows.to_json(tmp_path / "input" / f"{name}.jsonl", orient="records", lines=True)
        (tmp_path / "input" / f"{name}.csv").unlink()
    assert [column.kind for column in task.facts.profile.columns] == ["category", "category"]
    written = submitted(task, candidates(task, 1)[0])
    assert root_mean_squared_error(task.test["y"], written["y"]) < 0.2 * task.test["y"].std()


def test_durations_and_an_index_that_is_the_id_are_columns_of_a_parquet_table(tmp_path: Path) -> None:
    lasting = np.random.default_rng(0).integers(1, 9_000, 240)
    table = pd.DataFrame({"lasting": lasting, "y": np.log(lasting)})
    task = Task(tmp_path, table[:180], table[180:], "y", "rmse")
    for name, rows in (("train", task.train), ("test", task.test.drop(columns="y"))):
        rows = rows.assign(lasting=pd.to_timedelta(rows["lasting"], unit="s")).set_index("row id")
        rows.to_parquet(tmp_path / "input" / f"{name}.parquet")
        (tmp_path / "input" / f"{name}.csv").unlink()
    assert [(column.name, column.kind) for column in task.facts.profile.columns] == [("lasting", "numeric")]
    written = submitted(task, candidates(task, 1)[0])
    assert root_mean_squared_error(task.test["y"], written["y"]) < 0.2 * task.test["y"].std()


@pytest.mark.parametrize("names", [("7", "07", "007"), ("EU", "NA", "nan")])
@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_labels_stay_as_they_are_written(names: tuple[str, ...], metric: str, tmp_path: Path) -> None:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(240, 3)), columns=list("abc"))
    table["y"] = np.select([table["a"] > 0.5, table["a"] < -0.5], names[:2], names[2])
    columns = names if metric == "log_loss" else ()
    task = Task(tmp_path, table[:180], table[180:], "y", metric, prediction_columns=columns)
    assert task.facts.profile.target is not None
    assert {name for name, _ in task.facts.profile.target.classes} == set(names)
    script = code(ask("submission", task=task.brief, environment=ENVIRONMENT, script=candidates(task, 1)[0]))
    ran(task, script)
    file = tmp_path / "final" / "submission.csv"
    assert check_submission(file, task.facts) == []
    written = pd.read_csv(file, dtype=str, keep_default_na=False)
    answers = written[list(columns)].astype(float).idxmax(axis=1) if columns else written["y"]
    assert (answers.to_numpy() == task.test["y"].to_numpy()).mean() > 0.8
    if not columns:
        file.write_text(file.read_text().replace(f",{names[1]}\n", ",\n" if names[1] == "NA" else ",0007\n"))
        assert check_submission(file, task.facts) != []


def test_a_row_that_is_named_na_keeps_its_name(tmp_path: Path) -> None:
    table = pd.DataFrame({"code": [f"{a}{b}" for a in "ABCDEFGHIJKLMNOP" for b in "ABCDEFGHIJKLMNO"]})
    table["x"] = np.random.default_rng(0).normal(size=240)
    table["y"] = table["x"] * 2
    table.loc[200, "code"] = "NA"
    task = Task(tmp_path, table[:180], table[180:], "y", "rmse", id_column="code")
    ran(task, code(ask("submission", task=task.brief, environment=ENVIRONMENT, script=candidates(task, 1)[0])))
    file = tmp_path / "final" / "submission.csv"
    assert check_submission(file, task.facts) == []
    assert list(pd.read_csv(file, keep_default_na=False)["code"]) == list(task.test["code"])
    file.write_text(file.read_text().replace("\nNA,", "\n,"))
    assert check_submission(file, task.facts) != []


@pytest.mark.parametrize("written", ["milliseconds", "offsets"])
def test_the_hour_of_a_time_is_read(written: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    minutes, east = generator.integers(0, 60 * 24 * 300, 480), generator.integers(-8, 9, 480)
    times = pd.Timestamp("2022-05-01") + pd.to_timedelta(minutes, unit="min")
    told = [f"{time.isoformat()}{hours:+03}:00" for time, hours in zip(times, east, strict=True)]
    table = pd.DataFrame({"created_at": minutes * 60_000 + 1_651_363_200_000 if written == "milliseconds" else told})
    table["y"] = np.abs(times.hour - 12) + generator.normal(size=480) / 10
    task = Task(tmp_path, table[:360], table[360:], "y", "rmse")
    assert [column.kind for column in task.facts.profile.columns] == ["date"]
    answers = submitted(task, candidates(task, 1)[0])
    assert root_mean_squared_error(task.test["y"], answers["y"]) < 0.3 * task.test["y"].std()
