"""The log's tables: records, payloads, tree nodes and checkpoints in one SQLite file.

WAL with `synchronous=FULL`: a commit that returned is on disk, and a torn end of the WAL is left
out when SQLite recovers. Triggers refuse changing or removing rows; they stop accidents in our own
code, not a person with the file, whom only the tree and the checkpoints expose. Retention alone
takes them down, inside the transaction in which it removes what its period allows.

The columns of `leaf` beside `envelope` repeat values of the envelope so that they can be searched;
the verifier compares them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from audit.database import connect, explained, write_transaction
from audit.errors import LogCorruptError
from audit.merkle import Node

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE leaf (
    seq INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    ts_utc INTEGER NOT NULL,    -- nanoseconds since 1970-01-01T00:00:00Z
    session TEXT NOT NULL,
    request_id TEXT NOT NULL,
    hash BLOB NOT NULL,         -- RFC 6962 leaf hash of envelope, 32 bytes
    envelope BLOB NOT NULL      -- the exact bytes that are hashed
) STRICT;
CREATE INDEX leaf_type ON leaf (type);
CREATE INDEX leaf_request ON leaf (request_id) WHERE request_id <> '';
CREATE TABLE payload (
    seq INTEGER PRIMARY KEY REFERENCES leaf (seq),
    stored BLOB NOT NULL        -- nonce, ciphertext, tag: see audit.payload
) STRICT;
CREATE TABLE node (             -- perfect subtrees of two or more leaves: see audit.merkle
    level INTEGER NOT NULL,
    position INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (level, position)
) WITHOUT ROWID, STRICT;
CREATE TABLE checkpoint (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL          -- the signed note
) STRICT;
CREATE TABLE pruned (           -- records that retention removed: their hashes carry the tree
    seq INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    by_seq INTEGER NOT NULL     -- number of the retention.pruned record that says so
) STRICT;
"""
_APPEND_ONLY = ("meta", "leaf", "payload", "node", "checkpoint", "pruned")
_SHRINKING = ("leaf", "payload")  # what retention may remove rows from
_BATCH = 500  # rows read at a time where all are gone through
_COLUMNS = "seq, event_id, type, ts_utc, session, request_id, hash, envelope"


@cache
def definitions() -> Mapping[str, str]:
    """The SQL of each table and index by its name, as a log's database holds it."""
    statements = [each.strip().removesuffix(";") for each in _TABLES.split(";\n")]
    return {each.split()[2]: each for each in statements if each}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One row of `leaf`: `ts_utc` in nanoseconds, `hash` 32 bytes, `envelope` the exact bytes."""

    seq: int
    event_id: str
    type: str
    ts_utc: int
    session: str
    request_id: str
    hash: bytes
    envelope: bytes


@dataclass(frozen=True, slots=True)
class PrunedLeaf:
    """A record that retention removed: its number, leaf hash (32 bytes), and the number of the
    `retention.pruned` record that says so."""

    seq: int
    hash: bytes
    by_seq: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records to list. `type` ends in ".*" to mean a whole family; times in nanoseconds;
    `contains`: the bytes of the envelope hold this text."""

    type: str | None = None
    since: int | None = None
    until: int | None = None
    request_id: str | None = None
    limit: int = 100
    contains: str | None = None

    def where(self) -> tuple[str, tuple[str | int | bytes, ...]]:
        """The SQL condition and its parameters: since <= time < until."""
        terms: list[str] = ["1"]
        values: list[str | int | bytes] = []
        if self.type is not None and self.type.endswith(".*"):
            terms.append("substr(type, 1, ?) = ?")
            values += [len(self.type) - 1, self.type[:-1]]
        elif self.type is not None:
            terms.append("type = ?")
            values.append(self.type)
        for condition, value in (
            ("ts_utc >= ?", self.since),
            ("ts_utc < ?", self.until),
            # As the index says it, or the index is not used.
            ("request_id <> '' AND request_id = ?", self.request_id),
        ):
            if value is not None:
                terms.append(condition)
                values.append(value)
        if self.contains is not None:
            terms.append("instr(envelope, ?) > 0")
            values.append(self.contains.encode("utf-8", "surrogatepass"))
        return " AND ".join(terms), tuple(values)


