"""PNG, JPEG and TIFF files: scans and photographs of pages, read by text recognition.

Each full picture of a TIFF is a page; reduced copies and masks within it are not. Of other formats
the first picture is read. Pages are as large as the resolution in the file says, unless it says
nothing or something impossible for a page: then the longer side is taken to be that of A4.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageOps

from index.completeness import SURE
from ingest.errors import Failure, ReadFailure
from ingest.ocr import OcrEngine, OcrError, Recognised, open_engine, recognise
from ingest.ocr_image import grey_of
from ingest.options import ReadOptions
from ingest.pages import Finding, FindingKind, Method, Page, ReadDocument, ReadPage
from ingest.pdf_layout import blocks, running_lines, typography

MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",  # a JPEG with further pictures behind it, as some cameras write
    "TIFF": "image/tiff",
}

_MOST_PIXELS = 160_000_000  # A0 at 300 dpi
_POINTS = 72.0
_A4_INCHES = 11.69  # its longer side
_SCREEN_DPI = 96  # of a picture too small to be a scanned page
_SCAN_PIXELS = 1400  # longer side from which a picture counts as one
_RESOLUTIONS = (70, 2400)  # dots an inch that a scanner may have
_LONGEST = 48.0  # inches, A0; a page "longer" than that has a made-up resolution
_SUBFILE, _REDUCED_OR_MASK = 254, 0b101  # TIFF 6.0, NewSubfileType


def read(data: bytes, options: ReadOptions) -> ReadDocument:
    """The pages of the image in `data`.

    Raises ReadFailure (CORRUPT, TOO_LARGE, TOO_MANY_PAGES; NO_OCR without an engine, NO_TEXT where
    the settings forbid to recognise).
    """
    if not options.ocr:
        raise ReadFailure(Failure.NO_TEXT)
    engine = open_engine(options.ocr_languages)
    if engine is None:
        raise ReadFailure(Failure.NO_OCR)
    with _decoding():
        image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "TIFF"))
        frames = _frames(image)
    if len(frames) > options.max_pages:
        raise ReadFailure(Failure.TOO_MANY_PAGES)
    seen = []
    for number, frame in enumerate(frames, start=1):
        seen.append(_page(number, image, frame, engine))
        options.pulse()
    return _document(MEDIA_TYPES[str(image.format)], seen)


@contextmanager
def _decoding() -> Iterator[None]:
    """Turn what Pillow raises on damaged or outsized files into a ReadFailure."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own limits and of odd metadata; ours hold
            yield
    except Image.DecompressionBombError as error:
        raise ReadFailure(Failure.TOO_LARGE) from error
    except (ReadFailure, MemoryError, RecursionError):
        raise
    except Exception as error:  # decoders fail in every way on damaged data
        raise ReadFailure(Failure.CORRUPT) from error


def _frames(image: Image.Image) -> list[int]:
    """The numbers, from 0, of the pictures that are pages."""
    if image.format != "TIFF":
        return [0]
    found = []
    for frame in range(getattr(image, "n_frames", 1)):
        image.seek(frame)
        kind = int(getattr(image, "tag_v2", {}).get(_SUBFILE, 0))
        if frame == 0 or not kind & _REDUCED_OR_MASK:
            found.append(frame)
    return found


def _picture(image: Image.Image, frame: int) -> tuple[Image.Image, int]:
    """One picture, grey, upright by its own EXIF mark, and its resolution. Raises ReadFailure."""
    with _decoding():
        image.seek(frame)
        if image.width * image.height > _MOST_PIXELS:
            raise ReadFailure(Failure.TOO_LARGE)
        image.load()
        dpi = image.info.get("dpi")
        ImageOps.exif_transpose(image, in_place=True)  # a copy in colour may be half a gigabyte
        return grey_of(image), resolution(image.size, dpi)


def resolution(size: tuple[int, int], told: object) -> int:
    """Dots an inch of a picture of `size` pixels whose file says `told`, a pair or nothing."""
    longer = max(size)
    try:
        dpi = float(max(told))  # type: ignore[call-overload]
    except (TypeError, ValueError, ZeroDivisionError):
        dpi = 0.0
    # 72 and 96 are also what programs write that know of no resolution
    longest = _LONGEST if dpi > _SCREEN_DPI else _LONGEST / 2
    if _RESOLUTIONS[0] <= dpi <= _RESOLUTIONS[1] and longer <= dpi * longest:
        return round(dpi)
    return round(longer / _A4_INCHES) if longer >= _SCAN_PIXELS else _SCREEN_DPI


def _page(
    number: int, image: Image.Image, frame: int, engine: OcrEngine
) -> tuple[Page, Recognised | None]:
    """One page, and what was recognised on it; None if it is damaged or the engine failed.

    Raises ReadFailure if the first page is damaged.
    """
    try:
        picture, dpi = _picture(image, frame)
    except ReadFailure:
        if number == 1:
            raise
        return Page(number, "", method=Method.UNREAD), None
    width, height = (round(side * _POINTS / dpi, 2) for side in picture.size)
    try:
        found = recognise(picture, dpi, engine)
    except OcrError:
        return Page(number, "", width=width, height=height, method=Method.UNREAD), None
    method = Method.OCR if found.text else Method.BLANK if found.blank else Method.UNREAD
    page = Page(
        number,
        found.text,
        width=width,
        height=height,
        boxes=found.boxes,
        method=method,
        confidence=found.confidence,
    )
    return page, found


def _document(media_type: str, seen: list[tuple[Page, Recognised | None]]) -> ReadDocument:
    lines = [found.lines if found else [] for _, found in seen]
    style = typography(lines)
    heights = [found.height if found else page.height for page, found in seen]
    running = running_lines(list(zip(heights, lines, strict=True)))
    pages = tuple(
        ReadPage(page, blocks(own, style, edges))
        for (page, _), own, edges in zip(seen, lines, running, strict=True)
    )
    findings = tuple(finding for page, _ in seen for finding in _findings(page))
    return ReadDocument(media_type, "", pages, findings=findings)


def _findings(page: Page) -> Iterator[Finding]:
    """What a person should know of how the page was read."""
    if page.method is Method.UNREAD:
        yield Finding(FindingKind.UNREADABLE_PAGE, page.number)
    if page.confidence is not None and page.confidence < SURE:
        characters = sum(len(word) for word in page.text.split())
        yield Finding(FindingKind.DOUBTFUL_OCR, page.number, characters)
