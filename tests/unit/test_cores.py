"""The machine's cores, dealt out to scripts that run at the same time."""

from __future__ import annotations

import asyncio

import pytest

from mle_star.execution.cores import CorePool, available_cores, core_pool


@pytest.mark.parametrize(("slots", "cores"), [(1, 1), (1, 8), (2, 2), (3, 8), (4, 4), (4, 96)])
def test_shares_are_disjoint_and_leave_no_core_idle(slots: int, cores: int) -> None:
    shares = CorePool(slots, tuple(range(cores))).shares
    dealt = [core for share in shares for core in share]
    assert sorted(dealt) == list(range(cores))


@pytest.mark.parametrize(("slots", "cores"), [(3, 8), (5, 12)])
def test_shares_are_fair(slots: int, cores: int) -> None:
    sizes = [len(share) for share in CorePool(slots, tuple(range(cores))).shares]
    assert max(sizes) - min(sizes) <= 1


def test_each_slot_has_a_core_even_when_there_are_more_slots_than_cores() -> None:
    assert [len(share) for share in CorePool(5, (0, 1)).shares] == [1] * 5


async def test_two_scripts_at_once_hold_different_cores() -> None:
    pool = CorePool(2, (0, 1))
    async with pool.share() as one, pool.share() as other:
        assert not set(one) & set(other)


async def test_a_script_waits_while_all_slots_are_taken() -> None:
    pool, order = CorePool(1, (0,)), []

    async def work(name: str) -> None:
        async with pool.share():
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    await asyncio.gather(work("one"), work("other"))
    assert order == ["one begins", "one ends", "other begins", "other ends"]


async def test_a_slot_is_free_again_after_a_failure() -> None:
    pool = CorePool(1, (0,))
    with pytest.raises(RuntimeError):
        async with pool.share():
            raise RuntimeError
    async with asyncio.timeout(5), pool.share() as cores:
        assert cores == (0,)


def test_a_pool_serves_one_event_loop_after_the_other() -> None:
    pool = CorePool(1, (0,))

    async def take() -> tuple[int, ...]:
        async with pool.share() as cores:
            return cores

    assert [asyncio.run(take()), asyncio.run(take())] == [(0,), (0,)]


def test_by_default_there_is_a_slot_for_each_core_up_to_four() -> None:
    assert len(core_pool(None).shares) == min(len(available_cores()), 4)
