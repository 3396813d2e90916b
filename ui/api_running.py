"""Answers under way for the API: each read in a thread of its own, for one asynchronous reader.

The assistant's stream is synchronous and belongs to the thread that reads it. Whoever loses
interest sets `cancelled`, which the model asks between tokens, so the step under way returns soon
and the thread closes the stream: that is when the assistant records CANCELLED.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from assistant.answer import Answer, Event, Question
from ui.counting import counted
from ui.ports import Answers

_Step = Event | BaseException | None  # None: the stream has ended


class Reading:
    """One answer, from the start on. To be made in the event loop that reads it.

    `ended` is called in that loop once the stream is closed.
    """

    def __init__(self, assistant: Answers, question: Question, ended: Callable[[], object]) -> None:
        self._assistant = assistant
        self._question = question
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._steps: asyncio.Queue[_Step] = asyncio.Queue()
        self._cancelled = threading.Event()
        self.thread = threading.Thread(target=self._read, name="api-answer", daemon=True)

    def cancel(self) -> None:
        """Nobody reads on: end the answer within one token. May be called from any thread."""
        self._cancelled.set()

    async def events(self) -> AsyncGenerator[Event, None]:
        """What the assistant yields, the answer last. Raises what the assistant raises, and
        RuntimeError if it ends without an answer."""
        while (step := await self._steps.get()) is not None:
            if isinstance(step, BaseException):
                raise step
            yield step
            if isinstance(step, Answer):
                return
        raise RuntimeError("the answer ended without a verdict")

    def _read(self) -> None:
        try:
            stream = self._assistant.stream(self._question, cancelled=self._cancelled.is_set)
            events = counted(stream)
            for event in events:
                self._tell(event)
                if self._cancelled.is_set():
                    break
            events.close()
            self._tell(None)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the answer
            self._tell(error)
        finally:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._ended)

    def _tell(self, step: _Step) -> None:
        try:
            self._loop.call_soon_threadsafe(self._steps.put_nowait, step)
        except RuntimeError:  # the server has ended
            self._cancelled.set()


class Running:
    """All answers under way, so that the service can end in good order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readings: set[Reading] = set()

    def start(self, assistant: Answers, question: Question, ended: Callable[[], object]) -> Reading:
        """Begin to read an answer; `ended` is called in the event loop when its thread is done."""

        def over() -> None:
            with self._lock:
                self._readings.discard(reading)
            ended()

        reading = Reading(assistant, question, over)
        with self._lock:
            self._readings.add(reading)
        reading.thread.start()
        return reading

    def stop(self, seconds: float) -> bool:
        """Cancel everything and wait for it at most so long; whether all of it has ended."""
        with self._lock:
            readings = tuple(self._readings)
        for reading in readings:
            reading.cancel()
        deadline = time.monotonic() + seconds
        for reading in readings:
            reading.thread.join(max(0.0, deadline - time.monotonic()))
        return not any(reading.thread.is_alive() for reading in readings)
