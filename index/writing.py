"""What can be done to the catalogue inside one transaction, and what it means.

Rules of versions: a source (a path, or a JSONL record's id) holds one current document. New bytes
at a source make a new version; the old one is superseded once no source holds it. Two sources
with the same bytes share one document. Bytes that were superseded and come back are current
again. Every effect is one line of the change log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
import sqlalchemy as sa
from sqlalchemy import bindparam, delete, insert, select, update

from index import boxes, reading
from index.document import Document, Status
from index.errors import EmbedderMismatch, NotFound, UnknownCollection
from index.records import NewDocument, Operation, SourceStatus
from index.schema import changes, chunks, collections, documents, grants, meta, pages, sources
from index.schema import vectors as vector_table

_Row: TypeAlias = sa.Row[*tuple[Any, ...]]

# Built once: every document being put needs these, and building costs more than running them.
_COLLECTION = select(collections.c.name).where(collections.c.name == bindparam("name"))
_AT_SOURCE = sa.and_(
    sources.c.collection == bindparam("at_collection"), sources.c.source == bindparam("at_source")
)
_SOURCE = select(sources).where(_AT_SOURCE)
_FORGET_SOURCE = delete(sources).where(_AT_SOURCE)
_HOLDERS = (
    select(sources)
    .where(sources.c.document_key == bindparam("key"), sources.c.source != bindparam("but"))
    .order_by(sources.c.source)
)
_CHUNK_KEYS = (
    select(chunks.c.key).where(chunks.c.document_key == bindparam("key")).order_by(chunks.c.ordinal)
)
_INSERT_DOCUMENT = insert(documents).returning(documents.c.key)
_INSERT_SOURCE = insert(sources)
_INSERT_PAGES = insert(pages)
_INSERT_CHUNKS = insert(chunks)
_INSERT_VECTORS = insert(vector_table)
_INSERT_CHANGE = insert(changes)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """Where bytes were found: the key of a source and what the journal keeps of its file."""

    collection: str
    source: str
    path: str
    size: int  # bytes
    mtime_ns: int


def now() -> str:
    """The present as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def pin(connection: sa.Connection, embedder: str, dimensions: int) -> None:
    """Bind the catalogue to an embedder when its first vectors are stored.

    Raises:
        EmbedderMismatch: it is bound to another one.
    """
    pinned = reading.meta_value(connection, "embedder")
    if pinned and pinned != embedder:
        raise EmbedderMismatch(pinned, embedder)
    if not pinned:
        facts = [
            {"key": "embedder", "value": embedder},
            {"key": "dimensions", "value": str(dimensions)},
        ]
        connection.execute(insert(meta), facts)


def ensure_collection(connection: sa.Connection, name: str, groups: frozenset[str]) -> None:
    """Create the collection if need be and grant it to `groups` besides those it has."""
    known = {each.name: each for each in reading.all_collections(connection)}
    if name not in known:
        connection.execute(insert(collections), {"name": name})
    new = groups - (known[name].groups if name in known else frozenset())
    if new:
        connection.execute(
            insert(grants), [{"collection": name, "group": group} for group in sorted(new)]
        )


def revoke(connection: sa.Connection, name: str, groups: frozenset[str]) -> None:
    """Take the collection from `groups`."""
    connection.execute(
        delete(grants).where(grants.c.collection == name, grants.c.group.in_(sorted(groups)))
    )


def put(connection: sa.Connection, new: NewDocument) -> Document:
    """Make `new` the current document of its source.

    Raises:
        UnknownCollection: its collection does not exist.
    """
    _require_collection(connection, new.collection)
    key = reading.document_key(connection, new.collection, new.id)
    if key is None:
        key = _insert_document(connection, new)
    else:  # the same bytes, read or cut anew: another source holds them, or they come back
        connection.execute(delete(chunks).where(chunks.c.document_key == key))
        connection.execute(delete(pages).where(pages.c.document_key == key))
        connection.execute(update(documents).where(documents.c.key == key).values(_columns(new)))
    _insert_parts(connection, key, new)
    file = SourceFile(new.collection, new.source, new.path, new.size, new.mtime_ns)
    return _hold(connection, file, key, Operation.ADD)


