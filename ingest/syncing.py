"""Keeps a collection in step with a folder: looks, plans (`ingest.sync`), and carries it out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from index.records import SourceState, SourceStatus
from index.store import Index
from ingest.effects import by_collection
from ingest.errors import FolderMissing, NoSuchPath, NotAFolder
from ingest.facts import BadFacts, Facts, Folders, for_file
from ingest.items import Known, Moved, Origin
from ingest.job import Job
from ingest.known import UNREADABLE_FACTS, belongs, facts_of, file_level
from ingest.manifest import digest_of, known_digest
from ingest.sync import Move, SyncPlan, guard, plan
from ingest.walk import FoundFile, Unusable, source_name, walk

Waits = Callable[[FoundFile], bool]
"""Whether a new or changed file may not be whole yet, and is left for a later comparison."""


def _nothing_waits(_: FoundFile) -> bool:
    return False


class Syncing:
    """One comparison of `folder` with what runs into `collection` know of it; the data folder
    `home` is left out.
    """

    def __init__(
        self,
        index: Index,
        folder: Path,
        collection: str,
        home: Path,
        *,
        rehash: bool = False,
        waits: Waits | None = None,
    ) -> None:
        self.folder = folder
        self._index = index
        self._asked = collection
        self._rehash = rehash
        self._waits = waits or _nothing_waits
        self._home = home
        self._facts = Folders()
        self._digests: dict[Path, str] = {}
        self._asked_for: dict[Path, bool] = {}

    def plan(
        self, max_share: float, *, confirmed: bool = False, keep_missing: bool = False
    ) -> SyncPlan:
        """What is to be done. Changes nothing. `keep_missing`: nothing is to be deleted.

        Raises:
            NotAFolder, NoSuchPath, FolderMissing, TooManyDeletions.
        """
        known = [
            state
            for state in self._index.sources_under(str(self.folder))
            if belongs(state, self._asked)
        ]
        found = self._found(known, confirmed)
        made = self._planned(found, known, ())
        if made.added:
            strays = self._strays(known)
            made = self._planned(found, known, strays) if strays else made
        if keep_missing:
            return replace(made, deleted=())
        if not confirmed:
            guard(str(self.folder), made, known, len(found), max_share)
        return made

    def _found(self, known: Sequence[SourceState], confirmed: bool) -> list[FoundFile | Unusable]:
        folder = self.folder
        if not os.path.lexists(folder):
            if confirmed and known:
                return []
            raise FolderMissing(str(folder), len(known)) if known else NoSuchPath(str(folder))
        if folder.exists() and not folder.is_dir():
            raise NotAFolder(str(folder))
        found = list(walk([folder], but=self._home))
        if any(isinstance(each, Unusable) and each.path == str(folder) for each in found):
            raise FolderMissing(str(folder), len(known))
        return found

    def _planned(
        self,
        found: Sequence[FoundFile | Unusable],
        known: Sequence[SourceState],
        strays: Sequence[SourceState],
    ) -> SyncPlan:
        return plan(
            found,
            known,
            self._digest,
            self._facts_digest,
            rehash=self._rehash,
            strays=strays,
            waits=self._waits_once,
        )

    def _waits_once(self, file: FoundFile) -> bool:
        """As `waits` says; a file is asked for once, though the plan may be made twice."""
        if file.path not in self._asked_for:
            self._asked_for[file.path] = self._waits(file)
        return self._asked_for[file.path]

    def _strays(self, known: Sequence[SourceState]) -> list[SourceState]:
        """Sources from other folders whose files are gone: they may have been moved here."""
        here = {(each.collection, each.source) for each in known}
        states = file_level(
            each for each in self._index.sources(self._asked) if belongs(each, self._asked)
        )
        return [
            each
            for each in states.values()
            if (each.collection, each.source) not in here and not os.path.lexists(each.path)
        ]

    def _digest(self, file: FoundFile) -> str:
        if file.path not in self._digests:
            self._digests[file.path] = digest_of(file.path)
        return self._digests[file.path]

    def _facts_digest(self, file: FoundFile) -> str:
        try:
            return self._facts_of(file).digest
        except BadFacts:
            return UNREADABLE_FACTS

    def _facts_of(self, file: FoundFile) -> Facts:
        return for_file(file.path, file.root, self._facts) if file.described else Facts()

    # -- carrying it out -----------------------------------------------------------------------

    def carry_out(self, made: SyncPlan, job: Job) -> None:
        """Do what the plan says: move, delete, then read. Raises AuditError, IndexFailure."""
        self.settle(made, job)
        to_read = list(made.to_read)
        deleted = list(made.deleted)
        for move in made.moved:
            if self._stays_in_collection(move):
                self._move(move, job)
                if facts_of(move.old) != self._facts_digest(move.file):
                    to_read.append(move.file)
            else:
                to_read.append(move.file)
                deleted.append(move.old)
        for collection, states in by_collection(self._with_parts(deleted)).items():
            job.effects.remove(collection, states)
            job.tally.removed += len(states)
        if to_read:
            job.work(to_read, self._index.sources_under(str(self.folder)))

    def settle(self, made: SyncPlan, job: Job) -> None:
        """Note new times of the same bytes, and count what is left as it is."""
        for file, state in made.touched:
            job.effects.touch(_touched(file, state))
        job.tally.unchanged += made.unchanged + len(made.touched)
        for state in made.quarantined:
            job.tally.quarantine(state)

    def _stays_in_collection(self, move: Move) -> bool:
        """Whether the file's facts, as they are at its new place, leave it where it is."""
        try:
            facts = self._facts_of(move.file)
        except BadFacts:
            return True
        if facts.digest == facts_of(move.old):
            return True
        return (facts.collection or self._asked) == move.old.collection

    def _move(self, move: Move, job: Job) -> None:
        file, old = move.file, move.old
        holder = self._index.source_state(old.collection, file.source)
        held_by = holder.path if holder is not None else None
        source = source_name(file, held_by, held_by is not None and os.path.lexists(held_by))
        origin = Origin(
            old.collection, source, str(file.path), file.size, file.mtime_ns, "", old.declared
        )
        if source == old.source:
            job.effects.touch(replace(_touched(file, old), origin=origin))
        else:
            job.effects.move(Moved(origin, old.source, known_digest(old)))
        job.tally.moved += 1

    def _with_parts(self, states: Sequence[SourceState]) -> list[SourceState]:
        """Sources with all of their parts, which go with them."""
        found = {(each.collection, each.source): each for each in states}
        paths = {each.path for each in states}
        for each in self._index.sources_under(str(self.folder)):
            if each.container and each.path in paths and belongs(each, self._asked):
                found.setdefault((each.collection, each.source), each)
        return list(found.values())


def _touched(file: FoundFile, state: SourceState) -> Known:
    origin = Origin(
        state.collection,
        state.source,
        str(file.path),
        file.size,
        file.mtime_ns,
        state.container,
        state.declared,
    )
    parts_only = state.status is SourceStatus.CONTAINER
    return Known(origin, True, known_digest(state), parts_only)
