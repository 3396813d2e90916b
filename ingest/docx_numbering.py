"""The numbers that Word draws before list items and headings ("4.2", "(a)", bullets).

They are not in the text of the paragraphs but follow from WordprocessingML's numbering part
(ECMA-376 part 1, section 17.9): a paragraph names a list and a level, the level gives a format and
a pattern such as "%1.%2(%3)", and the numbers come from counting. Notes are counted likewise.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_BULLETS = {"\uf0b7": "•", "\uf0a7": "▪", "o": "◦", "": "•"}
_MOST = 32_767  # what Word counts to
_LONGEST = 200  # characters of a pattern


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a list: its number format, its pattern, and the first number.

    `restart` is the level (from 1) whose number makes this one start again, 0 for none, None for
    any level above. A `legal` level draws all numbers in its pattern as 1, 2, 3. `style` is the id
    of the paragraph style that it belongs to.
    """

    form: str
    pattern: str
    start: int
    restart: int | None = None
    legal: bool = False
    style: str = ""


@dataclass(slots=True)
class Numbering:
    """Counts through a document; ask `label` once for each numbered paragraph, in order."""

    lists: dict[str, tuple[str, dict[int, Level]]]  # by numId: (abstract id, levels)
    starts: dict[str, dict[int, int]] = field(default_factory=dict)  # by numId: where it begins
    counts: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    begun: set[str] = field(default_factory=set)

    def level_of(self, list_id: str, style_id: str) -> int:
        """The level of a list that belongs to a paragraph style, 0 if none does."""
        _, levels = self.lists.get(list_id, ("", {}))
        return next((at for at, level in levels.items() if level.style == style_id), 0)

    def label(self, list_id: str, level: int) -> str:
        """What is drawn before the next paragraph of this list and level, "" for nothing."""
        abstract, levels = self.lists.get(list_id, ("", {}))
        own = levels.get(level)
        if own is None:
            return ""
        counts = self.counts[abstract]
        if list_id not in self.begun:
            self.begun.add(list_id)
            for at, start in self.starts.get(list_id, {}).items():
                counts[at] = start - 1
        counts[level] = counts.get(level, own.start - 1) + 1
        for deeper in [at for at in counts if at > level]:
            restart = levels[deeper].restart if deeper in levels else None
            if restart is None or restart > level:
                del counts[deeper]
        if own.form == "bullet":
            return _BULLETS.get(own.pattern, own.pattern if own.pattern.isprintable() else "•")
        text = own.pattern
        for at, described in levels.items():
            count = counts.get(at, described.start)
            form = "decimal" if own.legal and described.form != "none" else described.form
            text = text.replace(f"%{at + 1}", formatted(count, form))
        return text


def read_numbering(root: Any) -> Numbering:
    """The lists that a numbering part (its root element, or None) describes."""
    if root is None:
        return Numbering({})
    abstracts = {
        str(node.get(f"{_W}abstractNumId")): node for node in root.iter(f"{_W}abstractNum")
    }
    linked = {
        _value(node, "styleLink"): node
        for node in abstracts.values()
        if node.find(f"{_W}styleLink") is not None
    }
    described = {
        abstract: _levels(linked.get(_value(node, "numStyleLink"), node))
        for abstract, node in abstracts.items()
    }
    lists: dict[str, tuple[str, dict[int, Level]]] = {}
    starts: dict[str, dict[int, int]] = {}
    for node in root.iter(f"{_W}num"):
        list_id = str(node.get(f"{_W}numId"))
        abstract = _value(node, "abstractNumId")
        levels = dict(described.get(abstract, {}))
        for change in node.iter(f"{_W}lvlOverride"):
            at = _number(str(change.get(f"{_W}ilvl", "0")), 0)
            levels.update(_levels(change))
            start = _value(change, "startOverride")
            if start:
                starts.setdefault(list_id, {})[at] = _number(start, 1)
                if at in levels:
                    levels[at] = replace(levels[at], start=_number(start, 1))
        lists[list_id] = (abstract, levels)
    return Numbering(lists, starts)


def _levels(parent: Any) -> dict[int, Level]:
    return {
        _number(str(node.get(f"{_W}ilvl", "0")), 0): _level(node)
        for node in parent.iter(f"{_W}lvl")
    }


def _level(node: Any) -> Level:
    restart = _value(node, "lvlRestart")
    legal = node.find(f"{_W}isLgl")
    return Level(
        form=_value(node, "numFmt") or "decimal",
        pattern=_value(node, "lvlText")[:_LONGEST],
        start=_number(_value(node, "start"), 1),
        restart=_number(restart, 0) if restart else None,
        legal=legal is not None and legal.get(f"{_W}val", "1") not in ("0", "false", "off"),
        style=_value(node, "pStyle"),
    )


def _value(node: Any, tag: str) -> str:
    found = node.find(f"{_W}{tag}")
    return "" if found is None else str(found.get(f"{_W}val", ""))


def _number(text: str, default: int) -> int:
    return min(int(text), _MOST) if text.isascii() and text.isdigit() and len(text) < 9 else default


def formatted(number: int, form: str) -> str:
    """A number in a format of WordprocessingML (ST_NumberFormat); decimal for one not known."""
    if form == "none":
        return ""
    if form in ("lowerLetter", "upperLetter"):
        letter = chr(ord("a") + (number - 1) % 26) * (1 + (number - 1) // 26)
        return letter if form == "lowerLetter" else letter.upper()
    if form in ("lowerRoman", "upperRoman"):
        roman = _roman(number)
        return roman if form == "upperRoman" else roman.lower()
    if form == "ordinal":
        teen = number % 100 in (11, 12, 13)
        return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
    if form == "chicago":
        return "*†‡§"[(number - 1) % 4] * (1 + (number - 1) // 4)
    return f"{number:02d}" if form == "decimalZero" else str(number)


def _roman(number: int) -> str:
    signs = (
        (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
        (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
    )  # fmt: skip
    written = ""
    for value, sign in signs:
        while 0 < value <= number <= 4000:
            written += sign
            number -= value
    return written
