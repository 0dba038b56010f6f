"""The library's functions as text, one file per theme: scripts are made of them, our process never imports them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from mle_star.models.syntax import parse

HERE = Path(__file__).parent


@cache
def functions(file: str) -> dict[str, str]:
    """Source of every top-level function of `parts/<file>.py.txt`, by name."""
    return sources((HERE / f"{file}.py.txt").read_text(encoding="utf-8"))


def sources(text: str) -> dict[str, str]:
    """Source of every top-level function of a module's text, by name."""
    lines = text.split("\n")
    found: dict[str, str] = {}
    for node in parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
            found[node.name] = "\n".join(lines[node.lineno - 1 : node.end_lineno])
    return found


def frame_part(name: str, variant: str = "") -> str:
    """A function of the frame under its plain name: `frame_part("blend", "ranks")` is `def blend(...)`."""
    full = f"{name}__{variant}" if variant else name
    return functions("frame")[full].replace(f"def {full}(", f"def {name}(", 1)
