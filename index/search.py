"""From a question to checked hits: both views, fusion, and the check against the catalogue."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import sqlalchemy as sa

from index import feeding, reading
from index.catalogue import Catalogue
from index.document import Hit, Scope
from index.errors import HomeFull, HomeUnavailable
from index.fusion import Fused, fuse
from index.ports import Embedder
from index.records import SearchResult, Vector
from index.views import Views

log = logging.getLogger(__name__)

MAX_QUESTION = 4_000  # characters that are searched; far beyond any embedder's window
_DEEPER = 4  # how many times more candidates when too many were dropped by the check
_ROUNDS = 3

Key = tuple[str, str]  # collection, chunk id

NOTHING = SearchResult(hits=(), generation=0, timings={}, vectors_from="none")


@dataclass(frozen=True, slots=True)
class Tuning:
    """How candidates are taken and fused; the defaults are measured, see ADR 0003."""

    dense_weight: float = 0.55
    candidates: int = 200


@dataclass(slots=True)
class _Clock:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self.seconds[name] = self.seconds.get(name, 0.0) + spent


@dataclass(frozen=True, slots=True)
class _Candidates:
    """What the views propose, unchecked. The catalogue may know better by now."""

    untrusted_dense: dict[Key, float]
    untrusted_lexical: dict[Key, float]
    places: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Checked:
    """What is left of the candidates; `dropped` counts those the catalogue does not have."""

    hits: tuple[Hit, ...]
    generation: int
    dropped: int


class Searcher:
    """Hybrid search over the collections of a scope. May be called from several threads."""

    def __init__(
        self, catalogue: Catalogue, views: Views, embedder: Embedder, tuning: Tuning
    ) -> None:
        self._catalogue = catalogue
        self._views = views
        self._embedder = embedder
        self._tuning = tuning

    def search(self, question: str, scope: Scope, k: int) -> SearchResult:
        """At most `k` hits within `scope`, best first.

        An empty scope or question finds nothing and touches no store. Only the first
        `MAX_QUESTION` characters are searched. When the check drops so many candidates that fewer
        than `k` are left, more are asked for.
        """
        question = question[:MAX_QUESTION].strip()
        if not scope.collections or not question or k < 1:
            return NOTHING
        clock = _Clock()
        with clock.stage("total"):
            names = self._caught_up(scope, clock)
            with clock.stage("embed"):
                query = self._embedder.embed_query(question)
            depth = max(self._tuning.candidates, 2 * k)
            for _round in range(_ROUNDS):
                candidates = self._candidates(question, query, names, depth, clock)
                found = self._check(candidates, query, k, clock)
                if len(found.hits) >= k or not found.dropped:
                    break
                depth *= _DEEPER
        places = candidates.places
        origin = "both" if len(places) > 1 else next(iter(places), "none")
        return SearchResult(found.hits, found.generation, clock.seconds, origin)

    def _caught_up(self, scope: Scope, clock: _Clock) -> list[str]:
        """The collections of the scope that exist, their lexical views level if possible."""
        with clock.stage("refresh"):
            with self._catalogue.read() as connection:
                known = [each.name for each in reading.all_collections(connection)]
                names = [name for name in known if scope.allows(name)]
                level = {name: reading.generation(connection, name) for name in names}
            for name in names:
                if self._views.reached_words(name) < level[name]:
                    self._refresh_words(name)
        return names

    def _refresh_words(self, name: str) -> None:
        """A view that cannot be written lags: vectors still find what its words would."""
        try:
            self._views.refresh_words(name)
        except (HomeFull, HomeUnavailable) as failure:
            log.warning("Words of recent documents in %s are not searched: %s", name, failure)

    def _candidates(
        self, question: str, query: Vector, names: Sequence[str], depth: int, clock: _Clock
    ) -> _Candidates:
        """The `depth` best of all collections together, of each view."""
        dense: dict[Key, float] = {}
        lexical: dict[Key, float] = {}
        places: set[str] = set()
        for name in names:
            with clock.stage("dense"):
                near, origin = self._views.nearest(name, query, depth)
                dense |= {(name, each.chunk): each.score for each in near}
                places |= origin
            with clock.stage("lexical"):
                worded = self._views.words(name, question, depth)
                lexical |= {(name, each.chunk): each.score for each in worded}
        return _Candidates(_best(dense, depth), _best(lexical, depth), frozenset(places))

    def _check(self, candidates: _Candidates, query: Vector, k: int, clock: _Clock) -> _Checked:
        """Drop what is not current or not in its collection, in one state of the catalogue."""
        union = {**candidates.untrusted_dense, **candidates.untrusted_lexical}
        with clock.stage("check"), self._catalogue.read() as connection:
            generation = reading.generation(connection)
            rows: dict[Key, int] = {}
            for name, ids in _by_collection(union):
                found = reading.located(connection, name, ids)
                rows |= {(name, chunk): row for chunk, row in found.items()}
            dense = _only(rows, candidates.untrusted_dense)
            lexical = _only(rows, candidates.untrusted_lexical)
            unscored = {rows[key]: key for key in lexical.keys() - dense.keys()}
            dense |= self._similarities(connection, query, unscored)
            fused = fuse(dense, lexical, self._tuning.dense_weight)
            hits = _hits(connection, fused, rows, k)
        return _Checked(hits, generation, len(union) - len(rows))

    def _similarities(
        self, connection: sa.Connection, query: Vector, keys: Mapping[int, Key]
    ) -> dict[Key, float]:
        """The cosine of what only the words found, so that every candidate has one."""
        held, vectors = feeding.vectors_at(connection, sorted(keys), self._embedder.dimensions)
        scores = np.asarray(vectors @ query).tolist()
        return {keys[row]: score for row, score in zip(held, scores, strict=True)}


def _only(visible: Collection[Key], untrusted: dict[Key, float]) -> dict[Key, float]:
    return {key: score for key, score in untrusted.items() if key in visible}


def _best(scores: dict[Key, float], limit: int) -> dict[Key, float]:
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    return dict(ranked[:limit])


def _by_collection(keys: Iterable[Key]) -> list[tuple[str, list[str]]]:
    grouped: dict[str, list[str]] = {}
    for name, chunk in sorted(keys):
        grouped.setdefault(name, []).append(chunk)
    return list(grouped.items())


def _hits(
    connection: sa.Connection, fused: Sequence[Fused[Key]], rows: Mapping[Key, int], k: int
) -> tuple[Hit, ...]:
    """The first `k` as hits; of several with the same text only the first."""
    hits: list[Hit] = []
    seen: set[str] = set()
    for first in range(0, len(fused), 2 * k):
        piece = fused[first : first + 2 * k]
        found = reading.chunks_at(connection, [rows[each.key] for each in piece])
        for each in piece:
            chunk, document = found[rows[each.key]]
            if chunk.text in seen:
                continue
            seen.add(chunk.text)
            hits.append(Hit(chunk, document, len(hits) + 1, each.score, each.dense, each.lexical))
            if len(hits) == k:
                return tuple(hits)
    return tuple(hits)
