from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from assistant.embedding import embedded
from index.records import Vectors
from tests.index.standins import HashEmbedder


class Noting(HashEmbedder):
    """Keeps how long the texts of each batch are."""

    def __init__(self) -> None:
        super().__init__(64)
        self.batches: list[list[int]] = []

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.batches.append([len(text) for text in texts])
        return super().embed_passages(texts)


TEXTS = [f"{n} " + "word " * (n * 7 % 20) for n in range(30)]


def test_texts_of_like_length_go_together_and_the_order_stays() -> None:
    embedder = Noting()
    vectors = embedded(embedder, TEXTS)
    assert np.allclose(vectors, HashEmbedder(64).embed_passages(TEXTS))
    assert len(embedder.batches) > 1
    lengths = [length for batch in embedder.batches for length in batch]
    assert lengths == sorted(len(text) for text in TEXTS)
    assert embedded(embedder, []).shape == (0, 64)


def test_whoever_waits_can_leave_between_two_batches() -> None:
    embedder = Noting()

    def leave() -> None:
        if len(embedder.batches) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        embedded(embedder, TEXTS, leave)
    assert len(embedder.batches) == 2
