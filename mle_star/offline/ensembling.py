"""Several solutions of one task in one script: the plans for combining them, and the script that does it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from mle_star.offline import metrics
from mle_star.offline.drafting import fenced
from mle_star.offline.frame import loss_variant
from mle_star.offline.parts import frame_part
from mle_star.offline.reading import Prompt, Scored
from mle_star.offline.recipe import Facts
from mle_star.offline.script import Script
from mle_star.offline.wrapping import as_function, hoisted


@dataclass(frozen=True)
class Combination:
    """One way to combine solutions."""

    title: str
    """The plan's first sentence; the ensembler knows the way again by it."""
    reason: str
    weights: str
    """Variant of `blend_weights`."""
    mean: str = ""
    """Variant of `blend`."""
    members: Literal["models", "solutions"] = "models"

    @property
    def plan(self) -> str:
        """The way in words."""
        return f"{self.title} {self.reason}"


COMBINATIONS = (
    Combination(
        "Weigh all models of all solutions by greedy selection, drawn half-way to weights by their own losses.",
        "Collect the held-out predictions of every model of every solution. Add models one at a time, with repetition, "
        "each time the one that lowers the loss of the mean most; average the resulting weights with calmer ones, "
        "which fall with a model's own loss, since weights chosen on few rows exaggerate. The score is cross-fitted: "
        "each fifth of the rows is blended with weights learnt from the other four.",
        "shrunk",
    ),
    Combination(
        "Average the solutions' predictions with equal weights.",
        "Each solution predicts the same held-out rows with its own blend. The plain mean needs no fitting, "
        "so that its "
        "score can be taken as it is, and it already removes much of the solutions' separate errors.",
        "", "", "solutions",
    ),
    Combination(
        "Stack all models of all solutions by non-negative least squares on their out-of-fold predictions.",
        "The held-out predictions of every model are the columns, the truth is what they must add up to; "
        "weights are not "
        "negative and sum to one. A small pull towards the mean keeps similar models from cancelling out. Weights are "
        "learnt on four fifths of the rows and judged on the last fifth, in turn.",
        "least_squares",
    ),
    Combination(
        "Average all models of all solutions on another scale.",
        "Every model counts alike, but the mean is taken where the metric lives: of log-probabilities for class "
        "probabilities, of ranks where only the order counts, of logarithms for relative errors, the median where "
        "absolute errors count. Nothing is fitted.",
        "", "scaled",
    ),
    Combination(
        "Weigh all models of all solutions by greedy selection.",
        "Start from nothing and add, with repetition, the model that lowers the loss of the mean most, 25 times; the "
        "counts are the weights, and a model that never helps gets none. The score is cross-fitted, so that no row is "
        "judged with weights that it helped to choose.",
        "greedy",
    ),
    Combination(
        "Weigh the models of all solutions by their own losses.",
        "The better a model does on the held-out rows, the more it counts, by a soft maximum of its loss "
        "relative to the "
        "best one. Weights are learnt from other rows than those that they are judged on.",
        "scores",
    ),
    Combination(
        "Average every model of every solution with equal weights.",
        "Instead of one vote for each solution, each single model has a vote. This suits solutions that hold "
        "a different "
        "number of models. Nothing is fitted, so the score needs no cross-fitting.",
        "",
    ),
    Combination(
        "Weigh the solutions by greedy selection on their held-out predictions.",
        "Each solution is one column with the blend that it settled on. Greedy selection with repetition "
        "finds the share "
        "of each, cross-fitted over fifths of the rows. With few columns there is little to overfit.",
        "greedy", "", "solutions",
    ),
    Combination(
        "Weigh the solutions by their own losses.",
        "A solution that is clearly worse should not have an equal voice; a soft maximum of the held-out "
        "losses gives it "
        "less. Weights are learnt from other rows than those that they are judged on.",
        "scores", "", "solutions",
    ),
)  # fmt: skip


def ensemble_planner(prompt: Prompt) -> str:
    """The first way to try."""
    return COMBINATIONS[0].plan


