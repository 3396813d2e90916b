"""A conflict between documents, and what a reader is told of it: its sides with their citations,
and one sentence. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assistant.answer import Citation, Conflict, Side
from assistant.evidence import Evidence
from assistant.facts import Kind
from assistant.intervals import Interval
from index.document import Document, Status
from index.effective import Standing

_NOUNS = {
    Kind.DURATION: "periods", Kind.AMOUNT: "amounts", Kind.PERCENT: "percentages",
    Kind.DATE: "dates", Kind.TIME: "times", Kind.FREQUENCY: "frequencies",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stated:
    """A unit and the value that it states on what was asked: `unit.plain[start:end]`."""

    evidence: Evidence
    document: Document
    standing: Standing
    value: Interval
    clause: str
    written: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What documents state differently, the best evidence first. `kind` is "versions" if one takes
    the place of another, else "documents"."""

    kind: str
    asked: Kind
    sides: tuple[Stated, ...]


def side(stated_: Stated, citation: Citation) -> Side:
    """One side as an answer shows it."""
    return Side(
        stated_.written, citation.number, citation.source, stated_.document.effective_from or ""
    )


def conflict(contradiction: Contradiction, citations: Sequence[Citation], day: str) -> Conflict:
    """What an answer shows of a contradiction; one citation a side, in their order. `day` is the
    one asked about (ISO 8601).

    Raises ValueError if there is not one citation a side.
    """
    sides = tuple(
        side(each, citation) for each, citation in zip(contradiction.sides, citations, strict=True)
    )
    return Conflict(contradiction.kind, sides, sentence(contradiction, day))


def sentence(contradiction: Contradiction, day: str) -> str:
    """What a reader is told, in one sentence, of documents' titles, values and days."""
    sides = contradiction.sides
    noun = _NOUNS.get(contradiction.asked, "values")
    if contradiction.kind == "versions":
        return _of_versions(sides, day)
    if len({each.document.id for each in sides}) == 1:
        listed = _joined([each.written for each in sides])
        return f"{_title(sides[0])} states different {noun} in different places: {listed}."
    listed = _joined([f"{each.written} ({_title(each)}{_since(each)})" for each in sides])
    many = {2: "Two", 3: "Three", 4: "Four"}.get(len(sides), str(len(sides)))
    places = "documents" if len({each.document.id for each in sides}) > 1 else "places"
    return f"{many} {places} in force state different {noun}: {listed}."


def _of_versions(sides: Sequence[Stated], day: str) -> str:
    """Which version is in force and since when, and what the older one states."""
    order = sorted(sides, key=_newer, reverse=True)
    new, old = order[0], order[1:]
    since = new.document.effective_from or ""
    until = new.standing.superseded_on or new.document.effective_to or ""
    force = f" since {since}" if since and since <= day else f" from {since}" if since else ""
    if until and until <= day:
        force = f"{force} until {until}"
    others = _joined([f"{each.written} ({_title(each)}{_since(each)})" for each in old])
    return (
        f"Versions differ: {new.written} is stated by the newer one, {_title(new)}, in force"
        f"{force}; an older one states {others}."
    )


def _newer(each: Stated) -> tuple[bool, bool, str, int]:
    """What orders versions: in force, not marked as outdated, later declared, later taken in."""
    document = each.document
    current = each.standing.in_force and document.status is Status.CURRENT
    outdated = each.evidence.candidate.outdated
    return current, not outdated, document.effective_from or "", document.version


def _title(each: Stated) -> str:
    return " ".join(each.document.title.split()) or each.document.source


def _since(each: Stated) -> str:
    since = each.document.effective_from
    return f", since {since}" if since else ""


def _joined(listed: Sequence[str]) -> str:
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)
