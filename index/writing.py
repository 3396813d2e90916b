"""What can be done to the catalogue inside one transaction, and what it means.

Rules of versions: a source (a path, or a JSONL record's id) holds one document. New bytes at a
source make a new version; the old one is superseded once no source holds it. Two sources with the
same bytes share one document, and what either of them declares last holds for both. Bytes that
were superseded and come back stand again as they declare (`index.standing`). Every effect is one
line of the change log.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import bindparam, delete, insert, select, update

from index import boxes, changelog, journal, reading
from index.completeness import to_json
from index.document import Document, Status
from index.errors import EmbedderMismatch, NotFound
from index.journal import SourceFile
from index.records import Declared, NewDocument, Operation, SourceStatus
from index.schema import chunks, collections, documents, grants, meta, pages, sources
from index.schema import vectors as vector_table
from index.standing import settled

# Built once: every document being put needs these, and building costs more than running them.
_CHUNK_KEYS = (
    select(chunks.c.key).where(chunks.c.document_key == bindparam("key")).order_by(chunks.c.ordinal)
)
_INSERT_DOCUMENT = insert(documents).returning(documents.c.key)
_INSERT_PAGES = insert(pages)
_INSERT_CHUNKS = insert(chunks)
_INSERT_VECTORS = insert(vector_table)


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


def put_all(connection: sa.Connection, new: Sequence[NewDocument]) -> list[Document]:
    """Let each of `new` be what its source holds.

    Raises:
        UnknownCollection: a collection does not exist.
    """
    names = sorted({each.collection for each in new})
    for name in names:
        journal.require_collection(connection, name)
    with ExitStack() as stack:
        touched = {name: stack.enter_context(settled(connection, name)) for name in names}
        keys = [_put(connection, each, touched[each.collection]) for each in new]
    held = reading.documents_at(connection, keys)
    return [held[key] for key in keys]


def _put(connection: sa.Connection, new: NewDocument, touched: set[int]) -> int:
    key = reading.document_key(connection, new.collection, new.id)
    if key is None:
        key = _insert_document(connection, new)
    else:  # the same bytes, read or cut anew: another source holds them, or they come back
        connection.execute(delete(chunks).where(chunks.c.document_key == key))
        connection.execute(delete(pages).where(pages.c.document_key == key))
        connection.execute(update(documents).where(documents.c.key == key).values(_columns(new)))
    _insert_parts(connection, key, new)
    file = SourceFile(
        new.collection,
        new.source,
        new.path,
        new.size,
        new.mtime_ns,
        digest=new.id,
        container=new.parent,
        declared=new.declared.digest,
    )
    _hold(connection, file, key, Operation.ADD, touched)
    return key


def link(connection: sa.Connection, file: SourceFile, document_id: str) -> Document:
    """Let another source hold a document that the collection already has.

    Raises:
        NotFound: the collection does not have it.
    """
    key = reading.document_key(connection, file.collection, document_id)
    if key is None:
        raise NotFound("document")
    held = bool(journal.holders(connection, key))
    with settled(connection, file.collection) as touched:
        operation = Operation.LINK if held else Operation.ADD
        _hold(connection, replace(file, digest=document_id), key, operation, touched)
    return reading.document_at(connection, key)


def _hold(
    connection: sa.Connection,
    file: SourceFile,
    key: int,
    operation: Operation,
    touched: set[int],
) -> None:
    """Let the source hold the document, supersede what it held, and log both."""
    before = journal.line(connection, file.collection, file.source)
    old_key = before.document_key if before is not None else None
    versions = (before.versions if before is not None else 0) + (old_key != key)
    journal.write(connection, file, document_key=key, versions=versions)
    touched.add(key)
    if old_key is not None and old_key != key:
        let_go(connection, old_key, file.source)
        touched.add(old_key)
    if operation is Operation.ADD:
        values: dict[str, Any] = {"status": documents.c.declared_status}
        if not journal.holders(connection, key, but=file.source):
            values |= {"source": file.source, "version": versions, "parent": file.container}
        connection.execute(update(documents).where(documents.c.key == key).values(values))
    document = reading.document_at(connection, key)
    changelog.add(connection, operation, document, file.source)


def let_go(connection: sa.Connection, key: int, source: str) -> None:
    """`source` no longer holds the document: it is superseded, or the next holder names it."""
    document = reading.document_at(connection, key)
    others = journal.holders(connection, key, but=source)
    if others:
        if document.source == source:
            heir = others[0]
            connection.execute(
                update(documents)
                .where(documents.c.key == key)
                .values(source=heir.source, version=heir.versions, parent=heir.container)
            )
        changelog.add(connection, Operation.UNLINK, document, source)
        return
    connection.execute(
        update(documents)
        .where(documents.c.key == key)
        .values(status=Status.SUPERSEDED.value, source=source)
    )
    changelog.add(connection, Operation.SUPERSEDE, document, source)


def hold_container(connection: sa.Connection, file: SourceFile, splitter: str) -> None:
    """Journal a source that is no document itself; what it held before is superseded.

    Raises:
        UnknownCollection: there is no such collection.
    """
    journal.require_collection(connection, file.collection)
    before = journal.line(connection, file.collection, file.source)
    with settled(connection, file.collection) as touched:
        journal.write(
            connection,
            file,
            document_key=None,
            versions=before.versions if before is not None else 0,
            status=SourceStatus.CONTAINER,
            splitter=splitter,
        )
        if before is not None and before.document_key is not None:
            let_go(connection, before.document_key, file.source)
            touched.add(before.document_key)


def describe(
    connection: sa.Connection, collection: str, source: str, declared: Declared
) -> Document:
    """Give the document that a source holds other dates, status and supersession.

    Raises:
        NotFound: the source holds no document.
    """
    row = journal.line(connection, collection, source)
    if row is None or row.document_key is None:
        raise NotFound("source with a document")
    mine = documents.c.key == row.document_key
    facts = _facts(declared)
    columns = [documents.c[name] for name in facts]
    before = connection.execute(select(documents.c.status, *columns).where(mine)).one()
    with settled(connection, collection) as touched:
        connection.execute(update(documents).where(mine).values(facts))
        connection.execute(
            update(sources)
            .where(sources.c.collection == collection, sources.c.source == source)
            .values(declared=declared.digest)
        )
        touched.add(row.document_key)
    document = reading.document_at(connection, row.document_key)
    changed = any(getattr(before, name) != value for name, value in facts.items())
    if changed and before.status == document.status:
        changelog.add(connection, Operation.DESCRIBE, document, source)
    return document


def _facts(declared: Declared) -> dict[str, Any]:
    """The columns that hold what was declared."""
    return {
        "effective_from": declared.effective_from,
        "effective_to": declared.effective_to,
        "declared_status": declared.status.value,
        "supersedes": list(declared.supersedes) or None,
        "declared": declared.digest,
    }


def _columns(new: NewDocument) -> dict[str, Any]:
    """What the bytes and their reading say of a document; nothing of where they were found."""
    return {
        "title": new.title,
        "media_type": new.media_type,
        "pages": len(new.pages),
        "chunks": len(new.chunks),
        "added_at": changelog.now(),
        "metadata": dict(new.metadata),
        "splitter": new.splitter,
        "completeness": None if new.completeness is None else to_json(new.completeness),
        "complete": None if new.completeness is None else new.completeness.complete,
        **_facts(new.declared),
    }


def _insert_document(connection: sa.Connection, new: NewDocument) -> int:
    values = _columns(new) | {
        "id": new.id,
        "collection": new.collection,
        "source": new.source,
        "version": 1,
        "status": new.declared.status.value,
        "parent": new.parent,
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
                    "method": page.method.value,
                    "confidence": page.confidence,
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
