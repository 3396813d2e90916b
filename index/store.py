"""The index as others see it: one object that reads, searches and is written to.

It enforces access (every reading method takes a `Scope`) and records nothing: who asked and why
is known to the use cases only. What does not exist and what an asker may not read raise the same
`NotFound`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from index import counting, feeding, reading, writing
from index.access import scope_of
from index.blobs import Blobs
from index.catalogue import Catalogue
from index.context import CONTEXT_VERSION
from index.document import Chunk, Collection, Document, Page, Scope
from index.errors import EmbedderMismatch, InvalidName, NotFound
from index.intake import checked, storable, valid_name
from index.migrations import SCHEMA_VERSION
from index.ports import Embedder
from index.records import (
    Change,
    CollectionStatus,
    IndexStatus,
    NewDocument,
    Problem,
    SearchResult,
    SourceState,
)
from index.search import Searcher, Tuning
from index.verify import Verifier
from index.views import Progress, Views
from index.writing import SourceFile

__all__ = ["Index", "NewDocument", "Progress", "SearchResult", "SourceState"]


class Index:
    """A catalogue, its blobs and its views. A context manager; may be used by several threads.

    Every method may raise `HomeUnavailable`, `HomeFull`, `CatalogueBusy` or `CatalogueCorrupt`.

    Raises (when built):
        EmbedderMismatch: the catalogue's vectors were made by another embedder.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        blobs: Blobs,
        views: Views,
        embedder: Embedder,
        tuning: Tuning,
    ) -> None:
        self._catalogue = catalogue
        self._blobs = blobs
        self._views = views
        self.embedder = embedder
        self._searcher = Searcher(catalogue, views, embedder, tuning)
        self._fingerprint = f"{embedder.fingerprint}/text-{CONTEXT_VERSION}"
        with catalogue.read() as connection:
            pinned = reading.meta_value(connection, "embedder")
        if pinned and pinned != self._fingerprint:
            raise EmbedderMismatch(pinned, self._fingerprint)

    # -- asking ---------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """The number of the last change to the catalogue, 0 for none; grows with every commit."""
        with self._catalogue.read() as connection:
            return reading.generation(connection)

    def scope(self, groups: frozenset[str]) -> Scope:
        """What members of `groups` may read now."""
        return scope_of(groups, self.collections())

    def search(self, question: str, scope: Scope, k: int = 10) -> SearchResult:
        """At most `k` hits within `scope`, each checked against the catalogue. Best first.

        Raises:
            MissingModel, AlteredModel, InvalidVectors: the question cannot be embedded.
        """
        return self._searcher.search(question, scope, k)

    def documents(self, scope: Scope) -> list[Document]:
        """The current documents within `scope`, by collection and source."""
        with self._catalogue.read() as connection:
            return reading.current_documents(connection, scope)

    def document(self, document_id: str, scope: Scope) -> Document:
        """A document by its id, superseded versions included. Raises `NotFound`."""
        with self._catalogue.read() as connection:
            return self._allowed(connection, document_id, scope)[1]

    def page(self, document_id: str, number: int, scope: Scope) -> Page:
        """One page of a document, from 1. Raises `NotFound`."""
        with self._catalogue.read() as connection:
            key, _document = self._allowed(connection, document_id, scope)
            found = reading.pages_of(connection, key, number)
        if not found:
            raise NotFound("page")
        return found[0]

    def pages(self, document_id: str, scope: Scope) -> list[Page]:
        """All pages of a document in order. Raises `NotFound`."""
        with self._catalogue.read() as connection:
            key, _document = self._allowed(connection, document_id, scope)
            return reading.pages_of(connection, key)

    def chunks(self, document_id: str, scope: Scope) -> list[Chunk]:
        """All chunks of a document in order. Raises `NotFound`."""
        with self._catalogue.read() as connection:
            key, _document = self._allowed(connection, document_id, scope)
            return reading.chunks_of(connection, key)

    def original(self, document_id: str, scope: Scope) -> Path:
        """The file that holds a document's bytes; read it, never write it. Raises `NotFound`."""
        self.document(document_id, scope)
        path = self._blobs.path(document_id)
        if not path.is_file():
            raise NotFound("original file")
        return path

    @staticmethod
    def _allowed(connection: sa.Connection, document_id: str, scope: Scope) -> tuple[int, Document]:
        found = reading.find_document(connection, document_id, scope)
        if found is None:
            raise NotFound("document")
        return found

    # -- collections ----------------------------------------------------------------------------

    def collections(self) -> list[Collection]:
        """All collections with their groups, by name."""
        with self._catalogue.read() as connection:
            return reading.all_collections(connection)

    def ensure_collection(self, name: str, groups: frozenset[str]) -> Collection:
        """Create a collection if need be and let `groups` read it besides those that may.

        Raises:
            InvalidName: the name could not safely name a folder.
        """
        if not valid_name(name):
            raise InvalidName(name)
        with self._catalogue.write() as connection:
            writing.ensure_collection(connection, name, groups)
            return next(each for each in reading.all_collections(connection) if each.name == name)

    def revoke(self, name: str, groups: frozenset[str]) -> None:
        """Let `groups` read the collection no longer; nothing if they could not."""
        with self._catalogue.write() as connection:
            writing.revoke(connection, name, groups)

    # -- the ingestion journal ------------------------------------------------------------------

    def source_state(self, collection: str, source: str) -> SourceState | None:
        """What the journal knows of a source; None if nothing."""
        with self._catalogue.read() as connection:
            found = reading.source_states(connection, collection, storable(source))
        return found[0] if found else None

    def sources(self, collection: str) -> list[SourceState]:
        """The journal of a collection, by source."""
        with self._catalogue.read() as connection:
            return reading.source_states(connection, collection)

    def record_failure(
        self, collection: str, source: str, path: str, size: int, mtime_ns: int, reason: str
    ) -> None:
        """Journal a failed attempt; what the source held before stays searchable.

        Raises:
            UnknownCollection: there is no such collection.
        """
        file = _file(collection, source, path, size, mtime_ns)
        with self._catalogue.write() as connection:
            writing.record_failure(connection, file, storable(reason))

    def touch_source(
        self, collection: str, source: str, path: str, size: int, mtime_ns: int
    ) -> None:
        """Journal that a source's bytes are what they were. Raises `NotFound`."""
        with self._catalogue.write() as connection:
            writing.touch(connection, _file(collection, source, path, size, mtime_ns))

    # -- writing --------------------------------------------------------------------------------

    def put(self, new: NewDocument) -> Document:
        """Commit a document: visible as a whole when this returns, or not at all.

        Raises:
            InvalidDocument: it contradicts itself, or its bytes are not those of its id.
            InvalidVectors: a vector is not a finite unit vector of the right length.
            UnknownCollection: its collection does not exist.
            EmbedderMismatch: another process has put vectors of another embedder meanwhile.
        """
        return self.put_many([new])[0]

    def put_many(self, new: Sequence[NewDocument]) -> list[Document]:
        """Commit documents in one transaction: all become visible together, or none."""
        ready = [checked(each, self.embedder.dimensions) for each in new]
        with self._blobs.kept():
            for each in ready:
                self._blobs.store(each.id, each.original, each.source)
            with self._catalogue.write() as connection:
                writing.pin(connection, self._fingerprint, self.embedder.dimensions)
                return [writing.put(connection, each) for each in ready]

    def link_source(
        self,
        collection: str,
        source: str,
        path: str,
        size: int,
        mtime_ns: int,
        document_id: str,
    ) -> Document:
        """Let a source hold a document that its collection already has (same bytes elsewhere).

        Raises:
            NotFound: the collection does not have the document: `put` it.
        """
        file = _file(collection, source, path, size, mtime_ns)
        with self._catalogue.write() as connection:
            return writing.link(connection, file, document_id)

    def holds(self, collection: str, document_id: str) -> bool:
        """Whether a collection has these bytes, current or superseded, so that a link suffices."""
        with self._catalogue.read() as connection:
            return reading.document_key(connection, collection, document_id) is not None

    def remove(self, collection: str, source: str) -> Document | None:
        """Forget a source, its document unless another source holds it, and its old versions.

        Takes effect for every reader at once. The original's bytes go too, unless a document of
        any collection still has them.

        Returns:
            The document the source held; None if it held none.
        """
        with self._blobs.cleaning():
            with self._catalogue.write() as connection:
                before = counting.content_ids_at(connection, collection, storable(source))
                removed = writing.remove(connection, collection, storable(source))
                gone = before - counting.known_ids(connection, before)
            for blob_id in gone:
                self._blobs.discard(blob_id)
        return removed

    def unrecorded(self) -> list[Change]:
        """The commits whose audit record is not known to be written, in order."""
        with self._catalogue.read() as connection:
            return reading.unrecorded(connection)

    def mark_recorded(self, generations: Iterable[int]) -> None:
        """Note that the audit records of these commits are written."""
        with self._catalogue.write() as connection:
            writing.mark_recorded(connection, sorted(generations))

    # -- upkeep ---------------------------------------------------------------------------------

    def refresh(self, progress: Progress | None = None) -> None:
        """Bring both views up to date, as far as other processes let this one.

        Searching is right without it; it makes searching fast after many changes.
        """
        for collection in self.collections():
            self._views.refresh_words(collection.name, progress)
            self._views.refresh_vectors(collection.name, progress)

    def verify(self, repair: bool = False) -> list[Problem]:
        """Compare blobs, catalogue and views; with `repair`, mend what can be mended."""
        return Verifier(self._catalogue, self._blobs, self._views).run(repair)

    def status(self) -> IndexStatus:
        """Counts and lags, of all collections: for those who run the machine."""
        with self._catalogue.read() as connection:
            counted = counting.counts(connection)
            generation = reading.generation(connection)
            pinned = reading.meta_value(connection, "embedder")
        return IndexStatus(
            generation=generation,
            schema_version=SCHEMA_VERSION,
            embedder=pinned,
            collections=tuple(self._with_lags(each) for each in counted),
        )

    def _with_lags(self, counted: CollectionStatus) -> CollectionStatus:
        words = self._views.reached_words(counted.name)
        vectors = self._views.reached_vectors(counted.name)
        with self._catalogue.read() as connection:
            return replace(
                counted,
                lexical_lag=feeding.lag(connection, counted.name, words),
                chroma_lag=(
                    None if vectors is None else feeding.lag(connection, counted.name, vectors)
                ),
            )

    def close(self) -> None:
        """Close files and let go of locks."""
        self._views.close()
        self._catalogue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _file(collection: str, source: str, path: str, size: int, mtime_ns: int) -> SourceFile:
    return SourceFile(collection, storable(source), storable(path), size, mtime_ns)
