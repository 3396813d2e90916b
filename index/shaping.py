"""From ranked candidates to the hits that a person or a model is given. Pure.

Three things stand between a ranking of chunks and a useful list. Chunks that lie beside each other
on a page are one passage and become one hit. The same text, in a copy or another version of a
document, is one piece of evidence and is counted once; digits and signs are never ignored, since
two quarterly reports differ in nothing else. And one long document can fill a whole list: beyond
half of it, its hits stand behind those of other documents, unless the question is about it.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from index.document import Chunk, Document, Hit

GAP = 4  # characters; chunks that follow each other are parted by 1 or 2 of white space
LONGEST = 2_400  # characters of a joined passage, about 600 tokens: several fit a small model
REACH = 3  # times k: how deep to look for other documents than those that have their share
DISTINCTIVE = 80  # characters; shorter texts ("Total | 5") are the same only below one heading

TextOf = Callable[[Document, int, int, int], str]
"""Text of a span: document, page number, start and end on that page."""

_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk with the scores that a `Hit` tells, checked against the catalogue."""

    chunk: Chunk
    document: Document
    score: float
    dense: float | None = None
    lexical: float | None = None


@dataclass(frozen=True, slots=True)
class Shaped:
    """The hits and what was done to get them.

    `rank` is the order; a hit keeps the score of its best chunk, so that one which was put behind
    others may have a higher score than they. `merged` counts chunks that became part of another
    chunk's hit, `repeated` candidates left out because a better one says the same, and `deferred`
    the hits that stand behind others, or were left out, because of the cap.
    """

    hits: tuple[Hit, ...]
    merged: int = 0
    repeated: int = 0
    deferred: int = 0


def shape(
    candidates: Sequence[Candidate],
    k: int,
    text_of: TextOf,
    focus: frozenset[str] = frozenset(),
) -> Shaped:
    """At most `k` hits from `candidates`, which are in order, best first.

    There are always min(k, distinct passages) hits. Candidates are taken in order until `k` hits
    are found, so a hit is joined only with chunks that rank high themselves. The same candidates
    give the same hits, and ties keep the order that they came in.

    Args:
        k: Most hits; nothing is found for less than 1.
        text_of: Called once for each hit that is joined of several chunks.
        focus: Ids of the documents that the question is about. The cap does not bind them, and
            what they say counts as theirs even where another document says the same.
    """
    if k < 1:
        return Shaped(())
    kept, copies = _distinct(candidates, focus)
    walk = _Walk(k, focus)
    for index, candidate in enumerate(kept):
        if walk.full(index):
            break
        walk.offer(index, candidate)
    places, behind = walk.ordered()
    hits = [_hit(place, rank, text_of) for rank, place in enumerate(places[:k], start=1)]
    indices = [index for place in places[:k] for index in place.members]
    merged = sum(len(hit.joined) for hit in hits)
    return Shaped(tuple(hits), merged, sum(copies[index] for index in indices), behind)


