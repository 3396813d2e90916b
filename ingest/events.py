"""What ingestion writes to the log. Pure: from facts to events.

`fields` hold ids, digests, counts and codes; names of files and titles may be personal and stand in
the encrypted payload.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from audit.record import Actor, Event
from index.completeness import Completeness
from index.records import Change, Operation, Purged, SourceState
from ingest.items import Failed, Moved
from ingest.progress import Summary

_DIGESTS_AT_ONCE = 256  # of 64 hex digits in one record, whose clear part stays under 64 KiB

Value = str | int | bool | list[str] | list[int] | None

_TYPES = {
    Operation.ADD: "ingest.added",
    Operation.SUPERSEDE: "ingest.superseded",
    Operation.REMOVE: "ingest.removed",
    Operation.LINK: "ingest.linked",
    Operation.UNLINK: "ingest.unlinked",
    Operation.MOVE: "ingest.document_moved",
    Operation.DESCRIBE: "ingest.described",
    Operation.RESTORE: "ingest.restored",
    Operation.WITHDRAW: "ingest.withdrawn",
    Operation.ERASE: "ingest.erased",
    Operation.PURGE: "ingest.views_purged",
}


@dataclass(frozen=True, slots=True)
class Run:
    """One call that changes the index: its id ties its records together."""

    id: str
    actor: Actor
    collection: str

    def into(self, collection: str) -> Self:
        """This run, as it acts on another collection."""
        return self if collection == self.collection else replace(self, collection=collection)

    def event(
        self,
        name: str,
        fields: dict[str, Value],
        payload: dict[str, object] | None = None,
    ) -> Event:
        """An event of this run."""
        return Event(
            name, self.actor, {"collection": self.collection, **fields}, payload, request_id=self.id
        )


def started(run: Run, paths: Sequence[str], splitter: str, action: str = "add") -> Event:
    """A run ("add", "sync", "retry") begins; no document has been opened yet."""
    return run.event(
        "ingest.started",
        {"paths": len(paths), "splitter": splitter, "action": action},
        {"paths": list(paths)},
    )


def planned(run: Run, counts: Mapping[str, int], confirmed: bool) -> Event:
    """A folder was compared with the journal, and this is what is about to be done."""
    return run.event("ingest.planned", {**counts, "confirmed": confirmed})


def granted(run: Run, groups: Iterable[str]) -> Event:
    """A collection is about to be created and these groups may read it."""
    return run.event("collection.created", {"groups": sorted(groups)})


def intended(run: Run, digests: Sequence[str], action: str) -> Iterator[Event]:
    """About to be done with these bytes: "add", "link", "move", "describe", "remove", "release".

    One event also if there are no bytes: a source that was never read can be removed, too.
    """
    for at in range(0, max(len(digests), 1), _DIGESTS_AT_ONCE):
        part = list(digests[at : at + _DIGESTS_AT_ONCE])
        yield run.event("ingest.intended", {"action": action, "documents": part})


def changed(
    run: Run, change: Change, complete: Completeness | None = None, recovered: bool = False
) -> Event:
    """The catalogue has changed. `recovered`: the run that did it ended before it could say so.

    Of a document that was added, how much of it was read stands beside it.
    """
    name = _TYPES[change.operation]
    if change.operation is Operation.ADD and change.version > 1:
        name = "ingest.version_added"
    fields: dict[str, Value] = {
        "collection": change.collection,
        "document": change.document_id,
        "version": change.version,
        "generation": change.generation,
        "recovered": recovered,
    }
    if complete is not None:
        fields |= _statement(complete)
    # What is erased leaves its id only: a name of a file may be the text that had to go.
    erased = change.operation is Operation.ERASE
    return run.event(name, fields, None if erased else {"source": change.source})


def _statement(complete: Completeness) -> dict[str, Value]:
    """The completeness statement as counts; shares in per mille, rounded down."""
    sure = None if complete.confidence is None else math.floor(complete.confidence * 1000)
    return {
        "pages": complete.pages,
        "pages_with_text": complete.pages_with_text,
        "pages_by_ocr": complete.pages_by_ocr,
        "pages_unread": complete.pages_unread,
        "tables": complete.tables,
        "characters": complete.characters,
        "characters_in_chunks": complete.in_chunks,
        "characters_set_aside": complete.set_aside,
        "characters_hidden": complete.hidden,
        "share_permille": math.floor(complete.share * 1000),
        "confidence_permille": sure,
        "complete": complete.complete,
        "doubtful": complete.doubtful,
        "findings": sorted({each.kind for each in complete.findings}),
    }


def moved(run: Run, item: Moved) -> Event:
    """A source has another name and place; its documents are the same."""
    return run.event(
        "ingest.moved",
        {"document": item.digest or None},
        {"from": item.old, "to": item.origin.source, "path": item.origin.path},
    )


def failed(run: Run, item: Failed) -> Event:
    """A file or record was refused."""
    return run.event(
        "ingest.failed",
        {"reason": item.failure.value, "document": item.digest or None, "line": item.line},
        {"source": item.origin.source, "path": item.origin.path, "sentence": item.sentence},
    )


def quarantined(run: Run, state: SourceState) -> Event:
    """A source has failed so often that it is not tried again until it changes or is retried."""
    return run.event(
        "ingest.quarantined",
        {
            "reason": state.failure,
            "attempts": state.attempts,
            "document": state.digest or None,
        },
        {"source": state.source, "path": state.path, "sentence": state.error},
    )


def released(run: Run, state: SourceState) -> Event:
    """A source that failed may be tried again."""
    return run.event(
        "ingest.released",
        {"reason": state.failure, "attempts": state.attempts, "document": state.digest or None},
        {"source": state.source},
    )


def finished(run: Run, summary: Summary) -> Event:
    """A run has come to its end."""
    counts: dict[str, Value] = {
        "added": summary.added,
        "changed": summary.changed,
        "unchanged": summary.unchanged,
        "duplicates": summary.duplicates,
        "moved": summary.moved,
        "described": summary.described,
        "removed": summary.removed,
        "failed": len(summary.failed),
        "quarantined": len(summary.quarantined),
        "incomplete": len(summary.incomplete),
        "pages": summary.pages,
        "chunks": summary.chunks,
        "duration_ms": round(summary.seconds * 1000),
    }
    return run.event("ingest.finished", counts)


def stopped(run: Run, reason: str) -> Event:
    """A run ended before its end; `reason` is the name of an error's class."""
    return run.event("ingest.stopped", {"reason": reason})


def verified(run: Run, problems: int, repaired: int) -> Event:
    """The index was compared with itself."""
    return run.event("ingest.verified", {"problems": problems, "repaired": repaired})


def purging(run: Run) -> Event:
    """What was deleted is about to be taken out of the index's files, too."""
    return run.event("ingest.intended", {"action": "purge", "documents": []})


def purged(run: Run, done: Purged) -> Event:
    """What was deleted is no longer in the index's files."""
    return run.event(
        "ingest.purged",
        {
            "bytes_before": done.bytes_before,
            "bytes_after": done.bytes_after,
            "views_rebuilt": done.views_rebuilt,
            "problems": len(done.problems),
        },
    )
