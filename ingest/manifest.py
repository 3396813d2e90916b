"""Whether a file is still what the journal says of it: by size and time, else by SHA-256."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from index.records import SourceState
from ingest.walk import FoundFile

RACY_SECONDS = 2.0
"""A file written this close to when it was taken in may have been written again within the same
tick of its file system's clock: its size and time prove nothing.
"""


def digest_of(path: Path) -> str:
    """Hex SHA-256 of a file, "" if it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def is_racy(state: SourceState) -> bool:
    """Whether the journal's size and time do not vouch for the bytes."""
    if not state.at:
        return False
    taken_in = datetime.fromisoformat(state.at).timestamp()  # rounded down to the second
    return -RACY_SECONDS <= taken_in - state.mtime_ns / 1e9 <= RACY_SECONDS


def looks_the_same(state: SourceState, file: FoundFile) -> bool:
    """Whether a file of this place has the size and time that the journal noted."""
    return (state.size, state.mtime_ns) == (file.size, file.mtime_ns)


def known_digest(state: SourceState) -> str:
    """The SHA-256 of the bytes that the journal knows a source by, "" for none."""
    return state.digest or state.document_id or ""
