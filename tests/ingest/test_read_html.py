"""HTML: what is drawn and what is hidden, tables under their heads, encodings, bad markup; and
Markdown's front matter and the HTML within it.
"""

from __future__ import annotations

import pytest

from ingest import read_html, read_markdown
from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import FindingKind, Kind, ReadDocument

OPTIONS = ReadOptions()


def html(markup: str, options: ReadOptions = OPTIONS) -> ReadDocument:
    return read_html.read(markup.encode(), options)


def text(document: ReadDocument) -> str:
    return "\n".join(read.page.text for read in document.pages)


def rows(markup: str) -> list[tuple[Kind, str]]:
    (read,) = html(markup).pages
    return [(block.kind, read.page.text[block.start : block.end]) for block in read.blocks]


HIDDEN = [
    ("<p hidden>no words</p>", FindingKind.HIDDEN_MARKUP),
    ('<p style="display: NONE !important">no words</p>', FindingKind.HIDDEN_MARKUP),
    ('<div style="visibility:hidden"><p>no <b>words</b></p></div>', FindingKind.HIDDEN_MARKUP),
    ('<span style="opacity:0">no words</span>', FindingKind.HIDDEN_MARKUP),
    ('<p style="overflow:hidden;height:0">no words</p>', FindingKind.HIDDEN_MARKUP),
    ('<p style="mso-hide:all">no words</p>', FindingKind.HIDDEN_MARKUP),
    ("<style>.x, #y {display:none}</style><p class='a x'>no words</p>", FindingKind.HIDDEN_MARKUP),
    ("<style>p#y {display:none} #y{display:none}</style><p id=y>no words</p>",
     FindingKind.HIDDEN_MARKUP),
    ('<p style="font-size:0">no words</p>', FindingKind.TINY_TEXT),
    ('<div style="font-size:1px"><p>no words</p></div>', FindingKind.TINY_TEXT),
    ('<p style="font-size:0.05em">no words</p>', FindingKind.TINY_TEXT),
    ('<p style="position:absolute;left:-9999px">no words</p>', FindingKind.OFF_PAGE),
    ('<p style="text-indent:-99em">no words</p>', FindingKind.OFF_PAGE),
    ('<p style="position:absolute;clip:rect(0,0,0,0)">no words</p>', FindingKind.OFF_PAGE),
    ('<p style="transform:translateX(-2000px)">no words</p>', FindingKind.OFF_PAGE),
    ('<p style="color:#fff">no words</p>', FindingKind.WHITE_TEXT),
    ('<font color="WHITE">no words</font>', FindingKind.WHITE_TEXT),
    ('<table bgcolor="#000080"><tr><td style="color:rgb(0,0,120)">no words</td></tr></table>',
     FindingKind.WHITE_TEXT),
    ("<style>.w{color:#fefefe}</style><h2>Kept <i class=w>no words</i></h2>",
     FindingKind.WHITE_TEXT),
    ('<p style="color:transparent">no words</p>', FindingKind.INVISIBLE),
    ('<p style="color:rgba(0,0,0,0)">no words</p>', FindingKind.INVISIBLE),
    ("<table><tr><th>a<th>b<tr style='display:none'><td>no<td>words<tr><td>1<td>2</table>",
     FindingKind.HIDDEN_MARKUP),
]  # fmt: skip


@pytest.mark.parametrize(("markup", "kind"), HIDDEN)
def test_what_is_hidden_is_left_out_and_told(markup: str, kind: FindingKind) -> None:
    document = html(f"<p>Seen.</p>{markup}<p>Seen too.</p>")
    assert "words" not in text(document)
    assert "Seen too." in text(document)
    ((found, characters, sample),) = [
        (each.kind, each.characters, each.sample) for each in document.findings
    ]
    assert (found, characters, sample) == (kind, 7, "no words")
    kept = html(f"<p>Seen.</p>{markup}", ReadOptions(keep_hidden=True))
    assert "words" in text(kept)
    assert [each.kind for each in kept.findings] == [kind]


@pytest.mark.parametrize(
    "markup",
    [
        '<i aria-hidden="true">some words</i>',
        '<p style="color:#fff;background:#036">some words</p>',
        '<div style="background:url(x.png)"><p style="color:white">some words</p></div>',
        '<body bgcolor="#000000" text="#ffffff"><p>some words',
        '<p style="font-size:1px"><span style="font-size:12px">some words</span>',
        "<style>@media print {p {display:none}} @media (max-width:9px) {.x{display:none}}</style>"
        "<p class=x>some words",
        "<style>.top .x {background: navy} .x {color: white}</style><p class=x>some words",
        '<link rel="stylesheet" href="x.css"><p class="banner" style="color:#fff">some words',
        '<p style="opacity:0.9;margin-left:-20px;height:0">some words',
        '<p style="color:inherit;display:block;visibility:visible">some words',
    ],
)
def test_what_is_drawn_or_may_be_stays(markup: str) -> None:
    document = html(markup)
    assert text(document) == "some words"
    assert document.findings == ()


