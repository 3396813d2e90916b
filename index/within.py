"""The candidates of a search within named documents: every chunk of theirs, however badly the
documents rank among all.

The views are not asked for candidates, since they know no documents and would have to be asked for
ever more. Whether a named document is searched is decided by the catalogue alone, by its collection
and by what is in force: a name that is unknown, out of scope or not in force adds nothing.

Very many chunks are measured in batches, and of these the best by each signal become candidates:
the same rule as for a search of everything, and each batch is let go before the next is read.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy import bindparam, select

from index.document import Status
from index.effective import InForce
from index.proposals import Key
from index.reading import in_pieces
from index.schema import chunks, documents

AT_ONCE = 4_096  # chunks that are measured together: 6 MB of vectors of 384
EVERY = 16_384  # chunks up to which each is a candidate; some 15 MB of what is known of them

Rows: TypeAlias = dict[Key, int]  # chunk's row by collection and chunk id
Measure: TypeAlias = Callable[[Rows], Sequence[Mapping[Key, float]]]
"""What some chunks are worth: one mapping for each signal; higher is better."""

# Two look-ups by key alone, as in `index.reading.located`: joined, or narrowed to the collection,
# SQLite may start from the collection and read all.
_NAMED = select(
    documents.c.key, documents.c.collection, documents.c.status, documents.c.chunks
).where(documents.c.id.in_(bindparam("ids", expanding=True)))
_CHUNKS_OF = select(chunks.c.id, chunks.c.key, chunks.c.document_key).where(
    chunks.c.document_key.in_(bindparam("keys", expanding=True))
)


def candidates(
    connection: sa.Connection,
    named: frozenset[str],
    in_force: Mapping[str, InForce],
    measure: Measure,
) -> Rows:
    """The chunks of those documents of `named` (ids) that are in force in the collections of
    `in_force`: all of them, or of more than `EVERY` at least the best `EVERY // 2` by each signal
    of `measure`."""
    owners = _owners(connection, named, in_force)
    if sum(count for _name, count in owners.values()) <= EVERY:
        return {key: row for rows in _pieces(connection, owners) for key, row in rows.items()}
    rows_of: Rows = {}
    best: list[dict[Key, float]] = []
    for rows in _pieces(connection, owners):
        measured = measure(rows)
        best = best or [{} for _signal in measured]
        best = [_best({**old, **new}) for old, new in zip(best, measured, strict=True)]
        kept = {key for signal in best for key in signal}
        rows_of = {key: row for key, row in (rows_of | rows).items() if key in kept}
    return rows_of


def _best(scores: Mapping[Key, float]) -> dict[Key, float]:
    ranked = heapq.nsmallest(EVERY // 2, scores, key=lambda key: (-scores[key], key))
    return {key: scores[key] for key in ranked}


def _owners(
    connection: sa.Connection, named: frozenset[str], in_force: Mapping[str, InForce]
) -> dict[int, tuple[str, int]]:
    """The rows of the documents that are searched, with collection and number of chunks."""
    found: dict[int, tuple[str, int]] = {}
    for ids in in_pieces(sorted(named)):
        for key, name, status, count in connection.execute(_NAMED, {"ids": ids}).all():
            those = in_force.get(name)
            if those is None:
                continue
            current = status == Status.CURRENT.value
            if key not in those.left_out if current else key in those.past:
                found[key] = (name, count)
    return found


def _pieces(connection: sa.Connection, owners: Mapping[int, tuple[str, int]]) -> Iterator[Rows]:
    """All chunks of the documents `owners`, about `AT_ONCE` at a time, by document."""
    group: list[int] = []
    waiting = 0
    for key in sorted(owners):
        group.append(key)
        waiting += owners[key][1]
        if waiting >= AT_ONCE:
            yield from _chunks_of(connection, group, owners)
            group, waiting = [], 0
    yield from _chunks_of(connection, group, owners)


def _chunks_of(
    connection: sa.Connection, keys: Sequence[int], owners: Mapping[int, tuple[str, int]]
) -> Iterator[Rows]:
    """The chunks of these documents; one that is very long comes in several pieces."""
    found = [
        ((owners[document][0], chunk), row)
        for piece in in_pieces(keys)
        for chunk, row, document in connection.execute(_CHUNKS_OF, {"keys": piece}).all()
    ]
    for first in range(0, len(found), AT_ONCE):
        yield dict(found[first : first + AT_ONCE])
