"""The records of an erasure, and what is left to do of one that was cut short.

    erasure.begun          who acts, what, on what basis; on whose request stands in the payload
    erasure.listed         the work list, in a payload whose key is destroyed at the end
    erasure.widened        records that came in meanwhile and go, too
    erasure.place_cleared  one for each place
    erasure.probed         what the search for the erased text found in each place
    erasure.finished       with counts

`begun` and `listed` are one transaction, before anything is erased. Everything between them and
`finished` may be done any number of times, so an erasure that was killed is finished by doing it
again from its list. The list holds no text: ids, names of files, and hashes of runs of words.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from audit.envelope import parse_envelope
from audit.erasing import Wanted, opened
from audit.errors_duties import ErasureRefusedError
from audit.ports import AuditLog
from audit.probe import Place
from audit.reader import payload_reference
from audit.record import Actor, Event, Field, Record
from audit.store import Filter, Leaf

BASES = {
    "gdpr-17-1-a": "no longer necessary for the purpose (GDPR Art. 17(1)(a))",
    "gdpr-17-1-b": "consent withdrawn (GDPR Art. 17(1)(b))",
    "gdpr-17-1-c": "objection (GDPR Art. 17(1)(c))",
    "gdpr-17-1-d": "unlawfully processed (GDPR Art. 17(1)(d))",
    "gdpr-17-1-e": "legal obligation to erase (GDPR Art. 17(1)(e))",
    "gdpr-17-1-f": "collected from a child for an online service (GDPR Art. 17(1)(f))",
    "ccpa-1798-105": "consumer's request (Cal. Civ. Code 1798.105)",
    "contract": "a contract demands it",
    "order": "an order of a court or an authority",
    "retention-over": "the period of keeping is over",
    "mistake": "it should not have been taken in",
}
"""On what basis something is erased: the code that stands in clear, and what it means."""

DOCUMENT, PERSON, RECORD = "document", "person", "record"
_CLEARED = "erasure.place_cleared"
_LISTED = 500  # ids in clear in one record; their digest covers all
_AT_ONCE = 8_000  # marks in one payload of a list, so that no payload grows without bound
_ALL = 1_000_000

Clear = dict[str, "Field | list[str] | list[int]"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is erased: documents by id (of `collection`, or of all if it is ""), a person by id, or
    a record by number (with `whole_request`: all of its request)."""

    kind: str
    documents: tuple[str, ...] = ()
    collection: str = ""
    person: str = ""
    record: int | None = None
    whole_request: bool = False

    def clear(self) -> Clear:
        """As it stands in the envelope."""
        joined = "\n".join(self.documents).encode()
        return {
            "kind": self.kind,
            "documents": list(self.documents[:_LISTED]),
            "documents_count": len(self.documents),
            "documents_sha256": hashlib.sha256(joined).hexdigest() if self.documents else "",
            "collection": self.collection,
            "person": self.person,
            "target_seq": self.record,
            "whole_request": self.whole_request,
        }


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done: the records whose payloads go, how later ones are recognised, the size of
    the log when it was listed, the sources (collection, name) and sweeps to be forgotten, and the
    collections whose views must be made anew."""

    records: tuple[int, ...] = ()
    wanted: Wanted = field(default=Wanted(), repr=False)
    size: int = 0
    sources: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    sweeps: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure as the log tells of it. `begun` and `finished` are its first and last record."""

    id: str
    subject: Subject
    basis: str
    begun: Leaf
    finished: Leaf | None = None
    probed: Leaf | None = None


def begin(
    log: AuditLog,
    actor: Actor,
    subject: Subject,
    work: Work,
    *,
    basis: str,
    requested_by: str,
    reason: str = "",
) -> Erasure:
    """Record that an erasure begins, with its list. Raises ErasureRefusedError for a basis that is
    not among `BASES`, and AuditError: then nothing may be erased."""
    if basis not in BASES:
        raise ErasureRefusedError(f"{basis!r} is no basis; choose one of {', '.join(BASES)}")
    name = uuid.uuid4().hex
    fields: Clear = {
        "erasure": name,
        **subject.clear(),
        "basis": basis,
        "records": len(work.records),
        "sources": len(work.sources),
    }
    asked = {
        "requested_by": requested_by,
        "reason": reason,
        "documents": list(subject.documents),
    }
    begun = Event("erasure.begun", actor, fields, asked, request_id=name)
    records = log.append_many([begun, *_lists(actor, name, work)])
    return Erasure(name, subject, basis, log.leaf(records[0].seq))


