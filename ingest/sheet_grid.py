"""From the rows of a sheet or a CSV file to tables with heads, and from these to pages. Pure.

Tables are told apart by blank rows. The head of a table is what the file declares (a table, a
filter, frozen rows), else one or two leading rows of words over rows of another kind. A page holds
at most `ROWS_A_PAGE` rows and begins with the head of the table that goes on there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ingest.pages import Kind, Piece

ROWS_A_PAGE = 200
_CHARACTERS_A_PAGE = 100_000
_AHEAD = 12  # rows of a table looked at to tell its head
_MAX_HEADING = 120  # characters of a line above a table that is its title
_MAX_LABEL = 200  # characters of a cell in a head


# Sign, bracket and currency in any order before the digits: "-5", "$ (2,085)", "(€ 5)", "€ -5".
_NUMBER = re.compile(
    r"[-+−($€£¥\s]{0,12}[0-9][0-9.,'’\s]*(?:[eE][-+]?[0-9]+)?[\s%)€£¥$]{0,6}"
    r"|[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}(?:[T ][0-9:.Z+-]+)?"
    r"|[$€£¥]?\s*[-–—]{1,3}\s*%?|n/?a|true|false",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that shows something; `label` is whether it is words, rather than a number or day."""

    text: str
    label: bool = True
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its number and its cells by column, both from 1, in order of the columns.

    A `hidden` row has no cells here, but does not part a table as a blank row does.
    """

    number: int
    cells: Mapping[int, Cell]
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Hints:
    """What a file says about its tables: rows that are heads, rows frozen at the top, and cells
    that reach over several columns, as (row, first column): last column.
    """

    heads: frozenset[int] = frozenset()
    frozen: int = 0
    across: Mapping[tuple[int, int], int] = field(default_factory=dict)
    first_is_head: bool = False  # as in a CSV file, where a head is the rule


@dataclass(slots=True)
class GridPage:
    """The pieces of a page, and the range of cells that they show, from 1."""

    pieces: list[Piece] = field(default_factory=list)
    first_row: int = 0
    last_row: int = 0
    first_column: int = 0
    last_column: int = 0
    rows: int = 0
    characters: int = 0

    def add(self, piece: Piece, row: Row) -> None:
        """Take in what `row` shows."""
        self.pieces.append(piece)
        self.rows += 1
        self.characters += len(piece.text)
        columns = sorted(row.cells)
        self.first_row = self.first_row or row.number
        self.last_row = max(self.last_row, row.number)
        self.first_column = min(self.first_column or columns[0], columns[0])
        self.last_column = max(self.last_column, columns[-1])


@dataclass(frozen=True, slots=True)
class _Table:
    """The head of the table that is being read, "" if it has none, and its columns."""

    head: str = ""
    columns: tuple[int, ...] = ()


def is_label(text: str) -> bool:
    """Whether a text is words, rather than a number, an amount, a day or a sign for none."""
    return len(text) > 40 or not _NUMBER.fullmatch(text.strip())


def paged(rows: Iterable[Row], hints: Hints | None = None) -> Iterator[GridPage]:
    """The pages of a sheet, each as soon as it is full. Rows come in order of their numbers."""
    hints = hints or Hints()
    page = GridPage()
    table = _Table()
    for block in _blocks(rows):
        ahead = [row for _, row in zip(range(_AHEAD), block, strict=False)]
        titles, heads = _head(ahead, hints, table)
        hints = replace(hints, first_is_head=False)
        before, table = table, _continued(table, ahead[titles:], heads, hints)
        if before.head and not table.head and page.pieces:
            yield page  # on the same page its rows would pass for rows under the head above
            page = GridPage()
        for position, row in enumerate(ahead[:titles]):
            page.add(_title(row, position), row)
        for position, row in enumerate(_then(ahead[titles:], block)):
            if page.rows >= ROWS_A_PAGE or page.characters > _CHARACTERS_A_PAGE:
                yield page
                page = GridPage()
            if position < heads - 1:
                page.first_row = page.first_row or row.number
            elif position == heads - 1:
                page.add(Piece(table.head, Kind.HEADER_ROW), row)
            else:
                _add_body(page, table, row)
    if page.pieces:
        yield page


def _add_body(page: GridPage, table: _Table, row: Row) -> None:
    """Add a row, below the head if none of its table's rows stands right above."""
    piece = _body(row, table)
    follows = page.pieces and page.pieces[-1].kind in (Kind.ROW, Kind.HEADER_ROW)
    if piece.kind is Kind.ROW and table.head and not follows:
        page.pieces.append(Piece(table.head, Kind.HEADER_ROW))
    page.add(piece, row)


