"""A disk that loses power: from a trace of writes, folders as they may be found afterwards.

The model is that of ALICE (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014):
what a returned `fsync` or `fdatasync` covers is there; of everything else any part may be, in any
order. In detail:

- Writes and changes of length of one file, since its last sync: any subset of them survives, each
  whole or only some of its 512-byte sectors. Bytes that a file was lengthened by and that did not
  arrive are zeros, or leftovers of other files.
- Names (created, linked, renamed, removed) since the last sync of their folder: any subset
  survives. Syncing a file does not keep its name; a rename happens whole or not at all.
- Files ending in `-shm` are written through a memory map and are gone.

What it does not model: a disk that lies about having synced, and sectors that decay.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

SECTOR = 512
_ENTRY = struct.Struct("=6q")


class Kind(IntEnum):
    """What a call did; as in audit_power_loss.c."""

    CREATE = 1
    WRITE = 2
    SIZE = 3
    SYNC = 4
    RENAME = 5
    LINK = 6
    UNLINK = 7
    MKDIR = 8
    RMDIR = 9


@dataclass(frozen=True, slots=True)
class Call:
    """One entry of a trace. `inode` as the system numbers it; `at`: offset or length in bytes."""

    kind: Kind
    inode: int
    at: int
    path: str
    other: str
    data: bytes


def read_trace(path: Path) -> Iterator[Call]:
    """The entries of a trace, in order."""
    with path.open("rb") as file:
        while head := file.read(_ENTRY.size):
            kind, inode, at, *lengths = _ENTRY.unpack(head)
            first, other, data = (file.read(length) for length in lengths)
            yield Call(Kind(kind), inode, at, os.fsdecode(first), os.fsdecode(other), data)


@dataclass(slots=True)
class _Change:
    """A change that is not synced: of content (`data` None: of length), or of names (`names`: what
    each then stands for, None for nothing). `moment`: when it was made."""

    moment: int
    at: int = 0
    data: bytes | None = None
    names: dict[str, _File | None] = field(default_factory=dict)


@dataclass(slots=True)
class _File:
    """A file or folder: what is synced, and what came after. `now`: the names as the program sees
    them, for a folder."""

    content: bytearray = field(default_factory=bytearray)
    names: dict[str, _File] | None = None
    now: dict[str, _File] = field(default_factory=dict)
    pending: list[_Change] = field(default_factory=list)

    def sync(self) -> None:
        """Keep all that came."""
        for change in self.pending:
            self.apply(change)
        self.pending.clear()

    def apply(self, change: _Change) -> None:
        """Keep one change."""
        if self.names is not None:
            _rename(self.names, change)
        elif change.data is None:
            _resize(self.content, change.at, b"\0")
        else:
            _write(self.content, change.at, change.data)


def _rename(names: dict[str, _File], change: _Change) -> None:
    for name, target in change.names.items():
        if target is None:
            names.pop(name, None)
        else:
            names[name] = target


def _resize(content: bytearray, length: int, filler: bytes) -> None:
    del content[length:]
    missing = length - len(content)
    content += (filler * (missing // len(filler) + 1))[:missing]


def _write(content: bytearray, at: int, data: bytes, filler: bytes = b"\0") -> None:
    if at > len(content):
        _resize(content, at, filler)
    content[at : at + len(data)] = data


@dataclass(frozen=True, slots=True)
class Weather:
    """How a power loss treats what is not synced. Of content and of names each survives with its
    probability; only what was done before the moment `until` can; `torn`: the probability that a
    write is torn into sectors; `filler`: what stands where nothing arrived."""

    content: float
    names: float
    until: int
    torn: float
    filler: bytes

    @classmethod
    def drawn(cls, draw: random.Random, moment: int) -> Weather:
        """Any: from "nothing that was not synced" to "everything up to a moment, in order"."""
        until = moment + 1
        if draw.random() < 0.25:  # as written, cut off some time before the loss
            until = max(0, moment - draw.randrange(40))
            return cls(1.0, 1.0, until, 0.0, b"\0")
        chances = (0.0, 0.1, 0.5, 0.9, 1.0)
        filler = draw.randbytes(64) if draw.random() < 0.3 else b"\0"
        torn = draw.choice((0.0, 0.3, 1.0))
        return cls(draw.choice(chances), draw.choice(chances), until, torn, filler)


class Disk:
    """Follows a trace below `root`, the folder as it was, synced, before the traced program ran."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_inode: dict[int, _File] = {}
        self._top = self._take_in(root)
        self.moment = 0

    def _take_in(self, path: Path) -> _File:
        if path.is_dir():
            names = {each.name: self._take_in(each) for each in path.iterdir()}
            taken = _File(names=names, now=dict(names))
        else:
            taken = _File(bytearray(path.read_bytes()))
        self._by_inode[path.stat().st_ino] = taken
        return taken

    def _folder(self, path: str) -> tuple[_File, str]:
        found = self._top
        *parents, name = Path(path).relative_to(self._root).parts
        for part in parents:
            found = found.now[part]
        return found, name

    def follow(self, call: Call) -> None:
        """Do what the program did."""
        self.moment += 1
        if call.kind is Kind.SYNC:
            self._by_inode[call.inode].sync()
        elif call.kind is Kind.WRITE:
            change = _Change(self.moment, call.at, call.data)
            self._by_inode[call.inode].pending.append(change)
        elif call.kind is Kind.SIZE:
            self._by_inode[call.inode].pending.append(_Change(self.moment, call.at))
        else:
            self._follow_name(call)

    def _follow_name(self, call: Call) -> None:
        folder, name = self._folder(call.path)
        changed: dict[str, _File | None]
        if call.kind in (Kind.CREATE, Kind.MKDIR):
            made = _File(names={} if call.kind is Kind.MKDIR else None)
            self._by_inode[call.inode] = made
            changed = {name: made}
        elif call.kind in (Kind.UNLINK, Kind.RMDIR):
            changed = {name: None}
        else:
            target, other = self._folder(call.other)
            if target is not folder:
                raise ValueError(f"moved between folders, which is not modelled: {call.other}")
            moved = folder.now[name]
            changed = {other: moved}
            if call.kind is Kind.RENAME:
                changed[name] = None
        change = _Change(self.moment, names=changed)
        _rename(folder.now, change)
        folder.pending.append(change)

    def image(self, name: str, target: Path, weather: Weather | None, draw: random.Random) -> None:
        """Write the folder or file `name` of the root to `target` as it is found after a loss of
        power now; `weather` None: as the program sees it."""
        self._put(self._top.now[name], target, weather, draw)

    def _put(self, file: _File, target: Path, weather: Weather | None, draw: random.Random) -> None:
        if file.names is None:
            if not target.name.endswith("-shm"):
                target.write_bytes(_content(file, weather, draw))
            return
        target.mkdir()
        names = dict(file.now if weather is None else file.names)
        if weather is not None:
            for change in file.pending:
                if change.moment <= weather.until and draw.random() < weather.names:
                    _rename(names, change)
        for name, inner in names.items():
            self._put(inner, target / name, weather, draw)


