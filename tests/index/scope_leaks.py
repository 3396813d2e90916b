"""Leaks made on purpose: what the oracle must catch, or its silence says nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import patch

import sqlalchemy as sa

from index import reading
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


def _remembered(searcher: Searcher) -> Callable[..., SearchResult]:
    """A memory of answers by question, shared by all who ask."""
    search, memory = searcher.search, dict[str, SearchResult]()

    def remembering(question: str, scope: Scope, k: int, *day: str | None) -> SearchResult:
        if question not in memory:
            memory[question] = search(question, scope, k, *day)
        return memory[question]

    return remembering


def _share_memory(index: Index) -> None:
    index._searcher.search = _remembered(index._searcher)  # type: ignore[method-assign]


LEAKS: dict[str, tuple[str, object] | None] = {
    "everybody": ("index.store.scope_of", _everybody),
    "similar names": ("index.store.scope_of", _similar_names),
    "not narrowed": ("index.document.Scope.narrowed", lambda scope, _names: scope),
    "unchecked": ("index.search.reading.located", _unchecked),
    "memory": None,
}


def caught(home: Path, name: str, seed: int, cases: int = 500) -> bool:
    """Whether the oracle notices the leak of this name."""
    leak, world = LEAKS[name], World(seed, texts=60)
    if leak is None:
        return bool(interleaved(home, world, cases, spoil=_share_memory).leaks)
    with patch(*leak):
        return bool(interleaved(home, world, cases).leaks)
