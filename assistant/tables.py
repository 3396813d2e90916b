"""Tables on a drawn page, found from where its words stand.

Pure. The text of a PDF's table comes as a run of cells without marks between them; the boxes of the
words tell which stand under one another. A table is a run of lines with wide gaps that fall into
columns; a row begins where a line starts in the first column. Lines over the columns of values are
their heads; one that stands over several is said of each. Cells that span columns within the rows
and tables without visible gaps are not recognised: their text then reads as running text, and can
still be quoted as that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assistant import grid
from index.document import Box, Page

_WIDE = 0.55  # a gap of this many line heights separates columns
_NEAR = 3.0  # lines of one table are no further apart than this many line heights
_FULL = 0.72  # of the room for labels: one that fills as much goes on in the next line
_CENTRED = 0.15  # of the columns' width, by which a head over all may be off their middle
_OPENS = re.compile(r"(?:US|C|A|S|HK)?[$€£¥][(]?|[(]")  # belongs to the figure after it,
_CLOSES = re.compile(r"[)%]+")  # or to the one before
_SECTIONS = 3  # lines of names of sections in a row, at most
_MOST_HEADS = 4  # lines over the columns
_SLACK = 4.0  # points by which what stands under one another may differ
_NUMBERING = re.compile(r"(?:§\s*)?\d{1,3}(?:\.\d+)*[.)]?|\(?[a-z]\)|\(?[ivx]+\)|[-•●▪*–]")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its span on the page and the text of its cells, one a column, "" where empty;
    `places` are the stretches `[start, end)` of the page that each cell consists of."""

    start: int
    end: int
    cells: tuple[str, ...]
    places: tuple[tuple[tuple[int, int], ...], ...] = ()


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
        if last is not None and wide:
            wide = not (
                _OPENS.fullmatch(text[last.start : last.end].strip())
                or _CLOSES.fullmatch(text[word.start : word.end].strip())
            )
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
    held: list[list[_Segment]] = [[] for _ in columns]
    for line in lines:
        for segment in line.segments:
            held[max(0, _column_of(segment, columns))].append(segment)
    start = lines[0].start
    end = max(segment.end for line in lines for segment in line.segments)
    cells = tuple(
        " ".join(" ".join(page.text[s.start : s.end].split()) for s in cell) for cell in held
    )
    return Row(start, end, cells, tuple(tuple((s.start, s.end) for s in cell) for cell in held))


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
            and not _names_section(page, row[-1], line, columns)
        )
        if row and in_first and not goes_on:
            yield _row(page, row, columns)
            row = []
        row.append(line)
    if row:
        yield _row(page, row, columns)


def _names_section(page: Page, lone: _Line, below: _Line, columns: Sequence[_Column]) -> bool:
    """Whether a lone line in the first column names a section and does not go on in the next: it
    ends with a colon, or leaves room that the next line's first word would not have needed."""
    body = page.text[lone.start : lone.segments[0].end].strip()
    if body.endswith(":"):
        return True
    room = columns[1].left - columns[0].left if len(columns) > 1 else 0.0
    short = lone.segments[0].right - columns[0].left < _FULL * room
    return short and page.text[below.start : below.start + 1].isupper()


def _above(
    page: Page, lines: Sequence[_Line], first: int, columns: Sequence[_Column]
) -> tuple[int, int]:
    """The lines `[from, to)` that name the columns of a table whose rows begin at `first`: they
    stand over its columns of values with nothing in the first, whatever order the page's text has
    them in. The name of a section may stand between them and the rows."""
    end = first
    while end > 0 and first - end < _SECTIONS and _lone(page, lines[end - 1], lines[end], columns):
        end -= 1
    at = end
    while at > 0 and end - at < _MOST_HEADS * len(columns):
        line = lines[at - 1]
        height = lines[first].top - line.top
        within = 0 < height <= (_MOST_HEADS + first - end) * _NEAR * line.height
        if not (within and all(_over_values(piece, columns) for piece in line.segments)):
            break
        at -= 1
    return (at, end) if at < end else (first, first)


def _over_values(piece: _Segment, columns: Sequence[_Column]) -> bool:
    """Whether a piece stands over the columns of values: its middle does, and it does not begin
    far out over the labels, as a title in the middle of the page would."""
    room = columns[1].left - columns[0].left
    middle = (piece.left + piece.right) / 2
    return middle > columns[1].left - _SLACK and piece.left > columns[0].left + room / 2


