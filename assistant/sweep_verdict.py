"""Whether a document holds what a sweep looks for, decided from its best evidence.

Pure. Other than an answer, which may come from any of many documents, a sweep puts the question to
a document that probably has nothing on it. Three features of a sentence decide: how near its
vector is to what is looked for, which share of the telling words it has, and whether it has them
as a phrase. A logistic regression joins them; between two limits the row says UNCLEAR, so that a
person looks, in place of a guess. Words are compared by their beginnings ("renew", "renewal"), what
is prohibited, required or allowed is looked for in verbs too ("must not", "shall", "may"), how long
something is kept also in when it is deleted, and words that only name the form ("clause",
"provision") are left out: every contract has clauses. A phrase of two words counts the other way
round too, where grammar turns it: "change of control", "the control of X changes".

What it does not see: meaning. "The control panel was changed" has both words of "change of
control"; "the other party may end it if the majority of shares is sold" has none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from assistant import asked as asking
from assistant import facts
from assistant.asked import Asked
from assistant.counting import Counting
from assistant.evidence import Evidence, answering
from assistant.facts import Kind
from assistant.terms import Term, is_light, keys, stem, terms
from index.document import Document


class Verdict(StrEnum):
    """What a row says of its document."""

    FOUND = "FOUND"
    NOT_FOUND = "NOT_FOUND"
    UNCLEAR = "UNCLEAR"  # evidence between the limits, a denial, or a document not read whole
    FAILED = "FAILED"  # the document could not be read; said why


class Reason(StrEnum):
    """Why a row is not simply found or not found."""

    NONE = ""
    NEAR = "NEAR"
    DENIED = "DENIED"
    INCOMPLETE = "INCOMPLETE"
    GONE = "GONE"
    CHANGED = "CHANGED"
    ERROR = "ERROR"


SENTENCES = {
    Reason.NEAR: "The nearest sentence may be about this or about something like it: read it.",
    Reason.DENIED: "The nearest sentence seems to say that there is none: read it.",
    Reason.INCOMPLETE: "Nothing was found, but the document was not read whole.",
    Reason.GONE: "The document was removed, or may no longer be read.",
    Reason.CHANGED: "The document changed during the sweep: run it again.",
}

# Fitted by `benchmarks/sweep.py --fit` on 2026-11-21, before phrases could be turned. Fitted anew
# with these (10.45, 3.37, 3.83, -8.10) the fitted topics gain nothing, so they were kept.
SIMILARITY, COVERAGE, PHRASE, CONSTANT = 10.18, 4.30, 3.00, -8.20
FOUND, LOST = 0.60, 0.15  # at least, and below
MOST = 3  # sentences cited for one document
_NEARBY = 0.4  # of a word's worth if it stands in the headings or beside the sentence
_LIGHT = 0.5
_SHARED = 5  # letters that two forms of a word have in common at least
_ENDINGS = ("al", "ical", "er", "or", "ance", "ity", "iti", "ing")

# They name the kind of fact that is asked for: a sentence that states one need not say so.
_VALUE_WORDS = keys("period duration date amount sum number percentage length deadline value")
_FORM = re.compile(
    r"\b(?:clause|provision|section|term|wording|language|paragraph|article|rule|statement)s?\b",
    re.IGNORECASE,
)
# What asks, and the document that is asked: no sentence of it need say so.
_FRAME = re.compile(
    r"^\s*(?:how (?:long|soon|often|much|many)|when|what|who)\b(?:\s+(?:is|are|was|were|do|does|did"
    r"|must|may|can|shall|should|will)\b)?|\b(?:(?:in|of|by|from|under)\s+)?(?:each|every|this)\s+"
    r"[\w'’]+\b",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"\b(?:an?|the|any|some|all)\b", re.IGNORECASE)
_DENIES = re.compile(
    r"\bthere (?:is|are|shall be|exists?) no\b|\b(?:does|do|shall) not (?:contain|include|have"
    r"|provide for|apply)\b|\b(?:contains?|includes?|has|have|provides? for) no\b"
    r"|\bnot applicable\b|\bintentionally (?:left blank|omitted|deleted)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict with the evidence to cite, best first; `fact` is the value asked for, by the place
    of its characters in the unit's text."""

    verdict: Verdict
    reason: Reason
    probability: float
    evidence: tuple[Evidence, ...] = ()
    fact: tuple[int, int] | None = None


