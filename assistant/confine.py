"""What the model's process gives up before it reads a model or a prompt.

It runs a large C++ library over a file and over texts that strangers wrote. After `confine` it
cannot open a network socket and leaves no core dump with a prompt in it. It can still read what
its user can read: run Cloister as a user of its own.

Linux only, as far as the kernel allows; what was refused is reported, not fatal, because the
process has no address to send anything to in the first place (see docs/adr/0005-engine-process.md).
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
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

# linux/bpf_common.h: load a word, jump if equal, jump if at least, return.
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data


class _Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def confine() -> list[str]:
    """Give up what a model does not need. Returns what the kernel refused, in words.

    To be called while the process has one thread: a user namespace takes no others.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not sys.platform.startswith("linux"):
        return ["confinement is for Linux only"]
    libc = ctypes.CDLL(None, use_errno=True)
    refused = []
    if libc.unshare(_CLONE_NEWNET) and libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
        refused.append(f"no network namespace ({os.strerror(ctypes.get_errno())})")
    if not _refuse_sockets(libc):
        refused.append(f"no socket filter ({os.strerror(ctypes.get_errno())})")
    return refused


def socket_filter(machine: str) -> bytes:
    """A seccomp program (struct sock_filter, 8 bytes an instruction) that refuses every socket
    but local ones, and io_uring, which opens sockets without a system call. KeyError for a
    machine that is not known."""
    arch, socket, io_uring = _SYSCALLS[machine]
    program = [
        # (code, if true skip, if false skip, operand); a skip counts instructions
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 0, 8, arch),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 6, 0, _X32),
        (_EQUAL, 5, 0, io_uring),
        (_EQUAL, 0, 3, socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 1, 0, _LOCAL_FAMILIES[0]),
        (_EQUAL, 0, 1, _LOCAL_FAMILIES[1]),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _refuse_sockets(libc: ctypes.CDLL) -> bool:
    if platform.machine() not in _SYSCALLS:
        return False
    code = socket_filter(platform.machine())
    program = _Program(len(code) // 8, code)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    failed: int = libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
    return not failed
