"""PDF pages as a reader sees them: text in reading order, boxes of words, headings, page labels.

A page's text is built character by character from PDFium's text page, so that each character of it
has a known place on the page. Line ends are "\\n"; a hyphen at the end of a line stays where it is
drawn. Only PDFium's order of the text is used: a page whose columns are stored out of order is read
out of order.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from ingest.errors import Failure, ReadFailure
from ingest.pages import Page, ReadDocument, ReadPage, clean
from ingest.pdf_layout import Edges, Line, Word, blocks, running_lines, typography, word_boxes

MEDIA_TYPE = "application/pdf"

_BOLD = 600  # font weight; 400 is regular
_JUNK_TITLE = re.compile(
    r"untitled|document\d*|microsoft \w+ - .*|\S*\.(docx?|pdf|indd|xlsx?|html?|rtf|tmp)"
    r"|[\w-]*\d{6,}[\w-]*",
    re.IGNORECASE,
)
_SCALE = 1000  # PageToDevice answers in whole device units: one is 1/1000 point here


def read(data: bytes, passwords: Sequence[str] = (), max_pages: int = 20_000) -> ReadDocument:
    """All pages of the PDF in `data`; each of `passwords` is tried if it is protected.

    Raises ReadFailure (ENCRYPTED, CORRUPT, TOO_MANY_PAGES).
    """
    pdf = _open(data, passwords)
    try:
        if len(pdf) > max_pages:
            raise ReadFailure(Failure.TOO_MANY_PAGES)
        drawn = [_draw(pdf, index) for index in range(len(pdf))]
        title = _title(pdf)
    except pypdfium2.PdfiumError as error:
        raise ReadFailure(Failure.CORRUPT) from error
    finally:
        pdf.close()
    style = typography([lines for _, lines in drawn])
    edges = running_lines([(page.height, lines) for page, lines in drawn])
    pages = tuple(
        ReadPage(page, blocks(lines, style, running))
        for (page, lines), running in zip(drawn, edges, strict=True)
    )
    return ReadDocument(MEDIA_TYPE, title, pages)


def _open(data: bytes, passwords: Sequence[str]) -> pypdfium2.PdfDocument:
    for password in (None, *passwords):
        try:
            return pypdfium2.PdfDocument(data, password=password)
        except pypdfium2.PdfiumError as error:
            if getattr(error, "err_code", None) != pdfium.FPDF_ERR_PASSWORD:
                raise ReadFailure(Failure.CORRUPT) from error
    raise ReadFailure(Failure.ENCRYPTED)


def _title(pdf: pypdfium2.PdfDocument) -> str:
    """The title in the PDF's own description, unless it is one that a program made up."""
    title = " ".join(clean(str(pdf.get_metadata_value("Title") or "")).split())
    return "" if _JUNK_TITLE.fullmatch(title) or len(title) > 200 else title


def _draw(pdf: pypdfium2.PdfDocument, index: int) -> tuple[Page, list[Line]]:
    """Page `index` (from 0) and its lines."""
    page = pdf[index]
    textpage = page.get_textpage()
    try:
        width, height = page.get_size()
        text, edges, sources = _characters(page, textpage)
        lines = _lines(text, edges, sources, textpage)
        label = clean(str(pdf.get_page_label(index) or ""))
    finally:
        textpage.close()
        page.close()
    boxes = tuple(word_boxes(text, edges))
    return Page(index + 1, text, label, round(width, 2), round(height, 2), boxes), lines


def _affine(page: pypdfium2.PdfPage) -> tuple[float, float, float, float, float, float]:
    """(a, b, c, d, e, f): a point (x, y) of the page's own space is drawn at
    (a*x + c*y + e, b*x + d*y + f) points from the top left corner of the page as displayed.

    PDFium knows about rotation and crop box; three points give its map.
    """
    width, height = page.get_size()

    def place(x: float, y: float) -> tuple[float, float]:
        across, down = ctypes.c_int(), ctypes.c_int()
        pdfium.FPDF_PageToDevice(
            page, 0, 0, round(width * _SCALE), round(height * _SCALE), 0, x, y, across, down
        )
        return across.value / _SCALE, down.value / _SCALE

    span = 1000.0
    (e, f), (ax, ay), (cx, cy) = place(0, 0), place(span, 0), place(0, span)
    return (ax - e) / span, (ay - f) / span, (cx - e) / span, (cy - f) / span, e, f


