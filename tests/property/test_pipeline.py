"""The whole: L paths, their ensemble, the submission; whatever is asked, fails or can't be read.

Here nothing is counted out beforehand. What a script comes to is drawn from its text alone, so that it does not matter
in which order the paths, which run side by side, get there.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zlib import crc32

from hypothesis import strategies as st

from graphs import pipeline
from mle_star.models.bounds import most_calls
from mle_star.models.data_models import StepRecord
from mle_star.tools.submissions import RECORD, Kept
from tests.property.worlds import METRIC_NAMES, OUTCOMES, in_any, is_score, worth
from tests.stage import (
    GARBAGE,
    Asked,
    Outcome,
    Play,
    Ran,
    Stage,
    Submitted,
    extraction,
    fenced,
    play,
    verdict,
)
from tests.support import section

CAN_BE_SILENT = (
    "candidate_evaluator", "merger", "ablation_study", "summarizer", "extractor", "coder", "planner", "debugger",
    "data_usage_checker", "ensemble_planner", "ensembler", "submission", "subsampling_extract",
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """The shape of a run, and the dice."""

    metric: str
    shape: tuple[int, int, int, int, int]
    """L, M, T, K, R"""
    repairs: int
    again: int
    leaks: int
    """Of three preprocessing blocks, how many leak."""
    dice: tuple[Outcome, ...]
    silent: str | None
    """The prompt whose replies are garbage for the whole run."""
    submissions: tuple[Submitted, ...]

    def settings(self) -> dict[str, int]:
        """Give the settings of the run."""
        names = ("num_solutions", "num_retrieved_models", "outer_loop_iterations", "inner_loop_iterations")
        shape = dict(zip((*names, "ensemble_iterations"), self.shape, strict=True))
        return shape | {"max_debug_retries": self.repairs, "reply_retries": self.again}


worlds = st.builds(
    World,
    metric=METRIC_NAMES,
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2), st.integers(0, 2)),
    repairs=st.integers(0, 2),
    again=st.integers(0, 1),
    leaks=st.integers(0, 2),
    dice=st.lists(OUTCOMES.filter(lambda drawn: drawn != "garbage"), min_size=4, max_size=9).map(tuple),
    silent=st.one_of(st.none(), st.none(), st.sampled_from(CAN_BE_SILENT)),
    submissions=st.lists(st.sampled_from(["submits", "fails", "no file"]), max_size=4).map(tuple),
)
in_any_world = in_any(worlds, 16)


class Dice(Stage):
    """A stage on which a script's text decides what it comes to."""

    def __init__(self, world: World) -> None:
        super().__init__(
            candidate_evaluator=self.new_script,
            merger=self.new_script,
            ablation_study=self.new_script,
            ensembler=self.new_script,
            data_usage_checker=lambda p: fenced(f"{section(p, 'script')}\nrevised = {crc32(p.encode())}"),
            debugger=lambda p: fenced(f"{section(p, 'script')}\nrepaired = {crc32(p.encode())}"),
            extractor=lambda p: extraction(
                re.findall(r"^part_\d = .*", p, re.MULTILINE)[-1], f"Plan {crc32(p.encode())}."
            ),
            coder=lambda p: fenced(f"{section(p, 'code_block')[:6]} = {crc32(p.encode())}"),
            rewrite=lambda p: fenced(re.sub(r"(part_\d) = .*", rf"\1 = {crc32(p.encode())}", section(p, "script"))),
            planner=lambda p: f"Plan {crc32(p.encode())}.",
            leakage_detect=self.judge,
            leakage_correct=lambda p: fenced(f"prepared = -{section(p, 'code_block').split()[-1]}"),
            submission=lambda p: fenced(f"# submits\nprint({crc32(p.encode())})"),
        )
        self.world = world
        self.submissions = list(world.submissions)
        if world.silent:
            self.replies[world.silent] = lambda prompt: GARBAGE

    def new_script(self, prompt: str) -> str:
        """Write a script like no other."""
        number = crc32(prompt.encode())
        return fenced(f"prepared = {number}\npart_0 = {number}\npart_1 = {number}\nprint(part_1)")

    def extract(self, prompt: str) -> str:
        """Choose a part that was not refined before."""
        parts = re.findall(r"^part_\d = .*", section(prompt, "script"), re.MULTILINE)
        block = next(part for part in parts if part not in section(prompt, "earlier_blocks"))
        return extraction(block, f"Plan {crc32(prompt.encode())}.")

    def judge(self, prompt: str) -> str:
        """Find leakage by the number of the block."""
        block = prepared(prompt)
        number = int(block.split()[-1])
        return verdict(block, leaks=number > 0 and number % 3 < self.world.leaks)

    def comes_to(self, script: str) -> Outcome:
        return self.world.dice[crc32(script.encode()) % len(self.world.dice)]


