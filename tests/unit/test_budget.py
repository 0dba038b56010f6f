"""What a run may spend: limits that hold with calls side by side, a reserve for the submission, and what was spent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from graphs import pipeline
from mle_star.models.config import MLEStarConfig
from mle_star.models.data_models import ModelUse, Usage
from mle_star.models.errors import ConfigError
from mle_star.tools.accounting import is_cut_short, token_counts
from mle_star.tools.budget import Budget, BudgetSpentError
from mle_star.tools.prices import Price, check_prices, price_of
from tests.stage import SMALL, play, whole_run


def config(**values: Any) -> MLEStarConfig:
    return MLEStarConfig(_env_file=None, **values)


def spent(tokens: int, cost: float = 0.0) -> Usage:
    return Usage(model_uses=(ModelUse(calls=1, input_tokens=tokens, cost=cost),))


# Usage


def test_usage_counts_the_same_agent_model_and_phase_together() -> None:
    coder = Usage(
        model_uses=(ModelUse(agent="coder", model="m", phase="refinement", calls=1, output_tokens=3, cost=1),)
    )
    merger = Usage(model_uses=(ModelUse(agent="merger", model="m", phase="initial", calls=1, input_tokens=2, cost=2),))
    usage = coder + merger + coder
    assert [(use.agent, use.calls, use.cost) for use in usage.model_uses] == [("coder", 2, 2), ("merger", 1, 2)]
    assert [(use.model, use.agent, use.calls, use.tokens) for use in usage.by("model")] == [("m", "", 3, 8)]


def test_the_cost_is_unknown_where_a_part_of_it_is() -> None:
    usage = spent(1, 2.0) + Usage(model_uses=(ModelUse(agent="coder", calls=1, output_tokens=1),))
    assert usage.total.cost is None


def test_input_that_was_cached_is_a_part_of_the_input() -> None:
    told = {"input_tokens": 10, "output_tokens": 2, "input_token_details": {"cache_read": 8}}
    assert token_counts(told) == {"input_tokens": 10, "cached_tokens": 8, "output_tokens": 2}


# Prices


def test_cached_input_has_a_price_of_its_own() -> None:
    assert Price(input=2, output=8, cached=0.5).cost(1_000_000, 1_000_000, 500_000) == pytest.approx(1 + 0.25 + 8)


def test_an_own_price_comes_before_the_built_in_one(tmp_path: Path) -> None:
    table = tmp_path / "prices.yaml"
    table.write_text("openai/gpt-4o: {input: 1, output: 1}\n")
    settings = config(model_provider="openai", model_id="gpt-4o", prices=table)
    assert price_of(settings.model_spec("coder"), settings) == Price(input=1, output=1)


def test_another_server_of_the_same_model_has_no_price_until_one_is_given() -> None:
    settings = config(model_provider="openai", model_id="gpt-4o", openai_base_url="http://localhost:1/v1")
    assert price_of(settings.model_spec("coder"), settings) is None


@pytest.mark.parametrize(
    ("provider", "model", "output"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", 0.6), ("openai", "gpt-4o-mini-tts", None), ("openai", "o3-pro", None),
        ("bedrock", "anthropic.claude-haiku-4-5-20251001-v1:0", 5), ("bedrock", "global.anthropic.claude-sonnet-5", 10),
        ("bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", 5.5), ("ollama", "gemma3:27b", 0),
        ("bedrock", "anthropic.claude-3-haiku-20240307-v1:0", None),
    ],
)  # fmt: skip
def test_a_model_has_its_own_price_or_none(provider: str, model: str, output: float | None) -> None:
    settings = config(model_provider=provider, model_id=model)
    price = price_of(settings.model_spec("coder"), settings)
    assert (price.output if price else None) == output


def test_a_limit_of_the_cost_needs_the_price_of_each_model() -> None:
    check_prices(config(model_provider="openai", model_id="gpt-9"))
    with pytest.raises(ConfigError, match=r"openai/gpt-9 is not known: .*--prices FILE"):
        check_prices(config(model_provider="openai", model_id="gpt-9", cost_budget=1))


def test_a_table_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    table = tmp_path / "prices.yaml"
    table.write_text("openai/gpt-4o: {input: cheap, output: 1}\n")
    with pytest.raises(ConfigError, match=r"prices.yaml: openai/gpt-4o input"):
        check_prices(config(model_provider="openai", model_id="gpt-4o", prices=table))


# The budget


async def test_a_call_that_is_too_much_for_its_phase_is_refused_and_the_next_phase_has_its_share() -> None:
    budget = Budget(config(token_budget=1000))
    budget.start(spent(700), submitted=True)
    with pytest.raises(BudgetSpentError, match="token budget of 1,000"):
        async with budget.hold("p1.t0.k0", 100, 0.0):
            pass
    assert budget.over("p1.t0.k1")
    assert not budget.over("submission")
    async with budget.hold("submission", 100, 0.0):
        pass


async def test_calls_side_by_side_do_not_take_more_than_there_is() -> None:
    budget, most, running = Budget(config(cost_budget=1.0)), 0.0, 0.0
    budget.start(Usage(), submitted=True)

    async def call() -> None:
        nonlocal most, running
        async with budget.hold("p1.candidate1", 10, 0.3):
            running += 0.3
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 0.3
            budget.count(ModelUse(cost=0.1, input_tokens=10))

    results = await asyncio.gather(*(call() for _ in range(9)), return_exceptions=True)
    assert most <= 0.75
    assert budget.spent.cost <= 0.75
    assert sum(result is None for result in results) == 5, (
        "a call waits for those under way, which took less than feared"
    )


async def test_what_the_submission_needs_is_set_aside_until_there_is_one() -> None:
    budget = Budget(config(token_budget=40_000, max_tokens=1000))
    budget.start(spent(25_000), submitted=False)
    budget.reserve(2_000, None)
    with pytest.raises(BudgetSpentError):
        async with budget.hold("p1.t0.k0", 2_000, 0.0):
            pass
    async with budget.hold("p1.submission", 15_000, 0.0):
        pass


async def test_without_a_limit_nothing_waits() -> None:
    async with Budget(config()).hold("p1.candidate1", 10**12, 1e9):
        pass


@pytest.mark.parametrize("tokens", [1, 12_000, 30_000, 45_000, 60_000, 90_000, 150_000])
def test_with_any_budget_a_run_that_has_a_solution_has_a_submission(tokens: int) -> None:
    stage = whole_run()
    played = play(pipeline.graph, stage, **(SMALL | {"token_budget": tokens, "max_tokens": 512}))
    ran = any(record.score is not None for record in played.state["history"])
    assert bool(played.state.get("submission_path")) == ran
    assert played.state["usage"].total.tokens <= tokens


def test_a_server_that_read_less_than_was_sent_is_caught() -> None:
    from langchain_core.messages import HumanMessage

    prompt = [HumanMessage("word " * 8_000)]
    assert is_cut_short(4_096, prompt)
    assert not is_cut_short(8_000, prompt)
    assert not is_cut_short(0, prompt), "not told"
