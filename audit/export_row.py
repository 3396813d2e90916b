"""A record as the other export formats see it: what each must carry, and how to get it back.

`row_of` takes an envelope apart, `Row.envelope` puts it together again: canonical JSON of that is
the exact text that was hashed, so that every line of every format can be checked against the leaf
hash that it carries. Nothing is dropped: what has no place of its own stands in `rest`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from audit.canonical import canonical
from audit.envelope import format_time
from audit.merkle import leaf_hash
from audit.store import Leaf

_TEXTS = ("event_id", "ts_utc", "type", "session", "request_id", "log_id")
_BESIDE = ("event_id", "type", "session", "request_id")  # columns of the store, too
_ACTOR_TEXTS = ("kind", "id", "auth", "client")
_TOP = frozenset((*_TEXTS, "seq", "actor", "fields"))
_ACTOR = frozenset((*_ACTOR_TEXTS, "groups"))
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\.(\d{9})Z")

# Controls, format characters that hide or turn text around, and halves of surrogate pairs.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One record. `time` is RFC 3339 with nine decimals, `leaf_hash` hex; `fields` are the clear
    fields; `rest` holds every other part of the envelope under its own name."""

    seq: int
    event_id: str
    time: str
    type: str
    actor_kind: str
    actor_id: str
    actor_auth: str
    actor_groups: tuple[str, ...]
    actor_client: str
    session: str
    request_id: str
    log_id: str
    leaf_hash: str
    fields: Mapping[str, object]
    rest: Mapping[str, object]

    def envelope(self) -> dict[str, object]:
        """The envelope's content."""
        beside = self.rest.get("actor", {})
        actor: dict[str, object] = dict(beside) if isinstance(beside, Mapping) else {}
        actor |= {
            "kind": self.actor_kind,
            "id": self.actor_id,
            "auth": self.actor_auth,
            "groups": list(self.actor_groups),
            "client": self.actor_client,
        }
        return {
            **self.rest,
            "seq": self.seq,
            "event_id": self.event_id,
            "ts_utc": self.time,
            "type": self.type,
            "actor": actor,
            "session": self.session,
            "request_id": self.request_id,
            "log_id": self.log_id,
            "fields": self.fields,
        }

    def leaf(self) -> Leaf:
        """The record itself, its exact bytes included.

        Raises ValueError if they do not lead to `leaf_hash`, CanonicalError if there are none.
        """
        stored = canonical(self.envelope())
        if leaf_hash(stored).hex() != self.leaf_hash:
            raise ValueError(f"record {self.seq} does not have the hash that it states")
        return Leaf(
            self.seq,
            self.event_id,
            self.type,
            nanoseconds(self.time),
            self.session,
            self.request_id,
            bytes.fromhex(self.leaf_hash),
            stored,
        )


def row_of(leaf: Leaf, envelope: Mapping[str, object]) -> Row:
    """The record in parts. Raises ValueError if the envelope does not have the form of a record,
    or says something else than the columns beside it."""
    actor = envelope.get("actor")
    fields = envelope.get("fields")
    if not isinstance(actor, Mapping) or not isinstance(fields, Mapping):
        raise ValueError(f"record {leaf.seq} does not have the form of a record")
    top = {name: _text(envelope, name, leaf.seq) for name in _TEXTS}
    who = {name: _text(actor, name, leaf.seq) for name in _ACTOR_TEXTS}
    groups = actor.get("groups")
    if not isinstance(groups, list | tuple) or not all(isinstance(each, str) for each in groups):
        raise ValueError(f"record {leaf.seq} names no groups")
    # Also what is no more than filtered by: it must not hide a record from an export.
    said = (envelope.get("seq"), *(top[name] for name in _BESIDE))
    if said != (leaf.seq, *(getattr(leaf, name) for name in _BESIDE)):
        raise ValueError(f"record {leaf.seq} contradicts its envelope")
    if top["ts_utc"] != format_time(leaf.ts_utc):
        raise ValueError(f"record {leaf.seq} contradicts the time in its envelope")
    rest = {name: value for name, value in envelope.items() if name not in _TOP}
    beside = {name: value for name, value in actor.items() if name not in _ACTOR}
    return Row(
        leaf.seq,
        top["event_id"],
        top["ts_utc"],
        top["type"],
        who["kind"],
        who["id"],
        who["auth"],
        tuple(groups),
        who["client"],
        top["session"],
        top["request_id"],
        top["log_id"],
        leaf.hash.hex(),
        fields,
        rest | {"actor": beside} if beside else rest,
    )


def row_from(
    texts: Mapping[str, str], groups: object, fields: object, rest: object, seq: int
) -> Row:
    """A row from what was parsed: `texts` by the names of `Row`. Raises ValueError or KeyError."""
    if not isinstance(groups, list) or not all(isinstance(each, str) for each in groups):
        raise ValueError("the groups are no list of texts")
    if not isinstance(fields, dict) or not isinstance(rest, dict):
        raise ValueError("the fields are no object")
    return Row(
        seq,
        texts["event_id"],
        texts["time"],
        texts["type"],
        texts["actor_kind"],
        texts["actor_id"],
        texts["actor_auth"],
        tuple(groups),
        texts["actor_client"],
        texts["session"],
        texts["request_id"],
        texts["log_id"],
        texts["leaf_hash"],
        fields,
        rest,
    )


def _text(values: Mapping[str, object], name: str, seq: int) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise ValueError(f"record {seq} has no `{name}`")
    return value


def nanoseconds(time: str) -> int:
    """Nanoseconds since 1970 from RFC 3339 with nine decimals. Raises ValueError."""
    found = _TIME.fullmatch(time)
    if found is None:
        raise ValueError(f"{time!a} is no time with nine decimals")
    whole = datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    days = whole - datetime(1970, 1, 1, tzinfo=UTC)
    return (days.days * 86_400 + days.seconds) * 1_000_000_000 + int(found[2])


def json_text(value: object) -> str:
    """One line of JSON in which nothing is hidden: controls, turning and invisible characters and
    halves of surrogate pairs are written as \\uXXXX."""
    return _escaped(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def word(text: str, *, also: str = "") -> str:
    """`text` itself, or a JSON string where it holds something unsafe, one of the characters
    `also`, space around it, or a quotation mark in front: so `unword` can tell them apart."""
    safe = _UNSAFE.search(text) is None and not any(each in text for each in also)
    if safe and text == text.strip() and not text.startswith('"'):
        return text
    return json_text(text)


def unword(text: str) -> str:
    """What `word` was given. Raises ValueError."""
    if not text.startswith('"'):
        return text
    value = json.loads(text)
    if not isinstance(value, str):
        raise ValueError("no text stands in these quotation marks")
    return value


def blanked(text: str) -> str:
    """The text with a space for each character that is unsafe: for display only."""
    return _UNSAFE.sub(" ", text)


def _escaped(text: str) -> str:
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
