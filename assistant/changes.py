"""What changed between two wordings of a clause, and whether it is more than wording.

Pure, by rules, in English. Three weights:
- SUBSTANCE: a value (number, amount, date, duration, reference, name), how binding it is (must,
  may), a negation, a limit (at least, at most), a condition, before for after, "and" for "or",
  "all" for "some", "we" for "you", a word for its opposite, or several words put in or left out;
- WORDS: other words, or the same in another order, of which rules cannot tell what they do to the
  meaning ("the bank informs the client" and the other way round): a person must read them;
- WORDING: the same words in another form: inflected, synonyms of `assistant.terms`, punctuation,
  capitals, "six (6) years" for "6 years".
Whatever is reported is cut from the two texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest

from assistant import clauses, facts, guards, names
from assistant.facts import Fact, Kind
from assistant.guards import Class, Guard
from assistant.terms import STOPWORDS, fold, keys, stem, terms
from assistant.worddiff import Piece, Region, Two, pieces_of


class Weight(StrEnum):
    """How much a change matters, as far as rules can tell."""

    SUBSTANCE = "substance"
    WORDS = "words"
    WORDING = "wording"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs. `aspect` says what kind ("duration", "obligation", "negation");
    `before` and `after` are as written, "" for what only one text has."""

    aspect: str
    before: str
    after: str
    weight: Weight = Weight.SUBSTANCE


@dataclass(frozen=True, slots=True)
class Changed:
    """How two texts differ: not at all if there are neither differences nor pieces but "same"."""

    weight: Weight
    differences: tuple[Difference, ...]
    pieces: tuple[Piece, ...]


ASPECTS = {
    Kind.DATE: "date", Kind.TIME: "time", Kind.AMOUNT: "amount", Kind.PERCENT: "percentage",
    Kind.DURATION: "duration", Kind.QUANTITY: "quantity", Kind.NUMBER: "number",
    Kind.FREQUENCY: "frequency", Kind.IDENTIFIER: "reference", Kind.EMAIL: "address",
    Kind.NAME: "name",
}  # fmt: skip
_CHOICES = (
    ("connective", ({"and"}, {"or"}, {"nor"})),
    ("party", ({"we", "us", "our", "ours"}, {"you", "your", "yours"},
               {"they", "them", "their", "theirs"}, {"he", "she", "his", "her"})),
)  # fmt: skip
_NEGATING = frozenset({Class.NOT, Class.FORBIDDEN, Class.CANNOT, Class.FREE})
# Guards that can stand in each other's place, and whether one that only one text has counts.
_FAMILIES = (
    ("obligation", frozenset({Class.MUST, Class.SHOULD, Class.MAY, Class.WILL}) | _NEGATING, True),
    ("condition", frozenset({Class.IF, Class.EXCEPT, Class.ONLY}), True),
    ("time", frozenset({Class.BEFORE, Class.AFTER, Class.UNTIL, Class.SINCE}), False),
    ("scope", frozenset({Class.ALL, Class.SOME, Class.MAINLY, Class.MANY, Class.FEW, Class.EITHER}),
     False),
)  # fmt: skip
# Function words that may come and go without a change of meaning.
_IDLE_WORDS = """a an the this that these those of is are was were be been being am do does did
    has have had it its which who whom such so then there must shall will may should"""
_IDLE = frozenset(_IDLE_WORDS.split())
_PASSAGE = 3  # words of which next to nothing is on the other side: more than another wording
_LONGEST = 90  # characters of a stretch that is shown as what differs


# -- values ----------------------------------------------------------------------------------------


def _values(text: str, other: str, ordinary: frozenset[str], *, heading: bool) -> list[Fact]:
    """The facts of `text` that are worth comparing; a name only if `other` does not have it, in
    whatever form, and a word that merely opens a sentence only if it can be no ordinary one."""
    words, there = names.words(other), keys(other)
    found = []
    for fact in facts.extract(text):
        if fact.kind is Kind.NAME:
            written = text[fact.start : fact.end]
            known = names.occurs(fact.value, words) or keys(fact.value) <= there
            plain = facts.opens(fact) and (stem(fact.value) in ordinary or not _distinct(written))
            if heading or known or plain:
                continue
        found.append(fact)
    return found


def _distinct(word: str) -> bool:
    """Written as only names are: capitals inside ("KPMG", "McKinsey")."""
    return sum(letter.isupper() for letter in word) > 1


def _follows(fact: Fact, other: Fact, renumbered: Mapping[str, str]) -> bool:
    """Whether a reference only follows a clause that was renumbered."""
    one, two = fact.value.split(" ")[-1], other.value.split(" ")[-1]
    moved = {fold(old): fold(new) for old, new in renumbered.items()}
    return (
        fact.kind is other.kind is Kind.IDENTIFIER
        and moved.get(fold(one)) == fold(two)
        and fact.value.split(" ")[:-1] == other.value.split(" ")[:-1]
    )


def _entails(one: Fact, other: Fact) -> bool:
    return facts.entails(one, other) or facts.entails(other, one)


