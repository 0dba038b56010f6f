"""Each provider over its real wire format: what is sent, what comes back, and every way in which a call fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

from mle_star.models.config import MLEStarConfig
from mle_star.tools import calling, wire
from mle_star.tools.calling import ModelUnavailableError, Reply, call
from mle_star.tools.run import Run
from tests.wire import (
    KEY,
    MODEL,
    PROVIDERS,
    Answer,
    Asked,
    Cut,
    Endless,
    Raw,
    Refused,
    Said,
    Silent,
    WireServer,
    by_turns,
    keys,
)

__all__ = ["keys"]
pytestmark = pytest.mark.usefixtures("keys")
every_provider = pytest.mark.parametrize("provider", PROVIDERS)
Asking = Callable[..., Awaitable[Reply]]


class Fruit(BaseModel):
    name: str
    colour: str


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Do not wait between tries, but note for how long it would have been."""
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(calling, "_sleep", note)
    return waited


@asynccontextmanager
async def a_run(folder: Path, server: WireServer, provider: str, **settings: Any) -> AsyncIterator[Asking]:
    """Ask the coder's question in a run of its own."""
    run = Run("r1", MLEStarConfig(out_dir=folder / "run", **server.settings(provider, **settings)))
    await run.open()

    async def ask(text: str = "# coder\nHow?", *, name: str = "p1.t0.k0-coder", **more: Any) -> Reply:
        return await call(run, [HumanMessage(text)], agent="coder", name=name, **more)

    yield ask


async def asked_once(tmp_path: Path, provider: str, answer: Answer, **settings: Any) -> tuple[Reply, list[Asked]]:
    with WireServer(lambda asked: answer) as server:
        async with a_run(tmp_path, server, provider, **settings) as ask:
            return await ask(), server.asked


def events(tmp_path: Path) -> str:
    return (tmp_path / "run" / "events.jsonl").read_text()


# What is sent, and what comes back


@every_provider
async def test_a_reply_comes_with_what_it_cost(provider: str, tmp_path: Path) -> None:
    reply, (asked,) = await asked_once(tmp_path, provider, "print('hello')")
    assert (reply.text, reply.truncated) == ("print('hello')", False)
    total = reply.usage.total
    assert (total.calls, total.input_tokens, total.output_tokens) == (1, asked.tokens, 7)
    assert (asked.provider, asked.model, asked.prompt) == (provider, MODEL, "# coder\nHow?")


@every_provider
async def test_the_settings_of_a_call_arrive(provider: str, tmp_path: Path) -> None:
    _, (asked,) = await asked_once(tmp_path, provider, "yes", temperature=0.25, max_tokens=999)
    name = {"ollama": "num_predict", "openai": "max_tokens", "bedrock": "maxTokens"}[provider]
    assert (asked.temperature, asked.limit) == (0.25, (name, 999))


@every_provider
async def test_reasoning_apart_from_the_reply_is_left_out(provider: str, tmp_path: Path) -> None:
    reply, _ = await asked_once(tmp_path, provider, Said("the reply", thinking="let me see"))
    assert reply.text == "the reply"


@every_provider
async def test_a_reply_that_reached_the_most_tokens_says_so(provider: str, tmp_path: Path) -> None:
    reply, _ = await asked_once(tmp_path, provider, Said("print('hal", finish="length"))
    assert (reply.text, reply.truncated) == ("print('hal", True)


# What may pass is tried again


@every_provider
@pytest.mark.parametrize(
    "fault",
    [Refused(429), Refused(500), Refused(503), Cut(), Cut(politely=True), Raw("<html>Bad gateway</html>")],
    ids=["429", "500", "503", "cut", "cut in good order", "a proxy's page"],
)
async def test_what_may_pass_is_tried_again(provider: str, fault: Answer, tmp_path: Path, waits: list[float]) -> None:
    with WireServer(by_turns(fault, fault, "at last")) as server:
        async with a_run(tmp_path, server, provider) as ask:
            assert (await ask()).text == "at last"
    assert (len(server.asked), len(waits)) == (3, 2)
    assert "trying again in" in events(tmp_path)


@every_provider
async def test_as_long_as_the_server_asks_for_is_waited(provider: str, tmp_path: Path, waits: list[float]) -> None:
    with WireServer(by_turns(Refused(429, headers={"Retry-After": "77"}), "yes")) as server:
        async with a_run(tmp_path, server, provider) as ask:
            assert (await ask()).text == "yes"
    assert waits == [77.0]


