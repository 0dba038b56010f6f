"""JSON of a given form, by the best means that a model's server has: a schema, a tool call, or words.

The reply stays a text that is parsed like any other; a schema makes it more likely to be the right one.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage

Mode = Literal["schema", "tool", "text"]
MODES: tuple[Mode, ...] = ("schema", "tool", "text")
"""In the order in which they are tried; what is found is remembered for the model."""
LIST_KEY = "items"
OPENING = re.compile(rf'^\s*{{\s*"{LIST_KEY}"\s*:\s*(?=\[)')


class Shape(NamedTuple):
    """The form of a reply, as providers take it: an object, all of whose fields are there and no others."""

    name: str
    schema: dict[str, Any]
    is_list: bool
    """Whether what is wanted is the list in `items`: providers take objects alone."""


@cache
def shape_of(kind: Any) -> Shape:
    """Make the shape of a pydantic model, or of a list of them."""
    from langchain_core.utils.json_schema import dereference_refs
    from pydantic import TypeAdapter

    schema: dict[str, Any] = dereference_refs(TypeAdapter(kind).json_schema())
    is_list = schema.get("type") == "array"
    if is_list:
        schema = {"type": "object", "properties": {LIST_KEY: schema}}
    return Shape("reply", _strict(schema), is_list)


def _strict(schema: Any) -> Any:
    """Ask for all the fields of every object and for no others, as the strictest of the providers wants it."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _strict(part) for name, part in schema.items() if name not in ("default", "title", "$defs")}
    if kept.get("type") == "object":
        kept["properties"] = {name: _strict(part) for name, part in schema.get("properties", {}).items()}
        kept |= {"required": list(kept["properties"]), "additionalProperties": False}
    return kept


def bind(model: BaseChatModel, provider: str, mode: Mode, shape: Shape) -> Any:
    """Have a model reply in a shape.

    Raises:
        NotImplementedError: It can't, by this means.
    """
    if mode == "schema":
        form = {"name": shape.name, "schema": shape.schema, "strict": True}
        response_format = {"type": "json_schema", "json_schema": form}
        if provider == "openai":  # as an argument of its own, the client would parse the reply, and fail in its stead
            body = getattr(model, "extra_body", None) or {}
            return model.bind(extra_body={**body, "response_format": response_format})
        return model.bind(response_format=response_format)
    tool = {
        "type": "function",
        "function": {"name": shape.name, "description": "Give the reply.", "parameters": shape.schema},
    }
    try:
        return model.bind_tools([tool], tool_choice="any")
    except ValueError:  # a model that can't be made to call a tool may still do so
        return model.bind_tools([tool])


def text_of(message: AIMessage, shape: Shape | None = None) -> str:
    """Return the reply's text: a tool call's arguments, or what was said; reasoning apart from it is left out."""
    text = str(message.text)
    if shape is None:
        return text
    if message.tool_calls:
        text = json.dumps(message.tool_calls[0]["args"])
    elif message.invalid_tool_calls and not text.strip():
        text = message.invalid_tool_calls[0]["args"] or ""
    if shape.is_list:
        try:
            value = json.loads(text)
        except ValueError:  # cut off, perhaps: the rest of it may be asked for
            return OPENING.sub("", text)
        if isinstance(value, dict) and isinstance(value.get(LIST_KEY), list):
            return json.dumps(value[LIST_KEY])
    return text


def is_json(text: str) -> bool:
    """Tell whether a text is JSON and nothing else: what a server that keeps to a schema sends."""
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False
