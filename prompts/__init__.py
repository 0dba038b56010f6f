"""The prompts, one Markdown file each, and the function that fills them in.

A prompt opens with a heading that names it (`# candidate_evaluator`), and hands over its material in tags
(`<script>...</script>`). The embedded model finds its way by these two; other models only profit from them.
`script_rules.md` is a part that the code-writing prompts share, as `$script_rules`.
"""

from functools import cache
from pathlib import Path
from string import Template

HERE = Path(__file__).parent
SHARED = "script_rules"
NAMES = tuple(sorted(path.stem for path in HERE.glob("*.md") if path.stem != SHARED))


def render(name: str, overrides: Path | None = None, /, **values: object) -> str:
    """Fill in the prompt `name`; a file of the same name in the folder `overrides` takes its place.

    Raises:
        KeyError: The prompt asks for a value that was not given.
    """
    return load(name, overrides).substitute(values)


@cache
def load(name: str, overrides: Path | None = None) -> Template:
    """Read a prompt's template, once.

    Raises:
        ValueError: The file has a stray `$`, or placeholders that the original does not have.
    """
    original = _read(name, None)
    override = _read(name, overrides)
    if not override.is_valid():
        raise ValueError(f"prompt {name}.md in {overrides}: a `$` that names no placeholder; write `$$` for the sign")
    if unknown := set(override.get_identifiers()) - set(original.get_identifiers()):
        raise ValueError(f"prompt {name}.md in {overrides}: unknown placeholder ${', $'.join(sorted(unknown))}")
    return override


def _read(name: str, overrides: Path | None) -> Template:
    """Read a prompt, the shared part put in."""

    def text(stem: str) -> str:
        theirs = overrides / f"{stem}.md" if overrides else HERE
        return (theirs if theirs.is_file() else HERE / f"{stem}.md").read_text(encoding="utf-8")

    return Template(text(name).replace(f"${SHARED}", text(SHARED).strip()))
