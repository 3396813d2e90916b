"""The files behind `assistant.shelving`: its lock, temporary copies, durable writes."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO

from assistant.errors import ShelfError
from assistant.shelf import FORMAT, PENDING
from index.files import flush_folder, private_folder

LOCK = ".lock"
ADDING = ".adding-"  # copies under way
RESERVE = 64 << 20  # bytes that an addition leaves free, for the log and the manifest
CHUNK = 4 << 20


def free_bytes(folder: Path) -> int:
    """Bytes that may be written to the disk of `folder`."""
    return shutil.disk_usage(folder).free


def refuse_too_large(
    folder: Path, what: str, needed: int, free: Callable[[Path], int] = free_bytes
) -> None:
    """Raise ShelfError if `needed` bytes and a reserve do not fit the disk of `folder`."""
    private_folder(folder)
    there = free(folder)
    if there < needed + RESERVE:
        raise ShelfError(
            f"{what} needs {needed / 1e6:,.0f} MB and the disk that holds {folder} has "
            f"{there / 1e6:,.0f} MB free ({RESERVE / 1e6:,.0f} MB must stay free): free some "
            "space and try again; nothing was added."
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the shelf: whoever else wants to change it waits."""
    private_folder(folder)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def temporary(
    folder: Path, listed: Callable[[], Collection[str]]
) -> Iterator[tuple[BufferedRandom, Path]]:
    """A new hidden file, locked as long as it is written; gone afterwards unless it was renamed.

    What earlier ones left is cleared away first, but for the names that `listed` gives.
    """
    with locked(folder):  # so that nobody takes it for abandoned before it is locked
        _clear_abandoned(folder, listed())
        descriptor, name = tempfile.mkstemp(prefix=ADDING, dir=folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    with os.fdopen(descriptor, "w+b") as file:
        try:
            yield file, Path(name)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Say of a full disk what it means here."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ShelfError(
            f"The disk that holds {folder} is full: the shelf is as it was before, free some "
            "space and try again."
        ) from error


def _clear_abandoned(folder: Path, listed: Collection[str]) -> None:
    """Delete the temporary files of additions that were cut off, with the shelf's lock held.

    One that is still being written is locked by its writer, and stays.
    """
    for path in [*folder.glob(f"{ADDING}*"), *folder.glob(f"{PENDING}*")]:
        if path.name in listed:
            continue
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def copied(source: BinaryIO, target: BinaryIO) -> tuple[str, int]:
    """Copy all of `source`, durably; the hex SHA-256 and the size of what was copied."""
    digest, size = hashlib.sha256(), 0
    while data := source.read(CHUNK):
        digest.update(data)
        target.write(data)
        size += len(data)
    target.flush()
    os.fsync(target.fileno())
    return digest.hexdigest(), size


def write_object(path: Path, value: Mapping[str, object]) -> None:
    """Replace `path` by a JSON object, so that a reader or a crash sees the old one or the new."""
    text = json.dumps({"format": FORMAT, **value}, indent=2, ensure_ascii=True) + "\n"
    descriptor, name = tempfile.mkstemp(prefix=ADDING, dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    flush_folder(path.parent)
