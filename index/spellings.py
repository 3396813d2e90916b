"""Amounts, section numbers and identifiers, however they are written, as one token each. Pure.

    =1234500000     an amount: $1,234.5 million, 1.2345 billion, USD 1234.5m, 1.234,5 Mio. EUR
    %4.5            a share: 4.5%, 4.5 percent, 4,5 Prozent
    §14.2           a section named as one: Section 14.2, § 14.2, Art. 14.2, "14.2 Termination"
    #sopcl014       an identifier without its joints: SOP-CL-014, SOP CL 014, sopcl014
    14.2.3(a)       an identifier as written, and its beginnings (`index.terms.identifiers`)

No word holds one of these signs, so that none of the tokens can be taken for a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from index.calendars import times
from index.terms import beginnings_of, identifiers, with_beginnings

_SCALES = {
    "thousand": 3, "k": 3, "tsd": 3, "tausend": 3, "mille": 3, "mil": 3, "duizend": 3,
    "million": 6, "millions": 6, "mn": 6, "m": 6, "mm": 6, "mio": 6, "millionen": 6, "millones": 6,
    "millón": 6, "milioni": 6, "milione": 6, "miljoen": 6, "milhões": 6, "milhão": 6,
    "billion": 9, "billions": 9, "bn": 9, "b": 9, "mrd": 9, "milliarden": 9, "milliarde": 9,
    "milliard": 9, "milliards": 9, "miliardi": 9, "miliardo": 9, "miljard": 9,
    "trillion": 12, "trillions": 12, "tn": 12,
}  # fmt: skip
_CURRENCY = r"[$€£¥]|US\$|USD|EUR|GBP|CHF|JPY|CAD|AUD|AED|SEK|NOK|DKK|INR|CNY"
_SCALE = "|".join(sorted(_SCALES, key=lambda word: (-len(word), word)))
_NUMBER = r"\d{1,3}(?:[.,'’]\d{3})+(?:[.,]\d{1,6})?|\d{1,15}(?:[.,]\d{1,6})?"
_AMOUNT = re.compile(
    rf"(?P<number>{_NUMBER})(?![\d(]|[.,/-]\d)"
    rf"(?:\s?(?P<share>%|per ?cent\b|prozent\b|pour ?cent\b|por ?cien?to\b|procent\b)"
    rf"|\s?(?P<scale>{_SCALE})\b\.?)?"
    rf"(?P<after>\s?(?:{_CURRENCY}|(?:US )?dollars?\b|euros?\b|pounds?\b|francs?\b))?",
    re.IGNORECASE,
)
_APART = r"(?<![\w.,/§-])"
_CURRENCY_BEFORE = re.compile(rf"{_APART}(?:{_CURRENCY})\s?\Z", re.IGNORECASE)
_LONGEST_CURRENCY = 4  # characters, with a space
_BARE = re.compile(_APART)
_COMMA_DECIMAL = frozenset({"de", "fr", "es", "it", "nl", "pt"})
_LONG = 5  # digits of a bare number that is no year or count; one fewer if it is punctuated

_SECTION_NAMES = """
    § §§ section sections sec. article articles art. artikel rule rules clause clauses paragraph
    paragraphs para para. chapter chapters part parts annex appendix schedule regulation regulations
    item items abschnitt absatz abs. ziffer ziff. anhang kapitel artículo articulo sección artigo
    articolo sezione paragraaf chapitre capítulo capitolo hoofdstuk
