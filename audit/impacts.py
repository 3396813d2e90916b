"""Impact recall by itself: when a source is superseded, withdrawn, removed or erased, the answers
and tasks that relied on it are put on record (`impact.found`), so that whom it concerns is told.

What counts here is what stands in clear: that an answer cites the document, or that a task read it.
`catch_up` works from the log alone: it takes the changes on record since the last `impact.checked`,
so that what a killed run could not look at is looked at by the next one.

What it costs: nothing but a few look-ups in an index while no document changed. For a few documents
one search of the envelopes of released answers and tasks each (SQLite's `instr` over those types);
for more of them one pass over the log, whatever their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from audit.envelope import format_time
from audit.ports import AuditLog
from audit.record import Actor, Event, Field
from audit.store import Filter, Leaf
from audit.view_envelope import fields_of, head_of
from audit.view_fields import Strength, verdict_of
from audit.view_match import relied_on

CAUSES = {
    "ingest.superseded": "superseded",
    "ingest.withdrawn": "withdrawn",
    "ingest.removed": "removed",
    "ingest.erased": "erased",
}
MOST_REQUESTS = 200  # listed in clear
MOST_ANSWERS = 5_000  # listed in the payload
_FEW = 4  # documents that are searched for one by one
_RELEASED = ("answer.released", "task.item", "task.released", "search.released")
_PAGE = 512  # changes read at a time, from the newest

Day = Callable[[str, str], "str | None"]
"""(collection, document) -> the day (ISO 8601) from which another takes its place, if ahead."""


@dataclass(frozen=True, slots=True)
class Change:
    """A document that answers can no longer rely on. `seq` is the record of it; `from_day` the day
    from which that holds, "" for at once."""

    document: str
    version: int
    cause: str
    collection: str = ""
    seq: int = -1
    from_day: str = ""


def note(
    log: AuditLog,
    actor: Actor,
    documents: Mapping[str, int] | Iterable[str],
    cause: str,
    from_day: Mapping[str, str] | None = None,
) -> int:
    """Record `impact.found` for each of these documents (ids, or version by id) that a past answer
    or task relied on; returns how many. Call it after the change itself is on record.

    `cause` is superseded, withdrawn, removed or erased. `from_day` (by document) is the day from
    which it holds, where that is ahead. Raises AuditError and nothing else.
    """
    versions = documents if isinstance(documents, Mapping) else dict.fromkeys(documents, 0)
    days = from_day or {}
    changes = [
        Change(document, version, cause, from_day=days.get(document, ""))
        for document, version in versions.items()
    ]
    return len(_noted(log, actor, changes))


def catch_up(log: AuditLog, actor: Actor, day: Day | None = None) -> int:
    """`note` for every change of documents that is on record since this was last done; how many
    impacts were found. Records `impact.checked` if there were changes. Raises AuditError."""
    last = log.leaves(Filter("impact.checked", limit=1))
    through = _number(fields_of(last[0].envelope).get("through"), -1) if last else -1
    changes = sorted(_changes(log, through), key=lambda each: each.seq)
    if not changes:
        return 0
    if day is not None:
        changes = [_dated(each, day) for each in changes]
    found = _noted(log, actor, changes)
    fields: dict[str, Field | list[str] | list[int]] = {
        "through": changes[-1].seq,
        "documents": len({each.document for each in changes}),
        "found": len(found),
    }
    log.append(Event("impact.checked", actor, fields))
    return len(found)


def _dated(change: Change, day: Day) -> Change:
    if change.cause != "superseded":
        return change
    return Change(
        change.document,
        change.version,
        change.cause,
        change.collection,
        change.seq,
        day(change.collection, change.document) or "",
    )


def _changes(log: AuditLog, through: int) -> Iterator[Change]:
    """The changes whose records come after number `through`."""
    for kind, cause in CAUSES.items():
        limit = _PAGE
        while True:  # by number, not by time: clocks step
            leaves = log.leaves(Filter(kind, limit=limit))
            if len(leaves) < limit or leaves[0].seq <= through:
                break
            limit *= 8
        for leaf in leaves:
            if leaf.seq > through:
                fields = fields_of(leaf.envelope)
                yield Change(
                    str(fields.get("document") or ""),
                    _number(fields.get("version"), 0),
                    cause,
                    str(fields.get("collection") or ""),
                    leaf.seq,
                )


def _noted(log: AuditLog, actor: Actor, changes: Sequence[Change]) -> list[Change]:
    """Record what relied on these; the changes of which something did."""
    wanted = {each.document for each in changes if each.document}
    relying: dict[str, dict[str, dict[str, object]]] = {}  # by document and request
    for leaf in _naming(log, sorted(wanted)):
        _gather(relying, leaf, wanted)
    dated = _about_a_day(log) if relying else frozenset()
    found = []
    for change in changes:
        answers = _concerned(change, relying.get(change.document, {}), dated)
        if answers:
            log.append(_event(actor, change, answers))
            found.append(change)
    return found


def _naming(log: AuditLog, documents: Sequence[str]) -> Iterator[Leaf]:
    """The records of released answers and tasks whose envelopes hold one of these ids."""
    counts = log.counters()
    kinds = [kind for kind in _RELEASED if counts.get(kind)]
    if not documents or not kinds:
        return
    few = _one_by_one(log, kinds, documents) if len(documents) <= _FEW else None
    if few is not None:
        yield from few
        return
    for leaf in log.scan():
        if leaf.type in kinds:
            yield leaf


def _one_by_one(log: AuditLog, kinds: Sequence[str], documents: Sequence[str]) -> list[Leaf] | None:
    """The same by searching for each of few documents; None if there are too many records to hold
    them all in memory."""
    found: dict[int, Leaf] = {}
    for document in documents:
        for kind in kinds:
            leaves = log.leaves(Filter(kind, limit=MOST_ANSWERS, contains=document))
            if len(leaves) == MOST_ANSWERS:
                return None
            found |= {leaf.seq: leaf for leaf in leaves}
    return [found[seq] for seq in sorted(found)]


def _gather(relying: dict[str, dict[str, dict[str, object]]], leaf: Leaf, wanted: set[str]) -> None:
    named = _ids_in(leaf.envelope) & wanted
    if not named:
        return
    head, fields = head_of(leaf.envelope), fields_of(leaf.envelope)
    if head is None:
        return
    for on, document, strength in relied_on(head.type, fields, sorted(named)):
        if on != "document" or document not in wanted or strength is Strength.FOUND:
            continue
        answers = relying.setdefault(document, {})
        before = answers.get(head.request_id)
        if before is not None and Strength(str(before["strength"])).rank <= strength.rank:
            continue
        answers[head.request_id] = {
            "person": head.person,
            "request": head.request_id,
            "seq": head.seq,
            "kind": "task" if head.type.startswith("task.") else head.type.partition(".")[0],
            "time": format_time(head.ts_utc or 0),
            "verdict": verdict_of(head.type, fields),
            "strength": strength.value,
        }


def _concerned(
    change: Change, answers: Mapping[str, dict[str, object]], dated: frozenset[str]
) -> list[dict[str, object]]:
    """Those that the change concerns, oldest first. What was asked about a day of its own still
    says what was in force on that day: superseding does not concern it."""
    listed = sorted(answers.values(), key=lambda each: _number(each["seq"], 0))
    if change.cause != "superseded":
        return listed
    return [each for each in listed if each["request"] not in dated]


def _about_a_day(log: AuditLog) -> frozenset[str]:
    """The requests that named a day of their own: few do."""
    kinds = ("question.received", "task.received")
    chosen = [Filter(kind, limit=MOST_ANSWERS, contains='"as_of":"') for kind in kinds]
    return frozenset(leaf.request_id for each in chosen for leaf in log.leaves(each))


def _event(actor: Actor, change: Change, answers: Sequence[Mapping[str, object]]) -> Event:
    fields: dict[str, Field | list[str] | list[int]] = {
        "document": change.document,
        "version": change.version,
        "collection": change.collection,
        "cause": change.cause,
        "change": change.seq,
        "from_day": change.from_day,
        "answers": len(answers),
        "persons": len({each["person"] for each in answers}),
        "requests": [str(each["request"]) for each in answers[-MOST_REQUESTS:]],
    }
    return Event("impact.found", actor, fields, {"answers": list(answers[-MOST_ANSWERS:])})


def _ids_in(envelope: bytes) -> set[str]:
    """The beginnings, 64 characters long, of all texts of an envelope: ids of documents are among
    them, alone or before the colon of a place."""
    return {part[:64].decode("latin-1") for part in envelope.split(b'"') if len(part) >= 64}


def _number(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
