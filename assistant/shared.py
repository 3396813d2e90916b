"""What the documents of a set say alike and what they say differently, sentence against sentence.

Pure. Two sentences of different documents that are near by their vectors are compared as two
wordings of a clause are (`assistant.changes`): other values, obligations or conditions, and they
differ; else they say alike. Both stand there verbatim; nobody's words are between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assistant import changes
from assistant.changes import Difference, Weight
from assistant.citations import Numbering
from assistant.provisions import without_number
from assistant.quotes import Quote
from assistant.task import Reading, cite

_NEAR = 0.78  # cosine from which two sentences are about the same
_MOST = 3_000  # sentences in all: bounds the table of cosines
# Differences that make no contradiction: each document numbers its clauses anew, for one.
_TOLD = ("passage", "words", "name", "reference")


@dataclass(frozen=True, slots=True)
class Pooled:
    """A sentence of a document (its reading holds at least the cited pages) and its vector."""

    reading: Reading
    quote: Quote
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Common:
    """Two sentences of two documents on one matter. `kind` is "alike" or "different"; then
    `differences` say in what. `texts` and `citations` have one entry a side."""

    kind: str
    texts: tuple[str, str]
    sources: tuple[str, str]
    citations: tuple[tuple[int, ...], tuple[int, ...]]
    differences: tuple[Difference, ...]


def common(pool: Sequence[Pooled], numbering: Numbering, most: int) -> tuple[Common, ...]:
    """At most `most` pairs, the nearest first, those that differ before those that do not; no
    sentence in two of them."""
    pool = list(pool[:_MOST])
    if not pool:
        return ()
    vectors = np.stack([each.vector for each in pool])
    near = np.triu(vectors @ vectors.T, k=1)
    order = sorted(zip(*np.nonzero(near >= _NEAR), strict=True), key=lambda at: -float(near[at]))
    found: dict[str, list[tuple[Pooled, Pooled, tuple[Difference, ...]]]] = {
        "different": [], "alike": [],
    }  # fmt: skip
    taken: set[int] = set()
    for left, right in order:
        one, other = pool[left], pool[right]
        same = one.reading.document.id == other.reading.document.id
        if same or left in taken or right in taken:
            continue
        told = changes.compare(_body(one), _body(other)).differences
        matters = tuple(
            each for each in told if each.weight is Weight.SUBSTANCE and each.aspect not in _TOLD
        )
        both_state = all(each.before and each.after for each in matters)
        if matters and not both_state:
            continue  # one says more than the other: neither alike nor different
        taken.update((left, right))
        found["different" if matters else "alike"].append((one, other, matters))
    chosen = [(kind, *pair) for kind in ("different", "alike") for pair in found[kind]][:most]
    return tuple(
        Common(
            kind,
            (one.quote.text, other.quote.text),
            (one.reading.document.source, other.reading.document.source),
            (_cited(numbering, one), _cited(numbering, other)),
            differences,
        )
        for kind, one, other, differences in chosen
    )


def _body(pooled: Pooled) -> str:
    return without_number(pooled.quote.text)


def _cited(numbering: Numbering, pooled: Pooled) -> tuple[int, ...]:
    return tuple(
        cite(numbering, pooled.reading, span.page, span.start, span.end).number
        for span in pooled.quote.spans
    )
