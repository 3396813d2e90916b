"""Which clause of one document corresponds to which of another.

Pure. Likeness is the Dice coefficient of the clauses' words, each weighted by how telling it is;
the same number, heading and neighbours break ties. The pairs that keep the order are the chain of
greatest total likeness (the heaviest increasing subsequence, Jacobson & Vo, "Heaviest increasing/
common subsequence problems", CPM 1992) over the likely pairs alone, so that the cost grows with
these and not with the product of the lengths. What the chain leaves over is then looked at again: a
sentence that was cut in two or joined with the next, a clause that moved, and, given vectors, one
that says the same in other words.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assistant.provisions import Clause, joined
from assistant.sentences import Kind
from assistant.terms import Weights, weights

Vectors = NDArray[np.float32]

LIKE = 0.40  # likeness from which two clauses may correspond
_SAME_PLACE = 0.15  # what is enough between the same neighbours under the same number
_MOVED = 0.60  # out of order, more is asked
_NEAR = 0.62  # cosine from which two clauses between the same neighbours say alike things
_NUMBER, _HEADING, _NEIGHBOUR = 0.10, 0.04, 0.06
_EQUAL = 0.25  # what equal text counts for beyond its likeness of 1
_RARE, _COMMON = 8, 400  # words that a clause is looked up by; how many clauses may hold one
_MOST = 12  # likely counterparts of a clause
_HEADED = 0.75  # likeness from which a heading and a sentence may correspond
_IN_A_GAP = 60  # clauses of a side that are compared between the same neighbours
_BETTER = 0.08  # by how much a joined pair must be more alike
_TELLING = 3  # words that a moved clause must share, if it is not equal


@dataclass(frozen=True, slots=True)
class Pair:
    """Clauses that correspond, as indexes: one to one, or two to one where a sentence was cut or
    joined. One side is empty for what was added or removed. `moved`: out of the common order."""

    left: tuple[int, ...]
    right: tuple[int, ...]
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Likely:
    """Two clauses, by index, that may correspond; `worth` is what the pair counts for."""

    left: int
    right: int
    likeness: float
    worth: float


class _Texts:
    """The clauses of both sides with what they are compared by."""

    def __init__(self, left: Sequence[Clause], right: Sequence[Clause]) -> None:
        self.left, self.right = left, right
        self.keys = ([each.keys for each in left], [each.keys for each in right])
        self.weigh: Weights = weights([*self.keys[0], *self.keys[1]])
        self.totals = tuple([self.weigh.total(each) for each in side] for side in self.keys)
        self.normal = ([each.normal for each in left], [each.normal for each in right])

    def likeness(self, left: int, right: int) -> float:
        """0..1; 1.0 for equal text. A row is like rows alone."""
        one, other = self.left[left], self.right[right]
        if self.normal[0][left] == self.normal[1][right] and one.kind is other.kind:
            return 1.0
        mixed = one.kind is not other.kind
        if mixed and Kind.ROW in (one.kind, other.kind):
            return 0.0
        whole = self.totals[0][left] + self.totals[1][right]
        shared = self.weigh.total(self.keys[0][left] & self.keys[1][right])
        likeness = min(0.999, 2 * shared / whole) if whole else 0.0
        if mixed and Kind.HEADING in (one.kind, other.kind):  # a line may be taken for either
            return likeness if likeness >= _HEADED else 0.0
        return likeness

    def equal(self, left: int, right: int) -> bool:
        """Whether two clauses that may not be there have the same text."""
        inside = 0 <= left < len(self.left) and 0 <= right < len(self.right)
        return inside and self.normal[0][left] == self.normal[1][right]

    def worth(self, left: int, right: int, likeness: float) -> float:
        """What a pair counts for in the chain."""
        one, other = self.left[left], self.right[right]
        near = self.equal(left - 1, right - 1) + self.equal(left + 1, right + 1)
        return (
            likeness * likeness
            + _EQUAL * (likeness == 1.0)
            + _NUMBER * bool(one.place and one.place == other.place)
            + _HEADING * bool(one.heading and one.heading == other.heading)
            + _NEIGHBOUR * near
        )


def _likely(texts: _Texts, lefts: Iterable[int], rights: Sequence[int]) -> list[Likely]:
    """The pairs worth a look: equal text, or rare words in common."""
    holding: dict[str, list[int]] = defaultdict(list)
    same: dict[str, list[int]] = defaultdict(list)
    for right in rights:
        same[texts.normal[1][right]].append(right)
        for key in texts.keys[1][right]:
            holding[key].append(right)
    found = []
    for left in lefts:
        equal = _nearest(same.get(texts.normal[0][left], []), left)
        rare = sorted(texts.keys[0][left], key=lambda key: (len(holding.get(key, ())), key))
        known = [holding[key] for key in rare if key in holding][:_RARE]
        others = {right for held in known if len(held) <= _COMMON for right in held}
        scored = []
        for right in {*equal, *others}:
            likeness = texts.likeness(left, right)
            if likeness >= LIKE:
                scored.append(Likely(left, right, likeness, texts.worth(left, right, likeness)))
        scored.sort(key=lambda each: (-each.worth, abs(each.right - left), each.right))
        found.extend(scored[:_MOST])
    return found


def _nearest(held: Sequence[int], left: int) -> Sequence[int]:
    """Of many clauses with one text, those around the same place."""
    if len(held) <= 2 * _MOST:
        return held
    at = bisect_left(held, left)
    first = max(0, min(at - _MOST, len(held) - 2 * _MOST))
    return held[first : first + 2 * _MOST]


def heaviest_chain(likely: Sequence[Likely], width: int) -> list[Likely]:
    """The pairs of greatest total worth that keep the order on both sides; `width` is the number
    of clauses on the right. By a tree of prefix maxima: O(n log width) for n pairs."""
    best = [0.0] * (width + 1)
    ends = [-1] * (width + 1)
    order = sorted(likely, key=lambda each: (each.left, -each.right))
    before = [-1] * len(order)
    totals = [0.0] * len(order)
    for number, each in enumerate(order):
        at, total, end = each.right, 0.0, -1
        while at > 0:
            if best[at] > total:
                total, end = best[at], ends[at]
            at -= at & -at
        totals[number], before[number] = total + each.worth, end
        at = each.right + 1
        while at <= width:
            if totals[number] > best[at]:
                best[at], ends[at] = totals[number], number
            at += at & -at
    at = max(range(len(order)), key=totals.__getitem__, default=-1)
    chain = []
    while at >= 0:
        chain.append(order[at])
        at = before[at]
    return chain[::-1]


class _Aligned:
    """What corresponds so far."""

    def __init__(self, texts: _Texts) -> None:
        self.texts = texts
        self.pairs: list[Pair] = []
        self.taken: tuple[set[int], set[int]] = (set(), set())

    def add(self, pair: Pair) -> None:
        self.pairs.append(pair)
        self.taken[0].update(pair.left)
        self.taken[1].update(pair.right)

    def free(self, side: int) -> list[int]:
        """The clauses of a side without a counterpart, in order."""
        of = self.texts.left if side == 0 else self.texts.right
        return [number for number in range(len(of)) if number not in self.taken[side]]


def _gaps(aligned: _Aligned) -> list[tuple[list[int], list[int]]]:
    """What is left over on both sides between the same neighbours."""
    kept = sorted((pair.left[0], pair.right[0]) for pair in aligned.pairs if not pair.moved)
    lefts = [left for left, _ in kept]
    rights = sorted(right for _, right in kept)
    found: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for left in aligned.free(0):
        found[bisect_left(lefts, left)][0].append(left)
    for right in aligned.free(1):
        found[bisect_left(rights, right)][1].append(right)
    return [gap for gap in found.values() if gap[0] and gap[1]]


def _same_place(aligned: _Aligned, vectors: tuple[Vectors, Vectors] | None) -> None:
    """Pair what stands between the same neighbours and is under the same number, or near."""
    texts = aligned.texts
    for lefts, rights in _gaps(aligned):
        found = []
        for left in lefts[:_IN_A_GAP]:
            for right in rights[:_IN_A_GAP]:
                one, other = texts.left[left], texts.right[right]
                if one.kind is not other.kind and Kind.HEADING in (one.kind, other.kind):
                    continue
                likeness = texts.likeness(left, right)
                near = float(vectors[0][left] @ vectors[1][right]) if vectors is not None else 0.0
                numbered = bool(one.number) and one.place == other.place
                if (numbered and likeness >= _SAME_PLACE) or near >= _NEAR:
                    worth = max(likeness, near) + _NUMBER * numbered
                    found.append(Likely(left, right, likeness, worth * worth))
        for each in heaviest_chain(found, len(texts.right)):
            aligned.add(Pair((each.left,), (each.right,)))


def _moves(aligned: _Aligned) -> None:
    """Pair what is left over on both sides wherever it stands, the most alike first."""
    texts = aligned.texts
    likely = _likely(texts, aligned.free(0), aligned.free(1))
    for each in sorted(likely, key=lambda one: (-one.worth, one.left, one.right)):
        if each.left in aligned.taken[0] or each.right in aligned.taken[1]:
            continue
        shared = texts.keys[0][each.left] & texts.keys[1][each.right]
        if each.likeness == 1.0 or (each.likeness >= _MOVED and len(shared) >= _TELLING):
            aligned.add(Pair((each.left,), (each.right,), moved=True))


def _cut_or_joined(aligned: _Aligned) -> None:
    """Take the neighbour of a pair into it where both together are more alike."""
    texts = aligned.texts
    for number, pair in enumerate(aligned.pairs):
        if texts.equal(pair.left[0], pair.right[0]):
            continue
        for side, step in ((0, -1), (0, 1), (1, -1), (1, 1)):
            wider = _wider(aligned, pair, side, step)
            if wider is not None:
                aligned.pairs[number] = wider
                aligned.taken[0].update(wider.left)
                aligned.taken[1].update(wider.right)
                break


def _wider(aligned: _Aligned, pair: Pair, side: int, step: int) -> Pair | None:
    """The pair with the clause before or after it on one side, if that fits better."""
    texts = aligned.texts
    of = texts.left if side == 0 else texts.right
    own = (pair.left if side == 0 else pair.right)[0]
    beside = own + step
    if not 0 <= beside < len(of) or beside in aligned.taken[side]:
        return None
    running = (Kind.SENTENCE, Kind.ITEM)
    if of[own].kind not in running or of[beside].kind not in running:
        return None
    if of[max(own, beside)].number:
        return None  # a clause with a number of its own begins there
    other = texts.keys[1 - side][(pair.right if side == 0 else pair.left)[0]]
    if texts.weigh.coverage(texts.keys[side][beside], other) < LIKE:
        return None  # the neighbour is about something else
    both = joined([of[number] for number in sorted((own, beside))]).keys
    whole = texts.weigh.total(both) + texts.weigh.total(other)
    together = 2 * texts.weigh.total(both & other) / whole if whole else 0.0
    if together < texts.likeness(pair.left[0], pair.right[0]) + _BETTER:
        return None
    taken = tuple(sorted((own, beside)))
    return Pair(taken, pair.right, pair.moved) if side == 0 else Pair(pair.left, taken, pair.moved)


def leftover(pairs: Sequence[Pair]) -> tuple[list[int], list[int]]:
    """The clauses of each side without a counterpart: those whose vectors may help."""
    return (
        sorted(number for pair in pairs if not pair.right for number in pair.left),
        sorted(number for pair in pairs if not pair.left for number in pair.right),
    )


def align(
    left: Sequence[Clause],
    right: Sequence[Clause],
    vectors: tuple[Vectors, Vectors] | None = None,
) -> tuple[Pair, ...]:
    """Every clause of both sides in exactly one pair, in the order of the right side, what was
    removed after what it followed. `vectors` are unit vectors of the clauses (n, dimensions), rows
    of zeros where none was made."""
    texts = _Texts(left, right)
    aligned = _Aligned(texts)
    likely = _likely(texts, range(len(left)), range(len(right)))
    for each in heaviest_chain(likely, len(right)):
        aligned.add(Pair((each.left,), (each.right,)))
    _cut_or_joined(aligned)
    _moves(aligned)
    _same_place(aligned, vectors)
    for number in aligned.free(0):
        aligned.pairs.append(Pair((number,), ()))
    for number in aligned.free(1):
        aligned.pairs.append(Pair((), (number,)))
    return _in_order(aligned.pairs)


def _in_order(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    kept = sorted(
        (pair.left[0], pair.right[0])
        for pair in pairs
        if pair.left and pair.right and not pair.moved
    )
    lefts = [left for left, _ in kept]

    def place(pair: Pair) -> tuple[float, int, int]:
        if pair.right:
            return (pair.right[0], 1, 0)
        at = bisect_left(lefts, pair.left[0]) - 1
        return (kept[at][1] + 0.5 if at >= 0 else -0.5, 0, pair.left[0])

    return tuple(sorted(pairs, key=place))


def renumbered(
    left: Sequence[Clause], right: Sequence[Clause], pairs: Sequence[Pair]
) -> Mapping[str, str]:
    """For each clause number of the left that its counterpart bears otherwise, the new one: by it
    references are told that only follow."""
    found: dict[str, str] = {}
    for pair in pairs:
        if pair.left and pair.right:
            one, other = left[pair.left[0]], right[pair.right[0]]
            if one.number and other.number and one.number != other.number:
                found.setdefault(one.number, other.number)
    return found


def gathered(
    one: Sequence[Clause], other: Sequence[Clause], pairs: Sequence[Pair]
) -> Iterator[Pair]:
    """The pairs, sentences of one clause that were added or removed together taken as one."""
    held: Pair | None = None
    for pair in pairs:
        if held is not None and _same_clause(one, other, held, pair):
            held = Pair(held.left + pair.left, held.right + pair.right)
            continue
        if held is not None:
            yield held
        held = pair
    if held is not None:
        yield held


def _same_clause(one: Sequence[Clause], other: Sequence[Clause], held: Pair, pair: Pair) -> bool:
    """Whether a one-sided pair carries on the clause of the one-sided pair before it."""
    if bool(held.left) == bool(held.right) or bool(pair.left) == bool(pair.right):
        return False
    if bool(pair.left) != bool(held.left):
        return False
    of, ours, theirs = (one, held.left, pair.left) if held.left else (other, held.right, pair.right)
    last, first = of[ours[-1]], of[theirs[0]]
    return (
        theirs[0] == ours[-1] + 1
        and last.kind in (Kind.SENTENCE, Kind.ITEM)
        and first.kind is Kind.SENTENCE
        and not first.number
        and (first.place, first.heading) == (last.place, last.heading)
    )
