"""Folders and locks of the home, private to their owner, with errors a person can act on."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from index.errors import HomeFull, HomeUnavailable

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600


@contextmanager
def file_errors(place: Path) -> Iterator[None]:
    """Turns `OSError` into `HomeFull` or `HomeUnavailable`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise HomeFull(place) from error
        raise HomeUnavailable(place, error.strerror or str(error)) from error


def is_full(error: Exception) -> bool:
    """Whether a compiled library's error, which has a text only, speaks of a full disk."""
    said = str(error)
    return any(word in said for word in (os.strerror(errno.ENOSPC), "os error 28", "disk is full"))


def private_folder(path: Path) -> Path:
    """Create `path` (and its parents) readable by the owner only, unless it is there."""
    with file_errors(path):
        path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    return path


def flush_folder(folder: Path) -> None:
    """Make the names in `folder` durable: a file's bytes alone do not survive a loss of power."""
    with file_errors(folder):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_folder(path: Path) -> None:
    """Remove a folder and all in it so that it is gone at once, however this ends.

    It is renamed first: what opens it later never meets one of which only half is left. A crash
    leaves the renamed one, which the next call, or `remove_discarded`, takes away.
    """
    grave = _grave(path)
    shutil.rmtree(grave, ignore_errors=True)
    with file_errors(path), suppress(FileNotFoundError):
        path.rename(grave)
    shutil.rmtree(grave, ignore_errors=True)


def remove_discarded(path: Path) -> None:
    """Take away what a `remove_folder` of `path` left when it was interrupted."""
    shutil.rmtree(_grave(path), ignore_errors=True)


def _grave(path: Path) -> Path:
    return path.with_name(f"{path.name}.discarded")


def size_of(place: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 if there is nothing."""
    found = 0
    for path in [place, *place.rglob("*")]:
        with suppress(OSError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                found += status.st_size
    return found


class FileLock:
    """An exclusive lock between processes (`flock`): gone when its holder is, however it ends.

    Not for network file systems that do not carry `flock`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    @property
    def held(self) -> bool:
        return self._handle is not None

    def acquire(self) -> bool:
        """Take the lock if nobody else has it; whether it is held now. Never waits."""
        if self._handle is not None:
            return True
        private_folder(self._path.parent)
        with file_errors(self._path):
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def release(self) -> None:
        """Let others have it; nothing if it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
