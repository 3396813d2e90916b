"""The change log: one line for each thing that a commit did, numbered without ever going back.

Views replay it, and the use case reads from it which commits lack their audit record. Lines that
are recorded may be taken out (`compact`); `floor` says up to where that was done. A view that has
not reached the floor cannot catch up from the log and is filled from the documents instead. The
last line of a collection always stays, so that its generation never goes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import delete, func, insert, select, update

from index import reading
from index.document import Document
from index.records import Operation
from index.schema import changes, meta

_INSERT = insert(changes)
_FLOOR = "floor:"


def now() -> str:
    """The present as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def add(connection: sa.Connection, operation: Operation, document: Document, source: str) -> None:
    """One line about a document."""
    add_all(connection, [(operation, document, source)])


def add_all(connection: sa.Connection, lines: Iterable[tuple[Operation, Document, str]]) -> None:
    """Lines of operation, document and the source concerned, in order."""
    at = now()
    rows = [
        {
            "collection": document.collection,
            "operation": operation.value,
            "document_id": document.id,
            "source": source,
            "version": document.version,
            "at": at,
            "recorded": False,
        }
        for operation, document, source in lines
    ]
    if rows:
        connection.execute(_INSERT, rows)


def mark_recorded(connection: sa.Connection, generations: list[int]) -> None:
    """Note that the audit records of these changes are written."""
    for piece in reading.in_pieces(generations):
        connection.execute(
            update(changes).where(changes.c.generation.in_(piece)).values(recorded=True)
        )


def floor(connection: sa.Connection, collection: str) -> int:
    """The last line that was taken out of a collection's log; 0 if none was."""
    return int(reading.meta_value(connection, f"{_FLOOR}{collection}") or 0)


def compact(connection: sa.Connection, collection: str, upto: int) -> int:
    """Take out the recorded lines up to generation `upto`, but the last one; how many."""
    last = reading.generation(connection, collection)
    old = sa.and_(
        changes.c.collection == collection,
        changes.c.generation <= upto,
        changes.c.generation < last,
        changes.c.recorded == sa.true(),
    )
    query = select(func.count(), func.max(changes.c.generation)).where(old)
    count, highest = connection.execute(query).one()
    if count:
        connection.execute(delete(changes).where(old))
        raise_floor(connection, collection, highest)
    return int(count)


def mark_purged(connection: sa.Connection, collection: str) -> int:
    """Empty a collection's log and let every view of it be filled anew; lines taken out.

    Lines that are not recorded stay: the audit log needs them, and the next purge takes them.
    """
    connection.execute(
        _INSERT,
        {
            "collection": collection,
            "operation": Operation.PURGE.value,
            "document_id": "",
            "source": "",
            "version": 0,
            "at": now(),
            "recorded": True,
        },
    )
    last = reading.generation(connection, collection)
    removed = compact(connection, collection, last)
    raise_floor(connection, collection, last)
    return removed


def raise_floor(connection: sa.Connection, collection: str, generation: int) -> None:
    """Let views that have not reached `generation` be filled from the documents."""
    if generation > floor(connection, collection):
        key = f"{_FLOOR}{collection}"
        connection.execute(delete(meta).where(meta.c.key == key))
        connection.execute(insert(meta), {"key": key, "value": str(generation)})
