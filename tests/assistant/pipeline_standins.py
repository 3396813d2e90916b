"""A library in memory and a log that can be told to fail, for the tests of the answer pipeline."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from assistant.answer import Asker, Question, Turn
from assistant.answering import Policy
from assistant.model import Model
from assistant.pages import Viewer
from assistant.pipeline import Assistant
from assistant.terms import keys
from audit.errors import AuditError
from audit.record import Event, Record
from index.document import Chunk, Document, Hit, Page, Scope, Status
from index.effective import Standing
from index.errors import NotFound
from index.records import SearchResult
from tests.index.standins import HashEmbedder

ANNA = Asker("anna", frozenset({"local"}), "local-user")
STRANGER = Asker("mallory", frozenset(), "local-user")

MANUAL = """4.2 Retention of records
Customer due diligence records shall be retained for six (6) years after the end of
the business relationship. The Head of Compliance, Marta Kovacs, approves every exception in
writing. Exceptions must not exceed EUR 5,000 a year.
Suspicious activity reports are filed within 72 hours of detection under SOP-AML-014."""

PRIVACY = """3.1 Marketing
Marketing consent records are kept for 24 months after the last contact with the customer.
Consent forms must not be stored on personal devices.

Record | Period | Owner
--- | --- | ---
Call recordings | 13 months | Contact Centre
Visitor logs | 90 days | Facilities"""


def document(source: str, title: str, text: str, collection: str = "default") -> Document:
    """A document of one page per form feed; its id is the digest of its text."""
    digest = hashlib.sha256(f"{collection}{source}{text}".encode()).hexdigest()
    return Document(
        digest, collection, source, title, "text/plain", pages=text.count("\f") + 1, chunks=1
    )


class MemoryLibrary:
    """`assistant.ports.Library` over texts; finds what shares words with the question."""

    def __init__(
        self,
        texts: Mapping[str, tuple[str, str]],
        grants: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        """`texts`: "collection/source" to title and text, form feeds between pages."""
        self.embedder = HashEmbedder(64)
        self.grants = dict(grants or {"default": frozenset({"local"})})
        self.closed = False
        self.days: list[str | None] = []  # that were asked about
        self.standing: dict[str, Standing] = {}  # by source; else a document's status decides
        self.docs: dict[str, Document] = {}
        self.texts: dict[tuple[str, int], Page] = {}
        for place, (title, text) in texts.items():
            collection, _, source = place.partition("/")
            made = document(source, title, text, collection)
            self.docs[made.id] = made
            for number, part in enumerate(text.split("\f"), start=1):
                self.texts[made.id, number] = Page(number, part)

    def scope(self, groups: frozenset[str]) -> Scope:
        return Scope(frozenset(name for name, who in self.grants.items() if who & groups))

    def search(
        self,
        question: str,
        scope: Scope,
        k: int = 10,
        *,
        day: str | None = None,
        documents: frozenset[str] | None = None,
    ) -> SearchResult:
        self.days.append(day)
        wanted = keys(question)
        query = self.embedder.embed_query(question)
        scored: list[tuple[float, float, Chunk, Document]] = []
        for (document_id, number), page in self.texts.items():
            about = self.docs[document_id]
            if not scope.allows(about.collection) or not self._standing(about).in_force:
                continue
            if documents is not None and document_id not in documents:
                continue
            chunk = Chunk(
                hashlib.sha256(f"{document_id}{number}".encode()).hexdigest()[:32],
                document_id, number, 0, len(page.text), page.text,
            )  # fmt: skip
            shared = len(wanted & keys(page.text)) / max(1, len(wanted))
            dense = float(self.embedder.embed_query(page.text) @ query)
            scored.append((shared, dense, chunk, about))
        scored.sort(key=lambda each: -each[0])
        hits = tuple(
            Hit(chunk, about, rank, shared, dense, shared)
            for rank, (shared, dense, chunk, about) in enumerate(scored[:k], start=1)
        )
        return SearchResult(hits, 7, {"total": 0.001}, "exact")

    def standings(
        self, documents: Iterable[Document], scope: Scope, day: str
    ) -> dict[tuple[str, str], Standing]:
        return {
            (each.collection, each.id): self._standing(self.docs[each.id])
            for each in documents
            if each.id in self.docs and scope.allows(each.collection)
        }

    def _standing(self, document: Document) -> Standing:
        plain = Standing(in_force=document.status is Status.CURRENT)
        return self.standing.get(document.source, plain)

    def page(self, document_id: str, number: int, scope: Scope) -> Page:
        self.document(document_id, scope)
        if (document_id, number) not in self.texts:
            raise NotFound("page")
        return self.texts[document_id, number]

    def document(self, document_id: str, scope: Scope) -> Document:
        found = self.docs.get(document_id)
        if found is None or not scope.allows(found.collection):
            raise NotFound("document")
        return found

    def documents(self, scope: Scope) -> Sequence[Document]:
        return [each for each in self.docs.values() if scope.allows(each.collection)]

    def all_documents(self, scope: Scope) -> Sequence[Document]:
        return self.documents(scope)

    def refresh(self) -> None:
        """There is nothing to bring level."""

    def original(self, document_id: str, scope: Scope) -> Path:
        raise NotFound("original file")

    def close(self) -> None:
        self.closed = True


class MemoryLog:
    """`assistant.ports.Recorder` that keeps events; the append with number `fails_at` (from 0), or
    every one of the type `fails_on`, raises AuditError and keeps nothing."""

    def __init__(self, fails_at: int | None = None, fails_on: str = "") -> None:
        self.events: list[Event] = []
        self._fails_at, self._fails_on = fails_at, fails_on
        self._appends = 0

    def append(self, event: Event) -> Record:
        number, self._appends = self._appends, self._appends + 1
        if number == self._fails_at or event.type == self._fails_on:
            raise AuditError("the disk of the log is full")
        self.events.append(event)
        return Record(number, f"event-{number}", event.type, number, "00" * 32)

    def types(self) -> list[str]:
        """The types recorded, in order."""
        return [event.type for event in self.events]

    def last(self, type_: str) -> Event:
        """The last event of a type."""
        return next(event for event in reversed(self.events) if event.type == type_)


def library() -> MemoryLibrary:
    """The two short documents above, in the collection `default`."""
    return MemoryLibrary(
        {
            "default/aml-manual.md": ("AML manual", MANUAL),
            "default/privacy-policy.md": ("Privacy policy", PRIVACY),
        }
    )


def assistant(
    model: Model,
    log: MemoryLog | None = None,
    shelf: MemoryLibrary | None = None,
    policy: Policy | None = None,
) -> Assistant:
    """An assistant over stand-ins; unless the policy says otherwise the model is always asked."""
    viewer = Viewer(lambda path, number: None)
    return Assistant(
        shelf or library(), log or MemoryLog(), model, viewer, policy or Policy(straight=False)
    )


def question(text: str, *earlier: str, asker: Asker = ANNA) -> Question:
    """A question after earlier ones, whose answers do not matter."""
    return Question(text, asker, tuple(Turn(each, "…") for each in earlier))
