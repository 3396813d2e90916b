"""Builds the library that makes the n-th write of a program go wrong, and speaks to it."""

from __future__ import annotations

import ctypes
import os
import subprocess
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_name("fault.c")


class Mode(IntEnum):
    """What happens at the n-th call; see fault.c."""

    COUNT = 0
    KILL = 1
    FULL = 2  # this call and all later ones: no space left
    BROKEN = 3  # this one call: an input/output error
    TORN = 4  # half of the bytes, then killed


def build(folder: Path) -> Path:
    """The compiled library in `folder`. Raises CalledProcessError."""
    target = folder / "fault.so"
    compiler = os.environ.get("CC", "gcc")
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(target), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return target


def arm(nth: int, mode: Mode) -> None:
    """From now on count, and let the `nth` call (from 1) go wrong. Only under LD_PRELOAD."""
    ctypes.CDLL(None).fault_arm(ctypes.c_long(nth), ctypes.c_int(mode))


def disarm() -> None:
    """Stop counting; what is full has room again."""
    ctypes.CDLL(None).fault_disarm()


def count() -> int:
    """How many calls were seen since `arm`."""
    library = ctypes.CDLL(None)
    library.fault_count.restype = ctypes.c_long
    return int(library.fault_count())
