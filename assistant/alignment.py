"""Which word of a sentence stands for which word of the text that is to support it.

Pure. Both are read into tokens: facts whole, guards (`assistant.guards`), telling words in their
comparable form, light words and the rest. The telling words and facts of the sentence are laid
along those of the text in the order that matches most, so that what was put in, left out or put in
another's place shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from assistant import facts, guards
from assistant.facts import Fact, Kind
from assistant.guards import Class
from assistant.terms import STOPWORDS, WORD, fold, is_light, stem

_ALIKE = (  # words for one another at the same place of a sentence; wider than `terms.CLASSES`
    "acquire obtain get purchase buy", "show display present", "use utilise utilize employ",
    "help assist support", "situated located", "begin start commence", "firm company",
    "big large", "receive get", "ensure make sure", "disclose reveal", "choose select",
    "request ask", "permit allow", "attempt try", "demonstrate show", "state specify indicate",
    "complete finish", "contain include comprise", "mean constitute", "assess evaluate",
    "amend modify", "answer respond reply", "due owing", "entire whole", "gather collect",
    "additional further", "currently presently", "yearly annual", "tell inform",
)  # fmt: skip
_SAME: Mapping[str, str] = {
    stem(word): f"={stem(group.split()[0])}" for group in reversed(_ALIKE) for word in group.split()
}
_LONGEST = 400  # pairs of equal words that are looked at
_WEIGHTS = {"word": 1.0, "fact": 0.6, "light": 0.25}
_APART = 0.004  # what each token that is skipped in the text takes off
_SEGMENT = re.compile(
    r"[;:,()\[\]](?=\s|$)|[(\[]|\s[–—-]+\s|\s(?:and|or|but|while|whereas|which|who|whose|that"
    r"|because|although|if|unless|provided|except|where|when)(?=\s)|[.!?…][\"'”’)\]]*\s+(?=[A-Z\"(])"
)  # fmt: skip


class Sort(Enum):
    """What a token is."""

    WORD = auto()  # telling
    LIGHT = auto()
    FACT = auto()
    GUARD = auto()
    SMALL = auto()  # a stop word


@dataclass(frozen=True, slots=True)
class Token:
    """A word, phrase or fact of a text: its comparable form and where it stands. `segment` counts
    the stretches between commas, conjunctions and brackets, `unit` the units of a span."""

    key: str
    sort: Sort
    start: int
    end: int
    segment: int
    unit: int = 0
    fact: Fact | None = None
    guard: Class | None = None

    @property
    def solid(self) -> bool:
        """Whether it is laid along the other text: a word or a fact."""
        return self.sort in (Sort.WORD, Sort.LIGHT, Sort.FACT)

    @property
    def telling(self) -> bool:
        return self.sort in (Sort.WORD, Sort.FACT)


@dataclass(frozen=True, slots=True)
class Profile:
    """A text read once: `facts` in order, `tokens` in order, `keys` of its solid tokens."""

    text: str
    facts: tuple[Fact, ...]
    tokens: tuple[Token, ...]
    keys: frozenset[str]
    at: Mapping[str, tuple[int, ...]]  # where a key stands among the tokens


@lru_cache(maxsize=2048)
def profile(text: str, boundary: int = 0) -> Profile:
    """`text` read; from the character `boundary` on (0: nowhere) it is a second unit."""
    found = facts.extract(text)
    taken = [fact for fact in found if fact.kind is not Kind.NAME]
    tokens = tuple(_tokens(text, taken, boundary))
    at: dict[str, list[int]] = {}
    for number, token in enumerate(tokens):
        if token.solid:
            at.setdefault(token.key, []).append(number)
    places = {key: tuple(numbers) for key, numbers in at.items()}
    return Profile(text, found, tokens, frozenset(places), places)


def _tokens(text: str, taken: Sequence[Fact], boundary: int) -> Iterator[Token]:
    masked = text
    for fact in taken:
        masked = masked[: fact.start] + "1" * (fact.end - fact.start) + masked[fact.end :]
    small = guards.find(masked)
    covered = sorted([(f.start, f.end) for f in taken] + [(g.start, g.end) for g in small])
    places: list[tuple[int, int, Fact | None, Class | None]] = [
        *((fact.start, fact.end, fact, None) for fact in taken),
        *((guard.start, guard.end, None, guard.is_) for guard in small),
    ]
    number = 0
    for match in WORD.finditer(text):
        while number < len(covered) and covered[number][1] <= match.start():
            number += 1
        if number == len(covered) or match.end() <= covered[number][0]:
            places.append((match.start(), match.end(), None, None))
    places.sort(key=lambda place: place[:2])
    ends = [match.start() for match in _SEGMENT.finditer(masked)]
    segment = 0
    for start, end, fact_, guard_ in places:
        while segment < len(ends) and ends[segment] < start:
            segment += 1
        unit = 1 if boundary and start >= boundary else 0
        yield _token(text[start:end], start, end, (segment, unit), fact_, guard_)


def _token(
    written: str,
    start: int,
    end: int,
    place: tuple[int, int],
    fact: Fact | None,
    guard: Class | None,
) -> Token:
    segment, unit = place
    if fact is not None:
        return Token(f"#{fact.kind}:{fact.value}", Sort.FACT, start, end, segment, unit, fact)
    if guard is not None:
        return Token(guard.value, Sort.GUARD, start, end, segment, unit, None, guard)
    word = fold(written)
    if len(written) > 1 and written.isupper():  # "IT" and "US" are no stop words
        return Token(_SAME.get(stem(word), stem(word)), Sort.WORD, start, end, segment, unit)
    if word in STOPWORDS or (len(word) == 1 and not word.isdigit()):
        return Token(word, Sort.SMALL, start, end, segment, unit)
    key = stem(word)
    sort = Sort.LIGHT if is_light(key) else Sort.WORD
    return Token(_SAME.get(key, key), sort, start, end, segment, unit)


@dataclass(frozen=True, slots=True)
class Alignment:
    """`pairs` are (index in the sentence's tokens, index in the text's), both rising."""

    said: Profile
    given: Profile
    pairs: tuple[tuple[int, int], ...]

    def gaps(self) -> Iterator[tuple[tuple[Token, ...], tuple[Token, ...]]]:
        """The tokens between each two pairs, in the sentence and in the text; at both ends those
        of the text's segment only."""
        said, given = self.said.tokens, self.given.tokens
        if not self.pairs:
            return
        (first, opening), (last, closing) = self.pairs[0], self.pairs[-1]
        head = [n for n in range(opening) if given[n].segment == given[opening].segment]
        tail = [
            n for n in range(closing + 1, len(given)) if given[n].segment == given[closing].segment
        ]
        yield said[:first], tuple(given[n] for n in head)
        for (a, p), (b, q) in zip(self.pairs, self.pairs[1:], strict=False):
            yield said[a + 1 : b], given[p + 1 : q]
        yield said[last + 1 :], tuple(given[n] for n in tail)


