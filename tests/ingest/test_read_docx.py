"""Word: pages where the file breaks them, drawn numbers, tables as rows, deletions left out."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import docx
import pytest
from docx.enum.section import WD_SECTION
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_BREAK
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from ingest import read_docx
from ingest.docx_numbering import Level, Numbering, read_numbering
from ingest.errors import Failure, ReadFailure
from ingest.options import ReadOptions
from ingest.pages import FindingKind, Kind, ReadDocument

_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def saved(document: docx.document.Document) -> bytes:
    """The bytes of a Word document."""
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def texts(document: ReadDocument) -> list[str]:
    return [read.page.text for read in document.pages]


def told(document: ReadDocument) -> list[tuple[str, int, int, str]]:
    return sorted(
        (each.kind, each.page, each.characters, each.sample) for each in document.findings
    )


def put(paragraph: Any, *markup: str) -> None:
    """Add WordprocessingML to a paragraph."""
    spaces = (
        nsdecls("w", "r", "wp", "a", "m")
        + ' xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
        + ' xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
        + ' xmlns:v="urn:schemas-microsoft-com:vml"'
        + ' xmlns:o="urn:schemas-microsoft-com:office:office"'
    )
    for each in parse_xml(f"<w:p {spaces}>{''.join(markup)}</w:p>"):
        paragraph._p.append(each)


def add_part(source: Any, name: str, kind: str, content: str) -> str:
    """Add a part that the document relates to; the relation's id."""
    part = Part(PackURI(f"/word/{name}"), "application/xml", content.encode(), source.part.package)
    return str(source.part.relate_to(part, f"{_RELATIONS}/{kind}"))


def read(source: Any, **options: Any) -> ReadDocument:
    return read_docx.read(saved(source), ReadOptions(**options))


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def test_without_breaks_a_page_is_a_section_under_heading_1() -> None:
    source = docx.Document()
    source.add_heading("Supplier contract", 0)
    source.add_paragraph("Preamble.")
    source.add_heading("Term", 1)
    source.add_paragraph("24 months.")
    source.add_heading("Notice", 2)
    source.add_heading("Liability", 1)
    source.add_paragraph("Limited.")
    document = read_docx.read(saved(source), ReadOptions())
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
    assert texts(read_docx.read(saved(source), ReadOptions())) == [
        "one",
        "two",
        "three",
        "four",
        "five",
    ]


def test_a_table_is_rows_with_its_head() -> None:
    source = docx.Document()
    table = source.add_table(rows=3, cols=2)
    for row, values in zip(
        table.rows, [("kind", "period"), ("contract", "10 years"), ("a", "")], strict=True
    ):
        for cell, value in zip(row.cells, values, strict=True):
            cell.text = value
    table.cell(2, 0).merge(table.cell(2, 1))
    (read,) = read_docx.read(saved(source), ReadOptions()).pages
    assert read.page.text == "kind | period\ncontract | 10 years\na"
    assert [block.kind for block in read.blocks] == [Kind.HEADER_ROW, Kind.ROW, Kind.ROW]


def test_drawn_numbers_stand_before_their_paragraphs() -> None:
    source = docx.Document()
    for text in ("first", "second"):
        source.add_paragraph(text, style="List Number")
    source.add_paragraph("point", style="List Bullet")
    (read,) = read_docx.read(saved(source), ReadOptions()).pages
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
    moved = f"<w:moveFrom {nsdecls('w')}><w:r><w:t>away</w:t></w:r></w:moveFrom>"
    paragraph._p.append(parse_xml(moved))
    document = read_docx.read(saved(source), ReadOptions())
    assert texts(document) == ["kept for six years"]
    assert told(document) == [
        (FindingKind.TRACKED_DELETION, 1, 8, "five … away"),
        (FindingKind.TRACKED_INSERTION, 1, 3, "six"),
    ]


