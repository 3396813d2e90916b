"""The sentences that best support an answer, found before any model writes.

Pure: hits, page texts and vectors in, ranked candidates out. A candidate is a unit of a page
(`assistant.sentences`) that a retrieved chunk touches. Its score joins three things: how near its
vector is to the question's, how much of the question's telling words it and its headings hold
(weights over the retrieved units), and whether it states a fact of the kind asked for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assistant import facts
from assistant.asked import Asked
from assistant.facts import Fact
from assistant.facts import Kind as FactKind
from assistant.layout import Unit
from assistant.sentences import Kind
from assistant.terms import Weights, keys, weights
from index.document import Hit, Page

PageKey = tuple[str, int]  # document id, page number
_OUTDATED = re.compile(r"\b(?:superseded|withdrawn|obsolete|no longer in force)\b", re.IGNORECASE)
_ASKS_FOR_OLD = re.compile(
    r"\b(?:supersed\w+|withdrawn|obsolete|previous\w*|former\w*|earlier|old(?:er)?|until 20\d\d"
    r"|before|used to|was|were|version)\b",
    re.IGNORECASE,
)
_VERSION = re.compile(r"(?:.* )?version \d", re.IGNORECASE)
_CHANGES = re.compile(r"\bwhat changed\b|\bchanges since\b|\b(?:version|revision) history\b", re.I)
_NUMBER = re.compile(r"(?:§\s*)?(\d+(?:\.\d+)*)[.)]?\s")
_OPENING = 240  # characters of a page in which it says what it is
_OLD = 0.12  # what a superseded page loses, unless the question may be about the past
_SIMILARITY, _COVERAGE, _ANSWERS, _RETRIEVED = 0.45, 0.35, 0.15, 0.05
_LONG, _SHORT = 0.0002, 150  # what a character past so many takes off: brief is clear
_CLAUSE = 0.1  # what the very clause that was asked for gains
_IN_CONTEXT, _NEARBY = 0.6, 0.25  # what a question's word counts for beside the unit itself


@dataclass(frozen=True, slots=True)
class Candidate:
    """One unit of a page.

    `position` counts the units of its page; `hit` indexes the best hit that touches it;
    `outdated` says that its document or page calls itself superseded, or that it lists changes.
    """

    document: str
    page: int
    position: int
    unit: Unit
    hit: int
    outdated: bool
    keys: frozenset[str]
    context: frozenset[str]  # keys of title, headings and table header
    nearby: frozenset[str]  # keys of the unit before and after

    @property
    def embedded(self) -> str:
        """The text as it is embedded: under its heading, a row under its table's header."""
        shown = self.unit.shown
        return f"{self.unit.heading}: {shown}" if self.unit.heading else shown


@dataclass(frozen=True, slots=True)
class Evidence:
    """A candidate with what its place in the ranking rests on; all but `score` are 0..1.

    `similarity` is the cosine to the question cut off at 0; `coverage` the weighted share of the
    question's words; `answers` whether it states a fact of the kind asked for (True when no kind
    is).
    """

    candidate: Candidate
    similarity: float
    coverage: float
    answers: bool
    score: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """A question, or one part of it, and the evidence for it, best first."""

    asked: Asked
    ranked: tuple[Evidence, ...]


def _outdated(hit: Hit, page: Page, day: str) -> bool:
    ended = hit.document.effective_to
    says_so = _OUTDATED.search(f"{hit.document.title}\n{page.text[:_OPENING]}")
    return bool(says_so) or (ended is not None and ended < day)


def _compares_versions(unit: Unit) -> bool:
    """Whether a unit stands in a list of changes: half of what it says is no longer so."""
    versions = [c for c in unit.header.cells if _VERSION.match(c)] if unit.header else []
    return len(versions) > 1 or bool(_CHANGES.search(unit.heading))


def _page_candidates(
    page: Page,
    touching: Sequence[tuple[int, Hit]],
    units: Sequence[Unit],
    day: str,
    addressed: bool,
) -> Iterable[Candidate]:
    """The units of one page that one of the hits `touching` (index, hit) overlaps."""
    words = [keys(unit.plain) for unit in units]
    for position, unit in enumerate(units):
        over = [
            (number, hit)
            for number, hit in touching
            if hit.start < unit.end and unit.start < hit.end
        ]
        if not over or unit.kind is Kind.HEADING or unit.aside:
            continue
        if unit.addressed and not addressed:
            continue  # left out whole: the gate takes support from what is evidence
        number, hit = over[0]
        path = " ".join((hit.document.title, page.label, *hit.chunk.heading_path, unit.heading))
        header = keys(" ".join(unit.header.cells)) if unit.header else frozenset()
        near = [*words[max(0, position - 1) : position], *words[position + 1 : position + 2]]
        yield Candidate(
            document=hit.chunk.document_id,
            page=page.number,
            position=position,
            unit=unit,
            hit=number,
            outdated=_outdated(hit, page, day) or _compares_versions(unit),
            keys=words[position],
            context=keys(path) | header,
            nearby=frozenset().union(*near),
        )


