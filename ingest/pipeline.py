"""Ingestion as a use case: add, sync, retry, list, remove, verify, recorded before and after.

One process at a time adds to a data folder. A run that was killed is simply run again: what it had
committed is known and skipped, what it had committed without recording is recorded now, and what
it was killed with counts as an attempt at that file.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from audit.errors import AuditError
from audit.ports import AuditLog
from audit.record import Actor, Event
from index.document import Document, Scope
from index.files import FileLock, private_folder
from index.records import IndexStatus, Problem, Purged, SourceState, SourceStatus
from index.store import Index
from ingest import events
from ingest.chunk import SPLITTER
from ingest.effects import LOCAL, Effects
from ingest.erasing import Erasing
from ingest.errors import (
    AlreadyIngesting,
    Failure,
    NoSuchPath,
    NothingToRead,
    UnknownSource,
    sentence,
)
from ingest.events import Run
from ingest.impact import recall
from ingest.items import Failed, Origin
from ingest.job import Job, Notify, Plan
from ingest.known import home_of
from ingest.naming import named, root_of, with_parts
from ingest.progress import FailedSource, Quarantined, Summary
from ingest.readers import Sandboxes
from ingest.sync import SyncSummary
from ingest.syncing import Syncing, Waits
from ingest.walk import FoundFile, Unusable, printable, walk

__all__ = ["LOCAL", "Ingestor", "Plan"]


class Ingestor:
    """Adds to, lists and removes from an index, and writes the log of it. A context manager."""

    def __init__(self, index: Index, log: AuditLog, actor: Actor, plan: Plan) -> None:
        self._index = index
        self._log = log
        self._actor = actor
        self._plan = plan
        self._sandboxes = Sandboxes(plan.readers, plan.folder, plan.limits, plan.stand_in)
        private_folder(plan.folder)

    def add(
        self,
        paths: Sequence[Path],
        collection: str = "default",
        progress: Notify | None = None,
    ) -> Summary:
        """Read the files at and below `paths` into `collection`, which is created if need be.

        Files that cannot be read are in the summary, with the reason; the others are committed.
        What is no longer there stays: `sync` is what forgets.

        Raises:
            NothingToRead, NoSuchPath: no path, or none that exists.
            AlreadyIngesting: another process is at it.
            ReaderUnavailable: documents cannot be read at all.
            IndexFailure: the index cannot take them (no space, locked, another embedder).
            AuditError: the log cannot record it; what is not recorded was not done.
        """
        if not paths:
            raise NothingToRead
        run = self._run(collection)
        shown = [printable(os.path.abspath(path)) for path in paths]  # noqa: PTH100

        def work(job: Job) -> None:
            job.tally.failed += self._refuse_missing(run, paths)
            there = [path for path in paths if os.path.lexists(path)]
            job.effects.ensure(collection)
            found = list(walk(there, but=self._plan.folder.parent))
            below = [
                state
                for path in there
                for state in self._index.sources_under(os.path.abspath(path))  # noqa: PTH100
            ]
            job.work(found, below)

        return self._recorded(run, events.started(run, shown, SPLITTER), work, progress)

    def sync(
        self,
        folder: Path,
        collection: str = "default",
        *,
        dry_run: bool = False,
        confirmed: bool = False,
        rehash: bool = False,
        waits: Waits | None = None,
        keep_missing: bool = False,
        progress: Notify | None = None,
    ) -> SyncSummary:
        """Make the index say what `folder` says: add, change, move and delete.

        `confirmed`: delete however much is gone; `rehash`: compare bytes even where size and time
        are the same; `waits`: says of a new or changed file whether to leave it for later;
        `keep_missing`: delete nothing.

        A dry run only says what would be done, and a run that finds nothing to do did nothing:
        neither is recorded, because the log records effects, and a watched folder is compared
        every minute.

        Raises:
            FolderMissing, NotAFolder: there is no such folder, or it cannot be read.
            TooManyDeletions: so much is gone that it may be a mistake, and it is not `confirmed`.
            as `add` does.
        """
        run = self._run(collection)
        absolute = Path(os.path.abspath(folder))  # noqa: PTH100 - keeps links
        home = self._plan.folder.parent
        syncing = Syncing(self._index, absolute, collection, home, rehash=rehash, waits=waits)
        share = self._plan.max_delete_share
        if dry_run:
            made = syncing.plan(share, confirmed=confirmed, keep_missing=keep_missing)
            return SyncSummary(made, None)
        with self._alone():
            job = self._job(run, progress)
            job.recover()
            made = syncing.plan(share, confirmed=confirmed, keep_missing=keep_missing)
            if made.is_empty:
                syncing.settle(made, job)
                return SyncSummary(made, job.summary())
            shown = [printable(str(syncing.folder))]
            self._log.append(events.started(run, shown, SPLITTER, "sync"))
            with self._stopped_recorded(run):
                self._log.append(events.planned(run, made.counts, confirmed))
                job.effects.ensure(collection)
                syncing.carry_out(made, job)
                summary = job.summary()
                self._log.append(events.finished(run, summary))
        return SyncSummary(made, summary)

    def retry(
        self,
        names: Sequence[str] = (),
        collection: str = "default",
        progress: Notify | None = None,
    ) -> Summary:
        """Read again what failed or is in quarantine: all of a collection, or what `names` name.

        Raises UnknownSource (nothing of that name has failed), and as `add` does.
        """
        run = self._run(collection)
        chosen = self._chosen(names, collection, (SourceStatus.FAILED, SourceStatus.QUARANTINED))

        def work(job: Job) -> None:
            for state in chosen:
                job.effects.release(state)
            states = self._index.sources(collection)
            for asked in sorted({home_of(state) for state in chosen}):
                files = {state.path: state for state in chosen if home_of(state) == asked}
                job.work([*self._found_again(files, states)], states, asked)

        shown = sorted({state.path for state in chosen})
        started = events.started(run, shown, SPLITTER, "retry")
        return self._recorded(run, started, work, progress)

    @staticmethod
    def _found_again(
        files: dict[str, SourceState], states: Sequence[SourceState]
    ) -> Iterator[FoundFile | Unusable]:
        """The files at these paths, under the folder that each was found in."""
        level = {state.path: state for state in states if not state.container}
        for path, state in files.items():
            root = root_of(level.get(path, state))
            for entry in walk([Path(path)]):
                yield (
                    replace(entry, root=root, described=True)
                    if isinstance(entry, FoundFile)
                    else entry
                )

    def release(self, names: Sequence[str] = (), collection: str = "default") -> tuple[str, ...]:
        """Take sources out of quarantine: the next run tries them as if they had never failed.

        Returns the sources released. Raises UnknownSource, IndexFailure, AuditError.
        """
        chosen = self._chosen(names, collection, (SourceStatus.QUARANTINED,))
        effects = self._effects(self._run(collection))
        for state in chosen:
            effects.release(state)
        return tuple(state.source for state in chosen)

    def _chosen(
        self, names: Sequence[str], collection: str, wanted: Sequence[SourceStatus]
    ) -> list[SourceState]:
        """The sources in one of these states, all or those named. Raises UnknownSource."""
        states = self._index.sources(collection)
        if not names:
            return [state for state in states if state.status in wanted]
        chosen: dict[str, SourceState] = {}
        for name in names:
            found = with_parts(named(name, states), states)
            those = [each for each in found if each.status in wanted]
            if not those:
                raise UnknownSource(name, collection)
            chosen |= {each.source: each for each in those}
        return list(chosen.values())

    def list(self, collection: str = "default", every: bool = False) -> tuple[Document, ...]:
        """The current documents of a collection, by source; `every` one: drafts, withdrawn and
        superseded ones, too.
        """
        scope = Scope(frozenset({collection}))
        found = self._index.all_documents(scope) if every else self._index.documents(scope)
        return tuple(found)

    def sources(self, collection: str = "default") -> tuple[SourceState, ...]:
        """What the journal knows of each source of a collection: how the last attempt ended, how
        often it failed and why, what it is part of.
        """
        return tuple(self._index.sources(collection))

    def status(self) -> IndexStatus:
        """Counts of all collections, and how far the views are behind."""
        return self._index.status()

    def quarantined(self) -> tuple[Quarantined, ...]:
        """What is in quarantine, of all collections, with its reason and how often it failed."""
        return tuple(
            Quarantined(each.source, each.collection, each.failure, each.error, each.attempts)
            for collection in self._index.collections()
            for each in self._index.sources(collection.name)
            if each.status is SourceStatus.QUARANTINED
        )

    def remove(self, name: str, collection: str = "default") -> tuple[str, ...]:
        """Forget what `name` names: a source with its parts, a document id (its first 8 digits or
        more), or a file by its name. Returns the sources removed.

        Raises UnknownSource, IndexFailure, AuditError.
        """
        states = self._index.sources(collection)
        chosen = with_parts(named(name, states), states)
        if not chosen:
            raise UnknownSource(name, collection)
        self._effects(self._run(collection)).remove(collection, chosen)
        recall(self._index, self._log, self._actor)
        return tuple(state.source for state in chosen)

    def verify(self, repair: bool = False, purge: bool = False) -> tuple[Problem, ...]:
        """Compare originals, catalogue and views; with `repair` mend what can be mended, with
        `purge` then take out of the files what was deleted.
        """
        problems = tuple(self._index.verify(repair))
        repaired = sum(problem.repaired for problem in problems)
        self._log.append(events.verified(self._run(""), len(problems), repaired))
        if purge:
            problems += self.purge().problems
        return problems

    def purge(self) -> Purged:
        """Take every byte of what was deleted out of the index's files, and say what it saved.

        Raises AlreadyIngesting, IndexFailure, AuditError.
        """
        run = self._run("")
        with self._alone():
            self._job(run, None).recover()
            self._log.append(events.purging(run))
            done = self._index.purge()
            self._log.append(events.purged(run, done))
        return done

    @contextmanager
    def erasing(self) -> Iterator[Erasing]:
        """What erases documents, while no other process ingests; what earlier runs have left
        behind is recorded and cleared away first.

        Raises AlreadyIngesting, IndexFailure, AuditError.
        """
        run = self._run("")
        with self._alone():
            self._job(run, None).recover()
            yield Erasing(self._index, self._log, run)

    # -- runs ----------------------------------------------------------------------------------

    def _recorded(
        self,
        run: Run,
        started: Event,
        work: Callable[[Job], None],
        progress: Notify | None,
    ) -> Summary:
        """Do `work` alone, between the records of its beginning and of its end."""
        with self._alone():
            self._log.append(started)
            with self._stopped_recorded(run):
                job = self._job(run, progress)
                job.recover()
                work(job)
                summary = job.summary()
                self._log.append(events.finished(run, summary))
        return summary

    @contextmanager
    def _stopped_recorded(self, run: Run) -> Iterator[None]:
        """Record that a run ended before its end, unless it is the log that fails."""
        try:
            yield
        except AuditError:
            raise
        except BaseException as error:
            self._log.append(events.stopped(run, type(error).__name__))
            raise

    def _refuse_missing(self, run: Run, paths: Sequence[Path]) -> Sequence[FailedSource]:
        """Record each path that is not there. Raises NoSuchPath if none is."""
        failed = []
        for path in paths:
            if not os.path.lexists(path):
                shown = printable(str(path))
                origin = Origin(run.collection, shown, shown, 0, 0)
                item = Failed(origin, Failure.GONE, sentence(shown, Failure.GONE))
                self._log.append(events.failed(run, item))
                failed.append(FailedSource(shown, item.failure, item.sentence))
        if len(failed) == len(paths):
            raise NoSuchPath(failed[0].source)
        return failed

    def _run(self, collection: str) -> Run:
        return Run(uuid.uuid4().hex, self._actor, collection)

    def _job(self, run: Run, notify: Notify | None) -> Job:
        return Job(self._index, self._log, run, self._plan, self._sandboxes, notify)

    def _effects(self, run: Run) -> Effects:
        return Effects(self._index, self._log, run, self._plan.max_attempts)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = FileLock(self._plan.folder / "ingest.lock")
        if not lock.acquire():
            raise AlreadyIngesting(self._plan.folder.parent)
        try:
            yield
            recall(self._index, self._log, self._actor)
        finally:
            lock.release()

    def close(self) -> None:
        """End the reading processes and close the index; the log is its opener's."""
        self._sandboxes.close()
        self._index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
