"""One question on its way to its answer: the steps, in the order in which they are recorded."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace

from assistant import asked as asking
from assistant import citations, quotes, retrieval
from assistant.answer import (
    Answer,
    Citation,
    Event,
    Question,
    Released,
    Removed,
    Sentence,
    Stage,
    Verdict,
)
from assistant.citations import Numbering
from assistant.errors import ModelBusy, ModelFailed, PromptTooLong
from assistant.gate import Gate, Judged
from assistant.model import Generation, Model, ModelInfo, Sampling
from assistant.ports import Library
from assistant.quotes import Quote, Span
from assistant.recording import QuestionRecord
from assistant.retrieval import Found, passage
from assistant.writing import Prompt, Written, compose_prompt, judge_stream
from index.document import Document, Scope
from index.effective import Standing
from index.errors import NotFound

_CANNOT_RUN = (ModelFailed, ModelBusy, PromptTooLong)  # this once; the evidence can still be quoted
_NEAREST = 3


@dataclass(frozen=True, slots=True)
class Policy:
    """How answers are made. `budget` is tokens of the whole prompt; lengths are characters."""

    longest_question: int = 4_000
    limits: retrieval.Limits = field(default_factory=retrieval.Limits)
    budget: int = 700
    passages: int = 3
    most_sentences: int = 4
    deadline_seconds: float = 120.0
    sampling: Sampling = field(default_factory=Sampling)


def scope_of(library: Library, question: Question) -> Scope:
    """What the asker may read, narrowed to the collections that the question names."""
    scope = library.scope(question.asker.groups)
    return scope if question.collections is None else scope.narrowed(question.collections)


class Answering:
    """One question on its way to its answer."""

    def __init__(
        self,
        library: Library,
        model: Model,
        policy: Policy,
        question: Question,
        record: QuestionRecord,
    ) -> None:
        self._library = library
        self._model = model
        self._policy = policy
        self._question = question
        self._record = record
        self._scope = Scope(frozenset())
        self._began = time.monotonic()
        self._timings: dict[str, float] = {}
        self._numbering = Numbering()
        self._sentences: list[Sentence] = []
        self._removed: list[Removed] = []
        self._prompt: Prompt | None = None
        self._info: ModelInfo | None = None
        self._found: Found | None = None

    def events(self) -> Iterator[Event]:
        """Everything that `Assistant.stream` yields, after the question was recorded."""
        refusal = self._refusal()
        if refusal:
            code, sentence = refusal
            event_id = self._record.refused(code, sentence).event_id
            yield Answer(
                Verdict.REFUSED, sentence, record=event_id, request=self._record.request,
                explanation=sentence,
            )  # fmt: skip
            return
        self._model.warm()
        yield Stage("searching")
        asked = asking.read(self._question.text, self._question.history)
        self._scope = scope_of(self._library, self._question)
        found = retrieval.retrieve(
            self._library, asked, self._scope, self._policy.limits, self._question.as_of
        )
        self._found = found
        self._timings |= found.timings
        yield Stage("reading", len(found.hits))
        if not found.decision.enough:
            yield self._finish(self._abstained(found), found)
            return
        yield Stage("writing")
        why = yield from self._write(found)
        yield Stage("checking")
        if self._sentences:
            yield from self._complete(found)
            verdict, why = Verdict.ANSWERED, why or _ANSWERED
        else:
            yield from self._quote(quotes.build(found.rankings, found.layouts))
            verdict, why = Verdict.QUOTED, why or _QUOTED
        if not self._sentences or not self._still_true():
            yield self._finish(Answer(Verdict.FAILED, _GONE, explanation=_GONE), found)
            return
        shown = citations.text_of(self._sentences, quoted=verdict is Verdict.QUOTED)
        yield self._finish(
            Answer(
                verdict,
                shown,
                sentences=tuple(self._sentences),
                citations=tuple(self._numbering.citations),
                explanation=why,
            ),
            found,
        )

    def _refusal(self) -> tuple[str, str] | None:
        text, longest = self._question.text, self._policy.longest_question
        if not text.strip():
            return "EMPTY", "The question is empty: type what you want to know."
        if len(text) > longest:
            return "TOO_LONG", (
                f"The question has {len(text):,} characters and {longest:,} are taken: ask for one "
                "thing at a time, or raise question_max_chars in the [assistant] table of "
                "cloister.toml."
            )
        return None

    def _abstained(self, found: Found) -> Answer:
        if not self._scope.collections:
            why = "There is no collection that you may read."
        elif not found.hits:
            why = f"No passage was found in the documents that you may read{self._then()}."
        else:
            why = (
                f"No sentence in the documents that you may read{self._then()} is near enough to "
                "the question to answer it; the nearest passages are listed."
            )
        labels = {place: page.label for place, page in found.pages.items()}
        nearest = tuple(
            passage(hit, labels[hit.chunk.document_id, hit.chunk.page], found.standings)
            for hit in found.hits[:_NEAREST]
        )
        return Answer(Verdict.ABSTAINED, _NOTHING, nearest=nearest, explanation=why)

    def _then(self) -> str:
        """What says of the documents which day they must be in force on, if the question does."""
        day = self._question.as_of
        return f" and that were in force on {day}" if day is not None else ""

    def _write(self, found: Found) -> Generator[Event, None, str]:
        """Let the model write and release what passes. Returns why it could not, or ""."""
        began = time.monotonic()
        written = Written()
        try:
            yield from self._write_with_model(found, written)
        except _CANNOT_RUN as error:
            return f"{error} Until then the supporting sentences are quoted as they stand."
        finally:
            self._removed.extend(written.removed)
            self._timings["writing"] = time.monotonic() - began
        return ""

    def _write_with_model(self, found: Found, written: Written) -> Iterator[Event]:
        self._info = self._model.info
        self._timings["model_wait"] = time.monotonic() - self._began - sum(self._timings.values())
        policy = self._policy
        self._prompt = compose_prompt(self._model, found, policy.budget, policy.passages)
        self._record.model_called(self._info, self._prompt, policy.sampling)
        gate = Gate(found.asked, found.ranked, found.rankings, found.weigh)
        generation: Generation | None = None
        failure = "ended early"
        stream = self._model.generate(
            self._prompt.system,
            self._prompt.user,
            policy.sampling,
            deadline=time.monotonic() + policy.deadline_seconds,
        )
        try:
            with closing(stream):
                for judged in judge_stream(
                    gate, stream, policy.most_sentences, written, stream.close
                ):
                    yield from self._release_judged(judged)
                stream.close()
                generation, failure = stream.result, ""
        except _CANNOT_RUN as error:
            failure = str(error)
            raise
        finally:
            self._record.model_finished(generation, "".join(written.raw), failure)

    def _release_judged(self, judged: Judged) -> Iterator[Event]:
        if judged.support is None:
            return
        first, last = judged.support.units[0], judged.support.units[-1]
        span = Span(first.document, first.page, first.unit.start, last.unit.end)
        yield from self._release(judged.text, (span,), "model")

    def _complete(self, found: Found) -> Iterator[Event]:
        """Quote what the model left out of a question in several parts."""
        if not found.asked.parts:
            return
        cited = {(citation.document, citation.page) for citation in self._numbering.citations}
        ranked = tuple(
            evidence
            for evidence in quotes.choose(found.rankings)
            if (evidence.candidate.document, evidence.candidate.page) not in cited
        )
        made = [
            quotes.quote(e.candidate, found.layouts[e.candidate.document, e.candidate.page])
            for e in ranked
        ]
        yield from self._quote(tuple(made))

    def _quote(self, made: tuple[Quote, ...]) -> Iterator[Event]:
        for quote in made:
            yield from self._release(quote.text, quote.spans, "quote")

    def _release(self, text: str, spans: tuple[Span, ...], origin: str) -> Iterator[Event]:
        """Check the spans against the catalogue, record the sentence, show it. A sentence whose
        document is gone by now is left out."""
        cited: list[Citation] = []
        new: list[Citation] = []
        for span in spans:
            citation, fresh = self._cite(span)
            if citation is None:
                self._removed.append(Removed(text, "CITATION", "the cited text is not there"))
                return
            cited.append(citation)
            if fresh:
                new.append(citation)
        sentence = Sentence(text, tuple(citation.number for citation in cited))
        self._record.sentence(sentence, cited, origin)
        self._sentences.append(sentence)
        yield Released(sentence, tuple(new))

    def _cite(self, span: Span) -> tuple[Citation | None, bool]:
        document, standing = self._in_force(span.document)
        if document is None:
            return None, False
        try:
            page = self._library.page(span.document, span.page, self._scope)
        except NotFound:
            return None, False
        if span.end > len(page.text):
            return None, False
        citation, fresh = self._numbering.cite(span, document, page, standing)
        return (citation, fresh) if citations.true_to(citation, page) else (None, False)

    def _in_force(self, document_id: str) -> tuple[Document | None, Standing]:
        """A document of the hits as the catalogue has it now, if it is still in force on the day
        that the question is about; and how it stands to that day."""
        hits = self._found.hits if self._found is not None else ()
        day = self._found.day if self._found is not None else ""
        held = {hit.document.collection: hit.document for hit in hits
                if hit.document.id == document_id}  # fmt: skip
        standings = self._library.standings(held.values(), self._scope, day)
        for collection, document in held.items():
            standing = standings.get((collection, document_id))
            if standing is not None and standing.in_force:
                return document, standing
        return None, Standing(in_force=False)

    def _still_true(self) -> bool:
        """Whether every citation still quotes the catalogue's page, right before the release."""
        for citation in self._numbering.citations:
            try:
                page = self._library.page(citation.document, citation.page, self._scope)
            except NotFound:
                return False
            if not citations.true_to(citation, page):
                return False
        return True

    def _finish(self, answer: Answer, found: Found) -> Answer:
        """Record the answer; only then does it exist."""
        self._timings["total"] = time.monotonic() - self._began
        answer = replace(
            answer,
            removed=tuple(self._removed),
            model=f"{self._info.name} {self._info.sha256[:12]}" if self._info else "",
            request=self._record.request,
            timings=dict(self._timings),
            as_of=self._question.as_of or "",
        )
        event = self._record.released(answer, found, self._prompt, found.asked)
        return replace(answer, record=event.event_id)


_NOTHING = "The documents do not answer this question."
_ANSWERED = "Each sentence was checked against the passage that it cites."
_QUOTED = (
    "The language model's own words were not supported by the documents or did not answer the "
    "question, so the supporting sentences are quoted as they stand."
)
_GONE = "The documents changed while the answer was made: ask again."
