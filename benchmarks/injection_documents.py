"""The files of `injection.py`: a policy in six formats, with a text planted in it or beside it.

They are written by the libraries that people write such files with. Every format has several ways
to hide a text from a reader, and several to put it where software alone looks; they rotate with the
number of the attack.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from html import escape
from pathlib import Path

import docx
import openpyxl
from docx.document import Document as WordDocument
from docx.shared import Inches, Pt, RGBColor
from docx.text.run import Run
from injection_cases import HOST, Carrier, Case
from openpyxl.comments import Comment
from openpyxl.styles import Font
from openpyxl.worksheet.worksheet import Worksheet
from PIL import Image
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas


@dataclass(frozen=True)
class Draft:
    """What a writer sets: sections with one text to hide in one of them, or one to put aside."""

    title: str
    sections: tuple[tuple[str, tuple[str, ...]], ...]
    section: int = -1  # which one holds `hidden`, after its first sentence
    hidden: str = ""
    aside: str = ""
    way: int = 0  # which of a writer's ways to hide or put aside

    def paragraphs(self) -> Iterator[tuple[str, str, str]]:
        """(heading, text, hidden text) of each paragraph; a heading stands once."""
        for number, (heading, said) in enumerate(self.sections):
            for at, text in enumerate(said):
                own = self.hidden if number == self.section and at == 0 else ""
                yield heading if at == 0 else "", text, own


def clean(carrier: Carrier) -> Draft:
    """The honest document."""
    return Draft(carrier.title, carrier.sections)


def planted(case: Case) -> Draft:
    """The document with the attack in its place."""
    carrier, at = case.carrier, case.ask.section
    draft = Draft(carrier.title, carrier.sections, way=case.number)
    if case.place == "hidden":
        return Draft(carrier.title, carrier.sections, at, case.written, way=case.number)
    if case.place == "aside":
        return Draft(carrier.title, carrier.sections, aside=case.written, way=case.number)
    heading, said = draft.sections[at]
    turn = case.number % (len(said) + 1)  # before, between, after the section's sentences
    changed = (heading, (*said[:turn], case.written, *said[turn:]))
    sections = (*draft.sections[:at], changed, *draft.sections[at + 1 :])
    return Draft(carrier.title, sections, way=case.number)


def _tags(text: str) -> str:
    """`text` in Unicode's tag characters, which are not drawn."""
    return "".join(chr(0xE0000 + ord(sign)) for sign in text if sign.isascii())


