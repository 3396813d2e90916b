"""The files of a log, opened together: keys, keystore and database, with what identifies it.

Opening is where a missing part must not be replaced by a fresh one: a public key in `keys` says
that a log once began here, and then every other file has to be there too.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

from audit.checkpoint import origin_of
from audit.database import explained, sync_folder
from audit.errors import LogCorruptError, LogIncompleteError
from audit.keys import FIRST_EPOCH, private_epochs, private_path, published
from audit.keystore import Keystore
from audit.signing import Signing
from audit.store import LogStore


@dataclass(frozen=True, slots=True)
class Parts:
    """An open log's files."""

    store: LogStore
    keystore: Keystore
    signing: Signing
    log_id: str

    def close(self) -> None:
        """Close both databases. Safe to call twice."""
        try:
            self.store.close()
        finally:
            self.keystore.close()


def open_parts(folder: Path, key_folder: Path | None, *, busy_timeout_ms: int) -> Parts:
    """Open the log in `folder`, or begin one if there never was one. Call it under the setup lock.

    `key_folder` holds the private keys (None: the log's own `keys`). Raises LogIncompleteError if a
    part of an earlier log is gone, LogCorruptError if its database holds no log, or another
    AuditError.
    """
    database, keystore_path, keys = folder / "log.db", folder / "keystore.db", folder / "keys"
    private = key_folder or keys
    begun = published(keys)
    for part in (database, keystore_path):
        if begun and not part.exists():
            raise LogIncompleteError(part)
    if begun and not private_epochs(private):
        raise LogIncompleteError(private_path(private, FIRST_EPOCH))
    keystore = Keystore(keystore_path, busy_timeout_ms=busy_timeout_ms)
    try:
        store = LogStore(database, busy_timeout_ms=busy_timeout_ms)
    except BaseException:
        keystore.close()
        raise
    try:
        log_id = _identify(store, begun)
        signing = Signing(keys, private, origin_of(log_id))
        if not begun:
            signing.begin()
            # Also what an opening that was cut short had made and not synced.
            with explained(folder):
                sync_folder(folder)
                sync_folder(folder.parent)
        return Parts(store, keystore, signing, log_id)
    except BaseException:
        store.close()
        keystore.close()
        raise


def _identify(store: LogStore, begun: bool) -> str:
    meta = store.read_meta()
    if "log_id" in meta:
        store.add_missing_tables()
        return meta["log_id"]
    if begun:
        raise LogCorruptError(store.path, "it holds no log")
    log_id = uuid.uuid4().hex
    with store.transaction():
        store.create({"log_id": log_id})
    return log_id
