"""Compares a folder with the journal and says what is to be done. Pure: touches no disk itself.

Identity is the path, content is the hash. A known source whose file is gone and a new file with
the same bytes are one file that moved. Deleting is held back when so much is gone that a disk is
more likely to be missing than the documents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from index.records import SourceState, SourceStatus
from ingest.chunk import SPLITTER
from ingest.errors import Failure, TooManyDeletions
from ingest.known import facts_of, file_level
from ingest.manifest import is_racy, known_digest, looks_the_same
from ingest.progress import Summary
from ingest.walk import FoundFile, Unusable

HANDFUL = 5
"""So few deletions are never too many."""

_OF_ENTRIES = frozenset({Failure.GONE, Failure.NOT_A_FILE, Failure.LINK_LOOP, Failure.CHANGED})
"""Failures that a file which is found now does not have."""

DigestOf = Callable[[FoundFile], str]
"""The hex SHA-256 of a file's bytes, "" if it cannot be read."""

FactsOf = Callable[[FoundFile], str]
"""The digest of what sidecars say of a file, "" for nothing; "?" if they cannot be understood."""


@dataclass(frozen=True, slots=True)
class Move:
    """A known source whose file is at another place now."""

    old: SourceState
    file: FoundFile


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What to do to make the index say what the folder says.

    `again` failed before and is tried again; `touched` has another time and the same bytes;
    `quarantined` is passed over; `waiting` may not be whole yet; `unusable` was found and cannot
    be opened. Nothing below what is unusable is deleted, because nothing is known of it.
    """

    added: tuple[FoundFile, ...] = ()
    changed: tuple[FoundFile, ...] = ()
    moved: tuple[Move, ...] = ()
    deleted: tuple[SourceState, ...] = ()
    described: tuple[FoundFile, ...] = ()
    again: tuple[FoundFile, ...] = ()
    touched: tuple[tuple[FoundFile, SourceState], ...] = ()
    unusable: tuple[Unusable, ...] = ()
    quarantined: tuple[SourceState, ...] = ()
    waiting: tuple[FoundFile, ...] = ()
    unchanged: int = 0

    @property
    def to_read(self) -> tuple[FoundFile | Unusable, ...]:
        """What must be looked at more closely than by its place, size and time."""
        return (*self.added, *self.changed, *self.described, *self.again, *self.unusable)

    @property
    def is_empty(self) -> bool:
        """Whether nothing would change but the times in the journal."""
        return not (self.to_read or self.moved or self.deleted)

    @property
    def counts(self) -> dict[str, int]:
        """How many of each, for people and for the log."""
        return {
            "added": len(self.added),
            "changed": len(self.changed),
            "moved": len(self.moved),
            "deleted": len(self.deleted),
            "described": len(self.described),
            "again": len(self.again),
            "touched": len(self.touched),
            "unusable": len(self.unusable),
            "quarantined": len(self.quarantined),
            "waiting": len(self.waiting),
            "unchanged": self.unchanged,
        }


@dataclass(frozen=True, slots=True)
class SyncSummary:
    """What `sync` found, and what it did about it: `summary` is None for a dry run."""

    plan: SyncPlan
    summary: Summary | None


def plan(
    found: Sequence[FoundFile | Unusable],
    known: Sequence[SourceState],
    digest_of: DigestOf,
    facts_digest: FactsOf,
    *,
    rehash: bool = False,
    strays: Sequence[SourceState] = (),
    waits: Callable[[FoundFile], bool] = lambda file: False,
) -> SyncPlan:
    """What the difference between `found` and the sources `known` below the folder amounts to.

    `strays` are sources from elsewhere whose files are gone: a new file here may be one of them.
    `digest_of` is asked only where place, size and time do not settle it, unless `rehash`.
    `waits` says of a new or changed file whether it is left for later; so is a missing source of
    its size, which may be on its way to that place.
    """
    sorting = _Sorting(digest_of, facts_digest, rehash, known)
    for entry in found:
        state = sorting.known_at(entry)
        new = isinstance(entry, FoundFile) and not (state and looks_the_same(state, entry))
        if isinstance(entry, FoundFile) and new and waits(entry):
            sorting.waiting.append(entry)
        else:
            sorting.sort(entry, state)
    missing = sorting.missing(found, known)
    moved, added = _moves(sorting.added, [*missing, *strays], digest_of)
    left = {id(move.old) for move in moved}
    coming = {file.size for file in sorting.waiting}
    gone = tuple(state for state in missing if id(state) not in left and state.size not in coming)
    return SyncPlan(
        added=added,
        changed=tuple(sorting.changed),
        moved=moved,
        deleted=gone,
        described=tuple(sorting.described),
        again=tuple(sorting.again),
        touched=tuple(sorting.touched),
        unusable=tuple(sorting.unusable),
        quarantined=tuple(sorting.quarantined),
        waiting=tuple(sorting.waiting),
        unchanged=sorting.unchanged,
    )


class _Sorting:
    """Sorts what was found by what the journal says of its path."""

    def __init__(
        self,
        digest_of: DigestOf,
        facts_digest: FactsOf,
        rehash: bool,
        known: Sequence[SourceState],
    ) -> None:
        self._digest_of = digest_of
        self._facts_digest = facts_digest
        self._rehash = rehash
        self._at = file_level(known)
        self._pending = {
            (each.collection, each.container)
            for each in known
            if each.container and each.status is SourceStatus.FAILED
        }
        self._containers = {
            (each.collection, each.source): each.container for each in known if each.container
        }
        self._pending |= {outer for inner in self._pending for outer in self._around(inner)}
        self.added: list[FoundFile] = []
        self.changed: list[FoundFile] = []
        self.described: list[FoundFile] = []
        self.again: list[FoundFile] = []
        self.touched: list[tuple[FoundFile, SourceState]] = []
        self.unusable: list[Unusable] = []
        self.quarantined: list[SourceState] = [
            each for each in known if each.status is SourceStatus.QUARANTINED and each.container
        ]
        self.waiting: list[FoundFile] = []
        self.unchanged = 0

    def _around(self, source: tuple[str, str]) -> Iterable[tuple[str, str]]:
        """The containers that a source is in."""
        collection, name = source
        while (name := self._containers.get((collection, name), "")) != "":
            yield collection, name

    def known_at(self, entry: FoundFile | Unusable) -> SourceState | None:
        """What is known of a path."""
        return self._at.get(str(entry.path))

    def sort(self, entry: FoundFile | Unusable, state: SourceState | None) -> None:
        """Put an entry where it belongs."""
        if isinstance(entry, Unusable):
            self._sort_unusable(entry, state)
            return
        if state is None:
            self.added.append(entry)
        elif state.status is SourceStatus.QUARANTINED and looks_the_same(state, entry):
            self._sort_quarantined(entry, state)
        elif self._has_changed(entry, state):
            self.changed.append(entry)
        elif state.status is SourceStatus.FAILED or self._is_pending(state):
            self.again.append(entry)
        elif facts_of(state) != self._facts(entry):
            self.described.append(entry)
        elif state.status is SourceStatus.QUARANTINED:
            self.quarantined.append(state)
        elif looks_the_same(state, entry) and not is_racy(state):
            self.unchanged += 1
        else:
            self.touched.append((entry, state))

    def _sort_unusable(self, entry: Unusable, state: SourceState | None) -> None:
        known = state is not None and state.status is SourceStatus.QUARANTINED
        if known and state is not None and state.failure == entry.failure.value:
            self.quarantined.append(state)
        else:
            self.unusable.append(entry)

    def _sort_quarantined(self, entry: FoundFile, state: SourceState) -> None:
        """Left alone, unless what was at fault was not its bytes and is so no longer."""
        match state.failure:
            case Failure.BAD_FACTS:
                mended = facts_of(state) != self._facts(entry)
            case Failure.UNREADABLE:
                mended = self._digest_of(entry) != ""
            case _:
                mended = state.failure in _OF_ENTRIES
        if mended:
            self.again.append(entry)
        else:
            self.quarantined.append(state)

    def _is_pending(self, state: SourceState) -> bool:
        return (state.collection, state.source) in self._pending

    def _facts(self, entry: FoundFile) -> str:
        return self._facts_digest(entry) if entry.described else ""

    def _has_changed(self, entry: FoundFile, state: SourceState) -> bool:
        whole = state.status in (SourceStatus.INDEXED, SourceStatus.CONTAINER)
        if whole and state.splitter != SPLITTER:
            return True
        same = looks_the_same(state, entry)
        if same and not self._rehash and not is_racy(state):
            return False
        if state.size != entry.size:
            return True
        return self._digest_of(entry) != known_digest(state)

    def missing(
        self, found: Sequence[FoundFile | Unusable], known: Sequence[SourceState]
    ) -> list[SourceState]:
        """Known files that were not found, but for those of which nothing can be said."""
        there = {str(entry.path) for entry in found}
        closed = tuple(f"{entry.path}/" for entry in found if isinstance(entry, Unusable))
        return [
            state
            for state in known
            if not state.container
            and state.path not in there
            and not (closed and state.path.startswith(closed))
        ]


def _moves(
    added: Sequence[FoundFile], missing: Sequence[SourceState], digest_of: DigestOf
) -> tuple[tuple[Move, ...], tuple[FoundFile, ...]]:
    """New files that have the bytes of a missing source, and the others. Only files of the right
    size are hashed.
    """
    by_bytes: defaultdict[tuple[int, str], list[SourceState]] = defaultdict(list)
    for state in missing:
        whole = state.status in (SourceStatus.INDEXED, SourceStatus.CONTAINER)
        if whole and known_digest(state):
            by_bytes[state.size, known_digest(state)].append(state)
    sizes = {size for size, _ in by_bytes}
    moved: list[Move] = []
    new: list[FoundFile] = []
    for file in added:
        old = by_bytes.get((file.size, digest_of(file))) if file.size in sizes else None
        if old:
            moved.append(Move(_likeliest(old, file), file))
        else:
            new.append(file)
    return tuple(moved), tuple(new)


def _likeliest(old: list[SourceState], file: FoundFile) -> SourceState:
    """Of several missing sources of the same bytes the one of the same name, else the first."""
    same_name = [state for state in old if state.path.rpartition("/")[2] == file.path.name]
    chosen = same_name[0] if same_name else old[0]
    old.remove(chosen)
    return chosen


def guard(
    folder: str,
    made: SyncPlan,
    known: Sequence[SourceState],
    found: int,
    max_share: float,
) -> None:
    """Raise TooManyDeletions if more is to be deleted than is likely to be meant: more than a
    handful and more than `max_share` of what is known, or all of it, as the folder is empty.
    """
    gone = len({state.path for state in made.deleted})
    total = len({state.path for state in known})
    if gone and ((gone > HANDFUL and gone > max_share * total) or not found):
        raise TooManyDeletions(folder, gone, total)
