"""Rows under their labels, whatever format the table came in."""

from __future__ import annotations

import io
from collections.abc import Callable

import docx
import openpyxl
import pytest
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table, TableStyle

from assistant import grid
from assistant.grid import Cell, Line
from assistant.layout import Unit, lay_out
from index.document import Page
from ingest import read_csv, read_docx, read_html, read_markdown, read_pdf, read_xlsx
from ingest.options import ReadOptions

PERIOD = "Years Ended September 30,"
ROWS = [
    ["", "2019", "2018", "2017"],
    ["Revenue:", "", "", ""],
    ["Domestic", "$1,452.4", "$1,146.2", "$1,036.9"],
    ["Foreign", "44.1", "56.7", "70.8"],
    ["Total sales", "$1,496.5", "$1,202.9", "$1,107.7"],
]
LEAD = "Sales were as follows (in millions):"


def _html() -> Page:
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in ROWS[1:])
    top = f"<tr><th></th><th colspan=3>{PERIOD}</th></tr>"
    top += "<tr>" + "".join(f"<th>{cell}</th>" for cell in ROWS[0]) + "</tr>"
    text = f"<p>{LEAD}</p><table><thead>{top}</thead>{body}</table>"
    return read_html.read(text.encode(), ReadOptions()).pages[0].page


def _markdown() -> Page:
    lines = ["| " + " | ".join(row) + " |" for row in [["", PERIOD, "", ""], *ROWS]]
    text = "\n".join((LEAD, "", lines[0], "|---|---|---|---|", *lines[1:]))
    return read_markdown.read(text.encode(), ReadOptions()).pages[0].page


def _csv() -> Page:
    rows = [[LEAD], [], *ROWS]
    text = "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows)
    return read_csv.read(text.encode(), ReadOptions()).pages[0].page


def _docx() -> Page:
    made = docx.Document()
    made.add_paragraph(LEAD)
    table = made.add_table(rows=0, cols=4)
    for row in [["", PERIOD, "", ""], *ROWS]:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    table.rows[0].cells[1].merge(table.rows[0].cells[3])
    buffer = io.BytesIO()
    made.save(buffer)
    return read_docx.read(buffer.getvalue(), ReadOptions()).pages[0].page


def _xlsx() -> Page:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in [[LEAD], [], *ROWS]:
        sheet.append([cell or None for cell in row])
    buffer = io.BytesIO()
    book.save(buffer)
    return read_xlsx.read(buffer.getvalue(), ReadOptions()).pages[0].page


def _pdf() -> Page:
    buffer = io.BytesIO()
    right = TableStyle(
        [("ALIGN", (1, 0), (-1, -1), "RIGHT"), ("SPAN", (1, 0), (3, 0)),
         ("ALIGN", (1, 0), (3, 0), "CENTER")]
    )  # fmt: skip
    table = Table([["", PERIOD, "", ""], *ROWS], style=right, colWidths=[200, 80, 80, 80])
    after = Paragraph("We sell things.", getSampleStyleSheet()["Normal"])
    before = Paragraph(LEAD, getSampleStyleSheet()["Normal"])
    SimpleDocTemplate(buffer).build([before, table, after])
    return read_pdf.read(buffer.getvalue(), ReadOptions()).pages[0].page


def rows_of(page: Page) -> dict[str, Unit]:
    return {unit.row.line.label.text: unit for unit in lay_out(page) if unit.row is not None}


@pytest.mark.parametrize("made", [_html, _markdown, _csv, _docx, _xlsx, _pdf])
def test_a_row_has_its_section_its_years_and_its_unit(made: Callable[[], Page]) -> None:
    page = made()
    unit = rows_of(page)["Foreign"]
    row = unit.row
    assert row is not None
    assert [cell.text.rstrip(":") for cell in row.path] == ["Revenue"]
    years = ["2019", "2018", "2017"]
    for column, year in enumerate(years, start=1):
        assert row.heads(column)[-1].text.endswith(year)
    assert [each.text for each in row.units] == ["(in millions)"]
    assert [cell.text for cell in row.line.values] == ["44.1", "56.7", "70.8"]
    assert unit.heading.endswith("Revenue:")
    for cell in (*row.line.cells, *row.path, *row.units, *row.captions, *row.heads(1)):
        said = " ".join(page.text[start:end] for start, end in cell.places)
        assert " ".join(said.split()) == cell.text
    assert "Revenue:" not in rows_of(page)


