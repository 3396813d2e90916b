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
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assistant.answer import Answer, Asker, Citation, Passage, Turn

if TYPE_CHECKING:
    from assistant.pages import PageView

KEPT_TURNS = 50  # answers per session whose citations can still be opened
KEPT_SESSIONS = 64  # the oldest is signed out when one more signs in

Forget = Callable[[str], None]  # told the name of a conversation that has ended


def _keep_nothing(conversation: str) -> None:
    """For where nothing was kept that could be forgotten."""


def _new_name() -> str:
    return secrets.token_urlsafe(32)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Look:
    """A page as it was opened at `at` (monotonic seconds)."""

    view: PageView
    at: float


@dataclass(frozen=True, slots=True)
class Offered:
    """A question that a turn offered to put to every document, with the day that it is about."""

    question: str
    as_of: str | None = None


@dataclass
class Conversation:
    """One browser session's conversation, on the server: the browser never names a document.

    `turns` counts every question asked, from 1; chips refer to a place by turn and number. `name`
    ties the conversation's questions together for the model, which may keep what it has read of
    them: a secret of this conversation, never sent to the browser, and a new one when it ends.
    `forget` is told each name that has ended; it must not raise.
    """

    forget: Forget = field(default=_keep_nothing, repr=False)
    name: str = field(default_factory=_new_name, repr=False)
    turns: int = 0
    history: list[Turn] = field(default_factory=list)
    places: dict[str, Citation | Passage] = field(default_factory=dict)
    looks: dict[str, Look] = field(default_factory=dict)  # whose pictures may be fetched still
    offers: dict[int, Offered] = field(default_factory=dict)  # by turn
    shown: list[str] = field(default_factory=list)  # finished turns as HTML
    stop: threading.Event = field(default_factory=threading.Event)
    busy: threading.Lock = field(default_factory=threading.Lock)
    over: bool = False  # for good: nothing may be asked any more
    _change: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def begin(self, stop: threading.Event) -> int:
        """The number of the turn that starts now and that `stop` ends; forgets the places of turns
        long gone. `stop` is set at once if the session has ended meanwhile."""
        with self._change:
            self.turns += 1
            self.stop = stop
            if self.over:
                stop.set()
            gone = self.turns - KEPT_TURNS
            self.places = {k: v for k, v in self.places.items() if not k.startswith(f"{gone}:")}
            self.offers.pop(gone, None)
            self.shown = self.shown[-(KEPT_TURNS - 1) :]
            return self.turns

    def finish(self, question: str, answer: Answer, shown: str) -> None:
        """Keep a finished turn: as context for follow-ups, and as what the page shows.

        The question is kept as it was asked: what it leant on is worked out anew for each
        follow-up, from the turns that the asker may still read then.
        """
        cited = tuple(dict.fromkeys(citation.document for citation in answer.citations))
        turn = Turn(question, answer.text, cited)
        self.history = [*self.history[-(KEPT_TURNS - 1) :], turn]
        self.keep(shown)

    def keep(self, shown: str) -> None:
        """Keep what the page shows of a turn that is no context for follow-ups."""
        self.shown.append(shown)

    def clear(self, over: bool = False) -> None:
        """A new conversation; turn numbers go on, so that an old chip never opens a new place.

        The answer under way ends. With `over` there is no new conversation.
        """
        with self._change:
            ended, self.name = self.name, _new_name()
            self.over = self.over or over
            self.stop.set()
            self.history, self.places, self.looks, self.shown = [], {}, {}, []
            self.offers = {}
        self.forget(ended)


@dataclass
class Session:
    """A signed-in browser. `number` names it in the log; it is no secret."""

    number: str
    asker: Asker
    ends: float  # monotonic seconds
    conversation: Conversation = field(default_factory=Conversation)


class Sessions:
    """Issues links, trades each once for a session, and knows the sessions. Safe between threads.

    `clock` gives monotonic seconds. `forget` is told the name of each conversation that ends, by
    sign-out, by time, or by a new conversation; it must not raise.
    """

    def __init__(
        self,
        link_seconds: float,
        session_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        forget: Forget = _keep_nothing,
    ) -> None:
        self._forget = forget
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
        session = Session(
            secrets.token_hex(8),
            asker,
            self._clock() + self._session_seconds,
            Conversation(self._forget),
        )
        pushed = []
        with self._lock:
            self._sessions[_digest(secret)] = session
            while len(self._sessions) > KEPT_SESSIONS:
                pushed.append(self._sessions.popitem(last=False)[1])
        _end(pushed)
        return secret, session

    def forget_all(self) -> None:
        """Begin every conversation anew: something was erased that it may hold."""
        with self._lock:
            sessions = tuple(self._sessions.values())
        for session in sessions:
            session.conversation.clear()

    def find(self, secret: str | None) -> Session | None:
        """The session that the cookie's secret belongs to, unless it has ended."""
        if not secret:
            return None
        with self._lock:
            session = self._sessions.get(_digest(secret))
            if session is None or session.ends >= self._clock():
                return session
            del self._sessions[_digest(secret)]
        _end([session])
        return None

    def sweep(self) -> None:
        """End the sessions whose time is over: whoever left the browser open asks nothing that
        would show it."""
        with self._lock:
            now = self._clock()
            late = [digest for digest, session in self._sessions.items() if session.ends < now]
            ended = [self._sessions.pop(digest) for digest in late]
        _end(ended)

    def close(self, secret: str | None) -> Session | None:
        """End a session; the session it was, or None."""
        if not secret:
            return None
        with self._lock:
            session = self._sessions.pop(_digest(secret), None)
        if session is not None:
            _end([session])
        return session


def _end(sessions: Iterable[Session]) -> None:
    """Stop what these sessions' answers are doing and forget their conversations. Never under a
    lock: forgetting may wait for the model."""
    for session in sessions:
        session.conversation.clear(over=True)
