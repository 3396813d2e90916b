"""Drawn pages to recognise, and engines that are no Tesseract."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence

import pytest
from PIL import Image, ImageDraw, ImageFont

from ingest.ocr import OcrError, OcrWord

needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None, reason="the Debian package tesseract-ocr is not installed"
)

LINES = (
    "The licence holder shall keep records",
    "of every transaction for seven years.",
    "Invoice 20417 dated 3 March 2021",
)


def drawn(
    lines: Sequence[str] = LINES, *, size: tuple[int, int] = (1240, 900), height: int = 44
) -> Image.Image:
    """A white page with lines of black type of `height` pixels."""
    page = Image.new("L", size, 255)
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(height)
    for number, line in enumerate(lines):
        pen.text((100, 100 + number * 2 * height), line, fill=0, font=font)
    return page


class Scripted:
    """An engine that says what a function of the image makes up; it counts how often."""

    name = "scripted"

    def __init__(self, say: Callable[[Image.Image], list[OcrWord]]) -> None:
        self._say = say
        self.calls = 0

    def words(self, image: Image.Image, dpi: int) -> list[OcrWord]:
        assert image.mode == "L"
        assert dpi > 0
        self.calls += 1
        return self._say(image)


class Broken:
    """An engine that dies on the pages given (from 1)."""

    name = "broken"

    def __init__(self, bad: frozenset[int]) -> None:
        self._bad = bad
        self._page = 0

    def words(self, image: Image.Image, dpi: int) -> list[OcrWord]:
        self._page += 1
        if self._page in self._bad:
            raise OcrError("it died")
        return [OcrWord("found", 10, 10, 90, 40, 0.9, 1, 1)]
