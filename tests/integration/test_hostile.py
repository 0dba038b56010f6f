"""Scripts that mean harm: each fails to do it, and the next script runs as if nothing had been.

By every mechanism that this machine has. `test_ordinary_user.py` runs them once more as an ordinary user.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from mle_star.execution.isolation.policy import Mechanism
from mle_star.execution.limits import Limits
from mle_star.execution.workdir import artefact, clear
from mle_star.models.data_models import ExecutionResult

from .contained import MECHANISMS, NOT_IN_PARTIAL, gone, need, run

SECRET = "the-users-secret"
TRY = """
import os, sys
def attempt(what, *arguments, **more):
    try:
        what(*arguments, **more)
    except BaseException as error:
        print("failed:", type(error).__name__, error)
    else:
        print("DONE", what, arguments)
"""
MEGABYTE = 1 << 20


@pytest.fixture(params=MECHANISMS)
def mechanism(request: pytest.FixtureRequest) -> Mechanism:
    """Give one way of containing a script after another."""
    return need(request.param)


@pytest.fixture
async def attack(tmp_path: Path, mechanism: Mechanism) -> AsyncIterator[Any]:
    """Give the way to run a hostile script; a peaceful one has to run after it, and nothing may be left of it."""

    async def attack(script: str, **more: Any) -> ExecutionResult:
        return await run(tmp_path, TRY + script, mechanism, **more)

    yield attack
    after = await run(tmp_path, "print('Final Validation Performance: 0.5')", mechanism, name="002-next")
    assert after.score == 0.5, after
    assert await gone(str(tmp_path / "scripts"))
    assert not list((tmp_path / "scripts").glob("*.report"))
    clear(tmp_path / "work")
    assert not (tmp_path / "work").exists()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Make a folder that no script was told of."""
    place = tmp_path / "elsewhere"
    (place / ".ssh").mkdir(parents=True)
    (place / ".ssh" / "id_ed25519").write_text(SECRET)
    return place


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """Start a process of the user's that holds a key in its environment."""
    command = [sys.executable, "-c", "import time; time.sleep(300)"]
    process = subprocess.Popen(command, env={"API_KEY": SECRET})
    yield process
    process.kill()
    process.wait()


# What it may not see


async def test_no_file_of_the_users_is_read(attack: Any, elsewhere: Path) -> None:
    key = elsewhere / ".ssh" / "id_ed25519"
    result = await attack(f"attempt(lambda: print(open({str(key)!r}).read()))\nattempt(os.listdir, {str(elsewhere)!r})")
    assert result.output.count("failed:") == 2
    assert SECRET not in result.output


async def test_the_home_folder_is_out_of_sight(attack: Any) -> None:
    result = await attack("""
for name in ("/home", "/root"):
    attempt(lambda: print("SEEN", [n for n in os.listdir(name) if n not in sys.base_prefix.split("/")]))
""")
    seen = [line for line in result.output.splitlines() if line.startswith("SEEN")]
    assert all(line == "SEEN []" for line in seen), seen


async def test_no_process_shows_its_environment(attack: Any, bystander: subprocess.Popen[bytes]) -> None:
    result = await attack("""
import glob
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/task/*/environ"):
    attempt(lambda: print(open(path).read()))
""")
    assert result.error == "no score"
    seen = Path(result.log_path).read_text()
    assert "TMPDIR" in seen  # its own
    assert SECRET not in seen


async def test_the_runs_own_files_are_out_of_sight_even_inside_the_data_folder(
    tmp_path: Path, mechanism: Mechanism
) -> None:
    folder = tmp_path / "task" / "runs" / "one"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(SECRET)
    (tmp_path / "task" / ".env").write_text(f"OPENAI_API_KEY={SECRET}")
    script = (
        TRY
        + """
print(open("input/train.csv").read())
for name in ("input/runs/one/run.json", "input/.env"):
    attempt(lambda: print(open(name).read()))
attempt(lambda: print(open(__file__).read()))
"""
    )
    task = tmp_path / "task"
    result = await run(folder, script, mechanism, data=task, hidden=(task / "runs", folder), name="001-coder")
    assert "a,b" in result.output
    assert "attempt(lambda" in result.output, result
    assert SECRET not in result.output


# What it may not change


