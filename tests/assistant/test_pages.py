from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image

from assistant import pages_child
from assistant.answer import Asker
from assistant.pages import ChildDrawer, Viewer, highlights, merged
from assistant.pipeline import Assistant, Policy
from index.document import Box, Page
from tests.assistant.pipeline_standins import ANNA, MemoryLibrary, MemoryLog
from tests.assistant.standins import ScriptedModel

PAGE = Page(
    1,
    "Keep records\nsix years.",
    "",
    200.0,
    100.0,
    (Box(0, 4, 10, 10, 40, 20), Box(5, 12, 44, 10, 90, 20), Box(13, 23, 10, 30, 80, 40)),
)


def test_neighbours_on_a_line_become_one_rectangle_and_lines_stay_apart() -> None:
    marks = highlights(PAGE, [(0, 23)])
    assert [(m.left, m.top, m.right, m.bottom) for m in marks] == [
        (0.05, 0.1, 0.45, 0.2),
        (0.05, 0.3, 0.4, 0.4),
    ]


def test_part_of_a_box_is_marked_in_part() -> None:
    (mark,) = highlights(PAGE, [(18, 23)])
    assert mark.left == pytest.approx((10 + 35) / 200)
    assert mark.right == pytest.approx(0.4)


def test_two_columns_are_not_joined() -> None:
    assert len(merged([Box(0, 3, 10, 10, 60, 20), Box(3, 6, 300, 10, 360, 20)])) == 2


def test_a_page_without_boxes_has_no_marks() -> None:
    assert highlights(Page(1, "text"), [(0, 4)]) == ()


def pdf() -> bytes:
    """A PDF of one blank page, A6."""
    document = pypdfium2.PdfDocument.new()
    document.new_page(298, 420)
    data = io.BytesIO()
    document.save(data)
    return data.getvalue()


class OneFile(MemoryLibrary):
    """A library whose only document is a PDF file."""

    def __init__(self, path: Path) -> None:
        super().__init__({"default/a.pdf": ("A", PAGE.text)})
        self._path = path
        for key, each in self.docs.items():
            self.docs[key] = replace(each, media_type="application/pdf")
            self.texts[key, 1] = PAGE

    def original(self, document_id: str, scope: object) -> Path:  # type: ignore[override]
        return self._path


def view(path: Path, drawer: ChildDrawer, asker: Asker = ANNA):  # type: ignore[no-untyped-def]
    shelf = OneFile(path)
    using = Assistant(shelf, MemoryLog(), ScriptedModel([]), Viewer(drawer), Policy())
    return using.page_view(asker, next(iter(shelf.docs)), 1, ((0, 4),))


@pytest.mark.slow
def test_a_page_of_a_pdf_is_drawn_by_a_process_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf())
    made = view(path, ChildDrawer(dots_per_inch=72))
    assert made.image is not None
    picture = Image.open(io.BytesIO(made.image))
    assert picture.format == "PNG"
    assert picture.size == (298, 420)
    assert len(made.highlights) == 1
    small = view(path, ChildDrawer(dots_per_inch=300, most_pixels=10_000))
    assert Image.open(io.BytesIO(small.image)).size[0] <= 100


def tiff() -> bytes:
    """A TIFF of a white page, a reduced copy of it, and a black page lying on its side."""
    data = io.BytesIO()
    small = Image.new("L", (20, 10), 128)
    small.encoderinfo = {"tiffinfo": {254: 1}}
    black = Image.new("L", (300, 200), 0)
    black.encoderinfo = {"tiffinfo": {274: 6}}  # Orientation: to be turned by a quarter
    white = Image.new("L", (200, 300), 255)
    white.save(data, "TIFF", save_all=True, append_images=[small, black])
    return data.getvalue()


@pytest.mark.parametrize(("number", "size", "shade"), [(1, (200, 300), 255), (2, (200, 300), 0)])
def test_a_page_of_an_image_is_a_full_picture_the_right_way_up(
    number: int, size: tuple[int, int], shade: int
) -> None:
    picture = Image.open(io.BytesIO(pages_child.draw(tiff(), number, 110, 4_000_000)))
    assert picture.size == size
    assert picture.getpixel((100, 100)) == (shade,) * 3


def test_a_large_image_is_made_smaller() -> None:
    data = io.BytesIO()
    Image.new("L", (3000, 2000)).save(data, "PNG")
    picture = Image.open(io.BytesIO(pages_child.draw(data.getvalue(), 1, 110, 60_000)))
    assert picture.width * picture.height <= 60_000
    assert picture.width == pytest.approx(picture.height * 1.5, abs=2)


@pytest.mark.slow
@pytest.mark.parametrize("data", [b"", b"%PDF-1.7 broken", b"\x00" * 5000, pdf()[:200]])
def test_what_cannot_be_drawn_gives_the_text(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(data)
    made = view(path, ChildDrawer())
    assert made.image is None
    assert made.highlights == ()
    assert made.text == PAGE.text


@pytest.mark.slow
def test_drawing_ends_in_time(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf())
    assert view(path, ChildDrawer(seconds=0.001)).image is None
    assert view(tmp_path / "gone.pdf", ChildDrawer()).image is None
