"""Who reads which bytes: of several threads that meet the same bytes, one reads them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum, auto

Key = tuple[str, str]  # a collection and the hex SHA-256 of bytes


class Claim(Enum):
    """What `Claims.take` says of a key."""

    MINE = auto()  # the caller is the one to read these bytes, and to settle the claim
    HELD = auto()  # a document of these bytes is there, or was passed on
    BUSY = auto()  # another is at it, and the caller did not want to wait


class Claims:
    """Keys that are held, and keys that a thread is about to hold. For several threads.

    `known` says of a key whether it was held before the run.
    """

    def __init__(self, known: Callable[[str, str], bool]) -> None:
        self._known = known
        self._changed = threading.Condition()
        self._held: set[Key] = set()
        self._taken: set[Key] = set()
        self._with_parts: set[Key] = set()

    def take(self, key: Key, wait: bool) -> Claim:
        """Ask for a key; whoever is told MINE must `settle` it.

        With `wait`, until no other thread is at it. Who has a claim must not wait for another:
        archives that hold each other would wait for ever.
        """
        with self._changed:
            while key in self._taken:
                if not wait:
                    return Claim.BUSY
                self._changed.wait()
            if key in self._held or self._known(*key):
                return Claim.HELD
            self._taken.add(key)
            return Claim.MINE

    def settle(self, key: Key, held: bool) -> None:
        """End the claim on a key: it is held from now on, or others may try."""
        with self._changed:
            self._taken.discard(key)
            if held:
                self._held.add(key)
            self._changed.notify_all()

    def opened(self, key: Key) -> None:
        """Note that these bytes hold other files."""
        with self._changed:
            self._with_parts.add(key)

    def has_parts(self, key: Key) -> bool:
        """Whether that was noted."""
        with self._changed:
            return key in self._with_parts
