"""A log's history as an attacker handles it: taken out of the database, changed, and put back with
as much repaired as the attacker is able to.

`read_history` gives one `Item` a record; an attack changes the list. `rewrite` numbers the items
anew, links them, hashes them, rebuilds the tree and the records that repeat parts of it, and signs
the checkpoints with whatever keys were stolen. It uses the writer's own functions, so that what is
repaired is repaired exactly.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.canonical import canonical
from audit.checkpoint import Checkpoint, origin_of, sign_checkpoint, signing_key_id
from audit.closed import closed_path, write_closed
from audit.envelope import NO_PREVIOUS_LEAF, parse_envelope
from audit.merkle import Frontier, Node, leaf_hash
from audit.pruning import digest_of_pruned
from audit.signing import epoch_of
from audit.store import PrunedLeaf
from audit.view_envelope import nanoseconds_of

COLUMNS = "seq, event_id, type, ts_utc, session, request_id, hash, envelope"
TABLES = ("meta", "leaf", "payload", "node", "checkpoint", "pruned")


@dataclass(slots=True, eq=False)
class Item:
    """One record. `envelope` is None if it was pruned, by the record `pruned_by`; `note`: the
    checkpoint that was signed right after it ("" if none); `row`: columns that are to say something
    else than the envelope; `changed`: what the envelope is to say."""

    seq: int
    hash: bytes
    envelope: bytes | None = None
    payload: bytes | None = None
    pruned_by: Item | None = None
    note: str = ""
    row: dict[str, object] = field(default_factory=dict)
    changed: dict[str, object] | None = None

    def value(self) -> dict[str, object]:
        """What the envelope says; what is changed in it will be written."""
        if self.changed is None:
            self.changed = parse_envelope(self.envelope or b"{}")
        return self.changed

    def fields(self) -> dict[str, object]:
        """The clear fields, to be changed."""
        found = self.value()["fields"]
        assert isinstance(found, dict)
        return found

    @property
    def type(self) -> str:
        """The record's type; "" if it was pruned."""
        if self.changed is not None:
            return str(self.changed["type"])
        return "" if self.envelope is None else str(parse_envelope(self.envelope)["type"])


@dataclass(frozen=True, slots=True)
class Repair:
    """What the attacker makes fit again. `hashes`: hash column and tree; `links`: numbers, links
    and what other records repeat; `keys`: private keys by epoch; `any_key`: signs where none of
    those is the right one."""

    hashes: bool = True
    links: bool = True
    keys: Mapping[int, Ed25519PrivateKey] = field(default_factory=dict)
    any_key: Ed25519PrivateKey | None = None


