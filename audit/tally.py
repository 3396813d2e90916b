"""Counting what happens where it happens, so that a record that was suppressed leaves a difference.

The layers outside the log hold one `Tally` for each process and count at the place where the thing
itself is done: where a question enters, where a model is set to work, where an answer is put before
its reader. `audit.reconcile.balance` compares that with what the log acknowledged to this process.

What this does not protect against: whoever changes the program can change both places. It makes a
path visible on which something is done and, by mistake or by one altered place, not recorded.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from audit.errors import AuditError

QUESTIONS = "questions"
MODEL_CALLS = "model_calls"
SENTENCES_SHOWN = "sentences_shown"
ANSWERS_SHOWN = "answers_shown"
VERSIONS = "versions"


class Tally:
    """Counters by name. Safe for several threads; each operation takes well under a microsecond
    beside what it counts.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()

    def add(self, name: str, count: int = 1) -> None:
        """Count what has happened and whose record stands already."""
        with self._lock:
            self._begun[name] += count
            self._ended[name] += count

    @contextmanager
    def underway(self, name: str, count: int = 1) -> Iterator[None]:
        """Count something whose record is written inside the block.

        If the block ends with an AuditError it was refused because it could not be recorded, and is
        counted as that.
        """
        with self._lock:
            self._begun[name] += count
        try:
            yield
        except AuditError:
            with self._lock:
                self._begun[name] -= count
                self._refused[name] += count
            raise
        except BaseException:
            self._end(name, count)
            raise
        self._end(name, count)

    def _end(self, name: str, count: int) -> None:
        with self._lock:
            self._ended[name] += count

    def ended(self) -> dict[str, int]:
        """What is over, by name."""
        with self._lock:
            return dict(self._ended)

    def begun(self) -> dict[str, int]:
        """What is over or under way, by name."""
        with self._lock:
            return dict(self._begun)

    def refused(self) -> dict[str, int]:
        """What did not happen because it could not be recorded, by name."""
        with self._lock:
            return dict(self._refused)


PROCESS = Tally()  # of this process: what its layers count, whoever put them together
