"""The recipes by modality. A modality without recipes is treated as a table: its file names and sizes still tell."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from mle_star.offline.recipe import Facts, Family, Recipes
from mle_star.offline.tabular import TabularRecipes

MODULES = {"text": ("mle_star.offline.text", "TextRecipes"), "image": ("mle_star.offline.image", "ImageRecipes")}


@cache
def recipes_by_name(name: str) -> Recipes:
    """The recipes of a modality; those for tables where there are no others."""
    module, kind = MODULES.get(name, ("", ""))
    if module and find_spec(module) is not None:
        found: Recipes = getattr(import_module(module), kind)()
        return found
    return TabularRecipes()


def recipes_for(facts: Facts) -> Recipes:
    """The recipes for a task."""
    return recipes_by_name(facts.modality)


def all_recipes() -> tuple[Recipes, ...]:
    """Recipes of all modalities: for prompts that tell nothing of the task."""
    return tuple(dict.fromkeys(recipes_by_name(name) for name in ("tabular", *MODULES)))


def family_named(name: str, facts: Facts) -> Family | None:
    """The family whose card has this name, for this task."""
    wanted = name.strip().lower()
    return next((family for family in recipes_for(facts).families(facts) if family.name.lower() == wanted), None)


def nearest_family(text: str, facts: Facts) -> Family:
    """The family that a card from elsewhere speaks of: the one most of whose words it holds."""
    families = recipes_for(facts).families(facts)
    lower = text.lower()

    def overlap(family: Family) -> int:
        words = set(family.model.split("_")) | set(family.name.lower().replace(",", " ").split())
        return sum(len(word) > 3 and word in lower for word in words) + 5 * (family.model.replace("_", "") in lower)

    return max(families, key=overlap)
