"""The log as a replay reads it: that it is about to be read is recorded before any payload is
opened, and what came of the replay before anything of it is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from assistant.replay_record import Kept, ReplayImpossible
from audit.envelope import parse_envelope
from audit.errors import RecordNotFoundError
from audit.ports import AuditLog
from audit.record import Actor, Event, Field, Record
from audit.store import Filter, Leaf

_REQUEST = re.compile(r"[0-9a-f]{32}")
_MOST = 10_000  # records of one request


@dataclass(frozen=True, slots=True)
class Asked:
    """The records of the request that a replay was asked for, which of them was named, and the
    program that replays as the log names it."""

    seq: int
    event_id: str
    request: str
    records: tuple[Kept, ...]
    build: str = ""


def read(log: AuditLog, actor: Actor, key: int | str) -> Asked:
    """The request that the record `key` (number, event id, or the request's own id) belongs to.

    Records `log.replay_begun` before any payload is read. Raises ReplayImpossible (the record was
    pruned, or belongs to no request), RecordNotFoundError or another AuditError.
    """
    with log.reading:
        leaf = _named(log, key)
        if not leaf.request_id:
            raise ReplayImpossible(
                "NO_ANSWER",
                f"Record {leaf.seq} ({leaf.type}) belongs to no question: choose one with "
                "`cloister audit list --type answer.released`.",
            )
        target = leaf.seq, leaf.event_id, leaf.request_id
        begun = log.append(Event("log.replay_begun", actor, _target(*target)))
        build = _writer(log.leaf(begun.seq))
        leaves = log.leaves(Filter(request_id=leaf.request_id, limit=_MOST))
        return Asked(*target, tuple(_kept(log, each) for each in leaves), build)


def outcome(
    log: AuditLog,
    actor: Actor,
    asked: Asked,
    outcome: str,
    *,
    prompt_equal: bool | None = None,
    text_equal: bool | None = None,
    reason: str = "",
) -> Record:
    """`log.replayed`: what came of it. `outcome` is EQUAL, DIFFERENT or NOT_REPLAYABLE; `reason` a
    code. Raises AuditError."""
    fields: dict[str, Field] = {
        **_target(asked.seq, asked.event_id, asked.request),
        "outcome": outcome,
        "prompt_equal": prompt_equal,
        "text_equal": text_equal,
        "reason": reason,
    }
    return log.append(Event("log.replayed", actor, fields))


def _target(seq: int, event_id: str, request: str) -> dict[str, Field]:
    return {"target_seq": seq, "target_event_id": event_id, "request": request}


def _named(log: AuditLog, key: int | str) -> Leaf:
    if isinstance(key, int) and 0 <= key < log.size() and not log.range(key, key):
        raise ReplayImpossible(
            "PRUNED",
            f"Record {key} is not in the log any more (retention removed it): its place in the "
            "tree still proves that it was there, and the answer cannot be made again.",
        )
    if isinstance(key, str) and _REQUEST.fullmatch(key):
        found = log.leaves(Filter(request_id=key, limit=1))
        if not found:
            raise RecordNotFoundError(key)
        return found[-1]
    return log.leaf(key)


def _kept(log: AuditLog, leaf: Leaf) -> Kept:
    envelope: dict[str, Any] = parse_envelope(leaf.envelope)
    erased = log.payload_erased(leaf)
    payload = None if erased else log.read_payload(leaf.seq)
    return Kept(
        leaf.seq, leaf.type, envelope["fields"], payload, erased, envelope["actor"], _writer(leaf)
    )


def _writer(leaf: Leaf) -> str:
    """The program that wrote a record."""
    envelope: dict[str, Any] = parse_envelope(leaf.envelope)
    return str(envelope["writer"]["build"])
