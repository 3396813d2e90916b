"""How many threads an evaluation should use right now.

llama.cpp's threads meet at a barrier about a thousand times a token. If they spin while they wait,
a token takes half the time on a quiet machine; but as soon as something else needs one of the
cores, each waits in vain for one that has none, and a token takes ten times as long. So they spin
briefly (`SPIN`), and there are never more of them than cores that nobody else wants: what is
evaluated does not depend, to the last bit, on how many there are. ADR 0013 has the measurements.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

# libgomp's busy waiting, in rounds, before a thread sleeps; a user's own choice is left alone.
SPIN = {"GOMP_SPINCOUNT": "2000"}
CHOSEN_BY_USER = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")

LOOK_SECONDS = 0.1  # between two looks at what else is running; the kernel counts in 10 ms
PAUSE_SECONDS = 0.02  # without an evaluation; what others did meanwhile took nothing from us
FORGOTTEN_SECONDS = 1.0  # what was known before a longer pause says nothing about now
WEIGHT = 0.5  # of the newest look
LEANING = 0.15  # towards more threads, where it is between two numbers
_STAT = Path("/proc/stat")  # proc(5): user, nice, system, idle, iowait, irq, softirq, steal
_WAITING = (3, 4)  # of these, what no core was busy with


def busy_seconds() -> float | None:
    """Seconds that this machine's cores have been busy since it started, all together, what a
    hypervisor took for others included; None if that is not told."""
    try:
        with _STAT.open("rb") as file:
            counts = [int(count) for count in file.readline().split()[1:9]]
    except (OSError, ValueError):
        return None
    busy = sum(count for place, count in enumerate(counts) if place not in _WAITING)
    return busy / os.sysconf("SC_CLK_TCK") if counts else None


class Threads:
    """Chooses a number of threads from 1 to `most`. For one thread, which calls `now` before each
    evaluation and `done` after it: what others do while nothing is evaluated does not count."""

    def __init__(
        self,
        most: int,
        cores: int | None = None,
        busy: Callable[[], float | None] = busy_seconds,
        own: Callable[[], float] = time.process_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`cores` are the machine's, of which `most` may be used; `busy` as `busy_seconds`, `own`
        the share of it that this process had."""
        self.most = max(1, most)
        self._cores = cores or os.cpu_count() or 1
        self._busy, self._own, self._clock = busy, own, clock
        self._others = 0.0  # cores that others had of late
        self._done = self._looked = clock()
        self._last = (busy(), own())

    def now(self) -> int:
        """How many to use for the next evaluation."""
        rested = self._clock() - self._done
        if rested >= PAUSE_SECONDS:
            self._looked, self._last = self._clock(), (self._busy(), self._own())
            self._others *= rested < FORGOTTEN_SECONDS
        elif self.most > 1 and self._clock() - self._looked >= LOOK_SECONDS:
            self._look()
        free = round(self._cores - self._others + LEANING)
        return max(1, min(self.most, free))

    def done(self) -> None:
        """The evaluation has ended."""
        self._done = self._clock()

    def _look(self) -> None:
        at, busy, own = self._clock(), self._busy(), self._own()
        seconds, (busy_before, own_before) = at - self._looked, self._last
        self._looked, self._last = at, (busy, own)
        if busy is None or busy_before is None or seconds <= 0:
            return
        others = max(0.0, (busy - busy_before) - (own - own_before)) / seconds
        self._others += (others - self._others) * WEIGHT