@pytest.mark.parametrize("cut", [30, 2000, -200])
def test_a_damaged_file_is_said_to_be_damaged(cut: int) -> None:
    with pytest.raises(ReadFailure) as caught:
        read_docx.read(saved(docx.Document())[:cut], ReadOptions())
    assert caught.value.failure is Failure.CORRUPT


def test_legal_numbers_are_drawn_as_word_draws_them() -> None:
    levels = {
        0: Level("upperRoman", "%1.", 1),
        1: Level("decimal", "%1.%2", 1, legal=True),
        2: Level("lowerLetter", "%1.%2(%3)", 1, legal=True),
        3: Level("lowerRoman", "(%4)", 1),
        4: Level("none", "Note", 1),
        5: Level("ordinal", "%6", 1, restart=0),
    }
    numbering = Numbering({"7": ("a", levels)})
    drawn = [numbering.label("7", level) for level in (0, 1, 2, 3, 3, 2, 4, 5, 0, 1, 5)]
    assert drawn == [
        "I.", "1.1", "1.1(1)", "(i)", "(ii)", "1.1(2)", "Note", "1st", "II.", "2.1", "2nd"
    ]  # fmt: skip
    plain = {
        0: Level("decimal", "%1", 1),
        1: Level("decimal", "%1.%2", 1),
        2: Level("lowerLetter", "%1.%2(%3)", 1),
        3: Level("lowerRoman", "%1.%2(%3)(%4)", 1),
    }
    numbering = Numbering({"7": ("a", plain)})
    drawn = [numbering.label("7", level) for level in (0, 1, 2, 3, 3)]
    assert drawn == ["1", "1.1", "1.1(a)", "1.1(a)(i)", "1.1(a)(ii)"]


def test_a_list_can_start_again_and_levels_belong_to_styles() -> None:
    root = parse_xml(
        f"<w:numbering {nsdecls('w')}><w:abstractNum w:abstractNumId='3'>"
        "<w:lvl w:ilvl='0'><w:start w:val='1'/><w:numFmt w:val='decimal'/><w:lvlText w:val='%1.'/>"
        "</w:lvl><w:lvl w:ilvl='1'><w:start w:val='1'/><w:pStyle w:val='Clause'/>"
        "<w:numFmt w:val='lowerLetter'/><w:lvlText w:val='(%2)'/></w:lvl></w:abstractNum>"
        "<w:num w:numId='1'><w:abstractNumId w:val='3'/></w:num>"
        "<w:num w:numId='2'><w:abstractNumId w:val='3'/><w:lvlOverride w:ilvl='0'>"
        "<w:startOverride w:val='5'/></w:lvlOverride></w:num></w:numbering>"
    )
    numbering = read_numbering(root)
    drawn = [numbering.label(which, 0) for which in ("1", "1", "2", "2", "1")]
    assert drawn == ["1.", "2.", "5.", "6.", "7."]
    assert numbering.level_of("1", "Clause") == 1


def test_running_heads_stand_once_on_the_first_page_of_their_section() -> None:
    source = docx.Document()
    source.sections[0].header.paragraphs[0].text = "Confidential"
    source.sections[0].footer.paragraphs[0].text = "File 4711"
    source.add_paragraph("one").add_run().add_break(WD_BREAK.PAGE)
    source.add_paragraph("two")
    source.add_section(WD_SECTION.NEW_PAGE)
    source.add_paragraph("three")
    annex = source.add_section(WD_SECTION.NEW_PAGE)
    annex.header.is_linked_to_previous = False
    annex.header.paragraphs[0].text = "Annex"
    source.add_paragraph("four")
    document = read(source)
    assert texts(document) == ["Confidential\n\none\n\nFile 4711", "two", "three", "Annex\n\nfour"]
    kinds = [block.kind for block in document.pages[0].blocks]
    assert kinds == [Kind.RUNNING, Kind.TEXT, Kind.RUNNING]