def ensemble_planner_next(prompt: Prompt) -> str:
    """The next way that was not tried; near to the best one so far where there is a choice."""
    tried = prompt.history
    left = [way for way in COMBINATIONS if not any(way.title in item.text for item in tried)]
    if not left:
        return (
            f"{COMBINATIONS[0].title[:-1]}, and once more with {len(tried)} fewer turns. Everything was tried once; "
            "the weights are close to their best, and a further round only confirms them."
        )
    scored = [item for item in tried if item.score is not None]
    if len(scored) >= 3 and len(left) > 1:
        key = prompt.facts.metric.sort_key
        best = min(scored, key=lambda item: key(item.score))
        way = combination_in(best.text)
        left.sort(key=lambda other: (other.members != way.members) + (bool(other.weights) != bool(way.weights)))
    return left[0].plan


def combination_in(plan: str) -> Combination:
    """The way that a plan speaks of; a plan in other words is met by its nearest words."""
    for way in sorted(COMBINATIONS, key=lambda way: -len(way.title)):
        if way.title in plan or way.title[:-1] in plan:
            return way
    lower = plan.lower()
    words = {
        "rank": 3,
        "log": 3,
        "median": 3,
        "stack": 2,
        "greedy": 4,
        "caruana": 4,
        "weight": 5,
        "average": 1,
        "mean": 1,
    }
    return next((COMBINATIONS[place] for word, place in words.items() if word in lower), COMBINATIONS[0])


def ensembler(prompt: Prompt) -> str:
    """One script with all solutions, each in its own function; foreign ones cannot be joined and are left out."""
    facts = prompt.facts
    ours = [solution for solution in prompt.solutions if Script.parse(solution.text).is_ours]
    if not ours:
        best = min(prompt.solutions, key=lambda item: facts.metric.sort_key(item.score), default=Scored("", None))
        return fenced(best.text)
    return fenced(write_ensemble(facts, [solution.text for solution in ours], combination_in(prompt.part("plan"))))


def write_ensemble(facts: Facts, scripts: list[str], way: Combination) -> str:
    """Write the script: the solutions as functions, then how their predictions become one."""
    scripts = aligned(scripts)
    imports: list[str] = ["from types import SimpleNamespace"]
    functions: list[tuple[str, str]] = []
    for number, text in enumerate(scripts, start=1):
        lines, rest = hoisted(text)
        imports += [line for line in lines if line not in imports]
        rest = rest.rstrip() + "\n\n\n" + frame_part("predict")
        rest = re.sub(r"^# --- (.*) ---$", r"# \1", rest, flags=re.MULTILINE)
        rest = re.sub(r"^print\(f?[\"']Final Validation Performance.*$", "", rest, flags=re.MULTILINE)
        rest = re.sub(r"\n{3,}", "\n\n", rest)
        result = RESULT if facts.classifies else RESULT.replace("classes=CLASSES, ", "")
        functions.append(
            (f"Solution {number}", as_function(rest, f"solution_{number}", result.replace("CLASSES", "classes")))
        )
    first = Script.parse(scripts[0])
    settings = "\n".join(re.findall(r"^(?:SPLIT_SEED|TARGETS|QUANTILE) = .*$", first["Settings"], re.MULTILINE))
    order = sorted(
        imports, key=lambda line: (not re.match(r"(import os|from types)", line), line.startswith("from"), line)
    )
    head = f'"""{facts.title}: {len(scripts)} solutions combined. {way.title}"""\n\n' + "\n".join(order)
    sections = (("Settings", settings), *functions, ("Ensemble", combining(facts, first, way, len(scripts))))
    return Script(head, sections).text


def aligned(scripts: list[str]) -> list[str]:
    """Let all solutions hold out the same rows: a repair may have left one of them fewer folds or fewer rows."""
    used = [int(match[1]) for text in scripts if (match := FOLDS_USED.search(text))]
    limits = [(int(match[1].replace("_", "")), match[0]) for text in scripts if (match := SAMPLED.search(text))]
    found = []
    for text in scripts:
        if used:
            text = FOLDS_USED.sub(f"FOLDS_USED = {min(used)}", text)
        if limits and SAMPLED.search(text):
            text = SAMPLED.sub(lambda match: min(limits)[1], text)
        elif limits:
            text = DROPPED.sub(lambda match: f"{match[0]}\n{min(limits)[1]}", text, count=1)
        found.append(text)
    return found


