"""Attackers who know the format and use our own code: changes to the history of a log.

Each attack is a function that alters a copy of a log (`Scene.folder`) before a checkpoint that the
auditor holds (`Scene.anchor`), and is registered under its name with what the attacker must have:
`FILES` (may write the files, knows no key), `KEY` (also the signing key in force) or `OLD_KEY`
(the key of an earlier epoch, taken while it was in force). Here the attacks on the records
themselves, each with several degrees of repair; the other modules `audit_attack_*` register more.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.checkpoint import VerifierKey
from audit.envelope import format_time, new_event_id
from audit.errors import AuditError
from audit.keys import private_epochs, private_path, read_private
from audit.log import Limits, Log
from audit.periods import Profile
from audit.record import Event
from audit.view_envelope import nanoseconds_of
from benchmarks.audit_attack_base import BOB, Base
from benchmarks.audit_attack_history import (
    Item,
    Repair,
    close_again,
    read_history,
    rewrite,
    unseal,
)

FILES, KEY, OLD_KEY = "files", "key", "old key"
_DAY_NS = 86_400 * 1_000_000_000


class UnfitError(Exception):
    """This log has nothing to which the attack could be done; another one is to be taken."""


@dataclass(slots=True)
class Scene:
    """A copy of a log to be altered, and what the auditor has: `keys` and the checkpoint `anchor`,
    its size and note; `notes`: further checkpoints that it is given; `kept_for`: the periods that
    the auditor demands. `other`: another log."""

    base: Base
    folder: Path
    numbers: random.Random
    anchor: tuple[int, str]
    keys: list[VerifierKey]
    other: Base
    notes: list[str] = field(default_factory=list)
    kept_for: tuple[Profile, ...] = ()

    def target(self, fits: Callable[[Item], bool], items: list[Item]) -> int:
        """The place of a random record before the anchor that fits. Raises UnfitError."""
        found = [place for place in range(self.anchor[0]) if fits(items[place])]
        if not found:
            raise UnfitError
        return self.numbers.choice(found)

    def key(self) -> Ed25519PrivateKey:
        """The private key in force, as it lies in the log's own folder."""
        return read_private(private_path(self.folder / "keys", self.base.epochs))

    def old_keys(self) -> dict[int, Ed25519PrivateKey]:
        """The private keys of the epochs before, kept since they were in force."""
        stolen = self.base.stolen
        past = [epoch for epoch in private_epochs(stolen) if epoch < self.base.epochs]
        if not past:
            raise UnfitError
        return {epoch: read_private(private_path(stolen, epoch)) for epoch in past}

    def replace_with(self, other: Path) -> None:
        """Put another log's folder in the place of this one."""
        shutil.rmtree(self.folder)
        shutil.copytree(other, self.folder)

    def resume(self, count: int | None = None) -> None:
        """Let the real writer go on with what is there, seal, and close. It may refuse."""
        with suppress(AuditError), opened(self.folder) as log:
            more = range(count or self.numbers.randint(1, 60))
            log.append_many([Event("step.done", BOB, {"number": number}) for number in more])


def opened(folder: Path) -> Log:
    """The log with the real writer. Raises AuditError."""
    limits = Limits(rotate_days=0, disk_low_mb=0, disk_stop_mb=0)
    return Log(folder, build="attacks 1", process="thief", limits=limits)


Work = Callable[[Scene], None]


@dataclass(frozen=True, slots=True)
class Attack:
    """One kind of attack. `needs`: what the attacker must have. `apart`: "" for one that must be
    detected, else why it cannot be, in a few words."""

    name: str
    needs: str
    work: Work
    apart: str = ""


ATTACKS: dict[str, Attack] = {}


def attack(name: str, needs: str = FILES, apart: str = "") -> Callable[[Work], Work]:
    """Register an attack."""

    def register(work: Work) -> Work:
        assert name not in ATTACKS, name
        ATTACKS[name] = Attack(name, needs, work, apart)
        return work

    return register


# -- what is done to the history -------------------------------------------------------------------

Change = Callable[[Scene, list[Item]], int]
"""Changes the items; returns the place from which on the history is another."""


def _there(item: Item) -> bool:
    return item.envelope is not None


def edit(scene: Scene, items: list[Item]) -> int:
    """Another value in the clear fields."""
    place = scene.target(_there, items)
    fields = items[place].fields()
    own = items[place].type in ("checkpoint.signed", "log.opened", "retention.pruned")
    # Of those the repair writes most fields anew.
    name = "added" if own else scene.numbers.choice([*fields, "added"])
    fields[name] = f"{fields.get(name, '')}x" if isinstance(fields.get(name), str) else 7_777_777
    return place


def blame(scene: Scene, items: list[Item]) -> int:
    """Another person."""
    place = scene.target(lambda item: _there(item) and b'"kind":"person"' in _raw(item), items)
    actor = items[place].value()["actor"]
    assert isinstance(actor, dict)
    actor["id"] = "mallory"
    return place


def backdate(scene: Scene, items: list[Item]) -> int:
    """Another time, of one record or of all from there on."""
    place = scene.target(_there, items)
    end = place + 1 if scene.numbers.random() < 0.5 else len(items)
    for item in filter(_there, items[place:end]):
        value = item.value()
        value["ts_utc"] = format_time((nanoseconds_of(str(value["ts_utc"])) or 0) - _DAY_NS)
    return place


def retype(scene: Scene, items: list[Item]) -> int:
    """Another type, request or session, in envelope and columns."""
    place = scene.target(_there, items)
    items[place].value()[scene.numbers.choice(("type", "request_id", "session"))] = "other.thing"
    return place


