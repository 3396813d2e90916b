"""One answer of the engine, seen from who asked: the line, the pieces, the end, and a second
beginning where the engine was lost meanwhile.

A lost engine costs an answer time and nothing else: it is begun again, alone, and what had been
given out already must come again, to the letter, before anything follows. Alone, so that a prompt
that kills the engine does not take others with it twice.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from assistant.errors import AssistantError, ConstraintUnusable, ModelFailed, PromptTooLong
from assistant.line import Ticket
from assistant.llamacpp_process import ModelProcess
from assistant.loaded import Loaded
from assistant.model import Generation, StopReason
from assistant.wire import Frame
from audit.tally import MODEL_CALLS, PROCESS

if TYPE_CHECKING:
    from assistant.llamacpp import LlamaCpp

LOOK_SECONDS = 0.1  # how often it is looked in the line whether the answer is still wanted
POLL_SECONDS = 0.02  # and how often while it is written
GRACE_SECONDS = 30.0  # a process that goes on this long after it should have stopped is killed
TOLD_SECONDS = 1.0  # how often somebody who waits is told the same again

_ANOTHER = "it was lost, and wrote something else when it was asked again"


class Meter(Protocol):
    """Tells an answer's share of the energy that the GPU took."""

    def begin(self, answer: object) -> None: ...

    def tokens(self, answer: object, count: int) -> None: ...

    def end(self, answer: object) -> float | None:
        """Joules; None where that is not known."""
        ...


class _NoMeter:
    def begin(self, answer: object) -> None:
        return

    def tokens(self, answer: object, count: int) -> None:
        return

    def end(self, answer: object) -> float | None:
        return None


NO_METER = _NoMeter()


class Hold:
    """A loaded model, held until `release`, which may be called by several threads and often."""

    def __init__(self, loaded: Loaded, release: Callable[[Loaded], None] | None) -> None:
        """`release` None: somebody else holds it for longer."""
        self.loaded = loaded
        self._release = release
        self._lock = threading.Lock()

    def release(self) -> None:
        with self._lock:
            release, self._release = self._release, None
        if release is not None:
            release(self.loaded)


