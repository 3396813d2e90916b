"""Ingestion as a use case: add, list, remove, verify, each recorded before and after.

One process at a time adds to a data folder. A run that was killed is simply run again: what it had
committed is known and skipped, what it had committed without recording is recorded now.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from audit.errors import AuditError
from audit.log import Log
from audit.record import Actor
from index.document import Document, Scope
from index.files import FileLock, private_folder
from index.records import IndexStatus, Problem, SourceState
from index.store import Index
from ingest import events, staging
from ingest.ahead import Ahead
from ingest.chunk import SPLITTER, Window
from ingest.commit import Committer, record_changes
from ingest.errors import (
    AlreadyIngesting,
    Failure,
    NoSuchPath,
    NothingToRead,
    UnknownSource,
    sentence,
)
from ingest.events import Run
from ingest.intake import Failed, Intake, Origin
from ingest.progress import FailedSource, Progress, Summary, Tally
from ingest.sandbox import ReadLimits, Sandbox
from ingest.walk import FoundFile, Unusable, printable, walk

LOCAL = "local"
"""The group of whoever can use this machine's terminal account; may read new collections."""

_AHEAD = 16  # documents or records read ahead
_ID_DIGITS = 8  # of a document's id suffice to name it, if no other begins so


@dataclass(frozen=True, slots=True)
class Plan:
    """How to ingest. `folder` takes private copies and the lock; `max_bytes` of one file."""

    folder: Path
    limits: ReadLimits = field(default_factory=ReadLimits)
    max_bytes: int = 512 << 20
    passwords: tuple[str, ...] = ()
    chunk_tokens: int = 200
    batch_chunks: int = 512
    stand_in: Path | None = None  # a reader for tests