def _content(file: _File, weather: Weather | None, draw: random.Random) -> bytes:
    content = bytearray(file.content)
    for change in file.pending:
        if weather is None:
            whole = _File(content)
            whole.apply(change)
        elif change.moment > weather.until or draw.random() >= weather.content:
            continue
        elif change.data is None:
            _resize(content, change.at, weather.filler)
        elif draw.random() >= weather.torn:
            _write(content, change.at, change.data, weather.filler)
        else:
            _tear(content, change.at, change.data, weather.filler, draw)
    return bytes(content)


def _tear(content: bytearray, at: int, data: bytes, filler: bytes, draw: random.Random) -> None:
    """Of a write keep about half of the sectors that it touches."""
    begin = at
    while begin < at + len(data):
        end = min((begin // SECTOR + 1) * SECTOR, at + len(data))
        if draw.random() < 0.5:
            _write(content, begin, data[begin - at : end - at], filler)
        begin = end


def differences(one: Path, other: Path) -> list[str]:
    """Where two folders differ, but for `-shm` files."""
    found = []
    for path in sorted({each.relative_to(top) for top in (one, other) for each in top.rglob("*")}):
        first, second = one / path, other / path
        if path.name.endswith("-shm"):
            continue
        alike = first.is_dir() and second.is_dir()
        if first.is_file() and second.is_file():
            alike = first.read_bytes() == second.read_bytes()
        if not alike:
            found.append(str(path))
    return found


def clear(folder: Path) -> None:
    """Remove a folder, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)