def _matched(
    two: Two, left: Sequence[Fact], right: Sequence[Fact], renumbered: Mapping[str, str]
) -> tuple[list[tuple[Fact, Fact]], list[Fact], list[Fact]]:
    """Facts that agree, in pairs, and those of each side that are left over. Two values of one
    kind that a diff sets against each other do not agree with others elsewhere: their places were
    exchanged."""
    exchanged = {
        (id(one), id(other))
        for region in two.regions
        for one, other in _facing(region, left, right)
    }
    apart = {number for pair in exchanged for number in pair}
    pairs, rest, free = [], [], list(right)
    for fact in left:
        ahead = [
            other for other in free
            if (_entails(fact, other) or _follows(fact, other, renumbered))
            and (id(fact) not in apart or id(other) not in apart)
        ]  # fmt: skip
        if not ahead:
            rest.append(fact)
            continue
        nearest = min(ahead, key=lambda each: abs(each.start - fact.start))
        free.remove(nearest)
        pairs.append((fact, nearest))
    return pairs, rest, free


def _facing(
    region: Region, left: Sequence[Fact], right: Sequence[Fact]
) -> Iterator[tuple[Fact, Fact]]:
    """Different values of one kind that a region holds alone on either side."""
    ours = [fact for fact in left if _touches(fact, region.left)]
    theirs = [fact for fact in right if _touches(fact, region.right)]
    if len(ours) == len(theirs) == 1:
        one, other = ours[0], theirs[0]
        if one.kind is other.kind and one.kind in clauses.MEASURES and not _entails(one, other):
            yield one, other


def _touches(fact: Fact, span: tuple[int, int]) -> bool:
    return span[0] < span[1] and fact.start < span[1] and span[0] < fact.end


def _value_differences(
    two: Two,
    ordinary: frozenset[str],
    renumbered: Mapping[str, str],
    *,
    heading: bool,
) -> Iterator[Difference]:
    left = _values(two.left, two.right, ordinary, heading=heading)
    right = _values(two.right, two.left, ordinary, heading=heading)
    pairs, lost, new = _matched(two, left, right, renumbered)
    for one, other in pairs:
        if one.bound != other.bound and one.kind in clauses.MEASURES:
            yield Difference("limit", _bounded(two.left, one), _bounded(two.right, other))
    for one in lost:
        before = two.left[one.start : one.end]
        found = _counterpart(two, one, new)
        if found is not None:
            new.remove(found)
            yield Difference(ASPECTS[one.kind], before, two.right[found.start : found.end])
        else:
            yield Difference(ASPECTS[one.kind], before, "")
    for fact in new:
        yield Difference(ASPECTS[fact.kind], "", two.right[fact.start : fact.end])


def _counterpart(two: Two, fact: Fact, new: Sequence[Fact]) -> Fact | None:
    """What stands where a value stood: of the same kind in the same stretch, then in order."""
    kin = [other for other in new if other.kind is fact.kind]
    for region in two.regions:
        if _touches(fact, region.left):
            inside = [other for other in new if _touches(other, region.right)]
            same = [other for other in inside if other.kind is fact.kind]
            if same or inside:
                return (same or inside)[0]
    return kin[0] if kin else None


def _bounded(text: str, fact: Fact) -> str:
    """A value with the words around it that limit it."""
    if not fact.bound:
        return text[fact.start : fact.end]
    before = text[: fact.start].split()[-4:]
    start = text.rfind(" ".join(before), 0, fact.start) if before else fact.start
    after = re.match(r"(?:\s*,?\s*(?:or|at|and)\s+(?:the\s+)?\w+)?", text[fact.end :])
    return text[max(start, 0) : fact.end + (after.end() if after else 0)].strip()


# -- what is said of them --------------------------------------------------------------------------


def _guarded(two: Two) -> Iterator[Difference]:
    """The small words that decide what is claimed of which one text has more than the other. "will"
    binds as "must" does, but is left out as often as written: it counts only in exchange."""
    left, right = guards.find(two.left), guards.find(two.right)
    for aspect, family, alone in _FAMILIES:
        lost = _beyond(left, right, family, [region.left for region in two.regions])
        new = _beyond(right, left, family, [region.right for region in two.regions])
        for one, other in zip_longest(lost, new):
            there = [each for each in (one, other) if each is not None]
            if len(there) == 1 and (not alone or there[0].is_ is Class.WILL):
                continue
            negates = any(each.is_ in _NEGATING for each in there)
            yield Difference(
                "negation" if negates else aspect,
                two.left[one.start : one.end] if one else "",
                two.right[other.start : other.end] if other else "",
            )


def _bond(guard: Guard) -> Class:
    return Class.MUST if guard.is_ is Class.WILL else guard.is_


def _beyond(
    held: Sequence[Guard],
    other: Sequence[Guard],
    family: frozenset[Class],
    differing: Sequence[tuple[int, int]],
) -> list[Guard]:
    """The guards of a family by which one text has more of a class than the other, in order: those
    in a stretch that differs before others, "will" before "must", since it says least."""
    more = Counter(map(_bond, held)) - Counter(map(_bond, other))

    def elsewhere(guard: Guard) -> bool:
        return not any(start < guard.end and guard.start < end for start, end in differing)

    found = []
    for guard in sorted(held, key=lambda each: (elsewhere(each), each.is_ is not Class.WILL)):
        if guard.is_ in family and more[_bond(guard)] > 0:
            more[_bond(guard)] -= 1
            found.append(guard)
    return sorted(found, key=lambda each: each.start)


