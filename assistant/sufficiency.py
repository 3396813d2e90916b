"""Whether the retrieved pages hold enough to answer: decided in code, before any model is asked.

Pure. Three features of the best evidence go into a logistic regression with few coefficients, so
that it cannot learn a corpus by heart. The coefficients stand below with how they were fitted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from assistant.evidence import Evidence, Ranking
from index.document import Hit


@dataclass(frozen=True, slots=True)
class Features:
    """What the decision rests on, each 0..1. Two are of one sentence: the best of those that state
    a fact of the kind asked for."""

    similarity: float  # its cosine to the question
    dense: float  # the best cosine of question and chunk
    coverage: float  # the question's telling words that it holds, headings counting in part


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Of the logistic regression: one per feature, and the constant."""

    similarity: float
    dense: float
    coverage: float
    constant: float


# Fitted by benchmarks/fit_sufficiency.py on 2026-11-21, after retrieval had changed: the 50
# questions of samples/ and 300 of CLAPnq, each set with the same weight. Area under the ROC curve
# 0.934 and 0.828; the samples by leave-one-out 0.886. At one half, 10 of 12 unanswerable samples
# are abstained from and 1 of 38 answerable ones is refused; of CLAPnq 95 and 20 of 150 each.
FITTED = Coefficients(similarity=3.8, dense=1.76, coverage=3.39, constant=-3.67)
THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Sufficiency:
    """The decision: `probability` (0..1) that the evidence answers the question."""

    enough: bool
    probability: float
    features: Features


NOTHING = Sufficiency(False, 0.0, Features(0.0, 0.0, 0.0))


def features(hits: Sequence[Hit], ranked: Sequence[Evidence]) -> Features:
    """The features of a question's evidence; all 0 if no sentence states what is asked for."""
    best = next((evidence for evidence in ranked if evidence.answers), None)
    if best is None:
        return NOTHING.features
    dense = max((hit.dense or 0.0 for hit in hits), default=0.0)
    return Features(best.similarity, min(1.0, max(0.0, dense)), best.coverage)


def probability(of: Features, by: Coefficients = FITTED) -> float:
    """The logistic function of the weighted features."""
    weighted = sum(getattr(of, f.name) * getattr(by, f.name) for f in fields(of))
    return 1.0 / (1.0 + math.exp(-(weighted + by.constant)))


def decide(
    rankings: Sequence[Ranking], hits: Sequence[Hit], threshold: float = THRESHOLD
) -> Sufficiency:
    """Whether to answer: if the evidence suffices for the whole question (the first of `rankings`)
    or for one of its parts (the others). Without a sentence that could answer never."""
    decided = [NOTHING]
    for ranking in rankings:
        if any(evidence.answers for evidence in ranking.ranked):
            of = features(hits, ranking.ranked)
            likely = probability(of)
            decided.append(Sufficiency(likely >= threshold, likely, of))
    return max(decided, key=lambda each: each.probability)
