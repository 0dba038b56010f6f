"""The README says what the code does."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

REPO = Path(__file__).parents[2]
TEXT = (REPO / "README.md").read_text(encoding="utf-8")


def test_the_graphs_and_the_settings_in_the_readme_are_those_of_the_code() -> None:
    generate = runpy.run_path(str(REPO / ".ci" / "readme.py"))["with_generated_parts"]
    assert generate(TEXT) == TEXT, "run `make readme`"


def test_the_python_example_names_settings_that_exist() -> None:
    from mle_star.models.config import MLEStarConfig

    example = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert example is not None
    calls = [node for node in ast.walk(ast.parse(example[1])) if isinstance(node, ast.Call)]
    settings = next(call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "MLEStarConfig")
    assert {keyword.arg for keyword in settings.keywords} <= set(MLEStarConfig.model_fields)


def test_every_command_in_the_readme_exists() -> None:
    from typer.main import get_command

    from mle_star.cli import app

    named = set(re.findall(r"^mle-star (\w+)", TEXT, re.MULTILINE))
    assert named
    assert named <= set(get_command(app).commands)  # type: ignore[attr-defined]
