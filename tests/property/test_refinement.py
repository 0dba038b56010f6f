"""Algorithm 2: in each outer step one block of s_t, K plans for it, and the best of the candidates if it is better."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from typing import Literal

from hypothesis import strategies as st

from graphs import refinement
from mle_star.models.data_models import Solution
from tests.property.worlds import METRIC_NAMES, OUTCOMES, SCORES, in_any, is_score, worth
from tests.stage import GARBAGE, Asked, Outcome, Play, Stage, extraction, fenced, play

PARTS = 4
Try = Outcome | Literal["no plan"]


@dataclass(frozen=True)
class Block:
    """What one outer step comes to."""

    study: Literal["runs", "fails", "garbage"]
    summarized: bool
    extracted: Literal["a new block", "an old block", "garbage"]
    tries: tuple[Try, ...]
    """What the candidates of its K plans come to."""


@dataclass(frozen=True)
class World:
    """What T outer steps come to."""

    metric: str
    begin: float
    blocks: tuple[Block, ...]

    def refines(self, t: int) -> bool:
        """Whether the outer step has a block to refine."""
        found = self.blocks[t].extracted
        return found == "a new block" or (found == "an old block" and not any(self.refines(s) for s in range(t)))

    def tries(self, t: int) -> list[tuple[str, Try]]:
        """The plans of an outer step with what they come to, those left out that the planner did not deliver."""
        if not self.refines(t):
            return []
        planned = [(f"Plan {t}.{k}.", outcome) for k, outcome in enumerate(self.blocks[t].tries)]
        return [(plan, outcome) for plan, outcome in planned if outcome != "no plan"]

    def solution_scores(self) -> list[float]:
        """The score of s_0 .. s_T."""
        scores = [self.begin]
        for t in range(len(self.blocks)):
            ran = [outcome for _, outcome in self.tries(t) if isinstance(outcome, float)]
            best = max(ran, key=lambda outcome: worth(self.metric, outcome), default=scores[-1])
            scores.append(best if worth(self.metric, best) > worth(self.metric, scores[-1]) else scores[-1])
        return scores


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a world."""
    plans = draw(st.integers(1, 3))
    tries = st.lists(st.one_of(OUTCOMES, OUTCOMES, OUTCOMES, st.just("no plan")), min_size=plans, max_size=plans)
    block = st.builds(
        Block,
        study=st.sampled_from(["runs", "runs", "fails", "garbage"]),
        summarized=st.sampled_from([True, True, False]),
        extracted=st.sampled_from(["a new block", "a new block", "a new block", "an old block", "garbage"]),
        tries=tries.map(lambda drawn: tuple("fails" if k == 0 and d == "no plan" else d for k, d in enumerate(drawn))),
    )
    return World(draw(METRIC_NAMES), draw(SCORES), tuple(draw(st.lists(block, max_size=3))))


@cache
def played(world: World) -> Play:
    """Play a world."""
    old_blocks: list[str] = []
    step = {"t": -1, "k": 0}

    def study(prompt: str) -> str:
        if not stage.model.again:
            step["t"], step["k"] = step["t"] + 1, 0
        study = world.blocks[step["t"]].study
        return GARBAGE if study == "garbage" else fenced(stage.write("fails" if study == "fails" else "no score"))

    def extract(prompt: str) -> str:
        now = world.blocks[step["t"]].extracted
        if now == "garbage":
            return GARBAGE
        if now == "an old block" and old_blocks:
            return extraction(old_blocks[0], "Once more.")
        block = next(line for line in prompt.splitlines() if line.startswith(f"part_{len(old_blocks)} = "))
        if not stage.model.again:
            old_blocks.append(block)
        return extraction(block, f"Plan {step['t']}.0.")

    def plan(prompt: str) -> str:
        if not stage.model.again:
            step["k"] += 1
        return " " if world.blocks[step["t"]].tries[step["k"]] == "no plan" else f"Plan {step['t']}.{step['k']}."

    def code(prompt: str) -> str:
        outcome = world.blocks[step["t"]].tries[step["k"]]
        assert outcome != "no plan"
        name = re.search(r"<code_block>\n(part_\d+)", prompt)
        assert name
        return (
            GARBAGE if outcome == "garbage" else fenced(f"{name[1]} = {step['t']}.{step['k']}  {stage.mark(outcome)}")
        )

    stage = Stage(
        ablation_study=study, extractor=extract, planner=plan, coder=code, rewrite=lambda prompt: GARBAGE,
        summarizer=lambda prompt: f"Summary {step['t']}." if world.blocks[step["t"]].summarized else "",
    )  # fmt: skip
    script = stage.write(world.begin, parts=PARTS)
    return play(
        refinement.graph, stage, {"solution": Solution(script=script, score=world.begin)}, metric=world.metric,
        outer_loop_iterations=len(world.blocks), reply_retries=1, leakage_check=False,
        inner_loop_iterations=len(world.blocks[0].tries) if world.blocks else 1,
    )  # fmt: skip


in_any_world = in_any(worlds(), 25)


def by_outer_step(stage: Stage, name: str) -> dict[int, list[Asked]]:
    """List a prompt's questions by t, which each ablation study begins anew."""
    found: dict[int, list[Asked]] = defaultdict(list)
    t = -1
    for one in stage.asked("ablation_study", name):
        t += one.name == "ablation_study"
        if one.name == name:
            found[t].append(one)
    return found


def history_in(question: Asked) -> list[tuple[str, str]]:
    """Read the (plan, score) pairs that a planner is shown."""
    return [(plan, score) for score, plan in re.findall(r"\d+\. score: (\S+)\n   (.+)", question.part("history"))]


