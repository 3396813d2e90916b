"""The keystore: one key for each payload, in a SQLite file of its own beside the log.

A key is on disk before the record that needs it is written, so a crash between the two leaves a
key without a record, never a record without its key. Destroying a key overwrites it with zeros in
the file (`secure_delete`) and then empties this file's own WAL, which would otherwise keep a copy;
only after that is a key reported as destroyed. Why a WAL at all: docs/adr/0002-audit-log.md.

What this does not protect against: blocks that the file system or an SSD keeps after an overwrite,
and backups of this file. Keep it on an encrypted volume and let its backups expire.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from audit.database import connect, explained, write_transaction
from audit.errors import LogLockedError, PayloadErasedError, PayloadKeyLostError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS payload_key (
    key_id TEXT PRIMARY KEY,
    key BLOB,            -- 32 bytes; NULL once destroyed
    destroyed_ns INTEGER -- since 1970-01-01T00:00:00Z; NULL while alive
) WITHOUT ROWID, STRICT
"""


class Keystore:
    """Keys by id. Safe for several threads and several processes."""

    def __init__(self, path: Path, *, busy_timeout_ms: int) -> None:
        """Open or create the keystore. Raises AuditError."""
        self._path = path
        self._lock = threading.Lock()
        self._connection = connect(path, busy_timeout_ms=busy_timeout_ms)
        with explained(path):
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("PRAGMA secure_delete=ON")
            self._connection.execute(_SCHEMA)

    def put(self, keys: Sequence[tuple[str, bytes]]) -> None:
        """Store (key id, 32-byte key) pairs; they are on disk when this returns."""
        with self._lock, write_transaction(self._connection, self._path):
            self._connection.executemany(
                "INSERT INTO payload_key (key_id, key) VALUES (?, ?)", list(keys)
            )

    def get(self, key_id: str, event_id: str) -> bytes:
        """The key. Raises PayloadErasedError or PayloadKeyLostError, naming the record."""
        with self._lock, explained(self._path):
            row = self._connection.execute(
                "SELECT key FROM payload_key WHERE key_id = ?", (key_id,)
            ).fetchone()
        if row is None:
            raise PayloadKeyLostError(event_id)
        if row[0] is None:
            raise PayloadErasedError(event_id)
        return bytes(row[0])

    def erased(self, key_id: str) -> bool:
        """Whether the key was destroyed here."""
        with self._lock, explained(self._path):
            row = self._connection.execute(
                "SELECT key IS NULL FROM payload_key WHERE key_id = ?", (key_id,)
            ).fetchone()
        return row is not None and bool(row[0])

    def destroy(self, key_id: str) -> bool:
        """Destroy one key for good; False if there was no living key of that id.

        Raises LogLockedError if another process kept a copy in use for longer than the busy
        timeout: the key cannot be read any more, but doing it again is needed to wipe that copy.
        """
        with self._lock:
            with write_transaction(self._connection, self._path):
                changed = self._connection.execute(
                    "UPDATE payload_key SET key = NULL, destroyed_ns = ? "
                    "WHERE key_id = ? AND key IS NOT NULL",
                    (time.time_ns(), key_id),
                ).rowcount
            with explained(self._path):
                busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise LogLockedError(self._path)
        return changed == 1

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        with self._lock, explained(self._path):
            self._connection.close()
