"""How WordprocessingML text looks: whether a reader of the printed page would see it.

Properties come from the document's defaults, the styles of paragraph and run (each based on
others), and the run itself (ECMA-376 part 1, 17.7.2). Text is compared with the nearest shading
behind it. Where what is behind cannot be told, as in front of a picture or in a table whose style
shades cells, text counts as seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ingest.office_look import PAPER, TINY, UNKNOWN, same_color
from ingest.pages import FindingKind

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_W14 = "{http://schemas.microsoft.com/office/word/2010/wordml}"

_AUTO = "auto"
_DEEPEST = 50  # styles that are based on each other
_HIGHLIGHTS = {
    "black": "000000", "blue": "0000FF", "cyan": "00FFFF", "green": "00FF00",
    "magenta": "FF00FF", "red": "FF0000", "yellow": "FFFF00", "white": "FFFFFF",
    "darkBlue": "000080", "darkCyan": "008080", "darkGreen": "008000", "darkMagenta": "800080",
    "darkRed": "800000", "darkYellow": "808000", "darkGray": "808080", "lightGray": "C0C0C0",
}  # fmt: skip


def value(node: Any, path: str) -> str:
    """The w:val of the element at `path` below `node`, "" if there is none."""
    found = node.find("/".join(f"{W}{step}" for step in path.split("/")))
    return "" if found is None else str(found.get(f"{W}val", ""))


def is_on(node: Any) -> bool:
    """Whether an on/off element is there and not switched off."""
    return node is not None and node.get(f"{W}val", "1") not in ("0", "false", "off")


def number(text: str) -> int:
    """A whole number, 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


@dataclass(frozen=True, slots=True)
class Look:
    """Properties of a run; None: not said. `behind` is the shading of the run, `size` in
    half-points, colours are RRGGBB or "auto".
    """

    hidden: bool | None = None
    color: str | None = None
    size: int | None = None
    behind: str | None = None
    highlight: str | None = None
    unfilled: bool | None = None

    def over(self, below: Look) -> Look:
        """This look where it says something, else `below`."""
        return Look(
            *(
                below_one if one is None else one
                for one, below_one in zip(_fields(self), _fields(below), strict=True)
            )
        )


def _fields(look: Look) -> tuple[Any, ...]:
    return look.hidden, look.color, look.size, look.behind, look.highlight, look.unfilled


_PLAIN = Look()


def look(properties: Any) -> Look:
    """What a w:rPr (or None) says."""
    if properties is None or not len(properties):
        return _PLAIN
    vanish = properties.find(f"{W}vanish")
    size = value(properties, "sz")
    highlight = value(properties, "highlight")
    return Look(
        hidden=None if vanish is None else is_on(vanish),
        color=value(properties, "color") or None,
        size=number(size) if size else None,
        behind=shading(properties),
        highlight=_HIGHLIGHTS.get(highlight) if highlight else None,
        unfilled=_unfilled(properties.find(f"{_W14}textFill")),
    )


def _unfilled(fill: Any) -> bool | None:
    """Whether the letters are filled with nothing, or with something wholly transparent."""
    if fill is None:
        return None
    alphas = [node.get(f"{_W14}val", "0") for node in fill.iter(f"{_W14}alpha")]
    return fill.find(f"{_W14}noFill") is not None or "100000" in alphas


def shading(properties: Any) -> str | None:
    """The colour of the w:shd of these properties, None if they have none."""
    node = None if properties is None else properties.find(f"{W}shd")
    if node is None:
        return None
    pattern = node.get(f"{W}val", "")
    if pattern == "solid":
        color = str(node.get(f"{W}color", _AUTO))
        return "000000" if color == _AUTO else color
    fill = str(node.get(f"{W}fill", _AUTO))
    if pattern not in ("", "clear", "nil"):
        return UNKNOWN  # a pattern of two colours
    return None if fill == _AUTO else fill


def seen(found: Look, behind: str) -> FindingKind | None:
    """Why nobody sees text of this look on the colour `behind`, None if it is seen."""
    if found.hidden:
        return FindingKind.HIDDEN_MARKUP
    if found.size is not None and found.size < 2 * TINY:
        return FindingKind.TINY_TEXT
    if found.unfilled:
        return FindingKind.INVISIBLE
    color = found.color or _AUTO
    if found.highlight is not None:
        # Word turns automatic letters white on dark shading, not on dark highlighting.
        if same_color("000000" if color == _AUTO else color, found.highlight):
            return FindingKind.WHITE_TEXT
        return None
    ground = behind if found.behind is None else found.behind
    return FindingKind.WHITE_TEXT if color != _AUTO and same_color(color, ground) else None


