"""Styles of an OpenDocument text: how text looks, where pages break, how lists are numbered.

ODF 1.3 part 3, sections 16 and 20. Common styles stand in styles.xml; content.xml and the running
heads each have automatic styles of their own, whose names may clash. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ingest.docx_numbering import formatted
from ingest.office_look import TINY, UNKNOWN, same_color
from ingest.pages import FindingKind

OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_FO = "{urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0}"

_FORMATS = {
    "1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman",
    "": "none",
}  # fmt: skip
_MOST_LEVELS = 10
_DEEPEST = 50  # styles that are based on each other
_AFFIX = 50  # characters before or after a number


def whole(text: str | None, default: int = 0, most: int = 32_767) -> int:
    """A whole number of an attribute, at most `most`; `default` for anything else."""
    if not text or not text.isascii() or not text.isdigit() or len(text) > 9:
        return most if text and text.isascii() and text.isdigit() else default
    return min(int(text), most)


@dataclass(frozen=True, slots=True)
class Look:
    """How text looks; `size` in points, colours RRGGBB, None: not said."""

    hidden: bool = False
    size: float | None = None
    color: str | None = None
    behind: str | None = None

    def unseen(self, behind: str) -> FindingKind | None:
        """Why nobody sees such text on ground of the colour `behind`, None if it is seen."""
        if self.hidden:
            return FindingKind.HIDDEN_MARKUP
        if self.size is not None and self.size < TINY:
            return FindingKind.TINY_TEXT
        ground = behind if self.behind is None else self.behind
        if self.color is not None and same_color(self.color, ground):
            return FindingKind.WHITE_TEXT
        return None


@dataclass(frozen=True, slots=True)
class Breaks:
    """Where a paragraph or table ends pages, and which master page begins with it."""

    before: bool = False
    after: bool = False
    master: str = ""


@dataclass(slots=True)
class Styles:
    """The styles that one part of a document sees: its own automatic ones before the common."""

    nodes: dict[tuple[str, str], Any] = field(default_factory=dict)  # by family and name
    lists: dict[str, Any] = field(default_factory=dict)
    _lines: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    _looks: dict[tuple[str, str, Look], Look] = field(default_factory=dict)

    @classmethod
    def of(cls, *parents: Any) -> Styles:
        """The styles below these elements (or None); the later count where names clash."""
        found = cls()
        for parent in parents:
            for node in () if parent is None else parent.iterchildren():
                name = str(node.get(f"{STYLE}name", ""))
                if node.tag == f"{STYLE}style":
                    found.nodes[(str(node.get(f"{STYLE}family", "")), name)] = node
                elif node.tag == f"{STYLE}default-style":
                    found.nodes[(str(node.get(f"{STYLE}family", "")), "")] = node
                elif node.tag == f"{TEXT}list-style":
                    found.lists[name] = node
                elif node.tag == f"{TEXT}outline-style":
                    found.lists[""] = node
        return found

    def line(self, family: str, name: str) -> list[Any]:
        """A style and those above it, the default last."""
        key = (family, name)
        if key not in self._lines:
            found: list[Any] = []
            while name and (node := self.nodes.get((family, name))) is not None:
                if len(found) == _DEEPEST or any(node is each for each in found):
                    break
                found.append(node)
                name = str(node.get(f"{STYLE}parent-style-name", ""))
            default = self.nodes.get((family, ""))
            self._lines[key] = found if default is None else [*found, default]
        return self._lines[key]

    def first(self, family: str, name: str, properties: str, attribute: str) -> str | None:
        """The nearest value of an attribute among these properties."""
        for node in self.line(family, name):
            group = node.find(f"{STYLE}{properties}")
            value = None if group is None else group.get(attribute)
            if value is not None:
                return str(value)
        return None

    def look(self, family: str, name: str, around: Look) -> Look:
        """How text of a style looks within text that looks like `around`."""
        key = (family, name, around)
        if key not in self._looks:
            self._looks[key] = self._look(family, name, around)
        return self._looks[key]

    def _look(self, family: str, name: str, around: Look) -> Look:
        display = self.first(family, name, "text-properties", f"{TEXT}display")
        color = self.first(family, name, "text-properties", f"{_FO}color")
        automatic = self.first(family, name, "text-properties", f"{STYLE}use-window-font-color")
        behind = self.first(family, name, "text-properties", f"{_FO}background-color")
        size = self.first(family, name, "text-properties", f"{_FO}font-size")
        return Look(
            hidden=around.hidden if display is None else display == "none",
            size=_points(size, around.size),
            color=None if automatic == "true" else _color(color, around.color),
            behind=_color(behind, around.behind),
        )

    def ground(self, family: str, name: str, behind: str) -> str:
        """The colour behind what has a style, itself in front of the colour `behind`."""
        group = {
            "paragraph": "paragraph-properties",
            "table": "table-properties",
            "table-row": "table-row-properties",
            "table-cell": "table-cell-properties",
        }[family]
        return _color(self.first(family, name, group, f"{_FO}background-color"), None) or behind

    def breaks(self, family: str, name: str) -> Breaks:
        """Where what has this style ends pages."""
        group = f"{family}-properties"
        master = next(
            (
                str(node.get(f"{STYLE}master-page-name"))
                for node in self.line(family, name)
                if node.get(f"{STYLE}master-page-name")
            ),
            "",
        )
        return Breaks(
            self.first(family, name, group, f"{_FO}break-before") == "page" or bool(master),
            self.first(family, name, group, f"{_FO}break-after") == "page",
            master,
        )

    def is_title(self, name: str) -> bool:
        """Whether a paragraph style is that of the title of a document."""
        return any(node.get(f"{STYLE}name") == "Title" for node in self.line("paragraph", name))

    def outline(self, name: str) -> int:
        """The level of a heading that a paragraph style stands for, 0 for none."""
        for node in self.line("paragraph", name):
            level = node.get(f"{STYLE}default-outline-level")
            if level is not None:
                return whole(level)
        return 0

    def list_style(self, name: str) -> str:
        """The list style that a paragraph style brings, "" for none."""
        for node in self.line("paragraph", name):
            found = node.get(f"{STYLE}list-style-name")
            if found is not None:
                return str(found)
        return ""


def _points(text: str | None, around: float | None) -> float | None:
    if not text:
        return around
    try:
        if text.endswith("%"):
            return None if around is None else around * float(text[:-1]) / 100
        return float(text.removesuffix("pt")) if text.endswith("pt") else around
    except ValueError:
        return around


def _color(text: str | None, around: str | None) -> str | None:
    if text is None or text == "transparent":
        return around
    return text.lstrip("#").upper() if text.startswith("#") else UNKNOWN


@dataclass(slots=True)
class Lists:
    """Counts the items of lists; lists of one style that go on share their numbers."""

    counts: dict[str, dict[int, int]] = field(default_factory=dict)

    def begin(self, style: str) -> None:
        """A list that does not continue another one begins."""
        self.counts.pop(style, None)

    def label(self, styles: Styles, style: str, level: int, start: str | None) -> str:
        """What is drawn before the next item (or numbered heading) of a level, from 1."""
        node = styles.lists.get(style)
        if node is None or level > _MOST_LEVELS:
            return ""
        levels = {whole(each.get(f"{TEXT}level"), 1): each for each in node.iterchildren()}
        own = levels.get(level)
        if own is None:
            return ""
        if own.tag == f"{TEXT}list-level-style-bullet":
            sign = str(own.get(f"{TEXT}bullet-char", "•"))
            return sign if sign.isprintable() and not "\ue000" <= sign[:1] <= "\uf8ff" else "•"
        counts = self.counts.setdefault(style, {})
        first = whole(own.get(f"{TEXT}start-value"), 1)
        counts[level] = counts.get(level, first - 1) + 1 if start is None else whole(start, 1)
        for deeper in [at for at in counts if at > level]:
            del counts[deeper]
        if not own.get(f"{STYLE}num-format"):
            return ""
        shown = min(whole(own.get(f"{TEXT}display-levels"), 1), level)
        numbers = [
            _number(levels.get(at), counts.get(at)) for at in range(level - shown + 1, level + 1)
        ]
        prefix = str(own.get(f"{STYLE}num-prefix", ""))[:_AFFIX]
        suffix = str(own.get(f"{STYLE}num-suffix", ""))[:_AFFIX]
        return f"{prefix}{'.'.join(one for one in numbers if one)}{suffix}".strip()


def _number(level: Any, count: int | None) -> str:
    if level is None:
        return ""
    form = _FORMATS.get(str(level.get(f"{STYLE}num-format", "")), "decimal")
    return formatted(whole(level.get(f"{TEXT}start-value"), 1) if count is None else count, form)