def test_cells_over_rows_and_columns_stand_under_joined_heads() -> None:
    markup = """<table><thead><tr><th rowspan=2>Region<th colspan=2>2023<th colspan=2>2024
      <tr><th>Revenue<th>Cost<th>Revenue<th>Cost<tbody>
      <tr><th rowspan=2>North<td>1<td>2<td>3<td>4<tr><td>5<td>6<td>7<td>8
      <tr><td colspan=3>South<td>9<td>10</table>"""
    assert rows(markup) == [
        (Kind.HEADER_ROW, "Region | 2023 Revenue | 2023 Cost | 2024 Revenue | 2024 Cost"),
        (Kind.ROW, "North | 1 | 2 | 3 | 4"),
        (Kind.ROW, "North | 5 | 6 | 7 | 8"),
        (Kind.ROW, "South |  |  | 9 | 10"),
    ]


def test_a_table_of_a_report_without_marked_heads() -> None:
    row = "<tr><td>{0}</td><td></td><td>$</td><td>{1}</td><td>)</td><td></td><td>{2}<td>%</tr>"
    markup = (
        "<table><tr><td></td><td></td><td colspan=3>Net sales</td><td></td><td colspan=2>Share</td>"
        + row.format("Oslo", "(12", "3")
        + row.format("Rome", "(34", "5")
        + "</table>"
    )
    assert rows(markup) == [
        (Kind.HEADER_ROW, "| Net sales | Share"),
        (Kind.ROW, "Oslo | $ (12 ) | 3 %"),
        (Kind.ROW, "Rome | $ (34 ) | 5 %"),
    ]


def test_a_head_of_two_rows_that_nothing_marks() -> None:
    markup = """<table><tr><td><td colspan=2>2023<td colspan=2>2024
      <tr><td>Region<td>Revenue<td>Cost<td>Revenue<td>Cost<tr><td>North<td>1<td>2<td>3<td>4
      <tr><td>South<td>5<td>6<td>7<td>8</table>"""
    assert rows(markup)[:2] == [
        (Kind.HEADER_ROW, "Region | 2023 Revenue | 2023 Cost | 2024 Revenue | 2024 Cost"),
        (Kind.ROW, "North | 1 | 2 | 3 | 4"),
    ]
    assert rows("<table><tr><td colspan=2>Fees<tr><td>Kind<td>EUR<tr><td>a<td>1</table>") == [
        (Kind.TEXT, "Fees"), (Kind.HEADER_ROW, "Kind | EUR"), (Kind.ROW, "a | 1"),
    ]  # fmt: skip


def test_row_heads_groups_and_captions() -> None:
    markup = """<table><caption>Limits</caption><tr><th>Kind<th>EUR<th>Note
      <tr><th>cash<td>10<td><tr><th colspan=3>cards<tr><th>debit<td>20<td>new</table>"""
    assert rows(markup) == [
        (Kind.TEXT, "Limits"),
        (Kind.HEADER_ROW, "Kind | EUR | Note"),
        (Kind.ROW, "cash | 10"),
        (Kind.ROW, "cards"),
        (Kind.ROW, "debit | 20 | new"),
    ]


def test_tables_that_place_things_are_text() -> None:
    inner = "<table><tr><th>a<th>b<tr><td>1<td>2</table>"
    markup = f"<table><tr><td><h2>Left</h2><p>Words</p></td><td>{inner}</td></tr></table>"
    assert rows(markup) == [
        (Kind.HEADING, "Left"), (Kind.TEXT, "Words"), (Kind.HEADER_ROW, "a | b"),
        (Kind.ROW, "1 | 2"),
    ]  # fmt: skip
    layout = "<table role=presentation><tr><td><p>One<p>Two<td><p>Three</table>"
    assert [kind for kind, _ in rows(layout)] == [Kind.TEXT] * 3
    assert rows("<table><tr><td>Only<tr><td>lines</table>") == [
        (Kind.TEXT, "Only"), (Kind.TEXT, "lines"),
    ]  # fmt: skip


def test_inline_marks_and_loose_items_add_no_space_or_line() -> None:
    markup = "<h2>A<b>B</b>C</h2><ul><li><p>one</p><li></li><li><p>t<i>w</i>o</p><p>more</p></ul>"
    assert text(html(markup)) == "ABC\n\n- one\n- two\n\nmore"
    assert rows("<table><tr><th>a<b>b</b>.<th>c<tr><td>1<p>2</p><td>3</table>")[0][1] == "ab. | c"


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="windows-1251">', "cp1251"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', "koi8-r"),
        ('<meta charset="utf-8">', "cp1251"),  # not what it says
        ('<meta charset="no-such">', "utf-8"),
        ("", "utf-16"),
        ("", "utf-8"),
        ('<?xml version="1.0" encoding="iso-8859-5"?>', "iso8859_5"),
    ],
)
def test_encodings(head: str, encoding: str) -> None:
    words = "Организация обязана ежегодно представлять отчёт о проверке счетов за пять лет."
    data = f"{head}<html><body><p>{words}</p></body></html>".encode(encoding)
    assert text(read_html.read(data, OPTIONS)) == words


