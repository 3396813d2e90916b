"""The checkable facts of a text, each in one normal form, so that two spellings compare equal.

Pure. Found are dates, times, amounts of money, percentages, durations, measured quantities, plain
numbers, how often something happens, identifiers, clause references, e-mail addresses and names.
Normal forms are exact or they stay apart: a year is 12 months and a week 7 days, but 72 hours are
not 3 days, 30 days are not a month and 5 business days are not 5 days; `$` stays `$`. A date that
could be read two ways (03/05/2025) equals only itself.

Limits: English spellings; fractions in words are not read; a unit that stands only in the heading
of a table is not joined to the number in its cell, so such a number supports no unit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from assistant import names, numerals
from assistant.terms import STOPWORDS, fold, stem


class Kind(StrEnum):
    """What a fact states."""

    DATE = "date"
    TIME = "time"
    AMOUNT = "amount"
    PERCENT = "percent"
    DURATION = "duration"
    QUANTITY = "quantity"  # a number with a unit of measure
    NUMBER = "number"
    FREQUENCY = "frequency"
    IDENTIFIER = "identifier"
    EMAIL = "email"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of a text, at `[start, end)`.

    `value` is the normal form. `bound` is "min" for "at least", "max" for "at most", else "".
    `noun` is the comparable form of the word that a plain number counts ("five members").
    """

    kind: Kind
    value: str
    start: int
    end: int
    bound: str = ""
    noun: str = ""


_MONTHS = {
    name: number
    for number, spellings in enumerate(
        ("january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul",
         "august aug", "september sep sept", "october oct", "november nov", "december dec"),
        start=1,
    )
    for name in spellings.split()
}  # fmt: skip
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\.?"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>(?:1[89]|20|21)\d\d)"
_HALF = {"first": "1", "second": "2", "third": "3", "fourth": "4"}
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_YEAR}-(?P<month>0[1-9]|1[0-2])-(?P<day>[0-2]\d|3[01])\b",
        rf"\b{_YEAR}/(?P<month>0?[1-9]|1[0-2])/(?P<day>[0-2]?\d|3[01])\b",
        rf"\b{_DAY}(?:\s+of)?[\s-]+{_MONTH},?[\s-]+{_YEAR}\b",
        rf"\b{_MONTH}\s+{_DAY},?\s+{_YEAR}\b",
        r"\b(?P<a>\d{1,2})(?P<mark>[/.])(?P<b>\d{1,2})(?P=mark)(?P<year>(?:19|20)\d\d)\b",
        rf"\b(?:Q(?P<quarter>[1-4])|(?P<half>{'|'.join(_HALF)})\s+quarter(?:\s+of)?)[\s/-]*{_YEAR}\b",
        rf"\b{_MONTH},?\s+(?:of\s+)?{_YEAR}\b",
        rf"\b{_DAY}(?:\s+of)?\s+{_MONTH}\b",
        rf"\b{_MONTH}\s+{_DAY}\b(?![.,]?\d|\s*(?:%|percent))",
    )
)
_TIME = re.compile(
    r"\b(?P<hour>[01]?\d|2[0-3])[:.h](?P<minute>[0-5]\d)(?:\s*(?P<half>[ap])\.?m\b\.?)?"
    r"|\b(?P<hour2>1[0-2]|0?[1-9])\s*(?P<half2>[ap])\.?m\b\.?",
    re.IGNORECASE,
)

