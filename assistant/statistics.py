"""How sure a mean over questions is, and whether two configurations differ. Pure, seeded.

Intervals are percentile bootstrap intervals over questions (Efron and Tibshirani, "An Introduction
to the Bootstrap", 1993, chapter 13); the paired test is Fisher's randomization test with random
signs, two-sided, with the p-value (1 + as extreme) / (1 + drawn) that cannot be 0 (Smucker, Allan
and Carterette, "A Comparison of Statistical Significance Tests for Information Retrieval
Evaluation", 2007). The questions are taken for a sample of those that people ask; nothing is said
about other documents.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEED = 20_250_630
RESAMPLES = 1_000
DRAWS = 10_000
CONFIDENCE = 0.95
_DRAWN_AT_ONCE = 500  # sign vectors in memory together

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over `count` questions and its interval at `CONFIDENCE`; nan if there are none."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of paired differences with its interval, and the p-value of the randomization test."""

    value: float
    low: float
    high: float
    p: float


def means(values: Values, seed: int = SEED, resamples: int = RESAMPLES) -> list[Mean]:
    """The mean of each column of `values` (questions x measures) with its interval.

    A nan means that the question has no value for the measure and does not count for it. Every
    column is resampled with the same questions.
    """
    questions, columns = values.shape
    if not questions:
        return [Mean(float("nan"), float("nan"), float("nan"), 0)] * columns
    there = ~np.isnan(values)
    filled = np.where(there, values, 0.0)
    generator = np.random.default_rng(seed)
    times = generator.multinomial(questions, np.full(questions, 1 / questions), size=resamples)
    with np.errstate(invalid="ignore"):  # a resample without any value of a column: nan, left out
        resampled = (times @ filled) / (times @ there)
        centre = filled.sum(axis=0) / there.sum(axis=0)
    found = []
    for column in range(columns):
        held = resampled[:, column][~np.isnan(resampled[:, column])]
        low, high = _between(held)
        found.append(Mean(float(centre[column]), low, high, int(there[:, column].sum())))
    return found


def _between(resampled: Values) -> tuple[float, float]:
    if not resampled.size:
        return float("nan"), float("nan")
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


def difference(one: Values, other: Values, seed: int = SEED) -> Difference:
    """How much `other` is above `one`, question by question; questions with a nan do not count."""
    paired = other - one
    paired = paired[~np.isnan(paired)]
    mean = means(paired[:, None], seed)[0]
    return Difference(mean.value, mean.low, mean.high, randomization(paired, seed))


def randomization(differences: Values, seed: int = SEED, draws: int = DRAWS) -> float:
    """How often random signs make the mean at least as far from 0 as it is; 1.0 of nothing."""
    count = len(differences)
    if not count:
        return 1.0
    generator = np.random.default_rng(seed)
    seen = abs(float(differences.sum())) - 1e-9  # sums in another order differ by rounding
    extreme = 0
    for first in range(0, draws, _DRAWN_AT_ONCE):
        size = min(_DRAWN_AT_ONCE, draws - first)
        signs = generator.integers(0, 2, size=(size, count), dtype=np.int8) * 2 - 1
        extreme += int(np.count_nonzero(np.abs(signs @ differences) >= seen))
    return (1 + extreme) / (1 + draws)
