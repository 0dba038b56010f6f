"""A small web on this machine: pages, and Google's Custom Search JSON API as the real client speaks to it."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Reply = tuple[int, dict[str, str], bytes]
HTML = {"Content-Type": "text/html; charset=utf-8"}
CODE = "from lightgbm import LGBMClassifier\nif 1 < 2:\n    model = LGBMClassifier()\n"


class Web:
    """Answers by path; notes what was asked. A function among the answers gets the handler and writes by itself."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.answers: dict[str, Reply | Callable[[BaseHTTPRequestHandler], None]] = {}
        self.search: Callable[[dict[str, str]], Reply] = lambda query: found([])
        self.asked: list[str] = []
        self.queries: list[dict[str, str]] = []
        self.sent = 0
        """Bytes of bodies that went out."""
        self.closing = threading.Event()

    def page(self, path: str, body: str, **headers: str) -> str:
        """Put up a page; returns its address."""
        self.answers[path] = (200, HTML | headers, body.encode())
        return self.url + path


@contextmanager
def serve() -> Iterator[Web]:
    """Serve until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            web.asked.append(parts.path)
            if parts.path.endswith("/customsearch/v1"):
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                web.queries.append(query)
                answer: Any = web.search(query)
            else:
                answer = web.answers.get(parts.path, (404, HTML, b"nothing here"))
            if callable(answer):
                answer(self)
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.send(body)

        def send(self, body: bytes) -> None:
            try:
                for start in range(0, len(body), 65_536):
                    self.wfile.write(body[start : start + 65_536])
                    web.sent += len(body[start : start + 65_536])
            except OSError:
                return

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web = Web(server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.closing.set()
        server.shutdown()
        server.server_close()


def found(urls: list[str]) -> Reply:
    """Answer a search as Google does."""
    items = [
        {"kind": "customsearch#result", "title": f"Hit {n}", "link": url, "snippet": "About models."}
        for n, url in enumerate(urls, 1)
    ]
    body: dict[str, Any] = {"kind": "customsearch#search", "searchInformation": {"totalResults": str(len(items))}}
    return 200, {"Content-Type": "application/json"}, json.dumps(body | ({"items": items} if items else {})).encode()


def refused(status: int, reason: str, message: str = "no") -> Reply:
    """Refuse a search as Google does."""
    error = {"code": status, "message": message, "errors": [{"message": message, "domain": "x", "reason": reason}]}
    return status, {"Content-Type": "application/json"}, json.dumps({"error": error}).encode()


def article(*paragraphs: str, code: str = CODE) -> str:
    """Write a page around code, as documentation has it, with what is to be left out around it."""
    escaped = code.replace("&", "&amp;").replace("<", "&lt;")
    text = "".join(f"<p>{text}</p>" for text in paragraphs or ("Gradient boosting is strong on tables. " * 10,))
    return (
        "<!DOCTYPE html><html><head><title>T</title><script>var secret = 1</script></head><body>"
        "<nav><a href='/'>Home</a> Cookies</nav><main><h1>Boosting</h1>"
        f"{text}<div class='highlight'><pre><span></span>{escaped}</pre></div></main>"
        "<footer>Imprint</footer></body></html>"
    )


def packed(body: bytes) -> Reply:
    """Answer with a body that is packed."""
    return 200, HTML | {"Content-Encoding": "gzip"}, gzip.compress(body)
