"""Puts refused API keys into the log without letting a scanner fill the disk.

At most one record a client and minute: the first refusal at once, those that follow within the
minute counted in the record after it. Clients beyond `MOST_CLIENTS` share one record, since a
program of this machine has sixteen million addresses in 127.0.0.0/8 to come from.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from audit.record import Actor, Event, Fields
from ui.api_keys import Found

SECONDS = 60.0
MOST_CLIENTS = 64
OTHERS = "others"
_MOST_KEYS = 20  # ids of expired or revoked keys that a record names


@dataclass
class _Window:
    ends: float
    counts: Counter[str] = field(default_factory=Counter)
    keys: set[str] = field(default_factory=set)


class Refusals:
    """Counts and records; `append` commits an event. Safe between threads.

    `clock` gives monotonic seconds.
    """

    def __init__(
        self, append: Callable[[Event], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._append = append
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._lock = threading.Lock()

    def note(self, client: str, found: Found) -> None:
        """Count a refusal of `client`, and record it if its minute is over or begins.

        Raises AuditError.
        """
        with self._lock:
            self._end_windows(self._clock())
            if client not in self._windows and len(self._windows) >= MOST_CLIENTS:
                client = OTHERS
            new = client not in self._windows
            window = self._windows.setdefault(client, _Window(self._clock() + SECONDS))
            window.counts[found.refusal or "unknown"] += 1
            if found.key is not None and len(window.keys) < _MOST_KEYS:
                window.keys.add(found.key.id)
            if new:
                self._record(client, window)

    def flush(self, *, ended: bool = False) -> None:
        """Record what was counted in minutes that are over; in all of them if the service `ended`.

        Raises AuditError; then nothing that was counted is lost.
        """
        with self._lock:
            self._end_windows(float("inf") if ended else self._clock())

    def _end_windows(self, now: float) -> None:
        for client, window in list(self._windows.items()):
            if window.ends > now:
                continue
            if window.counts.total():
                self._record(client, window)
                window.ends = now + SECONDS  # its record begins the next minute
            else:
                del self._windows[client]

    def _record(self, client: str, window: _Window) -> None:
        counts = dict(sorted(window.counts.items()))
        actor = Actor("person", "unknown", auth="api-key", client=client)
        told: Fields = {"count": window.counts.total(), **counts, "keys": sorted(window.keys)}
        self._append(Event("key.refused", actor, told))
        window.counts.clear()
        window.keys.clear()
