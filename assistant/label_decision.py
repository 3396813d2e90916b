"""Which label fits a document: evidence for each label, and a decision that may be "none" or
"unclear".

Pure: vectors and words in, decision out. A label's text and every unit of a document are vectors.
What all labels have in common says nothing of any one of them, so units are compared with each
label's difference from the labels' mean; a label's score is its mean over the units, plus its best
unit, plus a little for its own words. How near the best unit is at all, without that difference,
decides whether any label fits. The limits below were measured with the default embedder on PolicyQA
paragraphs (see `benchmarks/classify.py`); another embedder needs others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from assistant.extract_words import share
from assistant.terms import Weights, is_light, keys

NEAR = 0.25  # cosine under which the best unit has nothing to do with a label
MARGIN = 0.17  # by which the best label must be ahead of the second
SEVERAL_NEAR, SEVERAL_MARGIN = 0.3, 0.12  # of a unit that carries a label beside others
_WORDS = 0.25  # what a label's own words count beside nearness
_EVIDENCE = 3  # units that are shown for a label

Matrix = NDArray[np.float32]


class Verdict(StrEnum):
    """How a document was sorted."""

    LABELLED = "LABELLED"
    NONE = "NONE"  # no label fits
    UNCLEAR = "UNCLEAR"  # two or more fit as well


@dataclass(frozen=True, slots=True)
class Fit:
    """How a label fits: `score` to compare labels by, `near` the cosine of the nearest unit, and
    the units that speak for it, best first."""

    label: int
    score: float
    near: float
    units: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sorted:
    """The decision. `fits` are the chosen labels; none for NONE; those it hangs between for
    UNCLEAR. `margin` is by how much the first is ahead of the next."""

    verdict: Verdict
    fits: tuple[Fit, ...]
    margin: float


def fits(
    labels: Matrix,
    units: Matrix,
    words: Sequence[frozenset[str]],
    said: Sequence[frozenset[str]],
    weigh: Weights,
) -> tuple[Fit, ...]:
    """How each label fits, best first. `labels` (labels, dimensions) and `units` (units,
    dimensions) hold unit vectors; `said` are the words of each unit, `words` of each label."""
    if not len(units):
        return ()
    near = units @ labels.T
    apart = units @ _apart(labels).T
    own = _own_words(words, said, weigh)
    found = []
    for label in range(len(labels)):
        column, told = apart[:, label], own[:, label]
        score = column.mean() + column.max() + _WORDS * (told.mean() + told.max())
        order = np.argsort(-(column + _WORDS * told), kind="stable")
        shown = [int(unit) for unit in order[:_EVIDENCE] if near[unit, label] >= NEAR]
        found.append(Fit(label, float(score), float(near[:, label].max()), tuple(shown)))
    return tuple(sorted(found, key=lambda fit: (-fit.score, fit.label)))


def _apart(labels: Matrix) -> Matrix:
    """Each label's difference from their mean, of length 1; a label alone as it is."""
    if len(labels) == 1:
        return labels
    apart = labels - labels.mean(axis=0)
    length = np.linalg.norm(apart, axis=1, keepdims=True)
    found: Matrix = (apart / np.maximum(length, 1e-6)).astype(np.float32)
    return found


def telling(text: str) -> frozenset[str]:
    """The words of a label's text that tell it from others."""
    return frozenset(key for key in keys(text) if not is_light(key))


def _own_words(
    words: Sequence[frozenset[str]], said: Sequence[frozenset[str]], weigh: Weights
) -> NDArray[np.float64]:
    """The share of each label's words that each unit holds, (units, labels); words that several
    labels have do not count."""
    own = [
        each - frozenset().union(*(other for other in words if other is not each)) for each in words
    ]
    return np.array([[share(label, unit, weigh) for label in own] for unit in said])


def decide(found: Sequence[Fit]) -> Sorted:
    """One label, none, or unclear."""
    fitting = [fit for fit in found if fit.near >= NEAR and fit.units]
    if not fitting:
        return Sorted(Verdict.NONE, (), 0.0)
    first = fitting[0]
    margin = first.score - max((fit.score for fit in found if fit is not first), default=0.0)
    if len(found) > 1 and margin < MARGIN:
        return Sorted(Verdict.UNCLEAR, tuple(fitting[:3]), margin)
    return Sorted(Verdict.LABELLED, (first,), margin)


def decide_several(found: Sequence[Fit], labels: Matrix, units: Matrix) -> Sorted:
    """Every label that some unit carries: it is nearest to that one, clearly so."""
    near, apart = units @ labels.T, units @ _apart(labels).T
    chosen: list[Fit] = []
    unsure: list[Fit] = []
    for fit in found:
        others = np.delete(apart, fit.label, axis=1)
        ahead = apart[:, fit.label] - others.max(axis=1, initial=-1.0)
        close = (near[:, fit.label] >= SEVERAL_NEAR) & (ahead > 0)
        carried = np.flatnonzero(close & (ahead >= SEVERAL_MARGIN))
        if len(carried):
            order = carried[np.argsort(-apart[carried, fit.label], kind="stable")]
            shown = tuple(int(unit) for unit in order[:_EVIDENCE])
            chosen.append(Fit(fit.label, fit.score, fit.near, shown))
        elif close.any() and fit.units:
            unsure.append(fit)
    if chosen:
        return Sorted(Verdict.LABELLED, tuple(chosen), 0.0)
    return Sorted(Verdict.UNCLEAR if unsure else Verdict.NONE, tuple(unsure[:3]), 0.0)
