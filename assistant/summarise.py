"""A summary of a document or a set: every sentence verbatim, or the model's and passed by the gate.

The sentences that carry a document are found first (`assistant.salience`), some from every part of
it. Then the model may put those of a part into its own words; a sentence of its is taken in place
of one of them if a span supports it and it lets go of no value, obligation or condition. So no more
is shown than was asked for, and with a model that only invents the summary is the document's own
sentences. Each document is read whole; at no time is more than one held in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from assistant import salience, shared, task
from assistant.answer import Asker, Citation, Removed
from assistant.citations import Numbering, still_true
from assistant.condensing import Condensed, Condenser
from assistant.doubt import warning_of
from assistant.embedding import embedded
from assistant.errors import CitedTextGone
from assistant.evidence import Candidate
from assistant.gate import Judged
from assistant.quotes import Quote, Span, quote
from assistant.recording import Call, sha256
from assistant.salience import Vectors
from assistant.sentences import Kind
from assistant.shared import Common
from assistant.task import Parts, Progress, Reading, TaskRecord, candidates_of, cite
from index.document import Document, Scope
from index.effective import today

_POOL = 60  # sentences of each document that are compared with those of others
_LISTED = 200  # entries of a list in clear


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be summarised, for whom. `sources` are sources or ids; none: all that the asker
    may read. `about` narrows it to what is near to those words. `length` is the most statements on
    each document. `verbatim`: no model. `as_of` is an ISO 8601 day; None: today.

    Raises ValueError for a length under 1.
    """

    asker: Asker
    sources: tuple[str, ...] = ()
    collections: frozenset[str] | None = None
    about: str = ""
    length: int = 8
    as_of: str | None = None
    verbatim: bool = False

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ValueError("a summary has at least one sentence")


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of a summary. `origin` is "quote" (verbatim) or "model" (passed by the gate);
    `heading` that of its section; `citations` are numbers."""

    text: str
    origin: str
    heading: str
    citations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """The summary of one document. `sections` it has, `covered` of them have a statement; `read` of
    its `sentences` were ranked by meaning (of a very long document, some of each part); `warning`
    tells what was not read or is not in force."""

    document: str
    collection: str
    source: str
    title: str
    statements: tuple[Statement, ...]
    sections: int
    covered: int
    sentences: int
    read: int
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """The result. `common` is what the documents of a set say alike or differently; `removed` are
    the model's sentences that are not shown."""

    documents: tuple[DocumentSummary, ...]
    common: tuple[Common, ...]
    citations: tuple[Citation, ...]
    removed: tuple[Removed, ...] = ()
    notes: tuple[str, ...] = ()
    model: str = ""
    record: str = ""
    request: str = ""
    timings: Mapping[str, float] = field(default_factory=dict)


def run(
    parts: Parts, request: Request, cancelled: Callable[[], bool]
) -> Iterator[Progress | DocumentSummary | Summary]:
    """Progress, each document's summary once it stands in the log, then the whole.

    Raises NotFound, IndexFailure, CitedTextGone, AuditError, and AssistantError for a model that is
    missing or altered; all but AuditError are recorded. Cancelled: recorded, and it ends without a
    summary.
    """
    record = TaskRecord(parts.log, request.asker, "summarise")
    narrowed = request.collections
    record.received(
        {
            "documents": len(request.sources),
            "length": request.length,
            "about_sha256": sha256(request.about) if request.about else "",
            "as_of": request.as_of,
            "verbatim": request.verbatim,
            "collections": sorted(narrowed)[:_LISTED] if narrowed is not None else None,
        },
        {"sources": list(request.sources), "about": request.about},
    )
    with task.ended(record):
        yield from _Summarising(parts, request, record, cancelled).steps()


@dataclass(frozen=True, slots=True)
class _Outline:
    """The quotable sentences of a document, ranked: their headings, the parts that they are taken
    from, which were `read` by meaning, and what each is worth (of those read)."""

    found: tuple[Candidate, ...]
    headings: tuple[str, ...]
    sections: tuple[salience.Section, ...]
    groups: tuple[tuple[int, ...], ...]
    vectors: Vectors
    worth: salience.Scores