def test_a_continuous_section_ends_no_page() -> None:
    source = docx.Document()
    source.add_paragraph("one")
    source.add_section(WD_SECTION.CONTINUOUS)
    source.add_paragraph("two")
    source.add_section(WD_SECTION.NEW_PAGE)
    source.add_paragraph("three")
    assert texts(read(source)) == ["one\n\ntwo", "three"]


def test_notes_stand_after_the_body_of_the_page_that_refers_to_them() -> None:
    source = docx.Document()
    note = "<w:{0} w:id='{1}'><w:p><w:r><w:{0}Ref/></w:r><w:r><w:t>{2}</w:t></w:r></w:p></w:{0}>"
    for kind, texts_ in (("footnote", ("See the Act.", "Unused.")), ("endnote", ("At the end.",))):
        notes = "".join(note.format(kind, at, text) for at, text in enumerate(texts_, start=1))
        separator = f"<w:{kind} w:type='separator' w:id='-1'><w:p/></w:{kind}>"
        content = f"<w:{kind}s {nsdecls('w')}>{separator}{notes}</w:{kind}s>"
        add_part(source, f"{kind}s.xml", f"{kind}s", content)
    put(
        source.add_paragraph(),
        run("Six years"), "<w:r><w:footnoteReference w:id='1'/></w:r>", run(" at most"),
        "<w:r><w:endnoteReference w:id='1'/></w:r>", run("."),
    )  # fmt: skip
    source.add_paragraph("Body.").add_run().add_break(WD_BREAK.PAGE)
    source.add_paragraph("Next.")
    document = read(source)
    assert texts(document) == [
        "Six years[^1] at most[^i].\n\nBody.\n\n[^1] See the Act.\n\n[^i] At the end.",
        "Next.",
    ]
    assert told(document) == [(FindingKind.HIDDEN_MARKUP, 2, 7, "Unused.")]


def test_comments_stand_on_a_last_page_with_what_they_are_about() -> None:
    source = docx.Document()
    source.add_heading("Term", 1)
    paragraph = source.add_paragraph("kept for ")
    about = paragraph.add_run("six years")
    paragraph.add_run(" at least")
    source.add_comment(about, text="Sure?", author="Ann", initials="A")
    document = read(source)
    assert texts(document) == [
        "Term\n\nkept for six years at least",
        "Comments\n\nAnn on “six years”: Sure?",
    ]
    assert [found.page.label for found in document.pages] == ["Term", "Comments"]
    assert told(document) == [(FindingKind.COMMENT, 1, 5, "Sure?")]
    assert document.title == "Term"


def test_text_boxes_fields_content_controls_and_formulas_are_read_once() -> None:
    source = docx.Document()
    box = "<w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent>"
    put(
        source.add_paragraph(),
        run("before "),
        "<w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing><wp:inline><a:graphic>"
        f"<a:graphicData><wps:wsp><wps:txbx>{box}</wps:txbx></wps:wsp></a:graphicData></a:graphic>"
        f"</wp:inline></w:drawing></mc:Choice><mc:Fallback><w:pict><v:shape><v:textbox>{box}"
        "</v:textbox></v:shape></w:pict></mc:Fallback></mc:AlternateContent></w:r>",
        run("after"),
    )
    field = "<w:r><w:fldChar w:fldCharType='{}'/></w:r>".format
    put(
        source.add_paragraph(),
        field("begin"), "<w:r><w:instrText>IF </w:instrText></w:r>",
        field("begin"), "<w:r><w:instrText>DATE</w:instrText></w:r>", field("separate"),
        run("inner"), field("end"), field("separate"), run("result"), field("end"),
        "<w:sdt><w:sdtPr><w:alias w:val='no'/></w:sdtPr><w:sdtContent>", run(" control"),
        "</w:sdtContent></w:sdt>",
        "<m:oMath><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:r><m:t>b</m:t></m:r></m:den>"
        "</m:f></m:oMath>",
        "<w:r><w:sym w:font='Wingdings' w:char='F0FE'/></w:r>",
    )  # fmt: skip
    assert texts(read(source)) == ["before after\n\nboxed\n\nresult controla/b☒"]


