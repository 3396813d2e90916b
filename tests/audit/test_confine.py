"""What a process that works on strangers' bytes has given up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from audit import confine

TRY = """
import resource, socket
{confine}
for family in (socket.AF_INET, socket.AF_INET6):
    try:
        socket.socket(family).close()
        print("open")
    except PermissionError:
        print("refused")
socket.socket(socket.AF_UNIX).close()
print(*resource.getrlimit(resource.RLIMIT_CORE))
"""


def tried(confined: bool) -> list[str]:
    script = TRY.format(confine="from audit.confine import confine; confine()" * confined)
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    ).stdout.split("\n")


def test_a_confined_process_opens_no_network_socket() -> None:
    assert tried(confined=False)[:2] == [
        "open",
        "open",
    ]  # so that the refusal below means something
    assert tried(confined=True)[:3] == ["refused", "refused", "0 0"]


@pytest.mark.parametrize(
    ("arch", "number", "argument", "allowed"),
    [
        (0xC000003E, 0, 0, True),  # read
        (0xC000003E, 41, 1, True),  # socket(AF_UNIX)
        (0xC000003E, 41, 16, True),  # socket(AF_NETLINK)
        (0xC000003E, 41, 2, False),  # socket(AF_INET)
        (0xC000003E, 41, 10, False),  # socket(AF_INET6)
        (0xC000003E, 41, 17, False),  # socket(AF_PACKET)
        (0xC000003E, 425, 0, False),  # io_uring_setup
        (0xC000003E, 0x40000000 | 41, 2, False),  # socket, by the x32 numbers
        (0x40000003, 102, 1, False),  # socketcall of a 32-bit program
    ],
)
def test_the_filter_lets_through_local_sockets_only(
    arch: int, number: int, argument: int, allowed: bool
) -> None:
    assert run_filter(confine.socket_filter("x86_64"), arch, number, argument) is allowed


@pytest.mark.parametrize(
    ("number", "arguments", "allowed"),
    [
        (0, (), True),  # read
        (1, (), True),  # write, which the limit on file sizes bounds
        (2, (0, 0o0), True),  # open to read
        (2, (0, 0o102), False),  # open, O_CREAT | O_RDWR
        (257, (0, 0, 0o2), True),  # openat, O_RDWR, as of /dev/null
        (257, (0o100, 0, 0), True),  # what looks like O_CREAT is another argument
        (257, (0, 0, 0o100), False),  # openat, O_CREAT
        (257, (0, 0, 0o1001), False),  # openat, O_TRUNC | O_WRONLY
        (257, (0, 0, 0o20200001), False),  # openat, O_TMPFILE
        (437, (), False),  # openat2
        (87, (), False),  # unlink
        (82, (), False),  # rename
        (316, (), False),  # renameat2
        (280, (), False),  # utimensat
        (101, (), False),  # ptrace
        (9, (0, 0, 3, 0x02), True),  # mmap, MAP_PRIVATE
        (9, (0, 0, 3, 0x21), True),  # mmap, MAP_SHARED | MAP_ANONYMOUS
        (9, (0, 0, 3, 0x01), False),  # mmap, MAP_SHARED
        (9, (0, 0, 3, 0x03), False),  # mmap, MAP_SHARED_VALIDATE
        (41, (1,), False),  # socket(AF_UNIX), over which other programs take orders
        (59, (), True),  # execve
        (0x40000000 | 2, (), False),  # open, by the x32 numbers
    ],
)
def test_the_filter_of_files_refuses_every_change(
    number: int, arguments: tuple[int, ...], allowed: bool
) -> None:
    code = confine.file_filter("x86_64")
    assert run_filter(code, 0xC000003E, number, *arguments) is allowed
    assert not run_filter(code, 0x40000003, number, *arguments)  # a 32-bit program


def test_both_filters_exist_for_arm() -> None:
    assert run_filter(confine.file_filter("aarch64"), 0xC00000B7, 56, 0, 0, 0)  # openat to read
    assert not run_filter(confine.file_filter("aarch64"), 0xC00000B7, 35)  # unlinkat
    assert not run_filter(confine.socket_filter("aarch64"), 0xC00000B7, 198, 2)  # AF_INET


def run_filter(code: bytes, arch: int, number: int, *arguments: int) -> bool:
    """What a seccomp program decides, by the rules of linux/bpf_common.h."""
    padded = (*arguments, 0, 0, 0, 0)
    data = {0: number, 4: arch, **{16 + 8 * n: value for n, value in enumerate(padded)}}
    at = accumulator = 0
    while True:
        operation = int.from_bytes(code[at * 8 : at * 8 + 2], sys.byteorder)
        if_true, if_false = code[at * 8 + 2], code[at * 8 + 3]
        operand = int.from_bytes(code[at * 8 + 4 : at * 8 + 8], sys.byteorder)
        if operation == 0x06:
            return operand == 0x7FFF0000
        if operation == 0x20:
            accumulator = data[operand]
        elif operation in (0x15, 0x35, 0x45):
            met = {
                0x15: accumulator == operand,
                0x35: accumulator >= operand,
                0x45: bool(accumulator & operand),
            }[operation]
            at += if_true if met else if_false
        else:
            raise AssertionError(f"an instruction that is not expected: {operation:#x}")
        at += 1
