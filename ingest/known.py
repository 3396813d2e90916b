"""What the journal knows, as a run asks for it: by source, by path, by bytes, by container.

A run into the collection it was asked for also owns what the files' own facts sent elsewhere: the
journal's note of the declared facts then ends with "<" and the collection that was asked for, so
that a later run finds it there again and can say that it is gone. Held in memory: about a
kilobyte a source.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence

from index.records import SourceState, SourceStatus
from ingest.chunk import SPLITTER
from ingest.errors import Failure

UNREADABLE_FACTS = "?"
"""Stands for the digest of sidecars that cannot be understood; no digest of any."""

_SENT = "<"


def note(facts: str, collection: str, asked: str) -> str:
    """The journal's note for a source of `collection` whose sidecars have the digest `facts`."""
    return facts if collection == asked else f"{facts}{_SENT}{asked}"


def facts_of(state: SourceState) -> str:
    """The digest of the sidecars at the last attempt."""
    return state.declared.partition(_SENT)[0]


def home_of(state: SourceState) -> str:
    """The collection that was asked for when a source was put where it is."""
    return state.declared.partition(_SENT)[2] or state.collection


def belongs(state: SourceState, asked: str) -> bool:
    """Whether a source was put where it is by runs into the collection `asked`."""
    return home_of(state) == asked


def is_current(state: SourceState | None, digest: str) -> bool:
    """Whether a source holds a document of these bytes, cut as this version cuts."""
    return state is not None and state.document_id == digest and state.splitter == SPLITTER


def is_container(state: SourceState | None, digest: str) -> bool:
    """Whether a source is an archive or a file of records of these bytes, all passed on."""
    return (
        state is not None
        and state.status is SourceStatus.CONTAINER
        and state.digest == digest
        and state.splitter == SPLITTER
    )


def is_of(state: SourceState, path: str, size: int, mtime_ns: int) -> bool:
    """Whether a file has the place, size and time that the journal noted."""
    return (state.path, state.size, state.mtime_ns) == (path, size, mtime_ns)


def file_level(states: Iterable[SourceState]) -> dict[str, SourceState]:
    """For each path on disk the source that is the file itself, not a part of it.

    Several at one path and no container among them are the records of a file that was taken in
    before containers were noted; such a file is not known, so that it is read anew.
    """
    found: dict[str, SourceState | None] = {}
    for state in states:
        if state.container:
            continue
        before = found.get(state.path, state)
        if state.status is SourceStatus.CONTAINER or before is state:
            found[state.path] = state
        elif before is not None and before.status is not SourceStatus.CONTAINER:
            found[state.path] = None
    return {path: state for path, state in found.items() if state is not None}


class KnownSources:
    """The journal of the collections that a run touches; `load` reads one when it is first
    needed. For several threads.
    """

    def __init__(
        self,
        asked: str,
        load: Callable[[str], Sequence[SourceState]],
        below: Iterable[SourceState] = (),
    ) -> None:
        self._asked = asked
        self._load = load
        self._lock = threading.RLock()
        self._loaded: set[str] = set()
        self._named: dict[tuple[str, str], SourceState] = {}
        self._at: dict[str, SourceState] = {}
        self._parts: dict[tuple[str, str], list[SourceState]] = {}
        self._holders: dict[tuple[str, str], list[SourceState]] = {}
        self._left: set[tuple[str, str]] = set()
        self._index(asked, [*load(asked), *below])
        for name in {each.collection for each in self._named.values()} - {asked}:
            self._ensure(name)

    def _ensure(self, collection: str) -> None:
        with self._lock:
            if collection not in self._loaded:
                self._index(collection, self._load(collection))

    def _index(self, collection: str, states: Sequence[SourceState]) -> None:
        self._loaded.add(collection)
        new = {(each.collection, each.source): each for each in states}
        for key, state in new.items():
            if key in self._named:
                continue
            self._named[key] = state
            if state.container:
                self._parts.setdefault((state.collection, state.container), []).append(state)
            if state.document_id and state.splitter == SPLITTER:
                self._holders.setdefault((state.collection, state.document_id), []).append(state)
            elif is_container(state, state.digest):
                self._holders.setdefault((state.collection, state.digest), []).append(state)
        family = (each for each in self._named.values() if belongs(each, self._asked))
        self._at = file_level(family)

    def named(self, collection: str, source: str) -> SourceState | None:
        """The source of this name."""
        self._ensure(collection)
        return self._named.get((collection, source))

    def at(self, path: str) -> SourceState | None:
        """The source that the file at this path is, in whichever collection."""
        return self._at.get(path)

    def interrupted(self) -> dict[str, int]:
        """How often runs were killed with a file or a part of it, by path on disk."""
        found: dict[str, int] = {}
        for state in self._named.values():
            if state.failure == Failure.INTERRUPTED:
                found[state.path] = max(state.attempts, found.get(state.path, 0))
        return found

    def parts(self, collection: str, source: str) -> tuple[SourceState, ...]:
        """The parts of a container, and theirs."""
        self._ensure(collection)
        found: list[SourceState] = []
        waiting = [source]
        while waiting:
            inner = self._parts.get((collection, waiting.pop()), ())
            found.extend(inner)
            waiting.extend(each.source for each in inner)
        return tuple(found)

    def holds(self, collection: str, digest: str) -> bool:
        """Whether a document of these bytes is there."""
        return self.holder(collection, digest) is not None

    def holder(self, collection: str, digest: str) -> SourceState | None:
        """A source that holds a document of these bytes."""
        self._ensure(collection)
        holders = self._holders.get((collection, digest), ())
        return next((each for each in holders if each.document_id == digest), None)

    def has_parts(self, collection: str, digest: str) -> bool:
        """Whether these bytes are known to hold other files."""
        holders = self._holders.get((collection, digest), ())
        return any(self._parts.get((collection, each.source)) for each in holders)

    def gone(self, collection: str, digest: str) -> SourceState | None:
        """A source of these bytes whose file is no longer there: it has moved. Told once."""
        self._ensure(collection)
        with self._lock:
            for state in self._holders.get((collection, digest), ()):
                key = (collection, state.source)
                if state.container or key in self._left or self.at(state.path) is not state:
                    continue
                if not os.path.lexists(state.path):
                    self._left.add(key)
                    return state
        return None
