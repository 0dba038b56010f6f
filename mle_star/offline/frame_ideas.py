"""Refinements of the frame's functions, whatever the modality: blending, and the scale that models learn."""

from __future__ import annotations

from mle_star.offline import metrics
from mle_star.offline.parts import frame_part
from mle_star.offline.recipe import Change, Facts, Idea, replace_with, set_keywords


def frame_ideas(block: str, facts: Facts | None) -> tuple[Idea, ...]:
    """Ideas for a function of the frame; with the task's facts only those that suit it."""
    ideas = tuple(idea for idea in IDEAS if idea.block == block)
    if facts is None:
        return ideas
    if block == "model_scale" and metrics.judged_on_logs(facts):
        return tuple(idea for idea in ideas if idea.title != LOGARITHM)
    if block == "blend":
        classes = facts.classifies and len(facts.targets) == 1
        ranked = classes and facts.class_count == 2 and facts.metric.name in {"auc_roc", "gini", "average_precision"}
        fitting = {
            LOGITS: classes, RANKS: ranked, GEOMETRIC: not facts.classifies and _not_negative(facts),
            SQUARES: facts.classifies or _not_negative(facts),
        }  # fmt: skip
        return tuple(idea for idea in ideas if fitting.get(idea.title, True))
    return ideas


def _not_negative(facts: Facts) -> bool:
    target = facts.profile.target
    return bool(target and target.quantiles and target.quantiles[0] >= 0)


LOGARITHM = "Let the models learn the logarithm of the target."
LOGITS = "Average the models' log-probabilities instead of their probabilities."
RANKS = "Average the models' ranks instead of their probabilities."
GEOMETRIC = "Average the models' predictions geometrically."
MEDIAN = "Take the median of the models instead of their mean."

SQUARES = "Average the squares of the models' predictions, and take the root."


def variant(name: str, kind: str, **values: object) -> Change:
    """A variant of a part of the frame in the block's place, with other defaults."""
    source = frame_part(name, kind)
    return replace_with((set_keywords(**values)(source, "") if values else None) or source)


