"""SQLite as the log and its keystore use it: opening, transactions, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.errors import (
    AuditError,
    DiskFaultError,
    DiskFullError,
    LogClosedError,
    LogCorruptError,
    LogLockedError,
    LogUnwritableError,
)

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DENIED = frozenset(
    {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
)
_DAMAGED = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_SCHEMA,
        sqlite3.SQLITE_CONSTRAINT,
    }
)


def explain(error: sqlite3.Error, path: Path) -> AuditError:
    """The error of ours that says what `error` means for the database at `path`.

    The decision rests on SQLite's primary result code (https://www.sqlite.org/rescode.html); an
    error without one was raised by Python's own wrapper, of which "closed" is the only one that a
    correct program can meet.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, sqlite3.ProgrammingError) and code is None:
        return LogClosedError()
    primary = None if code is None else code & 0xFF
    if primary in _BUSY:
        return LogLockedError(path)
    if primary == sqlite3.SQLITE_FULL:
        return DiskFullError(path)
    if primary in _DENIED:
        return LogUnwritableError(path, str(error))
    if primary in _DAMAGED or isinstance(error, sqlite3.IntegrityError):
        return LogCorruptError(path, str(error))
    return DiskFaultError(path, str(error))


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn any SQLite or operating-system failure inside the block into an AuditError."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from error
    except OSError as error:
        raise LogUnwritableError(path, error.strerror or str(error)) from error


def make_private_folder(path: Path) -> None:
    """Create `path` (mode 0700) and its parents so that they survive a power cut.

    Raises LogUnwritableError.
    """
    with explained(path):
        missing = [each for each in (path, *path.parents) if not each.exists()]
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in reversed(missing):
            sync_folder(each.parent)


def sync_folder(path: Path) -> None:
    """Have the names in a folder on disk: syncing a file keeps its content, not its name. Raises
    OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def connect(path: Path, *, busy_timeout_ms: int) -> sqlite3.Connection:
    """Open (or create, mode 0600) the database at `path`, in autocommit mode.

    The connection may be used by several threads; the caller serialises them. Text is returned as
    `str`; the caller sets the journal. Raises AuditError.
    """
    with explained(path):
        _create_private(path)
        connection = sqlite3.connect(
            path, timeout=busy_timeout_ms / 1000, isolation_level=None, check_same_thread=False
        )
    connection.text_factory = decode_text
    return connection


def decode_text(raw: bytes) -> str:
    """Text as stored; bytes that are not UTF-8 become U+FFFD, which no comparison accepts."""
    return raw.decode("utf-8", errors="replace")


def _create_private(path: Path) -> None:
    """Create an empty file of mode 0600, which SQLite's WAL takes over; leave an existing one.

    An existing file must not even be opened here: closing it would drop the POSIX locks that
    SQLite holds on it elsewhere in this process (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return


@contextmanager
def write_transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """BEGIN IMMEDIATE ... COMMIT; on any exception ROLLBACK. SQLite's errors become AuditErrors."""
    with explained(path):
        try:
            # Within the block: Ctrl+C right after it must not leave the transaction open.
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("COMMIT")
        except BaseException:
            # A full disk or a failed COMMIT may have ended the transaction already.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
