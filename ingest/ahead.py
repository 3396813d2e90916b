"""Runs an iterator ahead of its consumer in a thread, by a bounded number of its items."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

_LOOK_SECONDS = 0.2  # how often a producer that waits for room looks whether it should stop


class _End:
    """Marks the end; carries the exception that ended the producer, if one did."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Ahead(Generic[T]):
    """Iterate over it as over `source`. What `source` raises is raised to the consumer.

    At most `depth` items wait, so that a fast reader does not fill the memory. On leaving the
    context the producer has ended; `interrupt` is called to make it give up what it is at.
    """

    def __init__(
        self, source: Generator[T, None, None], depth: int, interrupt: Callable[[], None]
    ) -> None:
        self._source = source
        self._interrupt = interrupt
        self._queue: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._produce, name="reading ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if error is not None:
            self._interrupt()
        self._thread.join()

    def __iter__(self) -> Iterator[T]:
        while True:
            item = self._queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _produce(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._source:
                if not self._put(item):
                    return
        except BaseException as raised:  # noqa: BLE001 - raised again by the consumer
            error = raised
        finally:
            self._source.close()
        self._put(_End(error))

    def _put(self, item: T | _End) -> bool:
        """Whether there was room before it was time to stop."""
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False