IDEAS = (
    Idea(
        "blend_weights",
        "Weigh the models by greedy selection, drawn half-way to weights by their own losses.",
        "Add models to the blend one at a time, with repetition, each time the one that lowers the loss most, and "
        "average the counts with weights that fall with a model's own loss. Equal weights let a weak model spoil the "
        "blend, and weights fitted on few rows are exaggerated: half-way is safer than either. The validation learns "
        "them from other rows than it judges.",
        variant("blend_weights", "shrunk"),
    ),
    Idea(
        "blend_weights",
        "Weigh the models by non-negative least squares on their held-out predictions.",
        "The held-out predictions are the columns and the truth is the sum; weights are not negative and add "
        "up to one. "
        "Models that say the same share their weight. The validation learns them from other rows than it judges.",
        variant("blend_weights", "least_squares"),
    ),
    Idea(
        "blend_weights",
        "Weigh the models by greedy selection.",
        "Add models to the blend one at a time, with repetition, each time the one that lowers the loss most, 25 times "
        "in all. A model that never helps gets no weight and need not be fitted in the end. The validation learns the "
        "weights from other rows than it judges.",
        variant("blend_weights", "greedy"),
    ),
    Idea(
        "blend_weights",
        "Weigh the models by their own losses.",
        "A soft maximum of each model's held-out loss, relative to the best one: clearly worse models count "
        "less, similar "
        "ones alike. There is one strength and nothing is searched, so little can be overfitted.",
        variant("blend_weights", "scores"),
    ),
    Idea(
        "blend_weights",
        "Weigh the models by their own losses, sharply.",
        "Three times the usual strength leaves the best few models alone with the word. That is right where they are "
        "clearly ahead, and one number is all that is chosen. The validation learns the weights from other rows.",
        variant("blend_weights", "scores", sharpness=25.0),
    ),
    Idea(
        "blend_weights",
        "Weigh the models by greedy selection, drawn to their own losses for three quarters.",
        "On few rows even half of a greedy choice is chance. A quarter of it keeps what is sure of it. The validation "
        "learns the weights from other rows than it judges.",
        variant("blend_weights", "shrunk", calm=0.75),
    ),
    Idea(
        "blend_weights",
        "Weigh the models by greedy selection over a hundred turns.",
        "Finer steps come nearer to the best weights, where the held-out rows are many enough to tell them apart. The "
        "validation learns the weights from other rows than it judges.",
        variant("blend_weights", "greedy", turns=100),
    ),
    Idea(
        "blend_weights",
        "Weigh the models by least squares that are drawn strongly to the plain mean.",
        "A pull ten times as strong leaves only those differences that the rows insist on. Weights are not negative, "
        "and add up to one. The validation learns them from other rows than it judges.",
        variant("blend_weights", "least_squares", pull=0.1),
    ),
    Idea(
        "blend",
        LOGITS,
        "Probabilities near 0 and 1 carry more than their distance says, and a mean of probabilities is too cautious. "
        "The weights stay as they are, and the result is normalised to sum to one.",
        variant("blend", "logits"),
    ),
    Idea(
        "blend",
        RANKS,
        "Only the order of the rows is judged, and models differ in how far they spread their probabilities: ranks put "
        "them on one scale. The weights stay as they are.",
        variant("blend", "ranks"),
    ),
    Idea(
        "blend",
        GEOMETRIC,
        "Errors upwards are larger than errors downwards where the target is skewed, and the geometric mean is drawn "
        "less by them. The weights stay as they are.",
        variant("blend", "geometric"),
    ),
    Idea(
        "blend",
        MEDIAN,
        "One model that is far off on a row then does not matter. Models without weight are left out, the others count "
        "alike.",
        variant("blend", "median"),
    ),
    Idea(
        "blend",
        "Leave the least and the greatest of the models out of the mean.",
        "A trimmed mean bears one model that is far off on either side, and still averages the others. Models without "
        "weight are left out.",
        variant("blend", "trimmed"),
    ),
    Idea(
        "blend",
        "Go half-way between the mean and the median of the models.",
        "The mean uses all that the models say, the median bears one that is far off. Half-way takes some of both; the "
        "weights stay as they are.",
        variant("blend", "steadied"),
    ),
    Idea(
        "blend",
        SQUARES,
        "The larger prediction counts more: the model that is more certain of a class, or sees more coming. The "
        "weights stay as they are.",
        variant("blend", "squares"),
    ),
    Idea(
        "model_scale",
        LOGARITHM,
        "A few large targets otherwise decide every cut and every coefficient. Predictions are put back on "
        "the target's "
        "own scale before they are scored, so the metric stays what it is. Signs are kept, so negative "
        "targets do no harm.",
        variant("model_scale", "log"),
    ),
    Idea(
        "model_scale",
        "Let the models learn the square root of the target.",
        "Half-way between the target and its logarithm: large targets count less, but are not flattened. "
        "Predictions are "
        "put back on the target's own scale before they are scored.",
        variant("model_scale", "root"),
    ),
    Idea(
        "model_scale",
        "Let the models learn the fourth root of the target.",
        "Nearer to the logarithm than the square root, without its steepness at zero. Predictions are put back on the "
        "target's own scale before they are scored.",
        variant("model_scale", "root", power=0.25),
    ),
    Idea(
        "model_scale",
        "Let the models learn the target to the power of three quarters.",
        "A gentle bend: large targets weigh a little less, and means stay nearly means. Predictions are put back on "
        "the target's own scale before they are scored.",
        variant("model_scale", "root", power=0.75),
    ),
    Idea(
        "model_scale",
        "Let the models learn the target as it is.",
        "A transformed target makes models predict something like a median, which costs where squared errors "
        "are judged. "
        "Without the transform they aim at the mean itself.",
        variant("model_scale", "plain"),
    ),
)
