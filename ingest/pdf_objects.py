"""What is drawn on a PDF page, in which order: text, pictures, filled areas.

A page can hold ten thousand objects, so each is asked about twice only: what it is, and which
content mark it carries. The rest is asked about the few that matter.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat

import numpy as np
import numpy.typing as npt

from ingest import pdf_native as native

_MARKS = 8  # nested content marks of an object that are looked at
FARTHEST = 1e6  # points
_THIN = 4.0  # points; a filled path that is lower or narrower is a rule

Floats = npt.NDArray[np.float64]
Colours = npt.NDArray[np.uint32]  # rows of red, green, blue, alpha, 0..255


def colours(raw: bytes) -> Colours:
    """What PDFium gave as colours, a row for each."""
    return np.frombuffer(raw, np.uint32).reshape(-1, 4)


@dataclass(frozen=True, slots=True)
class Areas:
    """Filled areas, pictures and forms in the order in which they are drawn, in parallel.

    `orders` are their places in that order among all objects, `edges` rows of (left, top, right,
    bottom) in points. A picture or form has the colour 0, 0, 0, 0.
    """

    objects: list[int]
    kinds: list[int]
    orders: npt.NDArray[np.int64]
    edges: Floats
    fills: Colours


class Objects:
    """The objects of one page. Valid while the page is loaded."""

    def __init__(self, page: native.LoadedPage) -> None:
        self._page = page
        self.top = page.objects()
        modes = np.fromiter(map(native.render_mode, self.top), np.int8, len(self.top))
        self._others = np.flatnonzero(modes < 0)
        kinds = [native.object_kind(self.top[order]) for order in self._others]
        self.kinds = dict(zip(self._others.tolist(), kinds, strict=True))
        self.nested = [
            (order, inner)
            for order, kind in self.kinds.items()
            if kind == native.FORM
            for inner in native.within(self.top[order])
        ]
        self.unpainted = {self.top[order]: int(modes[order]) for order in np.flatnonzero(modes > 2)}
        for _, inner in self.nested:
            mode = native.render_mode(inner)
            if mode > 2:
                self.unpainted[inner] = mode

    @property
    def has_drawing(self) -> bool:
        """Whether anything but text is drawn."""
        return bool(self.kinds)

    def every(self) -> list[int]:
        """The objects of the page, then those in its forms."""
        return [*self.top, *(inner for _, inner in self.nested)]

    @cached_property
    def orders(self) -> dict[int, int]:
        """The place of each object, also of one in a form, in the order of drawing."""
        known = dict(zip(self.top, range(len(self.top)), strict=True))
        known.update((inner, order) for order, inner in self.nested)
        return known

    @cached_property
    def areas(self) -> Areas:
        """What can lie before or behind text."""
        orders = self._others.tolist()
        edges = self._edges([self.top[order] for order in orders])
        left, top, right, bottom = edges.T
        wide = (right - left >= _THIN) & (bottom - top >= _THIN)
        kept = [
            at
            for at in np.flatnonzero(wide)
            if self.kinds[orders[at]] != native.PATH or native.is_filled(self.top[orders[at]])
        ]
        objects = [self.top[orders[at]] for at in kept]
        kinds = [self.kinds[orders[at]] for at in kept]
        fills = colours(native.fills(objects)).copy()
        fills[[kind != native.PATH for kind in kinds]] = 0
        places = np.array([orders[at] for at in kept], np.int64)
        return Areas(objects, kinds, places, edges[kept], fills)

    def _edges(self, objects: list[int]) -> Floats:
        """(left, top, right, bottom) of each, in points from the top left."""
        raw = np.frombuffer(self._page.bounds(objects), np.float32).reshape(-1, 4)
        return placed(raw, self._page.affine)

    @property
    def first_text(self) -> int:
        """The place of the first text in the order of drawing."""
        moved = np.flatnonzero(self._others != np.arange(len(self._others)))
        return int(moved[0]) if len(moved) else len(self._others)

    def pictures(self) -> Floats:
        """Where images are drawn, and forms that hold some."""
        with_images = {
            order for order, inner in self.nested if native.object_kind(inner) == native.IMAGE
        }
        orders = [
            order
            for order, kind in self.kinds.items()
            if kind == native.IMAGE or order in with_images
        ]
        return self._edges([self.top[order] for order in orders])

    def marked(self, asked: Collection[int], key: bytes) -> dict[int, tuple[str, list[int]]]:
        """The content marks on the objects `asked` about that say something for `key`: what, and
        all objects of the page that they are on.
        """
        found: dict[int, tuple[str, list[int]]] = {}
        for level in range(_MARKS):
            marks = set(map(native.object_mark, asked, repeat(level)))
            marks.discard(None)
            if not marks:
                break
            said = {mark: native.mark_text(mark, key) for mark in native.saying(marks, key)}
            found |= {mark: (text, []) for mark, text in said.items() if text}
            for each in self.every() if said else ():
                mark = native.object_mark(each, level)
                if mark in found:
                    found[mark][1].append(each)
        return found


def placed(rects: npt.NDArray[np.float32], affine: native.Affine) -> Floats:
    """(left, top, right, bottom), in points from the top left of the page as displayed, of
    rectangles (left, bottom, right, top) in the page's own space. What a broken file places beyond
    all paper is put at a great distance.
    """
    a, b, c, d, e, f = affine
    left, bottom, right, top = rects.T.astype(np.float64)
    x0, x1 = a * left + c * bottom + e, a * right + c * top + e
    y0, y1 = b * left + d * bottom + f, b * right + d * top + f
    edges = np.array(
        (np.minimum(x0, x1), np.minimum(y0, y1), np.maximum(x0, x1), np.maximum(y0, y1))
    )
    known: Floats = np.nan_to_num(edges.clip(-FARTHEST, FARTHEST), copy=False, nan=FARTHEST)
    return known.T