class LogStore:
    """Reading and writing rows; the caller serialises threads and decides what is written."""

    def __init__(self, path: Path, *, busy_timeout_ms: int) -> None:
        """Open or create the file. Raises AuditError."""
        self.path = path
        self._connection = connect(path, busy_timeout_ms=busy_timeout_ms)
        try:
            with explained(path):
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute("PRAGMA synchronous=FULL")
                # What retention removes is overwritten, not only given free.
                self._connection.execute("PRAGMA secure_delete=ON")
                # Moving the WAL into the database takes several syncs: `checkpoint_wal` does it
                # beside the commits, so that no answer waits for it.
                self._connection.execute("PRAGMA wal_autocheckpoint=0")
        except BaseException:
            self._connection.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside happen together or not at all, after any other process's."""
        with write_transaction(self._connection, self.path):
            yield

    def _rows(self, sql: str, values: Sequence[str | int | bytes] = ()) -> list[tuple[object, ...]]:
        with explained(self.path):
            return self._connection.execute(sql, values).fetchall()

    def _one(self, sql: str, values: Sequence[str | int | bytes] = ()) -> tuple[object, ...] | None:
        rows = self._rows(sql, values)
        return rows[0] if rows else None

    def read_meta(self) -> Mapping[str, str]:
        """What was fixed when the log began; empty if it has not begun."""
        if not self._has("meta"):
            return {}
        return {str(key): str(value) for key, value in self._rows("SELECT key, value FROM meta")}

    def create(self, meta: Mapping[str, str]) -> None:
        """Create the tables and fix `meta`, within the caller's transaction."""
        for statement in _TABLES.split(";\n"):
            if statement.strip():
                self._connection.execute(statement)
        for table in _APPEND_ONLY:
            for verb in ("UPDATE", "DELETE"):
                self._forbid(table, verb)
        self._connection.executemany("INSERT INTO meta VALUES (?, ?)", list(meta.items()))

    def _forbid(self, table: str, verb: str) -> None:
        self._connection.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'the log only grows'); END"
        )

    def size(self) -> int:
        """The number of records, from the highest number: a gap is the verifier's to find."""
        # The newest record is never a pruned one: what prunes is itself a record.
        row = self._one("SELECT max(seq) FROM leaf")
        return 0 if row is None or row[0] is None else self._integer(row[0]) + 1

    def leaf(self, key: int | str) -> Leaf | None:
        """The record with this number (int) or event id (str)."""
        column = "seq" if isinstance(key, int) else "event_id"
        row = self._one(f"SELECT {_COLUMNS} FROM leaf WHERE {column} = ?", (key,))  # noqa: S608 - column is one of two constants
        return None if row is None else self._leaf(row)

    def leaves(self, chosen: Filter) -> tuple[Leaf, ...]:
        """The newest `limit` matching records, in the order they were written."""
        where, values = chosen.where()
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM leaf WHERE {where} ORDER BY seq DESC LIMIT ?",  # noqa: S608 - built of constants
            (*values, chosen.limit),
        )
        return tuple(self._leaf(row) for row in reversed(rows))

    def range(self, first: int, last: int) -> tuple[Leaf, ...]:
        """The records numbered first to last, both included."""
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM leaf WHERE seq BETWEEN ? AND ? ORDER BY seq",  # noqa: S608 - constant
            (first, last),
        )
        return tuple(self._leaf(row) for row in rows)

    def batch(self, first: int, last: int) -> tuple[Leaf, ...]:
        """The first `_BATCH` records numbered `first` to `last`, both included."""
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM leaf WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT {_BATCH}",  # noqa: S608 - constants
            (first, last),
        )
        return tuple(self._leaf(row) for row in rows)

    def pruned(self) -> tuple[PrunedLeaf, ...]:
        """The records that retention removed, in order."""
        rows = self._rows("SELECT seq, hash, by_seq FROM pruned ORDER BY seq")
        return tuple(
            PrunedLeaf(self._integer(seq), self._bytes(digest), self._integer(by))
            for seq, digest, by in rows
        )

    def rotations(self) -> tuple[tuple[int, bytes], ...]:
        """Number and envelope of each `key.rotated` record, in order."""
        rows = self._rows("SELECT seq, envelope FROM leaf WHERE type = 'key.rotated' ORDER BY seq")
        return tuple((self._integer(seq), self._bytes(envelope)) for seq, envelope in rows)

    def first_of(self, kind: str) -> Leaf | None:
        """The oldest record of one type."""
        row = self._one(
            f"SELECT {_COLUMNS} FROM leaf WHERE type = ? ORDER BY seq LIMIT 1",  # noqa: S608 - constant
            (kind,),
        )
        return None if row is None else self._leaf(row)

    def _leaf(self, row: tuple[object, ...]) -> Leaf:
        seq, event_id, kind, ts_utc, session, request_id, digest, envelope = row
        if not isinstance(digest, bytes) or not isinstance(envelope, bytes):
            raise LogCorruptError(self.path, f"record {seq} has the wrong form")
        return Leaf(
            self._integer(seq),
            str(event_id),
            str(kind),
            self._integer(ts_utc),
            str(session),
            str(request_id),
            digest,
            envelope,
        )

    def _integer(self, value: object) -> int:
        if isinstance(value, int):
            return value
        raise LogCorruptError(self.path, "a number in it is not a number")

    def _bytes(self, value: object) -> bytes:
        if isinstance(value, bytes):
            return value
        raise LogCorruptError(self.path, "a hash in it is not bytes")

    def payload(self, seq: int) -> bytes | None:
        """The stored payload of a record."""
        row = self._one("SELECT stored FROM payload WHERE seq = ?", (seq,))
        return None if row is None else self._bytes(row[0])

    def node(self, level: int, position: int) -> bytes:
        """The hash of a perfect subtree (see `audit.merkle.NodeReader`). Raises LogCorruptError."""
        if level == 0:
            row = self._one(
                "SELECT hash FROM leaf WHERE seq = ?1 "
                "UNION ALL SELECT hash FROM pruned WHERE seq = ?1",
                (position,),
            )
        else:
            row = self._one(
                "SELECT hash FROM node WHERE level = ? AND position = ?", (level, position)
            )
        if row is None:
            raise LogCorruptError(self.path, f"tree node {level}/{position} is missing")
        return self._bytes(row[0])

    def counts(self) -> dict[str, int]:
        """Records by type."""
        rows = self._rows("SELECT type, count(*) FROM leaf GROUP BY type ORDER BY type")
        return {str(kind): self._integer(count) for kind, count in rows}

    def requests_without(self, started: str, ended_family: str) -> int:
        """How many request ids have a record `started` but none whose type begins as given."""
        row = self._one(
            "SELECT count(DISTINCT request_id) FROM leaf WHERE type = ? AND request_id <> '' "
            "AND request_id NOT IN "
            "(SELECT request_id FROM leaf WHERE substr(type, 1, ?) = ? AND request_id <> '')",
            (started, len(ended_family), ended_family),
        )
        return 0 if row is None else self._integer(row[0])

    def last_checkpoint(self) -> tuple[int, str] | None:
        """Size and note of the newest checkpoint."""
        row = self._one("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1")
        return None if row is None else (self._integer(row[0]), str(row[1]))

    def checkpoints(self) -> tuple[tuple[int, str], ...]:
        """Size and note of every checkpoint, in order of size."""
        rows = self._rows("SELECT size, note FROM checkpoint ORDER BY size")
        return tuple((self._integer(size), str(note)) for size, note in rows)

    def prune(self, seqs: Sequence[int], by_seq: int) -> int:
        """Remove these records and their payloads but for their hashes, within a transaction; how
        many there were."""
        for table in _SHRINKING:
            self._connection.execute(f"DROP TRIGGER IF EXISTS {table}_no_delete")
        each = [(seq,) for seq in seqs]
        self._connection.executemany("DELETE FROM payload WHERE seq = ?", each)
        moved = self._connection.executemany(
            "INSERT INTO pruned SELECT seq, hash, ? FROM leaf WHERE seq = ?",
            [(by_seq, seq) for seq in seqs],
        ).rowcount
        self._connection.executemany("DELETE FROM leaf WHERE seq = ?", each)
        for table in _SHRINKING:
            self._forbid(table, "DELETE")
        return max(moved, 0)

    def add_missing_tables(self) -> None:
        """Give a log of an earlier version the table that it lacks."""
        if self._has("pruned"):
            return
        with self.transaction():
            if self._has("pruned"):  # another process was first
                return
            for statement in _TABLES.split(";\n"):
                if statement.strip().startswith("CREATE TABLE pruned"):
                    self._connection.execute(statement)
            for verb in ("UPDATE", "DELETE"):
                self._forbid("pruned", verb)

    def _has(self, table: str) -> bool:
        return self._one("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)) is not None

    def insert(self, leaf: Leaf, stored_payload: bytes | None, nodes: Sequence[Node]) -> None:
        """Write one record, its payload and the nodes it completed, within a transaction."""
        self._connection.execute(
            f"INSERT INTO leaf ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constant
            (
                leaf.seq,
                leaf.event_id,
                leaf.type,
                leaf.ts_utc,
                leaf.session,
                leaf.request_id,
                leaf.hash,
                leaf.envelope,
            ),
        )
        if stored_payload is not None:
            self._connection.execute(
                "INSERT INTO payload VALUES (?, ?)", (leaf.seq, stored_payload)
            )
        if nodes:
            self._connection.executemany("INSERT INTO node VALUES (?, ?, ?)", nodes)

    def insert_checkpoint(self, size: int, note: str) -> None:
        """Write a checkpoint, within a transaction."""
        self._connection.execute("INSERT INTO checkpoint VALUES (?, ?)", (size, note))

    def checkpoint_wal(self) -> None:
        """Move what is committed from the WAL into the database, on a connection of its own, so
        that it can be called from another thread while this one commits. Raises AuditError."""
        with explained(self.path):
            connection = connect(self.path, busy_timeout_ms=0)
            try:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            finally:
                connection.close()

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        with explained(self.path):
            self._connection.close()
