"""The vector view on a server: PostgreSQL with the extension pgvector.

One table a Cloister collection, so that access is never a filter, all in one schema that belongs
to one home. A collection's generation is written in the transaction that writes its rows: what a
crash interrupts has not happened. Any number of processes and machines may search at once; who
writes holds the collection's lock, an advisory one of the server, which ends with its connection.

Up to `EXACT_UP_TO` rows every vector is compared. Beyond, the graph (HNSW) is built in the step
that makes the view whole, which is several times as fast as growing it row by row. What is
deleted is out of every search at once; the server's own vacuum takes it out of the files.

Not protected against: whoever may read the server's database, its backups or its write-ahead log.
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateSchema, CreateTable, DropTable

from index.errors import ConfigurationError, InvalidName, ViewUnavailable
from index.files import file_errors, private_folder
from index.pgvector_tables import Tables, copied, written
from index.ports import Scored, VectorRows
from index.postgres import ANSWER_S, WORK_S, Server
from index.records import Vector

log = logging.getLogger(__name__)

EXACT_UP_TO = 4_000  # rows; comparing that many takes about 6 ms
_SEARCHED_LEAST, _SEARCHED_MOST = 200, 1_000  # candidates in the graph; the server's limit
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,47}")
_PAUSE_S = 30.0  # a server that did not answer is not asked again for so long
_LOCK_MS = 10_000  # how long a writer without the lock waits for who has it


def home_mark(path: Path) -> str:
    """What tells this home from others that use the same server; made when first asked for.

    Raises:
        HomeUnavailable, HomeFull: the file cannot be read or made.
    """
    private_folder(path.parent)
    with file_errors(path):
        with suppress(FileExistsError), path.open("x", encoding="ascii") as file:
            path.chmod(0o600)
            file.write(secrets.token_hex(16))
        return path.read_text(encoding="ascii")


class PgVectors:
    """A `PersistentVectors` in one schema of a database. May be called from several threads.

    Raises (all methods):
        ViewUnavailable: the server cannot be reached, refuses, or another process is at work on
            the collection; what it holds is as good as before.
        ViewDamaged: tables are missing or not as they should be; `discard` and fill anew.
        InvalidName: no collection can have this name.
    """

    name = "pgvector"

    def __init__(self, server: Server, schema: str, dimensions: int, home: str) -> None:
        """Connects to nothing yet. Raises ConfigurationError: a schema's name, or no driver."""
        if not _SCHEMA.fullmatch(schema):
            raise ConfigurationError(
                f"{schema!r} cannot be the vector_schema of [index]: use up to 48 small letters, "
                "digits or '_', starting with a letter."
            )
        self._server = server
        self._tables = Tables(schema, dimensions)
        self._home = home
        self._readers = server.engine(
            ANSWER_S, isolation_level="AUTOCOMMIT", pool_size=8, max_overflow=8
        )
        self._writers = server.engine(WORK_S, pool_size=2)
        self._writing = threading.RLock()  # one writer of this process at a time
        self._locked: dict[str, sa.Connection] = {}
        self._told: dict[str, int] = {}  # the last generation given out, by collection
        self._prepared = False
        self._unanswered = float("-inf")  # when the server last gave no answer

    def ready(self) -> PgVectors | None:
        """This store if the server can be used now, else None, which the log explains.

        A server that could not be used is not asked again for half a minute.
        """
        if self._pausing():
            return None
        try:
            self._prepare()
        except ViewUnavailable as failure:
            log.warning("%s", failure)
            self._unanswered = time.monotonic()
            return None
        return self

    def generation(self, collection: str) -> int:
        with self._reading(collection) as connection:
            found = self._entry(connection, collection)
        self._told[collection] = found[1] if found else 0
        return self._told[collection]

    def count(self, collection: str) -> int:
        with self._reading(collection) as connection:
            rows = self._rows(connection, collection)
            if rows is None:
                return 0
            return connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar_one()

    def chunks(self, collection: str) -> set[str]:
        with self._reading(collection) as connection:
            rows = self._rows(connection, collection)
            return set() if rows is None else set(connection.scalars(sa.select(rows.c.chunk)))

    def holds(self, collection: str) -> bool:
        with self._reading(collection) as connection:
            return self._entry(connection, collection) is not None

    def names(self) -> list[str]:
        name = self._tables.collections.c.name
        with self._reading() as connection:
            return sorted(connection.scalars(sa.select(name)))

    def rows(self, collection: str, chunks: Sequence[str]) -> VectorRows:
        with self._reading(collection) as connection:
            rows = self._rows(connection, collection)
            found: list[Any] = []
            if rows is not None:
                found = list(connection.execute(self._tables.named(rows), {"chunks": list(chunks)}))
        return self._tables.unpacked(found)

    def wasted(self, collection: str) -> int:
        """Always 0: the server's vacuum takes away what is deleted, building anew gains nothing."""
        return 0

    def lock(self, collection: str) -> PgLock:
        """The lock that whoever brings a view up to date holds, among all users of the server."""
        return PgLock(self, collection)

    def drop(self, collection: str) -> None:
        entries = self._tables.collections
        with self._changing(collection) as connection:
            rows = self._rows(connection, collection)
            if rows is not None:
                connection.execute(sa.delete(entries).where(entries.c.name == collection))
                connection.execute(DropTable(rows, if_exists=True))
        self._told.pop(collection, None)

    def discard(self) -> None:
        """Drop all collections, with the server's files of them; this store stays of use."""
        self._prepared = False  # who removed a table by hand may have removed others
        for each in self.names():
            self.drop(each)

    def close(self) -> None:
        """Let go of locks and connections; what is used after that connects again."""
        for collection in list(self._locked):
            self._unlock(collection)
        self._readers.dispose()
        self._writers.dispose()

    def apply(
        self, collection: str, removed: Collection[str], rows: VectorRows, generation: int
    ) -> None:
        entries = self._tables.collections
        with self._changing(collection) as connection:
            table = self._made(connection, collection)
            gone = sorted(set(removed) | set(rows.documents))
            if gone:
                named = sa.bindparam("gone", gone, type_=sa.ARRAY(sa.Text))
                connection.execute(sa.delete(table).where(table.c.document == sa.any_(named)))
            if rows.chunks:
                # The driver's own cursor: COPY is no statement with parameters.
                cursor: Any = connection.connection.cursor()
                cursor.execute(
                    f"COPY {table.fullname} FROM STDIN (FORMAT binary)", stream=copied(rows)
                )
            if generation:
                self._build_graph(connection, table)
            connection.execute(
                sa.update(entries).where(entries.c.name == collection).values(generation=generation)
            )

    def search(self, collection: str, query: Vector, limit: int) -> list[Scored]:
        with self._reading(collection) as connection:
            entry = self._entry(connection, collection)
            generation = entry[1] if entry else 0
            if generation < self._told.get(collection, 0):
                # Who asked for the generation takes this view for whole, and it is no more.
                raise ViewUnavailable(self._server.place, "another process is filling it anew")
            if entry is None or not generation or limit < 1:
                return []
            rows = self._tables.rows(entry[0])
            asked = {"q": written(query), "k": limit}
            found: list[Any] = []
            if limit <= _SEARCHED_MOST:
                _look_at(connection, max(_SEARCHED_LEAST, min(2 * limit, _SEARCHED_MOST)))
                by_graph = self._tables.nearest(rows, exact=False)
                found = list(connection.execute(by_graph, asked))
            if len(found) < limit:  # the deleted are among the candidates in the graph
                every_one = self._tables.nearest(rows, exact=True)
                found = list(connection.execute(every_one, asked))
        ranked = sorted(found, key=lambda row: (-row.score, row.chunk))
        return [Scored(row.chunk, float(row.score)) for row in ranked]

    def _prepare(self) -> None:
        """Schema and tables, once; and that they belong to this home."""
        if self._prepared:
            return
        schema, home = self._tables.schema, self._tables.home
        with self._mapped(), self._readers.connect() as connection:
            connection = connection.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                _wait_for(connection, f"cloister {schema}")
                # Asked first, since making what is there already needs the right to make it.
                if not connection.scalar(
                    sa.text("SELECT 1 FROM pg_extension WHERE extname = 'vector'")
                ):
                    connection.execute(sa.text("CREATE EXTENSION vector"))
                if not sa.inspect(connection).has_schema(schema):
                    connection.execute(CreateSchema(schema))
                self._tables.fixed.create_all(connection)
                mark = connection.scalar(sa.select(home.c.mark))
                if mark is None:
                    connection.execute(sa.insert(home).values(mark=self._home))
                elif mark != self._home:
                    raise ViewUnavailable(
                        self._server.place,
                        f"the schema {schema} is another home's, or this home's folder views was "
                        f"removed: set another vector_schema, or DROP SCHEMA {schema} CASCADE",
                    )
        self._prepared = True

    def _entry(self, connection: sa.Connection, collection: str) -> tuple[int, int] | None:
        """A collection's number and generation."""
        row = connection.execute(self._tables.entry, {"n": collection}).first()
        return None if row is None else (int(row.number), int(row.generation))

    def _rows(self, connection: sa.Connection, collection: str) -> sa.Table | None:
        entry = self._entry(connection, collection)
        return None if entry is None else self._tables.rows(entry[0])

    def _made(self, connection: sa.Connection, collection: str) -> sa.Table:
        """The collection's table, made if need be."""
        found = self._rows(connection, collection)
        if found is not None:
            return found
        entries = self._tables.collections
        number = connection.execute(
            sa.insert(entries).values(name=collection, generation=0).returning(entries.c.number)
        ).scalar_one()
        table = self._tables.rows(number)
        connection.execute(CreateTable(table))
        for index in table.indexes:
            connection.execute(CreateIndex(index))
        return table

    def _build_graph(self, connection: sa.Connection, rows: sa.Table) -> None:
        """The graph, if there is none and there are enough rows."""
        graph = self._tables.graph(rows)
        name = f"{self._tables.schema}.{graph.name}"
        if connection.scalar(sa.select(sa.func.to_regclass(name))):
            return
        if connection.scalar(
            sa.select(sa.literal(1)).select_from(rows).offset(EXACT_UP_TO).limit(1)
        ):
            connection.execute(CreateIndex(graph))

    def _pausing(self) -> bool:
        return time.monotonic() - self._unanswered < _PAUSE_S

    @contextmanager
    def _reading(self, *collections: str) -> Iterator[sa.Connection]:
        """A connection on which every statement is a transaction."""
        for each in collections:
            _check(each)
        self._prepare()
        with self._mapped(), self._readers.connect() as connection:
            try:
                yield connection
            except Exception:  # an answer may still be on its way to it: nobody else's
                connection.invalidate()
                raise

    @contextmanager
    def _changing(self, collection: str) -> Iterator[sa.Connection]:
        """A transaction that only one process at a time has for a collection."""
        _check(collection)
        self._prepare()
        with self._writing, self._mapped():
            held = self._locked.get(collection)
            if held is None:
                with self._writers.begin() as connection:
                    _wait_for(connection, self._key(collection))
                    yield connection
                return
            try:
                with held.begin():
                    _wait_for(held, self._key(collection))  # at once: this connection has it
                    yield held
            finally:
                if held.invalidated:  # it would connect again, without the lock
                    self._unlock(collection)

    def _key(self, collection: str) -> str:
        return f"cloister {self._tables.schema} {collection}"

    def _try_lock(self, collection: str) -> bool:
        _check(collection)
        self._prepare()
        with self._writing, self._mapped():
            if collection in self._locked:
                return False
            connection = self._writers.connect()
            taken = False
            try:
                with connection.begin():
                    key = sa.func.hashtextextended(self._key(collection), 0)
                    taken = bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))))
            finally:
                if taken:
                    self._locked[collection] = connection
                else:
                    connection.close()
            return taken

    def _unlock(self, collection: str) -> None:
        with self._writing:
            connection = self._locked.pop(collection, None)
            if connection is not None:
                connection.invalidate()  # the server lets go of the lock with the connection
                connection.close()

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        if self._pausing():
            raise ViewUnavailable(self._server.place, "it did not answer just now")
        try:
            with self._server.errors(self._readers):
                yield
        except ViewUnavailable as failure:
            if failure.unanswered:
                self._unanswered = time.monotonic()
            raise


