"""Where the best evidence for a question disagrees, and how many documents agree.

Pure. Compared are units near the best that hold the same telling words of the question and state a
fact of the kind asked for. Two of them are in conflict if no value satisfies both
(`assistant.intervals`) and nothing says that they are about different things: other words for who
or what it is about, another name, year or clause, another row of a table, a condition that only
one has. It is careful rather than complete: what it reports is shown to a person as a
contradiction, and one that is none costs more trust than one that was missed.

Not compared are names ("the Head of Compliance" and "Marta Kovacs" may be one person) and plain
statements without a value. `docs/conflicts.md` lists what it misses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from assistant import clauses, facts, intervals
from assistant.contradiction import Contradiction, Stated, conflict, sentence
from assistant.evidence import Evidence, Ranking, answering
from assistant.facts import Kind
from assistant.layout import Unit
from assistant.phrases import phrases
from assistant.terms import ACTIONS, Weights, fold, is_light, keys, stem, terms
from assistant.varying import asked_with
from index.document import Document, Hit
from index.effective import Standing

__all__ = ["Agreement", "Contradiction", "Stated", "agreement", "conflict", "find", "sentence",
           "stated"]  # fmt: skip

_NEAR_SCORE, _NEAR_MEANING = 0.7, 0.6  # of the best evidence's: less is about something else
_NEARER_MEANING = 0.75  # for a unit without the verb of the question
_LOOKED_AT = 12  # units, best first
_SAME_WORDS = 0.8  # of the weight of the question's words that either holds, held by both
_HELD = 0.5  # of the weight of the question's words, by each
_MOST_SIDES = 4
_KINDS = clauses.MEASURES
_CONDITION = re.compile(
    r"\b(?:if|unless|except\w*|where|in case|provided that|other than|only when|instead of"
    r"|exceptionally|by way of derogation|notwithstanding)\b",
    re.IGNORECASE,
)
_ATTACHES = re.compile(
    r"\s+(?:of|for|to|from|in|with|on)\s+(?:(?:the|an?|any|each|all|our|its|their)\s+)?",
    re.IGNORECASE,
)
_SINCE = re.compile(
    r"\b(?:since|from|as of|effective|with effect from|starting)\s+(?:the\s+)?$", re.I
)


def _stems(words: str) -> frozenset[str]:
    return frozenset(map(stem, words.split()))


_CARRIERS = _stems(
    """record file document data information copy form paper time retention deadline limit maximum
    minimum rate total sum fee price amount day year month hour week period term duration rule
    requirement policy procedure manual notice business calendar working weight
    temperature size length height distance new all every each whole
    original following last end after least most within up"""
)  # say nothing of what a value is about
_ORGANISATIONS = _stems(
    """bank company firm group organisation organization institution hospital agreement policy
    procedure manual head officer committee board department team customer client supplier data"""
)
_ASKS_FOR_OLD = re.compile(
    r"\b(?:supersed\w+|withdrawn|previous\w*|former\w*|earlier|old(?:er)?|used to|version\w*"
    r"|changed?)\b",
    re.IGNORECASE,
)
Standings = Callable[[Document], Standing]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many documents state the value of the best evidence (`agreeing`, the best's own
    included) and how many another on the same thing (`differing`); copies count once."""

    agreeing: int = 0
    differing: int = 0

    @property
    def share(self) -> float:
        """Of those that state a value, those that agree with the best, after one imagined of each:
        0.5 if none does, towards 1 with every one that agrees. 0..1."""
        return (self.agreeing + 1) / (self.agreeing + self.differing + 2)


def stated(
    ranking: Ranking, hits: Sequence[Hit], standing_of: Standings, weigh: Weights
) -> tuple[Stated, ...]:
    """What the evidence near the best states on the question, best first."""
    asked = ranking.asked
    if not ranking.ranked or not (asked.kinds & _KINDS):
        return ()
    best = next((evidence for evidence in ranking.ranked if evidence.answers), None)
    if best is None:
        return ()
    found: list[Stated] = []
    actions = _actions(ranking)
    for evidence in ranking.ranked[:_LOOKED_AT]:
        says = bool(actions & evidence.candidate.keys) or not actions
        near = (
            evidence.score >= _NEAR_SCORE * best.score
            and evidence.similarity
            >= (_NEAR_MEANING if says else _NEARER_MEANING) * best.similarity
        )
        if not (near and evidence.answers):
            continue
        document = hits[evidence.candidate.hit].document
        made = _read(ranking, evidence, document, standing_of(document), weigh)
        if made is not None:
            found.append(made)
    return tuple(found)


def _actions(ranking: Ranking) -> frozenset[str]:
    """The question's words outside its noun phrases: what is done or asked for."""
    told = keys(" ".join(phrase.text for phrase in phrases(ranking.asked.text)))
    return frozenset(key for key in ranking.asked.keys - told if not is_light(key))


