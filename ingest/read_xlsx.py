"""Spreadsheets (XLSX, XLSM): each sheet as pages of rows, cells as they are displayed.

A page is a range of a sheet, at most 200 rows of it, and its label names the range as a spreadsheet
program does (`Loans!A1:F200`). Hidden sheets, rows and columns, white letters on white and the
format ";;;" are left out and told; notes stand on a last page of their own; formulas are read as
the value that was stored with them, and those without one are told. Not read: charts, pictures,
print heads and feet. Where a table's style or a conditional format may colour the ground, white
letters are taken to be readable.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from ingest import sheet_cells, sheet_format
from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import Finding, FindingKind, Kind, Piece, ReadDocument, lay_out
from ingest.seen import Tally, drawn
from ingest.sheet_cells import Budget, Layout, RawCell, RawRow, letters
from ingest.sheet_grid import Cell, GridPage, Hints, Row, is_label, paged
from ingest.sheet_package import Package, Sheet, Style

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_MAX_CHARACTERS = 200_000_000  # of all cells, as one shared string can stand in many of them
_GENERIC = re.compile(  # names that say nothing of what is on the sheet
    r"(?:sheet|tabelle|feuil|hoja|foglio|blad|ark|arkusz|plan(?:ilha)?|лист|工作表)\s*\d*", re.I
)
_PLAIN_NAME = re.compile(r"[^\W\d][\w.]*")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_INTEGER = re.compile(r"[0-9]+")


def read(data: bytes, options: ReadOptions) -> ReadDocument:
    """The document in `data`. Raises ReadFailure (CORRUPT, TOO_DEEP, TOO_MANY_PAGES,
    TOO_MUCH_OUTPUT).
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return drawn(_Reader(Package(archive), options).document(), options.keep_hidden)
    except RecursionError as error:
        raise ReadFailure(Failure.TOO_DEEP) from error
    except (
        zipfile.BadZipFile, zlib.error, KeyError, ValueError, IndexError, OverflowError, EOFError,
        OSError, NotImplementedError, RuntimeError, etree.LxmlError,
    ) as error:  # fmt: skip
        raise ReadFailure(Failure.CORRUPT) from error


@dataclass(slots=True)
class _Carried:
    """A cell that reaches over several rows: its first text stands in each of them."""

    last_row: int
    cell: Cell


@dataclass(slots=True)
class _SheetState:
    """What is known of the sheet that is being read; `page` is the number of its first page."""

    name: str
    layout: Layout
    hidden: bool
    page: int
    carried: dict[int, _Carried] = field(default_factory=dict)


