"""Spreadsheets: what a sheet shows, in which range, under which head; what it hides; bad files."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime

import openpyxl
import pytest
from openpyxl.comments import Comment
from openpyxl.formatting.rule import CellIsRule
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.table import Table

from ingest import read_xlsx, sheet_cells
from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import Finding, FindingKind, Kind, ReadDocument
from ingest.sheet_format import shown
from ingest.wire import document_message

OPTIONS = ReadOptions()


def saved(book: openpyxl.Workbook) -> bytes:
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def changed(data: bytes, part: str, change: Callable[[str], str]) -> bytes:
    """The package `data` with one part rewritten, as another program might have written it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w", 8) as new:
        for info in old.infolist():
            raw = old.read(info)
            new.writestr(info.filename, change(raw.decode()) if info.filename == part else raw)
    return stream.getvalue()


def sheet_of(*rows: tuple[object, ...], name: str = "Loans") -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = name
    for row in rows:
        sheet.append(row)
    return book


def lines(document: ReadDocument, page: int = 0) -> list[tuple[Kind, str]]:
    read = document.pages[page]
    return [(block.kind, read.page.text[block.start : block.end]) for block in read.blocks]


def labels(document: ReadDocument) -> list[str]:
    return [read.page.label for read in document.pages]


def told(document: ReadDocument) -> dict[str, Finding]:
    return {finding.kind: finding for finding in document.findings}


def text(document: ReadDocument) -> str:
    return "\n".join(read.page.text for read in document.pages)


def test_rows_stand_under_their_head_and_cells_are_shown_as_displayed() -> None:
    book = sheet_of(
        ("Borrower", "Amount", "Rate", "Due", "Paid"),
        ("Ann", 1234567.891, 0.0425, date(2024, 3, 31), True),
        ("Bob", -5, 0.1, datetime(2024, 4, 1, 13, 30), False),
    )
    sheet = book.active
    for row in (2, 3):
        sheet[f"B{row}"].number_format = "#,##0.00;(#,##0.00)"
        sheet[f"C{row}"].number_format = "0.00%"
    document = read_xlsx.read(saved(book), OPTIONS)
    assert lines(document) == [
        (Kind.HEADING, "Loans"),
        (Kind.HEADER_ROW, "Borrower | Amount | Rate | Due | Paid"),
        (Kind.ROW, "Ann | 1,234,567.89 | 4.25% | 2024-03-31 | TRUE"),
        (Kind.ROW, "Bob | (5.00) | 10.00% | 2024-04-01 13:30 | FALSE"),
    ]
    assert labels(document) == ["Loans!A1:E3"]
    assert document.findings == ()


def test_a_long_sheet_has_pages_that_repeat_the_head() -> None:
    book = sheet_of(("Id", "Sum"), *((f"L-{n}", n) for n in range(1, 451)), name="My loans")
    document = read_xlsx.read(saved(book), OPTIONS)
    assert labels(document) == [
        "'My loans'!A1:B200",
        "'My loans'!A201:B400",
        "'My loans'!A401:B451",
    ]
    for page in (1, 2):
        assert lines(document, page)[0] == (Kind.HEADER_ROW, "Id | Sum")
    rows = [body for page in range(3) for kind, body in lines(document, page) if kind is Kind.ROW]
    assert rows == [f"L-{n} | {n}" for n in range(1, 451)]


def test_tables_between_blank_rows_have_their_own_titles_and_heads() -> None:
    book = sheet_of(
        ("Table 1: limits",),
        ("Kind", "Limit"), ("cash", 10), ("card", 20),
        (),
        ("wire", 30), ("cheque", 40),
        (),
        ("Branch", "Staff", "Opened"), ("Oslo", 5, 1990), ("Rome", 6, 1991),
    )  # fmt: skip
    assert lines(read_xlsx.read(saved(book), OPTIONS)) == [
        (Kind.HEADING, "Loans"),
        (Kind.HEADING, "Table 1: limits"),
        (Kind.HEADER_ROW, "Kind | Limit"),
        (Kind.ROW, "cash | 10"),
        (Kind.ROW, "card | 20"),
        (Kind.ROW, "wire | 30"),  # the table above goes on after a blank row
        (Kind.ROW, "cheque | 40"),
        (Kind.HEADER_ROW, "Branch | Staff | Opened"),
        (Kind.ROW, "Oslo | 5 | 1990"),
        (Kind.ROW, "Rome | 6 | 1991"),
    ]


