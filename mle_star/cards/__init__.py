"""The curated library: model cards as Markdown files, one each, by modality.

A card is a heading (the model's name), a few sentences on what it is and when it fits, and one block of Python that
shows how it is built, fitted and asked, on data that it makes itself: it runs as it stands, without a download. Ahead
of the heading, between two lines of `---`, stand a few facts in YAML: see `Facts`. A person's own card has the same
form, and needs no facts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml
from pydantic import ValidationError

from mle_star.models.data_models import Modality, ModelCard
from mle_star.models.frozen import Frozen
from mle_star.models.syntax import parse

HERE = Path(__file__).parent
FACTS = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*\n", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*(\w*)[^\n]*\n(.*?)^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)
MOST_CHARACTERS = 50_000


class Facts(Frozen):
    """What the library knows of a card, beside what it says."""

    rank: int = 5
    """Within its modality: 1 is what to try first."""
    tasks: tuple[Literal["classification", "regression"], ...] = ("classification", "regression")
    packages: tuple[str, ...] = ()
    """Distributions that the code imports from, as `pip` names them."""
    family: str | None = None
    """The embedded model's family that builds this model."""
    weights: str | None = None
    """What has to be downloaded before the code can run; None for nothing."""


class LibraryCard(NamedTuple):
    """A card of the library."""

    key: str
    """Its file's name, such as `lightgbm`."""
    modality: str
    facts: Facts
    card: ModelCard

    @property
    def missing(self) -> tuple[str, ...]:
        """The packages that it needs and that are not installed."""
        return tuple(name for name in self.facts.packages if not is_installed(name))


@cache
def is_installed(name: str) -> bool:
    """Tell whether a distribution is installed."""
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


@cache
def library() -> tuple[LibraryCard, ...]:
    """Read all cards, by modality and rank."""
    found = []
    for path in sorted(HERE.glob("*/*.md")):
        facts, card = parse_card(path.read_text(encoding="utf-8"), path.stem)
        found.append(LibraryCard(path.stem, path.parent.name, facts, card))
    return tuple(sorted(found, key=lambda card: (card.modality, card.facts.rank, card.key)))


def cards_for(modality: Modality | None, task_type: str | None) -> tuple[LibraryCard, ...]:
    """The cards for a task, the best first; those that can't run here (a package or weights are missing) come last.

    Behind the modality's own stand those for tables: each task has a table at its heart, or can be given one.
    """
    own = [card for card in library() if card.modality == modality]
    own += [card for card in library() if card.modality == "tabular" and card not in own]
    fitting = [
        card for card in own if task_type not in ("classification", "regression") or task_type in card.facts.tasks
    ]
    return tuple(sorted(fitting, key=lambda card: bool(card.missing or card.facts.weights)))


def deal(cards: Iterable[LibraryCard], path: int, paths: int) -> list[LibraryCard]:
    """Deal the cards out to the paths in turn, so that no two share one while they last; the others' come after."""
    cards = list(cards)
    own = cards[(path - 1) % paths :: paths]
    return [*own, *(card for card in cards if card not in own)]


def is_named(card: LibraryCard, names: Iterable[str]) -> bool:
    """Tell whether one of the names speaks of this card's model."""
    words = {_plain(card.key), _plain(card.card.name.partition(",")[0])}
    return any(word in _plain(name) for word in words for name in names)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def parse_card(text: str, stem: str, source: str = "library") -> tuple[Facts, ModelCard]:
    """Read a card. `stem` is its name where it has no heading.

    Raises:
        ValueError: It holds no Python code, or code that does not compile, or its facts are wrong.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"it is longer than {MOST_CHARACTERS:,} characters")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    head = FACTS.match(text)
    facts = _facts(head[1]) if head else Facts()
    body = text[head.end() :] if head else text
    blocks = [code for _, tag, code in CODE.findall(body) if tag.lower() in ("", "python", "py", "python3")]
    if not blocks:
        raise ValueError("it holds no block of Python code (between two lines of ```)")
    code = max(blocks, key=len).strip("\n") + "\n"
    try:
        tree = parse(code)
    except SyntaxError as error:
        raise ValueError(
            f"its code does not compile: {error.msg}{f' (line {error.lineno})' if error.lineno else ''}"
        ) from None
    if not tree.body:
        raise ValueError("its block of code is empty")
    words = CODE.sub("", body)
    heading = re.search(r"^#+[ \t]+(.+?)[ \t#]*$", words, re.MULTILINE)
    name = heading[1] if heading else stem.replace("_", " ").strip()
    description = words.replace(heading[0], "", 1) if heading else words
    description = re.sub(r"\n{2,}", "\n\n", re.sub(r"(?<!\n)\n(?!\n)", " ", description)).strip()
    return facts, ModelCard(name=name, description=description, example_code=code, source=source)


def _facts(text: str) -> Facts:
    try:
        found: Any = yaml.safe_load(text) or {}
        return Facts.model_validate(found)
    except (yaml.YAMLError, ValidationError) as error:
        problem = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "it is no YAML"}
        where = ".".join(map(str, problem["loc"]))
        raise ValueError(f"its facts between the lines of --- are wrong: {where} {problem['msg']}") from None


def read_cards(files: Iterable[Path]) -> tuple[ModelCard, ...]:
    """Read a person's own cards.

    Raises:
        ValueError: One of them can't be used; the text says which and why.
    """
    cards: list[ModelCard] = []
    for path in files:
        try:
            if not path.is_file():
                raise ValueError("there is no such file")
            if path.stat().st_size > 4 * MOST_CHARACTERS:
                raise ValueError(f"it is longer than {MOST_CHARACTERS:,} characters")
            card = parse_card(path.read_text(encoding="utf-8"), path.stem, source="user")[1]
        except UnicodeDecodeError:
            raise ValueError(f"{path}: it is no text in UTF-8") from None
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror or error}") from None
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        if any(card.name.lower() == other.name.lower() for other in cards):
            raise ValueError(f"{path}: another card has the name {card.name!r} already")
        cards.append(card)
    return tuple(cards)
