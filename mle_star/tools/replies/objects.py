"""Read the JSON in a reply as a model of ours, however it is written; pydantic has the last word."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from mle_star.tools.replies.fences import find_code
from mle_star.tools.replies.loading import by_labels, by_tags, by_yaml, load, spans
from mle_star.tools.replies.text import ReplyError, clean

T = TypeVar("T")


def parse_json(reply: str, shape: type[T]) -> T:
    """Return the JSON in a reply as `shape`: a model or a list of models.

    Raises:
        ReplyError: Nothing in the reply has this shape, or two different objects have.
    """
    adapter: TypeAdapter[T] = TypeAdapter(shape)
    wants_list = get_origin(shape) is list
    model: type[BaseModel] = get_args(shape)[0] if wants_list else shape  # type: ignore[assignment]
    text = clean(reply)
    if '"' not in text and "&quot;" in text:
        text = html.unescape(text)
    problem = "There was no JSON in the reply."
    found: list[T] = []
    for value in _values(text, model):
        for candidate in _candidates(value, wants_list):
            shaped = _list(candidate, model) if wants_list else _shaped(candidate, model)
            if shaped is None or shaped == []:
                continue
            try:
                result = adapter.validate_python(shaped)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, first["loc"]))
                problem = f"The JSON does not have the form asked for: {where}: {first['msg']}."
                continue
            if not _is_the_form(result) and result not in found:
                found.append(result)
            break
    if not found:
        raise ReplyError(problem)
    if wants_list:
        return _joined(found)
    if len(found) > 1:
        raise ReplyError("The reply holds two different JSON objects of the form asked for; reply with one.")
    return found[0]


def _values(text: str, model: type[BaseModel]) -> Iterator[Any]:
    """Yield what could be read, of the first way of writing that gives anything with one of the model's fields."""
    names = list(model.model_fields)
    pieces = [piece.code for piece in find_code(text) if piece.fenced]
    marked = [piece for piece in pieces if re.match(r"\s*[\[{\"]", piece)]
    for sources in (marked, [text]):
        values = [value for source in sources for value in _loaded(source, names)]
        if any(_mentions(value, names) for value in values):
            yield from values
            return
    for read in (by_tags, by_yaml, by_labels):
        for source in (text, *pieces):
            if (value := read(source, names)) is not None:
                yield value
                return


def _loaded(source: str, names: list[str]) -> Iterator[Any]:
    """Yield what the spans of a text hold; of a list that was cut off, its members."""
    for span in spans(source):
        if (value := load(span, names)) is not None:
            yield value
        elif span.startswith("["):
            yield from _loaded(span[1:], names)


def _mentions(value: Any, names: list[str]) -> bool:
    if isinstance(value, dict):
        plain = {_bare(name) for name in names}
        return any(_bare(key) in plain for key in value) or any(_mentions(part, names) for part in value.values())
    return isinstance(value, list) and any(_mentions(part, names) for part in value)


def _candidates(value: Any, wants_list: bool) -> Iterator[Any]:
    """Yield a value, then what may be meant: what it wraps, or the members of a list where one was asked."""
    yield value
    if isinstance(value, dict):
        inner = [part for part in value.values() if isinstance(part, dict | list)]
        if wants_list:
            yield from (part for part in inner if isinstance(part, list))
            if inner and len(inner) == len(value) and all(isinstance(part, dict) for part in inner):
                yield inner
        elif len(inner) == 1:
            yield from _candidates(inner[0], wants_list)
    elif isinstance(value, list) and not wants_list:
        yield from (part for part in value if isinstance(part, dict))


def _list(value: Any, model: type[BaseModel]) -> list[dict[str, Any]] | None:
    """The members that have the model's form; None if what is there is neither a list nor one such object."""
    if isinstance(value, dict):
        shaped = _shaped(value, model)
        return [shaped] if shaped and _valid(shaped, model) else None
    if not isinstance(value, list):
        return None
    members = [_shaped(member, model) for member in value]
    good = [member for member in members if member is not None and _valid(member, model)]
    return good or [member for member in members if member is not None]


def _valid(value: dict[str, Any], model: type[BaseModel]) -> bool:
    try:
        model.model_validate(value)
    except ValidationError:
        return False
    return True


def _shaped(value: Any, model: type[BaseModel]) -> dict[str, Any] | None:
    """Spell an object's keys as the model does, and its values as text where the model has text."""
    if not isinstance(value, dict):
        return None
    known = {_bare(name): name for name in model.model_fields}
    exact = {key: part for key, part in value.items() if key in model.model_fields}
    others = {known[_bare(key)]: part for key, part in value.items() if key not in exact and _bare(key) in known}
    shaped: dict[str, Any] = {}
    for name, part in (others | exact).items():
        field = model.model_fields[name]
        if part is None and not field.is_required():
            continue
        shaped[name] = _as_text(part) if field.annotation is str else part
    return shaped or None


def _as_text(part: Any) -> Any:
    if isinstance(part, list) and part and all(isinstance(line, str) for line in part):
        return "\n".join(part)
    if isinstance(part, bool):
        return str(part).lower()
    return str(part) if isinstance(part, int | float) and math.isfinite(part) else part


def _bare(key: Any) -> str:
    return re.sub(r"[\W_]", "", str(key)).lower()


def _is_the_form(result: Any) -> bool:
    """Tell the form that the prompt showed, repeated with its dots."""
    members = result if isinstance(result, list) else [result]
    texts = [part for member in members for part in member.model_dump().values() if isinstance(part, str) and part]
    return any(re.fullmatch(r"\s*(?:\.{3}|…)\s*", part) for part in texts)


def _joined(found: list[T]) -> T:
    """The longest list; or all the objects that came one by one."""
    longest = max(found, key=len)  # type: ignore[arg-type]
    if len(longest) > 1 or len(found) == 1:  # type: ignore[arg-type]
        return longest
    return [member for members in found for member in members]  # type: ignore[attr-defined, return-value]
