"""The gate: a sentence of the model is shown only if a span of a retrieved page supports it.

Pure. The span is one unit of a page, two adjacent ones, or a list item with the line that leads its
list in. Every number, date, time, amount, percentage, duration, name, identifier and address in the
sentence must be in that span in its normal form (`assistant.facts`); the rest of its telling words
must be there too, save a small share. Then the sentence is laid along the span
(`assistant.alignment`), and nothing may stand in another's place: `assistant.conformity` compares
negation, obligation, bounds, quantifiers, conditions and roles.

What it does not do: it knows no meaning. A true paraphrase in other words is removed, and some
false sentences can pass; `docs/gate.md` lists both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from assistant import alignment, cells, clauses, conformity, facts, names
from assistant.alignment import profile
from assistant.asked import Asked, read
from assistant.evidence import Candidate, Evidence, Ranking, answering, term_weights
from assistant.facts import Fact, Kind
from assistant.reasons import Reason as Reason
from assistant.sentences import one_line
from assistant.spans import Entry, Span, Spans, bare
from assistant.spans import Support as Support
from assistant.terms import ACTIONS, Weights, is_light, keys, stem, terms

SUPPORTED_SHARE = 0.75  # of the weight of a sentence's words that its span must hold
_SOME_SHARE = 0.35  # under this there is nothing that the sentence could rest on
_NEARLY = 0.85  # of the best evidence's score and coverage: less is about something else
_MOST_SPANS = 24  # that a sentence is compared with
_TOP = 3  # the sentence must rest on one of this many best pieces of evidence to count as an answer


@dataclass(frozen=True, slots=True)
class Judged:
    """A sentence as it may be shown, and either what supports it or why it is removed."""

    text: str
    support: Support | None
    reason: Reason | None = None
    detail: str = ""
    found: tuple[Fact, ...] = ()


_MARKS = re.compile(
    r"!\[[^\]\n]*\]\([^)\n]*\)"  # a picture
    r"|\[([^\]\n]*)\]\([^)\n]*\)"  # a link: its text stays
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
_MISSING = frozenset(
    {Reason.UNSUPPORTED_NUMBER, Reason.UNSUPPORTED_DATE, Reason.UNSUPPORTED_NAME,
     Reason.UNSUPPORTED_REFERENCE, Reason.UNSUPPORTED_TERM}
)  # fmt: skip
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


def _raised(word: str) -> bool:
    """Whether a digit in it stands for something else than its place in a number: raised (3² is no
    32, and the 1 of 3¹ may be a note), lowered, in a circle. It is compared to the letter."""
    return any(character.isdigit() and not character.isdecimal() for character in word)


def _told(sentence: str, found: Sequence[Fact]) -> frozenset[str]:
    """The sentence's content words outside its facts; names count, they are words too."""
    taken = [fact for fact in found if fact.kind is not Kind.NAME]
    return frozenset(
        term.key
        for term in terms(sentence)
        if not any(fact.start < term.end and term.start < fact.end for fact in taken)
    )


def _supported(fact: Fact, span: Span) -> bool:
    """Whether the span gives a fact; a word that only opens the sentence may stand in it in another
    form."""
    if fact.kind is Kind.NAME:
        return names.occurs(fact.value, span.words) or (
            facts.opens(fact) and stem(fact.value) in span.keys
        )
    return any(facts.entails(fact, other) for other in (*span.facts, *span.named))


