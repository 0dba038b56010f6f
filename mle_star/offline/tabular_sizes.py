"""How large the models for tables are made, and how fast they learn: by rows, columns, classes and time."""

from __future__ import annotations

from mle_star.models.writing import UNSPACED
from mle_star.offline.recipe import Facts

IN_HASTE = {
    "lightgbm": ("trees", "learning_rate"), "hist_gradient_boosting": ("trees", "learning_rate"),
    "xgboost": ("trees", "learning_rate"), "catboost": ("trees", "learning_rate"), "extra_trees": ("trees",),
    "random_forest": ("trees",), "neural_network": ("epochs",), "kernel_machine": ("landmarks",),
    "linear": ("iterations",), "categorical_lightgbm": ("trees",),
}  # fmt: skip
"""What a short time limit sets, by function."""


def sized(name: str, facts: Facts) -> dict[str, object]:
    """Keyword defaults that fit the number of rows, columns and classes."""
    rows, columns = facts.search_rows, facts.columns
    classes = facts.class_count if facts.classifies and len(facts.targets) == 1 else 2
    many = max(1.0, classes / 2)  # boosters grow one tree per class
    values: dict[str, object] = {}
    small = rows < 1_500
    if name in {"lightgbm", "hist_gradient_boosting", "xgboost", "catboost"}:
        boosted: dict[str, object] = {}
        if small:
            boosted |= {"patience": 0, "learning_rate": 0.03, "trees": 150 if rows < 400 else 220}
            if name in {"lightgbm", "hist_gradient_boosting"}:
                boosted |= {"leaves": 6 if rows < 400 else 9, "min_rows": max(3, min(12, rows // 40))}
            elif name == "xgboost":
                boosted |= {"depth": 3, "min_weight": 2}
            else:
                boosted |= {"depth": 5, "trees": 350, "learning_rate": 0.04}
        if classes > 4 and small:
            # As far as LightGBM goes by itself, in smaller trees: with less the probabilities stay near the shares.
            boosted |= {"trees": 100, "learning_rate": 0.06 if classes <= 8 else 0.1}
            if name == "hist_gradient_boosting":
                boosted |= {"trees": 60, "learning_rate": 0.1 if classes <= 8 else 0.15}  # it is slow at small trees
        if classes > 2 and not small:
            boosted |= {
                "trees": max(60, int(900 / many)),
                "learning_rate": 0.05 if classes < 8 else 0.1,
                "patience": 20,
            }
        if classes <= 2 and rows > 10_000 and name in {"lightgbm", "hist_gradient_boosting"}:
            boosted["learning_rate"] = 0.08  # many rows need many trees: larger steps keep the search short
        if facts.profile.split.kind == "group" and not small:
            # Rows of known groups would tell when to stop: far too late for the test's groups, which are new.
            boosted |= {"patience": 0, "trees": 120, "learning_rate": 0.05}
        if columns > 200:
            boosted["columns"] = 0.2
            if name == "catboost":
                boosted.pop("columns")
        values |= boosted
    if small and classes <= 4 and name == "hist_gradient_boosting":
        values |= {"trees": 150, "learning_rate": 0.04}
    if name == "categorical_lightgbm":
        # On few rows the other boosters grow small trees: this one stays as strong as LightGBM is by itself, for data
        # that follows rules rather than chance. On very few it would be too sure of itself.
        if rows < 400:
            values |= {"leaves": 7, "learning_rate": 0.05 if classes <= 8 else 0.1, "min_rows": max(3, rows // 40)}
        if classes > 8 and not small:
            values["trees"] = max(60, min(100, 1_500 // classes))
        if columns > 200:
            values |= {"columns": 0.3}
    if name in {"extra_trees", "random_forest"} and small:
        values["trees"] = 100 if name == "extra_trees" else 80
    if name in {"extra_trees", "random_forest"}:
        few = "sqrt" if facts.classifies else 0.5 if columns <= 50 else 0.2
        if facts.profile.split.kind != "random":
            # A trial on rows of known groups, or days, would ask for too small a leaf.
            values |= {"min_leaf": 2, "columns": few}
        elif columns > 200:
            values["columns"] = few  # all of them would take too long
        if rows > 10_000:
            values["trees"] = 100 if facts.classifies else 60
    if name == "tree_matrix":
        # With many rows the mean of the target is a sound order even for a category of few values.
        values["encode_above"] = 2 if rows >= 1_000 else 10
    if name in {"word_weights", "scaled_matrix"} and facts.unspaced:
        values["token"] = rf"{UNSPACED.pattern}|\w+"
    if name == "neural_network":
        values["epochs"] = 15 if rows > 10_000 else 30
        if rows < 1_500:
            values |= {"width": 32, "decay": 0.1, "epochs": 20, "rate": 0.004}
    if facts.environment.pace < 60:
        hasty = {"trees": 150, "learning_rate": 0.08, "epochs": 10, "landmarks": 300, "iterations": 100}
        values |= {key: value for key, value in hasty.items() if key in IN_HASTE.get(name, ())}
    if name == "spline_matrix" and (rows < 400 or columns > 60):
        values["knots"] = 4 if columns <= 60 else 0
    if name == "linear" and facts.classifies:
        values["strength"] = 0.1 if rows < 2_000 else 0.3
        if columns > 300:
            values["strength"] = 0.003
    if name == "linear" and not facts.classifies and columns > 300:
        values["strength"] = 300.0
    return values
