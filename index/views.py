"""Keeps the views level with the catalogue and searches them, whatever state they are in.

Catching up replays the change log: forget every document that a line names, hold those of them
that are current now. That is right in any order and any number of times, so a crash, two
processes or a deletion between two steps can only repeat work. A view that the log no longer
leads to (`index.changelog.floor`) is thrown away and filled from the documents; until the last
step of that its generation is 0, so that half of it is never taken for the whole.

What a view does not have yet is searched exactly from the catalogue's vectors; what it still has
but should not is dropped by the check that every hit goes through (`index.search`). Searching
goes on while another thread brings a view up to date.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import sqlalchemy as sa

from index import changelog, feeding, reading
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
_CONTENT = frozenset(
    {
        Operation.ADD,
        Operation.SUPERSEDE,
        Operation.REMOVE,
        Operation.RESTORE,
        Operation.WITHDRAW,
    }
)
_WASTE = 0.20  # deleted entries beside one that is held: then a view is built anew
_WASTE_LEAST = 200

_Apply = Callable[[sa.Connection, Sequence[str], int], None]  # documents touched, generation


class _Overtaken(Exception):
    """The change log begins after the generation that a view has reached."""


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
        self._guard = threading.RLock()  # which Chroma is open, and the exact view
        self._wording = threading.RLock()  # held while the lexical view is written
        self._filling: set[str] = set()  # collections whose lexical view is being filled
        self._placing = threading.RLock()  # held while the Chroma view is written

    @property
    def with_chroma(self) -> bool:
        """Whether vectors are kept in Chroma at all, by this process or another."""
        return self._open_chroma is not None

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
        chroma = self.chroma()
        try:
            return None if chroma is None else chroma.generation(collection)
        except ViewDamaged:
            return 0

    def refresh_words(self, collection: str, progress: Progress | None = None) -> bool:
        """Bring the lexical view up to date, unless another process is at it (then False).

        Nor does it wait while another thread fills a view from nothing, which may take long.
        """
        if collection in self._filling:
            return False
        with self._wording:
            lock = self.lexical.lock(collection)
            if not lock.acquire():
                return False
            try:
                self._level_words(collection, progress)
            except ViewDamaged as damage:
                log.warning("%s Rebuilding it for collection %s.", damage, collection)
                self.lexical.drop(collection)
                self._level_words(collection, progress)
            finally:
                lock.release()
            return True

    def refresh_vectors(self, collection: str, progress: Progress | None = None) -> bool:
        """Bring the Chroma view up to date, if this process may open it (else False)."""
        with self._placing:
            chroma = self.chroma()
            try:
                return self._level_vectors(chroma, collection, progress)
            except ViewDamaged as damage:
                return self._level_vectors(self._renewed(chroma, damage), collection, progress)

    def words(self, collection: str, question: str, limit: int) -> list[Scored]:
        """Lexical candidates; a damaged view is rebuilt first."""
        with suppress(ViewDamaged):
            return self.lexical.search(collection, question, limit)
        with self._wording:  # or another thread is building it anew just now
            try:
                return self.lexical.search(collection, question, limit)
            except ViewDamaged as damage:
                log.warning("%s", damage)
                if self.rebuild_words(collection):
                    return self.lexical.search(collection, question, limit)
        return []

    def rebuild_words(self, collection: str) -> bool:
        """Throw the lexical view of a collection away and build it from the catalogue."""
        with self._wording:
            lock = self.lexical.lock(collection)
            if not lock.acquire():
                return False
            try:
                self._fill_words(collection, None)
            finally:
                lock.release()
            return True

    def rebuild_vectors(self, collections: Sequence[str]) -> bool:
        """Throw the whole Chroma view away and build it anew, of these collections first."""
        with self._placing:
            chroma = self._renewed(self.chroma())
            if chroma is None:
                return False
            for each in collections:
                self._fill(each, self._vectors_into(chroma, each))
            return True

    def words_wasteful(self, collection: str) -> bool:
        """Whether the lexical view carries so much that is deleted that building it anew pays."""
        wasted = self.lexical.wasted(collection)
        return wasted > _WASTE_LEAST and wasted > _WASTE * self.lexical.count(collection)

    def vectors_wasteful(self, collections: Sequence[str]) -> bool:
        """The same of the Chroma view, which is built anew as a whole; False if it is not ours."""
        chroma = self.chroma()
        if chroma is None:
            return False
        wasted = sum(chroma.wasted(each) for each in collections)
        held = sum(chroma.count(each) for each in collections)
        return wasted > _WASTE_LEAST and wasted > _WASTE * held

    def sweep(self, collections: Sequence[str]) -> None:
        """Remove files of the lexical view that are in no use, where no other process writes."""
        for name in collections:
            with self._wording:
                lock = self.lexical.lock(name)
                if lock.acquire():
                    try:
                        self.lexical.sweep(name)
                    finally:
                        lock.release()

    def nearest(self, collection: str, query: Vector, limit: int) -> tuple[list[Scored], set[str]]:
        """Candidates by cosine, best first, and where they came from ("chroma", "exact")."""
        with self._guard:
            found, base = self._from_chroma(collection, query, limit)
            self._exact.start_from(collection, base)
            try:
                self._replay_vectors(self._exact, collection, None)
            except _Overtaken:
                self._exact.drop(collection)
                self._fill(collection, self._vectors_into(self._exact, collection))
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
        """Candidates and the generation that they are of at least; 0 if Chroma cannot help."""
        chroma = self.chroma()
        if chroma is None:
            return [], 0
        with self._catalogue.read() as connection:
            floor = changelog.floor(connection, collection)
        try:
            generation = chroma.generation(collection)  # first: the view may move on meanwhile
            if not generation or generation < floor:
                return [], 0
            return chroma.search(collection, query, limit), generation
        except ViewDamaged as damage:
            self._renewed(chroma, damage)
            return [], 0

    def _renewed(
        self, broken: ChromaVectors | None, damage: ViewDamaged | None = None
    ) -> ChromaVectors | None:
        """A new, empty Chroma view in place of `broken`, unless another thread has made one."""
        if damage is not None:
            log.warning(
                "%s Rebuilding the Chroma view from the catalogue, without embedding.", damage
            )
        with self._guard:
            if broken is not None and self._chroma is broken:
                broken.discard()
                self._chroma = None
            return self.chroma()

    def _level_words(self, collection: str, progress: Progress | None) -> None:
        try:
            since = self.lexical.generation(collection)
            self._replay(collection, since, self._words_into(collection), "words", progress)
        except _Overtaken:
            self._fill_words(collection, progress)

    def _fill_words(self, collection: str, progress: Progress | None) -> None:
        self._filling.add(collection)
        try:
            self.lexical.drop(collection)
            self._fill(collection, self._words_into(collection), "words", progress)
        finally:
            self._filling.discard(collection)

    def _level_vectors(
        self, chroma: ChromaVectors | None, collection: str, progress: Progress | None
    ) -> bool:
        """Whether the view is level now; False if this process may not open it."""
        if chroma is None:
            return False
        try:
            self._replay_vectors(chroma, collection, progress)
        except _Overtaken:
            if chroma.generation(collection) or chroma.count(collection):
                chroma = self._renewed(chroma)  # what it held must be gone from its files
            if chroma is None:
                return False
            self._fill(collection, self._vectors_into(chroma, collection), "vectors", progress)
        return True

    def _replay_vectors(
        self, store: VectorStore, collection: str, progress: Progress | None
    ) -> None:
        into = self._vectors_into(store, collection)
        self._replay(collection, store.generation(collection), into, "vectors", progress)

    def _words_into(self, collection: str) -> _Apply:
        def apply(connection: sa.Connection, touched: Sequence[str], generation: int) -> None:
            rows = feeding.text_rows(connection, collection, touched)
            self.lexical.apply(collection, touched, rows, generation)

        return apply

    def _vectors_into(self, store: VectorStore, collection: str) -> _Apply:
        def apply(connection: sa.Connection, touched: Sequence[str], generation: int) -> None:
            rows = feeding.vector_rows(connection, collection, touched, self._dimensions)
            store.apply(collection, touched, rows, generation)

        return apply

    def _replay(
        self, collection: str, since: int, apply: _Apply, view: str, progress: Progress | None
    ) -> None:
        """Go through the change log after `since`. Raises `_Overtaken`."""
        done = 0
        while True:
            with self._catalogue.read() as connection:
                if since < changelog.floor(connection, collection):
                    raise _Overtaken
                log_lines = feeding.changes_since(connection, collection, since, _CHANGES_AT_ONCE)
                if not log_lines:
                    return
                named = sorted({line.document_id for line in log_lines})
                sizes = feeding.chunk_counts(connection, collection, named)
                lines = first_lines(log_lines, sizes)
                touched = sorted({line.document_id for line in lines if line.operation in _CONTENT})
                since = lines[-1].generation
                apply(connection, touched, since)
                done += sum(sizes.get(each, 0) for each in touched)
            if progress is not None:
                progress(f"{view} of {collection}", done)

    def _fill(
        self,
        collection: str,
        apply: _Apply,
        view: str = "",
        progress: Progress | None = None,
    ) -> None:
        """Put all current documents into a view that is empty."""
        with self._catalogue.read() as connection:
            level = reading.generation(connection, collection)
            sizes = feeding.current_sizes(connection, collection)
        done = 0
        for piece in pieces(sizes):
            with self._catalogue.read() as connection:
                apply(connection, [document for document, _size in piece], 0)
            done += sum(size for _document, size in piece)
            if progress is not None:
                progress(f"{view} of {collection}", done)
        with self._catalogue.read() as connection:
            apply(connection, [], level)


def first_lines(lines: Sequence[Change], sizes: dict[str, int]) -> Sequence[Change]:
    """As many of `lines` as stay within one batch of chunks; at least one."""
    held = 0
    for count, line in enumerate(lines):
        held += sizes.get(line.document_id, 0)
        if held > _CHUNKS_AT_ONCE and count:
            return lines[:count]
    return lines


def pieces(sizes: Sequence[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    """Documents and their numbers of chunks in batches of one to `_CHUNKS_AT_ONCE` chunks."""
    piece: list[tuple[str, int]] = []
    held = 0
    for document, size in sizes:
        if piece and (held + size > _CHUNKS_AT_ONCE or len(piece) == _CHANGES_AT_ONCE):
            yield piece
            piece, held = [], 0
        piece.append((document, size))
        held += size
    if piece:
        yield piece
