"""What the recipes for texts and for images have in common: where their parts' text stands, and their ideas."""

from __future__ import annotations

from abc import ABC, abstractmethod

from mle_star.offline import parts
from mle_star.offline.columns import has_clocks, has_groups
from mle_star.offline.recipe import Facts, Family, Idea, set_keywords

SHARED = ("as_dates", "as_numbers", "clock_numbers", "inner_folds", "target_means", "word_scores")
"""Parts for tables that texts and images use as well."""


class PartRecipes(ABC):
    """Recipes whose parts stand in `parts/<name>.py.txt` and `parts/<name>_classification.py.txt` or `_regression`."""

    name: str
    classifiers: tuple[Family, ...]
    regressors: tuple[Family, ...]

    @abstractmethod
    def sized(self, name: str, facts: Facts) -> dict[str, object]:
        """Keyword defaults of a function that fit the size of the task."""

    @property
    @abstractmethod
    def repertoire(self) -> tuple[Idea, ...]:
        """All the ideas for this modality."""

    def available(self, facts: Facts) -> list[Family]:
        """Families for the task whose packages are listed, strongest first."""
        families = self.classifiers if facts.classifies else self.regressors
        return [family for family in families if facts.environment.has(*family.packages)]

    def part(self, name: str, facts: Facts) -> str | None:
        """A function's text, its defaults fitted to the size of the task."""
        kind = "classification" if facts.classifies else "regression"
        sources = [parts.functions(file) for file in (self.name, f"{self.name}_{kind}")]
        shared = parts.functions("tabular")
        there = {"clocks": has_clocks(facts), "groups": has_groups(facts), "stamps": True, "months": True}
        found = {name for name, is_there in there.items() if is_there}
        sources.append({helper: parts.trimmed(shared[helper], found) for helper in SHARED})
        if facts.classifies:
            sources += [parts.functions("text_image"), {"spread": parts.functions("classification")["spread"]}]
        source = next((functions[name] for functions in sources if name in functions), None)
        if source is None:
            return None
        return set_keywords(**self.sized(name, facts))(source, "") or source

    def ideas(self, block: str) -> tuple[Idea, ...]:
        """The repertoire for a function."""
        return tuple(idea for idea in self.repertoire if idea.block == block)
