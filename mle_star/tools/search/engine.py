"""Search engines: an interface with one method, and which of them a run uses.

Another engine is a module like `duckduckgo.py`: a class with `search`, and a line in `make_engine`.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Protocol

from mle_star.models.config import MLEStarConfig
from mle_star.models.errors import ConfigError
from mle_star.models.frozen import Frozen


class Hit(Frozen):
    """One result of a search."""

    title: str
    url: str
    snippet: str = ""


class SearchError(Exception):
    """The engine gave no answer. The text is one line for a person, and holds no key."""


class SearchBusyError(SearchError):
    """The engine is overloaded, or asks to come back later: the same query may go through then."""

    def __init__(self, text: str, wait: float | None = None) -> None:
        super().__init__(text)
        self.wait = wait or 0.0
        """Seconds that the engine asked for."""


class SearchEngine(Protocol):
    """What a search engine has to do."""

    name: str

    async def search(self, query: str) -> list[Hit]:
        """Return the first hits, best first; none is an answer too.

        Raises:
            SearchBusyError: It may work later.
            SearchError: It will not.
        """


def make_engine(config: MLEStarConfig) -> SearchEngine | None:
    """Return the engine that a run searches with; None where it searches nothing. The embedded model reads no pages.

    Raises:
        ConfigError: As `named_engine`.
    """
    return None if config.model_spec("retriever").provider == "offline" else named_engine(config)


def named_engine(config: MLEStarConfig) -> SearchEngine | None:
    """Return the engine that the config names; None for `none`, and for `auto` without Google's keys.

    Raises:
        ConfigError: The engine that is named can't be used as things are.
    """
    from mle_star.tools.search.google import GoogleSearch, google_keys

    match config.search_engine:
        case "none":
            return None
        case "duckduckgo":
            if find_spec("ddgs") is None:
                raise ConfigError(
                    "search_engine duckduckgo needs the package ddgs: pip install 'mle-star[duckduckgo]', "
                    "or choose --search none"
                )
            from mle_star.tools.search.duckduckgo import DuckDuckGoSearch

            return DuckDuckGoSearch()
        case chosen:
            keys = google_keys()
            if not keys.complete and chosen == "google":
                raise ConfigError(f"search_engine google: set {keys.missing}, in the environment or in .env")
            return GoogleSearch(keys) if keys.complete else None
