"""Which documents are searched: what they declare, and which others take their place.

A document stands as it declares, unless
- no source holds it any more: it is an old version, SUPERSEDED;
- it declares itself current, and another document of its collection names one of its sources in
  `supersedes`: SUPERSEDED. The other must be in force or have been: a draft or what was withdrawn
  supersedes nothing. That it was superseded itself changes nothing: when C takes the place of B
  and B that of A, A does not come back.

Documents that supersede each other in a circle cancel out: none of them is taken out by another
of the same circle, since a mistake in a declaration must not make text vanish from search.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence, Set
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import bindparam, insert, select, update

from index import changelog, reading
from index.document import Document, Status
from index.records import Operation
from index.schema import documents, sources, stays
from index.tenure import unbroken

_IN_FORCE = (Status.CURRENT.value, Status.SUPERSEDED.value)
_HELD = sa.exists().where(sources.c.document_key == documents.c.key)

# Built once: every commit runs these, and building costs more than running them.
_AMONG = documents.c.key.in_(bindparam("keys", expanding=True))
_CURRENT = documents.c.status == Status.CURRENT.value
_STAYED = sa.exists().where(stays.c.document_key == documents.c.key)
_END = (
    update(stays)
    .where(
        stays.c.ended_at.is_(None),
        stays.c.document_key.in_(select(documents.c.key).where(_AMONG, ~_CURRENT)),
    )
    .values(ended_at=bindparam("now"))
)
_columns = ("document_key", "version", "began_at", "ended_at")
_NOW = bindparam("now", type_=sa.String)
_BOTH = insert(stays).from_select(
    _columns,
    select(documents.c.key, documents.c.version, _NOW, _NOW)
    .where(_AMONG, ~_CURRENT, documents.c.declared_status == Status.CURRENT.value, ~_STAYED)
    .order_by(documents.c.key),
)
_BEGIN = insert(stays).from_select(
    _columns,
    select(documents.c.key, documents.c.version, _NOW, sa.null())
    .where(_AMONG, _CURRENT, ~_STAYED.where(stays.c.ended_at.is_(None)))
    .order_by(documents.c.key),
)


def superseded(claims: Set[tuple[int, int]]) -> set[int]:
    """Of pairs (superseding, superseded), the second ones that are not in a circle with the first.

    A document's claim on itself says nothing.
    """
    return {older for _newer, older in unbroken(claims)}


@contextmanager
def settled(connection: sa.Connection, collection: str) -> Iterator[set[int]]:
    """What changes sources, or what documents declare, goes inside; gives a set for its keys.

    Afterwards the status of these documents, and of all whom a claim concerned before or concerns
    now, is what it must be; each whose status has changed has its line in the change log, and
    each that came to stand as current, or no longer does, its line in `stays`.
    """
    before = _superseded_in(connection, collection)
    touched: set[int] = set()
    yield touched
    after = _superseded_in(connection, collection)
    concerned = sorted(before | touched | after)
    _settle(connection, concerned, after)
    _note(connection, concerned)


def disagreements(connection: sa.Connection, collection: str) -> list[Document]:
    """Documents that do not stand as they must: only a fault in this program makes one."""
    keys = connection.execute(
        select(documents.c.key).where(documents.c.collection == collection)
    ).scalars()
    after = _superseded_in(connection, collection)
    return [document for document, _ in _changed(connection, sorted(keys), after)]


def _superseded_in(connection: sa.Connection, collection: str) -> set[int]:
    """The keys of the collection's documents whose place others take."""
    naming = select(documents.c.key, documents.c.supersedes).where(
        documents.c.collection == collection,
        documents.c.supersedes.is_not(None),
        documents.c.declared_status.in_(_IN_FORCE),
        _HELD,
    )
    named = {row.key: set(row.supersedes) for row in connection.execute(naming)}
    if not named:
        return set()
    held: dict[str, int] = {}
    for piece in reading.in_pieces(sorted(set().union(*named.values()))):
        query = select(sources.c.source, sources.c.document_key).where(
            sources.c.collection == collection,
            sources.c.source.in_(piece),
            sources.c.document_key.is_not(None),
        )
        held.update((row.source, row.document_key) for row in connection.execute(query))
    return superseded(
        {(newer, held[name]) for newer, names in named.items() for name in names & held.keys()}
    )


def _settle(connection: sa.Connection, keys: list[int], taken: Collection[int]) -> None:
    """Give the documents of `keys` the status they must have and log each that changes."""
    lines: list[tuple[Operation, Document, str]] = []
    for document, status in _changed(connection, keys, taken):
        lines.append((_operation(document.status, status), document, document.source))
        connection.execute(
            update(documents)
            .where(documents.c.collection == document.collection, documents.c.id == document.id)
            .values(status=status.value)
        )
    changelog.add_all(connection, lines)


def _note(connection: sa.Connection, keys: Sequence[int]) -> None:
    """Since when and until when documents stand as current.

    One that others took the place of in the commit that brought it has stood for no time.
    """
    now = changelog.now()
    for piece in reading.in_pieces(keys):
        for statement in (_END, _BOTH, _BEGIN):
            connection.execute(statement, {"keys": piece, "now": now})


def _changed(
    connection: sa.Connection, keys: list[int], taken: Collection[int]
) -> list[tuple[Document, Status]]:
    """Those of `keys` whose status is another than the one they must have, with that one."""
    wanted: dict[int, Status] = {}
    for piece in reading.in_pieces(keys):
        query = select(
            documents.c.key, documents.c.status, documents.c.declared_status, _HELD.label("held")
        ).where(documents.c.key.in_(piece))
        for row in connection.execute(query):
            status = Status(row.declared_status) if row.held else Status.SUPERSEDED
            if status is Status.CURRENT and row.key in taken:
                status = Status.SUPERSEDED
            if status != row.status:
                wanted[row.key] = status
    known = reading.documents_at(connection, sorted(wanted))
    return [(known[key], status) for key, status in sorted(wanted.items())]


def _operation(before: Status, after: Status) -> Operation:
    if after is Status.CURRENT:
        return Operation.RESTORE
    if before is not Status.CURRENT:
        return Operation.DESCRIBE
    return Operation.SUPERSEDE if after is Status.SUPERSEDED else Operation.WITHDRAW