def delete(scene: Scene, items: list[Item]) -> int:
    """One record less; a checkpoint made after it moves to the one before."""
    place = scene.target(_there, items)
    _remove(items, place, place + 1)
    return place


def delete_run(scene: Scene, items: list[Item]) -> int:
    """Several records in a row less."""
    place = scene.target(lambda item: item.seq > 0, items)
    _remove(items, place, min(place + scene.numbers.randint(2, 20), len(items)))
    return place


def _remove(items: list[Item], first: int, end: int) -> None:
    notes = [item.note for item in items[first:end] if item.note]
    if notes and first:
        items[first - 1].note = items[first - 1].note or notes[-1]
    del items[first:end]


def swap(scene: Scene, items: list[Item]) -> int:
    """Two records in each other's places; the checkpoints stay where they were."""
    one = scene.target(_there, items)
    other = scene.target(lambda item: item.seq != one, items)
    items[one], items[other] = items[other], items[one]
    items[one].note, items[other].note = items[other].note, items[one].note
    return min(one, other)


def move(scene: Scene, items: list[Item]) -> int:
    """One record elsewhere in the order."""
    one = scene.target(_there, items)
    other = scene.target(lambda item: item.seq != one, items)
    notes = [item.note for item in items]
    items.insert(other, items.pop(one))
    for item, note in zip(items, notes, strict=True):
        item.note = note
    return min(one, other)


def insert(scene: Scene, items: list[Item]) -> int:
    """A record that never was, after the pattern of its neighbour."""
    place = scene.target(_there, items)
    made = forged(items[place])
    made.fields()["number"] = 999_999
    items.insert(place, made)
    return place


def forged(pattern: Item, kind: str | None = None, **fields: object) -> Item:
    """A record of the attacker's own that looks like another; of another type with these fields."""
    made = Item(pattern.seq, b"", pattern.envelope)
    value = made.value()
    value["event_id"], value["payload"] = new_event_id(), None
    if kind is not None:
        value.update(type=kind, fields=fields)
    return made


def duplicate(scene: Scene, items: list[Item]) -> int:
    """A record a second time, elsewhere, under an id of its own."""
    one = scene.target(_there, items)
    made = Item(one, items[one].hash, items[one].envelope, items[one].payload)
    made.value()["event_id"] = new_event_id()
    place = scene.target(lambda item: item.seq > 0, items)
    items.insert(place, made)
    return place


def drop_payload(scene: Scene, items: list[Item]) -> int:
    """A payload gone, and the record says that it never had one."""
    place = scene.target(lambda item: item.payload is not None, items)
    items[place].payload = None
    items[place].value()["payload"] = None
    return place


def swap_payloads(scene: Scene, items: list[Item]) -> int:
    """Two records with each other's payload and what is said of it."""
    one = scene.target(lambda item: item.payload is not None, items)
    other = scene.target(lambda item: item.payload is not None and item.seq != one, items)
    first, second = items[one].value(), items[other].value()
    first["payload"], second["payload"] = second["payload"], first["payload"]
    items[one].payload, items[other].payload = items[other].payload, items[one].payload
    return min(one, other)


def _raw(item: Item) -> bytes:
    return item.envelope or b""


CHANGES: dict[str, Change] = {
    "edit": edit,
    "blame": blame,
    "backdate": backdate,
    "retype": retype,
    "delete": delete,
    "delete a run": delete_run,
    "swap": swap,
    "move": move,
    "insert": insert,
    "duplicate": duplicate,
    "drop a payload": drop_payload,
    "swap payloads": swap_payloads,
}


# -- how far it is repaired ------------------------------------------------------------------------


def _nothing(scene: Scene, items: list[Item], first: int) -> Repair:
    return Repair(hashes=False, links=False)


def _hashes(scene: Scene, items: list[Item], first: int) -> Repair:
    return Repair(links=False)


def _links(scene: Scene, items: list[Item], first: int) -> Repair:
    return Repair()


def _seals_gone(scene: Scene, items: list[Item], first: int) -> Repair:
    unseal(items, first)
    return Repair()


def _all_signed(scene: Scene, items: list[Item], first: int) -> Repair:
    return Repair(keys={scene.base.epochs: scene.key()}, any_key=scene.key())


def _last_signed(scene: Scene, items: list[Item], first: int) -> Repair:
    unseal(items, first)
    items[-1].note = "to be signed"
    return _all_signed(scene, items, first)


def _old_signed(scene: Scene, items: list[Item], first: int) -> Repair:
    return Repair(keys=scene.old_keys())


REPAIRS = {
    "nothing repaired": (FILES, _nothing),
    "hashes and tree repaired": (FILES, _hashes),
    "all but the checkpoints repaired": (FILES, _links),
    "checkpoints removed": (FILES, _seals_gone),
    "re-signed": (KEY, _all_signed),
    "earlier checkpoints removed, the end re-signed": (KEY, _last_signed),
    "re-signed with an old key": (OLD_KEY, _old_signed),
}


def _history_attack(change: Change, how: str) -> Work:
    needs, repair = REPAIRS[how]

    def work(scene: Scene) -> None:
        items = read_history(scene.folder)
        first = change(scene, items)
        rewrite(scene.folder, items, repair(scene, items, first))
        if needs == KEY and scene.numbers.random() < 0.5:
            close_again(scene.folder, scene.key())
        elif scene.numbers.random() < 0.2:
            scene.resume()

    return work


for _name, _change in CHANGES.items():
    for _how, (_needs, _) in REPAIRS.items():
        attack(f"{_name}: {_how}", _needs)(_history_attack(_change, _how))