class Ingestor:
    """Adds to, lists and removes from an index, and writes the log of it. A context manager."""

    def __init__(self, index: Index, log: Log, actor: Actor, plan: Plan) -> None:
        self._index = index
        self._log = log
        self._actor = actor
        self._plan = plan
        self._sandbox = Sandbox(plan.limits, plan.stand_in)
        private_folder(plan.folder)

    def add(
        self,
        paths: Sequence[Path],
        collection: str = "default",
        progress: Callable[[Progress], None] | None = None,
    ) -> Summary:
        """Read the files at and below `paths` into `collection`, which is created if need be.

        Files that cannot be read are in the summary, with the reason; the others are committed.

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
        with self._alone():
            shown = [printable(os.path.abspath(path)) for path in paths]  # noqa: PTH100
            self._log.append(events.started(run, shown, SPLITTER))
            try:
                record_changes(self._index, self._log, run, recovered=True)
                missing = self._refuse_missing(run, paths)
                there = [path for path in paths if os.path.lexists(path)]
                self._ensure_collection(run)
                summary = self._add(run, there, missing, progress)
                self._log.append(events.finished(run, summary))
            except AuditError:
                raise
            except BaseException as error:
                self._log.append(events.stopped(run, type(error).__name__))
                raise
        return summary

    def _add(
        self,
        run: Run,
        paths: Sequence[Path],
        missing: Sequence[FailedSource],
        progress: Callable[[Progress], None] | None,
    ) -> Summary:
        began = time.monotonic()
        staging.sweep(self._plan.folder)
        states = {state.source: state for state in self._index.sources(run.collection)}
        found = list(walk(paths))
        tally = Tally(files_total=len(found), bytes_total=sum(_size(entry) for entry in found))
        committer = Committer(
            self._index,
            self._log,
            run,
            dict(states),
            window=self._window(),
            batch_chunks=self._plan.batch_chunks,
            tally=tally,
            notify=progress,
        )
        plan = self._plan
        intake = Intake(self._sandbox, states, plan.folder, plan.max_bytes, plan.passwords)
        try:
            with Ahead(intake.items(found), _AHEAD, self._sandbox.interrupt) as items:
                for item in items:
                    committer.take(item)
            committer.flush()
            if tally.added or tally.changed or tally.duplicates:
                self._index.refresh()
        finally:
            staging.sweep(self._plan.folder)
        failed = (*missing, *committer.failed)
        return tally.summary(run.id, run.collection, failed, time.monotonic() - began)

    def _window(self) -> Window:
        return Window(self._index.embedder.max_tokens, self._plan.chunk_tokens)

    def _refuse_missing(self, run: Run, paths: Sequence[Path]) -> list[FailedSource]:
        """Record each path that is not there. Raises NoSuchPath if none is."""
        failed = []
        for path in paths:
            if not os.path.lexists(path):
                shown = printable(str(path))
                item = Failed(
                    Origin(shown, shown, 0, 0), Failure.GONE, sentence(shown, Failure.GONE)
                )
                self._log.append(events.failed(run, item))
                failed.append(FailedSource(shown, item.failure, item.sentence))
        if len(failed) == len(paths):
            raise NoSuchPath(failed[0].source)
        return failed

    def _ensure_collection(self, run: Run) -> None:
        if run.collection not in {each.name for each in self._index.collections()}:
            self._log.append(events.granted(run, [LOCAL]))
            self._index.ensure_collection(run.collection, frozenset({LOCAL}))

    def list(self, collection: str = "default") -> tuple[Document, ...]:
        """The current documents of a collection, by source."""
        return tuple(self._index.documents(Scope(frozenset({collection}))))

    def sources(self, collection: str = "default") -> tuple[SourceState, ...]:
        """What the journal knows of each source of a collection, failures included."""
        return tuple(self._index.sources(collection))

    def status(self) -> IndexStatus:
        """Counts of all collections, and how far the views are behind."""
        return self._index.status()

    def remove(self, name: str, collection: str = "default") -> tuple[str, ...]:
        """Forget what `name` names: a source, a document id (its first 8 digits or more), or the
        records of a JSONL file by the file's name. Returns the sources removed.

        Raises UnknownSource, IndexFailure, AuditError.
        """
        run = self._run(collection)
        states = _named(name, self._index.sources(collection))
        if not states:
            raise UnknownSource(name, collection)
        digests = sorted({state.document_id for state in states if state.document_id})
        self._log.append_many(list(events.intended(run, digests, "remove")))
        removed = tuple(state.source for state in states)
        for source in removed:
            self._index.remove(collection, source)
        record_changes(
            self._index,
            self._log,
            run,
            lambda of, source: of == collection and source in removed,
        )
        return removed

    def verify(self, repair: bool = False) -> tuple[Problem, ...]:
        """Compare originals, catalogue and views; with `repair` mend what can be mended."""
        problems = tuple(self._index.verify(repair))
        repaired = sum(problem.repaired for problem in problems)
        self._log.append(events.verified(self._run(""), len(problems), repaired))
        return problems

    def _run(self, collection: str) -> Run:
        return Run(uuid.uuid4().hex, self._actor, collection)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = FileLock(self._plan.folder / "ingest.lock")
        if not lock.acquire():
            raise AlreadyIngesting(self._plan.folder.parent)
        try:
            yield
        finally:
            lock.release()

    def close(self) -> None:
        """End the reading process and close the index; the log is its opener's."""
        self._sandbox.close()
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


def _size(entry: FoundFile | Unusable) -> int:
    return entry.size if isinstance(entry, FoundFile) else 0


def _named(name: str, states: Sequence[SourceState]) -> list[SourceState]:
    """The sources that `name` names: by source, else by document id, else by the file's name."""
    exact = [state for state in states if state.source == name]
    if exact:
        return exact
    held = [
        state
        for state in states
        if len(name) >= _ID_DIGITS and (state.document_id or "").startswith(name.lower())
    ]
    if held and len({state.document_id for state in held}) == 1:
        return held
    return [state for state in states if name in (state.path, Path(state.path).name)]
