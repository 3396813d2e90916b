"""From documents read to documents committed: cut, embedded in large batches, recorded, stored.

Each batch is recorded before and after it is committed. If the first record fails nothing is
committed; if the process dies in between, the catalogue knows which commits have no second record
and the next run writes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audit.log import Log
from index.context import searchable_text
from index.document import Chunk
from index.errors import InvalidDocument, NotFound
from index.records import NewDocument, SourceState, SourceStatus, Vectors
from index.store import Index
from ingest import events
from ingest.chunk import SPLITTER, Cut, Window, cut_all
from ingest.errors import Failure, sentence
from ingest.events import Run
from ingest.intake import Duplicate, Failed, FileDone, Item, Known, Origin, Ready
from ingest.progress import FailedSource, Progress, Tally

_CUT_DOCUMENTS = 256  # documents that wait to be cut together
_CUT_CHARACTERS = 300_000  # or so much text
_EMBED_AT_ONCE = 128  # passages between two reports of progress
_TITLE_CHARACTERS = 200
_FAILURES_AT_ONCE = 256
_REPORT_SECONDS = 0.1  # between two reports of progress, at least


@dataclass(frozen=True, slots=True)
class _CutDocument:
    """A document and its chunks, waiting to be embedded."""

    item: Ready
    title: str
    chunks: tuple[Chunk, ...]


class Committer:
    """Takes items in order; call `flush` at the end. One run, one thread."""

    def __init__(
        self,
        index: Index,
        log: Log,
        run: Run,
        states: Mapping[str, SourceState],
        *,
        window: Window,
        batch_chunks: int,
        tally: Tally,
        notify: Callable[[Progress], None] | None = None,
    ) -> None:
        self._index = index
        self._log = log
        self._run = run
        self._states = states
        self._window = window
        self._batch_chunks = batch_chunks
        self._tally = tally
        self._notify = notify
        self._began = time.monotonic()
        self._embedding = 0.0  # seconds
        self._waiting: list[Ready] = []
        self._characters = 0  # of these
        self._cut: list[_CutDocument] = []
        self._failures: list[Failed] = []
        self._done: list[FileDone] = []
        self._failed_before = _failed_before(states)
        self._reported = 0.0
        self.failed: list[FailedSource] = []

    def take(self, item: Item) -> None:
        """Work on one item. Raises AuditError, IndexFailure."""
        match item:
            case Ready():
                self._waiting.append(item)
                self._characters += sum(len(read.page.text) for read in item.document.pages)
                self._tally.current = item.origin.source
                self._cut_if_due()
            case Known():
                if item.touch:
                    origin = item.origin
                    self._index.touch_source(self._run.collection, *_columns(origin))
                self._tally.unchanged += 1
                self._tally.bytes_done += item.origin.size
            case Duplicate():
                self.flush()
                self._link(item)
            case Failed():
                self._fail(item)
            case FileDone():
                self._done.append(item)
                self._settle()
        if not isinstance(item, Ready):
            self._report()

    def flush(self) -> None:
        """Commit all that waits. Raises AuditError, IndexFailure."""
        self._cut_waiting()
        batch, self._cut = self._cut, []
        if batch:
            vectors = self._embedded(batch)
            new = [
                _new_document(self._run.collection, cut, part)
                for cut, part in zip(batch, vectors, strict=True)
            ]
            self._commit(new)
            for cut, each in zip(batch, new, strict=True):
                self._count(cut, each)
        self._journal_failures()
        self._settle()
        self._report()

    def _cut_if_due(self) -> None:
        if len(self._waiting) < _CUT_DOCUMENTS and self._characters < _CUT_CHARACTERS:
            return
        self._cut_waiting()
        if sum(len(cut.chunks) for cut in self._cut) >= self._batch_chunks:
            self.flush()

    def _cut_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._characters = 0
        titles = [_title(item) for item in waiting]
        cuts = [
            Cut(item.digest, title, item.document.pages, whole=bool(item.document.name))
            for item, title in zip(waiting, titles, strict=True)
        ]
        chunks = cut_all(cuts, self._index.embedder.token_counts, self._window)
        self._cut += map(_CutDocument, waiting, titles, chunks)

    def _embedded(self, batch: Sequence[_CutDocument]) -> list[Vectors]:
        """For each document one unit vector a chunk. Long passages go together with long ones."""
        texts = [searchable_text(cut.title, chunk) for cut in batch for chunk in cut.chunks]
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        found = np.zeros((len(texts), self._index.embedder.dimensions), np.float32)
        size = sum(cut.item.origin.size for cut in batch)
        for first in range(0, len(order), _EMBED_AT_ONCE):
            part = order[first : first + _EMBED_AT_ONCE]
            began = time.monotonic()
            found[part] = self._index.embedder.embed_passages([texts[at] for at in part])
            self._embedding += time.monotonic() - began
            self._tally.embedded += len(part)
            self._report(size * (first + len(part)) / len(order))
        edges = np.cumsum([len(cut.chunks) for cut in batch])[:-1]
        return list(np.split(found, edges))

    def _commit(self, new: Sequence[NewDocument]) -> None:
        self._log.append_many(list(events.intended(self._run, [each.id for each in new], "add")))
        try:
            self._index.put_many(new)
        except InvalidDocument:
            self._commit_singly(new)
        self._record({each.source for each in new})

    def _commit_singly(self, new: Sequence[NewDocument]) -> None:
        """Commit one by one, so that a document that the index refuses costs only itself."""
        for each in new:
            try:
                self._index.put(each)
            except InvalidDocument:
                origin = Origin(each.source, each.path, each.size, each.mtime_ns)
                said = sentence(each.source, Failure.REFUSED)
                self._fail(Failed(origin, Failure.REFUSED, said, each.id))

    def _record(self, sources: set[str]) -> None:
        """Write the records of what this run has just committed for `sources`."""
        record_changes(
            self._index,
            self._log,
            self._run,
            lambda collection, source: collection == self._run.collection and source in sources,
        )

    def _count(self, cut: _CutDocument, new: NewDocument) -> None:
        if cut.item.staged is not None:
            cut.item.staged.discard()
        self._tally.bytes_done += new.size
        if any(failure.origin.source == new.source for failure in self._failures):
            return
        before = self._states.get(new.source)
        if before is not None and before.document_id is not None:
            self._tally.changed += 1
        else:
            self._tally.added += 1
        self._tally.pages += len(new.pages)
        self._tally.chunks += len(new.chunks)

    def _link(self, item: Duplicate) -> None:
        self._log.append_many(list(events.intended(self._run, [item.digest], "link")))
        try:
            self._index.link_source(self._run.collection, *_columns(item.origin), item.digest)
        except NotFound:  # the first of the two was refused, or removed meanwhile
            said = sentence(item.origin.source, Failure.CHANGED)
            self._fail(Failed(item.origin, Failure.CHANGED, said, item.digest))
            return
        self._record({item.origin.source})
        self._tally.duplicates += 1
        self._tally.bytes_done += item.origin.size

    def _fail(self, item: Failed) -> None:
        self._failures.append(item)
        self.failed.append(FailedSource(item.origin.source, item.failure, item.sentence))
        self._tally.bytes_done += item.origin.size
        if len(self._failures) >= _FAILURES_AT_ONCE:
            self._journal_failures()

    def _journal_failures(self) -> None:
        failures, self._failures = self._failures, []
        if failures:
            self._log.append_many([events.failed(self._run, item) for item in failures])
        for item in failures:
            self._index.record_failure(self._run.collection, *_columns(item.origin), item.sentence)

    def _settle(self) -> None:
        """Once nothing of them waits: count files as done, forget failures that are mended."""
        if self._waiting or self._cut:
            return
        done, self._done = self._done, []
        for file in done:
            self._tally.files_done += 1
            for source in self._failed_before.pop(file.path, ()):
                if _is_stale(source, file):
                    self._index.remove(self._run.collection, source)

    def _report(self, embedded_bytes: float = 0.0) -> None:
        seconds = time.monotonic() - self._began
        if self._notify is not None and seconds - self._reported >= _REPORT_SECONDS:
            self._reported = seconds
            self._notify(
                self._tally.progress(seconds, self._embedding, len(self.failed), embedded_bytes)
            )


def record_changes(
    index: Index,
    log: Log,
    run: Run,
    wanted: Callable[[str, str], bool] = lambda collection, source: True,
    recovered: bool = False,
) -> int:
    """Write the records that commits lack, of those `wanted(collection, source)`; how many."""
    lacking = [each for each in index.unrecorded() if wanted(each.collection, each.source)]
    if lacking:
        log.append_many([events.changed(run, each, recovered) for each in lacking])
        index.mark_recorded(each.generation for each in lacking)
    return len(lacking)


def _failed_before(states: Mapping[str, SourceState]) -> dict[str, list[str]]:
    """The sources that were never indexed for a failure, by the path of their file."""
    found: dict[str, list[str]] = {}
    for state in states.values():
        if state.status is SourceStatus.FAILED and state.document_id is None:
            found.setdefault(state.path, []).append(state.source)
    return found


def _is_stale(source: str, file: FileDone) -> bool:
    """Whether a failure noted earlier for a file of records, or a line of it, did not come again.

    A document that was read takes the place of its own failure; a file of records or a line of it
    is no source once it is read.
    """
    own = source == file.source or source.startswith(f"{file.source}:")
    return own and file.records and source not in file.failed


def _columns(origin: Origin) -> tuple[str, str, int, int]:
    return origin.source, origin.path, origin.size, origin.mtime_ns


def _title(item: Ready) -> str:
    """The title that was found; for a file without one, its name. A record may have none."""
    found = item.document.title
    if not found and not item.document.name:
        found = item.origin.source.rpartition("/")[2].rpartition(".")[0] or item.origin.source
    return found[:_TITLE_CHARACTERS]


def _new_document(collection: str, cut: _CutDocument, vectors: Vectors) -> NewDocument:
    item, document = cut.item, cut.item.document
    return NewDocument(
        id=item.digest,
        collection=collection,
        source=item.origin.source,
        path=item.origin.path,
        size=item.origin.size,
        mtime_ns=item.origin.mtime_ns,
        title=cut.title,
        media_type=document.media_type,
        pages=tuple(read.page for read in document.pages),
        chunks=cut.chunks,
        vectors=vectors,
        original=item.original,
        metadata=document.metadata,
        splitter=SPLITTER,
    )
