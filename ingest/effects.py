"""What a run does to the index, each effect recorded before and after.

If the record before cannot be written, nothing is done. If the process dies between an effect and
the record after it, the catalogue knows which commits have no record and the next run writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from audit.ports import AuditLog
from index.completeness import Completeness
from index.document import Scope
from index.errors import InvalidDocument, NotFound
from index.records import Change, NewDocument, Operation, SourceState, SourceStatus
from index.store import Index
from ingest import events
from ingest.chunk import SPLITTER
from ingest.errors import Failure
from ingest.events import Run
from ingest.items import Described, Duplicate, Failed, Held, Known, Moved, Origin

LOCAL = "local"
"""The group of whoever can use this machine's terminal account; may read new collections."""

_ON_OTHERS = frozenset(
    {Operation.SUPERSEDE, Operation.RESTORE, Operation.WITHDRAW, Operation.DESCRIBE}
)
"""What the commit of one document may do to another that it names."""


class Effects:
    """Does and records. One run, one thread. Every method may raise AuditError, IndexFailure."""

    def __init__(self, index: Index, log: AuditLog, run: Run, max_attempts: int) -> None:
        self._index = index
        self._log = log
        self._run = run
        self._max_attempts = max_attempts
        self._collections = {each.name for each in index.collections()}

    @property
    def several_collections(self) -> bool:
        """Whether the same bytes may be in another collection."""
        return len(self._collections) > 1

    def ensure(self, collection: str) -> None:
        """Create a collection that is not there. Raises InvalidName."""
        if collection in self._collections:
            return
        self._log.append(events.granted(self._run.into(collection), [LOCAL]))
        self._index.ensure_collection(collection, frozenset({LOCAL}))
        self._collections.add(collection)

    def add(self, new: Sequence[NewDocument]) -> list[NewDocument]:
        """Commit documents, together if possible; those that the index refuses. Their collections
        must be there.
        """
        for collection in sorted({each.collection for each in new}):
            ids = [each.id for each in new if each.collection == collection]
            self._intend(collection, ids, "add")
        refused: list[NewDocument] = []
        try:
            self._index.put_many(new)
        except InvalidDocument:
            for each in new:
                try:
                    self._index.put(each)
                except InvalidDocument:
                    refused.append(each)
        told = {
            (each.collection, each.id): each.completeness
            for each in new
            if each.completeness is not None
        }
        self._record({(each.collection, each.source) for each in new}, told)
        return refused

    def link(self, item: Duplicate) -> None:
        """Let a source hold bytes that its collection has. Raises NotFound if it has not."""
        origin = item.origin
        self._intend(origin.collection, [item.digest], "link")
        self._index.link_source(
            *_columns(origin), item.digest, container=origin.container, declared=origin.declared
        )
        if origin.declared:
            self._index.describe(origin.collection, origin.source, item.declared)
        self._record({(origin.collection, origin.source)})

    def move(self, item: Moved) -> None:
        """Give a source its new name and place. Raises NotFound, SourceTaken."""
        origin = item.origin
        self._intend(origin.collection, [item.digest], "move")
        self._index.move_source(
            origin.collection,
            item.old,
            origin.source,
            origin.path,
            origin.size,
            origin.mtime_ns,
        )
        self._log.append(events.moved(self._run.into(origin.collection), item))
        record_changes(self._index, self._log, self._run, _within(origin))

    def describe(self, item: Described) -> None:
        """Give a document other facts. Raises NotFound."""
        origin = item.origin
        self._intend(origin.collection, [item.digest], "describe")
        self._index.touch_source(*_columns(origin), digest=item.digest)
        self._index.describe(origin.collection, origin.source, item.declared)
        self._record({(origin.collection, origin.source)})

    def touch(self, item: Known) -> None:
        """Note the place and time at which known bytes were found. No effect on what is searched,
        so it is not recorded. Of what was removed meanwhile there is nothing to note.
        """
        origin = item.origin
        if item.holds_parts_only:
            self.hold(Held(origin, item.digest))
            return
        with suppress(NotFound):
            self._index.touch_source(
                *_columns(origin), digest=item.digest, declared=origin.declared
            )

    def hold(self, item: Held) -> None:
        """Note that all parts of a container are in; a document that was there is superseded."""
        origin = item.origin
        self.ensure(origin.collection)
        before = self._index.source_state(origin.collection, origin.source)
        if before is not None and before.document_id:
            self._intend(origin.collection, [before.document_id], "supersede")
        self._index.hold_container(
            *_columns(origin),
            item.digest,
            SPLITTER,
            container=origin.container,
            declared=origin.declared,
        )
        self._record({(origin.collection, origin.source)})

    def remove(self, collection: str, states: Sequence[SourceState]) -> None:
        """Forget sources with their documents, in one commit."""
        digests = sorted({each.document_id for each in states if each.document_id})
        self._intend(collection, digests, "remove")
        names = [each.source for each in states]
        self._index.remove_many(collection, names)
        self._record({(collection, name) for name in names})

    def release(self, state: SourceState) -> None:
        """Let the next run try a source that failed."""
        run = self._run.into(state.collection)
        self._intend(state.collection, [state.digest] if state.digest else [], "release")
        self._index.release(state.collection, state.source)
        self._log.append(events.released(run, state))

    def fail(
        self,
        items: Sequence[Failed],
        before: Callable[[str, str], SourceState | None],
        patience: int = 1,
    ) -> list[SourceState]:
        """Record failures, then journal them; those that are in quarantine from now on.

        `before` says what is known of a source: a document that it holds keeps its facts.
        `patience`: so many times as often as usual may these fail.
        """
        if items:
            at = [(self._run.into(each.origin.collection), each) for each in items]
            self._log.append_many([events.failed(run, each) for run, each in at])
        quarantined = []
        for item in items:
            origin = item.origin
            self.ensure(origin.collection)
            known = before(origin.collection, origin.source)
            keeps = known is not None and known.document_id and item.failure != Failure.BAD_FACTS
            state = self._index.record_failure(
                *_columns(origin),
                item.sentence,
                failure=item.failure.value,
                digest=item.digest,
                container=origin.container,
                declared=known.declared if known is not None and keeps else origin.declared,
                limit=self._max_attempts * patience,
            )
            if state.status is SourceStatus.QUARANTINED:
                quarantined.append(state)
                if known is None or known.status is not SourceStatus.QUARANTINED:
                    run = self._run.into(origin.collection)
                    self._log.append(events.quarantined(run, state))
        return quarantined

    def _intend(self, collection: str, digests: Sequence[str], action: str) -> None:
        self._log.append_many(list(events.intended(self._run.into(collection), digests, action)))

    def _record(
        self,
        sources: set[tuple[str, str]],
        told: Mapping[tuple[str, str], Completeness] | None = None,
    ) -> None:
        """Write the records of what was just committed for `sources`, and to what they name."""
        record_changes(
            self._index,
            self._log,
            self._run,
            lambda collection, source: (collection, source) in sources,
            told=told or {},
        )


