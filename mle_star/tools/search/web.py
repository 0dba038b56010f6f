"""Search the web for several queries at once, and read the pages that help."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from itertools import chain, zip_longest
from typing import NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from mle_star.tools.brief import cut_middle
from mle_star.tools.search.cache import DiskCache
from mle_star.tools.search.engine import Hit, SearchBusyError, SearchEngine, SearchError
from mle_star.tools.search.pages import Page, read_page

T = TypeVar("T")
TRIES = 4
"""Of one query, where the engine is busy."""
BACKOFF = wait_exponential_jitter(initial=1, max=20)
LONGEST_WAIT = 60.0
"""Seconds. An engine that asks for more is done without."""
PAGE_CHARACTERS = 8_000
"""Of one page in a prompt; of a longer one, what stands around its code."""
PROMPT_CHARACTERS = 24_000
"""Of all pages in a prompt."""
OUR_TAGS = re.compile(r"<(/?)(pages?|task|environment|model|example|script)\b", re.IGNORECASE)


class Findings(NamedTuple):
    """What the web had to say."""

    pages: tuple[Page, ...]
    problems: tuple[str, ...]
    """What went wrong with queries, each once."""


async def search_web(engine: SearchEngine, queries: Iterable[str], count: int, cache: DiskCache) -> Findings:
    """Run all queries side by side and read up to `count` pages of their hits, the best of each query first."""
    answers = await asyncio.gather(*(_search(engine, query, cache) for query in queries), return_exceptions=True)
    problems: dict[str, None] = {}
    lists: list[list[Hit]] = []
    for answer in answers:
        if isinstance(answer, list):
            lists.append(answer)
        elif isinstance(answer, Exception):  # an engine's own bug costs its query, not the run
            known = isinstance(answer, SearchError)
            problems[str(answer) if known else f"{engine.name} failed: {type(answer).__name__}"] = None
        else:
            raise answer
    hits: dict[str, Hit] = {}
    for hit in interleaved(lists):
        hits.setdefault(hit.url.partition("#")[0], hit)
    pages = await read_first(list(hits.values()), count, cache)
    return Findings(pages, tuple(problems))


async def _search(engine: SearchEngine, query: str, cache: DiskCache) -> list[Hit]:
    name = f"{engine.name}: {query}"
    known = _as(list[Hit], await cache.get(name))
    if known is not None:
        return known
    async for attempt in AsyncRetrying(
        retry=retry_if_exception(_worth_waiting), stop=stop_after_attempt(TRIES), wait=_wait, sleep=_sleep, reraise=True
    ):
        with attempt:
            hits = await engine.search(query)
    if hits:
        await cache.put(name, [hit.model_dump() for hit in hits])
    return hits


def _worth_waiting(error: BaseException) -> bool:
    return isinstance(error, SearchBusyError) and error.wait <= LONGEST_WAIT


def _wait(state: RetryCallState) -> float:
    """Say how many seconds to wait: twice as long each time, and not less than the engine asks."""
    error = state.outcome.exception() if state.outcome else None
    return max(BACKOFF(state), error.wait if isinstance(error, SearchBusyError) else 0.0)


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


def interleaved(lists: Iterable[list[Hit]]) -> Iterable[Hit]:
    """The first of each list, then the second of each, and so on."""
    return (hit for hit in chain.from_iterable(zip_longest(*lists)) if hit is not None)


async def read_first(hits: list[Hit], count: int, cache: DiskCache) -> tuple[Page, ...]:
    """Read twice as many pages as are wanted, side by side; those with code go first, then as they were found."""
    found = await asyncio.gather(*(_read(hit, cache) for hit in hits[: 2 * count]))
    pages = sorted((page for page in found if page is not None), key=lambda page: not page.has_code)
    return tuple(pages[:count])


async def _read(hit: Hit, cache: DiskCache) -> Page | None:
    name = f"page: {hit.url}"
    known = _as(Page, await cache.get(name))
    if known is not None:
        return known
    page = await read_page(hit.url, hit.title)
    if page is not None:
        page = page.model_copy(update={"text": excerpt(page.text)})
        await cache.put(name, page.model_dump())
    return page


def _as(shape: type[T], value: object) -> T | None:
    """Read what was cached; None where it has not the form, such as that of another version."""
    try:
        return TypeAdapter(shape).validate_python(value)
    except ValidationError:
        return None


def excerpt(text: str, limit: int = PAGE_CHARACTERS) -> str:
    """Shorten a page: its opening, and its code with the paragraph before; where it has none, the middle is cut."""
    if len(text) <= limit:
        return text
    opening = limit // 4
    parts = re.split(r"(^```.*?^```[ \t]*$)", text[opening:], flags=re.DOTALL | re.MULTILINE)
    if len(parts) < 3:
        return cut_middle(text, limit)
    kept, left = [text[:opening]], limit - opening
    for before, code in zip(parts[0::2], parts[1::2], strict=False):
        words = before.strip().rpartition("\n\n")[2][-500:]
        piece = f"{words}\n\n{code}"
        if len(piece) > left:
            break
        kept.append(piece)
        left -= len(piece)
    return "\n\n[...]\n\n".join(kept)


def render_pages(pages: Iterable[Page], limit: int = PROMPT_CHARACTERS) -> str:
    """Write pages for a prompt, each in a tag with its address; `none` where there are none.

    Tags of the prompt's own in a page are made harmless: what a page says must not look like ours.
    """
    pages = list(pages)
    if not pages:
        return "none"
    share = max(500, limit // len(pages))
    texts = []
    for page in pages:
        text = OUR_TAGS.sub(r"&lt;\1\2", cut_middle(page.text, share))
        title = re.sub(r'[\s"<>]+', " ", page.title)[:200].strip()
        url = re.sub(r'[\s"<>]', "", page.url)[:500]
        texts.append(f'<page url="{url}" title="{title}">\n{text}\n</page>')
    return "\n".join(texts)