def prepared(text: str) -> str:
    """Find the preprocessing block of a script."""
    found = re.search(r"^prepared = -?\d+$", text, re.MULTILINE)
    assert found
    return found[0]


@cache
def played(world: World) -> Play:
    """Play a world."""
    return play(pipeline.graph, Dice(world), metric=world.metric, look=record_of_the_submission, **world.settings())


def record_of_the_submission(folder: Path) -> tuple[str, ...]:
    """Read what the run's folder says of the submission in it."""
    path = folder / "final" / RECORD
    return (path.read_text(),) if path.is_file() else ()


def scored(play: Play) -> list[Ran]:
    """List the scripts that ran for their score."""
    return [ran for ran in play.stage.ran() if ran.needs_score]


@in_any_world
def test_a_run_makes_no_more_model_calls_than_its_settings_imply(world: World) -> None:
    assert played(world).stage.calls() <= most_calls(played(world).config)


@in_any_world
def test_the_final_score_is_what_the_final_solution_came_to_when_it_ran(world: World) -> None:
    state = played(world).state
    final = state.get("final_solution"), state.get("final_score")
    ran = {(one.script, one.comes_to) for one in scored(played(world)) if is_score(one.comes_to)}
    assert final in ran | {(None, None)}


@in_any_world
def test_a_run_in_which_a_candidate_ran_has_a_final_solution(world: World) -> None:
    candidates = [one for one in played(world).state["history"] if ".candidate" in one.step]
    ran = any(record.score is not None for record in candidates)
    assert (played(world).state.get("final_solution") is not None) == ran


def submitted(play: Play) -> list[StepRecord]:
    """List the tries for the submission at the end, in order."""
    return [record for record in play.state["history"] if record.step.partition(".")[0] == "submission"]


def score_of_source(play: Play, record: StepRecord) -> float | None:
    """Say what the solution scored that a submission was made from; None where none could be written."""
    scores = {one.step: one.score for one in play.state["history"]}
    source, _, _ = record.note.removeprefix("from ").partition(":")  # then why it failed, where it did
    return scores[source] if record.note.startswith("from ") else None


@in_any_world
def test_the_winner_has_the_best_score_of_all_that_was_accepted(world: World) -> None:
    accepted = [
        worth(world.metric, record.score)
        for record in played(world).state["history"]
        if record.score is not None
        and (record.accepted or "candidate" in record.step)
        and "ablation" not in record.step
    ]
    first = [score_of_source(played(world), record) for record in submitted(played(world))[:1]]
    if world.silent == "submission":
        first = [played(world).state["final_score"]] if first else []
    assert [worth(world.metric, score) for score in first] == ([max(accepted)] if accepted else [])


@in_any_world
def test_solutions_are_submitted_best_first_until_one_can_be(world: World) -> None:
    records = submitted(played(world))
    worths = [worth(world.metric, score_of_source(played(world), record)) for record in records if not record.error]
    assert worths == sorted(worths, reverse=True)
    assert len({record.note for record in records if record.error != "skipped"}) == len(
        [record for record in records if record.error != "skipped"]
    )


