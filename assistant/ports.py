"""What the answer pipeline asks of the index and of the log, so that tests can stand in for both.

`index` and `audit` provide them; the language model's port is `assistant.model`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from audit.record import Event, Record
from index.document import Document, Page, Scope
from index.effective import Standing
from index.ports import Embedder
from index.records import SearchResult


class Library(Protocol):
    """The documents, as far as an asker's scope reaches. Raises `index.errors.IndexFailure`."""

    @property
    def embedder(self) -> Embedder:
        """The embedder that the index was made with."""
        ...

    def scope(self, groups: frozenset[str]) -> Scope:
        """The collections that members of `groups` may read."""
        ...

    def search(
        self,
        question: str,
        scope: Scope,
        k: int = 10,
        *,
        day: str | None = None,
        documents: frozenset[str] | None = None,
    ) -> SearchResult:
        """At most `k` hits within `scope`, best first, each checked against the catalogue: from
        what is in force on `day` (ISO 8601; None: today), and of `documents` (ids) only if any are
        named; a document out of scope or not in force stays out."""
        ...

    def standings(
        self, documents: Iterable[Document], scope: Scope, day: str
    ) -> Mapping[tuple[str, str], Standing]:
        """How documents stand to a day, by collection and id; only those within `scope` that are
        there."""
        ...

    def page(self, document_id: str, number: int, scope: Scope) -> Page:
        """One page; NotFound if there is none or the scope does not reach it."""
        ...

    def document(self, document_id: str, scope: Scope) -> Document:
        """One document; NotFound if there is none or the scope does not reach it."""
        ...

    def documents(self, scope: Scope) -> Sequence[Document]:
        """The documents that are searched within `scope`."""
        ...

    def all_documents(self, scope: Scope) -> Sequence[Document]:
        """The documents of every status within `scope`: old versions and drafts, too."""
        ...

    def original(self, document_id: str, scope: Scope) -> Path:
        """The file that holds the document's bytes; NotFound as above."""
        ...

    def refresh(self) -> None:
        """Bring the search views level with what other processes have written."""
        ...

    def close(self) -> None:
        """Let go of files and locks."""
        ...


class Recorder(Protocol):
    """The log, as far as the pipeline writes to it."""

    def append(self, event: Event) -> Record:
        """Record one event, on disk when this returns; raises `audit.errors.AuditError`."""
        ...
