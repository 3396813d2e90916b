"""Changing the model shelf: add, use and remove models, and say what lies there.

Every change is told to `record` before it takes effect; if that raises, nothing has changed. The
shelf calls back instead of being recorded around, because what must be recorded (the digest) is
known only in the middle of an addition, after the copy and before the file counts. It keeps no
log of its own and does not know who listens.

A change takes effect with one rename: of `shelf.json` or of `current.json`. An addition that is cut
off before it leaves a hidden temporary file, which the next addition clears away; one that is cut
off after it is complete, and `Shelf.entries` gives the file its final name. Changes of several
processes are kept apart by a lock file (`flock`: not for network file systems without it).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from assistant import gguf
from assistant.chat_format import FORMATS
from assistant.errors import ModelMissing, ModelUnreadable, ShelfError
from assistant.shelf import (
    DEFAULT_NAME,
    DEFAULT_SHA256,
    MANIFEST,
    NAME,
    POINTER,
    Entry,
    ModelFile,
    Shelf,
    header_of,
    open_plain,
    open_verified,
    pending_name,
)
from assistant.shelf_files import (
    copied,
    disk_errors,
    free_bytes,
    locked,
    refuse_too_large,
    temporary,
    write_object,
)
from assistant.shelf_listing import default_entry
from index.files import flush_folder

Record = Callable[[str, Mapping[str, str | int | bool | None]], None]


# Architectures of llama.cpp that turn text into vectors and write none, and parts of models.
_NO_WRITERS = frozenset(
    {"bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2"}
    | {"jina-bert-v3", "eurobert", "gemma-embedding", "llama-embed", "t5encoder"}
    | {"clip", "wavtokenizer-dec"}
)


@dataclass(frozen=True, slots=True)
class About:
    """What the person who adds a model says of it; empty or None: nothing.

    `sha256` is the publisher's digest, in lower case, that the file must have.
    """

    name: str = ""
    sha256: str = ""
    licence: str = ""
    chat_format: str = ""
    thinking: bool | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A whole file in the shelf's folder that is not listed yet, open for reading.

    `shown` is what messages call it. `temporary`: it has a hidden name, and gets its final one.
    """

    path: Path
    file: BinaryIO
    sha256: str
    bytes: int
    shown: Path
    temporary: bool = True
    source: str = "file"


@dataclass(frozen=True, slots=True)
class Added:
    """The model that lies on the shelf now. `new` is False if the same bytes lay there before."""

    entry: Entry
    new: bool


def add(
    shelf: Shelf,
    path: Path,
    about: About,
    record: Record,
    *,
    free: Callable[[Path], int] = free_bytes,
) -> Added:
    """Put a GGUF file onto the shelf: copied and hashed in one pass, or where it lies if that is
    the shelf's folder. Its metadata is read; nothing in it is run.

    Raises ShelfError, ModelMissing, ModelUnreadable, OSError, and what `record` raises.
    """
    refuse_unknown_format(about.chat_format)
    path = path.expanduser().absolute()
    if path.is_dir():
        raise ShelfError(
            f"{path} is a folder: a language model is one .gguf file; models that embed or "
            "classify lie in folders, see docs/encoders.md."
        )
    name = name_for(about.name, path.name)
    with open_plain(path) as source, disk_errors(shelf.folder):
        try:
            refuse_taken(shelf, name)
        except ShelfError:  # it may be the same file once more; no copy is needed to tell
            already = find_same(shelf, hashlib.file_digest(source, "sha256").hexdigest())
            if already is None:
                raise
            return already
        if _lies_in(path, shelf.folder):
            return _add_in_place(shelf, source, path, replace(about, name=name), record)
        size = os.fstat(source.fileno()).st_size
        refuse_too_large(shelf.folder, path.name, size, free)
        with temporary(shelf.folder, lambda: pending(shelf)) as (target, hidden):
            sha256, size = copied(source, target)
            arrived = Arrived(hidden, target, sha256, size, path)
            return pin(shelf, arrived, replace(about, name=name), record)


