"""Which PDF pages have to be recognised from their picture, and recognising them.

Most pages carry their text. Those that do not are told apart here: blank ones, scans (also those
with a layer of text laid invisibly over or under the picture by another program: they are
recognised anew, as nobody can see what that layer says), layers of signs that are no text, and
pages with a large picture that may hold further text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

from ingest import pdf_native as native
from ingest.options import ReadOptions
from ingest.pages import Box
from ingest.pdf_layout import Word
from ingest.pdf_objects import Floats

if TYPE_CHECKING:  # loaded when a page is to be recognised: most documents have none
    from ingest.ocr import OcrEngine, Recognised

_POINTS = 72.0  # an inch
_MOST_PIXELS = 40_000_000  # of a page drawn to be recognised: A2 at 300 dots an inch
_PREVIEW = 0.5  # pixels a point of the drawing on which it is seen whether a page is blank
_PREVIEW_PIXELS = 4_000_000
_SEEN = 24  # levels of grey between what is drawn and the paper
_COVERING = 0.5  # of a page: a picture that large makes a page with an unseen layer a scan
_LARGE = 0.1  # of a page: a picture that large may hold text worth reading
_LONELY = 5  # visible words on a large picture: with so many it is a background
_GOOD = 0.85  # confidence that the text of a picture must have to be taken in
_ENOUGH = 5  # words that it must have
_SHORT = 20  # signs; a layer of fewer is judged by signs that are no text only
_BROKEN = 0.3  # of a layer's signs may be no text
_TEXTUAL = 0.4  # of them must be letters or digits
_VOWELS = re.compile("[aeiouAEIOU]|[^\x00-\x7f]")
_VOICED = 0.2  # signs that are vowels in ordinary running text, at least
_WORDS = re.compile("\\b[A-Za-z\u00c0-\u017f]{2,15}\\b")
_FEW_WORDS = 30  # too few to say whether they are words
_SPOKEN = 0.25  # of the letters of words in Latin script must be vowels; English has 0.38
_NO_TEXT = re.compile("[\ufffd\ue000-\uf8ff\U000f0000-\U0010ffff]")
_REPEATED = re.compile(r"(.)\1{2,}")
_ALNUM = re.compile(r"[^\W_]")


class Need(Enum):
    """What a page needs."""

    NOTHING = auto()  # its text layer is its text
    BLANK = auto()  # nothing is drawn on it
    DRAWN = auto()  # something is drawn, and there is no text
    LAYERED = auto()  # a picture of a page, with a layer of text that nobody sees
    GARBLED = auto()  # a layer of signs that say nothing


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a page before it is drawn: its visible text, the number of letters that a
    picture hides or that are not painted, and the share of the page that one picture covers.
    """

    text: str
    unseen: int
    covered: float
    has_drawing: bool


def need(seen: Seen) -> Need:
    """What the page needs."""
    visible = len(seen.text) - seen.text.count(" ") - seen.text.count("\n")
    if seen.unseen and seen.covered >= _COVERING and seen.unseen >= visible:
        return Need.LAYERED
    if not visible:
        return Need.DRAWN if seen.has_drawing else Need.BLANK
    return Need.GARBLED if is_garbled(seen.text, visible) else Need.NOTHING


def is_garbled(text: str, visible: int) -> bool:
    """Whether `text`, of so many `visible` signs, says nothing: signs without meaning, or Latin
    letters in no order of any language.
    """
    broken = len(_NO_TEXT.findall(text)) if _NO_TEXT.search(text) else 0
    if broken > _BROKEN * visible:
        return True
    if visible < _SHORT or sum(map(text.count, "aeiou")) >= _VOICED * visible:
        return False
    signs = _REPEATED.sub(r"\1", "".join(text.split()))  # rows of dots lead to page numbers
    if len(signs) >= _SHORT and len(_ALNUM.findall(signs)) < _TEXTUAL * len(signs):
        return True
    words = _WORDS.findall(text)
    letters = "".join(words)
    return len(words) >= _FEW_WORDS and len(_VOWELS.findall(letters)) < _SPOKEN * len(letters)


def is_meaningless(text: str) -> bool:
    """Whether most of `text` are signs that no font maps to a letter: nothing is lost with them."""
    signs = "".join(text.split())
    return len(_NO_TEXT.findall(signs)) > _BROKEN * len(signs)


