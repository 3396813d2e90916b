"""Sending checkpoints to their anchors, apart from whoever writes to the log.

Each anchor has a lane: a thread that sends the newest checkpoint and nothing older, so that one
that hangs holds up neither the log nor the other anchors. An anchor that fails is tried again, with
pauses that grow, with whatever checkpoint is the newest then; one `anchor.failed` is recorded for
each outage and one `checkpoint.anchored` at its end, however many tries lie between.

What is recorded of anchoring makes the log grow, which makes a checkpoint due, which would be
anchored: a checkpoint that covers nothing but these records since the last one is therefore left
out, and an idle log comes to rest.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from audit.anchors import CONFLICT, Anchor, size_of
from audit.envelope import parse_envelope
from audit.errors import AuditError
from audit.errors_duties import DeliveryError
from audit.record import SYSTEM, Event
from audit.store import Leaf

ANCHORED, FAILED = "checkpoint.anchored", "anchor.failed"
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between two tries
GRACE = 0.5  # seconds after the deadline: a command that is killed then is still waited for
_SETTLED = frozenset({CONFLICT, "INCOMPLETE"})  # the same note will not fare better
RECORD_SECONDS = 0.5  # how long `finish` waits for a record that is being written

FEW = 64  # records that are looked at one by one: more are hardly all of anchoring
_OWN = frozenset({ANCHORED, FAILED, "checkpoint.signed"})

Recorder = Callable[[Sequence[Event]], object]
Reader = Callable[[int, int], Iterable[Leaf]]


def last_anchored(leaves: Iterable[Leaf]) -> dict[str, int]:
    """The largest size that each anchor has taken, by anchor, according to these records.

    Give it the records of the type `checkpoint.anchored`, or the newest hundred of them.
    """
    found: dict[str, int] = {}
    for leaf in leaves:
        if leaf.type != ANCHORED:
            continue
        fields = parse_envelope(leaf.envelope).get("fields")
        if not isinstance(fields, dict):
            continue
        name, size = fields.get("anchor"), fields.get("size")
        if isinstance(name, str) and isinstance(size, int):
            found[name] = max(size, found.get(name, 0))
    return found


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one try ended: the size, "" or a code of why not, "" or the code of a warning."""

    note: str
    failure: str = ""
    warning: str = ""


class Outage:
    """What is to be recorded of an anchor's tries, decided one after the other."""

    def __init__(self, anchor: str) -> None:
        self._anchor = anchor
        self._told: set[str] = set()  # codes of the present outage
        self._warned: set[str] = set()

    def event(self, tried: Outcome) -> Event | None:
        """The event to record; None during an outage that is on record already.

        A CONFLICT is recorded even then, because it means a fork; a warning only the first time.
        """
        size = size_of(tried.note)
        if tried.failure:
            known = tried.failure in self._told or bool(self._told and tried.failure != CONFLICT)
            self._told.add(tried.failure)
            fields: dict[str, str | int] = {
                "size": size,
                "anchor": self._anchor,
                "code": tried.failure,
            }
            return None if known else Event(FAILED, SYSTEM, fields)
        root = _root_of(tried.note)
        anchored: dict[str, str | int] = {"size": size, "root": root, "anchor": self._anchor}
        if self._told:
            anchored["code"] = "RECOVERED"
        elif tried.warning and tried.warning not in self._warned:
            anchored["code"] = tried.warning
            self._warned.add(tried.warning)
        self._told.clear()
        return Event(ANCHORED, SYSTEM, anchored)


def _root_of(note: str) -> str:
    return base64.b64decode(note.split("\n", 3)[2]).hex()


class _Lane:
    """One anchor's thread: sends what is newest until it is told to finish."""

    def __init__(
        self, anchor: Anchor, timeout: float, tell: Callable[[Event], None], taken: int
    ) -> None:
        self._anchor, self._timeout, self._tell = anchor, timeout, tell
        self._outage = Outage(anchor.name)
        self._changed = threading.Condition()
        self._wanted = ""  # the newest note
        self._wanted_size = 0
        self._taken = taken  # size up to which this anchor needs nothing any more
        self._pause = 0.0  # seconds; 0 while the anchor works
        self._deadline: float | None = None  # monotonic seconds, once it is finishing
        self._thread: threading.Thread | None = None

    def offer(self, note: str) -> None:
        with self._changed:
            size = size_of(note)
            if size <= self._taken or self._deadline is not None:
                return
            self._wanted, self._wanted_size = note, size
            if self._thread is None:
                name = f"anchor-{self._anchor.name}"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def finish(self, deadline: float) -> None:
        """Let the thread try once more, until `deadline`, what has not been taken, and end."""
        with self._changed:
            self._deadline = deadline
            self._changed.notify_all()

    def end(self) -> Event | None:
        """Wait for that; if it takes longer, the event that says so and nothing after it."""
        if self._thread is None or self._deadline is None:
            return None
        self._thread.join(max(0.0, self._deadline + GRACE - time.monotonic()))
        with self._changed:
            if not self._thread.is_alive() or self._wanted_size <= self._taken:
                return None
            self._taken = self._wanted_size
            return self._outage.event(Outcome(self._wanted, "TIMEOUT"))

    def _run(self) -> None:
        while note := self._next():
            tried = self._try(note)
            with self._changed:
                size = size_of(note)
                if size <= self._taken:
                    return  # it was given up meanwhile, and that is on record
                given_up = tried.failure in _SETTLED or self._deadline is not None
                if not tried.failure or given_up:
                    self._taken = size
                self._pause = _next_pause(self._pause) if tried.failure else 0.0
                event = self._outage.event(tried)
            if event is not None:
                self._tell(event)

    def _next(self) -> str:
        """The note to send now, once there is one and the pause is over; "" to end."""
        with self._changed:
            if self._pause:
                self._changed.wait_for(lambda: self._deadline is not None, self._pause)
            self._changed.wait_for(
                lambda: self._deadline is not None or self._wanted_size > self._taken
            )
            return self._wanted if self._wanted_size > self._taken else ""

    def _try(self, note: str) -> Outcome:
        with self._changed:
            left = self._timeout
            if self._deadline is not None:
                left = min(left, max(self._deadline - time.monotonic(), 0.0))
        try:
            return Outcome(note, warning=self._anchor.send(note, left))
        except DeliveryError as error:
            return Outcome(note, failure=error.code)
        except Exception:  # noqa: BLE001 - whatever an anchor does, the log goes on
            return Outcome(note, failure="FAILED")


