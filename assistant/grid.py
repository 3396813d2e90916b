"""A table as a reader sees it: every row under its section, every value under all of its heads.

Pure. The rows of a table come in as lines of cells (`assistant.layout` cuts them from marks,
`assistant.tables` from where words stand); what comes out names each row's section ("Revenue:"
above "Domestic"), the heads over each column, outermost first, and what stands over the whole
table. A head that reaches over several columns without a mark that says so is taken to reach over
those that are nearest to it.

Not told: tables turned on their side (a head in the first column is then a row's label, which
`assistant.cells` takes just as well), and rows without any label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from assistant import periods

_SIGNS = r"[($€£¥₹+\-–—−<>~ ]|US\$|S\$|A\$|C\$|HK\$|RMB|Rs\.?|CHF|EUR|USD|GBP|INR"
_VALUE = re.compile(
    rf"(?:{_SIGNS})*\d[\d.,'’\u00a0 ]*(?:[)%* ]|bps|bp|pts?|pp|x|[mk]|bn|million|billion|thousand)*"
    r"(?:\s?\([\da-z]\))?",
    re.IGNORECASE,
)
_NOTHING = re.compile(r"[-–—−$€£%() ]+|n\.?/?[am]\.?|nil|none|\*+", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d\d(?:\s*[/–-]\s*(?:\d\d|(?:19|20)\d\d))?[EAP]?\*?(?:\s?\(\d\))?")
_DAY = re.compile(r"\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2})|\d{4}-\d\d-\d\d")
_SCALE = r"(?:thousands?|millions?|billions?|000s?|['’]000s?|mn?|bn|k)"
_CURRENCY = r"(?:US\s?\$|U\.S\. dollars?|dollars?|[$€£¥₹]|EUR|USD|GBP|CHF|RMB|S\$|A\$|C\$|NOK|SEK)"
_UNIT = re.compile(
    rf"\(?\s*(?:(?:all\s+)?(?:amounts?|dollars?|figures?|shares?|{_CURRENCY})[\w\s,]{{0,40}}?\s)?"
    rf"\bin\s+(?:{_CURRENCY}\s*)?(?:\w+\s+)?(?:thousands?|millions?|billions?)\b"
    r"(?:\s+of\s+(?:[\w.]+\s?){1,3})?(?:,?\s+(?:except|unless)[^)|\n:]{0,80})?\s*\)?"
    rf"|\(?(?<![\w.,]){_CURRENCY}\s?{_SCALE}(?!\w)\)?"
    r"|\(%\)|(?<![\w\d])%(?!\w)",
    re.IGNORECASE,
)
_CODE = re.compile(r"[A-Z]{0,4}-?\d[\d.-]*")
_FIGURE = re.compile(r"\d")
_AMOUNT = re.compile(r"(?!(?:19|20)\d\d$)[($€£¥+\-–— ]*\d[\d.,' ]*[)% ]*")  # no year: that names
_LONGEST_HEAD = 90  # characters of a cell that names a column
_MOST_HEADS = 5  # lines


@dataclass(frozen=True, slots=True)
class Cell:
    """`text` is the cell on one line, "" if it is empty; `places` are the stretches `[start, end)`
    of the page that it consists of: one, or several where other cells' lines stand between."""

    text: str
    places: tuple[tuple[int, int], ...] = ()


EMPTY = Cell("")


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table, `[start, end)` of the page; `cells[0]` is its label."""

    start: int
    end: int
    cells: tuple[Cell, ...]

    @property
    def label(self) -> Cell:
        """What names the row: its first cell."""
        return self.cells[0] if self.cells else EMPTY

    @property
    def values(self) -> tuple[Cell, ...]:
        """Its cells after the first."""
        return self.cells[1:]


@dataclass(frozen=True, slots=True)
class GridRow:
    """A row with all that names its cells: `path` the sections that it stands in, `columns` for
    each of its columns the heads over it, `captions` what stands over the table, all outermost
    first; `units` are the phrases there that say in what the values are ("(in millions)"). Rows of
    one table have the same `table`, the place where it begins."""

    line: Line
    path: tuple[Cell, ...]
    columns: tuple[tuple[Cell, ...], ...]
    captions: tuple[Cell, ...]
    units: tuple[Cell, ...]
    table: int

    def heads(self, column: int) -> tuple[Cell, ...]:
        """The heads over a column, () if nothing is known to stand over it."""
        return self.columns[column] if column < len(self.columns) else ()


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: `heads` are its first lines, which name the columns; `sections` those that name the
    rows below them; `rows` all others, each with its labels."""

    heads: tuple[Line, ...]
    sections: tuple[Line, ...]
    rows: tuple[GridRow, ...]


def is_value(text: str) -> bool:
    """Whether a cell holds a figure: an amount, a percentage, a number, but no year and no day."""
    return bool(_VALUE.fullmatch(text)) and not (_YEAR.fullmatch(text) or _DAY.fullmatch(text))


