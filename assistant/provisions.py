"""A document as the clauses that a comparison sets side by side.

Pure. A clause is a numbered provision, a list item, a row of a table, a heading, or a sentence
of running text: small enough that a citation shows what changed and nothing else. What a page break
cuts in two is put together again, so that text which moved to the next page has not changed, and
lines that are printed on most pages are left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from assistant.layout import Unit
from assistant.sentences import Kind
from assistant.task import Placed, Reading
from assistant.terms import fold, keys

_DECIMAL = (
    r"\d{1,4}[A-Z]?(?:(?:\.\d{1,3})+(?:\.?\([a-zA-Z0-9]{1,5}\))*|(?:\.?\([a-zA-Z0-9]{1,5}\))+)\.?"
)
_LABELLED = (
    r"(?:§{1,2}|(?:article|section|clause|rule|chapter|part|annex|appendix|schedule|paragraph)\b)"
    r"\s*(?:\d{1,4}[A-Za-z]?(?:\.\d{1,3})*(?:\.?\([a-z0-9]{1,5}\))*|[IVXLC]{1,6}|[A-Z])[.:]?"
)
_MARKED = r"\(?[a-zA-Z]{1,2}\)|\(?[ivxl]{1,5}\)|\(?\d{1,3}\)|\d{1,3}\."
_NUMBER = re.compile(
    rf"(?:#+\s+)?(?P<number>{_LABELLED}|{_DECIMAL}|{_MARKED})(?=\s|$)[\s–—:-]*", re.IGNORECASE
)
_PLAIN = re.compile(r"(?:#+\s+)?(?P<number>\d{1,3})\s+(?=[A-Z])")  # "4 Owners", where items open
_BULLET = re.compile(r"[-*•●▪◦‣–]\s+")
_ENDS = (".", ":", ";", "!", "?")
_REPEATED = 0.6  # of the pages: a line at their edge that stands on so many is printed on each
_FULL_LINE = 40  # characters: a shorter line without an end is a title or an entry
_EDGE = 2  # units from the top or the bottom of a page


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a page, `[start, end)` of its text."""

    page: int
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause. `number` is its own as written ("4.2", "(a)"), "" if it has none; `place` the
    numbers that lead to it ("4.2 (a)"), those of the numbered clause that it belongs to if it has
    none itself. `text` is all of it on one line, `body` without its number. `cells` are a row's
    cells and `columns` their names, if the table has a header."""

    number: str
    place: str
    heading: str
    kind: Kind
    parts: tuple[Part, ...]
    text: str
    body: str
    cells: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """The comparable forms of its content words."""
        return keys(self.body)

    @property
    def normal(self) -> str:
        """The body as two of them are compared for equality: white space folded, and the hyphens
        that only a line's end put there left out."""
        return re.sub(r"(?<=[^\W\d_])-\s(?=[a-z])", "", self.body)


def joined(clauses: Sequence[Clause]) -> Clause:
    """Adjacent clauses as one, under the number of the first."""
    first = clauses[0]
    if len(clauses) == 1:
        return first
    return replace(
        first,
        parts=tuple(part for each in clauses for part in each.parts),
        text=" ".join(each.text for each in clauses),
        body=" ".join([first.body, *(each.text for each in clauses[1:])]),
    )


def _style(number: str, before: str) -> str:
    """What kind of numbering a number belongs to; `before` is the last one in brackets: "(i)" is
    the letter that follows "(h)", else a Roman numeral."""
    bare = number.strip("().:").lower()
    if number[0].isdigit() and ("." in number or ")" not in number):
        return "decimal"
    if not number.startswith("(") and not number.endswith(")"):
        return "label"
    if bare.isdigit():
        return "digit"
    if re.fullmatch(r"[ivxl]+", bare) and not (
        len(bare) == 1 and before and ord(bare) == ord(before[-1]) + 1
    ):
        return "roman"
    return "letter"


class _Numbers:
    """The numbers that lead to where a document is at."""

    def __init__(self) -> None:
        self._stack: list[tuple[str, str]] = []

    def enter(self, number: str) -> str:
        """The place of a clause with that number."""
        letters = [each.strip("()").lower() for style, each in self._stack if style == "letter"]
        style = _style(number, letters[-1] if letters else "")
        styles = [each for each, _ in self._stack]
        if style == "label" or (style == "decimal" and "." in number.rstrip(".")):
            self._stack = []
        elif style == "decimal":
            self._stack = [each for each in self._stack if each[0] == "label"]
        elif style in styles:
            self._stack = self._stack[: styles.index(style)]
        self._stack.append((style, number.rstrip(".:")))
        return self.place

    @property
    def place(self) -> str:
        return " ".join(number for _, number in self._stack)

    @property
    def clause(self) -> str:
        """The place without items of lists: a table is part of no item."""
        return " ".join(number for style, number in self._stack if style in ("decimal", "label"))

    def section(self) -> None:
        """A heading without a number: lists below it are no part of the clause above."""
        self._stack = []


