"""Nobody else's door: who is let in, and with what."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from pathlib import Path
from typing import Any, get_args

import pytest

from mle_star.api.hub import Hub
from mle_star.api.logs import hide_secrets
from mle_star.api.schemas import RUNS_OWN, SERVERS_OWN, request_fields
from mle_star.api.settings import ServerSettings
from mle_star.models.config import MLEStarConfig
from mle_star.models.errors import ConfigError
from tests.support import make_task_folder
from tests.unit.api.conftest import Serve

KEY = "a-key-that-is-long-enough"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org"])
def test_another_address_without_a_key_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="MLE_STAR_API_KEY"):
        ServerSettings(host=host).check()
    ServerSettings(host=host, api_key=KEY).check()
    ServerSettings(host=host, insecure=True).check()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_this_machine_needs_no_key(host: str) -> None:
    ServerSettings(host=host).check()


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="too short"):
        ServerSettings(api_key="short").check()


@pytest.mark.parametrize("given", [KEY, "sha256:" + hashlib.sha256(KEY.encode()).hexdigest()])
async def test_a_key_opens_in_either_header_and_nothing_else_does(serve: Serve, given: str) -> None:
    async with serve(api_key=given) as client:
        url = "/api/pipeline/status"
        assert (await client.get(url)).status_code == 401
        assert (await client.get(url, headers={"Authorization": "Bearer wrong"})).status_code == 401
        assert (await client.get(url, headers={"X-API-Key": given + "x"})).status_code == 401
        assert (await client.get(url, headers={"Authorization": f"Bearer {KEY}"})).status_code == 200
        assert (await client.get(url, headers={"X-API-Key": KEY})).status_code == 200
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/health")).status_code == 200


async def test_a_name_that_was_rebound_to_this_machine_is_refused(serve: Serve) -> None:
    async with serve() as client:
        reply = await client.get("/api/pipeline/status", headers={"Host": "evil.example"})
        assert (reply.status_code, reply.headers["content-type"]) == (400, "application/problem+json")
    async with serve(allowed_hosts=("ours.example",)) as client:
        assert (await client.get("/health", headers={"Host": "ours.example:8000"})).status_code == 200


async def test_a_page_of_another_origin_changes_nothing(serve: Serve) -> None:
    async with serve() as client:
        reply = await client.post("/api/pipeline/stop/some-run", headers={"Origin": "http://evil.example"})
        assert reply.status_code == 403
        reply = await client.post("/api/pipeline/stop/some-run", headers={"Origin": "http://localhost"})
        assert reply.status_code == 404


async def test_cors_is_closed_unless_an_origin_is_allowed(serve: Serve) -> None:
    asked = {"Origin": "http://page.example"}
    async with serve() as client:
        assert "access-control-allow-origin" not in (await client.get("/health", headers=asked)).headers
    async with serve(allowed_origins=("http://page.example",)) as client:
        reply = await client.get("/health", headers=asked)
        assert reply.headers["access-control-allow-origin"] == "http://page.example"


async def test_a_body_beyond_the_limit_is_refused_whatever_its_length_says(serve: Serve) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 1_000

    async with serve(max_body=2_000) as client:
        assert (await client.post("/api/pipeline/start", content=b" " * 5_000)).status_code == 413
        reply = await client.post(
            "/api/pipeline/start", content=endless(), headers={"content-type": "application/json"}
        )
        assert reply.status_code == 413


async def test_too_many_requests_are_refused_for_a_while(serve: Serve) -> None:
    async with serve(rate_limit="3/minute") as client:
        codes = [(await client.get("/api/datasets")).status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        assert (await client.get("/health")).status_code == 200


@pytest.mark.parametrize("run_id", ["..", "..%2F..%2Fetc", "%2Fetc%2Fpasswd", ".hidden", "a%00b", "a" * 200])
async def test_a_run_id_does_not_leave_its_folder(serve: Serve, run_id: str) -> None:
    async with serve() as client:
        for url in ("/api/pipeline/status/", "/api/submission/download/"):
            assert (await client.get(url + run_id)).status_code in (200, 404, 422)
        assert (await client.get(f"/api/runs/{run_id}/scripts/1")).status_code in (404, 422)


async def test_a_parameter_given_twice_is_refused_by_name(serve: Serve) -> None:
    async with serve() as client:
        reply = await client.get("/api/runs/some-run/scripts/1?output=5&output=7&after=1")
        assert reply.status_code == 422
        assert [problem["field"] for problem in reply.json()["errors"]] == ["output"]


@pytest.mark.parametrize("path", ["/etc", "/", "..", "uploads/../..", "/proc/self"])
async def test_a_dataset_path_outside_of_the_roots_is_refused(serve: Serve, path: str) -> None:
    async with serve() as client:
        reply = await client.post("/api/pipeline/start", json={"task": {"dataset_path": path}})
        assert (reply.status_code, "none of the folders" in reply.json()["detail"]) == (404, True)


async def test_a_link_out_of_a_root_is_refused(serve: Serve, tmp_path: Path) -> None:
    make_task_folder(tmp_path / "elsewhere")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    async with serve(dataset_roots=(tmp_path / "root",)) as client:
        body = {"task": {"dataset_path": str(tmp_path / "root" / "link")}}
        assert (await client.post("/api/pipeline/start", json=body)).status_code == 404


@pytest.mark.parametrize(
    "name",
    ["runs_dir", "out_dir", "prompts_dir", "ollama_base_url", "parallel_scripts", "models", "reply_cache", "nonsense"],
)
async def test_a_request_has_no_say_in_the_servers_own_settings(serve: Serve, name: str, tmp_path: Path) -> None:
    make_task_folder(tmp_path / "root" / "task")
    async with serve(dataset_roots=(tmp_path / "root",)) as client:
        body = {"task": {"dataset_path": str(tmp_path / "root" / "task")}, "config": {name: "http://x"}}
        reply = await client.post("/api/pipeline/start", json=body)
        assert reply.status_code == 422
        assert [error["field"] for error in reply.json()["errors"]] == [f"config.{name}"]


def touches_files(annotation: Any) -> bool:
    return annotation is Path or any(touches_files(part) for part in get_args(annotation))


def test_each_setting_of_a_run_is_known_to_be_a_requests_or_the_servers() -> None:
    unclassified = MLEStarConfig.model_fields.keys() - RUNS_OWN - SERVERS_OWN
    assert not unclassified, "say in mle_star/api/schemas.py whether a request may give it: RUNS_OWN, SERVERS_OWN"
    assert not RUNS_OWN & SERVERS_OWN
    assert MLEStarConfig.model_fields.keys() == RUNS_OWN | SERVERS_OWN


@pytest.mark.parametrize("name", sorted(RUNS_OWN))
def test_no_setting_that_a_request_may_give_names_a_file_or_a_key(name: str) -> None:
    assert not touches_files(MLEStarConfig.model_fields[name].annotation)
    assert "key" not in name
    assert ("url" in name) == (name not in request_fields(endpoints=False))


async def test_each_bad_field_is_named(serve: Serve) -> None:
    async with serve() as client:
        config = {"inner_loop_iterations": 0, "temperature": "hot", "num_solutions": 3}
        reply = await client.post("/api/pipeline/start", json={"task": {"dataset": 1}, "config": config})
        fields = {error["field"] for error in reply.json()["errors"]}
        assert fields == {"task.dataset", "config.inner_loop_iterations", "config.temperature"}
        assert reply.headers["content-type"] == "application/problem+json"


def packed(*files: tuple[str, bytes], mode: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (packed(("../escape.csv", b"a\n1\n")), "outside"),
        (packed(("/abs.csv", b"a\n1\n")), "outside"),
        (packed(("a/../../b.csv", b"a\n1\n")), "outside"),
        (packed(("..\\b.csv", b"a\n1\n")), "outside"),
        (packed(("link.csv", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), "no file"),
        (packed(("run.sh", b"echo")), "no table"),
        (packed(("bomb.csv", bytes(70_000_000))), "packed too well"),
        (packed(("large.csv", bytes(90_000_000))), "more than 80,000,000 bytes"),
        (packed(*((f"{number}.csv", b"1") for number in range(30))), "30 files"),
        (b"no zip at all", "can't be read"),
    ],
)
async def test_a_hostile_zip_is_refused_and_nothing_of_it_is_kept(
    serve: Serve, tmp_path: Path, content: bytes, why: str
) -> None:
    async with serve(max_files=20, max_unpacked=80_000_000) as client:
        files = [("files", ("data.zip", content))]
        reply = await client.post("/api/datasets", data={"name": "x"}, files=files)
        assert reply.status_code == 422
        assert any(word in reply.json()["detail"] for word in why.split("|")), reply.json()
        assert (await client.get("/api/datasets")).json() == {"datasets": []}
    assert not (tmp_path / "escape.csv").exists()
    assert [path for path in (tmp_path / "uploads").rglob("*") if path.is_file()] == []


async def test_a_good_zip_is_unpacked_without_its_outer_folder(serve: Serve) -> None:
    content = packed(
        ("task/train.csv", b"a,y\n1,0\n"), ("task/img/1.png", b"p"), ("__MACOSX/x", b""), (".DS_Store", b"")
    )
    async with serve() as client:
        reply = await client.post("/api/datasets", data={"name": "x"}, files=[("files", ("d.zip", content))])
        assert [file["path"] for file in reply.json()["files"]] == ["img/1.png", "train.csv"]


@pytest.mark.parametrize("name", ["x.exe", ".csv", "", "x.csv.sh"])
async def test_a_file_of_no_use_is_refused(serve: Serve, name: str) -> None:
    async with serve() as client:
        files = [("files", (name or "x", b"a\n"))]
        assert (await client.post("/api/datasets", data={"name": "x"}, files=files)).status_code == 422


async def test_a_path_in_a_files_name_is_dropped(serve: Serve) -> None:
    async with serve() as client:
        files = [("files", ("../../up/train.csv", b"a\n1\n"))]
        reply = await client.post("/api/datasets", data={"name": "x"}, files=files)
        assert [file["path"] for file in reply.json()["files"]] == ["train.csv"]


def test_no_key_or_password_gets_into_the_log() -> None:
    entry = {"a": f"Authorization: Bearer {KEY}", "b": "postgresql://me:hush-hush@db/x", "c": f"api_key={KEY}", "n": 1}
    text = str(hide_secrets(None, "", entry))
    assert KEY not in text
    assert "hush" not in text


def test_the_servers_settings_in_dotenv_are_none_of_a_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"MLE_STAR_API_KEY={KEY}\nMLE_STAR_SERVER_PORT=9\nMLE_STAR_SEED=7\n")
    assert MLEStarConfig().seed == 7
    assert ServerSettings().port == 9
    assert KEY not in repr(ServerSettings())


async def test_a_reader_that_falls_behind_reads_on_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mle_star.api.hub.KEPT", 5)
    log = tmp_path / "events.jsonl"
    log.write_text("".join(f'{{"seq":{number}}}\n' for number in range(1, 41)) + '{"seq":41')
    hub = Hub()
    async with hub.follow("one", tmp_path) as channel:
        seen: list[int] = []
        while len(seen) < 40:
            seen += [line.seq for line in await channel.read(seen[-1] if seen else 0)]
        assert seen == list(range(1, 41))
        with log.open("a") as file:
            file.write("}\n")
        hub.poke("one")
        assert [line.seq for line in await channel.read(40)] == [41]
