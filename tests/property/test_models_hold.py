"""What holds for every score and every profile."""

import math
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mle_star.models.data_models import TaskBrief, TaskDescription
from mle_star.models.metric import Metric, is_score
from mle_star.models.profile import ColumnProfile, DataProfile, FileProfile, SplitProfile
from mle_star.tools.brief import cut_middle, read_facts, render_brief

scores = st.none() | st.floats() | st.sampled_from([0.0, -0.0, 1.0, math.inf, -math.inf, math.nan])
metrics = st.booleans().map(lambda maximize: Metric(name="m", maximize=maximize))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
numbers = st.floats(allow_nan=False, allow_infinity=False)
columns = st.builds(
    ColumnProfile,
    name=texts,
    kind=st.sampled_from(["numeric", "category", "text", "date"]),
    dtype=texts,
    missing=st.floats(0, 1),
    unique=st.none() | st.integers(0, 10**12),
    examples=st.lists(texts, max_size=3).map(tuple),
    minimum=st.none() | numbers | texts,
    maximum=st.none() | numbers | texts,
)
profiles = st.builds(
    DataProfile,
    files=st.lists(st.builds(FileProfile, path=texts, bytes=st.integers(0, 10**12)), max_size=3).map(tuple),
    train_file=st.none() | texts,
    columns=st.lists(columns, max_size=3).map(tuple),
    more_columns=st.none() | texts,
    split=st.builds(SplitProfile, kind=st.sampled_from(["random", "time"]), column=st.none() | texts, evidence=texts),
    warnings=st.lists(texts, max_size=2).map(tuple),
)


@given(metrics, scores, scores)
def test_of_two_scores_at_most_one_is_better(metric: Metric, a: float | None, b: float | None) -> None:
    assert not (metric.is_better(a, b) and metric.is_better(b, a))
    assert not metric.is_better(a, a)


@given(metrics, scores, scores, scores)
def test_better_is_transitive(metric: Metric, a: float | None, b: float | None, c: float | None) -> None:
    if metric.is_better(a, b) and metric.is_better(b, c):
        assert metric.is_better(a, c)


@given(metrics, scores, scores)
def test_any_number_is_better_than_none_and_none_is_better_than_nothing(
    metric: Metric, a: float | None, b: float | None
) -> None:
    if is_score(a) and not is_score(b):
        assert metric.is_better(a, b)
        assert metric.is_at_least(a, b)
    if not is_score(a):
        assert not metric.is_better(a, b)
        assert not metric.is_at_least(a, b)


@given(metrics, scores, scores)
def test_at_least_as_good_is_better_or_equal(metric: Metric, a: float | None, b: float | None) -> None:
    if is_score(a) and is_score(b):
        assert metric.is_at_least(a, b) == (metric.is_better(a, b) or a == b)


@given(metrics, st.lists(scores, max_size=12))
def test_sorting_puts_the_best_first_and_what_failed_last(metric: Metric, values: list[float | None]) -> None:
    ordered = sorted(values, key=metric.sort_key)
    assert not any(metric.is_better(after, before) for before, after in pairwise(ordered))
    known = [is_score(value) for value in ordered]
    assert known == sorted(known, reverse=True)


@given(scores, scores)
def test_the_two_directions_are_each_others_mirror(a: float | None, b: float | None) -> None:
    up, down = Metric(name="m", maximize=True), Metric(name="m", maximize=False)
    if is_score(a) and is_score(b):
        assert up.is_better(a, b) == down.is_better(b, a)


@settings(max_examples=100, deadline=None)
@given(profiles, texts)
def test_a_brief_can_be_read_back(profile: DataProfile, description: str) -> None:
    task = TaskDescription(dataset_path="d", description=description, task_type="other", data_modality="text")
    brief = TaskBrief(task=task, metric=Metric(name="m", maximize=True), profile=profile)
    assert DataProfile.model_validate(read_facts(render_brief(brief))["profile"]) == profile


@given(texts, st.integers(10, 40))
def test_a_cut_text_keeps_its_ends(text: str, limit: int) -> None:
    cut = cut_middle(text, limit)
    assert cut == text if len(text) <= limit else "characters left out" in cut
