"""Right-to-left text in the order and the forms in which it is drawn. Pure.

Two simplified standards, enough to read Hebrew, Arabic or Persian in a line of print: the order
follows the Unicode Bidirectional Algorithm (UAX #9) without explicit embeddings, which the PDF
shows as code points anyway; the joined forms of Arabic letters are those of the presentation forms
in Unicode itself. A PDF made with this reads right; searching it finds such text only where the
reader undoes the forms, as most do.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_LEFT, _RIGHT, _NUMBER, _NEUTRAL = "L", "R", "N", ""
_KINDS = {"L": _LEFT, "R": _RIGHT, "AL": _RIGHT, "EN": _NUMBER, "AN": _NUMBER}
_PAIRS = {"(": ")", "[": "]", "{": "}"}
_LAM, _TATWEEL = "\u0644", "\u0640"


def has_right_to_left(text: str) -> bool:
    """Whether any letter of `text` is written from right to left."""
    return not text.isascii() and any(
        unicodedata.bidirectional(each) in ("R", "AL") for each in text
    )


def starts_right(text: str) -> bool:
    """Whether the first letter of `text` is written from right to left: so the paragraph runs."""
    kinds = (_KINDS.get(unicodedata.bidirectional(each)) for each in text)
    return next((kind == _RIGHT for kind in kinds if kind in (_LEFT, _RIGHT)), False)


@cache
def _forms() -> tuple[dict[str, dict[str, str]], dict[tuple[str, str], dict[str, str]]]:
    """Isolated, initial, medial and final form of each Arabic letter, and of lam with an alef."""
    letters: dict[str, dict[str, str]] = {}
    pairs: dict[tuple[str, str], dict[str, str]] = {}
    for code in (*range(0xFE70, 0xFEFD), *range(0xFB50, 0xFBE9)):
        form, *parts = unicodedata.decomposition(chr(code)).split() or [""]
        bases = [chr(int(part, 16)) for part in parts]
        if not form.startswith("<") or " " in bases:
            continue
        if len(bases) == 1:
            letters.setdefault(bases[0], {}).setdefault(form[1:-1], chr(code))
        elif len(bases) == 2 and bases[0] == _LAM:
            pairs.setdefault((bases[0], bases[1]), {}).setdefault(form[1:-1], chr(code))
    return letters, pairs


def shaped(text: str) -> str:
    """`text` with Arabic letters in the forms that they take beside each other."""
    if not any("\u0600" <= each <= "\u06ff" for each in text):
        return text
    letters, pairs = _forms()
    base = [n for n, each in enumerate(text) if unicodedata.category(each) != "Mn"]
    out = list(text)
    joins_back = False  # whether the letter before reaches out to this one
    position = 0
    while position < len(base):
        at = base[position]
        following = text[base[position + 1]] if position + 1 < len(base) else ""
        pair = pairs.get((text[at], following))
        if pair is not None:
            out[at] = pair["final" if joins_back and "final" in pair else "isolated"]
            out[base[position + 1]] = ""
            joins_back = False
            position += 2
            continue
        forms = letters.get(text[at], {})
        joins_on = _reaches(text[at], "initial") and _reaches(following, "final")
        name = _form(joins_back and "final" in forms, joins_on)
        out[at] = forms.get(name, text[at])
        joins_back = joins_on
        position += 1
    return "".join(out)


def _reaches(letter: str, form: str) -> bool:
    return letter == _TATWEEL or form in _forms()[0].get(letter, {})


def _form(back: bool, on: bool) -> str:
    if back:
        return "medial" if on else "final"
    return "initial" if on else "isolated"


def visual(clusters: Sequence[str], right: bool) -> list[tuple[int, str]]:
    """The clusters (a character with its marks) of one line in the order in which they are drawn
    from the left, each with its number; brackets turned round where they run to the left. `right`:
    the paragraph runs from right to left."""
    kinds = _kinds(clusters)
    _pair(clusters, kinds, _RIGHT if right else _LEFT)
    levels = _levels(kinds, right)
    order = list(range(len(clusters)))
    for level in range(max(levels, default=0), 0, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[order[end]] >= level:
                end += 1
            order[start:end] = reversed(order[start:end])
            start = end + 1
    return [(n, clusters[n].translate(_MIRRORED) if levels[n] % 2 else clusters[n]) for n in order]


def _kinds(clusters: Sequence[str]) -> list[str]:
    """What each cluster is; a separator within a number ("1,000.50") and a sign at one belong to
    it (rules W4 and W5)."""
    names = [unicodedata.bidirectional(each[0]) for each in clusters]
    kinds = [_KINDS.get(name, _NEUTRAL) for name in names]
    last = len(kinds) - 1
    for n, name in enumerate(names):
        before = n > 0 and kinds[n - 1] == _NUMBER
        after = n < last and kinds[n + 1] == _NUMBER
        if (name in ("CS", "ES") and before and after) or (name == "ET" and (before or after)):
            kinds[n] = _NUMBER
    return kinds


def _pair(clusters: Sequence[str], kinds: list[str], base: str) -> None:
    """Give the brackets of a pair one direction: the paragraph's, unless both what they hold and
    what stands before them run the other way (rule N0)."""
    waiting: list[tuple[str, int]] = []
    pairs: list[tuple[int, int]] = []
    for n, each in enumerate(clusters):
        if each in _PAIRS:
            waiting.append((_PAIRS[each], n))
        elif any(each == closing for closing, _ in waiting):
            while waiting[-1][0] != each:
                waiting.pop()
            pairs.append((waiting.pop()[1], n))
    for start, end in sorted(pairs):
        inside = [_strong(kind) for kind in kinds[start + 1 : end] if kind]
        if not inside:
            continue
        before = next((_strong(kind) for kind in reversed(kinds[:start]) if kind), base)
        kinds[start] = kinds[end] = base if base in inside else before


def _strong(kind: str) -> str:
    return _RIGHT if kind == _NUMBER else kind


def _levels(kinds: Sequence[str], right: bool) -> list[int]:
    """The embedding level of each: even from left to right, odd from right to left."""
    base = _RIGHT if right else _LEFT
    left_level = 2 if right else 0
    resolved: list[str] = []
    strong = base
    for kind in kinds:
        strong = kind if kind in (_LEFT, _RIGHT) else strong
        plain_number = kind == _NUMBER and strong == _LEFT
        resolved.append(_LEFT if plain_number else kind)
    levels: list[int] = []
    before = base
    for n, kind in enumerate(resolved):
        if kind == _NEUTRAL:
            after = next((each for each in resolved[n:] if each), base)
            after = _RIGHT if after == _NUMBER else after
            kind = before if before == after else base
        else:
            before = _RIGHT if kind == _NUMBER else kind
        levels.append({_LEFT: left_level, _RIGHT: 1, _NUMBER: 2}[kind])
    return levels