def head_of(rows: Sequence[Row], hints: Hints) -> tuple[int, int]:
    """How many rows of a whole table are lines above it, and how many after these its head."""
    return _head(rows[:_AHEAD], hints, _Table())


def _then(ahead: Sequence[Row], block: Iterator[Row]) -> Iterator[Row]:
    yield from ahead
    yield from block


def _blocks(rows: Iterable[Row]) -> Iterator[Iterator[Row]]:
    """Runs of rows without a blank one between, each to be used up before the next."""
    source = iter(rows)
    waiting: list[Row] = []

    def block(first: Row) -> Iterator[Row]:
        before = first.number
        yield first
        for row in source:
            if not row.cells:
                if not row.hidden:
                    continue  # blank, though the file has an entry for it
                before = before + 1 if row.number == before + 1 else before
                continue
            if row.number > before + 1:
                waiting.append(row)
                return
            before = row.number
            yield row

    while True:
        first = waiting.pop() if waiting else next((row for row in source if row.cells), None)
        if first is None:
            return
        yield block(first)


def _head(ahead: Sequence[Row], hints: Hints, before: _Table) -> tuple[int, int]:
    """How many of the first rows of a block are lines above its table, and its head."""
    width = max(len(row.cells) for row in ahead)
    titles = 0
    while (
        titles < len(ahead) - 1
        and len(ahead[titles].cells) == 1 < width
        and ahead[titles].number not in hints.heads
        and _is_label(ahead[titles])
    ):
        titles += 1
    rest = ahead[titles:]
    declared = [at for at, row in enumerate(rest[:3]) if row.number in hints.heads]
    if declared:
        return titles, declared[0] + 1
    if width == 1 and (not hints.first_is_head or len(ahead) == 1):
        return int(len(ahead) == 1 and _is_label(ahead[0])), 0
    frozen = sum(1 for row in rest if row.number <= hints.frozen)
    if 0 < frozen <= 3 and frozen < len(rest) and _is_heady(rest[0], rest[1:]):
        return titles, frozen
    continues = bool(before.head) and all(
        column in before.columns for row in rest for column in row.cells
    )
    return titles, _told(rest, hints, continues)


def _told(rest: Sequence[Row], hints: Hints, continues: bool) -> int:
    """How many of the rows are a head, by what they hold: 0, 1 or 2.

    `continues`: they may go on with the table above, so that words over words are no head.
    """
    if len(rest) < 2:
        return 0
    if len(rest) > 2 and _is_group(rest[0], rest[1], hints) and _is_heady(rest[1], rest[2:]):
        below = _differs(rest[1], rest[2:])
        if below and not _differs(rest[0], rest[1:2]):
            return 2
    if not _is_heady(rest[0], rest[1:]):
        return 0
    if _differs(rest[0], rest[1:]):
        return 1
    key_and_value = all(
        cell.text.rstrip().endswith(":") for row in rest for cell in [*row.cells.values()][:1]
    )
    if continues or key_and_value:
        return 0
    return 1 if hints.first_is_head or len(rest) > 2 else 0


