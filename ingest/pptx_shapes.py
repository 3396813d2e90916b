"""Shapes of a slide: where they stand, in which order they are read, and what can be seen of them.

Lengths in EMU (1/12,700 point), as in the file. DrawingML: ECMA-376 part 1, 20.1 and 21.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ingest.office_look import TINY, UNKNOWN, same_color
from ingest.pages import FindingKind
from ingest.read_package import parsed

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_BANDS = 40  # of a slide's height: shapes whose tops are in one band stand side by side
_USUAL_MAP = {"bg1": "lt1", "tx1": "dk1", "bg2": "lt2", "tx2": "dk2"}


@dataclass(frozen=True, slots=True)
class Placed:
    """A shape and where it stands on the slide, groups taken apart."""

    shape: Any
    left: float
    top: float
    width: float
    height: float

    def is_outside(self, width: float, height: float) -> bool:
        """Whether no part of it is on a slide of that size."""
        if not width or not height or not (self.width or self.height):
            return False
        return (
            self.left >= width
            or self.top >= height
            or self.left + self.width <= 0
            or self.top + self.height <= 0
        )

    def overlaps(self, other: Placed) -> bool:
        """Whether the two share some of the slide."""
        return (
            self.left < other.left + other.width
            and other.left < self.left + self.width
            and self.top < other.top + other.height
            and other.top < self.top + self.height
        )


def placed_shapes(
    shapes: Iterable[Any], scale: tuple[float, float, float, float] = (1.0, 1.0, 0.0, 0.0)
) -> Iterator[Placed]:
    """The shapes that are no groups; `scale` turns lengths of a group into those of the slide:
    factors across and down, then what is added.
    """
    across, down, right, below = scale
    for shape in shapes:
        left, top = (shape.left or 0) * across + right, (shape.top or 0) * down + below
        width, height = (shape.width or 0) * across, (shape.height or 0) * down
        inner = shape._element.find(f"{_P}grpSpPr/{_A}xfrm")
        if not hasattr(shape, "shapes"):
            yield Placed(shape, left, top, width, height)
            continue
        origin = (0.0, 0.0) if inner is None else _pair(inner.find(f"{_A}chOff"), "x", "y")
        extent = (0.0, 0.0) if inner is None else _pair(inner.find(f"{_A}chExt"), "cx", "cy")
        factors = (width / extent[0] if extent[0] else across,
                   height / extent[1] if extent[1] else down)  # fmt: skip
        yield from placed_shapes(
            shape.shapes,
            (*factors, left - origin[0] * factors[0], top - origin[1] * factors[1]),
        )


def _pair(node: Any, one: str, other: str) -> tuple[float, float]:
    if node is None:
        return 0.0, 0.0
    return float(node.get(one, 0)), float(node.get(other, 0))


def in_order(
    placed: Sequence[Placed], height: float, is_title: Callable[[Placed], bool]
) -> list[Placed]:
    """Titles first, then from the top down, and from the left in one band."""
    band = height / _BANDS or 1.0
    return sorted(placed, key=lambda one: (not is_title(one), one.top // band, one.left))


def is_hidden(shape: Any) -> bool:
    """Whether the shape is switched off in the selection pane."""
    node = next(shape._element.iter(f"{_P}cNvPr"), None)
    return node is not None and node.get("hidden") in ("1", "true")


def embedded_program(shape: Any) -> str | None:
    """The program of an embedded object, None if the shape is none."""
    node = next(shape._element.iter(f"{_P}oleObj"), None)
    return None if node is None else str(node.get("progId") or "OLE object")


def relation_of_diagram(shape: Any) -> str:
    """The relation to a diagram's data, "" if the shape is no diagram."""
    node = next(shape._element.iter(f"{_DGM}relIds"), None)
    return "" if node is None else str(node.get(f"{_R}dm", ""))


def lines(
    shape: Any, ground: str, theme: Theme
) -> Iterator[tuple[str, list[tuple[FindingKind, str]]]]:
    """Each paragraph of a shape: what is seen of it, and what is not and why."""
    for paragraph in shape.text_frame.paragraphs:
        seen: list[str] = []
        unseen: list[tuple[FindingKind, str]] = []
        for node in paragraph._p.iterchildren(f"{_A}r", f"{_A}br", f"{_A}fld"):
            if node.tag == f"{_A}br":
                seen.append("\n")
                continue
            text = "".join(part.text or "" for part in node.iterchildren(f"{_A}t"))
            kind = _unseen(node.find(f"{_A}rPr"), ground, theme)
            if kind is None:
                seen.append(text)
            else:
                unseen.append((kind, text))
        yield "".join(seen), unseen


