"""The spans that may support a sentence: what they are and what they hold, read once for a gate.

A span is one unit of a page, two adjacent ones, or a list item with the line that leads its list
in. No two rows of a table make one: a value of the one would pass for that of the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from assistant import cells, names
from assistant.alignment import profile
from assistant.evidence import Candidate
from assistant.facts import Fact
from assistant.sentences import Kind

_LONGEST_LIST = 30  # units that an item may stand from the line that leads its list in
_LEADS = re.compile(r"[:—–-]$")
_NUMBERING = re.compile(r"(?:[-*•●▪◦‣–]|\(?\w{1,4}\)|[\dA-Z][\w.]*[.)](?:\(\w+\))*\.?\s|\d+)\s*")

Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Support:
    """The span that a sentence rests on: one candidate, two adjacent ones of a page, or a list item
    after the line that leads its list in."""

    units: tuple[Candidate, ...]

    @property
    def text(self) -> str:
        """The units on one line, one space apart, a row's cells marked off."""
        return " ".join(candidate.unit.plain for candidate in self.units)


@dataclass(frozen=True, slots=True)
class Entry:
    """A support, the words that it holds (a row also those of its headings and header), and the
    line that leads its list in."""

    support: Support
    held: frozenset[str]
    lead: Candidate | None


@dataclass(frozen=True, slots=True)
class Span:
    """A support as a sentence is compared with it. `boundary` is where its second unit begins in
    `text` (0: it has one); `wholes` are a lone unit with and without its number."""

    support: Support
    text: str
    boundary: int
    rows: bool
    keys: frozenset[str]
    facts: tuple[Fact, ...]
    named: tuple[Fact, ...]  # facts of the header of a row ("2019")
    words: tuple[str, ...]
    wholes: frozenset[str]
    lead: str


class Spans:
    """The spans of one gate: listed when first asked for, each read when first compared. `clean`
    takes off what a sentence is compared without."""

    def __init__(self, clean: Callable[[str], str]) -> None:
        self._clean = clean
        self._entries: tuple[Entry, ...] | None = None
        self._read: dict[int, Span] = {}

    def entries(self, sources: Sequence[Candidate]) -> tuple[Entry, ...]:
        """Every span of `sources`, single units first, in their order."""
        if self._entries is None:
            self._entries = tuple(_entries(sources))
        return self._entries

    def read(self, number: int) -> Span:
        """The span of the entry with that number; `entries` must have been called."""
        if self._entries is None:
            raise IndexError(number)
        if number not in self._read:
            self._read[number] = self._span(self._entries[number])
        return self._read[number]

    def _span(self, entry: Entry) -> Span:
        units = entry.support.units
        text = entry.support.text
        rows = any(each.unit.cells for each in units)
        boundary = len(units[0].unit.plain) + 1 if len(units) > 1 else 0
        found = profile(text, boundary).facts
        whole = [units[0].unit.plain] if len(units) == 1 else []
        whole += [_NUMBERING.sub("", each, count=1) for each in whole if _NUMBERING.match(each)]
        return Span(
            support=entry.support,
            text=text,
            boundary=boundary,
            rows=rows,
            keys=frozenset().union(*(each.keys for each in units)),
            facts=cells.scaled(found, units) if rows else found,
            named=cells.named(units),
            words=names.words(text),
            wholes=frozenset(bare(self._clean(each)) for each in whole),
            lead=entry.lead.unit.plain if entry.lead is not None else "",
        )


def bare(sentence: str) -> str:
    """A sentence as it is compared word for word: without its case and last mark."""
    return sentence.casefold().rstrip(" .;,")


def _entries(sources: Sequence[Candidate]) -> Iterator[Entry]:
    places = {(unit.document, unit.page, unit.position): unit for unit in sources}
    leads = [_lead(unit, places) for unit in sources]
    for unit, lead in zip(sources, leads, strict=True):
        yield _entry((unit,), lead)
        if lead is not None and lead.position + 1 < unit.position:
            yield _entry((lead, unit), lead)
    led = {id(unit): lead for unit, lead in zip(sources, leads, strict=True)}
    for unit in sources:
        following = places.get((unit.document, unit.page, unit.position + 1))
        if following and not (unit.unit.cells and following.unit.cells):
            yield _entry((unit, following), led[id(unit)] or led[id(following)])


def _entry(units: tuple[Candidate, ...], lead: Candidate | None) -> Entry:
    own = frozenset().union(*(each.keys for each in units))
    context = frozenset().union(*(each.context for each in units if each.unit.cells))
    return Entry(Support(units), own | context, lead)


def _lead(unit: Candidate, places: Mapping[Place, Candidate]) -> Candidate | None:
    """The line that leads in the list that a unit is an item of, if it is one."""
    if unit.unit.kind is not Kind.ITEM:
        return None
    for back in range(1, _LONGEST_LIST):
        before = places.get((unit.document, unit.page, unit.position - back))
        if before is None:
            return None
        if _LEADS.search(before.unit.plain):
            return before
    return None
