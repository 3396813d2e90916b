"""What the catalogue holds, counted and compared with itself. Changes nothing."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import func, select

from index.document import Status
from index.reading import all_collections, in_pieces
from index.records import CollectionStatus, SourceStatus
from index.schema import chunks, documents, pages, sources
from index.schema import vectors as vector_table


def counts(connection: sa.Connection) -> list[CollectionStatus]:
    """Every collection's counts; the lags, which the catalogue cannot know, are left at 0."""
    by_status = {
        (row.collection, row.status): row
        for row in connection.execute(
            select(
                documents.c.collection,
                documents.c.status,
                func.count().label("documents"),
                func.sum(documents.c.pages).label("pages"),
                func.sum(documents.c.chunks).label("chunks"),
            ).group_by(documents.c.collection, documents.c.status)
        )
    }
    failed: dict[str, int] = {
        row.collection: row.failed
        for row in connection.execute(
            select(sources.c.collection, func.count().label("failed"))
            .where(sources.c.status == SourceStatus.FAILED.value)
            .group_by(sources.c.collection)
        )
    }
    found = []
    for each in all_collections(connection):
        current = by_status.get((each.name, Status.CURRENT.value))
        old = by_status.get((each.name, Status.SUPERSEDED.value))
        found.append(
            CollectionStatus(
                name=each.name,
                groups=each.groups,
                documents=current.documents if current is not None else 0,
                superseded=old.documents if old is not None else 0,
                pages=current.pages if current is not None else 0,
                chunks=current.chunks if current is not None else 0,
                failed_sources=failed.get(each.name, 0),
                quarantined=0,
                incomplete=0,
                lexical_lag=0,
                chroma_lag=None,
            )
        )
    return found


def inconsistencies(connection: sa.Connection) -> list[tuple[str, str]]:
    """Documents whose parts contradict each other, and how."""
    found: list[tuple[str, str]] = []
    held = (
        select(
            documents.c.id,
            documents.c.chunks,
            func.count(chunks.c.key).label("cut"),
            func.count(vector_table.c.chunk_key).label("embedded"),
        )
        .outerjoin(chunks, chunks.c.document_key == documents.c.key)
        .outerjoin(vector_table, vector_table.c.chunk_key == chunks.c.key)
        .group_by(documents.c.key)
    )
    for row in connection.execute(held):
        if row.chunks != row.cut or row.cut != row.embedded:
            found.append(
                (row.id, f"should have {row.chunks} chunks, has {row.cut}, {row.embedded} embedded")
            )
    held_pages = (
        select(documents.c.id, documents.c.pages, func.count(pages.c.number).label("there"))
        .outerjoin(pages, pages.c.document_key == documents.c.key)
        .group_by(documents.c.key)
    )
    for row in connection.execute(held_pages):
        if row.pages != row.there:
            found.append((row.id, f"should have {row.pages} pages and has {row.there}"))
    return found


def content_ids(connection: sa.Connection) -> set[str]:
    """The ids of all documents of all collections, superseded ones included."""
    return set(connection.execute(select(documents.c.id)).scalars())


def content_ids_at(connection: sa.Connection, collection: str, source: str) -> set[str]:
    """The ids of all versions that a source holds or held."""
    held = (
        select(documents.c.id)
        .join(sources, sources.c.document_key == documents.c.key)
        .where(sources.c.collection == collection, sources.c.source == source)
    )
    versions = select(documents.c.id).where(
        documents.c.collection == collection, documents.c.source == source
    )
    return set(connection.execute(sa.union(held, versions)).scalars())


def known_ids(connection: sa.Connection, document_ids: set[str]) -> set[str]:
    """Those of `document_ids` that any collection has."""
    found: set[str] = set()
    for piece in in_pieces(sorted(document_ids)):
        found |= set(
            connection.execute(select(documents.c.id).where(documents.c.id.in_(piece))).scalars()
        )
    return found
