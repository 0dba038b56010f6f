"""Steering by a person: what is asked before a block is refined, and what may be answered."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import ConfigDict, model_validator

from mle_star.models.frozen import Frozen

WAITING = "waiting for a person's review"
"""Why a run with reviews to answer is paused."""


class Review(Frozen):
    """A question to a person: the plan for a code block, before it is tried."""

    id: str = ""
    """What an answer is given by; LangGraph's id of the interrupt."""
    step: str
    summary: str
    """Of the ablation study."""
    script: str
    """The solution that is refined."""
    code_block: str
    plan: str
    refused: str = ""
    """Why the answer before can't be used."""


def _words(*names: str) -> dict[str, Any]:
    """Say in JSON Schema that a field holds words."""
    return {"required": list(names), "properties": {name: {"type": "string", "pattern": r"\S"} for name in names}}


FORMS: list[Any] = [
    {"properties": {"action": {"enum": ["go on", "skip"]}}},
    {"required": ["action"], "properties": {"action": {"const": "edit"}},
     "anyOf": [_words("plan"), _words("code_block")]},
    {"required": ["action"], "properties": {"action": {"const": "instruct"}}, "allOf": [_words("instruction")]},
]  # fmt: skip
"""What each action needs, in JSON Schema: the validator below, for whoever reads the API's description."""


class ReviewAnswer(Frozen):
    """What a person answers."""

    model_config = ConfigDict(json_schema_extra={"oneOf": FORMS})

    action: Literal["go on", "edit", "instruct", "skip"] = "go on"
    plan: str | None = None
    """For `edit`: the plan to try; left out: as it is."""
    code_block: str | None = None
    """For `edit`: the block to refine, as it stands in the script; left out: as it is."""
    instruction: str | None = None
    """For `instruct`: words in place of the summary, by which the block and the plan are chosen anew."""

    @model_validator(mode="after")
    def _says_what_it_needs(self) -> Self:
        if self.action == "instruct" and not (self.instruction or "").strip():
            raise ValueError("an instruction in words is needed for `instruct`")
        if self.action == "edit" and not ((self.plan or "").strip() or (self.code_block or "").strip()):
            raise ValueError("a plan or a code_block is needed for `edit`")
        return self

    @classmethod
    def read(cls, answer: Any) -> ReviewAnswer:
        """Read an answer as it comes from Studio or over HTTP: an object, or the action alone."""
        return cls.model_validate({"action": answer} if isinstance(answer, str) else answer)