def _lists(actor: Actor, name: str, work: Work) -> Iterable[Event]:
    """The list in as many records as its marks need."""
    wanted = work.wanted
    whole: dict[str, object] = {
        "records": list(work.records),
        "ids": sorted(wanted.ids),
        "names": sorted(wanted.names),
        "short": sorted(wanted.short),
        "sources": [list(each) for each in work.sources],
        "sweeps": list(work.sweeps),
        "collections": list(work.collections),
        "size": work.size,
    }
    yield Event("erasure.listed", actor, {"erasure": name}, whole, request_id=name)
    for kind, values in (("marks", sorted(wanted.marks)), ("told", sorted(wanted.told))):
        for at in range(0, len(values), _AT_ONCE):
            part = {kind: values[at : at + _AT_ONCE]}
            yield Event("erasure.listed", actor, {"erasure": name}, part, request_id=name)


def work_of(log: AuditLog, erasure: Erasure) -> Work | None:
    """The list of an erasure; None once it has been destroyed, or if it is not whole."""
    merged: dict[str, list[object]] = {}
    for leaf in _of(log, erasure.id, "erasure.listed"):
        payload = opened(log, leaf)
        if payload is None:
            return None
        for kind, values in payload.items():
            merged.setdefault(kind, []).extend(values if isinstance(values, list) else [values])
    if "size" not in merged:
        return None
    return Work(
        records=tuple(map(_number, merged["records"])),
        wanted=Wanted(
            ids=frozenset(map(str, merged["ids"])),
            names=frozenset(map(str, merged["names"])),
            marks=frozenset(map(_number, merged.get("marks", []))),
            told=frozenset(map(_number, merged.get("told", []))),
            short=frozenset(map(str, merged["short"])),
        ),
        size=_number(merged["size"][0]),
        sources=tuple(
            (str(each[0]), str(each[1])) for each in merged["sources"] if isinstance(each, list)
        ),
        sweeps=tuple(map(str, merged["sweeps"])),
        collections=tuple(map(str, merged["collections"])),
    )


def cleared(log: AuditLog, actor: Actor, erasure: Erasure, place: str, items: int) -> None:
    """Record that a place was cleared of `items` things (records, rows, files)."""
    _append(log, actor, erasure, _CLEARED, {"place": place, "items": items})


def widened(log: AuditLog, actor: Actor, erasure: Erasure, records: Sequence[int]) -> None:
    """Record, before their keys go, which records came in while the erasure was under way."""
    said = ranges(records)
    for at in range(0, len(said), _LISTED):
        fields: Clear = {"records": said[at : at + _LISTED]}
        _append(log, actor, erasure, "erasure.widened", fields)


def widened_by(log: AuditLog, erasure: Erasure) -> tuple[int, ...]:
    """The numbers of the records that `widened` named, of all runs."""
    found: set[int] = set()
    for leaf in _of(log, erasure.id, "erasure.widened"):
        said = fields_of(leaf).get("records")
        found |= set(numbers(map(str, said if isinstance(said, list) else [])))
    return tuple(sorted(found))


def probed(
    log: AuditLog,
    actor: Actor,
    erasure: Erasure,
    places: Sequence[Place],
    records: Sequence[int],
    *,
    needles: int,
    shared: int,
    marks: int,
    through: int,
) -> Erasure:
    """Record what the probe found, place by place, and of which `records` the payloads are gone.
    `through`: payloads of the records numbered below it were opened."""
    fields: Clear = {
        "places": [f"{each.name}:{each.files}:{each.bytes}:{each.found}" for each in places],
        "found": sum(each.found for each in places),
        "needles": needles,
        "shared": shared,
        "marks": marks,
        "through": through,
    }
    said = {"records": ranges(records)}
    record = _append(log, actor, erasure, "erasure.probed", fields, said)
    return replace(erasure, probed=log.leaf(record.seq))


def finish(log: AuditLog, actor: Actor, erasure: Erasure) -> Erasure:
    """Destroy the list of a probed erasure, then record that it is finished. Raises AuditError."""
    log.destroy_payload_keys(_of(log, erasure.id, "erasure.listed"))
    told = (opened(log, erasure.probed) or {}) if erasure.probed else {}
    listed = told.get("records")
    said = [str(each) for each in listed] if isinstance(listed, list) else []
    places = {str(fields_of(each).get("place")) for each in _of(log, erasure.id, _CLEARED)}
    fields: Clear = {
        "records": len(numbers(said)),
        "records_sha256": hashlib.sha256(",".join(said).encode()).hexdigest(),
        "places_cleared": sorted(places),
    }
    record = _append(log, actor, erasure, "erasure.finished", fields, {"records": said})
    return replace(erasure, finished=log.leaf(record.seq))


