"""From documents read to documents committed: cut, embedded in large batches, stored.

Failures are journalled before the documents that were read beside them, and a container's own
line after all of its parts: whatever the moment at which a run is killed, what the journal calls
done is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from index.completeness import Completeness
from index.context import searchable_text
from index.document import Chunk
from index.errors import NotFound, SourceTaken
from index.records import NewDocument, SourceState, Vectors
from index.store import Index
from ingest.chunk import SPLITTER, Cut, Window, cut_all
from ingest.complete import measure
from ingest.effects import Effects, by_collection
from ingest.errors import Failure, sentence
from ingest.front import kept, title_of
from ingest.items import (
    Described,
    Duplicate,
    Failed,
    FileDone,
    Held,
    Item,
    Known,
    Moved,
    Origin,
    Outdated,
    Ready,
    Skipped,
)
from ingest.known import KnownSources
from ingest.marks import Mark
from ingest.progress import FailedSource, Incomplete, Progress, Tally

_CUT_DOCUMENTS = 256  # documents that wait to be cut together
_CUT_CHARACTERS = 300_000  # or so much text
_LARGE = 3_000_000  # characters of a document that is committed alone, and marked while it is
_EMBED_AT_ONCE = 128  # passages between two reports of progress
_FAILURES_AT_ONCE = 256
_REPORT_SECONDS = 0.1  # between two reports of progress, at least


@dataclass(frozen=True, slots=True)
class _CutDocument:
    """A document and its chunks, waiting to be embedded."""

    item: Ready
    title: str
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Cutting:
    """How documents are cut and committed. `mark` is for a document that is large enough to end
    the process that embeds it.
    """

    window: Callable[[], Window]
    batch_chunks: int
    keep_hidden: bool
    mark: Mark


class Committer:
    """Takes items in order; call `flush` at the end. One run, one thread."""

    def __init__(
        self,
        index: Index,
        effects: Effects,
        known: KnownSources,
        cutting: Cutting,
        tally: Tally,
        notify: Callable[[Progress], None] | None = None,
    ) -> None:
        self._index = index
        self._effects = effects
        self._known = known
        self._cutting = cutting
        self._tally = tally
        self._notify = notify
        self._began = time.monotonic()
        self._embedding = 0.0  # seconds
        self._waiting: list[Ready] = []
        self._characters = 0  # of these
        self._cut: list[_CutDocument] = []
        self._pending: set[tuple[str, str]] = set()  # collection and digest of both
        self._failures: list[Failed] = []
        self._after: list[Held | Outdated | FileDone] = []
        self._reported = 0.0

    def take(self, item: Item) -> None:
        """Work on one item. Raises AuditError, IndexFailure."""
        match item:
            case Ready():
                self._take_ready(item)
                return
            case Known():
                if item.touch:
                    self._effects.touch(item)
                self._tally.unchanged += not item.holds_parts_only
            case Duplicate():
                self._link(item)
            case Moved():
                self._move(item)
            case Described():
                self._describe(item)
            case Failed():
                self._fail(item)
            case Skipped():
                self._tally.quarantine(item.state)
            case Held() | Outdated() | FileDone():
                self._after.append(item)
                self._settle()
        if isinstance(item, (Known, Duplicate, Moved, Described, Failed, Skipped, Held)):
            self._tally.bytes_done += item.origin.share
        self._report()

    def _take_ready(self, item: Ready) -> None:
        size = sum(len(read.page.text) for read in item.document.pages)
        if size >= _LARGE:
            self.flush()
        self._waiting.append(item)
        self._pending.add((item.origin.collection, item.digest))
        self._characters += size
        self._tally.current = item.origin.source
        if size >= _LARGE:
            with self._cutting.mark.on(item.origin, item.digest):
                self.flush()
        else:
            self._cut_if_due()

    def flush(self) -> None:
        """Commit all that waits. Raises AuditError, IndexFailure."""
        self._journal_failures()
        self._cut_waiting()
        batch, self._cut = self._cut, []
        if batch:
            for collection in sorted({cut.item.origin.collection for cut in batch}):
                self._effects.ensure(collection)
            vectors = self._embedded(batch)
            new = [self._new_document(cut, part) for cut, part in zip(batch, vectors, strict=True)]
            refused = {(each.collection, each.source) for each in self._effects.add(new)}
            for cut, each in zip(batch, new, strict=True):
                self._count(cut, each, (each.collection, each.source) in refused)
            self._journal_failures()
        self._pending.clear()
        self._settle()
        self._report()

    # -- cutting and embedding -----------------------------------------------------------------

    def _cut_if_due(self) -> None:
        if len(self._waiting) < _CUT_DOCUMENTS and self._characters < _CUT_CHARACTERS:
            return
        self._cut_waiting()
        if sum(len(cut.chunks) for cut in self._cut) >= self._cutting.batch_chunks:
            self.flush()

    def _cut_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._characters = 0
        if not waiting:
            return
        titles = [title_of(item.origin, item.document, item.declared) for item in waiting]
        cuts = [
            Cut(item.digest, title, item.document.pages, whole=bool(item.document.name))
            for item, title in zip(waiting, titles, strict=True)
        ]
        chunks = cut_all(cuts, self._index.embedder.token_counts, self._cutting.window())
        self._cut += map(_CutDocument, waiting, titles, chunks)

    def _embedded(self, batch: Sequence[_CutDocument]) -> list[Vectors]:
        """For each document one unit vector a chunk. Long passages go together with long ones."""
        found: list[Vectors | None] = [self._reused(cut) for cut in batch]
        new = [cut for cut, vectors in zip(batch, found, strict=True) if vectors is None]
        texts = [searchable_text(cut.title, chunk) for cut in new for chunk in cut.chunks]
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        rows = np.zeros((len(texts), self._index.embedder.dimensions), np.float32)
        size = sum(cut.item.origin.share for cut in new)
        for first in range(0, len(order), _EMBED_AT_ONCE):
            part = order[first : first + _EMBED_AT_ONCE]
            began = time.monotonic()
            rows[part] = self._index.embedder.embed_passages([texts[at] for at in part])
            self._embedding += time.monotonic() - began
            self._tally.embedded += len(part)
            self._report(size * (first + len(part)) / len(order))
        edges = np.cumsum([len(cut.chunks) for cut in new])[:-1]
        embedded = iter(np.split(rows, edges)) if new else iter(())
        return [next(embedded) if vectors is None else vectors for vectors in found]

    def _reused(self, cut: _CutDocument) -> Vectors | None:
        """The vectors of the same chunks of the same bytes, if another collection has them."""
        if not self._effects.several_collections:
            return None
        held = self._index.known_vectors(cut.item.digest, SPLITTER, cut.title)
        if held is None or held.chunks != cut.chunks:
            return None
        self._tally.reused += len(cut.chunks)
        return held.vectors

    def _new_document(self, cut: _CutDocument, vectors: Vectors) -> NewDocument:
        item, document, origin = cut.item, cut.item.document, cut.item.origin
        return NewDocument(
            id=item.digest,
            collection=origin.collection,
            source=origin.source,
            path=origin.path,
            size=origin.size,
            mtime_ns=origin.mtime_ns,
            title=cut.title,
            media_type=document.media_type,
            pages=tuple(read.page for read in document.pages),
            chunks=cut.chunks,
            vectors=vectors,
            original=item.original,
            metadata=kept(origin, document, item.declared),
            splitter=SPLITTER,
            declared=item.declared,
            parent=origin.container,
            completeness=measure(document, cut.chunks, self._cutting.keep_hidden),
        )

    def _count(self, cut: _CutDocument, new: NewDocument, refused: bool) -> None:
        if cut.item.staged is not None:
            cut.item.staged.discard()
        self._tally.bytes_done += cut.item.origin.share
        if refused:
            said = sentence(new.source, Failure.REFUSED)
            self._fail(Failed(cut.item.origin, Failure.REFUSED, said, new.id))
            return
        before = self._known.named(new.collection, new.source)
        if before is not None and before.document_id is not None:
            self._tally.changed += 1
        else:
            self._tally.added += 1
        self._tally.pages += len(new.pages)
        self._tally.chunks += len(new.chunks)
        if new.completeness is not None:
            self._tell_incomplete(new, new.completeness)

    def _tell_incomplete(self, new: NewDocument, complete: Completeness) -> None:
        if complete.warning:
            told = Incomplete(new.source, new.id, complete.share, complete.warning)
            self._tally.incomplete.append(told)

    # -- all other items -----------------------------------------------------------------------

    def _link(self, item: Duplicate) -> None:
        if (item.origin.collection, item.digest) in self._pending:
            self.flush()
        try:
            self._effects.link(item)
        except NotFound:  # the first of the two was refused, or removed meanwhile
            self._fail(_changed(item.origin, item.digest))
            return
        self._tally.duplicates += 1

    def _move(self, item: Moved) -> None:
        try:
            self._effects.move(item)
        except (NotFound, SourceTaken):  # something else came to this name meanwhile
            self._fail(_changed(item.origin, item.digest))
            return
        self._tally.moved += 1

    def _describe(self, item: Described) -> None:
        try:
            self._effects.describe(item)
        except NotFound:
            self._fail(_changed(item.origin, item.digest))
            return
        self._tally.described += 1

    def _fail(self, item: Failed) -> None:
        self._failures.append(item)
        self._tally.failed.append(FailedSource(item.origin.source, item.failure, item.sentence))
        if len(self._failures) >= _FAILURES_AT_ONCE:
            self._journal_failures()

    def _journal_failures(self) -> None:
        failures, self._failures = self._failures, []
        for state in self._effects.fail(failures, self._known.named):
            self._tally.quarantine(state)

    def _settle(self) -> None:
        """Once nothing waits: note containers, forget what is no longer, count files as done."""
        if self._waiting or self._cut:
            return
        after, self._after = self._after, []
        for item in after:
            match item:
                case Held():
                    self._journal_failures()
                    self._effects.hold(item)
                case Outdated():
                    self._remove(item)
                case FileDone():
                    self._tally.files_done += 1

    def _remove(self, item: Outdated) -> None:
        states: list[SourceState] = []
        for collection, source in item.sources:
            known = self._known.named(collection, source)
            if known is not None:
                states += [known, *self._known.parts(collection, source)]
        for collection, those in by_collection(states).items():
            self._effects.remove(collection, those)
        self._tally.removed += len(states)
        for state in states:
            self._tally.quarantined.pop((state.collection, state.source), None)

    def _report(self, embedded_bytes: float = 0.0) -> None:
        seconds = time.monotonic() - self._began
        if self._notify is not None and seconds - self._reported >= _REPORT_SECONDS:
            self._reported = seconds
            self._notify(self._tally.progress(seconds, self._embedding, embedded_bytes))


def _changed(origin: Origin, digest: str) -> Failed:
    return Failed(origin, Failure.CHANGED, sentence(origin.source, Failure.CHANGED), digest)
