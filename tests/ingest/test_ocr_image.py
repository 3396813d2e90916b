"""Straightening, cleaning and scaling of a page, and the way back to its own coordinates."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from ingest.ocr_image import cleaned, dark_on_light, evened, grey_of, ink, noise, prepare, skew
from tests.ingest.ocr_pages import LINES, drawn

_MANY = [f"{number} {LINES[number % 2]}" for number in range(9)]


def _page() -> Image.Image:
    return drawn(_MANY, size=(1240, 1000))


@pytest.mark.parametrize("degrees", [-6.0, -2.0, -0.5, 0.0, 0.3, 2.0, 5.0])
def test_skew_is_found(degrees: float) -> None:
    turned = _page().rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=255)

    assert skew(turned) == pytest.approx(degrees, abs=0.1)


def test_a_page_without_lines_has_no_skew() -> None:
    assert skew(Image.new("L", (800, 800), 255)) == 0.0
    specks = np.random.default_rng(1).integers(0, 256, (800, 800), dtype=np.uint8)
    assert skew(Image.fromarray(specks)) == 0.0


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize(("dpi", "degrees"), [(300, 0.0), (150, 2.0), (600, -3.0)])
def test_a_box_of_the_prepared_page_lies_where_it_was_drawn(
    turn: int, dpi: int, degrees: float
) -> None:
    page = Image.new("L", (1300, 1700), 255)
    pen = ImageDraw.Draw(page)
    for y in range(100, 1600, 60):  # "lines" that show the skew
        pen.rectangle((100, y, 1200, y + 12), fill=190)
    pen.rectangle((400, 500, 460, 540), fill=0)  # the mark
    page = page.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255)
    given = (
        page.transpose(
            {
                90: Image.Transpose.ROTATE_270,
                180: Image.Transpose.ROTATE_180,
                270: Image.Transpose.ROTATE_90,
            }[turn]
        )
        if turn
        else page
    )
    there = np.argwhere(np.asarray(given) < 40)
    (top, left), (bottom, right) = there.min(axis=0), there.max(axis=0) + 1

    prepared = prepare(given, dpi, turn=turn)
    marked = np.argwhere(np.asarray(prepared.image) < 40)
    (y0, x0), (y1, x1) = marked.min(axis=0), marked.max(axis=0) + 1
    box = prepared.original((float(x0), float(y0), float(x1), float(y1)))

    expected = [side * 72 / dpi for side in (left, top, right, bottom)]
    assert box == pytest.approx(expected, abs=6 * 72 / dpi)
    assert prepared.angle == pytest.approx(-degrees, abs=0.15)
    sides = (given.height, given.width) if turn % 180 else given.size
    assert prepared.points == pytest.approx([side * 72 / dpi for side in sides])


def test_boxes_never_leave_the_page() -> None:
    page = _page().rotate(-2, fillcolor=255)
    prepared = prepare(page, 300)
    width, height = page.width * 72 / 300, page.height * 72 / 300

    left, top, right, bottom = prepared.original((0.0, 0.0, 1240.0, 1000.0))

    assert 0 <= left <= right <= width
    assert 0 <= top <= bottom <= height


def test_specks_go_and_a_clean_page_is_left_alone() -> None:
    page = _page()
    levels = np.asarray(page).copy()
    where = np.random.default_rng(2).random(levels.shape)
    levels[where < 0.01] = 0

    same, dirty = cleaned(page)
    clean, was_dirty = cleaned(Image.fromarray(levels))

    assert same.tobytes() == page.tobytes()
    assert (dirty, was_dirty) == (False, True)
    paper = np.asarray(page.filter(ImageFilter.MinFilter(5))) == 255
    assert (levels[paper] < 100).mean() > 0.005
    assert (np.asarray(clean)[paper] < 100).mean() < 0.0005


def test_pale_writing_on_a_clean_page_becomes_dark() -> None:
    pale = Image.eval(_page(), lambda level: 160 + 95 * level // 255)

    levels = np.asarray(prepare(pale, 300).image)

    assert levels.min() < 110
    assert np.median(levels) == 255


def test_grain_is_measured() -> None:
    grain = np.random.default_rng(3).normal(128, 12, (500, 500))

    assert noise(grain.astype(np.uint8)) == pytest.approx(12, rel=0.1)
    assert noise(np.asarray(_page())) == 0
    assert noise(np.zeros((2, 2), np.uint8)) == 0


def test_writing_on_shading_and_white_on_dark_becomes_dark_on_white() -> None:
    page = drawn(size=(1240, 1000))
    shaded = Image.eval(page, lambda level: 60 + level // 3)
    both = Image.new("L", (1240, 2000))
    both.paste(shaded, (0, 0))
    both.paste(ImageOps.invert(page), (0, 1000))

    levels = np.asarray(evened(both, 300))

    for part in (levels[50:950], levels[1050:1950]):
        assert np.median(part) > 240
        assert 0.5 < (part < 128).sum() / (np.asarray(page)[50:950] < 128).sum() < 1.5


def test_a_dark_page_is_inverted() -> None:
    assert dark_on_light(ImageOps.invert(_page())).tobytes() == _page().tobytes()
    assert dark_on_light(_page()).tobytes() == _page().tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "I;16", "F"])
def test_every_mode_becomes_the_same_grey(mode: str) -> None:
    page = _page()
    if mode == "I;16":
        other = Image.fromarray(np.asarray(page).astype(np.uint16) * 257)
    elif mode == "LA":
        other = Image.merge("LA", (page, page.point(lambda level: 255)))
    else:
        other = page.convert(mode)

    off = np.abs(np.asarray(grey_of(other)).astype(int) - np.asarray(page))

    assert (off > 3).mean() < 0.05  # mode 1 has no grey edges


def test_what_is_transparent_is_paper() -> None:
    clear = Image.new("RGBA", (50, 50), (0, 0, 0, 0))

    assert set(grey_of(clear).tobytes()) == {255}


def test_ink_tells_paper_from_writing() -> None:
    grain = np.random.default_rng(4).normal(235, 8, (1000, 800)).clip(0, 255).astype(np.uint8)
    number = drawn(["17"], size=(2480, 3508), height=40)

    assert ink(Image.new("L", (1000, 800), 255)) == 0
    assert ink(prepare(Image.fromarray(grain), 300).image) < 1e-5
    assert ink(number) > 2e-6
    assert ink(_page()) > 1e-3


@pytest.mark.slow
def test_huge_pages_are_scaled_down_and_tiny_ones_survive() -> None:
    assert max(prepare(Image.new("L", (7600, 7600), 255), 300).image.size) < 7000
    for size in ((1, 1), (3, 1), (1, 900), (40, 2)):
        prepare(Image.new("L", size, 200), 300)