def _append(
    log: AuditLog,
    actor: Actor,
    erasure: Erasure,
    kind: str,
    fields: Clear,
    payload: Mapping[str, object] | None = None,
) -> Record:
    clear: Clear = {"erasure": erasure.id, **fields}
    return log.append(Event(kind, actor, clear, payload, request_id=erasure.id))


def every(log: AuditLog) -> tuple[Erasure, ...]:
    """All erasures of a log, in the order in which they began."""
    found: dict[str, dict[str, Leaf]] = {}
    for leaf in log.leaves(Filter("erasure.*", limit=_ALL)):
        found.setdefault(leaf.request_id, {})[leaf.type] = leaf
    return tuple(
        Erasure(
            name,
            _subject(log, leaves["erasure.begun"]),
            str(fields_of(leaves["erasure.begun"]).get("basis", "")),
            leaves["erasure.begun"],
            leaves.get("erasure.finished"),
            leaves.get("erasure.probed"),
        )
        for name, leaves in found.items()
        if "erasure.begun" in leaves
    )


def pending(log: AuditLog) -> tuple[str, ...]:
    """The ids of the erasures that began and did not end; quick, for every start."""
    ended = {leaf.request_id for leaf in log.leaves(Filter("erasure.finished", limit=_ALL))}
    begun = log.leaves(Filter("erasure.begun", limit=_ALL))
    return tuple(leaf.request_id for leaf in begun if leaf.request_id not in ended)


def unfinished(log: AuditLog) -> tuple[Erasure, ...]:
    """The erasures that began and did not end."""
    return tuple(each for each in every(log) if each.finished is None)


def _subject(log: AuditLog, leaf: Leaf) -> Subject:
    fields = fields_of(leaf)
    payload = opened(log, leaf) or {}
    listed = payload.get("documents") or fields.get("documents") or []
    target = fields.get("target_seq")
    return Subject(
        kind=str(fields.get("kind", "")),
        documents=tuple(map(str, listed)) if isinstance(listed, list) else (),
        collection=str(fields.get("collection", "")),
        person=str(fields.get("person", "")),
        record=target if isinstance(target, int) else None,
        whole_request=bool(fields.get("whole_request")),
    )


def _of(log: AuditLog, name: str, kind: str) -> tuple[Leaf, ...]:
    return log.leaves(Filter(kind, request_id=name, limit=_ALL))


def fields_of(leaf: Leaf) -> dict[str, object]:
    """The clear fields of a record."""
    fields = parse_envelope(leaf.envelope).get("fields")
    return fields if isinstance(fields, dict) else {}


def ranges(numbers: Iterable[int]) -> list[str]:
    """Numbers in order as "3" and "5-9"."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return [str(first) if first == last else f"{first}-{last}" for first, last in found]


def numbers(said: Iterable[str]) -> list[int]:
    """The numbers that `ranges` told. Raises ErasureRefusedError if it did not."""
    found: list[int] = []
    for each in said:
        first, _, last = each.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise ErasureRefusedError("a list of records in the log is damaged")
        found += range(int(first), int(last or first) + 1)
    return found


def _number(value: object) -> int:
    if isinstance(value, int):
        return value
    raise ErasureRefusedError("the list of the erasure is damaged")


def erase_payload(log: AuditLog, actor: Actor, key: int | str, reason: str) -> Record:
    """Destroy the key of the payload of one record (number or event id); return `payload.erased`.

    `reason` is a code, not prose: it stands in clear. The intent is on record before the key goes,
    so an erasure cut short by a crash shows as begun; doing it again finishes it. A record without
    a payload, or one already erased, is recorded with `destroyed` false. Asks no hold and gives no
    certificate: people erase with `cloister erase --record`.
    Raises RecordNotFoundError or another AuditError.
    """
    leaf = log.leaf(key)
    target: Clear = {
        "target_seq": leaf.seq,
        "target_event_id": leaf.event_id,
        "key_id": payload_reference(leaf) or "",
        "reason": reason,
    }
    log.append(Event("payload.erasure_begun", actor, target))
    destroyed = log.destroy_payload_keys([leaf]) == 1
    return log.append(Event("payload.erased", actor, {**target, "destroyed": destroyed}))
