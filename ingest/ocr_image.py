"""A drawn page made ready for text recognition: grey, turned, straight, clean, of a fit scale.

What is done here earns its place in `benchmarks/ocr.py`. The page is only cleaned as far as it is
dirty: filters that help a poor scan blur a good one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps

from ingest.pdf_layout import Edges

TARGET_DPI = 300  # letters of 10 points are then about 20 pixels high, as engines are trained for

_POINTS = 72.0
_SEARCH_PIXELS = 1200  # longer side of the copy on which the skew is measured
_WIDEST_SKEW = 7.0  # degrees to either side
_LEAST_SKEW = 0.12  # degrees; less moves the end of a line by less than a letter's height
_MOST_PIXELS = 30_000_000  # that are given to an engine
_BAND = 256  # rows worked on at once
_DARK = 110  # mean grey below which writing is taken to be white on black
_WHITE = 250  # lightest grey of a ground that needs no evening
_GROUND_DPI = 40  # scale at which the ground is looked for,
_GROUND_PIXELS = 13  # in squares of so many pixels: a third of an inch, more than a line of letters
_INK = 40  # grey levels from the paper that count as ink
_SPECK = 70  # grey levels from its surroundings that make a single pixel a speck
_SPECKS = 1e-3  # of the pixels must be specks for them to be taken out
_GRAIN = 6.0  # standard deviation of noise, in grey levels, from which a page is smoothed

_DEEPER = [round(255 * (level / 255) ** 2) for level in range(256)]
"""Grey levels of a clean page are squared, so that pale headings count as ink, too; grain would."""

Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the engine is shown, and how it lies on the page it was made from.

    The page (`width` by `height` pixels, `page_dpi`) was turned by `turn` degrees (0, 90, 180, 270)
    counter-clockwise, scaled by `scale` and turned by `angle` degrees counter-clockwise about its
    middle, its size kept.
    """

    image: Image.Image
    dpi: int
    page_dpi: float
    width: int
    height: int
    turn: int
    scale: float
    angle: float

    @property
    def points(self) -> tuple[float, float]:
        """Width and height of the page turned upright, in points."""
        across, down = (self.width, self.height)[:: -1 if self.turn % 180 else 1]
        return across * _POINTS / self.page_dpi, down * _POINTS / self.page_dpi

    def upright(self, edges: Edges) -> Edges:
        """A box of the image in points of the page turned upright and straightened."""
        by = _POINTS / (self.scale * self.page_dpi)
        left, top, right, bottom = edges
        return left * by, top * by, right * by, bottom * by

    def original(self, edges: Edges) -> Edges:
        """A box of the image in points of the page as it was given: the smallest box around it."""
        left, top, right, bottom = edges
        corners = [self._place(x, y) for x in (left, right) for y in (top, bottom)]
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        by = _POINTS / self.page_dpi
        across, down = self.width * by, self.height * by
        return (
            min(max(min(xs) * by, 0.0), across),
            min(max(min(ys) * by, 0.0), down),
            min(max(max(xs) * by, 0.0), across),
            min(max(max(ys) * by, 0.0), down),
        )

    def _place(self, x: float, y: float) -> tuple[float, float]:
        """A point of the image in pixels of the page."""
        radians = np.deg2rad(self.angle)
        cos, sin = float(np.cos(radians)), float(np.sin(radians))
        across, down = self.image.width / 2, self.image.height / 2
        dx, dy = x - across, y - down
        x = (across + dx * cos - dy * sin) / self.scale
        y = (down + dx * sin + dy * cos) / self.scale
        if self.turn == 90:
            return self.width - y, x
        if self.turn == 180:
            return self.width - x, self.height - y
        if self.turn == 270:
            return y, self.height - x
        return x, y


def prepare(image: Image.Image, dpi: float, *, turn: int = 0, target: int = TARGET_DPI) -> Prepared:
    """`image` as the engine is to see it. `turn` counts degrees counter-clockwise (0..270)."""
    grey = dark_on_light(image)
    if turn:
        grey = grey.transpose(_TURNS[turn])
    scale = _scale(grey, dpi, target)
    if scale < 1:
        grey = _scaled(grey, scale)
    grey, dirty = cleaned(grey)
    grey = evened(grey, dpi * min(scale, 1.0))
    if not dirty:
        grey = grey.point(_DEEPER)
    angle = skew(grey)
    if scale > 1:
        grey = _scaled(grey, scale)
    if angle:
        grey = grey.rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)
    return Prepared(
        grey, max(1, round(dpi * scale)), dpi, image.width, image.height, turn, scale, angle
    )


_TURNS = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


def _scaled(grey: Image.Image, scale: float) -> Image.Image:
    size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
    return grey.resize(size, Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX)


def _scale(grey: Image.Image, dpi: float, target: int) -> float:
    """What to scale by to come near to `target`; a little too fine is left as it is."""
    scale = target / dpi
    if 0.75 <= scale <= 1.05:
        scale = 1.0
    most: float = (_MOST_PIXELS / max(1, grey.width * grey.height)) ** 0.5
    return min(scale, most)