def cap(k: int) -> int:
    """How many of `k` hits one document may have ahead of others: half of them, 3 at least."""
    return max(3, (k + 1) // 2)


def normalised(text: str) -> str:
    """`text` as it is compared: composed, without case, runs of white space as one space.

    Nothing else is taken away. Compatibility forms stay apart, or 10² would equal 102.
    """
    composed = text if text.isascii() else unicodedata.normalize("NFC", text)
    return " ".join(composed.casefold().split())


def _distinct(
    candidates: Sequence[Candidate], focus: frozenset[str]
) -> tuple[list[Candidate], list[int]]:
    """One candidate for each text, at the place of the best, and how many others said the same.

    Two documents that the question names are both asked for, even where they say the same.
    """
    keys = [_key(each) for each in candidates]
    named: dict[_Key, str] = {}  # by text, the first document in focus that says it
    for key, each in zip(keys, candidates, strict=True):
        if each.document.id in focus:
            named.setdefault(key, each.document.id)
    same: dict[_Key, list[Candidate]] = {}
    for key, each in zip(keys, candidates, strict=True):
        own = each.document.id
        about = own if own in focus else named.get(key, "")
        same.setdefault((*key, about), []).append(each)
    groups = same.values()
    return [_kept(group, focus) for group in groups], [len(group) - 1 for group in groups]


def _key(candidate: Candidate) -> _Key:
    text = normalised(candidate.chunk.text)
    if len(text) >= DISTINCTIVE:
        return (text,)
    return (text, normalised("\n".join(candidate.chunk.heading_path)))


def _kept(group: Sequence[Candidate], focus: frozenset[str]) -> Candidate:
    """The best of candidates with one text, a document in focus before all others; of those that
    score as it does, the newest version, then the first source."""
    choice = [each for each in group if each.document.id in focus] or group
    tied = [each for each in choice if each.score == choice[0].score]
    return min(tied, key=lambda each: (-each.document.version, each.document.source))


@dataclass(slots=True, eq=False)
class _Place:
    """Chunks that make one passage: `members` by their index in the ranking."""

    start: int
    end: int
    members: dict[int, Candidate]

    @property
    def best(self) -> int:
        return min(self.members)

    def takes(self, other: _Place) -> bool:
        """Whether both fit into one passage; one that holds the other always does."""
        length = max(self.end, other.end) - min(self.start, other.start)
        return length <= max(LONGEST, self.end - self.start, other.end - other.start)


@dataclass(slots=True)
class _Walk:
    """The passages found so far, by page in the order of the page."""

    k: int
    focus: frozenset[str]
    pages: dict[tuple[str, str, int], list[_Place]] = field(default_factory=dict)
    held: Counter[str] = field(default_factory=Counter)  # passages by document
    skipped: deque[tuple[int, Candidate]] = field(default_factory=deque)
    total: int = 0
    ahead: int = 0  # passages within their document's cap

    def full(self, index: int) -> bool:
        """Whether no candidate from `index` on can be wanted."""
        return self.ahead >= self.k or (self.total >= self.k and index >= REACH * self.k)

    def offer(self, index: int, candidate: Candidate) -> None:
        """Place the candidate, unless there are passages enough and only other documents are
        looked for; where joining makes room again, what was passed over comes first."""
        document = candidate.document.id
        if self.total >= self.k and self.held[document] >= self._most(document):
            self.skipped.append((index, candidate))
            return
        self._place(index, candidate)
        while self.skipped and self.total < self.k:
            self._place(*self.skipped.popleft())

    def ordered(self) -> tuple[list[_Place], int]:
        """Passages within the cap, best first, then the others, and how many those are."""
        ahead: list[_Place] = []
        behind: list[_Place] = []
        seen: Counter[str] = Counter()
        every = (place for places in self.pages.values() for place in places)
        for place in sorted(every, key=lambda each: each.best):
            document = place.members[place.best].document.id
            seen[document] += 1
            (ahead if seen[document] <= self._most(document) else behind).append(place)
        return ahead + behind, len(behind) if len(seen) > 1 else 0

    def _most(self, document: str) -> int:
        return self.k if document in self.focus else cap(self.k)

    def _place(self, index: int, candidate: Candidate) -> None:
        """Add the candidate to the passages that it touches, the better ranked first, as long as
        the passage does not get too long; to none, and it is one of its own."""
        chunk, document = candidate.chunk, candidate.document
        places = self.pages.setdefault((document.collection, document.id, chunk.page), [])
        new = _Place(chunk.start, chunk.end, {index: candidate})
        beside = sorted(_touching(places, new), key=lambda each: each.best)
        while (other := next((each for each in beside if new.takes(each)), None)) is not None:
            beside.remove(other)
            places.remove(other)
            self._count(document.id, -1)
            new.start, new.end = min(new.start, other.start), max(new.end, other.end)
            new.members |= other.members
        places.insert(bisect_left(places, new.start, key=lambda each: each.start), new)
        self._count(document.id, 1)

    def _count(self, document: str, change: int) -> None:
        most = self._most(document)
        before = self.held[document]
        self.held[document] = before + change
        self.total += change
        self.ahead += min(before + change, most) - min(before, most)


def _touching(places: Sequence[_Place], new: _Place) -> Iterable[_Place]:
    """The passages of a page that overlap with `new` or lie within `GAP` of it.

    None of `places` holds another one whole, so their ends are in the order of their starts.
    """
    first = bisect_left(places, new.start - GAP, key=lambda each: each.end)
    last = bisect_right(places, new.end + GAP, key=lambda each: each.start)
    return places[first:last]


def _hit(place: _Place, rank: int, text_of: TextOf) -> Hit:
    best = place.members[place.best]
    others = [each.chunk for index, each in place.members.items() if index != place.best]
    joined = tuple(sorted(others, key=lambda each: (each.start, each.end)))
    text = text_of(best.document, best.chunk.page, place.start, place.end) if joined else ""
    return Hit(best.chunk, best.document, rank, best.score, best.dense, best.lexical, joined, text)
