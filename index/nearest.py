"""The vectors of one shelf, wherever they are searched, decided by size alone.

A large collection is kept in a store with files (Chroma); a small one is compared exactly in
memory and written nowhere, since it is read from the catalogue faster than a store is opened.
Between the two limits a collection stays where it is, so that one that grows and shrinks a little
is not carried to and fro.

What the store does not have yet is compared exactly as well: in memory while it is little, else
in one pass over the catalogue, which takes seconds for a million vectors and no memory. So a
question is never kept waiting until a view is level.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import sqlalchemy as sa

from index import changelog, feeding, reading
from index.catalogue import Catalogue
from index.document import Shelf
from index.errors import ViewDamaged, ViewUnavailable
from index.exact import ExactVectors, nearest_rows, ranked
from index.persistent import PersistentVectors
from index.ports import Scored, VectorStore
from index.records import Vector
from index.replay import VECTORS, Overtaken, Progress, Replayer, Target, wasteful

log = logging.getLogger(__name__)

# Chunks from which a collection is kept in Chroma. Measured at 50,000 of 384 dimensions, on one
# core: compared exactly in 2.2 ms after 0.3 s of reading them, once; found by Chroma in 2.3 ms
# after 0.7 s of loading it.
LARGE = 50_000
SMALL = LARGE // 2  # chunks below which it is taken out again
_READ_AT_ONCE = 10_000  # vectors of the catalogue in memory at once

Opener = Callable[[], PersistentVectors | None]


class Nearest:
    """The vector view. May be called from several threads.

    `open_store` gives the store if this process may open it now; None stands for "never".
    `stored` tells, without opening anything, whether the store has any files at all.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        dimensions: int,
        open_store: Opener | None,
        stored: Callable[[], bool],
        replayer: Replayer,
        shelf: Shelf,
    ) -> None:
        self._catalogue = catalogue
        self._dimensions = dimensions
        self._open_store = open_store
        self._stored = stored
        self._replayer = replayer
        self._statuses = shelf.statuses
        self._store: PersistentVectors | None = None
        self._exact = ExactVectors(dimensions)
        self._guard = threading.RLock()  # which store is open
        self._held: dict[str, threading.RLock] = {}  # while a collection is read into memory
        self._placing = threading.RLock()  # held while the store is written

    @property
    def persistent(self) -> bool:
        """Whether vectors may be kept in a store, by this process or another."""
        return self._open_store is not None

    def store(self) -> PersistentVectors | None:
        """The store if this process holds it or can get it now."""
        with self._guard:
            if self._store is None and self._open_store is not None:
                self._store = self._open_store()
            return self._store

    def holds(self, collection: str) -> bool:
        """Whether this process has the store open with something of the collection in it."""
        store = self.store()
        with suppress(ViewUnavailable):
            return store is not None and store.holds(collection)
        return False

    def reached(self, collection: str) -> int | None:
        """The generation of the store; None if this process may not open it.

        A small collection is in no store and level at any time.
        """
        if self._open_store is None:
            return None
        store = self.store()
        if store is None and self._stored():
            return None
        try:
            if store is not None and store.holds(collection):
                return store.generation(collection)
        except ViewDamaged:
            return 0
        except ViewUnavailable:
            return None
        with self._catalogue.read() as connection:
            if feeding.size(connection, collection, self._statuses) >= LARGE:
                return None if store is None else 0
            return reading.generation(connection, collection)

    def refresh(self, collection: str, progress: Progress | None = None) -> bool:
        """Bring the store up to date, or the collection into it or out of it.

        Returns:
            Whether the view is level; False if another process holds the store.
        """
        with self._placing:
            store = self.store()
            if store is None:
                return self.persistent and not self._stored()
            with self._writing(store, collection) as may:
                if not may:
                    return False
                try:
                    return self._level(store, collection, progress)
                except ViewDamaged as damage:
                    return self._level(self._renewed(store, damage), collection, progress)
        return False

    def rebuild(self, collections: Sequence[str]) -> bool:
        """Throw the whole store away and build it anew, of these collections first."""
        with self._placing:
            held = self.store()
            store = self._renewed(held)
            if store is None:
                return False
            done = True
            for each in collections:
                if self._size(each) >= LARGE:
                    filled = False
                    with self._writing(store, each) as may:
                        if may:
                            self._replayer.fill(self._target(store, each), None)
                            filled = True
                    done = done and filled
            return done

    def wasteful(self, collections: Sequence[str]) -> bool:
        """Whether the store carries so much that is deleted that building it anew pays."""
        store = self.store()
        if store is None:
            return False
        with suppress(ViewUnavailable):
            return self._wasteful(store, collections)
        return False

    @staticmethod
    def _wasteful(store: PersistentVectors, collections: Sequence[str]) -> bool:
        held = [each for each in collections if store.holds(each)]
        wasted = sum(store.wasted(each) for each in held)
        return wasteful(wasted, sum(store.count(each) for each in held))

    def search(self, collection: str, query: Vector, limit: int) -> tuple[list[Scored], set[str]]:
        """Candidates by cosine, best first, and where they came from: the store's name, "exact"."""
        with self._catalogue.read() as connection:
            level = reading.generation(connection, collection)
            floor = changelog.floor(connection, collection)
        store = self.store()
        found, base = self._from_store(store, collection, query, limit, floor)
        places = {store.name} if store is not None and base else set()
        if base and base >= level:
            return ranked(found, limit), places
        newer = self._newer(collection, base, level, query, limit)
        if newer is None:
            return self._in_one_pass(collection, query, limit), {"exact"}
        if newer or not base:
            places.add("exact")
        # A chunk that both hold has been put again: what the catalogue says now is right.
        best = {each.chunk: each for each in (*found, *newer)}
        return ranked(best.values(), limit), places

    def close(self) -> None:
        """Close the store and let go of its lock."""
        with self._guard:
            self._exact.close()
            if self._store is not None:
                self._store.close()
                self._store = None

    def _from_store(
        self,
        store: PersistentVectors | None,
        collection: str,
        query: Vector,
        limit: int,
        floor: int,
    ) -> tuple[list[Scored], int]:
        """Candidates and the generation that they are of at least; 0 if there is no help."""
        if store is None:
            return [], 0
        try:
            generation = store.generation(collection)  # first: the view may move on meanwhile
            if not generation or generation < floor:
                return [], 0
            return store.search(collection, query, limit), generation
        except ViewDamaged as damage:
            self._renewed(store, damage)
            return [], 0
        except ViewUnavailable as failure:
            log.warning("%s", failure)
            return [], 0

    def _newer(
        self, collection: str, base: int, level: int, query: Vector, limit: int
    ) -> list[Scored] | None:
        """The best of what came after generation `base`; None if that is too much to hold."""
        with self._guard:
            held = self._held.setdefault(collection, threading.RLock())
        with held:  # of its own: no question waits for a collection that it is not put to
            self._exact.start_from(collection, base)
            reached = self._exact.generation(collection)
            if reached < level:
                count = self._exact.count(collection) if reached else 0
                if not self._exact.fits(count + self._replayer.missing(collection, reached)):
                    self._exact.drop(collection)
                    return None
                self._catch_up(collection, reached)
            return self._exact.search(collection, query, limit)

    def _catch_up(self, collection: str, reached: int) -> None:
        """Read what is missing in memory from the catalogue."""
        if reached:
            try:
                target = self._target(self._exact, collection)
                self._replayer.replay(target, reached, None)
                return
            except Overtaken:
                pass
        with self._catalogue.read() as connection:
            level = reading.generation(connection, collection)
            self._exact.fill(
                collection,
                feeding.all_vectors(
                    connection, collection, self._statuses, self._dimensions, _READ_AT_ONCE
                ),
                level,
            )

    def _in_one_pass(self, collection: str, query: Vector, limit: int) -> list[Scored]:
        with self._catalogue.read() as connection:
            rows = feeding.all_vectors(
                connection, collection, self._statuses, self._dimensions, _READ_AT_ONCE
            )
            return nearest_rows(rows, query, limit)

    @contextmanager
    def _writing(self, store: PersistentVectors, collection: str) -> Iterator[bool]:
        """While this lasts no other process writes; False if one does, or there is no server."""
        lock = store.lock(collection)
        try:
            may = lock.acquire()
        except ViewUnavailable as failure:
            log.warning("%s", failure)
            may = False
        try:
            yield may
        except ViewUnavailable as failure:
            log.warning("%s", failure)
        finally:
            lock.release()

    def _renewed(
        self, broken: PersistentVectors | None, damage: ViewDamaged | None = None
    ) -> PersistentVectors | None:
        """A new, empty store in place of `broken`, unless another thread has made one."""
        if damage is not None and broken is not None:
            log.warning(
                "%s Rebuilding the %s view from the catalogue, without embedding.",
                damage,
                broken.name,
            )
        with self._guard:
            if broken is not None and self._store is broken:
                broken.discard()
                self._store = None
            return self.store()

    def _level(
        self, store: PersistentVectors | None, collection: str, progress: Progress | None
    ) -> bool:
        """Whether the view is level now; False if this process may not open the store."""
        if store is None:
            return False
        size, held = self._size(collection), store.holds(collection)
        if size < (SMALL if held else LARGE):
            if held:
                self._take_out(store, collection)
            return True
        target = self._target(store, collection)
        try:
            # From the log, not by a fill, while it is whole: what is done then survives a kill.
            since = store.generation(collection) if held else 0
            self._replayer.replay(target, since, progress)
        except Overtaken:
            if held:  # what it held must be gone from its files
                return self._level(self._renewed(store), collection, progress)
            self._replayer.fill(target, progress)
        return True

    def _take_out(self, store: PersistentVectors, collection: str) -> None:
        """Keep a collection in the store no longer; the last one takes the files with it."""
        if store.names() == [collection]:
            self._renewed(store)
        else:
            store.drop(collection)

    def _size(self, collection: str) -> int:
        with self._catalogue.read() as connection:
            return feeding.size(connection, collection, self._statuses)

    def _target(self, store: VectorStore, collection: str) -> Target:
        def apply(connection: sa.Connection, touched: Sequence[str], generation: int) -> None:
            rows = feeding.vector_rows(
                connection, collection, touched, self._statuses, self._dimensions
            )
            store.apply(collection, touched, rows, generation)

        return Target("vectors", collection, apply, VECTORS)
