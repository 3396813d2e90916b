"""Two documents, or two versions of one, compared clause by clause, with the place of every change.

No model takes part. What is shown is cut from the pages, or says in fixed words what was cut: the
clauses that changed, which values, obligations and other words differ, what was added, removed,
moved or only renumbered, each with its citations on both sides. What is not understood is told as
such (`assistant.changes`: SUBSTANCE, WORDS, WORDING).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

import numpy as np

from assistant import changes, task, versions
from assistant.answer import Asker, Citation
from assistant.changes import Difference, Weight
from assistant.citations import Numbering, still_true
from assistant.clause_alignment import Pair, Vectors, align, gathered, leftover, renumbered
from assistant.doubt import warning_of
from assistant.embedding import embedded
from assistant.errors import CitedTextGone, NothingToCompare
from assistant.provisions import Clause, clauses_of, joined
from assistant.recording import sha256
from assistant.sentences import Kind
from assistant.task import Parts, Progress, Reading, TaskRecord, cite
from assistant.worddiff import Piece
from index.document import Document, Scope
from index.effective import today

MOST_EMBEDDED = 400  # clauses a side whose vectors are made, of those that words alone left over
_LISTED = 200  # entries of a list in clear


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be compared, by whom. `left` is the earlier one and `right` the later one, each a
    source or id; without `right` it is the version of `left` before the one in force, with that
    one, or `left` on the two days. Days are ISO 8601; None: today."""

    asker: Asker
    left: str
    right: str = ""
    collections: frozenset[str] | None = None
    left_as_of: str | None = None
    right_as_of: str | None = None


class ChangeKind(StrEnum):
    """What became of a clause."""

    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"  # the same text in another place
    RENUMBERED = "renumbered"  # the same text under another number


