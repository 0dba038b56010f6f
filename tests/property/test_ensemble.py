"""Algorithm 3: R rounds of planning how to combine the solutions; an ensemble has to beat the best of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from hypothesis import strategies as st

from graphs import ensemble
from mle_star.models.data_models import Solution
from tests.property.worlds import METRIC_NAMES, OUTCOMES, SCORES, in_any, is_score, worth
from tests.stage import Asked, Outcome, Play, Stage, play

Round = Outcome | Literal["no plan"]
PLANNERS = ("ensemble_planner", "ensemble_planner_next")


@dataclass(frozen=True)
class World:
    """The scores of L solutions, and what R rounds come to."""

    metric: str
    solutions: tuple[float, ...]
    rounds: tuple[Round, ...]

    @property
    def best_single(self) -> float:
        """What an ensemble has to beat."""
        return max(self.solutions, key=lambda score: worth(self.metric, score))

    @property
    def best(self) -> float:
        """The best of all."""
        ensembles = [outcome for outcome in self.rounds if isinstance(outcome, float)] if self.combines else []
        return max([self.best_single, *ensembles], key=lambda score: worth(self.metric, score))

    @property
    def combines(self) -> bool:
        """Whether there is anything to combine."""
        return len(self.solutions) > 1


worlds = st.builds(
    World,
    metric=METRIC_NAMES,
    solutions=st.lists(SCORES, min_size=1, max_size=4).map(tuple),
    rounds=st.lists(st.one_of(OUTCOMES, OUTCOMES, st.just("no plan")), max_size=4).map(tuple),
)
in_any_world = in_any(worlds, 30)


@cache
def played(world: World) -> Play:
    """Play a world."""
    now = {"r": -1}

    def plan(prompt: str) -> str:
        if not stage.model.again:
            now["r"] += 1
        return "" if world.rounds[now["r"]] == "no plan" else f"Plan {now['r']}."

    def combine(prompt: str) -> str:
        outcome = world.rounds[now["r"]]
        assert outcome != "no plan"
        return stage.answer(outcome, f"ensemble = {now['r']}")

    stage = Stage(ensemble_planner=plan, ensemble_planner_next=plan, ensembler=combine)
    solutions = [
        Solution(script=stage.write(score, f"solution = {number}"), score=score, step=f"p{number}.candidate1")
        for number, score in enumerate(world.solutions, 1)
    ]
    return play(
        ensemble.graph, stage, {"solutions": solutions}, metric=world.metric,
        ensemble_iterations=len(world.rounds), reply_retries=1, leakage_check=False,
    )  # fmt: skip


def history_in(question: Asked) -> list[tuple[str, str]]:
    """Read the (plan, score) pairs that a planner is shown; a first planner is shown none."""
    if question.name == "ensemble_planner":
        return []
    return [(plan, score) for score, plan in re.findall(r"\d+\. score: (\S+)\n   (.+)", question.part("history"))]


@in_any_world
def test_there_are_r_rounds_when_there_is_something_to_combine(world: World) -> None:
    assert len(played(world).stage.asked(*PLANNERS)) == (len(world.rounds) if world.combines else 0)


@in_any_world
def test_each_plan_is_implemented_once(world: World) -> None:
    implemented = [question.part("plan") for question in played(world).stage.asked("ensembler")]
    planned = [f"Plan {r}." for r, outcome in enumerate(world.rounds) if outcome != "no plan"]
    assert implemented == (planned if world.combines else [])


@in_any_world
def test_the_planner_sees_every_earlier_plan_with_its_score(world: World) -> None:
    for r, question in enumerate(played(world).stage.asked(*PLANNERS)):
        earlier = [
            (f"Plan {j}.", repr(outcome) if is_score(outcome) else "failed")
            for j, outcome in enumerate(world.rounds[:r])
            if outcome != "no plan"
        ]
        assert history_in(question) == earlier


@in_any_world
def test_every_planner_and_ensembler_sees_all_solutions(world: World) -> None:
    for question in played(world).stage.asked(*PLANNERS, "ensembler"):
        assert sorted(re.findall(r"^solution = (\d+)", question.part("solutions"), re.MULTILINE)) == [
            str(number) for number in range(1, len(world.solutions) + 1)
        ]


@in_any_world
def test_the_best_of_all_solutions_and_ensembles_wins(world: World) -> None:
    assert played(world).score == world.best


@in_any_world
def test_an_ensemble_that_does_not_beat_the_best_solution_is_not_used(world: World) -> None:
    solution = played(world).solution
    assert solution is not None
    if world.best == world.best_single:
        assert "ensemble" not in solution.script


@in_any_world
def test_the_rounds_accepted_are_those_that_were_better_than_all_before(world: World) -> None:
    best, expected = world.best_single, []
    for r, outcome in enumerate(world.rounds if world.combines else ()):
        if isinstance(outcome, float) and worth(world.metric, outcome) > worth(world.metric, best):
            best = outcome
            expected.append(f"ensemble.r{r}")
    history = played(world).state.get("history", [])
    assert [record.step for record in history if record.accepted] == expected
