"""Write the parts of README.md that follow from the code: the graphs and the table of settings. `make readme`."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from mle_star.models.config import MLEStarConfig

GRAPHS = ("mle_star", "initial", "refinement", "ensemble", "evaluation", "submission")
README = Path(__file__).parent.parent / "README.md"


def config_table() -> str:
    """List every field of the configuration, its default, its bounds and what it is."""
    rows = ["| Field | Default | Bounds | What it is |", "| --- | --- | --- | --- |"]
    properties = MLEStarConfig.model_json_schema()["properties"]
    for name, field in MLEStarConfig.model_fields.items():
        default = "" if field.default in (None, PydanticUndefined, ()) else f"`{field.default}`"
        rows.append(f"| `{name}` | {default} | {bounds(properties[name])} | {field.description} |")
    return "\n".join(rows)


def bounds(schema: dict[str, Any]) -> str:
    """Say what a field's value may be."""
    schema = next((option for option in schema.get("anyOf", []) if option.get("type") != "null"), schema)
    if "enum" in schema:
        return ", ".join(schema["enum"])
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    above = "above " if "exclusiveMinimum" in schema else ""
    if high is not None:
        return f"{above}{low} to {high}" if "exclusiveMaximum" not in schema else f"{above}{low} to below {high}"
    return f"{above}{low}" if above else f"{low} or more" if low is not None else ""


def drawing(name: str) -> str:
    """Draw a graph as its module has it."""
    graph = import_module(f"graphs.{'pipeline' if name == 'mle_star' else name}").graph
    mermaid = graph.get_graph().draw_mermaid()
    return "```mermaid\n" + re.sub(r"^---\n.*?---\n", "", mermaid, flags=re.DOTALL).strip() + "\n```"


def with_generated_parts(text: str) -> str:
    """Put the generated parts between their marks."""
    drawings = {
        name: drawing(name) for name in ("mle_star", "initial", "refinement", "ensemble", "evaluation", "submission")
    }
    for mark, part in (drawings | {"config": config_table()}).items():
        pattern = rf"<!-- {mark} -->.*?<!-- end of {mark} -->"
        filled = f"<!-- {mark} -->\n\n{part}\n\n<!-- end of {mark} -->"
        text, count = re.subn(pattern, lambda _, filled=filled: filled, text, flags=re.DOTALL)
        if not count:
            raise SystemExit(f"README.md has lost its marks for {mark}")
    return text


if __name__ == "__main__":
    README.write_text(with_generated_parts(README.read_text(encoding="utf-8")), encoding="utf-8")