async def test_the_training_data_stays_as_it_is(attack: Any, tmp_path: Path, mechanism: Mechanism) -> None:
    result = await attack("""
attempt(open, "input/train.csv", "w")
attempt(open, "input/new.csv", "w")
attempt(os.remove, "input/train.csv")
attempt(os.rename, "input/train.csv", "working/train.csv")
attempt(os.truncate, "input/train.csv", 0)
attempt(os.link, "input/train.csv", "working/link.csv")
attempt(os.symlink, "/etc/passwd", "input/link.csv")
""")
    assert "DONE" not in result.output
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["train.csv"]
    assert (tmp_path / "data" / "train.csv").read_text() == "a,b\n1,2\n"


async def test_the_mode_of_the_data_stays_as_it_is(attack: Any, tmp_path: Path, mechanism: Mechanism) -> None:
    if mechanism == "landlock":
        pytest.skip(NOT_IN_PARTIAL)
    before = (tmp_path / "data").stat().st_mode if (tmp_path / "data").exists() else None
    result = await attack("attempt(os.chmod, 'input/train.csv', 0)\nattempt(os.utime, 'input/train.csv', (1, 1))")
    assert "DONE" not in result.output
    assert (tmp_path / "data" / "train.csv").stat().st_mode & 0o777
    assert before is None or (tmp_path / "data").stat().st_mode == before


async def test_nothing_is_written_outside_of_its_folder(attack: Any, elsewhere: Path, mechanism: Mechanism) -> None:
    await attack(f"""
for place in ({str(elsewhere)!r}, "/", "/etc", "/usr", "/opt", "/var", "/run", os.path.dirname(__file__)):
    attempt(lambda: open(place + "/mle-star-was-here", "w").close())
""")
    for place in (elsewhere, *map(Path, ("/", "/etc", "/usr", "/opt", "/var", "/run")), elsewhere.parent / "scripts"):
        assert not (place / "mle-star-was-here").exists()


async def test_its_temporary_files_are_its_own(attack: Any, mechanism: Mechanism) -> None:
    await attack("for place in ('/tmp', '/var/tmp'): attempt(lambda: open(place + '/mle-star-was-here', 'w').close())")
    for place in ("/tmp", "/var/tmp"):
        assert not Path(place, "mle-star-was-here").exists()


