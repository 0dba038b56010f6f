"""The library's functions as text, one file per theme: scripts are made of them, our process never imports them."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from functools import cache
from pathlib import Path

from mle_star.models.syntax import parse

HERE = Path(__file__).parent
MARK = re.compile(r"  # where (?P<without>not )?(?P<what>\w+)$")


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


def trimmed(source: str, found: Collection[str]) -> str:
    """A function without the statements, with their blocks, that are marked `# where words` if no words were found."""
    kept: list[str] = []
    left_out: int | None = None
    for line in source.split("\n"):
        indent = len(line) - len(line.lstrip())
        if left_out is not None and (not line.strip() or indent > left_out):
            continue
        left_out = None
        if mark := MARK.search(line):
            if (mark["what"] in found) == bool(mark["without"]):
                left_out = indent
                continue
            line = line[: mark.start()]
        kept.append(line)
    return "\n".join(kept)


def calls(source: str) -> list[str]:
    """Names that a function reads and does not define, in their order; its helpers are among them."""
    nodes = list(ast.walk(parse(source)))
    read = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    own = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    own |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return [name for name in dict.fromkeys(read) if name not in own]


def frame_part(name: str, variant: str = "") -> str:
    """A function of the frame under its plain name: `frame_part("blend", "ranks")` is `def blend(...)`."""
    full = f"{name}__{variant}" if variant else name
    return functions("frame")[full].replace(f"def {full}(", f"def {name}(", 1)