def test_boxes_off_the_page_or_switched_off_are_left_out_and_told() -> None:
    def anchored(text: str, offset: int, more: str = "") -> str:
        return (
            "<w:r><w:drawing><wp:anchor><wp:positionH relativeFrom='page'>"
            f"<wp:posOffset>{offset}</wp:posOffset></wp:positionH><wp:extent cx='914400' cy='9'/>"
            f"<wp:docPr id='1' name='x' {more}/><a:graphic><a:graphicData><wps:wsp><wps:txbx>"
            f"<w:txbxContent><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:txbxContent></wps:txbx>"
            "</wps:wsp></a:graphicData></a:graphic></wp:anchor></w:drawing></w:r>"
        )

    source = docx.Document()
    put(
        source.add_paragraph("text"),
        anchored("far left", -914400), anchored("far right", 30_000_000),
        anchored("partly on it", -900_000), anchored("off", 0, "hidden='1'"),
    )  # fmt: skip
    assert texts(read(source)) == ["text\n\npartly on it"]
    assert told(read(source)) == [
        (FindingKind.HIDDEN_MARKUP, 1, 3, "off"),
        (FindingKind.OFF_PAGE, 1, 15, "far left … far right"),
    ]
    assert "far left" in texts(read(source, keep_hidden=True))[0]


def test_charts_diagrams_and_watermarks_are_read() -> None:
    chart = (
        '<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart">'
        "<c:ser><c:tx><c:strRef><c:strCache><c:pt idx='0'><c:v>Sum</c:v></c:pt></c:strCache>"
        "</c:strRef></c:tx><c:cat><c:pt idx='0'><c:v>2023</c:v></c:pt></c:cat>"
        "<c:val><c:pt idx='0'><c:v>7</c:v></c:pt></c:val></c:ser></c:chartSpace>"
    )
    diagram = (
        '<d:dataModel xmlns:d="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
        f"{nsdecls('a')}><d:pt><d:t><a:p><a:r><a:t>Step</a:t></a:r></a:p></d:t></d:pt>"
        "</d:dataModel>"
    )
    source = docx.Document()
    ids = (
        add_part(source, "charts/c.xml", "chart", chart),
        add_part(source, "diagrams/d.xml", "diagramData", diagram),
    )
    spaces = (
        'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
        'xmlns:d="http://schemas.openxmlformats.org/drawingml/2006/diagram"'
    )
    put(
        source.add_paragraph("text"),
        f"<w:r><w:drawing><c:chart {spaces} r:id='{ids[0]}'/></w:drawing></w:r>",
        f"<w:r><w:drawing><d:relIds {spaces} r:dm='{ids[1]}'/></w:drawing></w:r>",
    )
    mark = "<v:shape style='z-index:-9'><v:textpath string='DRAFT'/></v:shape>"
    put(source.sections[0].header.paragraphs[0], f"<w:r><w:pict>{mark}</w:pict></w:r>")
    assert texts(read(source)) == ["DRAFT\n\ntext\n\n| Sum\n2023 | 7\n• Step"]


def test_a_field_that_never_ends_swallows_no_more_than_its_paragraph() -> None:
    source = docx.Document()
    put(source.add_paragraph(), "<w:r><w:fldChar w:fldCharType='begin'/></w:r>", run("lost"))
    source.add_paragraph("kept")
    assert texts(read(source)) == ["kept"]


def test_merged_cells_are_told_in_each_row_and_column_they_cover() -> None:
    source = docx.Document()
    table = source.add_table(rows=4, cols=3)
    for row, values in zip(
        table.rows,
        [("kind", "years", ""), ("paper", "a", "10"), ("", "b", "12"), ("all", "", "3")],
        strict=True,
    ):
        for cell, text in zip(row.cells, values, strict=True):
            cell.text = text
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(1, 0).merge(table.cell(2, 0))
    table.cell(3, 0).merge(table.cell(3, 1))
    assert texts(read(source)) == [
        "kind | years | years\npaper | a | 10\npaper | b | 12\nall |  | 3"
    ]


