"""The recipes for images: what they offer for a task, and that their functions and ideas hold together."""

from __future__ import annotations

import ast

import pytest

from mle_star.models.metric import Metric
from mle_star.models.profile import DataProfile, ImageProfile, TargetProfile
from mle_star.offline.frame import write_script
from mle_star.offline.image import ImageRecipes, paths_of, side
from mle_star.offline.image_ideas import IDEAS
from mle_star.offline.recipe import Environment, Facts

RECIPES = ImageRecipes()
PACKAGES = Environment(packages={"scikit-learn": "", "lightgbm": "", "pandas": "", "numpy": ""})


def facts(task_type: str, column: str | None = "name", pattern: str = "train/{}.png") -> Facts:
    classifies = task_type == "classification"
    target = TargetProfile(
        names=("label",), kind="binary" if classifies else "numeric", dtype="str", class_count=2 if classifies else None
    )
    images = ImageProfile(
        column=column, train_pattern=pattern, test_pattern="test/{}.png", width=28, height=28, mode="L", same_size=True
    )
    table = "train.csv" if column else None
    profile = DataProfile(files=(), train_file=table, train_rows=500, images=images, target=target)
    metric = Metric(name="accuracy", maximize=True) if classifies else Metric(name="rmse", maximize=False)
    return Facts(task_type, "image", metric, profile, PACKAGES)  # type: ignore[arg-type]


@pytest.mark.parametrize("task_type", ["classification", "regression"])
def test_eight_families_are_offered_and_each_makes_a_script_that_compiles(task_type: str) -> None:
    task = facts(task_type)
    families = RECIPES.families(task)
    assert len(families) >= 8
    for family in families:
        script = write_script(task, RECIPES, (family,), 1, 2)
        ast.parse(script)
        assert f"def {family.model}(" in script
        assert f"def {family.prepare}(" in script
        assert ("def spread(" in script) == (task_type == "classification" and "spread(" in script)


def test_without_lightgbm_no_boosting_is_offered() -> None:
    task = Facts(**{**facts("classification").__dict__, "environment": Environment(packages={"scikit-learn": ""})})
    assert "image_boosting" not in {family.model for family in RECIPES.families(task)}


def test_a_pattern_becomes_an_expression_for_the_paths() -> None:
    assert paths_of("train", "name", "train/{}.png") == "'./input/train/' + train['name'].astype(str) + '.png'"
    assert paths_of("test", "name", "{}") == "'./input/' + test['name'].astype(str)"


def test_images_are_brought_to_a_side_of_whole_cells() -> None:
    assert side(facts("classification")) == 28
    assert "SIDE = 28" in RECIPES.settings(facts("classification"))


def test_folders_that_are_classes_are_listed() -> None:
    task = facts("classification", column=None, pattern="train/*/{}.jpg")
    assert 'glob("./input/train/*/*")' in RECIPES.loading(task)


def test_every_title_is_unique() -> None:
    titles = [idea.title for idea in IDEAS]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("idea", IDEAS, ids=lambda idea: idea.title)
def test_an_idea_changes_its_block_into_another_that_compiles(idea) -> None:  # type: ignore[no-untyped-def]
    sources = [RECIPES.part(idea.block, facts(kind)) for kind in ("classification", "regression")]
    blocks = [source for source in sources if source]
    changed = [new for block in blocks if (new := idea.change(block, block)) and new != block]
    assert changed, f"{idea.title} applies nowhere"
    for block in changed:
        ast.parse(block)


def test_every_family_has_three_ideas_for_its_model_and_its_preparation() -> None:
    for task_type in ("classification", "regression"):
        for family in RECIPES.families(facts(task_type)):
            for block in (family.model, family.prepare):
                source = RECIPES.part(block, facts(task_type)) or ""
                assert sum(idea.change(source, source) not in (None, source) for idea in RECIPES.ideas(block)) >= 3