def pin(shelf: Shelf, arrived: Arrived, about: About, record: Record) -> Added:
    """List a file that has arrived. `about.name` is a name from `name_for`.

    The caller clears a temporary file away if this raises, or if the model is not new.
    """
    if about.sha256 and about.sha256 != arrived.sha256:
        raise ShelfError(
            f"{arrived.shown} is not the file that you expect (its SHA-256 is {arrived.sha256}, "
            f"you gave {about.sha256}): it was not added, get it again from its publisher."
        )
    arrived.file.seek(0)
    header = header_of(arrived.file, arrived.shown)
    _refuse_no_writer(header, arrived.shown)
    with locked(shelf.folder):
        entries = shelf.entries()
        if already := find_same(shelf, arrived.sha256):
            return already
        refuse_taken(shelf, about.name)
        entry = _described(arrived, header, about)
        if arrived.temporary and (shelf.folder / entry.file).exists():
            raise ShelfError(
                f"A file {entry.file} lies in {shelf.folder} that is not on the shelf: add that "
                "one, move it away, or choose another name with --name."
            )
        event = "model.added" if arrived.source == "file" else "model.fetched"
        record(event, _facts(entry) | {"source": entry.source})
        _list(shelf, arrived, [*entries, entry])
    return Added(entry, new=True)


def use(shelf: Shelf, name: str, record: Record) -> tuple[ModelFile, str]:
    """Make a model the one in use; the model, and the name of the one before, empty if unknown.

    A chat that is running takes it up with its next answer. Raises ShelfError, ModelMissing,
    ModelUnreadable, ModelAltered, OSError, and what `record` raises.
    """
    chosen = shelf.file(name)
    open_verified(chosen).close()
    with disk_errors(shelf.folder), locked(shelf.folder):
        if shelf.file(name) != chosen:
            raise ShelfError(f"The model {name!r} was changed meanwhile: try again.")
        before = name_in_use(shelf)
        if before == name:
            return chosen, before
        fields = {"name": name, "sha256": chosen.sha256, "before": before}
        record("model.chosen", fields)
        write_object(shelf.folder / POINTER, {"name": name, "sha256": chosen.sha256})
    return chosen, before


def remove(shelf: Shelf, name: str, record: Record, *, configured: Path | None = None) -> Entry:
    """Take a model off the shelf and delete its file, the entry first.

    `configured` is the file that a setting names, which stays. A crash in between leaves a file
    without an entry, never the reverse. Raises ShelfError, OSError, and what `record` raises.
    """
    if name == DEFAULT_NAME:
        raise ShelfError(
            f"{DEFAULT_NAME} belongs to the installation and cannot be removed: choose another "
            "with `cloister models use` instead."
        )
    with disk_errors(shelf.folder), locked(shelf.folder):
        path = shelf.file(name).path
        if name_in_use(shelf) == name or (configured is not None and configured == path):
            raise ShelfError(
                f"The model {name!r} is in use: choose another first, with "
                "`cloister models use NAME` or in cloister.toml, then remove it."
            )
        entries = shelf.entries()
        entry = next(each for each in entries if each.name == name)
        record("model.removed", _facts(entry))
        _write_manifest(shelf, [each for each in entries if each is not entry])
        path.unlink(missing_ok=True)
        flush_folder(shelf.folder)
    return entry


def name_for(wanted: str, file_name: str) -> str:
    """The name that a person wants, or one made from the file's. Raises ShelfError."""
    if wanted:
        name = wanted
    else:
        stem = re.sub(r"\.gguf$", "", file_name, flags=re.IGNORECASE).lower()
        name = re.sub(r"[^a-z0-9._]+", "-", stem)[:64].strip("._-")
    if not NAME.fullmatch(name):
        raise ShelfError(
            f"{name!r} cannot be a model's name: choose one with --name, of up to 64 letters, "
            "digits, dots, hyphens and underscores, that begins and ends with a letter or digit."
        )
    return name


