"""Forgetting sources inside one transaction: many at once, in few statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import delete, select, update

from index import changelog, journal, reading
from index.document import Document
from index.records import Operation
from index.schema import documents, sources
from index.standing import settled


@dataclass(frozen=True, slots=True)
class Removed:
    """What was taken away: the document each source held, and the ids that nothing has now."""

    held: dict[str, Document]
    gone: frozenset[str]


def remove(connection: sa.Connection, collection: str, names: Sequence[str]) -> Removed:
    """Forget sources, their parts, their documents unless other sources hold them, and versions.

    Names that are no sources are passed over.
    """
    rows = journal.with_parts(connection, collection, names)
    if not rows:
        return Removed({}, frozenset())
    forgotten = [row.source for row in rows]
    key_of = {row.source: row.document_key for row in rows if row.document_key is not None}
    keys = sorted(set(key_of.values()))
    with settled(connection, collection):
        held = reading.documents_at(connection, keys)
        journal.forget(connection, collection, forgotten)
        heirs = _heirs(connection, keys)
        _rename(connection, held, heirs, set(forgotten))
        old = _old_versions(connection, collection, forgotten, set(keys))
        lines: list[tuple[Operation, Document, str]] = []
        last = {key: source for source, key in key_of.items()}  # of several, the last removes it
        for source, key in key_of.items():
            final = key not in heirs and last[key] == source
            operation = Operation.REMOVE if final else Operation.UNLINK
            lines.append((operation, held[key], source))
        lines += [(Operation.REMOVE, version, version.source) for version in old.values()]
        doomed = sorted({*keys} - heirs.keys() | old.keys())
        for piece in reading.in_pieces(doomed):
            connection.execute(delete(documents).where(documents.c.key.in_(piece)))
        changelog.add_all(connection, lines)
    ids = {each.id for each in (*held.values(), *old.values())}
    return Removed(
        {source: held[key] for source, key in key_of.items()},
        frozenset(ids - reading.known_ids(connection, ids)),
    )


def _heirs(connection: sa.Connection, keys: Sequence[int]) -> dict[int, tuple[str, int, str]]:
    """Of the documents that other sources hold still: the first one's name, version, container."""
    found: dict[int, tuple[str, int, str]] = {}
    for piece in reading.in_pieces(keys):
        query = (
            select(
                sources.c.document_key,
                sources.c.source,
                sources.c.versions,
                sources.c.container,
            )
            .where(sources.c.document_key.in_(piece))
            .order_by(sources.c.source)
        )
        for row in connection.execute(query):
            found.setdefault(row.document_key, (row.source, row.versions, row.container))
    return found


def _rename(
    connection: sa.Connection,
    held: dict[int, Document],
    heirs: dict[int, tuple[str, int, str]],
    forgotten: set[str],
) -> None:
    """Documents named after a source that is forgotten take the name of one that holds them."""
    for key, (source, version, container) in heirs.items():
        if held[key].source in forgotten:
            connection.execute(
                update(documents)
                .where(documents.c.key == key)
                .values(source=source, version=version, parent=container)
            )


def _old_versions(
    connection: sa.Connection, collection: str, names: Sequence[str], but: set[int]
) -> dict[int, Document]:
    """What these sources held once and nothing holds now."""
    held = sa.exists().where(sources.c.document_key == documents.c.key)
    found: list[int] = []
    for piece in reading.in_pieces(names):
        query = select(documents.c.key).where(
            documents.c.collection == collection, documents.c.source.in_(piece), ~held
        )
        found += [key for key in connection.execute(query).scalars() if key not in but]
    return reading.documents_at(connection, sorted(found))
