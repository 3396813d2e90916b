"""Which records, documents and persons the active legal holds cover: asked before anything goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.envelope import format_time
from audit.errors import PayloadDamagedError, PayloadErasedError, PayloadKeyLostError
from audit.holds import (
    ALL,
    WHOLE_LOG,
    Clear,
    Hold,
    Scope,
    account_name,
    active_holds,
    concerns,
    holds,
    names,
    parsed,
)
from audit.record import Actor, Event
from audit.store import Filter, Leaf

if TYPE_CHECKING:
    from audit.ports import AuditLog


class Held:
    """Answers which active hold, if any, a record is under; safe to ask for many records.

    A record is held if it, or another record of the same request, is within a hold's scope. Under a
    hold of a document the encrypted payloads count, too: an answer's payload names every passage
    that the model was shown, cited or not. One that cannot be opened although it was not erased is
    taken to name the document.
    """

    def __init__(self, log: AuditLog, active: tuple[Hold, ...]) -> None:
        self.holds = active
        self._log = log
        self._requests: dict[str, Hold | None] = {}

    def directly(self, leaf: Leaf) -> Hold | None:
        """The first hold that this record itself is within the scope of. Raises AuditError."""
        if not self.holds:
            return None
        envelope = parsed(leaf)
        for hold in self.holds:
            if hold.covers(leaf, envelope):
                return hold
        documents = [hold for hold in self.holds if hold.scope.kind == "document"]
        if not documents or not envelope.get("payload"):
            return None
        payload = self._opened(leaf)
        if payload is None:
            return documents[0]
        return next((each for each in documents if names(payload, each.scope.value)), None)

    def by(self, leaf: Leaf) -> Hold | None:
        """The hold that this record is under, through any record of its request."""
        own = self.directly(leaf)
        if own is not None or not leaf.request_id or not self.holds:
            return own
        if leaf.request_id not in self._requests:
            together = self._log.leaves(Filter(request_id=leaf.request_id, limit=ALL))
            found = (self.directly(each) for each in together)
            self._requests[leaf.request_id] = next(filter(None, found), None)
        return self._requests[leaf.request_id]

    def _opened(self, leaf: Leaf) -> Mapping[str, object] | None:
        return _payload(self._log, leaf.seq)


def _payload(log: AuditLog, seq: int) -> Mapping[str, object] | None:
    """What the payload holds; nothing if there is none or it was erased, None if it is lost."""
    try:
        return log.read_payload(seq) or {}
    except PayloadErasedError:
        return {}
    except (PayloadDamagedError, PayloadKeyLostError):
        return None


def held(log: AuditLog) -> Held:
    """What the active holds of now cover. Raises AuditError."""
    return Held(log, active_holds(log))


def document_held(log: AuditLog, document_id: str) -> Hold | None:
    """The hold that forbids erasing a document: one on it or the whole log, or one on a record that
    names it, in clear. Raises AuditError."""
    found = held(log)
    for hold in found.holds:
        if hold.scope == WHOLE_LOG or hold.scope == Scope("document", document_id):
            return hold
    if not found.holds:
        return None
    naming = log.leaves(Filter(contains=document_id, limit=ALL))
    about = (leaf for leaf in naming if not leaf.type.startswith("hold."))
    return next(filter(None, (found.by(leaf) for leaf in about)), None)


def person_held(log: AuditLog, person_id: str) -> Hold | None:
    """The hold that forbids erasing a person's text: one on them or the whole log, or one on a
    record of theirs. Reads the whole log if there are other holds. Raises AuditError."""
    found = held(log)
    for hold in found.holds:
        about = account_name(hold.scope.value) == account_name(person_id)
        if hold.scope == WHOLE_LOG or (hold.scope.kind == "person" and about):
            return hold
    if not found.holds:
        return None
    own = (leaf for leaf in log.scan() if concerns(parsed(leaf), person_id))
    return next(filter(None, (found.by(leaf) for leaf in own)), None)


@dataclass(frozen=True, slots=True)
class ShownHold:
    """A hold with its reason and that of the request to release it; "" if it cannot be read."""

    hold: Hold
    reason: str
    release_reason: str

    def as_json(self) -> dict[str, object]:
        """Plain values for `json.dumps`; `state` is "active", "release asked" or "released"."""
        hold = self.hold
        state = "released" if not hold.active else "release asked" if hold.asked_by else "active"
        return {
            "hold": hold.id,
            "matter": hold.matter,
            "state": state,
            "scope": hold.scope.kind,
            "target": hold.scope.value,
            "placed": format_time(hold.placed_ns),
            "placed_by": hold.placed_by.id,
            "reason": self.reason,
            "record": hold.placed,
            "release_asked_by": hold.asked_by.id if hold.asked_by else None,
            "release_reason": self.release_reason,
            "release_asked_record": hold.asked if hold.asked_by else None,
            "released_by": hold.released_by.id if hold.released_by else None,
            "released_record": None if hold.active else hold.released,
        }


def show_holds(log: AuditLog, actor: Actor, *, released: bool = False) -> tuple[ShownHold, ...]:
    """The holds with their reasons, those released only if asked for. Records `log.searched`, which
    says how many reasons are opened, before it opens any. Raises AuditError."""
    with log.reading:
        chosen = [each for each in holds(log) if released or each.active]
        opened = len(chosen) + sum(1 for each in chosen if each.asked_by)
        fields: Clear = {
            "type": "hold.*",
            "released": released,
            "found": len(chosen),
            "opened": opened,
        }
        log.append(Event("log.searched", actor, fields))
        return tuple(
            ShownHold(hold, _reason(log, hold.placed), _reason(log, hold.asked)) for hold in chosen
        )


def _reason(log: AuditLog, seq: int) -> str:
    payload = _payload(log, seq) if seq >= 0 else None
    return str(payload.get("reason", "")) if payload else ""