_VALUE = (
    rf"(?:(?P<digits>{numerals.DIGITS})"
    rf"|(?P<words>{numerals.WORDS})(?:\s*\((?P<again>\d[\d,.]*)\))?)"
)
_SCALE = r"(?:[\s-]*(?P<scale>thousands?|millions?|billions?|trillion|mn|mio|mln|bn|tn|[kmb])\b)?"
_CURRENCIES = {
    "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP", "gbp": "GBP",
    "pound": "GBP", "pounds": "GBP", "sterling": "GBP", "$": "$", "us$": "USD", "usd": "USD",
    "dollar": "$", "dollars": "$", "chf": "CHF", "francs": "CHF", "¥": "JPY", "jpy": "JPY",
    "yen": "JPY", "sek": "SEK", "nok": "NOK", "dkk": "DKK", "pln": "PLN", "czk": "CZK",
    "huf": "HUF", "aed": "AED", "cad": "CAD", "aud": "AUD", "inr": "INR", "cny": "CNY",
    "sgd": "SGD", "hkd": "HKD", "cent": "ct", "cents": "ct",
}  # fmt: skip
_CURRENCY = "|".join(sorted(map(re.escape, _CURRENCIES), key=len, reverse=True))
_AMOUNTS = (
    re.compile(rf"(?<![\w$])(?P<cur>{_CURRENCY})(?![a-z])\s*{_VALUE}{_SCALE}", re.IGNORECASE),
    re.compile(rf"(?<![\w.,]){_VALUE}{_SCALE}[\s-]*(?P<cur>{_CURRENCY})(?!\w)", re.IGNORECASE),
)

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
_DURATION_UNIT = "|".join(sorted(_DURATIONS, key=len, reverse=True))
_QUALIFIERS = {"business": "business ", "working": "business ", "trading": "trading "}
_PERCENT_UNIT = {
    "%": "%", "percent": "%", "per cent": "%", "percentage points": "pp",
    "percentage point": "pp", "bps": "bp", "bp": "bp", "basis points": "bp", "‰": "‰",
}  # fmt: skip
_PERCENTS = "|".join(map(re.escape, sorted(_PERCENT_UNIT, key=len, reverse=True)))
_QUANTITY_UNIT = (
    r"°\s?[CF]|degrees(?:\s+(?:celsius|fahrenheit))?|mg|kg|µg|mcg|g|ml|km|cm|mm|m²|m2|TB|GB|MB|kB"
    r"|KB|bits?|bytes?|kWh|kW|MW|W|V|Hz|kHz|MHz|GHz|ppm|litres?|liters?|grams?|metres?|meters?"
)
_MEASURED = re.compile(
    rf"(?<![\w.,/]){_VALUE}{_SCALE}"
    r"(?:"
    rf"\s*(?P<percent>{_PERCENTS})(?!\w)"
    rf"|[\s-]*(?:(?P<qualifier>business|working|trading|calendar|consecutive)[\s-]+)?"
    rf"(?P<duration>{_DURATION_UNIT})(?:['’]s?)?\b"
    rf"|\s?(?P<unit>(?-i:{_QUANTITY_UNIT}))(?!\w)"
    r")?",
    re.IGNORECASE,
)

