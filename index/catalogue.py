"""The catalogue file: opening, transactions, and what SQLite's failures mean to a person.

What is read and written inside a transaction stands in `index.reading` and `index.writing`.

A transaction sees one state of the catalogue from its first statement to its last (WAL snapshot).
Writers take the write lock when they begin, so two of them never fail half way; a commit has
reached the disk when it returns (`synchronous=FULL`). Deleted rows are overwritten
(`secure_delete`), though SQLite's log keeps a copy until it is emptied (`vacuum`) and a solid-state
disk may keep more: who must rely on erasure encrypts the disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from index import migrations
from index.errors import (
    CatalogueBusy,
    CatalogueCorrupt,
    ConfigurationError,
    HomeFull,
    HomeUnavailable,
    IndexFailure,
)
from index.files import flush_folder

_WRITES = "cloister_writes"
_FILE_MODE = 0o600
_PAGE = 4_096  # bytes, SQLite's default
_LONG_LOG = 1_000_000  # bytes
_SMALL = 1_000_000  # bytes: a file that need not be written anew


def _translated(error: BaseException | None, place: str) -> IndexFailure:
    """SQLite's error as one of ours; the low byte is the primary code (sqlite.org/rescode.html)."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return HomeFull(place)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return CatalogueBusy(place)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return CatalogueCorrupt(place)
    return HomeUnavailable(place, str(error))


class Catalogue:
    """The system of record.

    Raises (here and in every transaction):
        HomeUnavailable, HomeFull, CatalogueBusy, CatalogueCorrupt: the file cannot be used.
        CatalogueTooNew: a later version wrote it.
    """

    def __init__(self, url: str, busy_timeout_ms: int = 10_000) -> None:
        try:
            parsed = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            raise ConfigurationError(
                f"catalogue_url {url!r} is not an SQLAlchemy URL; correct it in cloister.toml."
            ) from error
        if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
            raise ConfigurationError(
                f"catalogue_url {url!r} does not name an SQLite file, the only kind supported so "
                "far; correct it in cloister.toml."
            )
        self.path = Path(str(parsed.database))
        self._busy_timeout_ms = busy_timeout_ms
        self._create_file()
        self._engine = sa.create_engine(parsed, connect_args={"timeout": busy_timeout_ms / 1000})
        event.listen(self._engine, "connect", self._configure)
        event.listen(self._engine, "begin", self._begin)
        with self.read() as connection:
            found = migrations.schema_version(connection)
        if found != migrations.SCHEMA_VERSION:
            with self.write() as connection:
                migrations.migrate(connection)

    def _create_file(self) -> None:
        # Created here and not by SQLite, so that the text in it is never readable by others.
        try:
            new = not self.path.exists()
            self.path.touch(mode=_FILE_MODE, exist_ok=True)
        except OSError as error:
            raise HomeUnavailable(self.path, error.strerror or str(error)) from error
        if new:
            flush_folder(self.path.parent)

    def _configure(self, raw: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        raw.isolation_level = None  # transactions begin in _begin, not where the driver guesses
        for pragma in (
            f"busy_timeout={self._busy_timeout_ms}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
        ):
            raw.execute(f"PRAGMA {pragma}").close()

    @staticmethod
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    @contextmanager
    def _transaction(self, **options: Any) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                connection = connection.execution_options(**options)
                with connection.begin():
                    yield connection
        except DBAPIError as error:
            raise _translated(error.orig, str(self.path)) from error

    def read(self) -> AbstractContextManager[sa.Connection]:
        """A context manager: a connection that sees one state and changes nothing."""
        return self._transaction()

    def write(self) -> AbstractContextManager[sa.Connection]:
        """A context manager: a connection whose changes appear together when the block ends."""
        return self._transaction(**{_WRITES: True})

    def problems(self) -> list[str]:
        """What SQLite's own checks find: damaged pages, rows whose owner is gone."""
        with self.read() as connection:
            rows = connection.exec_driver_sql("PRAGMA integrity_check(10)").scalars().all()
            found = [str(row) for row in rows if row != "ok"]
            orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        return found + [f"a row of {row[0]} points to a missing row of {row[2]}" for row in orphans]

    @property
    def log_path(self) -> Path:
        """SQLite's log of what is not in the file itself yet."""
        return self.path.with_name(f"{self.path.name}-wal")

    def slack(self) -> float:
        """The share of the file's pages that hold nothing, 0..1."""
        with self.read() as connection:
            free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return float(free / pages) if pages * _PAGE > _SMALL else 0.0

    def empty_log(self) -> bool:
        """Move SQLite's log into the file and cut it off, if it is long; whether it is short now.

        Does not wait for readers of an older state: the next call will do it.
        """
        if not self.log_path.exists() or self.log_path.stat().st_size <= _LONG_LOG:
            return True
        with self._raw() as cursor:
            cursor.execute("PRAGMA busy_timeout=100")
            try:
                outcome = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                cursor.execute(f"PRAGMA busy_timeout={self._busy_timeout_ms}")
        return not outcome[0][0]

    def vacuum(self) -> bool:
        """Write the file anew, without free pages, and empty SQLite's log of what was before.

        It needs free space of about the file's size, part of it in SQLite's folder for temporary
        files (an unlinked file that only its owner can read; `SQLITE_TMPDIR` names another).
        Readers go on meanwhile, writers wait.

        Returns:
            Whether the log is empty; False while another connection still reads an older state.
            The bytes of deleted text may then be in it until the next call.
        """
        with self._raw() as cursor:
            cursor.execute("VACUUM")
            outcome = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return not outcome[0][0]  # one row: whether it was kept from it, and two counts

    @contextmanager
    def _raw(self) -> Iterator[sqlite3.Cursor]:
        """SQLite's own cursor, outside any transaction."""
        raw = self._engine.raw_connection()
        try:
            with closing(raw.driver_connection.cursor()) as cursor:  # type: ignore[union-attr]
                yield cursor
        except sqlite3.Error as error:
            raise _translated(error, str(self.path)) from error
        finally:
            raw.close()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
