"""Giving a source another name inside one transaction: nothing is read or embedded again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import bindparam, select, update

from index import changelog, journal, reading
from index.document import Document
from index.errors import NotFound, SourceTaken
from index.journal import SourceFile
from index.records import Operation, SourceStatus
from index.schema import documents, sources
from index.standing import settled

_Row: TypeAlias = sa.Row[*tuple[Any, ...]]


def move(connection: sa.Connection, old: str, file: SourceFile) -> None:
    """Rename the source `old` to that of `file`, with its versions, parts and who names it.

    Raises:
        NotFound: there is no source `old`.
        SourceTaken: the new name holds a document or is a container.
    """
    rows = journal.with_parts(connection, file.collection, [old])
    own = next((row for row in rows if row.source == old), None)
    if own is None:
        raise NotFound("source")
    names = {row.source: renamed(row.source, old, file.source) for row in rows}
    with settled(connection, file.collection) as touched:
        _make_room(connection, file.collection, names)
        _rename_sources(connection, own, rows, names, file)
        _rename_documents(connection, file.collection, names)
        _rename_claims(connection, file.collection, names)
        touched |= {row.document_key for row in rows if row.document_key is not None}
    changelog.add_all(connection, _lines(connection, file.collection, rows, names))


def _lines(
    connection: sa.Connection, collection: str, rows: list[_Row], names: Mapping[str, str]
) -> list[tuple[Operation, Document, str]]:
    """One line for each source that has another name now.

    It tells of what the source holds; of one that holds nothing, such as an archive in the place
    of a document, of its last version: views of the past hold that under the source's name.
    """
    moved = [row for row in rows if names[row.source] != row.source]
    empty = [names[row.source] for row in moved if row.document_key is None]
    last: dict[str, int] = {}
    for piece in reading.in_pieces(sorted(empty)):
        query = (
            select(documents.c.source, documents.c.key)
            .where(documents.c.collection == collection, documents.c.source.in_(piece))
            .order_by(documents.c.version, documents.c.key)
        )
        last.update((row.source, row.key) for row in connection.execute(query))
    told = {row.source: row.document_key or last.get(names[row.source]) for row in moved}
    known = reading.documents_at(connection, sorted({key for key in told.values() if key}))
    return [(Operation.MOVE, known[key], names[source]) for source, key in told.items() if key]


def renamed(name: str, old: str, new: str) -> str:
    """`name` with the beginning `old` exchanged for `new`, if it is that source or within it.

    A part's name follows its container's after a slash, a line's after a colon.
    """
    if name == old or name.startswith((f"{old}/", f"{old}:")):
        return new + name[len(old) :]
    return name


def _make_room(connection: sa.Connection, collection: str, names: Mapping[str, str]) -> None:
    """Forget failures noted at the new names. Raises `SourceTaken` if there is more than that."""
    for new in sorted(set(names.values()) - names.keys()):
        row = journal.line(connection, collection, new)
        if row is None:
            continue
        if row.document_key is not None or row.status == SourceStatus.CONTAINER:
            raise SourceTaken(new)
        journal.forget(connection, collection, [new])


def _rename_sources(
    connection: sa.Connection,
    own: _Row,
    rows: list[_Row],
    names: Mapping[str, str],
    file: SourceFile,
) -> None:
    values = [
        {
            "at_source": row.source,
            "to_source": names[row.source],
            "to_container": names.get(row.container, row.container),
            "to_path": renamed(row.path, own.path, file.path),
            "to_size": file.size if row is own else row.size,
            "to_mtime_ns": file.mtime_ns if row is own else row.mtime_ns,
        }
        for row in rows
    ]
    connection.execute(
        update(sources)
        .where(sources.c.collection == file.collection, sources.c.source == bindparam("at_source"))
        .values(
            source=bindparam("to_source"),
            container=bindparam("to_container"),
            path=bindparam("to_path"),
            size=bindparam("to_size"),
            mtime_ns=bindparam("to_mtime_ns"),
        ),
        values,
    )


def _rename_documents(connection: sa.Connection, collection: str, names: Mapping[str, str]) -> None:
    """Every version that bears one of the names, and every part of it."""
    values = [{"was": was, "becomes": becomes} for was, becomes in names.items()]
    for column in (documents.c.source, documents.c.parent):
        connection.execute(
            update(documents)
            .where(documents.c.collection == collection, column == bindparam("was"))
            .values({column: bindparam("becomes")}),
            values,
        )


def _rename_claims(connection: sa.Connection, collection: str, names: Mapping[str, str]) -> None:
    """What a document supersedes it supersedes under the new name too: moving revives nothing."""
    query = select(documents.c.key, documents.c.supersedes).where(
        documents.c.collection == collection, documents.c.supersedes.is_not(None)
    )
    for key, claimed in connection.execute(query).all():
        follows = [names.get(name, name) for name in claimed]
        if follows != claimed:
            connection.execute(
                update(documents).where(documents.c.key == key).values(supersedes=follows)
            )
