"""Tables of figures on a drawn page: which lines are rows, and which are the heads above them.

Pure. A table of figures is told by its right edges: numbers that stand under one another end at one
place, whatever their length. From the rows it goes upwards: what stands over the columns is a level
of their heads, down to the units ("In millions") and up to a title set in the middle. Between the
rows stand names of sections and labels that take several lines. Nothing here changes a text; what
comes out only says what a line is.

Not told: tables without figures (`pdf_layout.rows` knows those whose cells come one by one), tables
side by side, and figures that are not aligned at their right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.pages import Kind
from ingest.pdf_lines import Line, Word

_FIGURE = re.compile(
    r"[(\[<>~+-]?[–−-]?[(]?(?:US|C|A)?[$€£¥]?[(]?[–−-]?"
    r"(?:\d{1,3}(?:[,’\u202f]\d{3})+|\d+)?(?:[.,]?\d+)(?:%|x|pts?|bps?)?[)\]]*\*{0,2}"
)
_OPENS = re.compile(r"(?:US|C|A)?[$€£¥]|[(\[]")  # belongs to the figure after it,
_CLOSES = re.compile(r"[)\]%*]+|x|pts?|bps?")  # or to the one before
_EMPTY = re.compile(r"[—–−-]+|N/?[AM]|n/?[am]")  # a cell without a figure
_LEADER = re.compile(r"[.…·]{2,}")  # dots that lead from a label to its figure
_YEAR = re.compile(r"(?:19|20)\d\d")
_PERIOD = re.compile(r"\b(?:(?:19|20)\d\d|[Ee]nded)\b")

# Distances, in heights of a line of the type at hand.
_SPACE = 0.6  # words further apart are in different cells
_APART = 1.0  # a line's only figure stands this far from its label
_ALIGNED = 0.6  # right edges of one column differ by less: a bracket, a percent sign
_NEXT = 2.5  # from one row down to the next, at most
_ABOVE = 2.0  # from a level of heads down to what it stands over
_WRAPPED = 0.5  # and from one line of a label to the next

_SECTIONS = 4  # lines of words between two rows, at most
_HEAD_LINES = 40  # of all columns together
_CAPTION_LINES = 5
_SHORT = 120  # characters of a caption or the name of a section
_FULL = 0.72  # of the room for labels: a label that fills as much goes on in the next line


@dataclass(frozen=True, slots=True)
class Place:
    """What a line is within a table: HEADER_ROW or ROW. Lines of one row, and all lines of one
    table's head, have the same number.
    """

    kind: Kind
    number: int


@dataclass(frozen=True, slots=True)
class _Figures:
    """The right edges of a line's figures, and where the first of them begins."""

    rights: tuple[float, ...]
    left: float


@dataclass(slots=True)
class _Table:
    """Lines `[first, last)`; `columns` are right edges, `left` is where the leftmost begins."""

    first: int
    last: int
    columns: list[float]
    left: float
    rows: dict[int, _Figures]


def places(lines: Sequence[Line]) -> list[Place | None]:
    """For each line of a page, in the order of its text, its place in a table of figures."""
    figures = [_figures(line) for line in lines]
    found: list[Place | None] = [None] * len(lines)
    number = 0
    free = 0  # lines before this one belong to an earlier table
    for table in _tables(lines, figures):
        head = _head(lines, table, free)
        if not _is_table(table, head):
            continue
        top = min(head, default=table.first)
        if head:
            number += 1
            found[top : max(head) + 1] = [Place(Kind.HEADER_ROW, number)] * (max(head) + 1 - top)
        for at in range(max(head) + 1 if head else table.first, table.last):
            before = found[at - 1] if at else None
            goes_on = at > table.first and _goes_on(lines, table, at)
            number += not (goes_on and before and before.kind is Kind.ROW)
            found[at] = Place(Kind.ROW, number)
        free = table.last
    return found


def _is_table(table: _Table, head: Sequence[int]) -> bool:
    """Enough rows to be one: a single column of figures may be chance."""
    return len(table.rows) >= (2 if len(table.columns) > 1 or head else 3)


# --- rows -----------------------------------------------------------------------------------------


