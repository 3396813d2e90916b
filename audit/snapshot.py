"""Reading a log's database and WAL without changing a byte, whether live, at rest, or a copy.

- Somebody has it open, or died with it open (there is a `-shm` file): join them read-only; SQLite
  gives a consistent view and touches no file but that transient index.
- It is at rest without a WAL: open it as immutable, which creates no files beside it.
- It is a copy with a WAL, or lies on a read-only medium: read a temporary copy.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.database import decode_text, explain
from audit.errors import LogMissingError, LogUnreadableError, LogUnwritableError

BUSY_SECONDS = 10.0


@contextmanager
def open_snapshot(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees one moment of `database` and cannot write to it.

    Raises LogMissingError or LogUnreadableError. SQLite's own errors in the block pass through.
    """
    if not database.is_file():
        raise LogMissingError(database.parent)
    with tempfile.TemporaryDirectory(prefix="cloister-verify-") as temporary:
        connection = _connect(database, Path(temporary))
        try:
            yield connection
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


def _connect(database: Path, temporary: Path) -> sqlite3.Connection:
    wal = database.with_name(f"{database.name}-wal")
    shared = database.with_name(f"{database.name}-shm")
    if shared.exists():
        try:
            return _begin(database, "mode=ro")
        except LogUnwritableError:
            # A read-only medium: the shared-memory file cannot be used there.
            return _begin(_copy(database, wal, temporary), "mode=rw")
    if wal.exists() and wal.stat().st_size:
        return _begin(_copy(database, wal, temporary), "mode=rw")
    return _begin(database, "mode=ro&immutable=1")


def _copy(database: Path, wal: Path, temporary: Path) -> Path:
    target = temporary / database.name
    try:
        shutil.copyfile(database, target)
        if wal.exists():
            shutil.copyfile(wal, target.with_name(wal.name))
    except OSError as error:
        raise LogUnreadableError(database, error.strerror or str(error)) from error
    return target


def _begin(database: Path, how: str) -> sqlite3.Connection:
    connection = None
    try:
        connection = sqlite3.connect(
            f"{database.resolve().as_uri()}?{how}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
        )
        connection.text_factory = decode_text
        # The schema in the file is not trusted either: no functions in views, no bad cells.
        for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "query_only=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        # The first read fixes the moment that this connection sees.
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise explain(error, database) from error
    return connection
