"""Presentations: a slide is a page, read from the top down, with tables, charts and notes."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import XL_CHART_TYPE
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.util import Inches, Pt

from ingest import read_pptx
from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import FindingKind, Kind, Method, ReadDocument

BOX = tuple(Inches(each) for each in (1, 2, 4, 1))


def slide_of(deck: Any, title: str = "", layout: int = 5) -> Any:
    slide = deck.slides.add_slide(deck.slide_layouts[layout])
    if title:
        slide.shapes.title.text = title
    return slide


def said(slide: Any, text: str, left: float, top: float, shapes: Any = None) -> Any:
    where = slide.shapes if shapes is None else shapes
    box = where.add_textbox(Inches(left), Inches(top), Inches(2), Inches(0.5))
    box.text_frame.text = text
    return box.text_frame.paragraphs[0].runs[0]


def saved(deck: Any) -> bytes:
    buffer = io.BytesIO()
    deck.save(buffer)
    return buffer.getvalue()


def read(deck: Any, **options: Any) -> ReadDocument:
    return read_pptx.read(saved(deck), ReadOptions(**options))


def told(document: ReadDocument) -> list[tuple[str, int, str]]:
    return [(each.kind, each.page, each.sample) for each in document.findings]


def test_a_slide_is_a_page_read_from_the_top_down_after_its_title() -> None:
    deck = pptx.Presentation()
    deck.core_properties.title = "Board meeting"
    slide = slide_of(deck, "Results")
    said(slide, "bottom", 1, 6)
    said(slide, "top right", 5, 2.02)
    said(slide, "top left", 1, 2.05)
    group = slide.shapes.add_group_shape()
    said(slide, "in a group", 1, 4, group.shapes)
    slide.shapes[0].top = Inches(6.5)  # even a title at the foot is the title
    document = read(deck)
    (found,) = document.pages
    assert document.title == "Board meeting"
    assert found.page.text == "Results\n\ntop left\n\ntop right\n\nin a group\n\nbottom"
    assert found.page.label == "Results"
    assert (found.page.width, found.page.height) == (720.0, 540.0)
    assert found.headings() == ((0, 1, "Results"),)


def test_a_group_that_is_scaled_moves_what_it_holds() -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck)
    said(slide, "middle", 1, 3)
    group = slide.shapes.add_group_shape()
    said(slide, "first", 1, 6, group.shapes)
    group.top = Inches(1)  # its coordinates stay, its frame moves up
    assert read(deck).pages[0].page.text == "first\n\nmiddle"


def test_notes_follow_their_slide_under_a_heading_below_its_title() -> None:
    deck = pptx.Presentation()
    slide_of(deck, "Plan").notes_slide.notes_text_frame.text = "Say why.\nThen stop."
    (found,) = read(deck).pages
    assert found.page.text == "Plan\n\nNotes\n\nSay why.\n\nThen stop."
    assert found.headings() == ((0, 1, "Plan"), (6, 2, "Notes"))


def test_tables_and_charts_are_rows_with_a_head() -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck)
    table = slide.shapes.add_table(3, 3, *BOX).table
    for place, text in enumerate(("kind", "period", "", "paper", "10 years", "a", "", "12", "b")):
        table.cell(place // 3, place % 3).text = text
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(1, 0).merge(table.cell(2, 0))
    data = CategoryChartData()
    data.categories = ["2023", "2024"]
    data.add_series("Revenue", (1.5, 2.5))
    slide.shapes.add_chart(
        XL_CHART_TYPE.BAR_CLUSTERED, *(Inches(each) for each in (1, 4, 4, 3)), data
    )
    (found,) = read(deck).pages
    assert found.page.text == (
        "kind | period | period\npaper | 10 years | a\npaper | 12 | b\n\n"
        "| Revenue\n2023 | 1.5\n2024 | 2.5"
    )
    rows = [Kind.HEADER_ROW, Kind.ROW, Kind.ROW]
    assert [block.kind for block in found.blocks] == [*rows, *rows]


def test_a_hidden_slide_keeps_its_number_and_loses_its_text() -> None:
    deck = pptx.Presentation()
    for title in ("one", "secret", "three"):
        slide_of(deck, title)
    deck.slides[1].element.set("show", "0")
    document = read(deck)
    assert [found.page.text for found in document.pages] == ["one", "", "three"]
    assert document.pages[1].page.method is Method.BLANK
    assert told(document) == [(FindingKind.HIDDEN_CELLS, 2, "secret")]
    kept = read(deck, keep_hidden=True)
    assert kept.pages[1].page.text == "secret"
    assert told(kept) == told(document)


def test_a_hidden_slide_at_the_end_stays_a_page_of_its_own() -> None:
    deck = pptx.Presentation()
    slide_of(deck, "one")
    slide_of(deck, "gone").element.set("show", "0")
    document = read(deck)
    assert [found.page.text for found in document.pages] == ["one", ""]
    assert told(document) == [(FindingKind.HIDDEN_CELLS, 2, "gone")]


def test_what_is_off_the_slide_or_not_seen_is_left_out_and_told() -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, "Seen")
    said(slide, "beside the slide", 12, 1)
    said(slide, "white", 1, 2).font.color.rgb = RGBColor(255, 255, 255)
    said(slide, "tiny", 1, 3).font.size = Pt(1)
    said(slide, "switched off", 1, 4)
    slide.shapes[-1]._element.nvSpPr.cNvPr.set("hidden", "1")
    document = read(deck)
    assert document.pages[0].page.text == "Seen"
    assert sorted(told(document)) == [
        (FindingKind.HIDDEN_MARKUP, 1, "switched off"),
        (FindingKind.OFF_PAGE, 1, "beside the slide"),
        (FindingKind.TINY_TEXT, 1, "tiny"),
        (FindingKind.WHITE_TEXT, 1, "white"),
    ]
    kept = read(deck, keep_hidden=True).pages[0].page.text
    assert all(text in kept for text in ("beside the slide", "white", "tiny", "switched off"))


def test_white_text_on_something_dark_is_seen() -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck)
    slide.shapes.add_shape(1, *BOX)  # filled by its style, whatever that says
    said(slide, "on a shape below", 1.5, 2.2).font.color.rgb = RGBColor(255, 255, 255)
    filled = slide.shapes.add_textbox(*(Inches(each) for each in (1, 5, 4, 1)))
    filled.fill.solid()
    filled.fill.fore_color.rgb = RGBColor(0, 0, 80)
    filled.text_frame.text = "in a dark box"
    filled.text_frame.paragraphs[0].runs[0].font.color.rgb = RGBColor(255, 255, 255)
    document = read(deck)
    assert document.pages[0].page.text == "on a shape below\n\nin a dark box"
    assert document.findings == ()


def test_a_slide_that_is_only_a_picture_is_said_to_be_unread() -> None:
    from PIL import Image

    deck = pptx.Presentation()
    slide_of(deck, "text")
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "blue").save(picture, "PNG")
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    slide.shapes.add_picture(picture, 0, 0)
    document = read(deck)
    assert document.pages[1].page.method is Method.UNREAD
    assert [each[:2] for each in told(document)] == [(FindingKind.UNREADABLE_PAGE, 2)]


def test_comments_stand_on_a_last_page() -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, "Plan")
    space = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    for owner, name, kind, content in (
        (deck, "commentAuthors", "commentAuthors", '<p:cmAuthor id="3" name="Ann"/>'),
        (slide, "comments/c1", "comments", '<p:cm authorId="3"><p:text>Sure?</p:text></p:cm>'),
    ):
        xml = f"<p:x {space}>{content}</p:x>".encode()
        uri = PackURI(f"/ppt/{name}.xml")
        part = Part(uri, "application/xml", owner.part.package, xml)
        owner.part.relate_to(part, f"http://x/{kind}")
    document = read(deck)
    assert [found.page.text for found in document.pages] == ["Plan", "Comments\n\nAnn: Sure?"]
    assert document.pages[1].page.label == "Comments"
    assert told(document) == [(FindingKind.COMMENT, 1, "Sure?")]


def test_what_the_layout_says_stands_once_and_labels_are_clean() -> None:
    deck = pptx.Presentation()
    layout = deck.slide_layouts[5]
    tree = layout.shapes._spTree
    first = slide_of(deck, "Pl\u200ban\x85b")
    said(first, "move", 1, 2)
    box = first.shapes[-1]._element
    tree.append(box)  # from the slide to its layout
    slide_of(deck, "Second")
    document = read(deck)
    assert [found.page.text for found in document.pages] == ["Plan b\n\nmove", "Second"]
    assert [found.page.label for found in document.pages] == ["Plan b", "Second"]
    assert document.pages[0].blocks[-1].kind is Kind.RUNNING


def test_limits_hold() -> None:
    deck = pptx.Presentation()
    for _ in range(3):
        slide_of(deck, "x")
    with pytest.raises(ReadFailure) as many:
        read(deck, max_pages=2)
    assert many.value.failure is Failure.TOO_MANY_PAGES
    with pytest.raises(ReadFailure) as bomb:
        read(deck, max_member_bytes=20_000)
    assert bomb.value.failure is Failure.TOO_MUCH_OUTPUT


def replaced(data: bytes, name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for entry in old.namelist():
            new.writestr(entry, content if entry == name else old.read(entry))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "failure"),
    [
        (b"<p:sld", Failure.CORRUPT),
        (b"", Failure.CORRUPT),
        (b"<a>" * 400 + b"</a>" * 400, Failure.TOO_DEEP),
        (b"<x/>", Failure.CORRUPT),
    ],
)
def test_hostile_slides_are_refused(content: bytes, failure: Failure) -> None:
    deck = pptx.Presentation()
    slide_of(deck, "x")
    with pytest.raises(ReadFailure) as caught:
        read_pptx.read(replaced(saved(deck), "ppt/slides/slide1.xml", content), ReadOptions())
    assert caught.value.failure is failure


@pytest.mark.parametrize("cut", [30, 2000, -200])
def test_a_damaged_file_is_said_to_be_damaged(cut: int) -> None:
    deck = pptx.Presentation()
    slide_of(deck, "x")
    with pytest.raises(ReadFailure) as caught:
        read_pptx.read(saved(deck)[:cut], ReadOptions())
    assert caught.value.failure is Failure.CORRUPT


def test_outer_entities_are_not_read(tmp_path: Any) -> None:
    secret = tmp_path / "secret"
    secret.write_text("outer secret")
    deck = pptx.Presentation()
    slide_of(deck, "PLACE")
    with zipfile.ZipFile(io.BytesIO(saved(deck))) as archive:
        xml = archive.read("ppt/slides/slide1.xml")
    xml = xml.replace(b"PLACE", b"a&x;b")
    kind = f'<!DOCTYPE p [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'.encode()
    at = xml.index(b"?>") + 2
    hostile = replaced(saved(deck), "ppt/slides/slide1.xml", xml[:at] + kind + xml[at:])
    try:
        text = read_pptx.read(hostile, ReadOptions()).pages[0].page.text
    except ReadFailure:
        return
    assert "secret" not in text
