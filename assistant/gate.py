"""The gate: a sentence of the model is shown only if a span of a retrieved page supports it.

Pure. The span is one unit of a page or two adjacent ones. Every number, date, time, amount,
percentage, duration, name, identifier and address in the sentence must be in that span in its
normal form (`assistant.facts`); the rest of its telling words must be there too, save a small
share; negation, obligation, direction and what a value belongs to must agree (`assistant.clauses`).
Anything else removes the sentence with a reason code.

What it does not do: it knows no meaning. A sentence built from the span's own words and facts in an
untrue order can pass; a true paraphrase in other words is removed. `docs/answers.md` lists both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from assistant import clauses, facts, names
from assistant.asked import Asked
from assistant.evidence import Candidate, Evidence, Ranking, answering
from assistant.facts import Fact, Kind
from assistant.sentences import one_line
from assistant.terms import ACTIONS, Weights, is_light, terms

SUPPORTED_SHARE = 0.75  # of the weight of a sentence's words that its span must hold
_SOME_SHARE = 0.35  # under this there is nothing that the sentence could rest on
_NEARLY = 0.85  # of the best evidence's score and coverage: less is about something else
_TOP = 3  # the sentence must rest on one of this many best pieces of evidence to count as an answer


class Reason(StrEnum):
    """Why a sentence of the model was not shown."""

    UNSUPPORTED_NUMBER = "UNSUPPORTED_NUMBER"
    UNSUPPORTED_DATE = "UNSUPPORTED_DATE"
    UNSUPPORTED_NAME = "UNSUPPORTED_NAME"
    UNSUPPORTED_REFERENCE = "UNSUPPORTED_REFERENCE"  # an identifier, clause or address
    UNSUPPORTED_TERM = "UNSUPPORTED_TERM"  # words that the span does not hold
    NO_EVIDENCE = "NO_EVIDENCE"  # no span is about this at all
    NEGATION = "NEGATION"  # negated where the span is not, or the other way round
    OBLIGATION = "OBLIGATION"  # "must" for "may"
    COMPARISON = "COMPARISON"  # "at least" for "at most", "before" for "after"
    CONTRADICTION = "CONTRADICTION"  # the span has the opposite word
    MISATTRIBUTED = "MISATTRIBUTED"  # the span gives the value for something else
    META = "META"  # about itself, the passages or the task
    ECHO = "ECHO"  # repeats the question
    FRAGMENT = "FRAGMENT"  # no sentence
    DUPLICATE = "DUPLICATE"  # said already
    UNRESPONSIVE = "UNRESPONSIVE"  # supported, but no answer to this question
    SURPLUS = "SURPLUS"  # more than an answer may hold


@dataclass(frozen=True, slots=True)
class Support:
    """The span that a sentence rests on: one candidate or two adjacent ones of a page."""

    units: tuple[Candidate, ...]

    @property
    def text(self) -> str:
        """The units on one line, one space apart, a row's cells marked off."""
        return " ".join(candidate.unit.plain for candidate in self.units)


@dataclass(frozen=True, slots=True)
class Judged:
    """A sentence as it may be shown, and either what supports it or why it is removed."""

    text: str
    support: Support | None
    reason: Reason | None = None
    detail: str = ""
    found: tuple[Fact, ...] = ()


