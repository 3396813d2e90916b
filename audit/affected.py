"""Impact recall: which past answers, tasks and searches relied on a document, a model or a prompt.

Three strengths, see `audit.view_fields.Strength`: cited, shown, found. What is cited, and what a
task read, stands in clear and so can be told even after a payload was erased. What was put before
the model, and what a search found, stands in the payloads of answers; for searches and erased
payloads the chunks in clear are compared with those that other answers say belong to the document.

`affected` looks on demand, through the whole log. `note` and `catch_up`, which ingestion calls by
itself, stand in `audit.impacts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace

from audit.envelope import format_time
from audit.errors import PayloadDamagedError, PayloadErasedError, PayloadKeyLostError
from audit.impacts import catch_up, note
from audit.ports import AuditLog
from audit.record import Actor, Event, Field
from audit.store import Leaf
from audit.view_envelope import Head, fields_of, head_of
from audit.view_fields import ENDS, Strength, verdict_of
from audit.view_match import names, relied_on

__all__ = ["Affected", "Reliance", "affected", "catch_up", "documents_named", "note"]

_KINDS = {"question": "answer", "answer": "answer", "task": "task", "search": "search"}
_RELYING = ("answer.", "task.", "search.", "model.")
_ASKING = ("question.received", "task.received", "search.received")
_WITH_HITS = ("answer.released", "search.released")
_INGESTED = frozenset({"ingest.added", "ingest.version_added", "ingest.linked"})
_UNREADABLE = (PayloadErasedError, PayloadKeyLostError, PayloadDamagedError)


@dataclass(frozen=True, slots=True)
class Reliance:
    """An answer, task or search that relied on something. `on` is what: "document", "model" or
    "prompt"; `named` the ids, digests or names. `as_of` is the day it was asked about, "" for the
    day itself; `erased`: its payload is gone, so that a stronger reliance could be unknown."""

    request: str
    seq: int
    event_id: str
    kind: str
    person: str
    ts_utc: int
    time: str
    verdict: str
    strength: Strength
    on: str
    named: tuple[str, ...]
    as_of: str = ""
    erased: bool = False

    def as_json(self) -> dict[str, object]:
        """Without the nanoseconds, which JSON readers cannot keep exact."""
        values = asdict(self)
        del values["ts_utc"]
        return {**values, "strength": self.strength.value}


@dataclass(frozen=True, slots=True)
class Affected:
    """What relied on `wanted`, oldest first. `erased` counts those whose payload is gone;
    `unknown` answers whose payload is gone and of which nothing in clear says either way."""

    wanted: tuple[str, ...]
    found: tuple[Reliance, ...]
    looked_at: int
    unknown: int
    deep: bool
    record: str = ""

    @property
    def people(self) -> int:
        """How many different persons."""
        return len({each.person for each in self.found})

    @property
    def erased(self) -> int:
        """How many of those found have lost their payload."""
        return sum(each.erased for each in self.found)

    def as_json(self) -> dict[str, object]:
        """What `cloister audit affected --json` prints. The keys are an interface."""
        strengths = Counter(each.strength.value for each in self.found)
        return {
            "wanted": list(self.wanted),
            "counts": {each.value: strengths[each.value] for each in Strength},
            "people": self.people,
            "erased": self.erased,
            "unknown": self.unknown,
            "looked_at": self.looked_at,
            "deep": self.deep,
            "found": [each.as_json() for each in self.found],
            "record": self.record,
        }


@dataclass(slots=True)
class _Known:
    """What a pass has gathered of one request."""

    reliance: Reliance | None = None
    as_of: str = ""
    verdict: str = ""
    end: Head | None = None
    erased: bool = False


@dataclass(slots=True)
class _Looking:
    """A pass on its way. `doubtful` are records whose chunks alone may tell: (head, chunks)."""

    wanted: tuple[str, ...]
    requests: dict[str, _Known] = field(default_factory=dict)
    chunks: set[str] = field(default_factory=set)
    doubtful: list[tuple[Head, frozenset[str], bool]] = field(default_factory=list)
    looked_at: int = 0

    def known(self, head: Head) -> _Known:
        return self.requests.setdefault(head.request_id, _Known())

    def note(self, head: Head, strength: Strength, on: str, named: Iterable[str]) -> None:
        """This record relied on it so much; the strongest of a request counts."""
        known = self.known(head)
        before = known.reliance
        every = tuple(dict.fromkeys((*(before.named if before else ()), *named)))
        if before is not None and before.strength.rank <= strength.rank:
            known.reliance = replace(before, named=every)
            return
        moment = head.ts_utc or 0
        kind = _KINDS.get(head.type.partition(".")[0], "answer")
        known.reliance = Reliance(
            head.request_id,
            head.seq,
            head.event_id,
            kind,
            head.person,
            moment,
            format_time(moment),
            "",
            strength,
            on,
            every,
        )


def affected(log: AuditLog, actor: Actor, wanted: Sequence[str], *, deep: bool = True) -> Affected:
    """Everything that relied on one of `wanted`: ids of documents, names or digests of models or
    prompts; ids and digests may be cut to their first 8 hex digits or more.

    `deep` opens the payloads of answers to tell what was shown to the model and found; without it
    only what stands in clear counts. Records `log.searched` before it returns. Raises AuditError.
    """
    looking = _Looking(tuple(dict.fromkeys(wanted)))
    for leaf in log.scan():
        head = head_of(leaf.envelope)
        if head is None or not head.request_id:
            continue
        if head.type in _ASKING or head.type in ENDS:
            _remember(looking, head, leaf)
        if head.type.startswith(_RELYING):
            _in_clear(looking, head, leaf)
        if deep and head.type in _WITH_HITS:
            _in_payload(looking, log, head, leaf)
    unknown = _by_chunks(looking)
    found = [_finished(known) for known in looking.requests.values()]
    listed = sorted((each for each in found if each is not None), key=lambda each: each.seq)
    result = Affected(looking.wanted, tuple(listed), looking.looked_at, unknown, deep)
    return replace(result, record=log.append(_searched(actor, result)).event_id)


def _searched(actor: Actor, result: Affected) -> Event:
    fields: dict[str, Field | list[str] | list[int]] = {
        "view": "affected",
        "wanted": list(result.wanted)[:200],
        "found": len(result.found),
        "people": result.people,
        "deep": result.deep,
    }
    return Event("log.searched", actor, fields)


def _remember(looking: _Looking, head: Head, leaf: Leaf) -> None:
    if head.type in ENDS:
        known = looking.known(head)
        known.end, known.verdict = head, verdict_of(head.type, fields_of(leaf.envelope))
    elif b'"as_of":"' in leaf.envelope:
        looking.known(head).as_of = str(fields_of(leaf.envelope).get("as_of") or "")


def _in_clear(looking: _Looking, head: Head, leaf: Leaf) -> None:
    if not any(each.encode("utf-8", "surrogatepass") in leaf.envelope for each in looking.wanted):
        return
    for on, value, strength in relied_on(head.type, fields_of(leaf.envelope), looking.wanted):
        looking.note(head, strength, on, [value])


def _in_payload(looking: _Looking, log: AuditLog, head: Head, leaf: Leaf) -> None:
    """What was shown and found, from the payload; else the chunks in clear are kept for later."""
    payload: dict[str, object] | None = None
    erased = False
    if head.type == "answer.released" and head.payload:
        looking.looked_at += 1
        try:
            payload = log.read_payload(leaf.seq)
        except _UNREADABLE:
            erased = looking.known(head).erased = True
    if payload is None:
        chunks = fields_of(leaf.envelope).get("chunks")
        texts = frozenset(str(each) for each in chunks) if isinstance(chunks, list) else frozenset()
        if texts:
            looking.doubtful.append((head, texts, erased))
        return
    for part, strength in (("passages", Strength.SHOWN), ("hits", Strength.FOUND)):
        listed = payload.get(part)
        for each in listed if isinstance(listed, list) else ():
            document = str(each.get("document", "")) if isinstance(each, dict) else ""
            if document and any(names(one, document) for one in looking.wanted):
                looking.note(head, strength, "document", [document])
                if part == "hits":
                    looking.chunks.add(str(each.get("chunk", "")))


def _by_chunks(looking: _Looking) -> int:
    """Searches and erased answers that found a chunk of the document; how many erased answers say
    nothing either way."""
    unknown = 0
    for head, chunks, erased in looking.doubtful:
        if chunks & looking.chunks:
            looking.note(head, Strength.FOUND, "document", ())
        elif erased and looking.known(head).reliance is None:
            unknown += 1
    return unknown


def _finished(known: _Known) -> Reliance | None:
    found = known.reliance
    if found is None:
        return None
    found = replace(found, verdict=known.verdict, as_of=known.as_of, erased=known.erased)
    if known.end is None:
        return found
    moment = known.end.ts_utc or found.ts_utc
    return replace(
        found,
        seq=known.end.seq,
        event_id=known.end.event_id,
        ts_utc=moment,
        time=format_time(moment),
    )


def documents_named(log: AuditLog, source: str, version: int | None = None) -> tuple[str, ...]:
    """The ids of the documents that this source held (in this version), as the records of their
    ingestion say; also of what is no longer in the catalogue. Raises AuditError."""
    found: dict[str, None] = {}
    for leaf in log.scan():
        if leaf.type not in _INGESTED:
            continue
        fields = fields_of(leaf.envelope)
        document = fields.get("document")
        if not isinstance(document, str) or document in found:
            continue
        if version is not None and fields.get("version") != version:
            continue
        try:
            payload = log.read_payload(leaf.seq) or {}
        except _UNREADABLE:
            continue
        held = str(payload.get("source", ""))
        if held == source or held.endswith(f"/{source}"):
            found.setdefault(document)
    return tuple(found)
