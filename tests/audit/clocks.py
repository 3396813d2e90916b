"""A clock for the tests of retention: years pass at once, and the clock of the day can be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from audit.envelope import Moment, Writer
from audit.retention import Reading

BEGUN = datetime(2020, 1, 1, 12, tzinfo=UTC)
_1970 = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Clock:
    """Both of the machine's clocks, as the log reads them; set `at` to travel."""

    at: datetime = BEGUN
    set_by: timedelta = timedelta()  # how wrong the clock of the day is

    def moment(self) -> Moment:
        self.at += timedelta(microseconds=1)
        since = (self.at - BEGUN) // timedelta(microseconds=1) * 1000 + 10**12
        shown = (self.at + self.set_by - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
            microseconds=1
        )
        return Moment(shown * 1000, since)

    def reading(self) -> Reading:
        moment = self.moment()
        return Reading(
            moment.ts_utc, moment.mono_ns, Writer.of_this_process(process="", build="").boot_id
        )

    def pass_days(self, days: float) -> None:
        self.at += timedelta(days=days)


def set_clock(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Clock:
    """Let the log read `clock` instead of the machine's; returns it."""
    monkeypatch.setattr(Moment, "now", classmethod(lambda cls: clock.moment()))
    return clock
