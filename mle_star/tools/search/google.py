"""Google Programmable Search, by its Custom Search JSON API."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import Any

from mle_star.tools.failures import retry_after
from mle_star.tools.search.engine import Hit, SearchBusyError, SearchError

ENGINE_NAMES = ("GOOGLE_SEARCH_ENGINE_ID", "GOOGLE_CSE_ID")
LATER = {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"}
SPENT = {"dailyLimitExceeded", "quotaExceeded"}
TIMEOUT = 20.0
"""Seconds for one query."""
MOST_HITS = 10
"""What the API gives at the most for one query."""


@dataclass(frozen=True)
class GoogleKeys:
    """What the API asks for; never printed."""

    key: str = field(default="", repr=False)
    engine_id: str = field(default="", repr=False)

    @property
    def complete(self) -> bool:
        """Whether both are there."""
        return bool(self.key and self.engine_id)

    @property
    def missing(self) -> str:
        """The variables that have to be set yet."""
        names = [name for name, value in (("GOOGLE_API_KEY", self.key), (ENGINE_NAMES[0], self.engine_id)) if not value]
        return " and ".join(names)


def google_keys() -> GoogleKeys:
    """Read the keys from the environment, or from `.env` where they are not set there."""
    from dotenv import dotenv_values

    known = {name: value for name, value in dotenv_values(".env").items() if value}
    known |= {name: value for name, value in os.environ.items() if value}
    engine_id = next((known[name] for name in ENGINE_NAMES if name in known), "")
    return GoogleKeys(known.get("GOOGLE_API_KEY", ""), engine_id)


class GoogleSearch:
    """Google's results, through LangChain's wrapper of the API."""

    name = "google"

    def __init__(self, keys: GoogleKeys, endpoint: str | None = None, timeout: float = TIMEOUT) -> None:
        self._keys, self._endpoint, self._timeout = keys, endpoint, timeout

    async def search(self, query: str) -> list[Hit]:
        """Ask for the first ten hits. Raises as `SearchEngine.search`."""
        return await asyncio.to_thread(self._search, query)

    def _search(self, query: str) -> list[Hit]:
        from googleapiclient.errors import HttpError

        try:
            found = self._wrapper().results(query, MOST_HITS)
        except HttpError as error:
            raise _explain(error) from None  # its text holds the address, and that the key
        except (OSError, TimeoutError) as error:
            raise SearchBusyError(f"google does not answer: {type(error).__name__}") from None
        except Exception as error:
            raise SearchError(f"google's answer can't be read: {type(error).__name__}") from None
        return [
            Hit(title=hit["title"], url=hit["link"], snippet=hit.get("snippet", "")) for hit in found if "link" in hit
        ]

    def _wrapper(self) -> Any:
        """Make the wrapper anew: its connection is no thread's but its own."""
        import httplib2
        from googleapiclient.discovery import build
        from langchain_google_community.search import GoogleSearchAPIWrapper

        service = build(
            "customsearch", "v1", developerKey=self._keys.key, http=httplib2.Http(timeout=self._timeout),
            client_options={"api_endpoint": self._endpoint} if self._endpoint else None, static_discovery=True,
        )  # fmt: skip
        # its own validation would build a service without a time limit
        return GoogleSearchAPIWrapper.model_construct(
            search_engine=service, google_api_key=self._keys.key, google_cse_id=self._keys.engine_id
        )


def _explain(error: Any) -> SearchError:
    """Put an error of the API into one line without the key."""
    status = int(error.status_code)
    details = error.error_details if isinstance(error.error_details, list) else []
    details = [item for item in details if isinstance(item, dict)]
    reasons = {str(item.get("reason", "")) for item in details}
    if reasons & SPENT or any("perday" in str(item.get("metadata", "")).lower() for item in details):
        return SearchError(f"google's daily quota is spent ({status})")
    if status == 429 or status >= 500 or reasons & LATER:
        return SearchBusyError(f"google is busy ({status})", retry_after(error.resp))
    return SearchError(
        f"google refused the query ({status}): check GOOGLE_API_KEY, {ENGINE_NAMES[0]}, and that the Custom Search API "
        "is enabled for the key's project"
    )
