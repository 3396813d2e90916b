from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.sufficiency import FITTED, NOTHING, THRESHOLD, Features, decide, probability
from tests.assistant.test_gate import gate_for

share = st.floats(min_value=0.0, max_value=1.0)


@settings(deadline=None)
@given(share, share, share, st.sampled_from(["similarity", "dense", "coverage"]), share)
def test_more_evidence_never_counts_against_answering(
    similarity: float, dense: float, coverage: float, name: str, more: float
) -> None:
    features = Features(similarity, dense, coverage)
    better = replace(features, **{name: max(getattr(features, name), more)})
    assert 0.0 < probability(features) <= probability(better) < 1.0


def test_without_evidence_there_is_no_answer() -> None:
    assert decide([], []) == NOTHING
    assert probability(NOTHING.features) < THRESHOLD
    assert FITTED.constant < 0


@pytest.mark.parametrize(
    ("question", "enough"),
    [
        ("How long are customer due diligence records retained?", True),
        ("How long are customer aubergine records fermented?", False),
        ("What is the salary of the finance director?", False),
        ("Which river flows through Ulaanbaatar?", False),
    ],
)
def test_the_decision(question: str, enough: bool) -> None:
    gate = gate_for(question)
    assert decide(gate.rankings, []).enough is enough


def test_a_fact_of_the_wrong_kind_is_no_evidence() -> None:
    ranked = gate_for("How long are customer due diligence records retained?").rankings[0]
    none = tuple(replace(each, answers=False) for each in ranked.ranked)
    assert decide([replace(ranked, ranked=none)], []) == NOTHING
