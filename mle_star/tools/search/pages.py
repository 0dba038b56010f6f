"""Read web pages as text: bounded in time and size, from public addresses only, code kept as code."""

from __future__ import annotations

import asyncio
import logging
import re
import zlib
from collections.abc import Callable

import httpx

from mle_star import __version__
from mle_star.models.frozen import Frozen
from mle_star.tools.search import address
from mle_star.tools.search.address import PublicTransport

log = logging.getLogger(__name__)
MOST_BYTES = 1_000_000
"""Of a page, unpacked; what is beyond is not read."""
PAGE_SECONDS = 20.0
"""For one page, redirects and all."""
MOST_REDIRECTS = 5
LEAST_TEXT = 200
"""Characters; a page of less has nothing to tell: a wall of consent, an error, a script that would draw the page."""
READ_TYPES = ("text/html", "application/xhtml+xml", "text/plain", "text/markdown")
LEFT_OUT = (
    "script", "style", "nav", "footer", "header", "aside", "form", "noscript", "svg", "iframe", "button", "template",
    "[role=navigation]", ".sphinxsidebar", ".headerlink",
)  # fmt: skip
DEEPEST = 200
"""Elements within one another; what is deeper is left out."""
HEADERS = {
    "User-Agent": f"mle-star/{__version__} (research agent)",
    "Accept": "text/html, text/plain;q=0.8",
    "Accept-Encoding": "gzip, deflate",
}


class Page(Frozen):
    """A page's text, as Markdown."""

    url: str
    title: str
    text: str

    @property
    def has_code(self) -> bool:
        """Whether there is a code block in it."""
        return "```" in self.text


class UnreadableError(Exception):
    """The page holds nothing that could be read."""


async def read_page(url: str, title: str = "", seconds: float = PAGE_SECONDS) -> Page | None:
    """Read one page; None where it can't be read, for whatever reason."""
    try:
        async with asyncio.timeout(seconds):
            return await _read(url, title)
    except (
        httpx.HTTPError,
        httpx.InvalidURL,
        UnreadableError,
        TimeoutError,
        OSError,
        ValueError,
        RecursionError,
    ) as error:
        log.info("%s was not read: %s", url, error or type(error).__name__)
        return None


async def _read(url: str, title: str) -> Page:
    transport = await asyncio.to_thread(PublicTransport, address.is_public)  # reads the certificates
    async with (
        httpx.AsyncClient(
            transport=transport, follow_redirects=True, max_redirects=MOST_REDIRECTS, timeout=10.0, headers=HEADERS,
            trust_env=False,  # a proxy would look names up by itself
        ) as client,
        client.stream("GET", url) as response,
    ):  # fmt: skip
        response.raise_for_status()
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in READ_TYPES:
            raise UnreadableError(f"it is {kind or 'of no known type'}")
        data = await _bounded(response)
        charset = response.charset_encoding
    text = await asyncio.to_thread(html_to_text if "html" in kind else plain_text, data, charset)
    if len(text) < LEAST_TEXT:
        raise UnreadableError("there is next to no text in it")
    return Page(url=str(url), title=title or text.lstrip("# ").partition("\n")[0][:200], text=text)


async def _bounded(response: httpx.Response) -> bytes:
    """Read the body up to the limit, unpacking no more than that: a small reply may stand for gigabytes."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    unpack: Callable[[bytes, int], bytes]
    if encoding in ("gzip", "x-gzip", "deflate"):
        unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress
    elif encoding == "identity":
        unpack = _as_it_is
    else:
        raise UnreadableError(f"it is packed as {encoding}, which was not asked for")
    data = bytearray()
    try:
        async for chunk in response.aiter_raw():
            data += unpack(chunk, MOST_BYTES - len(data))
            if len(data) >= MOST_BYTES:
                break
    except zlib.error as error:
        raise UnreadableError(f"it can't be unpacked: {error}") from error
    return bytes(data)


def _as_it_is(chunk: bytes, most: int) -> bytes:
    return chunk[:most]


def plain_text(data: bytes, charset: str | None) -> str:
    """Decode a text file.

    Raises:
        UnreadableError: It is none.
    """
    if b"\0" in data[:1_000]:
        raise UnreadableError("it is binary")
    try:
        return data.decode(charset or "utf-8", errors="replace").strip()
    except LookupError:
        return data.decode("utf-8", errors="replace").strip()


def html_to_text(data: bytes, charset: str | None = None) -> str:
    """Turn HTML, however broken, into Markdown: code in fences; no menus, links, pictures or hidden text.

    Raises:
        UnreadableError: It is binary.
    """
    from html_to_markdown import ConversionOptions, convert

    options = ConversionOptions(
        exclude_selectors=list(LEFT_OUT), strip_tags=["a"], skip_images=True, hidden_content="drop", autolinks=False,
        extract_metadata=False, max_depth=DEEPEST,
    )  # fmt: skip
    text = convert(plain_text(data, charset), options).content or ""
    text = re.sub(r"[ \t]+\n", "\n", text.replace("¶", ""))
    return re.sub(r"\n{3,}", "\n\n", text).strip()
