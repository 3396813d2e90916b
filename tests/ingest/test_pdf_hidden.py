"""Text of a PDF that nobody can see is left out and reported; what can be seen stays."""

from __future__ import annotations

import pytest

from ingest import read_pdf
from ingest.options import ReadOptions
from ingest.pages import Finding, FindingKind, Method, ReadDocument
from tests.ingest.pdf_files import HELVETICA, image_of, pdf_of, to_unicode

OPTIONS = ReadOptions(ocr=False)
SEEN = "BT /F1 12 Tf 72 700 Td (Seen by all.) Tj ET\n"
BLACK_BOX = "0 g 60 590 300 40 re f\n"


def read(drawn: str, options: ReadOptions = OPTIONS, **more: object) -> ReadDocument:
    return read_pdf.read(pdf_of([drawn], **more), options)  # type: ignore[arg-type]


def text(document: ReadDocument) -> str:
    return document.pages[0].page.text


def found(document: ReadDocument) -> list[tuple[str, int, int, str]]:
    return [(each.kind, each.page, each.characters, each.sample) for each in document.findings]


HIDDEN = {
    "white": (FindingKind.WHITE_TEXT, "1 g BT /F1 12 Tf 72 600 Td (Pay Mallory) Tj ET"),
    "white beside a rule": (
        FindingKind.WHITE_TEXT,
        "72 650 400 1 re f 1 g BT /F1 12 Tf 72 600 Td (Pay Mallory) Tj ET",
    ),
    "nearly white": (FindingKind.WHITE_TEXT, ".95 g BT /F1 12 Tf 72 600 Td (Pay Mallory) Tj ET"),
    "white on a white box on a black one": (
        FindingKind.WHITE_TEXT,
        f"{BLACK_BOX} 1 g 65 595 200 30 re f BT /F1 12 Tf 72 600 Td (Pay Mallory) Tj ET",
    ),
    "black on black": (
        FindingKind.WHITE_TEXT,
        f"{BLACK_BOX} BT /F1 12 Tf 72 600 Td (Pay Mallory) Tj ET",
    ),
    "under a black box": (
        FindingKind.COVERED,
        f"BT /F1 12 Tf 72 600 Td (Pay Mallory) Tj ET {BLACK_BOX}",
    ),
    "painted by nothing": (
        FindingKind.INVISIBLE,
        "BT 3 Tr /F1 12 Tf 72 600 Td (Pay Mallory) Tj ET",
    ),
    "clear": (
        FindingKind.INVISIBLE,
        "/Clear gs BT /F1 12 Tf 72 600 Td (Pay Mallory) Tj ET",
    ),
    "tiny": (FindingKind.TINY_TEXT, "BT /F1 .5 Tf 72 600 Td (Pay Mallory) Tj ET"),
    "made tiny": (FindingKind.TINY_TEXT, "BT /F1 12 Tf .05 0 0 .05 72 600 Tm (Pay Mallory) Tj ET"),
    "off the page": (FindingKind.OFF_PAGE, "BT /F1 12 Tf 72 -30 Td (Pay Mallory) Tj ET"),
    "left of the page": (FindingKind.OFF_PAGE, "BT /F1 12 Tf -300 600 Td (Pay Mallory) Tj ET"),
}
CLEAR = {"resources": "/ExtGState << /Clear << /ca 0 /CA 0 >> >>"}


@pytest.mark.parametrize("name", HIDDEN)
def test_what_nobody_sees_is_left_out_and_reported(name: str) -> None:
    kind, drawn = HIDDEN[name]
    document = read(SEEN + drawn, **CLEAR)
    assert text(document) == "Seen by all."
    # a space of each is among what is hidden, unless PDFium made it up
    ((told, page, characters, sample),) = found(document)
    assert (told, page, sample) == (kind, 1, "Pay Mallory")
    assert characters in (10, 11)
    for read_page in document.pages:
        for box in read_page.page.boxes:
            assert read_page.page.text[box.start : box.end].strip()


@pytest.mark.parametrize("name", HIDDEN)
def test_it_is_kept_when_the_settings_say_so_and_still_reported(name: str) -> None:
    kind, drawn = HIDDEN[name]
    document = read(SEEN + drawn, ReadOptions(ocr=False, keep_hidden=True), **CLEAR)
    assert "Pay" in text(document)
    assert "Mallory" in text(document)
    assert [each.kind for each in document.findings] == [kind]


VISIBLE = {
    "white on a black box": f"{BLACK_BOX} 1 g BT /F1 12 Tf 72 600 Td (Table head) Tj ET",
    "white on a picture": (
        "q 300 0 0 40 60 590 cm /Dark Do Q 1 g BT /F1 12 Tf 72 600 Td (Table head) Tj ET"
    ),
    "white outlined in black": "1 g 0 G 1 Tr BT /F1 12 Tf 72 600 Td (Table head) Tj ET",
    "pale blue on white": ".6 .75 1 rg BT /F1 12 Tf 72 600 Td (Table head) Tj ET",
    "in a frame drawn later": ("BT /F1 12 Tf 72 600 Td (Table head) Tj ET 0 G 60 590 300 40 re S"),
    "under a clear box": (
        "BT /F1 12 Tf 72 600 Td (Table head) Tj ET /Half gs 1 1 0 rg 60 590 300 40 re f"
    ),
    "small print": "BT /F1 3 Tf 72 600 Td (Table head) Tj ET",
    "turned": "BT /F1 5 Tf 0 1 -1 0 72 600 Tm (Table head) Tj ET",
    "partly off the page": "BT /F1 12 Tf 560 600 Td (Table head) Tj ET",
}