class _Reader:
    """Gathers pages and findings, sheet by sheet."""

    def __init__(self, package: Package, options: ReadOptions) -> None:
        self._package = package
        self._keep = options.keep_hidden
        self._most = options.max_pages
        self._budget = Budget(options.max_cells)
        self._strings = package.strings()
        self._styles = package.styles() or [Style()]
        self._characters = 0
        self._tally = Tally()
        self._pages: list[list[Piece]] = []
        self._labels: list[str] = []
        self._notes: list[Piece] = []

    def document(self) -> ReadDocument:
        """All sheets in their order, then their notes."""
        for sheet in self._package.sheets:
            self._sheet(sheet)
        if self._notes:
            self._add(self._notes, "Comments")
            for note in self._notes:
                self._tally.add(FindingKind.COMMENT, note.text, len(self._pages))
        title, metadata = self._package.title()
        embedded = tuple(
            Finding(FindingKind.EMBEDDED_FILE, 0, 0, name.rpartition("/")[2][:120])
            for name in self._package.embedded
        )
        pages = lay_out(self._pages, self._labels)
        findings = (*self._tally.findings(), *embedded)
        return ReadDocument(MEDIA_TYPE, title, pages, metadata, findings=findings)

    def _add(self, pieces: list[Piece], label: str) -> None:
        if len(self._pages) >= self._most:
            raise ReadFailure(Failure.TOO_MANY_PAGES)
        self._pages.append(pieces)
        self._labels.append(label)

    def _sheet(self, sheet: Sheet) -> None:
        hidden = sheet.hidden and not self._keep
        layout = sheet_cells.layout(self._package, sheet.part)
        state = _SheetState(sheet.name, layout, hidden, 0 if hidden else len(self._pages) + 1)
        rows = (self._row(raw, state) for raw in self._raw(sheet))
        if sheet.hidden:
            self._tally.count(FindingKind.HIDDEN_CELLS, 0, f"sheet {sheet.name}:", state.page)
        if hidden:
            for _ in rows:
                pass  # its text is counted
            return
        for grid in paged(rows, _hints(layout)):
            heading = not _GENERIC.fullmatch(sheet.name) and len(self._pages) < state.page
            first = [Piece(sheet.name, Kind.HEADING, 1)] if heading else []
            self._add(first + grid.pieces, _label(sheet.name, grid))
        self._beside(sheet, state)

    def _beside(self, sheet: Sheet, state: _SheetState) -> None:
        """What lies over the sheet: shapes with text go to its last page, notes to their own."""
        shapes = [Piece(text) for text in self._package.drawn_text(sheet.part) if text]
        if shapes and len(self._pages) >= state.page:
            self._pages[-1].extend(shapes)
        elif shapes:
            self._add(shapes, sheet.name)
        for cell, author, text in self._package.comments(sheet.part):
            if text.strip():
                by = f" ({author})" if author else ""
                self._notes.append(Piece(f"{_quoted(sheet.name)}!{cell}{by}: {text.strip()}"))

    def _raw(self, sheet: Sheet) -> Iterator[RawRow]:
        return sheet_cells.rows(self._package, sheet.part, self._budget)

    def _row(self, raw: RawRow, state: _SheetState) -> Row:
        """What a row shows; what it hides is noted."""
        cells: dict[int, Cell] = {}
        hidden_row = raw.hidden and not self._keep
        for each in raw.cells:
            cell = self._cell(each, raw, state)
            if cell is None:
                continue
            if raw.hidden or each.column in state.layout.hidden_columns or state.hidden:
                self._tally.add(FindingKind.HIDDEN_CELLS, cell.text, state.page)
                if not self._keep:
                    continue
            cells[each.column] = cell
            last_row, _ = state.layout.merged.get((raw.number, each.column), (0, 0))
            if last_row > raw.number:
                state.carried[each.column] = _Carried(last_row, cell)
        if cells and state.carried:
            _carry(cells, raw.number, state.carried)
        return Row(raw.number, dict(sorted(cells.items())), hidden_row)

    def _cell(self, raw: RawCell, row: RawRow, state: _SheetState) -> Cell | None:
        """A cell as displayed, None if it shows nothing."""
        style = self._styles[raw.style] if raw.style < len(self._styles) else self._styles[0]
        text, label = self._text(raw, style)
        if not text.strip():
            if raw.formula is not None and not raw.value and raw.kind != "str":
                where = f"{_quoted(state.name)}!{letters(raw.column)}{row.number}"
                told = f"{where} ={raw.formula[:40]}: no stored value;"
                self._tally.count(FindingKind.UNREADABLE_PAGE, 1, told, state.page)
            return None
        self._characters += len(text)
        if self._characters > _MAX_CHARACTERS:
            raise ReadFailure(Failure.TOO_MUCH_OUTPUT)
        white = style.white and not state.layout.is_painted(row.number, raw.column)
        unseen = FindingKind.WHITE_TEXT if white else None
        if style.nothing:
            unseen = FindingKind.INVISIBLE
        if unseen and not state.hidden and not row.hidden:
            self._tally.add(unseen, text, state.page)
            if not self._keep:
                return None
        return Cell(text, label, style.bold)

    def _text(self, raw: RawCell, style: Style) -> tuple[str, bool]:
        """The text of a cell, and whether it is words rather than a number or day."""
        if raw.kind == "s":
            at = int(raw.value) if _INTEGER.fullmatch(raw.value) else -1
            text = _unescaped(self._strings[at]) if 0 <= at < len(self._strings) else ""
            return text, is_label(text)
        if raw.kind in ("str", "inlineStr"):
            text = _unescaped(raw.value)
            return text, is_label(text)
        if raw.kind == "b":
            return ("TRUE" if raw.value.strip() == "1" else "FALSE") if raw.value else "", False
        if raw.kind == "e":
            return raw.value, False
        if raw.kind == "d":
            return raw.value.replace("T", " ").removesuffix(" 00:00:00"), False
        try:
            number = float(raw.value)
        except ValueError:
            return raw.value, True
        if style.nothing:
            return sheet_format.plain(number), False
        return sheet_format.shown(number, style.code, self._package.epoch_1904), False


def _carry(cells: dict[int, Cell], row: int, carried: dict[int, _Carried]) -> None:
    """Add to a row the cells that reach into it from above."""
    for column, each in list(carried.items()):
        if row > each.last_row:
            del carried[column]
        elif column not in cells:
            cells[column] = each.cell


def _hints(layout: Layout) -> Hints:
    across = {
        (row, column): last_column
        for (row, column), (_, last_column) in layout.merged.items()
        if last_column > column
    }
    return Hints(layout.heads, layout.frozen, across)


def _unescaped(text: str) -> str:
    """A text without the escapes for characters that XML cannot hold (ST_Xstring, 22.9.2.19)."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _quoted(name: str) -> str:
    """A sheet's name as it stands in a reference."""
    return name if _PLAIN_NAME.fullmatch(name) else "'" + name.replace("'", "''") + "'"


def _label(name: str, grid: GridPage) -> str:
    first = f"{letters(grid.first_column)}{grid.first_row}"
    last = f"{letters(grid.last_column)}{grid.last_row}"
    cells = first if first == last else f"{first}:{last}"
    return " ".join(f"{_quoted(name)}!{cells}".split())
