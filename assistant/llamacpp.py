"""The model port over llama.cpp: a model process when it is needed, and a queue before it.

The process starts with the first question (or `warm`), and again after it has died; an answer under
way then fails, the next does not. One answer is written at a time, in the order of asking.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict
from types import TracebackType
from typing import Self

from assistant.errors import AssistantError, ModelBusy, ModelFailed, PromptTooLong
from assistant.llamacpp_process import CHILD, EngineOptions, ModelProcess
from assistant.model import Generation, ModelInfo, Sampling, StopReason
from assistant.shelf import ModelFile
from assistant.wire import Frame

__all__ = ["EngineOptions", "LlamaCpp"]

POLL_SECONDS = 0.02  # how often a waiting answer looks whether it is still wanted
GRACE_SECONDS = 30.0  # a process that goes on this long after it should have stopped is killed


class LlamaCpp:
    """`assistant.model.Model` over one GGUF file."""

    def __init__(
        self, model: ModelFile, options: EngineOptions | None = None, child: str = CHILD
    ) -> None:
        """Starts nothing yet: the file is checked and loaded with the first use, by a process
        that runs the module `child`."""
        self._model = model
        self._options = options or EngineOptions()
        self._child = child
        self._turns = Turns(self._options.queue_limit)
        self._starting = threading.Lock()
        self._process: ModelProcess | None = None
        self._closed = False

    @property
    def info(self) -> ModelInfo:
        return self.process().info

    def process(self) -> ModelProcess:
        """The running process, started if there is none; waits while it loads.

        Raises ModelMissing, ModelAltered, ModelUnreadable or ModelFailed.
        """
        with self._starting:
            if self._closed:
                raise ModelFailed("it was closed")
            if self._process is None or not self._process.alive:
                self._process = None
                self._process = ModelProcess(self._model, self._options, self._child)
            return self._process

    def warm(self) -> None:
        threading.Thread(target=self._warm, daemon=True).start()

    def _warm(self) -> None:
        try:
            self.process()
        except AssistantError:
            return  # whoever needs the model tries again and is told

    def count_tokens(self, text: str) -> int:
        return int(self.process().ask({"op": "count", "text": _sound(text)})["tokens"])

    def prompt_tokens(self, system: str, user: str) -> int:
        return int(self._prompt(system, user)["tokens"])

    def render(self, system: str, user: str) -> str:
        return str(self._prompt(system, user)["text"])

    def _prompt(self, system: str, user: str) -> Frame:
        order = {"op": "prompt", "system": _sound(system), "user": _sound(user)}
        return self.process().ask(order)

    def generate(
        self,
        system: str,
        user: str,
        sampling: Sampling,
        deadline: float | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Writing:
        order = {"op": "generate", "system": _sound(system), "user": _sound(user)}
        order |= asdict(sampling) | {"deadline": deadline}
        return Writing(self, self._turns, order, cancelled or (lambda: False))

    def close(self) -> None:
        with self._starting:
            self._closed = True
            process, self._process = self._process, None
        if process is not None:
            process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Turns:
    """First come, first served: one at a time, and at most `limit` waiting."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self._line: deque[object] = deque()  # the first has its turn

    def __len__(self) -> int:
        """How many there are in line, the one whose turn it is included."""
        return len(self._line)

    def take(self, unwanted: Callable[[], bool]) -> object | None:
        """Wait for a turn; None if `unwanted` came first. Raises ModelBusy.

        The turn is given back by `release`, from any thread, any number of times.
        """
        turn = object()
        with self._changed:
            ahead = len(self._line)
            if ahead > self._limit:
                raise ModelBusy(ahead)
            self._line.append(turn)
        try:
            with self._changed:
                while self._line[0] is not turn:
                    if unwanted():
                        break
                    self._changed.wait(POLL_SECONDS)
                else:
                    return turn
        except BaseException:  # Ctrl-C while waiting must not block those behind
            self.release(turn)
            raise
        self.release(turn)
        return None

    def release(self, turn: object) -> None:
        """Give a turn back, or leave the line."""
        with self._changed:
            if turn in self._line:
                self._line.remove(turn)
                self._changed.notify_all()


class Writing:
    """`assistant.model.Stream` of one answer.

    Frames are taken off the line by the process's listener and wait here, so that somebody who
    reads slowly, or not at all, holds nobody else up: the turn ends when the model has finished.
    """

    def __init__(
        self, engine: LlamaCpp, turns: Turns, order: Frame, cancelled: Callable[[], bool]
    ) -> None:
        self._engine, self._turns, self._order = engine, turns, order
        self._deadline: float | None = order["deadline"]
        self._cancelled = cancelled
        self._closing = threading.Event()
        self._reading = threading.Lock()
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._process: ModelProcess | None = None  # set while the model is at work
        self._answer = 0
        self._unwanted_since: float | None = None
        self._pieces: list[str] = []
        self._ended = False
        self._result: Generation | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        with self._reading:
            if self._ended or (self._process is None and not self._begin()):
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
        """Wait for the end of an answer that is under way."""
        try:
            while self._process is not None and not self._ended:
                self._next()
        except (StopIteration, AssistantError):
            return  # closing is no place to complain; `result` tells that there is none

    def _begin(self) -> bool:
        """Wait for a turn and give the order; False if the answer was unwanted before that."""
        turn = self._turns.take(lambda: self._unwanted() is not None)
        reason = self._unwanted()
        if turn is None or reason is not None:
            if turn is not None:
                self._turns.release(turn)
            self._finish(Generation("", 0, 0, reason or "cancelled", 0.0, 0.0))
            return False

        def arrived(frame: Frame | None) -> None:
            if frame is None or "piece" not in frame:
                self._turns.release(turn)
            self._frames.put(frame)

        try:
            process = self._engine.process()
            self._answer = process.begin(self._order, arrived)
        except BaseException:
            self._ended = True
            self._turns.release(turn)
            raise
        self._process = process
        return True

    def _next(self) -> str:
        """The next piece of an answer under way."""
        while True:
            try:
                frame = self._frames.get(timeout=POLL_SECONDS)
            except queue.Empty:
                self._press()
                continue
            if frame is not None and "piece" in frame:
                self._press()
                self._pieces.append(str(frame["piece"]))
                return self._pieces[-1]
            self._end(frame)
            raise StopIteration

    def _end(self, frame: Frame | None) -> None:
        """Take the last frame. Raises PromptTooLong or ModelFailed."""
        process, self._process, self._ended = self._process, None, True
        if frame is None or process is None:
            raise process.failure() if process is not None else ModelFailed("it was closed")
        if "too_long" in frame:
            raise PromptTooLong(int(frame["too_long"]), int(frame["context"]))
        self._finish(Generation("".join(self._pieces), **frame["done"]))

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


def _sound(text: str) -> str:
    """Text that can be written as UTF-8: half a surrogate pair becomes a question mark."""
    return text.encode(errors="replace").decode()
