"""The nouns of the log. Flat primitives only: a record must be readable without Cloister."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Field = str | int | bool | None
Fields = Mapping[str, "Field | list[str] | list[int]"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it. `kind`: person, service or system; `auth`: how the identity was established."""

    kind: str
    id: str
    auth: str = ""
    groups: tuple[str, ...] = ()
    client: str = ""


SYSTEM = Actor(kind="system", id="cloister")


@dataclass(frozen=True, slots=True)
class Event:
    """What a caller wants recorded.

    `type` is dotted ("question.received"). `fields` go into the envelope in clear and hold nothing
    personal: ids, digests, counts, codes; no floats (durations are integers, unit in the name:
    `search_us`). `payload` holds what is personal or confidential (question, prompt, passages,
    answer); it is serialised to JSON and encrypted under a key of its own.
    """

    type: str
    actor: Actor
    fields: Fields = field(default_factory=dict)
    payload: Mapping[str, object] | None = None
    session: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """What was committed: position in the tree (from 0), UUIDv7, hex leaf hash, and time."""

    seq: int
    event_id: str
    type: str
    ts_utc: int  # nanoseconds since 1970-01-01T00:00:00Z
    leaf_hash: str
