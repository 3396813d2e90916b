"""Word documents by python-docx, repacked so that equal content is equal bytes."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime
from typing import Any

from docx import Document as new_docx
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_BREAK
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor
from source import Block, Rows, Source, plain

TEAL = RGBColor(0x0F, 0x4C, 0x5C)
ZIP_TIME = (2026, 1, 1, 0, 0, 0)


def write_docx(source: Source) -> bytes:
    """A Word document with real headings, tables, header, footer and explicit page breaks."""
    document = new_docx()
    moment = datetime.fromisoformat(source.meta["date"])
    core = document.core_properties
    core.author = core.last_modified_by = "Veldaren Group"
    core.title, core.subject = source.meta["title"], source.meta["id"]
    core.created = core.modified = moment
    document.styles["Normal"].font.name = "Calibri"
    document.styles["Normal"].font.size = Pt(10.5)
    document.styles["Normal"].paragraph_format.space_after = Pt(6)
    _drop_unused_parts(document)
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2.3)
    section.header.paragraphs[0].text = f"{source.running_title}\t{source.version_words}"
    _docx_footer(section.footer.paragraphs[0], source.meta["footer"])
    document.add_heading(source.meta["title"], level=1)
    _docx_table(document, (("Document control", ""), *source.control()))
    for block in source.blocks:
        _docx_block(document, block)
    raw = io.BytesIO()
    document.save(raw)
    return _repack(raw.getvalue())


def _drop_unused_parts(document: Any) -> None:
    """Drop what the library's template brings along: 100 table styles, twice, and a picture."""
    for style in list(document.styles):
        if style.type == WD_STYLE_TYPE.TABLE and style.name not in ("Normal Table", "Table Grid"):
            style.delete()
    for relations in (document.part.rels, document.part.package.rels):
        for key, relation in list(relations.items()):
            if relation.reltype.endswith(("/stylesWithEffects", "/thumbnail")):
                del relations[key]


def _docx_footer(paragraph: Any, words: str) -> None:
    paragraph.add_run(f"{words}\tPage ")
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), "PAGE")
    paragraph._p.append(field)


def _docx_block(document: Any, block: Block) -> None:
    if block.kind == "page":
        document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
    elif block.kind == "table":
        _docx_table(document, block.rows)
    elif block.kind == "heading":
        document.add_heading(plain(block.text), level=block.level)
    else:
        style = {"bullet": "List Bullet", "note": "Intense Quote", "caption": "Caption"}
        paragraph = document.add_paragraph(style=style.get(block.kind))
        if block.mark:
            paragraph.paragraph_format.left_indent = Cm(1.1 * block.level)
            paragraph.paragraph_format.first_line_indent = Cm(-1.1)
            paragraph.add_run(f"{block.mark}\t")
        _docx_runs(paragraph, block.text)


def _docx_runs(paragraph: Any, text: str) -> None:
    for part in re.split(r"(\*\*.+?\*\*|\*.+?\*)", text):
        run = paragraph.add_run(plain(part))
        run.bold = part.startswith("**") or None
        run.italic = (part.startswith("*") and not part.startswith("**")) or None


def _docx_table(document: Any, rows: Rows) -> None:
    table = document.add_table(rows=0, cols=len(rows[0]), style="Table Grid")
    for number, row in enumerate(rows):
        for cell, text in zip(table.add_row().cells, row, strict=True):
            _docx_runs(cell.paragraphs[0], text)
            cell.paragraphs[0].paragraph_format.space_after = Pt(2)
            for run in cell.paragraphs[0].runs:
                run.font.size = Pt(9.5)
                run.font.bold = True if number == 0 else run.font.bold
                run.font.color.rgb = TEAL if number == 0 else None
    document.add_paragraph()


def _repack(archive: bytes) -> bytes:
    """The same archive with fixed times and stored entries, so that equal content is equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            entry = zipfile.ZipInfo(name, ZIP_TIME)
            entry.create_system = 3  # Unix, whatever machine this runs on
            new.writestr(entry, old.read(name))
    return out.getvalue()
