"""Scripts as text: put one together from parts, take one apart by its sections, exchange a part."""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass

from mle_star.models.syntax import parse

SECTIONS = ("Settings", "Loading", "Target", "Features", "Preparation", "Models", "Blend", "Validation")
HEADING = re.compile(r"^# --- ([A-Z][\w ]*) ---$", re.MULTILINE)
SCORE_LINE = re.compile(r"^print\(f?[\"']Final Validation Performance:.*$", re.MULTILINE)


@dataclass(frozen=True)
class Script:
    """A script of the library, in its sections. `head` is the docstring and the imports."""

    head: str
    sections: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Script:
        """Take a script apart; one that is not the library's has fewer sections than `is_ours` asks for."""
        pieces = HEADING.split(text)
        pairs = zip(pieces[1::2], pieces[2::2], strict=True)
        return cls(pieces[0].strip("\n"), tuple((name, body.strip("\n")) for name, body in pairs))

    @property
    def is_ours(self) -> bool:
        """Whether the sections that every script of the library has are there."""
        return set(SECTIONS) - {"Preparation"} <= {name for name, _ in self.sections}

    def __getitem__(self, name: str) -> str:
        return dict(self.sections).get(name, "")

    def with_section(self, name: str, body: str) -> Script:
        """The script with another text of one section, which is added at the end where it is new."""
        if name not in dict(self.sections):
            return Script(self.head, (*self.sections, (name, body)))
        return Script(self.head, tuple((key, body if key == name else old) for key, old in self.sections))

    def with_head(self, head: str) -> Script:
        """The script with another docstring and other imports."""
        return Script(head, self.sections)

    @property
    def text(self) -> str:
        """The script as it is run."""
        parts = [self.head.strip("\n")]
        for name, body in self.sections:
            start = body.lstrip("\n")
            gap = "\n\n\n" if start.startswith("def ") else "\n"
            parts.append(f"# --- {name} ---{gap}{start}")
        return re.sub(r"\n{4,}", "\n\n\n", "\n\n\n".join(part.rstrip() for part in parts)) + "\n"

    @property
    def models(self) -> dict[str, tuple[str, str]]:
        """MODELS as names: model's key to (preparation, model function)."""
        found = re.findall(r'^\s*"([^"]+)": \((\w+), (\w+)\),$', self["Models"], re.MULTILINE)
        return {key: (prepare, model) for key, prepare, model in found}

    @property
    def features(self) -> tuple[str, ...]:
        """The names in FEATURES."""
        match = re.search(r"^FEATURES = \[(.*?)\]", self["Features"], re.MULTILINE | re.DOTALL)
        return tuple(re.findall(r"\w+", match[1])) if match else ()

    def function(self, name: str) -> str | None:
        """The text of a top-level function."""
        return functions_of(self.text).get(name)


def functions_of(text: str) -> dict[str, str]:
    """Source of every top-level function; empty where the text is no Python."""
    try:
        tree = parse(text)
    except (SyntaxError, ValueError):
        return {}
    lines = text.split("\n")
    return {
        node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }


def keywords_of(source: str) -> dict[str, object]:
    """The keyword arguments of a function with their literal defaults, in order."""
    node = parse(textwrap.dedent(source)).body[0]
    if not isinstance(node, ast.FunctionDef) or not node.args.defaults:
        return {}
    names = [argument.arg for argument in node.args.args][-len(node.args.defaults) :]
    found: dict[str, object] = {}
    for name, default in zip(names, node.args.defaults, strict=True):
        try:
            found[name] = ast.literal_eval(default)
        except ValueError:
            continue
    return found


def models_table(entries: dict[str, tuple[str, str]]) -> str:
    """The statement that defines MODELS."""
    lines = [f'    "{key}": ({prepare}, {model}),' for key, (prepare, model) in entries.items()]
    return "\n".join(["MODELS = {", *lines, "}"])


def features_list(names: tuple[str, ...]) -> str:
    """The statement that defines FEATURES."""
    return f"FEATURES = [{', '.join(names)}]"


def constants(**values: object) -> str:
    """Assignments of literals, lists wrapped at the line's end."""
    lines = []
    for name, value in values.items():
        line = f"{name} = {value!r}"
        if len(line) > 110 and isinstance(value, list):
            inner = textwrap.fill(", ".join(repr(item) for item in value), 110, break_on_hyphens=False)
            wrapped = [f"    {item!r}," for item in value] if "\n" in repr(value) or _breaks(inner, value) else None
            line = f"{name} = [\n" + ("\n".join(wrapped) if wrapped else textwrap.indent(inner + ",", "    ")) + "\n]"
        lines.append(line)
    return "\n".join(lines)


def _breaks(wrapped: str, value: list[object]) -> bool:
    """Tell whether wrapping went through a string (one with spaces)."""
    try:
        read = parse(f"[{wrapped}]").body[0]
        return not isinstance(read, ast.Expr) or bool(ast.literal_eval(read.value) != value)
    except (SyntaxError, ValueError):
        return True
