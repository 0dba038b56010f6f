"""The embedded model on texts: its scripts are asked for by prompts and run for real, on small made-up reviews."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import prompts
from mle_star.models.data_models import TaskDescription
from mle_star.offline.chat import OfflineChatModel
from mle_star.tools.brief import render_brief
from mle_star.tools.profile import inspect_task
from tests.unit.offline.simulate import COMMON, Task

ENVIRONMENT = """packages: lightgbm 4.7.0, numpy 2.4.6, pandas 3.1.1, pillow 13.0.0, scikit-learn 1.9.1, skrub 0.11.0
cores: 1
time limit: 600 seconds for each script"""
GOOD = ("wonderful", "lovely", "delightful", "splendid", "charming", "excellent", "superb", "brilliant", "touching")
BAD = ("dreadful", "boring", "clumsy", "tedious", "awful", "pointless", "shallow", "dull", "hopeless", "painful")
PLAIN = ("the", "film", "a", "story", "with", "actors", "and", "some", "scenes", "of", "music", "that", "we", "saw")


def ask(name: str, **values: object) -> str:
    text = prompts.render(name, **{**COMMON, "environment": ENVIRONMENT, **values})
    return str(OfflineChatModel().invoke(text).content)


def code(reply: str) -> str:
    match = re.fullmatch(r"```python\n(.*)\n```\s*", reply, re.DOTALL)
    assert match is not None, reply[:300]
    return match[1]


def run(folder: Path, script: str) -> float:
    (folder / "script.py").write_text(script)
    (folder / "final").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "script.py"], cwd=folder, capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    return float(re.findall(r"^Final Validation Performance: (\S+)$", done.stdout, re.MULTILINE)[-1])


def candidate(task: str, card: dict[str, str]) -> str:
    return code(
        ask("candidate_evaluator", task=task, model_name=card["name"], model_description=card["description"],
            example_code=card["example_code"], seed=1, split_seed=2)
    )  # fmt: skip


def merged_cards(task: str, count: int) -> str:
    """One script with the models of as many cards, merged one after the other."""
    cards = json.loads(ask("retriever", task=task, path=1, paths=1, count=count))
    assert len({card["name"] for card in cards}) == count
    script, *others = [candidate(task, card) for card in cards]
    for other in others:
        script = code(ask("merger", task=task, base_script=script, reference_script=other))
    return script


def reviews(count: int, seed: int) -> pd.DataFrame:
    """Reviews of which some are missing, empty, or in another language."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        stars = int(random.integers(1, 6))
        words = list(random.choice(PLAIN, 12))
        words += list(random.choice(GOOD if stars > 3 else BAD if stars < 3 else (*GOOD, *BAD), 3))
        random.shuffle(words)
        rows.append((number + seed * 1_000, " ".join(words), random.choice(["cinema", "television"]), stars))
    table = pd.DataFrame(rows, columns=["id", "review", "place", "stars"])
    table.loc[::41, "review"] = None
    table.loc[7::43, "review"] = "   "
    table.loc[9::47, "review"] = "この映画はとても面白かったです。"
    return table


def write_task(folder: Path, metric: str, target: str) -> str:
    """Put a task into the folder; the text of its brief."""
    train, test = reviews(320, 1), reviews(60, 2)
    for table in (train, test):
        table["liked"] = (table["stars"] > 3).map({True: "yes", False: "no"})
    data = folder / "input"
    data.mkdir()
    train[["id", "review", "place", target]].to_csv(data / "train.csv", index=False)
    test[["id", "review", "place"]].to_csv(data / "test.csv", index=False)
    test[["id"]].assign(**{target: train[target].iloc[0]}).to_csv(data / "sample_submission.csv", index=False)
    return render_brief(
        inspect_task(TaskDescription(dataset_path=str(data), evaluation_metric=metric, data_modality="text"))
    )


@pytest.mark.parametrize(("metric", "target"), [("f1_macro", "liked"), ("rmse", "stars")])
def test_eight_families_run_in_one_script_on_texts_with_gaps(tmp_path: Path, metric: str, target: str) -> None:
    task = write_task(tmp_path, metric, target)
    score = run(tmp_path, merged_cards(task, 8))
    assert score > 0.7 if metric == "f1_macro" else score < 1.4


def test_a_merge_is_studied_refined_and_submitted(tmp_path: Path) -> None:
    task = write_task(tmp_path, "quadratic_kappa", "stars")
    cards = json.loads(ask("retriever", task=task, path=1, paths=1, count=4))
    first, second = candidate(task, cards[0]), candidate(task, cards[5 % len(cards)])
    merged = code(ask("merger", task=task, base_script=first, reference_script=second))
    assert run(tmp_path, merged) > 0.4
    run(tmp_path, code(ask("ablation_study", script=merged, earlier_summaries="none", direction="higher is better")))
    summary = "`clean_text` matters"
    reply = json.loads(ask("extractor", task=task, script=merged, summary=summary, earlier_blocks="none"))
    assert merged.count(reply["code_block"]) == 1
    block = code(ask("coder", script=merged, code_block=reply["code_block"], plan=reply["plan"]))
    assert block != reply["code_block"]
    assert run(tmp_path, merged.replace(reply["code_block"], block)) > 0.4
    assert json.loads(ask("leakage_detect", script=merged))["verdict"] == "no leakage"
    run(tmp_path, code(ask("submission", task=task, script=merged)))
    submission = pd.read_csv(tmp_path / "final" / "submission.csv")
    sample = pd.read_csv(tmp_path / "input" / "sample_submission.csv")
    assert list(submission.columns) == list(sample.columns)
    assert submission["id"].tolist() == sample["id"].tolist()
    assert set(submission["stars"]) <= {1, 2, 3, 4, 5}


ATOMS = ("C", "CC", "N", "O", "c1ccccc1", "C1CCCCC1", "(Cl)", "(=O)", "S", "F")
SIGNS = tuple("这部电影的故事很长我们昨天晚上在家里看过一次他说")
SITES = ("https://www.shop.example/", "http://news.example/a/", "https://data.example/x?q=")


def strings(kind: str, rows: int) -> pd.DataFrame:
    """Strings of which each is unlike, without words; what stands within tells the class, for nine of ten."""
    random = np.random.default_rng(0)
    alphabet, telling = {
        "molecules": (ATOMS, ("C(=O)N", "c(=O)n")),
        "Chinese": (SIGNS, ("好看", "难看")),
        "addresses": (tuple("abcdefgh-/"), ("offer", "story")),
    }[kind]
    found = []
    for _ in range(rows):
        label = int(random.integers(2))
        pieces = [str(piece) for piece in random.choice(alphabet, 14)]
        pieces.insert(int(random.integers(1, 14)), telling[label if random.random() < 0.9 else 1 - label])
        start = str(random.choice(SITES)) if kind == "addresses" else ""
        found.append((start + "".join(pieces), "yes" if label else "no"))
    return pd.DataFrame(found, columns=["string", "label"])


@pytest.mark.parametrize(("kind", "told"), [("molecules", "id"), ("Chinese", "text"), ("addresses", "id")])
def test_strings_without_words_that_are_all_unlike_are_read_by_their_letters(
    tmp_path: Path, kind: str, told: str
) -> None:
    table = strings(kind, 1_500)
    task = Task(tmp_path, table[:1_300].copy(), table[1_300:].copy(), "label", "accuracy")
    assert [column.kind for column in task.facts.profile.columns] == [told]
    assert task.facts.task.data_modality == "text"
    script = merged_cards(task.brief, 3)
    assert "def letter_matrix(" in script
    assert run(tmp_path, script) > 0.8
