"""The embedded model on images: its scripts are asked for by prompts and run for real, on small drawn shapes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mle_star.models.data_models import TaskDescription
from mle_star.tools.brief import render_brief
from mle_star.tools.profile import inspect_task
from tests.integration.test_offline_text import ask, candidate, code, merged_cards, run

MODES = ("RGB", "L", "P", "RGBA")


def draw(kind: str, random: np.random.Generator, size: int, mode: str = "L") -> Image.Image:
    """A bright disc, square or bar on dark noise."""
    pixels = random.integers(0, 100, (size, size, 3)).astype("uint8")
    down, right = np.mgrid[:size, :size] - size // 2 - random.integers(-2, 3, (2, 1, 1))
    reach = size // 4
    shape = {
        "disc": down**2 + right**2 < reach**2,
        "square": (abs(down) < reach) & (abs(right) < reach),
        "bar": abs(down) < reach // 2,
    }[kind]
    pixels[shape] = random.integers(150, 255, 3)
    return Image.fromarray(pixels).convert(mode)


def in_a_table(data: Path, target: str) -> None:
    """Images that a table names, with columns beside them: the kind to tell, or the brightness to estimate."""
    random = np.random.default_rng(0)
    (data / "images").mkdir(parents=True)
    rows = []
    for number in range(150):
        kind, brightness = ("disc", "square", "bar")[number % 3], float(random.uniform(0.3, 1))
        image = draw(kind, random, 24).point(lambda level, by=brightness: level * by)
        image.save(data / "images" / f"n{number:04d}.png")
        rows.append((f"n{number:04d}", kind, brightness, number % 2 == 0, random.normal()))
    table = pd.DataFrame(rows, columns=["image", "kind", "brightness", "night", "lens"])
    table[:120][["image", "night", "lens", target]].to_csv(data / "train.csv", index=False)
    test = table[120:][["image", "night", "lens"]].astype({"lens": object})
    test.loc[125, "lens"] = "?"
    test.to_csv(data / "test.csv", index=False)
    table[120:][["image"]].assign(**{target: table[target][0]}).to_csv(data / "sample_submission.csv", index=False)


@pytest.mark.parametrize(("metric", "target"), [("accuracy", "kind"), ("mae", "brightness")])
def test_eight_families_run_in_one_script_on_images_of_a_table(tmp_path: Path, metric: str, target: str) -> None:
    in_a_table(tmp_path / "input", target)
    task = render_brief(inspect_task(TaskDescription(dataset_path=str(tmp_path / "input"), evaluation_metric=metric)))
    merged = merged_cards(task, 8)
    score = run(tmp_path, merged if metric == "mae" else code(ask("submission", task=task, script=merged)))
    assert score > 0.7 if metric == "accuracy" else score < 0.15


def test_folders_that_are_classes_with_images_of_all_sizes_and_modes(tmp_path: Path) -> None:
    random, data = np.random.default_rng(1), tmp_path / "input"
    for kind in ("disc", "square", "bar"):
        (data / "train" / kind).mkdir(parents=True)
        for number in range(24):
            image = draw(kind, random, int(random.integers(20, 50)), MODES[number % 4])
            image.save(data / "train" / kind / f"{number}.png")
    (data / "test").mkdir()
    truth = [("disc", "square", "bar")[number % 3] for number in range(18)]
    for number, kind in enumerate(truth):
        draw(kind, random, 30 + number, MODES[number % 4]).save(data / "test" / f"{number:03d}.png")
    names = [f"{number:03d}.png" for number in range(18)]
    pd.DataFrame({"file": names, "label": "disc"}).to_csv(data / "sample_submission.csv", index=False)
    task = render_brief(inspect_task(TaskDescription(dataset_path=str(data), evaluation_metric="accuracy")))
    first, second = json.loads(ask("retriever", task=task, path=1, paths=2, count=4))[:2]
    merged = code(
        ask("merger", task=task, base_script=candidate(task, first), reference_script=candidate(task, second))
    )
    run(tmp_path, code(ask("ablation_study", script=merged, earlier_summaries="none", direction="higher is better")))
    run(tmp_path, code(ask("submission", task=task, script=merged)))
    submission = pd.read_csv(tmp_path / "final" / "submission.csv")
    assert submission["file"].tolist() == names
    assert np.mean(submission["label"] == truth) > 0.7


def test_identifiers_name_files_of_several_formats_beside_a_column_that_only_training_has(tmp_path: Path) -> None:
    in_a_table(tmp_path / "input", "kind")
    data = tmp_path / "input"
    for place, path in enumerate(sorted((data / "images").iterdir())):
        folder = data / ("train" if place < 120 else "test")
        folder.mkdir(exist_ok=True)
        path.rename(folder / f"{path.stem}.{'png' if place % 2 else 'bmp'}")
    for name in ("train.csv", "test.csv", "sample_submission.csv"):
        table = pd.read_csv(data / name).rename(columns={"image": "id"})
        if name == "train.csv":
            table["price"] = table["kind"].str.len() * 1.5
        table.to_csv(data / name, index=False)
    task = render_brief(inspect_task(TaskDescription(dataset_path=str(data), evaluation_metric="accuracy")))
    script = candidate(task, json.loads(ask("retriever", task=task, path=1, paths=1, count=1))[0])
    assert "price" not in script
    assert run(tmp_path, script) > 0.7
    run(tmp_path, code(ask("submission", task=task, script=script)))
    written = pd.read_csv(tmp_path / "final" / "submission.csv")
    assert written["id"].tolist() == pd.read_csv(data / "test.csv")["id"].tolist()
