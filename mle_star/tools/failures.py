"""What a failed model call means: whether trying again may help, and what to tell a person.

The providers' clients have an exception hierarchy each; what they share is a status, headers, and a cause.
"""

from __future__ import annotations

import asyncio
import email.utils
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from mle_star.models.language_model import ModelSpec
from mle_star.tools.secrets import scrub_error

Kind = Literal["busy", "unreachable", "slow", "denied", "not found", "refused", "endless", "broken"]
RETRIED: tuple[Kind, ...] = ("busy", "unreachable", "slow")
"""What may pass by itself."""
LASTING: tuple[Kind, ...] = ("denied", "not found")
"""What no other prompt and no patience would mend."""
LENGTH = 300

BUSY_STATUS = frozenset({408, 409, 423, 425, 429, *range(500, 600)}) - {501, 505}
DENIED_CODES = re.compile(
    "accessdenied|unrecognizedclient|invalidsignature|signaturedoesnotmatch|expiredtoken|incompletesignature|"
    "missingauthentication|invalidclienttoken|insufficient_quota|optinrequired|invalid_api_key",
    re.IGNORECASE,
)
BUSY_CODES = re.compile("throttl|toomanyrequests|notready|modeltimeout|unavailable|internalserver", re.IGNORECASE)
NO_KEYS = (
    "MissingKey", "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError",
    "ProfileNotFound", "NoRegionError", "UnauthorizedSSOTokenError", "SSOTokenLoadError",
)  # fmt: skip
NO_CONNECTION = ("ConnectTimeout", "ConnectTimeoutError", "EndpointConnectionError")
SLOW = ("TimeoutException", "APITimeoutError", "ReadTimeoutError")
UNREACHABLE = ("TransportError", "APIConnectionError", "HTTPClientError", "ConnectionError", "ProtocolError")


class ServerRefusal(Exception):
    """A server's reply that is an error, with what the client at hand would drop: the headers."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        self.status_code, self.headers = status, headers
        super().__init__(text)


class EndlessReply(Exception):
    """A reply that went past the most bytes that one can need."""


class CutReply(Exception):
    """A reply that is not whole, though the connection was closed in good order; or none of a model's at all."""


class MissingKey(Exception):
    """A key that has to be set is not."""


class Failure(NamedTuple):
    """What became of a call."""

    kind: Kind
    text: str
    """What the server or the client said: one line, without keys."""
    wait: float | None = None
    """Seconds that the server asks to wait."""


def diagnose(error: BaseException) -> Failure:
    """Say what an error of a provider's client means."""
    chain = list(_causes(error))
    text = _text(chain)
    for cause in chain:
        if isinstance(cause, EndlessReply):
            return Failure("endless", text)
        if isinstance(cause, CutReply):
            return Failure("unreachable", text)
    for cause in chain:
        status, code, headers = _facts(cause)
        if status is not None:
            return Failure(_kind_of(status, code), text, retry_after(headers))
    names = {cls.__name__ for cause in chain for cls in type(cause).__mro__}
    if names.intersection(NO_KEYS):
        return Failure("denied", text)
    if names.intersection(NO_CONNECTION):
        return Failure("unreachable", text)
    if any(isinstance(cause, TimeoutError | asyncio.TimeoutError) for cause in chain) or names.intersection(SLOW):
        return Failure("slow", text)
    if any(isinstance(cause, OSError) for cause in chain) or names.intersection(UNREACHABLE):
        return Failure("unreachable", text)
    return Failure("broken", text)


def _kind_of(status: int, code: str) -> Kind:
    if DENIED_CODES.search(code) or status in (401, 402, 403):
        return "denied"
    if BUSY_CODES.search(code) or status in BUSY_STATUS:
        return "busy"
    if status == 404:
        return "not found"
    return "refused" if status >= 400 else "broken"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _facts(error: BaseException) -> tuple[int | None, str, Mapping[str, str]]:
    """Find an HTTP status, the provider's own code and the headers."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's
        metadata = response.get("ResponseMetadata", {})
        code = str(response.get("Error", {}).get("Code", ""))
        return metadata.get("HTTPStatusCode") or 400, code, metadata.get("HTTPHeaders") or {}
    status = getattr(error, "status_code", None)
    if not isinstance(status, int):
        return None, "", {}
    if status < 0:  # Ollama's client: an error within the stream
        status = 500
    headers = getattr(error, "headers", None) or getattr(response, "headers", None) or {}
    return status, f"{getattr(error, 'code', '')} {getattr(error, 'type', '')}", headers


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After, seconds or a date; gives seconds from now."""
    value = headers.get("retry-after") or headers.get("Retry-After")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _text(chain: list[BaseException]) -> str:
    """Take the first words of the chain that say something: the server's message rather than its JSON."""
    for error in chain:
        said = str(error).partition(" operation (reached max retries: 0): ")[2] or str(error)  # botocore's preface
        found = re.search(r"""["'](?:message|error)["']\s*:\s*(["'])(.+?)(?<!\\)\1""", said)
        line = " ".join((found[2] if found else said).split())
        if line and line != "Connection error.":  # openai's word for whatever is in the cause
            return scrub_error(line)[:LENGTH]
    return "no reply in time" if isinstance(chain[0], TimeoutError) else type(chain[0]).__name__


def advise(spec: ModelSpec, failure: Failure) -> str:
    """Say what a person can do about it."""
    where = spec.base_url or {"openai": "api.openai.com", "bedrock": "AWS"}.get(spec.provider, "")
    match spec.provider, failure.kind:
        case _, "busy":
            return f"{where} is busy or out of order: try again later, or name another model"
        case _, "slow":
            return f"try again, name a smaller model, or raise model_timeout ({spec.timeout:g} s)"
        case _, "refused" | "endless" | "broken":
            return f"check that {where} speaks {PROTOCOLS[spec.provider]} and takes model {spec.id}"
        case "ollama", "unreachable":
            return (
                f"start Ollama (`ollama serve`) or name its server ({where}) with --ollama-url; "
                "without a model: --provider offline"
            )
        case "ollama", "not found":
            return f"`ollama pull {spec.id}`"
        case "ollama", _:
            return "set OLLAMA_API_KEY, in the environment or in .env"
        case "openai", "unreachable":
            return f"check that {where} is up, and --openai-url"
        case "openai", "not found":
            return f"check the model's name (--model) and the server's address ({where}, which mostly ends in /v1)"
        case "openai", _:
            return f"set {spec.api_key_env} to a key that {where} accepts, in the environment or in .env"
        case "bedrock", "unreachable":
            return "check AWS_REGION and the network"
        case "bedrock", "not found":
            return f"check the model's name (--model), and that {spec.id} is offered in AWS_REGION"
        case _:
            return (
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or AWS_BEARER_TOKEN_BEDROCK; "
                "set AWS_REGION; "
                f"and enable {spec.id} for the account"
            )


PROTOCOLS = {
    "ollama": "Ollama's API", "openai": "OpenAI's chat completions", "bedrock": "Bedrock's Converse", "offline": "",
}  # fmt: skip
