"""What can be asked of the catalogue inside one transaction. Nothing here changes anything.

Functions that tell about documents take a `Scope`; those that take none serve ingestion, the
views and verification, which act for no asker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy import bindparam, func, select

from index import boxes
from index.completeness import of_json
from index.document import Chunk, Collection, Document, Method, Page, Scope, Status
from index.records import (
    Change,
    Operation,
    SourceState,
    SourceStatus,
)
from index.schema import changes, chunks, collections, documents, grants, meta, pages, sources

if TYPE_CHECKING:
    from index.effective import InForce

_AT_ONCE = 500  # values in one IN list: far under SQLite's limit, and few statements to compile
_T = TypeVar("_T")
_Row: TypeAlias = sa.Row[*tuple[Any, ...]]

_DOCUMENT = (
    documents.c.id,
    documents.c.collection,
    documents.c.source,
    documents.c.title,
    documents.c.media_type,
    documents.c.version,
    documents.c.status,
    documents.c.pages,
    documents.c.chunks,
    documents.c.added_at,
    documents.c.effective_from,
    documents.c.effective_to,
    documents.c.metadata,
    documents.c.parent,
    documents.c.supersedes,
    documents.c.completeness,
)

# Built once: every search or commit asks these, and building costs more than asking.
_KEY_OF = select(documents.c.key).where(
    documents.c.collection == bindparam("collection"), documents.c.id == bindparam("id")
)
_DOCUMENTS_AT = select(documents.c.key, *_DOCUMENT).where(
    documents.c.key.in_(bindparam("keys", expanding=True))
)
_CHUNKS_NAMED = select(chunks.c.id, chunks.c.key, chunks.c.document_key).where(
    chunks.c.id.in_(bindparam("ids", expanding=True))
)
_STATUS_AMONG = select(documents.c.key, documents.c.status, documents.c.collection).where(
    documents.c.key.in_(bindparam("keys", expanding=True))
)
_DOCUMENT_AT = select(*_DOCUMENT).where(documents.c.key == bindparam("key"))


def in_pieces(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """`items` in pieces that fit one IN list."""
    return (items[first : first + _AT_ONCE] for first in range(0, len(items), _AT_ONCE))


def _document(row: _Row) -> Document:
    return Document(
        id=row.id,
        collection=row.collection,
        source=row.source,
        title=row.title,
        media_type=row.media_type,
        version=row.version,
        status=Status(row.status),
        pages=row.pages,
        chunks=row.chunks,
        added_at=row.added_at,
        effective_from=row.effective_from,
        effective_to=row.effective_to,
        metadata=row.metadata,
        parent=row.parent,
        supersedes=tuple(row.supersedes or ()),
        completeness=None if row.completeness is None else of_json(row.completeness),
    )


def meta_value(connection: sa.Connection, key: str) -> str:
    """One fact of the table `meta`, empty if it is not there."""
    return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar() or ""


def all_collections(connection: sa.Connection) -> list[Collection]:
    """Every collection with its groups, by name."""
    groups: dict[str, set[str]] = {
        name: set()
        for name in connection.execute(
            select(collections.c.name).order_by(collections.c.name)
        ).scalars()
    }
    for name, group in connection.execute(select(grants.c.collection, grants.c.group)):
        groups[name].add(group)
    return [Collection(name, frozenset(members)) for name, members in groups.items()]


def generation(connection: sa.Connection, collection: str | None = None) -> int:
    """The last line of the change log, of one collection or of all; 0 if there is none."""
    query = select(func.max(changes.c.generation))
    if collection is not None:
        query = query.where(changes.c.collection == collection)
    return connection.execute(query).scalar() or 0


def unrecorded(connection: sa.Connection) -> list[Change]:
    """The changes whose audit record is not known to be written, in order."""
    query = select(changes).where(changes.c.recorded == sa.false()).order_by(changes.c.generation)
    return [change_of(row) for row in connection.execute(query)]


def change_of(row: _Row) -> Change:
    """A row of the table `changes`."""
    return Change(
        generation=row.generation,
        collection=row.collection,
        operation=Operation(row.operation),
        document_id=row.document_id,
        source=row.source,
        version=row.version,
        at=row.at,
        recorded=row.recorded,
    )


def document_key(connection: sa.Connection, collection: str, document_id: str) -> int | None:
    """The row of a document in a collection, current or superseded; None if there is none."""
    values = {"collection": collection, "id": document_id}
    return connection.execute(_KEY_OF, values).scalar()


def find_document(
    connection: sa.Connection, document_id: str, scope: Scope
) -> tuple[int, Document] | None:
    """Row and document if `scope` allows it; of several collections the current, then the first."""
    query = (
        select(documents.c.key, *_DOCUMENT)
        .where(documents.c.id == document_id, documents.c.collection.in_(sorted(scope.collections)))
        .order_by(documents.c.status, documents.c.collection)
    )
    row = connection.execute(query).first()
    return None if row is None else (row.key, _document(row))


def document_at(connection: sa.Connection, key: int) -> Document:
    """The document of a row that exists."""
    return _document(connection.execute(_DOCUMENT_AT, {"key": key}).one())


def documents_at(connection: sa.Connection, keys: Sequence[int]) -> dict[int, Document]:
    """Those of the rows that exist, and their documents."""
    return {
        row.key: _document(row)
        for piece in in_pieces(keys)
        for row in connection.execute(_DOCUMENTS_AT, {"keys": piece})
    }


def all_documents(
    connection: sa.Connection, scope: Scope, status: Status | None = None
) -> list[Document]:
    """The documents within `scope`, of one status or of all, by collection, source and version."""
    query = (
        select(*_DOCUMENT)
        .where(documents.c.collection.in_(sorted(scope.collections)))
        .order_by(documents.c.collection, documents.c.source, documents.c.version)
    )
    if status is not None:
        query = query.where(documents.c.status == status.value)
    return [_document(row) for row in connection.execute(query)]


def pages_of(connection: sa.Connection, key: int, number: int | None = None) -> list[Page]:
    """The pages of a document's row in order, or the one with `number` (empty if it has none)."""
    query = select(pages).where(pages.c.document_key == key).order_by(pages.c.number)
    if number is not None:
        query = query.where(pages.c.number == number)
    return [
        Page(
            row.number,
            row.text,
            row.label,
            row.width,
            row.height,
            boxes.unpack(row.boxes),
            Method(row.method),
            row.confidence,
        )
        for row in connection.execute(query)
    ]


