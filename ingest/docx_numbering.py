"""The numbers that Word draws before list items and headings ("4.2", "(a)", bullets).

They are not in the text of the paragraphs but follow from WordprocessingML's numbering part
(ECMA-376 part 1, section 17.9): a paragraph names a list and a level, the level gives a format and
a pattern such as "%1.%2", and the numbers come from counting.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_BULLETS = {"\uf0b7": "•", "\uf0a7": "▪", "o": "◦", "": "•"}


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a list: its number format, its pattern, and the first number."""

    form: str
    pattern: str
    start: int


@dataclass(slots=True)
class Numbering:
    """Counts through a document; ask `label` once for each numbered paragraph, in order."""

    lists: dict[str, tuple[str, dict[int, Level]]]  # by numId: (abstract id, levels)
    counts: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))

    def label(self, list_id: str, level: int) -> str:
        """What is drawn before the next paragraph of this list and level, "" for nothing."""
        abstract, levels = self.lists.get(list_id, ("", {}))
        own = levels.get(level)
        if own is None or own.form == "none":
            return ""
        counts = self.counts[abstract]
        counts[level] = counts.get(level, own.start - 1) + 1
        for deeper in [at for at in counts if at > level]:
            del counts[deeper]
        if own.form == "bullet":
            return _BULLETS.get(own.pattern, own.pattern if own.pattern.isprintable() else "•")
        text = own.pattern
        for at, described in levels.items():
            number = counts.get(at, described.start)
            text = text.replace(f"%{at + 1}", _formatted(number, described.form))
        return text


def read_numbering(root: Any) -> Numbering:
    """The lists that a numbering part (its root element, or None) describes."""
    if root is None:
        return Numbering({})
    abstracts = {
        node.get(f"{_W}abstractNumId"): {
            int(level.get(f"{_W}ilvl", "0")): _level(level) for level in node.iter(f"{_W}lvl")
        }
        for node in root.iter(f"{_W}abstractNum")
    }
    lists = {}
    for node in root.iter(f"{_W}num"):
        named = node.find(f"{_W}abstractNumId")
        abstract = "" if named is None else named.get(f"{_W}val", "")
        lists[node.get(f"{_W}numId")] = (abstract, abstracts.get(abstract, {}))
    return Numbering(lists)


def _level(node: Any) -> Level:
    def value(tag: str, default: str) -> str:
        found = node.find(f"{_W}{tag}")
        return default if found is None else str(found.get(f"{_W}val", default))

    start = value("start", "1")
    return Level(
        value("numFmt", "decimal"), value("lvlText", ""), int(start) if start.isdigit() else 1
    )


def _formatted(number: int, form: str) -> str:
    if form in ("lowerLetter", "upperLetter"):
        letter = chr(ord("a") + (number - 1) % 26) * (1 + (number - 1) // 26)
        return letter if form == "lowerLetter" else letter.upper()
    if form in ("lowerRoman", "upperRoman"):
        roman = _roman(number)
        return roman if form == "upperRoman" else roman.lower()
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
