"""A person's review in the terminal: what the study found, the block and the plan, and what to do with them."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.panel import Panel
from rich.prompt import Prompt
from rich.text import Text

from mle_star.models.review import Review, ReviewAnswer


def can_ask(console: Console) -> bool:
    """Tell whether there is somebody to ask."""
    return console.is_terminal and sys.stdin.isatty()


def ask_person(console: Console, reviews: tuple[Review, ...]) -> dict[str, ReviewAnswer]:
    """Show what waits for a review, one after the other, and take the answers.

    Raises:
        KeyboardInterrupt: The person wants to answer later.
    """
    return {review.id: _ask(console, review) for review in reviews}


def _ask(console: Console, review: Review) -> ReviewAnswer:
    parts = {"what the study found": review.summary, "block": review.code_block, "plan": review.plan}
    for title, text in parts.items():
        console.print(Panel(Text(text), title=f"{review.step}: {title}", title_align="left"))
    if review.refused:
        console.print(Text(f"the answer before can't be used: {review.refused}", "yellow"))
    try:
        match Prompt.ask("go on, edit the plan, instruct, skip", choices=["go", "edit", "instruct", "skip"],
                         default="go", console=console):  # fmt: skip
            case "edit":
                plan = Prompt.ask("the plan", default=review.plan, console=console)
                return ReviewAnswer(action="edit", plan=plan)
            case "instruct":
                words = ""
                while not words.strip():
                    words = Prompt.ask("what to look at", console=console)
                return ReviewAnswer(action="instruct", instruction=words)
            case "skip":
                return ReviewAnswer(action="skip")
        return ReviewAnswer()
    except EOFError:
        raise KeyboardInterrupt from None
