"""A model server on a port of this machine that speaks Ollama, OpenAI chat completions and Bedrock Converse.

What it says is a function of what it was asked: a text, or a fault, by turns if the function wants it so.

    with WireServer(embedded) as server:
        config = MLEStarConfig(**server.settings("openai"))
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

import pytest

from tests.support import Reply

PROVIDERS = ("ollama", "openai", "bedrock")
MODEL = "tiny:1b"
KEY = "sk-marker-0123456789abcdef"
SECRET = "aws-secret-marker-0123456789abcdef"


@dataclass(frozen=True)
class Asked:
    """A request, as far as the providers agree on what it is."""

    provider: str
    model: str
    messages: tuple[tuple[str, str], ...]
    """Role and text."""
    schema: dict[str, Any] | None
    """The form that the reply is held to."""
    tool: str | None
    """The tool that there is to call."""
    temperature: float | None
    limit: tuple[str, int] | None
    """The most tokens of the reply, and what the request calls them."""
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        """The question that the conversation began with."""
        return self.messages[0][1]

    @property
    def tokens(self) -> int:
        """What the messages are counted as."""
        return sum(map(len, (text for _, text in self.messages))) // 4 + 1

    @property
    def heading(self) -> str:
        """The prompt's name; empty for the question whether anyone is there."""
        first = self.prompt.partition("\n")[0]
        return first.removeprefix("# ").strip() if first.startswith("# ") else ""


@dataclass(frozen=True)
class Said:
    """A reply. `calls_tool`: in a tool call's arguments, if there is a tool. `read`: the tokens that the model saw."""

    text: str
    thinking: str = ""
    finish: str = "stop"
    calls_tool: bool = True
    read: int | None = None


@dataclass(frozen=True)
class Refused:
    """An HTTP error."""

    status: int
    message: str = "scripted failure"
    headers: dict[str, str] = field(default_factory=dict)
    code: str = ""


@dataclass(frozen=True)
class Cut:
    """A reply whose connection is closed in the middle; in good order (`politely`), or not."""

    text: str = "print('half of a scr"
    politely: bool = False


@dataclass(frozen=True)
class Endless:
    """A reply without an end, a chunk every so often."""

    chunk: str = "again and again " * 2000
    every: float = 0.0


@dataclass(frozen=True)
class Silent:
    """No reply at all, until the server is closed."""


@dataclass(frozen=True)
class Raw:
    """Whatever a proxy might say, with status 200."""

    text: str
    kind: str = "text/html"


Answer = str | Said | Refused | Cut | Endless | Silent | Raw


class WireServer:
    """The server; its port is its own, and it is gone with its block."""

    def __init__(self, answer: Callable[[Asked], Answer], *, models: tuple[str, ...] = (MODEL,), key: str = "") -> None:
        self.answer, self.models, self.key = answer, models, key
        """A `key` is asked for by the OpenAI paths."""
        self.context: int | None = None
        """What the models were made for, if Ollama's path tells it."""
        self.asked: list[Asked] = []
        self.closed = threading.Event()
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()
        self._http.shutdown()
        self._http.server_close()

    def base_url(self, provider: str) -> str:
        """Say where a provider's API begins."""
        return f"{self.url}/v1" if provider == "openai" else self.url

    def settings(self, provider: str, **more: Any) -> dict[str, Any]:
        """Give the settings that send every agent here."""
        choice = {"provider": provider, "id": MODEL, "base_url": self.base_url(provider)}
        return {"models": {"default": choice}, "model_timeout": 20} | more

    def questions(self) -> list[Asked]:
        """List what the agents asked."""
        return [asked for asked in self.asked if asked.heading]


def embedded(asked: Asked) -> Answer:
    """Reply as the embedded model does."""
    from mle_star.offline.chat import reply_to

    return reply_to(asked.prompt) if asked.heading else "ready"


def scripted(replies: dict[str, Reply]) -> Callable[[Asked], Answer]:
    """Reply by the prompt's heading."""
    return lambda asked: replies[asked.heading](asked.prompt) if asked.heading else "ready"