class PgLock:
    """The lock of one collection of a `PgVectors`; used like an `index.files.FileLock`."""

    def __init__(self, store: PgVectors, collection: str) -> None:
        self._store = store
        self._collection = collection
        self._held = False

    def acquire(self) -> bool:
        """Take the lock if nobody else has it; whether it is held now. Never waits."""
        self._held = self._held or self._store._try_lock(self._collection)
        return self._held

    def release(self) -> None:
        """Let others have it; nothing if it is not held."""
        if self._held:
            self._held = False
            self._store._unlock(self._collection)


def _check(collection: str) -> None:
    if not _NAME.fullmatch(collection):
        raise InvalidName(collection)


def _wait_for(connection: sa.Connection, key: str) -> None:
    """The lock `key` until the transaction ends; what takes too long is an error of the server."""
    connection.execute(sa.text(f"SET LOCAL lock_timeout = {_LOCK_MS}"))
    lock = sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(key, 0))
    connection.execute(sa.select(sa.func.length(sa.cast(lock, sa.Text))))
    connection.execute(sa.text("SET LOCAL lock_timeout = 0"))


def _look_at(connection: sa.Connection, candidates: int) -> None:
    """How many candidates a search of the graph keeps; said once a connection."""
    if connection.info.get("candidates") != candidates:
        connection.execute(sa.text(f"SET hnsw.ef_search = {candidates}"))
        connection.info["candidates"] = candidates
