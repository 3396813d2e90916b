"""Attacks on the files around the records: the schema, the WAL, links, and parts of another log.

None needs a key. The records that the database shows by plain SQL may well be the right ones
afterwards: what is attacked is that the verifier and the writer see the same log, and that the
auditor is shown this one.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from audit.closed import closed_path
from benchmarks.audit_attack_history import change_rows, connect, drop_triggers
from benchmarks.audit_attack_rows import Statement, record, row_attack
from benchmarks.audit_attackers import Scene, UnfitError, attack

# -- the schema ------------------------------------------------------------------------------------


def remade(table: str, old: str, new: str) -> Callable[[Scene], None]:
    """Build a table again with other words in its definition, the same rows, and its indexes."""

    def work(scene: Scene) -> None:
        with closing(connect(scene.folder)) as connection:
            triggers = drop_triggers(connection)
            made = dict(
                connection.execute(
                    "SELECT name, sql FROM sqlite_master WHERE tbl_name = ? AND sql <> ''", (table,)
                )
            )
            definition = made.pop(table)
            if old not in definition:
                raise UnfitError
            connection.execute("PRAGMA legacy_alter_table = ON")  # leave other tables as they are
            connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
            connection.execute(definition.replace(old, new, 1))
            columns = [
                str(name)
                for _, name, *_ in connection.execute(f"PRAGMA table_info(old_{table})").fetchall()
            ]
            names = ", ".join(columns)
            connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM old_{table}")  # noqa: S608 - constants
            connection.execute(f"DROP TABLE old_{table}")
            for sql in (*made.values(), *triggers):
                connection.execute(sql)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        closed_path(scene.folder).unlink(missing_ok=True)

    return work


for _name, _table, _old, _new in (
    ("table without rowid", "leaf", ") STRICT", ") WITHOUT ROWID, STRICT"),
    ("table that is not strict", "leaf", ") STRICT", ")"),
    ("another collation", "leaf", "type TEXT NOT NULL", "type TEXT COLLATE NOCASE NOT NULL"),
    ("ids no longer unique", "leaf", "event_id TEXT NOT NULL UNIQUE", "event_id TEXT NOT NULL"),
    (
        "a conflict that keeps records out",
        "leaf",
        "event_id TEXT NOT NULL UNIQUE",
        "event_id TEXT NOT NULL UNIQUE ON CONFLICT IGNORE",
    ),
    ("a generated column", "leaf", "hash BLOB", "extra TEXT AS (type) VIRTUAL, hash BLOB"),
    ("another column", "leaf", "hash BLOB", "extra TEXT, hash BLOB"),
    ("a default value", "checkpoint", "note TEXT NOT NULL", "note TEXT NOT NULL DEFAULT ''"),
    ("a check", "leaf", "type TEXT NOT NULL", "type TEXT NOT NULL CHECK (type <> 'log.viewed')"),
):
    attack(f"schema: {_name}")(remade(_table, _old, _new))


def _schema(name: str, *statements: Statement) -> None:
    def chosen(scene: Scene) -> Sequence[Statement]:
        return statements

    row_attack(f"schema: {name}")(chosen)


_schema("a table more", "CREATE TABLE leaf_old AS SELECT * FROM leaf")
_schema(
    "a trigger that removes",
    "CREATE TRIGGER keep AFTER INSERT ON leaf WHEN NEW.type = 'log.viewed' "
    "BEGIN DELETE FROM leaf WHERE seq = NEW.seq; END",
)
_schema(
    "a trigger of a known name that does nothing",
    "CREATE TRIGGER node_no_update BEFORE UPDATE ON leaf BEGIN SELECT 1; END",
    "CREATE TRIGGER leaf_no_insert BEFORE INSERT ON leaf BEGIN SELECT 1; END",
)
_schema(
    "an index with another collation",
    "DROP INDEX leaf_type",
    "CREATE INDEX leaf_type ON leaf (type COLLATE NOCASE)",
)
_schema(
    "an index over part of the records",
    "DROP INDEX leaf_type",
    "CREATE INDEX leaf_type ON leaf (type) WHERE type <> 'log.viewed'",
)


@attack("schema: a view in a table's place")
def _view(scene: Scene) -> None:
    seq = record(scene)
    with closing(connect(scene.folder)) as connection:
        drop_triggers(connection)
        connection.execute("ALTER TABLE leaf RENAME TO leaf_real")
        where = scene.numbers.choice(("", f" WHERE seq <> {seq}"))
        connection.execute(f"CREATE VIEW leaf AS SELECT * FROM leaf_real{where}")  # noqa: S608 - a number
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    closed_path(scene.folder).unlink(missing_ok=True)


# -- what identifies the log -----------------------------------------------------------------------


@row_attack("meta altered, removed or added")
def _meta(scene: Scene) -> Sequence[Statement]:
    return [
        scene.numbers.choice(
            (
                f"UPDATE meta SET value = '{scene.other.key.name[-32:]}' WHERE key = 'log_id'",  # noqa: S608 - hex
                "UPDATE meta SET value = '' WHERE key = 'log_id'",
                "UPDATE meta SET key = 'LOG_ID' WHERE key = 'log_id'",
                "DELETE FROM meta",
                "INSERT INTO meta VALUES ('note', 'x')",
            )
        )
    ]


def _database(folder: Path) -> list[Path]:
    return [folder / f"log.db{end}" for end in ("", "-wal", "-shm")]


def _without_database(scene: Scene) -> Path:
    for path in _database(scene.folder):
        path.unlink(missing_ok=True)
    closed_path(scene.folder).unlink(missing_ok=True)
    return scene.folder / "log.db"


@attack("another log's database")
def _other_database(scene: Scene) -> None:
    _without_database(scene)
    for path in _database(scene.other.folder):
        if path.exists():
            shutil.copy(path, scene.folder / path.name)


@attack("another log as a whole")
def _other_log(scene: Scene) -> None:
    scene.replace_with(scene.other.folder)


@attack("another log's record or checkpoints put in")
def _other_rows(scene: Scene) -> None:
    copy = scene.folder.with_name("other")
    shutil.copytree(scene.other.folder, copy)
    seq = record(scene)
    part = scene.numbers.choice(
        (
            (
                f"UPDATE leaf SET (hash, envelope) = (SELECT hash, envelope FROM other.leaf "  # noqa: S608 - a number
                f"LIMIT 1) WHERE seq = {seq}",
            ),
            ("DELETE FROM checkpoint", "INSERT INTO checkpoint SELECT * FROM other.checkpoint"),
            ("DELETE FROM node", "INSERT INTO node SELECT * FROM other.node"),
        )
    )
    attach = ("ATTACH ? AS other", (str(copy / "log.db"),))
    change_rows(scene.folder, attach, *part, "DETACH other")
    closed_path(scene.folder).unlink(missing_ok=True)


@attack("latest.note of another log, or invented")
def _other_note(scene: Scene) -> None:
    latest = scene.folder / "checkpoints" / "latest.note"
    other = scene.other.notes[-1][1]
    own = scene.anchor[1].split("\n")
    forged = "\n".join((own[0], own[1], other.split("\n")[2], *own[3:]))
    latest.write_text(scene.numbers.choice((other, forged, other[:-9])), encoding="utf-8")


# -- links and special files -----------------------------------------------------------------------


@attack("link to an older copy in the database's place")
def _linked(scene: Scene) -> None:
    older = scene.base.earlier / "log.db"
    with closing(sqlite3.connect(f"file:{older}?mode=ro&immutable=1", uri=True)) as connection:
        ((count,),) = connection.execute("SELECT max(seq) + 1 FROM leaf").fetchall()
    if count >= scene.anchor[0]:
        raise UnfitError
    _without_database(scene).symlink_to(older.resolve())
    latest = scene.folder / "checkpoints" / "latest.note"
    latest.unlink()
    latest.symlink_to((scene.base.earlier / "checkpoints" / "latest.note").resolve())


@attack("pipe, folder or endless link in a file's place")
def _special(scene: Scene) -> None:
    name = scene.numbers.choice(("log.db", "checkpoints/latest.note", "checkpoints/closed.note"))
    path = scene.folder / name
    if name == "log.db":
        _without_database(scene)
    path.unlink(missing_ok=True)
    make = scene.numbers.choice(("pipe", "folder", "link"))
    if make == "pipe":
        os.mkfifo(path)
    elif make == "folder":
        path.mkdir()
    else:
        path.symlink_to(path)


@attack("database deleted, emptied, cut or overwritten")
def _ruined(scene: Scene) -> None:
    raw = (scene.folder / "log.db").read_bytes()
    path = _without_database(scene)
    how = scene.numbers.randrange(4)
    if how == 1:
        path.write_bytes(b"")
    elif how == 2:
        path.write_bytes(raw[: scene.numbers.randrange(1, max(len(raw), 2))])
    elif how == 3:
        path.write_bytes(scene.numbers.randbytes(len(raw)))


# -- the WAL ---------------------------------------------------------------------------------------


def _left(folder: Path) -> int:
    """How many records SQLite finds in the database as it now is."""
    with closing(connect(folder)) as connection:
        try:
            ((count,),) = connection.execute("SELECT max(seq) FROM leaf").fetchall()
        except sqlite3.Error:
            return 0
    return 0 if count is None else int(count) + 1


def wal_attack(name: str) -> Callable[[Callable[[Scene, Path], None]], None]:
    """Register an attack on the WAL of a log that was running, which is to lose records before the
    anchor; the shared memory beside it goes or stays."""

    def register(change: Callable[[Scene, Path], None]) -> None:
        def work(scene: Scene) -> None:
            wal = scene.folder / "log.db-wal"
            if not scene.base.running or not wal.exists():
                raise UnfitError
            change(scene, wal)
            trial = scene.folder.with_name("trial")
            shutil.copytree(scene.folder, trial)
            if _left(trial) >= scene.anchor[0]:
                raise UnfitError
            if scene.numbers.random() < 0.5:
                (scene.folder / "log.db-shm").unlink(missing_ok=True)

        attack(name)(work)

    return register


@wal_attack("WAL deleted")
def _no_wal(scene: Scene, wal: Path) -> None:
    wal.unlink()


@wal_attack("WAL cut off")
def _short_wal(scene: Scene, wal: Path) -> None:
    os.truncate(wal, scene.numbers.randrange(wal.stat().st_size))


@wal_attack("WAL altered so that its end does not count")
def _broken_wal(scene: Scene, wal: Path) -> None:
    raw = bytearray(wal.read_bytes())
    raw[scene.numbers.randrange(len(raw))] ^= 1 << scene.numbers.randrange(8)
    wal.write_bytes(raw)


@wal_attack("database marked so that the WAL does not count")
def _ignored_wal(scene: Scene, wal: Path) -> None:
    path = wal.with_name("log.db")
    raw = bytearray(path.read_bytes())
    if len(raw) < 100:
        raise UnfitError
    raw[18] = raw[19] = 1  # file format versions: 1 is the rollback journal, 2 the WAL
    path.write_bytes(raw)
    if scene.numbers.random() < 0.5:
        wal.unlink()


@attack("alteration left in the WAL, which a crash seems to have left")
def _in_wal(scene: Scene) -> None:
    seq = record(scene)
    with closing(connect(scene.folder)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        triggers = drop_triggers(connection)
        connection.execute("UPDATE leaf SET ts_utc = ts_utc - 1 WHERE seq = ?", (seq,))
        for sql in triggers:
            connection.execute(sql)
        kept = {path: path.read_bytes() for path in _database(scene.folder)[:2]}
    for path in _database(scene.folder):
        path.unlink(missing_ok=True)
    for path, raw in kept.items():
        path.write_bytes(raw)
    with (scene.folder / "log.db-wal").open("ab") as file:
        file.write(scene.numbers.randbytes(scene.numbers.randint(1, 4000)))  # a torn end
    (scene.folder / "open").mkdir(exist_ok=True)
    (scene.folder / "open" / "0192.run").touch()  # a run that never closed


# -- a rollback journal, which SQLite obeys when it next opens the file for writing ----------------

_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_SECTOR = 512


def _journal(older: bytes, page_size: int) -> bytes:
    """A hot journal that turns whatever database it lies beside into `older`; format:
    https://www.sqlite.org/fileformat2.html#the_rollback_journal."""
    pages = [older[at : at + page_size] for at in range(0, len(older), page_size)]
    head = struct.pack(">5I", len(pages), 0, len(pages), _SECTOR, page_size)
    journal = bytearray((_JOURNAL_MAGIC + head).ljust(_SECTOR, b"\0"))
    for number, page in enumerate(pages, 1):
        total = sum(page[at] for at in range(page_size - 200, 0, -200))
        journal += struct.pack(">I", number) + page + struct.pack(">I", total)
    return bytes(journal)


@attack("rollback journal of an older state beside the database")
def _hot_journal(scene: Scene) -> None:
    if scene.base.running:
        raise UnfitError
    older = (scene.base.earlier / "log.db").read_bytes()
    (scene.folder / "log.db-journal").write_bytes(
        _journal(older, int.from_bytes(older[16:18], "big"))
    )
    trial = scene.folder.with_name("trial")
    shutil.copytree(scene.folder, trial)
    if _left(trial) >= scene.anchor[0]:
        raise UnfitError
    if scene.numbers.random() < 0.5:
        closed_path(scene.folder).unlink(missing_ok=True)
        _left(scene.folder)  # SQLite rolls it back, as it would for the writer
