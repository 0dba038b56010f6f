"""Each agent out of action for a whole run: the run ends by itself, with the best of the rest, within its bounds."""

from __future__ import annotations

from itertools import count

import pytest

from graphs import pipeline
from mle_star.models.bounds import most_calls
from tests.stage import GARBAGE, SMALL, Outcome, Play, fenced, play, whole_run
from tests.support import Reply, section

PROMPTS = {
    "retriever": ("retriever",),
    "candidate_evaluator": ("candidate_evaluator",),
    "merger": ("merger",),
    "leakage_checker": ("leakage_detect", "leakage_correct"),
    "data_usage_checker": ("data_usage_checker",),
    "ablation_study": ("ablation_study",),
    "summarizer": ("summarizer",),
    "extractor": ("extractor",),
    "planner": ("planner",),
    "coder": ("coder",),
    "debugger": ("debugger",),
    "ensemble_planner": ("ensemble_planner", "ensemble_planner_next"),
    "ensembler": ("ensembler",),
    "submission": ("submission", "subsampling_extract", "subsampling_remove"),
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


def useless(agent: str) -> Reply:
    """Fail on a question, and reply what is of no use when it is asked again."""
    times = count()

    def reply(prompt: str) -> str:
        if next(times) % 2 == 0:
            raise RuntimeError("the model's own failure")
        return "" if agent in WRITES_PLAIN_TEXT else GARBAGE

    return reply


def as_it_should_be(agent: str, played: Play) -> None:
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
        expected = {"ensembler": 0.7, "ensemble_planner": 0.7}
        assert state["final_score"] == expected.get(agent, 0.8)
        assert state["submission_path"] is not None


@pytest.mark.parametrize("agent", PROMPTS)
def test_an_agent_that_never_gives_a_usable_reply_costs_its_own_part_alone(agent: str) -> None:
    as_it_should_be(agent, run_without(agent, useless(agent)))


@pytest.mark.parametrize("agent", WRITES_SCRIPTS)
def test_an_agent_whose_scripts_always_fail_costs_its_own_part_alone(agent: str) -> None:
    stage = whole_run()
    broken = {name: lambda p: stage.answer("fails", f"broken = {stage.counts()}") for name in (agent, "debugger")}
    if agent == "coder":
        broken["coder"] = lambda p: fenced(f"part_0 = {section(p, 'plan')!r}  {stage.mark('fails')}")
    if agent == "submission":
        stage.submissions = ["fails"] * 20
    stage.replies |= broken
    as_it_should_be(agent, play(pipeline.graph, stage, **SMALL))


def test_the_whole_run_asks_every_agent() -> None:
    asked = play(pipeline.graph, whole_run(), **(SMALL | {"ensemble_iterations": 2})).stage.counts()
    assert {prompt for prompts in PROMPTS.values() for prompt in prompts} <= set(asked)


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
