"""Intervals and the paired test against what can be computed exactly."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from assistant.statistics import (
    Ratio,
    difference,
    means,
    proportion,
    quotient,
    quotient_difference,
    randomization,
)


def test_an_interval_is_as_wide_as_theory_says() -> None:
    """For 400 coins the bootstrap interval is near p plus or minus 1.96 standard errors."""
    values = np.array([1.0] * 300 + [0.0] * 100)[:, None]
    (mean,) = means(values)
    error = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert (mean.value, mean.count) == (0.75, 400)
    assert mean.low == pytest.approx(0.75 - error, abs=0.008)
    assert mean.high == pytest.approx(0.75 + error, abs=0.008)


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    values = np.random.default_rng(1).random((50, 2))
    assert means(values) == means(values)
    assert means(values, seed=2) != means(values, seed=3)


def test_questions_without_a_value_do_not_count() -> None:
    values = np.array([[1.0, np.nan], [0.0, 0.5], [1.0, np.nan]])
    first, second = means(values)
    assert (first.value, first.count) == (pytest.approx(2 / 3), 3)
    assert (second.value, second.low, second.high, second.count) == (0.5, 0.5, 0.5, 1)
    nothing = means(np.full((3, 1), np.nan))[0]
    assert nothing.count == 0
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()
    assert means(np.empty((0, 2)))[1].count == 0


def test_the_randomization_test_agrees_with_all_signs() -> None:
    differences = np.array([0.3, 0.1, -0.2, 0.5, 0.4, 0.0, 0.2, 0.1, -0.1, 0.6])
    signs = np.array(list(product([1, -1], repeat=len(differences))))
    exact = np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-9)
    assert randomization(differences) == pytest.approx(exact, abs=0.01)


def test_no_difference_is_no_evidence_and_a_steady_one_is() -> None:
    same = np.linspace(0, 1, 40)
    assert difference(same, same).p == 1.0
    assert randomization(np.array([])) == 1.0
    better = difference(same, same + 0.1)
    assert (better.value, better.low) == (pytest.approx(0.1), pytest.approx(0.1))
    assert better.p < 0.001
    worse = difference(same + 0.1, same)
    assert (worse.value, worse.p) == (pytest.approx(-0.1), better.p)


def ratio(above: list[float], below: list[float]) -> Ratio:
    return Ratio(np.array(above, dtype=np.float64), np.array(below, dtype=np.float64))


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [
        # Table I of Brown, Cai and DasGupta's formula (4), computed by hand to four digits.
        (0, 200, 0.0, 0.0188),
        (200, 200, 0.9812, 1.0),
        (15, 148, 0.0624, 0.1605),
        (1, 2, 0.0945, 0.9055),
    ],
)
def test_the_interval_of_a_share_is_wilsons(hits: int, count: int, low: float, high: float) -> None:
    found = proportion(hits, count)
    assert (found.value, found.count) == (hits / count, count)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert found.low <= found.value <= found.high


def test_the_interval_of_a_quotient_is_as_wide_as_theory_says() -> None:
    """Of 300 questions each with 1 to 3 sentences, a quarter of the sentences: the delta method."""
    generator = np.random.default_rng(3)
    below = generator.integers(1, 4, 300).astype(np.float64)
    above = np.array([generator.binomial(int(n), 0.25) for n in below], dtype=np.float64)
    found = quotient(Ratio(above, below))
    share = above.sum() / below.sum()
    error = 1.96 * np.sqrt(((above - share * below) ** 2).sum()) / below.sum()
    assert found.value == pytest.approx(share)
    assert found.low == pytest.approx(share - error, abs=0.008)
    assert found.high == pytest.approx(share + error, abs=0.008)


def test_nothing_found_is_not_called_certain() -> None:
    """Resampling 50 questions without a hit gives none ever; the interval must not end at 0."""
    found = quotient(ratio([0.0] * 50, [2.0] * 50))
    assert (found.value, found.low, found.count) == (0.0, 0.0, 50)
    assert 0.05 < found.high < 0.1
    full = quotient(ratio([2.0] * 50, [2.0] * 50))
    assert (full.value, full.high) == (1.0, 1.0) and full.low < 0.95


def test_a_share_of_nothing_is_nothing() -> None:
    found = quotient(ratio([0.0, 0.0], [0.0, 0.0]))
    assert found.count == 0 and np.isnan(found.value)
    other = quotient_difference(ratio([0.0], [0.0]), ratio([1.0], [1.0]))
    assert np.isnan(other.value) and other.p == 1.0


def test_the_exchange_of_two_configurations_agrees_with_all_exchanges() -> None:
    one = ratio([1, 0, 1, 0, 1, 0, 0, 1], [1, 1, 1, 2, 1, 1, 1, 1])
    other = ratio([1, 1, 1, 2, 1, 1, 0, 1], [1, 1, 1, 2, 1, 1, 1, 1])
    seen = other.above.sum() / other.below.sum() - one.above.sum() / one.below.sum()
    far = []
    for swaps in product((False, True), repeat=8):
        mask = np.array(swaps)
        first = np.where(mask, other.above, one.above).sum()
        second = np.where(mask, one.above, other.above).sum()
        far.append(abs(second / 9 - first / 9) >= seen - 1e-9)
    found = quotient_difference(one, other)
    assert found.value == pytest.approx(seen)
    assert found.p == pytest.approx(np.mean(far), abs=0.02)
    assert found.low <= found.value <= found.high
    assert quotient_difference(one, one).p == 1.0


def test_a_difference_of_means_is_the_same_by_either_way() -> None:
    generator = np.random.default_rng(5)
    one, other = generator.random(80), generator.random(80) + 0.1
    by_pairs = difference(one, other)
    by_sums = quotient_difference(Ratio(one, np.ones(80)), Ratio(other, np.ones(80)))
    assert by_sums.value == pytest.approx(by_pairs.value)
    assert by_sums.low == pytest.approx(by_pairs.low, abs=1e-9)
    assert by_sums.p == pytest.approx(by_pairs.p, abs=0.01)
