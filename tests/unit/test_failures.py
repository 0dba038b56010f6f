"""What a failed call means, and how long is waited before the next."""

from __future__ import annotations

import email.utils
import time
from typing import Any

import pytest

from mle_star.models.config import MLEStarConfig
from mle_star.models.language_model import ModelSpec
from mle_star.tools.calling import LONGEST_RETRY_AFTER, LONGEST_WAIT, pause
from mle_star.tools.client import adapt
from mle_star.tools.failures import CutReply, EndlessReply, Failure, ServerRefusal, advise, diagnose
from mle_star.tools.secrets import scrub, scrub_error

KINDS = ("busy", "unreachable", "slow", "denied", "not found", "refused", "endless", "broken")


def refusal(status: int, text: str = "no", **headers: str) -> ServerRefusal:
    return ServerRefusal(status, text, headers)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal(429), "busy"), (refusal(500), "busy"), (refusal(503), "busy"), (refusal(529), "busy"),
        (refusal(408), "busy"), (refusal(401), "denied"), (refusal(402), "denied"), (refusal(403), "denied"),
        (refusal(404), "not found"), (refusal(400), "refused"), (refusal(413), "refused"), (refusal(422), "refused"),
        (refusal(501), "refused"), (ConnectionRefusedError("refused"), "unreachable"),
        (OSError("no route"), "unreachable"), (TimeoutError(), "slow"),
        (CutReply("cut"), "unreachable"), (EndlessReply("more"), "endless"),
        (ValueError("what?"), "broken"),
    ],
)  # fmt: skip
def test_what_an_error_means(error: Exception, kind: str) -> None:
    assert diagnose(error).kind == kind


def test_the_cause_of_an_error_counts() -> None:
    error = RuntimeError("Connection error.")
    error.__cause__ = EndlessReply("the reply has more than 9 bytes")
    assert diagnose(error).kind == "endless"
    assert "9 bytes" in diagnose(error).text


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None), ("", None)],
)
def test_retry_after_is_read(value: str, seconds: float | None) -> None:
    assert diagnose(refusal(429, **{"retry-after": value})).wait == seconds


def test_retry_after_may_be_a_date() -> None:
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    wait = diagnose(refusal(429, **{"retry-after": date})).wait
    assert wait is not None
    assert 50 < wait <= 100


@pytest.mark.parametrize("tries", range(1, 30))
def test_waits_double_up_to_a_bound_and_differ_by_chance(tries: int) -> None:
    waits = {pause(None, tries) for _ in range(20)}
    longest = min(LONGEST_WAIT, 2.0 ** (tries - 1))
    assert all(longest / 2 <= wait <= longest for wait in waits)
    assert len(waits) > 1


@pytest.mark.parametrize(("asked", "wait"), [(100.0, 100.0), (1e9, LONGEST_RETRY_AFTER)])
def test_as_long_as_the_server_asks_is_waited_within_bounds(asked: float, wait: float) -> None:
    assert pause(Failure("busy", "", asked), 1) == wait


@pytest.mark.parametrize("provider", ["ollama", "openai", "bedrock"])
@pytest.mark.parametrize("kind", KINDS)
def test_there_is_advice_for_each_failure_of_each_provider(provider: Any, kind: Any) -> None:
    text = advise(ModelSpec(provider=provider, id="m", base_url="http://a"), Failure(kind, ""))
    assert text
    assert "\n" not in text


def test_a_parameter_is_given_up_once() -> None:
    spec = MLEStarConfig(model_provider="openai", model_id="m").model_spec("coder")
    error = refusal(400, "Unsupported parameter: 'max_completion_tokens', use 'max_tokens'")
    changed = adapt(spec, spec, error)
    assert changed is not None
    assert changed.limit_name == "max_tokens"
    assert adapt(changed, spec, error) is None


@pytest.mark.parametrize("error", [refusal(400, "the prompt is too long"), refusal(500, "temperature too high")])
def test_another_refusal_is_no_matter_of_a_parameter(error: Exception) -> None:
    spec = MLEStarConfig(model_provider="openai", model_id="m").model_spec("coder")
    assert adapt(spec, spec, error) is None


# Keys


def test_the_values_of_the_environments_keys_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "value-of-a-key")
    monkeypatch.setenv("LONGER_TOKEN", "value-of-a-key-and-more")
    assert scrub("a value-of-a-key-and-more, a value-of-a-key.") == "a ***, a ***."


def test_what_is_no_key_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "an-editor")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "something")
    monkeypatch.setenv("SHORT_KEY", "x")
    text = "an-editor does something: x = 1"
    assert scrub(text) == text


@pytest.mark.parametrize(
    "key",
    ["sk-proj-abcdefgh12345678", "AKIAABCDEFGHIJKLMNOP", "AIzaSyA1234567890abcdefghijk", "hf_abcdefghijklmnop"],
)
def test_what_looks_like_a_key_does_not_stand_in_an_error(key: str) -> None:
    assert key not in scrub_error(f"Incorrect API key provided: {key}.")
    assert "Incorrect API key" in scrub_error(f"Incorrect API key provided: {key}.")
