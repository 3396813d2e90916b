"""Dates as they are written, in one normal form: "2025-03-05", "2025-03", "--03-05", "2024-Q3",
"--Q3", "FY2024".

Pure. A date that could be read two ways (03/05/2025) equals only itself. Two-digit years count from
1970 to 2069. A fiscal year is not the calendar year of that number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MONTHS = {
    name: number
    for number, spellings in enumerate(
        ("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul",
         "august aug", "september sep sept", "october oct", "november nov", "december dec"),
        start=1,
    )
    for name in spellings.split()
}  # fmt: skip
_MONTH = rf"(?P<month>{'|'.join(sorted(MONTHS, key=len, reverse=True))})\.?"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:1[89]|20|21)\d\d)"
_QUARTERS = {"first": "1", "second": "2", "third": "3", "fourth": "4"}
_QUARTER = rf"(?P<nth>{'|'.join(_QUARTERS)})\s+(?:fiscal\s+|calendar\s+)?quarter\b"
_FISCAL = r"(?:fiscal|financial)\s+years?(?:\s+ended|\s+ending)?|fiscal|FY"
_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE), _MONTH in pattern)
    for pattern in (
        rf"\b{_YEAR}-(?P<month>0[1-9]|1[0-2])-(?P<day>[0-2]\d|3[01])\b",
        rf"\b{_YEAR}/(?P<month>0?[1-9]|1[0-2])/(?P<day>[0-2]?\d|3[01])\b",
        rf"\b{_DAY}(?:\s+of)?[\s-]+{_MONTH},?[\s-]+{_YEAR}\b",
        rf"\b{_MONTH}\s+{_DAY}\s?,?\s+{_YEAR}\b",
        rf"\b{_DAY}[\s-]+{_MONTH}[\s-]+['’]?(?P<short>\d\d)\b(?!\s*[:%]|[.,]\d)",
        rf"\b{_MONTH}\s+{_DAY},?\s+['’](?P<short>\d\d)\b",
        rf"\b{_MONTH}[\s-]+['’](?P<short>\d\d)\b",
        r"\b(?P<a>\d{1,2})(?P<mark>[/.])(?P<b>\d{1,2})(?P=mark)(?P<year>(?:19|20)\d\d)\b",
        r"(?<![\w./])(?P<a>\d{1,2})/(?P<b>\d{1,2})/(?P<short>\d\d)(?![\w/]|\.\d)",
        rf"\b(?:Q(?P<quarter>[1-4])|{_QUARTER}(?:\s+of)?)[\s/-]*(?:(?P<fiscal>{_FISCAL})\s*)?{_YEAR}\b",
        rf"\b(?P<fiscal>{_FISCAL})\s*['’]?(?:{_YEAR}|(?P<short>\d\d))\b",
        rf"\b{_QUARTER}",
        rf"\b{_MONTH},?\s+(?:of\s+)?{_YEAR}\b",
        rf"\b{_DAY}(?:\s+of)?\s+{_MONTH}\b",
        rf"\b{_MONTH}\s+{_DAY}\b(?![.,]?\d|\s*(?:%|percent))",
    )
)
_NEXT_YEAR = re.compile(
    rf"\s?(?:,\s?(?:and|or)|,|and|or|,?\s+as well as)\s+{_YEAR}\b(?![-/.,]?\d|%)"
)

_NAMES_MONTH = re.compile(rf"\b(?:{'|'.join(MONTHS)})", re.IGNORECASE)


def patterns(text: str) -> Iterator[re.Pattern[str]]:
    """What finds dates, in order; without those that cannot find any in `text`."""
    quarter = "quarter" in text.lower()
    if not quarter and not any(character.isdigit() for character in text):
        return
    named = bool(_NAMES_MONTH.search(text))
    yield from (pattern for pattern, month in _PATTERNS if named or not month)


def normal(match: re.Match[str]) -> str | None:
    """The normal form of what one of the patterns found; None for "may" the verb."""
    part = match.groupdict()
    year = part.get("year") or _century(part.get("short"))
    if part.get("quarter") or part.get("nth"):
        number = part.get("quarter") or _QUARTERS[part["nth"].lower()]
        return f"{'FY' if part.get('fiscal') else ''}{year}-Q{number}"
    if part.get("fiscal"):
        return f"FY{year}"
    if part.get("a"):
        return _two_ways(int(part["a"]), int(part["b"]), year, part.get("mark") or "/")
    named = part.get("month") or ""
    month = int(named) if named.isdigit() else MONTHS[named.lower()]
    if named.lower() == "may" and named != "May" and not part.get("year"):
        return None
    day = part.get("day")
    return f"{year}-{month:02d}-{int(day):02d}" if day else f"{year}-{month:02d}"


def following(text: str, end: int, value: str) -> tuple[str, int, int] | None:
    """The date that a year goes on to name: in "June 30, 2019 and 2018" the second is a day too.
    Its normal form and place, or None; `value` is the date that ends at `end`."""
    whole = re.fullmatch(r"(FY)?\d{4}(-.+)?", value)
    match = _NEXT_YEAR.match(text, end) if whole else None
    if match is None or whole is None or not (whole.group(1) or whole.group(2)):
        return None
    made = f"{whole.group(1) or ''}{match.group('year')}{whole.group(2) or ''}"
    return made, match.start("year"), match.end("year")


def _century(short: str | None) -> str:
    if short is None:
        return "-"
    return f"20{short}" if int(short) < 70 else f"19{short}"


def _two_ways(a: int, b: int, year: str, mark: str) -> str:
    """A numeric date: day first after dots or where only that can be; else as it stands."""
    if b <= 12 and (mark == "." or a > 12 or a == b):
        return f"{year}-{b:02d}-{a:02d}"
    return f"{year}-{a:02d}-{b:02d}" if b > 12 and a <= 12 else f"{a:02d}/{b:02d}/{year}"
