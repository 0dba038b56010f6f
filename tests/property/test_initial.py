"""Algorithm 1: candidates side by side, merged best first while that helps, revised where data went unused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from hypothesis import strategies as st

from graphs import initial
from tests.property.worlds import METRIC_NAMES, OUTCOMES, in_any, is_score, worth
from tests.stage import Outcome, Play, Stage, play


@dataclass(frozen=True)
class World:
    """What candidate 1 .. M come to, and the merges in order, and what the revision comes to."""

    metric: str
    candidates: tuple[Outcome, ...]
    merges: tuple[Outcome, ...]
    revision: Outcome | None
    """None: all the data is used."""
    revision_reads: str
    """The file that the revision reads."""

    @property
    def ranked(self) -> list[int]:
        """The candidates that ran, by their numbers, best first."""
        ran = [number for number, outcome in enumerate(self.candidates, 1) if is_score(outcome)]
        return sorted(ran, key=lambda number: -worth(self.metric, self.candidates[number - 1]))

    @property
    def merged(self) -> list[Outcome]:
        """What the merges that have to be tried come to: all up to the first that is not accepted."""
        if not self.ranked:
            return []
        best, tried = worth(self.metric, self.candidates[self.ranked[0] - 1]), []
        for outcome in self.merges[: len(self.ranked) - 1]:
            tried.append(outcome)
            if not is_score(outcome) or worth(self.metric, outcome) < best:
                break
            best = worth(self.metric, outcome)
        return tried

    @property
    def accepted_merges(self) -> int:
        """How many of these have to be accepted."""
        accepted, best = 0, worth(self.metric, self.candidates[self.ranked[0] - 1])
        for outcome in self.merged:
            if not is_score(outcome) or worth(self.metric, outcome) < best:
                break
            accepted, best = accepted + 1, worth(self.metric, outcome)
        return accepted

    @property
    def before_revision(self) -> Outcome:
        """What the solution comes to when the merging is over."""
        accepted = self.accepted_merges
        return self.merged[accepted - 1] if accepted else self.candidates[self.ranked[0] - 1]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a world."""
    count = draw(st.sampled_from([1, 2, 3, 4, 4]))
    candidates = draw(st.lists(OUTCOMES, min_size=count, max_size=count))
    as_before = st.sampled_from(candidates)  # so that ties are frequent
    merges = draw(st.lists(st.one_of(OUTCOMES, as_before), min_size=count - 1, max_size=count - 1))
    revision = draw(st.one_of(st.none(), OUTCOMES, as_before))
    reads = draw(st.sampled_from(["train.csv", "extra.csv", "extra.csv", "test.csv", "sample.csv"]))
    return World(draw(METRIC_NAMES), tuple(candidates), tuple(merges), revision, reads)


@cache
def played(world: World) -> Play:
    """Play a world."""
    merges = iter(world.merges)
    answers: dict[str, str] = {}

    def candidate(prompt: str) -> str:
        number = re.search(r"<model>\nmodel (\d+)", prompt)
        assert number
        return stage.answer(world.candidates[int(number[1]) - 1], "open('input/train.csv')", f"candidate = {number[1]}")

    def merge(prompt: str) -> str:  # the same question has the same answer when it is asked again
        if prompt not in answers:
            answers[prompt] = stage.answer(next(merges), "open('input/train.csv')", "merged = True")
        return answers[prompt]

    def revise(prompt: str) -> str:
        if world.revision is None:
            return "All the provided information is used."
        return stage.answer(world.revision, "open('input/train.csv')", f"open('input/{world.revision_reads}')")

    stage = Stage(candidate_evaluator=candidate, merger=merge, data_usage_checker=revise)
    return play(
        initial.graph, stage, metric=world.metric, num_retrieved_models=len(world.candidates), reply_retries=1,
        leakage_check=False,
    )  # fmt: skip


in_any_world = in_any(
    worlds(),
    20,
    World("AUC", (0.5, 0.7, 0.6), (0.7, 0.7), 0.7, "train.csv"),  # nothing but ties
    World("RMSE", (0.5, 0.7, 0.6), (0.5, 0.4), 0.4, "test.csv"),
    World("AUC", (0.5, 0.7), (0.6,), 0.6, "extra.csv"),  # worse, but with more data
    World("RMSE", (0.5,), (), 0.6, "extra.csv"),
    World("AUC", (0.5,), (), 0.4, "sample.csv"),  # worse, and nothing more to learn from
    World("RMSE", (0.5,), (), "no score", "extra.csv"),
)


def number_of(script: str) -> int:
    """Tell which candidate a script is."""
    found = re.search(r"^candidate = (\d+)", script, re.MULTILINE)
    assert found
    return int(found[1])


@in_any_world
def test_each_model_is_tried_once(world: World) -> None:
    assert played(world).stage.counts()["candidate_evaluator"] == len(world.candidates)


@in_any_world
def test_merging_begins_with_the_best_candidate(world: World) -> None:
    first = played(world).stage.asked("merger")[:1]
    assert [number_of(question.part("base_script")) for question in first] == world.ranked[: len(first)]


@in_any_world
def test_candidates_are_merged_best_first(world: World) -> None:
    merged = [number_of(question.part("reference_script")) for question in played(world).stage.asked("merger")]
    assert merged == world.ranked[1 : 1 + len(merged)]


@in_any_world
def test_merging_goes_on_up_to_the_first_merge_that_does_not_score_as_well(world: World) -> None:
    assert played(world).stage.counts()["merger"] == len(world.merged)


@in_any_world
def test_a_merge_adds_to_what_was_accepted_last(world: World) -> None:
    stage = played(world).stage
    bases = [stage.comes_to(question.part("base_script")) for question in stage.asked("merger")]
    best = [world.candidates[number - 1] for number in world.ranked[:1]]
    assert bases == [*best, *world.merged][: len(bases)]


@in_any_world
def test_what_is_revised_is_the_best_candidate_or_the_last_accepted_merge(world: World) -> None:
    stage = played(world).stage
    asked = [stage.comes_to(question.part("script")) for question in stage.asked("data_usage_checker")]
    assert asked == ([world.before_revision] if world.ranked else [])


@in_any_world
def test_a_revision_counts_when_it_is_no_worse_or_reads_training_data_that_was_unused(world: World) -> None:
    if not world.ranked:
        assert played(world).solution is None
        return
    expected = world.before_revision
    if is_score(world.revision):
        no_worse = worth(world.metric, world.revision) >= worth(world.metric, expected)
        if no_worse or world.revision_reads == "extra.csv":
            expected = world.revision
    assert played(world).score == expected


@in_any_world
def test_no_step_after_the_candidates_is_taken_when_none_of_them_ran(world: World) -> None:
    if not world.ranked:
        assert set(played(world).stage.counts()) == {"retriever", "candidate_evaluator"}


@in_any_world
def test_every_script_and_every_refused_step_is_in_the_history_once(world: World) -> None:
    steps = [record.step for record in played(world).state["history"]]
    expected = [f"p1.candidate{number}" for number in range(1, len(world.candidates) + 1)]
    expected += [f"p1.merge{number}" for number in range(1, len(world.merged) + 1)]
    expected += ["p1.data"] if world.ranked and world.revision not in (None, "garbage") else []
    assert sorted(steps) == sorted(expected)


@in_any_world
def test_what_the_history_calls_accepted_is_what_was_taken_on(world: World) -> None:
    history = played(world).state["history"]
    accepted = [record.step for record in history if record.accepted and "merge" in record.step]
    assert len(accepted) == (world.accepted_merges if world.ranked else 0)
