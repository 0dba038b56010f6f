"""Each agent out of action for a whole run: the run ends by itself, with the best of the rest, within its bounds."""

from __future__ import annotations

import pytest

from graphs import pipeline
from mle_star.models.bounds import most_calls
from tests.stage import GARBAGE, SMALL, Outcome, Play, fenced, play, verdict, whole_run
from tests.support import Reply, section

PROMPTS = {
    "retriever": ("retriever",),
    "candidate_evaluator": ("candidate_evaluator",),
    "merger": ("merger",),
    "leakage_checker": ("leakage_detect", "leakage_correct", "rewrite"),
    "data_usage_checker": ("data_usage_checker",),
    "ablation_study": ("ablation_study",),
    "summarizer": ("summarizer",),
    "extractor": ("extractor",),
    "planner": ("planner",),
    "coder": ("coder", "rewrite"),
    "debugger": ("debugger",),
    "ensemble_planner": ("ensemble_planner", "ensemble_planner_next"),
    "ensembler": ("ensembler",),
    "submission": ("submission", "subsampling_extract", "subsampling_remove", "rewrite"),
}
WRITES_SCRIPTS = (
    "candidate_evaluator", "merger", "data_usage_checker", "ablation_study", "coder", "debugger", "ensembler",
    "submission",
)  # fmt: skip
WRITES_PLAIN_TEXT = ("summarizer", "planner", "ensemble_planner")
"""There any reply will do, except an empty one."""


def run_without(agent: str, reply: Reply) -> Play:
    """Play a whole run in which all of an agent's replies are `reply`'s."""
    stage = whole_run()
    stage.replies |= dict.fromkeys(PROMPTS[agent], reply)
    return play(pipeline.graph, stage, **SMALL)


def raising(prompt: str) -> str:
    """Fail on a prompt, as a model does whose template can't take it."""
    raise RuntimeError("the model's own failure")


USELESS: dict[str, Reply] = {
    "garbage": lambda prompt: GARBAGE,
    "nothing": lambda prompt: "",
    "an exception": raising,
    "thoughts alone": lambda prompt: "<think>Let me see.",
    "a cut off script": lambda prompt: "```python\nx = 1\nprint(x",
    "another's reply": lambda prompt: '{"reason": "none"}',
}


def as_it_should_be(agent: str, played: Play, lost: bool = True) -> None:
    """Hold the outcome against what the rest of the agents can do without this one."""
    state = played.state
    assert played.stage.calls() <= most_calls(played.config)
    if agent == "candidate_evaluator":
        assert state["final_solution"] is None
        assert state["submission_path"] is None
    elif agent == "submission":
        assert state["final_score"] == 0.8
        assert state["submission_path"] is None
    else:
        without_ensemble = agent == "ensembler" or (agent == "ensemble_planner" and lost)
        assert state["final_score"] == (0.7 if without_ensemble else 0.8)
        assert state["submission_path"] is not None


@pytest.mark.parametrize("kind", USELESS)
@pytest.mark.parametrize("agent", PROMPTS)
def test_an_agent_that_never_gives_a_usable_reply_costs_its_own_part_alone(agent: str, kind: str) -> None:
    """Where plain text is asked for, any words will do."""
    words = kind not in ("nothing", "an exception", "thoughts alone")
    as_it_should_be(agent, run_without(agent, USELESS[kind]), lost=not (agent in WRITES_PLAIN_TEXT and words))


@pytest.mark.parametrize("outcome", ["fails", "killed", "no score"])
@pytest.mark.parametrize("agent", WRITES_SCRIPTS)
def test_an_agent_whose_scripts_never_come_to_anything_costs_its_own_part_alone(agent: str, outcome: Outcome) -> None:
    if outcome == "no score" and agent in ("ablation_study", "submission"):
        pytest.skip("no score is asked of it")
    stage = whole_run()
    broken = {name: lambda p: stage.answer(outcome, f"broken = {stage.counts()}") for name in (agent, "debugger")}
    if agent == "coder":
        broken["coder"] = lambda p: fenced(f"part_0 = {section(p, 'plan')!r}  {stage.mark(outcome)}")
    if agent == "submission":
        stage.submissions = ["fails"] * 20
    stage.replies |= broken
    as_it_should_be(agent, play(pipeline.graph, stage, **SMALL))


@pytest.mark.parametrize("kind", USELESS)
def test_a_leak_that_is_never_put_right_stops_nothing(kind: str) -> None:
    stage = whole_run()
    stage.replies["leakage_detect"] = lambda p: verdict("prepared = 1", leaks=True)
    stage.replies |= dict.fromkeys(("leakage_correct", "rewrite"), USELESS[kind])
    as_it_should_be("leakage_checker", play(pipeline.graph, stage, **SMALL))


@pytest.mark.parametrize("retries", [0, 2])
def test_replies_that_are_always_cut_off_are_continued_once_for_each_question(retries: int) -> None:
    stage = whole_run()
    stage.replies = dict.fromkeys(stage.replies, lambda prompt: "```python\nx = 1\n")
    stage.model.cut_off = True
    played = play(pipeline.graph, stage, **(SMALL | {"reply_retries": retries}))
    assert stage.calls() <= most_calls(played.config)
    assert played.state["final_solution"] is None


def test_the_whole_run_asks_every_agent() -> None:
    asked = play(pipeline.graph, whole_run(), **(SMALL | {"ensemble_iterations": 2})).stage.counts()
    assert {prompt for prompts in PROMPTS.values() for prompt in prompts} - {"rewrite"} <= set(asked)


@pytest.mark.parametrize("reply", [GARBAGE, ""])
def test_a_run_in_which_no_reply_can_be_used_ends_by_itself_without_a_result(reply: str) -> None:
    stage = whole_run()
    stage.replies = dict.fromkeys(stage.replies, lambda prompt: reply)
    assert play(pipeline.graph, stage, **SMALL).state["final_solution"] is None


@pytest.mark.parametrize("outcome", ["fails", "no score"])
def test_a_run_in_which_no_script_ever_works_ends_by_itself_without_a_result(outcome: Outcome) -> None:
    stage = whole_run()
    broken = dict.fromkeys(WRITES_SCRIPTS, lambda prompt: stage.answer(outcome, f"broken = {stage.counts()}"))
    stage.replies |= broken
    assert play(pipeline.graph, stage, **SMALL).state["final_solution"] is None
