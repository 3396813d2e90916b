"""Attacks on single rows of the database: columns, payloads, tree nodes, checkpoints, and what is
said to have been pruned. None needs a key; all leave no note of a closed file behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing

from audit.closed import closed_path
from audit.merkle import leaf_hash
from audit.pruning import is_protected
from audit.store import PrunedLeaf
from benchmarks.audit_attack_history import (
    Item,
    Repair,
    change_rows,
    connect,
    read_history,
    rewrite,
    unseal,
)
from benchmarks.audit_attackers import FILES, Scene, UnfitError, attack, forged

Statement = str | tuple[str, Sequence[object]]


def row_attack(
    name: str, apart: str = ""
) -> Callable[[Callable[[Scene], Sequence[Statement]]], None]:
    """Register an attack that consists of SQL statements."""

    def register(statements: Callable[[Scene], Sequence[Statement]]) -> None:
        def work(scene: Scene) -> None:
            change_rows(scene.folder, *statements(scene))
            closed_path(scene.folder).unlink(missing_ok=True)

        attack(name, FILES, apart)(work)

    return register


def rows(scene: Scene, sql: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
    """What a query finds. Raises UnfitError if that is nothing."""
    with closing(connect(scene.folder)) as connection:
        found = connection.execute(sql, values).fetchall()
    if not found:
        raise UnfitError
    return found


def record(scene: Scene, condition: str = "1") -> int:
    """The number of a random record before the anchor."""
    sql = f"SELECT seq FROM leaf WHERE seq < ? AND ({condition})"  # noqa: S608 - constants
    return int(scene.numbers.choice(rows(scene, sql, (scene.anchor[0],)))[0])


# -- hidden in a filtered view (CVE-2023-31437): the columns that filters use ----------------------


def hide(column: str, value: str | int) -> Callable[[Scene], Sequence[Statement]]:
    """Let a column say something else than the envelope."""

    def statements(scene: Scene) -> Sequence[Statement]:
        seq = record(scene)
        return [(f"UPDATE leaf SET {column} = ? WHERE seq = ?", (value, seq))]  # noqa: S608 - constant

    return statements


row_attack("hidden in a view: type column")(hide("type", "log.searched"))
row_attack("hidden in a view: request column")(hide("request_id", "r-other"))
row_attack("hidden in a view: session column")(hide("session", "s-other"))
row_attack("hidden in a view: time column")(hide("ts_utc", 1))
row_attack("hidden in a view: id column")(hide("event_id", "gone"))


def unindexed(scene: Scene) -> None:
    """Build the index that filters use without some records, then call it whole again."""
    name, condition = scene.numbers.choice(
        (("leaf_type", f"type <> '{_a_type(scene)}'"), ("leaf_request", "request_id <> 'r0'"))
    )
    rows(scene, f"SELECT 1 FROM leaf WHERE NOT ({condition})")  # noqa: S608 - our own values
    with closing(connect(scene.folder)) as connection:
        ((whole,),) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = ?", (name,)
        ).fetchall()
    part = f"{whole} AND {condition}" if " WHERE " in whole else f"{whole} WHERE {condition}"
    for sql, then in ((part, f"REINDEX {name}"), (whole, "SELECT 1")):
        with closing(connect(scene.folder)) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, name))
        with closing(connect(scene.folder)) as connection:
            connection.execute(then)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    closed_path(scene.folder).unlink(missing_ok=True)


attack("hidden in a view: left out of an index")(unindexed)


def _a_type(scene: Scene) -> str:
    return str(scene.numbers.choice(rows(scene, "SELECT DISTINCT type FROM leaf"))[0])


# -- payloads --------------------------------------------------------------------------------------


@row_attack("payload altered")
def _payload_altered(scene: Scene) -> Sequence[Statement]:
    seq = record(scene, "seq IN (SELECT seq FROM payload)")
    ((stored,),) = rows(scene, "SELECT stored FROM payload WHERE seq = ?", (seq,))
    changed = bytearray(stored)
    changed[scene.numbers.randrange(len(changed))] ^= 1 << scene.numbers.randrange(8)
    return [("UPDATE payload SET stored = ? WHERE seq = ?", (bytes(changed), seq))]


@row_attack("payload removed")
def _payload_removed(scene: Scene) -> Sequence[Statement]:
    return [
        (
            "DELETE FROM payload WHERE seq = ?",
            (record(scene, "seq IN (SELECT seq FROM payload)"),),
        )
    ]


@row_attack("payloads swapped")
def _payloads_swapped(scene: Scene) -> Sequence[Statement]:
    one = record(scene, "seq IN (SELECT seq FROM payload)")
    other = record(scene, f"seq <> {one} AND seq IN (SELECT seq FROM payload)")  # noqa: S608 - a number
    move = "UPDATE payload SET seq = ? WHERE seq = ?"
    return [(move, (-1, one)), (move, (one, other)), (move, (other, -1))]


@row_attack("payload put under a record that had none")
def _payload_added(scene: Scene) -> Sequence[Statement]:
    seq = record(scene, "seq NOT IN (SELECT seq FROM payload)")
    return [("INSERT INTO payload VALUES (?, ?)", (seq, scene.numbers.randbytes(40)))]


# -- tree and checkpoints --------------------------------------------------------------------------


@row_attack("tree node altered, removed or added")
def _node(scene: Scene) -> Sequence[Statement]:
    level, position = scene.numbers.choice(rows(scene, "SELECT level, position FROM node"))
    where = f"WHERE level = {level} AND position = {position}"
    return [
        scene.numbers.choice(
            (
                f"UPDATE node SET hash = zeroblob(32) {where}",  # noqa: S608 - numbers
                f"DELETE FROM node {where}",  # noqa: S608 - numbers
                f"INSERT INTO node VALUES ({level + 9}, {position}, zeroblob(32))",  # noqa: S608 - numbers
            )
        )
    ]


@row_attack("checkpoint row removed")
def _checkpoint_removed(scene: Scene) -> Sequence[Statement]:
    size = scene.numbers.choice([size for size, _ in scene.base.notes if size <= scene.anchor[0]])
    return [("DELETE FROM checkpoint WHERE size = ?", (size,))]


@row_attack("all checkpoint rows removed")
def _checkpoints_removed(scene: Scene) -> Sequence[Statement]:
    (scene.folder / "checkpoints" / "latest.note").unlink(missing_ok=True)
    return ["DELETE FROM checkpoint"]


@row_attack("checkpoint stored under another size")
def _checkpoint_moved(scene: Scene) -> Sequence[Statement]:
    size = scene.numbers.choice([size for size, _ in scene.base.notes if size <= scene.anchor[0]])
    other = scene.numbers.randrange(1, scene.base.size)
    if any(other == taken for taken, _ in scene.base.notes):
        raise UnfitError
    return [("UPDATE checkpoint SET size = ? WHERE size = ?", (other, size))]


@row_attack("checkpoint with another's text or signature")
def _checkpoint_mixed(scene: Scene) -> Sequence[Statement]:
    if len(scene.base.notes) < 2:
        raise UnfitError
    (size, one), (_, other) = scene.numbers.sample(scene.base.notes, 2)
    mixed = one.split("\n\n")[0] + "\n\n" + other.split("\n\n")[1]
    note = scene.numbers.choice((mixed, other))
    return [("UPDATE checkpoint SET note = ? WHERE size = ?", (note, size))]


@row_attack("checkpoint with a stranger's signature added")
def _checkpoint_cosigned(scene: Scene) -> Sequence[Statement]:
    size, note = scene.numbers.choice(scene.base.notes)
    line = note.rstrip("\n").rsplit("\n", 1)[1].replace("cloister.invalid/log/", "witness.example/")
    return [("UPDATE checkpoint SET note = ? WHERE size = ?", (f"{note}{line}\n", size))]


# -- abuse of pruning ------------------------------------------------------------------------------


def _prunable(scene: Scene, items: list[Item], kind: Callable[[str], bool]) -> int:
    return scene.target(lambda item: item.envelope is not None and kind(item.type), items)


def prune_item(items: list[Item], place: int, by: Item) -> None:
    """Leave of a record its hash only."""
    old = items[place]
    items[place] = Item(old.seq, old.hash, pruned_by=by, note=old.note)


def forged_pruning(items: list[Item]) -> Item:
    """A `retention.pruned` of the attacker's own; what it counts is filled in by `rewrite`."""
    pattern = next(item for item in reversed(items) if item.envelope is not None)
    return forged(pattern, "retention.pruned", profiles=["base=5d"])


