"""Which payloads of the log an erasure concerns. Reads the log; destroys nothing.

For a document they are found by what the records say (its id, its chunks' ids, its file's name, in
the envelope or in the payload) and by what they hold (a run of `audit.wording.RUN` words of its
text). A question that relied on it, with its search, prompts and answer, is one whole: what a model
wrote may be the document's content in other words, so all payloads of such a request go. Where it
was merely among what a search proposed, and in ingestion and the tasks, which tell of many
documents one by one, only the records concerned lose theirs.

A later turn of a conversation carries earlier answers in its `history`. It is concerned if it holds
a run of words, or a short sentence, of an answer that cited the document.

What this does not find: a document told in other words by a record that names it nowhere and
belongs to no request that does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from audit import wording
from audit.envelope import parse_envelope
from audit.errors import PayloadDamagedError, PayloadErasedError, PayloadKeyLostError
from audit.ports import AuditLog
from audit.store import Filter, Leaf

KEPT_TYPES = ("erasure.", "hold.", "retention.", "impact.")
"""Families of records that account for erasing and keeping, and of whom it concerned: their
payloads hold no text of a document or a question, and stay."""

_APART = ("ingest.", "task.")  # families whose records each tell of a document of their own
_PROPOSED = "chunks"  # the clear field that lists what a search proposed
_SHOWN = ("passages", "citations", "history")  # of a payload: what was used, cited, carried
_HEX = re.compile(r"\b[0-9a-f]{32}(?:[0-9a-f]{32})?\b")  # ids of chunks and of documents
_MOST = 10_000  # sentences of one answer
_ENDS = (".released", ".failed", ".refused")
_SHORT = 3  # words from which a sentence that has no run of words is looked for as it is

Payload = dict[str, object]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What gives a record away: ids of documents and chunks, names of files, marks of text. Of
    answers that cited the documents: marks of their sentences, and short sentences as plain words.
    """

    ids: frozenset[str] = frozenset()
    names: frozenset[str] = field(default=frozenset(), repr=False)
    marks: frozenset[int] = field(default=frozenset(), repr=False)
    told: frozenset[int] = field(default=frozenset(), repr=False)
    short: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(slots=True)
class _Seen:
    """What one walk through the log has found."""

    alone: set[int] = field(default_factory=set)
    requests: set[str] = field(default_factory=set)
    turns: dict[str, str] = field(default_factory=dict)  # history by request, as plain words


def relying(log: AuditLog, wanted: Wanted, first: int = 0) -> tuple[tuple[int, ...], Wanted]:
    """Numbers of the records from `first` on whose living payload tells of a document, in order;
    and what is wanted with what their answers told, for records that come later.

    Raises AuditError.
    """
    seen = _Seen()
    for leaf, payload in living(log, first):
        _look(leaf, payload, wanted, seen)
    sentences = list(_told(log, seen.requests, wanted.ids))
    short = {wording.plain(each) for each in sentences}
    wanted = replace(
        wanted,
        told=wanted.told | wording.marks(sentences),
        short=wanted.short
        | {each for each in short if _SHORT <= each.count(" ") - 1 < wording.RUN},
    )
    for request, history in seen.turns.items():
        if wording.shares(history, wanted.told) or any(each in history for each in wanted.short):
            seen.requests.add(request)
    return _numbers(log, seen.alone, seen.requests), wanted


def of_person(log: AuditLog, person: str, first: int = 0) -> tuple[int, ...]:
    """Numbers of the records with a living payload of which the person is the actor, or which
    belong to a request of theirs. Raises AuditError."""
    alone: set[int] = set()
    requests: set[str] = set()
    for leaf in log.scan(first):
        if _kept(leaf):
            continue
        actor = parse_envelope(leaf.envelope).get("actor")
        if isinstance(actor, dict) and (actor.get("kind"), actor.get("id")) == ("person", person):
            alone.add(leaf.seq)
            requests.add(leaf.request_id)
    return _numbers(log, alone, requests - {""})


def of_record(log: AuditLog, seq: int, whole_request: bool) -> tuple[int, ...]:
    """The record itself, or all records of its request, with a living payload.

    Raises RecordNotFoundError or another AuditError.
    """
    leaf = log.leaf(seq)
    requests = {leaf.request_id} - {""} if whole_request else set()
    return _numbers(log, {leaf.seq}, requests)


def under_way(log: AuditLog, first: int, since_ns: int) -> frozenset[str]:
    """Requests received from record `first` and the moment `since_ns` (since 1970) on that have no
    end yet: what they still record may hold what they have read already."""
    begun: set[str] = set()
    for leaf in log.scan(first):
        if leaf.type.endswith(".received") and leaf.ts_utc >= since_ns:
            begun.add(leaf.request_id)
        elif leaf.type.endswith(_ENDS):
            begun.discard(leaf.request_id)
    return frozenset(begun - {""})


def payloads(log: AuditLog, seqs: Iterable[int]) -> Iterator[tuple[Leaf, Payload]]:
    """The records of these numbers with their payloads; those that have none left out."""
    for seq in seqs:
        leaf = log.leaf(seq)
        payload = opened(log, leaf)
        if payload is not None:
            yield leaf, payload


