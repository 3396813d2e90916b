"""Which documents a question about one day is put to: `index.tenure`'s rules over the catalogue.

Almost every document needs no look: it stands as current and nothing declares a day. So what must
be looked at is found by index: what declares a day that the asked one is not within, what was put
in or taken out after the asked day, what waits for a successor that has not begun, and what a claim
of an old version or a withdrawn document can concern. Only these, with all that can bear on them,
are judged by the rules. Instants of the catalogue (UTC) count as days of this machine's time zone.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam, select

from index import reading
from index.document import Document, Shelf, Status
from index.schema import documents, sources, stays
from index.tenure import Life, Register, Stay

_LAST = "9999-12-31T23:59:59+00:00"


@dataclass(frozen=True, slots=True)
class InForce:
    """What is in force on `day`: of the current documents all but `left_out`, and of those that
    are superseded or withdrawn now the ones in `past` (rows of the table `documents`)."""

    day: str
    left_out: frozenset[int] = frozenset()
    past: frozenset[int] = frozenset()


def today() -> str:
    """The day that a question is about unless it says otherwise, by this machine's clock."""
    return datetime.now().astimezone().date().isoformat()


class Calendar:
    """Answers `asked` again from memory while the collection has not changed. For several threads.

    It belongs to one catalogue.
    """

    _MOST = 256  # days and collections that are remembered

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._known: dict[tuple[str, str], tuple[int, InForce]] = {}

    def asked(self, connection: sa.Connection, collection: str, day: str) -> InForce:
        """As the function `asked`."""
        generation = reading.generation(connection, collection)
        with self._guard:
            known = self._known.get((collection, day))
        if known is not None and known[0] == generation:
            return known[1]
        found = asked(connection, collection, day)
        with self._guard:
            if len(self._known) >= self._MOST:
                self._known.clear()
            self._known[collection, day] = (generation, found)
        return found


def asked(connection: sa.Connection, collection: str, day: str) -> InForce:
    """Which documents of a collection a question about `day` (ISO 8601) is put to."""
    values = {"collection": collection, "day": day, "after": _midnight_after(day)}
    left_out = {
        row.key
        for query in (_NOT_YET, _OVER)
        for row in connection.execute(query, values)
        if row.status == Status.CURRENT.value
    }
    doubtful = _doubtful(connection, collection, values)
    if not doubtful:
        return InForce(day, frozenset(left_out))
    register, current = _register(connection, collection, doubtful)
    past: set[int] = set()
    for key in doubtful & current.keys():
        holds = register.in_force(key, day)
        if current[key] and not holds:
            left_out.add(key)
        elif holds and not current[key]:
            past.add(key)
    return InForce(day, frozenset(left_out), frozenset(past))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a document stands to a day, for people.

    `superseded_on` is the first day of what took or will take its place, `superseded_by` that one;
    `withdrawn_on` the day on which it was noted that it is no longer in force.
    """

    in_force: bool
    superseded_on: str | None = None
    superseded_by: Document | None = None
    withdrawn_on: str | None = None


def standings(
    connection: sa.Connection, collection: str, keys: Iterable[int], day: str
) -> dict[int, Standing]:
    """How the documents of these rows of a collection stand to a day."""
    wanted = set(keys)
    register, found = _register(connection, collection, wanted)
    tenures = {key: register.tenure(key, day) for key in sorted(wanted & found.keys())}
    by = {each.superseded_by for each in tenures.values() if each.superseded_by is not None}
    known = reading.documents_at(connection, sorted(by))
    return {
        key: Standing(
            each.in_force,
            each.superseded_on,
            known[each.superseded_by] if each.superseded_by is not None else None,
            each.withdrawn_on,
        )
        for key, each in tenures.items()
    }


# -- what must be looked at ------------------------------------------------------------------------
# Each query is of one table and by one index, and finds nothing where nobody declares a day. Of a
# join, or of keys within a collection, SQLite might read the wrong side first: every document.

_IN = documents.c.collection == bindparam("collection")
_NOT_YET = select(documents.c.key, documents.c.status).where(
    _IN, documents.c.effective_from > bindparam("day")
)
_OVER = select(documents.c.key, documents.c.status).where(
    _IN, documents.c.effective_to < bindparam("day")
)
_ENDED_LATER = select(stays.c.document_key).where(stays.c.ended_at >= bindparam("after"))
_earlier = stays.alias("earlier")
_BEGAN_LATER = select(stays.c.document_key).where(
    stays.c.began_at >= bindparam("after"),
    sa.or_(
        stays.c.version > 1,
        sa.exists().where(
            _earlier.c.document_key == stays.c.document_key, _earlier.c.key < stays.c.key
        ),
        sa.exists().where(
            documents.c.key == stays.c.document_key, documents.c.supersedes.is_not(None)
        ),
    ),
)
_APART = documents.c.status != sa.literal_column("'current'")  # as the partial index has it
_CAME_LATER = select(documents.c.key).where(
    _IN,
    _APART,
    documents.c.status.in_(sorted(each.value for each in Shelf.PAST.statuses)),
    documents.c.added_at >= bindparam("after"),
)
_COMING = select(documents.c.source, documents.c.supersedes).where(
    _IN, documents.c.effective_from > bindparam("day")
)
_DRAFTS = select(documents.c.source).where(_IN, _APART, documents.c.status == Status.DRAFT.value)
_CLAIMING = select(
    documents.c.key, documents.c.source, documents.c.supersedes, documents.c.status
).where(_IN, documents.c.supersedes.is_not(None))
_CLAIMING_MEANWHILE = _CLAIMING.where(
    documents.c.status.not_in([Status.CURRENT.value, Status.DRAFT.value])
)
_OF = select(documents.c.source, documents.c.supersedes, documents.c.collection).where(
    documents.c.key.in_(bindparam("keys", expanding=True))
)
_NAMED = select(documents.c.key).where(
    _IN, documents.c.source.in_(bindparam("names", expanding=True))
)
_HOLDING = select(sources.c.document_key).where(
    sources.c.collection == bindparam("collection"),
    sources.c.source.in_(bindparam("names", expanding=True)),
    sources.c.document_key.is_not(None),
)


def _doubtful(connection: sa.Connection, collection: str, values: dict[str, str]) -> set[int]:
    """All documents, and some of other collections, that may stand to the day otherwise than their
    status and their own dates say."""
    found = set(connection.execute(_ENDED_LATER, values).scalars())
    found |= set(connection.execute(_CAME_LATER, values).scalars())
    began = sorted(set(connection.execute(_BEGAN_LATER, values).scalars()))
    # Whose place those take that begin after the day, that are drafts, or that claim for a time.
    taking: list[Any] = list(connection.execute(_COMING, values))
    for piece in reading.in_pieces(began):
        named = connection.execute(_OF, {"keys": piece})
        taking += [row for row in named if row.collection == collection]
    names = {name for row in taking for name in (row.source, *(row.supersedes or ()))}
    names |= set(connection.execute(_DRAFTS, values).scalars())
    for row in connection.execute(_CLAIMING_MEANWHILE, values):
        names |= set(row.supersedes)
    return found | _keys_of(connection, collection, names)


def _keys_of(connection: sa.Connection, collection: str, names: Iterable[str]) -> set[int]:
    """The documents that bear one of these sources' names or that one of them holds."""
    found: set[int] = set()
    for piece in reading.in_pieces(sorted(set(names))):
        values = {"collection": collection, "names": piece}
        found |= set(connection.execute(_NAMED, values).scalars())
        found |= set(connection.execute(_HOLDING, values).scalars())
    return found


