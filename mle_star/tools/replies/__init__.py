"""Find the code, the JSON or the words in what a model replied; what can't be used is refused with a reason to act on.

`text` takes off what is not the reply (thoughts, control tokens), `fences` finds where code may stand, `mending` undoes
what chat does to code, `code` and `objects` choose, `edits` applies a reply that is a patch, and `continuation` joins
one that was cut off.
"""

from mle_star.tools.replies.code import parse_code, parse_script
from mle_star.tools.replies.objects import parse_json
from mle_star.tools.replies.text import ReplyError, clean, parse_text

__all__ = ["ReplyError", "clean", "parse_code", "parse_json", "parse_script", "parse_text"]