def names_columns(cells: Sequence[str]) -> bool:
    """Whether a table's first row names its columns: its first cell is no code or number, and its
    cells are short and without figures, or more than two. "Document: SOP-012" opens a list of two
    columns, a table that goes on from the page before has no header, and amounts name nothing."""
    if len(cells) < 2 or _CODE.fullmatch(cells[0]):
        return False
    others = [cell for cell in cells[1:] if cell]
    if sum(bool(_AMOUNT.fullmatch(cell)) for cell in others) * 2 >= max(len(others), 1):
        return False  # a row of amounts, whatever the reader missed above it
    plain = all(len(cell) <= 40 and not _FIGURE.search(cell) for cell in cells)
    return len(cells) > 2 or plain


def is_blank(text: str) -> bool:
    """Whether a cell holds nothing, or a sign for nothing."""
    return not text or bool(_NOTHING.fullmatch(text))


def units_of(cell: Cell, page: str) -> tuple[Cell, ...]:
    """The phrases in a cell, as they stand on the page, that say in what values are given."""
    found = []
    for start, end in cell.places:
        for match in _UNIT.finditer(page, start, end):
            body = match.group().strip()
            at = match.start() + match.group().index(body)
            found.append(Cell(" ".join(body.split()), ((at, at + len(body)),)))
    return tuple(found)


def _alone(line: Line) -> bool:
    """Whether a line names something and gives nothing: only its first cell is filled, or all its
    cells say the same, as one that reaches over the whole table does."""
    filled = [cell.text for cell in line.cells if cell.text]
    if not filled or is_value(filled[0]):
        return False
    return (len(filled) == 1 and bool(line.label.text)) or (
        len(filled) == len(line.cells) > 2 and len(set(filled)) == 1
    )


def _is_period(text: str) -> bool:
    """Whether a text names a time and nothing else."""
    left = periods.without(text)
    return left != text and not is_value(text) and not re.search(r"[^\W\d_]{3,}", left)


def _could_head(line: Line) -> bool:
    """Whether a line could name columns below another that does: nothing in it is a value, and its
    first cell is empty, a unit or a period."""
    texts = [cell.text for cell in line.values if cell.text]
    if not texts or any(is_value(text) or len(text) > _LONGEST_HEAD for text in texts):
        return False
    stub = line.label.text.strip(" :")
    return not stub or _is_period(stub) or bool(_UNIT.search(stub) and len(stub) < 60)


def _again(line: Line, heads: Sequence[Line]) -> bool:
    """Whether a line within a table names its columns anew: over an empty first cell or a unit
    stand periods, or what the heads of the table say already."""
    texts = [cell.text for cell in line.values if cell.text]
    stub = line.label.text.strip(" :")
    said = {cell.text for head in heads for cell in head.values}
    named = not stub or bool(_UNIT.search(stub)) or _is_period(stub)
    return (
        bool(texts)
        and named
        and all(_is_period(text) or text in said for text in texts)
        and (len(texts) > 1 or not stub)
    )


def _count_heads(lines: Sequence[Line]) -> tuple[int, int]:
    """How many lines stand over the table as titles, and how many after these name columns."""
    titles = 0
    while titles < len(lines) - 1 and _alone(lines[titles]) and not _deep(lines, titles):
        titles += 1
    heads = 0
    while titles + heads < len(lines) - 1 and heads < _MOST_HEADS:
        line = lines[titles + heads]
        if not (_could_head(line) or (heads == 0 and _names(line))):
            break
        heads += 1
    return (titles, heads) if heads else (0, 0)


def _names(line: Line) -> bool:
    return names_columns([cell.text for cell in line.cells])


def _deep(lines: Sequence[Line], at: int) -> bool:
    """Whether the line after a lone one is a row of values already: then it names a section."""
    following = lines[at + 1]
    return any(is_value(cell.text) for cell in following.values) and not _could_head(following)


def cover(groups: Sequence[float], columns: Sequence[float]) -> list[int | None]:
    """For each of `columns` (places from left to right) which of `groups` reaches over it.

    A single group reaches over all. Groups of which the first stands over the first column begin
    where they stand, each as wide as the widest before it; else they stand in the middle.
    """
    if len(groups) == 1:
        return [0] * len(columns)
    gaps = [right - left for left, right in pairwise(groups)]
    widest = max(gaps, default=0.0)
    if columns and groups and groups[0] <= columns[0]:
        begun = [max((n for n, g in enumerate(groups) if g <= at), default=0) for at in columns]
        return [
            n if at - groups[n] < widest else None for n, at in zip(begun, columns, strict=True)
        ]
    nearest = [min(range(len(groups)), key=lambda n: abs(groups[n] - at)) for at in columns]
    return [
        n if abs(groups[n] - at) < widest else None for n, at in zip(nearest, columns, strict=True)
    ]


