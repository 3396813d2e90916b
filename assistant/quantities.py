"""Amounts, percentages, durations and measured quantities: how they are written, and one normal
form for each.

Pure. Expressions and what reads their matches; `assistant.facts` puts them in order. A minus, an
amount in brackets ("(1,234)", "$(5)", "(5.2)%") or a cell that holds nothing but a number in
brackets is negative. Of a range ("3 to 5 years", "between 3 and 5 %") both ends are read with the
unit; "from 3 to 5" is a change, not a range.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from assistant import numerals

_SCALES = r"thousands?|millions?|billions?|trillion|mn|mio|mln|bn|tn|[kmb]"
_CURRENCIES = {
    "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP", "gbp": "GBP",
    "pound": "GBP", "pounds": "GBP", "sterling": "GBP", "$": "$", "us$": "USD", "usd": "USD",
    "dollar": "$", "dollars": "$", "us dollar": "USD", "us dollars": "USD", "u.s. dollars": "USD",
    "u.s. $": "USD", "a$": "AUD", "c$": "CAD", "hk$": "HKD", "s$": "SGD", "nz$": "NZD",
    "r$": "BRL", "chf": "CHF", "francs": "CHF", "¥": "JPY", "jpy": "JPY", "yen": "JPY",
    "₹": "INR", "sek": "SEK", "nok": "NOK", "dkk": "DKK", "pln": "PLN", "czk": "CZK",
    "huf": "HUF", "aed": "AED", "dirhams": "AED", "cad": "CAD", "aud": "AUD", "inr": "INR",
    "cny": "CNY", "rmb": "CNY", "sgd": "SGD", "hkd": "HKD", "cent": "ct", "cents": "ct",
}  # fmt: skip
_CURRENCY = "|".join(sorted(map(re.escape, _CURRENCIES), key=len, reverse=True))
_DURATIONS = {
    "second": ("second", 1), "seconds": ("second", 1), "minute": ("minute", 1),
    "minutes": ("minute", 1), "mins": ("minute", 1), "hour": ("minute", 60),
    "hours": ("minute", 60), "hrs": ("minute", 60), "day": ("day", 1), "days": ("day", 1),
    "week": ("day", 7), "weeks": ("day", 7), "fortnight": ("day", 14), "night": ("night", 1),
    "nights": ("night", 1), "month": ("month", 1), "months": ("month", 1),
    "quarter": ("month", 3), "quarters": ("month", 3), "year": ("month", 12),
    "years": ("month", 12), "yr": ("month", 12), "yrs": ("month", 12),
    "decade": ("month", 120), "decades": ("month", 120),
}  # fmt: skip
_DURATION = "|".join(sorted(_DURATIONS, key=len, reverse=True))
_QUALIFIERS = {"business": "business ", "working": "business ", "trading": "trading "}
_PERCENT_UNIT = {
    "%": "%", "percent": "%", "per cent": "%", "percentage points": "pp",
    "percentage point": "pp", "bps": "bp", "bp": "bp", "basis points": "bp", "‰": "‰",
}  # fmt: skip
_PERCENTS = "|".join(map(re.escape, sorted(_PERCENT_UNIT, key=len, reverse=True)))
_UNITS = (
    r"°\s?[CF]|degrees(?:\s+(?:celsius|fahrenheit))?|mg|kg|µg|mcg|g|ml|km|cm|mm|m²|m2|TB|GB|MB|kB"
    r"|KB|bits?|bytes?|kWh|kW|MW|W|V|Hz|kHz|MHz|GHz|ppm|litres?|liters?|grams?|metres?|meters?"
)
_LONG_UNITS = {"litre": "l", "liter": "l", "gram": "g", "metre": "m", "meter": "m", "byte": "B"}

_MINUS = r"(?P<minus>(?<![\w.,)\]%/-])-(?=[\d$€£.]))?"
_VALUE = (
    rf"(?:(?P<digits>{numerals.DIGITS})"
    rf"|(?P<words>{numerals.WORDS})(?:\s*\((?P<again>\d[\d,.]*)\))?)"
)
_SCALE = rf"(?:[\s-]*(?P<scale>{_SCALES})\b)?"
_UNIT = (
    r"(?:"
    rf"\s*(?P<percent>{_PERCENTS})(?!\w)"
    r"|[\s-]*(?:(?P<qualifier>business|working|trading|calendar|consecutive)[\s-]+)?"
    rf"(?P<duration>{_DURATION})(?:['’]s?)?\b"
    rf"|\s?(?P<unit>(?-i:{_UNITS}))(?!\w)"
    r")?"
)
AMOUNTS = (
    re.compile(
        rf"{_MINUS}(?:(?<![\w$])|(?<=(?-i:[a-z]))(?=[$€£¥₹]))(?P<cur>{_CURRENCY})(?![a-z])\s*{_VALUE}{_SCALE}",
        re.IGNORECASE,
    ),
    re.compile(
        rf"{_MINUS}(?<![\w.,]){_VALUE}{_SCALE}[\s-]*(?P<cur>{_CURRENCY})(?!\w)", re.IGNORECASE
    ),
)
MEASURED = re.compile(rf"{_MINUS}(?<![\w.,/]){_VALUE}{_SCALE}{_UNIT}", re.IGNORECASE)
FRACTION = re.compile(
    rf"{numerals.FRACTIONS}(?:\s+(?:of\s+)?an?(?=\s+(?:{_DURATION}|million|billion)\b))?"
    rf"{_SCALE}{_UNIT}",
    re.IGNORECASE,
)
A_UNIT = re.compile(  # "for a year", "within one business day"
    r"\b(?:for|within|after|of|than|least|over|under|about|to|lasts|exceeding|in)\s+(?P<fact>an?\s+"
    rf"(?:(?P<qualifier>business|working|trading|calendar)\s+)?(?P<duration>{_DURATION})\b)"
    r"(?!\s+(?:end|report|rate|fee))",
    re.IGNORECASE,
)
BRACKETED = re.compile(
    rf"(?P<cur>{_CURRENCY})?\s?\((?P<cur2>{_CURRENCY})?\s?(?P<digits>{numerals.DIGITS})"
    rf"(?P<within>\s?%)?\)\s?(?P<percent>%)?{_SCALE}",
    re.IGNORECASE,
)
RATIO = re.compile(r"(?<![\w.,:/])(?P<left>\d+(?:\.\d+)?)\s?:\s?(?P<right>\d+(?:\.\d+)?)(?![\w:])")


_CHANGE = re.compile(
    r"\b(?:increas|decreas|ris|rose|fell|fall|improv|gr[eo]w|declin|reduc|drop|rais|lower)\w*"
    r"(?:\s+by)?(?:\s+(?:approximately|about|nearly))?\s*$",
    re.IGNORECASE,
)


def _end(side: str) -> str:
    """One end of a range, its groups named after the side."""
    return (
        rf"(?P<{side}cur>{_CURRENCY})?\s?(?:(?P<{side}digits>{numerals.DIGITS})"
        rf"|(?P<{side}words>{numerals.WORDS}))(?:\s*\(\d[\d,.]*\))?"
        rf"(?:[\s-]*(?P<{side}scale>{_SCALES})\b)?(?:\s*(?P<{side}percent>{_PERCENTS})(?!\w))?"
    )


RANGE = re.compile(
    rf"(?<![\w.,/$-])(?<!from )(?:(?P<between>between)\s+{_end('a')}\s+and\s+{_end('b')}"
    rf"|{_end('c')}(?:\s+to\s+|\s?[-–]\s?(?![-–]))(?<!\w--){_end('d')})"
    rf"(?:\s*(?P<cur>{_CURRENCY})(?!\w)|[\s-]*(?P<qualifier>business|working|trading|calendar)?"
    rf"[\s-]*(?P<duration>{_DURATION})\b|\s?(?P<unit>(?-i:{_UNITS}))(?!\w))?(?![\w/]|-\d|[.,]\d)",
    re.IGNORECASE,
)


def value(match: re.Match[str]) -> Decimal:
    """The number of a match, with its scale and sign."""
    part = match.groupdict()
    words = part.get("words")
    number = numerals.from_words(words) if words else numerals.from_digits(part["digits"])
    return (-1 if part.get("minus") else 1) * _scaled(number, part.get("scale"))


def _scaled(number: Decimal, scale: str | None) -> Decimal:
    plain = (scale or "").lower()
    return numerals.scaled(number, plain.removesuffix("s") if len(plain) > 2 else plain)


def amount(match: re.Match[str]) -> str:
    """The normal form of a match of AMOUNTS: "EUR 5000"."""
    return f"{_CURRENCIES[match.group('cur').lower()]} {numerals.canonical(value(match))}"


def bare(match: re.Match[str]) -> bool:
    """Whether a match of MEASURED is a bare "one" or "zero": too often no number."""
    part = match.groupdict()
    unit = part["duration"] or part["percent"] or part["unit"]
    return not unit and (part["words"] or "").lower() in ("one", "zero") and not part["again"]


def measure(match: re.Match[str], number: Decimal | Fraction) -> tuple[str, str]:
    """The kind of what `number` measures (a value of `facts.Kind`) and the normal form."""
    part = match.groupdict()
    if part.get("duration"):
        base, factor = _DURATIONS[part["duration"].lower()]
        qualifier = _QUALIFIERS.get((part.get("qualifier") or "").lower(), "")
        return "duration", f"{numerals.exact(Fraction(number) * factor)} {qualifier}{base}"
    written = numerals.exact(Fraction(number))
    if part.get("percent"):
        return "percent", f"{written} {_PERCENT_UNIT[part['percent'].lower()]}"
    if part.get("unit"):
        return "quantity", f"{written} {_unit(part['unit'])}"
    if part.get("cur"):
        return "amount", f"{_CURRENCIES[part['cur'].lower()]} {written}"
    return "number", written


def fraction(match: re.Match[str]) -> tuple[str, str] | None:
    """Kind and normal form of a match of FRACTION; None for an ordinal."""
    number = numerals.from_fraction(match)
    if number is None:
        return None
    scale = (match.group("scale") or "").lower()
    return measure(match, number * Fraction(_scaled(Decimal(1), scale)))


def bracketed(match: re.Match[str]) -> tuple[str, str] | None:
    """Kind and normal form of a negative number in brackets; None for a list number, a reference,
    a year or a number said again ("six (6)")."""
    part = match.groupdict()
    currency = part["cur"] or part["cur2"]
    before = match.string[: match.start()].rstrip()
    after = match.string[match.end() :].lstrip()
    financial = bool(currency or part["percent"] or re.search(r",\d{3}|\.\d", part["digits"]))
    cell = before.endswith("|") and (not after or after.startswith("|"))
    if part["within"] or not (financial or cell):
        return None
    if not currency and re.search(rf"{numerals.WORDS}$", before, re.IGNORECASE):
        return None
    written = numerals.canonical(-_scaled(numerals.from_digits(part["digits"]), part["scale"]))
    if currency:
        return "amount", f"{_CURRENCIES[currency.lower()]} {written}"
    return ("percent", f"{written} %") if part["percent"] else ("number", written)


def span(match: re.Match[str]) -> tuple[tuple[str, str, int, int], ...]:
    """Kind, normal form and place of the two ends of a match of RANGE; empty for what is none:
    two years, or two plain numbers with a dash."""
    part = match.groupdict()
    low, high = ("a", "b") if part["between"] else ("c", "d")
    ends = []
    shared = part["cur"] or part[f"{low}cur"] or part[f"{high}cur"]
    percent = part[f"{high}percent"]
    dashed = not part["between"] and " to " not in f" {' '.join(match.group().lower().split())} "
    unit = shared or percent or part["duration"] or part["unit"]
    for side in (low, high):
        words = part[f"{side}words"]
        digits = part[f"{side}digits"]
        number = numerals.from_words(words) if words else numerals.from_digits(digits)
        scale = part[f"{side}scale"] or (part[f"{high}scale"] if number < 1000 else None)
        ends.append(_scaled(number, scale))
    years = all(re.fullmatch(r"(?:19|20)\d\d", part[f"{side}digits"] or "") for side in (low, high))
    spelled = bool(part[f"{low}words"] or part[f"{high}words"])
    if _CHANGE.search(match.string[: match.start()]) or (part[f"{low}percent"] and not percent):
        return ()
    if years or ends[0] >= ends[1] or (dashed and (spelled or not unit)):
        return ()
    places = [
        match.span(f"{low}words" if part[f"{low}words"] else f"{low}digits"),
        (match.start(f"{high}words" if part[f"{high}words"] else f"{high}digits"), match.end()),
    ]
    made = []
    for side, number, (start, end) in zip((low, high), ends, places, strict=True):
        currency = part["cur"] or part[f"{side}cur"] or shared
        kind, normal = _ranged(part, number, currency, percent)
        made.append((kind, normal, start, end))
    return tuple(made)


def _ranged(
    part: dict[str, str | None], number: Decimal, currency: str | None, percent: str | None
) -> tuple[str, str]:
    written = numerals.canonical(number)
    if part["duration"]:
        base, factor = _DURATIONS[part["duration"].lower()]
        qualifier = _QUALIFIERS.get((part["qualifier"] or "").lower(), "")
        return "duration", f"{numerals.canonical(number * factor)} {qualifier}{base}"
    if percent:
        return "percent", f"{written} {_PERCENT_UNIT[percent.lower()]}"
    if part["unit"]:
        return "quantity", f"{written} {_unit(part['unit'])}"
    if currency:
        return "amount", f"{_CURRENCIES[currency.lower()]} {written}"
    return "number", written


def _unit(written: str) -> str:
    plain = written.replace(" ", "")
    if plain.startswith("degrees"):
        return {"c": "°C", "f": "°F"}.get(plain[7:8].lower(), "°")
    shortened = {"KB": "kB", "m2": "m²", "mcg": "µg"}.get(plain, plain)
    return _LONG_UNITS.get(plain.removesuffix("s"), shortened)
