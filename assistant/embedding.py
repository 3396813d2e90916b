"""Vectors of many texts: in batches of like length, with a moment between two for whoever waits.

A batch costs as much as its longest text times their number, so texts of like length go together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from index.ports import Embedder
from index.records import Vectors

_BATCH = 8  # texts


def embedded(
    embedder: Embedder, texts: Sequence[str], between: Callable[[], object] = lambda: None
) -> Vectors:
    """Unit vectors of `texts` in their order, (texts, dimensions). `between` is called before each
    batch and may raise, to leave off."""
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    vectors = np.zeros((len(texts), embedder.dimensions), np.float32)
    for first in range(0, len(order), _BATCH):
        between()
        batch = order[first : first + _BATCH]
        vectors[batch] = embedder.embed_passages([texts[number] for number in batch])
    return vectors
