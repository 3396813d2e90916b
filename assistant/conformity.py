"""Whether a sentence says what the text that it is laid along says, and no more.

Pure. Takes an `Alignment` and looks at what lies between its pairs: words and facts in another's
place, guards put in or left out, conditions and exceptions dropped, connectives changed, sides
turned round. Where a rule is unsure it finds a difference, which costs a paraphrase and never the
truth of what is shown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator

from assistant import facts, roles
from assistant.alignment import Alignment, Sort, Token
from assistant.facts import Fact, Kind
from assistant.guards import Class
from assistant.reasons import Reason

Finding = tuple[Reason, str]

_REASONS = {
    **dict.fromkeys((Class.NOT, Class.FORBIDDEN, Class.CANNOT, Class.FREE), Reason.NEGATION),
    **dict.fromkeys((Class.MUST, Class.SHOULD, Class.MAY, Class.WILL), Reason.OBLIGATION),
    **dict.fromkeys(
        (Class.ALL, Class.SOME, Class.MAINLY, Class.MANY, Class.FEW, Class.EITHER, Class.ONLY),
        Reason.QUANTITY,
    ),
    **dict.fromkeys((Class.IF, Class.EXCEPT), Reason.CONDITION),
}
_WEIGHT = (  # of several differences the first of these is told
    Reason.NEGATION, Reason.CONDITION, Reason.COMPARISON, Reason.QUANTITY, Reason.OBLIGATION,
)  # fmt: skip
# May be left out: the sentence then claims less, or the same in a rule.
_SPARED = frozenset(
    {Class.ALL, Class.MUST, Class.WILL, Class.WITHIN, Class.EXACTLY, Class.EITHER, Class.MANY}
)
_FREELY_ADDED = frozenset({Class.WILL})
_CONDITIONS = frozenset({Class.IF, Class.EXCEPT})
_COVERED = 0.6  # of a condition's words that the question states: then it need not be said again
_NEW_START = re.compile(
    r";|[.!?]\s|,\s+(?:and|but|or)\s+(?:the|it|they|we|our|its|any|each|an?|if|where|no|he|she)\b",
    re.IGNORECASE,
)
_WAYS = frozenset({"from", "to", "by", "against", "into"})
_PAST = frozenset({"was", "were", "had", "did"})
_COMPANY = 3  # telling words to each side of a value that it belongs to
_NEAR_VERBATIM = 0.8  # of the sentence's telling words laid along the text
_SHIFT = 2  # pairs that a guard may move past


def differs(laid: Alignment, asked: Collection[str] = ()) -> Finding | None:
    """The first way in which the sentence departs from the text, or None. `asked` are the keys of
    the question: a condition that it states need not be said again."""
    for found in (_replaced(laid), _guarded(laid), _conditions(laid, asked), _joined(laid)):
        if found is not None:
            return found
    turned = roles.turned(laid)
    if turned:
        return Reason.ROLES, turned
    return _bounds(laid) or _company(laid)


def _written(laid: Alignment, token: Token) -> str:
    return laid.said.text[token.start : token.end]


def _replaced(laid: Alignment) -> Finding | None:
    """A word or a fact where the text has another."""
    for said, given in laid.gaps():
        ours = [token for token in said if token.telling]
        theirs = [token for token in given if token.telling]
        for token in ours:
            if token.fact is None and not any(other.solid for other in given):
                continue
            if token.fact is not None:
                if any(other.fact is not None for other in theirs) or _repeated(laid, token.fact):
                    return Reason.MISATTRIBUTED, _written(laid, token)
            elif token.key not in laid.given.keys:
                return Reason.UNSUPPORTED_TERM, _written(laid, token)
            elif theirs and len(theirs) <= 2 * len(ours) + 1:
                return Reason.MISATTRIBUTED, _written(laid, token)
    return None


def _repeated(laid: Alignment, stated: Fact) -> bool:
    """Whether every place of the text that gives a fact is taken by another of the sentence."""
    taken = {j for _, j in laid.pairs}
    places = [
        j
        for j, other in enumerate(laid.given.tokens)
        if other.fact is not None and facts.entails(stated, other.fact)
    ]
    return bool(places) and taken.issuperset(places)


def _guards_of(laid: Alignment) -> tuple[list[int], list[int], list[int]]:
    """Places of guards: in the sentence; in the stretch of the text that it covers; and of these
    the ones that bear on a word that it has."""
    given = laid.given.tokens
    matched = {j for _, j in laid.pairs}
    touched = {given[j].segment for j in matched}
    low, high = min(touched, default=0) - 1, max(touched, default=0) + 1
    ours = [n for n, token in enumerate(laid.said.tokens) if token.guard]
    theirs = [n for n, t in enumerate(given) if t.guard and low <= t.segment <= high]
    bearing = [n for n in theirs if given[n].segment in touched and _bears(given, n, matched)]
    return ours, theirs, bearing


def _bears(tokens: tuple[Token, ...], at: int, matched: set[int]) -> bool:
    own = tokens[at]
    after = [
        n for n in range(at + 1, len(tokens)) if tokens[n].solid and tokens[n].unit == own.unit
    ]
    if any(n in matched for n in after[:2]):
        return True
    before = [n for n in range(at) if tokens[n].solid and tokens[n].unit == own.unit]
    ends = not after or tokens[after[0]].segment != own.segment
    return ends and bool(before) and before[-1] in matched


def _guarded(laid: Alignment) -> Finding | None:
    """A guard put in, left out, or moved to other words."""
    ours, theirs, bearing = _guards_of(laid)
    said, given = laid.said.tokens, laid.given.tokens
    spared = _FREELY_ADDED | _ends_of_ranges(laid)
    added = {is_ for is_ in _counted(said, ours) - _counted(given, theirs) if is_ not in spared}
    solid = {token.segment for token in said if token.solid}
    bound = [n for n in ours if said[n].segment in solid]  # to words that can be compared
    left = {is_ for is_ in _counted(given, bearing) - _counted(said, bound) if is_ not in _SPARED}
    differing = [(is_, f"+{is_}") for is_ in added] + [(is_, f"-{is_}") for is_ in left]
    if differing:
        is_, detail = min(differing, key=lambda each: (_WEIGHT.index(_reason(each[0])), each))
        return _reason(is_), detail
    return _moved(laid, ours, theirs)


def _ends_of_ranges(laid: Alignment) -> frozenset[Class]:
    """The bounds that one end of a range may be stated with: "up to 5" of "3 to 5"."""
    ends = {
        fact.bound
        for _, b in laid.pairs
        if (fact := laid.given.tokens[b].fact) is not None and fact.ranged
    }
    return frozenset({"min": Class.LEAST, "max": Class.MOST}[end] for end in ends)


def _reason(is_: Class) -> Reason:
    return _REASONS.get(is_, Reason.COMPARISON)


def _counted(tokens: tuple[Token, ...], places: list[int]) -> Counter[Class]:
    kinds = (tokens[n].guard for n in places)
    return Counter(Class.MOST if kind is Class.WITHIN else kind for kind in kinds if kind)


def _moved(laid: Alignment, ours: list[int], theirs: list[int]) -> Finding | None:
    """A guard that bears on other words than in the text, in a sentence that is nearly its own."""
    said, given = laid.said.tokens, laid.given.tokens
    telling = sum(token.telling for token in said)
    if sum(said[a].telling for a, _ in laid.pairs) < _NEAR_VERBATIM * telling:
        return None
    for is_ in {said[n].guard for n in ours}:
        here = [sum(a < n for a, _ in laid.pairs) for n in ours if said[n].guard is is_]
        there = [sum(b < n for _, b in laid.pairs) for n in theirs if given[n].guard is is_]
        if is_ and there and not all(any(abs(a - b) <= _SHIFT for b in there) for a in here):
            return _reason(is_), f"{is_}, elsewhere"
    for between, among in laid.gaps():
        if any(token.telling for token in (*between, *among)):
            continue
        a, b = ({t.guard for t in gap if t.guard} - _SPARED for gap in (between, among))
        if a - b and b - a and Class.WITHIN not in b - a:
            return _reason(min(a - b)), f"{min(a - b)} for {min(b - a)}"
    return None


def _conditions(laid: Alignment, asked: Collection[str]) -> Finding | None:
    """A condition or exception of the text that the sentence leaves out."""
    given = laid.given.tokens
    matched = [j for _, j in laid.pairs]
    if not matched:
        return None
    units = {given[j].unit for j in matched if given[j].telling}
    stated = Counter(token.guard for token in laid.said.tokens)
    required = Counter(t.guard for t in given if t.unit in units)
    known = frozenset(asked)
    along = set(matched)
    for n, token in enumerate(given):
        if token.guard not in _CONDITIONS or token.unit not in units:
            continue
        scope = _scope(laid, n)
        said = known | laid.said.keys if stated[token.guard] else known
        kept = sum(at in along or given[at].key in said for at in scope)
        if scope and kept >= _COVERED * len(scope):
            continue
        if not scope and stated[token.guard] >= required[token.guard]:
            continue
        if _attached(laid, n, [j for j in matched if given[j].unit == token.unit]):
            return Reason.CONDITION, laid.given.text[token.start : token.start + 40]
    return None


def _scope(laid: Alignment, at: int) -> list[int]:
    """The telling words that a condition consists of: those after its guard in its segment."""
    given = laid.given.tokens
    return [
        n
        for n in range(at + 1, len(given))
        if given[n].telling and given[n].segment == given[at].segment
    ]


def _attached(laid: Alignment, at: int, matched: list[int]) -> bool:
    """Whether the condition at `at` bears on the words that the sentence has."""
    given, text = laid.given.tokens, laid.given.text
    if not matched:
        return False
    if at < matched[0]:
        return ";" not in text[given[at].start : given[matched[0]].start]
    if at < matched[-1]:
        return True
    return not _NEW_START.search(text[given[matched[-1]].end : given[at].start])


def _joined(laid: Alignment) -> Finding | None:
    """ "or" for "and", "to" for "from", what will be for what was."""
    for said, given in laid.gaps():
        if any(token.solid for token in (*said, *given)):
            continue
        ours = {token.key for token in said if token.sort is Sort.SMALL}
        theirs = {token.key for token in given if token.sort is Sort.SMALL}
        ways = ours & _WAYS, theirs & _WAYS
        if all(ways) and not ways[0] & ways[1]:
            return Reason.ROLES, " ".join(sorted(ways[0]))
        joins = ours & {"and", "or"}, theirs & {"and", "or"}
        if all(joins) and not joins[0] & joins[1]:
            return Reason.CONTRADICTION, " ".join(joins[0])
        if theirs & _PAST and any(token.guard is Class.WILL for token in said):
            return Reason.CONTRADICTION, "will"
    return None


def _matches(laid: Alignment, fact: Fact, at: int) -> Iterator[Token]:
    """The facts of the text that give the sentence's: the one it is laid along, or any."""
    along = dict(laid.pairs).get(at)
    if along is not None:
        yield laid.given.tokens[along]
        return
    for token in laid.given.tokens:
        if token.fact is not None and facts.entails(fact, token.fact):
            yield token


