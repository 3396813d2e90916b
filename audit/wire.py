"""What the hardened mode's daemon and its clients say to each other over a Unix socket.

A message is four bytes of length (big endian) and that many bytes of JSON in ASCII. A request is
`{"do": NAME, ...}`, a reply `{"ok": VALUE}` or `{"error": CLASS, "sentence": TEXT}`, where CLASS is
one of `audit.errors`; a request is answered before the next one is read. Bytes travel in base64.
"""

from __future__ import annotations

import base64
import json
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from audit import errors, errors_duties
from audit.errors import AuditError, PayloadFormatError
from audit.errors_duties import DaemonTalkError
from audit.record import Actor, Event, Record
from audit.store import Filter, Leaf, PrunedLeaf

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_LENGTH = struct.Struct(">I")
Message = dict[str, Any]


def send(to: socket.socket, message: Mapping[str, object]) -> None:
    """Send one message. Raises OSError, or DaemonTalkError for one that is too long."""
    raw = json.dumps(message, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()
    if len(raw) > MAX_MESSAGE_BYTES:
        raise DaemonTalkError(f"a message of {len(raw)} bytes is too long")
    to.sendall(_LENGTH.pack(len(raw)) + raw)


def receive(source: socket.socket) -> Message | None:
    """The next message; None if the other side has closed between two of them.

    Raises OSError, or DaemonTalkError for what is no message.
    """
    head = _exactly(source, _LENGTH.size)
    if not head:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MAX_MESSAGE_BYTES:
        raise DaemonTalkError(f"a message of {length} bytes is too long")
    raw = _exactly(source, length)
    try:
        value = json.loads(raw or b"")
    except (ValueError, RecursionError) as error:
        raise DaemonTalkError("a message is not JSON") from error
    if not isinstance(value, dict):
        raise DaemonTalkError("a message is not an object")
    return value


def _exactly(source: socket.socket, length: int) -> bytes:
    """So many bytes; none if the other side closed before the first of them."""
    parts = bytearray()
    while len(parts) < length:
        part = source.recv(min(length - len(parts), 1 << 20))
        if not part:
            if parts:
                raise DaemonTalkError("a message broke off")
            return b""
        parts += part
    return bytes(parts)


def of_event(event: Event) -> Message:
    """An event, to be sent. Raises PayloadFormatError for a payload that is not JSON."""
    try:
        json.dumps(event.payload, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadFormatError(event.type, str(error)) from error
    return {
        "type": event.type,
        "actor": of_actor(event.actor),
        "fields": dict(event.fields),
        "payload": None if event.payload is None else dict(event.payload),
        "session": event.session,
        "request_id": event.request_id,
    }


def to_event(sent: Message) -> Event:
    """The event again. Raises KeyError, TypeError or ValueError for anything else."""
    payload = sent["payload"]
    return Event(
        str(sent["type"]),
        to_actor(sent["actor"]),
        dict(sent["fields"]),
        None if payload is None else dict(payload),
        str(sent["session"]),
        str(sent["request_id"]),
    )


def of_actor(actor: Actor) -> list[object]:
    """An actor, to be sent."""
    return [actor.kind, actor.id, actor.auth, list(actor.groups), actor.client]


def to_actor(sent: Sequence[Any]) -> Actor:
    """The actor again."""
    kind, who, auth, groups, client = sent
    return Actor(str(kind), str(who), str(auth), tuple(map(str, groups)), str(client))


def of_record(record: Record) -> list[object]:
    """A record, to be sent."""
    return [record.seq, record.event_id, record.type, record.ts_utc, record.leaf_hash]


def to_record(sent: Sequence[Any]) -> Record:
    """The record again."""
    return Record(*sent)


def of_leaf(leaf: Leaf) -> list[object]:
    """A stored record, to be sent."""
    names = [leaf.seq, leaf.event_id, leaf.type, leaf.ts_utc, leaf.session, leaf.request_id]
    return [*names, of_bytes(leaf.hash), of_bytes(leaf.envelope)]


def to_leaf(sent: Sequence[Any]) -> Leaf:
    """The stored record again."""
    seq, event_id, kind, ts_utc, session, request_id, digest, envelope = sent
    raw = (to_bytes(digest), to_bytes(envelope))
    return Leaf(seq, event_id, kind, ts_utc, session, request_id, *raw)


def of_pruned(leaf: PrunedLeaf) -> list[object]:
    """A pruned record, to be sent."""
    return [leaf.seq, of_bytes(leaf.hash), leaf.by_seq]


def to_pruned(sent: Sequence[Any]) -> PrunedLeaf:
    """The pruned record again."""
    return PrunedLeaf(sent[0], to_bytes(sent[1]), sent[2])


def of_filter(chosen: Filter) -> list[object]:
    """A filter, to be sent."""
    return [
        chosen.type,
        chosen.since,
        chosen.until,
        chosen.request_id,
        chosen.limit,
        chosen.contains,
    ]


def to_filter(sent: Sequence[Any]) -> Filter:
    """The filter again."""
    return Filter(*sent)


def of_bytes(raw: bytes) -> str:
    """Bytes, to be sent."""
    return base64.b64encode(raw).decode("ascii")


def to_bytes(sent: str) -> bytes:
    """The bytes again."""
    return base64.b64decode(sent, validate=True)


def of_error(error: AuditError) -> Message:
    """A failure, to be sent."""
    return {"error": type(error).__name__, "sentence": str(error)}


def to_error(sent: Message) -> AuditError:
    """The failure again: of its own class, so that it is handled here as it would be there."""
    name = str(sent.get("error"))
    kind = getattr(errors, name, None) or getattr(errors_duties, name, None)
    if not (isinstance(kind, type) and issubclass(kind, AuditError)):
        kind = AuditError
    # Its constructor takes what the sentence was made of, which is not here any more.
    error: AuditError = kind.__new__(kind)
    Exception.__init__(error, str(sent.get("sentence", "The audit daemon refused.")))
    return error
