"""Model cards: the curated library's, and a person's own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mle_star.cards import LibraryCard, cards_for, deal, is_named, library, parse_card, read_cards
from mle_star.cli import main
from mle_star.models.config import MLEStarConfig
from mle_star.models.errors import ConfigError
from mle_star.models.metric import Metric
from mle_star.models.profile import DataProfile
from mle_star.models.syntax import parse
from mle_star.offline.library import recipes_by_name
from mle_star.offline.recipe import Environment, Facts
from mle_star.tools.preflight import check_retrieval
from tests.support import make_task_folder

CARDS = {f"{card.modality}/{card.key}": card for card in library()}
each_card = pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
GOOD = "# Mine\n\nIt fits\nwell.\n\n- and so on\n\n```python\nx = 1\n```\n"


# The library.


def test_every_modality_has_six_cards_or_more() -> None:
    counts = Counter(card.modality for card in library())
    assert set(counts) == {"tabular", "text", "image", "time_series", "audio"}
    assert min(counts.values()) >= 6


@pytest.mark.parametrize("modality", ["tabular", "text", "image", "time_series", "audio", "other", None])
@pytest.mark.parametrize("task_type", ["classification", "regression", "other", None])
def test_there_are_cards_for_every_task(modality: str | None, task_type: str | None) -> None:
    cards = cards_for(modality, task_type)  # type: ignore[arg-type]
    assert len(cards) >= 4
    assert all(task_type in card.facts.tasks for card in cards if task_type in ("classification", "regression"))


def test_what_can_not_run_here_comes_last() -> None:
    can_run = [not (card.missing or card.facts.weights) for card in cards_for("tabular", "regression")]
    assert can_run == sorted(can_run, reverse=True)
    assert can_run[0]


@each_card
def test_a_card_says_what_it_is_and_shows_it_in_a_script_that_is_short(card: LibraryCard) -> None:
    assert card.card.name
    assert 80 < len(card.card.description) < 700
    lines = card.card.example_code.splitlines()
    assert 10 <= len(lines) <= 60
    assert max(map(len, lines)) <= 120
    assert lines[-1] == 'print(f"Final Validation Performance: {score}")'
    assert parse(card.card.example_code).body


@each_card
def test_a_card_needs_the_packages_that_its_code_imports_and_no_others(card: LibraryCard) -> None:
    modules = {"scikit-learn": "sklearn", "pillow": "PIL"}
    named = {modules.get(name, name.replace("-", "_")) for name in card.facts.packages}
    imported = set()
    for line in card.card.example_code.splitlines():
        words = line.split()
        if words[:1] in (["import"], ["from"]):
            imported.add(words[1].partition(".")[0])
    assert imported - {"numpy", "warnings", "logging", "itertools", "scipy"} <= named
    assert named - {"torch"} <= imported  # the networks of others are torch's


def facts(modality: str, task_type: str) -> Facts:
    packages = {name: "1" for card in library() for name in card.facts.packages}
    metric, profile = Metric(name="accuracy", maximize=True), DataProfile(files=())
    return Facts(task_type, modality, metric, profile, Environment(packages))  # type: ignore[arg-type]


@pytest.mark.parametrize("card", [card for card in CARDS.values() if card.facts.family], ids=lambda card: card.key)
def test_a_card_that_the_embedded_model_can_build_bears_its_familys_name(card: LibraryCard) -> None:
    for task_type in card.facts.tasks:
        families = recipes_by_name(card.modality).families(facts(card.modality, task_type))
        named = {family.model: family.name for family in families}
        assert named.get(card.facts.family or "") == card.card.name


def test_paths_are_dealt_different_cards() -> None:
    cards = list(library())
    first, second = deal(cards, 1, 2), deal(cards, 2, 2)
    assert sorted(first) == sorted(second) == sorted(cards)
    half = len(cards) // 2
    assert not set(first[:half]) & set(second[:half])


@pytest.mark.parametrize(
    ("key", "name", "expected"),
    [
        ("tabular/lightgbm", "Tuned LightGBM regressor", True), ("tabular/xgboost", "XGBClassifier", False),
        ("tabular/extra_trees", "Extra-Trees", True), ("tabular/catboost", "LightGBM", False),
        ("text/nb_svm", "NB-SVM with TF-IDF", True),
    ],
)  # fmt: skip
def test_a_model_that_was_named_otherwise_is_known_again(key: str, name: str, expected: bool) -> None:
    assert is_named(CARDS[key], [name]) is expected


# A person's own.


def test_a_card_is_a_heading_words_and_a_block_of_code() -> None:
    facts, card = parse_card(GOOD, "file")
    assert (card.name, card.description, card.example_code) == ("Mine", "It fits well.\n\n- and so on", "x = 1\n")
    assert facts.packages == ()


def test_a_card_without_a_heading_is_named_after_its_file() -> None:
    assert parse_card("Words.\n```\nx = 1\n```\n", "my_model")[1].name == "my model"


def test_of_several_blocks_the_longest_is_the_code() -> None:
    text = "# A\n```sh\npip install something very long indeed\n```\n```py\nx = 1\n```\n~~~python\nx = 1\ny = 2\n~~~\n"
    assert parse_card(text, "a")[1].example_code == "x = 1\ny = 2\n"


def test_a_heading_in_the_code_is_no_heading() -> None:
    text = "```python\n# --- a comment\nx = 1\n```\n\n# Name\n"
    assert parse_card(text, "a")[1].name == "Name"


def test_windows_line_endings_and_a_byte_order_mark_do_no_harm() -> None:
    assert parse_card("\ufeff" + GOOD.replace("\n", "\r\n"), "a")[1].example_code == "x = 1\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no block of Python code"), ("# A\n\nOnly words.\n", "no block of Python code"),
        ("```sh\nls\n```\n", "no block of Python code"), ("# A\n```python\n\n```\n", "empty"),
        ("# A\n```python\ndef f(:\n```\n", "does not compile: .* \\(line 1\\)"), ("x" * 60_000, "longer than 50,000"),
        ("---\nrank: high\n---\n" + GOOD, "rank"), ("---\ncolour: red\n---\n" + GOOD, "colour"),
        ("---\n[\n---\n" + GOOD, "no YAML"),
    ],
)  # fmt: skip
def test_a_card_that_can_not_be_used_is_refused_before_the_run(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "mine.md"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"mine\.md: .*{reason}"):
        check_retrieval(MLEStarConfig(model_cards=(path,)))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_bytes(b"\xff\xfe\x00")
    for path, reason in (
        (tmp_path / "mine.md", "UTF-8"),
        (tmp_path, "no such file"),
        (tmp_path / "no.md", "no such file"),
    ):
        with pytest.raises(ValueError, match=reason):
            read_cards([path])


def test_two_cards_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(ValueError, match=r"b\.md: another card has the name 'Mine'"):
        read_cards([tmp_path / "a.md", tmp_path / "b.md"])


def test_a_card_is_found_from_another_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert MLEStarConfig(model_cards=("mine.md",)).model_cards == (tmp_path / "mine.md",)  # type: ignore[arg-type]


def test_the_terminal_refuses_a_bad_card_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.md").write_text("# Mine\n")
    task = make_task_folder(tmp_path / "task")
    arguments = ["run", str(task), "--provider", "offline", "--runs-dir", str(tmp_path / "runs")]
    assert main([*arguments, "--model-card", str(tmp_path / "mine.md")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--model-card" in error
    assert "mine.md: it holds no block of Python code" in error
    assert not (tmp_path / "runs").exists()


def test_the_terminal_refuses_an_engine_that_has_no_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = make_task_folder(tmp_path / "task")
    assert main(["run", str(task), "--search", "google", "--runs-dir", str(tmp_path / "runs")]) == 2
    assert "set GOOGLE_API_KEY and GOOGLE_SEARCH_ENGINE_ID" in capsys.readouterr().err
    assert main(["run", str(task), "--search", "bing"]) == 2
    assert "'google', 'duckduckgo' or 'none'" in capsys.readouterr().err
