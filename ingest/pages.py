"""What a reader makes of a file: pages with text, and where its headings and rows stand.

Readers of formats without pages produce a flat run of `Piece`s; the functions here lay them out
into pages. Pure: nothing here touches a disk or a library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from index.completeness import Finding
from index.document import Box, Method, Page

__all__ = [
    "Block",
    "Box",
    "Finding",
    "FindingKind",
    "Kind",
    "Member",
    "Method",
    "Page",
    "Piece",
    "ReadDocument",
    "ReadPage",
    "lay_out",
]

MAX_NAME = 1000  # characters of a record's id, a title, a label

_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Kind(StrEnum):
    """What a block of a page is. A row is never cut; a heading opens a section; a running head or
    foot is text of the page, but of no chunk.
    """

    TEXT = "text"
    HEADING = "heading"
    HEADER_ROW = "header_row"
    ROW = "row"
    RUNNING = "running"


class FindingKind(StrEnum):
    """What a reader left out or could not vouch for. Codes, also in the log.

    Of those marked * the text was left out unless the settings keep hidden text.
    """

    WHITE_TEXT = "white_text"  # * in the colour of what is behind it
    TINY_TEXT = "tiny_text"  # * too small to be seen
    OFF_PAGE = "off_page"  # * outside what is shown
    COVERED = "covered"  # * behind an image
    INVISIBLE = "invisible"  # * drawn in no colour at all
    ZERO_WIDTH = "zero_width"  # * characters that are not drawn
    TAG_CHARACTERS = "tag_characters"  # * Unicode tags, which spell text that is not drawn
    ACTUAL_TEXT = "actual_text"  # the text that a PDF offers to readers differs from what it draws
    HIDDEN_MARKUP = "hidden_markup"  # * HTML, DOCX, ODT, RTF: marked as not to be shown
    HIDDEN_CELLS = "hidden_cells"  # * hidden sheets, rows, columns, slides
    TRACKED_INSERTION = "tracked_insertion"  # in the text, not yet accepted
    TRACKED_DELETION = "tracked_deletion"  # left out, not yet accepted
    COMMENT = "comment"  # kept apart on a page of its own
    UNREADABLE_PAGE = "unreadable_page"  # something is drawn and gave no text
    DOUBTFUL_OCR = "doubtful_ocr"  # a page recognised with little confidence
    GARBLED_TEXT = "garbled_text"  # a text layer that says nothing; the page was recognised
    EMBEDDED_FILE = "embedded_file"  # a file within that was not taken in


@dataclass(frozen=True, slots=True)
class Block:
    """Characters `[start, end)` of a page's text; `level` is that of a heading, from 1, or 0 for a
    title that stands above them all.
    """

    start: int
    end: int
    kind: Kind
    level: int = 0


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page and its blocks, in order and without overlap."""

    page: Page
    blocks: tuple[Block, ...]

    def headings(self) -> tuple[tuple[int, int, str], ...]:
        """(start, level, text) of each heading."""
        return tuple(
            (block.start, block.level, self.page.text[block.start : block.end])
            for block in self.blocks
            if block.kind is Kind.HEADING
        )


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """All that a reader found in a file, or in one record of a JSONL file.

    `title` may be empty. `declared` is what its front matter says (see `ingest.facts`), unchecked
    but for types. For a record, `name` is its `_id`, `line` its line number from 1, and
    `[byte_start, byte_end)` the bytes of the file that hold it.
    """

    media_type: str
    title: str
    pages: tuple[ReadPage, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    line: int = 0
    byte_start: int = 0
    byte_end: int = 0
    findings: tuple[Finding, ...] = ()
    declared: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    """A file within a file: an attachment of a mail, an entry of an archive.

    `name` is its path there, with "/" between folders, never leading out of it; the bytes are not
    read yet.
    """

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text of a document that has no offsets yet; blank pieces are left out.

    A `tight` piece (an item of a list) follows on the next line, without a blank one.
    """

    text: str
    kind: Kind = Kind.TEXT
    level: int = 0
    tight: bool = False


def clean(text: str) -> str:
    """`text` with "\\n" line ends and without what no store can hold: control characters are
    left out, lone surrogates become U+FFFD, the form feed and vertical tab become line ends.
    """
    if not _ODD.search(text):
        return text
    text = re.sub(r"\r\n?|[\f\v\x85\u2028\u2029]", "\n", text)
    return _CONTROL.sub("", _SURROGATE.sub("\ufffd", text))


def paragraphs(text: str) -> tuple[Block, ...]:
    """The runs of `text` between blank lines, as blocks of running text."""
    # A look-ahead at each character would take 60 bytes for it, of a line of any length.
    return tuple(
        Block(match.start(), match.start() + len(match.group().rstrip()), Kind.TEXT)
        for match in re.finditer(r"\S.*(?:\n[ \t]*\S.*)*", text)
    )


def compose(pieces: Iterable[Piece]) -> tuple[str, tuple[Block, ...]]:
    """The text of a page and its blocks: rows follow on the next line, all else after a blank one.

    Each piece's text stands, cleaned, without outer white space, at its block's offsets.
    """
    parts: list[str] = []
    blocks: list[Block] = []
    length = 0
    before: Kind | None = None
    for piece in pieces:
        text = clean(piece.text).strip()
        if not text:
            continue
        if before is not None:
            follows = before in (Kind.ROW, Kind.HEADER_ROW) and piece.kind is Kind.ROW
            gap = "\n" if follows or piece.tight else "\n\n"
            parts.append(gap)
            length += len(gap)
        blocks.append(Block(length, length + len(text), piece.kind, piece.level))
        parts.append(text)
        length += len(text)
        before = piece.kind
    return "".join(parts), tuple(blocks)


def lay_out(pages: Sequence[Sequence[Piece]], labels: Sequence[str]) -> tuple[ReadPage, ...]:
    """Numbered pages, one for each run of pieces; `labels` has one entry a page."""
    result = []
    for number, (pieces, label) in enumerate(zip(pages, labels, strict=True), start=1):
        text, blocks = compose(pieces)
        result.append(ReadPage(Page(number, text, label), blocks))
    return tuple(result)


def sections(pieces: Sequence[Piece], levels: Sequence[int]) -> tuple[ReadPage, ...]:
    """Pages for a format without pages: the n-th section is page n.

    A section starts at each heading of the first of `levels` that occurs at all (after the first
    of `levels`, a level counts only if it occurs twice). What stands before the first such heading
    belongs to page 1. A page's label is its section's heading. No such heading: one page.
    """
    starts: list[int] = []
    for position, level in enumerate(levels):
        starts = [
            at
            for at, piece in enumerate(pieces)
            if piece.kind is Kind.HEADING and piece.level == level and piece.text.strip()
        ]
        if len(starts) >= (1 if position == 0 else 2):
            break
        starts = []
    labels = [" ".join(pieces[at].text.split()) for at in starts] or [""]
    edges = [0, *starts[1:], len(pieces)]
    return lay_out([pieces[start:end] for start, end in pairwise(edges)], labels)


def first_heading(pages: Iterable[ReadPage]) -> str:
    """The text of the first heading, on one line, or ""."""
    for page in pages:
        for _, _, text in page.headings():
            return " ".join(text.split())
    return ""
