"""Finds the files below the paths that a person named, in an order that does not change.

Links are followed; a link to a folder that leads back to itself is reported, not followed. What
begins with a dot is left out unless it was named itself.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import Failure


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to be read. `source` is its path relative to the folder that was named, or its name;
    `label` is the name of that folder's own or the file's folder; size in bytes.
    """

    source: str
    path: Path
    label: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Unusable:
    """Something found that is no readable file, and why. `source` can always be printed."""

    source: str
    path: str
    failure: Failure


def walk(paths: Iterable[Path]) -> Iterator[FoundFile | Unusable]:
    """The files at and below `paths`, each path's in the order of their names."""
    for path in paths:
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - keeps links, unlike resolve()
        yield from _visit(absolute, "", absolute.parent.name, frozenset())


def printable(name: str) -> str:
    """A file name with bytes that are not UTF-8 written as escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _visit(
    path: Path, source: str, label: str, above: frozenset[tuple[int, int]]
) -> Iterator[FoundFile | Unusable]:
    shown = printable(source or path.name)
    try:
        path.name.encode("utf-8")
        found = path.stat()
    except UnicodeEncodeError:
        yield Unusable(shown, printable(str(path)), Failure.NAME_NOT_UTF8)
        return
    except OSError as error:
        yield Unusable(shown, printable(str(path)), _reason(error))
        return
    if stat.S_ISDIR(found.st_mode):
        identity = (found.st_dev, found.st_ino)
        if identity in above:
            yield Unusable(shown, str(path), Failure.LINK_LOOP)
        else:
            yield from _folder(path, source, label, above | {identity})
    elif stat.S_ISREG(found.st_mode):
        yield FoundFile(source or path.name, path, label, found.st_size, found.st_mtime_ns)
    else:
        yield Unusable(shown, str(path), Failure.NOT_A_FILE)


def _folder(
    path: Path, source: str, label: str, above: frozenset[tuple[int, int]]
) -> Iterator[FoundFile | Unusable]:
    try:
        names = sorted(os.listdir(path))  # noqa: PTH208 - plain names sort the same everywhere
    except OSError as error:
        yield Unusable(printable(source or path.name), str(path), _reason(error))
        return
    if not source:
        label = path.name
    for name in names:
        if not name.startswith("."):
            below = f"{source}/{name}" if source else name
            yield from _visit(path / name, below, label, above)


def _reason(error: OSError) -> Failure:
    if error.errno == errno.ELOOP:
        return Failure.LINK_LOOP
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return Failure.GONE
    return Failure.UNREADABLE


def source_name(file: FoundFile, held_by: str | None, still_there: bool) -> str:
    """The source that `file` is known by.

    `held_by` is the path of the file that the collection knows by that name, if it does. Another
    file that is still there keeps its name, and this one is told apart by its folder's name: two
    folders with a `policy.pdf` each hold two documents, not two versions of one.
    """
    taken = held_by is not None and held_by != str(file.path) and still_there
    return f"{file.label}/{file.source}" if taken else file.source