def test_a_table_in_a_cell_stays_in_its_cell_and_one_in_a_frame_is_a_table() -> None:
    source = docx.Document()
    outer = source.add_table(rows=2, cols=2)
    for cell, text in zip(outer._cells, ("head", "other", "in", "r"), strict=True):
        cell.text = text
    inner = outer.cell(1, 0).add_table(1, 2)
    inner.cell(0, 0).text, inner.cell(0, 1).text = "p", "q"
    source.add_paragraph("between")
    frame = source.add_table(rows=1, cols=1)
    frame.cell(0, 0).text = "framed"
    within = frame.cell(0, 0).add_table(2, 2)
    for cell, text in zip(within._cells, "abcd", strict=True):
        cell.text = text
    (found,) = read(source).pages
    assert found.page.text == "head | other\nin p, q | r\n\nbetween\n\nframed\n\na | b\nc | d"
    assert [block.kind for block in found.blocks][-2:] == [Kind.HEADER_ROW, Kind.ROW]


def test_a_table_over_two_pages_repeats_its_head() -> None:
    source = docx.Document()
    table = source.add_table(rows=3, cols=2)
    for cell, text in zip(table._cells, ("name", "sum", "a", "1", "b", "2"), strict=True):
        cell.text = text
    first = table.cell(2, 0).paragraphs[0]._p
    first.insert(0, parse_xml(f"<w:r {nsdecls('w')}><w:lastRenderedPageBreak/></w:r>"))
    assert texts(read(source)) == ["name | sum\na | 1", "name | sum\nb | 2"]


def test_what_nobody_sees_is_left_out_and_told() -> None:
    source = docx.Document()
    hidden = source.styles.add_style("Unseen", WD_STYLE_TYPE.CHARACTER)
    hidden.font.hidden = True
    put(
        source.add_paragraph(),
        run("seen "), run("one", "<w:vanish/>"), run("two", "<w:rStyle w:val='Unseen'/>"),
        run("white", "<w:color w:val='FEFEFE'/>"), run("tiny", "<w:sz w:val='2'/>"),
        run("ze\u200bro"), run("", ""),
        run(" lit", "<w:color w:val='FFFFFF'/><w:shd w:val='clear' w:fill='000080'/>"),
        run("barred", "<w:highlight w:val='black'/>"),
    )  # fmt: skip
    assert texts(read(source)) == ["seen zero lit"]
    assert told(read(source)) == [
        (FindingKind.HIDDEN_MARKUP, 1, 6, "one … two"),
        (FindingKind.TINY_TEXT, 1, 4, "tiny"),
        (FindingKind.WHITE_TEXT, 1, 11, "white … barred"),
        (FindingKind.ZERO_WIDTH, 1, 1, "U+200B ×1"),
    ]
    kept = read(source, keep_hidden=True)
    assert texts(kept) == ["seen onetwowhitetinyze\u200bro litbarred"]
    assert told(kept) == told(read(source))


def test_white_text_in_dark_cells_is_seen() -> None:
    source = docx.Document()
    table = source.add_table(rows=1, cols=2)
    for cell in table.rows[0].cells:
        put(cell.paragraphs[0], run("head", "<w:color w:val='FFFFFF'/>"))
    dark = parse_xml(f"<w:shd {nsdecls('w')} w:val='clear' w:fill='1F3864'/>")
    table.cell(0, 0)._tc.get_or_add_tcPr().append(dark)
    document = read(source)
    assert texts(document) == ["head |"]
    assert [each.characters for each in document.findings] == [4]