def record_changes(
    index: Index,
    log: AuditLog,
    run: Run,
    wanted: Callable[[str, str], bool] = lambda collection, source: True,
    recovered: bool = False,
    told: Mapping[tuple[str, str], Completeness] | None = None,
) -> int:
    """Write the records that commits lack, of those `wanted(collection, source)`; how many.

    `told` is how complete documents are, by collection and id; of others the catalogue is asked.
    """
    lacking = [
        each
        for each in index.unrecorded()
        if wanted(each.collection, each.source) or each.operation in _ON_OTHERS
    ]
    if lacking:
        known = told or {}
        found = [
            (each, known.get((each.collection, each.document_id)) or _completeness(index, each))
            if each.operation is Operation.ADD
            else (each, None)
            for each in lacking
        ]
        log.append_many(
            [events.changed(run, each, complete, recovered) for each, complete in found]
        )
        index.mark_recorded(each.generation for each in lacking)
    return len(lacking)


def by_collection(states: Iterable[SourceState]) -> dict[str, list[SourceState]]:
    """Sources by collection."""
    found: dict[str, list[SourceState]] = {}
    for state in states:
        found.setdefault(state.collection, []).append(state)
    return found


def _completeness(index: Index, change: Change) -> Completeness | None:
    scope = Scope(frozenset({change.collection}))
    try:
        return index.document(change.document_id, scope).completeness
    except NotFound:  # removed since
        return None


def _within(origin: Origin) -> Callable[[str, str], bool]:
    """Whether a change concerns a source or a part of it."""

    def concerns(collection: str, source: str) -> bool:
        own = source == origin.source or source.startswith(
            (f"{origin.source}/", f"{origin.source}:")
        )
        return collection == origin.collection and own

    return concerns


def _columns(origin: Origin) -> tuple[str, str, str, int, int]:
    return origin.collection, origin.source, origin.path, origin.size, origin.mtime_ns
