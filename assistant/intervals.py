"""What a stated value leaves open, so that two statements can be told apart from a contradiction.

Pure. "At least six years" allows every longer time, "3 to 5 days" what lies between. Two values are
in conflict if no value satisfies both, or if both are least or both most and differ: whoever asks
for a deadline gets two. What cannot be compared (two currencies, a percentage and an
amount, counts of different things) is in no conflict. Lengths of time in different units are
compared with a tenth of tolerance: 30 days and a month may mean the same to whoever wrote them, and
so may five business days and a week.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assistant import facts
from assistant.facts import Fact, Kind

_DAYS = {
    "minute": 1 / 1440, "second": 1 / 86400, "day": 1.0, "night": 1.0, "month": 365.25 / 12,
    "business day": 1.4, "trading day": 1.4, "business month": 365.25 / 12,
}  # fmt: skip
_YEARLY = {"minute": 525_960.0, "hour": 8766.0, "day": 365.25, "week": 52.18, "month": 12.0,
           "quarter": 4.0, "year": 1.0}  # fmt: skip
_TOLERANCE = 0.1  # of a length of time in another unit
_MEASURED = (Kind.AMOUNT, Kind.PERCENT, Kind.QUANTITY, Kind.NUMBER, Kind.DURATION)


@dataclass(frozen=True, slots=True)
class Interval:
    """The values from `low` to `high`, both included, in `unit`; `facts` are what states it."""

    kind: Kind
    unit: str
    low: float
    high: float
    facts: tuple[Fact, ...]

    @property
    def start(self) -> int:
        return self.facts[0].start

    @property
    def end(self) -> int:
        return self.facts[-1].end


def intervals(found: Sequence[Fact]) -> tuple[Interval, ...]:
    """What each of `found` allows, in order; the two ends of a range are one."""
    made: list[Interval] = []
    waiting: Fact | None = None
    for fact in found:
        if fact.ranged and fact.bound == "min":
            waiting = fact
            continue
        pair = (waiting, fact) if waiting is not None and fact.ranged else (fact,)
        waiting = None
        ends = [_number(each) for each in pair]
        if any(end is None for end in ends):
            continue
        (unit, low), (_, high) = ends[0] or ("", 0.0), ends[-1] or ("", 0.0)
        if len(pair) == 1:
            low, high = _open(fact, low)
        made.append(Interval(fact.kind, unit, low, high, pair))
    return tuple(made)


def _open(fact: Fact, value: float) -> tuple[float, float]:
    if fact.bound == "min":
        return value, math.inf
    return (-math.inf, value) if fact.bound == "max" else (value, value)


def _number(fact: Fact) -> tuple[str, float] | None:
    """Unit and size of a fact; a size of 0.0 for what is compared as text; None: not comparable."""
    if fact.kind in (Kind.DATE, Kind.TIME):
        return fact.kind.value, 0.0
    if fact.kind is Kind.FREQUENCY:
        times, _, period = fact.value.partition("/")
        return _frequency(times, period)
    if fact.kind not in _MEASURED:
        return None
    first, _, second = fact.value.partition(" ")
    number, unit = (second, first) if fact.kind is Kind.AMOUNT else (first, second)
    if fact.kind is Kind.NUMBER:
        unit = fact.noun
    try:
        return ("USD" if unit == "$" else unit), float(number)
    except ValueError:
        return None


def _frequency(times: str, period: str) -> tuple[str, float] | None:
    every, _, named = period.rpartition(" ")  # "1/2 week": once in two weeks
    try:
        return "year", float(times) * _YEARLY[named] / float(every or 1)
    except (KeyError, ValueError, ZeroDivisionError):
        return None


def comparable(one: Interval, other: Interval) -> bool:
    """Whether the two state the same sort of thing at all."""
    if one.kind is not other.kind:
        return False
    if one.kind is Kind.DURATION:
        return one.unit == other.unit or {one.unit, other.unit} <= _DAYS.keys()
    return one.unit == other.unit or (one.kind is Kind.NUMBER and not (one.unit and other.unit))


def compatible(one: Interval, other: Interval) -> bool:
    """Whether some value satisfies both; True for what cannot be compared."""
    if not comparable(one, other):
        return True
    if any(facts.entails(a, b) or facts.entails(b, a) for a in one.facts for b in other.facts):
        return True
    if one.kind in (Kind.DATE, Kind.TIME):
        return bool(one.facts[0].bound or other.facts[0].bound)
    scale = slack = 1.0
    if one.unit != other.unit and one.kind is Kind.DURATION:
        scale, slack = _DAYS[other.unit] / _DAYS[one.unit], 1.0 + _TOLERANCE
    if one.kind is Kind.FREQUENCY:
        slack = 1.0 + _TOLERANCE
    if math.isinf(one.low) and math.isinf(other.low):
        return _close(one.high, other.high * scale, slack)
    if math.isinf(one.high) and math.isinf(other.high):
        return _close(one.low, other.low * scale, slack)
    return one.low <= other.high * scale * slack and other.low * scale <= one.high * slack


def _close(one: float, other: float, slack: float) -> bool:
    return one <= other * slack and other <= one * slack
