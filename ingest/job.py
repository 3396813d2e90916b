"""One run: what it takes from the runs before it, its stream of work, and what it tells at the end.

Held by a process that has the data folder's lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audit.ports import AuditLog
from index.document import Scope
from index.errors import NotFound
from index.records import SourceState
from index.store import Index
from ingest import marks, staging
from ingest.chunk import Window
from ingest.commit import Committer, Cutting
from ingest.effects import Effects, record_changes
from ingest.errors import Failure, sentence
from ingest.events import Run
from ingest.front import Told, told
from ingest.intake import Intake
from ingest.items import Failed
from ingest.known import KnownSources
from ingest.marks import Mark
from ingest.opening import Rules
from ingest.options import ReadOptions
from ingest.progress import Progress, Summary, Tally
from ingest.readers import Readers, Sandboxes
from ingest.sandbox import ReadLimits
from ingest.walk import FoundFile, Unusable

Notify = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to ingest. `folder` takes private copies, marks and the lock; sizes in bytes."""

    folder: Path
    limits: ReadLimits = field(default_factory=ReadLimits)
    options: ReadOptions = field(default_factory=ReadOptions)
    max_bytes: int = 512 << 20  # of one file
    max_depth: int = 3  # of containers in containers
    max_attempts: int = 3
    max_delete_share: float = 0.2
    min_free: int = 256 << 20
    readers: int = 2
    chunk_tokens: int = 200
    batch_chunks: int = 512
    stand_in: Path | None = None  # a reader for tests


class Job:
    """One run of the ingestion."""

    def __init__(
        self,
        index: Index,
        log: AuditLog,
        run: Run,
        plan: Plan,
        sandboxes: Sandboxes,
        notify: Notify | None = None,
    ) -> None:
        self._index = index
        self._log = log
        self._run = run
        self._plan = plan
        self._sandboxes = sandboxes
        self._notify = notify
        self._began = time.monotonic()
        self.effects = Effects(index, log, run, plan.max_attempts)
        self.tally = Tally()

    def recover(self) -> None:
        """Record what earlier runs could not, and count what they were killed with as attempts."""
        record_changes(self._index, self._log, self._run, recovered=True)
        for each in marks.left(self._plan.folder):
            said = sentence(each.origin.source, Failure.INTERRUPTED)
            item = Failed(each.origin, Failure.INTERRUPTED, said, each.digest)
            weight = 1 if each.explained else marks.UNEXPLAINED
            for state in self.effects.fail([item], self._index.source_state, weight):
                self.tally.quarantine(state)
        marks.sweep(self._plan.folder)
        staging.sweep(self._plan.folder)

    def work(
        self,
        entries: Sequence[FoundFile | Unusable],
        below: Sequence[SourceState],
        collection: str = "",
    ) -> None:
        """Take in what was found, into `collection`, or that of the run. `below` are the sources
        known from where it was found.

        What a run was killed with comes last: all else gets done whatever that file does, and a
        file that just happened to be read when runs were killed is not met by each of them.
        """
        plan, tally = self._plan, self.tally
        tally.files_total += len(entries)
        tally.bytes_total += sum(each.size for each in entries if isinstance(each, FoundFile))
        asked = collection or self._run.collection
        known = KnownSources(asked, self._index.sources, below)
        rules = Rules(
            asked=asked,
            folder=plan.folder,
            options=plan.options,
            max_bytes=plan.max_bytes,
            max_depth=plan.max_depth,
            least_free=plan.min_free,
        )
        intake = Intake(rules, known, self._told)
        cutting = Cutting(
            self._window, plan.batch_chunks, plan.options.keep_hidden, Mark(plan.folder, "commit")
        )
        committer = Committer(self._index, self.effects, known, cutting, tally, self._notify)
        try:
            suspects = known.interrupted()
            ordered = sorted(entries, key=lambda each: suspects.get(str(each.path), 0))
            with Readers(self._sandboxes, ordered, intake.items) as items:
                for item in items:
                    committer.take(item)
            committer.flush()
        finally:
            staging.sweep(plan.folder)

    def summary(self) -> Summary:
        """What the run did; brings the views up to date first."""
        tally = self.tally
        if tally.added or tally.changed or tally.duplicates or tally.removed or tally.described:
            self._index.refresh()
            self._index.compact()
        return tally.summary(self._run.id, self._run.collection, time.monotonic() - self._began)

    def _window(self) -> Window:
        return Window(self._index.embedder.max_tokens, self._plan.chunk_tokens)

    def _told(self, state: SourceState) -> Told:
        if state.document_id is None:
            return Told()
        scope = Scope(frozenset({state.collection}))
        try:
            return told(self._index.document(state.document_id, scope))
        except NotFound:  # removed meanwhile
            return Told()
