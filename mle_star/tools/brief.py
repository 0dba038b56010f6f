"""What every prompt says of the task: the description in words, and the facts that were measured as YAML."""

from __future__ import annotations

import re
from typing import Any

import yaml

from mle_star.models.data_models import TaskBrief

MARK = "What the data shows (measured):"
LIMIT = 12_000
LEAST = 1_500
"""Characters of the description that stay, however long the facts are."""
WIDE = 1 << 30


def render_brief(brief: TaskBrief, limit: int = LIMIT) -> str:
    """Write the brief for a prompt, in about `limit` characters: a long description loses its middle.

    The facts are never cut, so that `read_facts` gives them back whole.
    """
    block = f"{MARK}\n\n```yaml\n{_facts(brief)}\n```"
    description = brief.task.description.strip().replace(MARK, MARK.rstrip(":"))
    if not description:
        return block
    return f"{cut_middle(description, max(LEAST, limit - len(block) - 2))}\n\n{block}"


def read_facts(text: str) -> dict[str, Any]:
    """Read the facts back: `task_type`, `data_modality`, `metric` and `profile`, as plain data.

    Raises:
        ValueError: The text holds no rendered brief.
    """
    found = re.search(rf"{re.escape(MARK)}\s*```yaml\n(.*?)\n```", text, re.S)
    if found is None:
        raise ValueError("there is no block of measured facts in the text")
    facts: dict[str, Any] = yaml.safe_load(found[1])
    return facts


def cut_middle(text: str, limit: int) -> str:
    """Leave out the middle of a text that is longer than `limit`, and say how much."""
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    tail = limit - head
    left_out = len(text) - limit
    return f"{text[:head].rstrip()}\n[... {left_out:,} characters left out ...]\n{text[-tail:].lstrip()}"


def _facts(brief: TaskBrief) -> str:
    """One line for each fact: a list of mappings takes a line for each of them."""
    lines = [_line(name, getattr(brief.task, name)) for name in ("task_type", "data_modality")]
    lines.append(_line("metric", brief.metric.model_dump(mode="json")))
    lines.append("profile:")
    for name, value in brief.profile.model_dump(mode="json", exclude_defaults=True).items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f"  {name}:")
            lines += [f"  - {_flow(item)}" for item in value]
        else:
            lines.append(f"  {_line(name, value)}")
    return "\n".join(lines)


def _line(name: str, value: object) -> str:
    """`name: value`, the value in flow style."""
    return _flow({name: value}).removeprefix("{").removesuffix("}")


def _flow(value: object) -> str:
    text = yaml.dump(value, Dumper=_OneLine, default_flow_style=True, width=WIDE, allow_unicode=True, sort_keys=False)
    return str(text).strip()


class _OneLine(yaml.SafeDumper):
    """Writes each text on one line, and shares nothing by anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _OneLine, text: str) -> yaml.ScalarNode:
    plain = re.fullmatch(r"[\w./+-]+( [\w./+-]+)*", text) is not None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_OneLine.add_representer(str, _text)
