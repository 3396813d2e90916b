"""The rows of a sweep that is not finished, so that it can go on after a crash.

One file for each sweep, a header and a line of JSON a row, each on disk before its row is shown. A
crash can tear the last line only: what does not end with a line end is cut off. No text of a
document is in it, and none of the question: a row names places (page and unit) with a digest
of what stood there, and its text is read from the catalogue again. The file is readable by its
owner only, locked while its sweep runs, and removed when the sweep is finished.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from assistant.errors import SweepRunning
from index.files import FileLock, file_errors, flush_folder, private_folder

_FORMAT = "sweep-rows-1"


@dataclass(frozen=True, slots=True)
class Place:
    """A quotable unit: the `position`-th of a page, and the digest of the text that it had."""

    page: int
    position: int
    digest: str


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A row without its texts. `state` is a digest of the document as it was read; the first of
    `places` is quoted; `value` are the characters of its text that state what was asked for."""

    collection: str
    document: str
    state: str
    verdict: str
    reason: str
    places: tuple[Place, ...] = ()
    value: tuple[int, int] | None = None


class Kept:
    """The rows of one sweep. A context manager; holds the lock on the file.

    Raises (when opened): SweepRunning: another process is at the same sweep. HomeUnavailable,
    HomeFull: the folder cannot be used.
    """

    def __init__(self, folder: Path, sweep: str, settings: Mapping[str, str], fresh: bool) -> None:
        """`settings` must be the same for kept rows to be of use; but the day that is kept holds
        (`day`)."""
        self._path = private_folder(folder) / f"{sweep}.jsonl"
        self._lock = FileLock(folder / f"{sweep}.lock")
        if not self._lock.acquire():
            raise SweepRunning
        self.rows: dict[tuple[str, str], KeptRow] = {}
        self.day = settings["day"]
        header = {"format": _FORMAT, **settings}
        held = None if fresh else _read(self._path)
        if held is not None and {**held[0], "day": ""} == {**header, "day": ""}:
            self.day = held[0]["day"]
            self.rows = held[1]
            self._file = self._opened(os.O_APPEND)
            with file_errors(self._path):
                os.ftruncate(self._file, held[2])
        else:
            self._file = self._opened(os.O_TRUNC)
            self._append(header)
            flush_folder(folder)

    def keep(self, row: KeptRow) -> None:
        """Add a row, on disk when this returns."""
        self._append(asdict(row))

    def finish(self) -> None:
        """Nothing is left to be gone on with.

        Who opens the same sweep just now may lock a file that is unlinked: then both run, and each
        ends with all rows.
        """
        with file_errors(self._path):
            self._path.unlink(missing_ok=True)
            self._path.with_suffix(".lock").unlink(missing_ok=True)

    def close(self) -> None:
        """Let another process go on with it."""
        os.close(self._file)
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _opened(self, how: int) -> int:
        with file_errors(self._path):
            return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o600)

    def _append(self, value: Mapping[str, Any]) -> None:
        line = json.dumps(value, separators=(",", ":")).encode() + b"\n"
        with file_errors(self._path):
            while line:
                line = line[os.write(self._file, line) :]
            os.fsync(self._file)


def waiting(folder: Path, sweep: str) -> int:
    """How many rows are kept of an unfinished sweep, 0 if there is none."""
    held = _read(folder / f"{sweep}.jsonl")
    return len(held[1]) if held is not None else 0


def forget(
    folder: Path, documents: frozenset[str], sweeps: frozenset[str]
) -> tuple[int, tuple[str, ...]]:
    """Remove the files of unfinished sweeps that name one of `documents`, are among `sweeps`, or
    cannot be read; how many, and the sweeps that another process is at. Raises HomeUnavailable."""
    removed, running = 0, []
    for path in sorted(folder.glob("*.jsonl")):
        held = _read(path)
        named = held is None or any(document in documents for _, document in held[1])
        if not named and path.stem not in sweeps:
            continue
        lock = FileLock(path.with_suffix(".lock"))
        if not lock.acquire():
            running.append(path.stem)
            continue
        with file_errors(path):
            path.unlink(missing_ok=True)
            path.with_suffix(".lock").unlink(missing_ok=True)
        lock.release()
        removed += 1
    return removed, tuple(running)


def _read(path: Path) -> tuple[dict[str, str], dict[tuple[str, str], KeptRow], int] | None:
    """Header, rows and how many bytes are whole; None for no file or one that is not of ours."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    whole = data[: data.rfind(b"\n") + 1]
    try:
        first, *lines = [json.loads(line) for line in whole.splitlines()]
        if first["format"] != _FORMAT or "day" not in first:
            return None
        rows = [_row(line) for line in lines]
    except (ValueError, KeyError, TypeError):
        return None
    return first, {(row.collection, row.document): row for row in rows}, len(whole)


def _row(line: dict[str, Any]) -> KeptRow:
    value = line.pop("value")
    places = tuple(Place(**place) for place in line.pop("places"))
    return KeptRow(**line, places=places, value=None if value is None else (value[0], value[1]))
