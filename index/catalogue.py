"""The catalogue file: opening, transactions, and what SQLite's failures mean to a person.

What is read and written inside a transaction stands in `index.reading` and `index.writing`.

A transaction sees one state of the catalogue from its first statement to its last (WAL snapshot).
Writers take the write lock when they begin, so two of them never fail half way; a commit has
reached the disk when it returns (`synchronous=FULL`). Deleted rows are overwritten
(`secure_delete`), though SQLite's log keeps a copy until its next checkpoint and a solid-state
disk may keep more: who must rely on erasure encrypts the disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
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

_WRITES = "cloister_writes"
_FILE_MODE = 0o600


def _translated(error: DBAPIError, place: str) -> IndexFailure:
    """SQLite's error as one of ours; the low byte is the primary code (sqlite.org/rescode.html)."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return HomeFull(place)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return CatalogueBusy(place)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return CatalogueCorrupt(place)
    return HomeUnavailable(place, str(error.orig))


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
            self.path.touch(mode=_FILE_MODE, exist_ok=True)
        except OSError as error:
            raise HomeUnavailable(self.path, error.strerror or str(error)) from error

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
            raise _translated(error, str(self.path)) from error

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

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
