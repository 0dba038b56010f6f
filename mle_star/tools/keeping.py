"""What a change of a script has to leave alone: the statements around a block, the score's line, the subsampling."""

from __future__ import annotations

import ast
import re
import textwrap

from mle_star.models.syntax import dumped, parse, same
from mle_star.tools.block_search import Span, first_line, last_line
from mle_star.tools.replies import ReplyError

SCORE_LINE = "Final Validation Performance"
SUBSAMPLING = re.compile(r"\.sample\((?!\s*frac\s*=\s*1(?:\.0)?\b)|\bnrows\s*=")


def check_kept(earlier: str, later: str) -> None:
    """Refuse a change that drops the line with the score, or the subsampling.

    Raises:
        ReplyError: It does.
    """
    if SCORE_LINE in earlier and SCORE_LINE not in later:
        raise ReplyError(f"The line that prints `{SCORE_LINE}: <number>` is missing; it has to stay.")
    if SUBSAMPLING.search(_code_alone(earlier)) and not SUBSAMPLING.search(_code_alone(later)):
        raise ReplyError("The subsampling of the training rows is missing; it has to stay.")


def check_rewrite(script: str, span: Span, rewritten: str) -> None:
    """Refuse a whole script that differs from `script` in more than the lines of a block and what these may need.

    The statements around the block are all there, in their order; imports and functions may be added.

    Raises:
        ReplyError: They are not, or nothing is new.
    """
    earlier, later = parse(script), parse(rewritten)
    if same(earlier, later):
        raise ReplyError("The script is the same as before.")
    kept = [dumped(node) for node in earlier.body if last_line(node) <= span[0] or first_line(node) >= span[1]]
    present = iter(dumped(node) for node in later.body)
    if not all(any(statement == there for there in present) for statement in kept):
        raise ReplyError("The script differs from the earlier one outside of the block; change the block alone.")


def repeats(script: ast.Module, span: Span, code: str) -> bool:
    """Tell code that is more than a new block: it says again what stands around the block, or all of the script."""
    try:
        new = parse(textwrap.dedent(code))
    except SyntaxError:
        return False
    nodes = [node for node in ast.walk(script) if isinstance(node, ast.stmt)]
    apart = [node for node in nodes if last_line(node) <= span[0] or first_line(node) >= span[1]]
    within = [node for node in nodes if first_line(node) >= span[0] and last_line(node) <= span[1]]
    added = [node for node in ast.walk(new) if isinstance(node, ast.stmt)]
    if (_names(nodes) - _names(within)) & _names(added):
        return True
    old = {dumped(node) for node in within}
    around = {dumped(node) for node in apart if not isinstance(node, TRIFLES)} - old
    again = [node for node in added if dumped(node) in around]
    return len(again) > 1 or any(SCORE_LINE in dumped(node) for node in again)


TRIFLES = (ast.Import, ast.ImportFrom, ast.Pass, ast.Break, ast.Continue, ast.Return)


def _names(nodes: list[ast.stmt]) -> set[str]:
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}


def outside(tree: ast.Module, span: Span) -> list[str]:
    """The statements before and after some lines, those around the lines left out but not what is in them."""
    found: list[str] = []
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt) and (last_line(child) <= span[0] or first_line(child) >= span[1]):
                found.append(dumped(child))
            else:
                pending.append(child)
    return sorted(found)


def _code_alone(script: str) -> str:
    return re.sub(r"#[^\n]*", "", script)