def grey_of(image: Image.Image) -> Image.Image:
    """Any image as grey levels 0..255, transparent parts as white paper."""
    if image.mode in ("I;16", "I;16L", "I;16B", "I", "F"):
        levels = np.asarray(image).astype(np.float32)
        top = 65535.0 if image.mode.startswith("I") and levels.max(initial=0) > 255 else 255.0
        return Image.fromarray(np.clip(levels * (255 / top), 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        paper = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(paper, layered).convert("L")
    return image if image.mode == "L" else image.convert("L")


def dark_on_light(image: Image.Image) -> Image.Image:
    """Any image as grey levels, writing dark on light."""
    grey = grey_of(image)
    dark = float(np.asarray(grey.reduce(max(1, min(grey.size) // 64))).mean()) < _DARK
    return ImageOps.invert(grey) if dark else grey


def ink(prepared: Image.Image) -> float:
    """The share of a prepared page, 0..1, on which something is drawn; single pixels are dust."""
    levels = np.asarray(prepared.filter(ImageFilter.MedianFilter(3)))
    paper = float(np.median(levels[::5, ::5]))
    share: float = np.mean(levels < paper - _INK).item()
    return share


def cleaned(grey: Image.Image) -> tuple[Image.Image, bool]:
    """`grey` without specks and grain, as far as it has any, and whether it had."""
    levels = np.asarray(grey)
    middle = (0, grey.height // 3, grey.width, grey.height - grey.height // 3)
    specked = lone(grey.crop(middle)) > _SPECKS
    if specked:
        smooth = np.asarray(grey.filter(ImageFilter.MedianFilter(3)))
        specks = np.abs(levels.astype(np.int16) - smooth) > _SPECK
        levels = np.where(specks, smooth, levels)
        grey = Image.fromarray(levels)
    grainy = noise(levels) > _GRAIN
    return grey.filter(ImageFilter.GaussianBlur(0.7)) if grainy else grey, specked or grainy


def lone(grey: Image.Image) -> float:
    """The share of pixels, 0..1, far darker or lighter than all eight around them.

    Specks do that, and hardly any writing: the corners and dots of small type are not single.
    """
    levels = np.asarray(grey).astype(np.int16)
    darkest, lightest = (
        np.asarray(grey.filter(ImageFilter.RankFilter(3, rank))).astype(np.int16) for rank in (1, 7)
    )
    alone: float = np.mean((levels < darkest - _SPECK) | (levels > lightest + _SPECK)).item()
    return alone


def evened(grey: Image.Image, dpi: float) -> Image.Image:
    """`grey` with writing dark on white wherever it stands: on shading, in a shadow, white on dark.

    The ground is the middle grey level around each place; levels are taken relative to it.
    """
    by = max(1, round(dpi / _GROUND_DPI))
    small = grey.reduce(by).filter(ImageFilter.MedianFilter(_GROUND_PIXELS))
    if np.asarray(small).min() >= _WHITE:
        return grey
    ground = np.asarray(small.resize(grey.size, Image.Resampling.BILINEAR))
    levels = np.array(grey)
    for top in range(0, len(levels), _BAND):  # a whole page as fractions takes much memory
        band = slice(top, top + _BAND)
        levels[band] = _relative(levels[band], ground[band])
    return Image.fromarray(levels)


def _relative(levels: Grey, ground: Grey) -> Grey:
    """Grey levels as shares of those of the ground; on a dark ground, of their opposites."""
    dark = ground < _DARK
    part = np.where(dark, 255 - levels, levels).astype(np.float32)
    whole = np.where(dark, 255 - ground, ground).astype(np.float32)
    return np.clip(part * (255 / whole), 0, 255).astype(np.uint8)


def noise(levels: Grey) -> float:
    """The standard deviation of the grain of the paper, in grey levels.

    From the median absolute second difference, which writing, a small part of a page, does not
    move: for Gaussian noise of deviation s it is 0.6745 * sqrt(6) * s.
    """
    part = levels[::3].astype(np.int16)
    second = part[:, :-2] - 2 * part[:, 1:-1] + part[:, 2:]
    if not second.size:
        return 0.0
    return float(np.median(np.abs(second))) / (0.6745 * 6**0.5)


def skew(grey: Image.Image) -> float:
    """Degrees by which the page must be turned counter-clockwise for its lines to be level.

    The angle at which the sums of ink along the rows differ most from row to row, searched on a
    small copy, first by half degrees, then finer. 0.0 where no angle stands out.
    """
    by = max(1, round(max(grey.size) / _SEARCH_PIXELS))
    small = np.asarray(grey.reduce(by)).astype(np.float32)
    ink = np.clip(np.median(small) - 25 - small, 0, None)
    ys, xs = np.nonzero(ink)
    if len(ys) < 50:
        return 0.0
    weights = ink[ys, xs]
    xs = xs - small.shape[1] / 2

    def sharpness(angle: float) -> float:
        slope = np.tan(np.deg2rad(angle))
        rows = np.round(ys - xs * slope).astype(np.int64)
        profile = np.bincount(rows - rows.min(), weights)
        return float(np.square(np.diff(profile)).sum())

    best = 0.0
    for step, reach in ((0.5, _WIDEST_SKEW), (0.1, 0.5), (0.025, 0.1)):
        around = best + np.arange(-reach, reach + step / 2, step)
        best = float(max(around, key=sharpness))
    clear = sharpness(best) > 1.05 * sharpness(0.0)
    return best if abs(best) >= _LEAST_SKEW and clear else 0.0
