"""A person's review in the terminal: what the study found, the block and the plan, and what to do with them."""

from __future__ import annotations

import re
import sys

from rich.console import Console
from rich.panel import Panel
from rich.prompt import InvalidResponse, Prompt, PromptBase
from rich.text import Text

from mle_star.models.review import Review, ReviewAnswer
from mle_star.tools.block_search import lines_of
from mle_star.tools.blocks import numbered

QUESTION = "go on, change the plan, choose another block, instruct in words, or skip"
CHOICES = ["go", "plan", "block", "instruct", "skip"]


def can_ask(console: Console) -> bool:
    """Tell whether there is somebody to ask."""
    return console.is_terminal and sys.stdin.isatty()


def ask_person(console: Console, reviews: tuple[Review, ...]) -> dict[str, ReviewAnswer]:
    """Show what waits for a review, one after the other, and take the answers.

    Raises:
        KeyboardInterrupt: The person wants to answer later.
    """
    try:
        return {review.id: _ask(console, review) for review in reviews}
    except EOFError:
        raise KeyboardInterrupt from None


def _ask(console: Console, review: Review) -> ReviewAnswer:
    _show(console, f"{review.step}: what the study found", review.summary)
    _show(console, f"{review.step}: block", review.code_block)
    _show(console, f"{review.step}: plan", review.plan)
    if review.refused:
        console.print(Text(f"the answer before can't be used: {review.refused}", "yellow"))
    plan: str | None = None
    block: str | None = None
    while True:
        match Prompt.ask(QUESTION, choices=CHOICES, default="go", console=console):
            case "plan":
                plan = Prompt.ask("the plan", default=plan or review.plan, console=console)
            case "block":
                _show(console, f"{review.step}: script", numbered(review.script))
                block = Lines(review.script, console=console)()
                _show(console, f"{review.step}: block", block)
            case "instruct":
                words = ""
                while not words.strip():
                    words = Prompt.ask("what to look at", console=console)
                return ReviewAnswer(action="instruct", instruction=words)
            case "skip":
                return ReviewAnswer(action="skip")
            case _:
                changed = plan or block
                return ReviewAnswer(action="edit", plan=plan, code_block=block) if changed else ReviewAnswer()


class Lines(PromptBase[str]):
    """Asks for lines of a script by their numbers, `12-30` or `12`; gives their text."""

    def __init__(self, script: str, *, console: Console) -> None:
        super().__init__("its lines, such as 12-30", console=console)
        self.lines = lines_of(script)

    def process_response(self, value: str) -> str:
        """Read the numbers.

        Raises:
            InvalidResponse: They name no line with anything on it.
        """
        found = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+))?\s*", value)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        text = "\n".join(self.lines[first - 1 : last]) if 1 <= first <= last <= len(self.lines) else ""
        if not text.strip():
            raise InvalidResponse(f"Two numbers from 1 to {len(self.lines)}, the first and the last line.")
        return text


def _show(console: Console, title: str, text: str) -> None:
    plain = "".join(char for char in text if char.isprintable() or char in "\n\t")  # a model wrote it
    console.print(Panel(Text(plain), title=title, title_align="left"))
