"""The machine, dealt out to scripts that run at the same time."""

from __future__ import annotations

import asyncio
import os
import platform
import threading
from pathlib import Path

import pytest

from mle_star.execution.machine import Machine, available_cores, available_gpus, available_memory
from mle_star.execution.slots import Share, Slots, shares_of, slots_here, usual_slots

GIGABYTE = 1 << 30


def a_machine(cores: int, memory: int = 64, gpus: int = 0) -> Machine:
    """Make one; `memory` in gigabytes."""
    return Machine(tuple(range(cores)), memory * GIGABYTE, tuple(f"GPU-{n}" for n in range(gpus)))


# How it is divided


@pytest.mark.parametrize(("slots", "cores"), [(1, 1), (1, 8), (2, 2), (3, 8), (4, 4), (4, 96)])
def test_no_two_scripts_get_the_same_core_while_there_are_enough(slots: int, cores: int) -> None:
    dealt = [core for share in shares_of(a_machine(cores), slots) for core in share.cores]
    assert len(set(dealt)) == len(dealt)
    assert cores - len(dealt) < slots


@pytest.mark.parametrize(("slots", "cores"), [(3, 8), (5, 12), (5, 2), (4, 96)])
def test_all_shares_are_of_one_size_so_that_a_result_does_not_depend_on_the_slot(slots: int, cores: int) -> None:
    assert len({(len(share.cores), share.memory) for share in shares_of(a_machine(cores), slots)}) == 1


def test_each_slot_has_a_core_even_when_there_are_more_slots_than_cores() -> None:
    assert [len(share.cores) for share in shares_of(a_machine(2), 5)] == [1] * 5


def test_the_memory_is_divided_too() -> None:
    assert [share.memory for share in shares_of(a_machine(4, memory=8), 4)] == [2 * GIGABYTE] * 4


@pytest.mark.parametrize(
    ("slots", "gpus", "dealt"),
    [
        (2, 2, [("GPU-0",), ("GPU-1",)]),
        (2, 4, [("GPU-0", "GPU-2"), ("GPU-1", "GPU-3")]),
        (3, 2, [("GPU-0",), ("GPU-1",), ("GPU-0",)]),
        (2, 5, [("GPU-0", "GPU-2"), ("GPU-1", "GPU-3")]),
        (2, 0, [(), ()]),
    ],
)
def test_each_slot_has_its_gpu(slots: int, gpus: int, dealt: list[tuple[str, ...]]) -> None:
    assert [share.gpus for share in shares_of(a_machine(8, gpus=gpus), slots)] == dealt


@pytest.mark.parametrize(
    ("machine", "slots"),
    [
        (a_machine(1), 1),
        (a_machine(2), 2),
        (a_machine(4), 4),
        (a_machine(6), 3),
        (a_machine(7), 3),
        (a_machine(8), 4),
        (a_machine(96), 4),
        (a_machine(8, memory=2), 2),
        (a_machine(8, memory=0), 1),
        (a_machine(8, gpus=1), 1),
        (a_machine(64, gpus=8), 8),
    ],
)
def test_by_default_there_are_as_many_slots_as_cores_memory_and_gpus_allow(machine: Machine, slots: int) -> None:
    assert usual_slots(machine) == slots


def test_this_process_has_one_queue() -> None:
    assert slots_here() is slots_here()
    assert slots_here().machine.cores == available_cores()


# Who gets them


async def test_two_scripts_at_once_hold_different_cores() -> None:
    slots = Slots(a_machine(2))
    async with slots.share() as one, slots.share() as other:
        assert not set(one.cores) & set(other.cores)


async def test_a_script_waits_while_all_slots_are_taken() -> None:
    slots, order = Slots(a_machine(1)), []

    async def work(name: str) -> None:
        async with slots.share():
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    await asyncio.gather(work("one"), work("other"))
    assert order == ["one begins", "one ends", "other begins", "other ends"]


