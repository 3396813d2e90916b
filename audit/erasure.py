"""Erasing a payload: its key is destroyed, its record and every proof stay as they are."""

from __future__ import annotations

from audit.log import Log, payload_reference
from audit.record import Actor, Event, Field, Record


def erase_payload(log: Log, actor: Actor, key: int | str, reason: str) -> Record:
    """Destroy the key of the payload of one record (number or event id); return `payload.erased`.

    `reason` is a code, not prose: it stands in clear. The intent is on record before the key goes,
    so an erasure cut short by a crash shows as begun; doing it again finishes it. A record without
    a payload, or one already erased, is recorded with `destroyed` false.
    Raises RecordNotFoundError or another AuditError.
    """
    leaf = log.leaf(key)
    target: dict[str, Field | list[str] | list[int]] = {
        "target_seq": leaf.seq,
        "target_event_id": leaf.event_id,
        "key_id": payload_reference(leaf) or "",
        "reason": reason,
    }
    log.append(Event("payload.erasure_begun", actor, target))
    destroyed = log.destroy_payload_key(leaf)
    return log.append(Event("payload.erased", actor, {**target, "destroyed": destroyed}))
