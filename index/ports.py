"""The ports of the index: what it asks of an embedder, a vector store and a lexical store.

Adapters: `index.embed`, `index.chroma`, `index.exact`, `index.lexical`. Tests hold one
conformance suite per port, which every adapter and every stand-in passes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from index.files import FileLock
from index.records import Vector, Vectors


class Embedder(Protocol):
    """Text to vectors. One instance may be called from several threads."""

    @property
    def fingerprint(self) -> str:
        """Names the weights and how they are used: equal fingerprints give equal vectors."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    @property
    def max_tokens(self) -> int:
        """Tokens that one text may have, markers at its two ends included; the rest is unread."""

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """One unit vector a text, float32 (n, dimensions), in the order of `texts`.

        Raises:
            MissingModel, AlteredModel: the model cannot be loaded.
            InvalidVectors: a vector is not finite or has no length.
        """

    def embed_query(self, text: str) -> Vector:
        """One unit vector, float32 (dimensions,). Raises as `embed_passages`."""

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` as the model counts them, markers included, never truncated."""

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """`count_tokens` of many texts at once."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate: a chunk's id and a score of which more is better."""

    chunk: str
    score: float


@dataclass(frozen=True, slots=True)
class Worded:
    """What the words of a chunk are worth for a question.

    `score` is BM25 over all that is searched (>= 0). `share` is the score of the chunk's own text,
    credited with what names its document, as a share of what a text could reach that holds each of
    the question's words very often; so it compares across questions and collections (0 to 1, and
    beyond for neighbours and phrases found whole). `place` (0 to 1) says how much of what may name
    a document in the question names this chunk's.
    """

    score: float
    share: float
    place: float


@dataclass(frozen=True, slots=True)
class TextRow:
    """What a lexical store keeps of a chunk."""

    chunk: str
    document: str
    text: str  # the chunk under its headings, see `index.context.worded`
    place: str = ""  # what names the document it is from, see `index.context.naming`


@dataclass(frozen=True, slots=True, eq=False)
class VectorRows:
    """What a vector store keeps of chunks: `vectors[i]` belongs to `chunks[i]`."""

    chunks: tuple[str, ...]
    documents: tuple[str, ...]
    vectors: Vectors


class Reranker(Protocol):
    """Reads question and passage together. One instance may be called from several threads."""

    @property
    def fingerprint(self) -> str:
        """Names the weights and how they are used: equal fingerprints give equal scores."""

    def scores(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        """How well each passage answers the question, 0..1, in the order of `passages`.

        Raises ConfigurationError, AlteredModel: the model cannot be used.
        """


class View(Protocol):
    """What both kinds of store have in common. All methods take a Cloister collection's name."""

    def generation(self, collection: str) -> int:
        """Up to which line of the change log this view is complete; 0 if it holds nothing."""

    def count(self, collection: str) -> int:
        """How many chunks it holds."""

    def chunks(self, collection: str) -> set[str]:
        """The ids of the chunks it holds."""

    def drop(self, collection: str) -> None:
        """Forget the collection: its generation is 0 again."""

    def close(self) -> None:
        """Let go of files and locks."""


class VectorStore(View, Protocol):
    """Nearest vectors by cosine."""

    def apply(
        self, collection: str, removed: Collection[str], rows: VectorRows, generation: int
    ) -> None:
        """Forget the documents `removed` and all documents of `rows`, then hold `rows`.

        Doing it twice is the same as doing it once. Generation 0 says that the view is not whole
        yet, whatever it holds. When it returns, `generation` is durable
        if the store is; a crash before that leaves the old generation.
        """

    def search(self, collection: str, query: Vector, limit: int) -> list[Scored]:
        """At most `limit` candidates by cosine similarity (-1..1), best first."""


class LexicalStore(View, Protocol):
    """Best matching words by BM25, in what a chunk says and in what names its document."""

    def lock(self, collection: str) -> FileLock:
        """The lock that whoever calls `apply` or `drop` must hold."""

    def apply(
        self,
        collection: str,
        removed: Collection[str],
        rows: Sequence[TextRow],
        generation: int,
    ) -> None:
        """As `VectorStore.apply`."""

    def wasted(self, collection: str) -> int:
        """How many deleted entries still take up space. Raises ViewDamaged if that is unknown."""

    def sweep(self, collection: str) -> None:
        """Remove files that belong to no index in use. Whoever calls it holds the lock."""

    def search(self, collection: str, question: str, limit: int) -> list[Scored]:
        """At most `limit` candidates by BM25 (> 0), best first. No text makes it fail."""

    def weigh(self, collection: str, question: str, chunks: Sequence[str]) -> dict[str, Worded]:
        """What those of `chunks` that it holds are worth, however they were found."""
