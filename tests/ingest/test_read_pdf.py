"""PDF: every page, text in order, boxes where the words are drawn, headings, protection."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import pytest
from pypdfium2 import PdfDocument
from reportlab.pdfgen import canvas

from index.document import Box
from ingest import read_pdf
from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import Finding, FindingKind, Kind, Method, ReadPage
from tests.ingest.pdf_files import pdf_of
from tests.ingest.standins import pdf

OPTIONS = ReadOptions(ocr=False)


def box_of(read: ReadPage, word: str) -> Box:
    start = read.page.text.index(word)
    (found,) = [box for box in read.page.boxes if box.start <= start < box.end]
    return found


def test_pages_text_and_boxes() -> None:
    data = pdf(
        [[(72, 700, "Records are kept"), (72, 685, "for six years.")], [], [(72, 700, "Last")]]
    )
    document = read_pdf.read(data, OPTIONS)
    assert [read.page.number for read in document.pages] == [1, 2, 3]
    first, empty, last = document.pages
    assert first.page.text == "Records are kept\nfor six years."
    assert (empty.page.text, last.page.text) == ("", "Last")
    assert (first.page.width, first.page.height) == (600, 800)
    word = box_of(first, "six")
    assert first.page.text[word.start : word.end] == "six"
    assert word.left == pytest.approx(72 + 16, abs=2)  # after "for "
    assert word.top < 800 - 685 < word.bottom
    assert word.bottom - word.top < 20


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_boxes_stand_where_a_rotated_page_shows_them(rotation: int) -> None:
    buffer = io.BytesIO()
    drawn = canvas.Canvas(buffer, pagesize=(600, 800))
    drawn.drawString(72, 700, "upright")
    drawn.showPage()
    drawn.save()
    with PdfDocument(buffer.getvalue()) as source:
        source[0].set_rotation(rotation)
        turned = io.BytesIO()
        source.save(turned)
    (upright,) = read_pdf.read(buffer.getvalue(), OPTIONS).pages
    (read,) = read_pdf.read(turned.getvalue(), OPTIONS).pages
    before, after = box_of(upright, "upright"), box_of(read, "upright")
    width, height = 600, 800
    expected = {  # a clockwise turn of the page, from the top left corner
        90: (height - before.bottom, before.left, height - before.top, before.right),
        180: (
            width - before.right,
            height - before.bottom,
            width - before.left,
            height - before.top,
        ),
        270: (before.top, width - before.right, before.bottom, width - before.left),
    }[rotation]
    assert (read.page.width, read.page.height) == ((600, 800) if rotation == 180 else (800, 600))
    assert (after.left, after.top, after.right, after.bottom) == pytest.approx(expected, abs=0.1)


def test_headings_and_rows_are_told_apart() -> None:
    texts = [(72, 700, "# Retention periods")]
    texts += [
        (72, 670 - 12 * n, "Records are kept as long as the law asks for it.") for n in range(5)
    ]
    texts += [
        (72, 580, "Contract"),
        (300, 580, "10 years"),
        (72, 565, "Invoice"),
        (300, 565, "8 years"),
    ]
    (read,) = read_pdf.read(pdf([texts]), OPTIONS).pages
    kinds = [
        (block.kind, read.page.text[block.start : block.end].split("\n")[0])
        for block in read.blocks
    ]
    assert kinds[0] == (Kind.HEADING, "Retention periods")
    assert kinds[1][0] is Kind.TEXT
    assert [kind for kind, _ in kinds[2:]] == [Kind.ROW, Kind.ROW]
    assert kinds[3][1] == "Invoice 8 years"


def test_a_row_whose_cells_have_several_lines_is_one_row() -> None:
    """Drawn cell by cell, as programs do."""
    texts = []
    for top in (700, 660, 620):
        texts += [(72, top, f"R-{top}"), (120, top, "Recorded telephone"), (120, top - 12, "calls")]
        texts += [(300, top, "24 months"), (400, top, "Payment"), (400, top - 12, "operations")]
    texts += [(72, 560, "What follows the table is a paragraph that stands by itself.")]
    (read,) = read_pdf.read(pdf([texts]), OPTIONS).pages
    rows = [block for block in read.blocks if block.kind is Kind.ROW]
    assert [" ".join(read.page.text[row.start : row.end].split()) for row in rows] == [
        f"R-{top} Recorded telephone calls 24 months Payment operations" for top in (700, 660, 620)
    ]
    assert read.blocks[-1].kind is Kind.TEXT


def test_a_numbered_line_is_a_heading_unless_a_paragraph_begins_with_it() -> None:
    texts = [
        (72, 700, "4.2 Retention periods"),
        (72, 686, "4.2.1 Records are kept for as long as the law asks for it and no longer than"),
        (72, 674, "that."),
        (72, 660, "4.2.2 They are then destroyed."),
    ]
    (read,) = read_pdf.read(pdf([texts]), OPTIONS).pages
    assert [text for _, _, text in read.headings()] == ["4.2 Retention periods"]


def test_a_line_on_every_page_is_no_heading() -> None:
    pages = [
        [(72, 760, "# Running head"), (72, 700, f"Text of page {n} in full.")] for n in range(6)
    ]
    document = read_pdf.read(pdf(pages), OPTIONS)
    assert not any(read.headings() for read in document.pages)


def test_a_made_up_title_is_not_taken() -> None:
    page = [[(72, 700, "text")]]
    given = pdf(page, title="Data retention policy")
    assert read_pdf.read(given, OPTIONS).title == "Data retention policy"
    for junk in ("untitled", "Microsoft Word - draft.doc", "0000320193-22-000070", "x.docx"):
        assert read_pdf.read(pdf(page, title=junk), OPTIONS).title == ""


def test_a_password_from_the_settings_opens_a_protected_file() -> None:
    data = pdf([[(72, 700, "secret")]], password="right")
    document = read_pdf.read(data, replace(OPTIONS, passwords=("wrong", "right")))
    assert document.pages[0].page.text == "secret"
    with pytest.raises(ReadFailure) as caught:
        read_pdf.read(data, replace(OPTIONS, passwords=("wrong",)))
    assert caught.value.failure is Failure.ENCRYPTED


@pytest.mark.parametrize("data", [b"%PDF-1.7\n", b"%PDF-1.4\ngarbage" * 50, b""])
def test_a_damaged_file_is_said_to_be_damaged(data: bytes) -> None:
    with pytest.raises(ReadFailure) as caught:
        read_pdf.read(data, OPTIONS)
    assert caught.value.failure is Failure.CORRUPT


def test_the_limit_on_pages_holds() -> None:
    data = pdf([[(72, 700, "x")]] * 3)
    assert len(read_pdf.read(data, replace(OPTIONS, max_pages=3)).pages) == 3
    with pytest.raises(ReadFailure) as caught:
        read_pdf.read(data, replace(OPTIONS, max_pages=2))
    assert caught.value.failure is Failure.TOO_MANY_PAGES


def kinds(data: bytes) -> list[dict[str, Kind]]:
    """For each page the kind of each of its lines that is a block of its own."""
    return [
        {read.page.text[block.start : block.end]: block.kind for block in read.blocks}
        for read in read_pdf.read(data, OPTIONS).pages
    ]


def test_running_heads_and_feet_are_told_from_the_text() -> None:
    topics = ("Retention", "Disposal", "Legal holds", "Backups")
    pages = [
        [
            (72, 780, "GR-POL-003 Data Retention Policy"),
            (72, 600, f"{topic} is decided by the owner of the record."),
            (72, 560, "Every owner keeps a list."),
            (72, 520, "The list is reviewed once a year."),
            (72, 20, f"Internal. Page {number} of 4"),
        ]
        for number, topic in enumerate(topics, start=1)
    ]
    for number, (topic, found) in enumerate(zip(topics, kinds(pdf(pages)), strict=True), start=1):
        assert found["GR-POL-003 Data Retention Policy"] is Kind.RUNNING
        assert found[f"Internal. Page {number} of 4"] is Kind.RUNNING
        assert found[f"{topic} is decided by the owner of the record."] is Kind.TEXT
        assert found["Every owner keeps a list."] is Kind.TEXT


def test_a_page_of_nothing_else_keeps_its_lines() -> None:
    found = kinds(pdf([[(72, 700, f"Ledger sheet {number}")] for number in range(1, 6)]))
    assert all(Kind.RUNNING not in page.values() for page in found)


def test_printed_page_labels() -> None:
    data = pdf_of(
        ["BT /F1 12 Tf 72 700 Td (Page) Tj ET"] * 4,
        catalog="/PageLabels << /Nums [0 << /S /r >> 2 << /S /D /P (A-) /St 7 >>] >>",
    )
    read = read_pdf.read(data, OPTIONS).pages
    assert [each.page.label for each in read] == ["i", "ii", "A-7", "A-8"]


def test_embedded_files_are_named_and_not_opened() -> None:
    with PdfDocument(pdf([[(72, 700, "Cover letter")]])) as source:
        for name in ("figures.xlsx", "annex.pdf"):
            source.new_attachment(name).set_data(b"x")
        buffer = io.BytesIO()
        source.save(buffer)
    document = read_pdf.read(buffer.getvalue(), OPTIONS)
    (finding,) = document.findings
    assert (finding.kind, finding.page) == (FindingKind.EMBEDDED_FILE, 0)
    assert set(finding.sample.split(", ")) == {"figures.xlsx", "annex.pdf"}


def test_a_page_that_cannot_be_loaded_costs_that_page() -> None:
    data = pdf_of(["BT /F1 12 Tf 72 700 Td (Words) Tj ET"] * 3)
    broken = data.replace(b"/Kids [5 0 R 7 0 R 9 0 R]", b"/Kids [5 0 R 1 0 R 9 0 R]")
    assert broken != data
    document = read_pdf.read(broken, OPTIONS)
    methods = [each.page.method for each in document.pages]
    assert methods == [Method.TEXT, Method.UNREAD, Method.TEXT]
    assert [each.page.text for each in document.pages] == ["Words", "", "Words"]
    assert document.findings == (Finding(FindingKind.UNREADABLE_PAGE, 2),)


def test_a_page_of_absurd_size_costs_that_page() -> None:
    good = pdf_of(["BT /F1 12 Tf 72 700 Td (Words) Tj ET"])
    with PdfDocument(good) as source, PdfDocument.new() as made:
        made.import_pages(source)
        made.import_pages(source)
        made[1].set_mediabox(0, 0, 5e7, 5e7)
        buffer = io.BytesIO()
        made.save(buffer)
    document = read_pdf.read(buffer.getvalue(), OPTIONS)
    assert [each.page.method for each in document.pages] == [Method.TEXT, Method.UNREAD]
    assert document.findings == (Finding(FindingKind.UNREADABLE_PAGE, 2),)


def test_a_document_without_any_text_is_a_failure() -> None:
    for data in (pdf([[], []]), pdf_of(["0 g 72 600 200 100 re f"])):
        with pytest.raises(ReadFailure) as caught:
            read_pdf.read(data, OPTIONS)
        assert caught.value.failure is Failure.NO_TEXT


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_are_read_or_refused(seed: int) -> None:
    """Bytes changed, left out and doubled; nothing but a ReadFailure may come of it."""
    chosen = random.Random(seed)
    whole = pdf([[(72, 700, "Records are kept"), (300, 700, "6 years")]] * 2)
    outcomes = set()
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chosen.choice((1, 4, 16))):
            at = chosen.randrange(len(data))
            what = chosen.randrange(3)
            if what == 0:
                data[at] = chosen.choice(b"0123456789 -./<>[]()")
            elif what == 1:
                del data[at : at + chosen.randrange(1, 30)]
            else:
                data[at:at] = data[at : at + 20]
        try:
            document = read_pdf.read(bytes(data), OPTIONS)
        except ReadFailure as failure:
            outcomes.add(failure.failure)
            continue
        outcomes.add("read")
        for read in document.pages:
            for box in read.page.boxes:
                assert read.page.text[box.start : box.end].strip()
                assert box.left <= box.right
                assert box.top <= box.bottom
    assert "read" in outcomes


def test_a_word_broken_at_the_end_of_a_line_has_a_box_around_both_parts() -> None:
    """PDFium joins what a hyphen at the end of a line parts, and writes no line end."""
    data = pdf([[(300, 700, "retention of docu-"), (72, 686, "ments and of records")]])
    (read,) = read_pdf.read(data, OPTIONS).pages
    box = box_of(read, "docu")
    assert read.page.text[box.start : box.end] == "docu-ments"
    assert (box.left, box.top) == pytest.approx((72, 91), abs=4)
    assert box.right > 350
    assert box.bottom > 110
