"""The assistant: a question in, a grounded, cited and recorded answer out.

The order of the steps is the product's promise, so it can be read here from top to bottom: the
question is recorded before anything is done with it, a sentence before it is shown, the answer
before it is returned. `AuditError` is caught nowhere in this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from assistant import asked as asking
from assistant import tasks, understanding
from assistant.answer import Answer, Asker, Event, Passage, Question, Verdict
from assistant.answering import Answering, Policy, ReaderLeft, scope_of
from assistant.errors import AssistantError
from assistant.labels import Classifier
from assistant.model import Model
from assistant.model_status import ModelStatus
from assistant.opinion import Entailment
from assistant.pages import PageView, Viewer
from assistant.ports import Library, Recorder
from assistant.recording import Clear, QuestionRecord, actor_of, as_of_field, sha256
from assistant.retrieval import Standings, not_simply_current, passage, search
from assistant.task import Parts, in_force
from assistant.tasks import Request, Step
from audit.errors import AuditError
from audit.record import Event as LogEvent
from index.document import Document
from index.effective import today
from index.errors import IndexFailure

__all__ = ["Assistant", "Policy", "SearchReport"]


@dataclass(frozen=True, slots=True)
class SearchReport:
    """What a search found. `timings` are seconds by stage, `record` the id of its record."""

    question: str
    passages: tuple[Passage, ...]
    timings: dict[str, float]
    record: str = ""


@runtime_checkable
class Watched(Protocol):
    """A model that can be watched at work, which the port does not ask of every one."""

    def status(self) -> ModelStatus:
        """As it is now; waits for nothing and raises nothing."""
        ...


class Assistant:
    """Answers questions from the documents of `library`. Safe to share between threads if its parts
    are. Closing it closes the library and the models, not the log."""

    def __init__(
        self,
        library: Library,
        log: Recorder,
        model: Model,
        viewer: Viewer,
        policy: Policy,
        larger: Model | None = None,
        entailment: Entailment | None = None,
        classifier: Classifier | None = None,
    ) -> None:
        """`larger` is asked when `policy.escalation` says so; `entailment` is part of the second
        opinion, and `classifier` of classifying, where there is one."""
        self._library = library
        self._log = log
        self._model = model
        self._viewer = viewer
        self._policy = policy
        self._larger = larger
        self._entailment = entailment
        self._classifier = classifier

    @property
    def log(self) -> Recorder:
        """Where everything is recorded."""
        return self._log

    def ask(self, question: Question) -> Answer:
        """The answer, once complete. Raises as `stream` does."""
        answer: Answer | None = None
        for event in self.stream(question):
            if isinstance(event, Answer):
                answer = event
        if answer is None:
            raise RuntimeError("the stream ended without an answer")
        return answer

    def stream(
        self, question: Question, cancelled: Callable[[], bool] | None = None
    ) -> Iterator[Event]:
        """Stages, sentences as they are released, and at the end the answer.

        Whatever is yielded stands in the log already. Leaving the stream early is recorded as
        `answer.failed` with the code CANCELLED, and ends the model within one token. So does
        `cancelled`, which is asked between tokens also while nothing is yielded (a long prompt is
        read, say); then the last event is an answer that says so.

        Raises:
            AuditError: something could not be recorded; nothing after it happens.
            IndexFailure: the index cannot be read; recorded as `answer.failed`.
            AssistantError: the language model is missing, altered or of no use; recorded likewise.
        """
        record = QuestionRecord(self._log, question.asker, self._library.embedder.fingerprint)
        record.received(question, self._policy.longest_question)
        answering = Answering(
            self._library,
            self._model,
            self._policy,
            question,
            record,
            self._larger,
            cancelled or (lambda: False),
            self._entailment,
        )
        try:
            with closing(answering.events()) as events:
                yield from events
        except AuditError:
            raise
        except GeneratorExit:
            if not record.over:  # whoever leaves with the whole answer has not left early
                record.failed("CANCELLED", _LEFT)
            raise
        except ReaderLeft:
            event_id = record.failed("CANCELLED", _LEFT).event_id
            yield Answer(
                Verdict.FAILED, _LEFT, record=event_id, request=record.request, explanation=_LEFT
            )
        except BaseException as error:
            if not record.over:
                record.failed(type(error).__name__, str(error))
            raise

    def run(self, request: Request, cancelled: Callable[[], bool] | None = None) -> Iterator[Step]:
        """A task besides asking (`assistant.tasks`): its progress, what it shows as it goes and at
        the end its result. Whatever is yielded stands in the log already.

        Raises AuditError, IndexFailure (NotFound for a document that is not there), AssistantError.
        """
        parts = Parts(self._library, self._log, self._model, self._policy)
        return tasks.run(parts, request, cancelled or (lambda: False), self._classifier)

    def search(self, question: Question, k: int = 10) -> SearchReport:
        """The `k` nearest passages within the asker's scope, without any model.

        Recorded as `search.received` and `search.released`. Raises AuditError, IndexFailure.
        """
        record = QuestionRecord(self._log, question.asker, self._library.embedder.fingerprint)
        text = question.text[: self._policy.longest_question]
        clear: Clear = {
            "k": k,
            "characters": len(question.text),
            "question_sha256": sha256(question.text),
            **as_of_field(question),
        }
        record.write("search.received", clear, {"question": text})
        result = None
        standings: Standings = {}
        day = question.as_of or today()
        if text.strip():
            try:
                scope = scope_of(self._library, question)
                asked = asking.of(understanding.by_rules(question, self._library, scope))
                result = search(self._library, asked, scope, k, day, question.documents)
                standings = not_simply_current(self._library, result.hits, scope, day)
            except IndexFailure as error:
                code = type(error).__name__
                record.write("search.failed", {"code": code}, {"error": str(error)})
                raise
        passages = tuple(passage(hit, standings=standings) for hit in result.hits) if result else ()
        released = record.write(
            "search.released",
            {
                "hits": len(passages),
                "day": day,
                "index_generation": result.generation if result else 0,
                "chunks": [each.chunk for each in passages][:200],
            },
            {"passages": [{"chunk": each.chunk, "score": each.score} for each in passages]},
        )
        timings = dict(result.timings) if result else {}
        return SearchReport(question.text, passages, timings, released.event_id)

    def documents(self, asker: Asker, as_of: str | None = None) -> tuple[Document, ...]:
        """The documents in force on the day `as_of` (ISO 8601; None: today) that the asker may
        read; recorded as `documents.listed`."""
        scope = self._library.scope(asker.groups)
        found = tuple(in_force(self._library, scope, as_of))
        day: Clear = {} if as_of is None else {"as_of": as_of}
        listed: Clear = {"documents": len(found), **day}
        self._log.append(LogEvent("documents.listed", actor_of(asker), listed))
        return found

    def page_view(
        self,
        asker: Asker,
        document: str,
        page: int,
        spans: tuple[tuple[int, int], ...] = (),
    ) -> PageView:
        """One page as a picture (or text) with `spans` of its text marked; recorded as
        `document.page_viewed` before it is returned.

        Raises AuditError; NotFound alike for a page that is not there and one that the asker may
        not read.
        """
        scope = self._library.scope(asker.groups)
        view = self._viewer.view(self._library, scope, document, page, spans)
        self._log.append(
            LogEvent(
                "document.page_viewed",
                actor_of(asker),
                {
                    "document": document,
                    "page": page,
                    "spans": len(spans),
                    "drawn": view.image is not None,
                },
            )
        )
        return view

    def warm(self) -> None:
        """Begin to load the language model in the background."""
        self._model.warm()

    def catch_up(self) -> None:
        """Bring the search views level with what other processes have ingested or removed.

        Answers are right without it, and stay fast with it. Raises IndexFailure.
        """
        self._library.refresh()

    def model_status(self) -> ModelStatus:
        """What the language model is doing right now. Waits for nothing and raises nothing."""
        model = self._model
        return model.status() if isinstance(model, Watched) else ModelStatus()

    def forget(self, conversation: str) -> None:
        """Keep nothing that was evaluated for this conversation any longer. Raises nothing."""
        for model in (self._model, self._larger):
            if model is not None:
                with suppress(AssistantError):  # what is not running holds nothing
                    model.forget(conversation)

    def close(self) -> None:
        """Stop the model's process, let go of the larger one's server, and close the index."""
        try:
            self._model.close()
            if self._larger is not None:
                self._larger.close()
        finally:
            self._library.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


_LEFT = "The reader left before the answer was complete."
