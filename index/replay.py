"""Replaying the change log into a view, and filling one from the documents.

Catching up means: forget every document that a line names, hold those of them that are on the
view's shelf now. That is right in any order and any number of times, so a crash, two processes or
a deletion between two steps can only repeat work. It is also the whole rule of what moves a
document from one shelf to the other: each shelf reads the same lines and looks where it stands.

A view that the log no longer leads to (`index.changelog.floor`) is thrown away and filled from the
documents; until the last step of that its generation is 0, so that half of it is never taken for
the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import sqlalchemy as sa

from index import changelog, feeding, reading
from index.catalogue import Catalogue
from index.catching import Notes
from index.document import Shelf
from index.records import Change, Operation

Progress = Callable[[str, int], None]  # what is caught up, chunks done so far
Apply = Callable[[sa.Connection, Sequence[str], int], None]  # documents touched, generation

CHANGES_AT_ONCE = 1_000
CHUNKS_AT_ONCE = 4_000
WASTE = 0.20  # deleted entries beside one that is held
WASTE_LEAST = 200

# What changes a document's vectors on a shelf: whether it is there, and what it was cut into.
VECTORS = frozenset(Operation) - {
    Operation.LINK,
    Operation.UNLINK,
    Operation.MOVE,
    Operation.PURGE,
}
# Words also hold what names the document: its source may change with each of these.
WORDS = VECTORS | {Operation.MOVE, Operation.UNLINK}
# A current document that is only described anew stays on its shelf; among those that are not
# current it may mean that a draft has been withdrawn, which then is on the shelf of the past.
_STAYS = {Shelf.CURRENT: frozenset({Operation.DESCRIBE}), Shelf.PAST: frozenset[Operation]()}


class Overtaken(Exception):
    """The change log begins after the generation that a view has reached."""


@dataclass(frozen=True, slots=True)
class Target:
    """One view of one collection, and how it is written to."""

    view: str  # "words" or "vectors"
    collection: str
    apply: Apply
    operations: frozenset[Operation]


class Replayer:
    """Brings views of one shelf of a catalogue up to date. May be called from several threads."""

    def __init__(self, catalogue: Catalogue, shelf: Shelf, notes: Notes) -> None:
        self._catalogue = catalogue
        self._shelf = shelf
        self._notes = notes

    def missing(self, collection: str, since: int) -> int:
        """How many chunks a view that has reached `since` must take in to be level."""
        statuses = self._shelf.statuses
        with self._catalogue.read() as connection:
            if not since or since < changelog.floor(connection, collection):
                return feeding.size(connection, collection, statuses)
            return feeding.size_since(connection, collection, since, statuses)

    def replay(self, target: Target, since: int, progress: Progress | None) -> None:
        """Go through the change log after `since`. Raises `Overtaken`."""
        name = target.collection
        with self._catalogue.read() as connection:
            if since < changelog.floor(connection, name):
                raise Overtaken
            if reading.generation(connection, name) <= since:
                return
            total = feeding.size_since(connection, name, since, self._shelf.statuses)
        operations = target.operations - _STAYS[self._shelf]
        with self._told(target, total, progress) as tell:
            while True:
                with self._catalogue.read() as connection:
                    if since < changelog.floor(connection, name):
                        raise Overtaken
                    step = self._step(connection, name, since)
                    if step is None:
                        return
                    lines, count = step
                    since = lines[-1].generation
                    touched = feeding.touched(connection, name, lines, operations)
                    target.apply(connection, touched, since)
                tell(count)

    def _step(
        self, connection: sa.Connection, collection: str, since: int
    ) -> tuple[Sequence[Change], int] | None:
        """The next lines of the log, as many as one batch takes, and their chunks; None: level."""
        lines = feeding.changes_since(connection, collection, since, CHANGES_AT_ONCE)
        if not lines:
            return None
        named = sorted({line.document_id for line in lines})
        sizes = feeding.chunk_counts(connection, collection, named, self._shelf.statuses)
        taken = first_lines(lines, sizes)
        return taken, sum(sizes.get(each, 0) for each in {line.document_id for line in taken})

    def fill(self, target: Target, progress: Progress | None) -> None:
        """Put all documents of the shelf into a view that is empty, in the order of the rows."""
        with self._catalogue.read() as connection:
            level = reading.generation(connection, target.collection)
            sizes = feeding.sizes(connection, target.collection, self._shelf.statuses)
        with self._told(target, sum(size for _, size in sizes), progress) as tell:
            for piece in pieces(sizes):
                with self._catalogue.read() as connection:
                    target.apply(connection, [document for document, _size in piece], 0)
                tell(sum(size for _document, size in piece))
            with self._catalogue.read() as connection:
                target.apply(connection, [], level)

    @contextmanager
    def _told(
        self, target: Target, total: int, progress: Progress | None
    ) -> Iterator[Callable[[int], None]]:
        """Counts chunks, for whoever waits in this process and for others to read.

        What one batch settles is not noted for others: it would be gone before anyone looks.
        """
        what, done = f"{target.view} of {target.collection}", 0
        long = total > CHUNKS_AT_ONCE
        note = self._notes.note(target.view, target.collection, total) if long else nullcontext()
        with note as noted:

            def tell(count: int) -> None:
                nonlocal done
                done += count
                if noted is not None:
                    noted(done)
                if progress is not None:
                    progress(what, done)

            yield tell


def wasteful(wasted: int, held: int) -> bool:
    """Whether a view carries so much that is deleted that filling it anew pays."""
    return wasted > WASTE_LEAST and wasted > WASTE * held


def first_lines(lines: Sequence[Change], sizes: dict[str, int]) -> Sequence[Change]:
    """As many of `lines` as stay within one batch of chunks; at least one."""
    held = 0
    for count, line in enumerate(lines):
        held += sizes.get(line.document_id, 0)
        if held > CHUNKS_AT_ONCE and count:
            return lines[:count]
    return lines


def pieces(sizes: Sequence[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    """Documents and their numbers of chunks in batches of one to `CHUNKS_AT_ONCE` chunks."""
    piece: list[tuple[str, int]] = []
    held = 0
    for document, size in sizes:
        if piece and (held + size > CHUNKS_AT_ONCE or len(piece) == CHANGES_AT_ONCE):
            yield piece
            piece, held = [], 0
        piece.append((document, size))
        held += size
    if piece:
        yield piece
