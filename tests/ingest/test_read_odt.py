"""OpenDocument texts: pages by style or as last laid out, drawn numbers, tables, what is hidden."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from ingest import read_odt
from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import FindingKind, Kind, ReadDocument

_NAMES = {
    "office": "office", "style": "style", "text": "text", "table": "table", "draw": "drawing",
    "fo": "xsl-fo-compatible", "meta": "meta", "svg": "svg-compatible",
}  # fmt: skip
_SPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in _NAMES.items()
)
_SPACES += ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xlink="http://www.w3.org/1999/xlink"'

LIST = """<text:list-style style:name="L">
<text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/>
<text:list-level-style-number text:level="2" style:num-format="1" text:display-levels="2"/>
<text:list-level-style-number text:level="3" style:num-format="a" style:num-prefix="("
 style:num-suffix=")"/></text:list-style>
<text:list-style style:name="B"><text:list-level-style-bullet text:level="1"
 text:bullet-char="\uf0b7"/></text:list-style>"""


def odt(
    body: str, automatic: str = "", styles: str = "", masters: str = "", title: str = ""
) -> bytes:
    """A file with this body, automatic styles, common styles and master pages."""
    parts = {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "content.xml": f"<office:document-content {_SPACES}><office:automatic-styles>{automatic}"
        f"</office:automatic-styles><office:body><office:text>{body}</office:text></office:body>"
        "</office:document-content>",
        "styles.xml": f"<office:document-styles {_SPACES}><office:styles>{styles}</office:styles>"
        "<office:automatic-styles/>"
        f"<office:master-styles>{masters}</office:master-styles></office:document-styles>",
        "meta.xml": f"<office:document-meta {_SPACES}><office:meta><dc:title>{title}</dc:title>"
        "</office:meta></office:document-meta>",
    }
    return zipped(parts)


def zipped(parts: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def read(body: str, *, keep_hidden: bool = False, **parts: str) -> ReadDocument:
    return read_odt.read(odt(body, **parts), ReadOptions(keep_hidden=keep_hidden))


def texts(document: ReadDocument) -> list[str]:
    return [found.page.text for found in document.pages]


def told(document: ReadDocument) -> list[tuple[str, int, str]]:
    return sorted((each.kind, each.page, each.sample) for each in document.findings)


def style(name: str, properties: str, family: str = "paragraph", more: str = "") -> str:
    named = f'style:name="{name}" style:family="{family}" {more}'
    return f"<style:style {named}>{properties}</style:style>"


def test_headings_white_space_and_title() -> None:
    document = read(
        '<text:p text:style-name="T1">The Act</text:p>'
        '<text:h text:outline-level="1">Scope</text:h>'
        "<text:p>one\n   two<text:s text:c='2'/>three<text:tab/>four<text:line-break/>five</text:p>"
        '<text:h text:outline-level="2">Detail</text:h>'
        '<text:h text:outline-level="1">Term</text:h><text:p>x</text:p>',
        automatic=style("T1", "", more='style:parent-style-name="Title"'),
        styles=style("Title", ""),
    )
    assert texts(document) == [
        "The Act\n\nScope\n\none two  three\tfour\nfive\n\nDetail",
        "Term\n\nx",
    ]
    assert [found.page.label for found in document.pages] == ["Scope", "Term"]
    assert document.title == "The Act"
    assert [level for _, level, _ in document.pages[0].headings()] == [0, 1, 2]
    assert read("<text:p>x</text:p>", title="From &lt;meta&gt;").title == "From <meta>"


def test_pages_end_by_style_and_where_the_program_ended_them() -> None:
    breaking = style("P", '<style:paragraph-properties fo:break-before="page"/>')
    document = read(
        "<text:p>one</text:p>"
        '<text:p text:style-name="P">two<text:soft-page-break/>three</text:p>'
        "<text:soft-page-break/><text:p>four</text:p>"
        '<text:p text:style-name="A">still four</text:p><text:p>five</text:p>',
        automatic=breaking + style("A", '<style:paragraph-properties fo:break-after="page"/>'),
    )
    assert texts(document) == ["one", "two", "three", "four\n\nstill four", "five"]


def test_lists_and_headings_carry_their_numbers() -> None:
    item = "<text:list-item>{}</text:list-item>".format
    document = read(
        '<text:h text:outline-level="1">Duties</text:h>'
        '<text:list text:style-name="L">'
        + item("<text:p>a</text:p><text:list>" + item("<text:p>b</text:p>") + "</text:list>")
        + item(
            "<text:p>c</text:p><text:p>more of c</text:p><text:list>"
            + item("<text:p>d</text:p><text:list>" + item("<text:p>e</text:p>") + "</text:list>")
            + "</text:list>"
        )
        + '</text:list><text:list text:style-name="L" text:continue-numbering="true">'
        + item("<text:p>f</text:p>")
        + '</text:list><text:list text:style-name="L">'
        + item("<text:p>g</text:p>")
        + '</text:list><text:list text:style-name="B">'
        + item("<text:p>h</text:p>")
        + "</text:list>",
        automatic=LIST,
        styles='<text:outline-style><text:outline-level-style text:level="1" '
        'style:num-format="I" style:num-suffix="."/></text:outline-style>',
    )
    assert document.pages[0].page.text.split("\n\n") == [
        "I. Duties", "1. a", "1.1 b", "2. c", "more of c", "2.1 d", "(a) e", "3. f", "1. g", "• h",
    ]  # fmt: skip


def cell(text: str, more: str = "") -> str:
    return f"<table:table-cell {more}><text:p>{text}</text:p></table:table-cell>"


COVERED = "<table:covered-table-cell/>"


def line(*cells: str, more: str = "") -> str:
    return f"<table:table-row {more}>{''.join(cells)}</table:table-row>"


def test_a_table_is_rows_that_carry_what_reaches_into_them() -> None:
    document = read(
        "<table:table><table:table-header-rows>"
        + line(cell("kind"), cell("years", 'table:number-columns-spanned="2"'), COVERED)
        + "</table:table-header-rows>"
        + line(cell("paper", 'table:number-rows-spanned="2"'), cell("a"), cell("10"))
        + line(COVERED, cell("b"), cell("12"))
        + line(cell("x", 'table:number-columns-repeated="2"'), cell("y"))
        + line(cell("same"), cell(""), cell("z"), more='table:number-rows-repeated="2"')
        + "</table:table>"
    )
    (found,) = document.pages
    assert found.page.text.split("\n") == [
        "kind | years | years", "paper | a | 10", "paper | b | 12", "x | x | y", "same |  | z",
        "same |  | z",
    ]  # fmt: skip
    assert [block.kind for block in found.blocks] == [Kind.HEADER_ROW] + [Kind.ROW] * 5


def test_a_table_in_a_cell_is_text_of_the_cell_and_a_long_table_repeats_its_head() -> None:
    inner = "<table:table>" + line(cell("p"), cell("q")) + "</table:table>"
    document = read(
        "<table:table>"
        + line(cell("head"), cell("other"))
        + line(f"<table:table-cell><text:p>in</text:p>{inner}</table:table-cell>", cell("r"))
        + "<text:soft-page-break/>"
        + line(cell("1"), cell("2"))
        + "</table:table><text:p>after</text:p>"
    )
    assert texts(document) == ["head | other\nin p, q; | r", "head | other\n1 | 2\n\nafter"]


def test_notes_stand_after_the_page_that_refers_to_them() -> None:
    note = (
        '<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation>'
        "<text:note-body><text:p>See the Act.</text:p></text:note-body></text:note>"
    )
    document = read(
        f"<text:p>Six years{note} at most.</text:p><text:p>Body.</text:p>"
        '<text:p text:style-name="P">Next.</text:p>',
        automatic=style("P", '<style:paragraph-properties fo:break-before="page"/>'),
    )
    assert texts(document) == ["Six years[^1] at most.\n\nBody.\n\n[^1] See the Act.", "Next."]


def test_running_heads_are_text_of_the_first_page_and_of_no_chunk() -> None:
    masters = (
        '<style:master-page style:name="Standard"><style:header><text:p>Secret</text:p>'
        "</style:header><style:footer><text:p>Foot</text:p></style:footer></style:master-page>"
        '<style:master-page style:name="Other"><style:header><text:p>Annex</text:p></style:header>'
        "</style:master-page>"
    )
    document = read(
        '<text:p>one</text:p><text:p text:style-name="P">two</text:p>',
        automatic=style("P", "", more='style:master-page-name="Other"'),
        masters=masters,
    )
    assert texts(document) == ["Secret\n\none\n\nFoot", "Annex\n\ntwo"]
    kinds = [block.kind for found in document.pages for block in found.blocks]
    assert kinds == [Kind.RUNNING, Kind.TEXT, Kind.RUNNING, Kind.RUNNING, Kind.TEXT]


CHANGES = (
    '<text:tracked-changes><text:changed-region text:id="d"><text:deletion><office:change-info>'
    "<dc:creator>Ann</dc:creator></office:change-info><text:p>five</text:p></text:deletion>"
    '</text:changed-region><text:changed-region text:id="i"><text:insertion/>'
    "</text:changed-region></text:tracked-changes>"
)


def test_tracked_changes_and_comments_are_kept_apart_and_told() -> None:
    document = read(
        CHANGES + '<text:p>kept for <text:change text:change-id="d"/>'
        '<text:change-start text:change-id="i"/>six<text:change-end text:change-id="i"/> years'
        '<office:annotation office:name="c"><dc:creator>Bob</dc:creator><text:p>Sure?</text:p>'
        '</office:annotation> at least<office:annotation-end office:name="c"/>.'
        "<office:annotation><dc:creator>Eve</dc:creator><text:p>Ok</text:p></office:annotation>"
        "</text:p>"
    )
    assert texts(document) == [
        "kept for six years at least.",
        "Comments\n\nBob on “at least”: Sure?\n\nEve: Ok",
    ]
    assert document.pages[1].page.label == "Comments"
    assert told(document) == [
        (FindingKind.COMMENT, 1, "Ok"),
        (FindingKind.COMMENT, 1, "Sure?"),
        (FindingKind.TRACKED_DELETION, 1, "five"),
        (FindingKind.TRACKED_INSERTION, 1, "six"),
    ]


HIDDEN = (
    '<text:p>seen <text:span text:style-name="H">hidden</text:span>'
    '<text:span text:style-name="W">white</text:span>'
    '<text:span text:style-name="S">tiny</text:span>ze\u200bro</text:p>'
    '<text:section text:display="none"><text:p>section</text:p></text:section>'
    '<text:p><text:hidden-paragraph text:is-hidden="true"/>paragraph</text:p>'
    '<text:p text:style-name="D"><text:span text:style-name="W">on dark</text:span></text:p>'
)
LOOKS = (
    style("H", '<style:text-properties text:display="none"/>', "text")
    + style("W", '<style:text-properties fo:color="#fffefe"/>', "text")
    + style("S", '<style:text-properties fo:font-size="1pt"/>', "text")
    + style("D", '<style:paragraph-properties fo:background-color="#000080"/>')
)


def test_what_nobody_sees_is_left_out_and_told() -> None:
    document = read(HIDDEN, automatic=LOOKS)
    assert texts(document) == ["seen zero\n\non dark"]
    assert told(document) == [
        (FindingKind.HIDDEN_MARKUP, 1, "hidden … section … paragraph"),
        (FindingKind.TINY_TEXT, 1, "tiny"),
        (FindingKind.WHITE_TEXT, 1, "white"),
        (FindingKind.ZERO_WIDTH, 1, "U+200B ×1"),
    ]
    kept = read(HIDDEN, automatic=LOOKS, keep_hidden=True)
    assert texts(kept) == ["seen hiddenwhitetinyze\u200bro\n\nsection\n\nparagraph\n\non dark"]
    assert told(kept) == told(document)


def test_text_boxes_are_read_and_objects_told() -> None:
    document = read(
        "<text:p>before<draw:frame><draw:text-box><text:p>boxed</text:p></draw:text-box>"
        '</draw:frame><draw:frame><draw:object xlink:href="./Object 1"/><svg:desc>no</svg:desc>'
        "</draw:frame> after</text:p>"
    )
    assert texts(document) == ["before after\n\nboxed"]
    assert told(document) == [(FindingKind.EMBEDDED_FILE, 1, "./Object 1")]


def failure(data: bytes, **options: Any) -> Failure:
    with pytest.raises(ReadFailure) as caught:
        read_odt.read(data, ReadOptions(**options))
    return caught.value.failure


def test_hostile_files_are_refused() -> None:
    deep = "<text:section>" * 300 + "</text:section>" * 300
    assert failure(odt(deep)) is Failure.TOO_DEEP
    assert failure(odt("<text:p>x")) is Failure.CORRUPT
    assert failure(zipped({"mimetype": "x"})) is Failure.CORRUPT
    assert failure(b"PK\x03\x04 nothing") is Failure.CORRUPT
    bomb = odt("<text:p>" + "x" * 3_000_000 + "</text:p>")
    assert len(bomb) < 10_000
    assert failure(bomb, max_member_bytes=2_000_000) is Failure.TOO_MUCH_OUTPUT
    pages = style("P", '<style:paragraph-properties fo:break-before="page"/>')
    many = odt('<text:p text:style-name="P">x</text:p>' * 9, automatic=pages)
    assert failure(many, max_pages=5) is Failure.TOO_MANY_PAGES
    sealed = (
        '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        '<m:file-entry m:full-path="content.xml"><m:encryption-data/></m:file-entry></m:manifest>'
    )
    assert failure(zipped({"META-INF/manifest.xml": sealed})) is Failure.ENCRYPTED


def test_claims_of_many_rows_columns_and_spaces_cost_little() -> None:
    millions = '"999999999"'
    document = read(
        "<table:table>"
        + line(
            cell("a", f"table:number-columns-repeated={millions}"),
            more=f"table:number-rows-repeated={millions}",
        )
        + f"</table:table><text:p>b<text:s text:c={millions}/>c</text:p>"
    )
    assert len(document.pages[0].page.text) < 2_000_000


@pytest.mark.parametrize("outer", [True, False])
def test_a_document_type_is_refused_and_nothing_outside_is_read(outer: bool, tmp_path: Any) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    value = f'SYSTEM "{secret.as_uri()}"' if outer else '"secret"'
    content = f"<!DOCTYPE x [<!ENTITY x {value}>]><office:document-content {_SPACES}><office:body>"
    content += "<office:text><text:p>&x;</text:p></office:text></office:body>"
    content += "</office:document-content>"
    assert failure(zipped({"content.xml": content})) is Failure.CORRUPT