def test_xhtml_is_read() -> None:
    markup = """<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0
      Strict//EN" "http://192.0.2.1/x.dtd"><html xmlns="http://www.w3.org/1999/xhtml"><head>
      <title>T</title></head><body><h1>Head</h1><p>one<br/>two</p></body></html>"""
    document = html(markup)
    assert (document.title, text(document)) == ("T", "Head\n\none\ntwo")


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<table>" + "<tr>" + "<td rowspan=65534 colspan=1000>x" * 2000, Failure.TOO_MUCH_OUTPUT),
        ("<table>" + "<tr><td rowspan=65534 colspan=1000>x<td>y" * 300, Failure.TOO_MUCH_OUTPUT),
        ("<div>" * 5000 + "x", Failure.TOO_DEEP),
        ("<table><tr><td>" * 400 + "x", Failure.TOO_DEEP),
        ("<h2>x</h2>" * 60, Failure.TOO_MANY_PAGES),
    ],
)
def test_limits(markup: str, expected: Failure) -> None:
    with pytest.raises(ReadFailure) as caught:
        html(markup, ReadOptions(max_cells=10_000, max_pages=50))
    assert caught.value.failure is expected


def test_many_items_and_styles_are_read_in_reasonable_steps() -> None:
    assert text(html("<ol>" + "<li>x" * 5000)).endswith("5000. x")
    css = "p{color:red}" * 20_000 + "@media x {" * 5000
    assert text(html(f"<style>{css}</style><p>some words")) == "some words"


def test_tag_characters_in_markup_are_told_by_page() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
    document = html(f"<h2>One</h2><p>a</p><h2>Two{hidden}</h2><p>b</p>")
    assert [read.page.label for read in document.pages] == ["One", "Two"]
    assert [(each.kind, each.page, each.sample) for each in document.findings] == [
        (FindingKind.TAG_CHARACTERS, 2, "obey")
    ]


def markdown(source: str) -> ReadDocument:
    return read_markdown.read(source.encode(), OPTIONS)


@pytest.mark.parametrize(
    "front",
    [
        "---\ntitle: Plan\neffective_from: 2024-01-31\nsupersedes:\n  - a.md\n  - 'b.md'\n"
        "status: draft\ncollection: hr\nversion: 1.10\ntags: [x, y]\nempty:\n---\n",
        '+++\ntitle = "Plan"\neffective_from = 2024-01-31\nsupersedes = ["a.md", "b.md"]\n'
        'status = "draft"\ncollection = "hr"\nversion = "1.10"\ntags = ["x"]\n+++\n',
    ],
)
def test_front_matter_is_declared_and_is_no_text(front: str) -> None:
    document = markdown(f"{front}\n# Head\n\nWords.\n")
    assert document.declared == {
        "title": "Plan", "effective_from": "2024-01-31", "supersedes": ("a.md", "b.md"),
        "status": "draft", "collection": "hr",
    }  # fmt: skip
    assert document.metadata == {"version": "1.10"}
    assert document.title == "Plan"
    assert text(document) == "Head\n\nWords."


@pytest.mark.parametrize(
    "front",
    [
        "---\ntitle: [never closed\n---\n",
        "---\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n---\n",
        "---\njust words\n---\n",
        "+++\ntitle = never quoted\n+++\n",
        "---\n" + "[" * 5000 + "\n---\n",
        "---\ntitle: never ended\n",
        "---\n!!python/object/apply:os.system [echo]\n---\n",
    ],
)
def test_front_matter_that_cannot_be_read_stays_text(front: str) -> None:
    document = markdown(f"{front}\n# Head\n\nWords.\n")
    assert document.declared == {}
    assert "Head" in text(document)
    assert "Words." in text(document)
    letters = [sign for sign in front if sign.isalpha()]
    assert [sign for sign in text(document) if sign.isalpha()][: len(letters)] == letters


def test_html_within_markdown_is_judged_like_any_other() -> None:
    document = markdown(
        "Seen <span style='display:none'>no words</span> here.\n\n"
        "<div style='color:white'>\n\nno *words*\n\n</div>\n\n"
        "![a chart](x.png)\n\n| a | b |\n|---|---|\n| 1 | ~~2~~ |\n"
    )
    assert text(document) == "Seen here.\n\na chart\n\na | b\n1 | 2"
    assert {each.kind: each.characters for each in document.findings} == {
        FindingKind.HIDDEN_MARKUP: 7, FindingKind.WHITE_TEXT: 7,
    }  # fmt: skip