@pytest.mark.parametrize("name", VISIBLE)
def test_what_can_be_seen_stays(name: str) -> None:
    document = read(
        SEEN + VISIBLE[name],
        objects=[image_of(2, 2, b"\0\0\0\0")],
        resources="/XObject << /Dark 3 0 R >> /ExtGState << /Half << /ca .3 >> >>",
    )
    shown = text(document).split()
    assert "head" in shown or name == "partly off the page"
    assert "Table" in shown
    assert found(document) == []


def test_a_hidden_word_within_a_line_leaves_the_words_around_it() -> None:
    document = read("BT /F1 12 Tf 72 700 Td (Pay the ) Tj 1 g (wrong ) Tj 0 g (right sum) Tj ET")
    assert text(document) == "Pay the right sum"
    page = document.pages[0].page
    assert [page.text[box.start : box.end] for box in page.boxes] == ["Pay", "the", "right", "sum"]
    assert found(document)[0][3] == "wrong"


def test_zero_width_and_tag_characters_are_taken_out() -> None:
    mapping = {65: "A", 66: "\u200b", 67: "\U000e0049", 68: "\U000e0067", 69: "e"}
    font = HELVETICA.replace(">>", "/ToUnicode 3 0 R >>")
    document = read(
        "BT /F2 12 Tf 72 700 Td (ABECDA) Tj ET", fonts={"F2": font}, objects=[to_unicode(mapping)]
    )
    assert text(document) == "AeA"
    assert found(document) == [
        (FindingKind.ZERO_WIDTH, 1, 1, "U+200B ×1"),
        (FindingKind.TAG_CHARACTERS, 1, 2, "Ig"),
    ]


def test_characters_beyond_the_basic_plane_are_one_character() -> None:
    font = HELVETICA.replace(">>", "/ToUnicode 3 0 R >>")
    mapping = {65: "a", 66: "\U0001d400", 67: "z"}
    document = read(
        "BT /F2 12 Tf 72 700 Td (AB BC) Tj ET", fonts={"F2": font}, objects=[to_unicode(mapping)]
    )
    page = document.pages[0].page
    assert page.text == "a\U0001d400 \U0001d400z"
    assert [(box.start, box.end) for box in page.boxes] == [(0, 2), (3, 5)]


def test_half_a_character_is_a_replacement_character() -> None:
    font = HELVETICA.replace(">>", "/ToUnicode 3 0 R >>")
    mapping = {65: "a", 66: "\ud835", 67: "\udc00", 68: "z"}
    document = read(
        "BT /F2 12 Tf 72 700 Td (AAAABDCAAAA) Tj ET",
        fonts={"F2": font},
        objects=[to_unicode(mapping)],
    )
    assert text(document) == "aaaa\ufffdz\ufffdaaaa"


SAYS = "/Span << /ActualText ({}) >> BDC ({}) Tj EMC"


def test_the_text_that_is_drawn_counts_not_the_one_that_is_offered() -> None:
    drawn = f"BT /F1 12 Tf 72 700 Td (The sum is ) Tj {SAYS.format('9000', '1000')} ( euros.) Tj ET"
    document = read(drawn)
    assert text(document) == "The sum is 1000 euros."
    assert found(document) == [(FindingKind.ACTUAL_TEXT, 1, 4, "9000")]
    kept = read(drawn, ReadOptions(ocr=False, keep_hidden=True))
    assert text(kept) == "The sum is 9000 euros."
    assert found(kept) == found(document)


def test_a_digit_offered_in_the_middle_of_a_number_is_found() -> None:
    drawn = f"BT /F1 12 Tf 72 700 Td (1) Tj {SAYS.format('9', '0')} (00) Tj ET"
    document = read(drawn)
    assert text(document) == "1000"
    assert found(document) == [(FindingKind.ACTUAL_TEXT, 1, 1, "9")]


@pytest.mark.parametrize(
    ("said", "drawn"), [("Office", "OFFICE"), ("re-port", "report"), ("\\267", "l"), ("", "word")]
)
def test_an_offered_text_that_says_the_same_is_no_finding(said: str, drawn: str) -> None:
    document = read(f"BT /F1 12 Tf 72 700 Td (Before ) Tj {SAYS.format(said, drawn)} ET")
    assert text(document).startswith("Before")
    assert found(document) == []


def test_hidden_dashes_and_boxes_are_no_finding() -> None:
    """Programs leave such behind; they say nothing."""
    document = read(SEEN + "1 g BT /F1 12 Tf 72 600 Td (- - .) Tj ET")
    assert found(document) == []


def test_a_page_of_hidden_text_only_is_not_blank() -> None:
    document = read_pdf.read(pdf_of([SEEN, "1 g BT /F1 12 Tf 72 600 Td (Nothing) Tj ET"]), OPTIONS)
    assert document.pages[1].page.text == ""
    assert document.pages[1].page.method is Method.BLANK
    assert document.findings == (Finding(FindingKind.WHITE_TEXT, 2, 7, "Nothing"),)