def _wanted(ranking: Ranking) -> frozenset[str]:
    """The question's words that tell what it is about: those of its noun phrases."""
    asked = ranking.asked
    told = " ".join(
        phrase.text
        for phrase in phrases(asked.text)
        if not (phrase.side or asked_with(asked.text, phrase))  # "what dose" is what is asked for
    )
    wanted = frozenset(key for key in keys(told or asked.text) if not is_light(key))
    return wanted - _CARRIERS or wanted or asked.keys


def _read(
    ranking: Ranking, evidence: Evidence, document: Document, standing: Standing, weigh: Weights
) -> Stated | None:
    """What one unit states; None if it holds too few of the question's words, several values that
    do not go together, or none."""
    unit, wanted = evidence.candidate.unit, _wanted(ranking)
    held = weigh.coverage(wanted, evidence.candidate.keys | evidence.candidate.context)
    text = unit.plain
    if held < _HELD:
        return None
    clause = text if unit.cells else clauses.relevant(text, wanted)
    offset = text.find(clause)
    kinds = ranking.asked.kinds & _KINDS
    values = intervals.intervals(
        [fact for fact in answering(ranking.asked, facts.extract(clause)) if fact.kind in kinds]
    )
    if not values:
        return None
    first = values[0]
    if any(not intervals.compatible(first, other) for other in values[1:]):
        return None  # several values: which one is meant would be a guess
    written = text[offset + first.start : offset + first.end]
    return Stated(evidence, document, standing, first, clause, written)


def find(
    rankings: Sequence[Ranking], hits: Sequence[Hit], standing_of: Standings, weigh: Weights
) -> tuple[Contradiction, ...]:
    """Where the evidence for a question, or for one of its parts, disagrees with the best."""
    found: list[Contradiction] = []
    for ranking in rankings:
        values = stated(ranking, hits, standing_of, weigh)
        made = _against(ranking, values, weigh)
        if made is not None and all(made.sides[0] != other.sides[0] for other in found):
            found.append(made)
    return tuple(found)


def _against(ranking: Ranking, values: Sequence[Stated], weigh: Weights) -> Contradiction | None:
    """The best statement with those that disagree with it, each value once."""
    if len(values) < 2:
        return None
    first = values[0]
    sides = [first]
    for other in values[1:]:
        new = all(not intervals.compatible(other.value, side.value) for side in sides)
        if new and len(sides) < _MOST_SIDES and _opposed(ranking, first, other, weigh):
            sides.append(other)
    if len(sides) < 2:
        return None
    versions = any(_succession(first, other) for other in sides[1:])
    return Contradiction("versions" if versions else "documents", first.value.kind, tuple(sides))


def _opposed(ranking: Ranking, one: Stated, other: Stated, weigh: Weights) -> bool:
    """Whether two statements with different values are about the same thing."""
    if not intervals.comparable(one.value, other.value):
        return False
    mine, theirs = one.evidence.candidate, other.evidence.candidate
    listed = mine.document == theirs.document and (mine.outdated or theirs.outdated)
    if listed and not _ASKS_FOR_OLD.search(ranking.asked.text):
        return False  # a list of changes says itself which is the old value
    wanted = _wanted(ranking)
    own = wanted & mine.keys & theirs.keys
    if not own and not (mine.unit.cells or theirs.unit.cells):
        return False  # what only their titles share
    by_one = wanted & (mine.keys | mine.context)
    by_other = wanted & (theirs.keys | theirs.context)
    either = weigh.total(by_one | by_other)
    if not either or weigh.total(by_one & by_other) < _SAME_WORDS * either:
        return False
    if bool(_CONDITION.search(mine.unit.plain)) != bool(_CONDITION.search(theirs.unit.plain)):
        return False
    return not (_named_apart(one, other, wanted) or _told_apart(one, other, wanted))


def _attached(unit: Unit, written: str, wanted: frozenset[str]) -> frozenset[str]:
    """The words that narrow down those of the question in a statement: right before them, or right
    after "of" or "for"; in a table row its first cell. Facts and words that only carry are none."""
    text = unit.plain
    if unit.cells:
        cells = [cell for cell in unit.cells if keys(cell) & wanted] or list(unit.cells[:1])
        found = keys(cells[0].replace(written, ""))
        return frozenset(key for key in found if not is_light(key)) - wanted - _CARRIERS
    taken = [fact for fact in facts.extract(text) if fact.kind is not Kind.NAME]
    words = [
        term
        for term in terms(text)
        if not any(fact.start < term.end and term.start < fact.end for fact in taken)
    ]
    found_: set[str] = set()
    for before, after in pairwise(words):
        gap = text[before.end : after.start]
        if after.key in wanted and not gap.strip(" -"):
            found_.add(before.key)
        if before.key in wanted and _ATTACHES.fullmatch(gap):
            found_.add(after.key)
    return frozenset(k for k in found_ if not is_light(k)) - wanted - _CARRIERS - ACTIONS


