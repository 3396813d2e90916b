"""Whether the retrieved pages hold enough to answer: decided in code, before any model is asked.

Features of the best evidence go into a logistic regression with few coefficients, so that it cannot
learn a corpus by heart. The coefficients stand below with how they were fitted. What is measured
with the embedder are a handful of short texts a question; everything else is pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from assistant.asked import Asked
from assistant.evidence import Candidate, Evidence, Ranking
from assistant.terms import WORD, keys
from index.document import Hit
from index.ports import Embedder

Vector = NDArray[np.float32]  # (dimensions,), of length 1
Vectors = Mapping[int, Vector]  # by id() of a candidate

_LOOKED_AT = 12  # of the best evidence, where the best value of a feature is sought
_STATES_NOTHING = 0.7  # what counts of a sentence that states no fact of the kind asked for
_ABOUT = 0.3  # the least cosine of a sentence that counts as stating what was asked for
_NAMED = 0.4  # a question whose cosine to a title is less names no document
_PAIRED = 4  # of the best, that are looked at together with their neighbours


@dataclass(frozen=True, slots=True)
class Features:
    """What the decision rests on, each 0..1 but `stated`, which is -0.5..0.5.

    A question about a document that is there shares the document's subject with all of it, so what
    tells is what a sentence has in common with the question beyond that: `rest` and `naming`.
    """

    similarity: float  # the best cosine of question and sentence, or two adjacent ones
    rest: float  # the same for the question without the words that name the document
    dense: float  # the best cosine of question and chunk
    naming: float  # the cosine of the question and the document's title: speaks against
    coverage: float  # the question's telling words that the best sentence holds
    stated: float  # the same of the best that states a fact of the kind asked for, less a half
    general: float  # by how much an open question names no document: "What is shared with others?"


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Of the logistic regression: one per feature, and the constant."""

    similarity: float
    rest: float
    dense: float
    naming: float
    coverage: float
    stated: float
    general: float
    constant: float


# Fitted by benchmarks/fit_sufficiency.py on 2026-11-21: the 50 questions of samples/ (30 % of the
# weight), 300 of CLAPnq on their passages (50 %), and 239 answerable ones of PolicyQA on three
# paragraphs each (20 %). docs/answers.md has what the threshold does on each.
FITTED = Coefficients(
    similarity=3.77,
    rest=4.33,
    dense=4.26,
    naming=-1.88,
    coverage=1.54,
    stated=1.41,
    general=8.08,
    constant=-5.42,
)
THRESHOLD = 0.6


@dataclass(frozen=True, slots=True)
class Sufficiency:
    """The decision: `probability` (0..1) that the evidence answers the question."""

    enough: bool
    probability: float
    features: Features


NOTHING = Sufficiency(False, 0.0, Features(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))


def beyond(asked: Asked, title: str) -> str:
    """The question without the words that stand in `title`, in order ("when were books of the
    written"); the whole question if no content word is left."""
    named = keys(title)
    found = [match.group() for match in WORD.finditer(asked.query)]
    rest = [word for word in found if not keys(word) & named]
    return " ".join(rest) if keys(" ".join(rest)) else asked.query


def _joined(best: Sequence[Evidence], found: Sequence[Evidence]) -> list[str]:
    """Each of the best sentences together with the one after it on its page, and before it."""
    held: dict[tuple[str, int, int], Candidate] = {}
    for evidence in found:
        each = evidence.candidate
        held[each.document, each.page, each.position] = each
    pairs: dict[tuple[str, int, int], str] = {}
    for evidence in best:
        each = evidence.candidate
        for first in (each.position - 1, each.position):
            left = held.get((each.document, each.page, first))
            right = held.get((each.document, each.page, first + 1))
            if left is not None and right is not None:
                place = (each.document, each.page, first)
                pairs[place] = f"{left.unit.shown} {right.unit.shown}"
    return list(pairs.values())


def _title_of(candidate: Candidate, hits: Sequence[Hit]) -> str:
    return next((h.document.title for h in hits if h.document.id == candidate.document), "")


def features(
    embedder: Embedder,
    ranking: Ranking,
    hits: Sequence[Hit],
    question: Vector,
    vectors: Vectors,
) -> Features:
    """The features of a question's evidence; all 0 if there is none.

    `question` is the vector of what is asked, `vectors` hold those of the candidates.
    """
    ranked, asked = ranking.ranked, ranking.asked
    if not ranked:
        return NOTHING.features
    title = _title_of(ranked[0].candidate, hits)
    pairs = _joined(ranked[:_PAIRED], ranked)
    texts = [title or asked.query, *pairs]
    embedded = embedder.embed_passages(texts)
    rest = embedder.embed_query(beyond(asked, title))
    near = [vectors[id(each.candidate)] for each in ranked[:_LOOKED_AT]]
    single = _similarity(asked, ranked)
    paired = max((float(vector @ question) for vector in embedded[1:]), default=0.0)
    paired = single if asked.kinds else paired  # a pair states what its neighbour says
    dense = max((hit.dense or 0.0 for hit in hits), default=0.0)
    stating = next((e.coverage for e in ranked if e.answers and e.similarity >= _ABOUT), 0.0)
    naming = _share(float(embedded[0] @ question)) if title else 0.0
    return Features(
        similarity=_share(max(single, paired)),
        rest=_share(max(float(vector @ rest) for vector in near)),
        dense=_share(dense),
        naming=naming,
        coverage=ranked[0].coverage,
        stated=stating - 0.5 if asked.kinds else 0.0,  # 0 where no kind is asked for
        general=max(0.0, _NAMED - naming) if not asked.kinds else 0.0,
    )


def _similarity(asked: Asked, ranked: Sequence[Evidence]) -> float:
    """The best cosine of question and sentence. Where the question asks for a kind of fact, a
    sentence that states none of that kind may be about the subject and still not answer: its cosine
    counts `_STATES_NOTHING` of what it is."""
    best = max(each.similarity for each in ranked)
    if not asked.kinds:
        return best
    stating = max((each.similarity for each in ranked if each.answers), default=0.0)
    return max(stating, _STATES_NOTHING * best)


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def probability(of: Features, by: Coefficients = FITTED) -> float:
    """The logistic function of the weighted features."""
    weighted = sum(getattr(of, f.name) * getattr(by, f.name) for f in fields(of))
    return 1.0 / (1.0 + math.exp(-(weighted + by.constant)))


def decide(found: Sequence[Features], threshold: float = THRESHOLD) -> Sufficiency:
    """Whether to answer: if the evidence suffices for the whole question (the first of `found`) or
    for one of its parts (the others). Without any evidence never."""
    decided = [NOTHING]
    for of in found:
        if of != NOTHING.features:
            likely = probability(of)
            decided.append(Sufficiency(likely >= threshold, likely, of))
    return max(decided, key=lambda each: each.probability)
