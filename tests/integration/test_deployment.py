"""What is deployed: the compose files, the Dockerfiles and, without a container, the steps of the plain image."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from mle_star.api.settings import ServerSettings
from mle_star.models.config import MLEStarConfig
from tests.support import free_port

ROOT = Path(__file__).parents[2]
COMPOSE = [ROOT / "docker-compose.yml", ROOT / "deploy" / "compose.api.yml"]
KEY = "a-key-that-is-long-enough"
SECONDS = 120.0


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.name)
def test_a_compose_file_holds_together(file: Path) -> None:
    content = read(file)
    services = content["services"]
    volumes: set[str] = set()
    for service in services.values():
        assert ("image" in service) != ("build" in service)
        for name, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in services[name]
        volumes |= {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), "nobody else's door"
    assert volumes == set(content["volumes"])


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.name)
def test_a_compose_file_sets_what_there_is_to_set_and_holds_no_secret(file: Path) -> None:
    known = {f"MLE_STAR_{name.upper()}" for name in MLEStarConfig.model_fields}
    known |= {f"MLE_STAR_SERVER_{name.upper()}" for name in ServerSettings.model_fields}
    known |= {"MLE_STAR_API_KEY", "MLE_STAR_DATABASE_URL"}
    for service in read(file)["services"].values():
        for name, value in service.get("environment", {}).items():
            assert name in known or not name.startswith("MLE_STAR_")
            if re.search("KEY|PASSWORD", name):
                assert re.fullmatch(r"\$\{\w+:[?-].*\}", value), "secrets come from the environment"


@pytest.mark.skipif(
    subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode != 0
    if shutil.which("docker")
    else True,
    reason="there is no `docker compose` here",
)
@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.name)
def test_docker_compose_reads_a_compose_file(file: Path) -> None:
    secrets = {"MLE_STAR_API_KEY": KEY, "POSTGRES_PASSWORD": "x"}
    command = ["docker", "compose", "-f", str(file), "config", "--quiet"]
    subprocess.run(command, env=os.environ | secrets, check=True, timeout=SECONDS)


def test_the_langgraph_servers_dockerfile_is_what_langgraph_makes_of_its_configuration(tmp_path: Path) -> None:
    place = tmp_path / "mle-star"
    place.mkdir()
    (place / ".env").touch()
    for name in ("langgraph.json", "pyproject.toml"):
        shutil.copy(ROOT / name, place)
    for name in ("mle_star", "graphs", "prompts"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [str(Path(sys.executable).with_name("langgraph")), "dockerfile", str(tmp_path / "made")]
    subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=SECONDS)
    made = (tmp_path / "made").read_text()
    assert made == (ROOT / "deploy" / "Dockerfile.langgraph").read_text()
    assert made.startswith("FROM langchain/langgraph-api:")
    assert "mle_star.api.server:app" in made


def instructions() -> list[tuple[str, str]]:
    """Read the plain API's Dockerfile: each instruction with its arguments."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word]


def test_the_image_has_stages_a_user_and_a_health_check_and_takes_nothing_that_is_ignored() -> None:
    steps = instructions()
    words = [word for word, _ in steps]
    assert words.count("FROM") == 2
    assert steps[words.index("USER")][1] != "root"
    assert words.index("USER") < words.index("HEALTHCHECK") < words.index("CMD")
    ignored = (ROOT / ".dockerignore").read_text().split()
    copied = [name for word, rest in steps if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]]
    for name in copied:
        assert (ROOT / name).exists()
        assert name not in ignored


@pytest.mark.long
def test_the_images_steps_give_a_server_that_is_healthy(tmp_path: Path) -> None:
    steps = instructions()
    second = [number for number, (word, _) in enumerate(steps) if word == "FROM"][1]
    place, home = tmp_path / "build", tmp_path / "opt"
    for word, rest in steps[:second]:
        if word == "COPY":
            *names, target = rest.split()
            for name in names:
                here, there = ROOT / name, place / (target if (ROOT / name).is_dir() else name)
                if here.is_dir():
                    shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(here, there)
        elif word == "WORKDIR":
            place.mkdir()
        elif word == "RUN":
            command = rest.replace("/opt/mle-star", str(home)).replace("python ", f"{sys.executable} ", 1)
            subprocess.run(["sh", "-ec", command], cwd=place, check=True, timeout=1_200)
    shutil.rmtree(place)
    words = dict(steps[second:])
    serve, probe = json.loads(words["CMD"]), json.loads(words["HEALTHCHECK"].partition(" CMD ")[2])
    data = tmp_path / "data"
    data.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLE_STAR_", "PYTHON"))}
    own = kept | {"PATH": f"{home}/bin:{os.environ['PATH']}", "MLE_STAR_SERVER_RUNS_DIR": str(data / "runs")}
    refused = subprocess.run(serve, cwd=data, env=own, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert refused.returncode != 0, "it would listen to other machines without a key"
    assert "MLE_STAR_API_KEY" in refused.stderr
    port = str(free_port())
    here = [word.replace("0.0.0.0", "127.0.0.1").replace("8000", port) for word in serve]  # the test's own door
    server = subprocess.Popen(here, cwd=data, env=own | {"MLE_STAR_API_KEY": KEY})
    try:
        until = time.monotonic() + SECONDS
        ask = [word.replace("8000", port) for word in probe]
        while subprocess.run(ask, env=own, capture_output=True, check=False).returncode:
            assert server.poll() is None
            assert time.monotonic() < until, "the health check does not pass"
            time.sleep(0.5)
    finally:
        server.terminate()
        assert server.wait(SECONDS) == 0
