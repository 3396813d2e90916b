"""Tables whose cells reach over rows and columns, as in HTML: each cell under its heads. Pure.

A cell that reaches over several rows stands in each of them; one that reaches over columns stands
in the first, and in a head in all of them. Columns that hold nothing are left out, and columns that
hold only a currency sign, a bracket or a percent sign are joined with the number beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.errors import Failure, ReadFailure
from ingest.pages import Kind, Piece
from ingest.sheet_grid import Cell, Hints, Row, head_of, is_label

MAX_COLUMNS = 1000  # that a cell may reach over, as in HTML
_BEFORE = frozenset({"$", "€", "£", "¥", "(", "$(", "US$", "CHF", "EUR", "USD"})
_AFTER = frozenset({")", "%", ")%", "bps", "x"})


@dataclass(frozen=True, slots=True)
class SpanCell:
    """A cell as the markup gives it: its text, its reach, and whether it is marked as a head."""

    text: str
    rows: int = 1
    columns: int = 1
    head: bool = False


@dataclass(frozen=True, slots=True)
class SpanRow:
    """The cells of a row that begin in it; `head`: it stands in the table's head."""

    cells: Sequence[SpanCell]
    head: bool = False


@dataclass(slots=True)
class _Line:
    """A row with its cells in their columns, from 0; `spread` repeats those over columns."""

    texts: dict[int, str]
    spread: dict[int, str]
    head: bool
    heads_only: bool


def table_pieces(rows: Sequence[SpanRow], most: int) -> Iterator[Piece]:
    """The head and the rows of a table.

    `most` bounds the places of its grid. Raises ReadFailure (TOO_MUCH_OUTPUT).
    """
    lines = [line for line in _grid(rows, most) if line.texts]
    if not lines:
        return
    titles, heads = _heads(lines)
    for line in lines[:titles]:
        yield Piece(next(iter(line.texts.values())))
    top, body = lines[titles : titles + heads], lines[titles + heads :]
    groups = _columns(top, body)
    if top:
        yield Piece(_line([_joined(top, group) for group in groups]), Kind.HEADER_ROW)
    for line in body:
        again = line.heads_only and len(line.texts) > 1 and not line.head
        texts = [" ".join(line.texts[at] for at in group if at in line.texts) for group in groups]
        yield Piece(_line(texts), Kind.HEADER_ROW if again else Kind.ROW)


def _grid(rows: Sequence[SpanRow], most: int) -> Iterator[_Line]:
    """Each row with the cells that reach into it from above."""
    above: dict[int, tuple[int, str, bool, bool]] = {}  # column: rows left, text, first, head
    for row in rows:
        line = _Line({}, {}, row.head, True)
        column = 0
        for cell in row.cells:
            while column in above:
                column += 1
            wide = min(max(cell.columns, 1), MAX_COLUMNS)
            if column + wide > most:
                raise ReadFailure(Failure.TOO_MUCH_OUTPUT)
            for at in range(column, column + wide):
                above[at] = (max(cell.rows, 1), cell.text, at == column, cell.head)
            column += wide
        most -= max(len(above), 1)
        if most < 0:
            raise ReadFailure(Failure.TOO_MUCH_OUTPUT)
        for at, (left, text, first, head) in sorted(above.items()):
            if text:
                line.spread[at] = text
                line.heads_only = line.heads_only and head
                if first:
                    line.texts[at] = text
            if left > 1:
                above[at] = (left - 1, text, first, head)
            else:
                del above[at]
        yield line


def _heads(lines: Sequence[_Line]) -> tuple[int, int]:
    """How many lines stand above the table, and how many are its head: those that are marked so,
    else what their text tells.
    """
    marked = 0
    while marked < len(lines) and lines[marked].head:
        marked += 1
    if not marked:
        while marked < len(lines) and lines[marked].heads_only:
            marked += 1
    if marked:
        return 0, marked if marked < len(lines) else 1
    groups = _columns(lines[:1], lines[1:])
    shown = {at: position for position, group in enumerate(groups, start=1) for at in group}
    rows = []
    across: dict[tuple[int, int], int] = {}
    for number, line in enumerate(lines[:12], start=1):
        cells: dict[int, Cell] = {}
        for at, text in line.texts.items():
            reach = [place for place in _reach(line, at) if place in shown]
            if reach and shown[reach[0]] not in cells:
                cells[shown[reach[0]]] = Cell(text, is_label(text))
                if shown[reach[-1]] > shown[reach[0]]:
                    across[number, shown[reach[0]]] = shown[reach[-1]]
        rows.append(Row(number, cells or {1: Cell(next(iter(line.texts.values())))}))
    return head_of(rows, Hints(across=across, first_is_head=True))


def _reach(line: _Line, at: int) -> Iterator[int]:
    """The columns that the cell in column `at` reaches over."""
    yield at
    while (at := at + 1) in line.spread and at not in line.texts:
        yield at


def _columns(top: Sequence[_Line], body: Sequence[_Line]) -> list[list[int]]:
    """The columns that are shown, those joined into one together."""
    holds: dict[int, set[str]] = {}
    for line in body or top:
        for at, text in (line.texts if body else line.spread).items():
            known = holds.setdefault(at, set())
            if len(known) <= len(_AFTER):
                known.add(text)
    if body:
        own = {at for line in top for at, text in line.texts.items() if at not in holds}
        under = {text for line in top for at, text in line.spread.items() if at in holds}
        for at in own:  # a head over nothing, unless it reaches over a column that is shown
            if any(line.texts.get(at) not in (*under, None) for line in top):
                holds[at] = set()
    groups: list[list[int]] = []
    joins = False  # the column before goes with the next
    for at in sorted(holds):
        texts = holds[at]
        if groups and (joins or (texts and texts <= _AFTER)):
            groups[-1].append(at)
        else:
            groups.append([at])
        joins = bool(texts) and texts <= _BEFORE
    return groups


def _joined(top: Sequence[_Line], group: Sequence[int]) -> str:
    """The head over columns: what stands there in each line of the head, said once."""
    parts: list[str] = []
    for line in top:
        for at in group:
            text = line.spread.get(at, "")
            if text and text not in parts:
                parts.append(text)
    return " ".join(parts)


def _line(texts: Sequence[str]) -> str:
    filled = max((at for at, text in enumerate(texts, start=1) if text), default=0)
    return " | ".join(texts[:filled])
