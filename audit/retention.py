"""Retention: which records are past their period and may be pruned. Decides, and changes nothing.

A period is a minimum: nothing younger is pruned, and nothing is pruned until somebody asks. A
record's age is not left to the clock alone:

- it counts as no older than any record written before it, so that one recorded while the clock
  was set back is not pruned early;
- it is judged from the time of the newest record that is sealed (and anchored, where anchoring is
  set up), never from a later moment;
- if the clock has gone far beyond what this machine has run, nothing is judged at all (`doubt`).

What this does not protect against: an administrator who keeps the clock wrong for a day while the
log is in use. That stands in the log, and in every anchor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from audit.anchoring import ANCHORED, FAILED, last_anchored
from audit.envelope import Moment, Writer, format_time
from audit.held import held
from audit.holds import Hold, parsed
from audit.periods import Profile, last_day
from audit.pruning import is_protected
from audit.store import Filter, Leaf

if TYPE_CHECKING:
    from audit.ports import AuditLog

DAY_NS = 86_400 * 1_000_000_000
_1970 = date(1970, 1, 1).toordinal()
_MINUTE_NS = 60 * 1_000_000_000  # two processes may read the clock in either order
RUN_NS = DAY_NS  # a stretch of this machine's own running time that is long enough to be noticed
LEAP_NS = 31 * DAY_NS  # machines are off for nights, holidays and repairs; seldom for longer
_PAGE = 256
_SOME = 100  # anchors' newest records: more than there are anchors


@dataclass(frozen=True, slots=True)
class Reading:
    """Both clocks at one moment, in nanoseconds: of the day (since 1970 UTC), and since the boot
    that `boot` names, which nobody can set."""

    ts_utc: int
    mono_ns: int
    boot: str

    @classmethod
    def now(cls) -> Reading:
        moment = Moment.now()
        boot = Writer.of_this_process(process="", build="").boot_id
        return cls(moment.ts_utc, moment.mono_ns, boot)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pruning would remove, and what it would leave.

    `judged`: the moment from which ages are judged, nanoseconds since 1970. `units`: the numbers of
    the records to prune, those of one request together; each unit goes whole or stays whole.
    `kept`: records that are past their period and stay, counted by the reason ("protected": of a
    type that is never pruned; "held"; "unsealed": after the newest checkpoint that counts;
    "request": another record of their request stays). `by_hold`: the held ones, by hold. `young`:
    records within their period. `due_next`: the first day on which one of these will be past it.
    `holds`: those that it was made under.
    """

    judged: int
    profiles: tuple[Profile, ...]
    units: tuple[tuple[int, ...], ...] = ()
    kept: Mapping[str, int] = field(default_factory=dict)
    by_hold: Mapping[str, int] = field(default_factory=dict)
    young: int = 0
    due_next: date | None = None
    holds: tuple[Hold, ...] = ()

    @property
    def prune(self) -> tuple[int, ...]:
        """The numbers of all records to prune, in order."""
        return tuple(sorted(seq for unit in self.units for seq in unit))

    def as_json(self) -> dict[str, object]:
        """Plain values for `json.dumps`."""
        chosen = self.prune
        return {
            "judged": format_time(self.judged),
            "profiles": [str(each) for each in self.profiles],
            "prune": len(chosen),
            "first": chosen[0] if chosen else None,
            "last": chosen[-1] if chosen else None,
            "kept": dict(self.kept),
            "by_hold": dict(self.by_hold),
            "young": self.young,
            "due_next": self.due_next.isoformat() if self.due_next else None,
        }


@dataclass(slots=True)
class _Unit:
    """The records of one request that are past their period, and why they stay, if they do."""

    seqs: list[int] = field(default_factory=list)
    stays: str = ""
    hold: str = ""


def plan(
    leaves: Iterable[Leaf],
    profiles: Sequence[Profile],
    *,
    judged: int,
    settled: int,
    hold_on: Callable[[Leaf], Hold | None],
    holds: Sequence[Hold] = (),
) -> Plan:
    """What may be pruned of `leaves` (the whole log in order, pruned records left out).

    `judged`: see `Plan`; `settled`: the size of the newest checkpoint that counts; `hold_on` tells
    the one of `holds` that a record itself is within. Changes nothing; raises what `hold_on` does.
    """
    today = day_of(judged)
    units: dict[str, _Unit] = {}
    young, newest, due_next = 0, 0, None
    due, seen_day = True, -1
    for leaf in leaves:
        if leaf.ts_utc <= judged:  # later than now: the clock was wrong then, and says nothing
            newest = max(newest, leaf.ts_utc)
        if not newest:  # nothing yet tells how old this is
            young += 1
            continue
        if due and newest // DAY_NS != seen_day:
            seen_day = newest // DAY_NS
            last = last_day(profiles, day_of(newest))
            due = last < today
            due_next = None if due or last == date.max else last.fromordinal(last.toordinal() + 1)
        if not due:  # and so is none of those that follow
            young += 1
            if leaf.request_id in units:
                units[leaf.request_id].stays = "request"
            continue
        # A number cannot be taken for a request's id: those are not made of "#" and digits.
        unit = units.setdefault(leaf.request_id or f"#{leaf.seq}", _Unit())
        _judge(unit, leaf, settled, hold_on)
    kept, by_hold, chosen = _sorted_out(units.values())
    return Plan(
        judged, tuple(profiles), tuple(chosen), kept, by_hold, young, due_next, tuple(holds)
    )


