"""Reading one commit of a collection's tantivy index: statistics, candidates, exact scores.

tantivy proposes candidates by single terms, which it can do without reading every posting
(block-max WAND); pairs of neighbours (the sequential dependence of Metzler and Croft, SIGIR 2005),
phrases and exact scores are worked out on the candidates (`index.ranking`). A query is built from
terms and never parsed, so no text can be read as query syntax.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import tantivy

from index import languages
from index.analysis import Question
from index.bm25 import K1, Field, idf
from index.errors import ViewDamaged
from index.ports import Scored, Worded
from index.ranking import Ranked, Ranker, Stored
from index.segments import Segments

log = logging.getLogger(__name__)

FIELDS = ("words", "place")
STATE = "state"  # the kind of the entry that holds the generation
DEEPER = 1.25  # candidates for one that is asked for, so that pairs can bring up what lies behind
_LEADING = 40  # terms that candidates are chosen by: those that can count most
_SPARE = 32  # candidates more, so that one call is mostly enough
_FLOOD = 8  # times as many candidates at most, where very many have one score
_ROUNDING = 1.0001  # tantivy computes in single precision
_DEFINITIONS = 64  # of one acronym or long form that are looked at


def kept(field: str) -> str:
    """The field that holds, in order, the terms that `field` finds a chunk by."""
    return f"{field}_kept"


_WORDS_KEPT, _PLACE_KEPT = map(kept, FIELDS)


class Commit:
    """One state of a collection's index, with exact statistics of what it holds."""

    def __init__(self, schema: Any, searcher: Any, segments: Segments) -> None:
        self._schema = schema
        self.searcher = searcher
        self._segments = segments
        # Each commit replaces the generation. While nothing else is deleted, tantivy counts right.
        states = int(searcher.doc_freq("kind", STATE))
        self._chunks_deleted = segments.deleted > max(0, states - 1)
        self._holding: dict[tuple[str, str], int] = {}
        self._engine_mean: dict[str, float] = {}
        self._fields: dict[str, Field] = {}
        self.recent: dict[str, Asked] = {}

    def term(self, field: str, value: str) -> Any:
        option = "freq" if field in FIELDS else "basic"
        return tantivy.Query.term_query(self._schema, field, value, option)

    def phrase(self, words: Sequence[str]) -> Any:
        if len(words) == 1:
            return self.term("words", words[0])
        return tantivy.Query.phrase_query(self._schema, "words", list(words))

    def state(self) -> Any | None:
        """The address of the document that holds the generation."""
        hits = self.searcher.search(self.term("kind", STATE), 1, count=False).hits
        return hits[0][1] if hits else None

    def holding(self, field: str, value: str) -> int:
        """How many chunks that are not deleted have the term."""
        key = (field, value)
        if key not in self._holding:
            known = int(self.searcher.doc_freq(field, value))
            if known and self._chunks_deleted:
                query = self.term(field, value)
                known = int(self.searcher.search(query, 1, count=True).count)
            self._holding[key] = known
        return self._holding[key]

    def field(self, name: str) -> Field:
        if name not in self._fields:
            length = {"field": f"{name}_length"}
            totals = self.searcher.aggregate(
                tantivy.Query.all_query(),
                {"chunks": {"value_count": length}, "terms": {"sum": length}},
            )
            chunks = int(totals["chunks"]["value"])
            self._fields[name] = Field(chunks, totals["terms"]["value"] / max(1, chunks))
        return self._fields[name]

    def languages(self) -> list[str]:
        return [each for each in languages.LANGUAGES if self.holding("language", each)]

    def stored(self, chunks: Sequence[str]) -> list[Stored]:
        """What is kept of those of `chunks` that are held."""
        query = tantivy.Query.term_set_query(self._schema, "chunk", list(chunks))
        hits = self.searcher.search(query, max(1, len(chunks)), count=False).hits
        return [self.stored_at(at) for _, at in hits]

    def stored_at(self, at: Any) -> Stored:
        entry = self.searcher.doc(at)
        words, place = entry.get_first(_WORDS_KEPT), entry.get_first(_PLACE_KEPT)
        return Stored(entry.get_first("chunk") or "", words or b"", place or b"")

    def definitions(self, key: str) -> list[str]:
        """What definitions that begin with `key` say, those of most chunks first."""
        known = self.searcher.terms_with_prefix("definition", key, limit=_DEFINITIONS)
        counted = [(self.holding("definition", each), each) for each, _ in known]
        ranked = sorted((-count, each) for count, each in counted if count)
        return [each.removeprefix(key) for _, each in ranked]

    def engine_idf(self, field: str, value: str) -> float:
        """The idf that tantivy uses: it counts what is deleted, and the state."""
        return idf(self._segments.entries, int(self.searcher.doc_freq(field, value)))

    def drift(self, fields: Collection[tuple[str, str]]) -> float:
        """By which factor at most exact scores exceed those of tantivy once idfs are equal.

        Of each field, any one term that a chunk has is needed.
        """
        worst = 1.0
        for name, value in dict(fields).items():
            if name not in self._engine_mean:
                self._engine_mean[name] = self._mean_that_tantivy_uses(name, value)
            engine, exact = self._engine_mean[name], self.field(name).mean_length
            if engine and exact:
                worst = max(worst, exact / engine)  # a longer mean damps less
        return worst * _ROUNDING

    def _mean_that_tantivy_uses(self, field: str, value: str) -> float:
        query = self.term(field, value)
        hits = self.searcher.search(query, 1, count=False).hits
        if not hits:
            return 0.0
        told = str(query.explain(self.searcher, hits[0][1]).to_json())
        found = re.search(r'"value":\s*([0-9.eE+-]+),\s*"description":\s*"avgdl', told)
        if found is None:
            raise ViewDamaged("lexical", "tantivy does not tell the mean length of a field")
        return float(found.group(1))


