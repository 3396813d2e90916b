"""Telling a torn end of SQLite's write-ahead log from a whole one, without opening the database.

A process or machine that stops in the middle of a write leaves frames that never became part of a
transaction. SQLite leaves them out by itself; the verifier only has to say that they are there, so
that a crash is not taken for something else. File format:
https://www.sqlite.org/fileformat2.html#the_write_ahead_log.
"""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from audit.errors import LogUnreadableError
from audit.snapshot import open_regular

_HEADER = struct.Struct(">8I")  # magic, version, page size, sequence, salts, checksums
_FRAME = struct.Struct(">6I")  # page, database size after a commit or 0, salts, checksums
_MAGIC = 0x377F0682  # the lowest bit says that checksums read big-endian words
_MAX_PAGE = 65536
_SETTLE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class WalEnd:
    """Where the last committed frame ends (bytes), and whether anything torn follows it."""

    committed: int
    torn: bool


def has_torn_tail(path: Path) -> bool:
    """Whether the WAL at `path` ends in a write that never completed.

    A writer at work looks the same for a moment, so a torn end counts only if it is still the same
    after a tenth of a second. Raises LogUnreadableError.
    """
    first = _read_end(path)
    if not first.torn:
        return False
    time.sleep(_SETTLE_SECONDS)
    return _read_end(path) == first


def _read_end(path: Path) -> WalEnd:
    try:
        with open_regular(path) as file:
            return _find_end(file)
    except FileNotFoundError:
        return WalEnd(0, torn=False)
    except OSError as error:
        raise LogUnreadableError(path, error.strerror or str(error)) from error


def _find_end(file: BinaryIO) -> WalEnd:
    raw = file.read(_HEADER.size)
    if not raw:
        return WalEnd(0, torn=False)
    if len(raw) < _HEADER.size:
        return WalEnd(0, torn=True)
    magic, _, page_size, _, *salts_and_sums = _HEADER.unpack(raw)
    salts, sums = tuple(salts_and_sums[:2]), tuple(salts_and_sums[2:])
    order = ">" if magic & 1 else "<"
    known = magic & ~1 == _MAGIC and 0 < page_size <= _MAX_PAGE and page_size % 8 == 0
    if not known or _checksum(raw[:24], order, (0, 0)) != sums:
        return WalEnd(0, torn=True)
    return _walk_frames(file, page_size, order, salts, sums)


def _walk_frames(
    file: BinaryIO, page_size: int, order: str, salts: tuple[int, ...], sums: tuple[int, ...]
) -> WalEnd:
    committed = position = _HEADER.size
    while True:
        head, page = file.read(_FRAME.size), file.read(page_size)
        if not head:
            return WalEnd(committed, torn=position != committed)
        if len(page) < page_size:
            return WalEnd(committed, torn=True)
        _, commit, *rest = _FRAME.unpack(head)
        sums = _checksum(page, order, _checksum(head[:8], order, sums))
        if tuple(rest[:2]) != salts:
            # Frames of an earlier round of the same file are normal. Their salts were random, so
            # zeros are not theirs: space that a power cut left without its content.
            unwritten = not any(rest[:2])
            return WalEnd(committed, torn=unwritten or position != committed)
        if tuple(rest[2:]) != sums:
            return WalEnd(committed, torn=True)
        position += _FRAME.size + page_size
        if commit:
            committed = position


def _checksum(data: bytes, order: str, sums: tuple[int, ...]) -> tuple[int, int]:
    """SQLite's WAL checksum of `data` (a multiple of 8 bytes), going on from `sums`."""
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
