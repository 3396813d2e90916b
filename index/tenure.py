"""Which documents are in force on a day: the rules, pure. `index.effective` asks the catalogue.

All days are ISO 8601 and local; a document is in force from its first to its last day, both
included. What a document declares goes before what the catalogue has seen:

- It begins on `effective_from`. Without that: the first content of a source that takes nobody's
  place has always been in force, since nothing says otherwise; every other begins on the day on
  which it came to stand as current here. One that came back begins again on the day it came back.
- It ends with `effective_to`, and before a successor begins, if that is earlier. A successor is a
  later content of its source, or a document that names its source in `supersedes`. So an old
  version goes on until its successor's `effective_from`, though nothing holds it any more, and one
  that a later correction is back-dated over was never in force.
- A draft is never in force and is nobody's successor: what it was put in the place of goes on.
- What declares itself withdrawn or superseded ends on the day before this was noted; if it came
  so, it was in force only as far as `effective_to` or a successor says until when. Contents
  that its source held before do not come back for it.
- A claim of a document that its source still holds, and that is no draft and not withdrawn, holds
  from that document's first day on, whatever becomes of the document. The claim of a withdrawn
  one, or of an old version, holds on the days on which that one was in force itself. Claims in a
  circle cancel out (`index.standing`).
- A day on which nothing is in force stays one: nothing is stretched to fill a gap. On the very day
  of a change the new state holds. What was removed is gone for every day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from index.document import Status

ALWAYS = ""  # before every day, as text compares
NEVER = "~"  # after every day


@dataclass(frozen=True, slots=True)
class Stay:
    """A time in which a document stood as current in the catalogue, from day to day.

    `key` counts all stays in the order in which they began; `version` is the number of the content
    at its source then; `ended` is the first day on which it did not stand so any more.
    """

    key: int
    version: int
    began: str
    ended: str | None


@dataclass(frozen=True, slots=True)
class Life:
    """What the rules need to know of a document; `stays` in order.

    `names` are the sources that hold it, and the one it is named after; `held` says whether any
    source does; `added` is the day on which it was last read.
    """

    key: int
    source: str
    version: int
    names: frozenset[str]
    declared: Status
    held: bool
    added: str
    effective_from: str | None = None
    effective_to: str | None = None
    supersedes: frozenset[str] = frozenset()
    stays: tuple[Stay, ...] = ()

    @property
    def ended_itself(self) -> bool:
        """Whether it declares that it is no longer in force."""
        return self.declared in (Status.WITHDRAWN, Status.SUPERSEDED)

    @property
    def claims_for_good(self) -> bool:
        """Whether what it supersedes stays superseded: see `index.standing`."""
        return self.held and self.declared in (Status.CURRENT, Status.SUPERSEDED)


@dataclass(frozen=True, slots=True)
class Tenure:
    """How a document stands to a day.

    `superseded_on` is the first day of the successor that ended it or will end it, and
    `superseded_by` the key of that one; `withdrawn_on` the day on which it was noted that it is no
    longer in force. All None if nothing is known to end it.
    """

    in_force: bool
    superseded_on: str | None = None
    superseded_by: int | None = None
    withdrawn_on: str | None = None


@dataclass(frozen=True, slots=True)
class _Period:
    """`[start, gone)` before successors and `effective_to`; of a stay, or (None) of none."""

    start: str
    gone: str
    stay: Stay | None


def unbroken(claims: Set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Of pairs (superseding, superseded), those that are not part of a circle."""
    follows: defaultdict[int, set[int]] = defaultdict(set)
    for newer, older in claims:
        follows[newer].add(older)
    reached = {older: _reached(older, follows) for _newer, older in claims}
    return {(newer, older) for newer, older in claims if newer not in reached[older]}


def _reached(start: int, follows: defaultdict[int, set[int]]) -> set[int]:
    found, waiting = {start}, [start]
    while waiting:
        for each in follows.get(waiting.pop(), set()) - found:
            found.add(each)
            waiting.append(each)
    return found


