"""A reader that does what the file says: hang, die, flood, lie. Loaded in the reading process.

It goes around the honest sender where that would put a lie right, as a parser that has been taken
over would.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ingest.errors import Failure, ReadFailure
from ingest.members import MemberFailure
from ingest.options import ReadOptions
from ingest.pages import (
    Block,
    Box,
    Kind,
    Member,
    Page,
    ReadDocument,
    ReadPage,
)

Found = Iterator[ReadDocument | ReadFailure | Member]


def _document(text: str, blocks: tuple[Block, ...], boxes: tuple[Box, ...] = ()) -> ReadDocument:
    return ReadDocument("text/plain", "", (ReadPage(Page(1, text, boxes=boxes), blocks),))


def _whole(text: str) -> ReadDocument:
    return _document(text, (Block(0, len(text), Kind.TEXT),))


def _hang() -> Found:
    time.sleep(3600)
    yield _whole("late")


def _spin() -> Found:
    while True:
        if not _document:
            yield _whole("never")


def _die() -> Found:
    os.kill(os.getpid(), signal.SIGKILL)
    yield _whole("never")


def _crash() -> Found:
    yield _whole(ctypes.string_at(0).decode())


def _eat() -> Found:
    yield _whole("x" * len(bytearray(64 << 30)))


def _raise() -> Found:
    raise ValueError("a bug in a parser")


def _refuse() -> Found:
    raise ReadFailure(Failure.CORRUPT)


def _flood() -> Found:
    for _ in range(10_000):
        yield _whole("words and more words " * 50_000)


def _write() -> Found:
    with tempfile.TemporaryFile() as stream:
        stream.write(b"x" * 100)
        stream.flush()
    yield _whole("written")


def _call_out() -> Found:
    socket.create_connection(("192.0.2.1", 80), timeout=5)  # an address kept for examples
    yield _whole("out")


def _slow(options: ReadOptions) -> Found:
    """Longer at work than a message may take, but with signs of life."""
    for _ in range(8):
        time.sleep(0.25)
        options.pulse()
    yield _whole("at last")


def _start_another() -> Found:
    """Leave a program running that would outlive this process, and tell its number."""
    program = subprocess.Popen(["/bin/sleep", "3600"])
    yield Member("number", str(program.pid).encode())
    time.sleep(3600)


def _unlink(path: str) -> Found:
    Path(path).unlink()
    yield _whole("gone")


def _create(path: str) -> Found:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    yield _whole("made")


def _truncate(path: str) -> Found:
    os.close(os.open(path, os.O_TRUNC | os.O_RDWR))
    yield _whole("emptied")


def _open_many() -> Found:
    for _ in range(100_000):
        os.dup(0)
    yield _whole("opened")


def _mail() -> Found:
    yield _whole("a mail")
    yield Member("a/b.txt", b"one")
    yield MemberFailure(Failure.MEMBER_ENCRYPTED, "c.txt")
    yield Member("d.txt", b"")


def _two_of_one_name() -> Found:
    yield Member("a.txt", b"1")
    yield Member("a.txt", b"2")


def _many() -> Found:
    for number in range(1000):
        yield Member(f"{number}.txt", b"x")


def _large() -> Found:
    for number in range(1000):
        yield Member(f"{number}.txt", b"x" * (1 << 20))


def _outside(name: str) -> Found:
    yield Member(name, b"evil")


_WITH_ARGUMENT: dict[str, Callable[[str], Found]] = {
    "unlink": _unlink,
    "create": _create,
    "truncate": _truncate,
    "outside": _outside,
}
_DEEDS: dict[str, Callable[[], Found]] = {
    "hang": _hang,
    "spin": _spin,
    "die": _die,
    "crash": _crash,
    "eat": _eat,
    "raise": _raise,
    "refuse": _refuse,
    "flood": _flood,
    "write": _write,
    "call out": _call_out,
    "start another": _start_another,
    "open many": _open_many,
    "mail": _mail,
    "two of one name": _two_of_one_name,
    "many": _many,
    "large": _large,
}
_LIES = {
    "offsets": _document("short", (Block(0, 500, Kind.TEXT),)),
    "gap": _document("hidden text", (Block(0, 6, Kind.TEXT),)),
    "box": _document("word", (Block(0, 4, Kind.TEXT),), (Box(0, 4, 9.0, 9.0, 1.0, 1.0),)),
    "surrogate": _whole("a\ud800b"),
    "pages": ReadDocument("text/plain", "", tuple(_whole("x").pages[0] for _ in range(51))),
    "type": ReadDocument("application/x-evil", "", _whole("x").pages),
}


def read(name: str, data: bytes, options: ReadOptions) -> Found:
    """Act on the order in `data`; what is no order is the text of an honest document."""
    order = data.decode()
    deed, _, argument = order.partition(": ")
    if order == "slow":
        yield from _slow(options)
    elif order in _DEEDS:
        yield from _DEEDS[order]()
    elif deed in _WITH_ARGUMENT:
        yield from _WITH_ARGUMENT[deed](argument)
    else:
        yield _LIES.get(order) or _whole(order)
