"""What ingestion writes to the log. Pure: from facts to events.

`fields` hold ids, digests, counts and codes; names of files and titles may be personal and stand in
the encrypted payload.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from audit.record import Actor, Event
from index.records import Change, Operation
from ingest.intake import Failed
from ingest.progress import Summary

_DIGESTS_AT_ONCE = 256  # of 64 hex digits in one record, whose clear part stays under 64 KiB

Value = str | int | bool | list[str] | list[int] | None

_TYPES = {
    Operation.ADD: "ingest.added",
    Operation.SUPERSEDE: "ingest.superseded",
    Operation.REMOVE: "ingest.removed",
    Operation.LINK: "ingest.linked",
    Operation.UNLINK: "ingest.unlinked",
}


@dataclass(frozen=True, slots=True)
class Run:
    """One call that changes the index: its id ties its records together."""

    id: str
    actor: Actor
    collection: str

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


def started(run: Run, paths: Sequence[str], splitter: str) -> Event:
    """A run begins; nothing has been opened yet."""
    return run.event(
        "ingest.started", {"paths": len(paths), "splitter": splitter}, {"paths": list(paths)}
    )


def granted(run: Run, groups: Iterable[str]) -> Event:
    """A collection is about to be created and these groups may read it."""
    return run.event("collection.created", {"groups": sorted(groups)})


def intended(run: Run, digests: Sequence[str], action: str) -> Iterator[Event]:
    """These bytes are about to be committed ("add"), linked ("link") or removed ("remove")."""
    for at in range(0, len(digests), _DIGESTS_AT_ONCE):
        part = list(digests[at : at + _DIGESTS_AT_ONCE])
        yield run.event("ingest.intended", {"action": action, "documents": part})


def changed(run: Run, change: Change, recovered: bool = False) -> Event:
    """The catalogue has changed. `recovered`: the run that did it ended before it could say so."""
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
    return run.event(name, fields, {"source": change.source})


def failed(run: Run, item: Failed) -> Event:
    """A file or record was refused."""
    return run.event(
        "ingest.failed",
        {"reason": item.failure.value, "document": item.digest or None, "line": item.line},
        {"source": item.origin.source, "path": item.origin.path, "sentence": item.sentence},
    )


def finished(run: Run, summary: Summary) -> Event:
    """A run has come to its end."""
    counts: dict[str, Value] = {
        "added": summary.added,
        "changed": summary.changed,
        "unchanged": summary.unchanged,
        "duplicates": summary.duplicates,
        "failed": len(summary.failed),
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