def shown(outcome: Try) -> str:
    """Say how a prompt shows what a try came to."""
    return repr(outcome) if is_score(outcome) else "failed"


@in_any_world
def test_there_is_one_ablation_study_for_each_outer_step(world: World) -> None:
    assert played(world).stage.counts()["ablation_study"] == len(world.blocks)


@in_any_world
def test_every_plan_of_a_block_has_its_coder_once(world: World) -> None:
    coders = by_outer_step(played(world).stage, "coder")
    plans = {t: [question.part("plan") for question in coders[t]] for t in range(len(world.blocks))}
    assert plans == {t: [plan for plan, _ in world.tries(t)] for t in range(len(world.blocks))}


@in_any_world
def test_a_refined_block_has_k_tries_even_when_plans_or_blocks_cannot_be_used(world: World) -> None:
    tried = [r.step for r in played(world).state["history"] if ".k" in r.step] if world.blocks else []
    expected = [f"p1.t{t}.k{k}" for t, b in enumerate(world.blocks) if world.refines(t) for k in range(len(b.tries))]
    assert tried == expected


@in_any_world
def test_every_coder_is_given_the_solution_that_the_outer_step_began_with(world: World) -> None:
    stage = played(world).stage
    for t, questions in by_outer_step(stage, "coder").items():
        began = by_outer_step(stage, "extractor")[t][0].part("script")
        assert {question.part("script") for question in questions} == {began}


@in_any_world
def test_the_solution_of_an_outer_step_has_the_best_score_so_far(world: World) -> None:
    stage = played(world).stage
    scores = [stage.comes_to(question.part("script")) for question in stage.asked("ablation_study")]
    assert scores == world.solution_scores()[:-1]


@in_any_world
def test_a_candidate_differs_from_its_outer_steps_solution_in_the_block_alone(world: World) -> None:
    stage = played(world).stage
    began, block = "", ""
    for one in stage.log:
        if isinstance(one, Asked) and one.name == "coder":
            began, block = one.part("script"), one.part("code_block")
        elif not isinstance(one, Asked) and one.agent == "coder":
            pairs = zip_longest(began.splitlines(), one.script.splitlines())
            assert [old for old, new in pairs if old != new] == [block]


@in_any_world
def test_the_best_candidate_of_a_block_is_adopted_only_if_it_is_better(world: World) -> None:
    assert played(world).score == world.solution_scores()[-1]


@in_any_world
def test_a_solution_that_nothing_improved_on_stays_as_it_is(world: World) -> None:
    scores = world.solution_scores()
    scripts = [question.part("script") for question in played(world).stage.asked("ablation_study")]
    kept = [scripts[t] == scripts[t - 1] for t in range(1, len(scripts))]
    assert kept == [scores[t] == scores[t - 1] for t in range(1, len(scripts))]


@in_any_world
def test_the_planner_sees_every_earlier_plan_of_the_block_with_its_score_and_no_other(world: World) -> None:
    for t, questions in by_outer_step(played(world).stage, "planner").items():
        tried = world.blocks[t].tries
        for k, question in enumerate(questions, 1):
            earlier = [(f"Plan {t}.{j}.", shown(tried[j])) for j in range(k) if tried[j] != "no plan"]
            assert history_in(question) == earlier


@in_any_world
def test_a_block_has_one_planner_less_than_tries(world: World) -> None:
    planners = by_outer_step(played(world).stage, "planner")
    asked = [len(planners[t]) for t in range(len(world.blocks))]
    assert asked == [len(block.tries) - 1 if world.refines(t) else 0 for t, block in enumerate(world.blocks)]


@in_any_world
def test_the_ablation_agent_sees_all_earlier_summaries(world: World) -> None:
    for t, question in enumerate(played(world).stage.asked("ablation_study")):
        studied = [s for s in range(t) if world.blocks[s].study != "garbage"]
        entries = re.findall(r"^(\d+)\.\n", question.part("earlier_summaries"), re.MULTILINE)
        assert len(entries) == len(studied)
        summaries = re.findall(r"Summary (\d+)\.", question.part("earlier_summaries"))
        assert summaries == [str(s) for s in studied if world.blocks[s].summarized]


@in_any_world
def test_the_extractor_sees_the_summary_of_its_own_outer_step(world: World) -> None:
    for t, question in enumerate(played(world).stage.asked("extractor")):
        block = world.blocks[t]
        others = set(re.findall(r"Summary (\d+)\.", question.part("summary"))) - {str(t)}
        assert not others
        if block.study != "garbage" and block.summarized:
            assert question.part("summary") == f"Summary {t}."


@in_any_world
def test_the_extractor_sees_the_blocks_that_were_refined_so_far(world: World) -> None:
    stage = played(world).stage
    coders = by_outer_step(stage, "coder")
    for t, question in enumerate(stage.asked("extractor")):
        refined = [coders[s][0].part("code_block") for s in range(t) if coders[s]]
        listed = re.findall(r"```python\n(.*?)\n```", question.part("earlier_blocks"), re.DOTALL)
        assert listed == refined


@in_any_world
def test_no_block_is_refined_twice(world: World) -> None:
    coders = by_outer_step(played(world).stage, "coder")
    blocks = [questions[0].part("code_block") for questions in coders.values() if questions]
    assert len(blocks) == len(set(blocks))


@in_any_world
def test_what_the_history_calls_accepted_was_better_than_all_before_it(world: World) -> None:
    best = world.begin
    for record in played(world).state.get("history", []):
        if record.accepted and ".k" in record.step:
            assert record.score is not None
            assert worth(world.metric, record.score) > worth(world.metric, best)
            best = record.score
