from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant import asked as asking
from assistant.evidence import Ranking
from assistant.retrieval import Found, Limits, retrieve
from assistant.sufficiency import (
    FITTED,
    NOTHING,
    THRESHOLD,
    Features,
    beyond,
    decide,
    features,
    probability,
)
from tests.assistant.pipeline_standins import ANNA, library

share = st.floats(min_value=0.0, max_value=1.0)
RISING = ["similarity", "rest", "dense", "coverage", "stated"]


def found_for(question: str) -> Found:
    shelf = library()
    return retrieve(shelf, asking.read(question), shelf.scope(ANNA.groups), Limits())


@settings(deadline=None)
@given(share, share, share, share, share, st.sampled_from(RISING), share)
def test_more_evidence_never_counts_against_answering(
    similarity: float,
    rest: float,
    dense: float,
    naming: float,
    coverage: float,
    name: str,
    more: float,
) -> None:
    given_ = Features(similarity, rest, dense, naming, coverage, 0.0, 0.0)
    better = replace(given_, **{name: max(getattr(given_, name), more)})
    assert 0.0 < probability(given_) <= probability(better) < 1.0


def test_being_about_the_document_alone_speaks_against_an_answer() -> None:
    some = Features(0.6, 0.3, 0.6, 0.2, 0.3, 0.0, 0.0)
    assert probability(replace(some, naming=0.8)) < probability(some)


def test_without_evidence_there_is_no_answer() -> None:
    assert decide([]) == decide([NOTHING.features]) == NOTHING
    assert probability(NOTHING.features) < THRESHOLD
    assert FITTED.constant < 0


def test_the_best_part_of_a_question_decides() -> None:
    poor, rich = (
        Features(0.3, 0.1, 0.3, 0.2, 0.1, 0.0, 0.0),
        Features(0.9, 0.8, 0.8, 0.3, 0.9, 0.4, 0.0),
    )
    decided = decide([poor, rich])
    assert decided.enough
    assert decided.features == rich
    assert not decide([poor]).enough


@pytest.mark.parametrize(
    ("question", "title", "rest"),
    [
        (
            "How long does the AML manual keep records?",
            "AML manual",
            "How long does the keep records",
        ),
        ("What is the AML manual?", "AML manual", "What is the AML manual?"),
        ("Who signs the report?", "", "Who signs the report"),
    ],
)
def test_what_a_question_asks_beyond_its_document(question: str, title: str, rest: str) -> None:
    assert beyond(asking.read(question), title) == rest


def test_the_features_of_a_question_that_the_documents_answer() -> None:
    stated = found_for("How long are customer due diligence records retained?").decision.features
    absent = found_for("How long are customer aubergine records fermented?").decision.features
    assert stated.coverage > absent.coverage
    assert stated.stated > absent.stated
    assert probability(stated) > probability(absent)
    assert not found_for("Which river flows through Ulaanbaatar?").decision.enough


def test_a_fact_of_the_wrong_kind_counts_as_not_stated() -> None:
    found = found_for("How long are customer due diligence records retained?")
    none = tuple(replace(each, answers=False) for each in found.ranked)
    embedder = library().embedder
    query = np.asarray(embedder.embed_query(found.asked.query), dtype=np.float32)
    texts = [each.candidate.embedded for each in found.ranked]
    vectors = {
        id(each.candidate): vector
        for each, vector in zip(found.ranked, embedder.embed_passages(texts), strict=True)
    }
    of = features(embedder, Ranking(found.asked, none), found.hits, query, vectors)
    assert of.stated == -0.5
    assert of.stated < found.decision.features.stated
