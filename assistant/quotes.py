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
from assistant.layout import Unit
from assistant.sentences import Kind
from assistant.terms import keys

LONGEST = 900  # characters of one quotation, save a single unit that is longer
MOST = 3
_AS_GOOD = 0.97  # of the best score: what comes near it is quoted too, if it adds words asked for
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
        if units[back].text.endswith(":"):
            return (back, at)
        if units[back].kind is not Kind.ITEM:
            break
    return (at,)


def _list(units: Sequence[Unit], at: int) -> tuple[int, ...]:
    """A line that ends with a colon and the list or table that it leads in."""
    taken = [at]
    for number in range(at + 1, len(units)):
        listed = units[number].kind in (Kind.ITEM, Kind.ROW)
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


def choose(rankings: Sequence[Ranking]) -> tuple[Evidence, ...]:
    """The evidence worth quoting: the best for each part of the question; for a question of one
    part, also what is nearly as good and holds words of it that the rest does not. At most MOST."""
    chosen: list[Evidence] = []
    for ranking in rankings:
        best = next((e for e in ranking.ranked if not _among(e, chosen)), None)
        again = bool(ranking.ranked) and _among(ranking.ranked[0], chosen)
        if best is not None and not again:
            chosen.append(best)
    if len(rankings) == 1 and chosen:
        chosen.extend(_adding(rankings[0], chosen[0]))
    return tuple(chosen[:MOST])


def _among(evidence: Evidence, chosen: Sequence[Evidence]) -> bool:
    return any(evidence.candidate is other.candidate for other in chosen)


def _adding(ranking: Ranking, best: Evidence) -> list[Evidence]:
    """What comes near the best evidence and holds words asked for that it does not."""
    held = best.candidate.keys | best.candidate.context
    adding = []
    for evidence in ranking.ranked[1:]:
        if evidence.score < best.score * _AS_GOOD:
            break
        words = evidence.candidate.keys | evidence.candidate.context
        if (ranking.asked.keys & words) - held and evidence.answers:
            adding.append(evidence)
            held |= words
    return adding


def build(
    rankings: Sequence[Ranking], layouts: Mapping[PageKey, Sequence[Unit]]
) -> tuple[Quote, ...]:
    """The quotations that answer the question, none inside another."""
    built: list[Quote] = []
    for evidence in choose(rankings):
        candidate = evidence.candidate
        made = quote(candidate, layouts[candidate.document, candidate.page])
        if not any(keys(made.text) <= keys(other.text) for other in built):
            built.append(made)
    return tuple(built)
