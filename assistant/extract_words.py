"""How much of what a field asks for stands around a value, and where.

Pure. Looser than `assistant.terms` on purpose: "renewal" meets "renews" and "effective date" meets
"takes effect", which would be too lax for a gate and is right for finding the sentence to look at.
Values themselves are compared by `assistant.extract_values` and by the gate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from assistant.extract_polarity import GENERIC
from assistant.extract_schema import Field, Type
from assistant.extract_values import kinds_of
from assistant.facts import Kind
from assistant.terms import Weights, is_light, keys, stem, terms

_BREAK = re.compile(  # what begins with "when" or "which" still speaks of what stands before it
    r"[;:]\s+|,\s+(?!(?:when|whereupon|which|(?:at|on|upon|in|from) which)\b)"
    r"|\s+(?:and|but|while|whereas)\s+",
    re.IGNORECASE,
)
# What one word is worth: with the value in a clause, before it, in the heading, after it.
_IN_CLAUSE, _BEFORE, _HEADED, _AFTER, _ANOTHERS = 1.0, 0.85, 0.7, 0.4, 0.1
_FAMILY = 0.9
_ENDINGS = (
    "ativ", "abl", "ibl", "iti", "or", "al", "iv", "ic", "anc", "enc", "ant", "ent", "ori", "ur",
    "ous", "e", "i",
)  # fmt: skip
_CARRIERS = keys(
    "date day days week weeks month months year years name names number amount value text list "
    "period time in full percent percentage eur usd gbp chf id flag field currency total and or "
    "minutes hours quarters duration whole calendar length size"
)
_ITSELF = keys(
    "agreement contract deed lease policy document letter report invoice date signature signed "
    "signing sign made conclusion addendum issue"
)
_MADE = re.compile(
    r"\b(?:dated|made|signed|executed|concluded|issued|entered into|date of \w+)"
    r"(?:\s+(?:as of|on|this|the|at|in|\w+ on))*[\s:,]*$",
    re.IGNORECASE,
)
_UNITS = keys("days weeks months years hours minutes quarters percent eur usd gbp chf")
_TELLING = keys("notice")  # light in a question ("tell me"), the very thing in a field's name
_GROUPS = (
    "effective effect force commence commencement start inception",
    "expiry expiration expire end terminate",
    "renewal renew extend prolong",
    "supplier vendor provider seller",
    "customer client buyer purchaser",
    "landlord lessor",
    "tenant lessee",
    "assign assignment transfer",
    "subcontract outsource",
    "sign signature execute",
    "liability liable",
    "indemnity indemnify indemnification",
    "invoice bill",
    "confidential secret",
    "due deadline payable",
    "court jurisdiction",
    "annual yearly year annum",
    "late overdue",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a field looks for: the telling words of its label and of its description, as one set
    each, and the kinds of fact that may fill it (empty: any words may). `name` are the label's
    words in order, without a unit at the end; `itself`: the day of the document is meant ("lease
    date"), which every day in it would be near to."""

    label: frozenset[str]
    said: frozenset[str]
    kinds: frozenset[Kind]
    name: tuple[str, ...] = ()
    itself: bool = False


def wanted(field: Field) -> Wanted:
    """What `field` looks for."""
    label = _telling(field.label, field.type is Type.BOOLEAN)
    said = _telling(field.description, True)
    named = [term.key for term in terms(field.label)]
    while len(named) > 1 and named[-1] in _UNITS:
        named.pop()
    itself = field.type is Type.DATE and label <= _ITSELF
    return Wanted(label, said, kinds_of(field), tuple(named), itself)


def _telling(text: str, asks: bool) -> frozenset[str]:
    """The words of `text` that identify what is meant; all of them if none does."""
    every = keys(text)
    telling = frozenset(key for key in every if not is_light(key) or key in _TELLING) - _CARRIERS
    if asks and telling - GENERIC:
        telling -= GENERIC
    return telling or every


@lru_cache(maxsize=8192)
def roots(key: str) -> frozenset[str]:
    """The forms by which a word meets its kin: itself, it without one or two endings, and the
    first of the group that it belongs to."""
    found = {key}
    shorter = key
    for _ in range(2):
        ending = next((e for e in _ENDINGS if shorter.endswith(e)), "")
        if not ending or len(shorter) - len(ending) < 3:
            break
        shorter = shorter.removesuffix(ending)
        found.add(shorter)
    return frozenset(found | {_GROUP_OF[each] for each in found if each in _GROUP_OF})


_GROUP_OF = {stem(word): f"group {group.split()[0]}" for group in _GROUPS for word in group.split()}


def kin(key: str, present: Iterable[str]) -> bool:
    """Whether a word of its family is `present`."""
    mine = roots(key)
    return any(mine & roots(other) for other in present)


def share(wanted: frozenset[str], present: frozenset[str], weigh: Weights) -> float:
    """The weighted share of `wanted` that is present, itself or its kin. 0..1; 0 for nothing."""
    whole = weigh.total(wanted)
    got = sum(weigh.of(key) * _worth(key, present) for key in wanted)
    return got / whole if whole else 0.0


def _worth(key: str, present: frozenset[str]) -> float:
    if key in present:
        return 1.0
    return _FAMILY if kin(key, present) else 0.0


def clause(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch of `text` between two breaks in which `[start, end)` stands."""
    marks = list(_BREAK.finditer(text))
    left = max((mark.end() for mark in marks if mark.end() <= start), default=0)
    right = min((mark.start() for mark in marks if mark.start() >= end), default=len(text))
    return left, right


def dates_itself(before: str) -> bool:
    """Whether a day that follows `before` is the one on which a document was made."""
    return _MADE.search(before) is not None


def named_in(name: tuple[str, ...], text: str) -> bool:
    """Whether a text uses a field's name of several words as it stands ("notice period")."""
    told = tuple(term.key for term in terms(text))
    count = len(name)
    return count > 1 and any(told[at : at + count] == name for at in range(len(told) - count + 1))


def credit(
    wanted: frozenset[str],
    text: str,
    place: tuple[int, int],
    rivals: Iterable[tuple[int, int]],
    heading: frozenset[str],
    weigh: Weights,
) -> float:
    """How much of `wanted` goes with the value at `place` of `text`, 0..1.

    A word counts in full in the value's own clause, less before it, in the heading or after it;
    hardly where it stands in the clause of one of `rivals`, values that could be meant as well.
    """
    whole = weigh.total(wanted)
    if not whole:
        return 0.0
    own = clause(text, *place)
    others = [clause(text, *rival) for rival in rivals if rival != place]
    found = [
        (term.key, _position((term.start, term.end), place, own, others))
        for term in terms(text)
        if not (place[0] <= term.start and term.end <= place[1])
    ]
    got = 0.0
    for key in wanted:
        worth = max((w * _worth(key, frozenset({other})) for other, w in found), default=0.0)
        got += weigh.of(key) * max(worth, _HEADED * _worth(key, heading))
    return got / whole


def _position(
    word: tuple[int, int],
    place: tuple[int, int],
    own: tuple[int, int],
    others: Iterable[tuple[int, int]],
) -> float:
    if own[0] <= word[0] and word[1] <= own[1]:
        return _IN_CLAUSE
    if any(left <= word[0] and word[1] <= right for left, right in others):
        return _ANOTHERS
    return _BEFORE if word[1] <= place[0] else _AFTER