def prune_falsely(kind: Callable[[str], bool]) -> Callable[[Scene], None]:
    """Declare a record of such a type pruned, by a forged record in the unsealed tail."""

    def work(scene: Scene) -> None:
        items = read_history(scene.folder)
        place = _prunable(scene, items, kind)
        made = forged_pruning(items)
        prune_item(items, place, made)
        items.append(made)
        rewrite(scene.folder, items, Repair())

    return work


attack("pruned by a forged record without a seal")(
    prune_falsely(lambda kind: not is_protected(kind))
)
attack("protected record pruned by a forged record")(prune_falsely(is_protected))


@attack("pruned by a forged record under the checkpoints")
def _pruned_below(scene: Scene) -> None:
    items = read_history(scene.folder)
    place = _prunable(scene, items, lambda kind: not is_protected(kind))
    if place + 1 >= scene.anchor[0]:
        raise UnfitError
    made = forged_pruning(items)
    items.insert(scene.numbers.randrange(place + 1, scene.anchor[0]), made)
    prune_item(items, place, made)
    if scene.numbers.random() < 0.5:
        unseal(items, items.index(made))
    rewrite(scene.folder, items, Repair())


@attack("pruned as if by an existing record")
def _pruned_by_existing(scene: Scene) -> None:
    items = read_history(scene.folder)
    by = [item for item in items if item.type == "retention.pruned"]
    if not by:
        raise UnfitError
    chosen = scene.numbers.choice(by)
    places = [
        place
        for place, item in enumerate(items[: items.index(chosen)])
        if item.envelope is not None
    ]
    prune_item(items, scene.numbers.choice(places), chosen)
    rewrite(scene.folder, items, Repair(links=scene.numbers.random() < 0.5))


