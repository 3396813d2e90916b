"""The ingestion journal: what is known of every source, a line each.

A source is a path below the folder it came from, a part of such a file, or a record's id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import bindparam, delete, insert, select, update

from index import changelog, reading
from index.errors import NotFound, UnknownCollection
from index.records import SourceStatus
from index.schema import collections, sources

_Row: TypeAlias = sa.Row[*tuple[Any, ...]]

# Built once: every document being put needs these, and building costs more than running them.
_COLLECTION = select(collections.c.name).where(collections.c.name == bindparam("name"))
_AT_SOURCE = sa.and_(
    sources.c.collection == bindparam("at_collection"), sources.c.source == bindparam("at_source")
)
_SOURCE = select(sources).where(_AT_SOURCE)
_FORGET = delete(sources).where(_AT_SOURCE)
_HOLDERS = (
    select(sources)
    .where(sources.c.document_key == bindparam("key"), sources.c.source != bindparam("but"))
    .order_by(sources.c.source)
)
_INSERT = insert(sources)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """Where bytes were found: the key of a source and what the journal keeps of its file."""

    collection: str
    source: str
    path: str
    size: int  # bytes
    mtime_ns: int
    digest: str = ""  # hex SHA-256 of the bytes, "" if they were not read
    container: str = ""  # the source that this one is a part of
    declared: str = ""  # digest of what was declared


def require_collection(connection: sa.Connection, name: str) -> None:
    """Raise `UnknownCollection` unless the collection exists."""
    if connection.execute(_COLLECTION, {"name": name}).scalar() is None:
        raise UnknownCollection(name)


def line(connection: sa.Connection, collection: str, source: str) -> _Row | None:
    """The journal's row of a source; None if there is none."""
    values = {"at_collection": collection, "at_source": source}
    return connection.execute(_SOURCE, values).first()


def holders(connection: sa.Connection, key: int, but: str = "") -> list[_Row]:
    """The rows of the sources that hold a document, by source, `but` left out."""
    return list(connection.execute(_HOLDERS, {"key": key, "but": but}))


def write(
    connection: sa.Connection,
    file: SourceFile,
    *,
    document_key: int | None,
    versions: int,
    status: SourceStatus = SourceStatus.INDEXED,
    attempts: int = 0,
    error: str = "",
    failure: str = "",
    splitter: str = "",
) -> None:
    """Write the line of a source in place of the one before."""
    connection.execute(_FORGET, {"at_collection": file.collection, "at_source": file.source})
    connection.execute(
        _INSERT,
        {
            "collection": file.collection,
            "source": file.source,
            "document_key": document_key,
            "path": file.path,
            "size": file.size,
            "mtime_ns": file.mtime_ns,
            "status": status.value,
            "attempts": attempts,
            "error": error,
            "versions": versions,
            "digest": file.digest,
            "failure": failure,
            "container": file.container,
            "declared": file.declared,
            "splitter": splitter,
            "at": changelog.now(),
        },
    )


def forget(connection: sa.Connection, collection: str, names: Sequence[str]) -> None:
    """Take the lines of these sources out."""
    for piece in reading.in_pieces(names):
        connection.execute(
            delete(sources).where(sources.c.collection == collection, sources.c.source.in_(piece))
        )


def record_failure(
    connection: sa.Connection, file: SourceFile, reason: str, failure: str, limit: int
) -> None:
    """Journal a failed attempt. What the source held before stays as it is.

    At `limit` attempts with the same bytes the source is quarantined; other bytes begin at 1.
    """
    require_collection(connection, file.collection)
    before = line(connection, file.collection, file.source)
    same = before is not None and _same_bytes(before, file)
    attempts = (before.attempts if before is not None and same else 0) + 1
    quarantined = attempts >= limit
    write(
        connection,
        file,
        document_key=before.document_key if before is not None else None,
        versions=before.versions if before is not None else 0,
        status=SourceStatus.QUARANTINED if quarantined else SourceStatus.FAILED,
        attempts=attempts,
        error=reason,
        failure=failure,
        splitter=before.splitter if before is not None else "",
    )


def _same_bytes(before: _Row, file: SourceFile) -> bool:
    """Whether the last attempt saw these bytes; if one of them was not read, this size and time."""
    if bool(before.digest) == bool(file.digest):
        return bool(before.digest == file.digest)
    return bool((before.size, before.mtime_ns) == (file.size, file.mtime_ns))


def touch(connection: sa.Connection, file: SourceFile) -> None:
    """Journal that the bytes of a source are unchanged though its file's name or time is not.

    What `file` leaves empty stays as it was noted before.

    Raises:
        NotFound: the source holds no document and is no container.
    """
    before = line(connection, file.collection, file.source)
    container = before is not None and before.status == SourceStatus.CONTAINER
    if before is None or (before.document_key is None and not container):
        raise NotFound("source")
    known = before.digest
    if before.document_key is not None:
        known = reading.document_at(connection, before.document_key).id
    unchanged = SourceFile(
        file.collection,
        file.source,
        file.path,
        file.size,
        file.mtime_ns,
        digest=file.digest or known,
        container=file.container or before.container,
        declared=file.declared or before.declared,
    )
    write(
        connection,
        unchanged,
        document_key=before.document_key,
        versions=before.versions,
        status=SourceStatus.CONTAINER if container else SourceStatus.INDEXED,
        splitter=before.splitter,
    )


def release(connection: sa.Connection, collection: str, source: str) -> None:
    """Let the next run try a quarantined or failed source as if it never had been.

    Raises:
        NotFound: the last attempt at the source did not fail, or there is no such source.
    """
    before = line(connection, collection, source)
    failed = (SourceStatus.QUARANTINED, SourceStatus.FAILED)
    if before is None or before.status not in failed:
        raise NotFound("failed or quarantined source")
    connection.execute(
        update(sources)
        .where(sources.c.collection == collection, sources.c.source == source)
        .values(status=SourceStatus.FAILED.value, attempts=0)
    )


def with_parts(connection: sa.Connection, collection: str, names: Sequence[str]) -> list[_Row]:
    """The rows of these sources and of all that are parts of them, at any depth, by source."""
    found = {row.source: row for row in _rows(connection, collection, sources.c.source, names)}
    wanted = sorted(set(names))
    while wanted:
        parts = _rows(connection, collection, sources.c.container, wanted)
        new = {row.source: row for row in parts if row.source not in found}
        found |= new
        wanted = sorted(new)
    return [found[name] for name in sorted(found)]


def _rows(
    connection: sa.Connection, collection: str, column: sa.Column[str], values: Sequence[str]
) -> list[_Row]:
    return [
        row
        for piece in reading.in_pieces([value for value in values if value])
        for row in connection.execute(
            select(sources).where(sources.c.collection == collection, column.in_(piece))
        )
    ]
