"""A reader that does what the file says: hang, die, flood, lie. Loaded in the reading process."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ingest.errors import Failure, ReadFailure
from ingest.pages import Block, Box, Kind, Page, ReadDocument, ReadPage

Found = Iterator[ReadDocument | ReadFailure]


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
}
_LIES = {
    "offsets": _document("short", (Block(0, 500, Kind.TEXT),)),
    "gap": _document("hidden text", (Block(0, 6, Kind.TEXT),)),
    "box": _document("word", (Block(0, 4, Kind.TEXT),), (Box(0, 4, 9.0, 9.0, 1.0, 1.0),)),
    "surrogate": _whole("a\ud800b"),
    "pages": ReadDocument("text/plain", "", tuple(_whole("x").pages[0] for _ in range(51))),
    "type": ReadDocument("application/x-evil", "", _whole("x").pages),
}


def read(name: str, data: bytes, request: Mapping[str, Any]) -> Found:
    """Act on the order in `data`; what is no order is the text of an honest document."""
    order = data.decode()
    if order in _DEEDS:
        yield from _DEEDS[order]()
    else:
        yield _LIES.get(order) or _whole(order)