@dataclass(frozen=True, slots=True)
class Asked:
    """A question put to one commit, and the candidates whose scores are known."""

    commit: Commit
    ranker: Ranker
    ranked: dict[str, Ranked] = field(default_factory=dict)

    def best(self, limit: int, deeper: float) -> list[Scored]:
        """At most `limit` chunks, best first, of `deeper` times as many candidates."""
        if not self.ranker.leading:
            return []
        found = _candidates(self.commit, self.ranker, max(limit, int(limit * deeper)))
        self.ranked.update({each.chunk: each for each in found})
        best = sorted(found, key=lambda each: (-each.score, each.chunk))
        return [Scored(each.chunk, each.score) for each in best[:limit]]

    def weigh(self, chunks: Sequence[str]) -> dict[str, Worded]:
        """What those of `chunks` that are held are worth; most have been ranked before."""
        missing = [each for each in chunks if each not in self.ranked]
        known = dict(self.ranked)
        if missing:
            ranked = self.ranker.rank(self.commit.stored(missing))
            known |= {each.chunk: each for each in ranked}
        ceiling = self.ranker.ceiling or 1.0
        return {
            chunk: Worded(each.score, each.words / ceiling, each.place)
            for chunk in chunks
            if (each := known.get(chunk)) is not None
        }


def ranker_of(commit: Commit, asked: Question, place_weight: float) -> Ranker:
    """What the terms of a question are worth in a collection."""
    words, place = commit.field("words"), commit.field("place")
    telling: dict[str, float] = {}  # idf of what a chunk holds
    for term in {**asked.terms, **{word: 1.0 for pair in asked.pairs for word in pair}}:
        if holding := commit.holding("words", term):
            telling[term] = idf(words.documents, holding)
    word_worth = {
        term: weight * telling[term] for term, weight in asked.terms.items() if term in telling
    }
    place_worth = {
        term: weight * idf(place.documents, holding)
        for term, weight in asked.terms.items()
        if term in asked.names and (holding := commit.holding("place", term))
    }
    pair_worth = {
        (first, second): weight * (telling[first] + telling[second])
        for (first, second), weight in asked.pairs.items()
        if first in telling and second in telling
    }
    phrases = [
        held
        for readings in asked.phrases
        if (held := [each for each in readings if all(commit.holding("words", w) for w in each)])
    ]
    most = {
        term: word_worth.get(term, 0.0) + place_weight * place_worth.get(term, 0.0)
        for term in (*word_worth, *place_worth)
    }
    unheld = idf(words.documents, 0)
    ceiling = sum(max(telling.get(each, 0.0) for each in word) or unheld for word in asked.words)
    ceiling += sum(telling.get(each, 0.0) for each in asked.spelled)
    return Ranker(
        words=words,
        place=place,
        word_worth=word_worth,
        place_worth=place_worth,
        pair_worth=pair_worth,
        leading=frozenset(sorted(most, key=lambda term: (-most[term], term))[:_LEADING]),
        phrases=phrases,
        place_weight=place_weight,
        ceiling=(K1 + 1) * ceiling,
    )


def _candidates(commit: Commit, ranker: Ranker, wanted: int) -> list[Ranked]:
    """The best `wanted` by the leading terms, and as many of those that hold a quoted phrase."""
    clauses = []
    fields = []
    weighted = (
        ("words", 1.0, ranker.word_worth),
        ("place", ranker.place_weight, ranker.place_worth),
    )
    for name, weight, worth in weighted:
        for term in worth if weight else ():
            if term in ranker.leading:
                boost = weight * worth[term] / commit.engine_idf(name, term)
                query = tantivy.Query.boost_query(commit.term(name, term), boost)
                clauses.append((tantivy.Occur.Should, query))
                fields.append((name, term))
    drift = commit.drift(fields)
    found = _best(commit, ranker, tantivy.Query.boolean_query(clauses), wanted, drift)
    if ranker.phrases:
        readings = [commit.phrase(each) for phrase in ranker.phrases for each in phrase]
        quoted = tantivy.Query.boolean_query([(tantivy.Occur.Should, each) for each in readings])
        needed = (tantivy.Occur.Must, tantivy.Query.const_score_query(quoted, 0.0))
        query = tantivy.Query.boolean_query([needed, *clauses])
        found += _best(commit, ranker, query, wanted, drift)
    return list({each.chunk: each for each in found}.values())


def _best(commit: Commit, ranker: Ranker, query: Any, wanted: int, drift: float) -> list[Ranked]:
    """The exactly best `wanted` by the leading terms.

    What tantivy leaves out scores at most `drift` times the last that it gives; when that is less
    than the exact score of the last one wanted, nothing better is left. Else more are asked for, up
    to `_FLOOD` times as many: beyond that, very many chunks are the same text.
    """
    depth = wanted + _SPARE
    stored: list[Stored] = []
    while True:
        hits = commit.searcher.search(query, depth, count=False).hits
        stored += [commit.stored_at(at) for _, at in hits[len(stored) :]]
        ranked = ranker.rank(stored)
        if len(hits) < depth or hits[-1][0] * drift < ranked[wanted - 1].leading:
            return ranked[:wanted]
        if depth >= _FLOOD * wanted:
            log.debug("More than %d candidates are alike.", depth)
            return ranked[:wanted]
        depth *= 2