def wanted(counting: Counting) -> Asked:
    """The question as evidence is looked for: by what it is about, and by the kind of fact."""
    about = _FRAME.sub(" ", re.sub(r"(?<=\w)-(?=\w)", " ", counting.about))
    about = _FORM.sub(" ", about)
    about = " ".join(_ARTICLE.sub("", about, count=1).split())
    if not any(not is_light(key) for key in keys(about)):
        about = counting.question
    whole = asking.read(counting.question)
    kinds = whole.kinds if counting.kind == "value" else frozenset()
    own = keys(about)
    return replace(whole, query=about, keys=own | _forms(own), kinds=kinds, parts=())


def judge(counting: Counting, asked: Asked, ranked: Sequence[Evidence]) -> Judged:
    """What the best of `ranked`, a document's evidence for `asked`, says."""
    own = keys(asked.query)
    scored = sorted(
        ((probability(features(asked, each)), each) for each in ranked if each.answers),
        key=lambda pair: -pair[0],
    )
    if not scored or scored[0][0] < LOST:
        best = scored[0][0] if scored else 0.0
        return Judged(Verdict.NOT_FOUND, Reason.NONE, best)
    likely, best_evidence = scored[0]
    held = tuple(each for chance, each in scored[:MOST] if chance >= min(FOUND, likely))
    fact = _value(asked, own, best_evidence) if counting.kind == "value" else None
    if likely < FOUND:
        return Judged(Verdict.UNCLEAR, Reason.NEAR, likely, held, fact)
    if counting.kind != "value" and _DENIES.search(best_evidence.candidate.unit.plain):
        return Judged(Verdict.UNCLEAR, Reason.DENIED, likely, held, fact)
    return Judged(Verdict.FOUND, Reason.NONE, likely, held, fact)


def doubted(judged: Judged, document: Document) -> Judged:
    """The same, unless nothing was found in a document of which not everything was read."""
    stated = document.completeness
    if judged.verdict is Verdict.NOT_FOUND and stated is not None and not stated.complete:
        return replace(judged, verdict=Verdict.UNCLEAR, reason=Reason.INCOMPLETE)
    return judged


@dataclass(frozen=True, slots=True)
class Features:
    """What the decision rests on, each 0..1."""

    similarity: float  # the sentence's cosine to what is looked for
    coverage: float  # the share of the telling words that it has
    phrase: float  # 1 if it has them one after another, none but stop words between


def features(asked: Asked, evidence: Evidence) -> Features:
    """The features of a sentence for what `asked` looks for."""
    phrase = float(_has_phrase(asked.query, evidence.candidate.unit.plain))
    own = keys(asked.query) - (_VALUE_WORDS if asked.kinds else frozenset())
    share = coverage(own or keys(asked.query), evidence, asked.kinds)
    return Features(evidence.similarity, share, phrase)


def probability(of: Features) -> float:
    """How likely it is that the sentence holds what is looked for."""
    weighted = SIMILARITY * of.similarity + COVERAGE * of.coverage + PHRASE * of.phrase + CONSTANT
    return 1.0 / (1.0 + math.exp(-weighted))


def coverage(
    own: frozenset[str], evidence: Evidence, kinds: frozenset[Kind] = frozenset()
) -> float:
    """The share of the words `own` that the sentence has, or says by a modal verb, or, where one of
    `kinds` is a duration, by what happens once that has passed; 0..1."""
    candidate = evidence.candidate
    plain = candidate.unit.plain
    held = candidate.keys | keys(plain.replace("-", "")) if "-" in plain else candidate.keys
    around = candidate.context | candidate.nearby
    whole = got = 0.0
    for word in own:
        worth = _LIGHT if is_light(word) or word in _MODALS else 1.0
        whole += worth
        if _among(word, held) or _by_modal(word, plain) or _by_its_end(word, plain, held, kinds):
            got += worth
        elif _among(word, around):
            got += worth * _NEARBY
    return got / whole if whole else 0.0


_MODALS = {
    stem("prohibit"): r"\b(?:must|shall|may|can|will) ?not\b|\bneither\b"
    r"|\bno\b.{1,40}\b(?:shall|may)\b|\bnot (?:be )?(?:allowed|permitted)\b",
    stem("require"): r"\b(?:must|shall|has to|have to|is to|are to)\b",
    stem("allow"): r"\b(?:may|can|entitled|has the right|have the right)\b",
    stem("limit"): r"\b(?:not|no event|never)\b.{1,80}\bexceed\b",
}


def _by_modal(word: str, text: str) -> bool:
    pattern = _MODALS.get(word)
    return pattern is not None and re.search(pattern, text, re.IGNORECASE) is not None


