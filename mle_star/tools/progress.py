"""How far a run has come, computed from its events alone: no clock, no terminal, no files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mle_star.models.config import MLEStarConfig
from mle_star.models.events import Event, Phase
from mle_star.models.metric import Metric

RECENT = 6
NOT_COMPARED = ("ablation_study", "submission")
"""Agents whose scripts may print a score that is no solution's."""


@dataclass(frozen=True)
class PathView:
    """How far one solution path has come."""

    number: int
    schedule: tuple[str, ...]
    """Its steps in order, as if every merge were tried."""
    done: int = 0
    candidates: frozenset[str] = frozenset()
    """Those that are done: they run side by side."""
    step: str = ""
    """The step it is at, without the path."""
    agent: str = ""
    running: bool = False
    """Whether a script runs now."""
    score: float | None = None
    score_step: str = ""

    @property
    def total(self) -> int:
        """How many steps there are at most."""
        return len(self.schedule)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.done >= self.total


@dataclass(frozen=True)
class View:
    """All that a live view shows, but for the clock."""

    task: str
    metric: Metric
    config: MLEStarConfig
    paths: tuple[PathView, ...]
    phase: Phase | None = None
    ensemble_done: int = 0
    submitted: bool = False
    """Whether there is a valid submission, be it an early one."""
    step: str = ""
    """Of the ensemble or the submission, once the paths are done."""
    agent: str = ""
    best: float | None = None
    best_step: str = ""
    trail: tuple[float, ...] = ()
    """The best score, each time that it changed."""
    scripts: int = 0
    failed: int = 0
    questions: int = 0
    """How many times an agent asked the model."""
    tokens: int = 0
    cost: float = 0.0
    """US dollars, as far as prices are known."""
    recent: tuple[Event, ...] = ()
    """The last steps and notes."""
    elapsed: float = 0.0
    seq: int = 0

    @property
    def ensemble_total(self) -> int:
        """How many ensemble rounds there will be."""
        return self.config.ensemble_iterations if len(self.paths) > 1 else 0


def new_view(task: str, metric: Metric, config: MLEStarConfig, events: Iterable[Event] = ()) -> View:
    """Begin a view, with the events of a run that is resumed or looked at."""
    steps = schedule(config)
    view = View(
        task=task, metric=metric, config=config,
        paths=tuple(PathView(number, steps) for number in range(1, config.num_solutions + 1)),
    )  # fmt: skip
    for event in events:
        view = advance(view, event)
    return view


def schedule(config: MLEStarConfig) -> tuple[str, ...]:
    """List the steps of one solution path, in order, as many as there can be."""
    models = config.num_retrieved_models
    steps = ["retrieve"]
    steps += [f"candidate{number}" for number in range(1, models + 1)]
    steps += [f"merge{number}" for number in range(1, models)]
    steps.append("data")
    for outer in range(config.outer_loop_iterations):
        steps += [f"t{outer}.ablation", *(f"t{outer}.k{inner}" for inner in range(config.inner_loop_iterations))]
    return tuple(steps)


def advance(view: View, event: Event) -> View:
    """Take one event in. An event that was seen before changes nothing."""
    if event.seq <= view.seq:
        return view
    early = event.path is not None and event.phase == "submission"  # beside the path's refinement
    phase = view.phase if early else event.phase or view.phase
    view = replace(view, seq=event.seq, elapsed=max(view.elapsed, event.elapsed), phase=phase)
    if event.kind == "agent started":
        view = replace(view, questions=view.questions + 1)
    if event.kind == "agent finished":
        view = replace(view, tokens=view.tokens + (event.tokens or 0), cost=view.cost + (event.cost or 0.0))
    if event.kind == "script finished":
        view = replace(view, scripts=view.scripts + 1, failed=view.failed + bool(event.error))
    if event.kind in ("step", "note"):
        view = replace(view, recent=(*view.recent, event)[-RECENT:])
    if early:
        return replace(view, submitted=view.submitted or bool(event.accepted))
    view = _on_path(view, event) if event.path else _after_paths(view, event)
    return _score(view, event) if event.kind == "step" else view


def _on_path(view: View, event: Event) -> View:
    paths = [_move(path, event) if path.number == event.path else path for path in view.paths]
    return replace(view, paths=tuple(paths))


def _move(path: PathView, event: Event) -> PathView:
    step = event.step.partition(".")[2]
    done, candidates = path.done, path.candidates
    if step.startswith("candidate"):
        candidates |= {step} if event.kind == "step" else set()
        done = max(done, path.schedule.index("candidate1") + len(candidates))
    elif step in path.schedule:
        done = max(done, path.schedule.index(step) + (event.kind == "step"))
    running = {"script started": True, "script finished": False}.get(event.kind, path.running)
    agent = event.agent if event.kind != "step" else path.agent
    return replace(path, done=done, candidates=candidates, step=step, agent=agent, running=running)


def _after_paths(view: View, event: Event) -> View:
    if event.phase is None:
        return view
    paths = tuple(replace(path, done=path.total, running=False) for path in view.paths)
    rounds = view.ensemble_total
    if event.phase == "ensemble":
        rounds = int(event.step.rpartition("r")[2] or 0) + (event.kind == "step")
    submitted = view.submitted or (event.phase == "submission" and event.kind == "step" and bool(event.accepted))
    return replace(view, paths=paths, step=event.step, agent=event.agent, ensemble_done=rounds, submitted=submitted)


def _score(view: View, event: Event) -> View:
    """Follow the solutions' scores. A path's score goes down only where the algorithm accepts that."""
    if event.score is None or event.agent in NOT_COMPARED or event.step.endswith(".ablation"):
        return view
    path = next((path for path in view.paths if path.number == event.path), None)
    if path is None:
        return _lead(view, event.score, event.step) if event.accepted else view
    first = "candidate" in event.step and view.metric.is_better(event.score, path.score)
    if not (first or event.accepted):
        return view
    path = replace(path, score=event.score, score_step=event.step)
    view = replace(view, paths=tuple(path if other.number == path.number else other for other in view.paths))
    leader = min(view.paths, key=lambda one: view.metric.sort_key(one.score))
    assert leader.score is not None, "one path has a score now"
    return _lead(view, leader.score, leader.score_step)


def _lead(view: View, score: float, step: str) -> View:
    trail = view.trail if view.trail and view.trail[-1] == score else (*view.trail, score)
    return replace(view, best=score, best_step=step, trail=trail)


def task_name(dataset_path: str) -> str:
    """Name a task by its folder; a folder `data` goes by the one that it lies in."""
    parts = [part for part in dataset_path.split("/") if part]
    if len(parts) > 1 and parts[-1].lower() in ("data", "input", "inputs", "dataset", "public"):
        return parts[-2]
    return parts[-1] if parts else dataset_path
