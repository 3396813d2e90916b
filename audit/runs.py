"""Which processes have the log open, so that one that died without closing it is noticed.

Each run keeps an exclusive `flock` on a file of its own in the `open` folder and removes the file
when it closes. The kernel gives the lock up when the process dies in whatever way, and a reboot
gives up all of them; so a file that can be locked belongs to a run that did not end well. Unlike
process numbers this holds across containers that share the folder.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from audit.database import explained, make_private_folder, sync_folder
from audit.errors import LogLockedError

_SUFFIX = ".run"
_POLL_SECONDS = 0.002


@contextmanager
def setup_lock(path: Path, *, timeout_ms: int) -> Iterator[None]:
    """Hold `path` exclusively among all processes while the log is being opened.

    Raises LogLockedError after `timeout_ms`.
    """
    with explained(path):
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + timeout_ms / 1000
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise LogLockedError(path)
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Run:
    """This process's sign of life. Create and look for others only under `setup_lock`."""

    def __init__(self, folder: Path, run_id: str, dead_before: Sequence[str] = ()) -> None:
        """Begin a run; `dead_before`: the runs that had ended without closing the log. Raises
        LogUnwritableError."""
        make_private_folder(folder)
        self.run_id = run_id
        self.dead_before = tuple(dead_before)
        self._path = folder / f"{run_id}{_SUFFIX}"
        with explained(self._path):
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
            self._descriptor: int | None = os.open(self._path, flags, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            # Lost in a power cut, nobody would know that there was anything to recover from.
            sync_folder(folder)

    def end(self, *, cleanly: bool) -> None:
        """Stop. If not `cleanly` the file stays, and the next opening records a recovery."""
        if self._descriptor is None:
            return
        if cleanly:
            with explained(self._path):
                self._path.unlink(missing_ok=True)
                # Back after a power cut, it would tell of a crash that never was.
                sync_folder(self._path.parent)
        os.close(self._descriptor)
        self._descriptor = None


def dead_runs(folder: Path) -> tuple[str, ...]:
    """The ids of the runs that ended without closing the log, in order."""
    return tuple(path.stem for path in sorted(folder.glob(f"*{_SUFFIX}")) if _is_dead(path))


def others_running(folder: Path) -> bool:
    """Whether any run but ended ones is left: at work, or dead and not yet recorded."""
    return any(folder.glob(f"*{_SUFFIX}"))


def forget_run(folder: Path, run_id: str) -> None:
    """Remove the file of a dead run, once its recovery is recorded."""
    path = folder / f"{run_id}{_SUFFIX}"
    with explained(path):
        path.unlink(missing_ok=True)
        sync_folder(folder)


def _is_dead(path: Path) -> bool:
    with explained(path):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False  # it closed between listing and opening
        try:
            return _try_lock(descriptor)
        finally:
            os.close(descriptor)
