"""What the catalogue holds, counted and compared with itself. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import func, select

from index.completeness import of_json
from index.document import Status
from index.reading import all_collections
from index.records import CollectionStatus, SourceStatus
from index.schema import changes, chunks, documents, pages, sources
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
                func.count().filter(documents.c.complete == sa.false()).label("incomplete"),
            ).group_by(documents.c.collection, documents.c.status)
        )
    }
    attempts: dict[tuple[str, str], int] = {
        (row.collection, row.status): row.many
        for row in connection.execute(
            select(sources.c.collection, sources.c.status, func.count().label("many")).group_by(
                sources.c.collection, sources.c.status
            )
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
                failed_sources=attempts.get((each.name, SourceStatus.FAILED.value), 0),
                quarantined=attempts.get((each.name, SourceStatus.QUARANTINED.value), 0),
                incomplete=current.incomplete if current is not None else 0,
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


def journal_contradictions(connection: sa.Connection) -> list[str]:
    """Sources that cannot be as the journal has them, each as half a sentence about the source.

    A part whose container has no line is none: a run that was killed journals the container last.
    """
    container = SourceStatus.CONTAINER.value
    query = (
        select(
            sources.c.source,
            sources.c.collection,
            sources.c.status,
            sources.c.document_key,
            sources.c.container,
            documents.c.collection.label("held_in"),
            documents.c.source.label("named"),
            documents.c.parent,
        )
        .outerjoin(documents, documents.c.key == sources.c.document_key)
        .order_by(sources.c.collection, sources.c.source)
    )
    found: list[str] = []
    for row in connection.execute(query):
        if row.document_key is not None and row.held_in is None:
            found.append(f"{row.source} points to a document that is not there")
        elif row.document_key is not None and row.held_in != row.collection:
            found.append(f"{row.source} holds a document of collection {row.held_in}")
        elif row.document_key is not None and row.status == container:
            found.append(f"{row.source} is a container and holds a document")
        elif row.document_key is None and row.status == SourceStatus.INDEXED.value:
            found.append(f"{row.source} counts as indexed and holds no document")
        elif row.named == row.source and row.parent != row.container:
            found.append(f"{row.source} is part of {row.container!r}, its document of another")
    return found


def miscounted(connection: sa.Connection) -> list[str]:
    """The ids of documents that count as complete against their own statement, or the reverse."""
    query = select(documents.c.id, documents.c.completeness, documents.c.complete)
    return [
        row.id
        for row in connection.execute(query)
        if row.complete is not (None if row.completeness is None else _complete(row.completeness))
    ]


def _complete(stated: Mapping[str, Any]) -> bool:
    return of_json(stated).complete


def documents_in(connection: sa.Connection, collection: str) -> int:
    """How many documents of any status a collection has."""
    query = select(func.count()).where(documents.c.collection == collection)
    return connection.execute(query).scalar_one()


def log_lines(connection: sa.Connection, collection: str) -> int:
    """How many lines a collection's change log has."""
    query = select(func.count()).where(changes.c.collection == collection)
    return connection.execute(query).scalar_one()


def content_ids(connection: sa.Connection) -> set[str]:
    """The ids of all documents of all collections, superseded ones included."""
    return set(connection.execute(select(documents.c.id)).scalars())