def _next_pause(pause: float) -> float:
    return min(pause * 2, LONGEST_PAUSE) if pause else FIRST_PAUSE


class Anchoring:
    """All anchors of one open log. `offer` never blocks and never raises.

    The log calls `begin` after opening, `offer` after each fresh checkpoint and `finish` at its
    end; `failure` tells what could not be recorded.
    """

    def __init__(self, anchors: Sequence[Anchor], timeout: float) -> None:
        """`timeout` in seconds bounds each try, and `finish` as a whole."""
        self._anchors = tuple(anchors)
        self._timeout = timeout
        self._lock = threading.Lock()
        self._record: Recorder | None = None
        self._read: Reader | None = None
        self._lanes: tuple[_Lane, ...] = ()
        self._events: list[Event] = []  # told by the lanes, not on record yet
        self._pending = threading.Event()
        self._recorder: threading.Thread | None = None
        self._idle = threading.Event()  # nothing is being recorded
        self._idle.set()
        self._finishing = self._finished = False
        self._failure: AuditError | None = None
        self._offered = 0  # size of the last checkpoint that was passed on
        self._own = 0  # records since then that anchoring has caused

    def begin(
        self,
        record: Recorder,
        anchored: Mapping[str, int] | None = None,
        read: Reader | None = None,
    ) -> None:
        """Take up work; `record` writes events to the log, from a thread of this object's.

        `anchored` says up to which size each anchor holds checkpoints (`last_anchored`), so that a
        restart does not send the same one again. `read` gives the records of a range; with it the
        anchoring of other processes is no news either, without it only this object's own is known.
        """
        taken = anchored or {}
        self._record, self._read = record, read
        self._lanes = tuple(
            _Lane(each, self._timeout, self._tell, taken.get(each.name, 0))
            for each in self._anchors
        )

    def offer(self, note: str) -> None:
        """Pass a fresh checkpoint on, unless it covers nothing but records of anchoring."""
        with self._lock:
            if self._finished:
                return
            offered, own = self._offered, self._own
        quiet = offered > 0 and self._is_quiet(offered, size_of(note), own)
        with self._lock:
            if quiet:
                self._own += 1  # it will have its `checkpoint.signed`, too
                return
            self._offered, self._own = size_of(note), 0
        for lane in self._lanes:
            lane.offer(note)

    def _is_quiet(self, offered: int, size: int, own: int) -> bool:
        """Whether nothing but anchoring was recorded since the checkpoint of size `offered`."""
        if self._read is None or size - offered > FEW:
            return size - offered <= own + 1
        try:
            return all(leaf.type in _OWN for leaf in self._read(offered, size - 1))
        except AuditError:
            return False  # the writer meets the same failure, and is the one to tell

    def failure(self) -> AuditError | None:
        """What kept an event of anchoring from being recorded, once; the writer is to raise it."""
        with self._lock:
            found, self._failure = self._failure, None
            return found

    def finish(self, note: str) -> list[Event]:
        """Send the last checkpoint, end the threads, and return what is still to be recorded.

        Takes the timeout and a second at most, and may be called with the log's lock held:
        nothing is recorded from here. A lane that has not ended by then is left to itself.
        Raises nothing.
        """
        if note:
            self.offer(note)
        with self._lock:
            self._finishing = True  # from here on events wait for the caller
        deadline = time.monotonic() + self._timeout
        for lane in self._lanes:
            lane.finish(deadline)
        late = [lane.end() for lane in self._lanes]
        self._idle.wait(RECORD_SECONDS)  # one that is under way, unless the caller holds it up
        with self._lock:
            self._finished = True
            left, self._events = self._events, []
        self._pending.set()
        return [*left, *(event for event in late if event is not None)]

    def _tell(self, event: Event) -> None:
        with self._lock:
            if self._finished:
                return
            self._events.append(event)
            if self._recorder is None:
                self._recorder = threading.Thread(
                    target=self._write, name="anchor-record", daemon=True
                )
                self._recorder.start()
        self._pending.set()

    def _write(self) -> None:
        """Record what the lanes tell. Events stay in the list until they are on record, so that
        `finish`, which may hold the lock that `record` waits for, finds them.
        """
        while True:
            self._pending.wait()
            self._pending.clear()
            with self._lock:
                if self._finishing:
                    return
                now = list(self._events)
                self._own += len(now)
                self._idle.clear()
            if now and self._record is not None:
                self._write_down(self._record, now)
            self._idle.set()

    def _write_down(self, record: Recorder, now: Sequence[Event]) -> None:
        try:
            record(now)
        except AuditError as error:
            with self._lock:
                self._failure = None if self._finished else error
                self._own -= len(now)
        with self._lock:
            self._events = self._events[len(now) :]
