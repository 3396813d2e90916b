"""Exact BM25 over candidates whose terms are at hand. Pure arithmetic.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the
constants, the idf and the one-byte lengths of tantivy, so that both rank alike. Statistics are
those of what is held now: a search engine also counts what is deleted until it merges its
segments, and its scores would tell the history of an index.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Lengths: TypeAlias = npt.NDArray[np.int64]
Reals: TypeAlias = npt.NDArray[np.float64]

K1 = 1.2
B = 0.75


def _lengths() -> Lengths:
    """The 256 lengths that fit into a byte: 0 to 39, then in ever larger steps."""
    held = list(range(24))
    for code in range(256 - 24):
        bits, shift = code & 7, (code >> 3) - 1
        held.append(24 + (bits if shift < 0 else (bits | 8) << shift))
    return np.array(held, np.int64)


_LENGTHS = _lengths()


def rounded_lengths(terms: Lengths) -> Lengths:
    """The greatest lengths not above `terms` that an index keeps in a byte."""
    kept: Lengths = _LENGTHS[np.searchsorted(_LENGTHS, terms, side="right") - 1]
    return kept


def rounded_length(terms: int) -> int:
    """As `rounded_lengths`, of one text."""
    return int(_LENGTHS[np.searchsorted(_LENGTHS, terms, side="right") - 1])


def idf(documents: int, holding: int) -> float:
    """How telling a term is that `holding` of `documents` have (> 0)."""
    return log1p((documents - holding + 0.5) / (holding + 0.5))


@dataclass(frozen=True, slots=True)
class Field:
    """One field of all documents held: how many there are and the mean of their rounded lengths.

    Of rounded ones, because tantivy's mean becomes that when it merges segments.
    """

    documents: int
    mean_length: float

    def damping(self, terms: Lengths) -> Reals:
        """What a term's frequency is weighed against in texts of `terms` terms."""
        if not self.mean_length:
            return np.full(len(terms), K1)
        relative = rounded_lengths(terms).astype(np.float64) / self.mean_length
        damped: Reals = (K1 * (1 - B) + K1 * B * relative).astype(np.float64)
        return damped


def saturated(times: Lengths, damping: Reals) -> Reals:
    """How much terms count that occur so many `times`: 0 to K1 + 1, element by element."""
    exact = times.astype(np.float64)
    return (K1 + 1) * exact / (exact + damping)
