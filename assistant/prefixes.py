"""Evaluated beginnings of prompts that may be used again, and by whom. Pure but for the clock.

Two kinds are kept, and nothing else: the system prompt's, which is everybody's, and for each named
conversation its last prompt's, which is that conversation's alone. A name is all that opens it:
names must come from the entry point (`assistant.model.Caller`).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MOST_SYSTEM_PROMPTS = 4


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The tokens of a beginning and the engine's state after them, as bytes."""

    tokens: tuple[int, ...]
    state: bytes
    at: float = 0.0


class Prefixes:
    """Keeps evaluated beginnings within `limit` bytes, conversations for `seconds` after their last
    use; the least recently used goes first. For one thread."""

    def __init__(
        self, limit: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._seconds, self._clock = limit, seconds, clock
        self._system: OrderedDict[tuple[int, ...], Evaluated] = OrderedDict()
        self._conversations: OrderedDict[str, Evaluated] = OrderedDict()

    @property
    def size(self) -> int:
        """What the conversations' states take, in bytes."""
        return sum(len(kept.state) for kept in self._conversations.values())

    def system(self, tokens: tuple[int, ...]) -> Evaluated | None:
        """The system prompt of exactly these tokens."""
        if tokens in self._system:
            self._system.move_to_end(tokens)
        return self._system.get(tokens)

    def keep_system(self, tokens: tuple[int, ...], state: bytes) -> None:
        if not tokens or not state:
            return
        self._system[tokens] = Evaluated(tokens, state)
        while len(self._system) > MOST_SYSTEM_PROMPTS:
            self._system.popitem(last=False)

    def conversation(self, name: str) -> Evaluated | None:
        """What this conversation read last."""
        self.expire()
        return self._conversations.get(name) if name else None

    def keep_conversation(self, name: str, tokens: tuple[int, ...], state: bytes) -> bool:
        """Keep a conversation's prompt in place of its last one; False if it is not kept."""
        self.forget(name)
        if not name or not state or len(state) > self._limit:
            return False
        self._conversations[name] = Evaluated(tokens, state, self._clock())
        while self.size > self._limit:
            self._conversations.popitem(last=False)
        return True

    def forget(self, name: str) -> None:
        """Keep nothing of a conversation."""
        self._conversations.pop(name, None)

    def forget_all(self) -> None:
        """Keep nothing of any conversation."""
        self._conversations.clear()

    def expire(self) -> None:
        """Drop the conversations that were not used for too long."""
        oldest = self._clock() - self._seconds
        for name, kept in list(self._conversations.items()):
            if kept.at < oldest:
                del self._conversations[name]


def shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
