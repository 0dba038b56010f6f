"""The form of a reply, as providers take it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from mle_star.agents.extractor import Extraction
from mle_star.agents.leakage_checker import Verdict
from mle_star.agents.retriever import NamedModel
from mle_star.agents.submission import Subsampling
from mle_star.tools.structured import is_json, shape_of, text_of


def objects(schema: Any) -> list[dict[str, Any]]:
    """List the objects anywhere in a schema."""
    if isinstance(schema, list):
        return [found for part in schema for found in objects(part)]
    if not isinstance(schema, dict):
        return []
    inner = [found for part in schema.values() for found in objects(part)]
    return [schema, *inner] if schema.get("type") == "object" else inner


class Part(BaseModel):
    size: int = 1


class Whole(BaseModel):
    title: str
    default: str = "x"
    parts: list[Part] = []


@pytest.mark.parametrize("kind", [Extraction, Verdict, Subsampling, list[NamedModel], Whole, list[Whole]])
def test_all_fields_of_every_object_are_asked_for_and_no_others(kind: Any) -> None:
    schema = shape_of(kind).schema
    assert schema["type"] == "object"
    assert "$ref" not in json.dumps(schema)
    for part in objects(schema):
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])


def test_fields_may_be_named_like_words_of_the_schema() -> None:
    assert shape_of(Whole).schema["required"] == ["title", "default", "parts"]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (AIMessage('{"items": [1, 2]}'), "[1, 2]"),
        (AIMessage("[1, 2]"), "[1, 2]"),
        (AIMessage("no JSON"), "no JSON"),
        (AIMessage([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": '{"items": [3]}'}]), "[3]"),
        (AIMessage("", tool_calls=[{"name": "reply", "args": {"items": [4]}, "id": "1"}]), "[4]"),
        (AIMessage("", invalid_tool_calls=[{"name": "reply", "args": '{"items": [5', "id": "1", "error": ""}]),
         "[5"),
    ],
)  # fmt: skip
def test_the_text_of_a_reply_is_taken_from_wherever_it_stands(message: AIMessage, text: str) -> None:
    assert text_of(message, shape_of(list[Part])) == text


def test_reasoning_blocks_are_not_a_part_of_the_text() -> None:
    message = AIMessage(
        [
            {"type": "reasoning_content", "reasoning_content": {"text": "let me see"}},
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "the "},
            {"type": "text", "text": "reply"},
        ]
    )
    assert text_of(message) == "the reply"


@pytest.mark.parametrize(("text", "is_so"), [("{}", True), ("[1]", True), ("1", False), ("```json\n{}\n```", False)])
def test_what_a_server_sends_that_keeps_to_a_schema_is_json_and_nothing_else(text: str, is_so: bool) -> None:
    assert is_json(text) is is_so