def _number_of(text: str, kind: Kind) -> tuple[str, int]:
    """The number that a unit opens with, and where its body begins."""
    if " " not in text and any(letter.isdigit() for letter in text):
        return text, len(text)  # "APP4.A4.3.11" in a line of its own
    found = _NUMBER.match(text)
    if found is None and kind in (Kind.ITEM, Kind.HEADING):
        found = _PLAIN.match(text)
    if found is not None:
        return " ".join(found.group("number").split()), found.end()
    bullet = _BULLET.match(text)
    return "", bullet.end() if bullet else 0


def without_number(text: str) -> str:
    """A sentence or item without the number that it opens with."""
    return text[_number_of(text, Kind.SENTENCE)[1] :]


def _printed_on_all(reading: Reading) -> frozenset[str]:
    """The lines at the edges of pages that most pages have."""
    counts: Counter[str] = Counter()
    pages = 0
    for _, placed in groupby(reading.units, key=lambda each: each.page):
        units = [each for each in placed if not _is_margin(each.unit)]
        edge = [*units[:_EDGE], *units[-_EDGE:]]
        counts.update({_faceless(each) for each in edge if len(each.unit.text) < 160})
        pages += 1
    return frozenset(line for line, n in counts.items() if pages > 2 and n >= _REPEATED * pages)


def _faceless(placed: Placed) -> str:
    """A unit as it is on every page: with numbers counted from that of the page, unless it is a
    sentence, which says something."""
    text = fold(placed.unit.plain)
    if text.endswith("."):
        return text
    return re.sub(r"\d{1,4}", lambda found: f"#{int(found.group()) - placed.page}", text)


def _is_margin(unit: Unit) -> bool:
    return unit.aside and unit.kind is Kind.HEADING


def _wanted(reading: Reading) -> Iterator[Placed]:
    repeated = _printed_on_all(reading)
    for placed in reading.units:
        if not _is_margin(placed.unit) and _faceless(placed) not in repeated:
            yield placed


def _goes_on(before: Clause, placed: Placed) -> bool:
    """Whether a page break cut a sentence: the unit opens a page and carries on the clause. What
    stands before the break may look like a heading, being a short line without an end."""
    unit = placed.unit
    if before.parts[-1].page + 1 != placed.page or before.text.endswith(_ENDS) or unit.cells:
        return False
    if unit.kind is Kind.ITEM or before.kind is Kind.ROW or _number_of(unit.plain, unit.kind)[0]:
        return False
    if unit.text[0].islower():
        return True
    running = before.kind in (Kind.SENTENCE, Kind.ITEM) and unit.kind is Kind.SENTENCE
    return running and len(before.text) >= _FULL_LINE


def _carried_on(before: Clause, placed: Placed) -> Clause:
    """A clause with what carries it on after a page break."""
    unit = placed.unit
    return replace(
        before,
        kind=Kind.SENTENCE if before.kind is Kind.HEADING else before.kind,
        parts=(*before.parts, Part(placed.page, unit.start, unit.end, unit.text)),
        text=f"{before.text} {unit.plain}",
        body=f"{before.body} {unit.plain}".strip(),
    )


def clauses_of(reading: Reading) -> tuple[Clause, ...]:
    """The clauses of a document in order."""
    made: list[Clause] = []
    numbers, heading = _Numbers(), ""
    for placed in _wanted(reading):
        unit = placed.unit
        part = Part(placed.page, unit.start, unit.end, unit.text)
        if made and _goes_on(made[-1], placed):
            if made[-1].kind is Kind.HEADING:
                heading = made[-2].heading if len(made) > 1 else ""
                made[-1] = replace(made[-1], heading=heading)
            made[-1] = _carried_on(made[-1], placed)
            continue
        text = unit.plain
        number, at = ("", 0) if unit.cells else _number_of(text, unit.kind)
        if unit.kind is Kind.HEADING:
            heading = text[at:].lstrip("# ") or text
            if not number:
                numbers.section()
        place = numbers.enter(number) if number else numbers.place
        place = numbers.clause if unit.cells else place
        columns = unit.header.cells if unit.header is not None and unit.named else ()
        made.append(
            Clause(
                number.rstrip(".:"), place, heading, unit.kind, (part,), text,
                text[at:].lstrip("# ") if at or unit.kind is Kind.HEADING else text,
                unit.cells, columns,
            )
        )  # fmt: skip
    return tuple(made)