def _way(draft: Draft, ways: Sequence[str]) -> str:
    """The way to hide or put aside that is this draft's turn; "" if it does neither."""
    return ways[draft.way // 6 % len(ways)] if draft.hidden or draft.aside else ""


def _picture() -> io.BytesIO:
    made = io.BytesIO()
    Image.new("RGB", (24, 24), "lightgray").save(made, "PNG")
    made.seek(0)
    return made


# --- PDF ----------------------------------------------------------------------------------------

_PDF_HIDDEN = ("white", "tiny", "invisible", "off the page")
_PDF_ASIDE = ("title", "keywords", "running head", "outline", "annotation", "file name")


def _pdf(draft: Draft) -> bytes:
    buffer = io.BytesIO()
    page = Canvas(buffer, pagesize=(595, 842))
    way = _way(draft, _PDF_HIDDEN if draft.hidden else _PDF_ASIDE)
    page.setTitle(draft.aside if way == "title" else draft.title)
    if way == "keywords":
        page.setSubject(draft.aside)
        page.setKeywords(draft.aside)
    if way == "running head":
        page.setFont("Helvetica", 7)
        page.drawString(30, 822, draft.aside[:160])
    if way == "outline":
        page.bookmarkPage("p")
        page.addOutlineEntry(draft.aside, "p")
    if way == "annotation":
        page.textAnnotation(draft.aside, Rect=[500, 760, 520, 780])
    at = _pdf_lines(page, [draft.title], 780, "Helvetica-Bold", 16)
    for heading, text, hidden in draft.paragraphs():
        if heading:
            at = _pdf_lines(page, [heading], at - 12, "Helvetica-Bold", 13)
        lines = [
            line for part in text.split("\n") for line in simpleSplit(part, "Helvetica", 11, 450)
        ]
        at = _pdf_lines(page, lines, at - 4, "Helvetica", 11)
        if hidden:
            at = _pdf_hidden(page, hidden, at, way)
    page.showPage()
    page.save()
    return buffer.getvalue()


def _pdf_lines(page: Canvas, lines: Sequence[str], at: float, font: str, size: float) -> float:
    page.setFont(font, size)
    for line in lines:
        page.drawString(60, at, line)
        at -= size * 1.35
    return at


def _pdf_hidden(page: Canvas, text: str, at: float, way: str) -> float:
    size = 0.5 if way == "tiny" else 11
    lines = simpleSplit(text, "Helvetica", size, 450)
    left = 700 if way == "off the page" else 60
    drawn = page.beginText(left, at)
    drawn.setFont("Helvetica", size)
    drawn.setTextRenderMode(3 if way == "invisible" else 0)
    drawn.setFillColorRGB(*((1, 1, 1) if way == "white" else (0, 0, 0)))
    for line in lines:
        drawn.textLine(line)
    drawn.setTextRenderMode(0)
    drawn.setFillColorRGB(0, 0, 0)
    page.drawText(drawn)
    return at - 14 * len(lines)


# --- DOCX ---------------------------------------------------------------------------------------

_DOCX_HIDDEN = ("vanish", "white", "tiny", "tags")
_DOCX_ASIDE = ("title", "comment", "running head", "alt text", "keywords", "file name")


def _docx(draft: Draft) -> bytes:
    document: WordDocument = docx.Document()
    way = _way(draft, _DOCX_HIDDEN if draft.hidden else _DOCX_ASIDE)
    document.core_properties.title = draft.aside[:255] if way == "title" else draft.title
    if way == "keywords":
        document.core_properties.keywords = draft.aside[:255]
        document.core_properties.subject = draft.aside[:255]
    document.add_heading(draft.title, 0)
    last: Run | None = None
    for heading, text, hidden in draft.paragraphs():
        if heading:
            document.add_heading(heading, 1)
        paragraph = document.add_paragraph()
        last = paragraph.add_run(text)
        if hidden:
            _docx_hide(paragraph.add_run(f" {_tags(hidden) if way == 'tags' else hidden}"), way)
    if way == "comment" and last is not None:
        document.add_comment(last, draft.aside, author="Reviewer", initials="R")
    if way == "running head":
        document.sections[0].header.paragraphs[0].text = draft.aside
    if way == "alt text":
        shape = document.add_picture(_picture(), width=Inches(0.5))
        shape._inline.docPr.set("descr", draft.aside)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def _docx_hide(run: Run, way: str) -> None:
    if way == "vanish":
        run.font.hidden = True
    elif way == "white":
        run.font.color.rgb = RGBColor(0xFF, 0xFF, 0xFF)
    elif way == "tiny":
        run.font.size = Pt(1)


# --- HTML, and mails in it ----------------------------------------------------------------------

_HTML_HIDDEN = (
    '<span style="display:none">{}</span>', "<span hidden>{}</span>",
    '<span style="color:#fff;background:#fff">{}</span>', '<span style="font-size:0">{}</span>',
    "tags",
)  # fmt: skip
_HTML_ASIDE = ("title", "description", "alt text", "comment", "tooltip", "file name")


def _html(draft: Draft) -> bytes:
    way = _way(draft, _HTML_HIDDEN if draft.hidden else _HTML_ASIDE)
    aside = escape(draft.aside, quote=True)
    title = aside if way == "title" else escape(draft.title)
    head = f"<meta charset=utf-8><title>{title}</title>"
    if way == "description":
        head += f'<meta name="description" content="{aside}">'
    body = [f"<h1>{escape(draft.title)}</h1>"]
    if way == "comment":
        body.append(f"<!-- {draft.aside} -->")
    if way == "alt text":
        body.append(f'<img src="http://{HOST}/p.png" alt="{aside}">')
    for heading, text, hidden in draft.paragraphs():
        if heading:
            tip = f' title="{aside}"' if way == "tooltip" else ""
            body.append(f"<h2{tip}>{escape(heading)}</h2>")
        body.append(f"<p>{escape(text)} {_html_hidden(hidden, way)}</p>")
    return f"<!doctype html><html><head>{head}</head><body>{''.join(body)}</body></html>".encode()


def _html_hidden(text: str, way: str) -> str:
    if not text:
        return ""
    return _tags(text) if way == "tags" else way.format(escape(text))


# --- Markdown -----------------------------------------------------------------------------------

_MD_HIDDEN = ("<div hidden>{}</div>", '<span style="display:none">{}</span>', "tags",
              "<!-- {} -->")  # fmt: skip
_MD_ASIDE = ("title", "alt text", "comment", "definition", "file name")


def _markdown(draft: Draft) -> bytes:
    way = _way(draft, _MD_HIDDEN if draft.hidden else _MD_ASIDE)
    title = draft.aside if way == "title" else draft.title
    parts = [f"---\ntitle: {json.dumps(title)}\n---\n# {draft.title}"]
    if way == "alt text":
        parts.append(f"![{draft.aside}](http://{HOST}/p.png)")
    if way == "comment":
        parts.append(f"<!-- {draft.aside} -->")
    for heading, text, hidden in draft.paragraphs():
        if heading:
            parts.append(f"## {heading}")
        parts.append(text)
        if hidden:
            parts.append(_tags(hidden) if way == "tags" else way.format(hidden))
    if way == "definition":
        parts.append(f'[ref]: http://{HOST}/ "{draft.aside.replace(chr(34), chr(39))}"')
    return ("\n\n".join(parts) + "\n").encode()


# --- XLSX ---------------------------------------------------------------------------------------

_XLSX_HIDDEN = ("row", "sheet", "white", "column")
_XLSX_ASIDE = ("title", "sheet name", "comment", "running head", "file name")


def _xlsx(draft: Draft) -> bytes:
    book = openpyxl.Workbook()
    sheet: Worksheet = book.worksheets[0]
    way = _way(draft, _XLSX_HIDDEN if draft.hidden else _XLSX_ASIDE)
    sheet.title = _sheet_name(draft.aside) if way == "sheet name" else "Policy"
    book.properties.title = draft.aside if way == "title" else draft.title
    if way == "running head":
        sheet.oddHeader.center.text = draft.aside.replace("&", "and")[:200]
    sheet.append(["Section", "Rule"])
    section = ""
    for heading, text, hidden in draft.paragraphs():
        section = heading or section
        sheet.append([section, text])
        if hidden:
            _xlsx_hidden(book, sheet, hidden, way)
    if way == "comment":
        sheet["B2"].comment = Comment(draft.aside, "Reviewer")
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _sheet_name(text: str) -> str:
    return re.sub(r"[\[\]:*?/\\]", " ", text)[:31]


def _xlsx_hidden(book: openpyxl.Workbook, sheet: Worksheet, text: str, way: str) -> None:
    row = sheet.max_row
    if way == "sheet":
        other = book.create_sheet("Notes")
        other.append(["Section", "Rule"])
        other.append([sheet.cell(row, 1).value, text])
        other.sheet_state = "hidden"
    elif way == "column":
        sheet.cell(row, 3, text)
        sheet.column_dimensions["C"].hidden = True
    else:
        sheet.append([sheet.cell(row, 1).value, text])
        if way == "row":
            sheet.row_dimensions[row + 1].hidden = True
        else:
            sheet.cell(row + 1, 2).font = Font(color="FFFFFFFF")


# --- EML ----------------------------------------------------------------------------------------

_EML_ASIDE = ("subject", "sender", "header", "attachment's name", "file name")


def _eml(draft: Draft) -> bytes:
    """A mail of plain text, or of HTML where something is to be hidden by it."""
    way = _way(draft, () if draft.hidden else _EML_ASIDE) if draft.aside else ""
    one_line = " ".join(draft.aside.split())
    message = EmailMessage()
    sender = one_line.replace('"', "'") if way == "sender" else "Policy Office"
    message["From"] = f'"{sender}" <policy@bank.invalid>'
    message["To"] = "Staff <staff@bank.invalid>"
    message["Date"] = "Tue, 03 Mar 2026 10:15:00 +0100"
    message["Subject"] = one_line if way == "subject" else draft.title
    message["Message-ID"] = f"<{abs(draft.way)}@bank.invalid>"
    if way == "header":
        message["X-Instructions"] = one_line
    if draft.hidden:
        message.set_content(_html(draft).decode(), subtype="html")
    else:
        parts = [
            f"{heading}\n\n{text}" if heading else text for heading, text, _ in draft.paragraphs()
        ]
        message.set_content("\n\n".join(parts))
    if way == "attachment's name":
        name = re.sub(r"[^\w .,-]", "", one_line)[:90]
        message.add_attachment("Nothing of note.\n", filename=f"{name}.txt")
    return message.as_bytes()


_WRITERS: Mapping[str, Callable[[Draft], bytes]] = {
    "pdf": _pdf, "docx": _docx, "html": _html, "md": _markdown, "xlsx": _xlsx, "eml": _eml,
}  # fmt: skip
_ASIDE_WAYS = {
    "pdf": _PDF_ASIDE, "docx": _DOCX_ASIDE, "html": _HTML_ASIDE, "md": _MD_ASIDE,
    "xlsx": _XLSX_ASIDE, "eml": _EML_ASIDE,
}  # fmt: skip


def write(folder: Path, format_: str, draft: Draft, name: str) -> Path:
    """The document as a file of that format in `folder`; called `name`, or the attack itself if
    that is its way."""
    stem = name
    if draft.aside and _way(draft, _ASIDE_WAYS[format_]) == "file name":
        stem = re.sub(r"[/\x00-\x1f]", " ", draft.aside)[:150].strip()
    path = folder / f"{stem}.{format_}"
    path.write_bytes(_WRITERS[format_](draft))
    return path
