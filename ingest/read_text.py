"""Plain text: decoded, with "\\n" line ends, otherwise as it stands.

Form feeds separate pages. A text without any is cut at blank lines into pages of at most about
3,000 characters, the length of a printed page; a longer paragraph is cut at line ends, and a line
that would fill ten pages where a word ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
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
from ingest.read_encoding import decode
from ingest.seen import drawn

__all__ = ["MEDIA_TYPE", "PAGE_CHARACTERS", "decode", "read"]

MEDIA_TYPE = "text/plain"
PAGE_CHARACTERS = 3000
MAX_LINE = 30_000  # characters of a line on one page

_NUMBERED = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+[A-Z]\S*(?: \S+){0,10}")
_MAX_HEADING = 80
_UNDERLINE = re.compile(r"([-=~_*#])\1{2,}\s*")
_COLUMNS = re.compile(r"[-=]{2,}(?:\s+[-=]{2,})+\s*")


def read(data: bytes, options: ReadOptions) -> ReadDocument:
    """The document in `data`. Raises ReadFailure (UNDECODABLE, TOO_MANY_PAGES)."""
    text = decode(data)
    texts = text.split("\f") if "\f" in text else list(_cut(text))
    while len(texts) > 1 and not texts[-1].strip():
        texts.pop()
    if len(texts) > options.max_pages:
        raise ReadFailure(Failure.TOO_MANY_PAGES)
    pages = []
    for number, part in enumerate(texts, start=1):
        kept = clean(part).strip("\n")
        pages.append(ReadPage(Page(number, kept), tuple(_blocks(kept))))
    document = ReadDocument(MEDIA_TYPE, first_heading(pages), tuple(pages))
    return drawn(document, options.keep_hidden)


def _cut(text: str) -> Iterator[str]:
    """`text` in parts of at most PAGE_CHARACTERS where its paragraphs and lines allow it."""
    start = 0
    end = 0  # of the last run that fits
    for first, last in _runs(text):
        if last - start > PAGE_CHARACTERS and end > start:
            yield text[start:end]
            start = first
        end = last
    yield text[start:]


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """Paragraphs; the lines of those that are longer than a page; parts of lines without end."""
    for block in paragraphs(text):
        if block.end - block.start <= PAGE_CHARACTERS:
            yield block.start, block.end
            continue
        for line in re.finditer(r"[^\n]+", text[block.start : block.end]):
            start, last = block.start + line.start(), block.start + line.end()
            while last - start > MAX_LINE:
                blank = text.rfind(" ", start + MAX_LINE // 2, start + MAX_LINE)
                cut = blank + 1 if blank > 0 else start + MAX_LINE
                yield start, cut
                start = cut
            yield start, last


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
