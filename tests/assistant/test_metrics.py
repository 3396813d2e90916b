"""Our metrics against trec_eval itself."""

from __future__ import annotations

from math import log2

import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.metrics import (
    average_precision_at,
    first_rank,
    ndcg_at,
    percentile,
    recall_at,
    reciprocal_rank_at,
    success_at,
)

IDS = [f"d{number}" for number in range(30)]
rankings = st.lists(st.sampled_from(IDS), unique=True, min_size=1, max_size=25)
judgements = st.dictionaries(
    st.sampled_from(IDS), st.integers(0, 3), min_size=1, max_size=12
).filter(lambda judged: any(judged.values()))


@settings(deadline=None)  # the first call loads pytrec_eval
@given(rankings, judgements, st.sampled_from([1, 5, 10]))
def test_equal_to_trec_eval(ranked: list[str], judged: dict[str, int], k: int) -> None:
    run = {"q": {id_: float(len(ranked) - rank) for rank, id_ in enumerate(ranked)}}
    measures = {f"recall.{k}", f"map_cut.{k}", f"ndcg_cut.{k}", f"success.{k}"}
    expected = pytrec_eval.RelevanceEvaluator({"q": judged}, measures).evaluate(run)["q"]
    assert recall_at(ranked, judged, k) == pytest.approx(expected[f"recall_{k}"])
    assert average_precision_at(ranked, judged, k) == pytest.approx(expected[f"map_cut_{k}"])
    assert ndcg_at(ranked, judged, k) == pytest.approx(expected[f"ndcg_cut_{k}"])
    assert success_at(ranked, judged, k) == pytest.approx(expected[f"success_{k}"])
    cut = {"q": dict(list(run["q"].items())[:k])}  # trec_eval's reciprocal rank has no cut-off
    first = pytrec_eval.RelevanceEvaluator({"q": judged}, {"recip_rank"}).evaluate(cut)["q"]
    assert reciprocal_rank_at(ranked, judged, k) == pytest.approx(first["recip_rank"])


def test_computed_by_hand() -> None:
    """Relevant are b (2) and d (1), ranked second and fourth of five; e is judged and not."""
    ranked, judged = ["a", "b", "c", "d", "e"], {"b": 2, "d": 1, "e": 0}
    assert recall_at(ranked, judged, 3) == 1 / 2
    assert average_precision_at(ranked, judged, 5) == (1 / 2 + 2 / 4) / 2
    gain = 2 / log2(3) + 1 / log2(5)
    assert ndcg_at(ranked, judged, 5) == pytest.approx(gain / (2 / log2(2) + 1 / log2(3)))
    assert reciprocal_rank_at(ranked, judged, 5) == 1 / 2
    assert (reciprocal_rank_at(ranked, judged, 1), success_at(ranked, judged, 1)) == (0.0, 0.0)
    assert (first_rank(ranked, judged), first_rank(["e"], judged)) == (2, None)


def test_nothing_relevant_scores_nothing() -> None:
    assert recall_at(["a"], {"b": 0}, 10) == 0.0
    assert average_precision_at(["a"], {"b": 0}, 10) == 0.0
    assert ndcg_at(["a"], {"b": 0}, 10) == 0.0


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, 0.0),
        ([3.0], 0.95, 3.0),
        ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0),
        (list(range(1, 101)), 0.95, 95),
    ],
)
def test_percentile(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected
