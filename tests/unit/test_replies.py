"""What models write is never trusted to be well formed; what can be made out of it is taken."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from mle_star.agents.data_usage_checker import parse_revision
from mle_star.agents.extractor import parse_extraction
from mle_star.agents.leakage_checker import parse_verdict
from mle_star.agents.retriever import parse_cards
from mle_star.tools.replies import ReplyError, parse_code, parse_json, parse_script, parse_text


class Pair(BaseModel):
    code_block: str
    plan: str


CODE = "x = 1\nprint(x)\n"


@pytest.mark.parametrize(
    "reply",
    [
        f"```python\n{CODE}```",
        f"```py\n{CODE}```",
        f"```Python3 title=solution.py\n{CODE}```",
        f"```\n{CODE}```",
        f"````python\n{CODE}````",
        f"~~~python\n{CODE}~~~",
        f"  ```python\n{CODE}  ```",
        f"Here is the script:\n\n```python\n{CODE}```\n\nIt prints x.",
        f"```python\n{CODE}",
        "```python\nx = 1\nprint(x)```",
        f"<think>Shall I write y = 2?\n```python\ny = 2\nprint(y)\nprint(y + 1)\n```\n</think>\n```python\n{CODE}```",
        f"<THINKING>hm</THINKING>{CODE}",
        CODE,
        CODE.replace("\n", "\r\n"),
        f"```python\r\n{CODE}```\r\n".replace("\n", "\r\n").replace("\r\r", "\r"),
        f"```python\n\n\n{CODE}\n\n```",
    ],
)
def test_the_script_in_a_reply_is_found(reply: str) -> None:
    assert parse_script(reply) == CODE


def test_the_longest_of_several_blocks_that_compile_is_the_script() -> None:
    reply = f"First install:\n```bash\npip install lightgbm xgboost\n```\n```python\n{CODE}```\n```\nx\n```"
    assert parse_script(reply) == CODE


def test_a_block_that_does_not_compile_is_passed_over_for_one_that_does() -> None:
    assert parse_script(f"```python\nx = = 1 # much longer than the other one\n```\n```python\n{CODE}```") == CODE


def test_a_fence_inside_of_a_string_of_the_script_does_not_end_it() -> None:
    code = 'print("""\n```\n""")\n'
    assert parse_script(f"````python\n{code}````") == code


@pytest.mark.parametrize(
    "reply", ["", "   \n", "```python\n```", "I can't do that.", "Sorry", "```\n# nothing\n```", "<think>x = 1</think>"]
)
def test_a_reply_without_code_is_refused(reply: str) -> None:
    with pytest.raises(ReplyError):
        parse_script(reply)


def test_a_script_cut_off_in_the_middle_is_refused_with_the_line_where_it_ends() -> None:
    with pytest.raises(ReplyError, match=r"does not compile.*line 2"):
        parse_script("```python\nx = 1\nprint(x")


def test_a_script_with_a_null_byte_is_refused() -> None:
    with pytest.raises(ReplyError):
        parse_script("```python\nx = '\0'\n```")


def test_a_block_may_be_indented_as_a_whole() -> None:
    assert parse_code("```python\n    x = 1\n    y = 2\n```", str) == "    x = 1\n    y = 2"


def test_a_block_may_be_the_part_of_a_statement() -> None:
    assert parse_code("```python\nelse:\n    y = 2\n```", str) == "else:\n    y = 2"


def test_an_empty_block_is_refused() -> None:
    with pytest.raises(ReplyError):
        parse_code("```python\n\n```", str)


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps({"code_block": "x = 1", "plan": "p"}),
        '```json\n{"code_block": "x = 1", "plan": "p"}\n```',
        'Here it is:\n```\n{"code_block": "x = 1", "plan": "p"}\n```\nDone.',
        'The answer is {"code_block": "x = 1", "plan": "p"} as asked.',
        "{'code_block': 'x = 1', 'plan': 'p'}",
        '{"code_block": "x = 1", "plan": "p",}',
        '{"code_block": "x = 1", "plan": "p"',
        '{code_block: "x = 1", plan: "p"}',
        '[{"code_block": "x = 1", "plan": "p"}]',
        '{"code_block": "x = 1", "plan": "p", "confidence": 0.9}',
        '<think>{"code_block": "no", "plan": "no"}</think>{"code_block": "x = 1", "plan": "p"}',
    ],
)
def test_json_is_read_however_sloppily_it_is_written(reply: str) -> None:
    assert parse_json(reply, Pair) == Pair(code_block="x = 1", plan="p")