class _Summarising:
    """One summary on its way."""

    def __init__(
        self, parts: Parts, request: Request, record: TaskRecord, cancelled: Callable[[], bool]
    ) -> None:
        self._library = parts.library
        self._request = request
        self._record = record
        self._cancelled = cancelled
        scope = parts.library.scope(request.asker.groups)
        narrowed = request.collections
        self._scope: Scope = scope if narrowed is None else scope.narrowed(narrowed)
        self._numbering = Numbering()
        self._pool: list[shared.Pooled] = []
        self._items = 0
        self._timings: dict[str, float] = {"reading": 0.0, "ranking": 0.0, "writing": 0.0}
        self._condenser = None if request.verbatim else Condenser(
            parts.model, parts.policy, request.asker, record, cancelled
        )  # fmt: skip

    def steps(self) -> Iterator[Progress | DocumentSummary | Summary]:
        """All that `run` yields after the request was recorded."""
        request = self._request
        chosen = task.chosen(self._library, self._scope, request.sources, day=request.as_of)
        made: list[DocumentSummary] = []
        for number, document in enumerate(chosen):
            yield self._at(number, len(chosen), document.source)
            made.append(self._summary(document, many=len(chosen) > 1))
            yield made[-1]
        yield self._at(len(chosen), len(chosen), "checking")
        common = shared.common(self._pool, self._numbering, request.length)
        cited = tuple(self._numbering.citations)
        if not still_true(self._library, cited, self._scope):
            raise CitedTextGone
        condenser = self._condenser
        result = Summary(
            tuple(made), common, cited,
            tuple(condenser.removed) if condenser else (),
            self._notes(made),
            condenser.signature if condenser else "",
            request=self._record.request, timings=self._timings,
        )  # fmt: skip
        yield self._released(result, condenser.spent if condenser else {})

    def _at(self, done: int, total: int, about: str) -> Progress:
        task.go_on(self._cancelled)
        return Progress(done, total, about)

    def _notes(self, made: Sequence[DocumentSummary]) -> tuple[str, ...]:
        notes = [self._condenser.trouble] if self._condenser and self._condenser.trouble else []
        if not made:
            notes.append("There is no document that you may read to summarise.")
        silent = [each.source for each in made if not each.statements]
        if silent and self._request.about:
            notes.append(f"Nothing near to what was asked about stands in: {', '.join(silent)}.")
        elif silent:
            notes.append(f"No sentence could be taken from: {', '.join(silent)}.")
        return tuple(notes)

    def _summary(self, document: Document, *, many: bool) -> DocumentSummary:
        """One document: read, ranked, written, checked, recorded."""
        began = time.monotonic()
        day = self._request.as_of
        reading = task.read(self._library, document, self._scope, day, any_status=True)
        read = time.monotonic()
        outline = self._outline(reading)
        chosen = salience.choose(
            outline.worth, outline.vectors, outline.groups, self._request.length
        )
        ranked = time.monotonic()
        written = list(self._written(reading, outline, chosen))
        statements = tuple(statement for _, statement in written)
        cited = {number for each in statements for number in each.citations}
        if not still_true(self._library, self._cited(cited), self._scope):
            raise CitedTextGone
        for each in statements:
            self._recorded(document, each)
        if many:
            self._remember(reading, outline)
        self._timings["reading"] += read - began
        self._timings["ranking"] += ranked - read
        self._timings["writing"] += time.monotonic() - ranked
        places = {number for number, _ in written}
        return DocumentSummary(
            document.id, document.collection, document.source, document.title, statements,
            len(outline.sections),
            sum(1 for s in outline.sections if any(s.first <= n < s.last for n in places)),
            len(outline.found), int(np.count_nonzero(outline.vectors.any(axis=1))),
            warning_of(document, None, reading.standing, today()),
        )  # fmt: skip

    def _outline(self, reading: Reading) -> _Outline:
        headings = _headings(reading)
        everything = candidates_of(reading)
        found = tuple(each for each in everything if salience.readable(each)) or everything
        titles = tuple(headings[each.page, each.position] for each in found)
        sections = salience.sections(titles)
        about = " ".join(self._request.about.split())
        parts = salience.parts(sections, 1 if about else self._request.length)
        groups = [tuple(n for s in part for n in range(s.first, s.last)) for part in parts]
        kept = salience.preselect(found, groups, salience.MOST)
        texts = [found[number].embedded for number in kept]
        vectors = np.zeros((len(found), self._library.embedder.dimensions), np.float32)
        if kept:
            vectors[kept] = embedded(
                self._library.embedder, texts, lambda: task.go_on(self._cancelled)
            )
        some = set(kept)
        inside = tuple(tuple(n for n in group if n in some) for group in groups)
        if about:
            query = np.asarray(self._library.embedder.embed_query(about), np.float32)
            worth = salience.focused(found, vectors, about, query)
        else:
            worth = salience.scores(found, vectors, titles, inside)
        return _Outline(found, titles, sections, inside, vectors, worth)

    def _written(
        self, reading: Reading, outline: _Outline, chosen: Sequence[int]
    ) -> Iterator[tuple[int, Statement]]:
        """The statements in the order of the document, each with the sentence it is made of."""
        for group in outline.groups:
            picked = [number for number in chosen if number in set(group)]
            if not picked:
                continue
            task.go_on(self._cancelled)
            condensed: dict[int, Condensed] = {}
            if self._condenser is not None:
                condensed = self._condenser.condense(
                    reading.document.title, outline.found, outline.headings, picked
                )
            for number in picked:
                heading = outline.headings[number]
                if number in condensed:
                    judged = condensed[number].judged
                    span = _span(judged)
                    cited = self._numbers(reading, (span,))
                    yield number, Statement(judged.text, "model", heading, cited)
                else:
                    made = verbatim(outline.found[number], reading)
                    cited = self._numbers(reading, made.spans)
                    yield number, Statement(made.text, "quote", heading, cited)

    def _numbers(self, reading: Reading, spans: Sequence[Span]) -> tuple[int, ...]:
        return tuple(
            cite(self._numbering, reading, span.page, span.start, span.end).number for span in spans
        )

    def _cited(self, numbers: set[int]) -> list[Citation]:
        return [self._numbering.citations[number - 1] for number in sorted(numbers)]

    def _remember(self, reading: Reading, outline: _Outline) -> None:
        """Keep the sentences that carry this document, and only their pages, for `common`."""
        best = np.argsort(-outline.worth, kind="stable")[:_POOL]
        some = [int(number) for number in best if outline.worth[number] > 0]
        pages = {outline.found[number].page for number in some}
        slim = replace(
            reading, pages=tuple(p for p in reading.pages if p.number in pages), units=()
        )
        for number in some:
            made = verbatim(outline.found[number], reading)
            self._pool.append(shared.Pooled(slim, made, outline.vectors[number]))

    def _recorded(self, document: Document, statement: Statement) -> None:
        self._items += 1
        self._record.item(
            {
                "number": self._items,
                "document": document.id,
                "origin": statement.origin,
                "sentence_sha256": sha256(statement.text),
                "citations": [_place(each) for each in self._cited(set(statement.citations))],
            },
            asdict(statement),
        )

    def _released(self, result: Summary, spent: Call) -> Summary:
        """Record the summary; only then does it exist."""
        statements = [each for summary in result.documents for each in summary.statements]
        event = self._record.released(
            {
                "documents": [each.document for each in result.documents][:_LISTED],
                "statements": len(statements),
                "from_model": sum(each.origin == "model" for each in statements),
                "removed": len(result.removed),
                "common": len(result.common),
                "citations": len(result.citations),
                "citations_checked": True,
                "embedder": self._library.embedder.fingerprint,
                "scope": sorted(self._scope.collections)[:_LISTED],
                "day": self._request.as_of or today(),
                **spent,
            },
            {
                "summaries": [asdict(each) for each in result.documents],
                "common": [asdict(each) for each in result.common],
                "citations": [asdict(each) for each in result.citations],
                "removed": [asdict(each) for each in result.removed],
                "notes": list(result.notes),
            },
        )
        return replace(result, record=event.event_id)


def verbatim(candidate: Candidate, reading: Reading) -> Quote:
    """A sentence as it stands; an item with the line that leads it in, a row with its header."""
    if candidate.unit.kind is Kind.SENTENCE:
        unit = candidate.unit
        span = Span(candidate.document, candidate.page, unit.start, unit.end)
        return Quote(unit.shown, (span,))
    return quote(candidate, [each.unit for each in reading.units if each.page == candidate.page])


def _span(judged: Judged) -> Span:
    """The span that supports a sentence. Raises ValueError for one that none supports: a bug."""
    if judged.support is None:
        raise ValueError("no span supports this sentence")
    first, last = judged.support.units[0], judged.support.units[-1]
    return Span(first.document, first.page, first.unit.start, last.unit.end)


def _headings(reading: Reading) -> dict[tuple[int, int], str]:
    """The heading over each unit, by page and position; it goes on over a page's end."""
    found, heading = {}, ""
    for placed in reading.units:
        heading = placed.unit.heading or heading
        found[placed.page, placed.position] = heading
    return found


def _place(citation: Citation) -> str:
    return f"{citation.document}:{citation.page}:{citation.start}:{citation.end}"
