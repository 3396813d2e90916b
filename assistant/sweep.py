"""A question put to every document of a set: one cited row each, and none left out unsaid.

"Which of these contracts have a change-of-control clause?" Every document is searched by itself, so
that its best place is found however badly it ranks among all; its row says FOUND with the sentence,
NOT_FOUND, UNCLEAR with the sentence that a person should read, or FAILED with the reason
(`assistant.sweep_verdict`). No model is asked: a row quotes. What the documents would say in other
words than the question's, and far from its vector, is not found.

A row is recorded before it is shown, and kept (`assistant.sweep_store`), so that a sweep that was
interrupted goes on where it was. What the asker may read is asked again for every document and once
more, with every quotation, before the result is released.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from assistant import task
from assistant.answer import Citation
from assistant.asked import Asked
from assistant.citations import Numbering, still_true
from assistant.doubt import warning_of
from assistant.errors import AssistantError, CitedTextGone, SweepRefused
from assistant.evidence import Candidate
from assistant.layout import Unit, lay_out
from assistant.ports import Library
from assistant.quotes import Quote, quote
from assistant.recording import sha256
from assistant.retrieval import Found, Limits, retrieve, standing_of
from assistant.sentences import one_line
from assistant.sweep_rows import Request, Row, SweepResult, asked_of, identity, said
from assistant.sweep_store import Kept, KeptRow, Place
from assistant.sweep_verdict import SENTENCES, Reason, Verdict, doubted, judge, wanted
from assistant.task import Parts, Progress, TaskRecord
from index.document import Document, Page, Scope
from index.effective import Standing, today
from index.errors import IndexFailure, NotFound

__all__ = ["Progress", "Request", "Row", "SweepResult", "Verdict", "identity", "run"]

VERSION = "sweep-2"  # of how rows are decided: kept rows of another are of no use
LIMITS = Limits(hits=16, sentences=14)  # of one document
Events = Generator[Progress | Row | SweepResult, None, None]
_IN_A_ROW = 5  # documents that fail for want of the index: then the index is what fails
_LISTED = 200


def run(parts: Parts, request: Request, cancelled: Callable[[], bool] = lambda: False) -> Events:
    """Progress, each row as it is done, and the result; nothing after Progress if `cancelled`.

    Raises AuditError; NotFound for a source that is not there; SweepRefused for an empty or too
    long question; SweepRunning; IndexFailure if the index as a whole cannot be read.
    """
    record = TaskRecord(parts.log, request.asker, "sweep")
    record.received(
        {
            "sweep": identity(request),
            "question_sha256": sha256(request.question),
            "characters": len(request.question),
            "sources": len(request.sources),
            "collections": sorted(request.collections or ())[:_LISTED],
            **({} if request.as_of is None else {"as_of": request.as_of}),
        },
        {
            "question": request.question[: parts.policy.longest_question],
            "sources": list(request.sources)[:_LISTED],
        },
    )
    with task.ended(record):
        yield from _Sweep(parts, request, record).events(cancelled)


@dataclass
class _Sweep:
    """One sweep on its way."""

    parts: Parts
    request: Request
    record: TaskRecord
    numbering: Numbering = field(default_factory=Numbering)
    standings: dict[tuple[str, str], Standing] = field(default_factory=dict)
    kept: Kept | None = None
    in_a_row: int = 0
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.counting = asked_of(self.request)
        self.asked: Asked = wanted(self.counting)
        self.sweep = identity(self.request)
        self.day = self.request.as_of or today()

    def events(self, cancelled: Callable[[], bool]) -> Events:
        """Everything that `run` yields, after the request was recorded."""
        self._refuse()
        with ExitStack() as stack:
            if self.request.folder is not None:
                self.kept = stack.enter_context(self._opened(self.request.folder))
                self.day = self.kept.day
            documents = self._documents()
            rows: list[Row] = []
            for done, document in enumerate(documents):
                task.go_on(cancelled)
                yield Progress(done, len(documents), document.source)
                row = self._row(document)
                self._note(len(rows) + 1, row)
                rows.append(row)
                yield row
            yield Progress(len(documents), len(documents))
            yield self._released(documents, rows)
            if self.kept is not None and not any(row.verdict is Verdict.FAILED for row in rows):
                self.kept.finish()

    def _refuse(self) -> None:
        if not self.request.question.strip():
            raise SweepRefused("The question is empty: say what to look for in each document.")
        most = self.parts.policy.longest_question
        if len(self.request.question) > most:
            raise SweepRefused(f"The question has more than {most} characters: make it shorter.")

    def _opened(self, folder: Path) -> Kept:
        settings = {
            "version": VERSION,
            "embedder": self.parts.library.embedder.fingerprint,
            "day": self.day,
        }
        return Kept(folder, self.sweep, settings, self.request.fresh)

    # -- which documents --------------------------------------------------------------------------

    def _scope(self) -> Scope:
        """What the asker may read now of what the request names."""
        scope = self.parts.library.scope(self.request.asker.groups)
        names = self.request.collections
        return scope if names is None else scope.narrowed(names)

    def _documents(self) -> tuple[Document, ...]:
        """Those that the question is put to: named, within the scope and in force on the day."""
        scope, library = self._scope(), self.parts.library
        found = task.chosen(library, scope, self.request.sources, day=self.day)
        self.standings = dict(library.standings(found, scope, self.day))
        return found

    # -- one document -----------------------------------------------------------------------------

    def _row(self, document: Document) -> Row:
        """The row of a document; a failure of its own becomes a row that says why."""
        try:
            scope = self._scope().narrowed(frozenset({document.collection}))
            row = self._resumed(document, scope) or self._made(document, scope)
        except NotFound:
            row = self._failed(document, Reason.GONE, SENTENCES[Reason.GONE])
        except (IndexFailure, AssistantError) as error:
            self.in_a_row += 1
            if self.in_a_row >= _IN_A_ROW:
                raise
            return self._failed(document, Reason.ERROR, str(error))
        except (ArithmeticError, LookupError, RecursionError, ValueError) as error:
            # A page that our rules stumble over must not end a sweep of hundreds.
            why = f"This document could not be read ({type(error).__name__}): report it."
            row = self._failed(document, Reason.ERROR, why)
        self.in_a_row = 0
        return row

    def _failed(self, document: Document, code: Reason, why: str) -> Row:
        return self._plain(document, Verdict.FAILED, code, reason=why)

    def _plain(self, document: Document, verdict: Verdict, code: Reason, reason: str = "") -> Row:
        return Row(
            document=document.id,
            source=document.source,
            title=document.title,
            collection=document.collection,
            verdict=verdict,
            reason=reason or SENTENCES.get(code, ""),
            code=code,
            warning=warning_of(document, None, self._standing(document), today()),
        )

    def _standing(self, document: Document) -> Standing:
        return standing_of(document, self.standings)

    def _resumed(self, document: Document, scope: Scope) -> Row | None:
        """The row that was kept of the document as it still is, None if there is none."""
        held = self.kept.rows.get((document.collection, document.id)) if self.kept else None
        if held is None or held.state != _state(document):
            return None
        row = self._shown(document, held, _Pages(self.parts.library, document, scope))
        return None if row is None else replace(row, resumed=True)

    def _made(self, document: Document, scope: Scope) -> Row:
        """The row of a document that is asked now; kept when this returns."""
        self.parts.library.document(document.id, scope)
        named = frozenset({document.id})
        found = retrieve(self.parts.library, self.asked, scope, LIMITS, self.day, named)
        judged = doubted(judge(self.counting, self.asked, found.ranked), document)
        made = KeptRow(
            collection=document.collection,
            document=document.id,
            state=_state(document),
            verdict=judged.verdict.value,
            reason=judged.reason.value,
            places=tuple(_place(each.candidate) for each in judged.evidence),
            value=judged.fact,
        )
        row = self._shown(document, made, _Pages(self.parts.library, document, scope, found))
        if row is None:
            raise CitedTextGone
        if self.kept is not None:
            self.kept.keep(made)
        return row

    def _shown(self, document: Document, made: KeptRow, pages: _Pages) -> Row | None:
        """The row with its texts, None if a place does not say what it said."""
        row = self._plain(document, Verdict(made.verdict), Reason(made.reason))
        cited: dict[int, Citation] = {}
        for place in made.places:
            unit, quotation = pages.quoted(place)
            if sha256(unit.text) != place.digest:
                return None
            if not row.quote:
                start, end = made.value or (0, 0)
                row = replace(row, quote=quotation.text, value=one_line(unit.text[start:end]))
            for span in quotation.spans:
                page, standing = pages.page(span.page), self._standing(document)
                citation, _new = self.numbering.cite(span, document, page, standing)
                cited.setdefault(citation.number, citation)
        return replace(row, citations=tuple(cited.values()))

    # -- records ----------------------------------------------------------------------------------

    def _note(self, number: int, row: Row) -> None:
        """Record a row, before it is shown."""
        self.record.item(
            {
                "sweep": self.sweep,
                "number": number,
                "document": row.document,
                "verdict": row.verdict.value,
                "reason": row.code.value,
                "resumed": row.resumed,
                "citations": [_where(citation) for citation in row.citations],
            },
            {
                "source": row.source,
                "value": row.value,
                "quote": row.quote,
                "explanation": row.reason,
                "citations": [asdict(citation) for citation in row.citations],
            },
        )

    def _released(self, documents: Sequence[Document], rows: Sequence[Row]) -> SweepResult:
        """The result, recorded; rows whose document has changed since they were made say so."""
        scope = self._scope()
        final = tuple(
            self._still(document, row, scope) for document, row in zip(documents, rows, strict=True)
        )
        known = {(each.collection, each.id) for each in documents}
        kept = self.kept.rows.keys() if self.kept is not None else set()
        values = Counter(row.value for row in final if row.verdict is Verdict.FOUND and row.value)
        counts = Counter(row.verdict for row in final)
        result = SweepResult(
            sweep=self.sweep,
            question=self.counting.question,
            kind=self.counting.kind,
            absent=self.counting.absent,
            day=self.day,
            rows=final,
            counts={verdict: counts[verdict] for verdict in Verdict},
            values=tuple(sorted(values.items(), key=lambda each: (-each[1], each[0]))),
            dropped=len(kept - known),
            resumed=sum(row.resumed for row in final),
            sentence="",
            seconds=time.monotonic() - self.began,
        )
        result = replace(result, sentence=said(result))
        noted = self.record.released(
            {
                "sweep": self.sweep,
                "version": VERSION,
                "embedder": self.parts.library.embedder.fingerprint,
                "day": self.day,
                "documents": len(final),
                **{verdict.value.lower(): count for verdict, count in result.counts.items()},
                "dropped": result.dropped,
                "resumed": result.resumed,
            },
            {
                "question": result.question,
                "sentence": result.sentence,
                "verdicts": {row.document: row.verdict.value for row in final},
            },
        )
        return replace(result, record=noted.event_id)

    def _still(self, document: Document, row: Row, scope: Scope) -> Row:
        """The row, if what it cites still stands there and may be read."""
        if row.verdict is Verdict.FAILED:
            return row
        if not scope.allows(document.collection):
            return self._failed(document, Reason.GONE, SENTENCES[Reason.GONE])
        within = scope.narrowed(frozenset({document.collection}))
        try:
            self.parts.library.document(document.id, within)
        except NotFound:
            return self._failed(document, Reason.GONE, SENTENCES[Reason.GONE])
        if not still_true(self.parts.library, row.citations, within):
            return self._failed(document, Reason.CHANGED, SENTENCES[Reason.CHANGED])
        return row


class _Pages:
    """The pages of a document and their units: those that were read already, or read now."""

    def __init__(
        self, library: Library, document: Document, scope: Scope, found: Found | None = None
    ) -> None:
        self._library, self._document, self._scope = library, document, scope
        self._pages = dict(found.pages) if found is not None else {}
        self._layouts = dict(found.layouts) if found is not None else {}

    def page(self, number: int) -> Page:
        """Raises NotFound."""
        place = (self._document.id, number)
        if place not in self._pages:
            self._pages[place] = self._library.page(self._document.id, number, self._scope)
        return self._pages[place]

    def quoted(self, place: Place) -> tuple[Unit, Quote]:
        """The unit at a place and its quotation. Raises NotFound if there is no such unit."""
        key = (self._document.id, place.page)
        if key not in self._layouts:
            self._layouts[key] = lay_out(self.page(place.page))
        units = self._layouts[key]
        if place.position >= len(units):
            raise NotFound("page")
        nothing: frozenset[str] = frozenset()
        unit = units[place.position]
        at = Candidate(
            *key, place.position, unit, 0, False, keys=nothing, context=nothing, nearby=nothing
        )
        return unit, quote(at, units)


def _place(candidate: Candidate) -> Place:
    return Place(candidate.page, candidate.position, sha256(candidate.unit.text))


def _state(document: Document) -> str:
    """A digest that differs once a document was read again, or anew."""
    stated = document.completeness
    facts = [document.id, document.title, document.pages, document.chunks, document.added_at]
    facts += [None if stated is None else str(stated)]
    return sha256(json.dumps(facts))


def _where(citation: Citation) -> str:
    return f"{citation.document}:{citation.page}:{citation.start}:{citation.end}"
