"""Numbers as they are written, in digits or in words, into one exact decimal.

Pure. `1,250,000`, `1 250 000`, `1.250.000,00`, `1.25 million` and `one and a quarter million` are
one value, save that fractions in words are not read. A bare "one", "a" or an ordinal ("first") is
not taken for a number here: too often it is none.
"""

from __future__ import annotations

import re
from decimal import Decimal

_UNITS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60,
    "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_MULTIPLES = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9}

SCALES = {
    "thousand": 3, "k": 3, "million": 6, "millions": 6, "mn": 6, "mio": 6, "m": 6, "mln": 6,
    "billion": 9, "billions": 9, "bn": 9, "b": 9, "trillion": 12, "tn": 12, "hundred": 2,
}  # fmt: skip

# The spellings, as fragments for the regular expressions of `assistant.facts`.
DIGITS = (
    r"(?:\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?"
    r"|\d{1,3}(?:[\u00a0\u202f\u2009' ]\d{3})+(?![\d])(?:[.,]\d+)?|\d+(?:\.\d+)?)"
)
_ONES = "|".join(word for word, value in _UNITS.items() if 0 < value < 10)
_BELOW_100 = (
    rf"(?:(?:{'|'.join(_TENS)})(?:[\s-]+(?:{_ONES}))?"
    rf"|(?:{'|'.join(sorted(_UNITS, key=len, reverse=True))}))"
)
_BELOW_1000 = rf"(?:(?:(?:{_ONES}|a)\s+hundred)(?:\s+(?:and\s+)?{_BELOW_100})?|{_BELOW_100})"
WORDS = (
    rf"(?:(?:{_BELOW_1000}|a)\s+(?:thousand|million|billion|dozen)\b"
    rf"(?:\s+(?:and\s+)?{_BELOW_1000}(?:\s+thousand(?:\s+(?:and\s+)?{_BELOW_1000})?)?)?"
    rf"|{_BELOW_1000})\b"
)


def from_digits(text: str) -> Decimal:
    """The value of a number that matches DIGITS."""
    plain = re.sub(r"[\u00a0\u202f\u2009' ]", "", text)
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+", plain):
        plain = plain.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d+,\d{1,2}", plain):
        plain = plain.replace(",", ".")
    return Decimal(plain.replace(",", ""))


def from_words(text: str) -> Decimal:
    """The value of a number that matches WORDS: "two hundred and fifty thousand" is 250000."""
    total = current = 0
    for word in re.split(r"[\s-]+", text.lower()):
        if word == "dozen":
            current = max(current, 1) * 12
        elif word in _UNITS or word in _TENS:
            current += _UNITS.get(word, _TENS.get(word, 0))
        elif word == "hundred":
            current = max(current, 1) * 100
        elif word in _MULTIPLES:
            total += max(current, 1) * _MULTIPLES[word]
            current = 0
    return Decimal(total + current)


def scaled(value: Decimal, scale: str) -> Decimal:
    """`value` times the scale word or letter ("million", "bn", "k"); unchanged for none."""
    return value.scaleb(SCALES[scale.lower()]) if scale else value


def canonical(value: Decimal) -> str:
    """One spelling per value: no exponent, no trailing zeros: "6", "2.5", "1250000"."""
    text = format(value.normalize(), "f")
    return text if text != "-0" else "0"
