"""What the styles of an HTML page hide: inline styles, old attributes, simple class rules. Pure.

Understood are rules whose selector is a tag, a class, an id, or a tag with a class, and inline
styles. Not understood are combined selectors, media queries, variables, linked style sheets and
what scripts change. Where one of these, or a picture, may colour what is behind a text, the text
is taken to be readable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ingest.pages import FindingKind

Rgb = tuple[int, int, int]

_TINY = 2.0  # pixels of type, below which nobody reads
_FAR = -500.0  # pixels left of or above the page
_ALIKE = 12  # of 255 by which each part of two colours may differ that look the same
_MAX_CSS = 1 << 20
_NAMES: Mapping[str, Rgb] = {
    "white": (255, 255, 255), "black": (0, 0, 0), "snow": (255, 250, 250),
    "whitesmoke": (245, 245, 245), "ghostwhite": (248, 248, 255), "ivory": (255, 255, 240),
    "red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0),
    "gray": (128, 128, 128), "grey": (128, 128, 128), "silver": (192, 192, 192),
    "navy": (0, 0, 128),
}  # fmt: skip
_COLOR = re.compile(r"#[0-9a-f]{3,8}\b|rgba?\([^)]*\)|\b[a-z]+\b")
_SELECTOR = re.compile(r"(?P<tag>[a-z][a-z0-9]*)?(?P<mark>[.#][\w-]+)?", re.IGNORECASE)
_LENGTH = re.compile(r"([-+]?[0-9]*\.?[0-9]+)(px|pt|em|rem|%|ex|ch|vw|vh|cm|mm|in)?")
_PIXELS = {"px": 1.0, "": 1.0, "pt": 4 / 3, "em": 16.0, "rem": 16.0, "cm": 38.0, "in": 96.0}
_CLIPPED = re.compile(
    r"rect\(\s*[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?\s*\)"
)
_INSET = re.compile(r"inset\(\s*(?:[5-9][0-9]|100)%|circle\(\s*0")


@dataclass(frozen=True, slots=True)
class Look:
    """How text looks at some place: its colour, what is behind it (None: not known), the size of
    its type in pixels, and why it cannot be seen at all there, if so.
    """

    color: Rgb | None = (0, 0, 0)
    ground: Rgb | None = (255, 255, 255)
    size: float = 16.0
    clear: bool = False  # drawn in no colour
    unseen: FindingKind | None = None

    @property
    def hidden(self) -> FindingKind | None:
        """Why text here cannot be seen; None if it can."""
        if self.unseen:
            return self.unseen
        if self.size < _TINY:
            return FindingKind.TINY_TEXT
        if self.clear:
            return FindingKind.INVISIBLE
        if self.color and self.ground and _alike(self.color, self.ground):
            return FindingKind.WHITE_TEXT
        return None


class Styles:
    """The rules of a page's style sheets, and how an element looks under them."""

    def __init__(self, sheets: Sequence[str] = (), linked: bool = False) -> None:
        self._rules: dict[str, dict[str, str]] = {}
        self._sure = not linked  # of what is behind an element that has a class or an id
        for selector, declarations in _rules("\n".join(sheets)[:_MAX_CSS]):
            if selector:
                self._rules.setdefault(selector, {}).update(declarations)
            elif any(name.startswith("background") for name in declarations):
                self._sure = False

    def look(self, name: str, attributes: Mapping[str, object], around: Look) -> Look:
        """How the text of an element looks, in a place that looks like `around`."""
        found = _attributes(attributes)
        if self._rules:
            for selector in _selectors(name, attributes):
                found.update(self._rules.get(selector, {}))
        if not self._sure and ("class" in attributes or "id" in attributes):
            around = replace(around, ground=None)
        inline = attributes.get("style")
        if isinstance(inline, str):
            found.update(_declarations(inline))
        if not found and "hidden" not in attributes:
            return around
        if "hidden" in attributes and found.get("display", "none") == "none":
            return replace(around, unseen=FindingKind.HIDDEN_MARKUP)
        return _looking(found, around)


def _looking(found: Mapping[str, str], around: Look) -> Look:
    color, clear = around.color, around.clear
    if "color" in found and found["color"] not in ("inherit", "unset", "currentcolor"):
        color = _color(found["color"])
        clear = found["color"] == "transparent" or _alpha(found["color"]) == 0
    ground = around.ground
    for name in ("background", "background-color"):
        if "url(" in found.get(name, "") or "gradient" in found.get(name, ""):
            ground = None
        elif name in found and found[name] not in ("none", "transparent", "inherit", "initial", ""):
            ground = _color(found[name]) if _alpha(found[name]) else around.ground
    if "url(" in found.get("background-image", ""):
        ground = None
    unseen = around.unseen or _unseen(found)
    return Look(color, ground, _size(found.get("font-size", ""), around.size), clear, unseen)


