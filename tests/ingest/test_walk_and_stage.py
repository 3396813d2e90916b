"""Finding files: a stable order, loops and odd names reported; copies that are true or refused."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from index.errors import HomeFull
from ingest import staging
from ingest.errors import Failure, ReadFailure, sentence
from ingest.staging import require_space, stage, stage_bytes
from ingest.walk import FoundFile, Unusable, source_name, walk


def sources(*paths: Path) -> list[str]:
    return [entry.source for entry in walk(paths) if isinstance(entry, FoundFile)]


def unusable(*paths: Path) -> dict[str, Failure]:
    return {entry.source: entry.failure for entry in walk(paths) if isinstance(entry, Unusable)}


def test_files_come_in_a_stable_order_with_relative_names(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.txt", "a/b/c.txt", ".hidden", "a/.git/config", "C.txt"):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert sources(tmp_path / "folder") == ["C.txt", "a/b/c.txt", "a/z.txt", "b.txt"]
    assert sources(tmp_path / "folder" / "b.txt") == ["b.txt"]
    assert sources(tmp_path / "folder" / ".hidden") == [".hidden"]


def test_a_link_that_loops_is_reported_and_the_rest_is_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").write_text("x")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert sources(tmp_path) == ["a/x.txt"]
    assert unusable(tmp_path) == {
        "a/up": Failure.LINK_LOOP,
        "self": Failure.LINK_LOOP,
        "dangling": Failure.GONE,
    }


def test_a_name_that_is_not_utf8_is_reported(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    (tmp_path / "good.txt").write_text("x")
    assert sources(tmp_path) == ["good.txt"]
    assert unusable(tmp_path) == {"caf\\xe9.txt": Failure.NAME_NOT_UTF8}


def test_what_is_no_file_is_reported(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        assert unusable(tmp_path) == {"pipe": Failure.NOT_A_FILE, "socket": Failure.NOT_A_FILE}


def test_a_folder_that_may_not_be_read_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "open.txt").write_text("x")
    scandir = os.scandir

    def refusing(path: str) -> Any:  # root may read everything, so permissions prove nothing
        if path.endswith("closed"):
            raise PermissionError(errno.EACCES, "denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert sources(tmp_path) == ["open.txt"]
    assert unusable(tmp_path) == {"closed": Failure.UNREADABLE}


def test_sidecars_are_no_documents_and_say_of_whom_they_speak(tmp_path: Path) -> None:
    for name in ("a.txt", "a.txt.cloister.toml", "b.txt", "in/.cloister.toml", "in/deep/c.txt"):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    found = {entry.source: entry for entry in walk([tmp_path / "folder"])}
    files = {name: each for name, each in found.items() if isinstance(each, FoundFile)}
    assert {name: each.described for name, each in files.items()} == {
        "a.txt": True,
        "b.txt": False,
        "in/deep/c.txt": True,
    }
    assert {each.root for each in files.values()} == {tmp_path / "folder"}
    (named,) = walk([tmp_path / "folder" / "a.txt"])
    assert isinstance(named, FoundFile)
    assert (named.described, named.root) == (True, tmp_path / "folder")


def test_two_folders_with_a_file_of_one_name_hold_two_sources() -> None:
    file = FoundFile("policy.pdf", Path("/b/policy.pdf"), "b", 1, 1)
    assert source_name(file, None, False) == "policy.pdf"
    assert source_name(file, "/b/policy.pdf", True) == "policy.pdf"
    assert source_name(file, "/a/policy.pdf", True) == "b/policy.pdf"
    assert source_name(file, "/a/policy.pdf", False) == "policy.pdf"  # it was moved


def test_a_copy_is_true(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"words" * 1000)
    staged = stage(path, tmp_path, 1 << 20)
    assert staged.path.read_bytes() == path.read_bytes()
    assert staged.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    staging.sweep(tmp_path)
    assert not staged.path.exists()
    assert path.exists()


def test_a_file_over_the_limit_is_never_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    with path.open("wb") as stream:
        stream.truncate(2 << 30)  # takes no room on the disk

    def no_reading(*_: object) -> bytes:
        raise AssertionError("read")

    monkeypatch.setattr(staging, "_piece", no_reading)
    with pytest.raises(ReadFailure) as caught:
        stage(path, tmp_path, 1 << 30)
    assert caught.value.failure is Failure.TOO_LARGE


@pytest.mark.parametrize(("content", "expected"), [(b"", Failure.EMPTY), (None, Failure.GONE)])
def test_nothing_to_copy(tmp_path: Path, content: bytes | None, expected: Failure) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReadFailure) as caught:
        stage(path, tmp_path, 100)
    assert caught.value.failure is expected


def test_a_file_that_changes_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    read = os.read

    def growing(source: int) -> bytes:
        piece = read(source, 100)
        if piece == b"before":
            with path.open("ab") as stream:
                stream.write(b" and after")
        return piece

    monkeypatch.setattr(staging, "_piece", growing)
    with pytest.raises(ReadFailure) as caught:
        stage(path, tmp_path, 100)
    assert caught.value.failure is Failure.CHANGED
    assert list(tmp_path.glob("staged-*")) == []


def test_unpacked_bytes_are_copied_too(tmp_path: Path) -> None:
    staged = stage_bytes(b"words", tmp_path, 7)
    assert staged.path.read_bytes() == b"words"
    assert (staged.digest, staged.size, staged.mtime_ns) == (
        hashlib.sha256(b"words").hexdigest(),
        5,
        7,
    )
    staging.sweep(tmp_path)
    assert not staged.path.exists()


def test_a_disk_that_is_nearly_full_stops_the_run(tmp_path: Path) -> None:
    require_space(tmp_path, 1)
    with pytest.raises(HomeFull, match="full"):
        require_space(tmp_path, 1 << 60)


def test_a_full_disk_stops_the_run_cleanly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(staging.tempfile, "mkstemp", full)
    with pytest.raises(HomeFull, match="full"):
        stage(path, tmp_path, 100)


@pytest.mark.parametrize("failure", Failure)
def test_every_failure_is_one_sentence_that_says_what_to_do(failure: Failure) -> None:
    said = sentence("a.pdf", failure)
    assert said.startswith("a.pdf ")
    assert said.endswith(".")
    assert said.count(". ") == 0
    assert ";" in said  # what happened; what to do
    assert sentence("a.jsonl", failure, 3).startswith("Line 3 of a.jsonl ")
