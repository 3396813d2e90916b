"""RTF: groups and control words as text, tables as rows, and what is not drawn left out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import read_rtf
from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import FindingKind, Kind, ReadDocument

HEAD = (
    r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Cyr;}"
    r"{\f2\fcharset128 Mincho;}}{\colortbl;\red255\green255\blue255;\red0\green0\blue0;}"
    r"{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}{\s2 heading 2;}{\s5 Title;}"
    r"{\*\cs10 heading 1 Char;}}"
)


def read(body: str, *, head: str = HEAD, keep_hidden: bool = False) -> ReadDocument:
    return read_rtf.read(f"{head}{body}}}".encode("latin-1"), ReadOptions(keep_hidden=keep_hidden))


def texts(document: ReadDocument) -> list[str]:
    return [found.page.text for found in document.pages]


def told(document: ReadDocument) -> list[tuple[str, int, str]]:
    return sorted((each.kind, each.page, each.sample) for each in document.findings)


def test_characters_of_every_kind() -> None:
    document = read(
        r"caf\'e9 \u8364?5 \u-10179?\u-8704? {\f1 \'cf\'f0\'e8} {\f2\'82\'a0} a\~b\_c\-d"
        "\n\\lquote x\\rquote\\emdash y\\{z\\}\\\\ {\\uc2\\u937 ??}{\\uc0\\u937}!"
        " co\\bin4 }{\\x\r\nde"
        r"\line next\tab tab\par"
    )
    assert texts(document) == ["café €5 😀 При あ a\u00a0b-cd‘x’—y{z}\\ ΩΩ! code\nnext tab"]


def test_a_code_page_named_by_the_file_is_used() -> None:
    assert texts(read(r"\'cf\'f0\par", head=r"{\rtf1\ansi\ansicpg1251")) == ["Пр"]
    assert texts(read(r"\'8e\par", head=r"{\rtf1\mac")) == ["é"]
    assert texts(read(r"\'e9\par", head=r"{\rtf1\ansi\ansicpg99999")) == ["é"]


def test_headings_titles_and_sections() -> None:
    document = read(
        r"{\info{\title The \'c9tude}{\author Me}}\pard\s5 Front\par\pard\s1 One\par\pard a\par"
        r"\pard\s2 Sub\par\pard\s1 Two\par\pard\outlinelevel1 Own level\par\pard b\par"
    )
    assert texts(document) == ["Front\n\nOne\n\na\n\nSub", "Two\n\nOwn level\n\nb"]
    levels = [[level for _, level, _ in found.headings()] for found in document.pages]
    assert levels == [[0, 1, 2], [1, 2]]
    assert document.title == "The Étude"


def test_pages_end_at_breaks_and_sections() -> None:
    document = read(
        r"one\par\page two\par\sect\sectd three\par\sect\sectd\sbknone still three\par"
        r"\pard\pagebb four\par"
    )
    assert texts(document) == ["one", "two", "three\n\nstill three", "four"]


def test_drawn_numbers_and_results_of_fields_are_text() -> None:
    document = read(
        r"{\listtext\pard 1.1(a)\tab}clause\par"
        r'{\field{\*\fldinst HYPERLINK "http://127.0.0.1:9/x"}{\fldrslt {\ul a link}}} on\par'
    )
    assert texts(document) == ["1.1(a) clause\n\na link on"]


def test_a_table_is_rows_with_merged_cells_repeated() -> None:
    document = read(
        r"before\par\trowd\trhdr\cellx100\cellx200\cellx300"
        r"\pard\intbl kind\cell years\cell\cell\row\trowd\clvmgf\cellx100\cellx200\cellx300"
        r"\pard\intbl paper\par files\cell a\cell 10\cell\row"
        r"\trowd\clvmrg\cellx100\cellx200\cellx300\pard\intbl\cell b\cell 12\cell\row"
        r"\trowd\clmgf\cellx100\clmrg\cellx200\cellx300\pard\intbl all\cell\cell 3\cell\row"
        r"\pard after\par"
    )
    (found,) = document.pages
    assert found.page.text == (
        "before\n\nkind | years |\npaper files | a | 10\npaper files | b | 12\nall |  | 3\n\nafter"
    )
    kinds = [Kind.TEXT, Kind.HEADER_ROW, Kind.ROW, Kind.ROW, Kind.ROW, Kind.TEXT]
    assert [block.kind for block in found.blocks] == kinds


def test_a_table_in_a_cell_is_text_of_the_cell() -> None:
    document = read(
        r"\trowd\cellx100\cellx200\pard\intbl h\cell i\cell\row"
        r"\trowd\cellx100\cellx200\pard\intbl x "
        r"\pard\intbl\itap2 p\nestcell q\nestcell{\*\nesttableprops\trowd\cellx50\cellx90\nestrow}"
        r"{\nonesttables\par}\pard\intbl\itap1\cell y\cell\row\pard z\par"
    )
    assert texts(document) == ["h | i\nx p, q; | y\n\nz"]


def test_notes_heads_and_boxes_stand_in_their_places() -> None:
    document = read(
        r"{\header Secret\par}{\footer File 7\par}Six years{\super\chftn}{\footnote\pard\plain"
        r"{\super\chftn} See the Act.\par}.{\shp{\*\shpinst{\sp{\sn n}{\sv v}}{\shptxt boxed\par}}"
        r"{\shprslt{\*\do old}}}\par Body.\par\page Next.\par"
    )
    assert texts(document) == [
        "Secret\n\nSix years[^1].\n\nboxed\n\nBody.\n\n[^1] See the Act.\n\nFile 7",
        "Next.",
    ]
    assert document.pages[0].blocks[0].kind is Kind.RUNNING
    assert document.pages[0].blocks[-1].kind is Kind.RUNNING


def test_changes_and_comments_are_kept_apart_and_told() -> None:
    document = read(
        r"kept for {\deleted five}{\revised six}{\*\atrfstart 1} years{\*\atrfend 1}{\*\atnid A}"
        r"{\*\atnauthor Ann}\chatn{\*\annotation{\*\atnref 1}{\*\atndate 1}\pard Sure?\par}.\par"
    )
    assert texts(document) == ["kept for six years.", "Comments\n\nAnn on “years”: Sure?"]
    assert told(document) == [
        (FindingKind.COMMENT, 1, "Sure?"),
        (FindingKind.TRACKED_DELETION, 1, "five"),
        (FindingKind.TRACKED_INSERTION, 1, "six"),
    ]


HIDDEN = (
    r"seen {\v hidden \b too}{\cf1 white}{\fs2 tiny}{\v\plain plain}{\cf1\highlight2 lit}"
    r"{\cf2\highlight2 barred}{\*\unknown {\b no}}ze\u8203?ro\par"
)


def test_what_nobody_sees_is_left_out_and_told() -> None:
    document = read(HIDDEN)
    assert texts(document) == ["seen plainlitzero"]
    assert told(document) == [
        (FindingKind.HIDDEN_MARKUP, 1, "hidden too"),
        (FindingKind.TINY_TEXT, 1, "tiny"),
        (FindingKind.WHITE_TEXT, 1, "white … barred"),
        (FindingKind.ZERO_WIDTH, 1, "U+200B ×1"),
    ]
    kept = read(HIDDEN, keep_hidden=True)
    assert texts(kept) == ["seen hidden toowhitetinyplainlitbarredze\u200bro"]
    assert told(kept) == told(document)


def test_objects_and_pictures_are_no_text_and_objects_are_told() -> None:
    document = read(
        r"a{\pict\pngblip 89504e47}{\object\objemb{\*\objclass Excel.Sheet.8}{\*\objdata 01ff}"
        r"{\result shown}}b\par"
    )
    assert texts(document) == ["ashownb"]
    assert told(document) == [(FindingKind.EMBEDDED_FILE, 1, "Excel.Sheet.8")]


def failure(data: bytes, **options: int) -> Failure:
    with pytest.raises(ReadFailure) as caught:
        read_rtf.read(data, ReadOptions(**options))  # type: ignore[arg-type]
    return caught.value.failure


def test_hostile_files_are_refused() -> None:
    assert failure(b"not rtf") is Failure.CORRUPT
    assert failure(rb"{\rtf1 cut {\b off") is Failure.CORRUPT
    assert failure(rb"{\rtf1 " + b"{" * 5_000 + b"}" * 5_001) is Failure.TOO_DEEP
    assert failure(rb"{\rtf1 " + rb"x\page " * 9 + b"}", max_pages=5) is Failure.TOO_MANY_PAGES
    assert failure(rb"{\rtf1 " + rb"x\par " * 99 + b"}", max_member_bytes=50) is (
        Failure.TOO_MUCH_OUTPUT
    )


def test_a_forgotten_last_brace_and_what_follows_the_end_do_no_harm() -> None:
    assert texts(read_rtf.read(rb"{\rtf1 whole\par", ReadOptions())) == ["whole"]
    assert texts(read_rtf.read(rb"{\rtf1 whole\par}}} {\v x", ReadOptions())) == ["whole"]


_PARTS = st.sampled_from(
    [
        "{", "}", "\\par ", "\\cell ", "\\row ", "\\trowd ", "\\cellx9 ", "\\intbl ", "\\v ", "\\*",
        "\\footnote ", "\\u-1?", "\\u55357?", "\\'e9", "\\'8", "\\bin3 ", "\\bin-3 ", "\\page ",
        "\\sect ", "{\\*\\annotation ", "{\\header ", "{\\shptxt ", "{\\stylesheet ", "\\s99999 ",
        "{\\colortbl ", "\\cf-7 ", "\\red999 ", ";", "\\uc-1 ", "\\fs-2 ", "\\nestrow ", "\\chftn ",
        "{\\*\\atrfstart 1}", "{\\*\\atrfend 1}", "\\f7\\fcharset77 ", "\\clvmrg ", "\\", "text",
        "{\\upr{a}{\\*\\ud{b}}}", "\\outlinelevel12 ", "\\ansicpg0 ", "\\ansicpg-5 ",
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(_PARTS, max_size=40))
def test_anything_is_read_or_refused(parts: list[str]) -> None:
    data = ("{\\rtf1 " + "".join(parts) + "}").encode("latin-1")
    try:
        document = read_rtf.read(data, ReadOptions())
    except ReadFailure:
        return
    for found in document.pages:
        ends = [0, *(place for block in found.blocks for place in (block.start, block.end))]
        assert ends == sorted(ends)
        assert ends[-1] == len(found.page.text)
