"""Reads several files at once, in threads with a reading process each, into one stream.

What waits in the stream is bounded by number and by memory: a reader that is ahead waits, however
large the folder is. The items of one file keep their order; those of several files are mixed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from ingest.items import FileDone, Item, Ready
from ingest.marks import Mark
from ingest.opening import Bench
from ingest.sandbox import ReadLimits, Sandbox

E = TypeVar("E")

MOST_ITEMS = 512
MOST_BYTES = 256 << 20  # of documents that wait

Work = Callable[[E, Bench], Generator[Item, None, None]]


class StopReadingError(Exception):
    """The consumer has gone; never leaves this module."""


class Stream:
    """Items on their way from many threads to one. At most `most_items` and `most_bytes` wait,
    except that one item always has room.
    """

    def __init__(self, most_items: int = MOST_ITEMS, most_bytes: int = MOST_BYTES) -> None:
        self._most_items = most_items
        self._most_bytes = most_bytes
        self._changed = threading.Condition()
        self._items: deque[tuple[Item, int]] = deque()
        self._bytes = 0
        self._writers = 0
        self._stopped = False
        self._error: BaseException | None = None

    def opened(self, writers: int) -> None:
        """That many threads will write, and each will say `close`."""
        with self._changed:
            self._writers = writers

    def put(self, item: Item) -> None:
        """Wait for room. Raises StopReadingError when nobody reads any more."""
        weight = item.weight if isinstance(item, Ready) else 0
        with self._changed:
            while not self._stopped and not self._has_room(weight):
                self._changed.wait()
            if self._stopped:
                raise StopReadingError
            self._items.append((item, weight))
            self._bytes += weight
            self._changed.notify_all()

    def _has_room(self, weight: int) -> bool:
        if not self._items:
            return True
        return len(self._items) < self._most_items and self._bytes + weight <= self._most_bytes

    def close(self, error: BaseException | None = None) -> None:
        """One writer has ended; the first `error` goes to the reader, and ends the others."""
        with self._changed:
            self._writers -= 1
            if error is not None and self._error is None:
                self._error = error
                self._stopped = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Nobody reads any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @property
    def stopped(self) -> bool:
        """Whether writers should end."""
        return self._stopped

    def __iter__(self) -> Iterator[Item]:
        """All items until every writer has ended. Raises what a writer ended with."""
        while True:
            with self._changed:
                while not self._items and self._writers and self._error is None:
                    self._changed.wait()
                if self._error is not None:
                    raise self._error
                if not self._items:
                    return
                item, weight = self._items.popleft()
                self._bytes -= weight
                self._changed.notify_all()
            yield item


class Readers(Generic[E]):
    """Iterate over it for the items of all `entries`, as `work` finds them.

    On leaving the context all threads have ended; if an error ends it, what they were reading is
    given up. The reading processes stay for the next use, until `Sandboxes.close`.
    """

    def __init__(
        self,
        sandboxes: Sandboxes,
        entries: Sequence[E],
        work: Work[E],
        stream: Stream | None = None,
    ) -> None:
        self._sandboxes = sandboxes
        self._entries = iter(entries)
        self._work = work
        self._next = threading.Lock()
        self._stream = stream or Stream()
        count = min(len(entries), len(sandboxes.benches))
        self._stream.opened(count)
        self._threads = [
            threading.Thread(target=self._run, args=(bench,), name=f"reading {slot}", daemon=True)
            for slot, bench in enumerate(sandboxes.benches[:count])
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.stop()
        while any(thread.is_alive() for thread in self._threads):
            if error is not None:
                self._sandboxes.interrupt()  # again and again: a process may just be starting
            for thread in self._threads:
                thread.join(timeout=0.1)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._stream)

    def _run(self, bench: Bench) -> None:
        error: BaseException | None = None
        try:
            while (entry := self._take()) is not None:
                self._file(entry, bench)
        except StopReadingError:
            pass
        except BaseException as raised:  # noqa: BLE001 - raised again by the consumer
            error = raised
        finally:
            self._stream.close(error)

    def _take(self) -> E | None:
        with self._next:
            return None if self._stream.stopped else next(self._entries, None)

    def _file(self, entry: E, bench: Bench) -> None:
        items = self._work(entry, bench)
        try:
            for item in items:
                self._stream.put(item)
                if isinstance(item, FileDone):
                    return
        finally:
            items.close()


class Sandboxes:
    """The reading processes, none of which is started before it is needed."""

    def __init__(
        self, count: int, folder: Path, limits: ReadLimits, stand_in: Path | None = None
    ) -> None:
        self.benches = tuple(
            Bench(Sandbox(limits, stand_in), Mark(folder, str(slot))) for slot in range(count)
        )

    def interrupt(self) -> None:
        """Make every reading fail soon."""
        for bench in self.benches:
            bench.sandbox.interrupt()

    def close(self) -> None:
        """End all processes."""
        for bench in self.benches:
            bench.sandbox.close()
