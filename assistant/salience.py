"""Which sentences carry a document.

Pure: keys, vectors and headings in, indexes out. Each sentence's worth joins its centrality among
the sentences of its part of the document (continuous LexRank: Erkan & Radev, "LexRank: graph-based
lexical centrality as salience in text summarization", JAIR 22, 2004, here over sentence vectors),
its nearness to the document's centroid (Radev et al., "Centroid-based summarization of multiple
documents", IPM 40, 2004), its place, and the words that it shares with its heading; in a document
that obliges, duties, dates and amounts count more. The choice takes the best of each part first, so
that none is left out, and then goes on by maximal marginal relevance (Carbonell & Goldstein, SIGIR
1998), what a part has already making the next from it worth less (Lin & Bilmes, ACL 2011).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assistant import clauses, facts
from assistant.evidence import Candidate
from assistant.sentences import Kind
from assistant.terms import keys, weights

Vectors = NDArray[np.float32]
Scores = NDArray[np.float64]

MOST = 2_500  # sentences whose vectors are made; of a longer document, the best of each part
TOGETHER = 400  # sentences that are ranked among each other: bounds memory at its square
_TELEPORT = 0.15
_ROUNDS = 40
_RANK, _CENTRAL, _PLACE, _HEADING, _DUTY = 0.40, 0.25, 0.15, 0.10, 0.35
_REDUNDANT = 0.5
_ALIKE = 0.55  # cosine from which a sentence says in part what another said
_OBLIGES = 0.12  # share of sentences with a duty from which a document counts as one that obliges
_ABOUT, _OF_BEST = 0.30, 0.60  # how near to the focus: at least, and of the nearest
_WORDS, _LONG = (4, 60), 420  # words a readable sentence has, characters that are many
_DUTY_WORDS = re.compile(
    r"\b(?:must|shall|required|obliged|prohibited|may not|liable|entitled|terminat\w+)\b",
    re.IGNORECASE,
)
_LEANS = re.compile(
    r"(?:it|they|their|these|those|this|that|such|he|she|however|otherwise|also|therefore|but|and"
    r"|for example|in addition|moreover|furthermore|if so)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document's sentences, `[first, last)`, under one heading."""

    heading: str
    first: int
    last: int


def sections(headings: Sequence[str]) -> tuple[Section, ...]:
    """Runs of sentences under the same heading; `headings` has one entry a sentence."""
    found: list[Section] = []
    for number, heading in enumerate(headings):
        if found and found[-1].heading == heading:
            found[-1] = Section(heading, found[-1].first, number + 1)
        else:
            found.append(Section(heading, number, number + 1))
    return tuple(found)


def parts(found: Sequence[Section], most: int) -> tuple[tuple[Section, ...], ...]:
    """The sections in order as at most `most` groups of neighbours of like length: if there are
    more sections than sentences to show, several share one."""
    if len(found) <= most:
        return tuple((section,) for section in found)
    whole = sum(section.last - section.first for section in found)
    groups: list[list[Section]] = [[]]
    done = 0
    for number, section in enumerate(found):
        left = len(found) - number
        full = done >= whole * len(groups) / most
        needed = most - len(groups) >= left  # else some group would stay empty
        if groups[-1] and len(groups) < most and (full or needed):
            groups.append([])
        groups[-1].append(section)
        done += section.last - section.first
    return tuple(tuple(group) for group in groups)


def readable(candidate: Candidate) -> bool:
    """Whether a unit says something when it stands alone."""
    unit = candidate.unit
    count = len(unit.plain.split())
    fits = _WORDS[0] <= count <= 2 * _WORDS[1] and bool(candidate.keys)
    return fits and not unit.plain.endswith((":", ",", "?"))