def _figures(line: Line) -> _Figures | None:
    """The figures at the end of a line, None if it is no row of a table of figures."""
    words = line.words
    at = len(words)
    while at and _is_numeric(words[at - 1].text):
        at -= 1
    cells = _cells(words[at:], line.size)
    label = words[at - 1].right if at else None
    if label is not None and at < len(words) and _LEADER.fullmatch(words[at].text) is None:
        while cells and cells[0][0] - label < _SPACE * line.size:
            label = cells.pop(0)[1]  # "Level 1", "Note 13"
    if not cells or all(year for _, _, year in cells):
        return None
    alone = len(cells) == 1 and label is not None
    if alone and cells[0][0] - (label or 0.0) < _APART * line.size:
        return None
    return _Figures(tuple(right for _, right, _ in cells), cells[0][0])


def _is_numeric(text: str) -> bool:
    return bool(
        _FIGURE.fullmatch(text)
        or _EMPTY.fullmatch(text)
        or _OPENS.fullmatch(text)
        or _CLOSES.fullmatch(text)
        or _LEADER.fullmatch(text)
    )


def _cells(words: Sequence[Word], size: float) -> list[tuple[float, float, bool]]:
    """(left, right, is a year) of each figure; signs count to the figure they belong to."""
    found: list[tuple[float, float, bool]] = []
    opened: float | None = None
    for word in words:
        if _LEADER.fullmatch(word.text):
            continue
        if _OPENS.fullmatch(word.text):
            opened = word.left if opened is None else opened
        elif _CLOSES.fullmatch(word.text):
            if found and word.left - found[-1][1] < 2 * size:
                found[-1] = (found[-1][0], word.right, False)
        else:
            left = word.left if opened is None else opened
            year = opened is None and _YEAR.fullmatch(word.text) is not None
            found.append((left, word.right, year))
            opened = None
    return found


def _tables(lines: Sequence[Line], figures: Sequence[_Figures | None]) -> Iterator[_Table]:
    """Runs of rows whose figures stand under one another, with the lines of words between them."""
    table: _Table | None = None
    for at, line in enumerate(lines):
        own = figures[at]
        if table is not None and not _may_follow(lines, table, at, own):
            yield table
            table = None
        if own is None:
            continue
        if table is None:
            table = _Table(at, at + 1, list(own.rights), own.left, {at: own})
            continue
        tolerance = _ALIGNED * line.size
        new = [r for r in own.rights if _column(table.columns, r, tolerance) is None]
        table.columns = sorted([*table.columns, *new])
        table.left = min(table.left, own.left)
        table.rows[at] = own
        table.last = at + 1
    if table is not None:
        yield table


def _may_follow(lines: Sequence[Line], table: _Table, at: int, own: _Figures | None) -> bool:
    """Whether a line can be the next of a table: a row with the same columns, or words among the
    labels, of which there are few between two rows.
    """
    line, before = lines[at], lines[at - 1]
    gap = line.top - before.bottom
    if gap > _NEXT * line.size or line.top < before.top - 0.5 * line.size:
        return False
    if own is not None:
        tolerance = _ALIGNED * line.size
        known = sum(_column(table.columns, r, tolerance) is not None for r in own.rights)
        return 2 * known >= len(own.rights)
    if at - table.last >= _SECTIONS:
        return False
    if line.right <= table.left:
        return len(line.text) <= 2 * _SHORT
    # A row of words in columns; but what names a period is the head of another table.
    worded = line.widest_gap > 1.5 * line.size and line.left < table.left
    return worded and not _PERIOD.search(_over(line, table.left))


def _column(columns: Sequence[float], right: float, tolerance: float) -> float | None:
    return next((edge for edge in columns if abs(edge - right) <= tolerance), None)


def _over(line: Line, left: float) -> str:
    """The words of a line that stand over the columns of a table, which begin at `left`."""
    return " ".join(word.text for word in line.words if word.right > left)