def by_turns(*answers: Answer) -> Callable[[Asked], Answer]:
    """Give one answer after the other, and the last one from then on."""
    left = list(answers)
    return lambda asked: left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put dummy keys into the environment, and nothing else that the clients would look at."""
    for name in ("OPENAI_API_BASE", "OPENAI_BASE_URL", "OPENAI_PROXY", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAMARKER0123456789")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


# What goes over the wire


def _read(path: str, body: dict[str, Any], headers: dict[str, str]) -> Asked:
    if path.endswith(("/converse", "/converse-stream")):
        config, tools = body.get("inferenceConfig", {}), body.get("toolConfig", {}).get("tools", [])
        form = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema", {})
        return Asked(
            "bedrock", unquote(path.split("/")[2]),
            tuple((m["role"], "".join(part.get("text", "") for part in m["content"])) for m in body["messages"]),
            json.loads(form["schema"]) if form else None, tools[0]["toolSpec"]["name"] if tools else None,
            config.get("temperature"), ("maxTokens", config["maxTokens"]) if "maxTokens" in config else None,
            headers, body,
        )  # fmt: skip
    messages = tuple((m["role"], m["content"]) for m in body["messages"])
    tool = body["tools"][0]["function"]["name"] if body.get("tools") else None
    if path == "/api/chat":
        options = body.get("options", {})
        form = body.get("format") or None
        limit = ("num_predict", options["num_predict"]) if "num_predict" in options else None
        return Asked("ollama", body["model"], messages, form, tool, options.get("temperature"), limit, headers, body)
    form = body.get("response_format", {}).get("json_schema", {}).get("schema")
    limit = next(((name, body[name]) for name in ("max_tokens", "max_completion_tokens") if name in body), None)
    return Asked("openai", body["model"], messages, form, tool, body.get("temperature"), limit, headers, body)


def _in_form(text: str, schema: dict[str, Any] | None) -> str:
    """Put a list into the object that the schema wants, as a server does that holds its model to the schema."""
    names = list((schema or {}).get("properties", {}))
    with suppress(ValueError):
        if len(names) == 1 and isinstance(json.loads(text), list):
            return json.dumps({names[0]: json.loads(text)})
    return text


def _openai(asked: Asked, said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    if said.thinking:
        message["reasoning_content"] = said.thinking
    if asked.tool and said.calls_tool:
        call = {"name": asked.tool, "arguments": said.text}
        message |= {"content": None, "tool_calls": [{"id": "c1", "type": "function", "function": call}]}
    choice = {"index": 0, "message": message, "finish_reason": said.finish}
    usage = {"prompt_tokens": asked.tokens, "completion_tokens": 7, "total_tokens": asked.tokens + 7}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": asked.model,
        "choices": [choice],
        "usage": usage,
    }


def _bedrock(asked: Asked, said: Said) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"text": said.text}]
    stop = {"stop": "end_turn", "length": "max_tokens"}[said.finish]
    if asked.tool and said.calls_tool:
        with suppress(ValueError):
            content = [{"toolUse": {"toolUseId": "c1", "name": asked.tool, "input": json.loads(said.text)}}]
            stop = "tool_use"
    if said.thinking:
        content.insert(0, {"reasoningContent": {"reasoningText": {"text": said.thinking, "signature": "s"}}})
    usage = {"inputTokens": asked.tokens, "outputTokens": 7, "totalTokens": asked.tokens + 7}
    output = {"message": {"role": "assistant", "content": content}}
    return {"output": output, "stopReason": stop, "usage": usage, "metrics": {"latencyMs": 1}}


def _ollama_chunks(asked: Asked, said: Said) -> Iterator[str]:
    def chunk(content: str, **more: Any) -> str:
        message = {"role": "assistant", "content": content} | more.pop("message", {})
        stamp = "2026-01-01T00:00:00Z"
        return json.dumps({"model": asked.model, "created_at": stamp, "message": message, "done": False} | more) + "\n"

    if said.thinking:
        yield chunk("", message={"thinking": said.thinking})
    if asked.tool and said.calls_tool:
        with suppress(ValueError):
            call = {"function": {"name": asked.tool, "arguments": json.loads(said.text)}}
            yield chunk("", message={"tool_calls": [call]})
            said = replace(said, text="")
    for part in re.findall(r".{1,400}", said.text, re.DOTALL):
        yield chunk(part)
    yield chunk(
        "",
        done=True,
        done_reason=said.finish,
        prompt_eval_count=said.read or asked.tokens,
        eval_count=7,
        total_duration=1,
    )


def _handler(server: WireServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            if self.path == "/api/tags":
                self._json(200, {"models": [{"name": name, "model": name} for name in server.models]})
            elif self.path == "/v1/models":
                self._json(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in server.models]})
            else:
                self._json(404, {"error": "not found"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/api/show":
                made_for = {"general.architecture": "llama", "llama.context_length": server.context}
                told = {"model_info": made_for} if server.context else {"error": "not found"}
                return self._json(200 if server.context else 404, told)
            if not self.path.endswith(("/converse", "/chat/completions")) and self.path != "/api/chat":
                return self._json(404, {"error": "not found"})
            asked = _read(self.path, body, {name.lower(): value for name, value in self.headers.items()})
            with server.lock:
                server.asked.append(asked)
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            try:
                with suppress(BrokenPipeError, ConnectionResetError):
                    self._answer(asked)
            finally:
                with server.lock:
                    server.at_once -= 1

        def _answer(self, asked: Asked) -> None:
            if asked.model not in server.models:
                return self._refuse(asked, Refused(404, f"model '{asked.model}' not found", code="model_not_found"))
            if (
                server.key
                and asked.provider == "openai"
                and asked.headers.get("authorization") != f"Bearer {server.key}"
            ):
                return self._refuse(asked, Refused(401, "Incorrect API key provided", code="invalid_api_key"))
            answer = server.answer(asked)
            if isinstance(answer, str):
                answer = Said(answer)
            match answer:
                case Refused():
                    self._refuse(asked, answer)
                case Said() if asked.provider == "ollama":
                    said = replace(answer, text=_in_form(answer.text, asked.schema))
                    self._chunks(_ollama_chunks(asked, said))
                case Said():
                    said = replace(answer, text=_in_form(answer.text, asked.schema))
                    self._json(200, _openai(asked, said) if asked.provider == "openai" else _bedrock(asked, said))
                case Raw():
                    self._send(200, answer.text.encode(), answer.kind)
                case Cut():
                    self._cut(asked, answer)
                case Endless():
                    self._chunks(self._endless(asked, answer))
                case Silent():
                    server.closed.wait(60)
                    self.close_connection = True

        def _refuse(self, asked: Asked, refused: Refused) -> None:
            message, code = refused.message, refused.code
            body: Any = {"error": message}
            headers = dict(refused.headers)
            if asked.provider == "openai":
                body = {"error": {"message": message, "type": "error", "param": None, "code": code or None}}
            elif asked.provider == "bedrock":
                names = {400: "Validation", 401: "UnrecognizedClient", 403: "AccessDenied", 404: "ResourceNotFound",
                         429: "Throttling", 503: "ServiceUnavailable"}  # fmt: skip
                body = {"message": message}
                headers["x-amzn-ErrorType"] = f"{names.get(refused.status, 'InternalServer')}Exception"
            self._json(refused.status, body, headers)

        def _cut(self, asked: Asked, cut: Cut) -> None:
            whole = Said(cut.text + " and the rest of it, which nobody will see. " * 20)
            if asked.provider == "ollama":
                text = "".join(list(_ollama_chunks(asked, whole))[:1])
            else:
                text = json.dumps(_openai(asked, whole) if asked.provider == "openai" else _bedrock(asked, whole))
                text = text[: len(text) // 2]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Connection", "close")
            if not cut.politely:
                self.send_header("Content-Length", str(2 * len(text) + 100))
            self.end_headers()
            self.wfile.write(text.encode())
            self.close_connection = True

        def _endless(self, asked: Asked, endless: Endless) -> Iterator[str]:
            begin, _, end = json.dumps(_openai(asked, Said("|")) if asked.provider == "openai" else
                                       _bedrock(asked, Said("|"))).partition("|")  # fmt: skip
            if asked.provider != "ollama":
                yield begin
            while not server.closed.wait(endless.every):
                yield next(_ollama_chunks(asked, Said(endless.chunk))) if asked.provider == "ollama" else endless.chunk
            yield end if asked.provider != "ollama" else ""

        def _chunks(self, parts: Iterator[str]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in parts:
                if part:
                    data = part.encode()
                    self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

        def _json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            self._send(status, json.dumps(body).encode(), "application/json", headers)

        def _send(self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in ({"Content-Type": kind, "Content-Length": str(len(data))} | (headers or {})).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

    return Handler


def wait_until(happened: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something that a thread does."""
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)
