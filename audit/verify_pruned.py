"""Checking what retention removed: that a record says so, says exactly this, and could be due.

Of a pruned record only its number and its leaf hash are left. The tree over those hashes shows that
some record stood there; what it said, nobody can tell any more. That it was no older than the
records before it can be told, and a pruning names the period that it kept.
"""

from __future__ import annotations

import hashlib
import sqlite3
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby

from audit.envelope import format_time
from audit.errors import SettingsError
from audit.findings import Findings
from audit.merkle import HASH_BYTES
from audit.periods import Profile, last_day, parse_period
from audit.verify_epochs import Epoch
from audit.verify_rows import DAY_NS, Notable

_1970 = date(1970, 1, 1).toordinal()
_ROWS = """
SELECT by_seq, seq, CASE WHEN length(hash) = ? THEN hash END FROM pruned ORDER BY by_seq, seq
"""
Row = tuple[object, object, object]


@dataclass(slots=True)
class _Group:
    """The records that one `retention.pruned` record removed."""

    count: int = 0
    first: int = -1
    last: int = -1
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, seq: int, leaf: bytes) -> None:
        self.first = seq if self.count == 0 else self.first
        self.count, self.last = self.count + 1, seq
        self.digest.update(f"{seq}:{leaf.hex()}\n".encode())

    def fields(self) -> dict[str, object]:
        return {
            "count": self.count,
            "first": self.first,
            "last": self.last,
            "hashes_sha256": self.digest.hexdigest(),
        }


def check_pruned(
    connection: sqlite3.Connection, notable: Sequence[Notable], findings: Findings
) -> None:
    """Compare the pruned rows with the records that account for them, both ways."""
    accounts = {seq: fields for seq, kind, fields in notable if kind == "retention.pruned"}
    rows = connection.execute(_ROWS, (HASH_BYTES,))
    for by_seq, group in groupby(rows, key=lambda row: row[0]):
        account = accounts.pop(by_seq, None)
        if account is None:
            findings.add(f"record {by_seq}, which is said to have pruned others, did not")
        problem = _group_problem(by_seq, group, account)
        if problem:
            findings.add(problem)
    for seq, account in accounts.items():
        if account.get("count") != 0:
            findings.add(f"record {seq} says that it pruned records, but none are marked so")


def check_pruning_sealed(notable: Sequence[Notable], sealed: int, findings: Findings) -> None:
    """Every record that says it pruned others must be under a checkpoint that holds (the first
    `sealed` records are): it is written in one transaction with one. Without that, whoever can
    write the file could remove any record and add, unsigned, that retention did."""
    for seq, kind, fields in notable:
        if kind == "retention.pruned" and seq >= sealed and fields.get("count") != 0:
            findings.add(f"record {seq} says that it pruned records, but no checkpoint covers it")


def pruned_since(connection: sqlite3.Connection, size: int) -> int:
    """How many of the first `size` records were removed by a later one. Raises sqlite3.Error."""
    row = connection.execute(
        "SELECT count(*) FROM pruned WHERE seq < ?1 AND by_seq >= ?1", (size,)
    ).fetchone()
    return int(row[0])


def _group_problem(by_seq: object, rows: Iterable[Row], account: dict[str, object] | None) -> str:
    seen = _Group()
    for _, seq, leaf in rows:
        if not isinstance(seq, int) or not isinstance(leaf, bytes):
            return f"record {seq} was pruned without leaving its hash"
        if seq == 0 or not isinstance(by_seq, int) or by_seq <= seq:
            return f"record {seq} cannot have been pruned by record {by_seq}"
        seen.add(seq, leaf)
    if account is None:
        return ""
    said = {name: account.get(name) for name in seen.fields()}
    return "" if said == seen.fields() else f"record {by_seq} pruned other records than are gone"


def check_seals_kept(
    connection: sqlite3.Connection,
    notable: Sequence[Notable],
    epochs: Sequence[Epoch],
    findings: Findings,
) -> None:
    """A stored checkpoint of size S is followed by record S, `checkpoint.signed`, of a type that is
    never pruned: these records date what stood between them. Raises sqlite3.Error.

    Two cases are left out: the handover of a key, which other records may follow at once, and what
    is older than the first such record, as logs were begun without them.
    """
    signed = min((seq for seq, kind, _ in notable if kind == "checkpoint.signed"), default=None)
    if signed is None:
        return
    handovers = {epoch.last for epoch in epochs}
    rows = connection.execute(
        "SELECT size FROM checkpoint JOIN pruned ON pruned.seq = size WHERE size > ? ORDER BY size",
        (signed,),
    )
    for (size,) in rows:
        if size not in handovers:
            findings.add(f"record {size} was pruned, but a record that tells of a seal never is")


@dataclass(frozen=True, slots=True)
class Prunings:
    """What the log's prunings say of themselves: the periods that they name, and when (RFC 3339)
    the first and the last of them was recorded."""

    profiles: tuple[str, ...] = ()
    first: str = ""
    last: str = ""


