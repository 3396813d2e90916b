"""What a table's header does to the values of its rows: scale, currency, column.

Pure. "(in thousands)" or "$ in millions" in a header or the heading above it multiplies every plain
number and amount of a row, so that a sentence must state the scale, too. A value belongs to its own
column: a sentence that names another column and states nothing of it is about something else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from assistant import facts, numerals
from assistant.evidence import Candidate
from assistant.facts import Fact, Kind
from assistant.terms import keys

_SCALE = re.compile(
    r"\bin\s+(?:US\s?|U\.S\.\s?)?(?:[$€£]\s?|dollars\s+in\s+|dollar\s+)?(?P<scale>thousand|million"
    r"|billion)s?\b|[$€£]\s?(?:in\s+)?(?P<other>thousand|million|billion)s?\b"
    r"|[$€£]\s?['’]?(?P<zeros>000)s?\b|[$€£](?P<letter>m|mn|bn|k)\b",
    re.IGNORECASE,
)
_CURRENCY = re.compile(r"[$€£]")
_SIGNS = {"$": "$", "€": "EUR", "£": "GBP"}
_YEAR = re.compile(r"(?:19|20)\d\d$")


def _about(unit: Candidate) -> str:
    header = " ".join(unit.unit.header.cells) if unit.unit.header is not None else ""
    return f"{header} {unit.unit.heading}"


def scaled(found: Sequence[Fact], units: Sequence[Candidate]) -> tuple[Fact, ...]:
    """The facts of a row as its header means them: with its scale, and also as amounts where it
    names a currency. Years, percentages and everything else stay as they are."""
    about = " ".join(_about(unit) for unit in units if unit.unit.cells)
    match = _SCALE.search(about)
    if match is None:
        return tuple(found)
    word = next(part for part in match.groups() if part)
    factor = numerals.scaled(Decimal(1), "thousand" if word == "000" else word)
    sign = _CURRENCY.search(match.group())
    made = []
    for fact in found:
        if fact.kind not in (Kind.NUMBER, Kind.AMOUNT) or _YEAR.match(fact.value):
            made.append(fact)
            continue
        *currency, number = fact.value.split(" ")
        if not re.fullmatch(r"-?\d+(?:\.\d+)?", number):
            made.append(fact)
            continue
        written = numerals.canonical(Decimal(number) * factor)
        made.append(replace(fact, value=" ".join((*currency, written))))
        if sign and not currency:
            value = f"{_SIGNS[sign.group()]} {written}"
            made.append(replace(fact, kind=Kind.AMOUNT, value=value))
    return tuple(made)


def named(units: Sequence[Candidate]) -> tuple[Fact, ...]:
    """The facts of the header that names the cells of a row: a sentence may state them, too."""
    found: list[Fact] = []
    for unit in units:
        if unit.unit.header is not None and unit.unit.named:
            for name in unit.unit.header.cells:
                found.extend(fact for fact in facts.extract(name) if fact.kind is not Kind.NAME)
    return tuple(found)


def other_column(text: str, found: Sequence[Fact], units: Sequence[Candidate]) -> str:
    """A column that the sentence names although it states nothing of it but a value of another;
    "" if there is none."""
    said = keys(text)
    for unit in units:
        row = unit.unit
        if row.header is None or not row.named:
            continue
        pairs = list(zip(row.header.cells, row.cells, strict=False))  # a row may be shorter
        stated = [_states(said, found, cell) for _, cell in pairs]
        if not any(stated[1:]):
            continue
        told = (keys(name) for (name, _), is_ in zip(pairs, stated, strict=True) if is_)
        own: frozenset[str] = frozenset().union(*told)
        for (name, cell), is_ in list(zip(pairs, stated, strict=True))[1:]:
            if cell and not is_ and (keys(name) - own) & said:
                return name
    return ""


def _states(said: frozenset[str], found: Sequence[Fact], cell: str) -> bool:
    given = [fact for fact in facts.extract(cell) if fact.kind is not Kind.NAME]
    if given:
        return any(facts.entails(fact, other) for fact in found for other in given)
    return bool(keys(cell) & said)
