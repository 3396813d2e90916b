"""Whoever changes documents and grants, and the exact times between which each change happened.

A change takes effect at one moment between the start and the end of the call that makes it. What
follows from it for each document and each grant is worked out here from a model of the rules (a
document is searched in a collection while a source of that collection holds it and it is declared
current; a group reads a collection from its grant to its revocation), never from the index.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from index.document import Status
from index.records import Declared
from index.store import Index
from tests.index.scope_world import (
    GROUPS,
    NAMES,
    Text,
    World,
    document_of,
    source_in,
)
from tests.index.standins import HashEmbedder

Fact = tuple[str, str, str]  # ("searched" | "held", collection, document) or ("read", ..., group)
_FEWEST, _MOST = 30, 80  # sources that hold a document


@dataclass(frozen=True, slots=True)
class Happened:
    """A fact began or ceased to be true between two moments (nanoseconds, monotonic)."""

    fact: Fact
    true: bool
    began: int
    ended: int


@dataclass
class Model:
    """What has been done so far. Sources are keyed by collection and name."""

    grants: dict[str, set[str]] = field(default_factory=dict)
    holds: dict[tuple[str, str], str] = field(default_factory=dict)  # source -> document
    withdrawn: set[tuple[str, str]] = field(default_factory=set)  # collection, document
    names: dict[tuple[str, str], set[str]] = field(default_factory=dict)  # document -> sources ever

    def facts(self) -> set[Fact]:
        """Everything that is true now. "held" errs towards longer: see `names`."""
        found: set[Fact] = {
            ("read", name, group) for name, groups in self.grants.items() for group in groups
        }
        for (collection, _source), document in self.holds.items():
            if (collection, document) not in self.withdrawn:
                found.add(("searched", collection, document))
        found |= {("held", *place) for place, sources in self.names.items() if sources}
        return found

    def hold(self, collection: str, source: str, document: str) -> None:
        self.holds[collection, source] = document
        self.names.setdefault((collection, document), set()).add(source)

    def forget(self, collection: str, source: str) -> None:
        del self.holds[collection, source]
        for (name, _document), sources in self.names.items():
            if name == collection:
                sources.discard(source)

    def rename(self, collection: str, old: str, new: str) -> None:
        self.holds[collection, new] = self.holds.pop((collection, old))
        for (name, _document), sources in self.names.items():
            if name == collection and old in sources:
                sources.remove(old)
                sources.add(new)


class Changer:
    """Changes `index` step by step, as the seed of `world` says; keeps what happened."""

    def __init__(self, index: Index, world: World, embedder: HashEmbedder) -> None:
        self._index = index
        self._world = world
        self._embedder = embedder
        self._rng = random.Random(f"changes-{world.seed}")
        self._model = Model()
        self._known: set[Fact] = set()
        self._number = 0
        self.happened: list[Happened] = []
        self.steps = 0
        self._ways: list[tuple[int, Callable[[], None]]] = [
            (40, self._grant),
            (40, self._revoke),
            (1, self._create),
            (12, self._put),
            (10, self._supersede),
            (7, self._remove),
            (1, self._remove_many),
            (5, self._transfer),
            (4, self._move),
            (4, self._link),
            (3, self._withdraw),
            (3, self._restore),
            (1, self._upkeep),
        ]

    def begin(self) -> None:
        """The state before the first question."""
        for name in NAMES[:8]:
            self._noted(lambda name=name: self._make(name))  # type: ignore[misc]
        self._noted(self._put_first)

    def step(self) -> None:
        """One change."""
        way = self._rng.choices([w for _, w in self._ways], [n for n, _ in self._ways])[0]
        if way == self._put and len(self._model.holds) > _MOST:
            way = self._remove
        if way in (self._remove, self._remove_many) and len(self._model.holds) < _FEWEST:
            way = self._put
        self._noted(way)
        self.steps += 1

    def _noted(self, change: Callable[[], None]) -> None:
        began = time.monotonic_ns()
        change()
        ended = time.monotonic_ns()
        now = self._model.facts()
        for fact in sorted(now ^ self._known):
            self.happened.append(Happened(fact, fact in now, began, ended))
        self._known = now

    # -- grants ---------------------------------------------------------------------------------

    def _make(self, name: str) -> None:
        groups = frozenset(self._rng.sample(GROUPS, self._rng.choice((0, 1, 1, 2))))
        self._index.ensure_collection(name, groups)
        self._model.grants.setdefault(name, set()).update(groups)

    def _create(self) -> None:
        self._make(self._rng.choice(NAMES))

    def _grant(self) -> None:
        name, group = self._collection(), self._rng.choice(GROUPS)
        self._index.ensure_collection(name, frozenset({group}))
        self._model.grants[name].add(group)

    def _revoke(self) -> None:
        name = self._collection()
        groups = self._model.grants[name]
        group = self._rng.choice(sorted(groups) or list(GROUPS))
        self._index.revoke(name, frozenset({group}))
        groups.discard(group)

    def _collection(self) -> str:
        return self._rng.choice(sorted(self._model.grants))

    # -- documents ------------------------------------------------------------------------------

    def _source(self) -> tuple[str, str]:
        return self._rng.choice(sorted(self._model.holds))

    def _named(self, collection: str) -> str:
        self._number += 1
        return source_in(collection, self._number)

    def _store(self, text: Text, collection: str, source: str) -> None:
        self._index.put(document_of(text, collection, source, self._embedder))
        self._model.hold(collection, source, text.id)
        self._model.withdrawn.discard((collection, text.id))

    def _put(self) -> None:
        collection = self._collection()
        self._store(self._rng.choice(self._world.texts), collection, self._named(collection))

    def _put_first(self) -> None:
        """What is there from the beginning, in one transaction."""
        new = []
        for _ in range(_FEWEST):
            name, text = self._collection(), self._rng.choice(self._world.texts)
            new.append(document_of(text, name, self._named(name), self._embedder))
        self._index.put_many(new)
        for each in new:
            self._model.hold(each.collection, each.source, each.id)

    def _supersede(self) -> None:
        collection, source = self._source()
        self._store(self._rng.choice(self._world.texts), collection, source)

    def _remove(self) -> None:
        collection, source = self._source()
        self._index.remove(collection, source)
        self._model.forget(collection, source)

    def _remove_many(self) -> None:
        collection, _source = self._source()
        mine = sorted(source for name, source in self._model.holds if name == collection)
        gone = self._rng.sample(mine, min(3, len(mine)))
        self._index.remove_many(collection, gone)
        for source in gone:
            self._model.forget(collection, source)

    def _transfer(self) -> None:
        """To another collection. Two changes; taken for one, the span is only longer."""
        collection, source = self._source()
        text = self._world.by_id[self._model.holds[collection, source]]
        other = self._rng.choice(sorted(self._model.grants.keys() - {collection}))
        self._index.remove(collection, source)
        self._model.forget(collection, source)
        self._store(text, other, self._named(other))

    def _move(self) -> None:
        collection, source = self._source()
        new = self._named(collection)
        self._index.move_source(collection, source, new, f"/folder/{new}", 1, 2)
        self._model.rename(collection, source, new)

    def _link(self) -> None:
        collection, source = self._source()
        document, new = self._model.holds[collection, source], self._named(collection)
        self._index.link_source(collection, new, f"/folder/{new}", 1, 2, document)
        self._model.hold(collection, new, document)

    def _withdraw(self) -> None:
        collection, source = self._source()
        self._index.describe(collection, source, Declared(status=Status.WITHDRAWN, digest="w"))
        self._model.withdrawn.add((collection, self._model.holds[collection, source]))

    def _restore(self) -> None:
        places = [
            place
            for place, document in sorted(self._model.holds.items())
            if (place[0], document) in self._model.withdrawn
        ]
        if places:
            collection, source = self._rng.choice(places)
            self._index.describe(collection, source, Declared(digest="c"))
            self._model.withdrawn.discard((collection, self._model.holds[collection, source]))

    def _upkeep(self) -> None:
        """What the end of an ingestion does."""
        self._index.mark_recorded(line.generation for line in self._index.unrecorded())
        self._index.refresh()
        self._index.compact()
