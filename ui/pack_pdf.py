"""The evidence pack's PDF: made of `answer.json` and the pack's files alone, so that it can be made
again from them and compared byte for byte.

A4, page numbers, bookmarks, searchable text, pictures of the cited pages. Its dates are those of
the record, never of the day it was made. How the text is laid out and what cannot happen in it:
`ui.pack_layout`.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from reportlab import Version
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Image, PageBreak, SimpleDocTemplate, Spacer

from ui import pack_story, pack_words
from ui.pack_layout import FAINT, RULE, Fonts, Style, digest_of, draw_cells

MAKER = f"reportlab {Version}"
LAYOUT = "1"  # of this module and ui.pack_story: count up with every change of what they draw
_SIDE, _TOP, _BOTTOM = 20 * mm, 22 * mm, 18 * mm
_PADDING = 6  # points that reportlab leaves inside its frames
_PICTURE = (A4[0] - 2 * _SIDE, A4[1] - _TOP - _BOTTOM - 26 * mm)  # widest and highest
_SMALL = Style(7.4, colour=FAINT)

Data = Mapping[str, Any]
Read = Callable[[str], bytes]


def render(answer: Data, read: Read, fonts: Sequence[Path] = ()) -> bytes:
    """The PDF of a pack. The same pack and fonts give the same bytes. Raises UsageError for a font
    that cannot be used."""
    faces = Fonts(fonts)
    total = _built(faces, answer, read, 0)[1]
    return _built(faces, answer, read, total)[0]


def made_with(fonts: Sequence[Path] = ()) -> dict[str, str]:
    """What a PDF's bytes depend on besides the pack. Raises UsageError."""
    return {"pdf": MAKER, "layout": LAYOUT, "fonts": digest_of(fonts)}


def compare(answer: Data, read: Read, fonts: Sequence[Path] = ()) -> str:
    """Whether `answer.pdf` is what this program makes of the rest of the pack: "same", "differs",
    or "other" where it was made with something else and so cannot be compared by its bytes."""
    if read("answer.pdf") == render(answer, read, fonts):
        return "same"
    made = made_with(fonts)
    alike = all(answer["made_by"].get(name) == value for name, value in made.items())
    return "differs" if alike else "other"


def _built(fonts: Fonts, answer: Data, read: Read, total: int) -> tuple[bytes, int]:
    """The PDF and its number of pages; `total` is what its pages say of that."""
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=_SIDE - _PADDING,
        rightMargin=_SIDE - _PADDING,
        topMargin=_TOP,
        bottomMargin=_BOTTOM,
        title=pack_story.title(answer),
        author=answer["log"]["origin"],
        subject=f"Request {answer['request']}",
        creator=f"Cloister {answer['made_by'].get('build', '')}".strip(),
    )
    frame = partial(_frame, fonts, answer, total)
    document.build(
        list(_story(fonts, answer, read)),
        onFirstPage=frame,
        onLaterPages=frame,
        canvasmaker=partial(_canvas, answer),
    )
    return out.getvalue(), document.page


class _Moment:
    """The record's time, as reportlab asks for it."""

    def __init__(self, seconds: int) -> None:
        self.t = seconds
        self.lt = time.gmtime(seconds)
        self.YMDhms = tuple(self.lt)[:6]
        self.dhh = self.dmm = 0
        self.tzname = "UTC"


def _canvas(answer: Data, *arguments: Any, **options: Any) -> Canvas:
    options |= {"invariant": 1, "pageCompression": 1, "lang": "en"}
    canvas = Canvas(*arguments, **options)
    # reportlab has no setting for the date of a document; its own is fixed by `invariant`.
    canvas._doc._timeStamp = _Moment(pack_words.seconds(answer["target"]["time"]))
    canvas.showOutline()
    return canvas


def _frame(fonts: Fonts, answer: Data, total: int, canvas: Canvas, document: Any) -> None:
    """Header and footer of a page."""
    width, height = A4
    canvas.saveState()
    canvas.setStrokeColor(RULE)
    canvas.setLineWidth(0.6)
    canvas.line(_SIDE, height - 17 * mm, width - _SIDE, height - 17 * mm)
    canvas.line(_SIDE, 14 * mm, width - _SIDE, 14 * mm)
    target = answer["target"]
    head = fonts.cells("Evidence pack", Style(7.8, bold=True, colour=FAINT))
    draw_cells(canvas, head, _SIDE, height - 15 * mm)
    _right(canvas, fonts, f"Record {target['seq']} · {target['event_id']}", height - 15 * mm)
    foot = f"Request {answer['request']} · checkpoint of {answer['log']['size']} records"
    draw_cells(canvas, fonts.cells(foot, _SMALL), _SIDE, 10 * mm)
    _right(canvas, fonts, f"Page {document.page} of {total or document.page}", 10 * mm)
    canvas.restoreState()


def _right(canvas: Canvas, fonts: Fonts, text: str, y: float) -> None:
    cells = fonts.cells(text, _SMALL)
    draw_cells(canvas, cells, A4[0] - _SIDE - sum(each.width for each in cells), y)


def _story(fonts: Fonts, answer: Data, read: Read) -> Iterator[Flowable]:
    story = pack_story.Story(fonts, answer, read)
    yield from story.front()
    pages = answer["pages"]
    for number, page in enumerate(pages, 1):
        if page["image_file"]:
            yield PageBreak()
        yield from story.page(number, page)
        if page["image_file"]:
            yield Spacer(1, 4)
            yield _picture(read(page["image_file"]))
    if any(page["image_file"] for page in pages):
        yield PageBreak()
    yield from story.models()
    yield from story.proof()


def _picture(png: bytes) -> Flowable:
    picture = Image(io.BytesIO(png))
    share = min(_PICTURE[0] / picture.imageWidth, _PICTURE[1] / picture.imageHeight)
    picture.drawWidth = picture.imageWidth * share
    picture.drawHeight = picture.imageHeight * share
    picture.hAlign = "LEFT"
    return _Framed(picture)


class _Framed(Flowable):  # type: ignore[misc]  # reportlab ships no types
    """A picture with a hairline around it: a white page shows where it ends."""

    def __init__(self, picture: Any) -> None:
        super().__init__()
        self._picture = picture
        self.width, self.height = picture.drawWidth, picture.drawHeight

    def wrap(self, _width: float, _height: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        self._picture.drawOn(self.canv, 0, 0)
        self.canv.setStrokeColor(RULE)
        self.canv.setLineWidth(0.6)
        self.canv.rect(0, 0, self.width, self.height, stroke=1, fill=0)
