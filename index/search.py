"""From a question to checked hits: proposals of the views, the catalogue's check, and the order.

The views only propose. What they name is looked up in one state of the catalogue, and what is not
in force there, or not in its collection, is dropped before anything is scored. When the question
is put to named documents only, the candidates come from that state itself (`index.within`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import sqlalchemy as sa

from index import effective, feeding, naming, passages, reading, within
from index.catalogue import Catalogue
from index.clock import Clock
from index.context import searchable_text
from index.document import Document, Scope
from index.effective import Calendar, InForce
from index.exact import cosines
from index.fusion import Fused, Signals, Weights, fuse
from index.passages import Passage
from index.ports import Embedder, Reranker, Worded
from index.proposals import Asked, Key, Shelves, level, propose, weighed
from index.recency import asks_for_latest
from index.records import SearchResult, Vector
from index.rerank import reranked
from index.shaping import Candidate, shape

MAX_QUESTION = 4_000  # characters that are searched; far beyond any embedder's window
_DEEPER = 4  # how many times more candidates when too many were dropped by the check
_ROUNDS = 3
_SHAPED = 4  # times k: candidates that hits are shaped from
_SHAPED_LEAST = 40

_Page = tuple[str, str, int]  # collection, document id, page number
_InForce: TypeAlias = Mapping[str, InForce]
_Rows: TypeAlias = Callable[[sa.Connection, _InForce], dict[Key, int]]
"""Finds the chunk rows of the candidates that are in force, in one state of the catalogue."""

NOTHING = SearchResult(hits=(), generation=0, timings={}, vectors_from="none")


_WEIGHTS = Weights()


@dataclass(frozen=True, slots=True)
class Tuning:
    """How candidates are taken and ranked; the defaults are measured, see ADR 0011."""

    candidates: int = 130  # of each signal
    signals: Literal["both", "words", "vectors"] = "both"
    weights: Weights = _WEIGHTS
    reranked: int = 30  # candidates that a reranker reads, if there is one


@dataclass(frozen=True, slots=True)
class _Checked:
    """What is left of the candidates, best first; `checked` counts those that are in force."""

    candidates: Sequence[Candidate]
    pages: Mapping[_Page, str]  # their texts
    focus: frozenset[str]  # ids of the documents that the question is about
    generation: int
    checked: int

    def text_of(self, document: Document, page: int, start: int, end: int) -> str:
        return self.pages[document.collection, document.id, page][start:end]


class Searcher:
    """Hybrid search over the collections of a scope. May be called from several threads."""

    def __init__(
        self,
        catalogue: Catalogue,
        shelves: Shelves,
        embedder: Embedder,
        tuning: Tuning,
        reranker: Reranker | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._shelves = shelves
        self._embedder = embedder
        self._tuning = tuning
        self._reranker = reranker
        self._calendar = Calendar()

    def search(
        self,
        question: str,
        scope: Scope,
        k: int,
        day: str | None = None,
        documents: frozenset[str] | None = None,
    ) -> SearchResult:
        """At most `k` hits within `scope` from what is in force on `day`, best first; of
        `documents` (ids) only, if any are named.

        An empty scope, question or set of documents finds nothing and touches no store. Only the
        first `MAX_QUESTION` characters are searched.
        """
        question = question[:MAX_QUESTION].strip()
        if not scope.collections or not question or k < 1 or documents == frozenset():
            return NOTHING
        clock = Clock()
        with clock.stage("total"), ThreadPoolExecutor(1) as beside:
            query = beside.submit(self._embedded, question, clock)
            in_force = self._in_force(scope, day or effective.today(), clock)
            asked = self._asked(question, query, max(self._tuning.candidates, 2 * k))
            if documents is None:
                found, origin = self._among_all(asked, in_force, k, clock, beside)
            else:
                found, origin = self._among(documents, asked, in_force, k, clock)
            ranked = self._reranked(question, found.candidates, clock)
            with clock.stage("shape"):
                hits = shape(ranked, k, found.text_of, found.focus).hits
        return SearchResult(hits, found.generation, clock.seconds, origin)

    def _among_all(
        self, asked: Asked, in_force: _InForce, k: int, clock: Clock, beside: Executor
    ) -> tuple[_Checked, str]:
        """What is left of the views' proposals, and where vectors were searched. When the check
        drops so many candidates that fewer than `k` are left, more are asked for."""
        for _round in range(_ROUNDS):
            proposals = propose(self._shelves, asked, in_force, clock, beside)
            proposed = proposals.keys
            found = self._check(asked, _located(proposed), in_force, k, clock)
            if len(found.candidates) >= k or found.checked == len(proposed):
                break
            asked = replace(asked, depth=asked.depth * _DEEPER)
        places = proposals.places
        return found, "both" if len(places) > 1 else next(iter(places), "none")

    def _among(
        self, documents: frozenset[str], asked: Asked, in_force: _InForce, k: int, clock: Clock
    ) -> tuple[_Checked, str]:
        """The chunks of `documents`, as far as these are in force."""

        def rows(connection: sa.Connection, now: _InForce) -> dict[Key, int]:
            def measure(found: within.Rows) -> Sequence[Mapping[Key, float]]:
                words = self._words(asked, found, now)
                shares = {key: each.share for key, each in words.items()}
                return self._similarities(connection, asked, found), shares

            return within.candidates(connection, documents, now, measure)

        return self._check(asked, rows, in_force, k, clock), "exact" if asked.dense else "none"

    def _embedded(self, question: str, clock: Clock) -> Vector:
        with clock.stage("embed"):
            return self._embedder.embed_query(question)

    def _asked(self, question: str, query: Future[Vector], depth: int) -> Asked:
        signals = self._tuning.signals
        return Asked(question, query, depth, signals != "words", signals != "vectors")

    def _in_force(self, scope: Scope, day: str, clock: Clock) -> dict[str, InForce]:
        """The collections of the scope and what of each is in force, their words levelled."""
        with clock.stage("refresh"):
            with self._catalogue.read() as connection:
                known = [each.name for each in reading.all_collections(connection)]
                names = [name for name in known if scope.allows(name)]
                levels = {name: reading.generation(connection, name) for name in names}
                found = {name: self._calendar.asked(connection, name, day) for name in names}
            level(self._shelves, found, levels)
        return found

    def _check(
        self, asked: Asked, rows_of: _Rows, in_force: _InForce, k: int, clock: Clock
    ) -> _Checked:
        """Drop what is not in force or not in its collection, and rank what is left: all in one
        state of the catalogue."""
        with self._catalogue.read() as connection:
            with clock.stage("check"):
                generation = reading.generation(connection)
                in_force = {
                    name: self._calendar.asked(connection, name, those.day)
                    for name, those in in_force.items()
                }
                rows = rows_of(connection, in_force)
                owners = passages.owners(connection, sorted(rows.values()))
                documents = {key: owners[row][0] for key, row in rows.items()}
                lengths = {key: owners[row][1] for key, row in rows.items()}
                dense = self._similarities(connection, asked, rows)
            with clock.stage("weigh"):
                words = self._words(asked, rows, in_force)
            with clock.stage("rank"):
                shares = {key: each.share for key, each in words.items()}
                signals = Signals(dense, shares, lengths=lengths)
                ranked, about = self._ranked(connection, asked, signals, words, documents)
                most = max(_SHAPED * k, _SHAPED_LEAST, self._tuning.reranked)
                best = [(each, rows[each.key]) for each in ranked[:most]]
                held = passages.passages_at(connection, [row for _each, row in best])
        candidates = [_candidate(each, held[row], words.get(each.key)) for each, row in best]
        focus = {held[row].document.id for each, row in best if documents[each.key] in about}
        pages = {_page_of(each): each.page_text for each in held.values()}
        return _Checked(candidates, pages, frozenset(focus), generation, len(rows))

    def _words(self, asked: Asked, keys: Iterable[Key], in_force: _InForce) -> dict[Key, Worded]:
        """What the words of each candidate are worth, as far as the views hold it."""
        return weighed(self._shelves, asked.question, sorted(keys), in_force) if asked.words else {}

    def _ranked(
        self,
        connection: sa.Connection,
        asked: Asked,
        signals: Signals[Key],
        words: Mapping[Key, Worded],
        documents: Mapping[Key, int],
    ) -> tuple[list[Fused[Key]], frozenset[int]]:
        """The candidates in order, and the documents (rows) that the question is about."""
        places = {key: each.place for key, each in words.items()}
        about = naming.named(places, documents)
        newest: frozenset[int] = frozenset()
        if about and asks_for_latest(asked.question):
            newest = naming.latest(asked.question, passages.names(connection, about))
        latest = {key for key, document in documents.items() if document in newest}
        signals = replace(signals, place=places, latest=latest)
        focus = naming.focus(newest or about, len(set(documents.values())))
        return fuse(signals, self._tuning.weights), focus

    def _similarities(
        self, connection: sa.Connection, asked: Asked, rows: Mapping[Key, int]
    ) -> dict[Key, float]:
        """The cosine of every candidate, from the catalogue's vectors.

        What a view gives may differ in the last digit with what else it holds, and with what it
        held before: enough to change places with an equal text.
        """
        if not asked.dense:
            return {}
        keys = {row: key for key, row in rows.items()}
        found: dict[Key, float] = {}
        ordered = sorted(keys)
        for first in range(0, len(ordered), within.AT_ONCE):
            piece = ordered[first : first + within.AT_ONCE]
            held, vectors = feeding.vectors_at(connection, piece, self._embedder.dimensions)
            scores = cosines(vectors, asked.query.result()).tolist()
            found |= {keys[row]: score for row, score in zip(held, scores, strict=True)}
        return found

    def _reranked(
        self, question: str, candidates: Sequence[Candidate], clock: Clock
    ) -> Sequence[Candidate]:
        if self._reranker is None:
            return candidates
        with clock.stage("rerank"):
            head = candidates[: self._tuning.reranked]
            texts = [searchable_text(each.document.title, each.chunk) for each in head]
            return reranked(candidates, self._reranker.scores(question, texts))


def _located(proposed: Iterable[Key]) -> _Rows:
    """Those of the proposed chunks that a document in force holds."""

    def rows(connection: sa.Connection, in_force: _InForce) -> dict[Key, int]:
        return {
            (name, chunk): row
            for name, ids in _by_collection(proposed)
            for chunk, row in reading.located(connection, name, ids, in_force[name]).items()
        }

    return rows


def _by_collection(keys: Iterable[Key]) -> list[tuple[str, list[str]]]:
    grouped: dict[str, list[str]] = {}
    for name, chunk in sorted(keys):
        grouped.setdefault(name, []).append(chunk)
    return list(grouped.items())


def _candidate(fused: Fused[Key], found: Passage, words: Worded | None) -> Candidate:
    return Candidate(
        found.chunk,
        found.document,
        fused.score,
        fused.dense,
        words.score if words is not None and words.score > 0.0 else None,
    )


def _page_of(found: Passage) -> _Page:
    return found.document.collection, found.document.id, found.chunk.page
