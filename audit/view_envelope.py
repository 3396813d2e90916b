"""Reading what an envelope says of itself without taking it apart as JSON, for passes over a log.

A canonical envelope (RFC 8785) has its keys in one order, so that one expression over the exact
bytes finds actor, ids, time and type; only `fields`, which is of any content, is jumped over. What
does not fit the expression is read as JSON, and what is no envelope either way is None.
"""

from __future__ import annotations

import calendar
import json
import re
from typing import NamedTuple, TypeVar

_INSIDE = rb'[^"\\]*(?:\\.[^"\\]*)*'  # of a text, between its quotes
_TEXT = rb'"(' + _INSIDE + rb')"'
_PERSON = (
    rb'\{"auth":"' + _INSIDE + rb'","client":"' + _INSIDE + rb'","groups":\[[^\]]*\],"id":"'
    + _INSIDE + rb'","kind":"' + _INSIDE + rb'"\}'
)  # fmt: skip
_HEAD = re.compile(
    rb'\{"actor":(' + _PERSON + rb'),"boot_id":"[^"\\]*","event_id":' + _TEXT + rb',"fields":\{'
)
_TAIL_BEGINS = b',"log_id":"'  # no text holds it: its quotes would be escaped
_TAIL = re.compile(
    rb',"log_id":"([^"\\]*)","mono_ns":"[0-9]+","payload":(null|\{[^{}]*\}),"prev_leaf_hash":'
    rb'"([0-9a-f]{64})","request_id":' + _TEXT + rb',"schema":"[^"\\]*","seq":([0-9]+),"session":'
    + _TEXT + rb',"ts_utc":"([^"\\]*)","type":' + _TEXT + rb',"writer":\{[^{}]*\}\}\Z'
)  # fmt: skip
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{9})Z", re.ASCII)
_MOST_KNOWN = 4096  # texts and seconds remembered

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_known_texts: dict[bytes, str] = {}
_known_people: dict[bytes, tuple[str, str]] = {}
_known_seconds: dict[str, int] = {}


class Head(NamedTuple):
    """What an envelope says of itself. `ts_utc` in nanoseconds, None if it is no time; `payload`:
    whether it names one."""

    seq: int
    event_id: str
    type: str
    ts_utc: int | None
    session: str
    request_id: str
    log_id: str
    previous: str
    person: str
    person_kind: str
    payload: bool


def head_of(envelope: bytes) -> Head | None:
    """What `envelope` says of itself; None if it is none."""
    begin = _HEAD.match(envelope)
    end = _TAIL.match(envelope, envelope.rfind(_TAIL_BEGINS)) if begin else None
    if begin is None or end is None:
        return _slowly(envelope)
    try:
        actor, event_id = begin.groups()
        log_id, payload, previous, request, seq, session, when, kind = end.groups()
        person = _known_people.get(actor) or _person(actor)
        return Head(
            int(seq), event_id.decode(), _text(kind), nanoseconds_of(when.decode()),
            _text(session), _text(request), log_id.decode(), previous.decode(),
            *person, payload != b"null",
        )  # fmt: skip
    except (ValueError, KeyError):
        return _slowly(envelope)


def fields_of(envelope: bytes) -> dict[str, object]:
    """The clear fields; empty if there are none that can be read."""
    try:
        value = json.loads(envelope)
    except (ValueError, RecursionError):
        return {}
    fields = value.get("fields") if isinstance(value, dict) else None
    return fields if isinstance(fields, dict) else {}


def nanoseconds_of(text: str) -> int | None:
    """Nanoseconds since 1970 of an envelope's `ts_utc`; None if it is not of that form."""
    second = _known_seconds.get(text[:20])
    if second is not None and len(text) == 30 and text[20:29].isdecimal() and text[29] == "Z":
        return second + int(text[20:29])
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    *day, fraction = (int(part) for part in found.groups())
    try:
        second = calendar.timegm((day[0], day[1], day[2], day[3], day[4], day[5])) * 1_000_000_000
    except ValueError:
        return None
    _remember(_known_seconds, text[:20], second)
    return second + fraction


def _text(raw: bytes) -> str:
    found = _known_texts.get(raw)
    if found is None:
        found = str(json.loads(b'"' + raw + b'"')) if b"\\" in raw else raw.decode()
        _remember(_known_texts, raw, found)
    return found


def _person(actor: bytes) -> tuple[str, str]:
    value = json.loads(actor)
    found = (str(value["id"]), str(value["kind"]))
    _remember(_known_people, actor, found)
    return found


def _remember(known: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    if len(known) >= _MOST_KNOWN:
        known.clear()
    known[key] = value


def _slowly(envelope: bytes) -> Head | None:
    try:
        value = json.loads(envelope)
        actor = value["actor"]
        return Head(
            int(value["seq"]), str(value["event_id"]), str(value["type"]),
            nanoseconds_of(str(value["ts_utc"])), str(value["session"]), str(value["request_id"]),
            str(value["log_id"]), str(value["prev_leaf_hash"]), str(actor["id"]),
            str(actor["kind"]), value["payload"] is not None,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
