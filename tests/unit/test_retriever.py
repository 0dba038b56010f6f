"""The retriever: the user's cards, then the model's, then the curated library's; the web is paid for once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tenacity import wait_none

from graphs import initial, pipeline
from mle_star.agents.retriever import parse_cards, parse_queries
from mle_star.models.data_models import ModelCard
from mle_star.models.errors import ConfigError
from mle_star.tools.replies import ReplyError
from mle_star.tools.search import address, google
from mle_star.tools.search import web as searching
from mle_star.tools.search.google import GoogleSearch
from tests.stage import SMALL, Asked, Play, Stage, play, whole_run
from tests.support import cards
from tests.web import Web, article, found, refused, serve

OWN = "# Mine\n\nIt fits.\n\n```python\nfrom x import Mine\nmodel = Mine()\n```\n"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """Google, with keys, on this machine; four pages for whatever is asked."""
    monkeypatch.setenv("GOOGLE_API_KEY", "g-secret-key")
    monkeypatch.setenv("GOOGLE_CSE_ID", "engine-1")
    monkeypatch.setattr(address, "is_public", lambda found: True)
    monkeypatch.setattr(searching, "BACKOFF", wait_none())
    with serve() as web:
        monkeypatch.setattr(google, "GoogleSearch", partial(GoogleSearch, endpoint=web.url))
        for name in ("one", "two", "three", "four"):
            web.page(f"/{name}", article(f"This is page {name}. " * 20))
        web.search = lambda query: found([f"{web.url}/{name}" for name in ("one", "two", "three", "four")])
        yield web


def queries(prompt: str) -> str:
    return json.dumps({"queries": ["first query", "second query"]})


def run_whole(tmp_path: Path, stage: Stage | None = None, look: Any = None, **settings: Any) -> tuple[Stage, Play]:
    stage = stage or whole_run()
    stage.replies["search_queries"] = stage.replies.get("search_queries", queries)
    more = {"look": look} if look else {}
    return stage, play(pipeline.graph, stage, **(SMALL | {"runs_dir": tmp_path / "runs"} | settings), **more)


def notes(folder: Path) -> tuple[str, ...]:
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return tuple(event["message"] for event in events if event["kind"] == "note" and event.get("agent") == "retriever")


def pages_of(asked: Asked) -> set[str]:
    return {name for name in ("one", "two", "three", "four") if f"This is page {name}." in asked.part("pages")}


def test_the_web_is_searched_once_for_all_paths_and_its_pages_are_dealt_out(web: Web, tmp_path: Path) -> None:
    stage, _ = run_whole(tmp_path, search_pages=2)
    assert len(stage.asked("search_queries")) == 1
    assert sorted(query["q"] for query in web.queries) == ["first query", "second query"]
    first, second = (pages_of(asked) for asked in stage.asked("retriever"))
    assert len(first) == len(second) == 2
    assert not first & second


def test_a_second_run_pays_for_no_query_and_no_page(web: Web, tmp_path: Path) -> None:
    run_whole(tmp_path)
    paid = len(web.queries), len(web.asked)
    stage, _ = run_whole(tmp_path)
    assert (len(web.queries), len(web.asked)) == paid
    assert pages_of(stage.asked("retriever")[0])


def test_the_run_says_what_was_searched_and_never_the_key(web: Web, tmp_path: Path) -> None:
    def look(folder: Path) -> tuple[str, ...]:
        texts = [path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()]
        return (*notes(folder), "leaked" if any("g-secret-key" in text for text in texts) else "")

    _, played = run_whole(tmp_path, look=look)
    assert "google: 4 pages read for: first query; second query" in played.folder_listing
    assert "leaked" not in played.folder_listing


@pytest.mark.parametrize("answer", [refused(403, "forbidden"), refused(429, "rateLimitExceeded"), found([])])
def test_a_search_that_fails_costs_its_pages_and_is_told(web: Web, tmp_path: Path, answer: Any) -> None:
    web.search = lambda query: answer
    stage, played = run_whole(tmp_path, look=notes)
    assert played.state["submission_path"]
    assert {asked.part("pages") for asked in stage.asked("retriever")} == {"none"}
    assert any(note.startswith("google: 0 pages read") for note in played.folder_listing)


def test_queries_that_never_come_cost_the_search_and_nothing_else(web: Web, tmp_path: Path) -> None:
    stage = whole_run()
    stage.replies["search_queries"] = lambda prompt: "I would rather not."
    _, played = run_whole(tmp_path, stage)
    assert played.state["submission_path"]
    assert web.queries == []


def test_without_keys_the_model_is_asked_for_models_alone(tmp_path: Path) -> None:
    stage, _ = run_whole(tmp_path)
    assert stage.asked("search_queries") == []
    assert {asked.part("pages") for asked in stage.asked("retriever")} == {"none"}


# The curated library.


def retrieve(reply: str, tmp_path: Path, **settings: Any) -> tuple[Stage, Play]:
    """Play the initial graph with what the model names; every candidate fails, which ends it."""
    stage = Stage(retriever=lambda prompt: reply, candidate_evaluator=lambda prompt: stage.answer("fails"))
    settings = {"num_solutions": 1, "leakage_check": False, "reply_retries": 0, "runs_dir": tmp_path} | settings
    return stage, play(initial.graph, stage, **settings, look=notes)


def card_names(stage: Stage) -> list[str]:
    return sorted(asked.part("model").partition("\n")[0] for asked in stage.asked("candidate_evaluator"))


def test_the_library_fills_up_what_the_model_does_not_name_and_the_run_says_so(tmp_path: Path) -> None:
    stage, played = retrieve(cards(1), tmp_path, num_retrieved_models=3)
    assert len(card_names(stage)) == 3
    assert "model 1" in card_names(stage)
    assert "1 of 3 models were named; the curated library adds the rest" in played.folder_listing


def test_without_any_answer_all_models_are_the_librarys(tmp_path: Path) -> None:
    stage, _ = retrieve("no", tmp_path, num_retrieved_models=4)
    assert "LightGBM, gradient-boosted trees" in card_names(stage)
    assert len(set(card_names(stage))) == 4


def test_paths_share_no_card_of_the_library_while_it_lasts(tmp_path: Path) -> None:
    stage = whole_run()
    stage.replies["retriever"] = lambda prompt: "no"
    run_whole(tmp_path, stage, num_retrieved_models=3)
    assert len(set(card_names(stage))) == 6


def test_the_library_does_not_add_what_is_named_already(tmp_path: Path) -> None:
    named = json.dumps([{"name": "Tuned LightGBM regressor", "example_code": "x = 1"}])
    stage, _ = retrieve(named, tmp_path, num_retrieved_models=3)
    assert not any(name.startswith("LightGBM,") for name in card_names(stage))


def test_code_that_does_not_compile_makes_room_for_the_library(tmp_path: Path) -> None:
    named = json.dumps([{"name": "Good", "example_code": "x = 1"}, {"name": "Bad", "example_code": "def ("}])
    stage, _ = retrieve(named, tmp_path, num_retrieved_models=2)
    assert "Good" in card_names(stage)
    assert "Bad" not in card_names(stage)


# The user's cards.


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "mine.md"
    path.write_text(OWN)
    return path


def test_the_users_card_is_tried_on_every_path_and_the_model_names_the_rest(own: Path, tmp_path: Path) -> None:
    stage, _ = run_whole(tmp_path, model_cards=(own,), num_retrieved_models=3)
    assert card_names(stage).count("Mine") == 2
    for asked in stage.asked("retriever"):
        assert asked.part("taken") == "- Mine"
        assert "Name the 2 models" in asked.text
    assert len(stage.asked("candidate_evaluator")) == 6


def test_the_users_card_comes_first_with_its_code(own: Path, tmp_path: Path) -> None:
    stage, _ = retrieve(cards(1), tmp_path, model_cards=(own,), num_retrieved_models=2)
    (mine,) = [asked for asked in stage.asked("candidate_evaluator") if "Mine" in asked.part("model")]
    assert mine.part("example").strip() == "from x import Mine\nmodel = Mine()"
    assert "the seed 143 for" in mine.text  # of the first candidate; all are asked for side by side, in any order


def test_with_enough_cards_of_the_users_no_model_is_asked_for(own: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.md"
    other.write_text(OWN.replace("Mine", "Other"))
    stage, _ = retrieve(cards(1), tmp_path, model_cards=(own, other), num_retrieved_models=1)
    assert card_names(stage) == ["Mine", "Other"]
    assert stage.asked("retriever") == []


def test_a_card_that_is_gone_stops_the_run_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.md: there is no such file"):
        retrieve(cards(1), tmp_path, model_cards=(tmp_path / "gone.md",))


# Replies.


def test_a_card_says_where_it_comes_from() -> None:
    reply = json.dumps(
        [
            {"name": "A", "example_code": "```python\nx = 1\n```", "source": "https://a.example/x"},
            {"name": "B", "example_code": "x = 2", "source": "library", "score": 3},
        ]
    )
    assert [card.source for card in parse_cards(reply)] == ["https://a.example/x", "model"]
    assert parse_cards(reply)[0] == ModelCard(name="A", example_code="x = 1\n", source="https://a.example/x")


def test_cards_of_which_none_is_left_are_asked_for_again_with_the_reason() -> None:
    with pytest.raises(ReplyError, match=r"A: .*does not compile"):
        parse_cards(json.dumps([{"name": "A", "example_code": "x = = 1"}]))


def test_an_example_may_be_a_function_that_nothing_calls() -> None:
    code = "def fit(rows, target):\n    return rows @ target"
    assert parse_cards(json.dumps([{"name": "A", "example_code": code}]))[0].example_code == code + "\n"


@pytest.mark.parametrize(
    "reply", ['{"queries": ["a b", "a  b", " ", "c"]}', "```json\n{'queries': ['a b', 'c',]}\n```"]
)
def test_queries_are_read_from_what_a_model_may_make_of_the_form(reply: str) -> None:
    assert parse_queries(reply) == ("a b", "c")


def test_queries_are_of_a_length_that_an_engine_takes() -> None:
    (query,) = parse_queries(json.dumps({"queries": ["word\n" * 1_000]}))
    assert len(query) <= 200
    assert "\n" not in query


def test_no_query_is_asked_for_again() -> None:
    with pytest.raises(ReplyError):
        parse_queries('{"queries": []}')
