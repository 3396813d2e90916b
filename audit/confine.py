"""What a process that works on strangers' bytes gives up before it sees the first of them.

The model's process runs a large C++ library over a file and over texts that strangers wrote; the
reading process runs parsers over whatever lies in a folder. After `confine` neither can open a
network socket or leave a core dump with a text in it; with `files`, nor can it open any other
socket, make, change, rename or delete a file, or look into another process. Both can still read
what their user can read: run Cloister as a user of its own.

Linux only, as far as the kernel allows; what was refused is reported, not fatal, because these
processes have no address to send anything to in the first place (see
docs/adr/0005-engine-process.md).
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import socket
import struct
import sys

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_CLONE_NEWUSER = 0x10000000
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38  # linux/prctl.h
_SECCOMP_MODE_FILTER = 2
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 13  # linux/seccomp.h: RET_ALLOW, RET_ERRNO | EACCES

# By machine: AUDIT_ARCH (linux/audit.h) and the numbers of socket and io_uring_setup.
_SYSCALLS = {"x86_64": (0xC000003E, 41, 425), "aarch64": (0xC00000B7, 198, 425)}
_X32 = 0x40000000  # the bit of x86-64's second set of system calls, which we refuse
_LOCAL_FAMILIES = (1, 16)  # AF_UNIX, and AF_NETLINK, by which libraries list devices

# By machine, what `files` refuses (asm/unistd.h), and what it looks at: open, openat, mmap.
_CHANGES = {
    "x86_64": (
        *(76, 77),  # truncate, ftruncate
        *range(82, 89),  # rename, mkdir, rmdir, creat, link, unlink, symlink
        *(90, 91, 92, 93, 94),  # chmod, fchmod, chown, fchown, lchown
        *(132, 133, 235, 261, 280),  # utime, mknod, utimes, futimesat, utimensat
        *(188, 189, 190, 197, 198, 199),  # setxattr, removexattr and their kin
        *(258, 259, 260, 263, 264, 265, 266, 268),  # mkdirat ... fchmodat
        *(285, 316),  # fallocate, renameat2
        *(41, 101, 310, 311),  # socket, ptrace, process_vm_readv, process_vm_writev
    ),
    "aarch64": (
        *(5, 6, 7, 14, 15, 16),  # setxattr, removexattr and their kin
        *(33, 34, 35, 36, 37, 38, 276),  # mknodat ... renameat, renameat2
        *(45, 46, 47),  # truncate, ftruncate, fallocate
        *(52, 53, 54, 55, 88),  # fchmod, fchmodat, fchownat, fchown, utimensat
        *(198, 117, 270, 271),  # socket, ptrace, process_vm_readv, process_vm_writev
    ),
}
_NEW_CHANGES = (437, 452, 463, 466, 469)  # openat2, fchmodat2, setxattrat, removexattrat,
# file_setattr: the same numbers on both
_OPENS = {"x86_64": ((2, 1), (257, 2)), "aarch64": ((56, 2),)}  # number, argument with the flags
_MMAP = {"x86_64": 9, "aarch64": 222}
_CREATE_OR_EMPTY = 0o100 | 0o1000 | 0o20000000  # O_CREAT, O_TRUNC, the bit of O_TMPFILE
_SHARED, _ANONYMOUS = 0x01, 0x20  # MAP_SHARED: a write would pass by the limit on file sizes

# linux/bpf_common.h: load a word, jump if equal, jump if at least, jump if a bit is set, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data


class _Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def confine(*, files: bool = False) -> list[str]:
    """Give up network and core dumps; with `files`, every change of files, too, and root's powers
    over them. Returns what the kernel refused, in words.

    To be called while the process has one thread: a user namespace takes no others.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not sys.platform.startswith("linux"):
        return ["confinement is for Linux only"]
    libc = ctypes.CDLL(None, use_errno=True)
    refused = []
    ways = [_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET]
    if all(libc.unshare(way) for way in (reversed(ways) if files else ways)):
        refused.append(f"no network namespace ({os.strerror(ctypes.get_errno())})")
    machine = platform.machine()
    if machine not in _SYSCALLS or not _install(libc, socket_filter(machine)):
        refused.append(f"no socket filter ({os.strerror(ctypes.get_errno())})")
    if files and (machine not in _CHANGES or not _install(libc, file_filter(machine))):
        refused.append(f"no file filter ({os.strerror(ctypes.get_errno())})")
    return refused


def has_network() -> bool:
    """Whether this process could reach another machine. Nothing is sent to find that out."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            asked.connect(("192.0.2.1", 9))  # an address kept for examples
    except OSError:
        return False
    return True


def socket_filter(machine: str) -> bytes:
    """A seccomp program (struct sock_filter, 8 bytes an instruction) that refuses every socket
    but local ones, and io_uring, which opens sockets without a system call. KeyError for a
    machine that is not known."""
    arch, opens_socket, io_uring = _SYSCALLS[machine]
    program = [
        # (code, if true skip, if false skip, operand); a skip counts instructions
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 0, 8, arch),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 6, 0, _X32),
        (_EQUAL, 5, 0, io_uring),
        (_EQUAL, 0, 3, opens_socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 1, 0, _LOCAL_FAMILIES[0]),
        (_EQUAL, 0, 1, _LOCAL_FAMILIES[1]),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def file_filter(machine: str) -> bytes:
    """A seccomp program that refuses to make, change or delete files, every socket, and looking
    into other processes. KeyError for a machine that is not known.

    A file that is there may be opened for writing (programs open /dev/null so), but what is written
    to it is left to the limit on file sizes.
    """
    program: list[tuple[int, str, str, int]] = [
        # (code, where to go if true, if false, operand); "" is the next one
        (_LOAD, "", "", _ARCH),
        (_EQUAL, "", "refuse", _SYSCALLS[machine][0]),
        (_LOAD, "", "", _NUMBER),
        (_AT_LEAST, "refuse", "", _X32),
        *((_EQUAL, "refuse", "", number) for number in (*_CHANGES[machine], *_NEW_CHANGES)),
        *((_EQUAL, f"flags in {argument}", "", number) for number, argument in _OPENS[machine]),
        (_EQUAL, "map", "allow", _MMAP[machine]),
    ]
    places = {}
    for _, argument in _OPENS[machine]:
        places[f"flags in {argument}"] = len(program)
        program += [
            (_LOAD, "", "", _FIRST_ARGUMENT + 8 * argument),
            (_ANY_BIT, "refuse", "allow", _CREATE_OR_EMPTY),
        ]
    places["map"] = len(program)
    program += [
        (_LOAD, "", "", _FIRST_ARGUMENT + 8 * 3),
        (_ANY_BIT, "allow", "", _ANONYMOUS),
        (_ANY_BIT, "refuse", "allow", _SHARED),
        (_RETURN, "", "", _ALLOW),
        (_RETURN, "", "", _REFUSE),
    ]
    places |= {"allow": len(program) - 2, "refuse": len(program) - 1}
    code = b""
    for at, (operation, if_true, if_false, operand) in enumerate(program):
        skips = [places[place] - at - 1 if place else 0 for place in (if_true, if_false)]
        code += struct.pack("=HBBI", operation, *skips, operand)
    return code


def _install(libc: ctypes.CDLL, code: bytes) -> bool:
    program = _Program(len(code) // 8, code)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    failed: int = libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
    return not failed
