"""The same permitted documents in two data folders, in one of them beside forbidden ones.

Whatever an asker gets must be the same in both, to the last bit: passages, order, scores, counts,
and the figures from which it is decided whether there is enough evidence. The forbidden documents
are more than the permitted, repeat their texts and are full of the question's words; they stand in
collections whose names begin with those of permitted ones, and change between the questions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from assistant import asked as asking
from assistant.retrieval import Limits, retrieve
from index.document import Hit, Scope
from index.records import SearchResult
from index.store import Index
from tests.index.scope_world import (
    Asking,
    QuickEmbedder,
    Text,
    World,
    document_of,
    opened,
    source_in,
)

PERMITTED = ("a", "a-b", "ab")
FORBIDDEN = ("a-", "a-bc", "b", "legal")
ASKER = frozenset({"local"})
_EVERY_DECISION = 10  # of so many questions one is also taken as far as the decision to answer
_PER_PERMITTED = 3  # forbidden documents put beside each permitted one


class Twins:
    """The two data folders below `folder`, `alone` and `beside`. Close when done."""

    def __init__(self, folder: Path, seed: int, view: str, documents: int = 50) -> None:
        self.world = World(seed)
        self._rng = random.Random(f"twins-{seed}")
        self._embedder = QuickEmbedder(64)
        self._number = 0
        self.passages = 0  # compared so far
        self._forbidden: list[tuple[str, str]] = []
        self._permitted: list[tuple[str, str]] = []
        self.alone = opened(folder / "alone", view, self._embedder)
        self.beside = opened(folder / "beside", view, self._embedder)
        for name in PERMITTED:
            for index in (self.alone, self.beside):
                index.ensure_collection(name, ASKER)
        for name in FORBIDDEN:
            self.beside.ensure_collection(name, frozenset({"board", "local-board"}))
        for _ in range(documents):
            self._put_permitted()

    def phases(self) -> Iterator[str]:
        """What was done to the folders before the questions that are to follow."""
        yield "not in the views yet"
        self._both(lambda index: index.refresh())
        yield "in the views"
        self.change_forbidden()
        yield "forbidden ones changed"
        self._both(lambda index: index.refresh())
        yield "forbidden ones changed, in the views"
        self.change_permitted()
        self.change_forbidden()
        yield "all changed"
        self._both(_upkeep)
        yield "after upkeep"

    def change_forbidden(self) -> None:
        """Half of the forbidden documents go, others come, some are superseded."""
        rng = self._rng
        rng.shuffle(self._forbidden)
        half = len(self._forbidden) // 2
        gone, self._forbidden = self._forbidden[:half], self._forbidden[half:]
        for name in FORBIDDEN:
            self.beside.remove_many(name, [source for other, source in gone if other == name])
        for name, source in self._forbidden[: half // 2]:
            self._store(self.beside, rng.choice(self.world.texts), name, source)
        for _ in range(half):
            self._put_forbidden(rng.choice(self.world.texts))
        self.beside.ensure_collection(rng.choice(FORBIDDEN), frozenset({f"new{self._number}"}))

    def change_permitted(self) -> None:
        """The same removals, new versions and new documents in both folders."""
        rng = self._rng
        for _ in range(len(self._permitted) // 5):
            name, source = self._permitted.pop(rng.randrange(len(self._permitted)))
            self._both(lambda index, at=(name, source): index.remove(*at))  # type: ignore[misc]
        for name, source in rng.sample(self._permitted, len(self._permitted) // 5):
            text = rng.choice(self.world.texts)
            for index in (self.alone, self.beside):
                self._store(index, text, name, source)
        for _ in range(5):
            self._put_permitted()

    def difference(self, question: Asking, number: int) -> str:
        """How the answers of the two folders differ; empty if they do not. `number` counts."""
        rng = random.Random(f"pair-{self.world.seed}-{number}")
        names = self.world.narrowed(rng)
        scopes = [_scope(index, names) for index in (self.alone, self.beside)]
        if scopes[0] != scopes[1]:
            return f"scopes {scopes[0]} and {scopes[1]}"
        named = self.world.named(rng)
        for figures in (_found, _decided)[: 1 + (number % _EVERY_DECISION == 0)]:
            one = figures(self.alone, question, scopes[0], named)
            other = figures(self.beside, question, scopes[1], named)
            self.passages += one[0]
            if one != other:
                return f"{question.question[:60]!r}: {_first_difference(one, other)}"
        return ""

    def close(self) -> None:
        self.alone.close()
        self.beside.close()

    def _both(self, change: Callable[[Index], object]) -> None:
        for index in (self.alone, self.beside):
            change(index)

    def _put_permitted(self) -> None:
        text, name = self._rng.choice(self.world.texts), self._rng.choice(PERMITTED)
        source = self._named(name)
        for index in (self.alone, self.beside):
            self._store(index, text, name, source)
        self._permitted.append((name, source))
        for _ in range(_PER_PERMITTED - 1):
            self._put_forbidden(self._rng.choice(self.world.texts))
        self._put_forbidden(text)

    def _put_forbidden(self, text: Text) -> None:
        name = self._rng.choice(FORBIDDEN)
        source = self._named(name)
        self._store(self.beside, text, name, source)
        self._forbidden.append((name, source))

    def _named(self, collection: str) -> str:
        self._number += 1
        return source_in(collection, self._number)

    def _store(self, index: Index, text: Text, collection: str, source: str) -> None:
        index.put(document_of(text, collection, source, self._embedder))


def _upkeep(index: Index) -> None:
    """What the end of an ingestion does: it may build views anew, for all collections."""
    index.mark_recorded(line.generation for line in index.unrecorded())
    index.refresh()
    index.compact()
    index.refresh()


def _scope(index: Index, names: frozenset[str] | None) -> Scope:
    scope = index.scope(ASKER)
    return scope if names is None else scope.narrowed(names)


def _found(index: Index, question: Asking, scope: Scope, named: frozenset[str] | None) -> list[Any]:
    return figures_of(index.search(question.question, scope, question.k, documents=named))


def figures_of(result: SearchResult) -> list[Any]:
    """All that an asker can learn from a search but how long it took."""
    return [len(result.hits), result.vectors_from, sorted(result.timings), *map(_hit, result.hits)]


def _hit(hit: Hit) -> tuple[Any, ...]:
    about = hit.document
    document = (about.id, about.collection, about.source, about.title, about.version, about.status)
    scores = (hit.score, hit.dense, hit.lexical)
    return (hit.rank, scores, hit.chunk.id, hit.text, hit.start, hit.end, hit.joined, document)


def _decided(index: Index, question: Asking, scope: Scope, _named: object) -> list[Any]:
    text = question.question.encode("utf-8", "replace").decode("utf-8")
    found = retrieve(index, asking.read(text), scope, Limits())
    return [
        len(found.hits),
        astuple(found.decision),
        sorted(found.pages),
        *((each.score, each.similarity, each.coverage, each.answers) for each in found.ranked),
    ]


def _first_difference(one: Sequence[Any], other: Sequence[Any]) -> str:
    for left, right in zip(one, other, strict=False):
        if left != right:
            return f"{left!r} and {right!r}"
    return f"{len(one)} and {len(other)} figures"


# -- before and after building the views anew ---------------------------------------------------


def answers(index: Index, questions: Sequence[Asking], scope: Scope) -> list[SearchResult]:
    """What the index finds for each question."""
    return [index.search(each.question, scope, each.k) for each in questions]


def changed_answers(
    before: Sequence[SearchResult], after: Sequence[SearchResult], tolerance: float = 1e-6
) -> tuple[list[str], float]:
    """Where ids or order differ, or a score by more than `tolerance`; and the greatest distance."""
    wrong: list[str] = []
    farthest = 0.0
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        ids = [hit.chunk.id for hit in old.hits], [hit.chunk.id for hit in new.hits]
        if ids[0] != ids[1]:
            place = next(
                (at for at, (a, b) in enumerate(zip(*ids, strict=False)) if a != b),
                min(map(len, ids)),
            )
            wrong.append(
                f"question {number}: {len(ids[0])} and {len(ids[1])} passages, "
                f"other ones or another order from rank {place + 1}"
            )
            continue
        far = max((_distance(a, b) for a, b in zip(old.hits, new.hits, strict=True)), default=0.0)
        farthest = max(farthest, far)
        if far > tolerance:
            wrong.append(f"question {number}: scores differ by {far:.2e}")
    return wrong, farthest


def _distance(one: Hit, other: Hit) -> float:
    """The greatest difference of a score; a score that only one of them has is one of 1."""
    pairs = ((one.score, other.score), (one.dense, other.dense), (one.lexical, other.lexical))
    return max(float(a != b) if a is None or b is None else abs(a - b) for a, b in pairs)
