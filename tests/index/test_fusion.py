"""Fusing the signals of a question: what must hold for any candidates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.fusion import Signals, Weights, calibrated, fuse

KEYS = st.text("abcdefgh", min_size=1, max_size=2)
COSINES = st.dictionaries(KEYS, st.floats(-1, 1))
SHARES = st.dictionaries(KEYS, st.floats(0, 1.5))
PLACES = st.dictionaries(KEYS, st.floats(0, 1))
WEIGHTS = Weights()


@given(COSINES, SHARES, PLACES)
def test_the_union_is_ranked_and_nothing_else(
    dense: dict[str, float], words: dict[str, float], place: dict[str, float]
) -> None:
    fused = fuse(Signals(dense, words, place), WEIGHTS)
    assert {each.key for each in fused} == dense.keys() | words.keys()
    assert len(fused) == len({each.key for each in fused})
    scores = [each.score for each in fused]
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= score <= 1.0 for score in scores)
    for each in fused:
        assert (each.dense, each.words) == (dense.get(each.key), words.get(each.key))


@given(COSINES, SHARES)
def test_the_order_depends_on_the_candidates_and_not_on_how_they_came(
    dense: dict[str, float], words: dict[str, float]
) -> None:
    turned = Signals(dict(reversed(dense.items())), dict(reversed(words.items())))
    assert fuse(turned, WEIGHTS) == fuse(Signals(dense, words), WEIGHTS)


@given(COSINES, SHARES, st.floats(0.01, 0.5))
def test_more_of_a_signal_never_ranks_lower(
    dense: dict[str, float], words: dict[str, float], more: float
) -> None:
    if not dense:
        return
    key = min(dense)
    before = [each.key for each in fuse(Signals(dense, words), WEIGHTS)]
    after = [each.key for each in fuse(Signals({**dense, key: dense[key] + more}, words), WEIGHTS)]
    assert after.index(key) <= before.index(key)


@given(COSINES, st.floats(0, 1))
def test_where_no_words_are_found_the_vectors_rank(dense: dict[str, float], share: float) -> None:
    ranked = [each.dense or 0.0 for each in fuse(Signals(dense, {}), WEIGHTS)]
    assert ranked == pytest.approx(sorted(ranked, reverse=True), abs=1e-9)


def test_words_decide_where_one_chunk_holds_nearly_all_that_was_asked() -> None:
    dense = {"near": 0.80, "worded": 0.55}
    few = fuse(Signals(dense, {"near": 0.02, "worded": 0.15}), WEIGHTS)
    many = fuse(Signals(dense, {"near": 0.50, "worded": 0.75}), WEIGHTS)
    assert [each.key for each in few] == ["near", "worded"]
    assert [each.key for each in many] == ["worded", "near"]


def test_the_named_document_comes_before_one_that_says_the_same() -> None:
    dense = {"theirs": 0.72, "ours": 0.70}
    words = {"theirs": 0.22, "ours": 0.21}
    assert fuse(Signals(dense, words), WEIGHTS)[0].key == "theirs"
    named = Signals(dense, words, place={"ours": 1.0, "theirs": 0.5})
    assert fuse(named, WEIGHTS)[0].key == "ours"


def test_the_latest_of_documents_named_alike_comes_first() -> None:
    dense, words = {"old": 0.71, "new": 0.70}, {"old": 0.2, "new": 0.2}
    place = {"old": 1.0, "new": 1.0}
    assert fuse(Signals(dense, words, place), WEIGHTS)[0].key == "old"
    assert fuse(Signals(dense, words, place, latest={"new"}), WEIGHTS)[0].key == "new"


@given(st.floats(-1, 3), st.floats(0.001, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_calibrated_score_keeps_the_order_of_one_question(
    raw: float, more: float, ahead: float, peak: float
) -> None:
    best = raw + more + ahead
    assert 0.0 <= calibrated(raw, best, peak) <= calibrated(raw + more, best, peak) <= 1.0


def test_a_score_is_low_where_even_the_best_candidate_says_little() -> None:
    assert calibrated(0.3, 0.3, 0.05) < calibrated(1.1, 1.1, 0.6)


def test_of_two_that_score_alike_the_fuller_one_comes_first() -> None:
    dense, words = {"a": 0.7, "b": 0.7}, {"a": 0.2, "b": 0.2}
    signals = Signals(dense, words, lengths={"a": 40, "b": 600})
    assert [each.key for each in fuse(signals, WEIGHTS)] == ["b", "a"]


def test_worked_example() -> None:
    weights = Weights(dense=0.9, yielding=0.8, least=0.2, place=0.0, length=0.0)
    first, second = fuse(Signals({"a": 0.8, "b": 0.5}, {"b": 0.5}), weights)
    # The peak is 0.5, so a cosine weighs 0.9 - 0.8 * 0.5 = 0.5: b has 0.75, a has 0.4.
    assert (first.key, second.key) == ("b", "a")
    assert first.score == pytest.approx(calibrated(0.75, 0.75, 0.5))
    assert second.score == pytest.approx(calibrated(0.40, 0.75, 0.5))
