"""The brief: what prompts say of the task, and its way back."""

import yaml

from mle_star.models.data_models import TaskBrief, TaskDescription
from mle_star.models.metric import Metric
from mle_star.models.profile import ColumnProfile, DataProfile, FileProfile, SplitProfile, TargetProfile
from mle_star.tools.brief import MARK, cut_middle, read_facts, render_brief

ODD = (
    "no",
    "1e5",
    "0x1F",
    "~",
    "null",
    "2020-01-01",
    "12:30:45",
    "a: b",
    "- x",
    "{a}",
    "#",
    "",
    " ",
    "naïve 漢字 🐧",
    "=",
)
LINES = (
    "two\nlines",
    "```",
    "\n```\n",
    "tab\there",
    "back\\slash",
    "'",
    '"',
    "\x85",
    "\u2028",
    "\ufeff",
    "é" * 40,
    "%",
    "@a",
    "`",
)


def make(description: str = "Predict y.", **profile: object) -> TaskBrief:
    return TaskBrief(
        task=TaskDescription(
            dataset_path="d", description=description, task_type="regression", data_modality="tabular"
        ),
        metric=Metric(name="rmse", maximize=False),
        profile=DataProfile.model_validate({"files": (FileProfile(path="train.csv", bytes=1),)} | profile),
    )


def test_description_and_measured_facts_are_told() -> None:
    text = render_brief(make())
    assert text.startswith("Predict y.")
    assert "task_type: regression\ndata_modality: tabular\nmetric: {name: rmse, maximize: false" in text
    assert text.endswith("```")


def test_the_profile_comes_back_whole_whatever_its_texts_are() -> None:
    columns = tuple(
        ColumnProfile(name=text or "x", kind="category", dtype="str", examples=(text,), minimum=text, maximum=1e22)
        for text in ODD + LINES
    )
    target = TargetProfile(names=("no",), kind="multiclass", dtype="str", classes=tuple((t, 0.1) for t in ODD + LINES))
    brief = make(columns=columns, target=target, split=SplitProfile(kind="time", column="1e5", untrusted=ODD))
    facts = read_facts(f"before\n{render_brief(brief)}\nafter\n```yaml\na: 1\n```")
    assert DataProfile.model_validate(facts["profile"]) == brief.profile
    assert Metric.model_validate(facts["metric"]) == brief.metric
    assert (facts["task_type"], facts["data_modality"]) == ("regression", "tabular")


def test_each_column_takes_one_line() -> None:
    columns = tuple(ColumnProfile(name=f"c{i}", kind="numeric", dtype="float64", examples=LINES) for i in range(80))
    block = render_brief(make(columns=columns)).split("```yaml\n")[1]
    assert sum(line.startswith("  - {name: c") for line in block.split("\n")) == 80
    assert len(block.split("\n")) < 95


def test_a_description_with_blocks_of_its_own_does_not_disturb() -> None:
    brief = make(f"Such as\n```yaml\nprofile: wrong\n```\n{MARK}\n\n```yaml\nprofile: wrong\n```\nend")
    assert DataProfile.model_validate(read_facts(render_brief(brief))["profile"]) == brief.profile


def test_a_long_description_loses_its_middle_and_the_facts_lose_nothing() -> None:
    brief = make("start " + "word " * 20_000 + "end")
    text = render_brief(brief, limit=5_000)
    assert len(text) < 5_100
    assert text.startswith("start")
    assert "end\n\n" + MARK in text
    assert "characters left out" in text
    assert DataProfile.model_validate(read_facts(text)["profile"]) == brief.profile


def test_a_short_text_is_not_cut() -> None:
    assert cut_middle("short", 10) == "short"
    assert len(cut_middle("x" * 1000, 100)) < 160


def test_plain_yaml_reads_the_block() -> None:
    block = render_brief(make()).split("```yaml\n")[1].removesuffix("\n```")
    assert yaml.safe_load(block)["profile"]["files"] == [{"path": "train.csv", "bytes": 1}]