@every_provider
async def test_a_server_that_stays_out_of_order_stops_the_run(
    provider: str, tmp_path: Path, waits: list[float]
) -> None:
    with WireServer(lambda asked: Refused(500, "CUDA out of memory")) as server:
        async with a_run(tmp_path, server, provider, model_retries=3) as ask:
            with pytest.raises(ModelUnavailableError, match=f"{provider} model {MODEL}.*CUDA out of memory"):
                await ask()
    assert len(server.asked) == 4


@every_provider
async def test_a_server_that_does_not_answer_is_given_one_more_try(
    provider: str, tmp_path: Path, waits: list[float]
) -> None:
    with WireServer(lambda asked: Silent()) as server:
        async with a_run(tmp_path, server, provider, model_timeout=2) as ask:
            with pytest.raises(ModelUnavailableError, match="model_timeout"):
                await ask()
    assert len(server.asked) == 2


@every_provider
async def test_a_reply_that_never_ends_is_bounded_in_time(provider: str, tmp_path: Path, waits: list[float]) -> None:
    with WireServer(lambda asked: Endless("and on ", every=0.05)) as server:
        async with a_run(tmp_path, server, provider, model_timeout=1, model_retries=0) as ask:
            with pytest.raises(ModelUnavailableError, match="model_timeout"):
                await ask()


@every_provider
async def test_a_reply_that_never_ends_is_bounded_in_size(
    provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "LEAST_BYTES", 2**18)
    with WireServer(lambda asked: Endless()) as server:
        async with a_run(tmp_path, server, provider, max_tokens=256) as ask:
            assert (await ask()).text == ""
    assert len(server.asked) == 1
    assert "bytes" in events(tmp_path)


# What will not pass is not


@every_provider
@pytest.mark.parametrize("status", [401, 403, 404])
async def test_what_will_not_pass_stops_the_run_at_once(provider: str, status: int, tmp_path: Path) -> None:
    with WireServer(lambda asked: Refused(status, "no such thing")) as server:
        async with a_run(tmp_path, server, provider) as ask:
            with pytest.raises(ModelUnavailableError, match="no such thing"):
                await ask()
    assert len(server.asked) == 1


async def test_money_that_is_used_up_is_no_rate_limit(tmp_path: Path) -> None:
    with WireServer(lambda asked: Refused(429, "You exceeded your quota", code="insufficient_quota")) as server:
        async with a_run(tmp_path, server, "openai") as ask:
            with pytest.raises(ModelUnavailableError, match="exceeded your quota"):
                await ask()
    assert len(server.asked) == 1


@every_provider
async def test_a_prompt_that_the_server_refuses_costs_its_reply_and_not_the_run(provider: str, tmp_path: Path) -> None:
    with WireServer(by_turns(Refused(400, "prompt is too long"), "yes")) as server:
        async with a_run(tmp_path, server, provider) as ask:
            assert (await ask()).text == ""
            assert (await ask(name="p1.t0.k1-coder")).text == "yes"
    assert "prompt is too long" in events(tmp_path)


# What a server does not take is found once


@every_provider
async def test_a_model_that_takes_no_temperature_is_asked_without_from_then_on(provider: str, tmp_path: Path) -> None:
    def fixed(asked: Asked) -> Answer:
        refused = asked.temperature is not None
        return Refused(400, "Unsupported parameter: 'temperature' does not support 0.7") if refused else "yes"

    with WireServer(fixed) as server:
        async with a_run(tmp_path, server, provider) as ask:
            assert (await ask()).text == "yes"
            assert (await ask(name="p1.t0.k1-coder")).text == "yes"
    assert [asked.temperature for asked in server.asked] == [0.7, None, None]


