"""What RTF groups inherit: where text goes, how it looks, and the words that change it.

Pure. A group takes a copy of the state around it and gives it back at its end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from operator import attrgetter

from ingest.office_look import PAPER, TINY, same_color
from ingest.pages import FindingKind

_USUAL_SIZE = 24  # half-points


class Goal(Enum):
    """Where text of a group goes."""

    DRAWN = auto()
    NOWHERE = auto()
    FONTS = auto()
    COLORS = auto()
    STYLES = auto()
    CAPTURED = auto()  # kept under the group's name


SKIPPED = frozenset({
    "pict", "nonshppict", "shprslt", "fldinst", "info", "listtable", "listoverridetable", "revtbl",
    "rsidtbl", "generator", "filetbl", "bkmkstart", "bkmkend", "xe", "tc", "txe", "rxe",
    "nonesttables", "template", "datafield", "formfield", "themedata", "sp", "mmathPict", "falt",
    "panose", "objdata", "objname", "upr", "pntxta", "pntxtb", "private1", "userprops", "docvar",
})  # fmt: skip
"""Destinations whose text is not drawn, or drawn in another way beside them."""

NAMED = frozenset({
    "title", "author", "atnid", "atnauthor", "atrfstart", "atrfend", "atnref", "objclass",
})  # fmt: skip
"""Destinations of a few words that are kept."""

DRAWN_THOUGH_STARRED = frozenset({
    "shpinst", "shptxt", "shpgrp", "do", "dptxbxtext", "ud", "annotation", "footnote", "fldrslt",
    "result", "moMath", "moMathPara", "mmath",
})  # fmt: skip
"""Destinations that stand after \\* and hold drawn text all the same."""

WORDS = {
    "tab": "\t", "line": "\n", "emdash": "—", "endash": "–", "emspace": " ", "enspace": " ",
    "qmspace": " ", "bullet": "•", "lquote": "‘", "rquote": "’", "ldblquote": "“",
    "rdblquote": "”", "zwbo": "\u200b", "zwnbo": "\u2060", "zwj": "\u200d", "zwnj": "\u200c",
    "ltrmark": "\u200e", "rtlmark": "\u200f", "softline": "",
}  # fmt: skip
"""Control words that stand for text."""

SIGNS = {"~": "\u00a0", "_": "-", "-": "", "\\": "\\", "{": "{", "}": "}", "\t": "\t"}
"""Control symbols that stand for text."""


@dataclass(slots=True)
class State:
    """The state of a group."""

    goal: Goal = Goal.DRAWN
    name: str = ""  # of the destination
    sink: int = 0  # which run of paragraphs the text belongs to
    font: int | None = None  # None: the file's default
    fallback: int = 1  # \uc: how many bytes stand for a \u where Unicode is not known
    hidden: bool = False
    deleted: bool = False
    inserted: bool = False
    size: int = _USUAL_SIZE
    color: int = 0
    behind: int = 0
    style: int | None = None
    outline: int | None = None
    in_table: bool = False
    new_page: bool = False
    ground: int = 0

    def copy(self) -> State:
        """The state of a group within this one."""
        return State(*_values(self))

    def plain(self) -> None:
        """Character properties as by default."""
        self.font = None
        self.hidden = self.deleted = self.inserted = False
        self.size, self.color, self.behind = _USUAL_SIZE, 0, 0

    def new_paragraph(self) -> None:
        """Paragraph properties as by default."""
        self.style = self.outline = None
        self.in_table = self.new_page = False
        self.ground = 0

    def change(self, word: str, number: int | None) -> bool:
        """Whether `word` is a property of characters or paragraphs, which is set here."""
        on = number != 0
        if word in _SWITCHES:
            setattr(self, _SWITCHES[word], on)
        elif word in _NUMBERS:
            setattr(self, _NUMBERS[word], max(number or 0, 0))
        elif word == "plain":
            self.plain()
        elif word == "pard":
            self.new_paragraph()
        else:
            return False
        return True

    def unseen(self, colors: Colors, cell: int) -> FindingKind | None:
        """Why nobody sees text of this state in a cell shaded with colour `cell`, else None."""
        if self.hidden:
            return FindingKind.HIDDEN_MARKUP
        if self.size < 2 * TINY:
            return FindingKind.TINY_TEXT
        own = colors.of(self.color)
        if own is None:
            return None
        shaded = (colors.of(place) for place in (self.behind, self.ground, cell))
        behind = next((color for color in shaded if color is not None), PAPER)
        return FindingKind.WHITE_TEXT if same_color(own, behind) else None


_values = attrgetter(*State.__dataclass_fields__)
_SWITCHES = {
    "v": "hidden", "deleted": "deleted", "revised": "inserted", "mvf": "deleted",
    "mvt": "inserted", "intbl": "in_table", "pagebb": "new_page",
}  # fmt: skip
_NUMBERS = {
    "fs": "size", "cf": "color", "highlight": "behind", "chcbpat": "behind", "cb": "behind",
    "cbpat": "ground", "s": "style", "outlinelevel": "outline", "f": "font", "uc": "fallback",
}  # fmt: skip


@dataclass(slots=True)
class Colors:
    """The colour table, RRGGBB; entry 0 is usually left to the reader."""

    entries: list[str | None] = field(default_factory=list)
    _parts: dict[str, int] = field(default_factory=dict)

    def of(self, place: int) -> str | None:
        """The colour with this number, None if it is left to the reader."""
        return self.entries[place] if 0 <= place < len(self.entries) else None

    def part(self, word: str, number: int | None) -> None:
        """A \\red, \\green or \\blue of the next colour."""
        if word in ("red", "green", "blue"):
            self._parts[word] = min(max(number or 0, 0), 255)

    def end(self) -> None:
        """The next colour ends here."""
        red, green, blue = (self._parts.get(word, 0) for word in ("red", "green", "blue"))
        self.entries.append(f"{red:02X}{green:02X}{blue:02X}" if self._parts else None)
        self._parts = {}
