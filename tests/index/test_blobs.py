"""Original bytes: whole or not there."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from index.blobs import Blobs
from index.errors import HomeUnavailable, InvalidDocument
from index.files import FileLock, is_full, private_folder

TEXT = b"the original"
ID = hashlib.sha256(TEXT).hexdigest()


@pytest.fixture
def blobs(home: Path) -> Blobs:
    return Blobs(home / "blobs", home / "tmp")


def test_bytes_lie_under_their_hash(blobs: Blobs, home: Path) -> None:
    blobs.store(ID, TEXT, "a.txt")
    path = home / "blobs" / ID[:2] / ID
    assert blobs.path(ID) == path
    assert path.read_bytes() == TEXT
    assert blobs.ids() == {ID}
    assert not blobs.altered(ID)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_is_copied_and_stays(blobs: Blobs, tmp_path: Path) -> None:
    original = tmp_path / "a.txt"
    original.write_bytes(TEXT)
    blobs.store(ID, original, "a.txt")
    blobs.store(ID, original, "a.txt")
    assert original.read_bytes() == TEXT
    assert blobs.path(ID).read_bytes() == TEXT


def test_bytes_that_changed_under_way_are_refused(blobs: Blobs, home: Path) -> None:
    with pytest.raises(InvalidDocument, match=r"a\.txt"):
        blobs.store(ID, TEXT + b"!", "a.txt")
    assert blobs.ids() == set()
    assert list((home / "tmp").glob("blob-*")) == []


def test_what_a_crash_left_is_swept(blobs: Blobs, home: Path) -> None:
    (home / "tmp" / "blob-half").write_bytes(b"half")
    with blobs.cleaning():
        assert blobs.sweep() == 1
    assert not (home / "tmp" / "blob-half").exists()


def test_altered_and_discarded(blobs: Blobs) -> None:
    blobs.store(ID, TEXT, "a.txt")
    blobs.path(ID).write_bytes(b"something else")
    assert blobs.altered(ID)
    blobs.discard(ID)
    blobs.discard(ID)
    assert blobs.ids() == set()


def test_other_files_are_no_blobs(blobs: Blobs, home: Path) -> None:
    (home / "blobs" / "zz").mkdir()
    (home / "blobs" / "zz" / "notes.txt").write_text("x")
    assert blobs.ids() == set()


def test_a_folder_that_is_a_file_is_one_sentence(home: Path) -> None:
    (home / "blobs").write_text("")
    with pytest.raises(HomeUnavailable) as caught:
        Blobs(home / "blobs", home / "tmp")
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("said", "full"),
    [
        ("database or disk is full", True),
        ("IoError { io_error: Os { code: 28, message: No space left on device } }", True),
        ("write failed (os error 28)", True),
        ("Data corrupted", False),
    ],
)
def test_a_full_disk_is_told_from_damage(said: str, full: bool) -> None:
    assert is_full(ValueError(said)) == full


def test_a_lock_is_private_and_exclusive(home: Path) -> None:
    first, second = FileLock(home / "views" / "x.lock"), FileLock(home / "views" / "x.lock")
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    first.release()
    first.release()
    assert second.acquire()
    assert stat.S_IMODE((home / "views" / "x.lock").stat().st_mode) == 0o600
    assert private_folder(home / "views") == home / "views"


def test_a_file_of_another_length_is_mended_by_the_next_store(blobs: Blobs) -> None:
    blobs.store(ID, TEXT, "a.txt")
    blobs.path(ID).write_bytes(TEXT[:5])
    blobs.store(ID, TEXT, "a.txt")
    assert not blobs.altered(ID)


def test_names_are_flushed_up_to_the_store_itself(
    blobs: Blobs, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    blobs.store(ID, TEXT, "a.txt")
    folder = home / "blobs"
    assert flushed[0] == str(folder)  # the name of the subfolder
    assert Path(flushed[1]).parent == home / "tmp"  # the bytes, before they have their name
    assert flushed[2:] == [str(folder / ID[:2])]  # the name of the file
    blobs.store(ID, TEXT, "a.txt")
    assert flushed[3:] == [str(folder / ID[:2])]  # another process may not have come so far


def test_cleaning_leaves_what_a_document_names(blobs: Blobs, home: Path) -> None:
    blobs.store(ID, TEXT, "a.txt")
    other = hashlib.sha256(b"other").hexdigest()
    blobs.store(other, b"other", "b.txt")
    (home / "tmp" / "blob-half").write_bytes(b"half")
    assert blobs.clean(lambda: {ID}) == [other]
    assert blobs.ids() == {ID}
    assert list((home / "tmp").glob("blob-*")) == []