_LABELS = {
    "§": "section", "§§": "section", "sec": "section", "section": "section", "sections": "section",
    "clause": "clause", "clauses": "clause", "cl": "clause", "article": "article",
    "articles": "article", "art": "article", "paragraph": "paragraph", "para": "paragraph",
    "annex": "annex", "appendix": "appendix", "schedule": "schedule", "chapter": "chapter",
    "table": "table", "figure": "figure", "fig": "figure", "part": "part", "rule": "rule",
    "step": "step", "form": "form", "page": "page", "pages": "page", "regulation": "regulation",
    "item": "item", "version": "version", "rev": "revision", "revision": "revision",
    "phase": "phase", "stage": "stage", "level": "level", "tier": "tier", "class": "class",
}  # fmt: skip
_NUMBERING = r"\d+[A-Za-z]?(?:\.\d+)*[a-z]?(?:\s?\([a-z0-9]{1,4}\))*"
_REFERENCE = re.compile(
    rf"(?:(?P<label>§§?|\b(?:{'|'.join(k for k in _LABELS if k[0] != '§')})\b\.?)\s*"
    rf"(?P<number>{_NUMBERING}|(?-i:[A-Z]|[IVX]{{1,4}})(?![\w-]))"
    rf"|\b(?P<law>\d+\s+(?:CFR|U\.?S\.?C\.?))\s+(?:Part\s+|§\s*)?(?P<place>[\d.]*\d(?:\([a-z0-9]+\))*))",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"\b(?:[A-Z][A-Z0-9]*(?:[-_/][A-Z0-9]+)*[-_/.](?:[A-Z0-9]*\d[A-Z0-9]*)(?:[-_/.][A-Z0-9]+)*"
    r"|[A-Z]{1,6}\d[A-Z0-9]*|[vV]\d+(?:\.\d+)*|\d{2,4}/\d{1,6}|\d+(?:\.\d+){2,}(?!,\d)"
    r"|\d+(?:\.\d+)*(?:\([a-z0-9]{1,4}\))+)(?![\w-]*\w)"
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\bhttps?://\S+[\w/]")

_PERIODS = {"hour": "hour", "day": "day", "week": "week", "month": "month", "quarter": "quarter",
            "year": "year", "annum": "year"}  # fmt: skip
_ADVERBS = {
    "hourly": "1/hour", "daily": "1/day", "weekly": "1/week", "fortnightly": "1/2 week",
    "monthly": "1/month", "quarterly": "1/quarter", "annually": "1/year", "annual": "1/year",
    "yearly": "1/year", "semi-annually": "2/year", "semiannually": "2/year",
    "semi-annual": "2/year", "half-yearly": "2/year", "biannually": "2/year",
    "biennially": "1/2 year", "biennial": "1/2 year", "twice-yearly": "2/year",
}  # fmt: skip
_FREQUENCY = re.compile(
    rf"\b(?P<adverb>{'|'.join(sorted(_ADVERBS, key=len, reverse=True))})\b"
    rf"|\b(?:(?:(?P<times>once|twice|(?P<count>{numerals.WORDS}|\d+)\s+times)\s+)"
    rf"(?:an?|per|each|every|in\s+each)|per|each|every)\s+(?:calendar\s+|financial\s+)?"
    rf"(?P<period>{'|'.join(_PERIODS)})\b",
    re.IGNORECASE,
)

_MIN = (
    r"at least|minimum(?: of)?|min\.?|(?:not|no) (?:less|fewer|lower|earlier) than|more than|over"
    r"|above|exceed(?:s|ing)?|greater than|not below|at the earliest|longer than"
)
_MAX = (
    r"at most|maximum(?: of)?|max\.?|(?:not|no) (?:more|greater|higher|later|longer) than"
    r"|less than|fewer than|under|below|up to|within|(?:not|never) (?:to )?exceed(?:s|ing)?"
    r"|by the latest|shorter than|not over|not above"
)
_BEFORE = re.compile(
    rf"\b(?:(?P<max>{_MAX})|(?P<min>{_MIN}))\s+(?:(?:a|an|the|of|total|period)\s+){{0,4}}$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"\s*,?\s*(?:(?P<max>or (?:less|fewer|below|earlier)|at most|at the latest)"
    r"|(?P<min>or (?:more|longer|above|later|over)|at least|at the earliest))\b",
    re.IGNORECASE,
)
_NOUN = re.compile(r"[\s-]+([^\W\d_]{3,})")


class _Scan:
    """A text of which parts are taken one after another; what is taken is seen no more."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.left = text
        self.facts: list[Fact] = []

    def take(
        self, pattern: re.Pattern[str], read: Callable[[re.Match[str]], tuple[Kind, str] | None]
    ) -> None:
        """Everything that `pattern` finds in what is left and `read` can make a fact of."""
        for match in list(pattern.finditer(self.left)):
            start, end = match.span()
            if "\x00" in self.left[start:end]:
                continue
            found = read(match)
            if found is None:
                continue
            kind, value = found
            self.facts.append(
                Fact(kind, value, start, end, self._bound(start, end), self._noun(kind, end))
            )
            self.left = self.left[:start] + "\x00" * (end - start) + self.left[end:]

    def _bound(self, start: int, end: int) -> str:
        before = _BEFORE.search(self.text[max(0, start - 60) : start])
        after = _AFTER.match(self.text[end : end + 24])
        found = before or after
        if found is None:
            return ""
        return "max" if found.group("max") else "min"

    def _noun(self, kind: Kind, end: int) -> str:
        if kind is not Kind.NUMBER:
            return ""
        following = _NOUN.match(self.text[end : end + 60])
        word = fold(following.group(1)) if following else ""
        return "" if word in STOPWORDS else stem(word)


def _iso(match: re.Match[str]) -> tuple[Kind, str] | None:
    part = match.groupdict()
    year = part.get("year") or "-"
    if part.get("quarter") or part.get("half"):
        return Kind.DATE, f"{year}-Q{part.get('quarter') or _HALF[part['half'].lower()]}"
    if part.get("a"):
        return Kind.DATE, _two_ways(int(part["a"]), int(part["b"]), year, part["mark"])
    named = part.get("month") or ""
    month = int(named) if named.isdigit() else _MONTHS[named.lower()]
    if named.lower() == "may" and named != "May" and not part.get("year"):
        return None  # "may" the verb
    day = part.get("day")
    return Kind.DATE, f"{year}-{month:02d}-{int(day):02d}" if day else f"{year}-{month:02d}"


def _two_ways(a: int, b: int, year: str, mark: str) -> str:
    """A numeric date: day first after dots or where only that can be; else as it stands."""
    if b <= 12 and (mark == "." or a > 12 or a == b):
        return f"{year}-{b:02d}-{a:02d}"
    return f"{year}-{a:02d}-{b:02d}" if b > 12 and a <= 12 else f"{a:02d}/{b:02d}/{year}"


def _time(match: re.Match[str]) -> tuple[Kind, str] | None:
    hour = int(match.group("hour") or match.group("hour2"))
    minute = match.group("minute") or "00"
    half = (match.group("half") or match.group("half2") or "").lower()
    if match.group("hour") and not half and match.group()[len(match.group("hour"))] != ":":
        return None  # "4.20" is a number or a clause
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return Kind.TIME, f"{hour:02d}:{minute}"


def _value(match: re.Match[str]) -> Decimal:
    words = match.group("words")
    value = numerals.from_words(words) if words else numerals.from_digits(match.group("digits"))
    scale = (match.group("scale") or "").lower()
    return numerals.scaled(value, scale.removesuffix("s") if len(scale) > 2 else scale)


def _amount(match: re.Match[str]) -> tuple[Kind, str] | None:
    currency = _CURRENCIES[match.group("cur").lower()]
    return Kind.AMOUNT, f"{currency} {numerals.canonical(_value(match))}"


def _measured(match: re.Match[str]) -> tuple[Kind, str] | None:
    """A number with what it measures. A bare "one" or "zero", or a lone scale letter, is none."""
    unit = match.group("duration") or match.group("percent") or match.group("unit")
    words = (match.group("words") or "").lower()
    if not unit and words in ("one", "zero") and not match.group("again"):
        return None
    value = _value(match)
    if match.group("duration"):
        base, factor = _DURATIONS[match.group("duration").lower()]
        qualifier = _QUALIFIERS.get((match.group("qualifier") or "").lower(), "")
        return Kind.DURATION, f"{numerals.canonical(value * factor)} {qualifier}{base}"
    number = numerals.canonical(value)
    if match.group("percent"):
        return Kind.PERCENT, f"{number} {_PERCENT_UNIT[match.group('percent').lower()]}"
    if match.group("unit"):
        return Kind.QUANTITY, f"{number} {_unit(match.group('unit'))}"
    return Kind.NUMBER, number


def _unit(written: str) -> str:
    plain = written.replace(" ", "")
    if plain.startswith("degrees"):
        return {"c": "°C", "f": "°F"}.get(plain[7:8].lower(), "°")
    long = {"litre": "l", "liter": "l", "gram": "g", "metre": "m", "meter": "m", "byte": "B"}
    return long.get(
        plain.removesuffix("s"), {"KB": "kB", "m2": "m²", "mcg": "µg"}.get(plain, plain)
    )


def _reference(match: re.Match[str]) -> tuple[Kind, str] | None:
    if match.group("law"):
        law = re.sub(r"[\s.]", "", match.group("law")).upper()
        return Kind.IDENTIFIER, f"{law} {match.group('place')}"
    label = _LABELS[match.group("label").lower().rstrip(".")]
    number = re.sub(r"\s", "", match.group("number"))
    return Kind.IDENTIFIER, f"{label} {number.lower() if number[0].isdigit() else number}"


def _frequency(match: re.Match[str]) -> tuple[Kind, str] | None:
    if match.group("adverb"):
        return Kind.FREQUENCY, _ADVERBS[match.group("adverb").lower()]
    times = (match.group("times") or "once").lower()
    count = {"once": "1", "twice": "2"}.get(times)
    if count is None:
        written = match.group("count")
        count = written if written.isdigit() else str(numerals.from_words(written))
    return Kind.FREQUENCY, f"{count}/{_PERIODS[match.group('period').lower()]}"


def extract(text: str) -> tuple[Fact, ...]:
    """The facts of `text` in order of their place; they do not overlap."""
    scan = _Scan(text)
    scan.take(_EMAIL, lambda match: (Kind.EMAIL, match.group().lower()))
    for pattern in _DATES:
        scan.take(pattern, _iso)
    scan.take(_REFERENCE, _reference)
    scan.take(_CODE, lambda match: (Kind.IDENTIFIER, match.group().upper()))
    scan.take(_FREQUENCY, _frequency)
    for pattern in _AMOUNTS:
        scan.take(pattern, _amount)
    scan.take(_TIME, _time)
    scan.take(_MEASURED, _measured)
    found = [*scan.facts, *_names(scan.left)]
    return tuple(sorted(found, key=lambda fact: fact.start))


def _names(left: str) -> Iterator[Fact]:
    for name in names.find(left):
        yield Fact(Kind.NAME, name.value, name.start, name.end, noun="initial" * name.initial)


def entails(stated: Fact, given: Fact) -> bool:
    """Whether evidence that gives `given` supports a text that states `stated`.

    Equal normal forms do; so does a fuller date for a shorter one ("5 March 2025" gives "March
    2025" and the year 2025) and a bare clause number for the labelled one. Names are compared by
    `assistant.names.occurs` instead.
    """
    if stated.kind is given.kind and stated.value == given.value:
        return True
    if given.kind is Kind.DATE:
        if stated.kind is Kind.DATE:
            return given.value.startswith(stated.value + "-") or (
                stated.value.startswith("--") and given.value.endswith(stated.value[1:])
            )
        return stated.kind is Kind.NUMBER and given.value.startswith(stated.value + "-")
    if stated.kind is Kind.AMOUNT and given.kind is Kind.AMOUNT:
        return {stated.value.split()[0], given.value.split()[0]} == {"$", "USD"} and (
            stated.value.split()[1] == given.value.split()[1]
        )
    return (
        stated.kind is Kind.IDENTIFIER
        and given.kind is Kind.IDENTIFIER
        and " " in stated.value
        and stated.value.split(" ", 1)[1] == fold(given.value)
    )
