"""Values of a schema's types: which facts of a text can be one, and what they become.

Pure. A value is made of a place in a text and of nothing else, so what a document or a model says
cannot become a value that the text does not hold: a day becomes ISO 8601, a number a number with
its scale and sign, anything else the very words, on one line. What could be read two ways (a day
such as 03/05/2025) or holds too little (a month where a day is asked for) becomes none.

Limits: English words and spellings, as in `assistant.facts`. A scale that stands in a table's
header or heading ("in thousands") is applied to the cells beneath, and nowhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

from assistant import facts, names
from assistant.expects import expected
from assistant.extract_schema import Field, Type
from assistant.facts import Fact, Kind
from assistant.sentences import one_line
from assistant.terms import fold

Value = str | int | float | bool

NUMERIC = frozenset({Kind.NUMBER, Kind.AMOUNT, Kind.PERCENT, Kind.QUANTITY, Kind.DURATION})
LONGEST = 600  # characters of a value that is text
# Units a field's words may name, as `assistant.facts` measures time: the base and how many of it.
_UNITS = {
    "minute": ("minute", 1), "minutes": ("minute", 1), "hour": ("minute", 60),
    "hours": ("minute", 60), "day": ("day", 1), "days": ("day", 1), "week": ("day", 7),
    "weeks": ("day", 7), "month": ("month", 1), "months": ("month", 1), "quarters": ("month", 3),
    "year": ("month", 12), "years": ("month", 12),
}  # fmt: skip
_UNIT_ASKED = re.compile(
    r"\b(?:in|of|many)\s+(?:calendar\s+|whole\s+|full\s+)?(?P<asked>minutes|hours|days|weeks"
    r"|months|quarters|years)\b|\b(?P<last>minutes|hours|days|weeks|months|quarters|years)$",
    re.IGNORECASE,
)
_PERCENT = re.compile(r"%|\bper ?cent|\brate\b|\bshare\b", re.IGNORECASE)
_CURRENCY = re.compile(r"\b(EUR|USD|GBP|CHF|JPY|SEK|NOK|DKK|PLN|CZK|CAD|AUD|INR|CNY)\b", re.I)
_SIGNED = re.compile(r"[-−–](?:\s?[€$£])?\s?$")
_COUNTED = re.compile(
    r"\bhow many\b|\bnumber of\b|\b(?:count|total|quantity|headcount)\b", re.IGNORECASE
)
_SCALE = re.compile(
    r"\b(?:in|of)?\s*(?:[A-Z]{3}|[€$£])?\s*(?P<word>thousands?|millions?|billions?)\b|"
    r"[€$£](?P<zeros>['’]?000)s?\b",
    re.IGNORECASE,
)
_POWERS = {"thousand": 3, "million": 6, "billion": 9}
_BY_NAME = (
    (re.compile(r"\be-?mail\b", re.I), frozenset({Kind.EMAIL})),
    (re.compile(r"\b(?:date|day)\b|\b(?:commencement|expiry)$", re.I), frozenset({Kind.DATE})),
    (
        re.compile(r"\b(?:period|duration|term|deadline|notice|retention|lifetime)$", re.I),
        frozenset({Kind.DURATION}),
    ),
    (
        re.compile(r"\b(?:reference|identifier|id|code|(?:\w+) (?:number|no))$", re.I),
        frozenset({Kind.IDENTIFIER, Kind.NUMBER}),
    ),
    (re.compile(r"\b(?:frequency|interval)\b", re.I), frozenset({Kind.FREQUENCY})),
)


@dataclass(frozen=True, slots=True)
class Made:
    """A value as the schema has it, and its normal form, by which two mentions compare equal."""

    value: Value
    normal: str


@lru_cache(maxsize=8192)
def facts_of(text: str) -> tuple[Fact, ...]:
    """The facts of a unit's text, found once for all fields."""
    return facts.extract(text)


def kinds_of(field: Field) -> frozenset[Kind]:
    """The kinds of fact that can be a field's value; empty for one that any words may fill."""
    if field.type is Type.DATE:
        return frozenset({Kind.DATE})
    if field.type in (Type.CHOICE, Type.BOOLEAN):
        return frozenset()
    asked = expected(field.description) or expected(f"What is the {field.label}?")
    if field.type in (Type.NUMBER, Type.INTEGER):
        return _numeric(field, asked)
    for pattern, kinds in _BY_NAME:
        if pattern.search(field.label):
            return kinds
    return asked


def _numeric(field: Field, asked: frozenset[Kind]) -> frozenset[Kind]:
    words = f"{field.label} {field.description}"
    if unit_of(field):
        return frozenset({Kind.DURATION})
    if _COUNTED.search(words) and Kind.AMOUNT not in asked:
        return frozenset({Kind.NUMBER})
    if _CURRENCY.search(words):
        return frozenset({Kind.AMOUNT, Kind.NUMBER})
    for pattern, kinds in _BY_NAME:
        if pattern.search(field.label) and kinds <= NUMERIC:
            return kinds
    if _PERCENT.search(words):
        return frozenset({Kind.PERCENT})
    if Kind.AMOUNT in asked:
        return frozenset({Kind.AMOUNT, Kind.NUMBER})
    return asked & NUMERIC or NUMERIC


