"""Where scripts may have control groups, by a made-up `/proc/self` and a made-up hierarchy."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mle_star.execution.cgroup import PREFIX, happened, make, nearest

OLD = "31 23 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"


def a_process(folder: Path, own: str, root: str = "/", kind: str = "cgroup2") -> Path:
    """Make what the kernel tells a process whose group is `own`; the hierarchy is mounted from `root` on."""
    process = folder / "self"
    process.mkdir()
    (process / "cgroup").write_text(f"4:memory:/elsewhere\n0::{own}\n")
    top = folder / "hierarchy"
    top.mkdir()
    (process / "mountinfo").write_text(f"{OLD}38 31 0:38 {root} {top} rw,relatime shared:9 - {kind} {kind} rw\n")
    return process


def a_group(folder: Path, path: str = "", controllers: str = "", **bounds: str) -> Path:
    """Make a group that gives its children these controllers; of its bounds, `_` stands for the dot."""
    group = folder / "hierarchy" / path
    group.mkdir(exist_ok=True)
    (group / "cgroup.procs").write_text("")
    (group / "cgroup.subtree_control").write_text(controllers + "\n")
    for name, value in bounds.items():
        (group / name.replace("_", ".")).write_text(value + "\n")
    return group


def test_it_is_the_nearest_group_above_ours_that_gives_its_children_bounded_memory(tmp_path: Path) -> None:
    process = a_process(tmp_path, "/user/app/ours")
    a_group(tmp_path, controllers="cpu memory pids")
    a_group(tmp_path, "user", "memory pids")
    app = a_group(tmp_path, "user/app", "memory pids")
    a_group(tmp_path, "user/app/ours", memory_max="max", cpu_max="max 100000")
    assert nearest(process) == app


def test_one_that_bounds_no_memory_is_passed(tmp_path: Path) -> None:
    process = a_process(tmp_path, "/user/ours")
    top = a_group(tmp_path, controllers="memory")
    a_group(tmp_path, "user", "pids")
    a_group(tmp_path, "user/ours")
    assert nearest(process) == top


@pytest.mark.parametrize("bound", [{"memory_max": "1000000"}, {"memory_high": "1000000"}, {"cpu_max": "50000 100000"}])
def test_no_script_leaves_a_group_that_bounds_us(tmp_path: Path, bound: dict[str, str]) -> None:
    process = a_process(tmp_path, "/ours")
    a_group(tmp_path, controllers="cpu memory")
    a_group(tmp_path, "ours", **bound)
    assert nearest(process) is None


def test_a_container_that_sees_a_part_of_the_hierarchy_looks_there(tmp_path: Path) -> None:
    process = a_process(tmp_path, "/containers/one/ours", root="/containers/one")
    one = a_group(tmp_path, controllers="memory")
    a_group(tmp_path, "ours")
    assert nearest(process) == one


@pytest.mark.parametrize("own", ["/containers/two", "/../two"])
def test_a_group_that_is_not_mounted_here_is_no_start(tmp_path: Path, own: str) -> None:
    process = a_process(tmp_path, own, root="/containers/one" if own.startswith("/c") else "/")
    a_group(tmp_path, controllers="memory")
    assert nearest(process) is None


def test_beside_version_one_the_hierarchy_has_no_controllers(tmp_path: Path) -> None:
    process = a_process(tmp_path, "/")
    a_group(tmp_path)
    assert nearest(process) is None


def test_version_one_alone_is_none(tmp_path: Path) -> None:
    process = a_process(tmp_path, "/", kind="cgroup")
    a_group(tmp_path, controllers="memory")
    assert nearest(process) is None


def test_without_proc_there_is_none(tmp_path: Path) -> None:
    assert nearest(tmp_path / "none") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_one_that_we_may_not_write_is_passed(tmp_path: Path) -> None:
    process = a_process(tmp_path, "/")
    a_group(tmp_path, controllers="memory").chmod(0o555)
    assert nearest(process) is None


def test_what_dead_processes_left_goes_when_the_next_is_made(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    left, living, foreign = (
        tmp_path / f"{PREFIX}{dead.pid}-x",
        tmp_path / f"{PREFIX}{os.getppid()}-x",
        tmp_path / "mle-star.service",
    )
    for group in (left, living, foreign):
        group.mkdir()
    made = make(tmp_path, memory=1 << 20, processes=9)
    assert set(tmp_path.iterdir()) == {living, foreign, made}
    assert (made / "memory.max").read_text() == "1048576"


def test_the_kernels_count_tells_whether_a_limit_was_kept(tmp_path: Path) -> None:
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 17\noom 2\noom_kill 1\n")
    (tmp_path / "pids.events").write_text("max 0\n")
    assert happened(tmp_path, "memory.events oom_kill")
    assert not happened(tmp_path, "pids.events max")
    assert not happened(tmp_path / "gone", "memory.events oom_kill")
