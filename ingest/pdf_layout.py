"""Which lines of a PDF are headings, rows of tables or running text. Pure decisions.

A PDF stores glyphs, not structure, so this is a guess from type size, weight, gaps and numbering. A
wrong guess moves the edge of a chunk or its heading path, never its text or its place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest import pdf_tables
from ingest.pages import Block, Box, Kind
from ingest.pdf_lines import Line, Word

__all__ = [
    "Edges",
    "Line",
    "Typography",
    "Word",
    "blocks",
    "rows",
    "running_lines",
    "typography",
    "word_boxes",
]

_MAX_HEADING = 120  # characters; a longer line is a sentence, however large its letters
_LARGER = 1.1  # a heading's letters against those of the running text
_ROW_GAP = 1.5  # a gap between words of this many line heights parts the cells of a table
_PARAGRAPH_GAP = 0.6  # this many line heights of white between two lines part paragraphs
_HEADING_GAP = 0.4  # and two lines of one heading stand this close
_MARGIN = 40.0  # points; a bold heading starts this close to the left edge of the text
_SHORT = 0.75  # of the text's width: a numbered line this long may go on in the next
_RUNNING = 3  # a line that stands on so many pages, and on a fifth of them, is a running head
_EDGE = 0.12  # of a page's height, at its top and at its foot, where running heads stand,
_EDGE_LINES = 2  # as do the first and the last so many lines: a page may end far above its foot
_USUAL = 0.4  # of the pages must show a line there, its digits apart, for it to be one
_ROW_LINES = 8  # lines that a cell has at most
_ROW_CELLS = 40  # and lines that a row has
_LEVELS = 4  # sizes of type told apart
_NUMBERED = re.compile(r"(\d{1,2}(?:\.\d{1,2}){1,4}\.?|\d{1,2}\.)\s+[A-Z][^.;:]*$")
_TEXTUAL = re.compile(r"[^\W\d_]{2}")
_TICKED = ("☐", "☑", "☒", "□", "■", "✓", "✔")  # a line of a form, however bold

Edges = tuple[float, float, float, float]  # left, top, right, bottom, points from the top left


@dataclass(frozen=True, slots=True)
class Typography:
    """How a document is set, from all its lines."""

    body: float  # the line height of most of its characters
    sizes: tuple[float, ...]  # line heights of headings, largest first
    running: frozenset[str]  # texts of running heads and feet


def word_boxes(text: str, edges: Sequence[Edges | None]) -> list[Box]:
    """One box for each run without white space; `edges[i]` is where `text[i]` is drawn."""
    found: list[Box] = []
    for match in re.finditer(r"\S+", text):
        parts = [part for part in edges[match.start() : match.end()] if part is not None]
        if parts:
            around = (
                min(part[0] for part in parts),
                min(part[1] for part in parts),
                max(part[2] for part in parts),
                max(part[3] for part in parts),
            )
            left, top, right, bottom = (round(edge, 2) for edge in around)
            found.append(Box(match.start(), match.end(), left, top, right, bottom))
    return found


def typography(pages: Sequence[Sequence[Line]]) -> Typography:
    """The document's body size, heading sizes and running heads; `pages` has its lines by page."""
    characters: Counter[float] = Counter()
    occurs: Counter[str] = Counter()
    for lines in pages:
        for line in lines:
            characters[line.size] += len(line.text)
        occurs.update({line.text for line in lines})
    body = characters.most_common(1)[0][0] if characters else 0.0
    often = max(_RUNNING, len(pages) // 5)
    running = frozenset(text for text, count in occurs.items() if count >= often)
    sizes = {
        line.size
        for lines in pages
        for line in lines
        if line.size >= body * _LARGER and len(line.text) <= _MAX_HEADING
    }
    return Typography(body, tuple(sorted(sizes, reverse=True)), running)


def running_lines(pages: Sequence[tuple[float, Sequence[Line]]]) -> list[frozenset[int]]:
    """For each page (its height in points, its lines) which lines are running heads or feet.

    Such a line stands near the top or the foot of many pages and differs there by its digits
    only: "Page 3 of 8". A page that would hold nothing else keeps its lines: they are its text.
    """
    named = [_edge_names(height, lines) for height, lines in pages]
    occurs = Counter(name for names in named for name in set(names) if name)
    often = max(_RUNNING, round(_USUAL * len(pages)))
    found = [
        frozenset(at for at, name in enumerate(names) if name and occurs[name] >= often)
        for names in named
    ]
    return [
        running if len(running) < len(names) else frozenset()
        for running, names in zip(found, named, strict=True)
    ]


def _edge_names(height: float, lines: Sequence[Line]) -> list[str]:
    """What each line at an edge of a page has in common with those of other pages; else ""."""
    downwards = sorted(range(len(lines)), key=lambda at: lines[at].top)
    first, last = set(downwards[:_EDGE_LINES]), set(downwards[-_EDGE_LINES:])
    names = []
    for at, line in enumerate(lines):
        top = at in first or line.bottom <= _EDGE * height
        foot = at in last or line.top >= (1 - _EDGE) * height
        name = re.sub(r"\d+|\b[ivxl]+\b", "#", line.text)
        names.append(f"{'top' if top else 'foot'} {name}" if top or foot else "")
    return names


def blocks(
    lines: Sequence[Line], style: Typography, running: frozenset[int] = frozenset()
) -> tuple[Block, ...]:
    """The blocks of one page: headings, rows, and paragraphs made of neighbouring lines.

    The lines at the indices in `running` become blocks of their own.
    """
    heads = [Block(lines[at].start, lines[at].end, Kind.RUNNING) for at in running]
    inner = [at for at in range(len(lines)) if at not in running]
    parted = frozenset(now for before, now in pairwise(inner) if now != before + 1)
    body = _body_blocks([lines[at] for at in inner], style, frozenset(map(inner.index, parted)))
    return tuple(sorted([*heads, *body], key=lambda block: block.start))


def _body_blocks(lines: Sequence[Line], style: Typography, parted: frozenset[int]) -> list[Block]:
    """The blocks of lines without running heads; such a one stands before each line in `parted`."""
    margin = min((line.left for line in lines), default=0.0)
    far = margin + _SHORT * (max((line.right for line in lines), default=0.0) - margin)
    found: list[Block] = []
    before: Line | None = None
    row_before = 0
    place_before: pdf_tables.Place | None = None
    places = pdf_tables.places(lines)
    for at, (line, row, place) in enumerate(zip(lines, rows(lines), places, strict=True)):
        last = found[-1] if found else None
        joins = last is not None and at not in parted
        if place:
            if last and joins and place == place_before:
                found[-1] = Block(last.start, line.end, place.kind)
            else:
                found.append(Block(line.start, line.end, place.kind))
            row = 0
        elif last and joins and row and row == row_before:
            kind = last.kind if line.bold else Kind.ROW
            found[-1] = Block(last.start, line.end, kind)
        else:
            level = 0 if row else _heading_level(line, margin, far, style)
            kind = Kind.HEADING if level else _body_kind(line, row, last)
            paragraph = kind in (Kind.HEADING, Kind.TEXT)
            near = last and before and paragraph and joins
            if last and before and near and _continues(before, line, last, kind, level):
                found[-1] = Block(last.start, line.end, kind, level)
            else:
                found.append(Block(line.start, line.end, kind, level))
        before, row_before, place_before = line, row, place
    return found


def rows(lines: Sequence[Line]) -> list[int]:
    """For each line the number, from 1, of the table row whose cells' lines it is one of; 0: none.

    A PDF gives a row cell by cell, each cell's lines downwards. So where the text goes up again,
    and to the right, the lines since that height are one row; what hangs below its last cell, away
    from the left edge of the row, still belongs to it.
    """
    found = [0] * len(lines)
    number = 0
    for at, line in enumerate(lines[1:], start=1):
        before = lines[at - 1]
        rise = before.bottom - line.top
        back_up = 0.3 * before.size < rise < _ROW_LINES * before.size
        if back_up and line.left > before.left:
            first = at
            while first > max(0, at - _ROW_CELLS) and (
                lines[first - 1].top > line.top - 0.5 * line.size
                and lines[first - 1].top - line.top < _ROW_LINES * line.size
            ):
                first -= 1
            known = max(found[first:at], default=0)
            number += not known
            found[first : at + 1] = [known or number] * (at + 1 - first)
        elif found[at - 1] and -rise < _PARAGRAPH_GAP * before.size and rise <= 0.3 * before.size:
            edge = min(
                one.left for one, row in zip(lines, found, strict=True) if row == found[at - 1]
            )
            if line.left > edge + line.size:
                found[at] = found[at - 1]
    return found


def _body_kind(line: Line, row: int, last: Block | None) -> Kind:
    """Running text, or a row; a bold row that begins a table holds its column heads."""
    if not row and line.widest_gap <= _ROW_GAP * line.size:
        return Kind.TEXT
    begins = last is None or last.kind not in (Kind.ROW, Kind.HEADER_ROW)
    return Kind.HEADER_ROW if line.bold and begins else Kind.ROW


def _continues(before: Line, line: Line, last: Block, kind: Kind, level: int) -> bool:
    """Whether `line` goes on with the block that `before` ended."""
    gap = line.top - before.bottom
    most = _HEADING_GAP if kind is Kind.HEADING else _PARAGRAPH_GAP
    near = -before.size < gap < most * max(before.size, 1.0)
    return near and last.kind is kind and last.level == level


def _heading_level(line: Line, margin: float, far: float, style: Typography) -> int:
    """1 and up if `line` reads as a heading, else 0. The text begins at `margin`; a line that ends
    beyond `far` may be the first of a numbered paragraph.
    """
    text = line.text
    if len(text) > _MAX_HEADING or text in style.running or not _TEXTUAL.search(text):
        return 0
    if text.startswith(_TICKED):
        return 0
    if line.size in style.sizes:
        return 1 + min(style.sizes.index(line.size), _LEVELS - 1)
    deepest = min(len(style.sizes), _LEVELS)
    if line.widest_gap > _ROW_GAP * line.size and not _NUMBERED.match(text):
        return 0
    at_margin = line.left - margin <= _MARGIN
    numbered = _NUMBERED.match(text)
    sentence = text.endswith((",", ";", ".")) or text[0].islower()
    if line.bold and at_margin and line.size >= style.body and (numbered or not sentence):
        return deepest + 1
    if numbered and at_margin and line.right < far:
        return deepest + 1 + numbered.group(1).rstrip(".").count(".")
    return 0
