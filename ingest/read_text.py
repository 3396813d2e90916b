"""Plain text: decoded, with "\\n" line ends, otherwise as it stands.

Form feeds separate pages. A text without any is cut at blank lines into pages of at most about
3,000 characters, the length of a printed page.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from charset_normalizer import from_bytes

from ingest.errors import Failure, ReadFailure
from ingest.pages import (
    Block,
    Kind,
    Page,
    ReadDocument,
    ReadPage,
    clean,
    first_heading,
    paragraphs,
)

MEDIA_TYPE = "text/plain"
PAGE_CHARACTERS = 3000

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GUESS_BYTES = 256 * 1024  # enough to tell an encoding; guessing takes time with the length
_NUMBERED = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+[A-Z]\S*(?: \S+){0,10}")
_MAX_HEADING = 80
_UNDERLINE = re.compile(r"([-=~_*#])\1{2,}\s*")
_COLUMNS = re.compile(r"[-=]{2,}(?:\s+[-=]{2,})+\s*")


def read(data: bytes) -> ReadDocument:
    """The document in `data`. Raises ReadFailure (UNDECODABLE)."""
    text = decode(data)
    texts = text.split("\f") if "\f" in text else list(_cut(text))
    while len(texts) > 1 and not texts[-1].strip():
        texts.pop()
    pages = []
    for number, part in enumerate(texts, start=1):
        kept = clean(part).strip("\n")
        pages.append(ReadPage(Page(number, kept), tuple(_blocks(kept))))
    return ReadDocument(MEDIA_TYPE, first_heading(pages), tuple(pages))


def decode(data: bytes) -> str:
    """`data` as text with "\\n" line ends: by its byte order mark, as UTF-8, or by a guess.

    Raises ReadFailure (UNDECODABLE) for what is no text, among it anything with NUL bytes.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if not encoding and b"\0" in data[:_GUESS_BYTES]:
        raise ReadFailure(Failure.UNDECODABLE)
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        best = None if encoding else from_bytes(data[:_GUESS_BYTES]).best()
        if best is None:
            raise ReadFailure(Failure.UNDECODABLE) from error
        text = data.decode(best.encoding, "replace")
    return re.sub(r"\r\n?", "\n", text)


def _cut(text: str) -> Iterator[str]:
    """`text` in parts of at most PAGE_CHARACTERS where its paragraphs allow it."""
    start = 0
    end = 0  # of the last paragraph that fits
    for block in paragraphs(text):
        if block.end - start > PAGE_CHARACTERS and end > start:
            yield text[start:end]
            start = block.start
        end = block.end
    yield text[start:]


def _blocks(text: str) -> Iterator[Block]:
    """Headings, the rows of tables set in columns, and paragraphs."""
    for block in paragraphs(text):
        lines = [
            (block.start + match.start(), block.start + match.end())
            for match in re.finditer(r"\S.*", text[block.start : block.end])
        ]
        second = text[slice(*lines[1])] if len(lines) > 1 else ""
        if _COLUMNS.fullmatch(second):
            yield Block(*lines[0], Kind.HEADER_ROW)
            yield from (Block(*line, Kind.ROW) for line in lines[1:])
        elif _UNDERLINE.fullmatch(second) and _level(text[slice(*lines[0])], underlined=True):
            yield Block(*lines[0], Kind.HEADING, _level(text[slice(*lines[0])], underlined=True))
            yield Block(lines[1][0], block.end, Kind.TEXT)
        elif len(lines) == 1 and (level := _level(text[block.start : block.end])):
            yield Block(block.start, block.end, Kind.HEADING, level)
        else:
            yield block


def _level(line: str, underlined: bool = False) -> int:
    """The level of a line that is a heading, from 1; 0 if it is none.

    A heading is short, does not end like a sentence, is not set in columns, and is numbered, in
    capitals, or underlined.
    """
    line = line.strip()
    if len(line) > _MAX_HEADING or line.endswith((".", ",", ";", ":")) or "  " in line:
        return 0
    numbered = _NUMBERED.fullmatch(line)
    if numbered:
        return 1 + numbered.group(1).count(".")
    return 1 if underlined or (line.isupper() and len(line.split()) > 1) else 0