_MARKS = re.compile(
    r"!?\[([^\]\n]*)\]\([^)\s]*\)"  # a link or picture: its text stays
    r"|\s*\[\^?\d+(?:\s*[,;–-]\s*\d+)*\]|\s*【[^】]*】"  # "[3]", "[1, 2]"
    r"|\s*[(\[]\s*(?:see\s+)?(?:passages?|sources?|documents?)\s*\d[^)\]]*[)\]]"
    r"|</?\s*(?:passage|source|s|b|i|em|strong|br)\b[^>]*>|\*\*|__|`+",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^(?:(?:[-*•>#]+|\(?\d{1,2}[.)])\s+|(?:answer|response|a)\s*:\s*|yes[,.:]?\s+(?=\w)"
    r"|(?:according to|based on|as (?:stated|described|mentioned|noted|specified|set out) in"
    r"|as per|per|in)\s+(?:the\s+)?(?:(?:given|provided|above|following)\s+)?"
    r"(?:passages?|texts?|documents?|context|sources?|information|excerpts?)"
    r"(?:\s+(?:\d+|provided|given|above))*\s*(?:,|:)\s*"
    r"|(?:the\s+)?(?:passages?|text|document|context|source|excerpt)s?(?:\s+\d+)?\s+"
    r"(?:states?|says?|mentions?|indicates?|specif(?:y|ies)|explains?|notes?)(?:\s+that)?\s+)+",
    re.IGNORECASE,
)
_META = re.compile(
    r"\b(?:as an? (?:ai|language model|assistant)"
    r"|i(?:['’]m| am| cannot| can['’]?t| do not| don['’]t"
    r"| have| will| would| think| believe| hope)|passages?|the (?:provided|given|above) (?:text"
    r"|context|information|documents?)|the (?:text|context|excerpt) (?:above|does|do|is|provided)"
    r"|not (?:mentioned|provided|stated|specified) in|let me|here (?:is|are) (?:the|a|an|my)"
    r"|your question|the question|the user|system prompt|instructions? (?:above|given)"
    r"|feel free|hope this helps|in summary|please (?:note|let|provide))\b",
    re.IGNORECASE,
)
_REASONS = {
    Kind.DATE: Reason.UNSUPPORTED_DATE,
    Kind.TIME: Reason.UNSUPPORTED_DATE,
    Kind.NAME: Reason.UNSUPPORTED_NAME,
    Kind.IDENTIFIER: Reason.UNSUPPORTED_REFERENCE,
    Kind.EMAIL: Reason.UNSUPPORTED_REFERENCE,
}


def clean(sentence: str) -> str:
    """The sentence without marks, links and lead-ins that are not part of its statement: "[3]" in
    a model's text is only text, and our renderer alone draws citations."""
    plain = one_line(_MARKS.sub(lambda match: match.group(1) or " ", sentence))
    stripped = _LEAD.sub("", plain).strip(' *_"“”')
    stripped = re.sub(r"\s+([.,;:!?])", r"\1", stripped)
    return stripped[:1].upper() + stripped[1:]


@lru_cache(maxsize=4096)
def _facts(text: str) -> tuple[Fact, ...]:
    return facts.extract(text)


def _raised(word: str) -> bool:
    """Whether a digit in it stands for something else than its place in a number: raised (3² is no
    32, and the 1 of 3¹ may be a note), lowered, in a circle. It is compared to the letter."""
    return any(character.isdigit() and not character.isdecimal() for character in word)


def _supports(fact: Fact, text: str, given: Sequence[Fact], words: tuple[str, ...]) -> bool:
    if fact.kind is Kind.NAME:
        return names.occurs(fact.value, words)
    return any(facts.entails(fact, other) for other in given)


def _told(sentence: str, found: Sequence[Fact]) -> frozenset[str]:
    """The sentence's content words outside its facts; names count, they are words too."""
    taken = [fact for fact in found if fact.kind is not Kind.NAME]
    return frozenset(
        term.key
        for term in terms(sentence)
        if not any(fact.start < term.end and term.start < fact.end for fact in taken)
    )


def _supports_of(sources: Sequence[Candidate]) -> Iterator[Support]:
    """Every unit, and every two units that follow each other on a page."""
    places = {(unit.document, unit.page, unit.position): unit for unit in sources}
    for unit in sources:
        yield Support((unit,))
    for unit in sources:
        following = places.get((unit.document, unit.page, unit.position + 1))
        if following:
            yield Support((unit, following))


@dataclass(frozen=True, slots=True)
class Gate:
    """Judges the sentences of one answer. `ranked` is the evidence for the whole question, best
    first, `rankings` that for each of its parts (or the whole); `weigh` the weights of words."""

    asked: Asked
    ranked: tuple[Evidence, ...]
    rankings: tuple[Ranking, ...]
    weigh: Weights

    def judge(self, sentence: str, shown: Sequence[Judged] = ()) -> Judged:
        """The sentence with its support, or removed; `shown` is what this answer says already."""
        text = clean(sentence)
        found = _facts(text)
        told = _told(text, found)
        reason = self._out_of_hand(text, found, told)
        if reason:
            return Judged(text, None, reason, found=found)
        if any(_same(text, other.text) for other in shown):
            return Judged(text, None, Reason.DUPLICATE, found=found)
        best: tuple[Reason, str] = (Reason.NO_EVIDENCE, "")
        for support, share in self._nearest(told):
            reason, detail = self._check(text, found, told, support, share)
            if reason is None:
                return Judged(text, support, found=found)
            if best[0] is Reason.NO_EVIDENCE:
                best = (reason, detail)
        return Judged(text, None, best[0], best[1], found)

    def responds(self, judged: Judged) -> bool:
        """Whether a supported sentence answers the question: it rests on evidence that is nearly
        as good as the best, and states a fact of the kind asked for, if one is."""
        if judged.support is None:
            return False
        places = {(c.document, c.page, c.position) for c in judged.support.units}
        return any(self._answers(judged, places, ranking) for ranking in self.rankings)

    @staticmethod
    def _answers(judged: Judged, places: set[tuple[str, int, int]], ranking: Ranking) -> bool:
        best = ranking.ranked[0] if ranking.ranked else None
        near = best is not None and any(
            (e.candidate.document, e.candidate.page, e.candidate.position) in places
            and e.score >= _NEARLY * best.score
            and e.coverage >= _NEARLY * best.coverage
            for e in ranking.ranked[:_TOP]
        )
        kinds = ranking.asked.kinds
        return near and (not kinds or bool(answering(ranking.asked, judged.found)))

    def _out_of_hand(self, text: str, found: Sequence[Fact], told: frozenset[str]) -> Reason | None:
        """Reasons that need no look at the evidence."""
        if _META.search(text):
            return Reason.META
        if text.endswith("?"):
            return Reason.ECHO
        measured = [fact for fact in found if fact.noun != "initial"]
        if text.endswith((":", ",")) or (len(told) < 2 and not measured):
            return Reason.FRAGMENT
        stated = {(fact.kind, fact.value) for fact in self.asked.facts}
        if told <= self.asked.keys and all((f.kind, f.value) in stated for f in measured):
            return Reason.ECHO
        return None

    def _nearest(self, told: frozenset[str]) -> list[tuple[Support, float]]:
        """The spans that hold enough of the words `told` to be worth a look, best first."""
        order = {id(e.candidate): n for n, e in enumerate(self.ranked)}
        scored = []
        for support in _supports_of([e.candidate for e in self.ranked]):
            own = frozenset().union(*(unit.keys for unit in support.units))
            context = frozenset().union(
                *(each.context for each in support.units if each.unit.cells)
            )
            rows = any(each.unit.cells for each in support.units)
            own |= (self.asked.keys & ACTIONS) if rows else frozenset()  # rows have no verbs
            share = self.weigh.coverage(told, own | context)
            if share >= _SOME_SHARE:
                scored.append((-share, len(support.units), order[id(support.units[0])], support))
        scored.sort(key=lambda entry: entry[:3])
        return [(entry[3], -entry[0]) for entry in scored[:24]]

    def _check(
        self, text: str, found: Sequence[Fact], told: frozenset[str], support: Support, share: float
    ) -> tuple[Reason | None, str]:
        """Why `support` does not support the sentence; (None, "") if it does."""
        span = support.text
        raised = next((word for word in text.split() if _raised(word) and word not in span), "")
        if raised:
            return Reason.UNSUPPORTED_NUMBER, raised
        given = _facts(span)
        words = names.words(span)
        for fact in found:
            if not _supports(fact, span, given, words):
                reason = _REASONS.get(fact.kind, Reason.UNSUPPORTED_NUMBER)
                return reason, text[fact.start : fact.end]
        held = frozenset().union(*(unit.keys for unit in support.units))
        if share < SUPPORTED_SHARE:
            missing = sorted(key for key in told - held if not is_light(key))
            return Reason.UNSUPPORTED_TERM, ", ".join(missing[:5])
        said = told | frozenset(term.key for term in terms(text))
        about = clauses.relevant(span, said)
        if clauses.negations(text) != clauses.negations(about):
            return Reason.NEGATION, ""
        if names.occurs(text, words):
            return None, ""  # word for word
        return self._meaning(text, found, said, span, about, given)

    def _meaning(
        self,
        text: str,
        found: Sequence[Fact],
        said: frozenset[str],
        span: str,
        about: str,
        given: Sequence[Fact],
    ) -> tuple[Reason | None, str]:
        """The checks of what the sentence says about its facts; `about` is the part of the span
        that it is about."""
        opposite = clauses.opposed(said, frozenset(term.key for term in terms(about)))
        if opposite:
            return Reason.CONTRADICTION, opposite
        if clauses.modality_differs(text, about):
            return Reason.OBLIGATION, ""
        if clauses.order_differs(text, about):
            return Reason.COMPARISON, ""
        for fact in found:
            pairs = [other for other in given if facts.entails(fact, other)]
            if fact.bound and pairs and all(o.bound and o.bound != fact.bound for o in pairs):
                return Reason.COMPARISON, text[fact.start : fact.end]
            checked = fact.kind in clauses.MEASURES or (
                fact.kind is Kind.NAME and Kind.NAME in self.asked.kinds and fact.noun != "initial"
            )
            if checked and clauses.misattributed(text, fact, found, span, given):
                return Reason.MISATTRIBUTED, text[fact.start : fact.end]
        return None, ""


def _same(left: str, right: str) -> bool:
    """Whether two sentences say the same in the same words."""
    return names.words(left) == names.words(right)
