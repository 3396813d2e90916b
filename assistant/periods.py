"""Which period a question asks about and which one a table's label names. Pure.

A period is years, quarters and months. "FY19", "F19", "fiscal 2019" and "2018/2019" are the year
2019, since a fiscal year is named by the one in which it ends; "2021-2022" is two years.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAMES = "january february march april may june july august september october november december"
_MONTHS = {name: number for number, name in enumerate(_NAMES.split(), start=1)}
_SHORT = "|".join(rf"{name[:3]}[a-z]*" for name in _MONTHS)
_YEARS = re.compile(
    r"(?<![\d,.$])(?P<first>(?:19|20)\d\d)\s?(?P<mark>[/–-])\s?(?P<last>(?:19|20)\d\d|\d\d)(?![\d/])"
    r"|\b(?:fy|f|cy|fiscal year |fiscal |h[12] |q[1-4] )['’]?(?P<short>\d\d)(?![\d.,%])"
    r"|\b\d{1,2}[/.]\d{1,2}[/.](?P<day>(?:19|20)?\d\d)(?!\d)"
    r"|(?<![\d,.$€£])(?:fy|f|cy)?(?P<year>(?:19|20)\d\d)(?![\d%]|,\d{3}|\.\d)",
    re.IGNORECASE,
)
_QUARTER = re.compile(
    r"\b(?:q(?P<digit>[1-4])\b|(?P<digit2>[1-4])q\b"
    r"|(?P<word>first|second|third|fourth|1st|2nd|3rd|4th)(?: fiscal)?[ -]quarter"
    r"|quarter (?P<digit3>[1-4])\b)",
    re.IGNORECASE,
)
_HALF = re.compile(
    r"\b(?P<word>first|second|1st|2nd)[ -]half\b|\bh(?P<digit>[12])\b", re.IGNORECASE
)
_MONTH = re.compile(
    rf"(?:\b[0-3]?\d(?:st|nd|rd|th)? )?\b(?P<name>{_SHORT})\b\.?(?:\s+(?P<day>[0-3]?\d)\b(?!\d))?",
    re.IGNORECASE,
)
_ORDER = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}
_ORDINAL = re.compile("|".join(_ORDER), re.IGNORECASE)
_WORDS = re.compile(
    r"\b(?:years?|fiscal|financial|calendar|ended|ending|end|as (?:of|at)|months?|twelve|weeks?"
    r"|quarters?|period|annual|fy|for the|balance sheet date|respectively)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Period:
    """What a text says of time: `years`, `parts` of a year ("Q3", "H1"), `months` (1 to 12)."""

    years: frozenset[int] = frozenset()
    parts: frozenset[str] = frozenset()
    months: frozenset[int] = frozenset()

    @property
    def named(self) -> bool:
        """Whether a time is named at all."""
        return bool(self.years or self.parts or self.months)

    def joined(self, other: Period) -> Period:
        """What the two say together."""
        return Period(
            self.years | other.years, self.parts | other.parts, self.months | other.months
        )


def _full(short: str) -> int:
    return int(short) if len(short) == 4 else 2000 + int(short)


def _years_in(text: str) -> frozenset[int]:
    found: set[int] = set()
    for match in _YEARS.finditer(text):
        if match.group("first"):
            first, last = int(match.group("first")), match.group("last")
            end = int(last) if len(last) == 4 else first // 100 * 100 + int(last)
            found |= {end} if match.group("mark") == "/" else {first, end}
        else:
            found.add(_full(match.group("short") or match.group("day") or match.group("year")))
    return frozenset(found)


def _month(match: re.Match[str]) -> int:
    """The number of a month, 0 for a word that only begins like one ("may", "marketing")."""
    name = match.group("name")
    if name in ("may", "march", "mar"):
        return 0  # the verbs; months have a capital
    for full, number in _MONTHS.items():
        if name.lower() in (full, full[:3], full[:4]):
            return number
    return 0


def read(text: str) -> Period:
    """The period that `text` names."""
    parts = {
        f"Q{m['digit'] or m['digit2'] or m['digit3'] or _ORDER[m['word'].lower()]}"
        for m in _QUARTER.finditer(text)
    }
    parts |= {f"H{m['digit'] or _ORDER[m['word'].lower()]}" for m in _HALF.finditer(text)}
    months = {_month(match) for match in _MONTH.finditer(text)}
    if alone := _ORDINAL.fullmatch(text.strip()):
        parts.add(f"Q{_ORDER[alone.group().lower()]}")  # the head over a column
    return Period(_years_in(text), frozenset(parts), frozenset(months - {0}))


def without(text: str) -> str:
    """`text` without what names its period: what is left says which figure is meant."""
    text = _MONTH.sub(lambda match: " " if _month(match) else match.group(), text)
    for pattern in (_YEARS, _QUARTER, _HALF, _WORDS):
        text = pattern.sub(" ", text)
    return text
