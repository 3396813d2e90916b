"""Whether the retrieved pages hold enough to answer: decided in code, before any model is asked.

Pure. Four features of the best evidence go into a logistic regression with few coefficients, so
that it cannot learn a corpus by heart. The coefficients stand below with how they were fitted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from assistant.asked import Asked
from assistant.evidence import ANSWERS, Evidence, Ranking
from assistant.terms import Weights
from index.document import Hit


@dataclass(frozen=True, slots=True)
class Features:
    """What the decision rests on, each 0..1; all but `dense` are of one sentence: the best of
    those that state a fact of the kind asked for."""

    similarity: float  # its cosine to the question
    dense: float  # the best cosine of question and chunk
    coverage: float  # the question's telling words that it holds, headings counting in part
    known: float  # the question's telling words that any retrieved sentence or heading holds
    margin: float  # 1 if no other sentence is better but for the fact; less if one is


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Of the logistic regression: one per feature, and the constant."""

    similarity: float
    dense: float
    coverage: float
    known: float
    margin: float
    constant: float


FITTED = Coefficients(similarity=4.0, dense=1.0, coverage=4.0, known=2.0, margin=1.0, constant=-6.0)
THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Sufficiency:
    """The decision: `probability` (0..1) that the evidence answers the question."""

    enough: bool
    probability: float
    features: Features


def features(
    asked: Asked, hits: Sequence[Hit], ranked: Sequence[Evidence], weigh: Weights
) -> Features:
    """The features of a question's evidence; all 0 if no sentence states what is asked for."""
    answering = [evidence for evidence in ranked if evidence.answers]
    if not answering:
        return Features(0.0, 0.0, 0.0, 0.0, 0.0)
    best = answering[0]
    dense = max((hit.dense or 0.0 for hit in hits), default=0.0)
    held = frozenset().union(*(e.candidate.keys | e.candidate.context for e in ranked))
    plain = [e.score - ANSWERS * e.answers for e in ranked]
    return Features(
        similarity=best.similarity,
        dense=min(1.0, max(0.0, dense)),
        coverage=best.coverage,
        known=weigh.coverage(asked.keys, held),
        margin=1.0 - max(0.0, max(plain) - (best.score - ANSWERS)),
    )


def probability(of: Features, by: Coefficients = FITTED) -> float:
    """The logistic function of the weighted features."""
    weighted = sum(getattr(of, f.name) * getattr(by, f.name) for f in fields(of))
    return 1.0 / (1.0 + math.exp(-(weighted + by.constant)))


def decide(
    rankings: Sequence[Ranking],
    hits: Sequence[Hit],
    weigh: Weights,
    threshold: float = THRESHOLD,
) -> Sufficiency:
    """Whether to answer: if the evidence suffices for the whole question (the first of `rankings`)
    or for one of its parts (the others). Without evidence never."""
    best: Sufficiency | None = None
    for ranking in rankings:
        of = features(ranking.asked, hits, ranking.ranked, weigh)
        likely = probability(of) if any(e.answers for e in ranking.ranked) else 0.0
        if best is None or likely > best.probability:
            best = Sufficiency(likely >= threshold, likely, of)
    return best or Sufficiency(False, 0.0, Features(0.0, 0.0, 0.0, 0.0, 0.0))
