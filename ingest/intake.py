"""From files found to documents read: what is new, what is known, what cannot be read.

Decides with what the journal knows; reads only what has to be read. Writes nothing but private
copies and marks, so it can run ahead in threads of its own.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import replace

from index.records import SourceState, SourceStatus
from ingest.chunk import SPLITTER
from ingest.errors import Failure, ReadFailure, sentence
from ingest.facts import BadFacts, Facts, Folders, declared, for_file, named_collection
from ingest.items import (
    Described,
    Failed,
    FileDone,
    Item,
    Known,
    Moved,
    Origin,
    Skipped,
)
from ingest.known import (
    UNREADABLE_FACTS,
    KnownSources,
    facts_of,
    is_container,
    is_current,
    is_of,
    note,
)
from ingest.opening import (
    Allowance,
    Bench,
    Front,
    Opening,
    Piece,
    Rules,
    checked_collection,
    of_file,
)
from ingest.staging import require_space, stage
from ingest.walk import FoundFile, Unusable, source_name

_CERTAIN = frozenset(
    {
        Failure.UNSUPPORTED,
        Failure.LEGACY_OFFICE,
        Failure.CORRUPT,
        Failure.UNDECODABLE,
        Failure.TOO_DEEP,
    }
)
"""The same bytes will fail for the same reason: they are counted again, and not read again."""

_OUTSIDE = frozenset(
    {
        Failure.UNREADABLE,
        Failure.GONE,
        Failure.NOT_A_FILE,
        Failure.NAME_NOT_UTF8,
        Failure.LINK_LOOP,
        Failure.TOO_LARGE,
        Failure.CHANGED,
    }
)
"""Not the bytes are at fault, and looking costs nothing: looked at even when quarantined."""


class Intake:
    """Reads what was found. For several threads, each with a bench of its own."""

    def __init__(self, rules: Rules, known: KnownSources, front: Front) -> None:
        self._rules = rules
        self._known = known
        self._front = front
        self._folders = Folders()
        self._opening = Opening(rules, known, front)

    def items(self, entry: FoundFile | Unusable, bench: Bench) -> Generator[Item, None, None]:
        """All that is found out about `entry`, at last `FileDone`.

        Raises ReaderUnavailable, HomeFull, HomeUnavailable.
        """
        yield from self._entry(entry, bench)
        yield FileDone(str(entry.path))

    def _entry(self, entry: FoundFile | Unusable, bench: Bench) -> Iterator[Item]:
        before = self._known.at(str(entry.path))
        if isinstance(entry, Unusable):
            yield self._unusable(entry, before)
            return
        try:
            facts = self._facts(entry)
            target = self._target(facts, before)
        except BadFacts as error:
            yield self._bad_facts(entry, before, error)
            return
        origin = self._origin(entry, before, target, facts.digest)
        if before is not None:
            told = self._untouched(entry, before, facts, origin)
            if told is not None:
                yield from told
                return
        try:
            require_space(self._rules.folder, self._rules.least_free + entry.size)
            staged = stage(entry.path, self._rules.folder, self._rules.max_bytes)
        except ReadFailure as failure:
            yield self._failed(origin, failure.failure, before)
            return
        size = staged.size
        origin = replace(origin, size=size, mtime_ns=staged.mtime_ns, share=size)
        options = self._rules.options
        allowance = Allowance(options.max_members, options.max_member_bytes)
        yield from self._piece(Piece(origin, facts, staged, allowance), bench)

    # -- what can be said without opening a file -----------------------------------------------

    def _facts(self, entry: FoundFile) -> Facts:
        if not entry.described:
            return Facts()
        return for_file(entry.path, entry.root, self._folders)

    def _target(self, facts: Facts, before: SourceState | None) -> str:
        """The collection for a file that was not opened. Raises BadFacts."""
        if before is not None and facts_of(before) == facts.digest:
            return before.collection
        return checked_collection(facts.collection or self._rules.asked)

    def _origin(
        self, entry: FoundFile, before: SourceState | None, target: str, facts: str
    ) -> Origin:
        path = str(entry.path)
        source = before.source if before is not None else ""
        if not source:
            holder = self._known.named(target, entry.source)
            held_by = holder.path if holder is not None else None
            there = held_by is not None and os.path.lexists(held_by)
            source = source_name(entry, held_by, there)
        declared_note = note(facts, target, self._rules.asked)
        return Origin(
            target, source, path, entry.size, entry.mtime_ns, "", declared_note, entry.size
        )

    def _unusable(self, entry: Unusable, before: SourceState | None) -> Item:
        source = before.source if before is not None else entry.source
        collection = before.collection if before is not None else self._rules.asked
        state = before or self._known.named(collection, source)
        return self._failed(Origin(collection, source, entry.path, 0, 0), entry.failure, state)

    def _bad_facts(self, entry: FoundFile, before: SourceState | None, error: BadFacts) -> Item:
        collection = before.collection if before is not None else self._rules.asked
        origin = self._origin(entry, before, collection, UNREADABLE_FACTS)
        state = before or self._known.named(collection, origin.source)
        item = self._failed(origin, Failure.BAD_FACTS, state)
        return (
            replace(item, sentence=of_file(origin.source, error))
            if isinstance(item, Failed)
            else item
        )

    def _failed(self, origin: Origin, failure: Failure, before: SourceState | None) -> Item:
        """A failure before any byte was read; one in quarantine for it is only shown again."""
        known = before is not None and before.status is SourceStatus.QUARANTINED
        if known and before is not None and before.failure == failure.value:
            return Skipped(origin, before)
        return Failed(origin, failure, sentence(origin.source, failure))

    def _untouched(
        self, entry: FoundFile, before: SourceState, facts: Facts, origin: Origin
    ) -> list[Item] | None:
        """What to say of a file of known place, size and time; None: open it."""
        if not is_of(before, str(entry.path), entry.size, entry.mtime_ns):
            return None
        same_facts = facts_of(before) == facts.digest
        match before.status:
            case SourceStatus.QUARANTINED:
                return [Skipped(origin, before)] if self._stays(before, facts) else None
            case SourceStatus.FAILED:
                certain = before.failure in _CERTAIN and same_facts and before.attempts > 0
                if not certain:  # or released: no attempt counts
                    return None
                return [Failed(origin, Failure(before.failure), before.error, before.digest)]
            case _ if before.splitter != SPLITTER:
                return None
        parts = self._known.parts(before.collection, before.source)
        if any(each.status is SourceStatus.FAILED for each in parts):
            return None
        if same_facts:
            left_out = (each for each in parts if each.status is SourceStatus.QUARANTINED)
            return [Known(origin), *(Skipped(origin_of(each), each) for each in left_out)]
        if parts or before.status is SourceStatus.CONTAINER:
            return None
        return self._described(origin, before, facts)

    @staticmethod
    def _stays(state: SourceState, facts: Facts) -> bool:
        """Whether a quarantined source whose bytes are the same is left alone."""
        described_anew = state.failure == Failure.BAD_FACTS and facts_of(state) != facts.digest
        return not (described_anew or state.failure in _OUTSIDE)

    def _described(self, origin: Origin, before: SourceState, facts: Facts) -> list[Item] | None:
        """New facts for a document that is not read again; None if they send it elsewhere."""
        try:
            told = self._front(before)
            target = named_collection(facts, told.front) or self._rules.asked
            found = declared(facts, told.front)
            if target != before.collection or (found.title or told.own_title) != told.title:
                return None  # sent elsewhere, or embedded under another title
        except BadFacts as error:
            said = of_file(origin.source, error)
            return [Failed(origin, Failure.BAD_FACTS, said, before.digest)]
        origin = replace(
            origin, collection=target, declared=note(facts.digest, target, self._rules.asked)
        )
        digest = before.document_id or before.digest
        return [Described(origin, digest, replace(found, digest=origin.declared))]

    # -- what can be said of a copy ------------------------------------------------------------

    def _piece(self, piece: Piece, bench: Bench) -> Iterator[Item]:
        """All of a file or part of which there is a copy."""
        try:
            told = self._known_bytes(piece)
            if told is not None:
                yield from told
            else:
                yield from self._opening.items(piece, bench, self._piece)
        finally:
            if not piece.passed_on:
                piece.staged.discard()

    def _known_bytes(self, piece: Piece) -> list[Item] | None:
        """What the bytes alone say; None: they must be read."""
        origin, digest = piece.origin, piece.staged.digest
        state = self._known.named(origin.collection, origin.source)
        if state is None:
            return None if piece.depth else self._moved(piece)
        same_facts = (
            facts_of(state) == piece.facts.digest and state.failure != Failure.BAD_FACTS.value
        )
        quarantined = state.status is SourceStatus.QUARANTINED and state.digest == digest
        if quarantined and self._stays(state, piece.facts):
            return [Skipped(origin, state)]
        parts = self._known.parts(origin.collection, origin.source)
        if any(each.status is SourceStatus.FAILED for each in parts):
            return None
        if is_container(state, digest):
            return [Known(origin, True, digest, holds_parts_only=True)] if same_facts else None
        if not is_current(state, digest):
            return None
        if same_facts:
            return [Known(origin, True, digest)]
        return None if parts else self._described(origin, state, piece.facts)

    def _moved(self, piece: Piece) -> list[Item] | None:
        """A new source whose bytes are those of a file that is no longer there."""
        origin, digest = piece.origin, piece.staged.digest
        old = self._known.gone(origin.collection, digest)
        if old is None:
            return None
        moved = Moved(origin, old.source, digest)
        if facts_of(old) == piece.facts.digest or old.status is not SourceStatus.INDEXED:
            return [moved]
        return [moved, *(self._described(origin, old, piece.facts) or ())]


def origin_of(state: SourceState) -> Origin:
    """Where the journal says that a source was found."""
    return Origin(
        state.collection,
        state.source,
        state.path,
        state.size,
        state.mtime_ns,
        state.container,
        state.declared,
    )
