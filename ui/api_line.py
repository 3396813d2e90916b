"""Whose request is served next: a line that is fair to people, and its limits. No threads.

Everything here is called from one event loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


class Busy(Exception):
    """A request that cannot wait here either: `ahead` are served or waiting before it; `own` if
    its key has as many requests under way as a key may have."""

    def __init__(self, ahead: int, own: bool) -> None:
        super().__init__(f"{ahead} ahead")
        self.ahead = ahead
        self.own = own


@dataclass(eq=False)
class Place:
    """A request in the line or being served. `turn` is set once it is served."""

    key: str
    person: str
    turn: asyncio.Event = field(default_factory=asyncio.Event)


def in_order(waiting: Sequence[str], served: Sequence[str]) -> list[int]:
    """In which order `waiting` requests are served, as their positions, given the person of each
    and of those `served` now: whoever has the fewest goes first, then who came first. Pure."""
    have = Counter(served)
    left = list(range(len(waiting)))
    order = []
    while left:
        following = min(left, key=lambda position: (have[waiting[position]], position))
        have[waiting[following]] += 1
        left.remove(following)
        order.append(following)
    return order


class Line:
    """At most `at_once` requests are served, `longest` wait, and a key has `per_key` of both."""

    def __init__(self, at_once: int, per_key: int, longest: int) -> None:
        self._at_once, self._per_key, self._longest = at_once, per_key, longest
        self._served: list[Place] = []
        self._waiting: list[Place] = []

    def enter(self, key: str, person: str) -> Place:
        """A place, served at once if there is room. Raises Busy."""
        ahead = len(self._served) + len(self._waiting)
        if sum(place.key == key for place in (*self._served, *self._waiting)) >= self._per_key:
            raise Busy(ahead, own=True)
        if len(self._served) >= self._at_once and len(self._waiting) >= self._longest:
            raise Busy(ahead, own=False)
        place = Place(key, person)
        self._waiting.append(place)
        self._serve()
        return place

    def ahead(self, place: Place) -> int:
        """How many are served before this place gets its turn, those being served included."""
        if place not in self._waiting:
            return 0
        order = self._order()
        return len(self._served) + order.index(self._waiting.index(place))

    def leave(self, place: Place) -> None:
        """The request is over, or its client is gone. Nothing if it has left before."""
        for places in (self._served, self._waiting):
            if place in places:
                places.remove(place)
        self._serve()

    def _order(self) -> list[int]:
        waiting = [place.person for place in self._waiting]
        return in_order(waiting, [place.person for place in self._served])

    def _serve(self) -> None:
        while self._waiting and len(self._served) < self._at_once:
            place = self._waiting.pop(self._order()[0])
            self._served.append(place)
            place.turn.set()
