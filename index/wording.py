"""The lexical view of one shelf: kept level with the catalogue, and searched in whatever state.

A question brings it up to date only when that is quick (`freshen`); anything longer is for
`refresh`, which a server does beside answering and a command at its end. Searching goes on
meanwhile, in as much as the view holds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress

import sqlalchemy as sa

from index import feeding
from index.document import Shelf
from index.errors import ViewDamaged
from index.ports import LexicalStore, Scored, Worded
from index.replay import WORDS, Overtaken, Progress, Replayer, Target, wasteful

log = logging.getLogger(__name__)

AT_ONCE = 2_000  # chunks that a question may wait for: one to three seconds
_WANTED = -1  # the generation of a view that a question has asked for and nobody has filled yet


class Words:
    """The lexical view. May be called from several threads."""

    def __init__(self, lexical: LexicalStore, replayer: Replayer, shelf: Shelf) -> None:
        self._lexical = lexical
        self._replayer = replayer
        self._shelf = shelf
        self._guard = threading.Lock()
        self._locks: dict[str, threading.RLock] = {}
        self._filling: set[str] = set()  # collections that are being filled from nothing

    def _writing(self, collection: str) -> threading.RLock:
        """Held while the view of one collection is written. One for all would let the filling of
        a collection that an asker may not know of keep their question waiting."""
        with self._guard:
            return self._locks.setdefault(collection, threading.RLock())

    def begun(self, collection: str) -> bool:
        """Whether the view has anything of a collection, be it damaged or half of it, or a
        question has asked for it."""
        try:
            return self._lexical.generation(collection) != 0 or self._lexical.count(collection) > 0
        except ViewDamaged:
            return True

    def reached(self, collection: str) -> int:
        """The view's generation; 0 if it is damaged or empty, which asks for a refresh."""
        try:
            return max(0, self._lexical.generation(collection))
        except ViewDamaged:
            return 0

    def freshen(self, collection: str) -> bool:
        """Bring the view up to date if that is quick; whether the view is level now.

        If it is not, the next `refresh` of any process knows that it is wanted.
        """
        missing = self._replayer.missing(collection, self.reached(collection))
        if missing <= AT_ONCE:
            return self.refresh(collection)
        log.warning(
            "The words of %d passages in collection %s are not searched yet; a refresh of the "
            "search views is needed (`cloister ingest verify` does one).",
            missing,
            collection,
        )
        if not self.begun(collection):
            self._ask_for(collection)
        return False

    def refresh(self, collection: str, progress: Progress | None = None) -> bool:
        """Bring the view up to date, unless another process is at it (then False).

        Nor does it wait while another thread fills a view from nothing, which may take long.
        """
        if collection in self._filling:
            return False
        with self._writing(collection):
            lock = self._lexical.lock(collection)
            if not lock.acquire():
                return False
            try:
                self._level(collection, progress)
            except ViewDamaged as damage:
                log.warning("%s Rebuilding it for collection %s.", damage, collection)
                self._lexical.drop(collection)
                self._level(collection, progress)
            finally:
                lock.release()
            return True

    def rebuild(self, collection: str) -> bool:
        """Throw the view of a collection away and build it from the catalogue."""
        with self._writing(collection):
            lock = self._lexical.lock(collection)
            if not lock.acquire():
                return False
            try:
                self._fill(collection, None)
            finally:
                lock.release()
            return True

    def search(self, collection: str, question: str, limit: int) -> list[Scored]:
        """Candidates by BM25; a damaged view is rebuilt first if that is quick, else later."""
        with suppress(ViewDamaged):
            return self._lexical.search(collection, question, limit)
        if collection in self._filling:
            return []
        with self._writing(collection):  # or another thread is building it anew just now
            try:
                return self._lexical.search(collection, question, limit)
            except ViewDamaged as damage:
                log.warning("%s", damage)
                quick = self._replayer.missing(collection, 0) <= AT_ONCE
                if quick and self.rebuild(collection):
                    return self._lexical.search(collection, question, limit)
        return []

    def weigh(self, collection: str, question: str, chunks: Sequence[str]) -> dict[str, Worded]:
        """What the words of those of `chunks` that the view holds are worth; none if damaged."""
        with suppress(ViewDamaged):
            return self._lexical.weigh(collection, question, chunks)
        return {}

    def wasteful(self, collection: str) -> bool:
        """Whether the view carries so much that is deleted that building it anew pays."""
        return wasteful(self._lexical.wasted(collection), self._lexical.count(collection))

    def sweep(self, collections: Sequence[str]) -> None:
        """Remove files that are in no use, where no other process writes."""
        for name in collections:
            with self._writing(name):
                lock = self._lexical.lock(name)
                if lock.acquire():
                    try:
                        self._lexical.sweep(name)
                    finally:
                        lock.release()

    def _ask_for(self, collection: str) -> None:
        """Leave an empty view, unless another process is writing one."""
        with self._writing(collection):
            lock = self._lexical.lock(collection)
            if not lock.acquire():
                return
            try:
                if not self.begun(collection):
                    with suppress(ViewDamaged):  # then the next question asks for it again
                        self._lexical.apply(collection, [], [], _WANTED)
            finally:
                lock.release()

    def _level(self, collection: str, progress: Progress | None) -> None:
        since = self._lexical.generation(collection)
        try:
            self._replayer.replay(self._target(collection), since, progress)
        except Overtaken:
            self._fill(collection, progress)

    def _fill(self, collection: str, progress: Progress | None) -> None:
        self._filling.add(collection)
        try:
            self._lexical.drop(collection)
            self._replayer.fill(self._target(collection), progress)
        finally:
            self._filling.discard(collection)

    def _target(self, collection: str) -> Target:
        statuses = self._shelf.statuses

        def apply(connection: sa.Connection, touched: Sequence[str], generation: int) -> None:
            rows = feeding.text_rows(connection, collection, touched, statuses)
            self._lexical.apply(collection, touched, rows, generation)

        return Target("words", collection, apply, WORDS)
