"""What this package needs of the others, by shape, so that the tests can stand in for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from assistant.answer import Answer, Asker, Event, Question

if TYPE_CHECKING:
    from assistant.model_status import ModelStatus
    from assistant.pages import PageView
    from assistant.pipeline import SearchReport
    from ingest.statement import Completeness


class ModelFacts(Protocol):
    """Which model answers, and how it stands."""

    def model_status(self) -> ModelStatus:
        """As it is now; asked several times in a second, so it waits for nothing and raises
        nothing."""
        ...


class Answers(ModelFacts, Protocol):
    """Answering, as it happens."""

    def stream(
        self, question: Question, cancelled: Callable[[], bool] | None = None
    ) -> Iterator[Event]:
        """Stages, released sentences, and one answer at the end.

        `cancelled` is asked between tokens: once it is true nobody reads on, and the model ends
        within one token, whether it has released a sentence or not.
        """
        ...

    def forget(self, conversation: str) -> None:
        """Keep nothing that was evaluated for this conversation any longer. Raises nothing."""
        ...


class Pages(Protocol):
    """Pages of documents, for those who may read them."""

    def page_view(
        self, asker: Asker, document: str, page: int, spans: tuple[tuple[int, int], ...] = ()
    ) -> PageView:
        """A page with `spans` of its text marked; recorded before it is returned."""
        ...


class Listing(Protocol):
    """A document, as far as it can be named."""

    @property
    def id(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def collection(self) -> str: ...


class Assistant(Answers, Pages, Protocol):
    """The use cases that a person meets."""

    def ask(self, question: Question) -> Answer:
        """The answer, once complete."""
        ...

    def search(self, question: Question, k: int = 10) -> SearchReport:
        """The nearest passages, without a model."""
        ...

    def documents(self, asker: Asker, as_of: str | None = None) -> Sequence[Listing]:
        """The documents in force on that day (None: today) that the asker may read."""
        ...


class DocumentLine(Protocol):
    """A document as `ingest list` shows it."""

    @property
    def id(self) -> str: ...
    @property
    def collection(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def media_type(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def pages(self) -> int: ...
    @property
    def chunks(self) -> int: ...
    @property
    def added_at(self) -> str: ...
    @property
    def status(self) -> StrEnum: ...
    @property
    def effective_from(self) -> str | None: ...
    @property
    def effective_to(self) -> str | None: ...
    @property
    def supersedes(self) -> tuple[str, ...]: ...
    @property
    def parent(self) -> str: ...
    @property
    def completeness(self) -> Completeness | None: ...


class CollectionCounts(Protocol):
    """A collection as `ingest status` shows it."""

    @property
    def name(self) -> str: ...
    @property
    def groups(self) -> frozenset[str]: ...
    @property
    def documents(self) -> int: ...
    @property
    def superseded(self) -> int: ...
    @property
    def pages(self) -> int: ...
    @property
    def chunks(self) -> int: ...
    @property
    def failed_sources(self) -> int: ...
    @property
    def quarantined(self) -> int: ...
    @property
    def incomplete(self) -> int: ...
    @property
    def lexical_lag(self) -> int: ...
    @property
    def chroma_lag(self) -> int | None: ...


class FailedLine(Protocol):
    """A source whose last attempt failed; `error` is one sentence, `failure` its code."""

    @property
    def collection(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def error(self) -> str: ...
    @property
    def failure(self) -> str: ...
    @property
    def attempts(self) -> int: ...
    @property
    def status(self) -> StrEnum: ...


class ProblemLine(Protocol):
    """Something that `ingest verify` found."""

    @property
    def where(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def repaired(self) -> bool: ...
