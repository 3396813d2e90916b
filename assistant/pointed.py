"""The part of a sentence that answers: the date, the amount, the phrase after "because".

Pure. The sentence is shown whole, as it stands; what is found here is a stretch of it to be marked.
A question for a kind of fact is answered by the fact of that kind: the only one that the question
does not state itself; of several, the one that goes with the period asked for in a list with
"respectively", or the one whose surroundings hold the question's words. A question for words is
answered by what follows the verb or the reason word that it uses. None where that is not clear.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from assistant import facts, periods
from assistant.asked import Asked
from assistant.evidence import answering
from assistant.facts import Fact
from assistant.facts import Kind as FactKind
from assistant.layout import Unit
from assistant.terms import is_light, keys

_CLEAR = 0.2  # of the question's words, by which the surroundings of one fact must hold more
_CLAUSE = re.compile(r"[;:]|,(?!\d)|\b(?:and|or|but|while|whereas|compared (?:to|with)|from|to)\b")
_LISTED = re.compile(r"[\s,]*(?:and|or)?\s*")  # all that stands between the values of a list
_RESPECTIVELY = re.compile(r"\brespectively\b", re.IGNORECASE)
_BE = r"(?:is|are|was|were|be|been|has been|have been)"
_REASON = re.compile(
    r"\b(?:because(?: of)?|(?:primarily |mainly |largely |partly )?due to|as a result of|since"
    r"|owing to|driven(?: primarily| mainly| largely)? by|attributable(?: primarily| mainly)? to"
    r"|attributed(?: primarily| mainly)? to|resulting from|results? from|reflecting|in order to"
    r"|so that|given that)\b\s*",
    re.IGNORECASE,
)
_WHY = re.compile(
    r"\s*(?:why|for what reasons?|what (?:caused?|led|drove|driven|(?:is|was|are|were) the"
    r" (?:\w+ ){0,2}(?:reasons?|causes?|drivers?)))\b|\b(?:due to|driven by|attribut\w+ to"
    r"|caused by|because of)\s*\?",
    re.IGNORECASE,
)
_ASKED_VERB = re.compile(
    r"\b(?P<verb>mean|refer|represent|includ|consist|compris|compos|relat|defin|determin|calculat"
    r"|bas|measur|recogni[sz]|record|locat|report|exclud|limit|call|test|award|own|appoint|approv)"
    r"\w*\b",
    re.IGNORECASE,
)
_IS = re.compile(
    rf"\b(?:{_BE}|means?|represents?|refers? to|{_BE} defined as|comprises?|includes?"
    rf"|consists? (?:primarily |mainly )?of|{_BE} (?:composed|comprised|made up) of)\b\s*",
    re.IGNORECASE,
)
_WHAT_IS = re.compile(rf"\s*(?:what|who|which|where|how) (?:{_BE}|do|does|did)\b", re.IGNORECASE)
_PARTICLE = re.compile(
    r"(?:\s+(?:primarily|mainly|principally|generally|solely|only|substantially|directly))*"
    r"\s+(?:to|of|as|by|on|in|at|from|for|with|using|through|against|when|if)\b\s*|\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Pointed:
    """`[start, end)` of the page answers, being part of the sentence; `kind` is the kind of fact,
    or "reason" or "phrase". `confidence` 0..1."""

    start: int
    end: int
    kind: str
    confidence: float


def _held(asked: Asked, text: str) -> float:
    words = frozenset(word for word in asked.keys if not is_light(word))
    return len(words & keys(text)) / len(words) if words else 0.0


def _listed(asked: Asked, unit: Unit, found: Sequence[Fact]) -> Fact | None:
    """Of values in a list with "respectively", the one at the place of the period asked for."""
    if not _RESPECTIVELY.search(unit.text):
        return None
    years = [int(match.group()) for match in re.finditer(r"\b(?:19|20)\d\d\b", unit.text)]
    once = list(dict.fromkeys(years))
    wanted = periods.read(asked.text).years
    if len(wanted) != 1 or len(once) != len(found):
        return None
    year = next(iter(wanted))
    return found[once.index(year)] if year in once else None


def _clause(text: str, fact: Fact) -> str:
    """The part of a sentence around a fact, up to the next joint on either side."""
    left, right = 0, len(text)
    for match in _CLAUSE.finditer(text):
        if match.end() <= fact.start:
            left = match.end()
        elif match.start() >= fact.end:
            right = match.start()
            break
    return text[left:right]


def _fact(asked: Asked, unit: Unit) -> Pointed | None:
    stated = facts.extract(unit.text)
    found = answering(asked, stated)
    exact = [fact for fact in found if fact.kind is not FactKind.NUMBER]
    for among in (found, exact):
        if len(among) == 1:
            return _pointed(unit, among[0], 0.9)
    if not found:
        return None
    listed = _listed(asked, unit, exact or found)
    if listed is not None:
        return _pointed(unit, listed, 0.8)
    if any(_LISTED.fullmatch(unit.text, a.end, b.start) for a, b in pairwise(found)):
        return None
    ranked = sorted(
        ((_held(asked, _clause(unit.text, fact)), -at) for at, fact in enumerate(found)),
        reverse=True,
    )
    if ranked[0][0] - ranked[1][0] < _CLEAR:
        return None
    return _pointed(unit, found[-ranked[0][1]], 0.6)


def _pointed(unit: Unit, fact: Fact, confidence: float) -> Pointed:
    return Pointed(unit.start + fact.start, unit.start + fact.end, fact.kind.value, confidence)


def _rest(unit: Unit, at: int, kind: str, confidence: float) -> Pointed | None:
    """From `at` of the unit to its end, without the full stop."""
    body = unit.text[at:].rstrip().rstrip(".;")
    start = at + len(body) - len(body.lstrip())
    if len(body.strip()) < 3:
        return None
    return Pointed(unit.start + start, unit.start + at + len(body), kind, confidence)


def _reason(unit: Unit) -> Pointed | None:
    cue = _REASON.search(unit.text)
    return _rest(unit, cue.end(), "reason", 0.7) if cue else None


def _after_verb(asked: Asked, unit: Unit) -> Pointed | None:
    """What follows the verb of the question in the sentence: "what does X include" – "X includes
    ..."."""
    verbs = [match.group("verb").lower() for match in _ASKED_VERB.finditer(asked.text)]
    for verb in reversed(verbs):
        match = re.search(rf"\b{verb}\w*\b", unit.text, re.IGNORECASE)
        if match:
            after = _PARTICLE.match(unit.text, match.end())
            return _rest(unit, after.end() if after else match.end(), "phrase", 0.6)
    return None


def _after_is(asked: Asked, unit: Unit) -> Pointed | None:
    """What follows "is" or "means", if what stands before it is what the question asks about."""
    match = _IS.search(unit.text)
    if match is None or _held(asked, unit.text[: match.start()]) < 0.6:
        return None
    return _rest(unit, match.end(), "phrase", 0.6)


def answer(asked: Asked, unit: Unit) -> Pointed | None:
    """The part of `unit`, a sentence, that answers `asked`; None if that is not clear."""
    if unit.cells:
        return None
    if _WHY.search(asked.text):
        return _reason(unit)
    if asked.kinds:
        return _fact(asked, unit)
    if unit.text.rstrip().endswith(":"):
        return None  # leads to a list, which `assistant.quotes` shows with it
    found = _after_verb(asked, unit)
    if found is None and _WHAT_IS.match(asked.text):
        found = _after_is(asked, unit)
    return found
