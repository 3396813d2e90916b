"""A page as the units that can be quoted, tables included, each with what makes it readable alone.

Pure. Tables come from where the words stand (`assistant.tables`) or, in formats that mark their
cells, from the marks; everything else from `assistant.sentences`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from assistant import grid, instructions, sentences, tables
from assistant.grid import EMPTY, Cell, GridRow, Line
from assistant.sentences import Kind, one_line
from assistant.tables import Row, Table
from index.document import Page

_BAR = re.compile(r"\|")
_GAP = re.compile(r"\t+| {3,}")
_MARGIN = 0.065  # of the page's height, at its top and its bottom
_LONGEST_SECTION = 160  # characters of a line that names a section of a table
_LONGEST_CAPTION = 120
_MOST_CAPTIONS = 4  # lines
_RUN_IN = re.compile(r"\s*(?:§\s*)?\d+(?:\.\d+)*\.?\s+[A-Z][^.!?]{0,60}\.$")  # "4.3 Owners."


@dataclass(frozen=True, slots=True)
class Unit:
    """`page.text[start:end] == text`.

    `cells` are a row's cells, `header` the rows that name its columns, joined to one; `row` has all
    of its labels. `heading` is the nearest heading above on the page, with the sections of its
    table for a row.
    """

    start: int
    end: int
    kind: Kind
    text: str
    heading: str = ""
    cells: tuple[str, ...] = ()
    header: Row | None = None
    aside: bool = False  # a table's header itself, or what is printed on every page: never quoted
    addressed: bool = False  # speaks to a language model, not to a reader: no evidence
    row: GridRow | None = None

    @property
    def plain(self) -> str:
        """The text on one line; a row's cells with a mark between them."""
        return " | ".join(self.cells) if self.cells else one_line(self.text)

    @property
    def named(self) -> bool:
        """Whether a header names this row's cells."""
        return self.header is not None and len(self.header.cells) >= len(self.cells) > 0

    @property
    def shown(self) -> str:
        """The text as a person reads it: "Record: KYC file; Period: six years" for a row under a
        header, "Version: 3.0" for a row of two cells without one, else `plain`."""
        if not self.cells:
            return one_line(self.text)
        filled = [cell for cell in self.cells if cell]
        if self.header is not None and self.named:
            names = self.header.cells
            pairs = zip(names, self.cells, strict=False)
            return "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)
        return ": ".join(filled) if len(filled) == 2 else " – ".join(filled)


def _marked_line(text: str, start: int, end: int) -> Line:
    """A row of marked cells. A bar at both ends is a border; one at the front alone follows an
    empty first cell."""
    body = text[start:end]
    mark = _BAR if "|" in body else _GAP
    places, at = [], 0
    for match in mark.finditer(body):
        places.append((at, match.start()))
        at = match.end()
    places.append((at, len(body)))
    if mark is _BAR and len(places) > 2 and not body[slice(*places[-1])].strip():
        places = places[:-1] if body.lstrip()[:1] != "|" else places[1:-1]
    return Line(start, end, tuple(_cell(text, start + a, start + b) for a, b in places))


def _cell(text: str, start: int, end: int) -> Cell:
    raw = text[start:end]
    body = raw.strip()
    if not body:
        return EMPTY
    start += len(raw) - len(raw.lstrip())
    return Cell(one_line(body), ((start, start + len(body)),))


def _lone_lines(text: str, start: int, end: int) -> Iterator[Line]:
    """The lines of a stretch, each as a row with nothing but a label."""
    at = start
    for raw in text[start:end].splitlines(keepends=True):
        cell = _cell(text, at, at + len(raw))
        if cell.text:
            yield Line(*cell.places[0], (cell,))
        at += len(raw)


def _marked(text: str, units: Sequence[Unit]) -> Iterator[Unit | tuple[Line, ...]]:
    """The units with each run of rows made one table. Short lines between rows, without a blank
    line around them, name sections of the table."""
    lines: list[Line] = []
    waiting: list[Unit] = []  # between rows, if another row comes
    for unit in units:
        last = waiting[-1].end if waiting else lines[-1].end if lines else 0
        near = bool(lines) and "\n" not in text[last : unit.start].replace("\n", "", 1).strip(
            " \t|-:"
        )
        if lines and unit.kind is Kind.ROW and (near or not waiting):
            for each in waiting:
                lines.extend(_lone_lines(text, each.start, each.end))
            waiting = []
            lines.append(_marked_line(text, unit.start, unit.end))
        elif lines and near and unit.end - unit.start <= _LONGEST_SECTION:
            waiting.append(unit)
        else:
            if lines:
                yield tuple(lines)
            yield from waiting
            lines, waiting = [], []
            if unit.kind is Kind.ROW:
                lines = [_marked_line(text, unit.start, unit.end)]
            else:
                yield unit
    if lines:
        yield tuple(lines)
    yield from waiting


