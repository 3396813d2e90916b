"""Leaks made on purpose: what the oracle must catch, or its silence says nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa

from index import reading, within
from index.access import scope_of
from index.document import Collection, Scope
from index.records import SearchResult
from index.search import Searcher
from index.store import Index
from tests.index.scope_asking import Client
from tests.index.scope_changes import Changer
from tests.index.scope_oracle import Oracle, Verdict
from tests.index.scope_world import QuickEmbedder, World, opened


def _leave_alone(_index: Index) -> None:
    pass


def interleaved(
    home: Path,
    world: World,
    cases: int,
    view: str = "exact",
    spoil: Callable[[Index], None] = _leave_alone,
) -> Verdict:
    """Cases with changes in between, in one process; `spoil` may break the index first."""
    embedder = QuickEmbedder(64)
    with opened(home, view, embedder) as index:
        spoil(index)
        changer, client = Changer(index, world, embedder), Client(index, world)
        changer.begin()
        asked = []
        for number in range(cases):
            asked.append(client.case(number))
            if number % 2 == 0:
                changer.step()
    return Oracle(world, changer.happened).judge(asked)


def _everybody(_groups: frozenset[str], collections: Sequence[Collection]) -> Scope:
    """The access rule left out: whoever asks may read everything."""
    return Scope(frozenset(each.name for each in collections))


def _similar_names(groups: frozenset[str], collections: Sequence[Collection]) -> Scope:
    """A rule that compares the beginnings of names: who may read `a` may read `a-b`."""
    known = list(collections)
    own = scope_of(groups, known).collections
    return Scope(frozenset(c.name for c in known if any(c.name.startswith(n) for n in own)))


def _unchecked(
    connection: sa.Connection, _name: str, chunks: Sequence[str], *_in_force: object
) -> dict[str, int]:
    """The check of candidates left out: what any row has is taken for current."""
    found: dict[str, int] = {}
    for piece in reading.in_pieces(chunks):
        rows = connection.execute(reading._CHUNKS_NAMED, {"ids": piece})
        found |= {row.id: row.key for row in rows}
    return found


def _whatever_its_standing(
    connection: sa.Connection, named: frozenset[str], in_force: Mapping[str, object]
) -> dict[int, tuple[str, int]]:
    """Half the check of named documents left out: superseded and withdrawn ones are searched."""
    rows = connection.execute(within._NAMED, {"ids": sorted(named)}).all()
    return {row.key: (row.collection, row.chunks) for row in rows if row.collection in in_force}


def _all_that_is_there(search: Callable[..., SearchResult]) -> Callable[..., SearchResult]:
    """Naming documents left out: everything within the scope is searched."""

    def unnamed(
        question: str, scope: Scope, k: int, day: str | None, _documents: object
    ) -> SearchResult:
        return search(question, scope, k, day)

    return unnamed


def _ignore_names(index: Index) -> None:
    index._searcher.search = _all_that_is_there(index._searcher.search)  # type: ignore[method-assign]


def _remembered(searcher: Searcher) -> Callable[..., SearchResult]:
    """A memory of answers by question, shared by all who ask."""
    search, memory = searcher.search, dict[str, SearchResult]()

    def remembering(question: str, scope: Scope, k: int, *more: Any) -> SearchResult:
        if question not in memory:
            memory[question] = search(question, scope, k, *more)
        return memory[question]

    return remembering


def _share_memory(index: Index) -> None:
    index._searcher.search = _remembered(index._searcher)  # type: ignore[method-assign]


LEAKS: dict[str, tuple[str, object] | Callable[[Index], None]] = {
    "everybody": ("index.store.scope_of", _everybody),
    "similar names": ("index.store.scope_of", _similar_names),
    "not narrowed": ("index.document.Scope.narrowed", lambda scope, _names: scope),
    "unchecked": ("index.search.reading.located", _unchecked),
    "named, whatever its standing": ("index.within._owners", _whatever_its_standing),
    "memory": _share_memory,
    "names ignored": _ignore_names,
}


def caught(home: Path, name: str, seed: int, cases: int = 500) -> bool:
    """Whether the oracle notices the leak of this name."""
    leak, world = LEAKS[name], World(seed, texts=60)
    if callable(leak):
        return bool(interleaved(home, world, cases, spoil=leak).leaks)
    with patch(*leak):
        return bool(interleaved(home, world, cases).leaks)
