"""Archives: each file comes out once, whole and under a safe name, or is reported."""

from __future__ import annotations

import io
import stat
import struct
import zipfile

import pytest

from ingest import read_zip
from ingest.errors import Failure, ReadFailure
from ingest.members import MemberFailure, is_safe
from ingest.options import ReadOptions
from ingest.pages import Member

OPTIONS = ReadOptions(max_members=50, max_member_bytes=4 << 20)


def archive(
    *files: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as written:
        for name, data in files:
            written.writestr(name, data)
    return buffer.getvalue()


def members(data: bytes, options: ReadOptions = OPTIONS) -> dict[str, bytes | Failure]:
    return {
        each.name: each.data if isinstance(each, Member) else each.failure
        for each in read_zip.read(data, options)
    }


def refusal(data: bytes, options: ReadOptions = OPTIONS) -> Failure:
    with pytest.raises(ReadFailure) as caught:
        members(data, options)
    assert not isinstance(caught.value, MemberFailure)
    return caught.value.failure


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_files_come_out_as_they_went_in(method: int) -> None:
    data = archive(("a.txt", b"one"), ("b/c.txt", b"two" * 9999), ("empty", b""), method=method)
    assert members(data) == {"a.txt": b"one", "b/c.txt": b"two" * 9999, "empty": b""}


def test_what_systems_leave_behind_is_passed_over() -> None:
    data = archive(
        ("a/", b""),
        ("a/x.txt", b"x"),
        ("__MACOSX/a/._x.txt", b"junk"),
        ("a/.DS_Store", b"junk"),
        (".git/config", b"junk"),
        ("Thumbs.db", b"junk"),
    )
    assert members(data) == {"a/x.txt": b"x"}


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("a/../../b.txt", "a/b.txt"),
        ("C:\\Users\\a.txt", "Users/a.txt"),
        ("\\\\server\\share\\a.txt", "server/share/a.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("Übersicht.txt", "Übersicht.txt"),
        ("..", "entry-1"),
        ("x" * 300 + ".pdf", None),
    ],
)
def test_no_name_leads_out(name: str, safe: str | None) -> None:
    (found,) = members(archive((name, b"x")))
    assert is_safe(found)
    assert found == safe or (safe is None and found.endswith(".pdf"))


def test_two_entries_of_one_name_are_both_kept() -> None:
    data = archive(("a.txt", b"1"), ("x/../a.txt", b"2"), ("./a.txt", b"3"))
    assert list(members(data)) == ["a.txt", "x/a.txt", "a-2.txt"]


def test_names_in_utf8_are_read_even_if_the_archive_does_not_say_so() -> None:
    data = archive(("Übung.txt", b"x"))
    at = data.index(b"PK\x01\x02")
    unmarked = bytearray(data)
    unmarked[6:8] = b"\0\0"  # the flags of the entry, then those of the directory
    unmarked[at + 8 : at + 10] = b"\0\0"
    assert list(members(bytes(unmarked))) == ["Übung.txt"]


def test_links_and_devices_are_reported_and_not_followed() -> None:
    link = zipfile.ZipInfo("link")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    data = archive((link, b"/etc/passwd"), ("a.txt", b"x"))
    assert members(data) == {"link": Failure.NOT_A_FILE, "a.txt": b"x"}


def test_sizes_are_counted_not_believed() -> None:
    data = bytearray(archive(("big.txt", bytes(5 << 20))))
    at = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, 10)  # the directory says: ten bytes
    found = None
    try:
        found = members(bytes(data))
    except ReadFailure as failure:
        assert failure.failure is Failure.TOO_MANY_MEMBERS
    assert found in (None, {"big.txt": Failure.CORRUPT})  # cut at what was said, its sum is wrong


def test_a_bomb_ends_at_the_limit() -> None:
    assert refusal(archive(("zeros", bytes(8 << 20)))) is Failure.TOO_MANY_MEMBERS
    many = archive(*((f"{n}", bytes(1 << 20)) for n in range(5)))
    assert refusal(many) is Failure.TOO_MANY_MEMBERS


