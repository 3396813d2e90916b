"""The envelope: the clear part of a record, as canonical JSON. Its exact bytes are the Merkle leaf.

Two values are text although they count nanoseconds, because they exceed the integers that JSON
keeps exact (2^53-1): `ts_utc` is RFC 3339 with nine decimals, `mono_ns` is decimal digits.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audit.canonical import canonical
from audit.errors import EnvelopeTooLargeError
from audit.merkle import HASH_BYTES
from audit.record import Event

SCHEMA = "cloister.audit/1"
MAX_ENVELOPE_BYTES = 64 * 1024  # an envelope is smaller than this
NO_PREVIOUS_LEAF = "0" * (2 * HASH_BYTES)  # prev_leaf_hash of record 0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Writer:
    """The process that records: what `writer` and `boot_id` say in each of its envelopes."""

    pid: int
    uid: int
    process: str
    build: str
    boot_id: str

    @classmethod
    def of_this_process(cls, *, process: str, build: str) -> Writer:
        """`process` and `build` name the program and its version."""
        return cls(os.getpid(), os.getuid(), process, build, _read_boot_id())


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record goes: the log, its number from 0, and the hex hash of the leaf before it."""

    log_id: str
    seq: int
    prev_leaf_hash: str


@dataclass(frozen=True, slots=True)
class Moment:
    """When, in nanoseconds: since 1970 UTC, and on the clock that only runs forward since boot."""

    ts_utc: int
    mono_ns: int

    @classmethod
    def now(cls) -> Moment:
        clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # runs on in a suspend
        return cls(time.time_ns(), time.clock_gettime_ns(clock))


def _read_boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""  # not Linux, or hidden: the record says so by an empty value


def new_event_id() -> str:
    """A UUIDv7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    number = (milliseconds & (2**48 - 1)) << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 0x7 << 76  # version
    number = number & ~(0x3 << 62) | 0x2 << 62  # variant
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def format_time(ts_utc: int) -> str:
    """RFC 3339 in UTC with nine decimals, from nanoseconds since 1970."""
    seconds, nanoseconds = divmod(ts_utc, 1_000_000_000)
    moment = time.gmtime(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{nanoseconds:09d}Z"


def build_envelope(
    event: Event,
    *,
    event_id: str,
    place: Place,
    moment: Moment,
    writer: Writer,
    payload: Mapping[str, str | int] | None,
) -> bytes:
    """The canonical bytes of one record.

    Raises CanonicalError for a value without a canonical form and EnvelopeTooLargeError from
    64 KiB on.
    """
    envelope = canonical(
        {
            "schema": SCHEMA,
            "log_id": place.log_id,
            "seq": place.seq,
            "event_id": event_id,
            "type": event.type,
            "ts_utc": format_time(moment.ts_utc),
            "mono_ns": str(moment.mono_ns),
            "boot_id": writer.boot_id,
            "writer": {
                "pid": writer.pid,
                "uid": writer.uid,
                "process": writer.process,
                "build": writer.build,
            },
            "actor": {
                "kind": event.actor.kind,
                "id": event.actor.id,
                "auth": event.actor.auth,
                "groups": list(event.actor.groups),
                "client": event.actor.client,
            },
            "session": event.session,
            "request_id": event.request_id,
            "prev_leaf_hash": place.prev_leaf_hash,
            "payload": payload,
            "fields": event.fields,
        }
    )
    if len(envelope) >= MAX_ENVELOPE_BYTES:
        raise EnvelopeTooLargeError(event.type, len(envelope), MAX_ENVELOPE_BYTES)
    return envelope


def parse_envelope(stored: bytes) -> dict[str, object]:
    """The envelope as a mapping, for reading only: what is hashed is always the stored bytes.

    Raises ValueError if the bytes are no JSON object.
    """
    value = json.loads(stored)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value
