"""Who does what to whom: whether a sentence turns round what its evidence says.

Pure, by the order of shared words round a shared word, passive voice understood: "the bank informs
the supplier" and "the supplier is informed by the bank" agree, "the supplier informs the bank" does
not. Otherwise what a sentence takes over must stay in its order, save a phrase put first or last
and the members of a list: "banks and insurers" is "insurers and banks".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from assistant import facts
from assistant.alignment import Alignment, Profile, Sort, Token

_NEAR = 3  # telling words to each side that are looked at
_IN_LIST = re.compile(r"(?:[\s,&/]|\b(?:and|or|the|an?|any|its|their|our|other)\b)*", re.IGNORECASE)
_PASSIVE = re.compile(
    r"\b(?:am|is|are|was|were|be|been|being)\s+(?:not\s+|also\s+|then\s+)?(?:\w+ly\s+)?$",
    re.IGNORECASE,
)
_LISTS = re.compile(r"[,&/]|\b(?:and|or)\b", re.IGNORECASE)
_PARTICIPLE = re.compile(r"[a-z]*(?:ed|en|wn|ght|pt|nt|ld|id|ut|et|un|ad)$")
_AGENT = re.compile(r"\s+by\b", re.IGNORECASE)
_PRONOUNS = frozenset(("it", "its", "they", "them", "their", "he", "she", "him", "this", "these"))
_BETWEEN = frozenset(
    ("from", "to", "of", "for", "by", "over", "under", "against", "before", "after", "than",
     "into", "between", "on", "upon", "towards")
)  # fmt: skip


def turned(laid: Alignment) -> str:
    """The word of the sentence round which others have changed sides, or that stands elsewhere in
    the text; "" if there is none."""
    said, given = laid.said, laid.given
    ours = [token for token in said.tokens if token.sort in (Sort.WORD, Sort.LIGHT)]
    theirs = [token for token in given.tokens if token.sort in (Sort.WORD, Sort.LIGHT)]
    mine, places = _once(ours), _once(theirs)
    voices = False
    for key, here in mine.items():
        there = places.get(key)
        if there is None:
            continue
        if _changed_sides(said, given, (ours, theirs), (here, there)):
            return said.text[ours[here].start : ours[here].end]
        voices |= _is_passive(said.text, ours[here]) != _is_passive(given.text, theirs[there])
    return "" if voices else _out_of_order(laid)


def _once(tokens: Sequence[Token]) -> dict[str, int]:
    """Where each key stands that occurs just once."""
    found: dict[str, int] = {}
    twice = set()
    for number, token in enumerate(tokens):
        if token.key in found:
            twice.add(token.key)
        found[token.key] = number
    return {key: number for key, number in found.items() if key not in twice}


def _changed_sides(
    said: Profile,
    given: Profile,
    tokens: tuple[Sequence[Token], Sequence[Token]],
    at: tuple[int, int],
) -> bool:
    (ours, theirs), (here, there) = tokens, at
    left, right = _around(ours, here)
    before, after = _around(theirs, there)
    crossed = (left & after) - before, (right & before) - after
    straight = left & before - after, right & after - before
    if not (all(crossed) or all(straight)):
        return False
    passive = _is_passive(said.text, ours[here]), _is_passive(given.text, theirs[there])
    if all(straight):
        return not any(crossed) and passive[0] != passive[1]
    return passive[0] == passive[1] and not _listed(said.text, ours, here)


def _around(tokens: Sequence[Token], at: int) -> tuple[frozenset[str], frozenset[str]]:
    """The keys next to a token, left and right, within its sentence's unit."""
    own = tokens[at].unit
    left = frozenset(t.key for t in tokens[max(0, at - _NEAR) : at] if t.unit == own)
    return left, frozenset(t.key for t in tokens[at + 1 : at + 1 + _NEAR] if t.unit == own)


def _is_passive(text: str, token: Token) -> bool:
    if not _PARTICIPLE.fullmatch(text[token.start : token.end]):
        return False
    before = text[max(0, token.start - 40) : token.start]
    if _AGENT.match(text[token.end : token.end + 6]):
        return True
    return bool(_PASSIVE.search(before))


def _in_list(gap: str) -> bool:
    return bool(_IN_LIST.fullmatch(gap) and _LISTS.search(gap))


def _listed(text: str, tokens: Sequence[Token], at: int) -> bool:
    """Whether a word stands in a list with one of its neighbours."""
    pairs = zip(tokens[max(0, at - 1) : at + 1], tokens[at : at + 2], strict=False)
    return any(a is not b and _in_list(text[a.end : b.start]) for a, b in pairs)


