"""The line before a model: several at a time, fair to people.

Whoever has the fewest answers under way is next, and among those who was served longest ago: a
person who asks ten questions at once does not hold up one who asks a single one. Nobody may fill
the line alone. `order` is the whole policy, and pure.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from assistant.errors import ModelBusy


class Ticket:
    """A place in the line. `alone`: no other answer may be under way meanwhile."""

    __slots__ = ("alone", "owner")

    def __init__(self, owner: str, *, alone: bool) -> None:
        self.owner = owner
        self.alone = alone


def order(
    waiting: Sequence[Ticket], running: Mapping[str, int], served: Mapping[str, int]
) -> list[Ticket]:
    """Those who wait in the order in which they are served, as if no answer under way ended.

    `waiting` is in the order of asking, `running` counts answers under way by owner, `served` says
    when an owner was served last (any growing number; missing: never). Those who were under way
    already when the engine was lost come first.
    """
    under_way, last = Counter(running), dict(served)
    left = [ticket for ticket in waiting if not ticket.alone]
    found = [ticket for ticket in waiting if ticket.alone]
    now = max(last.values(), default=0)
    while left:
        chosen = min(left, key=lambda t: (under_way[t.owner], last.get(t.owner, -1)))
        left.remove(chosen)
        found.append(chosen)
        under_way[chosen.owner] += 1
        now += 1
        last[chosen.owner] = now
    return found


class Line:
    """Who is served, and who waits. Safe between threads."""

    def __init__(self, places: Callable[[], int], limit: int) -> None:
        """`places` says how many may be served at a time, `limit` how many may wait."""
        self._places, self._limit = places, limit
        self._changed = threading.Condition()
        self._waiting: list[Ticket] = []
        self._running: list[Ticket] = []
        self._served: dict[str, int] = {}
        self._turns = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        return len(self._running)

    def join(self, owner: str, *, alone: bool = False) -> Ticket:
        """A place at the end of the line. Raises ModelBusy if it is full, or if `owner` has half
        of it already; never for one who was under way and comes again (`alone`)."""
        ticket = Ticket(owner, alone=alone)
        with self._changed:
            self._waiting.append(ticket)
            if not alone and not self._next(ticket):
                of_owner = sum(other.owner == owner for other in self._waiting)
                most = max(1, -(-self._limit // 2))
                if len(self._waiting) > self._limit or of_owner > most:
                    ahead = self._ahead(ticket)
                    self._waiting.remove(ticket)
                    raise ModelBusy(ahead)
            return ticket

    def wait(self, ticket: Ticket, seconds: float) -> bool:
        """Whether the ticket's turn has come, after at most `seconds`; it is then under way until
        `leave`."""
        end = time.monotonic() + seconds
        with self._changed:
            while not self._next(ticket):
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            self._waiting.remove(ticket)
            self._running.append(ticket)
            self._turns += 1
            self._served[ticket.owner] = self._turns
            self._forget_strangers()
            self._changed.notify_all()  # there may be room for one more
            return True

    def ahead(self, ticket: Ticket) -> int:
        """How many answers must end before this one begins."""
        with self._changed:
            return self._ahead(ticket)

    def leave(self, ticket: Ticket) -> None:
        """Give a place back, waiting or under way; any number of times, from any thread."""
        with self._changed:
            for places in (self._waiting, self._running):
                if ticket in places:
                    places.remove(ticket)
                    self._changed.notify_all()

    def _next(self, ticket: Ticket) -> bool:
        if ticket not in self._waiting:
            return False
        if any(other.alone for other in self._running):
            return False
        if ticket.alone and self._running:
            return False
        free = self._places() - len(self._running)
        ranks = self._order()
        if ranks[0].alone:
            return ticket is ranks[0]
        return ticket in ranks[: max(0, free)]

    def _ahead(self, ticket: Ticket) -> int:
        if ticket not in self._waiting:
            return 0
        rank = self._order().index(ticket)
        free = self._places() - len(self._running)
        return max(0, rank + 1 - free)

    def _order(self) -> list[Ticket]:
        return order(self._waiting, Counter(t.owner for t in self._running), self._served)

    def _forget_strangers(self) -> None:
        """Whoever has nothing here any more is nobody's concern."""
        here = {ticket.owner for ticket in (*self._waiting, *self._running)}
        if len(self._served) > 1000:
            self._served = {o: turn for o, turn in self._served.items() if o in here}