@dataclass(frozen=True, slots=True)
class Gate:
    """Judges the sentences of one answer. `ranked` is the evidence for the whole question, best
    first, `rankings` that for each of its parts (or the whole); `weigh` the weights of words."""

    asked: Asked
    ranked: tuple[Evidence, ...]
    rankings: tuple[Ranking, ...]
    weigh: Weights
    _spans: Spans = field(
        default_factory=lambda: Spans(clean), init=False, repr=False, compare=False
    )

    def judge(self, sentence: str, shown: Sequence[Judged] = ()) -> Judged:
        """The sentence with its support, or removed; `shown` is what this answer says already."""
        text = clean(sentence)
        found = profile(text).facts
        told = _told(text, found)
        reason = self._out_of_hand(text, found, told)
        if reason and reason is not Reason.META:
            return Judged(text, None, reason, found=found)
        if any(_same(text, other.text) for other in shown):
            return Judged(text, None, Reason.DUPLICATE, found=found)
        if _only_facts(text, found, told):
            told |= self.asked.keys  # "Six years." says so of what was asked
        best: tuple[Reason, str] = (Reason.NO_EVIDENCE, "")
        refused: dict[int, float] = {}  # the share that a unit held and said otherwise
        for number, entry, share in self._nearest(told):
            units = entry.support.units
            if len(units) > 1 and any(share <= refused.get(id(each), -1.0) for each in units):
                continue  # what follows cannot mend what the unit says
            span = self._spans.read(number)
            whole = bare(text) in span.wholes
            if reason and not whole:
                continue  # it may be about itself, unless a page says just that
            fault = self._check(text, found, told, span, share, whole)
            if fault is None:
                return Judged(text, span.support, found=found)
            if len(units) == 1 and not span.lead and fault[0] not in _MISSING:
                refused[id(units[0])] = share
            if best[0] is Reason.NO_EVIDENCE:
                best = fault
        return Judged(text, None, reason or best[0], "" if reason else best[1], found)

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
        words = self.asked.keys | self.asked.carried_keys
        if told <= words and all((f.kind, f.value) in stated for f in measured):
            return Reason.ECHO
        return None

    def _nearest(self, told: frozenset[str]) -> list[tuple[int, Entry, float]]:
        """The spans that hold enough of the words `told` to be worth a look, best first, each with
        its number and the share that it holds."""
        scored = []
        entries = self._spans.entries([each.candidate for each in self.ranked])
        actions = self.asked.keys & ACTIONS  # which rows have no verbs for
        for number, entry in enumerate(entries):
            rows = bool(actions) and any(each.unit.cells for each in entry.support.units)
            share = self.weigh.coverage(told, entry.held | actions if rows else entry.held)
            if share >= _SOME_SHARE:
                scored.append((-share, len(entry.support.units), number))
        scored.sort()
        return [(number, entries[number], -share) for share, _, number in scored[:_MOST_SPANS]]

    def _check(
        self,
        text: str,
        found: Sequence[Fact],
        told: frozenset[str],
        span: Span,
        share: float,
        whole: bool,
    ) -> tuple[Reason, str] | None:
        """Why the span does not support the sentence; None if it does. `whole`: it is word for
        word one of its units."""
        raised = next((w for w in text.split() if _raised(w) and w not in span.text), "")
        if raised:
            return Reason.UNSUPPORTED_NUMBER, raised
        if span.lead and clauses.reverses(span.lead) and not clauses.reverses(text):
            return Reason.CONDITION, span.lead[-40:]
        if whole:
            return None
        for fact in found:
            if not _supported(fact, span):
                reason = _REASONS.get(fact.kind, Reason.UNSUPPORTED_NUMBER)
                return reason, text[fact.start : fact.end]
        if share < SUPPORTED_SHARE:
            missing = sorted(key for key in told - span.keys if not is_light(key))
            return Reason.UNSUPPORTED_TERM, ", ".join(missing[:5])
        said = told | frozenset(term.key for term in terms(text))
        if span.rows:
            return self._row_check(text, found, said, span)
        laid = alignment.align(profile(text), profile(span.text, span.boundary))
        return conformity.differs(laid, self.asked.keys) or self._attributed(
            text, found, said, span
        )

    def _row_check(
        self, text: str, found: Sequence[Fact], said: frozenset[str], span: Span
    ) -> tuple[Reason, str] | None:
        """The checks for cells, which make no sentence that one could be laid along."""
        if clauses.negations(text) != clauses.negations(clauses.relevant(span.text, said)):
            return Reason.NEGATION, ""
        wrong = cells.other_column(text, found, span.support.units)
        if wrong:
            return Reason.MISATTRIBUTED, wrong
        return self._attributed(text, found, said, span)

    def _attributed(
        self, text: str, found: Sequence[Fact], said: frozenset[str], span: Span
    ) -> tuple[Reason, str] | None:
        """Opposite words, and values that the span gives for something else."""
        about = clauses.relevant(span.text, said)
        opposite = clauses.opposed(said, frozenset(term.key for term in terms(about)))
        if opposite:
            return Reason.CONTRADICTION, opposite
        if names.occurs(text, span.words):
            return None
        for fact in found:
            named = span.rows and fact.kind is Kind.NAME and Kind.NAME in self.asked.kinds
            if not (fact.kind in clauses.MEASURES or (named and not facts.opens(fact))):
                continue
            if clauses.misattributed(text, fact, found, span.text, span.facts):
                return Reason.MISATTRIBUTED, text[fact.start : fact.end]
        return None


def over(found: Sequence[Candidate]) -> Gate:
    """A gate for text that answers no question (a summary, a field): every unit of `found` may
    support it, none more than another, and nothing is an echo."""
    ranked = tuple(Evidence(candidate, 0.0, 0.0, True, 0.0) for candidate in found)
    nothing = read("")
    return Gate(nothing, ranked, (Ranking(nothing, ranked),), term_weights(found))


def _only_facts(text: str, found: Sequence[Fact], told: frozenset[str]) -> bool:
    """Whether a text states names or values and nothing of them."""
    named: frozenset[str] = frozenset().union(
        *(keys(text[fact.start : fact.end]) for fact in found if fact.kind is Kind.NAME)
    )
    return bool(found) and told <= named


def _same(left: str, right: str) -> bool:
    """Whether two sentences say the same in the same words."""
    return names.words(left) == names.words(right)
