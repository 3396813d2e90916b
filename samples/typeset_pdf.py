"""PDF pages by reportlab: running headers, footers, page labels, outline, tables that repeat heads."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

from reportlab.lib.colors import HexColor, white
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import cm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)
from source import Block, Rows, Source, rich

TEAL, PALE, RULE, RED = "#0f4c5c", "#e8f0f2", "#9fb4ba", "#a4161a"
SIDE = 2.5 * cm
WIDTH = A4[0] - 2 * SIDE


class _Heading(Paragraph):  # type: ignore[misc]  # reportlab ships no types
    """A heading that enters the PDF's outline at `depth` (0 is the top)."""

    def __init__(self, text: str, style: ParagraphStyle, depth: int) -> None:
        super().__init__(text, style)
        self.depth = depth


class _Template(BaseDocTemplate):  # type: ignore[misc]  # as above
    """Puts every heading into the outline as it is placed on its page."""

    entries = 0

    def afterFlowable(self, flowable: Flowable) -> None:
        if isinstance(flowable, _Heading):
            self.entries += 1
            key = f"heading-{self.entries}"
            self.canv.bookmarkPage(key)
            self.canv.addOutlineEntry(flowable.getPlainText(), key, level=flowable.depth)


def write_pdf(source: Source) -> bytes:
    """Typeset twice: the first run counts the pages for "Page x of y"."""
    first = _typeset(source, total=0)
    return _typeset(source, total=first[1])[0]


def _typeset(source: Source, total: int) -> tuple[bytes, int]:
    buffer = io.BytesIO()
    template = _Template(
        buffer,
        pagesize=A4,
        title=source.meta["title"],
        author="Veldaren Group",
        subject=source.meta["id"],
        lang="en-GB",
        invariant=1,
        pageCompression=0,
    )
    frame = Frame(SIDE, 2.0 * cm, WIDTH, A4[1] - 4.5 * cm, 0, 0, 0, 0)
    template.addPageTemplates(
        PageTemplate("page", [frame], onPage=lambda canvas, _: _furnish(canvas, source, total))
    )
    template.build(list(_flowables(source)))
    return buffer.getvalue(), template.page


def _label(source: Source, number: int, total: int) -> tuple[str, str]:
    """The page label (as a PDF viewer shows it) and the words in the footer."""
    front = int(source.meta.get("front_pages", "0"))
    if number <= front:
        roman = "i" * number
        return roman, f"Page {roman}"
    return str(number - front), f"Page {number - front} of {total - front}"


def _furnish(canvas: Canvas, source: Source, total: int) -> None:
    """Draw the running header and footer and set the page's label."""
    number = canvas.getPageNumber()
    label, words = _label(source, number, total)
    canvas.addPageLabel(number - 1, prefix=label)
    bold, regular = _fonts(source)[1], _fonts(source)[0]
    left, right, top = SIDE, A4[0] - SIDE, A4[1] - 1.5 * cm
    canvas.saveState()
    canvas.setFillColor(HexColor(TEAL))
    canvas.setFont(bold, 8.5)
    canvas.drawString(left, top, source.running_title)
    canvas.setFont(regular, 8.5)
    canvas.drawRightString(right, top, source.version_words)
    canvas.setStrokeColor(HexColor(RULE))
    canvas.line(left, top - 5, right, top - 5)
    canvas.line(left, 1.6 * cm, right, 1.6 * cm)
    if source.superseded:
        canvas.setFillColor(HexColor(RED))
        canvas.setFont(bold, 8.5)
        canvas.drawCentredString(A4[0] / 2, top - 17, source.superseded)
    canvas.setFillColor(HexColor("#555555"))
    canvas.setFont(regular, 8)
    canvas.drawString(left, 1.15 * cm, source.meta["footer"])
    canvas.drawRightString(right, 1.15 * cm, words)
    canvas.restoreState()


def _fonts(source: Source) -> tuple[str, str]:
    if source.meta.get("style") == "serif":
        return "Times-Roman", "Times-Bold"
    return "Helvetica", "Helvetica-Bold"


