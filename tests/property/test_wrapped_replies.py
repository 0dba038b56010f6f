"""A script in any wrapping that models put around code, several at once, is read as that script or refused."""

from __future__ import annotations

import html
import io
import json
import re
import textwrap
import tokenize
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.replies import CORPUS
from mle_star.models.syntax import parse, same
from mle_star.tools.replies import ReplyError, parse_json, parse_script
from mle_star.tools.replies.continuation import joined
from tests.property.test_replies import Shape

SCRIPTS = [path.read_text(encoding="utf-8") for path in sorted((CORPUS / "code").glob("*.py"))]
Wrap = Callable[[str], str]


def numbered(mark: str) -> Wrap:
    return lambda code: "\n".join(f"{n}{mark}{line}" for n, line in enumerate(code.rstrip("\n").split("\n"), 1))


def fenced(mark: str, tag: str = "") -> Wrap:
    return lambda code: f"{mark}{tag}\n{code.rstrip()}\n{mark}"


def curly(code: str) -> str:
    """Set the simple strings of a script in typographic quotes."""
    lines = code.split("\n")
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(code).readline))):
        text = token.string
        if token.type == tokenize.STRING and text[0] == '"' and text[:3] != '"""':
            row, (begin, end) = token.start[0] - 1, (token.start[1], token.end[1])
            lines[row] = f"{lines[row][:begin]}“{text[1:-1]}”{lines[row][end:]}"
    return "\n".join(lines)


def tabbed(code: str) -> str:
    """Indent by tabs, unless that would change a string."""
    tabs = re.sub(r"^( {4})+", lambda margin: "\t" * (len(margin[0]) // 4), code, flags=re.MULTILINE)
    return code if '"""' in code else tabs


INSIDE: list[Wrap] = [
    lambda code: code,
    lambda code: code,
    numbered(": "),
    numbered(" | "),
    numbered("\t"),
    html.escape,
    lambda code: code.replace("_", r"\_"),
    lambda code: textwrap.indent(code, "    "),
    tabbed,
    curly,
    lambda code: "!pip install -q lightgbm\n" + code,
    lambda code: "solution.py\n" + code,
    lambda code: "\n".join(("... " if line[:1] in (" ", ")", "}", "") else ">>> ") + line for line in code.split("\n")),
    lambda code: "\n".join("+" + line for line in code.split("\n")),
]  # fmt: skip
AROUND: list[Wrap] = [
    lambda code: code,
    fenced("```", "python"),
    fenced("```"),
    fenced("~~~", "py"),
    fenced("````", "Python"),
    lambda code: f"```python\n{code}",
    lambda code: f"```python\n{code.rstrip()}```",
    lambda code: textwrap.indent(fenced("```", "python")(code), "   "),
    lambda code: "\n".join(f"> {line}" for line in fenced("```", "python")(code).split("\n")),
    lambda code: f"<code>\n{code}\n</code>",
    lambda code: json.dumps({"code": code}),
    lambda code: f"```bash\ncat > solution.py <<'EOF'\n{code.rstrip()}\nEOF\n```",
]
OUTSIDE: list[Wrap] = [
    lambda reply: reply,
    lambda reply: f"Here is the script:\n\n{reply}\n\nIt prints the score at the end.",
    lambda reply: f"<think>First\n```python\nimport os\nprint(os.name)\n```\n</think>\n{reply}",
    lambda reply: f"Let me think.\n</think>\n\n{reply}<|im_end|>",
    lambda reply: reply.replace("\n", "\r\n"),
    lambda reply: "\ufeff" + reply,
    lambda reply: (
        f"Install:\n```bash\npip install pandas\n```\n{reply}\n```text\nFinal Validation Performance: 0.8\n```"
    ),
    lambda reply: f"**Answer**\n\n{reply}\n\n- It is short.\n- It is fast.\n",
]


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(SCRIPTS), st.sampled_from(INSIDE), st.sampled_from(AROUND), st.sampled_from(OUTSIDE))
def test_a_wrapped_script_is_read_as_it_was_meant_or_refused(
    script: str, inside: Wrap, around: Wrap, out: Wrap
) -> None:
    try:
        found = parse_script(out(around(inside(script))))
    except ReplyError:
        return
    assert same(parse(found), parse(script))


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(SCRIPTS), st.sampled_from(AROUND[1:5]), st.sampled_from(OUTSIDE[:6]))
def test_a_script_in_a_plain_fence_is_always_read(script: str, around: Wrap, out: Wrap) -> None:
    if "```" not in script:
        assert same(parse(parse_script(out(around(script)))), parse(script))


RESUMES: list[Callable[[str, str], str]] = [
    lambda first, rest: rest,
    lambda first, rest: f"```python\n{rest}",
    lambda first, rest: f"Continuing:\n\n```python\n{rest}",
    lambda first, rest: first[-60:] + rest,
    lambda first, rest: first.rpartition("\n")[2] + rest,
]


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(SCRIPTS), st.floats(0.1, 0.95), st.sampled_from(RESUMES))
def test_a_script_that_is_cut_anywhere_is_put_together_as_it_was_meant_or_refused(
    script: str, share: float, resume: Callable[[str, str], str]
) -> None:
    if "```" in script:
        return
    reply = fenced("```", "python")(script)
    cut = max(len("```python\nimp"), int(share * len(reply)))
    try:
        found = parse_script(joined(reply[:cut], resume(reply[:cut], reply[cut:])))
    except ReplyError:
        return
    assert same(parse(found), parse(script))


TEXTS = st.text(st.sampled_from(list("ab \"'\\\n{}[]:,#/=()_1é")), max_size=40)
SLOPPY: list[Callable[[str], str]] = [
    lambda text: json.dumps({"a": text}),
    lambda text: repr({"a": text}),
    lambda text: f"```json\n{json.dumps({'a': text}, indent=1)}\n```",
    lambda text: json.dumps([{"a": text}]),
    lambda text: json.dumps({"answer": {"a": text}}),
    lambda text: json.dumps(json.dumps({"a": text})),
    lambda text: f"Here:\n{json.dumps({'a': text})}\nDone.",
    lambda text: json.dumps({"a": text}).replace("}", ",}") if "}" not in text else json.dumps({"a": text}),
    lambda text: f"// it\n{json.dumps({'A': text})}",
]


@settings(deadline=None, max_examples=400)
@given(TEXTS, st.sampled_from(SLOPPY))
def test_a_text_in_sloppy_json_is_read_as_it_was_meant_or_refused(text: str, sloppy: Callable[[str], str]) -> None:
    try:
        found = parse_json(sloppy(text), Shape)
    except ReplyError:
        return
    assert found.a == text
