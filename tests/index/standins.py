"""Stand-ins for what the index is wired to: small, deterministic, some broken on purpose."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from index.compose import assemble
from index.context import searchable_text
from index.document import Chunk, Page
from index.ports import Embedder, Scored, TextRow, VectorRows
from index.records import NewDocument, Vector, Vectors
from index.settings import IndexSettings
from index.store import Index
from tests.index.plain_lexical import PlainLexical

LOCAL = frozenset({"local"})


class HashEmbedder:
    """Every word is a fixed random direction; a text is the sum of its words. No model, no wait."""

    def __init__(self, dimensions: int = 16, name: str = "hash") -> None:
        self._dimensions = dimensions
        self._name = name

    @property
    def fingerprint(self) -> str:
        return f"{self._name}:{self._dimensions}"

    @property
    def dimensions(self) -> int:
        return self._dimensions

    @property
    def max_tokens(self) -> int:
        return 256

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self._dimensions), np.float32)
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> Vector:
        total = np.full(self._dimensions, 1e-3)
        for word in re.findall(r"\w+", text.lower()):
            digest = hashlib.sha256(word.encode("utf-8", "replace")).digest()
            seed = int.from_bytes(digest[:8], "big")
            total += np.random.default_rng(seed).standard_normal(self._dimensions)
        vector: Vector = (total / np.linalg.norm(total)).astype(np.float32)
        return vector

    def count_tokens(self, text: str) -> int:
        return len(re.findall(r"\w+|[^\w\s]", text)) + 2

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        return [self.count_tokens(text) for text in texts]


class BrokenEmbedder(HashEmbedder):
    """Gives the vectors it was told to, whatever the text: NaN, zero, too short."""

    def __init__(self, rows: Vectors, dimensions: int = 16) -> None:
        super().__init__(dimensions)
        self._rows = rows

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return np.repeat(self._rows, len(texts), axis=0)


class ListVectors:
    """A `VectorStore` in the plainest way: a dict of vectors, compared one by one."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, tuple[str, Vector]]] = {}
        self._generations: dict[str, int] = {}

    def generation(self, collection: str) -> int:
        return self._generations.get(collection, 0)

    def count(self, collection: str) -> int:
        return len(self.chunks(collection))

    def chunks(self, collection: str) -> set[str]:
        return set(self._rows.get(collection, {}))

    def drop(self, collection: str) -> None:
        self._rows.pop(collection, None)
        self._generations.pop(collection, None)

    def close(self) -> None:
        self._rows.clear()

    def apply(
        self, collection: str, removed: Collection[str], rows: VectorRows, generation: int
    ) -> None:
        gone = set(removed) | set(rows.documents)
        kept = {
            chunk: row
            for chunk, row in self._rows.get(collection, {}).items()
            if row[0] not in gone
        }
        for chunk, document, vector in zip(rows.chunks, rows.documents, rows.vectors, strict=True):
            kept[chunk] = (document, vector)
        self._rows[collection] = kept
        self._generations[collection] = generation

    def search(self, collection: str, query: Vector, limit: int) -> list[Scored]:
        scored = [
            Scored(chunk, float(np.dot(row[1], query)))
            for chunk, row in self._rows.get(collection, {}).items()
        ]
        return sorted(scored, key=lambda each: -each.score)[: max(limit, 0)]


class ListLexical(PlainLexical):
    """The exact store, which also keeps its rows as they were given."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._rows: dict[str, dict[str, TextRow]] = {}

    def drop(self, collection: str) -> None:
        super().drop(collection)
        self._rows.pop(collection, None)

    def apply(
        self,
        collection: str,
        removed: Collection[str],
        rows: Sequence[TextRow],
        generation: int,
    ) -> None:
        super().apply(collection, removed, rows, generation)
        held = self._rows.get(collection, {}) | {row.chunk: row for row in rows}
        self._rows[collection] = {chunk: held[chunk] for chunk in self.chunks(collection)}


def new_document(
    text: str,
    source: str,
    *,
    collection: str = "default",
    embedder: HashEmbedder | None = None,
    title: str = "",
    size: int = 160,
) -> NewDocument:
    """A one-page document of `text`, cut every `size` characters."""
    embedder = embedder or HashEmbedder()
    original = text.encode()
    document_id = hashlib.sha256(original).hexdigest()
    chunks = tuple(
        Chunk(
            hashlib.sha256(f"{document_id}:{start}".encode()).hexdigest()[:32],
            document_id,
            1,
            start,
            min(start + size, len(text)),
            text[start : start + size],
        )
        for start in range(0, len(text), size)
    )
    return NewDocument(
        id=document_id,
        collection=collection,
        source=source,
        path=f"/folder/{source}",
        size=len(original),
        mtime_ns=1,
        title=title,
        media_type="text/plain",
        pages=(Page(1, text),),
        chunks=chunks,
        vectors=embedder.embed_passages([searchable_text(title, chunk) for chunk in chunks]),
        original=original,
        splitter="test-1",
    )


def small_index(
    home: Path, *, view: str = "exact", embedder: Embedder | None = None, candidates: int = 200
) -> Index:
    """An index with the hash embedder, and `default` open to the group `local`."""
    settings = f'vector_view = "{view}"\nbusy_timeout_ms = 9000\ncandidates = {candidates}\n'
    (home / "cloister.toml").write_text(f"[index]\n{settings}")
    index = assemble(home, IndexSettings.load(home), embedder or HashEmbedder())
    index.ensure_collection("default", LOCAL)
    return index
