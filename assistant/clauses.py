"""What a sentence says of a text that it cannot be laid along, a table's row above all: negated or
not, opposite words, and which of several values belongs to what.

Pure, by rules, in English. Each check compares a sentence with the text that is to support it and
answers whether the two may differ in meaning; where a rule is unsure it says they do, which costs a
paraphrase and never the truth of what is shown. Running text is compared more closely by
`assistant.conformity`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from assistant import guards
from assistant.facts import Fact, Kind, entails
from assistant.guards import Class
from assistant.terms import is_light, keys, stem

_NOT_NEGATION = re.compile(
    r"\b(?:no|not) (?:more|less|fewer|later|earlier|greater|higher|lower|longer|only)\b"
    r"|\bwithout (?:undue |unreasonable )?delay\b|\bwhether or not\b|\bnot (?:to )?exceed\w*"
    r"|\bno\.\s*\d|\bnot below\b|\bnot over\b|\bnot above\b|\bnot limited to\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nor|neither|nobody|nothing|cannot|without|unless|except(?:ing|ed)?"
    r"|excluding|other than|prohibit\w*|forbid\w*|forbidden|exempt\w*|fails?|failed|lacks?)\b"
    r"|n['’]t\b",
    re.IGNORECASE,
)
# A clause ends here, unless what follows takes back part of what was said.
_BREAK = re.compile(
    r"[;:]\s+|,\s+(?!unless|except|provided|other than|excluding)|\s+(?:and|but|while|whereas)\s+",
    re.IGNORECASE,
)
_OPPOSITES = tuple(
    (frozenset(map(stem, left.split())), frozenset(map(stem, right.split())))
    for left, right in (
        ("increase raise rise grow", "decrease reduce lower fall cut decline"),
        ("include", "exclude"),
        ("approve accept", "reject refuse decline deny"),
        ("allow", "prohibit"),
        ("internal", "external"),
        ("start", "end"),
        ("buy", "sell"),
        ("maximum", "minimum"),
        ("first", "last"),
        ("paper", "electronic"),
        ("encrypted", "unencrypted"),
        ("mandatory", "optional"),
        ("high", "low"),
        ("above", "below"),
        ("open", "close"),
        ("credit", "debit"),
        ("enable", "disable"),
        ("pass", "fail"),
        ("profit gain income", "loss expense"),
        ("asset", "liability"),
        ("buyer", "seller"),
        ("borrower", "lender"),
        ("higher greater larger", "lower smaller"),
        ("highest greatest largest", "lowest smallest"),
        ("earlier", "later"),
        ("longer", "shorter"),
        ("direct", "indirect"),
        ("short-term", "long-term"),
    )
)
_REVERSING = frozenset(
    {Class.NOT, Class.FORBIDDEN, Class.CANNOT, Class.FREE, Class.EXCEPT, Class.IF, Class.ONLY}
)
MEASURES = frozenset(
    {
        Kind.NUMBER, Kind.AMOUNT, Kind.PERCENT, Kind.DURATION, Kind.QUANTITY, Kind.DATE, Kind.TIME,
        Kind.FREQUENCY,
    }
)  # fmt: skip


def relevant(text: str, wanted: frozenset[str]) -> str:
    """The stretch of clauses of `text`, from the first to the last that holds a telling word of
    `wanted`; all of it when none does."""
    marks = [0, *(match.start() for match in _BREAK.finditer(text)), len(text)]
    telling = frozenset(key for key in wanted if not is_light(key))
    holding = [(start, end) for start, end in pairwise(marks) if keys(text[start:end]) & telling]
    return text[holding[0][0] : holding[-1][1]] if holding else text


def negations(text: str) -> int:
    """How many words of `text` negate or take back; "no later than" and the like do not."""
    return len(_NEGATION.findall(_NOT_NEGATION.sub(" ", text)))


def reverses(text: str) -> bool:
    """Whether a line that leads a list in negates its items, or makes them conditions."""
    return any(guard.is_ in _REVERSING for guard in guards.find(text))


def opposed(sentence: frozenset[str], evidence: frozenset[str]) -> str:
    """A word of the sentence of which the evidence has only the opposite, else ""."""
    for pair in _OPPOSITES:
        for ours, theirs in (pair, pair[::-1]):
            said = sentence & ours
            if said and not evidence & ours and evidence & theirs and not sentence & theirs:
                return min(said)
    return ""


def _segments(text: str, places: Sequence[Fact]) -> list[frozenset[str]]:
    """The words that go with each of several values of one kind: those that lead up to it, or,
    where less stands before the first value than after the last, those that follow it."""
    before, after = keys(text[: places[0].start]), keys(text[places[-1].end :])
    leads = len(before) >= 2 or len(before) > len(after)
    segments = []
    for number, place in enumerate(places):
        if leads:
            start = places[number - 1].end if number else 0
            end = place.start if number + 1 < len(places) else len(text)
        else:
            start = place.end
            end = places[number + 1].start if number + 1 < len(places) else len(text)
        segments.append(keys(text[start:end]))
    return segments


def misattributed(
    sentence: str, fact: Fact, stated: Sequence[Fact], evidence: str, given: Sequence[Fact]
) -> bool:
    """Whether the evidence gives `fact` for something else than the sentence does.

    Asked only where the evidence has several values of the fact's kind and the sentence not all of
    them. The sentence's words that go with the other values alone must be fewer than those that go
    with this one. For plain numbers the word counted must not belong to another number.
    """
    same = [other for other in given if other.kind is fact.kind]
    ours = [n for n, other in enumerate(same) if entails(fact, other)]
    if not ours or len({other.value for other in same}) < 2:
        return False
    if fact.noun and any(same[n].noun == fact.noun for n in ours):
        return False
    if fact.noun and any(other.noun == fact.noun for other in same):
        return True
    if all(any(entails(said, other) for said in stated) for other in same):
        return False
    segments = _segments(evidence, same)
    words = frozenset(
        key
        for key in keys(sentence[: fact.start] + " " + sentence[fact.end :])
        if not is_light(key)
    )
    own: frozenset[str] = frozenset().union(*(segments[n] for n in ours))
    theirs: frozenset[str] = frozenset().union(
        *(segments[n] for n in range(len(same)) if n not in ours)
    )
    foreign = words & (theirs - own)
    return bool(foreign) and len(foreign) >= len(words & (own - theirs))