# What is deleted after a time was kept for it, and the other way round.
_AT_THE_END = {stem("keep"): stem("delete"), stem("delete"): stem("keep")}
_AFTER = re.compile(r"\b(?:after|following|once|until|for|old|older|every)\b|\bend of\b", re.I)
_WITHIN = re.compile(r"\bwithin\b|\b(?:on|upon|after) (?:an? |your |their |the )?request", re.I)


def _by_its_end(word: str, text: str, held: frozenset[str], kinds: frozenset[Kind]) -> bool:
    """Whether the sentence says how long `word` lasts by what follows it ("deleted after two
    years" for how long something is kept), and not how soon somebody acts on a request."""
    return (
        Kind.DURATION in kinds
        and _AT_THE_END.get(word) in held
        and bool(_AFTER.search(text))
        and not _WITHIN.search(text)
    )


# What may stand between the words of a phrase that is turned: "control *of the supplier* changes",
# "renewal *shall be* automatic". Not another clause, and not another thing that does something.
_TURNING = re.compile(
    r"(?:\s+of(?:\s+(?!(?:which|that|who|each|every|any|no|and|or)\b)[\w'’-]+){0,4}?)?"
    r"(?:\s+(?:is|are|was|were|be|been|being|shall|will|may|must|can|has|have|had))*\s+",
    re.IGNORECASE,
)
_TURNED_WITHIN = 5  # telling words
_CLAUSE_END = re.compile(r"[.;:](?:\s|$)")
_BEHIND = 2  # telling words between a modal verb and what it is about


def _has_phrase(wanted: str, text: str) -> bool:
    sought = [term.key for term in terms(wanted)]
    plain = text.replace("-", " ")
    found = terms(plain)
    held = [term.key for term in found]
    last = len(held) - len(sought) + 1
    straight = bool(sought) and any(
        all(_among(word, (held[at + far],)) for far, word in enumerate(sought))
        for at in range(last)
    )
    turned = len(sought) == 2 and _turned(sought[0], sought[1], found, plain)
    return straight or turned or _told_to(sought, plain)


def _told_to(sought: Sequence[str], text: str) -> bool:
    """Whether a modal verb stands for a word of the phrase, with the others right behind it in the
    same clause: "neither party may assign" for "prohibit assignment"."""
    rest = [word for word in sought if word not in _MODALS]
    if not rest or len(rest) == len(sought):
        return False
    for word in sought:
        for modal in re.finditer(_MODALS.get(word, r"(?!)"), text, re.IGNORECASE):
            clause = _CLAUSE_END.split(text[modal.start() :], maxsplit=1)[0]
            held = [term.key for term in terms(clause)][: len(rest) + _BEHIND]
            for at in range(len(held) - len(rest) + 1):
                if all(_among(each, (held[at + far],)) for far, each in enumerate(rest)):
                    return True
    return False


def _turned(first: str, second: str, found: Sequence[Term], text: str) -> bool:
    """Whether a phrase of two words stands in `text` with the second before the first."""
    return any(
        _among(second, (one.key,))
        and _among(first, (other.key,))
        and _TURNING.fullmatch(text, one.end, other.start) is not None
        for at, one in enumerate(found)
        for other in found[at + 1 : at + 1 + _TURNED_WITHIN]
    )


def _among(word: str, held: Iterable[str]) -> bool:
    return any(word == other or _akin(word, other) for other in held)


def _akin(one: str, other: str) -> bool:
    """Whether two comparable forms are one word with different endings."""
    short, long = sorted((one, other), key=len)
    return len(short) >= _SHARED and len(long) - len(short) <= 4 and long.startswith(short)


def _forms(own: frozenset[str]) -> frozenset[str]:
    """Other forms of the words, for retrieval, which compares them whole."""
    found = set()
    for word in own:
        for ending in _ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) >= _SHARED - 1:
                found.add(word.removesuffix(ending))
        found |= {f"{word}{ending}" for ending in _ENDINGS}
    return frozenset(found)


def _value(asked: Asked, own: frozenset[str], evidence: Evidence) -> tuple[int, int] | None:
    """The fact of the kind asked for that stands nearest to the question's words."""
    text = evidence.candidate.unit.text
    stated = answering(asked, facts.extract(text))
    if not stated:
        return None
    places = [
        found.start()
        for found in re.finditer(r"\w+", text)
        if any(_among(key, own) for key in keys(found.group()))
    ]
    nearest = min(
        stated,
        key=lambda fact: (min((abs(fact.start - at) for at in places), default=0), fact.start),
    )
    return nearest.start, nearest.end