def _unseen(properties: Any, ground: str, theme: Theme) -> FindingKind | None:
    if properties is None:
        return None
    size = str(properties.get("sz", ""))
    if size.isdigit() and int(size) < 100 * TINY:
        return FindingKind.TINY_TEXT
    if properties.find(f"{_A}noFill") is not None:
        return FindingKind.INVISIBLE
    color = theme.color(properties.find(f"{_A}solidFill"))
    highlight = theme.color(properties.find(f"{_A}highlight"))
    if color and same_color(color, highlight or ground):
        return FindingKind.WHITE_TEXT
    return None


@dataclass(slots=True)
class Theme:
    """The named colours of a slide, RRGGBB, and the colour of the slide itself."""

    named: dict[str, str] = field(default_factory=dict)
    slide: str = UNKNOWN

    @classmethod
    def of(cls, slide: Any) -> Theme:
        """Those of this slide, by its own background or that of its layout or master."""
        layout = slide.slide_layout
        master = layout.slide_master
        theme = cls(_named(master))
        for layer in (slide, layout, master):
            background = layer._element.find(f"{_P}cSld/{_P}bg")
            if background is not None:
                plain = background.find(f"{_P}bgPr/{_A}solidFill")
                named = background.find(f"{_P}bgRef")
                # An index of 1000 and a few is a plain fill; higher ones are pictures or gradients.
                is_plain = named is not None and named.get("idx") in ("1000", "1001")
                theme.slide = theme.color(plain) or (theme.color(named) if is_plain else UNKNOWN)
                break
        return theme

    def color(self, fill: Any) -> str:
        """The colour of a fill, `UNKNOWN` for one that is not plain."""
        node = None if fill is None else next(fill.iterchildren(), None)
        if node is None or len(node):  # made lighter, darker or transparent
            return UNKNOWN
        if node.tag == f"{_A}srgbClr":
            return str(node.get("val", UNKNOWN)).upper()
        if node.tag == f"{_A}schemeClr":
            return self.named.get(str(node.get("val", "")), UNKNOWN)
        return UNKNOWN

    def ground(self, one: Placed, others: Sequence[Placed]) -> str:
        """The colour behind the text of a shape, `UNKNOWN` where it stands in front of another."""
        properties = one.shape._element.find(f"{_P}spPr")
        own = None if properties is None else properties.find(f"{_A}solidFill")
        if own is not None:
            return self.color(own)
        styled = one.shape._element.find(f"{_P}style") is not None
        if styled and (properties is None or properties.find(f"{_A}noFill") is None):
            return UNKNOWN
        for other in others:
            if other is one:
                break  # what follows is drawn above
            if other.overlaps(one) and _covers(other.shape):
                return UNKNOWN
        return self.slide


def _covers(shape: Any) -> bool:
    """Whether a shape has a ground of its own: all but text on none."""
    properties = shape._element.find(f"{_P}spPr")
    if not shape.has_text_frame or properties is None:
        return True
    if shape._element.find(f"{_P}style") is not None:
        return True
    fills = ("solidFill", "gradFill", "blipFill", "pattFill", "grpFill")
    return any(properties.find(f"{_A}{fill}") is not None for fill in fills)


def _named(master: Any) -> dict[str, str]:
    """Colours by the names that slides use: the theme's, and those that the master maps to them."""
    colors: dict[str, str] = {}
    for relation in master.part.rels.values():
        if relation.is_external or not relation.reltype.endswith("/theme"):
            continue
        scheme = next(parsed(relation.target_part.blob).iter(f"{_A}clrScheme"), None)
        for node in () if scheme is None else scheme.iterchildren():
            color = next(node.iterchildren(), None)
            if color is not None:
                value = color.get("val") if color.tag == f"{_A}srgbClr" else color.get("lastClr")
                colors[str(node.tag).rpartition("}")[2]] = str(value or UNKNOWN).upper()
    mapped = master._element.find(f"{_P}clrMap")
    names = _USUAL_MAP if mapped is None else dict(mapped.attrib)
    return colors | {str(name): colors.get(str(to), UNKNOWN) for name, to in names.items()}
