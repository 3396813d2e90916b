"""What the tasks besides asking share: documents read whole, places cited, and records.

A task (summarise, extract, classify, compare, sweep) is a module with a frozen `Request` and
`run(parts, request, cancelled)`, a generator that yields `Progress`, whatever the task shows as it
goes, and at the end its result. What holds for an answer holds for every task: the request is
recorded before anything is done with it, a result before it is shown, how it ended (`ended`)
whatever happens, everything shown is cited from pages within the asker's scope, and nothing of a
model is shown that the gate did not pass.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from assistant import citations
from assistant.answer import Asker, Citation
from assistant.answering import Policy
from assistant.asides import Aside
from assistant.citations import Numbering
from assistant.evidence import Candidate
from assistant.layout import Unit, lay_out
from assistant.model import Model, Sampling
from assistant.ports import Library, Recorder
from assistant.prompt_form import PromptSet
from assistant.quotes import Span
from assistant.recording import Clear, actor_of, aside
from assistant.sentences import Kind
from assistant.terms import keys
from audit.errors import AuditError
from audit.record import Event, Record
from index.document import Document, Page, Scope
from index.effective import Standing, today
from index.errors import NotFound

_LEFT = "The reader left before the result was complete."


class Cancelled(Exception):
    """Nobody waits for the result any more."""


def go_on(cancelled: Callable[[], bool]) -> None:
    """Raises Cancelled if nobody waits for the result any more."""
    if cancelled():
        raise Cancelled


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


def read(
    library: Library,
    document: Document,
    scope: Scope,
    day: str | None = None,
    *,
    any_status: bool = False,
) -> Reading:
    """The document whole, as `scope` reaches it, with how it stands to `day` (None: today).

    Raises NotFound for a document that is out of scope, gone, or, unless `any_status`, not in force
    on that day.
    """
    standings = library.standings((document,), scope, day or today())
    standing = standings.get((document.collection, document.id))
    if standing is None or not (standing.in_force or any_status):
        raise NotFound(f"document {document.source}")
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
    *,
    day: str | None = None,
    any_status: bool = False,
) -> tuple[Document, ...]:
    """The documents that a request names by source or id, in that order; without any, all within
    `scope`, by collection and source: those in force on `day` (ISO 8601; None: today), whatever
    has taken their place since. With `any_status` a named one that is not in force then is kept,
    its newest version: whoever reads it can say so of it alone.

    Raises NotFound, naming it, for one that is not there then or that the scope does not reach.
    """
    known = in_force(library, scope, day or today())
    if not sources:
        return tuple(known)
    found: dict[tuple[str, str], Document] = {}
    for name in sources:
        named = _called(name, known)
        if not named:
            there = _called(name, held(library, scope))
            if not there or not any_status:
                raise NotFound(f"document {name}{then(day or ('today' if there else None))}")
            named = there[-1:]
        found.update({(each.collection, each.id): each for each in named})
    return tuple(found.values())


def _called(name: str, documents: Sequence[Document]) -> list[Document]:
    """Those of a source or id."""
    return [each for each in documents if name in (each.source, each.id)]


def then(day: str | None) -> str:
    """What a sentence on a document that is not there adds of the day (ISO 8601 or "today"), if it
    is one of a day."""
    if day is None:
        return ""
    return f" in force {day}" if day == "today" else f" in force on {day}"


def held(library: Library, scope: Scope) -> tuple[Document, ...]:
    """The documents of every status within `scope`, by collection, source and version."""
    found = library.all_documents(scope)
    return tuple(sorted(found, key=lambda each: (each.collection, each.source, each.version)))


def in_force(library: Library, scope: Scope, day: str | None) -> Sequence[Document]:
    """The documents within `scope` that are in force on `day`, as `held` orders them; None: those
    that are current by their status, which is known without a look at their days."""
    if day is None:
        return library.documents(scope)
    return standing_in_force(library, held(library, scope), scope, day)


def standing_in_force(
    library: Library, documents: Sequence[Document], scope: Scope, day: str
) -> tuple[Document, ...]:
    """Those of `documents` that were in force on `day`, in their order."""
    standings = library.standings(documents, scope, day)
    missing = Standing(in_force=False)
    return tuple(
        each for each in documents if standings.get((each.collection, each.id), missing).in_force
    )


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


class TaskRecord:
    """The records of one task, tied together by `request`: `task.received`, any number of
    `task.item` and then `task.released` or `task.failed`. Texts go into the payload, codes, counts
    and digests into the clear fields. Raises AuditError: then what it records must not happen.

    `over`: how the task ended stands in the log.
    """

    def __init__(self, log: Recorder, asker: Asker, task: str) -> None:
        self._log = log
        self._actor = actor_of(asker)
        self._task = task
        self.request = uuid.uuid4().hex
        self.over = False

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
        return self._ending("task.released", fields, payload)

    def failed(self, code: str, sentence: str) -> Record:
        """No result, and why."""
        return self._ending("task.failed", {"code": code}, {"error": sentence})

    def aside(
        self,
        purpose: str,
        model: Model,
        prompt: PromptSet,
        user: str,
        sampling: Sampling | None = None,
    ) -> AbstractContextManager[Aside]:
        """`model.called` and `model.finished` of a use of a model (`assistant.asides`)."""
        return aside(self._write, purpose, model, prompt, user, sampling)

    def _ending(self, type_: str, fields: Clear, payload: Mapping[str, object]) -> Record:
        record = self._write(type_, fields, payload)
        self.over = True
        return record


@contextmanager
def ended(record: TaskRecord) -> Iterator[None]:
    """Record how a task ended that did not come to its result: cancelled (which ends the block in
    silence), left by its reader, interrupted, or stopped by an error; all but the first go on.

    A task ends once: whoever leaves with the whole result has not left early. A log that cannot be
    written to is not asked again.
    """
    try:
        yield
    except AuditError:
        raise
    except (Cancelled, GeneratorExit) as left:
        if not record.over:
            record.failed("CANCELLED", _LEFT)
        if isinstance(left, GeneratorExit):
            raise
    except BaseException as error:  # Ctrl+C is one
        if not record.over:
            record.failed(type(error).__name__, str(error))
        raise