# -- what the rules need to know of them -----------------------------------------------------------

_FACTS = select(
    documents.c.key,
    documents.c.source,
    documents.c.version,
    documents.c.status,
    documents.c.declared_status,
    documents.c.added_at,
    documents.c.effective_from,
    documents.c.effective_to,
    documents.c.supersedes,
    documents.c.collection,
).where(documents.c.key.in_(bindparam("keys", expanding=True)))
_HELD_BY = select(sources.c.document_key, sources.c.source).where(
    sources.c.document_key.in_(bindparam("keys", expanding=True))
)
_STAYS = (
    select(stays)
    .where(stays.c.document_key.in_(bindparam("keys", expanding=True)))
    .order_by(stays.c.key)
)


def _register(
    connection: sa.Connection, collection: str, keys: Iterable[int]
) -> tuple[Register, dict[int, bool]]:
    """The documents of `keys` and all that bear on them; and which of all are current.

    Who shares a source with one of them, or claims one of its names, bears on it; and so on.
    """
    claiming = connection.execute(_CLAIMING, {"collection": collection}).all()
    lives: dict[int, Life] = {}
    current: dict[int, bool] = {}
    asked_names: set[str] = set()
    wanted = set(keys)
    while wanted:
        for piece in reading.in_pieces(sorted(wanted)):
            for life, is_current in _lives(connection, collection, piece):
                lives[life.key] = life
                current[life.key] = is_current
        names = {name for key in wanted & lives.keys() for name in lives[key].names}
        near = _keys_of(connection, collection, names - asked_names)
        asked_names |= names
        near |= {row.key for row in claiming if not names.isdisjoint(row.supersedes)}
        wanted = near - lives.keys()
    return Register(lives.values()), current


def _lives(
    connection: sa.Connection, collection: str, keys: Sequence[int]
) -> list[tuple[Life, bool]]:
    held: dict[int, set[str]] = {}
    for row in connection.execute(_HELD_BY, {"keys": keys}):
        held.setdefault(row.document_key, set()).add(row.source)
    stayed: dict[int, list[Stay]] = {}
    for row in connection.execute(_STAYS, {"keys": keys}):
        ended = None if row.ended_at is None else _day(row.ended_at)
        stay = Stay(row.key, row.version, _day(row.began_at), ended)
        stayed.setdefault(row.document_key, []).append(stay)
    return [
        (_life(row, held, stayed), row.status == Status.CURRENT.value)
        for row in connection.execute(_FACTS, {"keys": keys})
        if row.collection == collection
    ]


def _life(row: Any, held: dict[int, set[str]], stayed: dict[int, list[Stay]]) -> Life:
    return Life(
        key=row.key,
        source=row.source,
        version=row.version,
        names=frozenset(held.get(row.key, ())) | {row.source},
        declared=Status(row.declared_status),
        held=row.key in held,
        added=_day(row.added_at),
        effective_from=row.effective_from,
        effective_to=row.effective_to,
        supersedes=frozenset(row.supersedes or ()),
        stays=tuple(stayed.get(row.key, ())),
    )


@functools.lru_cache(maxsize=4_096)
def _day(at: str) -> str:
    """The local day of an instant."""
    return datetime.fromisoformat(at).astimezone().date().isoformat()


def _midnight_after(day: str) -> str:
    """The first instant after a local day, as the catalogue writes instants."""
    try:
        following = date.fromisoformat(day) + timedelta(days=1)
        midnight = datetime.combine(following, time()).astimezone(UTC)
    except (OverflowError, ValueError, OSError):  # the calendar ends, or begins, near this day
        return _LAST if day > "2" else ""
    return midnight.isoformat(timespec="seconds")