def link(connection: sa.Connection, file: SourceFile, document_id: str) -> Document:
    """Make a document that the collection already has the current one of another source.

    Raises:
        NotFound: the collection does not have it.
    """
    key = reading.document_key(connection, file.collection, document_id)
    if key is None:
        raise NotFound("document")
    current = reading.document_at(connection, key).status is Status.CURRENT
    return _hold(connection, file, key, Operation.LINK if current else Operation.ADD)


def _hold(connection: sa.Connection, file: SourceFile, key: int, operation: Operation) -> Document:
    """Let the source hold the document, supersede what it held, and log both."""
    before = _source_row(connection, file.collection, file.source)
    old_key = before.document_key if before is not None else None
    versions = (before.versions if before is not None else 0) + (old_key != key)
    _write_source(connection, file, document_key=key, versions=versions)
    if old_key is not None and old_key != key:
        _let_go(connection, old_key, file.source, Operation.SUPERSEDE)
    if operation is Operation.ADD:
        others = _holders(connection, key, but=file.source)
        values: dict[str, Any] = {"status": Status.CURRENT.value}
        if not others:
            values |= {"source": file.source, "version": versions}
        connection.execute(update(documents).where(documents.c.key == key).values(values))
    document = reading.document_at(connection, key)
    _log(connection, operation, document, file.source)
    return document


def _let_go(connection: sa.Connection, key: int, source: str, operation: Operation) -> None:
    """`source` no longer holds the document: nobody does, or the next holder gives its name."""
    document = reading.document_at(connection, key)
    holders = _holders(connection, key, but=source)
    if holders:
        if document.source == source:
            heir = holders[0]
            connection.execute(
                update(documents)
                .where(documents.c.key == key)
                .values(source=heir.source, version=heir.versions)
            )
        _log(connection, Operation.UNLINK, document, source)
        return
    if operation is Operation.SUPERSEDE:
        connection.execute(
            update(documents)
            .where(documents.c.key == key)
            .values(status=Status.SUPERSEDED.value, source=source)
        )
    else:
        connection.execute(delete(documents).where(documents.c.key == key))
    _log(connection, operation, document, source)


def remove(connection: sa.Connection, collection: str, source: str) -> Document | None:
    """Forget a source: its document, unless another source holds it, and its old versions.

    Returns:
        The document that the source held; None if there is no such source or it held none.
    """
    row = _source_row(connection, collection, source)
    if row is None:
        return None
    _forget_source(connection, collection, source)
    document = None
    if row.document_key is not None:
        document = reading.document_at(connection, row.document_key)
        _let_go(connection, row.document_key, source, Operation.REMOVE)
    old = select(documents.c.key).where(
        documents.c.collection == collection,
        documents.c.source == source,
        documents.c.status == Status.SUPERSEDED.value,
    )
    for key in connection.execute(old).scalars().all():
        version = reading.document_at(connection, key)
        connection.execute(delete(documents).where(documents.c.key == key))
        _log(connection, Operation.REMOVE, version, source)
    return document


def record_failure(connection: sa.Connection, file: SourceFile, reason: str) -> None:
    """Journal a failed attempt. What the source held before stays current and searchable."""
    _require_collection(connection, file.collection)
    before = _source_row(connection, file.collection, file.source)
    _write_source(
        connection,
        file,
        document_key=before.document_key if before is not None else None,
        versions=before.versions if before is not None else 0,
        status=SourceStatus.FAILED,
        attempts=(before.attempts if before is not None else 0) + 1,
        error=reason,
    )