def candidates(
    hits: Sequence[Hit],
    pages: Mapping[PageKey, Page],
    layouts: Mapping[PageKey, Sequence[Unit]],
    day: str = "",
    *,
    addressed: bool = False,
) -> tuple[Candidate, ...]:
    """Every quotable unit that a hit touches, by rank of the hit, then by place on the page; with
    `addressed` also those that speak to a language model.

    `layouts` holds the units of each page; on `day` (ISO 8601), the one asked about, a document
    may have ended.
    """
    by_page: dict[PageKey, list[tuple[int, Hit]]] = {}
    for number, hit in enumerate(hits):
        by_page.setdefault((hit.chunk.document_id, hit.chunk.page), []).append((number, hit))
    found: list[Candidate] = []
    for place, touching in by_page.items():
        found.extend(_page_candidates(pages[place], touching, layouts[place], day, addressed))
    return tuple(sorted(found, key=lambda c: (c.hit, c.position)))


def term_weights(found: Sequence[Candidate]) -> Weights:
    """How telling a word is among the retrieved units."""
    return weights([candidate.keys for candidate in found])


def covered(
    wanted: frozenset[str], candidate: Candidate, weigh: Weights, also: frozenset[str] = frozenset()
) -> float:
    """The weighted share of the question's words `wanted` that the candidate holds: in full in
    itself (or `also`), in part in its headings and its neighbours. 0..1."""
    whole = weigh.total(wanted)
    if not whole:
        return 0.0
    got = []
    for key in wanted:
        if key in candidate.keys or key in also:
            got.append(weigh.of(key))
        elif key in candidate.context:
            got.append(weigh.of(key) * _IN_CONTEXT)
        elif key in candidate.nearby:
            got.append(weigh.of(key) * _NEARBY)
    return math.fsum(got) / whole  # the same in whatever order a set is gone through


def _is_clause(asked: Asked, unit: Unit) -> bool:
    """Whether the unit opens with the number of a clause that the question names."""
    number = _NUMBER.match(unit.plain)
    return number is not None and any(
        fact.kind is FactKind.IDENTIFIER and fact.value.split(" ")[-1] == number.group(1)
        for fact in asked.facts
    )


def _restated(asked: Asked, found: Sequence[Fact]) -> frozenset[str]:
    """Words of the question's facts that `found` states, perhaps in other words ("two years" for
    "24 months")."""
    restated: set[str] = set()
    for fact in asked.facts:
        if any(facts.entails(fact, other) for other in found):
            restated |= keys(asked.text[fact.start : fact.end])
    return frozenset(restated)


def answering(asked: Asked, found: Sequence[Fact]) -> tuple[Fact, ...]:
    """The facts of a kind that the question asks for and that it does not itself state. A word
    that merely opens a sentence is no name here."""
    stated = {(fact.kind, fact.value) for fact in asked.facts}
    return tuple(
        fact
        for fact in found
        if fact.kind in asked.kinds
        and (fact.kind, fact.value) not in stated
        and not (fact.kind is FactKind.NAME and fact.noun == "initial")
    )


def _excess(unit: Unit) -> int:
    """By how many characters a unit is longer than a brief one; a row's cells are no length."""
    return 0 if unit.cells else max(0, len(unit.text) - _SHORT)


def preselect(asked: Asked, found: Sequence[Candidate], limit: int) -> tuple[Candidate, ...]:
    """At most `limit` candidates worth embedding: those that hold most of the question's words,
    and the first units of the best hits."""
    weigh = term_weights(found)
    wanted = asked.keys | asked.carried_keys
    order = sorted(
        range(len(found)),
        key=lambda i: (-covered(wanted, found[i], weigh) + 0.03 * found[i].hit, i),
    )
    return tuple(found[i] for i in sorted(order[:limit]))


def rank(
    asked: Asked,
    found: Sequence[Candidate],
    hits: Sequence[Hit],
    question: NDArray[np.float32],
    vectors: NDArray[np.float32],
) -> tuple[Evidence, ...]:
    """`found` ranked, best first. `question` is a unit vector (dimensions,), `vectors` holds one
    unit vector a candidate (n, dimensions)."""
    if not found:
        return ()
    weigh = term_weights(found)
    past = bool(_ASKS_FOR_OLD.search(asked.text))
    cosines = np.clip(vectors @ question, 0.0, 1.0)
    best = max((hit.score for hit in hits), default=0.0) or 1.0
    ranked = []
    for candidate, cosine in zip(found, cosines, strict=True):
        stated = facts.extract(candidate.unit.plain)
        also = _restated(asked, stated)
        own = covered(asked.keys, candidate, weigh, also)
        carried = covered(asked.carried_keys, candidate, weigh) if asked.carried_keys else own
        coverage = (3 * own + 2 * carried) / 5
        answers = not asked.kinds or bool(answering(asked, stated))
        score = (
            _SIMILARITY * float(cosine)
            + _COVERAGE * coverage
            + _ANSWERS * answers
            + _RETRIEVED * hits[candidate.hit].score / best
            + _CLAUSE * _is_clause(asked, candidate.unit)
            - _OLD * (candidate.outdated and not past)
            - _LONG * _excess(candidate.unit)
        )
        ranked.append(Evidence(candidate, float(cosine), coverage, answers, score))
    return tuple(sorted(ranked, key=lambda e: (-e.score, e.candidate.hit, e.candidate.position)))
