"""The sources of an index: which files were met, how each attempt ended, and what they hold now.

For ingestion, which acts for no asker: nothing here takes a scope.
"""

from __future__ import annotations

from index import journal, moving, reading, writing
from index.intake import storable
from index.journal import SourceFile
from index.lookup import Lookup
from index.records import SourceState


class Sources(Lookup):
    """What the journal of a catalogue tells and is told."""

    def source_state(self, collection: str, source: str) -> SourceState | None:
        """What the journal knows of a source; None if nothing."""
        with self._catalogue.read() as connection:
            found = reading.source_states(connection, collection, storable(source))
        return found[0] if found else None

    def sources(self, collection: str) -> list[SourceState]:
        """The journal of a collection, by source."""
        with self._catalogue.read() as connection:
            return reading.source_states(connection, collection)

    def sources_under(self, prefix: str) -> list[SourceState]:
        """The journal of all collections for a path: that file, or all below that folder.

        `prefix` is an absolute path. Sources come by collection and name.
        """
        with self._catalogue.read() as connection:
            return reading.states_under(connection, storable(prefix))

    def record_failure(
        self,
        collection: str,
        source: str,
        path: str,
        size: int,
        mtime_ns: int,
        reason: str,
        *,
        failure: str = "",
        digest: str = "",
        container: str = "",
        declared: str = "",
        limit: int = 3,
    ) -> SourceState:
        """Journal a failed attempt; what the source held before stays searchable.

        `reason` is a sentence and `failure` its code. At `limit` attempts with the same `digest`
        the source is quarantined; other bytes begin to count at 1. Where one of two attempts
        could not read the bytes, the same size and time stand for the same bytes.

        Raises:
            UnknownCollection: there is no such collection.
        """
        file = source_file(collection, source, path, size, mtime_ns, digest, container, declared)
        with self._catalogue.write() as connection:
            journal.record_failure(connection, file, storable(reason), failure, limit)
            return reading.source_states(connection, collection, file.source)[0]

    def touch_source(
        self,
        collection: str,
        source: str,
        path: str,
        size: int,
        mtime_ns: int,
        *,
        digest: str = "",
        declared: str = "",
    ) -> None:
        """Journal that a source's bytes are what they were; "" leaves what was noted before.

        Raises:
            NotFound: the source holds no document and is no container.
        """
        file = source_file(collection, source, path, size, mtime_ns, digest, "", declared)
        with self._catalogue.write() as connection:
            journal.touch(connection, file)

    def hold_container(
        self,
        collection: str,
        source: str,
        path: str,
        size: int,
        mtime_ns: int,
        digest: str,
        splitter: str,
        *,
        container: str = "",
        declared: str = "",
    ) -> None:
        """Journal an archive or a file of records: no document, its parts are sources.

        A document that the source held before is superseded. `container` is that of an archive
        within another.

        Raises:
            UnknownCollection: there is no such collection.
        """
        file = source_file(collection, source, path, size, mtime_ns, digest, container, declared)
        with self._catalogue.write() as connection:
            writing.hold_container(connection, file, splitter)

    def release(self, collection: str, source: str) -> SourceState:
        """Let the next run try a quarantined source again; its failures no longer count.

        Raises:
            NotFound: there is no such source, or it has not failed.
        """
        with self._catalogue.write() as connection:
            journal.release(connection, collection, storable(source))
            return reading.source_states(connection, collection, storable(source))[0]

    def move_source(
        self, collection: str, old: str, new: str, path: str, size: int, mtime_ns: int
    ) -> None:
        """Give a source another name and path: its versions, its parts and who names it follow.

        Raises:
            NotFound: there is no source `old`.
            SourceTaken: `new`, or a part's new name, holds a document or is a container.
        """
        file = source_file(collection, new, path, size, mtime_ns)
        with self._catalogue.write() as connection:
            moving.move(connection, storable(old), file)


def source_file(
    collection: str,
    source: str,
    path: str,
    size: int,
    mtime_ns: int,
    digest: str = "",
    container: str = "",
    declared: str = "",
) -> SourceFile:
    return SourceFile(
        collection,
        storable(source),
        storable(path),
        size,
        mtime_ns,
        digest,
        storable(container),
        declared,
    )