FOLDS_USED = re.compile(r"^FOLDS_USED = (\d+)", re.MULTILINE)
SAMPLED = re.compile(r"^train = train\.sample\(n=min\(len\(train\), ([\d_]+)\).*$", re.MULTILINE)
DROPPED = re.compile(r"^train = train\.dropna\(.*$", re.MULTILINE)

RESULT = """SimpleNamespace(
        train=train, target=target, classes=CLASSES, held=held, parts=parts, predict=predict, build=build,
        blend=blend, weights=blend_weights(parts, target[held]), blended=cross_fitted(parts, target[held]),
    )"""


CARRIED = ("known_columns", "best_cut", "decide", "fit_decision", "score")
"""What an ensemble takes over from its first solution, where that has it: how predictions are decided and judged."""


def combining(facts: Facts, first: Script, way: Combination, count: int) -> str:
    """The functions and statements that bring the predictions together."""
    global_result = "classes = solutions[0].classes\n" if facts.classifies else ""
    decision = metrics.scoring(facts).decision
    evaluation = {"none": "direct", "argmax": "argmax"}.get(decision, "tuned")
    mean = scaled_mean(facts) if way.mean == "scaled" else way.mean
    functions = [
        frame_part("loss", loss_variant(facts)),
        frame_part("blend_weights", way.weights),
        frame_part("blend", mean),
        *(text for name in CARRIED if (text := first.function(name))),
        frame_part("cross_fitted"),
        frame_part("evaluate", evaluation),
        MODELS_PREDICT if way.members == "models" else SOLUTIONS_PREDICT,
    ]
    parts = (
        "parts = np.concatenate([solution.parts for solution in solutions])"
        if way.members == "models"
        else "parts = np.array([solution.blended for solution in solutions])"
    )
    calls = ", ".join(f"solution_{number}()" for number in range(1, count + 1))
    statements = [
        f"solutions = [{calls}]",
        "target, held = solutions[0].target, solutions[0].held",
        *([global_result.strip()] if global_result else []),
        "if not all(np.array_equal(held, solution.held) for solution in solutions):",
        '    raise ValueError("the solutions hold out different rows: their predictions cannot be combined")',
        parts,
        "validation_score = evaluate(parts, target[held])",
        'print(f"Final Validation Performance: {validation_score}")',
    ]
    return "\n\n\n".join([*functions, "\n".join(statements)])


def scaled_mean(facts: Facts) -> str:
    """The variant of `blend` on the scale where the metric lives."""
    name = facts.metric.name
    if facts.classifies:
        if len(facts.targets) > 1:
            return ""
        return "ranks" if facts.class_count == 2 and name in {"auc_roc", "gini", "average_precision"} else "logits"
    return "geometric" if metrics.judged_on_logs(facts) else "median"


MODELS_PREDICT = '''def predict(test, weights):
    """The test predictions of all models that have weight, each solution's in their places."""
    predicted, start = [], 0
    for solution in solutions:
        own = weights[start : start + len(solution.parts)]
        start += len(own)
        new_rows = test.reindex(columns=solution.train.columns)  # what only training rows have is unknown: the target
        if np.any(own > 0):
            predicted.append(solution.predict(solution.build(new_rows), own))
        else:
            predicted.append(None)
    shape = next(part.shape[1:] for part in predicted if part is not None)
    empty = [np.zeros((len(solution.parts), *shape)) for solution in solutions]
    return np.concatenate([blank if part is None else part for part, blank in zip(predicted, empty)])'''

SOLUTIONS_PREDICT = '''def predict(test, weights):
    """Each solution's own blend of its test predictions."""
    predicted = []
    for solution in solutions:
        new_rows = test.reindex(columns=solution.train.columns)  # what only training rows have is unknown: the target
        parts = solution.predict(solution.build(new_rows), solution.weights)
        predicted.append(solution.blend(parts, solution.weights))
    return np.array(predicted)'''
