"""Tables on a drawn page, found from where its words stand.

Pure. The text of a PDF's table comes as a run of cells without marks between them; the boxes of the
words tell which stand under one another. A table is a run of lines with wide gaps that fall into
columns; a row begins where a line starts in the first column. Cells that span columns and tables
without visible gaps are not recognised: their text then reads as running text, and can still be
quoted as that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from index.document import Box, Page

_WIDE = 0.55  # a gap of this many line heights separates columns
_NEAR = 3.0  # lines of one table are no further apart than this many line heights
_SLACK = 4.0  # points by which what stands under one another may differ
_NUMBERING = re.compile(r"(?:§\s*)?\d+(?:\.\d+)*[.)]?|\(?[a-z]\)|\(?[ivx]+\)|[-•●▪*–]")
_CODE = re.compile(r"[A-Z]{0,4}-?\d[\d.-]*")
_FIGURE = re.compile(r"\d")
_AMOUNT = re.compile(r"(?!(?:19|20)\d\d$)[($€£¥+\-–— ]*\d[\d.,' ]*[)% ]*")  # no year: that names


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its span on the page and the text of its cells, one a column, "" where empty."""

    start: int
    end: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in order; `header` is the first of them, if that names the columns."""

    rows: tuple[Row, ...]
    header: Row | None


@dataclass(frozen=True, slots=True)
class _Segment:
    """Words of one line without a wide gap between them."""

    start: int
    end: int
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class _Line:
    segments: tuple[_Segment, ...]
    top: float
    height: float

    @property
    def start(self) -> int:
        return self.segments[0].start

    @property
    def left(self) -> float:
        return self.segments[0].left


def _line(text: str, words: Sequence[Box]) -> _Line:
    height = max(word.bottom - word.top for word in words)
    segments: list[_Segment] = []
    for word in words:
        last = segments[-1] if segments else None
        wide = last is not None and word.left - last.right > _WIDE * height
        if last is not None and wide and len(segments) == 1:
            wide = not _NUMBERING.fullmatch(text[last.start : last.end].strip())
        if last is None or wide or word.right < last.left:
            segments.append(_Segment(word.start, word.end, word.left, word.right))
        else:
            segments[-1] = _Segment(last.start, word.end, last.left, max(last.right, word.right))
    return _Line(tuple(segments), min(word.top for word in words), height)


def _lines(page: Page) -> Iterator[_Line]:
    """The lines of the page's text, as boxes of words (or lines) make them up."""
    words: list[Box] = []
    for box in page.boxes:
        if words and "\n" in page.text[words[-1].end : box.start]:
            yield _line(page.text, words)
            words = []
        words.append(box)
    if words:
        yield _line(page.text, words)


@dataclass(frozen=True, slots=True)
class _Column:
    left: float
    right: float


def _columns(lines: Sequence[_Line]) -> tuple[_Column, ...]:
    """Where the columns are: segments that overlap from side to side are in one."""
    spans = sorted((s.left, s.right) for line in lines for s in line.segments)
    columns: list[_Column] = []
    for left, right in spans:
        if columns and left < columns[-1].right:
            columns[-1] = _Column(columns[-1].left, max(columns[-1].right, right))
        else:
            columns.append(_Column(left, right))
    return tuple(columns)


def _column_of(segment: _Segment, columns: Sequence[_Column]) -> int:
    """The column that a segment stands in, -1 if it reaches into another."""
    for number, column in enumerate(columns):
        following = columns[number + 1].left if number + 1 < len(columns) else float("inf")
        if column.left - _SLACK <= segment.left < following - _SLACK:
            return number if segment.right <= following + _SLACK else -1
    return -1


def _regions(lines: Sequence[_Line]) -> Iterator[tuple[int, int, tuple[_Column, ...]]]:
    """Runs of lines `[first, last)` that make up a table, with its columns."""
    first = 0
    while first < len(lines):
        if len(lines[first].segments) < 2:
            first += 1
            continue
        last, columns = _grow(lines, first)
        gapped = sum(len(line.segments) > 1 for line in lines[first:last])
        if len(columns) > 1 and gapped > 1:
            yield first, last, columns
            first = last
        else:
            first += 1


def _grow(lines: Sequence[_Line], first: int) -> tuple[int, tuple[_Column, ...]]:
    """How far a table that begins at line `first` reaches, and its columns."""
    last, members = first + 1, [lines[first]]
    columns = _columns(members)
    lowest = lines[first].top  # where the lowest line so far begins: cells come one after another
    for number in range(first + 1, len(lines)):
        line = lines[number]
        if line.top - lowest > _NEAR * line.height or line.top < lines[first].top - line.height:
            break
        lowest = max(lowest, line.top)
        if line.left < columns[0].left - _SLACK:
            break
        if len(line.segments) > 1:
            wider = _columns([*members, line])
            if len(wider) < min(2, len(columns)):
                break
            members, columns, last = [*members, line], wider, number + 1
        elif _column_of(line.segments[0], columns) < 0:
            break
        else:
            last = number + 1
    while last > first + 1 and _column_of(lines[last - 1].segments[0], columns) == 0:
        if len(lines[last - 1].segments) > 1:
            break
        last -= 1  # a lone line in the first column after the table is the next paragraph
    return last, columns


def _row(page: Page, lines: Sequence[_Line], columns: Sequence[_Column]) -> Row:
    cells: list[list[str]] = [[] for _ in columns]
    for line in lines:
        for segment in line.segments:
            number = max(0, _column_of(segment, columns))
            cells[number].append(" ".join(page.text[segment.start : segment.end].split()))
    start = lines[0].start
    end = max(segment.end for line in lines for segment in line.segments)
    return Row(start, end, tuple(" ".join(cell) for cell in cells))


def _rows(page: Page, lines: Sequence[_Line], columns: Sequence[_Column]) -> Iterator[Row]:
    """The rows: each begins at a line in the first column that does not go on with the cell of
    the line before."""
    row: list[_Line] = []
    for line in lines:
        in_first = _column_of(line.segments[0], columns) == 0
        goes_on = (
            bool(row)
            and len(row[-1].segments) == 1
            and _column_of(row[-1].segments[0], columns) == 0
            and line.top > row[-1].top
        )
        if row and in_first and not goes_on:
            yield _row(page, row, columns)
            row = []
        row.append(line)
    if row:
        yield _row(page, row, columns)


def names_columns(first: Row) -> bool:
    """Whether a table's first row names its columns: its first cell is no code or number, and its
    cells are short and without figures, or more than two. "Document: SOP-012" opens a list of two
    columns, a table that goes on from the page before has no header, and amounts name nothing."""
    if len(first.cells) < 2 or _CODE.fullmatch(first.cells[0]):
        return False
    others = [cell for cell in first.cells[1:] if cell]
    if sum(bool(_AMOUNT.fullmatch(cell)) for cell in others) * 2 >= max(len(others), 1):
        return False  # a row of amounts, whatever the reader missed above it
    plain = all(len(cell) <= 40 and not _FIGURE.search(cell) for cell in first.cells)
    return len(first.cells) > 2 or plain


def find(page: Page) -> tuple[Table, ...]:
    """The tables of a page with boxes, in order; none for a page without."""
    lines = list(_lines(page))
    found = []
    for first, last, columns in _regions(lines):
        rows = tuple(_rows(page, lines[first:last], columns))
        header = rows[0] if names_columns(rows[0]) else None
        if len(rows) > 1:
            found.append(Table(rows, header))
    return tuple(found)
