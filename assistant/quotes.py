"""Quotations: the supporting units verbatim, with as much around them as makes them readable.

Pure. A quotation is shown as the text of one or two spans, white space folded, nothing else: a list
item comes with the line that leads it in, a sentence that opens with "It" or "This" with the one
before it, a table row with the table's header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant.evidence import Candidate, Evidence, PageKey, Ranking
from assistant.facts import Kind as FactKind
from assistant.layout import Unit
from assistant.sentences import Kind
from assistant.terms import keys

LONGEST = 900  # characters of one quotation, save a single unit that is longer
MOST = 3
MOST_GENERAL = 5
# What comes so near the best score is quoted too: for a question that a fact answers, one more; for
# one that wants to be told something, as much as MOST. Measured on 150 questions of CLAPnq whose
# answers are of several sentences: a right one is among those quoted in 95 %, in 82 % at .97.
_NEAR_FACT, _NEAR = 0.9, 0.75
# A general question that names no document ("What information is shared?") is answered in several
# places that are all alike to the embedder: of PolicyQA's, the right one is among three such in
# 63 %, among five in 82 %.
_NEAR_GENERAL = 0.6
_LEANS = re.compile(
    r"(?:it|its|they|their|these|those|this|that|such|he|she|in (?:this|that|such) case|however"
    r"|otherwise|the (?:same|former|latter)|if so)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a page: `[start, end)` of its text."""

    document: str
    page: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What is shown and the spans that it consists of, in the order shown."""

    text: str
    spans: tuple[Span, ...]


def _item(units: Sequence[Unit], at: int) -> tuple[int, ...]:
    """A list item, after the line that leads its list in, if there is one."""
    for back in range(at - 1, max(-1, at - 12), -1):
        if units[back].text.endswith(":") and not units[back].addressed:
            return (back, at)
        if units[back].kind is not Kind.ITEM:
            break
    return (at,)


def _list(units: Sequence[Unit], at: int) -> tuple[int, ...]:
    """A line that ends with a colon and the list or table that it leads in."""
    taken = [at]
    for number in range(at + 1, len(units)):
        unit = units[number]
        listed = unit.kind in (Kind.ITEM, Kind.ROW) and not unit.addressed
        if not listed or units[number].end - units[at].start > LONGEST:
            break
        taken.append(number)
    return tuple(taken)


def _around(units: Sequence[Unit], at: int) -> tuple[int, ...]:
    """The units that make the one at `at` readable, itself included, in order."""
    unit = units[at]
    if unit.text.endswith(":"):
        return _list(units, at)
    if unit.kind is Kind.ITEM:
        return _item(units, at)
    leans = at > 0 and unit.kind is Kind.SENTENCE and bool(_LEANS.match(unit.text))
    leans = leans and not units[at - 1].addressed
    if leans and units[at - 1].kind in (Kind.SENTENCE, Kind.ITEM):
        return (at - 1, at)
    return (at,)


def quote(candidate: Candidate, units: Sequence[Unit]) -> Quote:
    """The quotation of `candidate`; `units` are those of its page."""
    places: list[tuple[int, int]] = []
    around = _around(units, candidate.position)
    for number in around:
        unit = units[number]
        joins = number - 1 in around and Kind.ROW not in (unit.kind, units[number - 1].kind)
        if unit.header is not None and unit.named:
            header = (unit.header.start, unit.header.end)
            places.extend([header] if header not in places else [])
        if joins:
            places[-1] = (places[-1][0], unit.end)
        else:
            places.append((unit.start, unit.end))
    spans = tuple(Span(candidate.document, candidate.page, *place) for place in places)
    return Quote(" ".join(units[number].shown for number in around), spans)


def choose(rankings: Sequence[Ranking], *, general: bool = False) -> tuple[Evidence, ...]:
    """The evidence worth quoting, best first and at most MOST (MOST_GENERAL for a general
    question): the best for each part of the question; for a question of one part, also what comes
    near it. A table's row stands alone."""
    chosen: list[Evidence] = []
    for ranking in rankings:
        best = next((e for e in ranking.ranked if not _among(e, chosen)), None)
        again = bool(ranking.ranked) and _among(ranking.ranked[0], chosen)
        if best is not None and not again:
            chosen.append(best)
    if len(rankings) == 1 and chosen:
        chosen.extend(_near(rankings[0], chosen[0], general))
    return tuple(chosen[: MOST_GENERAL if general else MOST])


def _among(evidence: Evidence, chosen: Sequence[Evidence]) -> bool:
    return any(evidence.candidate is other.candidate for other in chosen)


def _near(ranking: Ranking, best: Evidence, general: bool) -> list[Evidence]:
    """What comes near the best evidence; for a fact asked for, only what states one as well."""
    # Almost every sentence has a name, so that one is stated tells little.
    fact = best.answers and bool(ranking.asked.kinds - {FactKind.NAME})
    share, most = (_NEAR_FACT, 1) if fact else (_NEAR, MOST - 1)
    if general and not fact:
        share, most = _NEAR_GENERAL, MOST_GENERAL - 1
    if best.candidate.unit.cells:
        return []
    near = []
    for evidence in ranking.ranked:
        if evidence is best or evidence.score < best.score * share:
            continue
        if (evidence.answers or not fact) and not evidence.candidate.unit.cells:
            near.append(evidence)
    return near[:most]


def _together(chosen: Sequence[Evidence]) -> list[list[Candidate]]:
    """The chosen as they are quoted: those that follow each other on a page in one piece, in the
    order of the page; pieces in the order of their best evidence."""
    pieces: list[list[Candidate]] = []
    for evidence in chosen:
        own = evidence.candidate
        beside = next((p for p in pieces if any(_adjacent(own, each) for each in p)), None)
        if beside is None:
            pieces.append([own])
        else:
            beside.append(own)
            beside.sort(key=lambda each: each.position)
    return pieces


def _adjacent(one: Candidate, other: Candidate) -> bool:
    plain = (Kind.SENTENCE, Kind.ITEM)
    return (
        (one.document, one.page) == (other.document, other.page)
        and abs(one.position - other.position) == 1
        and one.unit.kind in plain
        and other.unit.kind in plain
    )


def build(
    rankings: Sequence[Ranking],
    layouts: Mapping[PageKey, Sequence[Unit]],
    *,
    general: bool = False,
) -> tuple[Quote, ...]:
    """The quotations that answer the question, none inside another."""
    return of_evidence(choose(rankings, general=general), layouts)


def of_evidence(
    chosen: Sequence[Evidence], layouts: Mapping[PageKey, Sequence[Unit]]
) -> tuple[Quote, ...]:
    """Quotations of these pieces of evidence, none inside another."""
    built: list[Quote] = []
    for piece in _together(chosen):
        units = layouts[piece[0].document, piece[0].page]
        made = quote(piece[0], units) if len(piece) == 1 else _run(piece, units)
        if not any(keys(made.text) <= keys(other.text) for other in built):
            built.append(made)
    return tuple(built)


def _run(piece: Sequence[Candidate], units: Sequence[Unit]) -> Quote:
    """The quotation of units that follow each other, with what makes the first readable."""
    lead = quote(piece[0], units)
    first, last = piece[0], piece[-1]
    taken = [units[number].shown for number in range(first.position + 1, last.position + 1)]
    whole = Span(first.document, first.page, lead.spans[-1].start, units[last.position].end)
    return Quote(" ".join((lead.text, *taken)), (*lead.spans[:-1], whole))
