"""A page as the units that can be quoted, tables included, each with what makes it readable alone.

Pure. Tables come from where the words stand (`assistant.tables`) or, in formats that mark their
cells, from the marks; everything else from `assistant.sentences`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from assistant import sentences, tables
from assistant.sentences import Kind, one_line
from assistant.tables import Row, Table
from index.document import Page

_CELL_MARK = re.compile(r"\s*\|\s*|\t+| {3,}")
_MARGIN = 0.065  # of the page's height, at its top and its bottom
_RUN_IN = re.compile(r"\s*(?:§\s*)?\d+(?:\.\d+)*\.?\s+[A-Z][^.!?]{0,60}\.$")  # "4.3 Owners."


@dataclass(frozen=True, slots=True)
class Unit:
    """`page.text[start:end] == text`.

    `cells` are a row's cells, `header` the table's first row, unless it is that row itself;
    `heading` is the nearest heading above on the page.
    """

    start: int
    end: int
    kind: Kind
    text: str
    heading: str = ""
    cells: tuple[str, ...] = ()
    header: Row | None = None
    aside: bool = False  # a table's header itself, or what is printed on every page: never quoted

    @property
    def plain(self) -> str:
        """The text on one line; a row's cells with a mark between them."""
        return " | ".join(self.cells) if self.cells else one_line(self.text)

    @property
    def named(self) -> bool:
        """Whether a header names this row's cells."""
        return self.header is not None and len(self.header.cells) == len(self.cells) > 0

    @property
    def shown(self) -> str:
        """The text as a person reads it: "Record: KYC file; Period: six years" for a row under a
        header, "Version: 3.0" for a row of two cells without one, else `plain`."""
        if not self.cells:
            return one_line(self.text)
        filled = [cell for cell in self.cells if cell]
        if self.header is not None and self.named:
            names = self.header.cells
            pairs = zip(names, self.cells, strict=True)
            return "; ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)
        return ": ".join(filled) if len(filled) == 2 else " – ".join(filled)


def _marked_tables(units: Sequence[sentences.Unit], text: str) -> dict[int, tuple[Row, Row | None]]:
    """For each unit that is a row of marked cells, by its start: the row and its table's header."""
    found: dict[int, tuple[Row, Row | None]] = {}
    header: Row | None = None
    before = Kind.SENTENCE
    for unit in units:
        if unit.kind is Kind.ROW:
            body = text[unit.start : unit.end].strip().removeprefix("|").removesuffix("|")
            cells = tuple(one_line(cell) for cell in _CELL_MARK.split(body.strip()))
            row = Row(unit.start, unit.end, cells)
            if before is not Kind.ROW:
                header = row if tables.names_columns(row) else None
                found[unit.start] = (row, None)
            else:
                found[unit.start] = (row, header)
        before = unit.kind
    return found


def _running(text: str, start: int, end: int) -> Iterator[Unit]:
    """The units of a stretch of the page's text without drawn tables."""
    stretch = text[start:end]
    units = sentences.split(stretch)
    rows = _marked_tables(units, stretch)
    leading = {header.start for _, header in rows.values() if header is not None}
    for unit in units:
        left, right = start + unit.start, start + unit.end
        body = text[left:right]
        kind = unit.kind
        if kind is Kind.ITEM and _RUN_IN.match(one_line(body)) and len(body.split()) <= 7:
            kind = Kind.HEADING
        made = Unit(left, right, kind, body)
        if unit.start in rows:
            row, header = rows[unit.start]
            moved = header and replace(header, start=start + header.start, end=start + header.end)
            made = replace(made, cells=row.cells, header=moved, aside=unit.start in leading)
        yield made


def _drawn(text: str, table: Table) -> Iterator[Unit]:
    for row in table.rows:
        names = row is table.header
        header = None if names else table.header
        body = text[row.start : row.end]
        yield Unit(row.start, row.end, Kind.ROW, body, "", row.cells, header, aside=names)


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
    made = [replace(u, kind=Kind.HEADING, aside=True) for u in _running(page.text, 0, at)]
    for table in tables.find(page):
        if table.rows[0].start < at:
            continue
        made.extend(_running(page.text, at, table.rows[0].start))
        made.extend(_drawn(page.text, table))
        at = table.rows[-1].end
    made.extend(_running(page.text, at, len(page.text)))
    heading = ""
    placed = []
    for unit in made:
        if unit.kind is Kind.HEADING and not unit.aside:
            heading = one_line(unit.text).lstrip("# ")
        placed.append(replace(unit, heading=heading))
    return tuple(placed)