def _characters(
    page: pypdfium2.PdfPage, textpage: pypdfium2.PdfTextPage
) -> tuple[str, list[Edges | None], list[int]]:
    """The page's text; where each character is drawn, None for white space; its PDFium index."""
    a, b, c, d, e, f = _affine(page)
    rect = pdfium.FS_RECTF()
    chars: list[str] = []
    edges: list[Edges | None] = []
    sources: list[int] = []
    for index in range(textpage.count_chars()):
        char = _character(pdfium.FPDFText_GetUnicode(textpage, index))
        if char == "\n":
            _drop_white_end(chars, edges, sources)
        if not char or (char == "\n" and not chars):
            continue
        drawn: Edges | None = None
        if not char.isspace() and pdfium.FPDFText_GetLooseCharBox(textpage, index, rect):
            xs = (a * rect.left + c * rect.bottom + e, a * rect.right + c * rect.top + e)
            ys = (b * rect.left + d * rect.bottom + f, b * rect.right + d * rect.top + f)
            drawn = (min(xs), min(ys), max(xs), max(ys))
        chars.append(char)
        edges.append(drawn)
        sources.append(index)
    _drop_white_end(chars, edges, sources)
    return "".join(chars), edges, sources


def _drop_white_end(*columns: list[Any]) -> None:
    """Take white space off the end of the first list, and as many entries off the others."""
    while columns[0] and columns[0][-1].isspace():
        for column in columns:
            del column[-1]


def _character(code: int) -> str:
    """PDFium's code for a character as one character of our text, "" for none.

    PDFium ends a line with CR LF and writes 2 or U+FFFE for a hyphen at the end of a line.
    """
    if code in (0x02, 0xFFFE, 0xAD):
        return "-"
    if code in (0x09, 0x20, 0xA0):
        return " "
    if code == 0x0A:
        return "\n"
    if code < 0x20 or 0x7F <= code < 0xA0 or code > 0x10FFFF or code == 0xFFFF:
        return ""
    return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)


def _lines(
    text: str,
    edges: Sequence[Edges | None],
    sources: Sequence[int],
    textpage: pypdfium2.PdfTextPage,
) -> list[Line]:
    lines = []
    for match in re.finditer(r"[^\s][^\n]*(?<=\S)", text):
        start, end = match.span()
        drawn = [part for part in edges[start:end] if part is not None]
        if not drawn:
            continue
        ends = (sources[start], sources[end - 1])
        lines.append(
            Line(
                start=start,
                end=end,
                text=match.group(),
                left=drawn[0][0],
                right=drawn[-1][2],
                top=min(part[1] for part in drawn),
                bottom=max(part[3] for part in drawn),
                size=round(drawn[0][3] - drawn[0][1], 1),
                bold=all(_is_bold(textpage, index) for index in ends),
                widest_gap=max((right[0] - left[2] for left, right in pairwise(drawn)), default=0),
                words=_words(text, edges, start, end),
            )
        )
    return lines


def _words(text: str, edges: Sequence[Edges | None], start: int, end: int) -> tuple[Word, ...]:
    found = []
    for box in word_boxes(text[start:end], edges[start:end]):
        span = (start + box.start, start + box.end)
        found.append(Word(*span, text[span[0] : span[1]], box.left, box.top, box.right, box.bottom))
    return tuple(found)


def _is_bold(textpage: pypdfium2.PdfTextPage, index: int) -> bool:
    """Whether a character is set bold, by its font's weight or, where that is unset, its name."""
    if pdfium.FPDFText_GetFontWeight(textpage, index) >= _BOLD:
        return True
    buffer = ctypes.create_string_buffer(128)
    length = int(pdfium.FPDFText_GetFontInfo(textpage, index, buffer, 128, ctypes.c_int()))
    return 0 < length <= 128 and b"bold" in buffer.value.lower()