def unit_of(field: Field) -> str:
    """The unit of time that a number is wanted in ("days"), "" if the field names none."""
    for words in (field.label, field.description):
        found = _UNIT_ASKED.search(words)
        if found:
            return (found.group("asked") or found.group("last")).lower()
    return ""


def made(field: Field, text: str, fact: Fact, scale: int = 0) -> Made | None:
    """The value that `fact` of `text` gives a field, None if it gives none; `scale` is the power
    of ten that a table applies to its numbers."""
    if field.type is Type.DATE:
        return _day(fact)
    if field.type in (Type.NUMBER, Type.INTEGER):
        return _number(field, text, fact, scale)
    written = one_line(text[fact.start : fact.end])
    return Made(written, fact.value)


def _day(fact: Fact) -> Made | None:
    try:
        day = date.fromisoformat(fact.value).isoformat()
    except ValueError:
        return None  # a month, a quarter, a day without its year, or one of two readings
    return Made(day, day) if len(fact.value) == 10 else None


def two_readings(fact: Fact) -> bool:
    """Whether a day is written so that it could be one of two ("03/05/2025")."""
    return fact.kind is Kind.DATE and "/" in fact.value


def _number(field: Field, text: str, fact: Fact, scale: int) -> Made | None:
    if fact.kind not in NUMERIC:
        return None
    amount = _magnitude(field, text, fact)
    if amount is None:
        return None
    if scale and fact.kind in (Kind.NUMBER, Kind.AMOUNT):
        amount = amount.scaleb(scale)
    if _negative(text, fact):
        amount = -amount
    whole = amount == amount.to_integral_value()
    if field.type is Type.INTEGER and not whole:
        return None
    value: int | float = int(amount) if whole else float(amount)
    return Made(value, f"{format(amount.normalize(), 'f')} {_measure(fact)}".strip())


def _measure(fact: Fact) -> str:
    """What tells two equal numbers apart: the unit or currency."""
    return " ".join(part for part in fact.value.split() if not part[0].isdigit())


def _magnitude(field: Field, text: str, fact: Fact) -> Decimal | None:
    """The number that a fact states in the unit that is wanted, None if that cannot be exact."""
    if fact.kind is Kind.AMOUNT:
        wanted = _CURRENCY.search(f"{field.label} {field.description}")
        currency, _, number = fact.value.partition(" ")
        if wanted and currency not in (wanted.group(1).upper(), "$"):
            return None
        return Decimal(number)
    number, _, unit = fact.value.partition(" ")
    if fact.kind is not Kind.DURATION:
        return Decimal(number)
    wanted_unit = unit_of(field)
    if not wanted_unit:
        return _as_written(text[fact.start : fact.end], Decimal(number))
    base, factor = _UNITS[wanted_unit]
    if unit.split()[-1] != base:  # 30 days are no month; business days count as days
        return None
    found = Decimal(number) / factor
    return found if found == round(found, 2) else None


def _as_written(written: str, number: Decimal) -> Decimal:
    """The number of a duration as it stands: 2 of "two years", which is normally 24 months."""
    for word in written.lower().replace("-", " ").split():
        if word in _UNITS:
            return number / _UNITS[word][1]
    return number


def _negative(text: str, fact: Fact) -> bool:
    """Whether a number has a minus sign, or stands in parentheses that hold nothing else, as
    accounts write losses; "six (6) years" does not."""
    before, after = text[: fact.start].rstrip(), text[fact.end :].lstrip()
    if fact.kind in (Kind.AMOUNT, Kind.NUMBER) and before.endswith("(") and after.startswith(")"):
        word = before[:-1].split()
        return not word or not re.search(r"[a-z]$", word[-1]) or "|" in text
    signed = _SIGNED.search(text[max(0, fact.start - 3) : fact.start])
    if signed is None:
        return False
    earlier = text[: fact.start - len(signed.group())].rstrip(" ")
    return not earlier or not earlier[-1].isalnum()  # "2019–2021" is a range


def scale_in(text: str) -> int:
    """The power of ten that a header or heading announces: 6 for "EUR million"."""
    found = _SCALE.search(text)
    if found is None:
        return 0
    return 3 if found.group("zeros") else _POWERS[found.group("word").lower().rstrip("s")]


def holds(field: Field, value: Value, text: str) -> bool:
    """Whether `text`, on one line, states `value`: the gate of a value. A truth value is no text
    and is judged by its sentence instead (`assistant.extract_polarity`)."""
    if field.type is Type.BOOLEAN:
        return True
    if isinstance(value, str) and field.type is not Type.DATE:
        present = names.words(text)
        if names.occurs(value, present):
            return bool(names.words(value))
        stated = facts_of(value)
        given = facts_of(text)
        return bool(stated) and all(
            any(facts.entails(each, other) for other in given) for each in stated
        )
    found = (
        made(field, text, fact, scale) for fact in facts_of(text) for scale in {0, scale_in(text)}
    )
    return any(each is not None and each.value == value for each in found)


def same(left: str, right: str) -> bool:
    """Whether two texts are one value: the same words in any case."""
    return names.words(fold(left)) == names.words(fold(right))
