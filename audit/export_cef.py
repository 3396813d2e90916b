"""Records as ArcSight Common Event Format, version 0: for SIEMs that read CEF.

The rules are those of "Implementing ArcSight Common Event Format", version 23: in the header a
backslash and a pipe are escaped and no line breaks stand; in the extension a backslash and an
equals sign are escaped and line breaks are `\\n` and `\\r`. Whatever holds controls is written as a
JSON string (`export_row.word`): no receiver can be made to see a line or a key that is not there.

Standard keys have limits (`cs1` to `cs6` 4000 characters, names of users 1023). A value that is
longer goes on, whole, in keys of our own, which that document wants named
VendorProductName: `CloisterAuditFields2`, `CloisterAuditFields3` and so on. Nothing is cut.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import count

from audit.envelope import format_time
from audit.export_row import Row, blanked, json_text, nanoseconds, row_from, row_of, unword, word
from audit.export_types import kind_of
from audit.store import Leaf

VENDOR, PRODUCT = "Cloister", "Audit"
NEWLINE = "\n"
_SEVERITIES = {1: 1, 2: 3, 3: 6, 4: 9}  # weight: low, low, medium, very high
_PIECE = 2000  # characters of a value before escaping, which can double them
_HEAD_FIELDS = 8  # CEF:0, vendor, product, version, signature, name, severity, extension

# Our name, CEF key, its label, most characters of it (before escaping, which can double them).
_TEXTS = (
    ("event_id", "externalId", "", 40),
    ("type", "act", "", 63),
    ("actor_id", "suser", "", 500),
    ("actor_kind", "cs1", "actorKind", 500),
    ("actor_auth", "flexString1", "auth", 500),
    ("actor_client", "requestClientApplication", "", 500),
    ("session", "cs2", "session", 2000),
    ("request_id", "cs3", "request", 2000),
    ("leaf_hash", "cs4", "leafHash", 2000),
    ("log_id", "deviceExternalId", "", 255),
)
_JSON = (
    ("actor_groups", "flexString2", "groups", 500),
    ("fields", "cs5", "fields", 2000),
    ("rest", "cs6", "rest", 2000),
)
_ESCAPES = {"\\": "\\\\", "=": "\\=", "\n": "\\n", "\r": "\\r"}
_PLAIN = {escaped: plain for plain, escaped in _ESCAPES.items()}
_KEY = re.compile(r"(?:^|(?<= ))([A-Za-z0-9]+)=")


def line(leaf: Leaf, envelope: Mapping[str, object]) -> str:
    """One event. Raises ValueError for what is no record."""
    row = row_of(leaf, envelope)
    kind = kind_of(row.type, row.fields)
    writer = row.rest.get("writer")
    build = str(writer.get("build", "")) if isinstance(writer, Mapping) else ""
    head = ("CEF:0", VENDOR, PRODUCT, build, row.type, kind.name, str(_SEVERITIES[kind.weight]))
    pairs = [
        ("rt", str(leaf.ts_utc // 1_000_000)),
        ("cn1", str(row.seq)),
        ("cn1Label", "number"),
        ("cn2", str(leaf.ts_utc)),
        ("cn2Label", "nanoseconds"),
        ("cat", row.type.partition(".")[0][:63]),
        ("outcome", kind.outcome),
    ]
    for name, key, label, most in _TEXTS:
        pairs += _spread(name, key, label, word(str(getattr(row, name))), most)
    for name, key, label, most in _JSON:
        value = getattr(row, name)
        plain = list(value) if isinstance(value, tuple) else dict(value)
        pairs += _spread(name, key, label, json_text(plain), most)
    extension = " ".join(f"{key}={_escaped(value)}" for key, value in pairs)
    return "|".join((*map(_header, head), extension))


def parse(text: str) -> Row:
    """The record of one event. Raises ValueError."""
    head = re.split(r"(?<!\\)(?:\\\\)*\|", text, maxsplit=_HEAD_FIELDS - 1)
    if len(head) != _HEAD_FIELDS or not text.startswith(f"CEF:0|{VENDOR}|{PRODUCT}|"):
        raise ValueError("the line is no such CEF event")
    pairs = dict(_pairs(head[-1]))
    texts = {name: unword(_gather(pairs, name, key)) for name, key, _, _ in _TEXTS}
    parts = {name: json.loads(_gather(pairs, name, key)) for name, key, _, _ in _JSON}
    texts["time"] = format_time(int(pairs["cn2"]))
    if int(pairs["rt"]) != nanoseconds(texts["time"]) // 1_000_000:
        raise ValueError("its two times differ")
    seq = int(pairs["cn1"])
    return row_from(texts, parts["actor_groups"], parts["fields"], parts["rest"], seq)


def _own(name: str, number: int) -> str:
    camel = "".join(part.capitalize() for part in name.split("_"))
    return f"{VENDOR}{PRODUCT}{camel}{number}"


def _spread(name: str, key: str, label: str, value: str, most: int) -> Iterator[tuple[str, str]]:
    """The value under its key, as far as it fits, and the rest of it under keys of our own."""
    if not value:
        return
    at = _cut(value, 0, most)
    yield key, value[:at]
    if label:
        yield f"{key}Label", label
    for number in count(2):
        if at == len(value):
            return
        end = _cut(value, at, _PIECE)
        yield _own(name, number), value[at:end]
        at = end


def _cut(value: str, start: int, most: int) -> int:
    """Where a piece ends: not beside a space if one can help it; some receivers trim values."""
    full = min(start + most, len(value))
    if full < len(value):
        for end in range(full, full - most // 8, -1):
            if " " not in value[end - 1 : end + 1]:
                return end
    return full


def _gather(pairs: Mapping[str, str], name: str, key: str) -> str:
    found = [pairs.get(key, "")]
    while (own := _own(name, len(found) + 1)) in pairs:
        found.append(pairs[own])
    return "".join(found)


def _escaped(value: str) -> str:
    return re.sub(r"[\\=\n\r]", lambda found: _ESCAPES[found[0]], value)


def _header(value: str) -> str:
    plain = blanked(value).strip() or "-"
    return plain.replace("\\", "\\\\").replace("|", "\\|")


def _pairs(extension: str) -> Iterator[tuple[str, str]]:
    """The keys and values. An equals sign in a value is escaped, so every bare one ends a key."""
    keys = list(_KEY.finditer(extension))
    ends = [found.start() - 1 for found in keys[1:]] + [len(extension)]
    for found, end in zip(keys, ends, strict=True):
        value = extension[found.end() : end]
        yield found[1], re.sub(r"\\[\\=nr]", lambda each: _PLAIN[each[0]], value)