def connect(folder: Path) -> sqlite3.Connection:
    """The log's database, with its triggers taken down; quick, as no power cut is to come."""
    connection = sqlite3.connect(folder / "log.db", isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def drop_triggers(connection: sqlite3.Connection) -> list[str]:
    """Remove the triggers; what would make them again."""
    found = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall()
    for name, _ in found:
        connection.execute(f"DROP TRIGGER {name}")
    return [sql for _, sql in found]


def change_rows(folder: Path, *statements: str | tuple[str, Sequence[object]]) -> None:
    """Run statements on the database, leave its triggers as they were (but for those that the
    statements made) and no WAL behind."""
    with closing(connect(folder)) as connection:
        triggers = drop_triggers(connection)
        for each in statements:
            sql, values = (each, ()) if isinstance(each, str) else each
            connection.execute(sql, values)
        for sql in triggers:
            connection.execute(sql.replace("CREATE TRIGGER", "CREATE TRIGGER IF NOT EXISTS", 1))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def read_history(folder: Path) -> list[Item]:
    """Every record of the log in order."""
    with closing(connect(folder)) as connection:
        payloads = dict(connection.execute("SELECT seq, stored FROM payload"))
        notes = dict(connection.execute("SELECT size, note FROM checkpoint"))
        items = {
            seq: Item(seq, digest, envelope, payloads.get(seq), note=notes.get(seq + 1, ""))
            for seq, digest, envelope in connection.execute("SELECT seq, hash, envelope FROM leaf")
        }
        gone = connection.execute("SELECT seq, hash, by_seq FROM pruned").fetchall()
        for seq, digest, by_seq in gone:
            items[seq] = Item(seq, digest, pruned_by=items[by_seq], note=notes.get(seq + 1, ""))
    return [items[seq] for seq in sorted(items)]


@dataclass(slots=True)
class _Built:
    """The rows of a rewritten log."""

    leaves: list[tuple[object, ...]] = field(default_factory=list)
    payloads: list[tuple[int, bytes]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    notes: list[tuple[int, str]] = field(default_factory=list)
    pruned: list[tuple[int, bytes, int]] = field(default_factory=list)


class _Builder:
    """Goes through the items once, as the writer would have written them."""

    def __init__(self, items: Sequence[Item], origin: str, repair: Repair) -> None:
        self._items, self._origin, self._repair = items, origin, repair
        self._place = {id(item): place for place, item in enumerate(items)}
        self._edge, self._previous = Frontier(), NO_PREVIOUS_LEAF
        self._rotations: list[int] = []
        self._gone: dict[int, list[PrunedLeaf]] = {}
        self.built = _Built()

    def build(self) -> _Built:
        """All rows."""
        for place, item in enumerate(self._items):
            if item.type == "key.rotated":
                self._rotations.append(place)
            digest = self._pruned(place, item) if item.envelope is None else self._leaf(place, item)
            self._edge, nodes = self._edge.append(digest)
            self._previous = digest.hex()
            self.built.nodes += nodes
            if item.note:
                self.built.notes.append((place + 1, self._note(item.note)))
        return self.built

    def _pruned(self, place: int, item: Item) -> bytes:
        by_seq = self._place.get(id(item.pruned_by), -1)
        self.built.pruned.append((place, item.hash, by_seq))
        self._gone.setdefault(by_seq, []).append(PrunedLeaf(place, item.hash, by_seq))
        return item.hash

    def _leaf(self, place: int, item: Item) -> bytes:
        if self._repair.links:
            self._link(place, item)
        envelope = item.envelope if item.changed is None else canonical(item.changed)
        assert envelope is not None
        value = parse_envelope(envelope)
        digest = leaf_hash(envelope) if self._repair.hashes else item.hash
        row = {
            "seq": place,
            "event_id": value["event_id"],
            "type": value["type"],
            "ts_utc": nanoseconds_of(str(value["ts_utc"])),
            "session": value["session"],
            "request_id": value["request_id"],
            "hash": digest,
            "envelope": envelope,
            **item.row,
        }
        self.built.leaves.append(tuple(row[name] for name in COLUMNS.split(", ")))
        if item.payload is not None:
            self.built.payloads.append((place, item.payload))
        return digest

    def _link(self, place: int, item: Item) -> None:
        """Number, link, and what the writer's own records repeat of the tree."""
        said = parse_envelope(item.envelope or b"{}") if item.changed is None else item.changed
        wanted = {"seq": place, "prev_leaf_hash": self._previous}
        if any(said[name] != value for name, value in wanted.items()):
            item.value().update(wanted)
        newest = self.built.notes[-1] if self.built.notes else None
        if item.type == "checkpoint.signed" and newest is not None and newest[0] == place:
            self._say(item, size=place, root=self._root(), key=signing_key_id(newest[1].encode()))
        elif item.type == "log.opened" and newest is not None:
            root = Checkpoint(self._origin, *_size_and_root(newest[1])).root.hex()
            self._say(item, checkpoint_size=newest[0], checkpoint_root=root)
        elif item.type == "log.opened":
            self._say(item, checkpoint_size=0, checkpoint_root="")
        elif item.type == "retention.pruned":
            self._say(item, **digest_of_pruned(self._gone.get(place, [])))

    def _say(self, item: Item, **values: object) -> None:
        said = parse_envelope(item.envelope or b"{}") if item.changed is None else item.changed
        fields = said["fields"]
        assert isinstance(fields, dict)
        if any(fields.get(name) != value for name, value in values.items()):
            item.fields().update(values)

    def _root(self) -> str:
        return self._edge.root().hex()

    def _note(self, note: str) -> str:
        """The checkpoint of the tree as it now is: the old one where that still fits or where no
        key can sign another."""
        checkpoint = Checkpoint(self._origin, self._edge.size, self._edge.root())
        if note.startswith(checkpoint.text() + "\n"):
            return note
        epoch = epoch_of(checkpoint.size, self._rotations)
        key = self._repair.keys.get(epoch, self._repair.any_key)
        return note if key is None else sign_checkpoint(checkpoint, key)


def _size_and_root(note: str) -> tuple[int, bytes]:
    _, size, root = note.split("\n")[:3]
    return int(size), base64.b64decode(root)


def log_id_of(folder: Path) -> str:
    """The log's id."""
    with closing(connect(folder)) as connection:
        ((log_id,),) = connection.execute("SELECT value FROM meta WHERE key = 'log_id'").fetchall()
    return str(log_id)


def rewrite(folder: Path, items: Sequence[Item], repair: Repair) -> None:
    """Put the items into the log in `folder` in place of what it holds, with `latest.note` to
    match; the note of the closed file goes."""
    origin = origin_of(log_id_of(folder))
    built = _Builder(items, origin, repair).build()
    with closing(connect(folder)) as connection:
        triggers = drop_triggers(connection)
        connection.execute("BEGIN")
        for table in TABLES[1:]:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
        for sql, rows in (
            ("INSERT INTO leaf VALUES (?, ?, ?, ?, ?, ?, ?, ?)", built.leaves),
            ("INSERT INTO payload VALUES (?, ?)", built.payloads),
            ("INSERT INTO node VALUES (?, ?, ?)", built.nodes),
            ("INSERT INTO checkpoint VALUES (?, ?)", built.notes),
            ("INSERT INTO pruned VALUES (?, ?, ?)", built.pruned),
        ):
            connection.executemany(sql, rows)
        for sql in triggers:
            connection.execute(sql)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    latest = folder / "checkpoints" / "latest.note"
    if built.notes:
        latest.write_text(built.notes[-1][1], encoding="utf-8")
    else:
        latest.unlink(missing_ok=True)
    closed_path(folder).unlink(missing_ok=True)


def unseal(items: list[Item], first: int) -> None:
    """Take away every checkpoint that covers record `first`, and the records that tell of them."""
    for item in items[first:]:
        item.note = ""
    items[first + 1 :] = [each for each in items[first + 1 :] if each.type != "checkpoint.signed"]


def close_again(folder: Path, key: Ed25519PrivateKey) -> None:
    """A fresh note of the closed file, under a stolen key."""
    write_closed(folder, origin_of(log_id_of(folder)), key)
