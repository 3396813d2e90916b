"""One answer of a model server: its turn in the line, its pieces, and what becomes of it when the
server fails, falls silent, or nobody wants the answer any more."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from assistant.errors import AssistantError, ServerFailed
from assistant.line import Ticket
from assistant.model import Caller, Generation, Sampling, StopReason
from assistant.pieces import Pieces
from assistant.remote_http import Arrival, Reply
from assistant.remote_protocol import Chunk, Usage, read_chunk
from assistant.thoughts import Thoughts
from audit.tally import MODEL_CALLS, PROCESS

if TYPE_CHECKING:
    from assistant.remote import RemoteModel

_MARKS = ("<think>", "</think>")  # of a server that does not tell thoughts from the answer itself
_TOLD_EVERY = 1.0  # seconds between two reports of an unchanged place in the line
_EARLY = "it ended the answer in the middle"
_PAUSE = 0.2  # seconds before a lost connection is tried again, times the attempt

LOOK_SECONDS = 0.1  # how often somebody in line looks whether the answer is still wanted
POLL_SECONDS = 0.02  # how often somebody who is answered does


class RemoteStream:
    """`assistant.model.Stream` of one answer."""

    def __init__(
        self,
        model: RemoteModel,
        told: tuple[str, str, Sampling],
        caller: Caller,
        deadline: float | None,
        cancelled: Callable[[], bool],
    ) -> None:
        self._model, self._told, self._caller = model, told, caller
        self._deadline, self._cancelled = deadline, cancelled
        self._closing = threading.Event()
        self._reading = threading.Lock()
        self._ticket: Ticket | None = None
        self._turn = False
        self._ended = False
        self._result: Generation | None = None
        self._asked = self._turn_at = 0.0
        self._call: _Call | None = None
        self._attempts = 0
        self._body: dict[str, object] = {}
        self._tokens = 0
        self._given: list[str] = []

    def waiting(self) -> Iterator[int]:
        told, again = -1, 0.0
        while not self._take_turn():
            ahead = self._model.line.ahead(self._ticket) if self._ticket else 0
            now = time.monotonic()
            if ahead != told or now >= again:
                told, again = ahead, now + _TOLD_EVERY
                yield ahead

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while not self._take_turn():
            pass
        with self._reading:
            if self._ended:
                raise StopIteration
            try:
                if self._call is None:
                    self._begin()
                return self._next()
            except (AssistantError, StopIteration):
                raise
            except BaseException:  # Ctrl-C must not leave the turn taken
                self._leave()
                raise

    @property
    def result(self) -> Generation:
        if self._result is None:
            raise RuntimeError("this answer has not been generated to its end")
        return self._result

    def close(self) -> None:
        self._closing.set()
        call = self._call
        if call is not None:
            call.give_up()
        # Whoever is reading in another thread sees that by itself.
        if self._reading.acquire(blocking=False):
            try:
                if self._call is not None and not self._ended:
                    self._finish("cancelled")
                self._leave()
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

    def _take_turn(self) -> bool:
        """Wait a moment for the turn; True if it has come or is not wanted any more."""
        with self._reading:
            if self._turn or self._ended:
                return True
            if self._ticket is None:
                self._asked = time.monotonic()
                try:
                    self._ticket = self._model.line.join(self._caller.owner)
                except AssistantError:
                    self._ended = True
                    raise
            reason = self._unwanted()
            if reason is not None:
                self._finish(reason)
                return True
            try:
                self._turn = self._model.line.wait(self._ticket, LOOK_SECONDS)
            except BaseException:  # Ctrl-C while waiting must not block those behind
                self._leave()
                raise
            self._turn_at = time.monotonic()
            return self._turn

    def _begin(self) -> None:
        """Ask the server. Raises what the port says."""
        reason = self._unwanted()
        if reason is not None:
            self._finish(reason)
            raise StopIteration
        try:
            if not self._body:
                self._body, self._tokens = self._model.prepared(*self._told, self._caller)
            self._attempts += 1
            if self._attempts == 1:
                PROCESS.add(MODEL_CALLS)
            self._call = _Call(self._told[2])
            self._call.give_up = self._model.send(self._body, self._call.arrivals.put)
        except BaseException:
            self._leave()
            raise
        if self._closing.is_set():  # closed by another thread before there was a call to give up
            self._call.give_up()

    def _next(self) -> str:
        """The next piece of an answer under way."""
        while True:
            reason = self._unwanted()
            if reason is not None:
                self._finish(reason)
                raise StopIteration
            assert self._call is not None  # noqa: S101 - `_begin` sets it or raises
            try:
                arrival = self._call.arrivals.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            piece = self._received(self._call, arrival)
            if piece:
                self._given.append(piece)
                return piece
            if self._ended:
                raise StopIteration

    def _received(self, call: _Call, arrival: Arrival) -> str:
        """What an arrival adds to the answer; "" for nothing."""
        if isinstance(arrival, str):
            try:
                return self._heard(call, arrival)
            except ValueError:
                raise self._broken(self._model.failed("it wrote no JSON", arrival[:500])) from None
        if isinstance(arrival, Reply):
            formed = bool(self._told[2].grammar or self._told[2].json_schema)
            raise self._broken(self._model.refused(arrival, formed=formed, tokens=self._tokens))
        if arrival is None and call.finish:
            return self._rest(call)
        return self._lost(call, arrival or self._model.failed(_EARLY, passing=True))

    def _lost(self, call: _Call, error: AssistantError) -> str:
        """Try again, if nothing of the answer was there yet and it may help. Raises `error`."""
        if self._may_try_again(call, error):
            self._closing.wait(_PAUSE * self._attempts)
            self._begin()
            return ""
        raise self._broken(error)

    def _heard(self, call: _Call, data: str) -> str:
        """What one event adds. Raises ValueError for what is no event of an answer."""
        if data == "[DONE]":
            if not call.finish:
                return self._lost(call, self._model.failed(_EARLY, passing=True))
            return self._rest(call)
        chunk = read_chunk(data)
        if chunk.error:
            raise self._broken(self._model.failed("it gave up the answer", data[:2000]))
        call.note(chunk)
        if chunk.finish and chunk.finish not in ("stop", "length"):
            raise self._broken(self._model.failed("it ended the answer for a reason of its own"))
        if call.tokens > self._told[2].max_tokens:  # a server that does not count
            self._finish("length")
            return ""
        piece = call.push(chunk.text)
        if call.pieces.stopped:
            self._finish("stop", piece)
        return piece

    def _rest(self, call: _Call) -> str:
        """The end as the server told it."""
        piece = call.flush()
        call.give_up = lambda: None  # it ends by itself, and its connection can be used again
        stopped = call.pieces.stopped or call.finish == "stop"
        self._finish("stop" if stopped else "length", piece)
        return piece

    def _may_try_again(self, call: _Call, error: AssistantError) -> bool:
        passing = isinstance(error, ServerFailed) and error.passing
        begun = call.tokens > 0 or bool(self._given)
        return passing and not begun and self._attempts <= self._model.options.retries

    def _broken(self, error: AssistantError) -> AssistantError:
        """The answer ends with `error`."""
        self._model.doubt()
        self._leave()
        return error

    def _leave(self) -> None:
        self._ended = True
        if self._call is not None:
            self._call.give_up()
        if self._ticket is not None:
            self._model.line.leave(self._ticket)

    def _unwanted(self) -> StopReason | None:
        """Why the answer should end now, if it should."""
        if self._closing.is_set() or self._cancelled():
            return "cancelled"
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return "deadline" if late else None

    def _finish(self, reason: StopReason, last: str = "") -> None:
        """The result, and the place in the line given back; `last` is about to be given out."""
        now = time.monotonic()
        turn_at = self._turn_at if self._turn else now
        waited = turn_at - self._asked if self._asked else 0.0
        call = self._call
        self._leave()
        if call is None:
            self._result = Generation("", 0, 0, reason, 0.0, 0.0, seconds_waited=waited)
            return
        usage = call.usage
        first = (call.first_at or now) - turn_at
        own = usage.cached if self._caller.conversation else 0
        self._result = Generation(
            "".join((*self._given, last)),
            usage.prompt or self._tokens,
            usage.completion or min(call.tokens, self._told[2].max_tokens),
            reason,
            seconds_prefill=first if usage.prefill is None else usage.prefill,
            seconds_decode=(now - turn_at - first) if usage.decode is None else usage.decode,
            cached_tokens=usage.cached - own,
            own_tokens=own,
            seconds_waited=waited,
            seconds_first=first,
            logprobs=tuple(call.logprobs),
            thoughts=call.thought(),
            attempts=self._attempts,
        )


class _Call:
    """One attempt: what has arrived of it."""

    def __init__(self, sampling: Sampling) -> None:
        self.arrivals: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self.give_up: Callable[[], None] = lambda: None
        self.pieces = Pieces(sampling.stop)
        self.split = Thoughts(_MARKS)
        self.finish = ""
        self.usage = Usage()
        self.tokens = 0  # events with text: at least a token each
        self.logprobs: list[float] = []
        self.first_at = 0.0
        self._thoughts: list[str] = []

    def note(self, chunk: Chunk) -> None:
        """Take in all of an event but its text."""
        if chunk.text or chunk.thoughts:
            self.tokens += 1
            self.first_at = self.first_at or time.monotonic()
        self.finish = chunk.finish or self.finish
        self.usage = chunk.usage or self.usage
        self.logprobs.extend(chunk.logprobs)
        if chunk.thoughts:
            self._thoughts.append(chunk.thoughts)

    def push(self, text: str) -> str:
        """What of the text can be given out now."""
        return self.pieces.push(self.split.push(text.encode())) if text else ""

    def flush(self) -> str:
        """What was held back, now that no more comes."""
        return self.pieces.push(self.split.finish()) + self.pieces.finish()

    def thought(self) -> str:
        """What was thought, wherever the server wrote it."""
        return "".join((*self._thoughts, self.split.text))