def _is_group(row: Row, under: Row, hints: Hints) -> bool:
    """Whether a row could name groups of the columns that the row under it names."""
    spans = any((row.number, column) in hints.across for column in row.cells)
    return (spans or len(row.cells) < len(under.cells)) and all(
        (cell.label or _is_year(cell.text)) and len(cell.text) <= _MAX_LABEL
        for cell in row.cells.values()
    )


def _is_label(row: Row) -> bool:
    return all(cell.label for cell in row.cells.values())


def _is_heady(row: Row, below: Sequence[Row]) -> bool:
    """Whether a row could be a head: short, different labels (years among them) for at least half
    of the columns below.
    """
    cells = list(row.cells.values())
    labels = [cell for cell in cells if cell.label or _is_year(cell.text)]
    words = sum(1 for cell in cells if cell.label)
    columns = {column for each in below for column in each.cells}
    return (
        len(labels) >= 0.8 * len(cells)
        and words > 0
        and all(len(cell.text) <= _MAX_LABEL for cell in cells)
        and len({cell.text for cell in cells}) > len(cells) / 2
        and len(cells) >= 0.5 * len(columns)
    )


def _is_year(text: str) -> bool:
    return len(text) == 4 and text.isdecimal() and "1900" <= text <= "2100"


def _differs(row: Row, below: Sequence[Row]) -> bool:
    """Whether rows below hold numbers where `row` holds labels, or `row` alone is bold."""
    counted = sum(
        1
        for column, cell in row.cells.items()
        if (cell.label or _is_year(cell.text))
        and any(
            column in each.cells
            and not each.cells[column].label
            and not (_is_year(cell.text) and _is_year(each.cells[column].text))
            for each in below
        )
    )
    bold = all(cell.bold for cell in row.cells.values())
    return counted > 0 or (bold and not all(c.bold for each in below for c in each.cells.values()))


def _continued(before: _Table, rows: Sequence[Row], heads: int, hints: Hints) -> _Table:
    """The table that `rows` begin: with a head of its own, or going on with the one before."""
    columns = sorted({column for row in rows for column in row.cells})
    if heads:
        joined = _joined(rows[:heads], columns, hints.across)
        return _Table(_line(joined), tuple(columns))
    if before.head and all(column in before.columns for column in columns):
        return before
    return _Table("", tuple(columns))


def _joined(
    rows: Sequence[Row], columns: Sequence[int], across: Mapping[tuple[int, int], int]
) -> list[str]:
    """The head of each column: what stands there in each row, cells over several columns in each
    of them.
    """
    found: list[list[str]] = [[] for _ in columns]
    for row in rows:
        spans = {
            column: (cell.text, across.get((row.number, column), column))
            for column, cell in row.cells.items()
        }
        text, last = "", 0
        for position, column in enumerate(columns):
            if column in spans:
                text, last = spans[column]
            if column <= last and text not in found[position]:
                found[position].append(text)
    return [" ".join(" ".join(parts).split()) for parts in found]


def _title(row: Row, position: int) -> Piece:
    (cell,) = row.cells.values()
    text = " ".join(cell.text.split())
    if position == 0 and len(text) <= _MAX_HEADING:
        return Piece(text, Kind.HEADING, 2)
    return Piece(text, tight=position > 0)


def _body(row: Row, table: _Table) -> Piece:
    """A row of a table; a block of one column, or a long text alone in its row, is running text."""
    first = next(iter(row.cells.values()))
    alone = len(row.cells) == 1 and first.label
    if alone and (len(first.text) > _MAX_LABEL or (len(table.columns) == 1 and not table.head)):
        return Piece(first.text, tight=True)
    columns = sorted({*table.columns, *row.cells})
    texts = [" ".join(row.cells[at].text.split()) if at in row.cells else "" for at in columns]
    return Piece(_line(texts), Kind.ROW)


def _line(texts: Sequence[str]) -> str:
    """Cells side by side; empty ones keep their place, but for those at the end."""
    filled = max((at for at, text in enumerate(texts, start=1) if text), default=0)
    return " | ".join(texts[:filled])