def test_line_breaks_in_a_json_string_need_not_be_escaped() -> None:
    assert parse_json('{"code_block": "x = 1\ny = 2", "plan": "p"}', Pair).code_block == "x = 1\ny = 2"


def test_a_list_that_is_asked_for_may_come_as_one_object() -> None:
    assert parse_json('{"code_block": "x", "plan": "p"}', list[Pair]) == [Pair(code_block="x", plan="p")]


@pytest.mark.parametrize(
    "reply", ["", "no JSON", '{"plan": "p"}', "[]", "{}", "42", '{"code_block": null, "plan": "p"}']
)
def test_a_reply_without_json_of_the_form_asked_for_is_refused(reply: str) -> None:
    with pytest.raises(ReplyError):
        parse_json(reply, Pair)


def test_the_reason_of_a_refusal_names_the_field_that_is_missing() -> None:
    with pytest.raises(ReplyError, match="plan"):
        parse_json('{"code_block": "x"}', Pair)


def test_plain_words_come_without_the_thoughts_before_them() -> None:
    assert parse_text("<think>\nwhat now\n</think>\n\nA plan.\n") == "A plan."


@pytest.mark.parametrize("reply", ["", " \n", "<think>only thoughts</think>"])
def test_empty_words_are_refused(reply: str) -> None:
    with pytest.raises(ReplyError):
        parse_text(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "All the provided information is used.",
        "all the provided information is used",
        "**All the provided information is used.**",
    ],
)
def test_nothing_is_revised_when_all_is_said_to_be_used(reply: str) -> None:
    assert parse_revision(reply) == ""


def test_a_revision_is_the_script_in_the_reply() -> None:
    assert parse_revision(f"Not everything is used:\n```python\n{CODE}```") == CODE


def test_a_reply_that_neither_revises_nor_says_that_all_is_used_is_refused() -> None:
    with pytest.raises(ReplyError):
        parse_revision("I don't know.")
    with pytest.raises(ReplyError):
        parse_revision("Not all the provided information is used: stores.csv is not.")


@pytest.mark.parametrize(
    ("said", "leaks"),
    [
        ("leakage", True),
        ("Yes, data leakage.", True),
        ("leakage: the scaler is fitted without splitting first", True),
        ("leakage, the encoder is not fitted on training rows only", True),
        ("no leakage", False),
        ("There is no evidence of data leakage.", False),
        ("The block does not leak.", False),
        ("leakage-free", False),
        ("free of leakage", False),
        ("leakage: none", False),
        ("leakage was not found", False),
        ("no", False),
    ],
)
def test_a_verdict_in_words_is_read_by_what_stands_next_to_the_word(said: str, leaks: bool) -> None:
    reply = json.dumps({"verdict": said, "code_block": "x = 1"})
    assert parse_verdict("x = 1\nprint(x)\n", reply).leaks is leaks


def test_model_cards_of_the_same_name_are_one() -> None:
    named = ({"name": "LightGBM", "description": "1"}, {"name": " lightgbm "}, {"name": "Ridge"})
    cards = json.dumps([card | {"example_code": "x = 1"} for card in named])
    assert [(card.name, card.description) for card in parse_cards(cards)] == [("LightGBM", "1"), ("Ridge", "")]


@pytest.mark.parametrize("reply", ["[]", '[{"name": " "}]', "none"])
def test_a_reply_without_a_model_is_refused(reply: str) -> None:
    with pytest.raises(ReplyError):
        parse_cards(reply)


def test_the_block_to_refine_is_taken_as_it_stands_in_the_script() -> None:
    found = parse_extraction("if a:\n    x = 1  \n", [], json.dumps({"code_block": "x = 1", "plan": " p "}))
    assert (found.code_block, found.plan) == ("    x = 1  ", "p")


@pytest.mark.parametrize(
    ("block", "plan", "refined", "reason"),
    [
        ("x = 1", "p", ["x = 1"], "refined before"),
        ("y = 1", "p", [], "not in the script"),
        ("", "p", [], "empty"),
        ("x = 1", " ", [], "plan is empty"),
    ],
)
def test_an_extraction_that_cannot_be_refined_is_refused_with_the_reason(
    block: str, plan: str, refined: list[str], reason: str
) -> None:
    with pytest.raises(ReplyError, match=reason):
        parse_extraction("x = 1\n", refined, json.dumps({"code_block": block, "plan": plan}))
