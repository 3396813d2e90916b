"""From a question to ranked evidence: searching, reading pages, embedding the sentences."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from assistant import evidence, sufficiency
from assistant.answer import Passage
from assistant.asked import Asked
from assistant.doubt import PLAIN, force_of, warning_of
from assistant.embedding import embedded
from assistant.evidence import Candidate, Evidence, PageKey, Ranking
from assistant.instructions import asks_about_them
from assistant.layout import Unit, lay_out
from assistant.ports import Library
from assistant.sufficiency import Sufficiency
from assistant.terms import Weights
from index.document import Document, Hit, Page, Scope, Status
from index.effective import Standing, today
from index.errors import NotFound
from index.records import SearchResult

_OWN = 3  # hits of the whole question before those of its parts


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is looked at: hits of a search, and sentences that are embedded."""

    hits: int = 20
    sentences: int = 48


Standings = Mapping[tuple[str, str], Standing]  # by collection and document id


@dataclass(frozen=True, slots=True)
class Found:
    """Everything retrieved for one question. `ranked` is the evidence for the whole question,
    `rankings` that for each of its parts, or again for the whole if it has none; `day` is the one
    asked about and `standings` how the documents of the hits stand to it, of those that are not
    simply current; `timings` are seconds: search, pages, sentences."""

    asked: Asked
    scope: Scope
    day: str
    standings: Standings
    hits: tuple[Hit, ...]
    pages: Mapping[PageKey, Page]
    layouts: Mapping[PageKey, Sequence[Unit]]
    ranked: tuple[Evidence, ...]
    rankings: tuple[Ranking, ...]
    weigh: Weights
    decision: Sufficiency
    generation: int
    vectors_from: str
    timings: Mapping[str, float]


def standing_of(document: Document, standings: Standings) -> Standing:
    """How a document stands by `standings`; one that is not in them is simply current."""
    return standings.get((document.collection, document.id), PLAIN)


def passage(hit: Hit, label: str = "", standings: Standings = MappingProxyType({})) -> Passage:
    """A hit as search and abstentions show it."""
    standing, now = standing_of(hit.document, standings), today()
    return Passage(
        rank=hit.rank,
        score=hit.score,
        document=hit.document.id,
        source=hit.document.source,
        title=hit.document.title,
        page=hit.chunk.page,
        label=label,
        chunk=hit.chunk.id,
        start=hit.start,
        end=hit.end,
        text=hit.text,
        warning=warning_of(hit.document, None, standing, now),
        force=force_of(hit.document, standing, now),
    )


def not_simply_current(library: Library, hits: Sequence[Hit], scope: Scope, day: str) -> Standings:
    """How those documents of `hits` that are superseded or withdrawn now stand to `day`.

    The same bytes may be current in one collection and superseded in another.
    """
    documents = {(hit.document.collection, hit.document.id): hit.document for hit in hits}
    past = [each for each in documents.values() if each.status is not Status.CURRENT]
    return library.standings(past, scope, day) if past else {}


def search(
    library: Library,
    asked: Asked,
    scope: Scope,
    k: int,
    day: str | None = None,
    documents: frozenset[str] | None = None,
) -> SearchResult:
    """At most `k` hits for the question and for each of its parts, from what is in force on `day`
    (None: today), and from `documents` (ids) only if any are named.

    A question of several parts is near to none of them: after its own best hits come the best of
    each part, then the rest.
    """
    whole = library.search(asked.query, scope, k, day=day, documents=documents)
    parts = [
        library.search(part.query, scope, k, day=day, documents=documents).hits
        for part in asked.parts
    ]
    first = [*whole.hits[:_OWN], *(hit for hits in parts for hit in hits[:1])]
    rest = [*whole.hits[_OWN:], *(hit for hits in parts for hit in hits[1:])]
    hits = {hit.chunk.id: hit for hit in reversed((*first, *rest))}
    order = {hit.chunk.id: None for hit in (*first, *rest)}
    ranked = (replace(hits[chunk], rank=rank) for rank, chunk in enumerate(order, start=1))
    return replace(whole, hits=tuple(ranked)[:k])


def read_pages(
    library: Library, hits: tuple[Hit, ...], scope: Scope
) -> tuple[tuple[Hit, ...], dict[PageKey, Page]]:
    """The pages of `hits`, and the hits whose page is still there and says what the hit says: a
    document may be deleted between the search and this."""
    pages: dict[PageKey, Page] = {}
    kept = []
    for hit in hits:
        place = (hit.chunk.document_id, hit.chunk.page)
        try:
            page = pages.get(place) or library.page(*place, scope)
        except NotFound:
            continue
        pages[place] = page
        if page.text[hit.start : hit.end] == hit.text:
            kept.append(hit)
    return tuple(kept), pages


def _rank(
    library: Library,
    asked: Asked,
    hits: tuple[Hit, ...],
    everything: tuple[Candidate, ...],
    limit: int,
) -> tuple[Ranking, tuple[Ranking, ...], Sufficiency]:
    """The evidence for the whole question and for each of its parts, and whether it suffices."""
    questions = (asked, *asked.parts)
    share = limit if len(questions) == 1 else limit // 2
    kept: dict[int, Candidate] = {}
    for question in questions:
        for candidate in evidence.preselect(question, everything, share):
            kept[id(candidate)] = candidate
    chosen = tuple(candidate for candidate in everything if id(candidate) in kept)
    if not chosen:
        return Ranking(asked, ()), (Ranking(asked, ()),), sufficiency.NOTHING
    vectors = embedded(library.embedder, [candidate.embedded for candidate in chosen])
    by_candidate = {id(each): vector for each, vector in zip(chosen, vectors, strict=True)}
    rankings, features = [], []
    for question in questions:
        query = np.asarray(library.embedder.embed_query(question.query), dtype=np.float32)
        ranking = Ranking(question, evidence.rank(question, chosen, hits, query, vectors))
        rankings.append(ranking)
        features.append(sufficiency.features(library.embedder, ranking, hits, query, by_candidate))
    return rankings[0], tuple(rankings[1:] or rankings), sufficiency.decide(features)


def retrieve(
    library: Library,
    asked: Asked,
    scope: Scope,
    limits: Limits,
    as_of: str | None = None,
    documents: frozenset[str] | None = None,
) -> Found:
    """Everything that the documents within `scope` in force on the day `as_of` (ISO 8601; None:
    today) hold on the question; `documents` (ids) are looked at only, if any are named.

    Raises `index.errors.IndexFailure`.
    """
    began = time.monotonic()
    day = as_of or today()
    result = search(library, asked, scope, limits.hits, day, documents)
    searched = time.monotonic()
    hits, pages = read_pages(library, result.hits, scope)
    layouts = {place: lay_out(page) for place, page in pages.items()}
    about_them = asks_about_them(asked.text)
    everything = evidence.candidates(hits, pages, layouts, day, addressed=about_them)
    read = time.monotonic()
    weigh = evidence.term_weights(everything)
    whole, rankings, decision = _rank(library, asked, hits, everything, limits.sentences)
    return Found(
        asked=asked,
        scope=scope,
        day=day,
        standings=not_simply_current(library, hits, scope, day),
        hits=hits,
        pages=pages,
        layouts=layouts,
        ranked=whole.ranked,
        rankings=rankings,
        weigh=weigh,
        decision=decision,
        generation=result.generation,
        vectors_from=result.vectors_from,
        timings={
            "search": searched - began,
            "pages": read - searched,
            "sentences": time.monotonic() - read,
        },
    )
