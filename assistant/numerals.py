"""Numbers as they are written, in digits or in words, into one exact decimal.

Pure. `1,250,000`, `1 250 000`, `1.250.000,00`, `1.25 million` and `one and a quarter million` are
one value; `two thirds`, `2/3`, `one and a half` and `1½` are exact fractions. A bare "one", "a" or
an ordinal ("first") is not taken for a number here: too often it is none. A comma before one or two
digits is a decimal comma ("3,5"), before three it separates thousands.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

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
    r"|\d{1,3}(?:[\u00a0\u202f\u2009' ]\d{3})+(?![\d])(?:[.,]\d+)?|\d+,\d{1,2}(?![\d,])"
    r"|\d+(?:\.\d+)?|\.\d+)"
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

_PARTS = {
    "half": 2, "halves": 2, "third": 3, "quarter": 4, "fifth": 5, "sixth": 6, "eighth": 8,
    "tenth": 10,
}  # fmt: skip
_GLYPHS = {
    "½": Fraction(1, 2), "¼": Fraction(1, 4), "¾": Fraction(3, 4), "⅓": Fraction(1, 3),
    "⅔": Fraction(2, 3), "⅛": Fraction(1, 8),
}  # fmt: skip
# "a quarter" and "three quarters" are fractions only before "of", else they are times; "first
# half" and "second half" are none at all.
FRACTIONS = (
    rf"(?:\b(?P<whole>{WORDS}|\d+)\s+and\s+(?:an?|one)\s+(?P<rest>half|third|quarter)\b"
    rf"|\b(?:(?P<top>an?|{_ONES})[\s-])?(?P<part>third|fifth|sixth|eighth|tenth|quarter)(?<=\w)"
    r"(?P<many>s)?\b(?=\s+of\b(?!\s+(?:fiscal|\d)))"
    rf"|\b(?P<tops>two|three|four|five|six|seven)[\s-](?P<parts>third|fifth|sixth|eighth|tenth)s\b"
    r"|(?<!first )(?<!second )(?<!latter )(?<!other )\b(?:(?:one|a)[\s-])?(?P<half>half)\b"
    r"(?![\s-]*(?:-?yearly|-?year\s+(?:report|result|ended)))"
    r"|(?<![\w.,/])(?P<units>\d+)?\s?(?P<glyph>[½¼¾⅓⅔⅛])"
    r"|(?<![\w.,/])(?:(?P<with>\d+)\s)?(?P<above>[1-9])/(?P<below>[2-9]|10)(?![\w/]|\.\d))"
)


def from_fraction(match: re.Match[str]) -> Fraction | None:
    """The value of a number that matches FRACTIONS; None for an ordinal ("third of March")."""
    part = match.groupdict()
    if part["whole"]:
        return Fraction(_whole(part["whole"])) + Fraction(1, _PARTS[part["rest"].lower()])
    if part["tops"]:
        return Fraction(int(from_words(part["tops"])), _PARTS[part["parts"].lower()])
    if part["part"]:
        if not part["top"]:
            return None
        top = 1 if part["top"].lower() in ("a", "an") else int(from_words(part["top"]))
        return Fraction(top, _PARTS[part["part"].lower()])
    if part["half"]:
        return Fraction(1, 2)
    if part["glyph"]:
        return Fraction(part["units"] or 0) + _GLYPHS[part["glyph"]]
    return Fraction(part["with"] or 0) + Fraction(int(part["above"]), int(part["below"]))


def _whole(text: str) -> int:
    return int(text) if text.isdigit() else int(from_words(text))


def exact(value: Fraction) -> str:
    """One spelling per fraction: as a decimal where that is exact, else "2/3"."""
    below = value.denominator
    for prime in (2, 5):
        while below % prime == 0:
            below //= prime
    if below == 1:
        return canonical(Decimal(value.numerator) / Decimal(value.denominator))
    return f"{value.numerator}/{value.denominator}"


def from_digits(text: str) -> Decimal:
    """The value of a number that matches DIGITS."""
    plain = re.sub(r"[\u00a0\u202f\u2009' ]", "", text)
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+", plain):
        plain = plain.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d+,\d{1,2}", plain):  # a decimal comma
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
