"""What in a script learns from rows: it tells whether a leakage verdict still covers a script that has changed."""

from __future__ import annotations

import ast
import re

from mle_star.models.syntax import parse
from mle_star.tools.blocks import stands_in

LEARNS = {
    "fit", "fit_transform", "fit_resample", "fit_predict", "partial_fit", "fit_one_cycle", "train",
    "groupby", "pivot_table",
}  # fmt: skip
"""Calls that learn from the rows that they are given: what they are given is a part of the verdict."""
PREPARES = re.compile(
    r"(?:Scaler|Encoder|Imputer|Vectorizer|Discretizer|Transformer|Normalizer|PCA|SVD|NMF|SelectKBest|SelectFromModel|"
    r"RFE|SMOTE|Sampler|KMeans|get_dummies|factorize|target_encode|make_pipeline|Pipeline)$"
)
STATISTICS = re.compile(r"\.(?:mean|median|mode|std|quantile|value_counts|min|max)\(")


def learning_calls(script: str) -> tuple[str, ...]:
    """List what a script calls to learn from rows, as source, without the objects that the calls belong to.

    Beside them stand the assignments of the variables that they are given: `fit(X)` is another call with another `X`.
    """
    try:
        tree = parse(script)
    except SyntaxError:
        return ()
    nodes = list(ast.walk(tree))
    calls = {call: node for node in nodes if isinstance(node, ast.Call) and (call := _call(node))}
    given = {name for node in calls.values() for name in _given(node)}
    bound = {_source(node) for node in nodes if isinstance(node, ast.Assign) and given & _bound(node)}
    return tuple(sorted({*calls, *bound}))


def is_cleared(script: str, cleared: tuple[str, ...]) -> bool:
    """Tell whether a verdict covers a script: a judged block stands in it, and nothing else in it learns from rows."""
    return any(stands_in(script, block) for block in cleared) and set(learning_calls(script)) <= set(cleared)


def _given(node: ast.Call) -> set[str]:
    """The variables that a call is given, such as `train` in `fit(train[columns])`.

    What an encoder or a pipeline is given counts only by itself: deeper inside are models and their settings.
    """
    parts: list[ast.AST] = [*node.args, *(word.value for word in node.keywords)]
    if not PREPARES.search(_name(node)):
        parts = [inner for part in parts for inner in ast.walk(part)]
    return {part.id for part in parts if isinstance(part, ast.Name)}


def _bound(node: ast.Assign) -> set[str]:
    """The plain names that an assignment gives a value."""
    found: set[str] = set()
    for target in node.targets:
        places = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
        found |= {place.id for place in places if isinstance(place, ast.Name)}
    return found


def _source(node: ast.AST) -> str:
    try:
        return ast.unparse(node)
    except RecursionError:
        return "..."


def _name(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _call(node: ast.Call) -> str:
    name = _name(node)
    if PREPARES.search(name):
        return name
    if name not in LEARNS and name not in ("fillna", "map", "transform"):
        return ""
    given = ", ".join([*map(_source, node.args), *(f"{word.arg}={_source(word.value)}" for word in node.keywords)])
    if name in LEARNS or STATISTICS.search(given) or re.match(r"['\"](?:mean|median|std)", given):
        return f"{name}({given})"
    return ""