def _judge(unit: _Unit, leaf: Leaf, settled: int, hold_on: Callable[[Leaf], Hold | None]) -> None:
    unit.seqs.append(leaf.seq)
    if is_protected(leaf.type):
        unit.stays = unit.stays or "protected"
    elif leaf.seq >= settled:
        unit.stays = unit.stays or "unsealed"
    hold = None if unit.hold else hold_on(leaf)
    if hold is not None:
        unit.hold = hold.id


def _sorted_out(
    units: Iterable[_Unit],
) -> tuple[dict[str, int], dict[str, int], list[tuple[int, ...]]]:
    """Records that stay, by reason; held ones by hold; and the units that go."""
    kept: Counter[str] = Counter()
    by_hold: Counter[str] = Counter()
    chosen = []
    for unit in units:
        if unit.hold and unit.stays != "protected":
            kept["held"] += len(unit.seqs)
            by_hold[unit.hold] += len(unit.seqs)
        elif unit.stays:
            kept[unit.stays] += len(unit.seqs)
        else:
            chosen.append(tuple(unit.seqs))
    return dict(sorted(kept.items())), dict(sorted(by_hold.items())), chosen


def day_of(ts_utc: int) -> date:
    """The UTC day of a moment in nanoseconds since 1970."""
    return date.fromordinal(_1970 + ts_utc // DAY_NS)


def doubt(now: Reading, newest_first: Iterable[Reading]) -> str:
    """Why `now` is not to be believed, after the readings that the log's records hold; "" if it is.

    Over the last day that this machine has itself run, the clock of the day may not have gone on
    by more than that and another LEAP_NS. The time that the machine has run is summed over
    neighbouring records of one boot, so neither setting the clock in one step nor in many small
    ones goes unseen until the log has been in use for a day on the new time. Pure.
    """
    ran, later = 0, now
    for reading in newest_first:
        if later is now and reading.ts_utc > now.ts_utc + _MINUTE_NS:
            return (
                f"the newest record is of {format_time(reading.ts_utc)[:19]} UTC and the machine's "
                f"clock says {format_time(now.ts_utc)[:19]}; set the clock right and try again"
            )
        if reading.boot and reading.boot == later.boot:
            ran += max(later.mono_ns - reading.mono_ns, 0)
        later = reading
        if ran >= RUN_NS:
            break
    gone = now.ts_utc - later.ts_utc
    if gone - ran <= LEAP_NS:
        return ""
    return (
        f"the clock has gone on by {gone // DAY_NS} days while this machine is known to have run "
        f"for {ran // (3600 * 1_000_000_000)} hours; set the clock right if it is wrong, or else "
        "try again when the log has been in use for a day"
    )


def readings(log: AuditLog) -> Iterator[Reading]:
    """The clocks as the log's records hold them, newest first."""
    end = log.size()
    while end > 0:
        first = max(end - _PAGE, 0)
        for leaf in reversed(log.range(first, end - 1)):
            envelope = parsed(leaf)
            mono = str(envelope.get("mono_ns", ""))
            boot = str(envelope.get("boot_id", "")) if mono.isdigit() else ""
            yield Reading(leaf.ts_utc, int(mono) if boot else 0, boot)
        end = first


def settled_size(log: AuditLog, *, anchoring: bool) -> int:
    """The size of the newest checkpoint that counts: the newest one, or the newest that an anchor
    has taken if `anchoring` is set up or the log shows that it ever was."""
    newest = log.newest_checkpoint()
    size = newest[0] if newest else 0
    anchored = log.leaves(Filter(type=ANCHORED, limit=_SOME))
    if anchoring or anchored or log.leaves(Filter(type=FAILED, limit=1)):
        size = min(size, max(last_anchored(anchored).values(), default=0))
    return size


def survey(
    log: AuditLog, profiles: Sequence[Profile], *, now: int, anchoring: bool = False
) -> Plan:
    """The plan for this log at the moment `now` (nanoseconds since 1970), as its holds are now.

    Goes through the whole log. Raises AuditError.
    """
    settled = settled_size(log, anchoring=anchoring)
    # The newest of all, not the last: one record written with the clock set back must not make
    # those around it look older or later than they are.
    times = (leaf.ts_utc for leaf in log.scan(0, settled - 1))
    judged = max((time for time in times if time <= now), default=0)
    found = held(log)
    return plan(
        log.scan(),
        profiles,
        judged=judged,
        settled=settled,
        hold_on=found.directly,
        holds=found.holds,
    )
