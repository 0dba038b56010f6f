"""A container engine for the tests: Podman with runc and its own storage, and an image of this machine's Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import free_port

IMAGE = "localhost/mle-star-test"
CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


@contextmanager
def engine(folder: Path) -> Iterator[str]:
    """Start one that has the image; gives its address. Skips the test where that can't be done."""
    if os.geteuid() != 0 or not shutil.which("podman") or not shutil.which("runc"):
        pytest.skip("needs root, podman and runc: `apt-get install podman runc`")
    (folder / "containers.conf").write_text(CONF)
    podman = ["podman", "--root", f"{folder}/storage", "--runroot", f"{folder}/run", "--storage-driver", "overlay"]
    environment = {**os.environ, "CONTAINERS_CONF": f"{folder}/containers.conf"}
    image = folder / "image.tar"
    pack(image)
    library_path = os.environ.get("LD_LIBRARY_PATH", "")
    settings = ["--change", "ENV PATH=/bin", "--change", f"ENV LD_LIBRARY_PATH={library_path}"]
    done = subprocess.run([*podman, "import", *settings, image, IMAGE], env=environment, capture_output=True, text=True)
    image.unlink()
    if done.returncode:
        pytest.skip(f"podman does not work here: {done.stderr.strip().splitlines()[-1]}")
    address = f"tcp://127.0.0.1:{free_port()}"
    command = [*podman, "system", "service", "--time=0", address.replace("//", "")]
    with (folder / "service.log").open("w") as log:
        # Where a container ran out of memory, the service leaves a file named `oom` in its working folder.
        service = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    try:
        wait_for(address)
        yield address
    finally:
        service.terminate()
        try:
            service.wait(60)
        except subprocess.TimeoutExpired:
            service.kill()
        subprocess.run(["umount", "--lazy", folder / "storage" / "overlay"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(address: str) -> None:
    """Wait until the engine answers, and skip where Podman can't run a container at all."""
    import docker

    for _ in range(600):
        try:
            client = docker.DockerClient(base_url=address)
            break
        except docker.errors.DockerException:
            time.sleep(0.1)
    else:
        pytest.skip("podman's service did not come up in a minute")
    try:
        client.containers.run(IMAGE, ["python3", "-c", ""], remove=True, network_mode="none")
    except docker.errors.DockerException as error:
        pytest.skip(f"podman runs no container here: {error}")


def pack(image: Path) -> None:
    """Write an image with Python, its standard library and what they load, each where it is on this machine."""
    python = os.path.realpath(sys.executable)
    stdlib = sysconfig.get_path("stdlib")
    loaded = subprocess.run(
        ["ldd", python, *map(str, Path(stdlib, "lib-dynload").glob("*.so"))], capture_output=True, text=True, check=True
    )
    libraries = {word for word in loaded.stdout.split() if word.startswith("/") and not word.endswith(":")}

    def without_packages(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        names = Path(entry.name).parts
        entry.mode |= 0o444 | (0o111 if entry.isdir() else 0)
        return None if {"site-packages", "dist-packages", "test", "__pycache__"} & set(names) else entry

    with tarfile.open(image, "w", dereference=True) as archive:
        for folder in ("tmp", "proc", "sys", "dev", "etc", *map(str, Path(stdlib[1:]).parents)):
            if folder != ".":
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
        archive.add(stdlib, filter=without_packages)
        for path in (python, *sorted(libraries)):
            archive.add(path)
        link = tarfile.TarInfo("bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, python
        archive.addfile(link)