@dataclass(frozen=True, slots=True)
class Style:
    """What matters of a style. `level` is that of a heading, 0 for none, -1 for a title."""

    level: int = 0
    list_id: str = ""
    list_level: int | None = None
    new_page: bool = False
    behind: str | None = None
    look: Look = _PLAIN
    shades_cells: bool = False


_NO_STYLE = Style()


@dataclass(slots=True)
class Styles:
    """The styles of a document by id, and its defaults."""

    by_id: dict[str, Style] = field(default_factory=dict)
    defaults: Look = _PLAIN
    usual: str = ""  # the id of the paragraph style of a paragraph that names none

    def of(self, style_id: str) -> Style:
        """The style with this id, or one that says nothing."""
        return self.by_id.get(style_id, _NO_STYLE)

    def paragraph(self, node: Any) -> Style:
        """The style of a w:p."""
        return self.of(value(node, "pPr/pStyle") or self.usual)

    def run(self, properties: Any, paragraph: Style) -> Look:
        """How a run with this w:rPr (or None) looks in a paragraph of that style."""
        below = paragraph.look
        named = "" if properties is None else value(properties, "rStyle")
        if named:
            own = self.of(named).look
            below = replace(own.over(below), hidden=bool(own.hidden) != bool(below.hidden))
        below = below.over(self.defaults)
        return look(properties).over(below)


def read_styles(root: Any) -> Styles:
    """The styles that a styles part (its root element, or None) describes.

    A style without a property takes that of the style it is based on.
    """
    if root is None:
        return Styles()
    nodes = {str(node.get(f"{W}styleId")): node for node in root.iterchildren(f"{W}style")}
    defaults = look(root.find(f"{W}docDefaults/{W}rPrDefault/{W}rPr"))
    usual = next(
        (
            style_id
            for style_id, node in nodes.items()
            if node.get(f"{W}type") == "paragraph"
            and node.get(f"{W}default") in ("1", "true", "on")
        ),
        "",
    )
    return Styles(
        {style_id: _style(node, nodes) for style_id, node in nodes.items()}, defaults, usual
    )


def _style(node: Any, nodes: dict[str, Any]) -> Style:
    found = _NO_STYLE
    for each in _ancestry(node, nodes):
        paragraph = each.find(f"{W}pPr")
        list_level = value(each, "pPr/numPr/ilvl")
        found = Style(
            level=found.level or _heading_level(each),
            list_id=found.list_id or value(each, "pPr/numPr/numId"),
            list_level=(
                number(list_level) if found.list_level is None and list_level else found.list_level
            ),
            new_page=found.new_page
            or (paragraph is not None and is_on(paragraph.find(f"{W}pageBreakBefore"))),
            behind=shading(paragraph) if found.behind is None else found.behind,
            look=found.look.over(look(each.find(f"{W}rPr"))),
            shades_cells=found.shades_cells or any(_shades(each)),
        )
    return found


def _ancestry(node: Any, nodes: dict[str, Any]) -> Iterator[Any]:
    """A style and those that it is based on, each once."""
    gone: set[str] = set()
    while node is not None and len(gone) < _DEEPEST and str(node.get(f"{W}styleId")) not in gone:
        gone.add(str(node.get(f"{W}styleId")))
        yield node
        node = nodes.get(value(node, "basedOn"))


def _heading_level(node: Any) -> int:
    name = value(node, "name").lower()
    if name.startswith("heading ") and name[8:9].isdigit():
        return number(name[8:9])
    if name == "title":
        return -1
    outline = value(node, "pPr/outlineLvl")
    return number(outline) + 1 if outline.isdigit() and int(outline) < 9 else 0


def _shades(style: Any) -> Iterator[bool]:
    """Whether a table style shades cells, somewhere."""
    for cells in style.iter(f"{W}tcPr", f"{W}tblPr"):
        fill = shading(cells)
        yield fill is not None and fill.upper() != PAPER
