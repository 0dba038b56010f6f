"""The evaluation metric: its name, its direction, and the only place where two scores are compared."""

from __future__ import annotations

import math
from typing import Literal, TypeGuard

from pydantic import BaseModel, ConfigDict

Predicts = Literal["probabilities", "labels", "values", "ranking"]


class Metric(BaseModel):
    """A metric that may be maximised or minimised. No score, NaN and infinity are worse than any number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Canonical where it is well known: `auc_roc`, `log_loss`, `rmse`, ...; otherwise as the user wrote it."""
    maximize: bool
    predicts: Predicts = "values"
    """What a submission must hold for it: class probabilities, class labels, numbers, or ranked items."""

    def is_better(self, score: float | None, than: float | None) -> bool:
        """Tell whether `score` is strictly better than `than`."""
        if not is_score(score):
            return False
        if not is_score(than):
            return True
        return score > than if self.maximize else score < than

    def is_at_least(self, score: float | None, than: float | None) -> bool:
        """Tell whether `score` is as good as `than` or better: h(s) >= h_best in Algorithm 1, line 10."""
        return is_score(score) and not self.is_better(than, score)

    def sort_key(self, score: float | None) -> tuple[bool, float]:
        """Key that sorts scores best first, missing ones last; stable for ties."""
        if not is_score(score):
            return (True, 0.0)
        return (False, -score if self.maximize else score)

    @property
    def direction(self) -> str:
        """`higher is better` or `lower is better`, for people and prompts."""
        return "higher is better" if self.maximize else "lower is better"


def is_score(value: float | None) -> TypeGuard[float]:
    """Tell whether `value` is a number that can be compared."""
    return value is not None and math.isfinite(value)
