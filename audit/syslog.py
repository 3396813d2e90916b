"""A checkpoint as a syslog message (RFC 5424), and notes found again in a syslog server's file.

Facility 13 (log audit), severity notice. The note travels in base64, so that no relay can change
its line ends; the text is pure ASCII JSON and holds no line end. As in `audit.export_syslog`, which
writes records, structured data is only the registered element `origin`: another one needs a
private enterprise number, which this product does not have.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import socket

from audit.envelope import format_time

PRIORITY = 13 * 8 + 5  # facility log audit, severity notice: RFC 5424 section 6.2.1
MSGID = "checkpoint"
_NOTE = re.compile(rb' cloister \S+ checkpoint .*"note":"([A-Za-z0-9+/=]+)"')


def checkpoint_message(note: str, *, moment: int, process: str) -> bytes:
    """The message that anchors a signed note. `moment` in nanoseconds since 1970."""
    origin, size, root = note.split("\n")[:3]
    encoded = base64.b64encode(note.encode()).decode("ascii")
    values = {"origin": origin, "size": int(size), "root": root, "note": encoded}
    header = (
        f"<{PRIORITY}>1",
        f"{format_time(moment)[:26]}Z",  # RFC 5424 allows six decimals
        _word(socket.gethostname(), 255),
        "cloister",
        _word(process, 128),
        MSGID,
        '[origin software="Cloister"]',
    )
    text = json.dumps(values, separators=(",", ":"))
    return " ".join((*header, text)).encode("ascii")


def notes_in(content: bytes) -> list[bytes]:
    """The signed notes among lines of syslog, in order; what is no such line is passed over.

    They are as untrusted as the file: the verifier checks their signatures.
    """
    found = []
    for match in _NOTE.finditer(content):
        try:
            found.append(base64.b64decode(match[1], validate=True))
        except (binascii.Error, ValueError):
            continue
    return found


def _word(value: str, longest: int) -> str:
    """A field of the header: printable ASCII without spaces, the NILVALUE for none."""
    return re.sub(r"[^!-~]", "", value)[:longest] or "-"
