"""From a question's terms to exact scores of candidates. Pure.

The engine proposes candidates by its own scores, which differ a little from ours (see
`index.bm25`); what it stores of a chunk is enough to compute ours. So the order depends on what a
collection holds and on nothing else, and ties are broken by the chunk's id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from index.analysis import BOUNDARY
from index.bm25 import K1, Field, idf, saturated
from index.marks import SIZE, Found, find, marks

PLACE_WEIGHT = 2.0  # of a term in what names the document, for choosing candidates
_BOUNDARY = marks([BOUNDARY])
_NAMES_ONE = 2.0  # idf of names at which a match has two thirds of its worth

Pair: TypeAlias = tuple[str, str]
Scores: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]


class Stored(NamedTuple):  # made by the thousand, which a dataclass takes three times as long for
    """What is kept of a chunk: its terms and those of its document's name (`index.marks`)."""

    chunk: str
    words: bytes
    place: bytes


class Ranked(NamedTuple):
    """A candidate's scores: by the leading terms alone, which choose candidates, and by all.

    `score` is BM25 of the chunk's terms and, with its weight, of its document's name. In `words`
    the chunk is credited with what names its document: as if each such term of the question stood
    in it once. A cover page, which repeats the name, has no advantage over the passage asked for.
    `place`, 0 to 1, is the share of the question's names that the document's name holds, smaller
    where these are so common that they tell documents apart badly.
    """

    chunk: str
    leading: float
    score: float
    words: float
    place: float


@dataclass(frozen=True, slots=True)
class Ranker:
    """What a question's terms are worth in one collection: weight times idf, by term.

    `leading` are the terms that candidates are chosen by; `phrases` holds the readings of each
    quoted phrase; `place_worth` has those terms only that may name a document. Terms that no chunk
    holds are in none of these. `ceiling` is what a chunk could
    reach that holds every word of the question very often; words that no chunk holds count as well.
    """

    words: Field
    place: Field
    word_worth: Mapping[str, float]
    place_worth: Mapping[str, float]
    pair_worth: Mapping[Pair, float]
    leading: frozenset[str]
    phrases: Sequence[Sequence[tuple[str, ...]]]
    place_weight: float
    ceiling: float

    def rank(self, candidates: Sequence[Stored]) -> list[Ranked]:
        """Exact scores of `candidates`, best by the leading terms first."""
        if not candidates:
            return []
        texts = [each.words for each in candidates]
        paired = (word for pair in self.pair_worth for word in pair)
        known = list(dict.fromkeys([*self.word_worth, *paired, *self.place_worth]))
        held = Found.of(texts, known)
        gained = self._gained(held, known, self.word_worth, self.words)
        near = self._of_pairs(held, known)
        if self.phrases:
            near += self.most * np.array([self._quoted(text) for text in texts], np.float64)
        places, named = self._places([each.place for each in candidates])
        credited = np.maximum(gained, self._credit(known, named)).sum(axis=1) + near
        leads = np.array([term in self.leading for term in known], np.bool_)
        leading = gained[:, leads].sum(axis=1) + self.place_weight * places[0]
        score = gained.sum(axis=1) + near + self.place_weight * places[1]
        columns = (leading, score, credited, self._share_of_names(named))
        rows = zip(candidates, *(each.tolist() for each in columns), strict=True)
        ranked = [Ranked(stored.chunk, *scores) for stored, *scores in rows]
        return sorted(ranked, key=lambda one: (-one.leading, one.chunk))

    @property
    def most(self) -> float:
        """No chunk can have more from terms and pairs."""
        worths = (self.word_worth, self.place_worth, self.pair_worth)
        words, place, near = (sum(each.values()) for each in worths)
        return (K1 + 1) * (words + self.place_weight * place + near)

    def _gained(
        self, held: Found, known: Sequence[str], worth: Mapping[str, float], field: Field
    ) -> Scores:
        """What each text gains by each term: (texts, known)."""
        damping = field.damping(held.lengths)[:, np.newaxis]
        worths = np.array([worth.get(term, 0.0) for term in known], np.float64)
        gained: Scores = saturated(held.counts(len(known)), damping) * worths
        return gained

    def _places(self, places: Sequence[bytes]) -> tuple[tuple[Scores, Scores], Flags]:
        """What each candidate gains by its document's name, by the leading terms and by all, and
        which names of the question that holds: (candidates, names). Most share few names."""
        known = list(self.place_worth)
        different = list(dict.fromkeys(places))
        which = {place: row for row, place in enumerate(different)}
        rows = [which[place] for place in places]
        held = Found.of(different, known)
        gained = self._gained(held, known, self.place_worth, self.place)
        leads = np.array([term in self.leading for term in known], np.bool_)
        sums = gained[:, leads].sum(axis=1)[rows], gained.sum(axis=1)[rows]
        return sums, (held.counts(len(known)) > 0)[rows]

    def _credit(self, known: Sequence[str], named: Flags) -> Scores:
        """What each candidate is credited with for each known term: (candidates, known)."""
        column = {term: at for at, term in enumerate(self.place_worth)}
        credit = np.zeros((len(named), len(known)), np.float64)
        for at, term in enumerate(known):
            if term in column:  # a name that no passage repeats is worth what it is among names
                worth = self.word_worth.get(term) or self.place_worth[term]
                credit[:, at] = named[:, column[term]] * worth
        return credit

    def _share_of_names(self, named: Flags) -> Scores:
        worth = np.array(list(self.place_worth.values()), np.float64)
        total = float(worth.sum())
        if total <= 0.0:
            return np.zeros(len(named))
        enough = min(_NAMES_ONE, idf(self.place.documents, 1))  # as much as one name can tell
        shares: Scores = named @ worth / total * (1.0 - np.exp(-total / max(enough, 1e-9)))
        return shares

    def _of_pairs(self, held: Found, known: Sequence[str]) -> Scores:
        if not self.pair_worth:
            return np.zeros(len(held.lengths))
        code = {term: number for number, term in enumerate(known, 1)}
        base = len(known) + 1
        wanted = {code[a] * base + code[b]: worth for (a, b), worth in self.pair_worth.items()}
        keys = np.array(sorted(wanted), np.int64)
        beside = held.neighbours()
        found = held.codes[:-1][beside] * base + held.codes[1:][beside]
        at = np.minimum(np.searchsorted(keys, found), len(keys) - 1)
        exact = keys[at] == found
        cells = held.owners[:-1][beside][exact] * len(keys) + at[exact]
        counts = np.bincount(cells, minlength=len(held.lengths) * len(keys))
        times = counts.reshape(len(held.lengths), len(keys))
        damping = self.words.damping(held.lengths)[:, np.newaxis]
        worth = np.array([wanted[key] for key in keys.tolist()], np.float64)
        gained: Scores = (saturated(times, damping) * worth).sum(axis=1)
        return gained

    def _quoted(self, text: bytes) -> int:
        """How many of the phrases stand in the text as they were quoted."""
        end = find(text, _BOUNDARY)
        written = text if end < 0 else text[: end * SIZE]
        return sum(
            any(find(written, marks(reading)) >= 0 for reading in readings)
            for readings in self.phrases
        )
