"""What a run may still spend on model calls: tokens and money, dealt out so that a submission can always be paid for.

As of the time, each phase may spend a share: what the solution paths leave is for the ensemble, and what that leaves is
for the submission. A call is let through when what it may cost at the most is still there; what calls under way may
cost at the most is set aside meanwhile, so that the limit holds however many there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ModelUse, Usage
from mle_star.models.events import phase_of
from mle_star.tools.prices import Price

SHARES = {"ensemble": 0.85, "submission": 1.0}
"""By what part of a limit (of time, tokens or money) a phase has to be over."""
PATHS_SHARE = 0.75
SUBMISSION_PROMPT = 3_000
"""Tokens of a script and the instructions, beside the description of the task."""
SHORT_REPLY = 500
"""Tokens of the quoted or rewritten block that the submission begins with."""


class BudgetSpentError(Exception):
    """A call that the budget does not allow; the text says which one."""


@dataclass(frozen=True)
class Amount:
    """Tokens, and US dollars."""

    tokens: int = 0
    cost: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.tokens + other.tokens, self.cost + other.cost)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.tokens - other.tokens, self.cost - other.cost)


class Budget:
    """The limits of one run, what was spent, and what is set aside."""

    def __init__(self, config: MLEStarConfig) -> None:
        self.config = config
        self.spent = Amount()
        self.submitted = False
        """Whether there is a valid submission: until then, a path's own may spend as much as the last one."""
        self._held = Amount()
        self._reserve = Amount()
        self._refused: dict[float, str] = {}
        self._changed = asyncio.Condition()

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return self.config.token_budget is not None or self.config.cost_budget is not None

    def start(self, spent: Usage, submitted: bool) -> None:
        """Take up what was spent before the run was broken off."""
        self._held, self._refused, self.spent, self.submitted = Amount(), {}, Amount(), submitted
        self.count(spent.total)

    def count(self, use: ModelUse) -> None:
        """Count what a call took."""
        self.spent += Amount(use.tokens, use.cost or 0.0)

    def reserve(self, task_tokens: int, price: Price | None) -> None:
        """Set aside what the submission needs: three questions about a script, a whole script in reply to the last."""
        read, written = 3 * (task_tokens + SUBMISSION_PROMPT), 2 * SHORT_REPLY + self.config.max_tokens
        self._reserve = Amount(read + written, price.cost(read, written) if price else 0.0)

    def over(self, step: str) -> str:
        """Say which budget of the phase of `step` is spent; nothing while there is something left."""
        share = self._share(step)
        return self._refused.get(share) or self._missing(share, Amount())

    @asynccontextmanager
    async def hold(self, step: str, tokens: int, cost: float) -> AsyncIterator[None]:
        """Set aside what a call may take at the most, as long as it is under way.

        Where that is too much only because of other calls that are under way, wait for them.

        Raises:
            BudgetSpentError: It is too much.
        """
        if not self.limited:
            yield
            return
        need, share = Amount(tokens, cost), self._share(step)
        async with self._changed:
            while problem := self._missing(share, need + self._held):
                if not self._missing(share, need) and self._held != Amount():
                    await self._changed.wait()
                    continue
                self._refused[share] = self._refused.get(share) or problem
                raise BudgetSpentError(problem)
            self._held += need
        try:
            yield
        finally:
            self._held -= need
            if abs(self._held.cost) < 1e-9 and not self._held.tokens:
                self._held = Amount()
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _share(self, step: str) -> float:
        phase = phase_of(step)
        if phase == "submission" and step.startswith("p") and self.submitted:
            return PATHS_SHARE
        return SHARES.get(phase or "", PATHS_SHARE)

    def _missing(self, share: float, need: Amount) -> str:
        """Say which budget does not allow `need` on top of what was spent; nothing when all do."""
        after, tokens, cost = self.spent + need, self.config.token_budget, self.config.cost_budget
        kept = Amount() if share == 1.0 or self.submitted else self._reserve
        if tokens is not None and after.tokens > min(share * tokens, tokens - kept.tokens):
            return f"the token budget of {tokens:,} is spent ({self.spent.tokens:,} taken)"
        if cost is not None and after.cost > min(share * cost, cost - kept.cost):
            return f"the cost budget of ${cost:.2f} is spent (${self.spent.cost:.4f} taken)"
        return ""
