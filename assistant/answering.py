"""One question on its way to its answer: the steps, in the order in which they are recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace

from assistant import asked as asking
from assistant import (
    citations,
    counting,
    declining,
    direct,
    drafting,
    quotes,
    retrieval,
    understanding,
)
from assistant.answer import Answer, Cost, Event, Question, Stage, Verdict
from assistant.direct import Direct
from assistant.drafting import Draft, Order
from assistant.errors import AssistantError, ModelBusy, ModelFailed, PromptTooLong
from assistant.escalation import Escalation, Reason, explained, reason_to_escalate
from assistant.model import Caller, Model, Sampling
from assistant.opinion import Entailment
from assistant.ports import Library
from assistant.prompts import PromptSet, default
from assistant.quotes import Quote
from assistant.recording import QuestionRecord
from assistant.releasing import Releasing
from assistant.replay_settings import described
from assistant.retrieval import Found
from assistant.understanding import Context
from index.document import Scope

_CANNOT_RUN = (ModelFailed, ModelBusy, PromptTooLong)  # this once; the evidence can still be quoted


@dataclass(frozen=True, slots=True)
class Policy:
    """How answers are made. `budget` is tokens of the whole prompt, lengths are characters,
    `deadline_seconds` is what a model may take from its turn in the line on. `straight`: what a
    cell or a sentence states clearly is shown without asking a model; `prompts`
    gives the prompt in use for a kind at the moment. `engine` are settings of the model's own that
    its texts depend on, for the record."""

    longest_question: int = 4_000
    limits: retrieval.Limits = field(default_factory=retrieval.Limits)
    budget: int = 700
    passages: int = 3
    most_sentences: int = 4
    deadline_seconds: float = 120.0
    sampling: Sampling = field(default_factory=Sampling)
    escalation: Escalation = field(default_factory=Escalation)
    straight: bool = True
    prompts: Callable[[str], PromptSet] = default
    engine: Mapping[str, bool | int] = field(default_factory=dict)


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
        entailment: Entailment | None = None,
        day: str | None = None,
    ) -> None:
        """`larger` is asked when the policy says so; `cancelled` must be quick; `entailment` is
        part of the second opinion, if there is one; `day` counts as today (ISO 8601), for a
        replay."""
        self._library = library
        self._model = model
        self._policy = policy
        self._question = question
        self._record = record
        self._larger = larger
        self._cancelled = cancelled
        self._entailment = entailment
        self._day = day
        self._scope = Scope(frozenset())
        self._began = time.monotonic()
        self._timings: dict[str, float] = {}
        self._drafts: list[Draft] = []  # of each model that was asked
        self._context: Context | None = None

    def events(self) -> Generator[Event, None, None]:
        """Everything that `Assistant.stream` yields, after the question was recorded.

        Raises ReaderLeft once `cancelled` says so, between two steps or tokens.
        """
        refusal = declining.refusal(self._question.text, self._policy.longest_question)
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
        self._scope = scope_of(self._library, self._question)
        context = understanding.read(
            self._question, self._library, self._scope, self._model, self._cancelled,
            self._policy.prompts, self._record.aside,
        )  # fmt: skip
        self._context = context
        self._go_on()
        found = retrieval.retrieve(
            self._library,
            asking.of(context.understood),
            self._scope,
            self._policy.limits,
            self._question.as_of or self._day,
            self._question.documents,
        )
        self._timings |= found.timings
        yield Stage("reading", len(found.hits))
        self._go_on()
        release = Releasing(self._library, self._record, found)
        straight = self._straight(found)
        unanswered = self._offered(found)
        if unanswered is None and straight is None:
            unanswered = declining.too_little(
                found, self._question.as_of, by_cells=self._policy.straight
            )
        if unanswered is not None:
            yield self._finish(unanswered, found, release)
            return
        verdict, why = yield from self._answer(found, straight, release)
        if not release.sentences or not release.still_true():
            gone = Answer(Verdict.FAILED, _GONE, explanation=_GONE)
            yield self._finish(gone, found, release)
            return
        for conflict in release.conflicts:
            why = f"{why} {conflict.sentence}"
        answer = Answer(
            verdict,
            citations.text_of(release.sentences, quoted=verdict is Verdict.QUOTED),
            sentences=tuple(release.sentences),
            citations=release.citations,
            explanation=why,
            conflicts=tuple(release.conflicts),
        )
        yield self._finish(answer, found, release)

    def _straight(self, found: Found) -> Direct | None:
        """What a cell or a sentence clearly answers. A cell's labels are read against the question,
        which says more than the general decision does; all else needs that one as well."""
        if not self._policy.straight or found.asked.parts:
            return None
        straight = direct.find(found)
        clear = straight is not None and (found.decision.enough or straight.source in _BY_LABELS)
        return straight if clear else None

    def _answer(
        self, found: Found, straight: Direct | None, release: Releasing
    ) -> Generator[Event, None, tuple[Verdict, str]]:
        """Release what answers: straight from a cell or a sentence if that is clear, else what the
        model writes and the gate passes, else quotations. The verdict and what to say of it."""
        if straight is not None:
            yield Stage("checking")
            made = straight.quotes
            if straight.source == "sentence":  # with what comes near it, should that be meant
                made = _quotations(found) or made
            yield from release.quotes(made)
            if release.sentences:
                yield from release.contradictions()
                return Verdict.QUOTED, _STRAIGHT[straight.source]
        yield Stage("writing")
        why = yield from self._write(found, release)
        self._go_on()
        yield Stage("checking")
        verdict = Verdict.ANSWERED if release.sentences else Verdict.QUOTED
        if release.sentences:
            yield from self._complete(found, release)
        else:
            yield from release.quotes(_quotations(found))
        yield from release.contradictions()
        return verdict, why

    def _offered(self, found: Found) -> Answer | None:
        """What to say to a question that counts or lists documents, None to any other."""
        question = self._question
        if question.documents is not None or found.asked.text != question.text.strip():
            return None  # one document is asked, or a conversation is about what was found
        if counting.recognised(question.text) is None:
            return None
        return declining.offered(question.text, len(self._library.documents(self._scope)), found)

    def _go_on(self) -> None:
        if self._cancelled():
            raise ReaderLeft

    def _write(self, found: Found, release: Releasing) -> Generator[Event, None, str]:
        """Let the model write, and the larger one if that is called for, and release what passes.
        Returns what to say about it."""
        began = time.monotonic()
        policy = self._policy
        try:
            order = self._order(found, policy.budget, policy.passages)
            draft, error = yield from self._draft(self._model, order, release, _CANNOT_RUN)
            self._timings["model_wait"] = draft.seconds_ready
            self._timings["judging"] = draft.seconds_judging
            shown = len(draft.written.shown)
            reason = reason_to_escalate(policy.escalation.when, shown, error, late=draft.late)
            if error is not None:
                why = f"{error} Until then the supporting sentences are quoted as they stand."
            else:
                why = _ANSWERED if release.sentences else _QUOTED
            if reason is not None:
                return (yield from self._escalate(found, release, reason, draft, why))
            return why
        finally:
            self._timings["writing"] = time.monotonic() - began

    def _order(self, found: Found, budget: int, passages: int) -> Order:
        policy, question = self._policy, self._question
        prompt = policy.prompts("answer")
        return Order(
            found, budget, passages, policy.most_sentences, policy.deadline_seconds,
            replace(policy.sampling, stop=prompt.stop),
            Caller(question.asker.id, question.conversation), self._cancelled,
            self._library.embedder, self._entailment, prompt,
        )  # fmt: skip

    def _draft(
        self,
        model: Model,
        order: Order,
        release: Releasing,
        bearable: tuple[type[AssistantError], ...],
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
                    before = len(release.sentences)
                    yield from release.judged(step)
                    draft.released += len(release.sentences) - before
        except bearable as error:
            return draft, error
        finally:
            release.removed.extend(draft.written.removed)
        return draft, None

    def _escalate(
        self, found: Found, release: Releasing, reason: Reason, small: Draft, why: str
    ) -> Generator[Event, None, str]:
        """Ask the larger model. `why` is what to say if it does not help."""
        larger = self._larger
        if larger is None:
            return why
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
            draft, failure = yield from self._draft(larger, order, release, (AssistantError,))
        finally:
            self._timings["writing_larger"] = time.monotonic() - began
        if draft.released:
            said = f"{_ANSWERED} {explained(reason, info.name, info.where)}"
            return said if failure is None else f"{said} {failure}"
        if failure is not None:
            return f"{why} The larger model did not help: {failure}"
        return f"{why} The larger model's words were not supported either."

    def _complete(self, found: Found, release: Releasing) -> Iterator[Event]:
        """Quote what the model left out: of a question in several parts the parts that it did not
        answer, and of one that wants to be told something the best evidence."""
        missing = [
            each
            for each in quotes.choose(found.rankings, general=_general(found))
            if not release.told(each)
        ]
        if found.asked.parts:
            cited = release.places()
            missing = [
                each
                for each in missing
                if (each.candidate.document, each.candidate.page) not in cited
            ]
        elif found.asked.kinds:
            return  # the fact that was asked for is there, or the sentence would not be
        yield from release.quotes(quotes.of_evidence(missing, found.layouts))

    def _finish(self, answer: Answer, found: Found, release: Releasing) -> Answer:
        """Record the answer; only then does it exist."""
        self._timings["total"] = time.monotonic() - self._began
        spoke = next((draft for draft in self._drafts if draft.released), None)
        named = spoke or next((draft for draft in self._drafts if draft.info), Draft())
        answer = replace(
            answer,
            removed=tuple(release.removed),
            model=named.signature,
            request=self._record.request,
            timings=dict(self._timings),
            as_of=self._question.as_of or "",
            cost=self._cost(),
            understood=self._understood(),
        )
        event = self._record.released(
            answer, found, named.prompt, self._context, named.call,
            described(self._policy, self._library.embedder, second=self._entailment is not None),
            spoke=spoke is not None,
        )  # fmt: skip
        return replace(answer, record=event.event_id)

    def _understood(self) -> str:
        """The question as it was searched for, if it is not the one that was asked."""
        understood = self._context.understood if self._context is not None else None
        return "" if understood is None or understood.how == "as asked" else understood.text

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


def _general(found: Found) -> bool:
    """Whether an open question names no document and no place stands out, so that several may
    answer it alike."""
    best = max((evidence.similarity for evidence in found.ranked), default=1.0)
    return found.decision.features.general > 0.0 and best < _STANDS_OUT


def _quotations(found: Found) -> tuple[Quote, ...]:
    return quotes.build(found.rankings, found.layouts, general=_general(found))


_ANSWERED = "Each sentence was checked against the passage that it cites."
_QUOTED = (
    "The language model's own words were not supported by the documents or did not answer the "
    "question, so the supporting sentences are quoted as they stand."
)
_STANDS_OUT = 0.55  # cosine of a sentence that is clearly about the question
_BY_LABELS = ("cell", "label")
_STRAIGHT = {
    "cell": "The value stands in the table as shown; no language model was asked.",
    "label": "The rows stand in the table as shown; no language model was asked.",
    "row": "The row states what was asked for; no language model was asked.",
    "sentence": "The sentence states what was asked for; no language model was asked.",
}
_GONE = "The documents changed while the answer was made: ask again."