def test_an_entry_that_packs_too_well_costs_only_itself() -> None:
    data = archive(("zeros", bytes(20 << 20)), ("a.txt", b"x"))
    options = ReadOptions(max_member_bytes=64 << 20)
    assert members(data, options) == {"zeros": Failure.TOO_MUCH_OUTPUT, "a.txt": b"x"}


def test_too_many_files_are_refused_before_any_is_unpacked() -> None:
    files = [(f"{number}.txt", b"x") for number in range(51)]
    assert len(members(archive(*files[:50]))) == 50
    assert refusal(archive(*files)) is Failure.TOO_MANY_MEMBERS


def overlapping(copies: int) -> bytes:
    """One packed run of zeros that many entries claim."""
    data = archive(("0", bytes(1 << 20)))
    at = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry = data[at:end]
    entries = b"".join(entry.replace(b"0", b"%x" % (n % 16), 1) for n in range(copies))
    tail = struct.pack("<4s4xHHIIH", b"PK\x05\x06", copies, copies, len(entries), at, 0)
    return data[:at] + entries + tail


def test_entries_that_share_their_bytes_are_refused() -> None:
    assert len(members(overlapping(1))) == 1
    assert refusal(overlapping(3)) is Failure.CORRUPT


def test_a_locked_file_is_opened_with_a_password_or_named() -> None:
    data = encrypted(b"secret words", b"open")
    assert members(data) == {"s.txt": Failure.MEMBER_ENCRYPTED}
    assert members(data, ReadOptions(passwords=("wrong", "open"))) == {"s.txt": b"secret words"}


def encrypted(text: bytes, password: bytes) -> bytes:
    """An archive locked by the traditional encryption (APPNOTE 6.1), which zipfile cannot write."""
    keys = [0x12345678, 0x23456789, 0x34567890]

    def crc(value: int, byte: int) -> int:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
        return value

    def update(byte: int) -> None:
        keys[0] = crc(keys[0], byte)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = crc(keys[2], keys[1] >> 24)

    for byte in password:
        update(byte)
    plain = archive(("s.txt", text), method=zipfile.ZIP_STORED)
    check = plain[17]  # the highest byte of the checksum
    locked = bytearray()
    for byte in bytes(11) + bytes([check]) + text:
        mask = (keys[2] | 2) & 0xFFFF
        locked.append(byte ^ (mask * (mask ^ 1) >> 8 & 0xFF))
        update(byte)
    at = plain.index(b"PK\x01\x02")
    end = plain.index(b"PK\x05\x06")
    head, entry, tail = bytearray(plain[:35]), bytearray(plain[at:end]), bytearray(plain[end:])
    for block, flags, size in ((head, 6, 18), (entry, 8, 20)):
        block[flags] |= 1
        struct.pack_into("<I", block, size, len(locked))
    struct.pack_into("<I", tail, 16, at + 12)
    return bytes(head + locked + entry + tail)


def test_a_damaged_file_costs_only_itself() -> None:
    data = bytearray(archive(("a.txt", b"first"), ("b.txt", b"second"), method=zipfile.ZIP_STORED))
    data[data.index(b"first")] ^= 1
    assert members(bytes(data)) == {"a.txt": Failure.CORRUPT, "b.txt": b"second"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"PK\x03\x04 broken", Failure.CORRUPT),
        (archive(("a.txt", b"x" * 1000))[:-30], Failure.CORRUPT),
        (b"PK\x05\x06" + bytes(18), Failure.EMPTY),
        (archive(("a/", b"")), Failure.EMPTY),
    ],
    ids=["no archive", "cut off", "no members", "a folder only"],  # the bytes hold the time
)
def test_what_holds_nothing_is_said_to(data: bytes, expected: Failure) -> None:
    assert refusal(data) is expected
