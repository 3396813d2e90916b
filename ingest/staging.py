"""A private copy of a file: what is hashed, read and kept are then the same bytes, whatever
happens to the original meanwhile. A file over the size limit is never read.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from index.errors import HomeFull
from index.files import file_errors
from ingest.errors import Failure, ReadFailure

PREFIX = "staged-"
_PIECE = 1 << 20  # bytes read at once


@dataclass(frozen=True, slots=True)
class Staged:
    """The copy, the hex SHA-256 of its bytes, and size and time of the original as copied."""

    path: Path
    digest: str
    size: int
    mtime_ns: int

    def discard(self) -> None:
        """Remove the copy; nothing if it is gone. One that cannot be removed now is left to
        `sweep`: what was read of it is worth more than the space that it takes."""
        with suppress(OSError):
            self.path.unlink()


def stage(path: Path, folder: Path, most: int) -> Staged:
    """Copy the file at `path`, of at most `most` bytes, into `folder`.

    Raises:
        ReadFailure: UNREADABLE, GONE, NOT_A_FILE, EMPTY, TOO_LARGE, CHANGED.
        HomeFull, HomeUnavailable: the copy cannot be written.
    """
    try:
        source = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        gone = isinstance(error, (FileNotFoundError, NotADirectoryError))
        raise ReadFailure(Failure.GONE if gone else Failure.UNREADABLE) from error
    try:
        before = os.fstat(source)
        if not stat.S_ISREG(before.st_mode):
            raise ReadFailure(Failure.NOT_A_FILE)
        if before.st_size > most:
            raise ReadFailure(Failure.TOO_LARGE)
        if before.st_size == 0:
            raise ReadFailure(Failure.EMPTY)
        copy, digest, size = _copy(source, folder, most)
        after = os.fstat(source)
    finally:
        os.close(source)
    if size != before.st_size or after.st_mtime_ns != before.st_mtime_ns:
        copy.unlink()
        raise ReadFailure(Failure.CHANGED)
    return Staged(copy, digest, size, before.st_mtime_ns)


def stage_bytes(data: bytes, folder: Path, mtime_ns: int) -> Staged:
    """The same for bytes that were unpacked from a file of the time `mtime_ns`.

    Raises HomeFull, HomeUnavailable.
    """
    with file_errors(folder):
        handle, name = tempfile.mkstemp(dir=folder, prefix=PREFIX)
    copy = Path(name)
    try:
        with file_errors(folder), os.fdopen(handle, "wb") as out:
            out.write(data)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    return Staged(copy, hashlib.sha256(data).hexdigest(), len(data), mtime_ns)


def require_space(folder: Path, least: int) -> None:
    """Raise HomeFull unless the disk of `folder` has `least` bytes free: a run that ends before
    the disk is full leaves room for the databases' own logs.
    """
    with file_errors(folder):
        free = shutil.disk_usage(folder).free
    if free < least:
        raise HomeFull(folder)


def _copy(source: int, folder: Path, most: int) -> tuple[Path, str, int]:
    digest = hashlib.sha256()
    size = 0
    with file_errors(folder):
        handle, name = tempfile.mkstemp(dir=folder, prefix=PREFIX)
    copy = Path(name)
    try:
        with file_errors(folder), os.fdopen(handle, "wb") as out:
            while piece := _piece(source):
                digest.update(piece)
                size += len(piece)
                if size > most:
                    raise ReadFailure(Failure.TOO_LARGE)
                out.write(piece)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    return copy, digest.hexdigest(), size


def _piece(source: int) -> bytes:
    try:
        return os.read(source, _PIECE)
    except OSError as error:
        raise ReadFailure(Failure.UNREADABLE) from error


def sweep(folder: Path) -> None:
    """Remove copies that a crash left behind."""
    for left in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):
            left.unlink()
