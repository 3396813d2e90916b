"""Values as an evaluation compares them: numbers with scale, sign, percent and currency.

Pure. Two spellings of one value compare equal ("$1,496.5 million" and "1,496.5", a table's cell
whose scale stands in its head), two values never do. Shares nothing with the gate, whose answers
are judged with this.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_CURRENCIES = {
    "$": "USD", "US$": "USD", "USD": "USD", "€": "EUR", "EUR": "EUR", "£": "GBP", "GBP": "GBP",
    "CHF": "CHF", "¥": "JPY", "JPY": "JPY", "RMB": "CNY", "CNY": "CNY", "₹": "INR", "INR": "INR",
    "A$": "AUD", "AUD": "AUD", "C$": "CAD", "CAD": "CAD", "HK$": "HKD", "HKD": "HKD",
}  # fmt: skip
_SCALES = {
    "hundred": "hundred", "thousand": "thousand", "k": "thousand", "million": "million",
    "millions": "million", "thousands": "thousand", "m": "million", "mn": "million",
    "billion": "billion", "billions": "billion", "bn": "billion", "b": "billion",
    "trillion": "trillion", "%": "percent", "percent": "percent", "per cent": "percent",
    "percentage points": "percent", "percentage point": "percent",
}  # fmt: skip
_CODES = "|".join(sorted(map(re.escape, _CURRENCIES), key=len, reverse=True))
_UNITS = "|".join(sorted(map(re.escape, _SCALES), key=len, reverse=True))
_VALUE = re.compile(
    rf"(?<![\w.,])(?<![A-Za-z][-–])(?P<open>\()?\s*(?P<minus>[-−–](?=\s?[\d$€£.]))?\s*"
    rf"(?:(?P<before>{_CODES})\s*)?(?P<inner>\()?(?P<minus2>[-−](?=\d))?"
    rf"(?P<digits>\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    rf"(?P<close>\s*\))?"
    rf"(?:[\s-]?(?P<scale>{_UNITS})(?![A-Za-z]))?(?:\s?(?P<after>{_CODES})(?![A-Za-z]))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Value:
    """`number` as written, negative if it has a minus or stands in parentheses; `scale` is
    "thousand", "million", ..., "percent" or empty if none is written; `currency` an ISO 4217 code
    or empty. `start` and `end` are where it stands."""

    number: Decimal
    scale: str = ""
    currency: str = ""
    bracketed: bool = False
    start: int = 0
    end: int = 0

    @property
    def year(self) -> bool:
        """Whether it reads like a year: four digits, no scale, no currency."""
        plain = not self.scale and not self.currency
        return plain and self.number == int(self.number) and 1900 <= abs(self.number) <= 2100


def values(text: str) -> tuple[Value, ...]:
    """The values in `text` in order; numbers inside words ("COVID-19", "Q3") are none."""
    return tuple(_value(match) for match in _VALUE.finditer(text))


def _value(match: re.Match[str]) -> Value:
    bracketed = bool((match["open"] or match["inner"]) and match["close"])
    number = Decimal(match["digits"].replace(",", ""))
    if match["minus"] or match["minus2"] or bracketed:
        number = -number
    code = match["before"] or match["after"] or ""
    scale = (match["scale"] or "").lower()
    return Value(
        number,
        _SCALES.get(scale, ""),
        _CURRENCIES.get(code.upper(), ""),
        bracketed,
        match.start("digits"),
        match.end(),
    )


def sole(text: str) -> Value | None:
    """The value that is all of `text` ("EUR 5,000", "(1.9)", "30%"); None if it says more."""
    match = _VALUE.fullmatch(text.strip().rstrip("."))
    return _value(match) if match else None


def states(shown: Value, gold: Value) -> bool:
    """Whether `shown` states the value `gold`.

    A scale or currency that only one of the two writes is not held against it where that is the
    expected answer's (a cell of a table "in millions"); a scale that only the shown one has, or
    another one, makes it another value. A bracketed number may be negative or an aside.
    """
    same = shown.number == gold.number or (shown.bracketed and -shown.number == gold.number)
    scale = shown.scale in ("", gold.scale)
    currency = not shown.currency or not gold.currency or shown.currency == gold.currency
    return same and scale and currency
