"""Finds the files below the paths that a person named, in an order that does not change.

Links are followed; a link to a folder that leads back to itself is reported, not followed. What
begins with a dot is left out unless it was named itself, and so are sidecars, which describe other
files (`ingest.facts`), and the data folder, which holds copies of all that was ingested.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import Failure
from ingest.facts import SUFFIX, is_sidecar


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to be read. `source` is its path relative to the folder that was named, or its name;
    `label` is the name of that folder's own or the file's folder; size in bytes. `root` is the
    folder that was named, or the file's; `described`: there may be a sidecar that speaks of it.
    """

    source: str
    path: Path
    label: str
    size: int
    mtime_ns: int
    root: Path | None = None
    described: bool = False


@dataclass(frozen=True, slots=True)
class Unusable:
    """Something found that is no readable file, and why. `source` can always be printed."""

    source: str
    path: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class _Walk:
    """What holds for all that is found below one named path."""

    root: Path
    label: str
    left_out: tuple[int, int] | None  # device and inode of a folder


def walk(paths: Iterable[Path], but: Path | None = None) -> Iterator[FoundFile | Unusable]:
    """The files at and below `paths`, each path's in the order of their names; none below the
    folder `but`.
    """
    left_out = _identity(but.stat()) if but is not None and but.exists() else None
    for path in paths:
        absolute = os.path.abspath(path)  # noqa: PTH100 - keeps links, unlike resolve()
        name = os.path.basename(absolute)  # noqa: PTH119
        parent = Path(absolute).parent
        try:
            found = os.stat(absolute)  # noqa: PTH116
        except OSError as error:
            yield _unusable(name, absolute, error)
            continue
        if stat.S_ISDIR(found.st_mode):
            named = _Walk(Path(absolute), name, left_out)
            yield from _folder(named, absolute, "", frozenset({_identity(found)}), False)
        else:
            beside = os.path.exists(absolute + SUFFIX) or (parent / SUFFIX).exists()  # noqa: PTH110
            yield _file(_Walk(parent, parent.name, None), absolute, name, found, beside)


def printable(name: str) -> str:
    """A file name with bytes that are not UTF-8 written as escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _folder(
    named: _Walk, path: str, source: str, above: frozenset[tuple[int, int]], described: bool
) -> Iterator[FoundFile | Unusable]:
    """What is in a folder; `described`: a folder above it has a file of facts."""
    if named.left_out in above:
        return
    try:
        with os.scandir(path) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        yield _unusable(source or named.label, path, error)
        return
    names = {entry.name for entry in entries}
    described = described or SUFFIX in names
    for entry in entries:
        name = entry.name
        if name.startswith(".") or is_sidecar(name):
            continue
        below = f"{source}/{name}" if source else name
        if not _is_utf8(name):
            yield Unusable(printable(below), printable(entry.path), Failure.NAME_NOT_UTF8)
            continue
        try:
            found = entry.stat()
        except OSError as error:
            yield _unusable(below, entry.path, error)
            continue
        if not stat.S_ISDIR(found.st_mode):
            yield _file(named, entry.path, below, found, described or name + SUFFIX in names)
        elif _identity(found) in above:
            yield Unusable(printable(below), printable(entry.path), Failure.LINK_LOOP)
        else:
            inner = above | {_identity(found)}
            yield from _folder(named, entry.path, below, inner, described)


def _file(
    named: _Walk, path: str, source: str, found: os.stat_result, described: bool
) -> FoundFile | Unusable:
    shown = printable(source)
    if not _is_utf8(path):
        return Unusable(shown, printable(path), Failure.NAME_NOT_UTF8)
    if not stat.S_ISREG(found.st_mode):
        return Unusable(shown, path, Failure.NOT_A_FILE)
    return FoundFile(
        source, Path(path), named.label, found.st_size, found.st_mtime_ns, named.root, described
    )


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _unusable(source: str, path: str, error: OSError) -> Unusable:
    return Unusable(printable(source), printable(path), _reason(error))


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
