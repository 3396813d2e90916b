"""PDFium as the PDF reader calls it: a loaded page, and its functions bound for speed.

A page has thousands of characters and objects, and each is asked about on its own. So the functions
that are called once for each of them are bound here a second time: with plain addresses for
pointers, and without letting other threads run meanwhile, which costs more than most of the calls.
PDFium must be used by one thread at a time, as in the process that reads.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from math import hypot
from typing import TYPE_CHECKING, Any

import pypdfium2
import pypdfium2.raw as pdfium

from ingest.errors import Failure, ReadFailure
from ingest.pages import clean

if TYPE_CHECKING:
    from PIL import Image

PdfDocument = pypdfium2.PdfDocument
PdfError = pypdfium2.PdfiumError
"""What PDFium could not load, draw or find."""

IMAGE, PATH, FORM = pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_FORM

Affine = tuple[float, float, float, float, float, float]
Rect = tuple[float, float, float, float]  # left, top, right, bottom; points from the top left

_SCALE = 1000  # PageToDevice answers in whole device units: one is 1/1000 point here
_WIDEST = 100_000.0  # points; a page that claims to be larger is not drawn
_MAX_OBJECTS = 500_000  # of one page that are looked at
_LONGEST_MARK = 1 << 16  # bytes; PDFium gives nothing of what is longer
_MAX_NESTING = 6  # forms in forms


def _bound(function: Any, result: Any, *arguments: Any) -> Any:
    """`function` of the library once more, to be called with addresses and numbers."""
    address = ctypes.cast(function, ctypes.c_void_p).value or 0
    return ctypes.PYFUNCTYPE(result, *arguments)(address)


_P, _I = ctypes.c_void_p, ctypes.c_int
char_unicode = _bound(pdfium.FPDFText_GetUnicode, ctypes.c_uint, _P, _I)
char_box = _bound(pdfium.FPDFText_GetLooseCharBox, _I, _P, _I, _P)
char_object = _bound(pdfium.FPDFText_GetTextObject, _P, _P, _I)
char_font = _bound(pdfium.FPDFText_GetFontInfo, ctypes.c_ulong, _P, _I, _P, ctypes.c_ulong, _P)
char_weight = _bound(pdfium.FPDFText_GetFontWeight, _I, _P, _I)
_text = _bound(pdfium.FPDFText_GetText, _I, _P, _I, _I, _P)
_object = _bound(pdfium.FPDFPage_GetObject, _P, _P, _I)
_form_object = _bound(pdfium.FPDFFormObj_GetObject, _P, _P, ctypes.c_ulong)
object_kind = _bound(pdfium.FPDFPageObj_GetType, _I, _P)
_object_fill = _bound(pdfium.FPDFPageObj_GetFillColor, _I, _P, _P, _P, _P, _P)
_path_mode = _bound(pdfium.FPDFPath_GetDrawMode, _I, _P, _P, _P)
_char_size = _bound(pdfium.FPDFText_GetFontSize, ctypes.c_double, _P, _I)
_char_matrix = _bound(pdfium.FPDFText_GetMatrix, _I, _P, _I, _P)
object_mark = _bound(pdfium.FPDFPageObj_GetMark, _P, _P, ctypes.c_ulong)
_bounds = _bound(pdfium.FPDFPageObj_GetBounds, _I, _P, _P, _P, _P, _P)
render_mode = _bound(pdfium.FPDFTextObj_GetTextRenderMode, _I, _P)  # -1: no text
_set_active = _bound(pdfium.FPDFPageObj_SetIsActive, _I, _P, _I)
_remove_mark = _bound(pdfium.FPDFPageObj_RemoveMark, _I, _P, _P)
_mark_text = _bound(
    pdfium.FPDFPageObjMark_GetParamStringValue, _I, _P, ctypes.c_char_p, _P, ctypes.c_ulong, _P
)


def open_pdf(data: bytes, passwords: Sequence[str]) -> pypdfium2.PdfDocument:
    """The document in `data`; each of `passwords` is tried if it is protected.

    Raises ReadFailure (ENCRYPTED, CORRUPT).
    """
    for password in (None, *passwords):
        try:
            return pypdfium2.PdfDocument(data, password=password)
        except PdfError as error:
            if getattr(error, "err_code", None) != pdfium.FPDF_ERR_PASSWORD:
                raise ReadFailure(Failure.CORRUPT) from error
    raise ReadFailure(Failure.ENCRYPTED)


class LoadedPage:
    """One page of an open document, with its text page; lengths in points from the top left.

    `affine` is (a, b, c, d, e, f): the point (x, y) of the page's own space is drawn at
    (a*x + c*y + e, b*x + d*y + f). Raises PdfError if the page cannot be loaded.
    """

    def __init__(self, pdf: pypdfium2.PdfDocument, index: int) -> None:
        self._page = pdf[index]
        try:
            width, height = self._page.get_size()
            if not (0 < width <= _WIDEST and 0 < height <= _WIDEST):
                raise PdfError("a page without a size that can be drawn")
            self.width, self.height = float(width), float(height)
            self.affine = self._affine()
            self._address = _address(self._page.raw)
            self._load_text()
        except PdfError:
            self._page.close()
            raise

    def _load_text(self) -> None:
        self._textpage = self._page.get_textpage()
        self.text_address = _address(self._textpage.raw)
        self.count = max(0, pdfium.FPDFText_CountChars(self._textpage))

    def reload_text(self) -> None:
        """Build the text page anew, after objects of the page were changed."""
        self._textpage.close()
        self._load_text()

    def close(self) -> None:
        self._textpage.close()
        self._page.close()

    def _affine(self) -> Affine:
        """PDFium knows about rotation and crop box; three points give its map."""
        width, height = round(self.width * _SCALE), round(self.height * _SCALE)
        across, down = ctypes.c_int(), ctypes.c_int()

        def place(x: float, y: float) -> tuple[float, float]:
            pdfium.FPDF_PageToDevice(self._page, 0, 0, width, height, 0, x, y, across, down)
            return across.value / _SCALE, down.value / _SCALE

        span = 1000.0
        (e, f), (ax, ay), (cx, cy) = place(0, 0), place(span, 0), place(0, span)
        return (ax - e) / span, (ay - f) / span, (cx - e) / span, (cy - f) / span, e, f

    def text(self) -> str:
        """PDFium's text in one piece. It has a character for each of `count` unless some are
        control characters, which are left out, or lie beyond U+FFFF, which count twice.
        """
        buffer = ctypes.create_string_buffer(4 * self.count + 4)
        units = _text(self.text_address, 0, self.count, ctypes.addressof(buffer))
        return buffer.raw[: 2 * max(0, units - 1)].decode("utf-16-le", "surrogatepass")

    def objects(self) -> list[int]:
        """The addresses of what is drawn on the page, in the order in which it is drawn."""
        number = min(max(0, pdfium.FPDFPage_CountObjects(self._page)), _MAX_OBJECTS)
        return list(map(_object, repeat(self._address), range(number)))

    def bounds(self, objects: Sequence[int]) -> bytes:
        """Where objects of the page (not ones in a form) are drawn, in the page's own space: left,
        bottom, right, top of each, as floats of 32 bits.
        """
        buffer = ctypes.create_string_buffer(16 * len(objects) + 1)
        sum(map(_bounds, objects, *_slots(buffer, len(objects))))
        return buffer.raw[: 16 * len(objects)]

    def draw(self, scale: float, part: Rect | None = None, *, grey: bool = True) -> Image.Image:
        """The page, or the `part` of it, `scale` pixels a point, without annotations."""
        left, top, right, bottom = part or (0.0, 0.0, self.width, self.height)
        crop = (left, self.height - bottom, self.width - right, top)
        bitmap = self._page.render(
            scale=scale,
            crop=tuple(max(0.0, edge) for edge in crop),  # left, bottom, right, top
            grayscale=grey,
            may_draw_forms=False,
            draw_annots=part is None,
            rev_byteorder=True,
            prefer_bgrx=False,
        )
        try:
            image: Image.Image = bitmap.to_pil()
            return image.convert("L" if grey else "RGB")
        finally:
            bitmap.close()

    @contextmanager
    def without(self, objects: Sequence[int]) -> Iterator[None]:
        """While this lasts, `objects` are not drawn."""
        for address in objects:
            _set_active(address, 0)
        try:
            yield
        finally:
            for address in objects:
                _set_active(address, 1)


def fills(objects: Sequence[int | None]) -> bytes:
    """The colours that objects are filled with: red, green, blue, alpha of each, 0..255, as
    unsigned integers of 32 bits; zeros where it is not told, as for a pattern.
    """
    buffer = ctypes.create_string_buffer(16 * len(objects) + 1)
    sum(map(_object_fill, objects, *_slots(buffer, len(objects))))
    return buffer.raw[: 16 * len(objects)]


def _slots(buffer: Any, number: int) -> list[range]:
    base = ctypes.addressof(buffer)
    return [range(base + 4 * part, base + 4 * part + 16 * number, 16) for part in range(4)]


def is_filled(path: int) -> bool:
    """Whether a path is filled, not only drawn as a line."""
    modes = (ctypes.c_int * 2)()
    base = ctypes.addressof(modes)
    return bool(_path_mode(path, base, base + 4)) and modes[0] != pdfium.FPDF_FILLMODE_NONE


def char_size(page: LoadedPage, character: int) -> float:
    """The size in points at which a character is drawn: the smaller of its height and width."""
    matrix = (ctypes.c_float * 6)()
    size = _char_size(page.text_address, character)
    if not _char_matrix(page.text_address, character, ctypes.addressof(matrix)):
        return float(size)
    a, b, c, d = matrix[:4]
    return float(size * min(hypot(a, b), hypot(c, d)))


def within(form: int, depth: int = _MAX_NESTING) -> list[int]:
    """The objects in a form and in the forms in it, without those forms."""
    found: list[int] = []
    number = pdfium.FPDFFormObj_CountObjects(ctypes.cast(form, pdfium.FPDF_PAGEOBJECT))
    for index in range(min(max(0, number), _MAX_OBJECTS)):
        address = _form_object(form, index)
        if address and object_kind(address) == FORM:
            found += within(address, depth - 1) if depth else []
        elif address:
            found.append(address)
    return found


def saying(marks: Collection[int], key: bytes) -> list[int]:
    """Those of some content marks that say anything for `key`."""
    length = ctypes.c_ulong()
    at = ctypes.addressof(length)
    told = map(_mark_text, marks, repeat(key), repeat(None), repeat(0), repeat(at))
    return [mark for mark, tells in zip(marks, told, strict=True) if tells]


def mark_text(mark: int, key: bytes) -> str:
    """What `key` of a content mark says, "" without it."""
    length = ctypes.c_ulong()
    at = ctypes.addressof(length)
    buffer = ctypes.create_string_buffer(_LONGEST_MARK)
    if not _mark_text(mark, key, ctypes.addressof(buffer), len(buffer), at):
        return ""
    return buffer.raw[: min(length.value, len(buffer))].decode("utf-16-le", "replace").rstrip("\0")


def remove_mark(address: int, mark: int) -> None:
    """Take a content mark off an object, as far as this program sees it."""
    _remove_mark(address, mark)


def title(pdf: pypdfium2.PdfDocument) -> str:
    """The title in the document's own description, on one line."""
    return " ".join(clean(str(pdf.get_metadata_value("Title") or "")).split())


def label(pdf: pypdfium2.PdfDocument, index: int) -> str:
    """What is printed on page `index` (from 0) by the document's numbering, else ""."""
    return clean(str(pdf.get_page_label(index) or ""))


def attachments(pdf: pypdfium2.PdfDocument) -> list[str]:
    """The names of the files embedded in the document."""
    names = []
    for index in range(min(max(0, pdf.count_attachments()), 10_000)):
        try:
            names.append(clean(str(pdf.get_attachment(index).get_name())))
        except PdfError:
            names.append("")
    return names


def _address(handle: Any) -> int:
    return int(ctypes.cast(handle, ctypes.c_void_p).value or 0)