def _out_of_order(laid: Alignment) -> str:
    """A word or fact that the text has elsewhere, unless it went with its whole phrase to the
    sentence's start or end, or stands in a list."""
    matched = {a for a, _ in laid.pairs}
    used = {b for _, b in laid.pairs}
    tokens = laid.said.tokens
    telling = [n for n, token in enumerate(tokens) if token.telling]
    matched |= _pronouns(laid)
    block: list[int] = []
    for n in [*telling, -1]:
        if n >= 0 and n not in matched and _elsewhere(laid, n, used):
            block.append(n)
            continue
        if block and not _may_move(laid, block, telling, used):
            return laid.said.text[tokens[block[0]].start : tokens[block[0]].end]
        block = []
    return ""


def _pronouns(laid: Alignment) -> set[int]:
    """The words of the sentence in whose place the text has a pronoun ("signed it")."""
    starts = {token.start: n for n, token in enumerate(laid.said.tokens)}
    return {
        starts[token.start]
        for said, given in laid.gaps()
        if any(token.key in _PRONOUNS for token in given)
        for token in said
    }


def _elsewhere(laid: Alignment, n: int, used: set[int]) -> tuple[int, ...]:
    """Where in the text an unmatched word or fact of the sentence stands, not yet matched."""
    token = laid.said.tokens[n]
    if token.fact is None:
        places = laid.given.at.get(token.key, ())
    else:
        places = tuple(
            j
            for j, other in enumerate(laid.given.tokens)
            if other.fact is not None and facts.entails(token.fact, other.fact)
        )
    return tuple(place for place in places if place not in used)


def _may_move(laid: Alignment, block: list[int], telling: list[int], used: set[int]) -> bool:
    """Whether words that stand together in the sentence are one phrase of the text that went to an
    end of the sentence or changed its place in a list."""
    tokens, given = laid.said.tokens, laid.given.tokens
    places = [_elsewhere(laid, n, used)[0] for n in block]
    between = [n for n in range(places[0], places[-1]) if given[n].telling and n not in places]
    if places != sorted(places) or between:
        return False
    first, last = telling.index(block[0]), telling.index(block[-1])
    beside = [telling[first - 1]] if first else []
    beside += [telling[last + 1]] if last + 1 < len(telling) else []
    own = (tokens[block[0]].start, tokens[block[-1]].end)
    theirs = (given[places[0]].start, given[places[-1]].end)
    along = dict(laid.pairs)
    for n in beside:
        if n not in along:
            continue
        gap = _gap(laid.said.text, own, (tokens[n].start, tokens[n].end))
        other = given[along[n]]
        mirrored = _gap(laid.given.text, theirs, _run(laid, n, own[0] > tokens[n].start))
        if _in_list(gap) and _in_list(mirrored):
            return tokens[block[0]].fact is None and "respectively" not in laid.given.text
        if len(gap) <= 1 and _BETWEEN & set(mirrored.lower().split()) and other.telling:
            return True  # "records retention" for "retention of records"
        if all(_BETWEEN & set(text.lower().split()) for text in (gap, mirrored)):
            return False
    at_end = first == 0 or last == len(telling) - 1
    return at_end and (_set_off(laid.said.text, own) or _set_off(laid.given.text, theirs))


def _set_off(text: str, phrase: tuple[int, int]) -> bool:
    """Whether a comma stands before or after a phrase, a few words away at most."""
    before = " ".join(text[: phrase[0]].split()[-_NEAR:])
    return "," in before or text[phrase[1] :].lstrip().startswith(",")


def _run(laid: Alignment, n: int, leftward: bool) -> tuple[int, int]:
    """The stretch of the text that matches the words of the sentence which end (`leftward`) or
    begin with the one at `n` and stand together in both."""
    along = dict(laid.pairs)
    step = -1 if leftward else 1
    low = high = along[n]
    at = n + step
    while 0 <= at < len(laid.said.tokens):
        if laid.said.tokens[at].telling:
            place = along.get(at)
            if place is None or not any(
                place == edge + step for edge in (low, high)
            ):  # no longer side by side
                break
            low, high = min(low, place), max(high, place)
        else:
            break
        at += step
    given = laid.given.tokens
    return given[low].start, given[high].end


def _gap(text: str, one: tuple[int, int], other: tuple[int, int]) -> str:
    first, second = sorted((one, other))
    return text[first[1] : second[0]]