def _unseen(found: Mapping[str, str]) -> FindingKind | None:
    """Why an element with these declarations is not drawn, or drawn where nobody sees it."""
    opacity = _length(found.get("opacity", "1"))
    if (
        found.get("display") == "none"
        or found.get("visibility") in ("hidden", "collapse")
        or found.get("mso-hide") == "all"
        or (opacity is not None and opacity <= 0.02)
    ):
        return FindingKind.HIDDEN_MARKUP
    if "hidden" in found.get("overflow", "") or "clip" in found.get("overflow", ""):
        for name in ("width", "height", "max-width", "max-height"):
            size = _length(found.get(name, ""))
            if size is not None and size <= 1:
                return FindingKind.HIDDEN_MARKUP
    if found.get("position") in ("absolute", "fixed") and (
        _CLIPPED.search(found.get("clip", "")) or _INSET.search(found.get("clip-path", ""))
    ):
        return FindingKind.OFF_PAGE
    placed: tuple[str, ...] = ("text-indent", "margin-left", "margin-top")
    if found.get("position") in ("absolute", "fixed", "relative"):
        placed = (*placed, "left", "top", "right", "bottom")
    moved = [_length(found[name]) for name in placed if name in found]
    if "translate" in found.get("transform", ""):
        moved += [_length(part) for part in re.split(r"[(,]", found["transform"])[1:3]]
    if any(at is not None and at <= _FAR for at in moved):
        return FindingKind.OFF_PAGE
    return None


def _attributes(attributes: Mapping[str, object]) -> dict[str, str]:
    """What old HTML says about looks in attributes of their own."""
    names = (("color", "color"), ("text", "color"), ("bgcolor", "background-color"))
    found = {
        meaning: value.strip().lower()
        for name, meaning in names
        if isinstance(value := attributes.get(name), str)
    }
    if isinstance(attributes.get("background"), str):
        found["background-image"] = "url()"
    return found


def _selectors(name: str, attributes: Mapping[str, object]) -> Iterator[str]:
    """The selectors that an element answers to, the weakest first."""
    yield name
    classes = attributes.get("class", ())
    for each in classes.split() if isinstance(classes, str) else classes:  # type: ignore[attr-defined]
        yield f".{each}"
        yield f"{name}.{each}"
    if isinstance(attributes.get("id"), str):
        yield f"#{attributes['id']}"


def _rules(css: str) -> Iterator[tuple[str, dict[str, str]]]:
    """(selector, declarations) of each rule; "" for selectors not understood and at-rules."""
    css = re.sub(r"/\*.*?(?:\*/|\Z)|<!--|-->", "", css, flags=re.DOTALL)
    at = 0
    while (begin := css.find("{", at)) >= 0:
        before = css[at:begin].rpartition(";")[2].strip()
        if before.startswith("@"):
            at = _closed(css, begin)
            yield "", {"background": ""} if "background" in css[begin:at] else {}
            continue
        end = css.find("}", begin)
        end = len(css) if end < 0 else end
        declarations = _declarations(css[begin + 1 : end])
        for selector in before.split(","):
            found = _SELECTOR.fullmatch(selector.strip())
            known = (found["tag"] or "").lower() + (found["mark"] or "") if found else ""
            yield known, declarations
        at = end + 1


def _closed(css: str, begin: int) -> int:
    """Where the block that opens at `begin` has ended."""
    depth = 0
    for match in re.compile(r"[{}]").finditer(css, begin):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return match.end()
    return len(css)


def _declarations(style: str) -> dict[str, str]:
    found = {}
    for entry in style[:10_000].lower().split(";"):
        name, colon, value = entry.partition(":")
        if colon:
            found[name.strip()] = value.replace("!important", "").strip()
    return found


def _color(text: str) -> Rgb | None:
    """The colour in a value, None if it is not known."""
    for match in _COLOR.finditer(text):
        word = match.group()
        if word in _NAMES:
            return _NAMES[word]
        if word.startswith("#"):
            digits = word[1:]
            if len(digits) in (3, 4):
                digits = "".join(2 * digit for digit in digits)
            if len(digits) in (6, 8):
                return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
        if word.startswith("rgb"):
            parts = [_length(part) for part in re.split(r"[\s,/]+", word[word.index("(") + 1 : -1])]
            known = [min(max(int(part), 0), 255) for part in parts[:3] if part is not None]
            if len(known) == 3 and "%" not in word:
                return known[0], known[1], known[2]
    return None


def _alpha(text: str) -> float:
    """How dense a colour is, 0 to 1."""
    parts = re.split(r"[\s,/]+", text[text.find("(") + 1 :].rstrip(") "))
    if text.startswith("rgb") and len(parts) == 4:
        return _length(parts[3]) or 0.0
    if text.startswith("#") and len(text) in (5, 9):
        return 0.0 if set(text[-1 if len(text) == 5 else -2 :]) == {"0"} else 1.0
    return 1.0


def _length(text: str) -> float | None:
    """A length in pixels (a share as its percent), None if it is none."""
    found = _LENGTH.match(text.strip())
    if not found:
        return None
    return float(found[1]) * _PIXELS.get(found[2] or "", 6.0 if found[2] == "%" else 10.0)


def _size(text: str, around: float) -> float:
    """The size of type under a `font-size`."""
    found = _LENGTH.fullmatch(text)
    if not found:
        return 16.0 if text in ("medium", "initial", "small", "large") else around
    number, unit = float(found[1]), found[2] or ""
    if unit in ("em", "%", "ex", "ch"):
        return around * number / (100 if unit == "%" else 1)
    return number * _PIXELS.get(unit, 10.0)


def _alike(one: Rgb, other: Rgb) -> bool:
    return all(abs(a - b) <= _ALIKE for a, b in zip(one, other, strict=True))