def test_files_within_are_told() -> None:
    source = docx.Document()
    put(
        source.add_paragraph("x"),
        "<w:r><w:object><o:OLEObject ProgID='Excel.Sheet.12'/></w:object></w:r>",
    )
    relation = add_part(source, "chunk.html", "aFChunk", "<p>other</p>")
    chunk = parse_xml(f"<w:altChunk {nsdecls('w', 'r')} r:id='{relation}'/>")
    source.element.body.insert(1, chunk)
    assert told(read(source)) == [
        (FindingKind.EMBEDDED_FILE, 1, 0, "Excel.Sheet.12"),
        (FindingKind.EMBEDDED_FILE, 1, 0, "word/chunk.html"),
    ]


def changed(name: str, change: Any) -> bytes:
    """A small document one of whose parts is changed."""
    source = docx.Document()
    source.add_paragraph("PLACE")
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved(source))) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.namelist():
            new.writestr(entry, change(old.read(entry)) if entry == name else old.read(entry))
    return buffer.getvalue()


def failure(data: bytes, **options: Any) -> Failure:
    with pytest.raises(ReadFailure) as caught:
        read_docx.read(data, ReadOptions(**options))
    return caught.value.failure


def test_a_strict_file_is_read_as_any_other() -> None:
    def strict(xml: bytes) -> bytes:
        old = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
        return xml.replace(old, b"http://purl.oclc.org/ooxml/wordprocessingml/main")

    assert texts(read_docx.read(changed("word/document.xml", strict), ReadOptions())) == ["PLACE"]


def test_hostile_files_are_refused() -> None:
    name = "word/document.xml"
    deep = b"<w:sdt>" * 300 + b"</w:sdt>" * 300
    assert failure(changed(name, lambda xml: xml.replace(b"<w:p>", deep + b"<w:p>", 1))) is (
        Failure.TOO_DEEP
    )
    bomb = changed(name, lambda xml: xml.replace(b"PLACE", b"x" * 5_000_000))
    assert len(bomb) < 100_000
    assert failure(bomb, max_member_bytes=2_000_000) is Failure.TOO_MUCH_OUTPUT
    assert failure(changed(name, lambda xml: xml[:-9])) is Failure.CORRUPT
    assert failure(changed(name, lambda xml: b"<w:x/>")) is Failure.CORRUPT
    breaks = b"</w:t><w:br w:type='page'/><w:t>x" * 9
    many = changed(name, lambda xml: xml.replace(b"PLACE", breaks))
    assert failure(many, max_pages=5) is Failure.TOO_MANY_PAGES


def test_a_bomb_is_never_unpacked_if_it_holds_no_text() -> None:
    source = docx.Document()
    source.add_paragraph("small")
    add_part(source, "media/huge.bin", "image", "0" * 5_000_000)
    assert texts(read(source, max_member_bytes=2_000_000)) == ["small"]


@pytest.mark.parametrize("outer", [True, False])
def test_a_document_type_is_refused_and_nothing_outside_is_read(outer: bool, tmp_path: Any) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    value = f'SYSTEM "{secret.as_uri()}"' if outer else '"secret"'

    def hostile(xml: bytes) -> bytes:
        at = xml.index(b"?>") + 2
        kind = f"<!DOCTYPE w:document [<!ENTITY x {value}>]>".encode()
        return xml[:at] + kind + xml[at:].replace(b"PLACE", b"&x;")

    assert failure(changed("word/document.xml", hostile)) is Failure.CORRUPT


def test_parts_that_point_to_each_other_or_outside_are_not_followed() -> None:
    loop = (
        b'<Relationship Id="rIdLoop" Type="http://x/footnotes" Target="document.xml"/>'
        b'<Relationship Id="rIdOut" Type="http://x/endnotes" TargetMode="External" '
        b'Target="http://127.0.0.1:9/x"/></Relationships>'
    )
    data = changed(
        "word/_rels/document.xml.rels", lambda xml: xml.replace(b"</Relationships>", loop)
    )
    assert texts(read_docx.read(data, ReadOptions())) == ["PLACE"]
