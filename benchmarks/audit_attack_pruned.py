"""Records before the anchor declared pruned, by somebody with the key in force, in a sealed record
after it.

The hashes stay, so the anchor holds. What shows it: a pruning names the periods that it kept, and a
pruned record is no older than any record left before it, nor is a moment later than the auditor's
clock. Told apart are the two that one checkpoint does not show: a short period named, where the
auditor demands none, and everything removed, seals and all, back to a record that is old enough.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from audit.envelope import format_time
from audit.periods import Period, Profile
from audit.pruning import is_protected
from audit.view_envelope import nanoseconds_of
from benchmarks.audit_attack_base import DAY_NS, KEPT
from benchmarks.audit_attack_history import Item, Repair, read_history, rewrite
from benchmarks.audit_attack_rows import forged_pruning, prune_item
from benchmarks.audit_attackers import KEY, Scene, UnfitError, attack

_SHORT = "own=1d"
_YEARS = 366 * DAY_NS


@dataclass(slots=True)
class _History:
    """A log's records, and the record of the attacker's that is to remove some of them, written
    now as far as it says."""

    items: list[Item]
    made: Item = field(init=False)
    now: int = field(init=False)

    def __post_init__(self) -> None:
        self.made = forged_pruning(self.items)
        self.date(time.time_ns())

    def date(self, moment: int) -> None:
        """Let the attacker's record be of another time."""
        self.now = moment
        self.made.value()["ts_utc"] = format_time(moment)

    def age(self, place: int) -> int:
        """How old the record at this place was by then, at most, in whole days: as the newest
        record before it."""
        before = (_time(item) for item in self.items[:place] if item.envelope is not None)
        return self.now // DAY_NS - max(before, default=0) // DAY_NS

    def finish(self, scene: Scene) -> None:
        """Write it all, sealed."""
        self.made.note = "to be signed"
        self.items.append(self.made)
        rewrite(scene.folder, self.items, Repair(keys={scene.base.epochs: scene.key()}))


def _time(item: Item) -> int:
    return nanoseconds_of(str(item.value()["ts_utc"])) or 0


def _read(scene: Scene) -> _History:
    return _History(read_history(scene.folder))


def _some(scene: Scene, history: _History, least: int, most: int) -> int:
    """The place of a record before the anchor that was so many days old; of a type that may be
    pruned, as a rule."""
    items = history.items
    any_type = scene.numbers.random() < 0.2
    return scene.target(
        lambda item: (
            item.envelope is not None
            and item.seq > 0
            and item.type != "key.rotated"
            and (any_type or not is_protected(item.type))
            and least <= history.age(item.seq) <= most
        ),
        items,
    )


def _declare(scene: Scene, history: _History, place: int, *profiles: str) -> None:
    history.made.fields()["profiles"] = list(profiles)
    prune_item(history.items, place, history.made)
    history.finish(scene)


@attack("declared pruned after the anchor, for a period that had not passed", KEY)
def _too_early(scene: Scene) -> None:
    history = _read(scene)
    place = _some(scene, history, 0, 300)
    _declare(scene, history, place, scene.numbers.choice(("hipaa=6y", "own=300d", "own=12m")))


@attack("declared pruned after the anchor, for no period, or one that is none", KEY)
def _unnamed(scene: Scene) -> None:
    history = _read(scene)
    place = _some(scene, history, 0, 300)
    named = scene.numbers.choice(((), ("hipaa",), ("own=0d",), (_SHORT, "")))
    history.made.fields().update(profile="hipaa")
    _declare(scene, history, place, *named)


@attack("declared pruned after the anchor, by a record dated years on", KEY)
def _in_future(scene: Scene) -> None:
    history = _read(scene)
    place = _some(scene, history, 0, 300)
    history.date(history.now + 7 * _YEARS)
    _declare(scene, history, place, "hipaa=6y")


@attack("declared pruned after the anchor, by a record dated years back", KEY)
def _in_past(scene: Scene) -> None:
    history = _read(scene)
    place = _some(scene, history, 0, 300)
    begun = _time(history.items[0])
    before = begun - scene.numbers.randint(1, 9) * _YEARS
    history.date(scene.numbers.choice((before, scene.numbers.randrange(begun, history.now))))
    _declare(scene, history, place, "hipaa=6y")


@attack("declared pruned after the anchor, a short period named, the right one demanded", KEY)
def _short_demanded(scene: Scene) -> None:
    history = _read(scene)
    scene.kept_for = KEPT
    _declare(scene, history, _some(scene, history, 2, KEPT[0].period.count), _SHORT)


@attack("declared pruned after the anchor, years demanded", KEY)
def _years_demanded(scene: Scene) -> None:
    history = _read(scene)
    if any(item.envelope is None for item in history.items):
        raise UnfitError  # what is gone already was not kept for years either
    scene.kept_for = (*KEPT, Profile("", Period(2, "y")))
    _declare(scene, history, _some(scene, history, 6, 300), *map(str, KEPT))


@attack("declared pruned after the anchor, a short period named", KEY, "no period is demanded")
def _short(scene: Scene) -> None:
    history = _read(scene)
    items = history.items
    place = scene.target(
        lambda item: (
            item.envelope is not None
            and not is_protected(item.type)
            and 2 <= history.age(item.seq) <= KEPT[0].period.count
        ),
        items,
    )
    _declare(scene, history, place, _SHORT)


@attack("declared pruned after the anchor, with all before it back to an old record", KEY, "a gap")
def _gap(scene: Scene) -> None:
    """The auditor demands the right period, too."""
    history = _read(scene)
    items, end = history.items, scene.anchor[0]
    old = [
        place
        for place in range(1, end)
        if history.age(place) > KEPT[0].period.count and not items[place - 1].note
    ]
    if not old:
        raise UnfitError
    first = scene.numbers.choice(old[-5:])
    gone = items[first:end]
    if any(item.type in ("key.rotated", "retention.pruned") for item in gone):
        raise UnfitError  # those are missed where they are needed
    for place in range(first, end):
        if items[place].envelope is not None:
            prune_item(items, place, history.made)
        if place + 1 < end:
            items[place].note = ""  # its `checkpoint.signed` is gone, too
    scene.kept_for = KEPT
    history.made.fields()["profiles"] = [str(each) for each in KEPT]
    history.finish(scene)
