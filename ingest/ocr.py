"""Text recognition: the port to an engine, and what a drawn page becomes with one.

A page is straightened, cleaned and scaled before the engine sees it (`ingest.ocr_image`); its words
are then put into lines (`ingest.ocr_layout`). Everything runs in the reading process, offline. An
engine that is not installed is no error here: the caller decides what a page without text means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PIL import Image

from ingest.ocr_image import Prepared, ink, prepare
from ingest.ocr_layout import OcrWord, confidence_of, lay_out, level, readable
from ingest.ocr_rows import rejoined
from ingest.pages import Box
from ingest.pdf_layout import Line

__all__ = [
    "OcrEngine",
    "OcrError",
    "OcrWord",
    "Recognised",
    "missing",
    "open_engine",
    "recognise",
]

_NOTHING = 2e-6  # of a page's pixels are ink: the engine need not look at it
_DUST = 3e-4  # a page with so little ink and no words is blank, not unread
_UPRIGHT = 0.75  # pages recognised with less are tried in the other three positions, too
_TRIAL_DPI = 150  # enough to tell which way is up
_BETTER = 1.5  # times as many sure characters must another position show


class OcrError(Exception):
    """The engine crashed, took too long or said something impossible: this page has no text."""


class OcrEngine(Protocol):
    """What recognises words. Stateless between calls."""

    name: str

    def words(self, image: Image.Image, dpi: int) -> list[OcrWord]:
        """The words of a grey `image`, in reading order, boxes in its pixels. Raises OcrError."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was recognised on one page.

    `boxes` lie on the page as it was given, in points from its top left, with offsets into `text`.
    `lines` are those of the page turned upright and straightened, `width` by `height` points, so
    that `pdf_layout` sees level lines and columns. `confidence` is the mean over characters, 0..1,
    None without any. `blank` says that nothing is drawn on the page.
    """

    text: str
    boxes: tuple[Box, ...]
    lines: list[Line]
    confidence: float | None
    width: float = 0.0
    height: float = 0.0
    blank: bool = False


def open_engine(languages: str) -> OcrEngine | None:
    """The engine for `languages` (Tesseract's names joined by "+"); None if it or the data of one
    of them is not installed, see `missing`.
    """
    from ingest import ocr_tesseract

    return None if missing(languages) else ocr_tesseract.Tesseract(languages)


def missing(languages: str) -> str:
    """One sentence that names what must be installed to recognise `languages`; "" for nothing."""
    from ingest import ocr_tesseract

    return ocr_tesseract.missing(languages)


def recognise(image: Image.Image, dpi: int, engine: OcrEngine) -> Recognised:
    """The text of one drawn page, `dpi` pixels an inch. Raises OcrError (the page is lost)."""
    prepared = prepare(image, dpi)
    drawn = ink(prepared.image)
    if drawn < _NOTHING:
        return Recognised("", (), [], None, *prepared.points, blank=True)
    prepared, words = _upright(image, dpi, prepared, engine)
    text, boxes, lines = lay_out(rejoined(words), prepared)
    blank = not words and drawn < _DUST
    return Recognised(text, boxes, lines, confidence_of(words), *prepared.points, blank=blank)


def _upright(
    image: Image.Image, dpi: int, prepared: Prepared, engine: OcrEngine
) -> tuple[Prepared, list[OcrWord]]:
    """The page as prepared and its words, in the position in which it can be read."""
    words = readable(engine.words(prepared.image, prepared.dpi))
    if (confidence_of(words) or 0.0) >= _UPRIGHT and level(words):
        return prepared, words
    turns = {
        turn: _sure(engine, prepare(image, dpi, turn=turn, target=_TRIAL_DPI))
        for turn in (0, 90, 180, 270)
    }
    best = max(turns, key=lambda turn: turns[turn])
    if best == 0 or turns[best] < _BETTER * turns[0]:
        return prepared, words
    prepared = prepare(image, dpi, turn=best)
    return prepared, readable(engine.words(prepared.image, prepared.dpi))


def _sure(engine: OcrEngine, prepared: Prepared) -> float:
    """How many characters were recognised, each counted by the square of its confidence.

    An engine may read a page that lies on its side; that is not the position it is best read in.
    """
    words = readable(engine.words(prepared.image, prepared.dpi))
    sure = sum(len(word.text) * word.confidence**2 for word in words)
    return sure if level(words) else sure / (2 * _BETTER)