def _goes_on(lines: Sequence[Line], table: _Table, at: int) -> bool:
    """Whether a line goes on with the row of the line before it: a label that takes several."""
    line, before = lines[at], lines[at - 1]
    if at not in table.rows and line.left > table.left:
        return True  # more words of a cell
    if line.top - before.bottom > _WRAPPED * line.size or at - 1 in table.rows:
        lower = line.text[:1].islower() and line.top - before.bottom <= _WRAPPED * line.size
        return lower and at not in table.rows
    if before.text.endswith(":") or line.left < before.left - 0.5 * line.size:
        return False
    room = table.left - min(lines[one].left for one in table.rows)
    fills = before.right - min(lines[one].left for one in table.rows) > _FULL * room
    return fills or line.text[:1].islower()


# --- heads ----------------------------------------------------------------------------------------


def _head(lines: Sequence[Line], table: _Table, free: int) -> list[int]:
    """The lines of a table's head, from its title downwards; `table.first` moves up to the names
    of sections between the head and the first row.
    """
    left = _left_of_heads(table)
    at = table.first - 1
    base = below = lines[table.first].top
    sections: list[int] = []
    while at >= free and len(sections) <= _SECTIONS and _is_near(lines[at], below, base):
        if not _is_beside(lines[at], left) or _is_units(lines[at]):
            break
        sections.append(at)
        below = lines[at].top
        at -= 1
    levels: list[int] = []
    while at >= free and len(levels) < _HEAD_LINES and _is_near(lines[at], below, base):
        beside = _is_units(lines[at]) or (levels and _is_beside_level(lines, levels, at))
        if not (_is_level(lines[at], left) or (beside and _is_beside(lines[at], left))):
            break
        levels.append(at)
        below = min(below, lines[at].top)
        at -= 1
    captions = 0
    while at >= free and captions < _CAPTION_LINES and _is_near(lines[at], below, base):
        if not _is_caption(lines[at], lines, table):
            break
        levels.append(at)
        below = lines[at].top
        captions += 1
        at -= 1
    if not any(_over(lines[one], left) for one in levels):
        return []
    table.first -= len(sections)
    return sorted(levels)


def _left_of_heads(table: _Table) -> float:
    """Where the heads of the columns may begin: they are centred over figures or end with them, and
    may be wider than these.
    """
    apart = table.columns[1] - table.columns[0] if len(table.columns) > 1 else 120.0
    return min(table.left, table.columns[0] - 0.9 * apart)


def _is_near(line: Line, below: float, base: float) -> bool:
    """Whether a line stands close over `below`, or beside what stands there, and above `base`: the
    lines of one head may come one after another, those of the next head up again.
    """
    return below - line.bottom <= _ABOVE * line.size and line.top < base


def _is_beside(line: Line, left: float) -> bool:
    return line.right <= left and len(line.text) <= _SHORT


def _is_beside_level(lines: Sequence[Line], levels: Sequence[int], at: int) -> bool:
    """Whether a line stands at the height of a level of heads: it names the column of labels."""
    line = lines[at]
    return any(lines[one].top < line.bottom and line.top < lines[one].bottom for one in levels)


def _is_units(line: Line) -> bool:
    return line.text.startswith("(") and len(line.text) <= _SHORT


def _is_level(line: Line, left: float) -> bool:
    """Whether a line stands over the columns, or in part beside them, as heads do: short words
    with white between the columns, no sentence.
    """
    text = line.text
    if not line.words or line.right <= left or text.endswith((".", ";", ":")):
        return False
    if line.left >= left:
        return len(text) <= 2 * _SHORT
    first = next((word for word in line.words if word.right > left), None)
    number = line.words.index(first) if first else 0
    return bool(number) and line.words[number].left - line.words[number - 1].right > line.size


def _is_caption(line: Line, lines: Sequence[Line], table: _Table) -> bool:
    """Whether a line is a title set in the middle of a table, or its units."""
    if len(line.text) > _SHORT or line.text.endswith((".", ":", ",")):
        return False
    left = min(lines[one].left for one in table.rows)
    width = table.columns[-1] - left
    middle = abs((line.left + line.right) / 2 - (left + width / 2)) < 0.06 * width
    return (middle and line.left > left + line.size and (line.bold or _is_units(line))) or (
        line.left <= left + line.size and _is_units(line) and line.text.endswith(")")
    )
