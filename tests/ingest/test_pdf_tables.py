"""Tables of figures, told by where their words stand: rows, heads of several levels, sections."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reportlab.pdfgen import canvas

from ingest import read_pdf
from ingest.options import ReadOptions
from ingest.pages import Block, Kind
from ingest.pdf_layout import blocks, typography
from ingest.pdf_lines import Line, Word
from ingest.pdf_tables import places

_SIZE = 10.0  # points, of a line
_WIDTH = 5.0  # of a character

Cell = tuple[float, str]  # where it begins; a negative place is where it ends

LABEL = 50.0
FIRST, SECOND, THIRD, FOURTH = -330.0, -400.0, -470.0, -540.0


def sheet(*drawn: tuple[float, list[Cell]] | tuple[float, list[Cell], bool]) -> list[Line]:
    """Lines of a page from (top, cells) or (top, cells, bold), in the order of the page's text."""
    lines: list[Line] = []
    at = 0
    for top, cells, *rest in drawn:
        words: list[Word] = []
        texts: list[str] = []
        for place, text in cells:
            left = place if place >= 0 else -place - len(text) * _WIDTH
            for part in text.split(" "):
                start = at + sum(map(len, texts)) + len(texts)
                right = left + len(part) * _WIDTH
                words.append(Word(start, start + len(part), part, left, top, right, top + _SIZE))
                texts.append(part)
                left = right + 0.5 * _WIDTH
        text = " ".join(texts)
        gap = max((b.left - a.right for a, b in pairwise(words)), default=0.0)
        lines.append(
            Line(at, at + len(text), text, words[0].left, words[-1].right, top, top + _SIZE,
                 _SIZE, bool(rest and rest[0]), gap, tuple(words))
        )  # fmt: skip
        at += len(text) + 1
    return lines


def text_of(lines: Sequence[Line]) -> str:
    return "\n".join(line.text for line in lines)


def laid_out(lines: Sequence[Line]) -> list[tuple[Kind, str]]:
    """Kind and text of each block."""
    text = text_of(lines)
    found = blocks(lines, typography([lines]))
    return [(block.kind, text[block.start : block.end]) for block in found]


def row(top: float, label: str, *figures: str) -> tuple[float, list[Cell]]:
    columns = (FIRST, SECOND, THIRD, FOURTH)
    return top, [(LABEL, label), *zip(columns, figures, strict=False)]


STATEMENT = sheet(
    (20, [(LABEL, "The table shows what was sold in the four periods that are compared here.")]),
    (60, [(190, "STATEMENTS OF OPERATIONS (Unaudited)")], True),
    (72.0, [(250.0, "(In millions)")]),
    (90, [(-400, "Three Months Ended"), (-540, "Nine Months Ended")], True),
    (102, [(-330, "July 1,")], True),
    (112, [(-330, "2023")], True),
    (102, [(-400, "June 25,")], True),
    (112, [(-400, "2022")], True),
    (102, [(-470, "July 1,")], True),
    (112, [(-470, "2023")], True),
    (102, [(-540, "June 25,")], True),
    (112, [(-540, "2022")], True),
    (126, [(LABEL, "Net sales:")]),
    (138, [(LABEL + 10, "Products"), (280, "$"), (FIRST, "60,584"), (350, "$"), (SECOND, "63,355"),
           (THIRD, "230,901"), (FOURTH, "245,241")]),
    row(150, "Services", "21,213", "19,604", "62,886", "58,941"),
    row(162, "Other income/(expense), net", "(265)", "(10)", "—", "(97)"),
    (174, [(LABEL, "Proceeds from the sale of securities and of")]),
    row(184, "other instruments", "7,442", "6,797", "22,608", "19,490"),
    (230, [(LABEL, "See the notes, which are part of these statements and of what they say.")]),
)  # fmt: skip


def test_heads_of_all_levels_are_one_block_and_each_row_is_one() -> None:
    found = laid_out(STATEMENT)
    assert [kind for kind, _ in found] == [
        Kind.TEXT, Kind.HEADER_ROW, *[Kind.ROW] * 5, Kind.TEXT
    ]  # fmt: skip
    head = found[1][1]
    assert head.startswith("STATEMENTS OF OPERATIONS (Unaudited)\n(In millions)\nThree Months")
    assert head.endswith("June 25,\n2022")
    assert [text for kind, text in found if kind is Kind.ROW] == [
        "Net sales:",
        "Products $ 60,584 $ 63,355 230,901 245,241",
        "Services 21,213 19,604 62,886 58,941",
        "Other income/(expense), net (265) (10) — (97)",
        "Proceeds from the sale of securities and of\nother instruments 7,442 6,797 22,608 19,490",
    ]


def test_a_head_beside_the_labels_and_years_alone() -> None:
    found = laid_out(
        sheet(
            (40, [(LABEL, "(In millions)"), (SECOND, "Restated")]),
            (52, [(LABEL, "Year Ended June 30,"), (FIRST, "2023"), (SECOND, "2022")]),
            row(66, "Cash at bank", "34,704", "13,931"),
            row(78, "Receivables (260 days)", "(260 )", "1,897"),
        )
    )
    assert [kind for kind, _ in found] == [Kind.HEADER_ROW, Kind.ROW, Kind.ROW]
    assert found[0][1].endswith("Year Ended June 30, 2023 2022")


