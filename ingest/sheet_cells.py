"""The cells of a worksheet part, as a stream, and what the part says about rows and columns.

ECMA-376 part 1, 18.3. Memory does not grow with the sheet, and the size that a sheet claims to have
is not believed: only rows that are there are read. What stands after the rows (merged cells,
filters) is found without parsing them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import IO, NamedTuple

from lxml import etree

from ingest.errors import Failure, ReadFailure
from ingest.sheet_package import Package, drop, integer, local_name, parsed, rich_text

_PIECE = 1 << 20  # bytes read at a time
_MAX_FRAME = 32 << 20  # bytes before and after the rows
_BYTES_A_CELL = 400  # that a sheet may have for each cell allowed, entries without cells included
_MAX_PAINTED = 1000  # ranges that are looked through for each white cell
_MAX_COLUMN = 16_384
_MAX_ROW = 1_048_576
_ROWS_BEGIN = re.compile(rb"<((?:[\w.-]+:)?)sheetData\b[^>]*?(/?)>")
_REFERENCE = re.compile(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,7})")


class RawCell(NamedTuple):
    """A cell as the file writes it: its type, its value, its style, and its formula if it has one.

    A formula that is a copy of another one is "".
    """

    column: int
    kind: str
    value: str
    style: int
    formula: str | None


class RawRow(NamedTuple):
    """A row as the file writes it."""

    number: int
    hidden: bool
    cells: list[RawCell]


@dataclass(frozen=True, slots=True)
class Layout:
    """What a sheet says besides its cells; rows and columns from 1.

    `merged` has (last row, last column) by (first row, first column); `heads` are the first rows
    of its filters and tables. `painted` are ranges (first row, first column, last row, last column)
    whose ground may have another colour than their cells say: tables, and conditional formats.
    """

    frozen: int = 0
    hidden_columns: frozenset[int] = frozenset()
    merged: Mapping[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    heads: frozenset[int] = frozenset()
    painted: tuple[tuple[int, int, int, int], ...] = ()

    def is_painted(self, row: int, column: int) -> bool:
        """Whether a cell lies in one of the ranges `painted`."""
        return any(
            top <= row <= bottom and left <= column <= right
            for top, left, bottom, right in self.painted
        )


class Budget:
    """How many cells may still be read from a workbook."""

    def __init__(self, cells: int) -> None:
        self._left = cells
        self.most_bytes = cells * _BYTES_A_CELL

    def take(self) -> None:
        """Count a cell. Raises ReadFailure (TOO_MUCH_OUTPUT)."""
        self._left -= 1
        if self._left < 0:
            raise ReadFailure(Failure.TOO_MUCH_OUTPUT)


def layout(package: Package, part: str) -> Layout:
    """What stands before and after the rows of a sheet. Raises ReadFailure (TOO_MUCH_OUTPUT)."""
    root = parsed(_frame(package, part))
    frozen = 0
    hidden: set[int] = set()
    merged: dict[tuple[int, int], tuple[int, int]] = {}
    painted = []
    heads: set[int] = set()
    for reference, has_head in package.tables(part):
        if found := _range(reference):
            painted.append(found)
            heads.update({found[0]} if has_head else ())
    for node in root.iter(
        "{*}pane", "{*}col", "{*}mergeCell", "{*}autoFilter", "{*}conditionalFormatting"
    ):
        name = local_name(node)
        if name == "pane" and node.get("state", "").startswith("frozen"):
            frozen = integer(node.get("ySplit", "").partition(".")[0])
        elif name == "col" and _is_hidden(node, "width"):
            last = min(integer(node.get("max")), _MAX_COLUMN)
            hidden.update(range(max(integer(node.get("min")), 1), last + 1))
        elif name == "mergeCell" and (found := _range(node.get("ref", ""))):
            merged[found[0], found[1]] = (found[2], found[3])
        elif name == "autoFilter" and (found := _range(node.get("ref", ""))):
            heads.add(found[0])
        elif name == "conditionalFormatting":
            painted += [found for each in node.get("sqref", "").split() if (found := _range(each))]
    return Layout(
        frozen, frozenset(hidden), merged, frozenset(heads), tuple(painted[:_MAX_PAINTED])
    )


def rows(package: Package, part: str, budget: Budget) -> Iterator[RawRow]:
    """The rows that a sheet holds, in its order. Raises ReadFailure (TOO_MUCH_OUTPUT)."""
    if package.size(part) > budget.most_bytes + _MAX_FRAME:
        raise ReadFailure(Failure.TOO_MUCH_OUTPUT)
    number = column = seen = 0
    cells: list[RawCell] = []
    with package.open(part) as stream:
        for _, node in etree.iterparse(
            stream, tag=("{*}row", "{*}c"), resolve_entities=False, no_network=True
        ):
            if node.tag.endswith("row"):
                number = min(integer(node.get("r")) or number + 1, _MAX_ROW)
                yield RawRow(number, _is_hidden(node, "ht"), cells)
                column, seen, cells = 0, 0, []
                drop(node)
                continue
            budget.take()
            column = _column(node.get("r")) or column + 1
            seen += 1
            if max(column, seen) > _MAX_COLUMN:
                raise ReadFailure(Failure.CORRUPT)  # wider than any sheet can be
            if len(node) and (cell := _cell(node, column)):
                cells.append(cell)


def letters(column: int) -> str:
    """The name of a column, from 1: A to Z, AA and on."""
    name = ""
    while column > 0:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name


def _cell(node: etree._Element, column: int) -> RawCell | None:
    """A cell that holds something, None for one that has only a style."""
    kind = node.get("t", "n")
    value = ""
    formula: str | None = None
    for child in node:
        name = child.tag
        if not isinstance(name, str):
            continue  # a comment
        if name.endswith("}v"):
            value = child.text or ""
        elif name.endswith("}is"):
            value = rich_text(child)
        elif name.endswith("}f"):
            formula = child.text or ""
    if not value and formula is None:
        return None
    return RawCell(column, kind, value, integer(node.get("s")), formula)


def _column(reference: str | None) -> int:
    """The column of a reference such as "AB12", 0 if it is none."""
    found = _REFERENCE.fullmatch(reference or "")
    return _number(found[1]) if found else 0


@cache
def _number(name: str) -> int:
    """The column that `letters` calls `name`; there are few names, as they have three letters."""
    number = 0
    for letter in name.upper():
        number = number * 26 + ord(letter) - 64
    return number


def _range(reference: str) -> tuple[int, int, int, int] | None:
    """(first row, first column, last row, last column) of "A1:B2", None if it is no range."""
    first, _, last = reference.partition(":")
    one, other = _REFERENCE.fullmatch(first), _REFERENCE.fullmatch(last or first)
    if not one or not other:
        return None
    return int(one[2]), _column(first), int(other[2]), _column(last or first)


def _is_hidden(node: etree._Element, measure: str) -> bool:
    """Whether a row or column is hidden, or has no height or width at all."""
    if node.get("hidden") in ("1", "true"):
        return True
    size = node.get(measure)
    return size is not None and bool(re.fullmatch(r"0+(\.0*)?", size))


def _frame(package: Package, part: str) -> bytes:
    """The part without its rows, as a small XML text."""
    before = b""
    with package.open(part) as stream:
        while piece := stream.read(_PIECE):
            before += piece
            begin = _ROWS_BEGIN.search(before)
            if begin or len(before) > _MAX_FRAME:
                break
        else:
            return before
        if not begin:
            raise ReadFailure(Failure.TOO_MUCH_OUTPUT)
        head, rest = before[: begin.end()], before[begin.end() :]
        if begin[2]:
            return head + _bounded(rest, stream)
        close = b"</" + begin[1] + b"sheetData>"
        while (at := rest.find(close)) < 0:
            piece = stream.read(_PIECE)
            if not piece:
                raise ReadFailure(Failure.CORRUPT)
            rest = rest[-len(close) :] + piece
        return head + _bounded(rest[at:], stream)


def _bounded(begun: bytes, stream: IO[bytes]) -> bytes:
    """All that follows the rows. Raises ReadFailure (TOO_MUCH_OUTPUT)."""
    rest = begun + stream.read(_MAX_FRAME + 1)
    if len(rest) > _MAX_FRAME + 2 * _PIECE:
        raise ReadFailure(Failure.TOO_MUCH_OUTPUT)
    return rest
