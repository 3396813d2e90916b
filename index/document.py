"""The nouns of the index. Plain frozen data: nothing here touches a disk, a model or a library.

Offsets are counted in Python characters (code points) of `Page.text`, half-open: `[start, end)`.
Lengths on a page are PDF points (1/72 inch) from the page's top left corner, as a reader sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from index.completeness import Completeness


class Status(StrEnum):
    """Where a document stands. Only CURRENT documents are searched."""

    CURRENT = "current"
    SUPERSEDED = "superseded"  # a newer version or a document that names it is there; for replay
    DRAFT = "draft"  # declared so: not in force yet
    WITHDRAWN = "withdrawn"  # declared so: no longer in force


class Shelf(StrEnum):
    """Which documents a view holds. Every question is put to CURRENT; PAST is asked only when a
    document on it was in force on the day that the question is about."""

    CURRENT = "current"
    PAST = "past"  # superseded and withdrawn ones: no draft

    @property
    def statuses(self) -> frozenset[Status]:
        if self is Shelf.CURRENT:
            return frozenset({Status.CURRENT})
        return frozenset({Status.SUPERSEDED, Status.WITHDRAWN})


class Method(StrEnum):
    """How a page's text was got."""

    TEXT = "text"  # the file holds it
    OCR = "ocr"  # recognised from the drawn page
    MIXED = "mixed"  # some of each
    BLANK = "blank"  # nothing is drawn on the page
    UNREAD = "unread"  # something is drawn, and no text could be got


class Box(NamedTuple):
    """Where the characters `[start, end)` of a page's text are drawn, in points.

    A tuple, because a long document has hundreds of thousands of them.
    """

    start: int
    end: int
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Page:
    """One unit that a reader would cite.

    `number` counts from 1 as a reader leafs through; `label` is what is printed on the page (a PDF
    page label) or, in a format without pages, the heading of the section that stands for a page.
    `width` and `height` are 0.0 and `boxes` empty for a format that draws no pages. `method` says
    how its text was got; `confidence` is the mean over recognised words (0..1), else None.
    """

    number: int
    text: str
    label: str = ""
    width: float = 0.0
    height: float = 0.0
    boxes: tuple[Box, ...] = ()
    method: Method = Method.TEXT
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of one page: `page.text[start:end] == text`, always.

    `id` is the hex SHA-256 (first 32 digits) of document id, page, span and splitter version, so
    the same bytes cut by the same splitter give the same chunks on any machine.
    """

    id: str
    document_id: str
    page: int
    start: int
    end: int
    text: str
    heading_path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A document as the catalogue knows it; `id` is the hex SHA-256 of its bytes.

    `source` is the path relative to the folder it was ingested from (or a JSONL record's `_id`);
    `version` counts the contents seen at that source from 1. Dates are ISO 8601 days or None.
    `parent` is the source of the mail or archive that it was part of, "" for a file of its own;
    `supersedes` names the sources of the same collection that it takes the place of.
    """

    id: str
    collection: str
    source: str
    title: str
    media_type: str
    version: int = 1
    status: Status = Status.CURRENT
    pages: int = 0
    chunks: int = 0
    added_at: str = ""  # ISO 8601, UTC
    effective_from: str | None = None
    effective_to: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    parent: str = ""
    supersedes: tuple[str, ...] = ()
    completeness: Completeness | None = None  # None: taken in before it was stated


@dataclass(frozen=True, slots=True)
class Collection:
    """The unit of access: a name and the groups that may read it."""

    name: str
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Scope:
    """The collections that this asker may read. Empty means nothing; there is no 'everything'."""

    collections: frozenset[str]

    def allows(self, collection: str) -> bool:
        return collection in self.collections

    def narrowed(self, names: frozenset[str]) -> Scope:
        """This scope without what `names` leaves out: narrowing can never widen."""
        return Scope(self.collections & names)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that search found, checked against the catalogue.

    `chunk` is the best chunk of the passage, `joined` are other hits of the same page that lie
    beside it or overlap with it; together they are `[start, end)` of the page's text, `text`.
    `rank` counts from 1 and is the order. `score` in 0..1 is that of the best chunk and means the
    same for every question and collection; a hit that was put behind those of other documents may
    have a greater one than they. `dense` is the cosine similarity of question and chunk (-1..1,
    None if the chunk was not scored by vectors); `lexical` is the BM25 score (>= 0, None if no
    term matched).
    """

    chunk: Chunk
    document: Document
    rank: int
    score: float
    dense: float | None
    lexical: float | None
    joined: tuple[Chunk, ...] = ()
    joined_text: str = ""  # of the whole passage; empty if nothing is joined

    @property
    def start(self) -> int:
        return min(each.start for each in (self.chunk, *self.joined))

    @property
    def end(self) -> int:
        return max(each.end for each in (self.chunk, *self.joined))

    @property
    def text(self) -> str:
        return self.joined_text if self.joined else self.chunk.text
