"""Intervals and the paired test against what can be computed exactly."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from assistant.statistics import difference, means, randomization


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
