"""A card from elsewhere: where its code fits an estimator in scikit-learn's manner, that very estimator is used.

The estimator's expression is taken out of the card with the imports, functions, classes and constants that it needs;
what the card does with its own data stays behind. The library's preparation gives it numbers: an estimator that wants
words, columns by name or images as they are is not taken, nor one for the other kind of task.
"""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass

from mle_star.models.syntax import parse
from mle_star.offline.frame import write_script
from mle_star.offline.library import recipes_for
from mle_star.offline.recipe import Facts, Family
from mle_star.offline.script import Script

NUMBERS = {"text": "topic_matrix", "image": "component_matrix"}
"""By modality, the preparation that gives dense numbers; tables are the rest."""
OTHER_INPUT = re.compile(
    r"Vectorizer|ColumnTransformer|make_column|Tokenizer|from_pretrained|cat_features|categorical_feature"
)
OTHER_TASK = {
    True: re.compile(r"Regressor\b|Regression\b(?<!LogisticRegression)|\b(Ridge|Lasso|ElasticNet|SVR|LinearSVR)\("),
    False: re.compile(r"Classifier\b|\bLogisticRegression|\b(SVC|LinearSVC|GaussianNB|MultinomialNB)\("),
}
"""What an estimator's text shows that is for regression, where we classify, and the reverse."""
NAME = "own_model"


@dataclass(frozen=True)
class Estimator:
    """An estimator out of a card."""

    expression: str
    support: str
    """Imports, functions, classes and constants that the expression needs, in their order."""


def own_script(name: str, code: str, facts: Facts, seed: int, split_seed: int) -> str | None:
    """Write a script around a card's own estimator; None where its code has none that fits the task."""
    source = own_function(code, facts)
    if source is None:
        return None
    recipes = recipes_for(facts)
    title = " ".join(name.split())[:100].replace('"', "'").replace("\\", "/")
    family = Family(title, "", NUMBERS.get(facts.modality, "dense_matrix"), NAME)
    script = Script.parse(write_script(facts, recipes, (family,), seed, split_seed))
    helper = recipes.part("spread", facts) if facts.classifies else None
    models = "\n\n\n".join(part for part in (helper, source, script["Models"].strip()) if part)
    return script.with_section("Models", models).text


def own_function(code: str, facts: Facts) -> str | None:
    """Write the model's function with a card's estimator; None where its code has none that fits the task."""
    found = find_estimator(code)
    if found is None:
        return None
    whole = f"{found.support}\n{found.expression}"
    if OTHER_INPUT.search(whole) or OTHER_TASK[facts.classifies].search(found.expression):
        return None
    ending = CLASSIFIED if facts.classifies else "return np.asarray(model.predict(new_matrix), dtype=float).ravel()"
    body = f"{found.support}\n\nmodel = {found.expression}\nmodel.fit(fit_matrix, fit_target)\n{ending}"
    return (
        f"def {NAME}(fit_matrix, fit_target, new_matrix):\n"
        '    """The estimator that the card builds, on the numbers that this script prepares."""\n'
        f"{textwrap.indent(body.strip(), '    ')}"
    )


CLASSIFIED = """\
if hasattr(model, "predict_proba"):
    return spread(model, new_matrix)
return (np.asarray(model.predict(new_matrix)).ravel()[:, None] == np.arange(len(classes))).astype(float)"""


def find_estimator(code: str) -> Estimator | None:
    """The first `model = Something(...)` of a script on which `.fit(...)` is called, or `Something(...).fit(...)`."""
    try:
        tree = parse(code)
    except SyntaxError:
        return None
    statements = {name: node for node in tree.body for name in _defines(node)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if not (isinstance(call.func, ast.Attribute) and call.func.attr == "fit" and len(call.args) >= 2):
            continue
        built: ast.expr = call.func.value
        if isinstance(built, ast.Name):
            node = statements.get(built.id)
            if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
                continue
            built = node.value
        if not isinstance(built, ast.Call) or (needed := _needed(built, statements)) is None:
            continue
        support = "\n".join(ast.unparse(node) for node in tree.body if node in needed)
        return Estimator(ast.unparse(built), support)
    for node in tree.body:  # a class that is defined, and not used
        if isinstance(node, ast.ClassDef) and {"fit", "predict"} <= {
            part.name for part in node.body if isinstance(part, ast.FunctionDef)
        }:
            needed = _needed(ast.Name(node.name), statements)
            if needed is not None:
                return Estimator(f"{node.name}()", "\n".join(ast.unparse(part) for part in tree.body if part in needed))
    return None


def _defines(node: ast.stmt) -> list[str]:
    """The names that a top-level statement defines."""
    match node:
        case ast.Import() | ast.ImportFrom():
            return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
        case ast.FunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.Assign(targets=[ast.Name() as target]):
            return [target.id]
    return []


def _needed(expression: ast.AST, statements: dict[str, ast.stmt]) -> list[ast.stmt] | None:
    """The statements that an expression rests on; None where one of them computes something: it may touch the data."""
    needed: list[ast.stmt] = []
    queue: list[ast.AST] = [expression]
    while queue:
        for node in ast.walk(queue.pop()):
            statement = statements.get(node.id) if isinstance(node, ast.Name) else None
            if statement is None or statement in needed:
                continue
            if isinstance(statement, ast.Assign) and not _is_constant(statement.value):
                return None
            needed.append(statement)
            queue.append(statement)
    return needed


def _is_constant(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True