@in_any_world
def test_no_solution_is_tried_after_a_valid_submission(world: World) -> None:
    assert not any(record.accepted for record in submitted(played(world))[:-1])


@in_any_world
def test_the_final_solution_is_the_one_that_the_submission_came_from(world: World) -> None:
    state, records = played(world).state, submitted(played(world))
    if state.get("submission_path"):
        assert state["final_score"] == score_of_source(played(world), records[-1])
        asked = {question.part("script").strip() for question in played(world).stage.asked("submission")}
        assert state["final_solution"].strip() in asked


@in_any_world
def test_the_submission_that_is_kept_is_the_one_that_the_result_names(world: World) -> None:
    state, kept = played(world).state, played(world).folder_listing
    assert bool(kept) == bool(state.get("submission_path"))
    if kept:
        assert Kept.model_validate_json(kept[0]).step == submitted(played(world))[-1].note.removeprefix("from ")


@in_any_world
def test_there_is_a_submission_exactly_when_one_was_valid(world: World) -> None:
    valid = any(ran.comes_to == "submits" for ran in played(world).stage.ran())
    assert bool(played(world).state.get("submission_path")) == valid


@in_any_world
def test_every_path_that_refines_submits_its_first_solution_meanwhile(world: World) -> None:
    steps = {record.step for record in played(world).state["history"]}
    refined = {step.partition(".")[0] for step in steps if ".t0." in step}
    assert {step.partition(".")[0] for step in steps if step.endswith(".submission")} == refined


@in_any_world
def test_without_a_valid_submission_the_winner_is_still_the_result(world: World) -> None:
    state, stage = played(world).state, played(world).stage
    accepted = [worth(world.metric, one.score) for one in state["history"] if one.score is not None and one.accepted]
    if stage.asked("submission") and not state["submission_path"]:
        assert worth(world.metric, state["final_score"]) == max(accepted)


@in_any_world
def test_no_script_runs_for_its_score_before_its_preprocessing_was_judged(world: World) -> None:
    judged: set[str] = set()
    for one in played(world).stage.log:
        if isinstance(one, Asked) and one.name in ("leakage_detect", "leakage_correct"):
            block = prepared(one.part("script"))
            judged |= {block, block.replace("= ", "= -")}
        elif isinstance(one, Ran) and one.needs_score:
            assert prepared(one.script) in judged


@in_any_world
def test_no_script_with_a_leak_runs_for_its_score(world: World) -> None:
    numbers = [int(prepared(ran.script).split()[-1]) for ran in scored(played(world))]
    assert not [number for number in numbers if number > 0 and number % 3 < world.leaks]


@in_any_world
def test_a_preprocessing_block_is_judged_once_while_it_stands_unchanged(world: World) -> None:
    asked = Counter(prepared(question.part("script")) for question in played(world).stage.asked("leakage_detect"))
    assert not [block for block, times in asked.items() if times > 1]


@in_any_world
def test_no_script_is_run_twice(world: World) -> None:
    ran = Counter(one.script for one in played(world).stage.ran())
    assert not [script for script, times in ran.items() if times > 1]


@in_any_world
def test_the_debugger_is_asked_as_often_as_allowed_for_each_step_at_most(world: World) -> None:
    steps = [record for record in played(world).state["history"] if record.script_path]
    assert played(world).stage.counts()["debugger"] <= world.repairs * len(steps)


@in_any_world
def test_every_step_is_in_the_history_once(world: World) -> None:
    steps = Counter(record.step for record in played(world).state["history"])
    assert not [step for step, times in steps.items() if times > 1]


@in_any_world
def test_the_calls_that_a_run_reports_are_the_calls_that_it_made(world: World) -> None:
    assert played(world).state["usage"].calls == played(world).stage.calls()


@in_any_world
def test_the_scripts_that_a_run_reports_are_the_scripts_that_it_ran(world: World) -> None:
    assert played(world).state["usage"].scripts == len(played(world).stage.ran())
