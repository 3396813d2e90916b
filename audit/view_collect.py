"""What a pass over the log keeps: which answers or records match, and what became of all others.

Kept in a few bytes for each record, so that a log of a million records is gone through in tens of
megabytes; what is on the page is read again, and known by its hash to be what the pass saw.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field

from audit.view_data import Order, Page, Wanted
from audit.view_envelope import Head
from audit.view_fields import STARTS
from audit.view_match import Match

_FAMILIES = {kind.partition(".")[0]: what for kind, what in STARTS.items()} | {"answer": "answer"}


@dataclass(slots=True)
class Group:
    """The records of one request: numbers, a mark of each computed hash, numbers of their types;
    `began` in nanoseconds, `bits` the conditions fulfilled so far."""

    request: str
    kind: str
    began: int | None
    seqs: array[int] = field(default_factory=lambda: array("Q"))
    marks: array[int] = field(default_factory=lambda: array("q"))
    types: array[int] = field(default_factory=lambda: array("L"))
    bits: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What is on a page, and what is not. `cursor` begins the next page."""

    groups: tuple[Group, ...]
    cursor: int | None
    shown: int
    elsewhere: int
    outside: int
    left_out: dict[str, int]


class _Keeping:
    """What both ways of collecting share: types by number, and time."""

    def __init__(self, wanted: Wanted, page: Page) -> None:
        self._page = page
        self._match = Match(wanted)
        self._since = wanted.since
        self._until = wanted.until
        self._types: dict[str, int] = {}
        self._left_out: Counter[str] = Counter()
        self._outside = 0

    def _in_time(self, moment: int | None) -> bool:
        if self._since is None and self._until is None:
            return True
        if moment is None:
            return False
        after = self._since is None or moment >= self._since
        return after and (self._until is None or moment < self._until)

    def _type(self, kind: str) -> int:
        return self._types.setdefault(kind, len(self._types))

    def _left(self) -> dict[str, int]:
        return {kind: count for kind, count in sorted(self._left_out.items()) if count}


class Answers(_Keeping):
    """Gathers records by request: one row for each answer, task or search. All other records are
    left out."""

    def __init__(self, wanted: Wanted, page: Page) -> None:
        super().__init__(wanted, page)
        self._groups: dict[str, Group] = {}

    def take(self, head: Head, envelope: bytes, digest: bytes) -> None:
        """Count one record to its answer."""
        request = head.request_id
        group = self._groups.get(request) if request else None
        if group is None:
            kind = _FAMILIES.get(head.type.partition(".")[0]) if request else None
            if kind is None:
                self._alone(head)
                return
            group = self._groups[request] = Group(request, kind, head.ts_utc)
        group.seqs.append(head.seq)
        group.marks.append(hash(digest))
        group.types.append(self._type(head.type))
        if self._match.all:
            group.bits |= self._match.bits(head, envelope)

    def _alone(self, head: Head) -> None:
        if self._in_time(head.ts_utc):
            self._left_out[head.type] += 1
        else:
            self._outside += 1

    def found(self) -> Found:
        """The answers of the page, in its order."""
        names = {number: kind for kind, number in self._types.items()}
        matching: list[Group] = []
        elsewhere = 0
        for group in self._groups.values():
            if not self._in_time(group.began):
                self._outside += len(group.seqs)
            elif group.bits != self._match.all:
                for number, count in Counter(group.types).items():
                    self._left_out[names[number]] += count
            elif not self._page.after(group.seqs[0]):
                elsewhere += len(group.seqs)
            else:
                matching.append(group)
        if self._page.order is Order.NEWEST:
            matching.reverse()
        shown, rest = matching[: self._page.limit], matching[self._page.limit :]
        return Found(
            tuple(shown),
            shown[-1].seqs[0] if rest and shown else None,
            sum(len(group.seqs) for group in shown),
            elsewhere + sum(len(group.seqs) for group in rest),
            self._outside,
            self._left(),
        )


class Records(_Keeping):
    """Takes every record by itself."""

    def __init__(self, wanted: Wanted, page: Page) -> None:
        super().__init__(wanted, page)
        self._matching = Group("", "", None)
        self._elsewhere = 0

    def take(self, head: Head, envelope: bytes, digest: bytes) -> None:
        """Keep one record, or count it as left out."""
        if not self._in_time(head.ts_utc):
            self._outside += 1
        elif self._match.all and self._match.bits(head, envelope) != self._match.all:
            self._left_out[head.type] += 1
        elif not self._page.after(head.seq):
            self._elsewhere += 1
        else:
            self._matching.seqs.append(head.seq)
            self._matching.marks.append(hash(digest))

    def found(self) -> Found:
        """The records of the page, in its order, as one group."""
        every, limit = self._matching, self._page.limit
        total = len(every.seqs)
        newest = self._page.order is Order.NEWEST
        chosen = (
            range(total - 1, max(total - 1 - limit, -1), -1) if newest else range(total)[:limit]
        )
        page = Group("", "", None)
        for place in chosen:
            page.seqs.append(every.seqs[place])
            page.marks.append(every.marks[place])
        shown = len(page.seqs)
        more = total > shown and shown
        return Found(
            (page,),
            page.seqs[-1] if more else None,
            shown,
            self._elsewhere + total - shown,
            self._outside,
            self._left(),
        )