def _running(text: str, start: int, end: int) -> Iterator[Unit | tuple[Line, ...]]:
    """The units and marked tables of a stretch of the page's text without drawn tables."""
    units = []
    for unit in sentences.split(text[start:end]):
        left, right = start + unit.start, start + unit.end
        body = text[left:right]
        kind = unit.kind
        if kind is Kind.ITEM and _RUN_IN.match(one_line(body)) and len(body.split()) <= 7:
            kind = Kind.HEADING
        if body.startswith("|") and "\n" not in body:
            kind = Kind.ROW  # an empty first cell and one more
        units.append(Unit(left, right, kind, body))
    return _marked(text, units)


def _drawn(table: Table) -> tuple[Line, ...]:
    """The lines of a table that was found by where its words stand."""
    return tuple(
        Line(row.start, row.end, tuple(map(Cell, row.cells, row.places))) for row in table.rows
    )


def _captions(before: Sequence[Unit]) -> tuple[Cell, ...]:
    """What stands over a table: the lines right above it that are no sentences, and the sentence
    that leads in to it, outermost first."""
    found: list[Cell] = []
    for unit in reversed(before[-_MOST_CAPTIONS:]):
        body = one_line(unit.text)
        leads = body.endswith(":")
        short = len(body) <= _LONGEST_CAPTION and not body.endswith((".", ";", "!", "?"))
        if unit.row is not None or unit.cells or not (leads or short):
            break
        found.append(Cell(body, ((unit.start, unit.end),)))
        if leads:
            break
    return tuple(reversed(found))


def _table(page: str, lines: Sequence[Line], before: Sequence[Unit]) -> Iterator[Unit]:
    """The units of a table, in order; heads and sections are never quoted alone."""
    made = grid.label(lines, _captions(before), page)
    rows = {row.line.start: row for row in made.rows}
    sections = {line.start for line in made.sections}
    for line in lines:
        body, row = page[line.start : line.end], rows.get(line.start)
        cells = tuple(cell.text for cell in line.cells)
        if row is not None:
            header = _header(made.heads, row)
            yield Unit(line.start, line.end, Kind.ROW, body, "", cells, header, row=row)
        elif line.start in sections or len(cells) < 2:
            yield Unit(line.start, line.end, Kind.HEADING, body, aside=True)
        else:
            yield Unit(line.start, line.end, Kind.ROW, body, "", cells, aside=True)


def _header(heads: Sequence[Line], row: GridRow) -> Row | None:
    """The heads of a row's table as one row: each column's heads joined."""
    used = {place for cells in row.columns for cell in cells for place in cell.places}
    lines = [line for line in heads if any(line.start <= start < line.end for start, _ in used)]
    if not lines:
        return None
    names = [" ".join(cell.text for cell in cells) for cells in row.columns]
    return Row(lines[0].start, lines[-1].end, tuple(names))


def _margins(page: Page) -> int:
    """Where the text proper begins: after the lines, at the front of the page's text, that stand
    in its top or bottom margin. 0 for a page without boxes."""
    end = 0
    for box in page.boxes:
        if page.height * _MARGIN < box.top and box.bottom < page.height * (1 - _MARGIN):
            break
        end = box.end
    following = page.text.find("\n", end)
    return following + 1 if end and following >= 0 else 0


def lay_out(page: Page) -> tuple[Unit, ...]:
    """The units of a page in order, without overlap."""
    at = _margins(page)
    top = (unit for unit in _flat(page.text, _running(page.text, 0, at)))
    made = [replace(unit, kind=Kind.HEADING, aside=True) for unit in top]
    parts: list[Unit | tuple[Line, ...]] = []
    for table in tables.find(page):
        if table.rows[0].start < at:
            continue
        parts.extend(_running(page.text, at, table.rows[0].start))
        parts.append(_drawn(table))
        at = table.rows[-1].end
    parts.extend(_running(page.text, at, len(page.text)))
    made.extend(_flat(page.text, parts))
    heading = ""
    placed = []
    for unit in made:
        if unit.kind is Kind.HEADING and not unit.aside:
            heading = one_line(unit.text).lstrip("# ")
        path = [cell.text for cell in unit.row.path] if unit.row is not None else []
        over = " – ".join(part for part in (heading, *path) if part)
        placed.append(replace(unit, heading=over))
    speaks = instructions.addressed([unit.plain for unit in placed])
    return tuple(
        replace(unit, addressed=True) if flagged else unit
        for unit, flagged in zip(placed, speaks, strict=True)
    )


def _flat(page: str, parts: Iterable[Unit | tuple[Line, ...]]) -> list[Unit]:
    """The units, with those of each table in its place."""
    made: list[Unit] = []
    for part in parts:
        if isinstance(part, Unit):
            made.append(part)
        else:
            made.extend(_table(page, part, made))
    return made
