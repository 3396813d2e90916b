"""The keystore: one key for each payload, in a SQLite file of its own beside the log.

A key is on disk before the record that needs it is written, so a crash between the two leaves a
key without a record, never a record without its key. Keys are made ahead of need, in blocks that
double up to `_LARGEST_BLOCK`: one sync serves many records, and a command that writes three records
does not make hundreds of keys. What is left over is removed when the keystore is closed.

Destroying a key overwrites it with zeros in the file (`secure_delete`) and then empties this file's
own WAL, which would otherwise keep a copy; only after that is a key reported as destroyed. Why a
WAL at all: docs/adr/0002-audit-log.md.

What this does not protect against: blocks that the file system or an SSD keeps after an overwrite,
and backups of this file. Keep it on an encrypted volume and let its backups expire.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from audit.database import connect, explained, write_transaction
from audit.errors import LogLockedError, PayloadErasedError, PayloadKeyLostError

KEY_BYTES = 32
_FIRST_BLOCK = 8
_LARGEST_BLOCK = 256
_POLL_SECONDS = 0.005

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
        self._patience = busy_timeout_ms / 1000
        self._lock = threading.RLock()
        self._spare: list[tuple[str, bytes]] = []
        self._block = _FIRST_BLOCK
        self._connection = connect(path, busy_timeout_ms=busy_timeout_ms)
        with explained(path):
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("PRAGMA secure_delete=ON")
            self._connection.execute(_SCHEMA)

    def take(self) -> tuple[str, bytes]:
        """A fresh random key that is on disk already: (its id in 32 hex digits, 32 bytes)."""
        with self._lock:
            if not self._spare:
                made = [
                    (secrets.token_hex(16), secrets.token_bytes(KEY_BYTES))
                    for _ in range(self._block)
                ]
                self.put(made)
                self._spare = made
                self._block = min(2 * self._block, _LARGEST_BLOCK)
            return self._spare.pop()

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

    def destroy(self, key_ids: Sequence[str]) -> int:
        """Destroy keys for good; how many of them lived.

        Raises LogLockedError if another process kept a copy in use for longer than the busy
        timeout: the keys cannot be read any more, but doing it again is needed to wipe that copy.
        """
        now = time.time_ns()
        return self._wiped(
            "UPDATE payload_key SET key = NULL, destroyed_ns = ?2 "
            "WHERE key_id = ?1 AND key IS NOT NULL",
            [(key_id, now) for key_id in key_ids],
        )

    def remove(self, key_ids: Sequence[str]) -> int:
        """Destroy keys of which nothing is to be remembered; how many there were. As `destroy`."""
        return self._wiped(
            "DELETE FROM payload_key WHERE key_id = ?", [(key_id,) for key_id in key_ids]
        )

    def _wiped(self, sql: str, values: Sequence[tuple[str | int, ...]]) -> int:
        with self._lock:
            with write_transaction(self._connection, self._path):
                changed = self._connection.executemany(sql, values).rowcount
            self._empty_wal()
        return max(changed, 0)

    def _empty_wal(self) -> None:
        """Move the WAL into the database and cut it to nothing. Where another process is doing the
        same SQLite says at once that it is busy, whatever the timeout: so it is tried again."""
        deadline = time.monotonic() + self._patience
        while True:
            with explained(self._path):
                busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self._sync_wal()
            if not busy:
                return
            if time.monotonic() > deadline:
                raise LogLockedError(self._path)
            time.sleep(_POLL_SECONDS)

    def _sync_wal(self) -> None:
        """Have the WAL's new length on disk: SQLite empties it without a sync, and the old one,
        with the keys in it, could come back after a power cut. SQLite holds no lock on this file
        that closing it here could drop (all of them are on the database and its `-shm`)."""
        wal = self._path.with_name(f"{self._path.name}-wal")
        descriptor = os.open(wal, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Remove the keys that no record took and close the file. Safe to call twice."""
        with self._lock:
            spare, self._spare = self._spare, []
            try:
                if spare:
                    with write_transaction(self._connection, self._path):
                        self._connection.executemany(
                            "DELETE FROM payload_key WHERE key_id = ?", [(key,) for key, _ in spare]
                        )
            finally:
                with explained(self._path):
                    self._connection.close()