def _lone(page: Page, line: _Line, below: _Line, columns: Sequence[_Column]) -> bool:
    """Whether a line right above another holds nothing but the name of a section: it ends with a
    colon, or is short and stands where labels do."""
    only = line.segments[0]
    if len(line.segments) > 1 or not 0 < below.top - line.top <= _NEAR * line.height:
        return False
    body = page.text[only.start : only.end].strip()
    at_labels = abs(only.left - columns[0].left) < _SLACK * 3 and only.right < columns[1].left
    return body.endswith(":") or (at_labels and not body.endswith((".", ";")))


def _goes_on(
    page: Page, lines: Sequence[_Line], last: int, first: int, parts: Sequence[Sequence[_Column]]
) -> bool:
    """Whether the rows from line `first` go on with the table that ends before line `last`: nothing
    but names of sections stands between, and the columns of values end at the same places."""
    before, after = parts
    if len(before) != len(after) or not 0 <= first - last <= _SECTIONS:
        return False
    alike = all(
        abs(one.right - other.right) < _SLACK * 3
        for one, other in zip(before[1:], after[1:], strict=True)
    )
    return alike and all(_lone(page, lines[at], lines[at + 1], before) for at in range(last, first))


def _levels(lines: Sequence[_Line]) -> list[list[_Segment]]:
    """The pieces of heads by the height that they stand at, from the top, each from left to
    right."""
    levels: list[tuple[float, list[_Segment]]] = []
    for line in sorted(lines, key=lambda each: each.top):
        if levels and line.top - levels[-1][0] < line.height / 2:
            levels[-1][1].extend(line.segments)
        else:
            levels.append((line.top, list(line.segments)))
    return [sorted(pieces, key=lambda piece: piece.left) for _, pieces in levels]


def _over(pieces: Sequence[_Segment], columns: Sequence[_Column]) -> list[int | None]:
    """Which piece of a level of heads stands over each column. One for each column stand in order;
    one in the middle of all stands over all; of several, each over the columns nearest to it; any
    other only over those that it overlaps."""
    if len(pieces) == len(columns):
        return list(range(len(pieces)))
    left, right = columns[0].left, columns[-1].right
    middles = [(piece.left + piece.right) / 2 for piece in pieces]
    if len(pieces) == 1:
        if abs(middles[0] - (left + right) / 2) < _CENTRED * (right - left):
            return [0] * len(columns)
        only = pieces[0]
        return [0 if only.left < c.right and c.left < only.right else None for c in columns]
    if len(columns) % len(pieces) == 0:
        each = len(columns) // len(pieces)
        return [number // each for number in range(len(columns))]
    return [
        next((n for n, p in enumerate(pieces) if p.left < c.right and c.left < p.right), None)
        for c in columns
    ]


def _head(page: Page, lines: Sequence[_Line], columns: Sequence[_Column]) -> Row:
    """The lines over the columns of values as one row: each column with all that stands over it,
    from the top."""
    held: list[list[_Segment]] = [[] for _ in columns]
    for pieces in _levels(lines):
        for number, piece in enumerate(_over(pieces, columns[1:]), start=1):
            if piece is not None:
                held[number].append(pieces[piece])
    start = min(line.start for line in lines)
    end = max(segment.end for line in lines for segment in line.segments)
    cells = (" ".join(" ".join(page.text[p.start : p.end].split()) for p in cell) for cell in held)
    places = (tuple((p.start, p.end) for p in cell) for cell in held)
    return Row(start, end, tuple(cells), tuple(places))


def names_columns(first: Row) -> bool:
    """Whether a table's first row names its columns (`assistant.grid.names_columns`)."""
    return grid.names_columns(first.cells)


def find(page: Page) -> tuple[Table, ...]:
    """The tables of a page with boxes, in order; none for a page without."""
    lines = list(_lines(page))
    found: list[Table] = []
    before: tuple[int, Sequence[_Column]] | None = None  # where the last table ended, its columns
    for first, last, columns in _regions(lines):
        rows = tuple(_rows(page, lines[first:last], columns))
        if before and found and _goes_on(page, lines, before[0], first, (before[1], columns)):
            between = tuple(_row(page, [line], columns) for line in lines[before[0] : first])
            found[-1] = Table((*found[-1].rows, *between, *rows), found[-1].header)
            before = (last, columns)
            continue
        top, end = _above(page, lines, first, columns)
        if before and top < before[0]:
            top = end = first
        heads = (_head(page, lines[top:end], columns),) if top < end else ()
        between = tuple(_row(page, [line], columns) for line in lines[end:first] if heads)
        rows = (*heads, *between, *rows)
        if len(rows) > 1:
            found.append(Table(rows, rows[0] if names_columns(rows[0]) else None))
            before = (last, columns)
    return tuple(found)
