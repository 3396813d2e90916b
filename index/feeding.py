"""What the views are fed with: the change log and the rows it leads to. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import sqlalchemy as sa
from sqlalchemy import bindparam, select

from index.context import searchable_text
from index.document import Status
from index.ports import TextRow, VectorRows
from index.reading import CHUNK_QUERY, change_of, chunk_of, chunks_of, in_pieces, pages_of
from index.records import Change, Reusable, Vectors
from index.schema import changes, chunks, documents
from index.schema import vectors as vector_table

_Row: TypeAlias = sa.Row[*tuple[Any, ...]]
_VECTORS_AT = select(vector_table).where(
    vector_table.c.chunk_key.in_(bindparam("keys", expanding=True))
)


def changes_since(
    connection: sa.Connection, collection: str, since: int, limit: int
) -> list[Change]:
    """At most `limit` lines of the collection's change log after generation `since`, in order."""
    query = (
        select(changes)
        .where(changes.c.collection == collection, changes.c.generation > since)
        .order_by(changes.c.generation)
        .limit(limit)
    )
    return [change_of(row) for row in connection.execute(query)]


def lag(connection: sa.Connection, collection: str, since: int) -> int:
    """How many lines of the collection's change log come after generation `since`."""
    query = select(sa.func.count()).where(
        changes.c.collection == collection, changes.c.generation > since
    )
    return connection.execute(query).scalar_one()


def current_sizes(connection: sa.Connection, collection: str) -> list[tuple[str, int]]:
    """The documents that are searched in a collection and how many chunks each has."""
    query = (
        select(documents.c.id, documents.c.chunks)
        .where(documents.c.collection == collection, documents.c.status == Status.CURRENT.value)
        .order_by(documents.c.key)
    )
    return [(row.id, row.chunks) for row in connection.execute(query)]


def chunk_counts(
    connection: sa.Connection, collection: str, document_ids: Sequence[str]
) -> dict[str, int]:
    """How many chunks each of the documents has that the collection still knows."""
    found: dict[str, int] = {}
    for piece in in_pieces(document_ids):
        query = select(documents.c.id, documents.c.chunks).where(
            documents.c.collection == collection, documents.c.id.in_(piece)
        )
        found.update((row.id, row.chunks) for row in connection.execute(query))
    return found


def current_chunk_ids(connection: sa.Connection, collection: str) -> set[str]:
    """The ids of all chunks that are searched in a collection."""
    query = (
        select(chunks.c.id)
        .join(documents, documents.c.key == chunks.c.document_key)
        .where(documents.c.collection == collection, documents.c.status == Status.CURRENT.value)
    )
    return set(connection.execute(query).scalars())


def text_rows(
    connection: sa.Connection, collection: str, document_ids: Sequence[str]
) -> list[TextRow]:
    """What the lexical view holds of those of `document_ids` that are current."""
    found: list[TextRow] = []
    for piece in in_pieces(document_ids):
        query = CHUNK_QUERY.add_columns(documents.c.title).where(
            documents.c.id.in_(piece),
            documents.c.collection == collection,
            documents.c.status == Status.CURRENT.value,
        )
        found.extend(
            TextRow(row.id, row.document_id, searchable_text(row.title, chunk_of(row)))
            for row in connection.execute(query)
        )
    return found


def vector_rows(
    connection: sa.Connection, collection: str, document_ids: Sequence[str] | None, dimensions: int
) -> VectorRows:
    """What the vector view holds of those of `document_ids` (None: all) that are current."""
    query = (
        select(chunks.c.id, documents.c.id.label("document_id"), vector_table.c.vector)
        .join(documents, documents.c.key == chunks.c.document_key)
        .join(vector_table, vector_table.c.chunk_key == chunks.c.key)
        .where(documents.c.collection == collection, documents.c.status == Status.CURRENT.value)
    )
    rows: list[_Row] = []
    if document_ids is None:
        rows.extend(connection.execute(query))
    else:
        for piece in in_pieces(document_ids):
            rows.extend(connection.execute(query.where(documents.c.id.in_(piece))))
    return VectorRows(
        chunks=tuple(row.id for row in rows),
        documents=tuple(row.document_id for row in rows),
        vectors=unpacked([row.vector for row in rows], dimensions),
    )


def vectors_at(
    connection: sa.Connection, keys: Sequence[int], dimensions: int
) -> tuple[list[int], Vectors]:
    """The chunk rows of `keys` and their vectors, float32 (n, dimensions)."""
    rows = [
        row for piece in in_pieces(keys) for row in connection.execute(_VECTORS_AT, {"keys": piece})
    ]
    return [row.chunk_key for row in rows], unpacked([row.vector for row in rows], dimensions)


def reusable(connection: sa.Connection, key: int, dimensions: int) -> Reusable:
    """Pages, chunks and vectors of a document's row, each in order."""
    query = (
        select(vector_table.c.vector)
        .join(chunks, chunks.c.key == vector_table.c.chunk_key)
        .where(chunks.c.document_key == key)
        .order_by(chunks.c.ordinal)
    )
    return Reusable(
        tuple(pages_of(connection, key)),
        tuple(chunks_of(connection, key)),
        unpacked(list(connection.execute(query).scalars()), dimensions),
    )


def unpacked(blobs: Sequence[bytes], dimensions: int) -> Vectors:
    """Unit vectors, float32 (n, dimensions), from rows of little-endian float16."""
    flat = np.frombuffer(b"".join(blobs), dtype="<f2")
    rows = flat.reshape(len(blobs), dimensions).astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)  # float16 is off by up to 0.0005
    unit: Vectors = rows / lengths
    return unit
