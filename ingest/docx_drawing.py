"""What drawings in WordprocessingML hold that is text: boxes, charts, word art, files within.

ECMA-376 part 1, 20 (DrawingML); VML, the older way, in part 4. Lengths in EMU (1/12,700 point).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ingest.docx_look import W
from ingest.office_look import UNKNOWN
from ingest.pages import FindingKind

MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_V = "{urn:schemas-microsoft-com:vml}"
_O = "{urn:schemas-microsoft-com:office:office}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_WPS = "{http://schemas.microsoft.com/office/word/2010/wordprocessingShape}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"

_INCH = 914_400  # EMU
_LARGEST_PAGE = 22 * _INCH  # that Word can make
_MARGIN = 3 * _INCH  # where a column may begin, at most


@dataclass(frozen=True, slots=True)
class Told:
    """Text to be reported: left out, or in the text and not yet accepted."""

    kind: FindingKind
    text: str
    characters: int | None = None  # None: those of the text


@dataclass(frozen=True, slots=True)
class TextBox:
    """A w:txbxContent, drawn by the paragraph that anchors it."""

    node: Any
    behind: str  # the colour it is filled with, `UNKNOWN` if that cannot be told


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart or diagram ("chart", "diagram") in the part that relation `id` names."""

    what: str
    id: str


def has_picture_behind(node: Any) -> bool:
    """Whether something is drawn behind the text, so that its ground cannot be told."""
    return any(each.get("behindDoc") in ("1", "true") for each in node.iter(f"{_WP}anchor")) or any(
        "z-index:-" in str(each.get("style", "")) for each in node.iter(f"{_V}shape")
    )


def drawn(node: Any, unseen: bool, keep_hidden: bool) -> Iterator[Told | TextBox | Drawn | str]:
    """What a drawing holds that is text: boxes, charts, word art; and files within."""
    for each in node.iter(f"{_O}OLEObject"):
        program = str(each.get("ProgID", ""))
        yield Told(FindingKind.EMBEDDED_FILE, program or "OLE object", 0)
    why = _why_unseen(node, unseen)
    for each in node.iter(
        f"{W}txbxContent", f"{_C}chart", f"{_DGM}relIds", f"{_V}textpath", f"{MC}Fallback"
    ):
        if _is_fallback(each, node):
            continue
        if each.tag == f"{W}txbxContent":
            if _is_nested(each, node):
                continue
            if why is not None:
                yield Told(why, "".join(part.text or "" for part in each.iter(f"{W}t")))
            if why is None or keep_hidden:
                yield TextBox(each, _filled(each))
        elif each.tag == f"{_C}chart":
            yield Drawn("chart", str(each.get(f"{R}id", "")))
        elif each.tag == f"{_DGM}relIds":
            yield Drawn("diagram", str(each.get(f"{R}dm", "")))
        elif each.tag == f"{_V}textpath":
            yield str(each.get("string", ""))


def _why_unseen(drawing: Any, unseen: bool) -> FindingKind | None:
    """Why nobody sees a drawing, None if it is seen; `unseen` is its run."""
    if unseen or any(each.get("hidden") in ("1", "true") for each in drawing.iter(f"{_WP}docPr")):
        return FindingKind.HIDDEN_MARKUP
    for anchor in drawing.iter(f"{_WP}anchor"):
        extent = anchor.find(f"{_WP}extent")
        for axis, size in (("H", "cx"), ("V", "cy")):
            position = anchor.find(f"{_WP}position{axis}")
            offset = None if position is None else position.find(f"{_WP}posOffset")
            if position is None or offset is None:
                continue
            start = _emu(offset.text)
            end = start + (0 if extent is None else _emu(extent.get(size)))
            margin = 0 if position.get("relativeFrom") == "page" else _MARGIN
            if start >= _LARGEST_PAGE or (start < 0 and end <= -margin):
                return FindingKind.OFF_PAGE
    return None


def _emu(text: str | None) -> int:
    text = (text or "").strip()
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        return 0
    return int(text)


def _is_fallback(node: Any, root: Any) -> bool:
    """Whether `node` is in alternative content that has a better choice, somewhere below `root`."""
    while node is not None and node is not root:
        if node.tag == f"{MC}Fallback" and node.getparent().find(f"{MC}Choice") is not None:
            return True
        node = node.getparent()
    return False


def _is_nested(box: Any, root: Any) -> bool:
    """Whether the box stands in another one below `root`, which will be read with it."""
    parent = box.getparent()
    while parent is not None and parent is not root:
        if parent.tag == f"{W}txbxContent":
            return True
        parent = parent.getparent()
    return False


def _filled(box: Any) -> str:
    """The colour that the shape around a text box is filled with."""
    shape = box.getparent()
    while shape is not None and shape.tag not in (f"{_WPS}wsp", f"{W}pict", f"{W}drawing"):
        color = shape.get("fillcolor") if str(shape.tag).startswith(_V) else None
        if color:
            return str(color).split()[0].lstrip("#").upper()
        shape = shape.getparent()
    properties = None if shape is None else shape.find(f"{_WPS}spPr")
    fill = None if properties is None else properties.find(f"{_A}solidFill/{_A}srgbClr")
    return UNKNOWN if fill is None else str(fill.get("val", UNKNOWN))
