"""How sure a mean over questions is, and whether two configurations differ. Pure, seeded.

Intervals are percentile bootstrap intervals over questions (Efron and Tibshirani, "An Introduction
to the Bootstrap", 1993, chapter 13); the paired test is Fisher's randomization test with random
signs, two-sided, with the p-value (1 + as extreme) / (1 + drawn) that cannot be 0 (Smucker, Allan
and Carterette, "A Comparison of Statistical Significance Tests for Information Retrieval
Evaluation", 2007). A share of counted things has Wilson's score interval (E. B. Wilson, "Probable
Inference, the Law of Succession, and Statistical Inference", 1927), which says of 0 in 200 that it
may be 2 %, where resampling would say 0 to 0. The questions are taken for a sample of those that
people ask; nothing is said about other documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

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
class Ratio:
    """For each question what it adds above and below the line; the figure is the quotient of the
    sums. A mean has 1 below for each question that counts, a share of shown answers 1 for each
    that was shown, an F1 score 2 tp above and 2 tp + fp + fn below."""

    above: Values
    below: Values

    @property
    def counted(self) -> bool:
        """Whether it is a share of counted things: each is 1 or 0 of 1, or does not count."""
        return bool(
            np.isin(self.above, (0.0, 1.0)).all()
            and np.isin(self.below, (0.0, 1.0)).all()
            and (self.above <= self.below).all()
        )


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


def proportion(hits: int, count: int) -> Mean:
    """The share of `count` things that are hits, with Wilson's score interval."""
    if not count:
        return Mean(float("nan"), float("nan"), float("nan"), 0)
    share, z = hits / count, NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    middle = share + z * z / (2 * count)
    half = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    below = 1 + z * z / count
    low, high = (middle - half) / below, (middle + half) / below
    return Mean(share, 0.0 if hits == 0 else low, 1.0 if hits == count else high, count)


def quotient(ratio: Ratio, seed: int = SEED, resamples: int = RESAMPLES) -> Mean:
    """The figure with its interval: Wilson's for a share of counted things, else by resampling the
    questions. `count` is how many questions add anything below the line.

    Where the figure is 0 or 1 every resample is, too; then the interval is that of a share of
    `count` things, which is on the safe side where a question holds several.
    """
    count, above, below = int(np.count_nonzero(ratio.below)), ratio.above.sum(), ratio.below.sum()
    if ratio.counted or above in (0.0, below):
        return proportion(int(above) if ratio.counted else count * int(above > 0), count)
    drawn = _quotients(ratio, seed, resamples)
    low, high = _between(drawn[~np.isnan(drawn)])
    return Mean(float(above / below), low, high, count)


def _quotients(ratio: Ratio, seed: int, resamples: int) -> Values:
    """The figure of each resample of the questions; nan for one in which nothing counts."""
    count = len(ratio.below)
    generator = np.random.default_rng(seed)
    times = generator.multinomial(count, np.full(count, 1 / count), size=resamples)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Values = (times @ ratio.above) / (times @ ratio.below)
    return found


def quotient_difference(
    one: Ratio, other: Ratio, seed: int = SEED, resamples: int = RESAMPLES, draws: int = DRAWS
) -> Difference:
    """How much the figure of `other` is above that of `one` on the same questions: interval by
    resampling both with the same questions, p from exchanging the two at random, question by
    question. Everything is nan, and p 1, if one of them has nothing to count."""
    if not one.below.any() or not other.below.any():
        return Difference(float("nan"), float("nan"), float("nan"), 1.0)
    value = float(other.above.sum() / other.below.sum() - one.above.sum() / one.below.sum())
    drawn = _quotients(other, seed, resamples) - _quotients(one, seed, resamples)
    low, high = _between(drawn[~np.isnan(drawn)])
    generator = np.random.default_rng(seed)
    count, extreme = len(one.below), 0
    above, below = one.above + other.above, one.below + other.below
    for first in range(0, draws, _DRAWN_AT_ONCE):
        size = min(_DRAWN_AT_ONCE, draws - first)
        swapped = generator.integers(0, 2, size=(size, count), dtype=np.int8)
        tops = one.above.sum() + swapped @ (other.above - one.above)
        bottoms = one.below.sum() + swapped @ (other.below - one.below)
        with np.errstate(invalid="ignore", divide="ignore"):
            far = (above.sum() - tops) / (below.sum() - bottoms) - tops / bottoms
        # A draw that leaves one side nothing to count speaks for neither: it counts as extreme.
        extreme += int(np.count_nonzero(~(np.abs(far) < abs(value) - 1e-9)))
    return Difference(value, low, high, (1 + extreme) / (1 + draws))
