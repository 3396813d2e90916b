"""The files of a log, opened together: keys, keystore and database, with what identifies it.

Opening is where a missing part must not be replaced by a fresh one: a public key in `keys` says
that a log once began here, and then every other file has to be there too.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.checkpoint import VerifierKey, origin_of
from audit.errors import LogCorruptError, LogIncompleteError
from audit.keys import (
    load_or_create_signing_key,
    publish_verifier_key,
    published,
    read_verifier_keys,
)
from audit.keystore import Keystore
from audit.store import LogStore


@dataclass(frozen=True, slots=True)
class Parts:
    """An open log's files. `trusted` are the public keys of all epochs."""

    store: LogStore
    keystore: Keystore
    signer: Ed25519PrivateKey
    log_id: str
    verifier_key: VerifierKey
    trusted: tuple[VerifierKey, ...]

    @property
    def origin(self) -> str:
        """The log's name in checkpoints."""
        return self.verifier_key.name

    def close(self) -> None:
        """Close both databases. Safe to call twice."""
        try:
            self.store.close()
        finally:
            self.keystore.close()


def open_parts(folder: Path, *, busy_timeout_ms: int) -> Parts:
    """Open the log in `folder`, or begin one if there never was one. Call it under the setup lock.

    Raises LogIncompleteError if a part of an earlier log is gone, LogCorruptError if its database
    holds no log, or another AuditError.
    """
    database, keystore_path, keys = folder / "log.db", folder / "keystore.db", folder / "keys"
    begun = published(keys)
    for part in (database, keystore_path):
        if begun and not part.exists():
            raise LogIncompleteError(part)
    signer = load_or_create_signing_key(keys, create=not begun)
    keystore = Keystore(keystore_path, busy_timeout_ms=busy_timeout_ms)
    try:
        store = LogStore(database, busy_timeout_ms=busy_timeout_ms)
    except BaseException:
        keystore.close()
        raise
    try:
        log_id = _identify(store, begun)
        key = VerifierKey(origin_of(log_id), signer.public_key().public_bytes_raw())
        publish_verifier_key(keys, key)
        return Parts(store, keystore, signer, log_id, key, read_verifier_keys(keys))
    except BaseException:
        store.close()
        keystore.close()
        raise


def _identify(store: LogStore, begun: bool) -> str:
    meta = store.read_meta()
    if "log_id" in meta:
        return meta["log_id"]
    if begun:
        raise LogCorruptError(store.path, "it holds no log")
    log_id = uuid.uuid4().hex
    with store.transaction():
        store.create({"log_id": log_id})
    return log_id
