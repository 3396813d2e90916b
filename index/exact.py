"""Exact vector search: every vector is compared. In memory, or in one pass over the catalogue.

Used for small collections, for what Chroma has not caught up with, and when this process may not
open Chroma. In memory it is a view like any other, only that it starts empty with every process,
at a generation of choice; what was not searched for longest makes room when all matrices together
have more bytes than they may. Measured on 2 cores: 20,000 vectors of 384 are read from the
catalogue in 0.1 s of one core, 50,000 in 0.3 s, and compared in 1 and 2 ms.

The same vectors give the same answer in whatever order they came: scores are computed anew for the
best, row by row in double precision, since a sum in single precision may depend on where it stands;
ties go by chunk id.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from index.ports import Scored, VectorRows
from index.records import Vector, Vectors

BUDGET = 512 * 1024 * 1024  # bytes of all matrices of one process and shelf
_ROUNDING = 1e-5  # how far a product in single precision may be off: far above what was seen


def cosines(vectors: Vectors, query: Vector) -> Vectors:
    """The similarity of each row to `query`, float32 (n,); equal rows give equal values."""
    exact = np.einsum("ij,j->i", vectors.astype(np.float64), query.astype(np.float64))
    rounded: Vectors = exact.astype(np.float32)
    return rounded


def nearest_rows(rows: Iterable[VectorRows], query: Vector, limit: int) -> list[Scored]:
    """The `limit` best of all pieces of `rows`, best first, one piece in memory at a time."""
    best: list[Scored] = []
    for piece in rows:
        best = ranked([*best, *_best(piece.chunks, piece.vectors, query, limit)], limit)
    return best


def ranked(found: Iterable[Scored], limit: int) -> list[Scored]:
    """The `limit` best, best first, ties by chunk id."""
    return sorted(found, key=lambda each: (-each.score, each.chunk))[: max(limit, 0)]


def _best(chunks: tuple[str, ...], vectors: Vectors, query: Vector, limit: int) -> list[Scored]:
    if not chunks or limit < 1:
        return []
    # Not `@`: its threads wait for each other, 46 ms for 30,000 rows on two busy cores against 1.5.
    rough = np.einsum("ij,j->i", vectors, query.astype(np.float32))
    if limit < len(rough):
        least = np.partition(rough, len(rough) - limit)[len(rough) - limit]
        places = np.flatnonzero(rough >= least - _ROUNDING)  # whoever ties with the last, too
    else:
        places = np.arange(len(rough))
    scores = cosines(vectors[places], query).tolist()
    return ranked(
        (Scored(chunks[place], score) for place, score in zip(places, scores, strict=True)), limit
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Matrix:
    """One state of a collection. Never changed, so that searches need no lock."""

    base: int
    generation: int
    chunks: tuple[str, ...]
    documents: tuple[str, ...]
    vectors: Vectors


def _joined(old: _Matrix, gone: set[str], rows: VectorRows, generation: int) -> _Matrix:
    """`old` without the documents `gone`, with `rows` behind it."""
    keep = [place for place, document in enumerate(old.documents) if document not in gone]
    unchanged = len(keep) == len(old.documents)
    chunks = old.chunks if unchanged else tuple(old.chunks[place] for place in keep)
    documents = old.documents if unchanged else tuple(old.documents[place] for place in keep)
    vectors = old.vectors if unchanged else old.vectors[keep]
    if rows.chunks:
        vectors = np.concatenate([vectors, rows.vectors]) if len(vectors) else rows.vectors
    return _Matrix(old.base, generation, chunks + rows.chunks, documents + rows.documents, vectors)


class ExactVectors:
    """A `VectorStore` whose vectors live in this process only, in at most `budget` bytes.

    A collection that others made room for is as if it had been dropped. The one that was used last
    always stays, whatever its size: ask `fits` first.
    """

    def __init__(self, dimensions: int, budget: int = BUDGET) -> None:
        self._dimensions = dimensions
        self._budget = budget
        self._matrices: OrderedDict[str, _Matrix] = OrderedDict()  # used last comes last
        self._lock = threading.Lock()

    def fits(self, count: int) -> bool:
        """Whether so many vectors of one collection may be held: half of all bytes, so that two
        collections that are searched together do not turn each other out."""
        return count * self._dimensions * 4 <= self._budget // 2

    def start_from(self, collection: str, base: int) -> None:
        """Hold only what changed after generation `base`; begins anew if that is another base."""
        with self._lock:
            found = self._matrices.get(collection)
            if found is None or found.base != base:
                self._keep(collection, self._empty(base))

    def fill(self, collection: str, pieces: Iterable[VectorRows], generation: int) -> None:
        """Hold exactly what `pieces` bring; whoever searches meanwhile meets the state before."""
        taken = list(pieces)
        none = np.zeros((0, self._dimensions), np.float32)
        matrix = _Matrix(
            0,
            generation,
            tuple(chunk for piece in taken for chunk in piece.chunks),
            tuple(document for piece in taken for document in piece.documents),
            np.concatenate([none, *(piece.vectors for piece in taken)]),
        )
        with self._lock:
            self._keep(collection, matrix)

    def generation(self, collection: str) -> int:
        return self._matrix(collection).generation

    def count(self, collection: str) -> int:
        return len(self._matrix(collection).chunks)

    def chunks(self, collection: str) -> set[str]:
        return set(self._matrix(collection).chunks)

    def drop(self, collection: str) -> None:
        with self._lock:
            self._matrices.pop(collection, None)

    def close(self) -> None:
        with self._lock:
            self._matrices.clear()

    def apply(
        self, collection: str, removed: Collection[str], rows: VectorRows, generation: int
    ) -> None:
        with self._lock:
            old = self._matrix(collection)
            gone = set(removed) | set(rows.documents)
            self._keep(collection, _joined(old, gone, rows, generation))

    def search(self, collection: str, query: Vector, limit: int) -> list[Scored]:
        with self._lock:
            matrix = self._matrix(collection)
            if collection in self._matrices:
                self._matrices.move_to_end(collection)
        return _best(matrix.chunks, matrix.vectors, query, limit)

    def _matrix(self, collection: str) -> _Matrix:
        return self._matrices.get(collection) or self._empty(0)

    def _keep(self, collection: str, matrix: _Matrix) -> None:
        self._matrices[collection] = matrix
        self._matrices.move_to_end(collection)
        while len(self._matrices) > 1 and self._bytes() > self._budget:
            self._matrices.popitem(last=False)

    def _bytes(self) -> int:
        return sum(matrix.vectors.nbytes for matrix in self._matrices.values())

    def _empty(self, base: int) -> _Matrix:
        return _Matrix(base, base, (), (), np.zeros((0, self._dimensions), np.float32))
