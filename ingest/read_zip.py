"""ZIP archives: the files in them, each a document of its own.

Nothing that an archive says of itself is believed: sizes are counted as they are unpacked, entries
that share bytes are refused, names are made safe, and what is no plain file is reported. Folders,
hidden files and what macOS puts beside files are passed over. Archives within are members like any
other; how deep to go is for the caller to say.
"""

from __future__ import annotations

import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator

from ingest.errors import Failure, ReadFailure
from ingest.members import Allowance, MemberFailure, safe_name, unique_name
from ingest.options import ReadOptions
from ingest.pages import Member

_AT_ONCE = 1 << 16  # bytes unpacked between two looks at what is left
_MAX_RATIO = 250  # of unpacked to packed bytes; documents that pack better are small
_MAY_PACK_WELL = 16 << 20  # bytes
_ENCRYPTED = 0x1  # APPNOTE 4.4.4, bit 0
_UTF8 = 0x800  # and bit 11
_AES = 99  # APPNOTE 4.4.5: the method is elsewhere, and zipfile cannot decrypt it
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # APPNOTE 4.3.7: mark, length of name, of extra field
_UNIX = 3  # APPNOTE 4.4.2
_LEFT_BY_SYSTEMS = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    IndexError,
)


def read(data: bytes, options: ReadOptions) -> Iterator[Member | MemberFailure]:
    """The files in the archive `data`, in its order.

    Raises ReadFailure (CORRUPT, EMPTY, TOO_MANY_MEMBERS).
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        _refuse_overlaps(data, entries)
    except (*_DAMAGED, NotImplementedError) as error:
        raise ReadFailure(Failure.CORRUPT) from error
    wanted = [(entry, name) for entry in entries if (name := _name(entry)) is not None]
    if not wanted:
        raise ReadFailure(Failure.EMPTY)
    if len(wanted) > options.max_members:
        raise ReadFailure(Failure.TOO_MANY_MEMBERS)
    allowance = Allowance(options)
    taken: set[str] = set()
    for number, (entry, name) in enumerate(wanted, start=1):
        name = unique_name(name or f"entry-{number}", taken)
        taken.add(name)
        try:
            unpacked = _unpacked(archive, entry, name, allowance.bytes_left, options)
        except MemberFailure as failure:
            yield failure
            continue
        allowance.take(len(unpacked))
        yield Member(name, unpacked)
        options.pulse()


def _refuse_overlaps(data: bytes, entries: list[zipfile.ZipInfo]) -> None:
    """Raise BadZipFile if two entries share bytes, as they do in archives that are made to unpack
    to far more than they hold.
    """
    end = 0
    for entry in sorted(entries, key=lambda each: each.header_offset):
        if entry.header_offset < end:
            raise zipfile.BadZipFile("entries that overlap")
        mark, name, extra = _LOCAL_HEADER.unpack_from(data, entry.header_offset)
        if mark != b"PK\x03\x04":
            raise zipfile.BadZipFile("no entry where one should be")
        end = entry.header_offset + _LOCAL_HEADER.size + name + extra + entry.compress_size
        if end > len(data):
            raise zipfile.BadZipFile("an entry that ends behind the archive")


def _name(entry: zipfile.ZipInfo) -> str | None:
    """A safe name, "" if nothing is left of it, None for what is passed over.

    Many programs write UTF-8 without saying so; by rule it would be code page 437.
    """
    name = entry.filename
    if not entry.flag_bits & _UTF8 and not name.isascii():
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = entry.filename
    safe = safe_name(name)
    parts = safe.lower().split("/")
    if any(part.startswith(".") or part in _LEFT_BY_SYSTEMS for part in parts):
        return None
    return safe


def _unpacked(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, most: int, options: ReadOptions
) -> bytes:
    """The bytes of one entry. Raises MemberFailure, ReadFailure (TOO_MANY_MEMBERS)."""
    kind = stat.S_IFMT(entry.external_attr >> 16) if entry.create_system == _UNIX else 0
    if kind not in (0, stat.S_IFREG):
        raise MemberFailure(Failure.NOT_A_FILE, name)  # a link, or a device
    if not entry.flag_bits & _ENCRYPTED:
        return _inflated(archive, entry, name, most, None)
    if entry.compress_type != _AES:
        for password in options.passwords:
            try:
                return _inflated(archive, entry, name, most, password.encode())
            except MemberFailure:
                continue  # one in 256 wrong passwords is found out by the bytes only
    raise MemberFailure(Failure.MEMBER_ENCRYPTED, name)


def _inflated(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, most: int, password: bytes | None
) -> bytes:
    parts = io.BytesIO()
    try:
        with archive.open(entry, pwd=password) as stream:
            while part := stream.read(_AT_ONCE):
                parts.write(part)
                size = parts.tell()
                if size > most:
                    raise ReadFailure(Failure.TOO_MANY_MEMBERS)
                if size > max(_MAY_PACK_WELL, _MAX_RATIO * entry.compress_size):
                    raise MemberFailure(Failure.TOO_MUCH_OUTPUT, name)
    except NotImplementedError as error:
        raise MemberFailure(Failure.UNSUPPORTED, name) from error
    except (RuntimeError, *_DAMAGED) as error:  # zipfile says RuntimeError for a wrong password
        raise MemberFailure(Failure.CORRUPT, name) from error
    return parts.getvalue()