def test_rows_without_a_head_do_not_pass_for_rows_of_the_table_above() -> None:
    book = sheet_of(("Kind", "Limit"), ("cash", 10), ("card", 20), (), (1, 2, 3), (4, 5, 6))
    document = read_xlsx.read(saved(book), OPTIONS)
    assert labels(document) == ["Loans!A1:B3", "Loans!A5:C6"]
    assert [kind for kind, _ in lines(document, 1)] == [Kind.ROW, Kind.ROW]


def test_merged_cells_of_a_head_and_of_row_labels_are_spread() -> None:
    book = sheet_of(
        ("Region", 2023, None, 2024, None),
        (None, "Revenue", "Cost", "Revenue", "Cost"),
        ("North", 1, 2, 3, 4),
        (None, 5, 6, 7, 8),
    )
    for cells in ("A1:A2", "B1:C1", "D1:E1", "A3:A4"):
        book.active.merge_cells(cells)
    assert lines(read_xlsx.read(saved(book), OPTIONS))[1:] == [
        (Kind.HEADER_ROW, "Region | 2023 Revenue | 2023 Cost | 2024 Revenue | 2024 Cost"),
        (Kind.ROW, "North | 1 | 2 | 3 | 4"),
        (Kind.ROW, "North | 5 | 6 | 7 | 8"),
    ]


def test_years_over_the_columns_that_they_group() -> None:
    book = sheet_of(
        (None, 2023, None, 2024, None),
        ("Region", "Revenue", "Cost", "Revenue", "Cost"),
        ("North", 1, 2, 3, 4),
        ("South", 5, 6, 7, 8),
    )
    book.active.merge_cells("B1:C1")
    book.active.merge_cells("D1:E1")
    assert lines(read_xlsx.read(saved(book), OPTIONS))[1] == (
        Kind.HEADER_ROW, "Region | 2023 Revenue | 2023 Cost | 2024 Revenue | 2024 Cost",
    )  # fmt: skip


@pytest.mark.parametrize("declared", ["table", "filter", "frozen"])
def test_a_head_that_the_file_declares_is_taken(declared: str) -> None:
    book = sheet_of(("Register",), ("1", "2"), ("3", "4"), ("5", "6"), name="R")
    if declared == "table":
        book = sheet_of(("a", "b"), ("c", "d"), ("e", "f"), name="R")
        book.active.add_table(Table(displayName="T", ref="A2:B3"))
        data = saved(book)
        expected = [(Kind.HEADING, "R"), (Kind.HEADER_ROW, "a c | b d"), (Kind.ROW, "e | f")]
    elif declared == "filter":
        book.active.auto_filter.ref = "A2:B4"
        data = saved(book)
        expected = [
            (Kind.HEADING, "R"), (Kind.HEADING, "Register"), (Kind.HEADER_ROW, "1 | 2"),
            (Kind.ROW, "3 | 4"), (Kind.ROW, "5 | 6"),
        ]  # fmt: skip
    else:
        book = sheet_of(("Name", "Town"), ("Ann", "Oslo"), name="R")
        book.active.freeze_panes = "A2"
        data = saved(book)
        expected = [(Kind.HEADING, "R"), (Kind.HEADER_ROW, "Name | Town"), (Kind.ROW, "Ann | Oslo")]
    assert lines(read_xlsx.read(data, OPTIONS)) == expected


def hiding() -> bytes:
    book = sheet_of(
        ("Name", "Secret", "Sum", "Note"),
        ("Ann", "s1", 1, "seen"),
        ("Bob", "s2", 2, "row"),
        ("Cid", "s3", 3, "white"),
        ("Dot", "s4", 4, "seen"),
    )
    sheet = book.active
    sheet.column_dimensions["B"].hidden = True
    sheet.row_dimensions[3].hidden = True
    sheet["D4"].font = Font(color="FFFFFF")
    sheet["C5"].number_format = ";;;"
    other = book.create_sheet("Backup")
    other["A1"] = "hidden sheet text"
    other.sheet_state = "veryHidden"
    return saved(book)