async def test_runs_take_turns_and_a_runs_scripts_keep_their_order() -> None:
    slots, order = Slots(a_machine(1)), []

    async def work(run: str, number: int) -> None:
        async with slots.share(run):
            order.append(f"{run}{number}")

    async with slots.share("other"):
        waiting = [asyncio.create_task(work("a", number)) for number in range(4)]
        await asyncio.sleep(0)
        waiting += [asyncio.create_task(work("b", number)) for number in range(2)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == ["a0", "b0", "a1", "b1", "a2", "a3"]


async def test_an_urgent_script_goes_first_of_its_run_and_not_before_another_runs_turn() -> None:
    slots, order = Slots(a_machine(1)), []

    async def work(run: str, number: int, *, urgent: bool = False) -> None:
        async with slots.share(run, urgent=urgent):
            order.append(f"{run}{number}")

    async with slots.share("other"):
        waiting = [asyncio.create_task(work(run, number)) for number in range(2) for run in "ab"]
        await asyncio.sleep(0)
        waiting.append(asyncio.create_task(work("b", 2, urgent=True)))
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == ["a0", "b2", "a1", "b0", "b1"]


async def test_runs_with_other_slots_share_the_one_machine() -> None:
    slots, held = Slots(a_machine(4)), []

    async def work(count: int) -> None:
        async with slots.share(str(count), count) as share:
            held.append(share)
            assert sum(len(one.cores) for one in held) <= 4
            await asyncio.sleep(0)
            held.remove(share)

    await asyncio.gather(*(work(count) for count in (1, 2, 4, 1, 2, 4, 4, 4)))


async def test_a_slot_is_free_again_after_a_failure() -> None:
    slots = Slots(a_machine(1))
    with pytest.raises(RuntimeError):
        async with slots.share():
            raise RuntimeError
    async with asyncio.timeout(5), slots.share() as share:
        assert share.cores == (0,)


async def test_whoever_no_longer_waits_takes_no_slot() -> None:
    slots = Slots(a_machine(1))

    async def wait() -> None:
        async with slots.share():
            raise AssertionError("it was given a slot")

    async with slots.share():
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    async with asyncio.timeout(5), slots.share():
        pass


async def test_a_slot_given_in_the_moment_of_the_cancelling_is_not_lost() -> None:
    slots = Slots(a_machine(1))

    async def hold() -> None:
        async with slots.share():
            await asyncio.sleep(0)

    async with slots.share():
        waiting = asyncio.create_task(hold())
        await asyncio.sleep(0)
    waiting.cancel()  # it has the slot, and does not know yet
    await asyncio.wait([waiting])
    async with asyncio.timeout(5), slots.share():
        pass


def test_one_event_loop_is_served_after_the_other() -> None:
    slots = Slots(a_machine(1))

    async def take() -> Share:
        async with slots.share() as share:
            return share

    assert asyncio.run(take()) == asyncio.run(take())


def test_event_loops_of_two_threads_share_the_slots() -> None:
    slots, inside, most, done = Slots(a_machine(1)), [0], [0], []

    async def work() -> None:
        for _ in range(50):
            async with slots.share(threading.current_thread().name):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                await asyncio.sleep(0.001)
                inside[0] -= 1
        done.append(True)

    threads = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert (most, len(done)) == ([1], 2)


# What there is


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "6400000 100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({}, 8),
    ],
)
def test_a_containers_cores_are_as_many_as_it_is_given_time_on(
    files: dict[str, str], count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(10, 18)), raising=False)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    cores = available_cores(tmp_path)
    assert cores == available_cores(tmp_path)
    assert len(set(cores)) == count
    assert set(cores) <= set(range(10, 18))


def test_containers_side_by_side_have_cores_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    (tmp_path / "cpu.max").write_text("100000 100000")
    seen = set()
    for number in range(40):
        monkeypatch.setattr(platform, "node", lambda name=f"host-{number}": name)
        seen.add(available_cores(tmp_path))
    assert len(seen) > 10


def test_a_containers_memory_is_what_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1048576\n")
    assert available_memory(tmp_path) == 1 << 20


def test_without_a_limit_the_memory_is_the_machines(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    assert available_memory(tmp_path) == available_memory(tmp_path / "nothing") > GIGABYTE


def test_the_drivers_gpus_are_found_by_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for number in range(2):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
        text = f"Model: \t\t A100\nGPU UUID: \t GPU-{number}\nBus Type: \t PCIe\n"
        (tmp_path / f"0000:0{number}:00.0" / "information").write_text(text)
    assert available_gpus(tmp_path) == ("GPU-0", "GPU-1")


@pytest.mark.parametrize(("chosen", "found"), [("1,3", ("1", "3")), ("", ()), ("-1", ()), ("GPU-x", ("GPU-x",))])
def test_gpus_that_the_user_chose_are_the_gpus(
    chosen: str, found: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert available_gpus() == found


def test_nvidias_program_is_asked_where_the_driver_lists_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho GPU-a\necho GPU-b\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert available_gpus(tmp_path / "nothing") == ("GPU-a", "GPU-b")
