"""Which files a revision reads that were left out before."""

from __future__ import annotations

from typing import Any

import pytest

from mle_star.models.profile import DataProfile, FileProfile, ImageProfile, SubmissionFormat
from mle_star.tools.sources import newly_named

PATHS = ("train.csv", "test.csv", "sample.csv", "extra/stores.csv", "images/", "unseen/*.png")
IMAGES = ImageProfile(
    column="id", train_pattern="images/{}.png", test_pattern="unseen/{}.png", width=8, height=8, mode="L"
)
PROFILE = DataProfile(
    files=tuple(FileProfile(path=path, bytes=1) for path in PATHS),
    train_file="train.csv",
    test_file="test.csv",
    images=IMAGES,
    submission=SubmissionFormat(
        columns=("id", "y"), id_column="id", prediction_columns=("y",), sample_file="sample.csv"
    ),
)
BASE = "train = pd.read_csv('./input/train.csv')\n"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("stores = pd.read_csv('./input/extra/stores.csv')", ["extra/stores.csv"]),
        ("stores = pd.read_csv(INPUT / 'extra' / 'stores.csv')", ["extra/stores.csv"]),
        ("paths = list((INPUT / 'images').iterdir())", ["images/"]),
        ("# stores.csv is of no use", []),
        ("'''It could read stores.csv.'''", []),
        ("other = pd.read_csv('./input/test.csv'), pd.read_csv('./input/sample.csv')", []),
        ("paths = list((INPUT / 'unseen').iterdir())", []),
        ("again = pd.read_csv('./input/train.csv')", []),
        ("broken = (", []),
    ],
)
def test_a_source_counts_when_the_code_names_it_for_the_first_time(line: str, named: list[Any]) -> None:
    assert newly_named(PROFILE, BASE, BASE + line) == named