def living(log: AuditLog, first: int = 0) -> Iterator[tuple[Leaf, Payload | None]]:
    """All records from `first` on that an erasure may concern, with the payload if it lives."""
    for leaf in log.scan(first):
        if not _kept(leaf):
            yield leaf, opened(log, leaf)


def opened(log: AuditLog, leaf: Leaf) -> Payload | None:
    """A payload that lives; None if there is none, or nobody can read it any more."""
    try:
        return log.read_payload(leaf.seq)
    except (PayloadErasedError, PayloadKeyLostError, PayloadDamagedError):
        return None


def actors_of(log: AuditLog, seqs: Iterable[int]) -> frozenset[str]:
    """The persons who act in these records."""
    found = set()
    for seq in seqs:
        actor = parse_envelope(log.leaf(seq).envelope).get("actor")
        if isinstance(actor, dict) and actor.get("kind") == "person":
            found.add(str(actor.get("id")))
    return frozenset(found)


def ids_of(log: AuditLog, seqs: Iterable[int]) -> frozenset[str]:
    """What may be ids of documents in the clear part of these records (64 hex digits)."""
    return frozenset(
        each for seq in seqs for each in _hex(log.leaf(seq).envelope.decode()) if len(each) == 64
    )


def sweeps_of(log: AuditLog, seqs: Iterable[int]) -> frozenset[str]:
    """The sweeps that these records began."""
    found = set()
    for seq in seqs:
        fields = parse_envelope(log.leaf(seq).envelope).get("fields")
        if isinstance(fields, dict) and fields.get("sweep"):
            found.add(str(fields["sweep"]))
    return frozenset(found)


def _look(leaf: Leaf, payload: Payload | None, wanted: Wanted, seen: _Seen) -> None:
    """Note whether a record is concerned, and what it carries of earlier turns."""
    if leaf.type == "question.received" and payload and payload.get("history"):
        carried = "\n".join(wording.strings(payload["history"]))
        seen.turns[leaf.request_id] = wording.plain(carried)
    if _relied(leaf, payload, wanted) and leaf.request_id and not _apart(leaf):
        seen.requests.add(leaf.request_id)
    elif _mentions(leaf, payload, wanted):
        seen.alone.add(leaf.seq)


def _apart(leaf: Leaf) -> bool:
    """Whether the record tells of one document among the many of its request."""
    fields = parse_envelope(leaf.envelope).get("fields")
    of_task = isinstance(fields, dict) and "task" in fields  # also what it asked a model
    return of_task or leaf.type.startswith(_APART)


def _relied(leaf: Leaf, payload: Payload | None, wanted: Wanted) -> bool:
    """Whether a record holds text of a document, or cites, shows or was narrowed to it."""
    fields = parse_envelope(leaf.envelope).get("fields")
    named = fields if isinstance(fields, dict) else {}
    shown = [value for name, value in named.items() if name != _PROPOSED]
    shown += [payload.get(name) for name in _SHOWN] if payload else []
    if any(not wanted.ids.isdisjoint(_hex(text)) for text in wording.strings(shown)):
        return True
    return any(wording.shares(text, wanted.marks) for text in wording.strings(payload or {}))


def _mentions(leaf: Leaf, payload: Payload | None, wanted: Wanted) -> bool:
    """Whether a record tells of a document in any way."""
    if not wanted.ids.isdisjoint(_hex(leaf.envelope.decode("utf-8", "replace"))):
        return True
    return any(
        text in wanted.names
        or not wanted.ids.isdisjoint(_hex(text))
        or wording.shares(text, wanted.marks)
        for text in wording.strings(payload or {})
    )


def _told(log: AuditLog, requests: Collection[str], ids: frozenset[str]) -> Iterator[str]:
    """The sentences of these requests' answers that cite one of the documents."""
    for request in requests:
        for leaf in log.leaves(Filter("answer.sentence", request_id=request, limit=_MOST)):
            payload = opened(log, leaf)
            if payload is not None and _cites(payload.get("citations"), ids):
                yield str(payload.get("text", ""))


def _cites(citations: object, ids: frozenset[str]) -> bool:
    return isinstance(citations, list) and any(
        isinstance(each, dict) and each.get("document") in ids for each in citations
    )


def _numbers(log: AuditLog, alone: Collection[int], requests: Collection[str]) -> tuple[int, ...]:
    """The records of these numbers and requests that have a living payload."""
    found = {seq for seq in alone if _lives(log, log.leaf(seq))}
    if requests:
        for leaf in log.scan():
            if leaf.request_id in requests and not _kept(leaf) and _lives(log, leaf):
                found.add(leaf.seq)
    return tuple(sorted(found))


def _lives(log: AuditLog, leaf: Leaf) -> bool:
    return bool(parse_envelope(leaf.envelope).get("payload")) and not log.payload_erased(leaf)


def _kept(leaf: Leaf) -> bool:
    return leaf.type.startswith(KEPT_TYPES)


def _hex(text: str) -> list[str]:
    return _HEX.findall(text)


def destroy(log: AuditLog, seqs: Iterable[int], at_once: int = 500) -> int:
    """Destroy the payload keys of these records, some at a time; how many lived."""
    waiting = list(seqs)
    return sum(
        log.destroy_payload_keys([log.leaf(seq) for seq in waiting[at : at + at_once]])
        for at in range(0, len(waiting), at_once)
    )
