"""What the tasks besides asking share: documents read whole, places cited, and records.

A task (summarise, extract, classify, compare, sweep) is a module with a frozen `Request` and
`run(parts, request, cancelled)`, a generator that yields `Progress`, whatever the task shows as it
goes, and at the end its result. What holds for an answer holds for every task: the request is
recorded before anything is done with it, a result before it is shown, everything shown is cited
from pages within the asker's scope, and nothing of a model is shown that the gate did not pass.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant import citations
from assistant.answer import Asker, Citation
from assistant.answering import Policy
from assistant.citations import Numbering
from assistant.evidence import Candidate
from assistant.layout import Unit, lay_out
from assistant.model import Model
from assistant.ports import Library, Recorder
from assistant.quotes import Span
from assistant.recording import Clear, actor_of
from assistant.sentences import Kind
from assistant.terms import keys
from audit.record import Event, Record
from index.document import Document, Page, Scope
from index.effective import Standing, today
from index.errors import NotFound


@dataclass(frozen=True, slots=True)
class Parts:
    """What a task works with; the same that questions are answered with."""

    library: Library
    log: Recorder
    model: Model
    policy: Policy


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task is: `done` of `total` steps, and what it is at ("reports/2022.pdf")."""

    done: int
    total: int
    about: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """A quotable unit and where it stands; `position` counts the units of its page."""

    page: int
    position: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Reading:
    """A document read whole: its pages, and their units in order."""

    document: Document
    standing: Standing
    pages: tuple[Page, ...]
    units: tuple[Placed, ...]

    def page(self, number: int) -> Page:
        """The page with that number; KeyError if there is none."""
        for page in self.pages:
            if page.number == number:
                return page
        raise KeyError(number)


def read(library: Library, document: Document, scope: Scope, day: str | None = None) -> Reading:
    """The document whole, as `scope` reaches it.

    Raises NotFound for a document that is out of scope, gone, or not in force on `day` (None:
    today).
    """
    standings = library.standings((document,), scope, day or today())
    standing = standings.get((document.collection, document.id))
    if standing is None or not standing.in_force:
        raise NotFound("document")
    pages = tuple(
        library.page(document.id, number, scope) for number in range(1, document.pages + 1)
    )
    units = tuple(
        Placed(page.number, position, unit)
        for page in pages
        for position, unit in enumerate(lay_out(page))
    )
    return Reading(document, standing, pages, units)


def chosen(
    library: Library,
    scope: Scope,
    sources: Sequence[str] = (),
    collections: frozenset[str] | None = None,
    day: str | None = None,
) -> tuple[Document, ...]:
    """The documents that a request names by source or id, in that order; without any, all that
    are searched within `scope`, by collection and source: those in force on `day` (ISO 8601; None:
    today), whatever has taken their place since.

    Raises NotFound, naming it, for one that is not there or that the scope does not reach.
    """
    narrowed = scope if collections is None else scope.narrowed(collections)
    held = sorted(in_force(library, narrowed, day), key=lambda each: (each.collection, each.source))
    if not sources:
        return tuple(held)
    found: list[Document] = []
    for name in sources:
        named = [each for each in held if name in (each.source, each.id)]
        if not named:
            raise NotFound(f"document {name}")
        found.extend(each for each in named if each not in found)
    return tuple(found)


def in_force(library: Library, scope: Scope, day: str | None) -> Sequence[Document]:
    """The documents within `scope` that are in force on `day`; None: today."""
    if day is None:
        return library.documents(scope)
    every = library.all_documents(scope)
    standings = library.standings(every, scope, day)
    return [
        each
        for each in every
        if (each.collection, each.id) in standings and standings[each.collection, each.id].in_force
    ]


def candidates_of(reading: Reading) -> tuple[Candidate, ...]:
    """The quotable units of a document as the gate takes them (headings, what is printed on
    every page and what speaks to a language model are none)."""
    words = [keys(placed.unit.plain) for placed in reading.units]
    found = []
    for number, placed in enumerate(reading.units):
        unit = placed.unit
        if unit.kind is Kind.HEADING or unit.aside or unit.addressed:
            continue
        header = keys(" ".join(unit.header.cells)) if unit.header else frozenset()
        near = [*words[max(0, number - 1) : number], *words[number + 1 : number + 2]]
        found.append(
            Candidate(
                document=reading.document.id,
                page=placed.page,
                position=placed.position,
                unit=unit,
                hit=0,
                outdated=False,
                keys=words[number],
                context=keys(f"{reading.document.title} {unit.heading}") | header,
                nearby=frozenset().union(*near),
            )
        )
    return tuple(found)


def cite(numbering: Numbering, reading: Reading, page: int, start: int, end: int) -> Citation:
    """The citation of `[start, end)` of a page, numbered within this result.

    Raises ValueError for a span that is not on the page: a bug, never a matter of the model's.
    """
    held = reading.page(page)
    span = Span(reading.document.id, page, start, end)
    citation, _ = numbering.cite(span, reading.document, held, reading.standing)
    if not citations.true_to(citation, held):
        raise ValueError(f"{span} is not on the page")
    return citation


def still_true(library: Library, cited: Sequence[Citation], scope: Scope) -> bool:
    """Whether every citation still quotes the catalogue's page: asked right before a result is
    released."""
    for citation in cited:
        try:
            page = library.page(citation.document, citation.page, scope)
        except NotFound:
            return False
        if not citations.true_to(citation, page):
            return False
    return True


class TaskRecord:
    """The records of one task, tied together by `request`: `task.received`, any number of
    `task.item` and then `task.released` or `task.failed`. Texts go into the payload, codes, counts
    and digests into the clear fields. Raises AuditError: then what it records must not happen."""

    def __init__(self, log: Recorder, asker: Asker, task: str) -> None:
        self._log = log
        self._actor = actor_of(asker)
        self._task = task
        self.request = uuid.uuid4().hex

    def _write(self, type_: str, fields: Clear, payload: Mapping[str, object] | None) -> Record:
        clear: Clear = {"task": self._task, **fields}
        return self._log.append(Event(type_, self._actor, clear, payload, request_id=self.request))

    def received(self, fields: Clear, payload: Mapping[str, object]) -> Record:
        """What is asked for, before anything is done with it."""
        return self._write("task.received", fields, payload)

    def item(self, fields: Clear, payload: Mapping[str, object]) -> Record:
        """One part of the result (a field, a row, a sentence), before it is shown."""
        return self._write("task.item", fields, payload)

    def released(self, fields: Clear, payload: Mapping[str, object]) -> Record:
        """The whole result, before it is shown."""
        return self._write("task.released", fields, payload)

    def failed(self, code: str, sentence: str) -> Record:
        """No result, and why."""
        return self._write("task.failed", {"code": code}, {"error": sentence})