class Recogniser:
    """Recognises pages of one document; the engine is looked for when it is first needed."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._engine: OcrEngine | None = None
        self._looked = False
        self.missing = False  # an engine was wanted and is not installed

    def _ready(self) -> OcrEngine | None:
        if self._options.ocr and not self._looked:
            from ingest.ocr import open_engine

            self._looked = True
            self._engine = open_engine(self._options.ocr_languages)
            self.missing = self._engine is None
        return self._engine

    def page(self, page: native.LoadedPage, part: native.Rect | None = None) -> Recognised | None:
        """What is written on the page, or on `part` of it; None if that cannot be recognised."""
        engine = self._ready()
        if engine is None:
            return None
        from ingest.ocr import OcrError, recognise

        left, top, right, bottom = part or (0.0, 0.0, page.width, page.height)
        area = max(1.0, (right - left) * (bottom - top))
        dpi = min(self._options.ocr_dpi, int(_POINTS * (_MOST_PIXELS / area) ** 0.5))
        try:
            return recognise(page.draw(dpi / _POINTS, part), dpi, engine)
        except OcrError:
            return None
        finally:
            self._options.pulse()


def looks_blank(page: native.LoadedPage) -> bool:
    """Whether nothing can be seen on the page."""
    area = page.width * page.height
    scale = min(_PREVIEW, (_PREVIEW_PIXELS / area) ** 0.5)
    levels = page.draw(scale).tobytes()
    return max(levels) - min(levels) < _SEEN


def covered_share(page: native.LoadedPage, pictures: Floats) -> float:
    """The share of the page that its largest picture covers."""
    return max((_share(page, part) for part in _on_page(page, pictures)), default=0.0)


def unread_pictures(page: native.LoadedPage, pictures: Floats, words: Floats) -> list[native.Rect]:
    """Large pictures of a page that hold hardly any of its `words` (rows of their edges)."""
    found = []
    middles = (words[:, :2] + words[:, 2:]) / 2
    for part in _on_page(page, pictures):
        left, top, right, bottom = part
        inside = ((middles >= (left, top)) & (middles <= (right, bottom))).all(axis=1).sum()
        if _share(page, part) >= _LARGE and inside < _LONELY and part not in found:
            found.append(part)
    return found


def worth_reading(found: Recognised | None) -> bool:
    """Whether what was recognised on a picture is text, not what a photograph seems to say."""
    return (
        found is not None
        and found.confidence is not None
        and found.confidence >= _GOOD
        and len(found.boxes) >= _ENOUGH
    )


def moved(found: Recognised, by: int, left: float, top: float) -> Recognised:
    """`found` on part of a page, as part of the page's text from `by` on."""

    def box(each: Box) -> Box:
        return Box(
            each.start + by,
            each.end + by,
            round(each.left + left, 2),
            round(each.top + top, 2),
            round(each.right + left, 2),
            round(each.bottom + top, 2),
        )

    def word(each: Word) -> Word:
        place = box(Box(each.start, each.end, each.left, each.top, each.right, each.bottom))
        edges = place.left, place.top, place.right, place.bottom
        return Word(place.start, place.end, each.text, *edges)

    lines = [
        replace(
            line,
            start=line.start + by,
            end=line.end + by,
            left=line.left + left,
            right=line.right + left,
            top=line.top + top,
            bottom=line.bottom + top,
            words=tuple(map(word, line.words)),
        )
        for line in found.lines
    ]
    return replace(found, boxes=tuple(map(box, found.boxes)), lines=lines)


def _share(page: native.LoadedPage, part: native.Rect) -> float:
    left, top, right, bottom = part
    return (right - left) * (bottom - top) / (page.width * page.height)


def _on_page(page: native.LoadedPage, pictures: Floats) -> list[native.Rect]:
    """The parts of `pictures` that lie on the page, where there are any."""
    found = []
    for left, top, right, bottom in pictures.tolist():
        part = (max(left, 0.0), max(top, 0.0), min(right, page.width), min(bottom, page.height))
        if part[2] - part[0] >= 1 and part[3] - part[1] >= 1:
            found.append(part)
    return found