def test_what_is_hidden_is_left_out_and_told() -> None:
    document = read_xlsx.read(hiding(), OPTIONS)
    assert lines(document)[1:] == [
        (Kind.HEADER_ROW, "Name | Sum | Note"),
        (Kind.ROW, "Ann | 1 | seen"),
        (Kind.ROW, "Cid | 3"),
        (Kind.ROW, "Dot |  | seen"),
    ]
    found = {(each.kind, each.page): (each.characters, each.sample) for each in document.findings}
    assert found == {
        (FindingKind.HIDDEN_CELLS, 1): (6 + 8 + 7, "Secret s1 Bob s2 2 row s3 s4"),
        (FindingKind.WHITE_TEXT, 1): (5, "white"),
        (FindingKind.INVISIBLE, 1): (1, "4"),
        (FindingKind.HIDDEN_CELLS, 0): (15, "sheet Backup: hidden sheet text"),
    }


def test_white_letters_stay_where_something_else_may_colour_the_ground() -> None:
    book = sheet_of(("Name", "Sum"), ("Ann", 1), ("Bob", 2))
    sheet = book.active
    for cell in ("A1", "B1", "A3", "B3"):
        sheet[cell].font = Font(color="FFFFFF")
    sheet["B3"].fill = PatternFill("solid", fgColor="000080")
    sheet.add_table(Table(displayName="T", ref="A1:B2"))
    document = read_xlsx.read(saved(book), OPTIONS)
    assert [body for _, body in lines(document)] == ["Loans", "Name | Sum", "Ann | 1", "| 2"]
    assert told(document)[FindingKind.WHITE_TEXT].sample == "Bob"
    sheet.conditional_formatting.add("A3:A9", CellIsRule("equal", ['"Bob"'], fill=PatternFill()))
    assert read_xlsx.read(saved(book), OPTIONS).findings == ()


def test_hidden_cells_are_taken_in_when_the_settings_say_so_and_still_told() -> None:
    document = read_xlsx.read(hiding(), ReadOptions(keep_hidden=True))
    assert "Bob | s2 | 2 | row" in text(document)
    assert "Dot | s4 | 4 | seen" in text(document)
    assert "hidden sheet text" in text(document)
    assert {FindingKind.HIDDEN_CELLS, FindingKind.WHITE_TEXT, FindingKind.INVISIBLE} == set(
        told(document)
    )


def test_rows_that_a_filter_hides_do_not_part_a_table() -> None:
    book = sheet_of(("Name", "Sum"), *((f"n{n}", n) for n in range(9)))
    for row in (4, 5, 6):
        book.active.row_dimensions[row].hidden = True
    rows = [body for kind, body in lines(read_xlsx.read(saved(book), OPTIONS)) if kind is Kind.ROW]
    assert rows == ["n0 | 0", "n1 | 1", "n5 | 5", "n6 | 6", "n7 | 7", "n8 | 8"]


def test_notes_stand_on_a_page_of_their_own() -> None:
    book = sheet_of(("Name", "Sum"), ("Ann", 1))
    book.active["B2"].comment = Comment("check this\nfigure", "Eve")
    document = read_xlsx.read(saved(book), OPTIONS)
    assert labels(document) == ["Loans!A1:B2", "Comments"]
    assert document.pages[1].page.text == "Loans!B2 (Eve): check this\nfigure"
    assert told(document)[FindingKind.COMMENT].page == 2


def test_formulas_give_the_value_that_was_stored_and_are_told_without_one() -> None:
    book = sheet_of(("Name", "Sum"), ("Ann", 1), ("Bob", 2), ("All", "=SUM(B2:B3)"))
    data = saved(book)
    document = read_xlsx.read(data, OPTIONS)
    assert lines(document)[-1] == (Kind.ROW, "All")
    finding = told(document)[FindingKind.UNREADABLE_PAGE]
    assert (finding.page, finding.characters) == (1, 1)
    assert finding.sample.startswith("Loans!B4 =SUM(B2:B3)")
    stored = changed(
        data, "xl/worksheets/sheet1.xml", lambda xml: re.sub(r"<v\s*/>|<v></v>", "<v>3</v>", xml)
    )
    document = read_xlsx.read(stored, OPTIONS)
    assert lines(document)[-1] == (Kind.ROW, "All | 3")
    assert document.findings == ()