async def test_the_scripts_of_others_are_not_deleted(attack: Any, tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    other = tmp_path / "scripts" / "000-other.py"
    other.write_text("x = 1")
    (tmp_path / "work" / "000-other").mkdir(parents=True)
    await attack("""
import shutil
shutil.rmtree(os.path.dirname(__file__), ignore_errors=True)
shutil.rmtree("..", ignore_errors=True)
attempt(os.remove, __file__)
""")
    assert other.read_text() == "x = 1"
    assert (tmp_path / "scripts" / "001-coder.py").exists()
    assert (tmp_path / "work" / "000-other").is_dir()


async def test_the_kernels_settings_are_not_changed(attack: Any) -> None:
    result = await attack("""
for name in ("kernel/core_pattern", "kernel/randomize_va_space", "vm/overcommit_memory"):
    attempt(open, f"/proc/sys/{name}", "w")
attempt(open, "/proc/sysrq-trigger", "w")
attempt(open, "/sys/kernel/mm/transparent_hugepage/enabled", "w")
""")
    assert "DONE" not in result.output


async def test_it_can_neither_mount_nor_make_devices_nor_trace_nor_become_another(attack: Any) -> None:
    result = await attack("""
import ctypes, stat
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
os.mkdir("working/place")
attempt(call, "mount", b"tmpfs", b"working/place", b"tmpfs", 0, None)
attempt(call, "mount", None, b"/", None, 0x20, None)
attempt(call, "umount2", b"/proc", 2)
attempt(os.mknod, "working/disk", stat.S_IFBLK | 0o600, os.makedev(254, 0))
attempt(call, "ptrace", 16, os.getppid(), 0, 0)
attempt(os.setuid, 0 if os.getuid() else 1)
attempt(os.setgroups, [0])
attempt(call, "unshare", 0x00020000)
attempt(os.chroot, "working")
attempt(call, "sethostname", b"owned", 5)
""")
    assert "DONE" not in result.output
    assert result.output.count("failed:") == 10


async def test_a_program_with_more_rights_gives_it_none(attack: Any) -> None:
    result = await attack("""
for line in open("/proc/self/status"):
    if line.startswith(("NoNewPrivs", "CapEff", "CapBnd")):
        print(line.split())
""")
    assert "['NoNewPrivs:', '1']" in result.output
    assert "['CapEff:', '0000000000000000']" in result.output


async def test_a_crash_leaves_no_core_dump(attack: Any, tmp_path: Path) -> None:
    result = await attack("os.abort()")
    assert (result.error, "SIGABRT" in result.message) == ("killed", True)
    assert not list((tmp_path / "work").rglob("*core*"))


# Whom it may not reach


@pytest.fixture
def listeners(tmp_path: Path) -> Iterator[list[tuple[int, int, Any]]]:
    """Listen on the loopback by TCP and UDP, and on Unix sockets with a path and without."""
    opened = []
    for family, kind, address in (
        (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        (socket.AF_UNIX, socket.SOCK_STREAM, f"\0mle-star-{os.getpid()}"),
        (socket.AF_UNIX, socket.SOCK_STREAM, str(tmp_path / "socket")),
    ):
        listener = socket.socket(family, kind)
        listener.bind(address)
        if kind == socket.SOCK_STREAM:
            listener.listen()
        listener.setblocking(False)
        opened.append(listener)
    yield [(int(one.family), int(one.type), one.getsockname()) for one in opened], opened  # type: ignore[misc]
    for listener in opened:
        listener.close()


CONNECT = """
import socket
for family, kind, address in {targets!r}:
    def call():
        with socket.socket(family, kind) as caller:
            caller.settimeout(5)
            caller.connect(address)
            caller.send(b"hello")
    attempt(call)
"""


async def test_no_socket_of_the_machine_is_reached(attack: Any, listeners: Any, mechanism: Mechanism) -> None:
    targets, opened = listeners
    reachable = 3 if mechanism == "landlock" else 4  # Landlock does not hold Unix sockets that have a path
    result = await attack(CONNECT.format(targets=targets[:reachable]))
    sent_into_the_void = result.output.count("DONE")  # a datagram to a loopback of the script's own
    assert result.output.count("failed:") + sent_into_the_void == reachable
    assert sent_into_the_void <= 1
    for listener in opened[:reachable]:
        with pytest.raises(BlockingIOError):
            listener.recv(1) if listener.type == socket.SOCK_DGRAM else listener.accept()


async def test_a_unix_socket_with_a_path_is_not_reached(attack: Any, listeners: Any, mechanism: Mechanism) -> None:
    if mechanism == "landlock":
        pytest.skip(NOT_IN_PARTIAL)
    result = await attack(CONNECT.format(targets=listeners[0][3:]))
    assert "DONE" not in result.output


async def test_no_address_outside_is_reached(attack: Any) -> None:
    targets = [(2, 1, ("192.0.2.1", 80)), (2, 2, ("192.0.2.1", 53)), (10, 1, ("2001:db8::1", 80)), (40, 1, (2, 80))]
    result = await attack(CONNECT.format(targets=targets))  # addresses that documentation uses, and a virtual machine's
    assert "DONE" not in result.output
    assert "timed out" not in result.output


async def test_the_network_is_there_when_it_is_allowed(attack: Any, listeners: Any) -> None:
    result = await attack(CONNECT.format(targets=listeners[0][:1]), allow_network=True)
    assert "DONE" in result.output


async def test_neither_its_parent_nor_a_bystander_is_killed(attack: Any, bystander: subprocess.Popen[bytes]) -> None:
    await attack(f"""
import signal
for pid in ({bystander.pid}, {os.getpid()}):
    attempt(os.kill, pid, signal.SIGKILL)
attempt(os.kill, os.getppid(), signal.SIGKILL)
""")
    assert bystander.poll() is None


async def test_what_kills_everything_it_can_kills_itself_only(
    attack: Any, bystander: subprocess.Popen[bytes], mechanism: Mechanism
) -> None:
    if mechanism == "landlock":
        pytest.skip("too dangerous to try where the kernel's Landlock might be too old to hold signals")
    await attack("import signal\nassert os.getpid() < 10, 'not in a process namespace'\nos.kill(-1, signal.SIGKILL)")
    assert bystander.poll() is None


# What may not outlive it


async def test_a_daemon_that_escapes_dies_with_the_script(attack: Any, tmp_path: Path) -> None:
    result = await attack("""
import subprocess, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid() if os.getpid() != os.getsid(0) else None
        code = f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600) # {__file__}"
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=-3, stderr=-3)
    os._exit(0)
time.sleep(1)
print("Final Validation Performance: 0.4")
""")
    assert result.score == 0.4
    assert await gone(str(tmp_path / "scripts"))


async def test_an_endless_loop_that_ignores_sigterm_ends_at_the_timeout(attack: Any, tmp_path: Path) -> None:
    result = await attack("""
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
print("begun", flush=True)
while True:
    pass
""", seconds=10)  # fmt: skip
    assert (result.error, result.output) == ("timeout", "begun\n")
    assert await gone(str(tmp_path / "scripts"))


# What it may not use up


async def test_a_fork_bomb_is_stopped(attack: Any, tmp_path: Path) -> None:
    bomb = """
import time
print("begun", flush=True)
for _ in range(9):  # 512 processes in all, should nothing stop it
    try:
        os.fork()
    except OSError:
        pass
time.sleep(60)
"""
    result = await attack(bomb, limits=Limits(processes=100), seconds=30)
    assert result.error == "processes", result
    assert "start fewer workers" in result.message
    assert result.output.startswith("begun")
    assert await gone(str(tmp_path / "scripts"))


HOG = """
def hog(megabytes):
    held = []
    for _ in range(megabytes // 20):
        held.append(b"x" * (20 << 20))
        time.sleep(0.02)
    time.sleep(60)
import time
print("begun", flush=True)
"""


async def test_a_memory_hog_is_stopped(attack: Any) -> None:
    result = await attack(HOG + "hog(1500)", limits=Limits(memory=300 * MEGABYTE))
    assert (result.error, result.output) == ("out of memory", "begun\n")
    assert "out of memory at 300 MB: use fewer rows" in result.message


async def test_a_tree_of_hogs_that_are_small_each_is_stopped(attack: Any) -> None:
    script = HOG + "for _ in range(4):\n    if os.fork() == 0: hog(140)\ntime.sleep(60)"
    result = await attack(script, limits=Limits(memory=300 * MEGABYTE))
    assert result.error == "out of memory"


async def test_memory_that_processes_share_counts_once(attack: Any) -> None:
    result = await attack("""
import time
held = b"x" * (150 << 20)
for _ in range(3):
    if os.fork() == 0:
        time.sleep(1.5)
        os._exit(0)
time.sleep(1.5)
print("Final Validation Performance: 0.4")
""", limits=Limits(memory=300 * MEGABYTE))  # fmt: skip
    assert result.score == 0.4, result


async def test_a_fork_that_ends_first_does_not_end_the_script(attack: Any) -> None:
    result = await attack("""
child = os.fork()
if child:
    os.waitpid(child, 0)
    print("Final Validation Performance: 0.4")
""")
    assert result.score == 0.4, result


async def test_memory_that_is_shared_by_no_file_counts(attack: Any) -> None:
    script = """
import mmap, time
memory = mmap.mmap(-1, 600 << 20)
for place in range(0, len(memory), 4096):
    memory[place] = 1
time.sleep(5)
"""
    result = await attack(script, limits=Limits(memory=300 * MEGABYTE))
    assert result.error == "out of memory"


async def test_an_allocation_beyond_all_bounds_is_out_of_memory(attack: Any) -> None:
    result = await attack("x = bytearray(1 << 50)")
    assert result.error == "out of memory"
    assert "MemoryError" in result.message


async def test_memory_without_a_process_counts_too(attack: Any) -> None:
    result = await attack("""
import time
file = os.memfd_create("hidden")
for _ in range(100):
    os.write(file, b"x" * (5 << 20))
    time.sleep(0.02)
time.sleep(30)
""", limits=Limits(memory=200 * MEGABYTE))  # fmt: skip
    assert result.error == "out of memory"


async def test_what_is_put_into_shared_memory_is_bounded(attack: Any, mechanism: Mechanism) -> None:
    if mechanism == "landlock":
        pytest.skip(NOT_IN_PARTIAL)
    result = await attack("""
with open("/dev/shm/filler", "wb") as file:
    for _ in range(100):
        file.write(b"x" * (5 << 20))
""", limits=Limits(memory=200 * MEGABYTE))  # fmt: skip
    assert result.error in ("disk", "out of memory")


@pytest.mark.parametrize("unlink", [False, True], ids=["many files", "a file without a name"])
async def test_a_disk_filler_is_stopped(attack: Any, unlink: bool) -> None:
    result = await attack(f"""
import time
print("begun", flush=True)
files = []
for number in range(200):
    files.append(open(f"working/{{number}}", "wb"))
    files[-1].write(b"x" * (5 << 20))
    files[-1].flush()
    if {unlink}: os.remove(f"working/{{number}}")
    time.sleep(0.02)
time.sleep(60)
""", limits=Limits(disk=100 * MEGABYTE))  # fmt: skip
    assert (result.error, result.output) == ("disk", "begun\n")
    assert "filled 100 MB" in result.message


async def test_a_file_that_grows_for_ever_is_stopped(attack: Any) -> None:
    result = await attack("""
with open("working/large", "wb") as file:
    for _ in range(200):
        file.write(b"x" * (5 << 20))
""", limits=Limits(disk=100 * MEGABYTE))  # fmt: skip
    assert result.error == "disk"


async def test_endless_output_is_stopped_with_its_head_and_tail_kept(attack: Any, tmp_path: Path) -> None:
    result = await attack("print('begun')\nfor number in range(10**7): print('line', number)",
                          limits=Limits(output=1 * MEGABYTE))  # fmt: skip
    assert result.error == "output"
    assert "print less" in result.message
    assert result.output.startswith("begun\nline 0\n")
    log = Path(result.log_path).read_text()
    assert len(log) < 1.1 * MEGABYTE
    assert "bytes left out" in log


# What it may not pretend


async def test_a_score_that_atexit_prints_does_not_count(attack: Any) -> None:
    result = await attack("""
import atexit
atexit.register(print, "Final Validation Performance: 0.999", flush=True)
print("Final Validation Performance: 0.4")
""")
    assert result.score == 0.4
    assert "0.999" in result.output


async def test_a_score_that_only_atexit_prints_is_none(attack: Any) -> None:
    result = await attack("import atexit\natexit.register(print, 'Final Validation Performance: 0.999')")
    assert (result.score, result.error) == (None, "no score")


async def test_a_score_of_a_script_that_failed_does_not_count(attack: Any) -> None:
    result = await attack("""
import atexit
atexit.register(print, "Final Validation Performance: 0.999")
print("Final Validation Performance: 0.4")
raise ValueError("after all")
""")
    assert (result.score, result.error) == (None, "exception")
    assert "ValueError: after all" in result.message


async def test_a_score_that_a_thread_prints_counts(attack: Any) -> None:
    result = await attack("""
import threading, time
def work():
    time.sleep(0.3)
    print("Final Validation Performance: 0.4")
threading.Thread(target=work).start()
""")
    assert result.score == 0.4


@pytest.mark.parametrize("how", ["os.symlink({secret!r}, 'final/submission.csv')", "os.mkfifo('final/submission.csv')",
                                 "os.rmdir('final'); os.symlink({folder!r}, 'final')"])  # fmt: skip
async def test_what_is_no_plain_file_is_not_collected(attack: Any, tmp_path: Path, elsewhere: Path, how: str) -> None:
    (elsewhere / "submission.csv").write_text(SECRET)
    await attack(how.format(secret=str(elsewhere / "submission.csv"), folder=str(elsewhere)))
    assert os.path.lexists(tmp_path / "work" / "001-coder" / "final" / "submission.csv")
    assert artefact(tmp_path / "work" / "001-coder", "final/submission.csv") is None


async def test_a_folder_that_is_closed_and_deep_can_be_removed(attack: Any, tmp_path: Path) -> None:
    await attack("""
os.makedirs("working/closed/inner")
os.chmod("working/closed", 0)
for _ in range(3000):
    os.mkdir("deep")
    os.chdir("deep")
""")
    workdir = tmp_path / "work" / "001-coder"
    await asyncio.to_thread(clear, workdir)
    assert not workdir.exists()