def _styles(source: Source) -> dict[str, ParagraphStyle]:
    regular, bold = _fonts(source)
    size = 12 if regular == "Times-Roman" else 11
    body = ParagraphStyle(
        "text",
        fontName=regular,
        fontSize=size,
        leading=size * 1.42,
        spaceAfter=7,
        bulletFontName=regular,
        bulletFontSize=size,
    )
    cell = ParagraphStyle("cell", body, fontSize=size - 1.5, leading=(size - 1.5) * 1.28)
    teal = HexColor(TEAL)

    def head(name: str, points: float, before: float, after: float) -> ParagraphStyle:
        return ParagraphStyle(
            name,
            fontName=bold,
            fontSize=points,
            leading=points * 1.25,
            textColor=teal,
            spaceBefore=before,
            spaceAfter=after,
            keepWithNext=1,
        )

    return {
        "text": body,
        "h1": head("h1", 20, 0, 10),
        "h2": head("h2", 13.5, 12, 5),
        "h3": head("h3", 11, 8, 3),
        "caption": ParagraphStyle(
            "caption", cell, fontName=bold, spaceBefore=5, spaceAfter=4, keepWithNext=1
        ),
        "clause1": ParagraphStyle("clause1", body, leftIndent=30, bulletIndent=0),
        "clause2": ParagraphStyle("clause2", body, leftIndent=52, bulletIndent=30, spaceAfter=4),
        "bullet": ParagraphStyle("bullet", body, leftIndent=16, bulletIndent=4, spaceAfter=3),
        "note": ParagraphStyle(
            "note", body, leftIndent=8, rightIndent=8, borderPadding=6, backColor=HexColor(PALE),
            spaceBefore=8, spaceAfter=12,
        ),
        "cell": cell,
        "cellhead": ParagraphStyle("cellhead", cell, fontName=bold, textColor=white),
        "cellkey": ParagraphStyle("cellkey", cell, fontName=bold, textColor=teal),
    }  # fmt: skip


def _flowables(source: Source) -> Iterator[Flowable]:
    styles = _styles(source)
    if source.superseded:
        yield Spacer(1, 8)
    yield Paragraph(rich(source.meta["title"]), styles["h1"])
    if source.meta.get("control") != "none":
        yield _control_table(source.control(), styles)
    for block in source.blocks:
        yield from _flow(block, styles)


def _flow(block: Block, styles: Mapping[str, ParagraphStyle]) -> Iterator[Flowable]:
    if block.kind == "page":
        yield PageBreak()
    elif block.kind == "table":
        yield _grid(block.rows, styles)
        yield Spacer(1, 9)
    elif block.kind == "heading":
        yield _Heading(rich(block.text), styles[f"h{block.level}"], block.level - 2)
    elif block.kind == "clause":
        yield Paragraph(rich(block.text), styles[f"clause{min(block.level, 2)}"], block.mark)
    elif block.kind == "bullet":
        yield Paragraph(rich(block.text), styles["bullet"], "•")
    else:
        yield Paragraph(rich(block.text), styles[block.kind])


def _control_table(rows: Rows, styles: Mapping[str, ParagraphStyle]) -> Table:
    cells = [[Paragraph(k, styles["cellkey"]), Paragraph(rich(v), styles["cell"])] for k, v in rows]
    look = TableStyle(
        [
            ("BACKGROUND", (0, 0), (0, -1), HexColor(PALE)),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, HexColor(RULE)),
            ("LINEABOVE", (0, 0), (-1, 0), 0.4, HexColor(RULE)),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ]
    )
    return Table(cells, [0.26 * WIDTH, 0.74 * WIDTH], style=look, spaceAfter=12)


def _grid(rows: Rows, styles: Mapping[str, ParagraphStyle]) -> Table:
    """A table whose columns share the width by how much text they hold."""
    head = [Paragraph(rich(cell), styles["cellhead"]) for cell in rows[0]]
    body = [[Paragraph(rich(cell), styles["cell"]) for cell in row] for row in rows[1:]]
    look = TableStyle(
        [
            ("BACKGROUND", (0, 0), (-1, 0), HexColor(TEAL)),
            ("ROWBACKGROUNDS", (0, 1), (-1, -1), [white, HexColor("#f5f8f9")]),
            ("GRID", (0, 0), (-1, -1), 0.4, HexColor(RULE)),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 2.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
        ]
    )
    shares = column_shares(rows)
    return Table([head, *body], [share * WIDTH for share in shares], style=look, repeatRows=1)


def column_shares(rows: Rows) -> list[float]:
    """Each column's share of the width: room for its longest word, the rest by its text.

    Counted in characters; a full line of a table holds about 92.
    """
    columns = list(zip(*rows, strict=True))
    words = [[word for cell in column for word in cell.split()] for column in columns]
    need = [1.2 * max(map(len, column), default=1) + 3 for column in words]
    want = [max(map(len, column)) ** 0.7 for column in columns]
    total = max(sum(need), 92.0)
    spare = (total - sum(need)) / sum(want)
    return [(n + w * spare) / total for n, w in zip(need, want, strict=True)]
