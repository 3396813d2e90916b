"""Exact vector search in memory: every vector is compared (about 10 ms per 100,000 of 384).

Used when this process may not open Chroma, and for what Chroma has not caught up with. It is a
view like any other, only that it starts empty with every process, at a generation of choice.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from index.ports import Scored, VectorRows
from index.records import Vector, Vectors


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
    """A `VectorStore` whose vectors live in this process only."""

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._matrices: dict[str, _Matrix] = {}
        self._lock = threading.Lock()

    def start_from(self, collection: str, base: int) -> None:
        """Hold only what changed after generation `base`; begins anew if that is another base."""
        with self._lock:
            found = self._matrices.get(collection)
            if found is None or found.base != base:
                self._matrices[collection] = self._empty(base)

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
            self._matrices[collection] = _joined(old, gone, rows, generation)

    def search(self, collection: str, query: Vector, limit: int) -> list[Scored]:
        matrix = self._matrix(collection)
        if not matrix.chunks or limit < 1:
            return []
        scores = matrix.vectors @ query.astype(np.float32)
        if limit < len(scores):
            best = np.argpartition(-scores, limit - 1)[:limit]
        else:
            best = np.arange(len(scores))
        # Ties by chunk id, so that the same index always gives the same answer.
        ranked = sorted(best.tolist(), key=lambda place: (-scores[place], matrix.chunks[place]))
        return [Scored(matrix.chunks[place], float(scores[place])) for place in ranked]

    def _matrix(self, collection: str) -> _Matrix:
        return self._matrices.get(collection) or self._empty(0)

    def _empty(self, base: int) -> _Matrix:
        return _Matrix(base, base, (), (), np.zeros((0, self._dimensions), np.float32))
