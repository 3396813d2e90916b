"""Word: pages where the file breaks them, drawn numbers, tables as rows, deletions left out."""

from __future__ import annotations

import docx
import pytest
from docx.enum.section import WD_SECTION
from docx.enum.text import WD_BREAK
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from ingest import read_docx
from ingest.docx_numbering import Level, Numbering
from ingest.errors import Failure, ReadFailure
from ingest.pages import Kind, ReadDocument
from tests.ingest.standins import saved


def texts(document: ReadDocument) -> list[str]:
    return [read.page.text for read in document.pages]


def test_without_breaks_a_page_is_a_section_under_heading_1() -> None:
    source = docx.Document()
    source.add_heading("Supplier contract", 0)
    source.add_paragraph("Preamble.")
    source.add_heading("Term", 1)
    source.add_paragraph("24 months.")
    source.add_heading("Notice", 2)
    source.add_heading("Liability", 1)
    source.add_paragraph("Limited.")
    document = read_docx.read(saved(source))
    assert texts(document) == [
        "Supplier contract\n\nPreamble.\n\nTerm\n\n24 months.\n\nNotice",
        "Liability\n\nLimited.",
    ]
    assert [read.page.label for read in document.pages] == ["Term", "Liability"]
    assert document.pages[0].headings()[2][1:] == (2, "Notice")
    assert document.title == "Supplier contract"


def test_every_kind_of_break_ends_a_page_once() -> None:
    source = docx.Document()
    source.add_paragraph("one").add_run().add_break(WD_BREAK.PAGE)
    rendered = source.add_paragraph()  # Word notes where it broke: here it is the same break
    rendered._p.append(
        parse_xml(f"<w:r {nsdecls('w')}><w:lastRenderedPageBreak/><w:t>two</w:t></w:r>")
    )
    source.add_paragraph("three").paragraph_format.page_break_before = True
    source.add_section(WD_SECTION.NEW_PAGE)
    split = source.add_paragraph()
    split._p.append(
        parse_xml(
            f"<w:r {nsdecls('w')}><w:t>four</w:t><w:lastRenderedPageBreak/><w:t>five</w:t></w:r>"
        )
    )
    assert texts(read_docx.read(saved(source))) == ["one", "two", "three", "four", "five"]


def test_a_table_is_rows_with_its_head() -> None:
    source = docx.Document()
    table = source.add_table(rows=3, cols=2)
    for row, values in zip(
        table.rows, [("kind", "period"), ("contract", "10 years"), ("a", "")], strict=True
    ):
        for cell, value in zip(row.cells, values, strict=True):
            cell.text = value
    table.cell(2, 0).merge(table.cell(2, 1))
    (read,) = read_docx.read(saved(source)).pages
    assert read.page.text == "kind | period\ncontract | 10 years\na"
    assert [block.kind for block in read.blocks] == [Kind.HEADER_ROW, Kind.ROW, Kind.ROW]


def test_drawn_numbers_stand_before_their_paragraphs() -> None:
    source = docx.Document()
    for text in ("first", "second"):
        source.add_paragraph(text, style="List Number")
    source.add_paragraph("point", style="List Bullet")
    (read,) = read_docx.read(saved(source)).pages
    assert read.page.text == "1. first\n\n2. second\n\n• point"


def test_numbers_of_nested_levels() -> None:
    levels = {
        0: Level("decimal", "%1.", 1),
        1: Level("decimal", "%1.%2", 1),
        2: Level("lowerRoman", "(%3)", 1),
    }
    numbering = Numbering({"7": ("a", levels)})
    drawn = [numbering.label("7", level) for level in (0, 1, 1, 2, 2, 0, 1)]
    assert drawn == ["1.", "1.1", "1.2", "(i)", "(ii)", "2.", "2.1"]
    assert numbering.label("8", 0) == ""


def test_what_was_deleted_is_left_out_and_what_was_inserted_is_not() -> None:
    source = docx.Document()
    paragraph = source.add_paragraph("kept for ")
    paragraph._p.append(
        parse_xml(f"<w:del {nsdecls('w')}><w:r><w:delText>five</w:delText></w:r></w:del>")
    )
    paragraph._p.append(parse_xml(f"<w:ins {nsdecls('w')}><w:r><w:t>six</w:t></w:r></w:ins>"))
    paragraph.add_run(" years")
    source.sections[0].header.paragraphs[0].text = "Confidential"
    assert texts(read_docx.read(saved(source))) == ["kept for six years"]


@pytest.mark.parametrize("cut", [30, 2000, -200])
def test_a_damaged_file_is_said_to_be_damaged(cut: int) -> None:
    with pytest.raises(ReadFailure) as caught:
        read_docx.read(saved(docx.Document())[:cut])
    assert caught.value.failure is Failure.CORRUPT
