"""What a model's tokens cost: the table that ships with the package, and a person's own before it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mle_star.models.config import MLEStarConfig
from mle_star.models.errors import ConfigError
from mle_star.models.language_model import OWN_LIMIT_NAME, ModelSpec

TABLE = Path(__file__).with_name("prices.yaml")
MILLION = 1_000_000


class Price(BaseModel):
    """US dollars for a million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)
    cached: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Of input that was in the provider's cache; None: as other input."""

    def cost(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> float:
        """Say what a call costs, in US dollars; `cached_tokens` are a part of the input."""
        cached = self.input if self.cached is None else self.cached
        fresh = max(0, input_tokens - cached_tokens)
        return (fresh * self.input + cached_tokens * cached + output_tokens * self.output) / MILLION


def price_name(spec: ModelSpec) -> str:
    """Name a model as the table does: `openai/gpt-4o`; with its server's host, where that is not the provider's own."""
    host = urlsplit(spec.base_url or "").hostname
    where = host if spec.provider == "openai" and host not in (None, OWN_LIMIT_NAME) else spec.provider
    return f"{where}/{spec.id}"


def price_of(spec: ModelSpec, config: MLEStarConfig) -> Price | None:
    """Look up what a model's tokens cost; None where nobody has said. Reads files, so not in the event loop.

    Raises:
        ConfigError: The person's own table can't be used.
    """
    name = price_name(spec)
    own = _table(config.prices) if config.prices else {}
    for table in (own, _table(TABLE)):
        for pattern, price in table.items():
            if fnmatchcase(name, pattern):
                return price
    return None


def check_prices(config: MLEStarConfig) -> None:
    """Check that what a run costs can be told, where that is limited.

    Raises:
        ConfigError: A model has no price, or the person's own table can't be used.
    """
    prices = {price_name(spec): price_of(spec, config) for spec in config.model_specs()}
    unknown = sorted(name for name, price in prices.items() if price is None)
    if unknown and config.cost_budget is not None:
        raise ConfigError(
            f"the cost can't be limited, since the price of {', '.join(unknown)} is not known: write it into a YAML "
            f"file, in US dollars for a million tokens, `{unknown[0]}: {{input: 1.5, output: 6}}`, and give it with "
            "--prices FILE (prices in the settings); or limit the tokens with --max-tokens"
        )


@cache
def _table(path: Path) -> dict[str, Price]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TypeAdapter(dict[str, Price]).validate_python(found or {})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"prices: {path}: {' '.join(map(str, first['loc']))}: {first['msg']}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"prices: {path} can't be read: {' '.join(str(error).split())}") from None