def test_two_tables_under_one_another_have_their_own_heads() -> None:
    found = laid_out(
        sheet(
            (40, [(FIRST, "2023"), (SECOND, "2022")]),
            row(52, "Cash at bank", "34,704", "13,931"),
            row(64, "Receivables", "48,688", "44,261"),
            (76, [(FIRST, "2021"), (SECOND, "2020")]),
            row(88, "Cash at bank", "14,224", "13,576"),
            row(100, "Receivables", "38,043", "32,011"),
        )
    )
    heads = [text for kind, text in found if kind is Kind.HEADER_ROW]
    assert heads == ["2023 2022", "2021 2020"]
    assert [kind for kind, _ in found].count(Kind.ROW) == 4


def test_a_table_may_go_on_without_a_head() -> None:
    found = laid_out(sheet(row(40, "Debt", "46,591", "37,684"), row(52, "Leases", "708", "612")))
    assert [kind for kind, _ in found] == [Kind.ROW, Kind.ROW]


@pytest.mark.parametrize(
    "ends",
    [
        ("was sold in the third quarter of 2022", "and again, for the last time, in 2023"),
        ("as is said at length in Note 13", "and what was added to it in Note 14"),
        ("the price rose by 12 %", "while volumes fell by 3 %"),
        ("of a total of $ 4,216", "against $ 4,137"),
    ],
)
def test_prose_that_ends_with_figures_is_no_table(ends: tuple[str, str]) -> None:
    lines = sheet(
        (40, [(LABEL, f"A paragraph of running text tells of what {ends[0]}")]),
        (52, [(LABEL, f"It goes on from there and ends with figures too {ends[1]}")]),
        (64, [(LABEL, f"Nothing of this stands in columns, and so {ends[0]}")]),
    )
    assert places(lines) == [None, None, None]


def test_a_date_in_a_label_is_not_a_figure() -> None:
    lines = sheet(
        row(40, "Balance as of December 31, 2022", "53,888", "54,253"),
        row(52, "Balance as of September 30, 2023", "50,081", "49,734"),
    )
    assert all(place and place.kind is Kind.ROW for place in places(lines))
    only_dates = sheet(
        (40, [(LABEL, "Balance as of December 31, 2022")]),
        (52, [(LABEL, "Balance as of September 30, 2023")]),
    )
    assert places(only_dates) == [None, None]


@pytest.mark.parametrize("middle", [0, 8, 12])
def test_running_lines_within_a_table_stay_blocks_of_their_own(middle: int) -> None:
    text = text_of(STATEMENT)
    found = blocks(STATEMENT, typography([STATEMENT]), frozenset({middle}))
    assert sum(block.kind is Kind.RUNNING for block in found) == 1
    _check_blocks(found, len(text))


words = st.sampled_from(["Net", "sales:", "2023", "$", "(265)", "1,234", "—", "%", "(", "end."])
cells = st.lists(
    st.tuples(
        st.sampled_from([LABEL, 60.0, 200.0, FIRST, SECOND, FOURTH]),
        st.lists(words, min_size=1, max_size=4).map(" ".join),
    ),
    min_size=1,
    max_size=5,
)
sheets = st.lists(
    st.tuples(st.integers(0, 60).map(lambda at: at * 6.0), cells, st.booleans()), max_size=25
).map(lambda drawn: sheet(*drawn))


def _check_blocks(found: Sequence[Block], length: int) -> None:
    assert all(0 <= block.start < block.end <= length for block in found)
    assert all(before.end <= after.start for before, after in pairwise(found))


@settings(max_examples=80, deadline=None)
@given(sheets, st.sets(st.integers(0, 24)))
def test_blocks_never_overlap_and_hold_every_line(lines: list[Line], running: set[int]) -> None:
    found = blocks(lines, typography([lines]), frozenset(at for at in running if at < len(lines)))
    _check_blocks(found, len(text_of(lines)))
    for line in lines:
        assert any(block.start <= line.start and line.end <= block.end for block in found)


def test_a_written_pdf() -> None:
    buffer = io.BytesIO()
    page = canvas.Canvas(buffer, pagesize=(612, 792))
    page.setFont("Helvetica", 10)
    page.drawString(60, 740, "The figures of the year are told in the table that follows below.")
    page.setFont("Helvetica-Bold", 10)
    page.drawCentredString(430, 710, "Year Ended")
    page.drawRightString(400, 698, "2024")
    page.drawRightString(500, 698, "2023")
    page.setFont("Helvetica", 10)
    for number, label in enumerate(("Turnover", "Cost of sales", "Gross profit")):
        page.drawString(60, 680 - 12 * number, label)
        page.drawRightString(400, 680 - 12 * number, f"{number + 1},{number}00")
        page.drawRightString(500, 680 - 12 * number, f"{number + 4}00")
    page.save()
    (read,) = read_pdf.read(buffer.getvalue(), ReadOptions()).pages
    found = [(block.kind, read.page.text[block.start : block.end]) for block in read.blocks]
    assert [kind for kind, _ in found] == [Kind.TEXT, Kind.HEADER_ROW, *[Kind.ROW] * 3]
    assert found[1][1].split() == ["Year", "Ended", "2024", "2023"]
    assert found[3][1].split() == ["Cost", "of", "sales", "2,100", "500"]


def test_a_line_of_a_form_is_no_heading() -> None:
    found = laid_out(sheet((40, [(LABEL, "☐ TRANSITION REPORT")], True), (90, [(LABEL, "Text.")])))
    assert [kind for kind, _ in found] == [Kind.TEXT, Kind.TEXT]
    ordinary = laid_out(sheet((40, [(LABEL, "TRANSITION REPORT")], True), (90, [(LABEL, "Text.")])))
    assert [kind for kind, _ in ordinary] == [Kind.HEADING, Kind.TEXT]
