"""Records as syslog messages (RFC 5424), one a line: for whatever collects syslog from files.

Facility 13 (log audit). TIMESTAMP can hold microseconds only (section 6.2.3.1) and is cut, not
rounded; the text holds all nine decimals. HOSTNAME is left out: a record does not name the host it
was made on, and an export may be made on another. Structured data is only the registered element
`origin` (section 7.2): an element of one's own needs a private enterprise number (section 6.3.2),
which this product does not have, and 32473 belongs to examples (RFC 5612). So everything stands in
the text: the envelope as JSON with `leaf_hash` beside its other names. The text is pure ASCII,
because section 6.4 asks for a byte order mark before UTF-8, on which many readers of JSON stumble.

A receiver must take 480 octets and should take 2048 (section 6.1); many cut at 8192. Nothing is cut
here: `export_formats.Summary.longest` says how long the longest line is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from audit.export_row import Row, nanoseconds, row_of
from audit.export_types import Kind, kind_of
from audit.store import Leaf

FACILITY = 13
APP_NAME = "cloister"
_NO_VERSION = '[origin software="Cloister"]'
COMMON_LIMIT = 8192  # octets; what common receivers take without being told otherwise
NEWLINE = "\n"
_SEVERITIES = {1: 6, 2: 5, 3: 4, 4: 2}  # weight: informational, notice, warning, critical
_HEADER = re.compile(r"<\d{1,3}>1 [!-~]+ - cloister [!-~]+ [!-~]+ ")
_ORIGIN = re.compile(r'\[origin software="Cloister"(?: swVersion="(?:[^"\\\]]|\\.)*")?\] ')


def line(leaf: Leaf, envelope: Mapping[str, object]) -> str:
    """One message. Raises ValueError for what is no record."""
    row = row_of(leaf, envelope)
    if "leaf_hash" in envelope:
        raise ValueError(f"record {leaf.seq} has a part named leaf_hash, which is taken")
    writer = row.rest.get("writer")
    writer = writer if isinstance(writer, Mapping) else {}
    text = json.dumps({**envelope, "leaf_hash": row.leaf_hash}, separators=(",", ":"))
    return " ".join(
        (
            f"<{_priority(kind_of(row.type, row.fields))}>1",
            f"{row.time[:26]}Z",
            "-",
            APP_NAME,
            _name(str(writer.get("pid", "")), 128),
            _name(row.type, 32),
            _origin(str(writer.get("build", ""))),
            text.replace("\x7f", "\\u007f"),
        )
    )


def parse(text: str) -> Row:
    """The record of one message. Raises ValueError."""
    header = _HEADER.match(text)
    data = _ORIGIN.match(text, header.end()) if header else None
    if data is None:
        raise ValueError("the line is no such syslog message")
    envelope = json.loads(text[data.end() :])
    if not isinstance(envelope, dict):
        raise ValueError("the message holds no record")
    return row_of(*_leaf_of(envelope))


def _leaf_of(envelope: dict[str, object]) -> tuple[Leaf, dict[str, object]]:
    digest, seq = envelope.pop("leaf_hash", None), envelope.get("seq")
    if not isinstance(digest, str) or not isinstance(seq, int):
        raise ValueError("the message holds no record")
    names = [str(envelope.get(name)) for name in ("event_id", "type", "session", "request_id")]
    when = nanoseconds(str(envelope.get("ts_utc")))
    hashed = bytes.fromhex(digest)
    return Leaf(seq, names[0], names[1], when, names[2], names[3], hashed, b""), envelope


def _priority(kind: Kind) -> int:
    return FACILITY * 8 + _SEVERITIES[kind.weight]


def _name(value: str, longest: int) -> str:
    """A field of the header: printable ASCII without spaces, the NILVALUE for none."""
    return re.sub(r"[^!-~]", "", value)[:longest] or "-"


def _origin(build: str) -> str:
    """The element `origin`; its swVersion is at most 32 characters (section 7.2.4)."""
    plain = re.sub(r"[^ -~]", " ", build)[:32]
    version = re.sub(r'(["\\\]])', r"\\\1", plain)
    return f'[origin software="Cloister" swVersion="{version}"]' if version else _NO_VERSION
