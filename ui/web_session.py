"""Who may use the chat: one-time sign-in links and the sessions they open. No network, no disk.

Secrets are 256 bits from the system and are kept only as SHA-256 digests, so that a memory dump or
a debug print of this object opens nothing. What this does not protect against: another program of
the same account on the same machine, which can read the terminal and the browser's cookies anyway.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assistant.answer import Answer, Asker, Citation, Passage, Turn

if TYPE_CHECKING:
    from assistant.pages import PageView

KEPT_TURNS = 50  # answers per session whose citations can still be opened
KEPT_SESSIONS = 64  # the oldest is signed out when one more signs in


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Look:
    """A page as it was opened at `at` (monotonic seconds)."""

    view: PageView
    at: float


@dataclass
class Conversation:
    """One browser session's conversation, on the server: the browser never names a document.

    `turns` counts every question asked, from 1; chips refer to a place by turn and number.
    """

    turns: int = 0
    history: list[Turn] = field(default_factory=list)
    places: dict[str, Citation | Passage] = field(default_factory=dict)
    looks: dict[str, Look] = field(default_factory=dict)  # whose pictures may be fetched still
    shown: list[str] = field(default_factory=list)  # finished turns as HTML
    stop: threading.Event = field(default_factory=threading.Event)
    busy: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> int:
        """The number of the turn that starts now; forgets the places of turns long gone."""
        self.turns += 1
        self.stop = threading.Event()
        gone = f"{self.turns - KEPT_TURNS}:"
        self.places = {k: v for k, v in self.places.items() if not k.startswith(gone)}
        self.shown = self.shown[-(KEPT_TURNS - 1) :]
        return self.turns

    def finish(self, question: str, answer: Answer, shown: str) -> None:
        """Keep a finished turn: as context for follow-ups, and as what the page shows."""
        self.history = [*self.history[-(KEPT_TURNS - 1) :], Turn(question, answer.text)]
        self.shown.append(shown)

    def clear(self) -> None:
        """A new conversation; turn numbers go on, so that an old chip never opens a new place."""
        self.stop.set()
        self.history, self.places, self.looks, self.shown = [], {}, {}, []


@dataclass
class Session:
    """A signed-in browser. `number` names it in the log; it is no secret."""

    number: str
    asker: Asker
    ends: float  # monotonic seconds
    conversation: Conversation = field(default_factory=Conversation)


class Sessions:
    """Issues links, trades each once for a session, and knows the sessions. Safe between threads.

    `clock` gives monotonic seconds.
    """

    def __init__(
        self,
        link_seconds: float,
        session_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link_seconds = link_seconds
        self._session_seconds = session_seconds
        self._clock = clock
        self._links: dict[str, tuple[Asker, float]] = {}
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def new_link(self, asker: Asker) -> str:
        """A token that signs `asker` in once, within the time given; it voids earlier tokens."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._links = {_digest(token): (asker, self._clock() + self._link_seconds)}
        return token

    def redeem(self, token: str) -> Asker | None:
        """Whom the token signs in, or None if it is unknown, used or too old. Uses it up."""
        with self._lock:
            found = self._links.pop(_digest(token), None)
        if found is None or found[1] < self._clock():
            return None
        return found[0]

    def open(self, asker: Asker) -> tuple[str, Session]:
        """A new session and the secret that its cookie carries."""
        secret = secrets.token_urlsafe(32)
        session = Session(secrets.token_hex(8), asker, self._clock() + self._session_seconds)
        with self._lock:
            self._sessions[_digest(secret)] = session
            while len(self._sessions) > KEPT_SESSIONS:
                self._sessions.popitem(last=False)
        return secret, session

    def find(self, secret: str | None) -> Session | None:
        """The session that the cookie's secret belongs to, unless it has ended."""
        if not secret:
            return None
        with self._lock:
            session = self._sessions.get(_digest(secret))
            if session is not None and session.ends < self._clock():
                del self._sessions[_digest(secret)]
                return None
        return session

    def close(self, secret: str | None) -> Session | None:
        """End a session; the session it was, or None."""
        if not secret:
            return None
        with self._lock:
            session = self._sessions.pop(_digest(secret), None)
        if session is not None:
            session.conversation.clear()
        return session
