"""Parse Python source, from any thread.

CPython 3.11 and 3.12 count the depth of `ast.parse` for all threads together: two at once end in a SystemError ("AST
constructor recursion depth mismatch"). So there is one at a time.
"""

from __future__ import annotations

import ast
from threading import Lock

_ONE_AT_A_TIME = Lock()


def parse(source: str) -> ast.Module:
    """Parse a script.

    Raises:
        SyntaxError: It is not Python; also for what the parser refuses in other ways (null bytes, too deep a nesting).
    """
    with _ONE_AT_A_TIME:
        try:
            return ast.parse(source)
        except (ValueError, RecursionError, MemoryError) as error:
            raise SyntaxError(str(error)) from None