def touch(connection: sa.Connection, file: SourceFile) -> None:
    """Journal that the bytes of a source are unchanged though its file's name or time is not.

    Raises:
        NotFound: the source holds no document.
    """
    before = _source_row(connection, file.collection, file.source)
    if before is None or before.document_key is None:
        raise NotFound("source")
    _write_source(connection, file, document_key=before.document_key, versions=before.versions)


def mark_recorded(connection: sa.Connection, generations: list[int]) -> None:
    """Note that the audit records of these changes are written."""
    for piece in reading.in_pieces(generations):
        connection.execute(
            update(changes).where(changes.c.generation.in_(piece)).values(recorded=True)
        )


def _require_collection(connection: sa.Connection, name: str) -> None:
    if connection.execute(_COLLECTION, {"name": name}).scalar() is None:
        raise UnknownCollection(name)


def _source_row(connection: sa.Connection, collection: str, source: str) -> _Row | None:
    values = {"at_collection": collection, "at_source": source}
    return connection.execute(_SOURCE, values).first()


def _forget_source(connection: sa.Connection, collection: str, source: str) -> None:
    values = {"at_collection": collection, "at_source": source}
    connection.execute(_FORGET_SOURCE, values)


def _holders(connection: sa.Connection, key: int, but: str) -> list[_Row]:
    return list(connection.execute(_HOLDERS, {"key": key, "but": but}))


def _write_source(
    connection: sa.Connection,
    file: SourceFile,
    *,
    document_key: int | None,
    versions: int,
    status: SourceStatus = SourceStatus.INDEXED,
    attempts: int = 0,
    error: str = "",
) -> None:
    _forget_source(connection, file.collection, file.source)
    connection.execute(
        _INSERT_SOURCE,
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
        },
    )


def _columns(new: NewDocument) -> dict[str, Any]:
    """What the bytes and their reading say of a document; nothing of where they were found."""
    return {
        "title": new.title,
        "media_type": new.media_type,
        "pages": len(new.pages),
        "chunks": len(new.chunks),
        "added_at": now(),
        "effective_from": new.declared.effective_from,
        "effective_to": new.declared.effective_to,
        "metadata": dict(new.metadata),
        "splitter": new.splitter,
    }


def _insert_document(connection: sa.Connection, new: NewDocument) -> int:
    values = _columns(new) | {
        "id": new.id,
        "collection": new.collection,
        "source": new.source,
        "version": 1,
        "status": Status.CURRENT.value,
    }
    key: int = connection.execute(_INSERT_DOCUMENT, values).scalar_one()
    return key


def _insert_parts(connection: sa.Connection, key: int, new: NewDocument) -> None:
    if new.pages:
        connection.execute(
            _INSERT_PAGES,
            [
                {
                    "document_key": key,
                    "number": page.number,
                    "label": page.label,
                    "text": page.text,
                    "width": page.width,
                    "height": page.height,
                    "boxes": boxes.pack(page.boxes),
                }
                for page in new.pages
            ],
        )
    if not new.chunks:
        return
    connection.execute(
        _INSERT_CHUNKS,
        [
            {
                "id": chunk.id,
                "document_key": key,
                "ordinal": ordinal,
                "page": chunk.page,
                "start": chunk.start,
                "end": chunk.end,
                "heading_path": list(chunk.heading_path),
            }
            for ordinal, chunk in enumerate(new.chunks)
        ],
    )
    keys = connection.execute(_CHUNK_KEYS, {"key": key}).scalars()
    halves = new.vectors.astype("<f2")
    connection.execute(
        _INSERT_VECTORS,
        [
            {"chunk_key": chunk_key, "vector": np.ascontiguousarray(half).tobytes()}
            for chunk_key, half in zip(keys, halves, strict=True)
        ],
    )


def _log(connection: sa.Connection, operation: Operation, document: Document, source: str) -> None:
    connection.execute(
        _INSERT_CHANGE,
        {
            "collection": document.collection,
            "operation": operation.value,
            "document_id": document.id,
            "source": source,
            "version": document.version,
            "at": now(),
            "recorded": False,
        },
    )