def spread(line: Line, columns: Sequence[int]) -> dict[int, Cell]:
    """The cells of a head by the columns that they reach over."""
    filled = [at for at, cell in enumerate(line.cells) if at and cell.text]
    if not filled or len(filled) * 3 > len(columns) * 2:
        return {at: line.cells[at] for at in filled}
    reached = cover([float(at) for at in filled], [float(at) for at in columns])
    return {
        at: line.cells[filled[group]]
        for at, group in zip(columns, reached, strict=True)
        if group is not None
    }


def _columns(
    heads: Sequence[Line], body: Sequence[Line], width: int
) -> tuple[tuple[Cell, ...], ...]:
    """For each column the heads over it, outermost first."""
    used = [
        at for at in range(1, width) if any(at < len(r.cells) and r.cells[at].text for r in body)
    ]
    found: list[list[Cell]] = [[] for _ in range(width)]
    widest = max((sum(bool(c.text) for c in line.values) for line in heads), default=0)
    lowest = max(
        (n for n, line in enumerate(heads) if sum(bool(c.text) for c in line.values) == widest),
        default=0,
    )
    for number, line in enumerate(heads):
        if line.label.text:
            found[0].append(line.label)
        reach = {at: cell for at, cell in enumerate(line.cells) if at and cell.text}
        if number != lowest:
            reach = spread(line, used)
        for at in used:
            cell = reach.get(at)
            if cell is None and number == lowest and at - 1 in reach and at > 1:
                cell = reach[at] = reach[at - 1]  # a head over two columns, said once
            if cell is not None and all(cell.text != other.text for other in found[at]):
                found[at].append(cell)
    return _said_once(tuple(tuple(cells) for cells in found))


def _said_once(columns: tuple[tuple[Cell, ...], ...]) -> tuple[tuple[Cell, ...], ...]:
    """The heads of columns, with the period that stands over several said of each: "2019 Cost |
    Value | 2018 Cost | Value" has two columns "Value" of two years."""
    ends = [cells[-1].text if cells else "" for cells in columns]
    again = {text for text in ends if text and ends.count(text) > 1}
    found: list[tuple[Cell, ...]] = []
    over: Cell | None = None
    for cells, text in zip(columns, ends, strict=True):
        own = next((cell for cell in cells if periods.read(cell.text).years), None)
        if own is not None:
            over = _period_part(own, ends)
        found.append((over, *cells) if own is None and over and text in again else cells)
    return tuple(found)


def _period_part(cell: Cell, ends: Sequence[str]) -> Cell | None:
    """The front of a head that names a period, if what follows it ends another head, too."""
    (start, end), *more = cell.places
    if more or end - start != len(cell.text):
        return None
    for at in (n for n, letter in enumerate(cell.text) if letter == " "):
        front, rest = cell.text[:at], cell.text[at:]
        others = any(text.endswith(rest) and text != cell.text for text in ends)
        if others and periods.read(front).years:
            return Cell(front, ((start, start + at),))
    return None


def label(lines: Sequence[Line], captions: Sequence[Cell], page: str) -> Grid:
    """The lines of a table with their labels. `captions` stand above it on the `page`."""
    titles, count = _count_heads(lines)
    over = (*captions, *(line.label for line in lines[:titles]))
    heads = list(lines[titles : titles + count])
    width = max((len(line.cells) for line in lines), default=0)
    body = lines[titles + count :]
    rows: list[GridRow] = []
    sections: list[Line] = []
    for part_heads, part in _parts(heads, body):
        columns = _columns(part_heads, [line for line in part if not _alone(line)], width)
        named = [cell for cells in columns for cell in cells]
        units = tuple(u for cell in (*over, *named) for u in units_of(cell, page))
        for line, path in _within_sections(part):
            if path is None:
                sections.append(line)
                continue
            rows.append(GridRow(line, path, columns, over, _once(units), lines[0].start))
        heads.extend(head for head in part_heads if head not in heads)
    return Grid((*lines[:titles], *heads), tuple(sections), tuple(rows))


def _once(units: Sequence[Cell]) -> tuple[Cell, ...]:
    return tuple({cell.text.lower(): cell for cell in reversed(units)}.values())[::-1]


def _parts(
    heads: Sequence[Line], body: Sequence[Line]
) -> Iterator[tuple[Sequence[Line], Sequence[Line]]]:
    """The rows of a table with the heads that hold for them: those that come within it replace
    those above."""
    held, part = list(heads), list[Line]()
    for line in body:
        if _again(line, heads):
            if part:
                yield held, part
                held, part = [], []
            held = [*held, line]
        else:
            part.append(line)
    yield held, part


def _within_sections(
    lines: Sequence[Line],
) -> Iterator[tuple[Line, tuple[Cell, ...] | None]]:
    """Each row with the sections that it stands in; None with a line that names one.

    Of names that follow one another without a row between, the later is within the earlier. A row
    that begins with "Total" ends its section.
    """
    path: list[Cell] = []
    names_before = False
    for line in lines:
        if _alone(line):
            path = [*path, line.label] if names_before and len(path) < 3 else [line.label]
            names_before = True
            yield line, None
            continue
        names_before = False
        yield line, tuple(path)
        if line.label.text.lower().startswith("total "):
            path = []
