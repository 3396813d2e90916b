"""Dates, months, quarters and fiscal years in their usual spellings, as one token each. Pure.

`d:2022-12-31`, `m:2022-12`, `q:2022-3`, `fy:2023`. No word holds a colon, so that none of these can
be taken for a word. A numeric date that may be read both ways (3/4/2022) gives both readings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

_MONTHS = """
january jan januar janvier janv enero gennaio gennaro januari janeiro jänner
february feb februar février févr fevrier febrero febbraio februari fevereiro
march mar märz maerz mrz mars marzo maart março marco
april apr avril avr abril aprile
may mai mayo maggio mei maio
june jun juni juin junio giugno junho
july jul juli juillet juil julio luglio julho
august aug août aout agosto augustus
september sept sep septembre septiembre settembre setembro
october oct oktober okt octobre octubre ottobre outubro
november nov novembre noviembre novembro
december dec dezember dez décembre déc decembre diciembre dicembre dezembro
"""
MONTHS = {
    word: number
    for number, line in enumerate(_MONTHS.strip().splitlines(), 1)
    for word in line.split()
}
_ORDINALS = """
first 1st erstes ersten erste premier 1er primer primo primeiro eerste
second 2nd zweites zweiten zweite deuxième 2e segundo secondo tweede
third 3rd drittes dritten dritte troisième 3e tercer terzo terceiro derde
fourth 4th viertes vierten vierte quatrième 4e cuarto quarto vierde
"""
ORDINALS = {
    word: number
    for number, line in enumerate(_ORDINALS.strip().splitlines(), 1)
    for word in line.split()
}


def _any(words: dict[str, int]) -> str:
    return "|".join(sorted(map(re.escape, words), key=lambda word: (-len(word), word)))


_MONTH = rf"(?P<month>{_any(MONTHS)})\b\.?"
_YEAR = r"(?P<year>[12]\d{3})\b"
_DAY = r"(?P<day>\d{1,2})"
_OF = r"(?:of |de |del |di |do |da )?"
_FISCAL = (
    r"(?:of |in |for |im |des |de |du |del |van )?(?:the )?(?:fiscal(?: year)? |financial year )?"
)
_SHORT_YEAR = r"(?:FY)?\s?['’]?(?P<year>[12]\d{3}|\d{2})\b"
_FLAGS = re.IGNORECASE

_WRITTEN = re.compile(  # ends with a year: looked for in the few characters up to each year
    rf"\b(?:{_DAY}(?:st|nd|rd|th|er|º)?\.? {_OF})?{_MONTH}"
    rf"(?: (?P<after>\d{{1,2}})(?:st|nd|rd|th)?)?,? {_OF}{_YEAR}\Z",
    _FLAGS,
)
_YEARS = re.compile(r"(?<![\w.,])[12]\d{3}\b")
_REACH = 32  # characters before a year in which its day and month stand
_ISO = re.compile(r"(?<![\w.-])([12]\d{3})[-/.](\d{1,2})[-/.](\d{1,2})(?![\w-])")
_NUMERIC = re.compile(r"(?<![\w./-])(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?![\w/-]|\.\d)")
_QUARTERS = (
    re.compile(rf"\b[QT](?P<quarter>[1-4])[ ,/-]{{0,2}}{_FISCAL}{_SHORT_YEAR}", _FLAGS),
    re.compile(r"\b(?P<year>[12]\d{3})[ -]?[QT](?P<quarter>[1-4])\b", _FLAGS),
    re.compile(r"\b(?P<quarter>[1-4])Q ?['’]?(?P<year>[12]\d{3}|\d{2})\b", _FLAGS),
    re.compile(
        rf"\b(?P<ordinal>{_any(ORDINALS)}|(?P<quarter>[1-4])\.) (?:fiscal )?"
        rf"(?:quarter|quartals?|trimestre|kwartaal),? {_FISCAL}{_SHORT_YEAR}",
        _FLAGS,
    ),
)
_FISCAL_YEAR = re.compile(
    r"\b(?:FY|fiscal(?: year)?|financial year|geschäftsjahr(?:es|s)?|exercice|ejercicio|esercizio|"
    r"boekjaar|exercício) ?['’]?(?P<year>[12]\d{3}|\d{2})\b",
    _FLAGS,
)
# Without these in a text (small letters) no pattern can match, and they are found much faster.
_QUARTER_HINTS = ("quart", "trimest", "kwart")
_QUARTER_SIGNS = tuple(f"{sign}{number}" for sign in "qt" for number in range(1, 5))
_QUARTER_SIGNS += tuple(f"{number}q" for number in range(1, 5))
_FISCAL_HINTS = ("fy", "fiscal", "financial y", "gesch", "exerc", "ejerc", "eserc", "boekj")
_NUMERIC_HINT = re.compile(r"\d[./-]\d{1,2}[./-]\d")


def times(text: str, question: bool = False) -> list[str]:
    """The tokens of every date, month, quarter and fiscal year in `text`, in no useful order.

    A passage with a day is found by its month too; a question about a day asks for that day.
    Runs of white space must be single spaces.
    """
    found: list[str] = []
    for month, day in (*_written(text), *_numeric(text)):
        if day is not None:
            found.append(f"d:{day.isoformat()}")
        if day is None or not question:
            found.append(f"m:{month}")
    small = text.casefold()
    if any(each in small for each in (*_QUARTER_HINTS, *_QUARTER_SIGNS)):
        found += _quarters(text)
    if any(each in small for each in _FISCAL_HINTS):
        found += _fiscal_years(text)
    return found


def _written(text: str) -> Iterator[tuple[str, date | None]]:
    """Months with their days, if any, of dates with a month's name."""
    for year in _YEARS.finditer(text):
        match = _WRITTEN.search(text[max(0, year.start() - _REACH) : year.end()])
        if match is not None:
            number, month = int(match["year"]), MONTHS[match["month"].casefold()]
            written = match["day"] or match["after"]
            day = next(_day(number, month, int(written)), None) if written else None
            yield f"{number}-{month:02}", day


def _numeric(text: str) -> Iterator[tuple[str, date]]:
    if not _NUMERIC_HINT.search(text):
        return
    days = [day for match in _ISO.finditer(text) for day in _day(*map(int, match.groups()))]
    for match in _NUMERIC.finditer(text):
        first, joint, second, year = match.groups()
        if joint == "." and len(year) == 2:
            continue  # rather a clause than a day
        days += _day(_full_year(year), int(second), int(first))
        if joint != "." and first != second:
            days += _day(_full_year(year), int(first), int(second))
    for day in days:
        yield f"{day.year}-{day.month:02}", day


def _day(year: int, month: int, day: int) -> Iterator[date]:
    try:
        yield date(year, month, day)
    except ValueError:
        return


def _quarters(text: str) -> Iterator[str]:
    for pattern in _QUARTERS:
        for match in pattern.finditer(text):
            quarter = match["quarter"] or ORDINALS[match["ordinal"].casefold()]
            yield f"q:{_full_year(match['year'])}-{int(quarter)}"


def _fiscal_years(text: str) -> Iterator[str]:
    for match in _FISCAL_YEAR.finditer(text):
        yield f"fy:{_full_year(match['year'])}"


def _full_year(written: str) -> int:
    year = int(written)
    if len(written) > 2:
        return year
    return year + (2000 if year < 70 else 1900)