class Ages:
    """Whether what was pruned could be as old as it had to be, by the records that are left.

    A pruned record is no older than any record before it: so whoever prunes may be held to the
    newest one that is left there. `days`: the first record of each UTC day; `anchored`: how many
    records are under a checkpoint from elsewhere; `clock`: the verifier's own, nanoseconds.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        days: Mapping[int, int],
        anchored: int,
        clock: int,
        findings: Findings,
    ) -> None:
        self._connection, self._findings, self._clock = connection, findings, clock
        self._days = sorted(days)
        self._firsts = [days[day] for day in self._days]
        sealed = (day for day in self._days if days[day] < anchored)
        self._begun = next(sealed, self._days[0] if self._days else 0)

    def check(self, notable: Sequence[Notable], kept_for: Sequence[Profile]) -> Prunings:
        """Hold every pruning to the periods that it names, and to `kept_for`, if there are any.
        Raises sqlite3.Error."""
        plans = {seq: fields for seq, kind, fields in notable if kind == "retention.planned"}
        prunings = [
            (seq, fields)
            for seq, kind, fields in notable
            if kind == "retention.pruned" and fields.get("count") != 0
        ]
        times = dict(
            self._connection.execute(
                "SELECT seq, ts_utc FROM leaf WHERE type = 'retention.pruned'"
            ).fetchall()
        )
        named: set[str] = set()
        for seq, fields in prunings:
            claimed = _profiles(fields.get("profiles"))
            judged = _judged(seq, fields, plans, times.get(seq))
            last = fields.get("last")
            if not claimed:
                self._findings.add(f"record {seq} pruned records and names no period for it")
            if judged is None:
                self._findings.add(f"record {seq} names no plan of the pruning before it")
            elif type(last) is int:
                named |= {str(each) for each in claimed}
                self._hold_to(seq, last, judged, claimed, "by its own words")
                self._hold_to(seq, last, judged, kept_for, "as the verifier was told")
        when = [moment for seq, _ in prunings if type(moment := times.get(seq)) is int]
        if not when:
            return Prunings()
        return Prunings(tuple(sorted(named)), format_time(min(when)), format_time(max(when)))

    def _hold_to(
        self, seq: int, last: int, judged: int, profiles: Sequence[Profile], whose: str
    ) -> None:
        if not profiles:
            return
        if judged // DAY_NS < self._begun:
            self._findings.add(f"record {seq} judged what it pruned at a time before the log began")
            return
        # Nothing grew older than the clock here says, whatever that of the pruning said.
        moment = min(judged, self._clock + DAY_NS)
        younger = self._younger(last, moment, profiles)
        if younger is not None:
            periods = ", ".join(map(str, profiles))
            self._findings.add(
                f"record {seq} pruned what was to be kept for {periods} {whose}: record {last} is "
                f"no older than record {younger[0]} of {younger[1]}, and that was on "
                f"{_date(moment // DAY_NS)} at the latest"
            )

    def _younger(
        self, last: int, moment: int, profiles: Sequence[Profile]
    ) -> tuple[int, date] | None:
        """A record before `last` that was still to be kept at `moment`, and its day. Records that
        were then in the future have a wrong time and say nothing."""
        today = moment // DAY_NS
        begin = bisect_left(
            self._days, _date(today), key=lambda day: last_day(profiles, _date(day))
        )
        end = bisect_left(self._days, today)
        first = min(self._firsts[begin:end], default=last)
        if first < last:
            return first, _date(self._days[self._firsts.index(first)])
        if end == len(self._days) or self._days[end] != today or self._firsts[end] >= last:
            return None
        row = self._connection.execute(
            "SELECT seq FROM leaf WHERE seq >= ? AND seq < ? AND ts_utc >= ? AND ts_utc <= ? "
            "ORDER BY seq LIMIT 1",
            (self._firsts[end], last, today * DAY_NS, moment),
        ).fetchone()
        return None if row is None else (int(row[0]), _date(today))


def _judged(
    seq: int, fields: Mapping[str, object], plans: Mapping[int, Mapping[str, object]], own: object
) -> int | None:
    """The moment from which a pruning says that it judged ages; not later than its own record by
    more than a day (a clock may be set right meanwhile). None if what it says cannot be followed.
    """
    if type(own) is not int:
        return None
    if "planned" not in fields:
        return own
    planned = fields["planned"]
    plan = plans.get(planned) if type(planned) is int and planned < seq else None
    said = None if plan is None else _nanoseconds(plan.get("judged"))
    return None if said is None else min(said, own + DAY_NS)


def _nanoseconds(text: object) -> int | None:
    """Nanoseconds since 1970 of a time as records write it."""
    if not isinstance(text, str) or len(text) != 30 or not text[20:29].isdecimal():
        return None
    try:
        second = datetime.fromisoformat(f"{text[:19]}+00:00")
        found = round(second.timestamp()) * 1_000_000_000 + int(text[20:29])
        return found if format_time(found) == text else None
    except (ValueError, OverflowError):
        return None


def _profiles(named: object) -> tuple[Profile, ...]:
    """The profiles that a record names as `name=period`; none if one of them is none."""
    found = []
    for each in named if isinstance(named, list) else []:
        name, _, period = str(each).partition("=")
        try:
            found.append(Profile(name, parse_period(period, "a record")))
        except SettingsError:
            return ()
    return tuple(found)


def _date(day: int) -> date:
    return date.fromordinal(_1970 + day)
