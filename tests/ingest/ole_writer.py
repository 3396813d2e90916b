"""Writes compound files (MS-CFB) and Outlook mails (MS-OXMSG), for which no library can.

Version 3: sectors of 512 bytes, and of 64 bytes for streams of less than 4,096 bytes.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_SECTOR, _SMALL, _CUTOFF = 512, 64, 4096
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_NONE = 0xFFFFFFFF

Tree = Mapping[str, Any]  # a stream's bytes, or another tree, by name


def compound_file(tree: Tree) -> bytes:
    """A compound file of the streams and storages in `tree`."""
    entries: list[list[Any]] = [["Root Entry", 5, _NONE, _NONE, _NONE, b""]]
    _add(entries, 0, tree)
    starts = [_END] * len(entries)
    small_table: list[int] = []
    small = b""
    for number, entry in enumerate(entries):
        if entry[1] == 2 and 0 < len(entry[5]) < _CUTOFF:
            starts[number] = _chain(small_table, -(-len(entry[5]) // _SMALL))
            small += _padded(entry[5], _SMALL)
    entries[0][5] = small
    table: list[int] = []
    body = b""
    for number, entry in enumerate(entries):
        if entry[5] and (number == 0 or len(entry[5]) >= _CUTOFF):
            starts[number] = _chain(table, -(-len(entry[5]) // _SECTOR))
            body += _padded(entry[5], _SECTOR)
    directory = b"".join(_entry(entry, start) for entry, start in zip(entries, starts, strict=True))
    small_start = _chain(table, -(-len(small_table) // 128)) if small_table else _END
    body += _padded(struct.pack(f"<{len(small_table)}I", *small_table), _SECTOR, b"\xff")
    directory_start = _chain(table, -(-len(directory) // _SECTOR))
    body += _padded(directory, _SECTOR)
    places = -(-len(table) // 127)  # each sector of the table takes an entry itself
    at = len(table)
    table += [_FAT] * places
    header = struct.pack(
        "<8s16xHHHHH6xIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6,
        0, places, directory_start, 0, _CUTOFF, small_start, -(-len(small_table) // 128), _END, 0,
    )  # fmt: skip
    header += struct.pack("<109I", *range(at, at + places), *[_FREE] * (109 - places))
    return header + body + _padded(struct.pack(f"<{len(table)}I", *table), _SECTOR, b"\xff")


def _chain(table: list[int], sectors: int) -> int:
    """Enter a run of sectors at the end of the table; where it begins."""
    start = len(table)
    table += [*range(start + 1, start + sectors), _END]
    return start


def _padded(data: bytes, unit: int, filler: bytes = b"\0") -> bytes:
    return data.ljust(-(-len(data) // unit) * unit, filler)


def _add(entries: list[list[Any]], parent: int, tree: Tree) -> None:
    """The children of an entry as a tree that leans to the right, which readers accept."""
    before = None
    for name in sorted(tree, key=lambda each: (len(each), each.upper())):
        content = tree[name]
        number = len(entries)
        is_stream = isinstance(content, bytes)
        entries.append([name, 2 if is_stream else 1, _NONE, _NONE, _NONE, b""])
        if before is None:
            entries[parent][4] = number
        else:
            entries[before][3] = number
        before = number
        if is_stream:
            entries[number][5] = content
        else:
            _add(entries, number, content)


def _entry(entry: list[Any], start: int) -> bytes:
    name, kind, left, right, child, data = entry
    coded = name.encode("utf-16-le") + b"\0\0"
    return struct.pack(
        "<64sHBBIII36xIQ", coded, len(coded), kind, 1, left, right, child, start, len(data)
    )


@dataclass
class Msg:
    """A mail to be written; `fields` by property number, text or bytes or integers."""

    fields: dict[int, str | bytes | int | dt.datetime]
    recipients: list[dict[int, str | bytes | int | dt.datetime]] = field(default_factory=list)
    attachments: list[tuple[dict[int, str | bytes | int | dt.datetime], Msg | None]] = field(
        default_factory=list
    )

    def written(self) -> bytes:
        """The bytes of the file."""
        return compound_file(self._tree(32))

    def _tree(self, start: int) -> dict[str, Any]:
        tree = _properties(self.fields, start, len(self.recipients), len(self.attachments))
        for number, each in enumerate(self.recipients):
            tree[f"__recip_version1.0_#{number:08X}"] = _properties(each, 8)
        for number, (fields, inner) in enumerate(self.attachments):
            storage = _properties(fields, 8)
            if inner is not None:
                storage["__substg1.0_3701000D"] = inner._tree(24)
            tree[f"__attach_version1.0_#{number:08X}"] = storage
        return tree


def _properties(
    fields: Mapping[int, str | bytes | int | dt.datetime],
    start: int,
    recipients: int = 0,
    attachments: int = 0,
) -> dict[str, Any]:
    streams: dict[str, Any] = {}
    rows = b""
    for number, value in fields.items():
        if isinstance(value, int):
            rows += struct.pack("<HHIq", 0x0003, number, 6, value)
            continue
        if isinstance(value, dt.datetime):
            epoch = dt.datetime(1601, 1, 1, tzinfo=dt.UTC)
            ticks = int((value - epoch).total_seconds()) * 10**7
            rows += struct.pack("<HHIq", 0x0040, number, 6, ticks)
            continue
        kind = 0x001F if isinstance(value, str) else 0x0102
        data = value.encode("utf-16-le") if isinstance(value, str) else value
        rows += struct.pack("<HHIII", kind, number, 6, len(data), 0)
        streams[f"__substg1.0_{number:04X}{kind:04X}"] = data
    head = struct.pack("<8xIIII8x", recipients, attachments, recipients, attachments)[:start]
    streams["__properties_version1.0"] = head.ljust(start, b"\0") + rows
    return streams
