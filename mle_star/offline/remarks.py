"""What a user should know of the scores that the embedded model's scripts print."""

from __future__ import annotations

from mle_star.models.data_models import TaskBrief
from mle_star.offline.metrics import stand_in
from mle_star.offline.reading import task_type_of
from mle_star.offline.recipe import Facts


def remark(brief: TaskBrief) -> str | None:
    """Say which score is printed for a metric that the embedded model can't compute; None where it can."""
    task_type = task_type_of(brief.task.task_type, brief.profile)
    near = stand_in(Facts(task_type, brief.task.data_modality or "tabular", brief.metric, brief.profile))
    return f"the embedded model can't compute {brief.metric.name}: its scores are {near}" if near else None