class Writing:
    """`assistant.model.Stream` of one answer.

    Frames are taken off the line by the process's listener and wait here, so that somebody who
    reads slowly, or not at all, holds nobody else up: the turn ends when the model has finished.
    """

    def __init__(
        self,
        port: LlamaCpp,
        held: Loaded | None,
        order: Frame,
        cancelled: Callable[[], bool],
        owner: str,
    ) -> None:
        """`held`: the model that must write; None: the one that is chosen when it is asked."""
        self._port, self._order = port, order
        self._hold = Hold(held, None) if held is not None else None
        self._deadline: float | None = order["deadline"]
        self._cancelled, self._owner = cancelled, owner
        self._closing = threading.Event()
        self._reading = threading.Lock()
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._ticket: Ticket | None = None
        self._process: ModelProcess | None = None  # set while the model is at work
        self._answer = 0
        self._attempts = 0
        self._asked_at: float | None = None
        self._turn_at: float | None = None
        self._unwanted_since: float | None = None
        self._given: list[str] = []
        self._again = ""  # what must come again after a loss, and has not yet
        self._ended = False
        self._result: Generation | None = None

    # --- the port --------------------------------------------------------------------------------

    def waiting(self) -> Iterator[int]:
        told, told_at = 0, 0.0
        while True:
            with self._reading:
                ahead = self._wait()
            now = time.monotonic()
            if ahead is None:
                return
            if ahead != told or now - told_at > TOLD_SECONDS:
                told, told_at = ahead, now
                yield ahead

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        with self._reading:
            if not self._ended and self._process is None:
                self._begin()
            if self._ended:
                raise StopIteration
            return self._next()

    @property
    def result(self) -> Generation:
        if self._result is None:
            raise RuntimeError("this answer has not been generated to its end")
        return self._result

    def close(self) -> None:
        self._closing.set()
        # Whoever is reading in another thread sees that by itself.
        if self._reading.acquire(blocking=False):
            try:
                self._drain()
            finally:
                self._reading.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _drain(self) -> None:
        """Wait for the end of an answer that is under way; leave the line if it is not."""
        if self._process is None:
            self._leave()
            return
        try:
            while not self._ended:
                self._next()
        except (StopIteration, AssistantError):
            return  # closing is no place to complain; `result` tells that there is none

    # --- waiting and beginning -------------------------------------------------------------------

    def _wait(self) -> int | None:
        """Wait for a moment: how many are served before, or None once there is nothing to wait
        for, because the turn has come or because the answer is not wanted any longer."""
        if self._ended or self._turn_at is not None:
            return None
        try:
            if self._asked_at is None:
                self._asked_at = time.monotonic()
            reason = self._unwanted()
            if reason is not None:
                self._leave()
                self._give_up(reason)
                return None
            # The model first: whoever waits for the old one's end must not hold a turn that an
            # answer of the old one may be waiting for.
            if self._hold is None:
                loaded = self._port.hold(POLL_SECONDS)
                if loaded is None:
                    return max(1, self._port.line.running)
                self._hold = Hold(loaded, self._port.release)
            if self._ticket is None:
                self._ticket = self._port.line.join(self._owner, alone=self._attempts > 0)
            if not self._port.line.wait(self._ticket, LOOK_SECONDS):
                return self._port.line.ahead(self._ticket)
        except BaseException:  # Ctrl-C while waiting must not block those behind
            self._ended = True
            self._leave()
            raise
        self._turn_at = time.monotonic()
        return None

    def _begin(self) -> None:
        """Wait for the turn and give the order; ends the answer if it is unwanted by then."""
        while self._wait() is not None:
            pass
        hold, ticket = self._hold, self._ticket
        if self._ended or hold is None or ticket is None:
            return
        try:
            process = hold.loaded.process()
            reason = self._unwanted()  # loading takes its time
            if reason is not None:
                self._leave()
                self._give_up(reason)
                return
            self._attempts += 1
            if self._attempts == 1:
                PROCESS.add(MODEL_CALLS)
            self._frames = queue.SimpleQueue()
            if process.info.gpu_layers:
                self._port.meter.begin(self)
            self._answer = process.begin(self._order, self._route(hold, ticket))
        except BaseException:
            self._ended = True
            self._port.meter.end(self)
            self._leave()
            raise
        self._process = process

    def _route(self, hold: Hold, ticket: Ticket) -> Callable[[Frame | None], None]:
        """What takes the frames of this answer, from the process's listener: at once, also if
        nobody reads them. A lost process is needed again, so its model stays held."""
        frames, line, meter = self._frames, self._port.line, self._port.meter

        def arrived(frame: Frame | None) -> None:
            if frame is None:
                line.leave(ticket)
            elif "piece" in frame:
                meter.tokens(self, int(frame.get("tokens", 1)))
            else:
                done = frame.get("done")
                if done is not None:
                    reused = done.get("cached_tokens", 0) + done.get("own_tokens", 0)
                    meter.tokens(self, done["prompt_tokens"] - reused)
                    frame["joules"] = meter.end(self)
                line.leave(ticket)
                hold.release()
            frames.put(frame)

        return arrived

    def _step_back(self) -> None:
        """Give the place in line back, the model not."""
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            self._port.line.leave(ticket)
        self._turn_at = None

    def _leave(self) -> None:
        """Give the place in line and the model back."""
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            self._port.line.leave(ticket)
        if self._hold is not None:
            self._hold.release()

    def _give_up(self, reason: StopReason) -> None:
        """End an answer that was not begun, or not begun again."""
        waited = time.monotonic() - self._asked_at if self._asked_at is not None else 0.0
        text = "".join(self._given)
        self._finish(Generation(text, 0, 0, reason, 0.0, 0.0, seconds_waited=waited))

    # --- reading ---------------------------------------------------------------------------------

    def _next(self) -> str:
        """The next piece of an answer under way."""
        while True:
            try:
                frame = self._frames.get(timeout=POLL_SECONDS)
            except queue.Empty:
                self._press()
                continue
            self._press()
            if frame is not None and "piece" in frame:
                piece = self._new(str(frame["piece"]))
                if piece:
                    self._given.append(piece)
                    return piece
            elif frame is not None or not self._begun_again():
                self._end(frame)
                raise StopIteration
            elif self._ended:
                raise StopIteration

    def _new(self, piece: str) -> str:
        """What of a piece was not given out before the engine was lost.

        Raises ModelFailed if something else comes than came before.
        """
        length = min(len(piece), len(self._again))
        if piece[:length] != self._again[:length]:
            if self._process is not None:
                self._process.cancel(self._answer)
            self._ended = True
            self._port.meter.end(self)
            self._leave()
            raise ModelFailed(_ANOTHER)
        self._again = self._again[length:]
        return piece[length:]

    def _begun_again(self) -> bool:
        """After a loss of the engine: begin anew, if that may be and the answer is wanted."""
        process = self._process
        may = process is not None and process.lost and self._attempts <= self._port.options.retries
        if not may or self._unwanted() is not None:
            return False
        self._process = None
        self._step_back()
        self._again = "".join(self._given)
        self._begin()
        return True

    def _end(self, frame: Frame | None) -> None:
        """Take the last frame. Raises PromptTooLong, ConstraintUnusable or ModelFailed."""
        process, self._process, self._ended = self._process, None, True
        hold = self._hold
        done = frame.get("done") if frame is not None else None
        self._port.meter.end(self)  # if it was not ended well
        self._leave()
        if frame is None or process is None:
            raise process.failure() if process is not None else ModelFailed("it was closed")
        if "too_long" in frame:
            raise PromptTooLong(int(frame["too_long"]), int(frame["context"]))
        if "unusable_form" in frame:
            raise ConstraintUnusable(str(frame["unusable_form"]))
        if done is None:
            raise ModelFailed("it ended an answer without saying how")
        if self._again and done["stop_reason"] in ("stop", "length"):
            raise ModelFailed(_ANOTHER)  # it ended before all that had been given out came again
        if hold is not None:
            hold.loaded.served()
        self._finish(self._told(done, frame.get("joules")))

    def _told(self, done: Frame, joules: float | None) -> Generation:
        logprobs = tuple(map(float, done.pop("logprobs", ())))
        waited = (self._turn_at or 0.0) - (self._asked_at or 0.0)
        text = "".join(self._given)
        return Generation(
            text, **done, logprobs=logprobs, seconds_waited=waited, joules=joules,
            attempts=self._attempts,
        )  # fmt: skip

    def _finish(self, result: Generation) -> None:
        self._ended = True
        self._result = result

    def _unwanted(self) -> StopReason | None:
        """Why the answer should end now, if it should."""
        if self._closing.is_set() or self._cancelled():
            return "cancelled"
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return "deadline" if late else None

    def _press(self) -> None:
        """See to it that an answer ends that is no longer wanted."""
        if self._process is None:
            return
        now = time.monotonic()
        if self._unwanted_since is None:
            if self._unwanted() is not None:
                self._unwanted_since = now
                self._process.cancel(self._answer)
        elif now - self._unwanted_since > GRACE_SECONDS:
            self._process.kill("it did not stop when it was told to")
