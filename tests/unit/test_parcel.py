"""A folder of data as a parcel: what is packed here is unpacked there, once, and is known by its content."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mle_star.execution import parcel
from mle_star.execution.parcel import Parcel, private_folder, state_of, unpack

FILES = st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}\.csv)?", fullmatch=True), st.binary(max_size=3000))


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError:  # a file and a folder of one name
            continue
    folder.mkdir(exist_ok=True)
    return folder


def read(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@given(files=FILES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_unpacked_is_what_was_packed(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcel, "CHUNK_BYTES", 1_000)
    with tempfile.TemporaryDirectory() as name:
        folder = written(Path(name) / "data", files)
        packed = Parcel.pack(folder, lambda chunk: chunk)
        assert all(len(chunk) <= 1_000 for chunk in packed.chunks)
        assert read(unpack(packed.digest, lambda: packed.chunks)) == read(folder)


def test_the_same_files_have_the_same_digest_wherever_and_whenever_they_were_written(tmp_path: Path) -> None:
    files = {"train.csv": b"a,b\n1,2\n", "images/1.png": b"\x89PNG"}
    one, two = (Parcel.pack(written(tmp_path / name, files), len) for name in ("one", "two"))
    assert one.digest == two.digest


def test_another_content_has_another_digest(tmp_path: Path) -> None:
    one = Parcel.pack(written(tmp_path / "one", {"train.csv": b"1"}), len)
    two = Parcel.pack(written(tmp_path / "two", {"train.csv": b"2"}), len)
    assert one.digest != two.digest


def test_a_parcel_that_is_there_already_is_not_fetched_again(tmp_path: Path) -> None:
    packed = Parcel.pack(written(tmp_path / "data", {"train.csv": b"1"}), lambda chunk: chunk)

    def fetched() -> Iterator[bytes]:
        raise AssertionError("fetched twice")

    first = unpack(packed.digest, lambda: packed.chunks)
    assert unpack(packed.digest, fetched) == first


def test_a_parcel_that_broke_off_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    packed = Parcel.pack(written(tmp_path / "data", {"train.csv": b"1" * 5_000}), lambda chunk: chunk)

    def broken() -> Iterator[bytes]:
        yield packed.chunks[0][:700]
        raise ConnectionError("the node that held it is gone")

    with pytest.raises(ConnectionError):
        unpack(packed.digest, broken)
    assert read(unpack(packed.digest, lambda: packed.chunks)) == {"train.csv": b"1" * 5_000}


def test_folders_behind_links_are_packed_and_a_link_to_above_is_not_followed_for_ever(tmp_path: Path) -> None:
    folder = written(tmp_path / "data", {"train.csv": b"1"})
    (folder / "images").symlink_to(written(tmp_path / "elsewhere", {"one.png": b"2"}))
    (folder / "again").symlink_to(folder)
    packed = Parcel.pack(folder, lambda chunk: chunk)
    assert read(unpack(packed.digest, lambda: packed.chunks)) == {"train.csv": b"1", "images/one.png": b"2"}


def test_keys_and_runs_stay_at_home(tmp_path: Path) -> None:
    folder = written(tmp_path / "data", {"train.csv": b"1", ".env": b"KEY=secret", "runs/run.csv": b"2"})
    packed = Parcel.pack(folder, lambda chunk: chunk, [folder / "runs"])
    assert read(unpack(packed.digest, lambda: packed.chunks)) == {"train.csv": b"1"}


def test_a_file_with_two_names_is_packed_under_both(tmp_path: Path) -> None:
    folder = written(tmp_path / "data", {"a.csv": b"12"})
    (folder / "b.csv").hardlink_to(folder / "a.csv")
    packed = Parcel.pack(folder, lambda chunk: chunk)
    assert read(unpack(packed.digest, lambda: packed.chunks)) == {"a.csv": b"12", "b.csv": b"12"}


def test_a_changed_file_changes_the_folders_state(tmp_path: Path) -> None:
    folder = written(tmp_path / "data", {"train.csv": b"1"})
    before = state_of(folder)
    assert state_of(folder) == before
    (folder / "train.csv").write_bytes(b"22")
    assert state_of(folder) != before


def test_a_folder_that_another_user_can_write_to_is_not_trusted(store: Path) -> None:
    private_folder("mine").chmod(0o777)
    with pytest.raises(PermissionError, match="not this user's own"):
        private_folder("mine")