@pytest.mark.parametrize("made", [_html, _markdown, _docx, _pdf])
def test_a_head_over_several_columns_is_said_of_each(made: Callable[[], Page]) -> None:
    row = rows_of(made())["Total sales"].row
    assert row is not None
    for column in (1, 2, 3):
        assert PERIOD in " ".join(cell.text for cell in row.heads(column))


def lines(*rows: list[str]) -> tuple[str, tuple[Line, ...]]:
    text, made = "", []
    for row in rows:
        start, cells = len(text), []
        for cell in row:
            cells.append(Cell(cell, ((len(text), len(text) + len(cell)),)) if cell else Cell(""))
            text += f"{cell} | "
        made.append(Line(start, len(text), tuple(cells)))
    return text, tuple(made)


def heads_of(*rows: list[str]) -> list[list[str]]:
    text, made = lines(*rows)
    row = grid.label(made, (), text).rows[-1]
    return [[cell.text for cell in row.heads(column)] for column in range(1, len(rows[-1]))]


def test_groups_of_columns_without_marks_reach_over_what_is_near() -> None:
    found = heads_of(
        ["", "", "Years Ended", "", "", "Change", ""],
        ["(Dollars in thousands)", "2019", "2018", "2017", "2019 over 2018", "", "2018 over 2017"],
        ["Modules", "$1", "$2", "$3", "$4", "5%", "$6"],
    )
    assert found[:3] == [["Years Ended", year] for year in ("2019", "2018", "2017")]
    assert found[3] == found[4] == ["Change", "2019 over 2018"]
    assert found[5] == ["Change", "2018 over 2017"]


def test_groups_that_begin_where_they_stand_reach_to_the_next() -> None:
    found = heads_of(
        ["", "F19", "F18", "", ""],
        ["$ MILLION", "53 WEEKS", "52 WEEKS", "CHANGE", "NORMALISED"],
        ["Sales", "1,671", "1,612", "3.7%", "1.8%"],
    )
    assert found == [["F19", "53 WEEKS"], ["F18", "52 WEEKS"], ["CHANGE"], ["NORMALISED"]]


def test_heads_within_a_table_hold_for_the_rows_below_them() -> None:
    found = heads_of(
        ["", "2019", "2018"], ["Assets", "1", "2"], ["", "2017", "2016"], ["Assets", "3", "4"]
    )
    assert found == [["2017"], ["2016"]]


def test_a_period_said_once_holds_for_columns_that_repeat() -> None:
    found = heads_of(
        ["(In millions)", "June 30, 2019 Cost", "Value", "June 30, 2018 Cost", "Value"],
        ["Debt", "1", "2", "3", "4"],
    )
    assert found[1] == ["June 30, 2019", "Value"]
    assert found[3] == ["June 30, 2018", "Value"]


def test_heads_that_a_page_has_in_columns_are_put_over_their_own() -> None:
    """As statements of accounts have them: each head written to its end before the next."""
    from tests.assistant.test_layout import drawn

    page = drawn(
        [(300, "June 25,")], [(300, "2022")], [(400, "June 26,")], [(400, "2021")],
        [(60, "Net sales:")],
        [(60, "Products"), (310, "63"), (410, "64")],
        [(60, "Services"), (310, "19"), (410, "17")],
        [(60, "Cost of sales:")],
        [(60, "Products"), (310, "41"), (410, "40")],
        [(60, "Services"), (310, "5"), (410, "6")],
    )  # fmt: skip
    moved = []
    for box in page.boxes:  # 2022 beside 2021, under the days
        number = page.text[: box.start].count("\n")
        up = {2: 2, 3: 2}.get(number, 0) * 12.0
        moved.append(box._replace(top=box.top - up, bottom=box.bottom - up))
    units = lay_out(Page(1, page.text, "", 595, 842, tuple(moved)))
    shown = [(unit.heading, unit.shown) for unit in units if unit.row is not None]
    assert shown[0] == ("Net sales:", "Products; June 25, 2022: 63; June 26, 2021: 64")
    assert shown[-1] == ("Cost of sales:", "Services; June 25, 2022: 5; June 26, 2021: 6")
