"""What of an erased document or person lies beside the index: rows of sweeps, evaluation folders.

Rows of an unfinished sweep name documents and digests of their text and hold no text; they go all
the same. An evaluation folder is an index of its own, made from a set's documents; one that has an
erased document is removed whole, since it is built anew when it is needed.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from assistant import sweep_store
from index.files import file_errors

SWEEPS = "sweeps"
TRIALS = "eval"
_PIECE = 8 << 20  # bytes read at once


def forget_sweeps(
    home: Path, documents: Collection[str], sweeps: Collection[str]
) -> tuple[int, tuple[str, ...]]:
    """Remove the rows of sweeps that name one of the documents, and those of `sweeps`; how many
    files, and the sweeps that a process is at just now. Raises HomeUnavailable."""
    return sweep_store.forget(home / SWEEPS, frozenset(documents), frozenset(sweeps))


def forget_trials(home: Path, documents: Collection[str]) -> int:
    """Remove the evaluation folders that know one of the documents; how many."""
    found = 0
    wanted = [each.encode() for each in documents]
    for folder in sorted((home / TRIALS).glob("*")):
        if folder.is_dir() and wanted and any(_holds(path, wanted) for path in _files(folder)):
            with file_errors(folder):
                shutil.rmtree(folder)
            found += 1
    return found


def _files(folder: Path) -> Iterator[Path]:
    """The files that name documents: an evaluation's catalogue, and the names of its originals."""
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def _holds(path: Path, wanted: list[bytes]) -> bool:
    if any(each.decode() == path.name for each in wanted):
        return True
    if not path.name.startswith("catalogue.db"):
        return False
    tail = b""
    with file_errors(path), path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            data = tail + piece
            if any(each in data for each in wanted):
                return True
            tail = data[-64:]
    return False
