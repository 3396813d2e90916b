"""Keeps a collection level with a folder: tells when to look, and which files are whole by then.

The kernel's word that something changed only wakes us; what changed is found by comparing the
folder with the journal, as `sync` does. So nothing is lost by a restart, by changes while nobody
watched, or on a network share that tells nothing: the folder is compared at least every
`rescan_seconds`.

A file is taken for whole when it has not changed for `settle_seconds` and, where the system tells,
nobody has it open for writing. A program that pauses for longer than that in the middle of a file
defeats this; the rest then comes as a new version.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import watchfiles

from index.errors import CatalogueBusy, HomeFull, HomeUnavailable
from ingest.errors import AlreadyIngesting, FolderMissing, NoSuchPath, TooManyDeletions
from ingest.sync import SyncSummary
from ingest.walk import FoundFile

_LOOK_SECONDS = 0.5  # how soon a change, a stop or a file that has become whole is noticed
_DEBOUNCE_MS = 300  # changes that come this close together are one


_PASSING = (FolderMissing, NoSuchPath, AlreadyIngesting, HomeFull, HomeUnavailable, CatalogueBusy)
"""What may be over by the next comparison; anything else ends the watch."""


class Sync(Protocol):
    """One comparison, as `ingest.pipeline.Ingestor.sync` makes it."""

    def __call__(
        self, *, waits: Callable[[FoundFile], bool], keep_missing: bool = False
    ) -> SyncSummary: ...


def keep_level(
    folder: Path,
    sync: Sync,
    stop: threading.Event,
    *,
    settle_seconds: float,
    rescan_seconds: float,
    tell: Callable[[SyncSummary | str], None],
) -> None:
    """Compare `folder` again and again until `stop` is set. `tell` gets what was done, and each
    trouble once, as a sentence, for as long as it lasts.

    When more is gone than is likely to be meant, everything but the deleting is done.

    Raises AuditError, ReaderUnavailable, IndexFailure.
    """
    settling = Settling(settle_seconds)
    trouble = ""
    for _ in rounds(folder, stop, rescan_seconds, settling.again_after):
        settling.begin()
        before, trouble = trouble, ""
        try:
            try:
                done = sync(waits=settling.waits)
            except TooManyDeletions as held_back:
                trouble = str(held_back)
                done = sync(waits=settling.waits, keep_missing=True)
            if not done.plan.is_empty:
                tell(done)
        except _PASSING as error:
            trouble = str(error)
        if trouble and trouble != before:
            tell(trouble)


def rounds(
    folder: Path,
    stop: threading.Event,
    rescan_seconds: float,
    again_after: Callable[[], float | None],
) -> Iterator[None]:
    """Yields whenever the folder should be compared: at once, after a change, and at the latest
    after `rescan_seconds`; sooner if `again_after` gives seconds. Ends when `stop` is set.

    The folder need not be there: it is looked for every `rescan_seconds`, so that a share that
    comes back is watched again.
    """
    while not stop.is_set():
        yield
        due = _due(rescan_seconds, again_after())
        try:
            yield from _changes(folder, stop, due, rescan_seconds, again_after)
        except OSError:  # not there, or the system watches no more folders: compare by the clock
            stop.wait(max(0.0, due - time.monotonic()))


def _due(rescan_seconds: float, sooner: float | None) -> float:
    wait = rescan_seconds if sooner is None else min(sooner, rescan_seconds)
    return time.monotonic() + wait


def _changes(
    folder: Path,
    stop: threading.Event,
    due: float,
    rescan_seconds: float,
    again_after: Callable[[], float | None],
) -> Iterator[None]:
    """Yields on changes and when due; returns when the folder is no longer the same one."""
    watched = folder.stat()
    told = watchfiles.watch(
        folder,
        watch_filter=None,
        debounce=_DEBOUNCE_MS,
        rust_timeout=round(_LOOK_SECONDS * 1000),
        yield_on_timeout=True,
        stop_event=stop,
        ignore_permission_denied=True,
    )
    for changed in told:
        if changed or time.monotonic() >= due:
            now = folder.stat()
            if (now.st_dev, now.st_ino) != (watched.st_dev, watched.st_ino):
                return
            yield
            due = _due(rescan_seconds, again_after())


@dataclass(slots=True)
class Settling:
    """Remembers files that were seen changing. `clock` gives seconds as `time.time` does."""

    settle_seconds: float
    clock: Callable[[], float] = time.time
    _seen: dict[str, tuple[int, int, float]] = field(default_factory=dict)
    _waiting: int = 0

    def begin(self) -> None:
        """A new comparison begins."""
        self._waiting = 0

    def waits(self, file: FoundFile) -> bool:
        """Whether `file`, which is new or has changed, should be left for a later comparison."""
        now = self.clock()
        path = str(file.path)
        size, mtime_ns, since = self._seen.get(path, (-1, -1, now))
        if (size, mtime_ns) != (file.size, file.mtime_ns):
            since = now
            # A file that has lain still since before we looked need not wait again.
            if now - file.mtime_ns / 1e9 >= 0 and size == -1:
                since = file.mtime_ns / 1e9
            self._seen[path] = (file.size, file.mtime_ns, since)
        if now - since >= self.settle_seconds and not is_being_written(file.path):
            self._seen.pop(path, None)
            return False
        self._waiting += 1
        return True

    def again_after(self) -> float | None:
        """Seconds until a file that waits may be whole; None if none waits."""
        return self.settle_seconds if self._waiting else None


def is_being_written(path: Path) -> bool:
    """Whether somebody has the file open for writing, where Linux lets us know: a read lease is
    refused then (fcntl(2), F_SETLEASE). False if that cannot be told.
    """
    lease = getattr(fcntl, "F_SETLEASE", None)
    if lease is None:
        return False
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.fcntl(handle, lease, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:  # not our file, or a file system without leases
        return False
    finally:
        with suppress(OSError):
            fcntl.fcntl(handle, lease, fcntl.F_UNLCK)
        os.close(handle)
    return False