def _choices(two: Two) -> Iterator[Difference]:
    """A word of a closed class for another of it, and opposites, within one stretch."""
    for region in two.regions:
        before, after = two.of(region)
        said, given = set(names.words(before)), set(names.words(after))
        for aspect, classes in _CHOICES:
            ours = [number for number, words in enumerate(classes) if said & words]
            theirs = [number for number, words in enumerate(classes) if given & words]
            if ours and theirs and not set(ours) & set(theirs):
                yield Difference(aspect, _short(before), _short(after))
        if clauses.opposed(keys(before), keys(after)):
            yield Difference("opposite", _short(before), _short(after))


def _short(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return text[: text.rfind(" ", 0, _LONGEST)]


def _content(text: str, matched: Sequence[tuple[int, int]]) -> list[str]:
    """The comparable forms of a text's words in order, without those of its values."""
    return [
        term.key
        for term in terms(text)
        if not any(start < term.end and term.start < end for start, end in matched)
    ]


def _words(two: Two) -> Iterator[Difference]:
    """Words that are neither equal nor known to mean the same."""
    places = [
        [(fact.start, fact.end) for fact in facts.extract(text) if fact.kind is not Kind.NAME]
        for text in (two.left, two.right)
    ]
    left, right = _content(two.left, places[0]), _content(two.right, places[1])
    if left == right:
        yield from _small_words(two)
        return
    if Counter(left) == Counter(right):
        yield Difference("order of words", "", "", Weight.WORDS)
        return
    lost, new = Counter(left) - Counter(right), Counter(right) - Counter(left)
    for region in two.regions:
        before, after = two.of(region)
        gone = [key for key in keys(before) if lost[key]]
        come = [key for key in keys(after) if new[key]]
        if len(gone) >= _PASSAGE > 2 * len(keys(after)) or len(come) >= _PASSAGE > 2 * len(
            keys(before)
        ):
            yield Difference("passage", _short(before), _short(after))
        elif gone or come:
            yield Difference("words", _short(before), _short(after), Weight.WORDS)


def _small_words(two: Two) -> Iterator[Difference]:
    """Function words that say something ("to" for "from", "not only"), where content words are the
    same."""
    for region in two.regions:
        before, after = two.of(region)
        said, given = (
            Counter(word for word in names.words(text) if word in STOPWORDS - _IDLE)
            for text in (before, after)
        )
        if said != given:
            yield Difference("words", _short(before), _short(after), Weight.WORDS)


def compare(
    left: str,
    right: str,
    *,
    ordinary: frozenset[str] = frozenset(),
    renumbered: Mapping[str, str] | None = None,
    heading: bool = False,
) -> Changed:
    """How `right` differs from `left`. `ordinary` are stems of words that either document writes
    in lower case; `renumbered` tells the new number of clauses that have one; in a heading
    capitals make no names."""
    two = Two(left, right)
    pieces = tuple(pieces_of(two))
    if not two.regions:
        return Changed(Weight.WORDING, (), pieces)
    values = list(_value_differences(two, ordinary, renumbered or {}, heading=heading))
    said = [*_guarded(two), *_choices(two)]
    substance = [*values, *said]
    words = [each for each in _words(two) if not substance or each.weight is Weight.SUBSTANCE]
    found = tuple(dict.fromkeys([*substance, *words]))
    weights = {each.weight for each in found}
    weight = next((each for each in Weight if each in weights), Weight.WORDING)
    return Changed(weight, found, pieces)


def ordinary_words(texts: Sequence[str]) -> frozenset[str]:
    """The stems of all words that the texts write in lower case."""
    found = {word for text in texts for word in re.findall(r"\b[^\W\d_A-Z][^\W\d_]+", text)}
    return frozenset(stem(word) for word in found if word not in STOPWORDS and word.islower())


def rows(
    left: Sequence[str], right: Sequence[str], columns: Sequence[str]
) -> tuple[Difference, ...]:
    """The cells of two rows that differ, under the names of their columns. A cell that says the
    same in another form does not; words beside no value are WORDS, values SUBSTANCE."""
    found: list[Difference] = []
    for number in range(max(len(left), len(right))):
        before = left[number] if number < len(left) else ""
        after = right[number] if number < len(right) else ""
        if fold(before) == fold(after):
            continue
        changed = compare(before, after)
        one_sided = not before or not after
        weight = Weight.SUBSTANCE if one_sided else changed.weight
        if max(len(before), len(after)) > _LONGEST and not one_sided:
            found.extend(changed.differences)  # a cell of prose: what differs in it
        elif changed.differences or one_sided:
            name = columns[number] if number < len(columns) else ""
            found.append(Difference(name or "cell", before, after, weight))
    return tuple(found)