def preselect(found: Sequence[Candidate], groups: Sequence[Sequence[int]], most: int) -> list[int]:
    """At most `most` of the candidates, a like share of each group, by how common their words are
    in the document (SumBasic: Nenkova & Vanderwende, 2005); in their order."""
    if sum(len(group) for group in groups) <= most:
        return sorted(number for group in groups for number in group)
    weigh = weights([candidate.keys for candidate in found])

    def common(number: int) -> float:
        own = found[number].keys
        return sum(weigh.frequency.get(key, 0) for key in own) / max(1, len(own))

    each = max(1, most // len(groups))
    kept = [number for group in groups for number in sorted(group, key=lambda n: -common(n))[:each]]
    return sorted(kept[:most])


def lexrank(vectors: Vectors) -> Scores:
    """The centrality of each of n unit vectors (n, dimensions) among all: the stationary
    distribution of a walk that prefers like sentences, its greatest value made 1. (n,)"""
    n = len(vectors)
    if n == 0:
        return np.zeros(0)
    alike = np.clip(vectors.astype(np.float64) @ vectors.T.astype(np.float64), 0.0, 1.0)
    np.fill_diagonal(alike, 0.0)
    sums = alike.sum(axis=1, keepdims=True)
    walk = np.where(sums > 0, alike / np.where(sums > 0, sums, 1.0), 1.0 / n)
    rank = np.full(n, 1.0 / n)
    for _ in range(_ROUNDS):
        rank = _TELEPORT / n + (1 - _TELEPORT) * (rank @ walk)
    highest: float = rank.max()
    return np.asarray(rank / highest)


def _centrality(vectors: Vectors, groups: Sequence[Sequence[int]]) -> Scores:
    """LexRank within each group, a large one in stretches."""
    scores = np.zeros(len(vectors))
    for group in groups:
        for first in range(0, len(group), TOGETHER):
            some = list(group[first : first + TOGETHER])
            scores[some] = lexrank(vectors[some])
    return scores


def _dutiful(found: Sequence[Candidate]) -> Scores:
    """1.0 for a duty with a date, amount or period, less for one of the two; all 0 in a document
    that does not oblige."""
    duty = np.array([bool(_DUTY_WORDS.search(each.unit.plain)) for each in found], dtype=float)
    if not len(duty) or duty.mean() < _OBLIGES:
        return np.zeros(len(found))
    stated = np.array(
        [
            any(fact.kind in clauses.MEASURES for fact in facts.extract(each.unit.plain))
            for each in found
        ],
        dtype=float,
    )
    return np.asarray(0.5 * duty + 0.5 * stated)


def _plainness(candidate: Candidate) -> float:
    """What a sentence's worth is multiplied with: less for one that leans on another or is long."""
    text = candidate.unit.plain
    leans = candidate.unit.kind is Kind.SENTENCE and bool(_LEANS.match(text))
    return (
        (0.6 if leans else 1.0)
        * (0.7 if len(text) > _LONG else 1.0)
        * (0.85 if candidate.unit.kind is Kind.ROW else 1.0)
    )


def scores(
    found: Sequence[Candidate],
    vectors: Vectors,
    headings: Sequence[str],
    groups: Sequence[Sequence[int]],
) -> Scores:
    """The worth of each sentence for a summary of the whole. (n,), about 0..1."""
    if not found:
        return np.zeros(0)
    centre = vectors.mean(axis=0)
    length = float(np.linalg.norm(centre)) or 1.0
    central = np.clip(vectors @ (centre / length), 0.0, 1.0)
    place, titled = np.zeros(len(found)), np.zeros(len(found))
    for group in groups:
        for at, number in enumerate(group):
            place[number] = 1.0 / (1.0 + at)
            words = keys(headings[number])
            titled[number] = len(words & found[number].keys) / len(words) if words else 0.0
    worth = (
        _RANK * _centrality(vectors, groups)
        + _CENTRAL * central
        + _PLACE * place
        + _HEADING * titled
        + _DUTY * _dutiful(found)
    )
    plain = np.array([_plainness(candidate) for candidate in found])
    return np.asarray(worth * plain, dtype=np.float64)


def focused(found: Sequence[Candidate], vectors: Vectors, about: str, query: Vectors) -> Scores:
    """The worth of each sentence for a summary about something; 0 for one that is not near to it.
    `query` is the unit vector of `about`. (n,)"""
    if not found:
        return np.zeros(0)
    weigh = weights([candidate.keys for candidate in found])
    wanted = keys(about)
    covered = np.array(
        [weigh.coverage(wanted, each.keys | each.context) if wanted else 0.0 for each in found]
    )
    near = np.clip(vectors @ query, 0.0, 1.0).astype(np.float64)
    worth = 0.6 * near + 0.4 * covered
    enough = worth >= max(_ABOUT, _OF_BEST * float(worth.max()))
    plain = np.array([_plainness(candidate) for candidate in found])
    return np.asarray(np.where(enough, worth * plain, 0.0))


def choose(
    worth: Scores, vectors: Vectors, groups: Sequence[Sequence[int]], most: int
) -> tuple[int, ...]:
    """At most `most` sentences, in their order: the best of each group as far as that goes, then
    whatever adds most. Nothing of worth 0 and nothing twice."""
    chosen: list[int] = []
    group_of = {number: at for at, group in enumerate(groups) for number in group}
    taken = np.zeros(len(groups))
    nearest = np.zeros(len(worth))

    def take(number: int) -> None:
        chosen.append(number)
        taken[group_of[number]] += 1
        np.maximum(nearest, vectors @ vectors[number], out=nearest)

    def gain(number: int) -> float:
        alike = max(0.0, float(nearest[number]) - _ALIKE) / (1 - _ALIKE)
        share = 1.0 / np.sqrt(1.0 + taken[group_of[number]])
        return float(worth[number] * share - _REDUNDANT * alike)

    for group in sorted(groups, key=lambda each: -max((worth[n] for n in each), default=0.0)):
        free = [number for number in group if worth[number] > 0]
        if free and len(chosen) < most:
            take(max(free, key=lambda number: (gain(number), -number)))
    free = [number for number in group_of if worth[number] > 0 and number not in chosen]
    while free and len(chosen) < most:
        best = max(free, key=lambda number: (gain(number), -number))
        if gain(best) <= 0:
            break
        free.remove(best)
        take(best)
    return tuple(sorted(chosen))
