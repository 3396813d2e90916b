"""Fusing the signals of one question: pure arithmetic on its candidates.

Three signals, each on a scale of its own that means the same for every question and collection:
- *dense*: the cosine of question and chunk;
- *words*: the chunk's BM25 score as a share of what a chunk could reach that holds every term of
  the question, so that 0.6 says "most of what was asked for stands here", in whatever corpus;
- *place*: how much of what the question names stands in the name of the chunk's document.

Nothing is stretched over the candidates of a question: stretching makes the spread of a list that
tells nothing (all figures' rows hold "total" and "2023") as wide as that of one that tells all,
and a weight that is right for one corpus then hurts in another. Instead the weights follow the
question. When some chunk holds nearly all its terms, words decide; when none does, the question
says it in other words, and meaning and named document decide. See ADR 0011 for the measurements.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import exp, log
from typing import Generic, TypeVar

K = TypeVar("K")

_SHORT = 30  # characters below which one text is hardly shorter than another


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each signal counts beside the share of words, which counts 1.

    The cosine's weight falls from `dense` by `yielding` for each unit of the greatest share of
    words among the candidates, to `least`. The place is raised to `sharpness`, so that a document
    that the question names in part counts little beside the one it names whole, and its weight
    `place` fades with the square of what words leave open. `latest` is added to chunks of the
    latest of the documents named, where the question asks for it. `length` is the gain for each
    factor e in a chunk's number of characters: of two that score alike the fuller one says more.
    """

    dense: float = 0.75
    yielding: float = 0.8
    least: float = 0.2
    place: float = 0.4
    sharpness: float = 4.0
    latest: float = 0.05
    length: float = 0.02


@dataclass(frozen=True, slots=True)
class Signals(Generic[K]):
    """What is known of the candidates; a candidate that a mapping lacks counts 0 there."""

    dense: Mapping[K, float]
    words: Mapping[K, float]
    place: Mapping[K, float] = field(default_factory=dict)
    latest: Collection[K] = ()
    lengths: Mapping[K, int] = field(default_factory=dict)  # characters


@dataclass(frozen=True, slots=True)
class Fused(Generic[K]):
    """A candidate with its score in 0..1 and the signals that made it."""

    key: K
    raw: float  # the weighted sum
    score: float
    dense: float | None
    words: float | None


def fuse(signals: Signals[K], weights: Weights) -> list[Fused[K]]:
    """The union of all candidates, best first; ties by key, which must be comparable."""
    union = {*signals.dense, *signals.words}
    peak = min(1.0, max(signals.words.values(), default=0.0))
    dense = max(weights.least, weights.dense - weights.yielding * peak)
    place = weights.place * (1.0 - peak) ** 2
    raw = {
        key: dense * signals.dense.get(key, 0.0)
        + signals.words.get(key, 0.0)
        + place * signals.place.get(key, 0.0) ** weights.sharpness
        + (weights.latest if key in signals.latest else 0.0)
        + weights.length * log(signals.lengths.get(key, 0) + _SHORT)
        for key in union
    }
    best = max(raw.values(), default=0.0)
    ranked = sorted(raw, key=lambda key: (-raw[key], key))
    return [
        Fused(
            key,
            raw[key],
            calibrated(raw[key], best, peak),
            signals.dense.get(key),
            signals.words.get(key),
        )
        for key in ranked
    ]


def calibrated(raw: float, best: float, peak: float) -> float:
    """A fused sum as a score in 0..1 that means the same for every question.

    How likely it is that somebody judges the candidate relevant: a logistic curve in its distance
    from the question's `best` sum and in the greatest share of words, fitted by
    `benchmarks/fit_fusion.py`. For one question it keeps the order.
    """
    return 1.0 / (1.0 + exp(-(_BEHIND * (raw - best) + _PEAK * peak + _OFFSET)))


_BEHIND, _PEAK, _OFFSET = 10.4, 2.7, -1.6
