"""What the writer notices by itself while it records: a clock that was set, a disk that fills.

`Watch.look()` is called before each commit; what it has noticed is recorded in the same
transaction, in front of what the caller records. It costs a few microseconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audit.errors import DiskFullError
from audit.record import SYSTEM, Event

_MIB = 1024 * 1024
_DISK_SECONDS = 2.0  # between two looks at the disk
# What may still be recorded when the disk is nearly full: how the log itself ends, and what frees
# space or must not be put off.
_ALWAYS = (
    *("log.", "checkpoint.", "anchor.", "key.", "disk.", "clock."),
    *("payload.", "erasure.", "retention.", "hold."),
)


@dataclass(frozen=True, slots=True)
class Clocks:
    """One reading of both clocks, in nanoseconds: of the day, and of the time since boot, which
    runs on while the machine sleeps and cannot be set."""

    wall: int
    since_boot: int

    @classmethod
    def now(cls) -> Clocks:
        clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return cls(time.time_ns(), time.clock_gettime_ns(clock))


def step_between(one: Clocks, other: Clocks) -> int:
    """By how many nanoseconds the clock of the day was set between two readings."""
    return (other.wall - one.wall) - (other.since_boot - one.since_boot)


def free_bytes(folder: Path) -> int:
    """What an unprivileged process may still write to the disk of `folder`."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


@dataclass(slots=True)
class Watch:
    """The state of one writer. `step_ns`: the smallest step of the clock that is recorded; `low`
    and `stop`: free bytes below which the disk is called low, and nothing new is recorded."""

    folder: Path
    step_ns: int
    low: int
    stop: int
    newest_ns: int  # time of the newest record when this writer opened the log, 0 if none
    noticed: list[Event] = field(default_factory=list)  # and not yet recorded
    _last: Clocks = field(default_factory=Clocks.now)
    _is_low: bool = False
    _free: int = 0
    _looked_at: float = float("-inf")
    _compared: bool = False

    def look(self) -> None:
        """Add to `noticed` what is to be recorded now, before anything else."""
        self.noticed += self._clock(Clocks.now())
        self.noticed += self._disk()

    def _clock(self, now: Clocks) -> Sequence[Event]:
        step = step_between(self._last, now)
        self._last = now
        if not self._compared:
            # The clock may have been set while nobody was writing; only back can be told for sure.
            self._compared = True
            step = min(step, now.wall - self.newest_ns)
        if abs(step) < self.step_ns:
            return ()
        return (Event("clock.stepped", SYSTEM, {"step_ms": step // 1_000_000}),)

    def _disk(self) -> Sequence[Event]:
        if time.monotonic() - self._looked_at < _DISK_SECONDS:
            return ()
        self._looked_at = time.monotonic()
        self._free = free_bytes(self.folder)
        was_low, self._is_low = self._is_low, self._free < self.low
        if was_low == self._is_low:
            return ()
        kind = "disk.low" if self._is_low else "disk.recovered"
        return (Event(kind, SYSTEM, {"free_mib": self._free // _MIB}),)

    def check(self, events: Sequence[Event]) -> None:
        """Raise DiskFullError if the disk is nearly full and `events` can wait for space."""
        if self._free < self.stop and any(not each.type.startswith(_ALWAYS) for each in events):
            self._looked_at = float("-inf")  # look again next time: space may have been made
            raise DiskFullError(self.folder)