CHUNK_QUERY = (
    select(
        chunks.c.key,
        chunks.c.id,
        chunks.c.document_key,
        documents.c.id.label("document_id"),
        chunks.c.page,
        chunks.c.start,
        chunks.c.end,
        chunks.c.heading_path,
        pages.c.text,
    )
    .join(documents, documents.c.key == chunks.c.document_key)
    .join(
        pages,
        sa.and_(pages.c.document_key == chunks.c.document_key, pages.c.number == chunks.c.page),
    )
)


def chunk_of(row: _Row) -> Chunk:
    """A row of `CHUNK_QUERY`."""
    return Chunk(
        id=row.id,
        document_id=row.document_id,
        page=row.page,
        start=row.start,
        end=row.end,
        text=row.text[row.start : row.end],
        heading_path=tuple(row.heading_path),
    )


def chunks_of(connection: sa.Connection, key: int) -> list[Chunk]:
    """The chunks of a document's row in order."""
    query = CHUNK_QUERY.where(chunks.c.document_key == key).order_by(chunks.c.ordinal)
    return [chunk_of(row) for row in connection.execute(query)]


def located(
    connection: sa.Connection,
    collection: str,
    chunk_ids: Sequence[str],
    in_force: InForce | None = None,
) -> dict[str, int]:
    """Those of `chunk_ids` that a document of `collection` in force holds, and their rows.

    In force are the current documents but those that `in_force` leaves out, and the past ones that
    it names. Two look-ups by key alone: joined, or narrowed to the collection, SQLite may start
    from the collection and read all.
    """
    owners = [
        (chunk_id, key, document_key)
        for piece in in_pieces(chunk_ids)
        for chunk_id, key, document_key in connection.execute(_CHUNKS_NAMED, {"ids": piece}).all()
    ]
    left_out = in_force.left_out if in_force is not None else frozenset()
    past = in_force.past if in_force is not None else frozenset()
    holding: set[int] = set()
    for keys in in_pieces(sorted({document_key for _id, _key, document_key in owners})):
        for key, status, where in connection.execute(_STATUS_AMONG, {"keys": keys}).all():
            current = status == Status.CURRENT.value
            if where == collection and (key not in left_out if current else key in past):
                holding.add(key)
    return {chunk_id: key for chunk_id, key, document_key in owners if document_key in holding}


def source_states(
    connection: sa.Connection, collection: str, source: str | None = None
) -> list[SourceState]:
    """The journal's lines of a collection by source, or the one of `source`."""
    query = _STATES.where(sources.c.collection == collection)
    if source is not None:
        query = query.where(sources.c.source == source)
    return [_state(row) for row in connection.execute(query)]


def states_under(connection: sa.Connection, prefix: str) -> list[SourceState]:
    """The journal's lines of all collections whose path is `prefix` or below that folder.

    Paths are compared as strings of code points, which SQLite's order of UTF-8 is.
    """
    folder = prefix.rstrip("/")
    below = sa.and_(sources.c.path >= f"{folder}/", sources.c.path < f"{folder}0")  # 0 follows /
    query = _STATES.where(sa.or_(sources.c.path == prefix, sources.c.path == folder, below))
    return [_state(row) for row in connection.execute(query)]


_STATES = (
    select(sources, documents.c.id.label("document_id"), documents.c.splitter.label("cut_by"))
    .outerjoin(documents, documents.c.key == sources.c.document_key)
    .order_by(sources.c.collection, sources.c.source)
)


def _state(row: _Row) -> SourceState:
    return SourceState(
        collection=row.collection,
        source=row.source,
        path=row.path,
        size=row.size,
        mtime_ns=row.mtime_ns,
        status=SourceStatus(row.status),
        attempts=row.attempts,
        error=row.error,
        document_id=row.document_id,
        splitter=row.cut_by or row.splitter,
        digest=row.digest,
        failure=row.failure,
        container=row.container,
        declared=row.declared,
        at=row.at,
    )


def like_documents(
    connection: sa.Connection, document_id: str, splitter: str, title: str
) -> int | None:
    """The row of a document of any collection with this id, title and splitter; None for none."""
    query = (
        select(documents.c.key)
        .where(
            documents.c.id == document_id,
            documents.c.splitter == splitter,
            documents.c.title == title,
        )
        .order_by(documents.c.key)
        .limit(1)
    )
    return connection.execute(query).scalar()


def known_ids(connection: sa.Connection, document_ids: set[str]) -> set[str]:
    """Those of `document_ids` that any collection has."""
    found: set[str] = set()
    for piece in in_pieces(sorted(document_ids)):
        found |= set(
            connection.execute(select(documents.c.id).where(documents.c.id.in_(piece))).scalars()
        )
    return found
