"""Fusing two rankings: what must hold for any two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.fusion import fuse, stretched

KEYS = st.text("abcdefgh", min_size=1, max_size=2)
DENSE = st.dictionaries(KEYS, st.floats(-1, 1))
LEXICAL = st.dictionaries(KEYS, st.floats(0.01, 60))
WEIGHT = st.floats(0, 1)


@given(DENSE, LEXICAL, WEIGHT)
def test_the_union_is_ranked_and_nothing_else(
    dense: dict[str, float], lexical: dict[str, float], weight: float
) -> None:
    fused = fuse(dense, lexical, weight)
    assert {each.key for each in fused} == dense.keys() | lexical.keys()
    assert len(fused) == len({each.key for each in fused})
    scores = [each.score for each in fused]
    assert scores == sorted(scores, reverse=True)
    assert all(-1e-9 <= score <= 1 + 1e-9 for score in scores)
    for each in fused:
        assert (each.dense, each.lexical) == (dense.get(each.key), lexical.get(each.key))


@given(DENSE, LEXICAL)
def test_a_weight_of_one_ranks_by_vectors_alone(
    dense: dict[str, float], lexical: dict[str, float]
) -> None:
    ranked = [each.dense for each in fuse(dense, lexical, 1.0) if each.dense is not None]
    assert ranked == pytest.approx(sorted(ranked, reverse=True), abs=1e-9)


@given(DENSE, LEXICAL, WEIGHT, st.floats(0.1, 10), st.floats(-5, 5))
def test_scale_and_offset_of_a_list_do_not_matter(
    dense: dict[str, float],
    lexical: dict[str, float],
    weight: float,
    scale: float,
    offset: float,
) -> None:
    moved = {key: score * scale + offset for key, score in lexical.items()}
    spread = max(lexical.values(), default=0.0) - min(lexical.values(), default=0.0)
    if 0.0 < spread < 1e-3:
        return  # differences that the offset rounds away
    before = {each.key: each.score for each in fuse(dense, lexical, weight)}
    after = {each.key: each.score for each in fuse(dense, moved, weight)}
    assert after == pytest.approx(before, abs=1e-6)


def test_worked_example() -> None:
    fused = fuse({"a": 0.9, "b": 0.5}, {"b": 12.0, "c": 2.0}, 0.5)
    assert [(each.key, each.score) for each in fused] == [("a", 0.5), ("b", 0.5), ("c", 0.0)]


def test_a_list_of_one_or_of_equals_counts_as_best() -> None:
    assert stretched({"a": 0.3}) == {"a": 1.0}
    assert stretched({"a": 2.0, "b": 2.0}) == {"a": 1.0, "b": 1.0}
    assert stretched({}) == {}
