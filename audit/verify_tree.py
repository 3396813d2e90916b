"""Joining the verified ranges of a log: the links between them and the tree above them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from audit.findings import Findings
from audit.merkle import EMPTY_ROOT, HASH_BYTES, Frontier
from audit.verify_rows import LEVELS, RANGE, Notable, Range, RangeResult


@dataclass(frozen=True, slots=True)
class Extent:
    """Which numbers are taken. `end`: one above the highest; `records`: those stored or pruned."""

    first: int
    end: int
    records: int

    @property
    def dense(self) -> bool:
        """Whether every number from 0 to the highest is taken."""
        return self.records == self.end and self.first >= 0


def extent_of(connection: sqlite3.Connection, pruned: bool) -> Extent:
    """Measure the log. `pruned`: whether there is a table of pruned records."""
    first, end, records = 0, 0, 0
    for table in ("leaf", "pruned") if pruned else ("leaf",):
        count, low, high = connection.execute(
            f"SELECT count(*), min(seq), max(seq) FROM {table}"  # noqa: S608 - one of two constants
        ).fetchone()
        records += count
        if isinstance(low, int) and isinstance(high, int):
            first, end = min(first, low), max(end, high + 1)
    return Extent(first, end, records)


def plan(
    connection: sqlite3.Connection,
    extent: Extent,
    log_id: str,
    sizes: Sequence[int],
    pruned: bool,
) -> Iterator[Range]:
    """The ranges that hold records, in order. `sizes`: the tree sizes whose roots are wanted.

    Where numbers are missing, ranges without any record are left out, so that one absurd number
    does not make the way to it endless.
    """
    wanted = sorted(sizes)
    first, place = 0, 0
    while first < extent.end:
        if not extent.dense:
            found = _next_number(connection, first, pruned)
            if found is None:
                return
            first = found - found % RANGE
        end = min(first + RANGE, extent.end)
        while place < len(wanted) and wanted[place] <= first:
            place += 1
        past = place
        while past < len(wanted) and wanted[past] <= end:
            past += 1
        yield Range(first, end, log_id, tuple(wanted[place:past]), pruned)
        first, place = end, past


def _next_number(connection: sqlite3.Connection, first: int, pruned: bool) -> int | None:
    found = []
    for table in ("leaf", "pruned") if pruned else ("leaf",):
        (low,) = connection.execute(
            f"SELECT min(seq) FROM {table} WHERE seq >= ?",  # noqa: S608 - one of two constants
            (first,),
        ).fetchone()
        if isinstance(low, int):
            found.append(low)
    return min(found, default=None)


@dataclass(slots=True)
class Joined:
    """The whole log as its ranges give it, joined one after the other in order.

    `roots` holds the root of each wanted size up to which no record is missing; `days` the number
    of the first record of each UTC day (days since 1970) that some record names.
    """

    findings: Findings
    roots: dict[int, bytes] = field(default_factory=lambda: {0: EMPTY_ROOT})
    notable: list[Notable] = field(default_factory=list)
    days: dict[int, int] = field(default_factory=dict)
    nodes: list[tuple[int, int, bytes]] = field(default_factory=list)  # above the ranges
    records: int = 0
    pruned: int = 0
    payloads: int = 0
    clock_steps: int = 0
    whole: bool = True
    _expected: int = 0
    _last: str | None = None
    _last_time: int | None = None
    _edge: Frontier = field(default_factory=Frontier)  # its leaves are whole ranges

    def add(self, wanted: Range, result: RangeResult) -> None:
        """Take the next range."""
        if wanted.first != self._expected:
            missing = wanted.first - self._expected
            self.findings.add(f"{missing} records from number {self._expected} on are missing")
            self.whole, self._last = False, None
        if None not in (result.link, self._last) and result.link != self._last:
            self.findings.add(
                f"record {wanted.first}: `prev_leaf_hash` is not what stands beside or before it"
            )
        self.findings.extend(result.texts, result.findings)
        self._join_tree(wanted, result)
        self.notable += result.notable
        self.days = result.days | self.days
        self.records += result.records
        self.pruned += result.pruned
        self.payloads += result.payloads
        self._join_time(result)
        self._expected, self._last = wanted.end, result.last

    def _join_tree(self, wanted: Range, result: RangeResult) -> None:
        self.whole = self.whole and result.last is not None
        if not self.whole:
            return
        for size, peaks in result.roots.items():
            parts = [bytes.fromhex(peak) for peak in peaks]
            self.roots[size] = Frontier(size, (*self._edge.peaks, *parts)).root()
            if size - wanted.first == RANGE:
                self._edge, made = self._edge.append(parts[0])
                self.nodes += [(LEVELS + level, place, node) for level, place, node in made]

    def _join_time(self, result: RangeResult) -> None:
        if result.first_time is None:
            return
        if self._last_time is not None and result.first_time < self._last_time:
            self.clock_steps += 1
        self.clock_steps += result.steps
        self._last_time = result.last_time


def check_upper_nodes(connection: sqlite3.Connection, joined: Joined) -> None:
    """Compare the stored nodes above the ranges, and how many nodes and payloads there are."""
    if joined.whole:
        size = joined.records + joined.pruned
        for level, position, digest in joined.nodes:
            row = connection.execute(
                "SELECT CASE WHEN length(hash) = ? THEN hash END FROM node "
                "WHERE level = ? AND position = ?",
                (HASH_BYTES, level, position),
            ).fetchone()
            if row != (digest,):
                joined.findings.add(f"tree node {level}/{position} is not what its records give")
        (stored,) = connection.execute("SELECT count(*) FROM node").fetchone()
        if stored != sum(size >> level for level in range(1, size.bit_length())):
            joined.findings.add("there are more tree nodes than the records account for")
    (payloads,) = connection.execute("SELECT count(*) FROM payload").fetchone()
    if payloads != joined.payloads:
        joined.findings.add("there are more or fewer payloads than the records name")
