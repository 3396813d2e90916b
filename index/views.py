"""Keeps the views level with the catalogue and searches them, whatever state they are in.

Catching up replays the change log: forget every document that a line names, hold those of them
that are current now. That is right in any order and any number of times, so a crash, two
processes or a deletion between two steps can only repeat work. What a view does not have yet is
searched exactly from the catalogue's vectors; what it still has but should not is dropped by the
check that every hit goes through (`index.search`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence

import sqlalchemy as sa

from index import feeding
from index.catalogue import Catalogue
from index.chroma import ChromaVectors
from index.errors import ViewDamaged
from index.exact import ExactVectors
from index.ports import LexicalStore, Scored, VectorStore
from index.records import Change, Operation, Vector

log = logging.getLogger(__name__)

Progress = Callable[[str, int], None]  # what is caught up, chunks done so far

_CHANGES_AT_ONCE = 1_000
_CHUNKS_AT_ONCE = 4_000
_CONTENT = frozenset({Operation.ADD, Operation.SUPERSEDE, Operation.REMOVE})


class Views:
    """Both views of one catalogue. May be called from several threads.

    `open_chroma` gives the store if this process may open it; None stands for "never".
    """

    def __init__(
        self,
        catalogue: Catalogue,
        dimensions: int,
        lexical: LexicalStore,
        open_chroma: Callable[[], ChromaVectors | None] | None,
    ) -> None:
        self._catalogue = catalogue
        self._dimensions = dimensions
        self.lexical = lexical
        self._open_chroma = open_chroma
        self._chroma: ChromaVectors | None = None
        self._exact = ExactVectors(dimensions)
        self._guard = threading.RLock()

    def chroma(self) -> ChromaVectors | None:
        """The Chroma view if this process holds it or can get it now."""
        with self._guard:
            if self._chroma is None and self._open_chroma is not None:
                self._chroma = self._open_chroma()
            return self._chroma

    def reached_words(self, collection: str) -> int:
        """The generation of the lexical view; 0 if it is damaged, which asks for a refresh."""
        try:
            return self.lexical.generation(collection)
        except ViewDamaged:
            return 0

    def reached_vectors(self, collection: str) -> int | None:
        """The generation of the Chroma view; None if this process may not open it."""
        with self._guard:
            chroma = self.chroma()
            try:
                return None if chroma is None else chroma.generation(collection)
            except ViewDamaged:
                return 0

    def refresh_words(self, collection: str, progress: Progress | None = None) -> bool:
        """Bring the lexical view up to date, unless another process is at it (then False)."""
        with self._guard:
            lock = self.lexical.lock(collection)
            if not lock.acquire():
                return False
            try:
                self._replay_words(collection, progress)
            except ViewDamaged as damage:
                log.warning("%s Rebuilding it for collection %s.", damage, collection)
                self.lexical.drop(collection)
                self._replay_words(collection, progress)
            finally:
                lock.release()
            return True

    def refresh_vectors(self, collection: str, progress: Progress | None = None) -> bool:
        """Bring the Chroma view up to date, if this process may open it (else False)."""
        with self._guard:
            chroma = self.chroma()
            if chroma is None:
                return False
            try:
                self._replay_vectors(chroma, collection, progress)
            except ViewDamaged as damage:
                chroma = self._renewed(damage)
                if chroma is None:
                    return False
                self._replay_vectors(chroma, collection, progress)
            return True

    def words(self, collection: str, question: str, limit: int) -> list[Scored]:
        """Lexical candidates; a damaged view is rebuilt first."""
        try:
            return self.lexical.search(collection, question, limit)
        except ViewDamaged as damage:
            log.warning("%s", damage)
            with self._guard:
                if self.rebuild_words(collection):
                    return self.lexical.search(collection, question, limit)
            return []

    def rebuild_words(self, collection: str) -> bool:
        """Throw the lexical view of a collection away and build it from the catalogue."""
        with self._guard:
            lock = self.lexical.lock(collection)
            if not lock.acquire():
                return False
            try:
                self.lexical.drop(collection)
                self._replay_words(collection, None)
            finally:
                lock.release()
            return True

    def rebuild_vectors(self, collection: str) -> bool:
        """Throw the Chroma view of a collection away and build it from the catalogue."""
        with self._guard:
            chroma = self.chroma()
            if chroma is None:
                return False
            chroma.drop(collection)
            return self.refresh_vectors(collection)

    def nearest(self, collection: str, query: Vector, limit: int) -> tuple[list[Scored], set[str]]:
        """Candidates by cosine, best first, and where they came from ("chroma", "exact")."""
        with self._guard:
            found, base = self._from_chroma(collection, query, limit)
            self._exact.start_from(collection, base)
            self._replay_vectors(self._exact, collection, None)
            newer = self._exact.search(collection, query, limit)
        places = {"chroma"} if base else set()
        if self._exact.count(collection):
            places.add("exact")
        # A chunk that both hold has been put again: what the catalogue says now is right.
        best = {each.chunk: each for each in (*found, *newer)}
        ranked = sorted(best.values(), key=lambda each: -each.score)
        return ranked[:limit], places

    def close(self) -> None:
        """Close both views and let go of their locks."""
        with self._guard:
            self.lexical.close()
            self._exact.close()
            if self._chroma is not None:
                self._chroma.close()
                self._chroma = None

    def _from_chroma(self, collection: str, query: Vector, limit: int) -> tuple[list[Scored], int]:
        chroma = self.chroma()
        if chroma is None:
            return [], 0
        try:
            return chroma.search(collection, query, limit), chroma.generation(collection)
        except ViewDamaged as damage:
            self._renewed(damage)
            return [], 0

    def _renewed(self, damage: ViewDamaged) -> ChromaVectors | None:
        log.warning("%s Rebuilding the Chroma view from the catalogue, without embedding.", damage)
        if self._chroma is not None:
            self._chroma.discard()
            self._chroma = None
        return self.chroma()

    def _replay_words(self, collection: str, progress: Progress | None) -> None:
        since = self.lexical.generation(collection)
        for connection, touched, generation in self._steps(collection, since, "words", progress):
            rows = feeding.text_rows(connection, collection, touched)
            self.lexical.apply(collection, touched, rows, generation)

    def _replay_vectors(
        self, store: VectorStore, collection: str, progress: Progress | None
    ) -> None:
        since = store.generation(collection)
        for connection, touched, generation in self._steps(collection, since, "vectors", progress):
            rows = feeding.vector_rows(connection, collection, touched, self._dimensions)
            store.apply(collection, touched, rows, generation)

    def _steps(
        self, collection: str, since: int, view: str, progress: Progress | None
    ) -> Iterator[tuple[sa.Connection, list[str], int]]:
        """Pieces of the change log after `since`: documents touched, generation reached."""
        done = 0
        while True:
            with self._catalogue.read() as connection:
                log_lines = feeding.changes_since(connection, collection, since, _CHANGES_AT_ONCE)
                if not log_lines:
                    return
                named = sorted({line.document_id for line in log_lines})
                sizes = feeding.chunk_counts(connection, collection, named)
                lines = first_lines(log_lines, sizes)
                touched = sorted({line.document_id for line in lines if line.operation in _CONTENT})
                since = lines[-1].generation
                yield connection, touched, since
                done += sum(sizes.get(each, 0) for each in touched)
            if progress is not None:
                progress(f"{view} of {collection}", done)


def first_lines(lines: Sequence[Change], sizes: dict[str, int]) -> Sequence[Change]:
    """As many of `lines` as stay within one batch of chunks; at least one."""
    held = 0
    for count, line in enumerate(lines):
        held += sizes.get(line.document_id, 0)
        if held > _CHUNKS_AT_ONCE and count:
            return lines[:count]
    return lines