def test_errors_escapes_phonetics_and_inline_strings() -> None:
    rows = (
        '<row r="1"><c r="A1" t="inlineStr"><is><r><t>Na</t></r><r><t>me</t></r>'
        '<rPh sb="0" eb="1"><t>no</t></rPh></is></c>'
        '<c r="B1" t="str"><f>A1</f><v>S_x0041_um</v></c></row>'
        '<row><c t="e"><v>#REF!</v></c><c t="b"><v>1</v></c>'
        '<c t="d"><v>2024-01-02T00:00:00</v></c><c><v>0.1</v></c></row>'
    )
    data = changed(
        saved(sheet_of(("x",), name="Sheet1")),
        "xl/worksheets/sheet1.xml",
        lambda xml: re.sub("<sheetData>.*</sheetData>", f"<sheetData>{rows}</sheetData>", xml),
    )
    document = read_xlsx.read(data, OPTIONS)
    assert text(document).split("\n")[-1] == "#REF! | TRUE | 2024-01-02 | 0.1"
    assert text(document).startswith("Name | SAum")


def test_the_strict_namespaces_and_prefixes_are_read_too() -> None:
    data = saved(sheet_of(("Name", "Sum"), ("Ann", 1)))
    plain = text(read_xlsx.read(data, OPTIONS))
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    strict = data
    for part in ("xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"):
        strict = changed(
            strict,
            part,
            lambda xml: xml.replace(main, "http://purl.oclc.org/ooxml/spreadsheetml/main"),
        )
    assert text(read_xlsx.read(strict, OPTIONS)) == plain

    def prefixed(xml: str) -> str:
        xml = re.sub(r"<(/?)(?=[a-zA-Z])", r"<\1x:", xml)
        return xml.replace("xmlns=", "xmlns:x=")

    assert (
        text(read_xlsx.read(changed(data, "xl/worksheets/sheet1.xml", prefixed), OPTIONS)) == plain
    )


def test_a_claimed_size_and_distant_cells_cost_nothing() -> None:
    book = sheet_of(("Name", "Sum"), ("Ann", 1))
    book.active["XFD1048576"] = "end"
    data = changed(
        saved(book),
        "xl/worksheets/sheet1.xml",
        lambda xml: re.sub('ref="[^"]*"', 'ref="A1:XFD1048576"', xml, count=1),
    )
    document = read_xlsx.read(data, OPTIONS)
    assert lines(document)[-1][1] == "end"
    assert sum(len(read.page.text) for read in document.pages) < 100


def test_zero_width_characters_are_taken_out_and_told() -> None:
    document = read_xlsx.read(saved(sheet_of(("Na\u200bme", "Sum"), ("Ann", 1))), OPTIONS)
    assert lines(document)[1] == (Kind.HEADER_ROW, "Name | Sum")
    assert told(document)[FindingKind.ZERO_WIDTH].page == 1


def test_limits_on_cells_pages_and_bytes() -> None:
    data = saved(sheet_of(*((n, n) for n in range(500))))
    for options, expected in (
        (ReadOptions(max_cells=999), Failure.TOO_MUCH_OUTPUT),
        (ReadOptions(max_pages=2), Failure.TOO_MANY_PAGES),
    ):
        with pytest.raises(ReadFailure) as caught:
            read_xlsx.read(data, options)
        assert caught.value.failure is expected
    assert read_xlsx.read(data, ReadOptions(max_cells=1000, max_pages=3)).pages


def test_a_bomb_of_empty_rows_is_refused_before_it_is_unpacked() -> None:
    data = changed(
        saved(sheet_of(("x",))),
        "xl/worksheets/sheet1.xml",
        lambda xml: xml.replace("<sheetData>", "<sheetData>" + " " * (40 << 20)),
    )
    assert len(data) < 1 << 20
    with pytest.raises(ReadFailure) as caught:
        read_xlsx.read(data, ReadOptions(max_cells=10))
    assert caught.value.failure is Failure.TOO_MUCH_OUTPUT


def test_one_string_in_many_cells_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_xlsx, "_MAX_CHARACTERS", 10_000)
    with pytest.raises(ReadFailure) as caught:
        read_xlsx.read(saved(sheet_of(*(("word " * 100,) for _ in range(30)))), OPTIONS)
    assert caught.value.failure is Failure.TOO_MUCH_OUTPUT