@dataclass(frozen=True, slots=True)
class Change:
    """One clause that is not as it was. `before` and `after` are its two wordings without its
    number, `left` and `right` the citations of each; of an added or removed one, one side is empty.
    `moved` and `renumbered` hold of a changed clause too. `pieces` is the word-level diff, its
    spans are of `before` and `after`."""

    number: int
    kind: ChangeKind
    weight: Weight
    heading: str
    left_place: str
    right_place: str
    before: str
    after: str
    differences: tuple[Difference, ...]
    pieces: tuple[Piece, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    moved: bool = False
    renumbered: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two documents. `day` is that for which it was chosen, "" if none was named."""

    document: str
    collection: str
    source: str
    title: str
    version: int
    status: str
    day: str
    clauses: int
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result: every change in the order of the right document. `counts` by kind and, of those
    changed, by weight; `unchanged` clauses are only counted. `notes` say what could not be seen."""

    left: Side
    right: Side
    changes: tuple[Change, ...]
    citations: tuple[Citation, ...]
    counts: Mapping[str, int]
    unchanged: int
    notes: tuple[str, ...] = ()
    record: str = ""
    request: str = ""
    timings: Mapping[str, float] = field(default_factory=dict)


def run(
    parts: Parts, request: Request, cancelled: Callable[[], bool]
) -> Iterator[Progress | Change | Comparison]:
    """Progress, then each change once it stands in the log, then the comparison.

    Raises NotFound, IndexFailure, AuditError, NothingToCompare, CitedTextGone; all but AuditError
    are recorded. Cancelled: recorded, and it ends without a comparison.
    """
    record = TaskRecord(parts.log, request.asker, "compare")
    narrowed = request.collections
    record.received(
        {
            "left_as_of": request.left_as_of,
            "right_as_of": request.right_as_of,
            "collections": sorted(narrowed)[:_LISTED] if narrowed is not None else None,
        },
        {"left": request.left, "right": request.right},
    )
    with task.ended(record):
        yield from _Comparing(parts, request, record, cancelled).steps()


class _Comparing:
    """One comparison on its way."""

    def __init__(
        self, parts: Parts, request: Request, record: TaskRecord, cancelled: Callable[[], bool]
    ) -> None:
        self._library = parts.library
        self._request = request
        self._record = record
        self._cancelled = cancelled
        scope = parts.library.scope(request.asker.groups)
        narrowed = request.collections
        self._scope: Scope = scope if narrowed is None else scope.narrowed(narrowed)
        self._numbering = Numbering()
        self._timings: dict[str, float] = {}

    def steps(self) -> Iterator[Progress | Change | Comparison]:
        """All that `run` yields after the request was recorded."""
        began = time.monotonic()
        older, newer = self._documents()
        yield self._at(0, older.source)
        left = self._read(older, self._request.left_as_of)
        yield self._at(1, newer.source)
        right = self._read(newer, self._right_day())
        self._timings["reading"] = time.monotonic() - began
        yield self._at(2, "aligning")
        began = time.monotonic()
        one, other = clauses_of(left), clauses_of(right)
        pairs, notes = self._aligned(one, other)
        self._timings["aligning"] = time.monotonic() - began
        yield self._at(3, "comparing")
        began = time.monotonic()
        found = tuple(self._changes(left, right, one, other, pairs))
        self._timings["comparing"] = time.monotonic() - began
        yield self._at(4, "checking")
        cited = tuple(self._numbering.citations)
        if not still_true(self._library, cited, self._scope):
            raise CitedTextGone
        for change in found:
            self._recorded(change)
            yield change
        unchanged = sum(1 for pair in pairs if pair.left and pair.right) - sum(
            1 for change in found if change.left and change.right
        )
        result = Comparison(
            _side(left, self._request.left_as_of, one),
            _side(right, self._right_day(), other),
            found, cited, _counts(found), unchanged, notes,
            request=self._record.request, timings=self._timings,
        )  # fmt: skip
        yield self._released(result)

    def _at(self, done: int, about: str) -> Progress:
        task.go_on(self._cancelled)
        return Progress(done, 5, about)

    def _read(self, document: Document, day: str | None) -> Reading:
        return task.read(self._library, document, self._scope, day, any_status=True)

    def _right_day(self) -> str | None:
        return self._request.right_as_of

    def _documents(self) -> tuple[Document, Document]:
        """The earlier and the later document. Raises NotFound; NothingToCompare if they are one."""
        request = self._request
        days = request.left_as_of is not None or request.right_as_of is not None
        if request.right or days:
            older = versions.one(self._library, self._scope, request.left, request.left_as_of)
            name = request.right or request.left
            newer = versions.one(self._library, self._scope, name, request.right_as_of)
        else:
            newer = versions.one(self._library, self._scope, request.left, None)
            older = versions.previous(self._library, self._scope, newer)
        if older.id == newer.id:
            raise NothingToCompare(older.source)
        return older, newer

    def _aligned(
        self, one: Sequence[Clause], other: Sequence[Clause]
    ) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
        """What corresponds; by vectors too where words alone left clauses over on both sides."""
        pairs = align(one, other)
        lefts, rights = leftover(pairs)
        if not lefts or not rights:
            return pairs, ()
        vectors = (self._vectors(one, lefts), self._vectors(other, rights))
        notes: tuple[str, ...] = ()
        if max(len(lefts), len(rights)) > MOST_EMBEDDED:
            notes = (
                f"Of the clauses without a counterpart by their words, only the first "
                f"{MOST_EMBEDDED} on each side were compared by meaning.",
            )
        return align(one, other, vectors), notes

    def _vectors(self, clauses: Sequence[Clause], wanted: Sequence[int]) -> Vectors:
        """A row for each clause, of zeros but for those `wanted`."""
        made = np.zeros((len(clauses), self._library.embedder.dimensions), np.float32)
        some = [number for number in wanted if clauses[number].keys][:MOST_EMBEDDED]
        texts = [clauses[number].body for number in some]
        made[some] = embedded(self._library.embedder, texts, lambda: task.go_on(self._cancelled))
        return made

    def _changes(
        self,
        left: Reading,
        right: Reading,
        one: Sequence[Clause],
        other: Sequence[Clause],
        pairs: Sequence[Pair],
    ) -> Iterator[Change]:
        ordinary = changes.ordinary_words([each.body for each in (*one, *other)])
        moved_numbers = renumbered(one, other, pairs)
        number = 0
        for pair in gathered(one, other, pairs):
            before = joined([one[at] for at in pair.left]) if pair.left else None
            after = joined([other[at] for at in pair.right]) if pair.right else None
            made = judged(before, after, pair.moved, ordinary, moved_numbers)
            if made is None:
                continue
            number += 1
            kind, weight, differences, pieces, is_renumbered = made
            shown = after or before
            yield Change(
                number, kind, weight, shown.heading if shown else "",
                before.place if before else "", after.place if after else "",
                before.normal if before else "", after.normal if after else "",
                differences, pieces,
                self._cited(left, before), self._cited(right, after),
                pair.moved, is_renumbered,
            )  # fmt: skip

    def _cited(self, reading: Reading, clause: Clause | None) -> tuple[int, ...]:
        """The numbers of the citations of a clause: one for each page that it stands on."""
        if clause is None:
            return ()
        spans: dict[int, tuple[int, int]] = {}
        for part in clause.parts:
            first, last = spans.get(part.page, (part.start, part.end))
            spans[part.page] = (min(first, part.start), max(last, part.end))
        return tuple(
            cite(self._numbering, reading, page, *span).number for page, span in spans.items()
        )

    def _recorded(self, change: Change) -> None:
        self._record.item(
            {
                "number": change.number,
                "kind": change.kind.value,
                "weight": change.weight.value,
                "before_sha256": sha256(change.before),
                "after_sha256": sha256(change.after),
                "citations": [self._place(number) for number in (*change.left, *change.right)],
            },
            asdict(change),
        )

    def _place(self, number: int) -> str:
        citation = self._numbering.citations[number - 1]
        return f"{citation.document}:{citation.page}:{citation.start}:{citation.end}"

    def _released(self, result: Comparison) -> Comparison:
        """Record the comparison; only then does it exist."""
        event = self._record.released(
            {
                "left": result.left.document,
                "right": result.right.document,
                "changes": len(result.changes),
                "unchanged": result.unchanged,
                "counts": [f"{name}:{n}" for name, n in sorted(result.counts.items())],
                "citations": len(result.citations),
                "citations_checked": True,
                "scope": sorted(self._scope.collections)[:_LISTED],
                "day": today(),
            },
            {
                "left": asdict(result.left),
                "right": asdict(result.right),
                "citations": [asdict(citation) for citation in result.citations],
                "notes": list(result.notes),
            },
        )
        return Comparison(
            result.left, result.right, result.changes, result.citations, result.counts,
            result.unchanged, result.notes, event.event_id, result.request, result.timings,
        )  # fmt: skip


Judgement = tuple[ChangeKind, Weight, tuple[Difference, ...], tuple[Piece, ...], bool]


def judged(
    before: Clause | None,
    after: Clause | None,
    moved: bool,
    ordinary: frozenset[str],
    numbers: Mapping[str, str],
) -> Judgement | None:
    """What became of a clause, how much that matters, what differs, and whether its number did;
    None if it is as it was. Pure."""
    if before is None or after is None:
        kind = ChangeKind.ADDED if before is None else ChangeKind.REMOVED
        there = after or before
        matters = there is not None and there.kind is not Kind.HEADING and bool(there.keys)
        return kind, Weight.SUBSTANCE if matters else Weight.WORDS, (), (), False
    other_number = bool(before.number or after.number) and before.number != after.number
    if before.normal == after.normal and before.columns == after.columns:
        if moved or other_number:
            kind = ChangeKind.MOVED if moved else ChangeKind.RENUMBERED
            return kind, Weight.WORDING, (), (), other_number
        return None
    heading = Kind.HEADING in (before.kind, after.kind)
    told = changes.compare(
        before.normal, after.normal, ordinary=ordinary, renumbered=numbers, heading=heading
    )
    differences, weight = told.differences, told.weight
    if before.cells and after.cells and len(before.cells) == len(after.cells):
        differences = changes.rows(before.cells, after.cells, after.columns)
        weights = [each.weight for each in differences]
        weight = next((w for w in Weight if w in weights), Weight.WORDING)
    return ChangeKind.CHANGED, weight, differences, told.pieces, other_number


def _side(reading: Reading, day: str | None, clauses: Sequence[Clause]) -> Side:
    document = reading.document
    return Side(
        document.id, document.collection, document.source, document.title, document.version,
        document.status.value, day or "", len(clauses),
        warning_of(document, None, reading.standing, today()),
    )  # fmt: skip


def _counts(found: Sequence[Change]) -> dict[str, int]:
    """How many changes, by kind; changed ones by weight too ("changed.substance")."""
    counts = Counter(change.kind.value for change in found)
    counts.update(
        f"changed.{change.weight.value}" for change in found if change.kind is ChangeKind.CHANGED
    )
    return dict(counts)
