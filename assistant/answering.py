"""One question on its way to its answer: the steps, in the order in which they are recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace

from assistant import asked as asking
from assistant import citations, drafting, quotes, retrieval
from assistant.answer import (
    Answer,
    Citation,
    Cost,
    Event,
    Question,
    Released,
    Removed,
    Sentence,
    Stage,
    Verdict,
)
from assistant.citations import Numbering
from assistant.drafting import Draft, Order
from assistant.errors import AssistantError, ModelBusy, ModelFailed, PromptTooLong
from assistant.escalation import Escalation, Reason, explained, reason_to_escalate
from assistant.gate import Judged
from assistant.model import Caller, Model, Sampling
from assistant.ports import Library
from assistant.quotes import Quote, Span
from assistant.recording import QuestionRecord
from assistant.retrieval import Found, passage
from index.document import Document, Scope
from index.effective import Standing
from index.errors import NotFound

_CANNOT_RUN = (ModelFailed, ModelBusy, PromptTooLong)  # this once; the evidence can still be quoted
_NEAREST = 3


@dataclass(frozen=True, slots=True)
class Policy:
    """How answers are made. `budget` is tokens of the whole prompt, lengths are characters,
    `deadline_seconds` is what a model may take from its turn in the line on."""

    longest_question: int = 4_000
    limits: retrieval.Limits = field(default_factory=retrieval.Limits)
    budget: int = 700
    passages: int = 3
    most_sentences: int = 4
    deadline_seconds: float = 120.0
    sampling: Sampling = field(default_factory=Sampling)
    escalation: Escalation = field(default_factory=Escalation)


class ReaderLeft(Exception):
    """Nobody waits for the answer any more."""


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
        larger: Model | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """`larger` is asked when the policy says so; `cancelled` must be quick."""
        self._library = library
        self._model = model
        self._policy = policy
        self._question = question
        self._record = record
        self._larger = larger
        self._cancelled = cancelled
        self._scope = Scope(frozenset())
        self._began = time.monotonic()
        self._timings: dict[str, float] = {}
        self._numbering = Numbering()
        self._sentences: list[Sentence] = []
        self._removed: list[Removed] = []
        self._drafts: list[Draft] = []  # of each model that was asked
        self._found: Found | None = None

    def events(self) -> Generator[Event, None, None]:
        """Everything that `Assistant.stream` yields, after the question was recorded.

        Raises ReaderLeft once `cancelled` says so, between two steps or tokens.
        """
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
        self._go_on()
        if not found.decision.enough:
            yield self._finish(self._abstained(found), found)
            return
        yield Stage("writing")
        why = yield from self._write(found)
        self._go_on()
        yield Stage("checking")
        if self._sentences:
            yield from self._complete(found)
            verdict = Verdict.ANSWERED
        else:
            yield from self._quote(quotes.build(found.rankings, found.layouts))
            verdict = Verdict.QUOTED
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

    def _go_on(self) -> None:
        if self._cancelled():
            raise ReaderLeft

    def _write(self, found: Found) -> Generator[Event, None, str]:
        """Let the model write, and the larger one if that is called for, and release what passes.
        Returns what to say about it."""
        began = time.monotonic()
        policy = self._policy
        try:
            order = self._order(found, policy.budget, policy.passages)
            draft, error = yield from self._draft(self._model, order, _CANNOT_RUN)
            self._timings["model_wait"] = draft.seconds_ready
            shown = len(draft.written.shown)
            reason = reason_to_escalate(policy.escalation.when, shown, error, late=draft.late)
            if error is not None:
                why = f"{error} Until then the supporting sentences are quoted as they stand."
            else:
                why = _ANSWERED if self._sentences else _QUOTED
            if reason is not None and self._larger is not None:
                return (yield from self._escalate(self._larger, found, reason, draft, why))
            return why
        finally:
            self._timings["writing"] = time.monotonic() - began

    def _order(self, found: Found, budget: int, passages: int) -> Order:
        policy, question = self._policy, self._question
        return Order(
            found, budget, passages, policy.most_sentences, policy.deadline_seconds,
            policy.sampling, Caller(question.asker.id, question.conversation), self._cancelled,
        )  # fmt: skip

    def _draft(
        self, model: Model, order: Order, bearable: tuple[type[AssistantError], ...]
    ) -> Generator[Event, None, tuple[Draft, AssistantError | None]]:
        """What one model writes, released as it passes, and the error that stopped it if that is
        one of those after which the evidence can still be quoted."""
        draft = Draft()
        self._drafts.append(draft)
        try:
            with closing(drafting.write(model, order, self._record, draft)) as steps:
                for step in steps:
                    if isinstance(step, Stage):
                        yield step
                        continue
                    before = len(self._sentences)
                    yield from self._release_judged(step)
                    draft.released += len(self._sentences) - before
        except bearable as error:
            return draft, error
        finally:
            self._removed.extend(draft.written.removed)
        return draft, None

    def _escalate(
        self, larger: Model, found: Found, reason: Reason, small: Draft, why: str
    ) -> Generator[Event, None, str]:
        """Ask the larger model. `why` is what to say if it does not help."""
        self._go_on()
        yield Stage("escalating")
        escalation, name = self._policy.escalation, small.info.name if small.info else ""
        try:
            info = larger.info
        except AssistantError as error:
            self._record.escalated(reason, name, None, str(error))
            return f"{why} The larger model could not be asked either: {error}"
        self._record.escalated(reason, name, info)
        began = time.monotonic()
        order = self._order(found, escalation.budget, escalation.passages)
        try:
            draft, failure = yield from self._draft(larger, order, (AssistantError,))
        finally:
            self._timings["writing_larger"] = time.monotonic() - began
        if draft.released:
            said = f"{_ANSWERED} {explained(reason, info.name, info.where)}"
            return said if failure is None else f"{said} {failure}"
        if failure is not None:
            return f"{why} The larger model did not help: {failure}"
        return f"{why} The larger model's words were not supported either."

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
        spoke = next((draft for draft in self._drafts if draft.released), None)
        named = spoke or next((draft for draft in self._drafts if draft.info), Draft())
        answer = replace(
            answer,
            removed=tuple(self._removed),
            model=named.signature,
            request=self._record.request,
            timings=dict(self._timings),
            as_of=self._question.as_of or "",
            cost=self._cost(),
        )
        event = self._record.released(
            answer, found, named.prompt, found.asked, named.call, spoke=spoke is not None
        )
        return replace(answer, record=event.event_id)

    def _cost(self) -> Cost:
        """What all models took together; joules only if they are known of each."""
        took = [draft.generation for draft in self._drafts if draft.generation is not None]
        joules = [each.joules for each in took if each.joules is not None]
        return Cost(
            sum(each.prompt_tokens for each in took),
            sum(each.completion_tokens for each in took),
            sum(each.seconds_prefill + each.seconds_decode for each in took),
            sum(joules) if took and len(joules) == len(took) else None,
            escalated=len(self._drafts) > 1,
        )


_NOTHING = "The documents do not answer this question."
_ANSWERED = "Each sentence was checked against the passage that it cites."
_QUOTED = (
    "The language model's own words were not supported by the documents or did not answer the "
    "question, so the supporting sentences are quoted as they stand."
)
_GONE = "The documents changed while the answer was made: ask again."
