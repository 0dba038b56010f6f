"""The hostile scripts once more, as an ordinary user; where the tests run as one, they have been tried already."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNSHARE, SETPRIV = shutil.which("unshare"), shutil.which("setpriv")
USER = "65534"
OPEN_THE_WAY = """
set -e
mount --make-rprivate /
for path in "$@"; do
    mkdir -p "$STAGE/view$path"
    mount --rbind "$path" "$STAGE/view$path"
done
for path in "$@"; do
    top="/$(echo "$path" | cut -d/ -f2)"
    case "$top" in /usr|/tmp) continue;; esac
    mount --rbind "$STAGE/view$top" "$top"
done
"""
"""Python and this project may lie in a folder that is closed to others: in a mount namespace, show them without it."""

SAMPLE = "namespaces or not (score or output or grows or filler or allocation or plain_file or ordinary_work or link)"
"""Every script by one mechanism; by the others, what does not depend on the user was tried by root already."""


@pytest.fixture
def stage() -> Iterator[Path]:
    """Make a folder that others can reach; pytest closes its own."""
    with tempfile.TemporaryDirectory(prefix="mle-star-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="the tests run as an ordinary user already")
@pytest.mark.skipif(not (UNSHARE and SETPRIV), reason="util-linux is not installed")
@pytest.mark.slow
def test_the_hostile_scripts_fail_for_an_ordinary_user_too(stage: Path) -> None:
    (stage / "home").mkdir()
    os.chown(stage / "home", int(USER), int(USER))
    paths = sorted({sys.base_prefix, sys.prefix, str(ROOT)})
    tests = [str(ROOT / "tests" / "integration" / name) for name in ("test_hostile.py", "test_contained_work.py")]
    pytest_itself = f'exec setpriv --reuid={USER} --regid={USER} --clear-groups "$PYTHON" -m pytest'
    options = (
        f'-q -rs -k "{SAMPLE}" -p no:cacheprovider --rootdir {ROOT} -c {ROOT}/pyproject.toml --basetemp="$STAGE/home/t"'
    )
    command = [
        "unshare", "--mount", "sh", "-c",
        f'{OPEN_THE_WAY}\ncd "$STAGE/home"\n{pytest_itself} {options} {" ".join(tests)}',
        "sh", *paths,
    ]  # fmt: skip
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(stage / "home"), "STAGE": str(stage), "PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800, check=False)
    print(done.stdout[-5000:])
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2000:]