def align(said: Profile, given: Profile) -> Alignment:
    """The sentence `said` laid along `given`: the heaviest pairs in rising order, close together
    where there is a choice."""
    pairs = _equal(said, given)
    best: list[tuple[float, int]] = []  # the score that ends here, and the pair before
    for number, (i, j) in enumerate(pairs):
        weight = _WEIGHTS[{Sort.FACT: "fact", Sort.LIGHT: "light"}.get(said.tokens[i].sort, "word")]
        score, before = weight, -1
        for earlier in range(max(0, number - 120), number):
            a, p = pairs[earlier]
            if a < i and p < j:
                reached = best[earlier][0] + weight - min(_APART * (j - p - 1), 0.2)
                if reached > score:
                    score, before = reached, earlier
        best.append((score, before))
    at = max(range(len(best)), key=lambda n: best[n][0], default=-1)
    chain = []
    while at >= 0:
        chain.append(pairs[at])
        at = best[at][1]
    return Alignment(said, given, tuple(reversed(chain)))


def _equal(said: Profile, given: Profile) -> list[tuple[int, int]]:
    """Every pair of tokens that stand for one another, by place in the sentence."""
    pairs: list[tuple[int, int]] = []
    for i, token in enumerate(said.tokens):
        if not token.solid:
            continue
        places = list(given.at.get(token.key, ()))
        if token.fact is not None:
            stated = token.fact
            places = [
                j
                for j, other in enumerate(given.tokens)
                if other.fact is not None and facts.entails(stated, other.fact)
            ]
        pairs.extend((i, j) for j in places)
        if len(pairs) > _LONGEST:
            break
    return pairs
