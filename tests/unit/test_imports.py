"""What is imported is paid for at every start."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("pandas", "sklearn", "lightgbm", "langgraph", "langchain_openai", "langchain_aws", "langchain_ollama", "torch")


@pytest.mark.parametrize("module", ["mle_star.orchestrator", "mle_star.models.config"])
def test_importing_the_entry_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_importing_the_graphs_loads_no_provider_and_no_data_library() -> None:
    heavy = [name for name in HEAVY if name != "langgraph"]
    code = f"import sys, graphs.pipeline; print(*[name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