@attack("a pruned record's place filled with another")
def _unpruned(scene: Scene) -> None:
    items = read_history(scene.folder)
    place = scene.target(lambda item: item.envelope is None, items)
    made = forged(next(item for item in items if item.envelope is not None))
    made.note, made.hash = items[place].note, items[place].hash
    items[place] = made
    rewrite(scene.folder, items, Repair(hashes=scene.numbers.random() < 0.5))


@row_attack("pruned rows altered, removed or added")
def _pruned_rows(scene: Scene) -> Sequence[Statement]:
    seq, by_seq = scene.numbers.choice(
        rows(scene, "SELECT seq, by_seq FROM pruned WHERE seq < ?", (scene.anchor[0],))
    )
    other = record(scene)
    return [
        scene.numbers.choice(
            (
                f"UPDATE pruned SET by_seq = {by_seq - 1} WHERE seq = {seq}",  # noqa: S608 - numbers
                f"UPDATE pruned SET hash = zeroblob(32) WHERE seq = {seq}",  # noqa: S608 - numbers
                f"DELETE FROM pruned WHERE seq = {seq}",  # noqa: S608 - numbers
                "DELETE FROM pruned",
                f"UPDATE pruned SET seq = {scene.base.size + 5} WHERE seq = {seq}",  # noqa: S608 - numbers
                f"INSERT INTO pruned SELECT seq, hash, {by_seq} FROM leaf WHERE seq = {other}",  # noqa: S608 - numbers
            )
        )
    ]


@row_attack("record replaced by its hash in `pruned`, without a record")
def _pruned_silently(scene: Scene) -> Sequence[Statement]:
    seq = record(scene)
    ((envelope,),) = rows(scene, "SELECT envelope FROM leaf WHERE seq = ?", (seq,))
    gone = PrunedLeaf(seq, leaf_hash(envelope), scene.numbers.randint(seq + 1, scene.base.size))
    return [
        ("INSERT INTO pruned VALUES (?, ?, ?)", (gone.seq, gone.hash, gone.by_seq)),
        ("DELETE FROM payload WHERE seq = ?", (seq,)),
        ("DELETE FROM leaf WHERE seq = ?", (seq,)),
    ]
