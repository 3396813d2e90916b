"""What a document's forms and tables say of a field: "Notice period: 30 days", a row, a column.

Pure. An entry is a field's when the two have nearly all their words in common, both ways; then what
stands beside it is the value, whatever else the document says nearby.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest

from assistant import extract_polarity
from assistant.evidence import Candidate
from assistant.extract_mentions import (
    NAMED,
    NONE,
    Mention,
    Seek,
    Sheet,
    is_chosen,
    longest,
    of_fact,
)
from assistant.extract_schema import Type
from assistant.extract_values import LONGEST, Made, facts_of, scale_in
from assistant.extract_words import share
from assistant.facts import Kind
from assistant.layout import Unit
from assistant.sentences import Kind as UnitKind
from assistant.sentences import one_line
from assistant.task import Placed, Reading
from assistant.terms import keys

_FORM = 1.3  # what a form's entry counts: all of them alike, and mostly more than a sentence
_BRIEF = 5  # telling words of a description that may stand in a form in the label's place
_VERB = re.compile(r"\b(?:is|are|was|were|shall|must|may|will|does|do|has|have|appl(?:y|ies))\b")
_OPENING = 4  # words of a heading that ends with a full stop, its number included
_ENTRY = re.compile(
    r"^[ \t]*(?:[-*•][ \t]*|\(?\w{1,3}[.)][ \t]+)?"  # a list's mark
    r"([^\W\d_][^:|\n]{1,60}?)[ \t]*(?::[ \t*]+|\t+| {3,})",
    re.MULTILINE,
)
_SUFFIXED = re.compile(r"(?:\b[A-Z]\.|\b(?:Inc|Co|Ltd|Corp)\.)$")
_SEPARATOR = re.compile(r"\s*;\s*|\s*,\s+(?:and\s+)?|\s+and\s+")


def with_entries(reading: Reading) -> Reading:
    """The reading with what only looks like a heading on its page as evidence: a line such as
    "Effective date: 1 March 2024", a clause of a few words. What opens a paragraph ("Governing
    law. The laws of ...") becomes part of the heading of the sentence after it."""
    heading: dict[int, str] = {}
    units: list[Placed] = []
    for placed in reading.units:
        unit = placed.unit
        if unit.kind is UnitKind.HEADING and not unit.aside:
            if _is_evidence(unit):
                unit = replace(unit, kind=UnitKind.ITEM)
            else:
                heading[placed.page] = unit.heading
        above = heading.get(placed.page, "")
        if units and _opens(units[-1], placed):
            above = f"{above} {units[-1].unit.plain}".strip()
        units.append(replace(placed, unit=replace(unit, heading=above)))
    return replace(reading, units=tuple(units))


def _is_evidence(unit: Unit) -> bool:
    text = unit.text.rstrip()
    entry = _ENTRY.match(text) is not None and not text.endswith(":")
    said = len(text.split()) > _OPENING or _VERB.search(text) is not None
    return entry or (text.endswith(".") and said)


def _opens(before: Placed, after: Placed) -> bool:
    """Whether a unit is the few words with which a paragraph opens, like a heading."""
    text = before.unit.plain
    together = before.page == after.page and after.unit.start - before.unit.end <= 1
    brief = len(text.split()) <= _OPENING and _VERB.search(text) is None
    return together and text.endswith(".") and brief


def entries(seek: Seek, doubtful: list[Mention]) -> Iterator[Mention]:
    """What the document's forms and tables say of the field."""
    for number, candidate in enumerate(seek.sheet.candidates):
        unit = candidate.unit
        if unit.cells:
            for cell in _cells(seek, candidate):
                yield from _entry(seek, number, cell, None, doubtful)
            continue
        for start, end, name, text in _lines(unit.text):
            if _is_named(seek, name, ""):
                span = (unit.start + start, unit.start + end)
                yield from _entry(seek, number, text, span, doubtful)


def _lines(text: str) -> Iterator[tuple[int, int, str, str]]:
    """The entries of a form, "Name: value" a line: where each stands, its name and its value. A
    value goes on until the next entry begins."""
    opens = list(_ENTRY.finditer(text))
    for entry, following in zip_longest(opens, opens[1:]):
        end = following.start() if following else len(text)
        body = text[entry.start() : end].rstrip()
        start = entry.start(1)
        value = text[entry.end() : entry.start() + len(body)]
        if value.strip():
            yield start, entry.start() + len(body), entry.group(1), value


def _cells(seek: Seek, candidate: Candidate) -> Iterator[str]:
    """The cells of a row that are the field's: beside its name, under it where the table has one
    row (or a list is wanted), or where its row and its column name it together."""
    unit = candidate.unit
    first, *rest = unit.cells
    filled = [cell for cell in rest if cell]
    if len(filled) == 1 and _is_named(seek, first, ""):
        yield filled[0]
        return
    if unit.header is None or len(unit.header.cells) != len(unit.cells):
        return
    alone = seek.field.many or _rows(seek.sheet, candidate) == 1
    for name, cell in zip(unit.header.cells, unit.cells, strict=True):
        together = cell is not first and not seek.field.many and _is_named(seek, name, first)
        if cell and (together or (alone and _is_named(seek, name, ""))):
            yield cell


def _rows(sheet: Sheet, candidate: Candidate) -> int:
    """How many rows the table of a candidate has."""
    return sum(
        each.page == candidate.page and each.unit.header == candidate.unit.header
        for each in sheet.candidates
        if each.unit.cells
    )


def _is_named(seek: Seek, name: str, row: str) -> bool:
    """Whether a form's entry is this field: they have nearly all their words in common. In a table
    the row's and the column's name say it together, and both must say something."""
    said = keys(f"{row} {name}")
    known = seek.want.label | seek.want.said | keys(seek.field.label)
    label = share(seek.want.label, said, seek.sheet.weigh)
    if len(seek.want.said) < _BRIEF:
        label = max(label, share(seek.want.said, said, seek.sheet.weigh))
    if row and (not keys(name) & known or not keys(row) & known):
        return False
    return label >= NAMED and share(keys(name) - _light(name), known, seek.sheet.weigh) >= NAMED


def _light(name: str) -> frozenset[str]:
    """Words that a form's entry may have beyond the field's: "Date of commencement"."""
    return keys("date number amount value name of in") if len(keys(name)) > 1 else frozenset()


def _entry(
    seek: Seek, number: int, text: str, span: tuple[int, int] | None, doubtful: list[Mention]
) -> Iterator[Mention]:
    """The value that a form's entry gives."""
    field = seek.field
    score = _FORM
    if field.type is Type.BOOLEAN:
        said = extract_polarity.cell(text)
        if said is not None:
            yield Mention(Made(said, str(said)), number, score, span)
        return
    if field.type is Type.CHOICE:
        for choice in longest([each for each in field.choices if is_chosen(each, text)]):
            yield Mention(Made(choice, choice), number, score, span)
        return
    unit = seek.sheet.candidates[number].unit
    scale = scale_in(" ".join(unit.header.cells)) if unit.header else 0
    if unit.header and scale:
        span = (unit.header.start, unit.end)
    found = facts_of(text)
    stated = [fact for fact in found if fact.kind in seek.want.kinds - {Kind.NAME}]
    if stated and unit.cells and not scale and scale_in(unit.heading):
        # The heading says "in millions", and a row cannot be cited together with it.
        written = one_line(text)
        doubtful.append(Mention(Made(written, written), number, score))
        return
    if stated and (field.many or len({fact.value for fact in stated}) == 1):
        for fact in stated:
            yield from of_fact(
                field, text, fact, Mention(NONE, number, score, span), doubtful, scale
            )
        return
    free = not stated and (not seek.want.kinds or all(each.kind is Kind.NAME for each in found))
    if field.type is Type.STRING and free and len(text) <= LONGEST:
        whole = one_line(text)
        whole = (
            whole.rstrip(";,")
            if whole.count(".") > 1 or _SUFFIXED.search(whole)
            else whole.rstrip(".;,")
        )
        for part in _SEPARATOR.split(whole) if field.many else [whole]:
            yield Mention(Made(part, part.lower()), number, score, span)