def _bounds(laid: Alignment) -> Finding | None:
    """One end of a range stated as the value, or a bound the other way round."""
    for n, token in enumerate(laid.said.tokens):
        if token.fact is None:
            continue
        stated = token.fact
        found = [other.fact for other in _matches(laid, stated, n) if other.fact is not None]
        if found and all(_conflicts(stated, other) for other in found):
            return Reason.COMPARISON, _written(laid, token)
    return None


def _conflicts(stated: Fact, given: Fact) -> bool:
    if given.ranged:
        return stated.bound != given.bound
    return stated.ranged or bool(stated.bound and given.bound and stated.bound != given.bound)


def _company(laid: Alignment) -> Finding | None:
    """A value none of whose neighbours in the text the sentence has: it belongs to another."""
    words = {t.key for t in laid.said.tokens if t.sort is Sort.WORD}
    if len(words) < 2:
        return None
    telling = [t for t in laid.given.tokens if t.telling]
    for n, token in enumerate(laid.said.tokens):
        if token.fact is None or token.fact.kind in (Kind.IDENTIFIER, Kind.EMAIL):
            continue
        near = [_neighbours(telling, other) for other in _matches(laid, token.fact, n)]
        if near and not any(not keys or keys & words for keys in near):
            return Reason.MISATTRIBUTED, _written(laid, token)
    return None


def _neighbours(telling: list[Token], token: Token) -> set[str]:
    at = telling.index(token)
    left = [t.key for t in telling[:at] if t.unit == token.unit and t.sort is Sort.WORD]
    right = [t.key for t in telling[at + 1 :] if t.unit == token.unit and t.sort is Sort.WORD]
    return {*left[-_COMPANY:], *right[:_COMPANY]}