def _told_apart(one: Stated, other: Stated, wanted: frozenset[str]) -> bool:
    """Whether what the two are about differs in more than the question leaves open."""
    mine = _attached(one.evidence.candidate.unit, one.written, wanted)
    theirs = _attached(other.evidence.candidate.unit, other.written, wanted)
    around_one = one.evidence.candidate.keys | one.evidence.candidate.context
    around_other = other.evidence.candidate.keys | other.evidence.candidate.context
    extra, foreign = mine - around_other, theirs - around_one
    if extra and foreign:
        return True
    return bool((extra | foreign) - _ORGANISATIONS)


def _named_apart(one: Stated, other: Stated, wanted: frozenset[str]) -> bool:
    """Whether one names a place, product, clause or year that the other does not name, nor the
    question."""
    return _dated_apart(one, other) or any(
        _foreign(a, b, wanted) for a, b in ((one, other), (other, one))
    )


def _foreign(side: Stated, other: Stated, wanted: frozenset[str]) -> bool:
    about = other.evidence.candidate.keys | other.evidence.candidate.context | wanted
    text = side.evidence.candidate.unit.plain
    for fact in facts.extract(text):
        if fact.kind is not Kind.NAME or fact.noun == "initial":
            continue
        told = keys(text[fact.start : fact.end]) - _ORGANISATIONS - _CARRIERS
        if told and not told & about:
            return True
    return False


def _dates(side: Stated) -> tuple[set[str], bool]:
    """The dates and years that a statement is about, and whether it only says since when."""
    if side.value.kind is Kind.DATE:
        return set(), False
    found: set[str] = set()
    since = False
    text = side.evidence.candidate.unit.plain
    for fact in facts.extract(text):
        year = fact.kind is Kind.NUMBER and re.fullmatch(r"(?:19|20)\d\d", fact.value) is not None
        if fact.kind is not Kind.DATE and not year:
            continue
        if _SINCE.search(text[: fact.start]):
            since = True
        else:
            found.add(fact.value)
    return found, since


def _dated_apart(one: Stated, other: Stated) -> bool:
    """Whether the two are about different times."""
    (mine, _), (theirs, _) = _dates(one), _dates(other)
    if not mine and not theirs:
        return False
    if mine and theirs:
        return not any(a.startswith(b) or b.startswith(a) for a in mine for b in theirs)
    return True


def _succession(one: Stated, other: Stated) -> bool:
    """Whether one document takes the place of the other, by its source, what it declares, or what
    evidence marks as outdated."""
    a, b = one.document, other.document
    if a.id == b.id:
        return False
    if a.collection == b.collection and (
        a.source == b.source or a.source in b.supersedes or b.source in a.supersedes
    ):
        return True
    ended = one.standing.superseded_by, other.standing.superseded_by
    if any(by is not None and by.id in (a.id, b.id) for by in ended):
        return True
    same = _bare_title(a.title) == _bare_title(b.title) != ""
    old = one.evidence.candidate.outdated != other.evidence.candidate.outdated
    return same and (old or a.effective_from != b.effective_from)


def _bare_title(title: str) -> str:
    """A title without the number of its version."""
    plain = re.sub(
        r"\((?:superseded|withdrawn|obsolete|draft|old|archived)[^)]*\)", "", fold(title)
    )
    plain = re.sub(r"\b(?:version|rev(?:ision)?|v|issue)\.?\s*\d[\w.]*", "", plain)
    return " ".join(re.sub(r"[^a-z ]+", " ", plain).split())


def agreement(
    ranking: Ranking, hits: Sequence[Hit], standing_of: Standings, weigh: Weights
) -> Agreement:
    """How far the documents agree on the value that the best evidence states."""
    values = stated(ranking, hits, standing_of, weigh)
    if not values:
        return Agreement()
    first, texts = values[0], {values[0].evidence.candidate.unit.plain}
    agreeing, differing = {first.document.id}, set[str]()
    for other in values[1:]:
        if other.evidence.candidate.unit.plain in texts:
            continue
        texts.add(other.evidence.candidate.unit.plain)
        if not intervals.comparable(first.value, other.value):
            continue
        if intervals.compatible(first.value, other.value):
            agreeing.add(other.document.id)
        elif _opposed(ranking, first, other, weigh):
            differing.add(other.document.id)
    return Agreement(len(agreeing), len(differing - agreeing))