def pending(shelf: Shelf) -> set[str]:
    """Names of files that are listed and have not got their final name yet."""
    return {pending_name(entry.sha256) for entry in shelf.entries()}


def _add_in_place(
    shelf: Shelf, source: BufferedReader, path: Path, about: About, record: Record
) -> Added:
    before = os.fstat(source.fileno())
    sha256 = hashlib.file_digest(source, "sha256").hexdigest()
    arrived = Arrived(path, source, sha256, before.st_size, path, temporary=False)
    after = path.stat()
    if (before.st_ino, before.st_size, before.st_mtime_ns) != (
        after.st_ino,
        after.st_size,
        after.st_mtime_ns,
    ):
        raise ShelfError(f"{path} was changed while it was read: add it again once it is whole.")
    return pin(shelf, arrived, about, record)


def _lies_in(path: Path, folder: Path) -> bool:
    """Whether `path` is a file of the folder itself, not a link out of it or a hidden one."""
    if path.is_symlink() or path.name.startswith("."):
        return False
    return path.parent.resolve() == folder.resolve()


def _refuse_no_writer(header: gguf.Header, shown: Path) -> None:
    if header.architecture in _NO_WRITERS:
        kind = header.architecture
        why = f"it writes no text, its architecture is {kind}: docs/encoders.md tells of such"
        raise ModelUnreadable(shown, why)


def refuse_unknown_format(name: str) -> None:
    """Raise ShelfError if there is no chat format of that name."""
    if name and name not in FORMATS:
        raise ShelfError(
            f"There is no chat format {name!r}: choose one of {', '.join(sorted(FORMATS))}, see "
            "docs/chat-formats.md."
        )


def refuse_taken(shelf: Shelf, name: str) -> None:
    """Raise ShelfError if a model on the shelf has that name, in any case of its letters."""
    taken = {DEFAULT_NAME, *(entry.name.casefold() for entry in shelf.entries())}
    if name.casefold() in taken:
        raise ShelfError(
            f"Another model on the shelf is called {name!r}: choose another name with --name, or "
            f"remove that one first with `cloister models remove {name}`."
        )


def find_same(shelf: Shelf, sha256: str) -> Added | None:
    """The entry that has these bytes already."""
    if sha256 == DEFAULT_SHA256:
        return Added(default_entry(), new=False)
    same = [entry for entry in shelf.entries() if entry.sha256 == sha256]
    return Added(same[0], new=False) if same else None


def _described(arrived: Arrived, header: gguf.Header, about: About) -> Entry:
    entry = Entry(
        name=about.name,
        file=f"{about.name}.gguf" if arrived.temporary else arrived.path.name,
        sha256=arrived.sha256,
        bytes=arrived.bytes,
        licence=about.licence,
        chat_format=about.chat_format,
        thinking=about.thinking,
        added_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        added_by=about.by,
        source=arrived.source,
    )
    return entry.described(header)


def _facts(entry: Entry) -> dict[str, str | int | bool | None]:
    """What is recorded of an entry, in clear."""
    return {
        "name": entry.name,
        "sha256": entry.sha256,
        "bytes": entry.bytes,
        "licence": entry.licence,
    }


def name_in_use(shelf: Shelf) -> str:
    """The name in use; empty if that cannot be told, which must not keep one from choosing anew."""
    try:
        return shelf.current().name
    except (ShelfError, ModelMissing):
        return ""


def _list(shelf: Shelf, arrived: Arrived, entries: list[Entry]) -> None:
    """Make the file of the last entry count."""
    pending = shelf.folder / pending_name(arrived.sha256)
    if arrived.temporary:
        arrived.path.rename(pending)
    try:
        _write_manifest(shelf, entries)
    except BaseException:
        if arrived.temporary:
            pending.unlink(missing_ok=True)
        raise
    shelf.entries()  # gives the file its final name
    flush_folder(shelf.folder)


def _write_manifest(shelf: Shelf, entries: Sequence[Entry]) -> None:
    write_object(shelf.folder / MANIFEST, {"models": [asdict(entry) for entry in entries]})
