"""Reading a log's database and WAL without changing a byte, whether live, at rest, or a copy.

- Somebody has it open, or died with it open (there is a `-shm` file): join them read-only; SQLite
  gives a consistent view and touches no file but that transient index.
- It is at rest without a WAL: open it as immutable, which creates no files beside it.
- It is a copy with a WAL, or lies on a read-only medium: read a temporary copy.

Nothing here trusts the file: a cell may claim any size, the schema may be any, and what is named
`log.db` or `latest.note` may be a pipe that nobody ever writes to.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from audit.database import explain
from audit.errors import (
    AuditError,
    LogCorruptError,
    LogMissingError,
    LogUnreadableError,
    LogUnwritableError,
)

BUSY_SECONDS = 10.0
# No cell but a payload is near this size, and payloads above it are read piece by piece.
MAX_CELL_BYTES = 1 << 21
_PIECE = 1 << 20
# Damage to the file that SQLite reports by other codes than those of `audit.database`.
_DAMAGE = frozenset(
    {sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_FORMAT}
)


@dataclass(frozen=True, slots=True)
class Source:
    """A database to read and how to open it: the query of an SQLite URI."""

    path: Path
    how: str

    @property
    def at_rest(self) -> bool:
        """Whether nobody has it open and it has no WAL: its bytes are all there is."""
        return "immutable" in self.how


@contextmanager
def open_snapshot(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees one moment of `database` and cannot write to it.

    Raises LogMissingError, LogUnreadableError or LogCorruptError. What SQLite raises in the block
    passes through (see `explained`).
    """
    with snapshot(database) as (connection, _):
        yield connection


@contextmanager
def snapshot(database: Path) -> Iterator[tuple[sqlite3.Connection, Source]]:
    """As `open_snapshot`, with what to open for a second connection to the same database."""
    try:
        there = stat.S_ISREG(database.stat().st_mode)
        target = database.resolve()  # SQLite, too, looks for the WAL beside the file itself
    except FileNotFoundError:
        there = False
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symbolic links
        raise LogUnreadableError(database, str(error)) from error
    if not there:
        raise LogMissingError(database.parent)
    with tempfile.TemporaryDirectory(prefix="cloister-verify-") as temporary:
        connection, source = _connect(target, Path(temporary))
        try:
            yield connection, source
        finally:
            connection.close()


def fingerprint(database: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size in bytes and time of change (ns) of the database and its WAL.

    A log at rest is read without locks; if this differs before and after, somebody opened it
    meanwhile and what was read may be a mixture.
    """
    found = []
    for path in (database, database.with_name(f"{database.name}-wal")):
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((path.name, status.st_size, status.st_mtime_ns))
    return tuple(found)


def open_regular(path: Path) -> BinaryIO:
    """Open an ordinary file for reading; never wait for somebody to write to a pipe.

    Raises FileNotFoundError, another OSError, or LogUnreadableError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LogUnreadableError(path, "it is no ordinary file")
    return os.fdopen(descriptor, "rb")


def read_small(path: Path, limit: int) -> bytes:
    """The whole content of an ordinary file of at most `limit` bytes.

    Raises FileNotFoundError, or LogUnreadableError for anything else that keeps it from being read.
    """
    try:
        with open_regular(path) as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LogUnreadableError(path, error.strerror or str(error)) from error
    if len(content) > limit:
        raise LogUnreadableError(path, f"it is longer than {limit} bytes")
    return content


def file_digest(path: Path) -> str:
    """Length in bytes and hex SHA-256 of a file, with a space between. Raises OSError."""
    total, length = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            total.update(piece)
            length += len(piece)
    return f"{length} {total.hexdigest()}"


def _connect(database: Path, temporary: Path) -> tuple[sqlite3.Connection, Source]:
    wal = database.with_name(f"{database.name}-wal")
    shared = database.with_name(f"{database.name}-shm")
    if shared.exists():
        joined = Source(database, "mode=ro")
        # On a read-only medium, or without the right to write, the shared memory cannot be used.
        with suppress(LogUnwritableError):
            return open_source(joined), joined
    if wal.exists() and wal.stat().st_size:
        copied = Source(_copy(database, wal, temporary), "mode=rw")
        return open_source(copied), copied
    resting = Source(database, "mode=ro&immutable=1")
    try:
        return open_source(resting), resting
    except LogUnwritableError as error:
        raise LogUnreadableError(database, str(error.__cause__)) from error


def _copy(database: Path, wal: Path, temporary: Path) -> Path:
    target = temporary / database.name
    try:
        shutil.copyfile(database, target)
        shutil.copyfile(wal, target.with_name(wal.name))
    except OSError as error:
        raise LogUnreadableError(database, error.strerror or str(error)) from error
    return target


def _decode(raw: bytes) -> str:
    """Text as stored; bytes that are not UTF-8 become lone surrogates, which no valid text holds,
    so that no comparison accepts them."""
    return raw.decode("utf-8", errors="surrogateescape")


def open_source(source: Source) -> sqlite3.Connection:
    """A connection in a read transaction. Raises AuditError."""
    connection = None
    try:
        connection = sqlite3.connect(
            f"{source.path.as_uri()}?{source.how}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
        )
        connection.text_factory = _decode
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_CELL_BYTES)
        # The schema in the file is not trusted either: no functions in views, no bad cells.
        for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "query_only=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        # The first read fixes the moment that this connection sees.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except (sqlite3.Error, UnicodeError) as error:
        if connection is not None:
            connection.close()
        raise explained(error, source.path) from error
    return connection


def explained(error: sqlite3.Error | UnicodeError, database: Path) -> AuditError:
    """As `audit.database.explain`, also for what a damaged or hostile file brings about.

    SQLite quotes the schema in its messages; where that is no UTF-8, Python raises UnicodeError in
    place of the message.
    """
    if isinstance(error, UnicodeError):
        return LogCorruptError(database, "its schema is not text")
    code = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_IOERR_SHORT_READ or code & 0xFF in _DAMAGE:
        return LogCorruptError(database, str(error))
    return explain(error, database)