async def test_the_other_name_of_the_limit_is_found(tmp_path: Path) -> None:
    def newer(asked: Asked) -> Answer:
        old = asked.limit is not None and asked.limit[0] == "max_tokens"
        return Refused(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.") if old else "y"

    with WireServer(newer) as server:
        async with a_run(tmp_path, server, "openai") as ask:
            assert (await ask()).text == "y"
            assert (await ask(name="p1.t0.k1-coder")).text == "y"
    assert [asked.limit[0] for asked in server.asked if asked.limit] == [
        "max_tokens", "max_completion_tokens", "max_completion_tokens",
    ]  # fmt: skip


@every_provider
async def test_a_server_that_refuses_a_parameter_under_every_name_is_not_asked_for_ever(
    provider: str, tmp_path: Path
) -> None:
    with WireServer(lambda asked: Refused(400, "temperature, max_tokens, max_completion_tokens")) as server:
        async with a_run(tmp_path, server, provider) as ask:
            assert (await ask()).text == ""
    assert len(server.asked) <= 3


# Calls in flight


@every_provider
async def test_no_more_calls_are_in_flight_than_are_allowed(provider: str, tmp_path: Path) -> None:
    def slowly(asked: Asked) -> Answer:
        server.closed.wait(0.1)
        return "yes"

    with WireServer(slowly) as server:
        async with a_run(tmp_path, server, provider, parallel_calls=2) as ask:
            await asyncio.gather(*(ask(name=f"p1.t0.k{number}-coder") for number in range(6)))
    assert len(server.asked) == 6
    assert server.most_at_once == 2


# JSON by the best means that there is

FRUIT = '{"name": "lemon", "colour": "yellow"}'


def means(asked: Asked) -> str:
    return "schema" if asked.schema else "tool" if asked.tool else "text"


@every_provider
async def test_a_schema_is_used_where_the_server_has_it(provider: str, tmp_path: Path) -> None:
    with WireServer(lambda asked: FRUIT) as server:
        async with a_run(tmp_path, server, provider) as ask:
            assert (await ask(schema=Fruit)).text == FRUIT
    (asked,) = server.asked
    assert asked.schema is not None
    assert asked.schema["required"] == ["name", "colour"]
    assert asked.schema["additionalProperties"] is False


@every_provider
async def test_a_list_is_asked_for_within_an_object_and_taken_out_of_it(provider: str, tmp_path: Path) -> None:
    with WireServer(lambda asked: f"[{FRUIT}]") as server:
        async with a_run(tmp_path, server, provider) as ask:
            assert (await ask(schema=list[Fruit])).text == f"[{FRUIT}]"
    assert server.asked[0].schema["type"] == "object"  # type: ignore[index]


@every_provider
@pytest.mark.parametrize(
    ("has", "tried", "then"),
    [
        (("tool", "text"), ["schema", "tool"], "tool"),
        (("text",), ["schema", "tool", "text"], "text"),
    ],
)
async def test_what_a_server_lacks_is_found_once(
    provider: str, has: tuple[str, ...], tried: list[str], then: str, tmp_path: Path
) -> None:
    with WireServer(lambda asked: FRUIT if means(asked) in has else Refused(400, "not supported here")) as server:
        async with a_run(tmp_path, server, provider) as ask:
            assert (await ask(schema=Fruit)).text == FRUIT
            assert (await ask(schema=Fruit, name="p1.t0.k1-coder")).text == FRUIT
    assert [means(asked) for asked in server.asked] == [*tried, then]


@every_provider
async def test_a_model_that_does_not_keep_to_a_schema_is_asked_in_words_in_the_end(
    provider: str, tmp_path: Path
) -> None:
    with WireServer(lambda asked: Said("I would rather talk.", calls_tool=False)) as server:
        async with a_run(tmp_path, server, provider) as ask:
            for number in range(4):
                assert (await ask(schema=Fruit, name=f"p1.t0.k{number}-coder")).text == "I would rather talk."
    assert [means(asked) for asked in server.asked] == ["schema", "tool", "text", "text"]


@every_provider
async def test_a_prompt_in_words_is_held_to_no_schema(provider: str, tmp_path: Path) -> None:
    _, (asked,) = await asked_once(tmp_path, provider, "yes")
    assert means(asked) == "text"


async def test_a_key_that_a_server_says_aloud_is_not_kept(tmp_path: Path) -> None:
    reply, _ = await asked_once(tmp_path, "openai", f"# your key is {KEY}")
    assert reply.text == "# your key is ***"
    with WireServer(lambda asked: Refused(401, f"Incorrect API key provided: {KEY}")) as server:
        async with a_run(tmp_path, server, "openai") as ask:
            with pytest.raises(ModelUnavailableError) as error:
                await ask(name="p1.t0.k1-coder")
    assert KEY not in str(error.value)
    assert KEY not in events(tmp_path) if (tmp_path / "run" / "events.jsonl").exists() else True
