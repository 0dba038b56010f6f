"""DuckDuckGo, without a key, through the library ddgs. It reads pages that are meant for people: off by default."""

from __future__ import annotations

import asyncio

from mle_star.tools.search.engine import Hit, SearchBusyError, SearchError

TIMEOUT = 15
"""Seconds for one query."""
MOST_HITS = 10


class DuckDuckGoSearch:
    """DuckDuckGo's results."""

    name = "duckduckgo"

    async def search(self, query: str) -> list[Hit]:
        """Ask for the first ten hits. Raises as `SearchEngine.search`."""
        return await asyncio.to_thread(self._search, query)

    def _search(self, query: str) -> list[Hit]:
        from ddgs import DDGS
        from ddgs.exceptions import DDGSException, RatelimitException, TimeoutException

        try:
            found = DDGS(timeout=TIMEOUT).text(query, max_results=MOST_HITS, backend="duckduckgo")
        except (RatelimitException, TimeoutException) as error:
            raise SearchBusyError(f"duckduckgo is busy: {type(error).__name__}") from None
        except DDGSException as error:
            if "No results found" in str(error):
                return []
            raise SearchError(f"duckduckgo does not answer: {str(error)[:120]}") from None
        return [
            Hit(title=hit["title"], url=hit["href"], snippet=hit.get("body", "")) for hit in found if hit.get("href")
        ]
