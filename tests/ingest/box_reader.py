"""A quick reader for tests of what happens around reading. Loaded in the reading process.

A file that begins with "box" is a container: one line a member, "name: text"; a first line
"box: text" gives it a document of its own, as a mail has. "\\n" in a text stands for a line end, so
that boxes fit in boxes. "rows" and lines of "id: text" make a file of records. "bad" fails as
damaged, "die" ends the process, "slow" takes a while. All else is a plain document, with front
matter if it begins with "---".
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator

from ingest.errors import Failure, ReadFailure
from ingest.members import MemberFailure
from ingest.options import ReadOptions
from ingest.pages import Block, Kind, Member, Page, ReadDocument, ReadPage

Found = ReadDocument | ReadFailure | Member


def read(name: str, data: bytes, options: ReadOptions) -> Iterator[Found]:
    """What is in `data`; raises ReadFailure."""
    text = data.decode()
    first, _, rest = text.partition("\n")
    if first == "bad":
        raise ReadFailure(Failure.CORRUPT)
    if first == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if first == "slow":
        time.sleep(30)
    if first.startswith("box"):
        yield from _box(first, rest)
    elif first == "rows":
        yield from _rows(text)
    elif first == "---":
        front, _, body = rest.partition("\n---\n")
        pairs = (line.partition(": ") for line in front.splitlines())
        yield _document(body, {key: value for key, _, value in pairs})
    else:
        yield _document(text)


def _box(first: str, rest: str) -> Iterator[Found]:
    own = first.partition(": ")[2]
    if own:
        yield _document(own)
    for line in rest.splitlines():
        name, _, text = line.partition(": ")
        if text == "locked":
            yield MemberFailure(Failure.MEMBER_ENCRYPTED, name)
        else:
            yield Member(name, _unescaped(text).encode())


def _unescaped(text: str) -> str:
    """One level out: "\\n" becomes a line end, "\\\\n" becomes "\\n"."""
    return re.sub(r"\\(\\*)n", lambda found: f"{found[1]}n" if found[1] else "\n", text)


def _rows(text: str) -> Iterator[Found]:
    at = 0
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        name, _, body = line.strip().partition(": ")
        if number > 1 and not body:
            yield ReadFailure(Failure.BAD_RECORD, number)
        elif number > 1:
            yield ReadDocument(
                "application/jsonl",
                "",
                (_page(body),),
                name=name,
                line=number,
                byte_start=at,
                byte_end=at + len(line.encode()),
            )
        at += len(line.encode())


def _document(text: str, declared: dict[str, str | tuple[str, ...]] | None = None) -> ReadDocument:
    return ReadDocument("text/plain", "", (_page(text),), declared=declared or {})


def _page(text: str) -> ReadPage:
    return ReadPage(Page(1, text), (Block(0, len(text), Kind.TEXT),))
