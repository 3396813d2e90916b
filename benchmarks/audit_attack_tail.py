"""What the auditor's one checkpoint cannot show: what came after it, and what is not in the log.

These are measured and told apart from the attacks that must be detected. Each says why in a few
words; `docs/log-attacks.md` says what else helps against it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from unittest import mock

from audit.record import Event
from benchmarks.audit_attack_base import ANN, DAY_NS
from benchmarks.audit_attack_history import (
    Item,
    Repair,
    connect,
    read_history,
    rewrite,
    unseal,
)
from benchmarks.audit_attackers import FILES, KEY, Scene, UnfitError, attack, forged, opened

_AFTER = "after the anchor"
_KEYSTORE = "the keystore is not verified"


def _tail(scene: Scene, items: list[Item]) -> int:
    """A random record after the anchor."""
    places = [
        place
        for place in range(scene.anchor[0], len(items))
        if items[place].envelope is not None and items[place].type != "key.rotated"
    ]
    if not places:
        raise UnfitError
    return scene.numbers.choice(places)


def _changed(scene: Scene) -> tuple[list[Item], int]:
    items = read_history(scene.folder)
    place = _tail(scene, items)
    how = scene.numbers.randrange(3)
    if how == 0:
        items[place].fields()["number"] = 7_777_777
    elif how == 1 and place + 1 < len(items) and not items[place].note:
        del items[place]
    else:
        items.insert(place, forged(items[place]))
    return items, place


@attack("tail: re-signed with the key in force", KEY, _AFTER)
def _resigned(scene: Scene) -> None:
    items, _ = _changed(scene)
    rewrite(scene.folder, items, Repair(keys={scene.base.epochs: scene.key()}))


@attack("tail: sealed part changed, its checkpoints kept")
def _kept(scene: Scene) -> None:
    """Not apart: without the key, what is sealed after the anchor is protected by its seals."""
    if not any(size > scene.anchor[0] for size, _ in scene.base.notes):
        raise UnfitError
    items = read_history(scene.folder)
    newest = max(size for size, _ in scene.base.notes)
    place = scene.numbers.randrange(scene.anchor[0], newest)
    if items[place].envelope is None:
        raise UnfitError
    items[place].fields()["number"] = 7_777_777
    rewrite(scene.folder, items, Repair())


@attack("tail: changed, and its checkpoints removed", FILES, _AFTER)
def _unsealed(scene: Scene) -> None:
    items, place = _changed(scene)
    unseal(items, max(min(place, len(items) - 1), scene.anchor[0]))
    rewrite(scene.folder, items, Repair())


@attack("tail: cut back to a checkpoint", FILES, _AFTER)
def _cut(scene: Scene) -> None:
    sizes = [size for size, _ in scene.base.notes if scene.anchor[0] <= size < scene.base.size]
    if not sizes:
        raise UnfitError
    items = read_history(scene.folder)
    del items[scene.numbers.choice(sizes) :]
    kept = {id(item) for item in items}
    if any(item.pruned_by is not None and id(item.pruned_by) not in kept for item in items):
        raise UnfitError
    rewrite(scene.folder, items, Repair())


@attack("tail: WAL cut, which looks like a crash", FILES, _AFTER)
def _cut_wal(scene: Scene) -> None:
    wal = scene.folder / "log.db-wal"
    latest = scene.folder / "checkpoints" / "latest.note"
    if not wal.exists() or not wal.stat().st_size:
        raise UnfitError
    os.truncate(wal, scene.numbers.randrange(wal.stat().st_size))
    trial = scene.folder.with_name("trial")
    shutil.copytree(scene.folder, trial)
    try:
        with closing(connect(trial)) as connection:
            ((last,),) = connection.execute("SELECT max(seq) FROM leaf").fetchall()
            notes = connection.execute("SELECT note FROM checkpoint ORDER BY size").fetchall()
    except sqlite3.Error:
        raise UnfitError from None
    if last is None or last + 1 < scene.anchor[0] or not notes:
        raise UnfitError
    latest.write_text(notes[-1][0], encoding="utf-8")


@attack("tail: a rotation to the attacker's own key", KEY, _AFTER)
def _rotated(scene: Scene) -> None:
    with opened(scene.folder) as log:
        log.rotate_key(ANN)  # the attacker keeps the new key: nothing tells
        log.append(Event("step.done", ANN, {"by": "thief"}))


@attack("tail: fork that begins after the anchor", KEY, _AFTER)
def _forked(scene: Scene) -> None:
    scene.resume()


@attack("keystore: keys destroyed without a record", FILES, _KEYSTORE)
def _destroyed(scene: Scene) -> None:
    with closing(sqlite3.connect(scene.folder / "keystore.db")) as keystore:
        keystore.execute("UPDATE payload_key SET key = NULL, destroyed_ns = 1")
        keystore.commit()


@attack("keystore: an older one put back, which revives what was erased", FILES, _KEYSTORE)
def _revived(scene: Scene) -> None:
    for path in scene.folder.glob("keystore.db*"):
        path.unlink()
    for path in scene.base.earlier.glob("keystore.db*"):
        shutil.copy(path, scene.folder / path.name)


@attack("clock set back while recording", FILES, "recorded as clock.stepped, and counted")
def _clock(scene: Scene) -> None:
    real = time.time_ns
    with mock.patch("time.time_ns", lambda: real() - 100 * DAY_NS), opened(scene.folder) as log:
        log.append(Event("step.done", ANN, {"when": "long ago"}))
