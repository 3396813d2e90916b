"""A process that applies to a vector store until it is killed; says each generation it applied.

Usage: python -m tests.index.vector_writer chroma FOLDER | pgvector URL SCHEMA
"""

from __future__ import annotations

import sys
from pathlib import Path

from index.chroma import open_chroma
from index.files import FileLock
from index.ports import VectorStore
from tests.index.vector_conformance import REAL, writer_batch


def opened(kind: str, place: str, *more: str) -> VectorStore | None:
    if kind == "chroma":
        return open_chroma(Path(place) / "chroma", FileLock(Path(place) / "chroma.lock"))
    from index.pgvector import PgVectors
    from index.postgres import read_url

    return PgVectors(read_url(place), more[0], REAL, "home").ready()


def main(*arguments: str) -> None:
    store = opened(*arguments)
    assert store is not None
    generation = store.generation("a")
    while True:
        generation += 1
        store.apply("a", [], writer_batch(generation), generation)
        print(generation, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
