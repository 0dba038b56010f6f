"""Parse Python source, from any thread.

CPython 3.11 and 3.12 count the depth of `ast.parse` for all threads together: two at once end in a SystemError ("AST
constructor recursion depth mismatch"). So there is one at a time.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_ONE_AT_A_TIME = Lock()


def parse(source: str) -> ast.Module:
    """Parse a script.

    Raises:
        SyntaxError: It is not Python; also for what the parser refuses in other ways (null bytes, too deep a nesting).
    """
    with _ONE_AT_A_TIME, _unheard():
        try:
            return ast.parse(source)
        except (ValueError, RecursionError, MemoryError) as error:
            raise SyntaxError(str(error)) from None


def compiled(source: str) -> ast.Module:
    """Parse a script, and see that it compiles: `return` outside of a function parses.

    Raises:
        SyntaxError: It does not compile.
    """
    tree = parse(source)
    with _ONE_AT_A_TIME, _unheard():
        try:
            compile(tree, "script.py", "exec", dont_inherit=True)
        except (ValueError, RecursionError, MemoryError) as error:
            raise SyntaxError(str(error)) from None
    return tree


@contextmanager
def _unheard() -> Iterator[None]:
    """Keep what Python thinks of a model's style, such as an unknown escape in a text, from the user's terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def compiles(source: str) -> bool:
    """Tell whether a script compiles."""
    try:
        compiled(source)
    except SyntaxError:
        return False
    return True


def same(one: ast.AST, other: ast.AST) -> bool:
    """Tell whether two trees mean the same: layout, comments and kinds of quotes aside."""
    return dumped(one) == dumped(other)


def dumped(tree: ast.AST) -> str:
    """Write a tree down without its places; two that mean the same are written the same."""
    try:
        return ast.dump(tree)
    except RecursionError:
        return f"too deep: {id(tree)}"
