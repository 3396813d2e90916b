"""What the views are fed with: the change log and the rows it leads to. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import sqlalchemy as sa
from sqlalchemy import bindparam, select

from index.context import naming, worded
from index.document import Status
from index.ports import TextRow, VectorRows
from index.reading import CHUNK_QUERY, change_of, chunk_of, chunks_of, in_pieces, pages_of
from index.records import Change, Operation, Reusable, Vectors
from index.schema import changes, chunks, documents, pages
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


def _on_shelf(collection: str, statuses: Collection[Status]) -> sa.ColumnElement[bool]:
    """Documents of a collection that have one of `statuses`."""
    return sa.and_(
        documents.c.collection == collection,
        documents.c.status.in_(sorted(each.value for each in statuses)),
    )


def sizes(
    connection: sa.Connection, collection: str, statuses: Collection[Status]
) -> list[tuple[str, int]]:
    """The documents of a shelf and how many chunks each has, in the order they were put."""
    query = (
        select(documents.c.id, documents.c.chunks)
        .where(_on_shelf(collection, statuses))
        .order_by(documents.c.key)
    )
    return [(row.id, row.chunks) for row in connection.execute(query)]


def size(connection: sa.Connection, collection: str, statuses: Collection[Status]) -> int:
    """How many chunks a shelf has."""
    query = select(sa.func.sum(documents.c.chunks)).where(_on_shelf(collection, statuses))
    return connection.execute(query).scalar() or 0


def size_since(
    connection: sa.Connection, collection: str, since: int, statuses: Collection[Status]
) -> int:
    """How many chunks those documents of a shelf have that the log names after `since`."""
    named = select(changes.c.document_id).where(
        changes.c.collection == collection, changes.c.generation > since
    )
    query = select(sa.func.sum(documents.c.chunks)).where(
        _on_shelf(collection, statuses), documents.c.id.in_(named)
    )
    return connection.execute(query).scalar() or 0


def chunk_counts(
    connection: sa.Connection,
    collection: str,
    document_ids: Sequence[str],
    statuses: Collection[Status],
) -> dict[str, int]:
    """How many chunks each of the documents has that are on the shelf."""
    found: dict[str, int] = {}
    for piece in in_pieces(document_ids):
        query = select(documents.c.id, documents.c.chunks).where(
            _on_shelf(collection, statuses), documents.c.id.in_(piece)
        )
        found.update((row.id, row.chunks) for row in connection.execute(query))
    return found


def touched(
    connection: sa.Connection,
    collection: str,
    lines: Sequence[Change],
    operations: Collection[Operation],
) -> list[str]:
    """The ids of the documents that those of `lines` with one of `operations` concern, sorted.

    A line names one document; that a source was moved concerns all the versions it ever held.
    """
    concerned = [line for line in lines if line.operation in operations]
    found = {line.document_id for line in concerned}
    moved = {line.source for line in concerned if line.operation is Operation.MOVE}
    for piece in in_pieces(sorted(moved)):
        query = select(documents.c.id).where(
            documents.c.collection == collection, documents.c.source.in_(piece)
        )
        found.update(connection.execute(query).scalars())
    return sorted(found)


def chunk_ids(connection: sa.Connection, collection: str, statuses: Collection[Status]) -> set[str]:
    """The ids of all chunks of a shelf."""
    query = (
        select(chunks.c.id)
        .join(documents, documents.c.key == chunks.c.document_key)
        .where(_on_shelf(collection, statuses))
    )
    return set(connection.execute(query).scalars())


def text_rows(
    connection: sa.Connection,
    collection: str,
    document_ids: Sequence[str],
    statuses: Collection[Status],
) -> list[TextRow]:
    """What the lexical view holds of those of `document_ids` that are on the shelf."""
    return _texts(connection, collection, documents.c.id, document_ids, statuses)


def texts_named(
    connection: sa.Connection, collection: str, wanted: Sequence[str], statuses: Collection[Status]
) -> list[TextRow]:
    """What the lexical view must hold of those chunks of a shelf whose ids are `wanted`."""
    return _texts(connection, collection, chunks.c.id, wanted, statuses)


def _texts(
    connection: sa.Connection,
    collection: str,
    column: sa.Column[str],
    wanted: Sequence[str],
    statuses: Collection[Status],
) -> list[TextRow]:
    found: list[TextRow] = []
    query = CHUNK_QUERY.add_columns(documents.c.title, documents.c.source)
    for piece in in_pieces(wanted):
        rows = connection.execute(
            query.where(column.in_(piece), _on_shelf(collection, statuses))
        ).all()
        owners = sorted({row.document_id for row in rows})
        openings = _openings(connection, collection, owners)
        found.extend(
            TextRow(
                row.id,
                row.document_id,
                worded(chunk_of(row)),
                naming(row.title, row.source, openings.get(row.document_id, "")),
            )
            for row in rows
        )
    return found


def _openings(
    connection: sa.Connection, collection: str, document_ids: Sequence[str]
) -> dict[str, str]:
    """The first page of each document that has several: of a single page it is the content."""
    query = (
        select(documents.c.id, pages.c.text)
        .join(pages, sa.and_(pages.c.document_key == documents.c.key, pages.c.number == 1))
        .where(
            documents.c.collection == collection,
            documents.c.id.in_(document_ids),
            documents.c.pages > 1,
        )
    )
    return {row.id: row.text for row in connection.execute(query)}


def _vectors_of(collection: str, statuses: Collection[Status]) -> sa.Select[Any]:
    return (
        select(chunks.c.id, documents.c.id.label("document_id"), vector_table.c.vector)
        .select_from(documents)
        .join(chunks, chunks.c.document_key == documents.c.key)
        .join(vector_table, vector_table.c.chunk_key == chunks.c.key)
        .where(_on_shelf(collection, statuses))
    )


def vector_rows(
    connection: sa.Connection,
    collection: str,
    document_ids: Sequence[str],
    statuses: Collection[Status],
    dimensions: int,
) -> VectorRows:
    """What the vector view holds of those of `document_ids` that are on the shelf."""
    rows: list[_Row] = []
    query = _vectors_of(collection, statuses)
    for piece in in_pieces(document_ids):
        rows.extend(connection.execute(query.where(documents.c.id.in_(piece))))
    return _as_vectors(rows, dimensions)


def all_vectors(
    connection: sa.Connection,
    collection: str,
    statuses: Collection[Status],
    dimensions: int,
    at_once: int,
) -> Iterator[VectorRows]:
    """What the vector view holds of a whole shelf, in pieces of `at_once` chunks."""
    query = _vectors_of(collection, statuses).execution_options(yield_per=at_once)
    with connection.execute(query) as found:
        for rows in found.partitions():
            yield _as_vectors(rows, dimensions)


def _as_vectors(rows: Sequence[_Row], dimensions: int) -> VectorRows:
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
        (key, vector)
        for piece in in_pieces(keys)
        for key, vector in connection.execute(_VECTORS_AT, {"keys": piece}).all()
    ]
    return [key for key, _vector in rows], unpacked([vector for _key, vector in rows], dimensions)


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
