"""What of an answer may be shown: each sentence cited, its quotes checked, recorded, then released.

Nothing reaches a person but through here. A sentence whose document is gone, out of scope or not in
force any more by the time it is released is left out, and so is one whose span does not quote the
catalogue's page to the byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from assistant import citations, conflicts, retrieval
from assistant.answer import Citation, Conflict, Released, Removed, Sentence
from assistant.citations import Numbering
from assistant.evidence import Evidence
from assistant.gate import Judged
from assistant.ports import Library
from assistant.quotes import Quote, Span, of_evidence
from assistant.recording import QuestionRecord
from assistant.retrieval import Found
from index.document import Document
from index.effective import Standing
from index.errors import NotFound


class Releasing:
    """The sentences of one answer on their way out. Not for use by several threads."""

    def __init__(self, library: Library, record: QuestionRecord, found: Found) -> None:
        self._library = library
        self._record = record
        self._found = found
        self._numbering = Numbering()
        self.sentences: list[Sentence] = []
        self.conflicts: list[Conflict] = []
        self.removed: list[Removed] = []

    @property
    def citations(self) -> tuple[Citation, ...]:
        """All that was cited, by number."""
        return tuple(self._numbering.citations)

    def places(self) -> frozenset[tuple[str, int]]:
        """Document and page of everything cited so far."""
        return frozenset((each.document, each.page) for each in self._numbering.citations)

    def told(self, evidence: Evidence) -> bool:
        """Whether a sentence that is shown already rests on this evidence."""
        return self._holding(_span(evidence)) is not None

    def judged(self, judged: Judged) -> Iterator[Released]:
        """A sentence of the model that the gate passed."""
        if judged.support is None:
            return
        spans: list[Span] = []
        last = -1
        for each in judged.support.units:  # a list's lead-in and its item may stand apart
            start = each.unit.start
            if spans and each.position == last + 1:
                start = spans.pop().start
            spans.append(Span(each.document, each.page, start, each.unit.end))
            last = each.position
        yield from self._release(judged.text, tuple(spans), "model")

    def quotes(self, made: Iterable[Quote]) -> Iterator[Released]:
        """Quotations, word for word."""
        for quote in made:
            yield from self._release(quote.text, quote.spans, "quote")

    def contradictions(self) -> Iterator[Released]:
        """Every side of what the documents state differently on the question: what is not cited
        yet is quoted, so that no side goes unsaid."""
        found = self._found
        standing_of = partial(retrieval.standing_of, standings=found.standings)
        for each in conflicts.find(found.rankings, found.hits, standing_of, found.weigh):
            for side in each.sides:
                if not self.told(side.evidence):
                    yield from self.quotes(of_evidence([side.evidence], found.layouts))
            cited = [self._holding(_span(side.evidence)) for side in each.sides]
            held = [citation for citation in cited if citation is not None]
            if len(held) == len(each.sides):
                self.conflicts.append(conflicts.conflict(each, held, found.day))

    def _holding(self, span: Span) -> Citation | None:
        """The citation that holds all of `span`."""
        for each in self._numbering.citations:
            same = (each.document, each.page) == (span.document, span.page)
            if same and each.start <= span.start and span.end <= each.end:
                return each
        return None

    def _release(self, text: str, spans: tuple[Span, ...], origin: str) -> Iterator[Released]:
        cited: list[Citation] = []
        new: list[Citation] = []
        for span in spans:
            citation, fresh = self._cite(span)
            if citation is None:
                self.removed.append(Removed(text, "CITATION", "the cited text is not there"))
                return
            cited.append(citation)
            if fresh:
                new.append(citation)
        sentence = Sentence(text, tuple(citation.number for citation in cited))
        self._record.sentence(sentence, cited, origin)
        self.sentences.append(sentence)
        yield Released(sentence, tuple(new))

    def _cite(self, span: Span) -> tuple[Citation | None, bool]:
        document, standing = self._in_force(span.document)
        if document is None:
            return None, False
        try:
            page = self._library.page(span.document, span.page, self._found.scope)
        except NotFound:
            return None, False
        if span.end > len(page.text):
            return None, False
        citation, fresh = self._numbering.cite(span, document, page, standing)
        return (citation, fresh) if citations.true_to(citation, page) else (None, False)

    def _in_force(self, document_id: str) -> tuple[Document | None, Standing]:
        """A document of the hits as the catalogue has it now, if it is still in force on the day
        that the question is about; and how it stands to that day."""
        found = self._found
        held = {
            hit.document.collection: hit.document
            for hit in found.hits
            if hit.document.id == document_id
        }
        standings = self._library.standings(held.values(), found.scope, found.day)
        for collection, document in held.items():
            standing = standings.get((collection, document_id))
            if standing is not None and standing.in_force:
                return document, standing
        return None, Standing(in_force=False)

    def still_true(self) -> bool:
        """Whether every citation still quotes the catalogue's page, right before the release."""
        return citations.still_true(self._library, self.citations, self._found.scope)


def _span(evidence: Evidence) -> Span:
    each = evidence.candidate
    return Span(each.document, each.page, each.unit.start, each.unit.end)
