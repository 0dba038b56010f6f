"""What model calls took and cost: from the record of a reply to the run's usage."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage

from mle_star.models.data_models import ModelUse, Usage

BYTES_PER_TOKEN = 3
"""Of a text in UTF-8; most tokens of English and of code are longer, so that an estimate is rather too high."""

MOST_BYTES_PER_TOKEN = 7
"""No tokenizer takes our prompts, which are prose, code and numbers, in longer pieces on average."""


def estimate_tokens(texts: Iterable[str]) -> int:
    """Say how many tokens texts take, at most or nearly so."""
    return sum(len(text.encode()) // BYTES_PER_TOKEN + 1 for text in texts)


def is_cut_short(read: int, messages: Iterable[BaseMessage]) -> bool:
    """Tell whether a server that says it has read `read` tokens can't have read the messages whole."""
    return 0 < read * MOST_BYTES_PER_TOKEN < sum(len(message.text.encode()) for message in messages)


def token_counts(metadata: Mapping[str, Any] | None) -> dict[str, int]:
    """Read LangChain's `usage_metadata`: input and its cached part, output; zeros where nothing was told."""
    found = metadata or {}
    details = found.get("input_token_details") or {}
    read = int(found.get("input_tokens") or 0)
    return {
        "input_tokens": read,
        "cached_tokens": min(read, int(details.get("cache_read") or 0)),
        "output_tokens": int(found.get("output_tokens") or 0),
    }


def usage_of(record: Mapping[str, Any]) -> Usage:
    """Read what one call took from the record of its reply."""
    return Usage(model_uses=(ModelUse(**{"calls": 1} | {name: record[name] for name in FIELDS if name in record}),))


FIELDS = ("agent", "model", "phase", "calls", "input_tokens", "cached_tokens", "output_tokens", "cost")


def usage_in(replies: Path) -> Usage:
    """Add up what the calls took whose replies are kept in a folder. Reads files, so not in the event loop."""
    usage = Usage()
    for path in sorted(replies.glob("*.json")):
        usage += usage_of(json.loads(path.read_text(encoding="utf-8")))
    return usage