"""
_SECTION_WORDS = frozenset(_SECTION_NAMES.split())
_SECTION = re.compile(
    r"(?<![\w,(-])\d{1,4}[a-z]?(?:[.\-]\d{1,4})*(?:\.?\(\w{1,5}\))*", re.IGNORECASE
)
_BEFORE = re.compile(r"([^\W\d_]+\.?|§{1,2})\s?\Z")
_REACH = 16  # characters before a number in which the word stands that makes it a section
_HEADING = re.compile(
    r"^\s{0,8}(\d{1,3}(?:\.\d{1,3}){0,6}(?:\.?\(\w{1,4}\))*)\.?\s+(?=[^\W\d_a-z])", re.M
)

_CODE = re.compile(r"\b[A-Z]{2,6}(?:[ -][A-Z]{1,6}){0,2}[ -]?\d{1,6}[A-Z]?\b(?![.,]\d)")
_CODE_HINT = re.compile(r"[A-Z][ -]?\d")
_CODE_IN_ONE_HINT = re.compile(r"[a-z]\d", re.IGNORECASE)
_CODE_IN_ONE = re.compile(r"\b[a-z]{2,8}\d{1,6}[a-z]?\b(?![.,]\d)", re.IGNORECASE)
_CODE_ASKED = re.compile(
    r"\b((?:[a-z]{1,6}[ -]){0,2}[a-z]{1,6})[ -]?(\d{1,6}[a-z]?)\b(?![.,]\d)", re.IGNORECASE
)
_JOINTS = re.compile(r"[ .\-/:]")
_DIGIT = re.compile(r"[\d§]")
_DIGITS = re.compile(r"\d+")
_SPACES = re.compile(r"\s+")


def spellings(text: str, language: str | None, question: bool = False) -> list[str]:
    """The tokens of all that `text` names by number, each as often as it is named.

    Of a passage, the section "14.2.3" is also in "14.2" and "14", and a number that may be read two
    ways is read as its language does; a question is about what it says, and read both ways.
    """
    if not _DIGIT.search(text):
        return []
    return [
        *_identifiers(text, question),
        *_sections(text, question),
        *_codes(text, question),
        *_amounts(text, language, question),
        *times(_SPACES.sub(" ", text), question),
    ]


def _identifiers(text: str, question: bool) -> Iterator[str]:
    for each in identifiers(text):
        yield from [each] if question else with_beginnings(each)
        if any(letter.isalpha() for letter in each) and "(" not in each:
            yield "#" + _JOINTS.sub("", each)


def _sections(text: str, question: bool) -> Iterator[str]:
    numbers = [match.group() for match in _SECTION.finditer(text) if _named(text, match.start())]
    if not question:
        numbers += _HEADING.findall(text)
    for number in numbers:
        plain = number.lower().replace(".(", "(")
        yield from ("§" + form for form in ([plain] if question else beginnings_of(plain)))


def _named(text: str, at: int) -> bool:
    """Whether the number at `at` follows a word for a section."""
    if not at or not (text[at - 1].isspace() or text[at - 1] in "§."):
        return False
    word = _BEFORE.search(text, max(0, at - _REACH), at)
    return word is not None and word.group(1).lower() in _SECTION_WORDS


def _codes(text: str, question: bool) -> Iterator[str]:
    for match in _CODE.finditer(text) if _CODE_HINT.search(text) else ():
        yield "#" + _JOINTS.sub("", match.group()).lower()
    for match in _CODE_IN_ONE.finditer(text) if _CODE_IN_ONE_HINT.search(text) else ():
        if not match.group().isupper():  # or the pattern before has it
            yield "#" + match.group().lower()
    if question:
        for match in _CODE_ASKED.finditer(text):
            words = re.split("[ -]", match.group(1).lower())
            for first in range(len(words)):
                yield "#" + "".join(words[first:]) + match.group(2).lower()


def _amounts(text: str, language: str | None, question: bool) -> Iterator[str]:
    for match, before in _numbers(text):
        number, scale = match["number"], match["scale"]
        marked = before or match["after"] or scale or match["share"]
        digits = sum(map(str.isdigit, number))
        if not marked and digits < _LONG - (digits < len(number)):
            continue
        sign = "%" if match["share"] else "="
        for value in _readings(number, language, question):
            yield sign + _plain(value)
            if scale:  # a table says "in millions" once, above its bare numbers
                yield sign + _plain(value.scaleb(_SCALES[scale.casefold()]))


def _numbers(text: str) -> Iterator[tuple[re.Match[str], bool]]:
    """Numbers that stand apart, with what follows, and whether a currency stands before.

    Looked for from digit to digit: one pattern for all of it would be tried at every character.
    """
    end = 0
    for digits in _DIGITS.finditer(text):
        start = digits.start()
        if start < end:
            continue
        before = _CURRENCY_BEFORE.search(text, max(end, start - _LONGEST_CURRENCY), start)
        if before is None and not _BARE.match(text, start):
            continue
        match = _AMOUNT.match(text, start)
        if match is not None:
            end = match.end()
            yield match, before is not None


def _readings(number: str, language: str | None, question: bool) -> list[Decimal]:
    """What `number` may be: one value, or two in a question if nothing decides."""
    bare = number.replace("'", "").replace("’", "")
    last = max(bare.rfind("."), bare.rfind(","))
    if last < 0:
        return _values(bare)
    kinds = {sign for sign in ".," if sign in bare}
    whole = re.sub("[.,]", "", bare)
    decimal = re.sub("[.,]", "", bare[:last]) + "." + bare[last + 1 :]
    if len(kinds) == 2 or len(bare) - last - 1 != 3:
        return _values(decimal)
    if bare.count(bare[last]) > 1 or bare != number:
        return _values(whole)
    if question:
        return _values(whole, decimal)
    grouping = "." if language in _COMMA_DECIMAL else ","
    return _values(whole if bare[last] == grouping else decimal)


def _values(*written: str) -> list[Decimal]:
    try:
        return [Decimal(each) for each in written]
    except InvalidOperation:
        return []


def _plain(value: Decimal) -> str:
    """Without an exponent or trailing zeros."""
    told = f"{value:f}"
    return (told.rstrip("0").rstrip(".") if "." in told else told) or "0"
