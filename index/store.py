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

from index import changelog, counting, feeding, reading, removing, writing
from index.access import scope_of
from index.blobs import Blobs
from index.catalogue import Catalogue
from index.context import CONTEXT_VERSION
from index.document import Collection, Document, Scope
from index.erasing import Erasing
from index.errors import EmbedderMismatch, InvalidName
from index.intake import checked, storable, valid_name
from index.migrations import SCHEMA_VERSION
from index.ports import Embedder, Reranker
from index.proposals import Shelves
from index.records import (
    Change,
    CollectionStatus,
    Compacted,
    Declared,
    IndexStatus,
    NewDocument,
    Problem,
    Purged,
    Reusable,
    SearchResult,
    SourceState,
)
from index.removing import Removed
from index.search import Searcher, Tuning
from index.sources import Sources, source_file
from index.upkeep import Upkeep
from index.verify import Verifier
from index.views import Progress

__all__ = ["Index", "NewDocument", "Progress", "SearchResult", "SourceState"]


class Index(Sources):
    """A catalogue, its blobs and its views. A context manager; may be used by several threads.

    `places` are the files and folders of these three, for `purge` to measure.

    Every method may raise `HomeUnavailable`, `HomeFull`, `CatalogueBusy` or `CatalogueCorrupt`.

    Raises (when built):
        EmbedderMismatch: the catalogue's vectors were made by another embedder.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        blobs: Blobs,
        shelves: Shelves,
        embedder: Embedder,
        tuning: Tuning,
        places: Sequence[Path] = (),
        *,
        reranker: Reranker | None = None,
    ) -> None:
        super().__init__(catalogue, blobs)
        self._views = shelves.current
        self._past = shelves.past
        self._upkeep = Upkeep(catalogue, blobs, shelves.current, places, shelves.past)
        self.embedder = embedder
        self._searcher = Searcher(catalogue, shelves, embedder, tuning, reranker)
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

    def search(
        self,
        question: str,
        scope: Scope,
        k: int = 10,
        *,
        day: str | None = None,
        documents: frozenset[str] | None = None,
    ) -> SearchResult:
        """At most `k` hits within `scope`, each checked against the catalogue. Best first.

        They are from what is in force on `day` (ISO 8601), today if there is none, and of
        `documents` (ids) only, if any are named. Naming documents widens nothing: one that is out
        of scope or not in force is passed over like one that does not exist.

        Raises:
            MissingModel, AlteredModel, InvalidVectors: the question cannot be embedded.
        """
        return self._searcher.search(question, scope, k, day, documents)

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
        """Commit documents in one transaction: all become visible together, or none.

        What declares itself a draft or withdrawn, or whose place another document takes, is
        stored and listed, and not searched.
        """
        ready = [checked(each, self.embedder.dimensions) for each in new]
        with self._blobs.kept():
            for each in ready:
                self._blobs.store(each.id, each.original, each.source)
            with self._catalogue.write() as connection:
                writing.pin(connection, self._fingerprint, self.embedder.dimensions)
                return writing.put_all(connection, ready)

    def link_source(
        self,
        collection: str,
        source: str,
        path: str,
        size: int,
        mtime_ns: int,
        document_id: str,
        *,
        container: str = "",
        declared: str = "",
    ) -> Document:
        """Let a source hold a document that its collection already has (same bytes elsewhere).

        The document keeps the facts that were declared for it; `describe` gives it others.

        Raises:
            NotFound: the collection does not have the document: `put` it.
        """
        file = source_file(
            collection, source, path, size, mtime_ns, document_id, container, declared
        )
        with self._catalogue.write() as connection:
            return writing.link(connection, file, document_id)

    def holds(self, collection: str, document_id: str) -> bool:
        """Whether a collection has these bytes, current or superseded, so that a link suffices."""
        with self._catalogue.read() as connection:
            return reading.document_key(connection, collection, document_id) is not None

    def known_vectors(self, document_id: str, splitter: str, title: str) -> Reusable | None:
        """What the same bytes were cut into and embedded as, in whatever collection; or None.

        Title and splitter must be those of the document to be put, since both are part of what
        was embedded; whether the chunks are equal too is for the caller to see. For ingestion,
        which acts for no asker.
        """
        with self._catalogue.read() as connection:
            key = reading.like_documents(connection, document_id, splitter, title)
            if key is None:
                return None
            return feeding.reusable(connection, key, self.embedder.dimensions)

    def describe(self, collection: str, source: str, declared: Declared) -> Document:
        """Give the document that a source holds other facts, without embedding.

        Its title is part of what was embedded and stays: a document whose declared title has
        changed is to be put again. Other sources with the same bytes share the facts.

        Raises:
            NotFound: the source holds no document.
        """
        facts = replace(declared, supersedes=tuple(map(storable, declared.supersedes)))
        with self._catalogue.write() as connection:
            return writing.describe(connection, collection, storable(source), facts)

    def remove(self, collection: str, source: str) -> Document | None:
        """`remove_many` of one source: the document it held, None if it held none."""
        return self._remove(collection, [source]).held.get(storable(source))

    def remove_many(self, collection: str, sources: Sequence[str]) -> list[Document]:
        """Forget sources, their parts, their documents unless others hold them, and old versions.

        One transaction, which takes effect for every reader at once. The originals' bytes go too,
        unless a document of any collection still has them. What is no source is passed over.

        Returns:
            The documents that the sources and their parts held, each once, by source.
        """
        held = self._remove(collection, sources).held
        return list({each.id: each for each in held.values()}.values())

    def _remove(self, collection: str, sources: Sequence[str]) -> Removed:
        with self._blobs.cleaning():
            with self._catalogue.write() as connection:
                removed = removing.remove(connection, collection, [*map(storable, sources)])
            for blob_id in sorted(removed.gone):
                self._blobs.discard(blob_id)
        return removed

    def unrecorded(self) -> list[Change]:
        """The commits whose audit record is not known to be written, in order."""
        with self._catalogue.read() as connection:
            return reading.unrecorded(connection)

    def mark_recorded(self, generations: Iterable[int]) -> None:
        """Note that the audit records of these commits are written."""
        with self._catalogue.write() as connection:
            changelog.mark_recorded(connection, sorted(generations))

    # -- upkeep ---------------------------------------------------------------------------------

    def refresh(self, progress: Progress | None = None) -> None:
        """Bring both views up to date, as far as other processes let this one.

        Searching is right without it; it makes searching fast after many changes.
        """
        for collection in self.collections():
            for views in (self._views, self._past):
                views.refresh(collection.name, progress)

    def verify(self, repair: bool = False) -> list[Problem]:
        """Compare blobs, catalogue and views; with `repair`, mend what can be mended."""
        return Verifier(self._catalogue, self._blobs, self._views, self._past).run(repair)

    def compact(self) -> Compacted:
        """Take back the space of what was deleted, where that is much; for the end of a run.

        Cheap if there is little to gain. What it could not do it says and leaves to the next run.
        """
        return self._upkeep.compact()

    def erasing(self) -> Erasing:
        """What finds documents that are to be erased, erases them and looks whether they are gone;
        for whoever has recorded it (see `ingest.erasing`)."""
        return Erasing(self._catalogue, self._blobs, (self._views, self._past), self._upkeep)

    def purge(self) -> Purged:
        """Leave no byte of what was deleted in the index's files: see `index.upkeep`.

        Text in the files of a view that another process holds goes when that process next
        refreshes it; `problems` says so.

        Raises:
            CatalogueBusy: another process writes for longer than the busy timeout.
        """
        return self._upkeep.purge()

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
            catching_up=tuple(self._views.progress()),
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
        self._past.close()
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
