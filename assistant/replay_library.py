"""The documents of a recorded answer as they were: what was found, read again by its pins.

A search answers with the recorded hits, whose passages are cut anew from the pinned documents and
held against the recorded digests; a document that was superseded or withdrawn since serves as well,
one that is gone or reads otherwise today is refused (`ReplayImpossible`). What the catalogue says
of a document may have been declared otherwise since (title, days, status): then as it was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from assistant.ports import Library
from assistant.replay_pins import sha256
from assistant.replay_record import Recorded, ReplayImpossible
from index.document import Chunk, Document, Hit, Page, Scope, Status
from index.effective import Standing
from index.errors import NotFound
from index.ports import Embedder
from index.records import SearchResult


class PinnedLibrary:
    """`assistant.ports.Library` of one recorded answer, over the library of today. Not for several
    threads; closing it leaves that library open."""

    def __init__(self, library: Library, recorded: Recorded) -> None:
        """Reads what was found. Raises ReplayImpossible, IndexFailure."""
        self._library = library
        found = recorded.payload.get("hits", ())
        read = {str(name) for name in recorded.fields.get("scope", ())}
        # What was found was within the scope, also where the record lists only some of it.
        self._scope = Scope(frozenset(read | {str(each["collection"]) for each in found}))
        self._generation = int(recorded.fields.get("index_generation", 0))
        self._vectors_from = str(recorded.fields.get("vectors_from", ""))
        offer = recorded.payload.get("offer")
        self._held = int(offer["documents"]) if isinstance(offer, dict) else 0
        self.notes: list[str] = []
        self._hits = tuple(self._hit(each) for each in found)
        self._standings = {
            (str(each["collection"]), str(each["document"])): self._standing(each)
            for each in recorded.payload.get("standings", ())
        }
        self._searched = False

    @property
    def embedder(self) -> Embedder:
        return self._library.embedder

    def scope(self, groups: frozenset[str]) -> Scope:
        """What the asker could read then, whatever `groups` may read now."""
        del groups
        return self._scope

    def search(
        self,
        question: str,
        scope: Scope,
        k: int = 10,
        *,
        day: str | None = None,
        documents: frozenset[str] | None = None,
    ) -> SearchResult:
        """What was found then, all of it for the whole question and nothing more for its parts:
        the recorded order is that of both together."""
        hits = () if self._searched else self._hits
        self._searched = True
        return SearchResult(hits, self._generation, {}, self._vectors_from)

    def standings(
        self, documents: Iterable[Document], scope: Scope, day: str
    ) -> Mapping[tuple[str, str], Standing]:
        """How they stood then. What was found and not recorded here was simply current."""
        places = [(each.collection, each.id) for each in documents]
        plain = Standing(in_force=True)
        return {place: self._standings.get(place, plain) for place in places}

    def page(self, document_id: str, number: int, scope: Scope) -> Page:
        return self._library.page(document_id, number, scope)

    def document(self, document_id: str, scope: Scope) -> Document:
        return self._library.document(document_id, scope)

    def documents(self, scope: Scope) -> Sequence[Document]:
        """As many as were searched then, where that was recorded. Only their number counts."""
        return [Document("", "", "", "", "")] * self._held

    def all_documents(self, scope: Scope) -> Sequence[Document]:
        return self._library.all_documents(scope)

    def original(self, document_id: str, scope: Scope) -> Path:
        return self._library.original(document_id, scope)

    def refresh(self) -> None:
        """What is pinned does not change."""

    def close(self) -> None:
        """The library of today stays open."""

    def _hit(self, found: Mapping[str, Any]) -> Hit:
        scope = Scope(frozenset({str(found["collection"])}))
        document_id, number = str(found["document"]), int(found["page"])
        name = f"{found['source']} (version {found['version']}, SHA-256 {document_id})"
        try:
            document = self._library.document(document_id, scope)
            page = self._library.page(document_id, number, scope)
        except NotFound as error:
            raise ReplayImpossible(
                "DOCUMENT_GONE",
                f"The document {name} is not in the index any more: it was removed or erased "
                "since; put the very same file back to replay this answer.",
            ) from error
        start, end = int(found["start"]), int(found["end"])
        chunk = Chunk(
            str(found["chunk"]), document_id, number, start, end, page.text[start:end],
            tuple(map(str, found.get("heading_path", ()))),
        )  # fmt: skip
        same = sha256(chunk.text) == found["chunk_sha256"]
        if not same or sha256(page.text) != found.get("page_sha256", sha256(page.text)):
            raise ReplayImpossible(
                "READ_ANEW",
                f"Page {number} of the document {name} reads otherwise than when it was cited: the "
                "same file was read anew, by another version of Cloister or other settings.",
            )
        first, last = map(int, found["passage"])
        joined = Chunk("", document_id, number, first, last, page.text[first:last])
        apart = (first, last) == (start, end)
        return Hit(
            chunk, self._as_then(document, found), int(found["rank"]), float(found["score"]),
            found["dense"], found["lexical"],
            () if apart else (joined,), "" if apart else joined.text,
        )  # fmt: skip

    def _as_then(self, document: Document, found: Mapping[str, Any]) -> Document:
        """The document with what the catalogue said of it then."""
        then = replace(
            document,
            collection=str(found["collection"]),
            source=str(found["source"]),
            version=int(found["version"]),
            status=Status(str(found["status"])),
            title=str(found.get("title", document.title)),
            effective_from=found.get("effective_from", document.effective_from),
            effective_to=found.get("effective_to", document.effective_to),
            supersedes=tuple(map(str, found.get("supersedes", document.supersedes))),
        )
        if then != document:
            now = {name: getattr(document, name) for name in _TOLD}
            was = {name: getattr(then, name) for name in _TOLD}
            told = "; ".join(
                f"{name} {was[name] or 'none'}, now {now[name] or 'none'}"
                for name in _TOLD
                if was[name] != now[name]
            )
            note = f"{then.source}: {told}; it was taken as recorded."
            if note not in self.notes:
                self.notes.append(note)
        return then

    def _standing(self, told: Mapping[str, Any]) -> Standing:
        by = told["superseded_by"]
        successor = None
        if by is not None:
            successor = Document(
                str(by["document"]), str(by["collection"]), str(by["source"]), "", "",
                version=int(by["version"]),
            )  # fmt: skip
        return Standing(
            bool(told["in_force"]), told["superseded_on"], successor, told["withdrawn_on"]
        )


_TOLD = (
    "collection", "source", "version", "status", "title", "effective_from", "effective_to",
    "supersedes",
)  # fmt: skip
