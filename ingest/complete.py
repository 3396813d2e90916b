"""The completeness statement: how much of what a reader found is in chunks. Pure.

Characters are counted without white space, so that neither layout nor overlapping chunks move the
figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from index.completeness import Completeness
from index.document import Chunk, Method, Page
from ingest.pages import Block, FindingKind, Kind, ReadDocument, ReadPage

LEFT_OUT = frozenset(
    {
        FindingKind.WHITE_TEXT,
        FindingKind.TINY_TEXT,
        FindingKind.OFF_PAGE,
        FindingKind.COVERED,
        FindingKind.INVISIBLE,
        FindingKind.ZERO_WIDTH,
        FindingKind.TAG_CHARACTERS,
        FindingKind.HIDDEN_MARKUP,
        FindingKind.HIDDEN_CELLS,
    }
)
"""Text that nobody can see: left out unless the settings keep it."""

_ROWS = (Kind.HEADER_ROW, Kind.ROW)


def measure(
    document: ReadDocument, chunks: Sequence[Chunk], keep_hidden: bool = False
) -> Completeness:
    """How much of `document` its `chunks` hold; `keep_hidden`: hidden text was not left out."""
    pages = [read.page for read in document.pages]
    spans: dict[int, list[tuple[int, int]]] = {page.number: [] for page in pages}
    for chunk in chunks:
        spans[chunk.page].append((chunk.start, chunk.end))
    set_aside = {read.page.number: _set_aside(read) for read in document.pages}
    hidden = sum(each.characters for each in document.findings if each.kind in LEFT_OUT)
    return Completeness(
        pages=len(pages),
        pages_with_text=sum(bool(page.text.strip()) for page in pages),
        pages_by_ocr=sum(page.method in (Method.OCR, Method.MIXED) for page in pages),
        pages_unread=sum(page.method is Method.UNREAD for page in pages),
        tables=sum(_tables(read.blocks) for read in document.pages),
        characters=sum(visible(page.text) for page in pages),
        in_chunks=sum(
            _covered(page.text, spans[page.number])
            - _covered_twice(page.text, spans[page.number], set_aside[page.number])
            for page in pages
        ),
        set_aside=sum(_covered(page.text, set_aside[page.number]) for page in pages),
        hidden=0 if keep_hidden else hidden,
        confidence=_confidence(pages),
        findings=document.findings,
    )


def visible(text: str) -> int:
    """Characters that are no white space."""
    return sum(map(len, text.split()))


def _covered(text: str, spans: Iterable[tuple[int, int]]) -> int:
    """Visible characters in at least one of the spans."""
    return sum(visible(text[start:end]) for start, end in _merged(spans))


def _covered_twice(
    text: str, spans: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]
) -> int:
    """Visible characters in one of `spans` and in one of `others`: a chunk across a running foot
    does not make the foot count as taken in.
    """
    if not others:
        return 0
    both = _covered(text, [*spans, *others])
    return _covered(text, spans) + _covered(text, others) - both


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order that do not overlap and cover the same."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _set_aside(read: ReadPage) -> list[tuple[int, int]]:
    """Running heads and feet, which are in no chunk on purpose."""
    return [(block.start, block.end) for block in read.blocks if block.kind is Kind.RUNNING]


def _tables(blocks: Sequence[Block]) -> int:
    """Runs of rows; a head of columns below other rows begins another table."""
    count = 0
    before: Kind | None = None
    for block in blocks:
        follows = before is block.kind or (before is Kind.HEADER_ROW and block.kind is Kind.ROW)
        count += block.kind in _ROWS and not follows
        before = block.kind
    return count


def _confidence(pages: Sequence[Page]) -> float | None:
    """The mean over the recognised words of all pages, each page by its number of words."""
    known = [
        (page.confidence, max(1, len(page.text.split())))
        for page in pages
        if page.confidence is not None
    ]
    words = sum(count for _, count in known)
    return sum(sure * count for sure, count in known) / words if words else None
