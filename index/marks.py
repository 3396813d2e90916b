"""Terms as numbers of a fixed size, so that the terms of many texts are compared as arrays. Pure.

What an index keeps of a text beside its postings is its terms in order, each as 48 bits of a BLAKE2
digest: a question against a thousand candidates then costs array operations instead of a hundred
thousand strings. That two of a hundred thousand different terms get one number happens in one of
fifty thousand corpora, and then these two count as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

SIZE = 6  # bytes of one term
_PARTS = SIZE // 2
_LOW = 1 << 16

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@lru_cache(maxsize=200_000)
def _mark(term: str) -> bytes:
    return blake2b(term.encode(), digest_size=SIZE).digest()


def marks(terms: Iterable[str]) -> bytes:
    """The terms in order, `SIZE` bytes each."""
    return b"".join(map(_mark, terms))


def count(kept: bytes) -> int:
    """How many terms `kept` has."""
    return len(kept) // SIZE


def find(kept: bytes, terms: bytes) -> int:
    """Where `terms` first stand in `kept` one after another, counted in terms; -1: nowhere."""
    at = kept.find(terms)
    while at >= 0 and at % SIZE:
        at = kept.find(terms, at + 1)
    return at // SIZE if at >= 0 else -1


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Where known terms stand in several texts that are laid one after another.

    For each occurrence, in order: `codes` (1 to n), `owners` (which text), `places` (counted in
    terms from the beginning of the first text). `lengths` are those of all texts, in terms.
    """

    codes: Numbers
    owners: Numbers
    places: Numbers
    lengths: Numbers

    @classmethod
    def of(cls, texts: Sequence[bytes], known: Sequence[str]) -> Found:
        """The occurrences of the different terms `known` in `texts`, which `marks` made."""
        lengths = np.array([count(text) for text in texts], np.int64)
        parts = np.frombuffer(b"".join(texts), "<u2").reshape(-1, _PARTS)
        values = _values(np.frombuffer(marks(known), "<u2").reshape(-1, _PARTS))
        possible = np.zeros(_LOW, np.bool_)
        possible[values % _LOW] = True
        places = np.flatnonzero(possible[parts[:, 0]])  # few are left to be looked at closely
        order = np.argsort(values)
        met = _values(parts[places])
        at = np.minimum(np.searchsorted(values[order], met), max(0, len(known) - 1))
        right = values[order][at] == met
        places = places[right]
        owners = np.searchsorted(np.cumsum(lengths), places, side="right")
        return cls(order[at[right]] + 1, owners, places, lengths)

    def counts(self, known: int) -> Numbers:
        """How often each text has each known term: (texts, known)."""
        cells = self.owners * known + self.codes - 1
        counted = np.bincount(cells, minlength=len(self.lengths) * known)
        return counted.reshape(len(self.lengths), known)

    def neighbours(self) -> Flags:
        """Which occurrences have the next one right behind them, in the same text."""
        beside: Flags = (np.diff(self.places) == 1) & (np.diff(self.owners) == 0)
        return beside


def _values(parts: npt.NDArray[np.uint16]) -> Numbers:
    wide = parts.astype(np.int64)
    values: Numbers = wide[:, 0] | wide[:, 1] << 16 | wide[:, 2] << 32
    return values