def test_entities_are_not_resolved() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "boom"><!ENTITY f SYSTEM "file:///etc/passwd">]>'

    def change(xml: str) -> str:
        at = xml.index("<worksheet")
        return bomb + xml[at:].replace("<v>0</v>", "<v>&f;&a;0</v>")

    data = changed(saved(sheet_of(("x", "y"))), "xl/worksheets/sheet1.xml", change)
    shown_text = text(read_xlsx.read(data, OPTIONS))
    assert "boom" not in shown_text
    assert "root:" not in shown_text


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("xl/workbook.xml", lambda xml: xml[: len(xml) // 2]),
        ("xl/worksheets/sheet1.xml", lambda xml: xml[: len(xml) // 2]),
        ("xl/worksheets/sheet1.xml", lambda xml: "<a>" * 100_000),
        ("xl/sharedStrings.xml", lambda xml: "no xml"),
        ("[Content_Types].xml", lambda xml: xml),
    ],
)
def test_damaged_parts_cost_only_the_file(part: str, change: Callable[[str], str]) -> None:
    data = changed(saved(sheet_of(("Name", "Sum"), ("Ann", 1))), part, change)
    try:
        assert read_xlsx.read(data, OPTIONS).pages
    except ReadFailure as failure:
        assert failure.failure is Failure.CORRUPT
        assert part != "[Content_Types].xml"


def test_what_is_read_is_what_crosses_the_boundary() -> None:
    document = read_xlsx.read(hiding(), OPTIONS)
    assert document_message(document)["media_type"] == read_xlsx.MEDIA_TYPE
    for read in document.pages:
        end = 0
        for block in read.blocks:
            assert not read.page.text[end : block.start].strip()
            end = block.end
        assert not read.page.text[end:].strip()


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        (1234.5, "#,##0.00", "1,234.50"),
        (0.256, "0.0%", "25.6%"),
        (-1234, "#,##0;(#,##0)", "(1,234)"),
        (0, '0;-0;"-"', "-"),
        (5551234, "000-0000", "555-1234"),
        (1234567, "#,##0,", "1,235"),
        (1.5e6, '0.0,,"M"', "1.5M"),
        (12345, "0.00E+00", "1.23E+04"),
        (0.5, "#.##", ".5"),
        (1234567, "##0.0E+0", "1.2E+6"),
        (45292, "m/d/yy", "2024-01-01"),
        (0.75, "h:mm AM/PM", "18:00"),
        (1.5, "[h]:mm", "36:00:00"),
        (45292, "mmm-yy", "2024-01"),
        (0.1 + 0.2, "General", "0.3"),
        (9.5, "[$€-407] #,##0.00", "€ 9.50"),
        (12, '[>10]"big "0;0', "big 12"),
        (5, ";;;", ""),
        (1, "yyyy-mm-dd", "1900-01-01"),
        (61, "yyyy-mm-dd", "1900-03-01"),
        (2958465, "yyyy-mm-dd", "9999-12-31"),
        (3e6, "yyyy", "3000000"),
        (2.5, "# ?/?", "2.5"),
        (1234, "00000", "01234"),
        (-0.5, "0%", "-50%"),
        (0.125, "0.00", "0.13"),
        (5, chr(34) + "x" + chr(34), "x"),
    ],
)
def test_number_formats(value: float, code: str, expected: str) -> None:
    assert shown(value, code) == expected


def test_days_counted_from_1904() -> None:
    book = sheet_of(("Day", "Name"), (date(2024, 1, 1), "x"))
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    assert "2024-01-01 | x" in text(read_xlsx.read(saved(book), OPTIONS))


def test_names_of_columns() -> None:
    assert [sheet_cells.letters(n) for n in (1, 26, 27, 702, 703, 16384)] == [
        "A", "Z", "AA", "ZZ", "AAA", "XFD",
    ]  # fmt: skip


def test_a_row_wider_than_any_sheet_is_refused() -> None:
    def change(xml: str) -> str:
        return xml.replace("</row>", '<c r="A1" s="0"/>' * 20_000 + "</row>", 1)

    with pytest.raises(ReadFailure) as caught:
        read_xlsx.read(
            changed(saved(sheet_of(("x",))), "xl/worksheets/sheet1.xml", change), OPTIONS
        )
    assert caught.value.failure is Failure.CORRUPT
