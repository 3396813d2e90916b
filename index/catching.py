"""Notes in the data folder of which views are being brought up to date, for any process to read.

One small file for each, written beside itself and renamed, so that a reader never meets half of
one, and removed at the end. The note of a process that has died is passed over, and taken away
when this process next notes the same view. What cannot be noted (a full disk) is done all the same.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from index.document import Shelf
from index.errors import IndexFailure
from index.files import private_folder
from index.records import CatchUp

_EVERY = 0.5  # seconds between two states of a note
_PROC = Path("/proc")


class Notes:
    """The notes below `folder`, and those of one shelf that this process writes; None: none."""

    def __init__(self, folder: Path | None, shelf: Shelf) -> None:
        self._folder = folder
        self._shelf = shelf

    @contextmanager
    def note(self, view: str, collection: str, total: int) -> Iterator[Callable[[int], None]]:
        """While this lasts a note stands; the function given tells how many chunks are done."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        process = os.getpid()
        written = -_EVERY

        def tell(done: int) -> None:
            nonlocal written
            if time.monotonic() - written >= _EVERY:
                written = time.monotonic()
                self._write(CatchUp(view, self._shelf, collection, done, total, since, process))

        tell(0)
        try:
            yield tell
        finally:
            self._remove(view, collection)

    def all(self) -> list[CatchUp]:
        """What living processes note now, of all shelves, by collection and view."""
        if self._folder is None:
            return []
        found = [_read(path) for path in self._folder.glob("*.json")]
        alive = [each for each in found if each is not None]
        return sorted(alive, key=lambda each: (each.collection, each.view, each.shelf))

    def _path(self, view: str, collection: str) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"{self._shelf.value}.{view}.{collection}.json"

    def _write(self, now: CatchUp) -> None:
        path = self._path(now.view, now.collection)
        if path is None:
            return
        with suppress(OSError, IndexFailure):
            private_folder(path.parent)
            beside = path.with_suffix(f".{now.process}")
            beside.write_text(json.dumps(_as_json(now)), encoding="utf-8")
            beside.replace(path)

    def _remove(self, view: str, collection: str) -> None:
        path = self._path(view, collection)
        if path is not None:
            with suppress(OSError):
                path.unlink()


def _as_json(now: CatchUp) -> dict[str, Any]:
    return {
        "view": now.view,
        "shelf": now.shelf.value,
        "collection": now.collection,
        "done": now.done,
        "total": now.total,
        "since": now.since,
        "process": now.process,
        "born": _born(now.process),
    }


def _read(path: Path) -> CatchUp | None:
    """A note, if it is one and its process lives."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
        process = int(noted["process"])
        if not _lives(process) or noted["born"] != _born(process):
            return None
        return CatchUp(
            str(noted["view"]),
            Shelf(noted["shelf"]),
            str(noted["collection"]),
            int(noted["done"]),
            int(noted["total"]),
            str(noted["since"]),
            process,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _born(process: int) -> str:
    """When a process began, in the kernel's own count, so that a number given again is seen.

    The 22nd field of /proc/<pid>/stat (man 5 proc); "" where there is no such file.
    """
    try:
        return (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
