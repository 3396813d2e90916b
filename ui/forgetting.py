"""Lets a program that runs on forget what is erased meanwhile.

A server keeps conversations, pages that were just opened and, within the model, what it has read
for a conversation. Asked every few seconds, this looks whether an erasure has begun or ended since
and then ends all conversations. What the index keeps in memory follows the catalogue by itself with
the next refresh.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from audit.store import Filter, Leaf

_TOLD_BY = ("erasure.begun", "erasure.finished")


class Records(Protocol):
    """What is asked of the log."""

    def leaves(self, chosen: Filter) -> tuple[Leaf, ...]:
        """The newest matching records."""
        ...


class Forgetting:
    """Calls `forget` after an erasure has begun or ended; for one thread."""

    def __init__(self, log: Records, forget: Callable[[], None]) -> None:
        self._log = log
        self._forget = forget
        self._seen = self._newest()

    def check(self) -> bool:
        """Whether there was something to forget. Raises AuditError and what `forget` raises."""
        newest = self._newest()
        if newest == self._seen:
            return False
        self._forget()
        self._seen = newest
        return True

    def _newest(self) -> tuple[int, ...]:
        found = (self._log.leaves(Filter(kind, limit=1)) for kind in _TOLD_BY)
        return tuple(leaves[-1].seq if leaves else -1 for leaves in found)