class Register:
    """The documents of one collection, or of it those that can bear on each other.

    For each document that is asked about, all that share its source and all whose claims name one
    of its sources must be among `lives`.
    """

    def __init__(self, lives: Iterable[Life]) -> None:
        self._lives = {life.key: life for life in lives}
        self._mates: defaultdict[str, list[Life]] = defaultdict(list)
        named: defaultdict[str, list[Life]] = defaultdict(list)
        for life in self._lives.values():
            self._mates[life.source].append(life)
            for name in life.names:
                named[name].append(life)
        for_good: set[tuple[int, int]] = set()
        meanwhile: set[tuple[int, int]] = set()
        for life in self._lives.values():
            if life.declared is Status.DRAFT:
                continue
            claimed = {other.key for name in life.supersedes for other in named[name]}
            claimed -= {mate.key for mate in self._mates[life.source]}
            pairs = {(life.key, other) for other in claimed}
            (for_good if life.claims_for_good else meanwhile).update(pairs)
        self._for_good = _by_second(unbroken(for_good))
        self._meanwhile = _by_second(unbroken(meanwhile))

    def in_force(self, key: int, day: str) -> bool:
        """Whether a document is in force on a day."""
        return self._covering(self._lives[key], day) is not None

    def tenure(self, key: int, day: str) -> Tenure:
        """How a document stands to a day, and what ended or will end it then."""
        life = self._lives[key]
        covering = self._covering(life, day)
        periods = self._periods(life)
        period = covering or (periods[-1] if periods else None)
        if period is None:
            return Tenure(False)
        found = sorted(self._successions(life, period))
        if found:
            on, by = found[0]
            return Tenure(covering is not None, on, by)
        withdrawn = period.gone if life.ended_itself and period.stay is not None else None
        return Tenure(covering is not None, withdrawn_on=withdrawn)

    def _covering(self, life: Life, day: str) -> _Period | None:
        """The period of `life` that holds the day, if it is in force."""
        if life.effective_to is not None and day > life.effective_to:
            return None
        for period in self._periods(life):
            if period.start <= day < period.gone and all(
                day < on for on, _by in self._successions(life, period)
            ):
                taken = any(self.in_force(by, day) for by in self._meanwhile[life.key])
                return None if taken else period
        return None

    def _periods(self, life: Life) -> list[_Period]:
        if life.declared is Status.DRAFT:
            return []
        if not life.stays:
            return self._unseen(life)
        first, *again = life.stays
        periods = [(_beginning(life, first.version, first.began), first)]
        periods += [(max(life.effective_from or ALWAYS, stay.began), stay) for stay in again]
        last = life.stays[-1]
        return [
            _Period(
                start,
                NEVER
                if stay.ended is None or (stay is last and self._goes_on(life))
                else stay.ended,
                stay,
            )
            for start, stay in periods
        ]

    def _unseen(self, life: Life) -> list[_Period]:
        """Of a document that came withdrawn or superseded: it had ended by the day it came."""
        period = _Period(_beginning(life, life.version, life.added), life.added, None)
        known = life.effective_to is not None or any(self._successions(life, period))
        return [period] if known else []

    def _goes_on(self, life: Life) -> bool:
        """Whether it waits for a successor to begin, though it does not stand as current."""
        if life.ended_itself:
            return False
        last = life.stays[-1]
        draft = any(
            mate.declared is Status.DRAFT and mate.held and mate.version > life.version
            for mate in self._mates[life.source]
        )
        return draft or any(self._successions(life, _Period(ALWAYS, NEVER, last)))

    def _successions(self, life: Life, period: _Period) -> Iterator[tuple[str, int]]:
        """The days from which others have the place of `life`, and their keys."""
        for mate in self._mates[life.source]:
            if mate.key != life.key and mate.declared is not Status.DRAFT:
                for on in _later(life, period.stay, mate):
                    yield on, mate.key
        for by in self._for_good[life.key]:
            on = _first_day(self._lives[by])
            since = period.stay.ended if period.stay is not None else None
            if self._lives[by].effective_from is None and since is not None:
                on = max(on, since)  # it may have been there before it claimed the place
            yield on, by


def _by_second(pairs: Set[tuple[int, int]]) -> defaultdict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for newer, older in sorted(pairs):
        found[older].append(newer)
    return found


def _beginning(life: Life, version: int, seen: str) -> str:
    """The first day of a document that was first seen on a day as that version of its source."""
    if life.effective_from is not None:
        return life.effective_from
    return ALWAYS if version == 1 and not life.supersedes else seen


def _first_day(life: Life) -> str:
    if not life.stays:
        return _beginning(life, life.version, life.added)
    return _beginning(life, life.stays[0].version, life.stays[0].began)


def _later(life: Life, stay: Stay | None, mate: Life) -> Iterator[str]:
    """The days from which `mate`, of the same source, has the place that `life` had in `stay`."""
    if not mate.stays or stay is None:
        if mate.version > life.version and (stay is None or stay.ended is not None):
            noted = mate.added if mate.ended_itself and not mate.stays else NEVER
            yield min(_first_day(mate), noted)
        return
    if stay.ended is None:
        return
    for number, other in enumerate(mate.stays):
        if other.key < stay.key or other.began < stay.ended:
            continue
        start = max(mate.effective_from or ALWAYS, other.began) if number else _first_day(mate)
        noted = other.ended if mate.ended_itself and other.ended is not None else NEVER
        yield min(start, noted)
