"""Every card of the library runs as it stands, on the data that it makes, with no network."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mle_star.cards import LibraryCard, library

CARDS = {f"{card.modality}/{card.key}": card for card in library()}
CHANCE = {"accuracy_score": 0.55, "roc_auc_score": 0.6, "r2_score": 0.3, "spearmanr": 0.3}
"""What a score of this name has to be above: the example has learnt something."""


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_a_cards_example_runs_and_learns(card: LibraryCard, tmp_path: Path) -> None:
    if card.missing:
        pytest.skip(f"not installed: {', '.join(card.missing)}")
    if card.facts.weights:
        pytest.skip(f"not on this machine: {card.facts.weights}")
    (tmp_path / "example.py").write_text(card.card.example_code)
    quiet = {
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env=os.environ | quiet,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    scores = re.findall(r"^Final Validation Performance: (\S+)$", done.stdout, re.MULTILINE)
    assert scores, done.stdout
    score = float(scores[-1])
    assert math.isfinite(score)
    name = next((name for name in CHANCE if f"score = {name}(" in card.card.example_code), None)
    assert name is None or score > CHANCE[name]
