"""Encrypting one payload under a key of its own, so that destroying the key erases it.

ChaCha20-Poly1305 (RFC 8439). A stored payload is nonce (12 bytes) || ciphertext || tag (16 bytes);
the log's and the record's ids are authenticated with it, so that a payload moved to another record
does not open. The plaintext is JSON.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from audit.errors import PayloadDamagedError, PayloadFormatError

NONCE_BYTES = 12
_CONTEXT = "cloister.audit/1 payload"


@dataclass(frozen=True, slots=True)
class SealedPayload:
    """The id of its key (32 hex digits), and the bytes to store."""

    key_id: str
    stored: bytes

    def reference(self) -> dict[str, str | int]:
        """What the envelope says of it: SHA-256 and length in bytes of what is stored; key id."""
        return {
            "ciphertext_sha256": hashlib.sha256(self.stored).hexdigest(),
            "key_id": self.key_id,
            "length": len(self.stored),
        }


def seal_payload(
    payload: Mapping[str, object],
    key_id: str,
    key: bytes,
    *,
    log_id: str,
    event_id: str,
    event_type: str,
) -> SealedPayload:
    """Serialise and encrypt `payload` under its own fresh key. Raises PayloadFormatError."""
    try:
        # ASCII output keeps lone surrogates, which file names that are not UTF-8 turn into.
        plain = json.dumps(payload, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadFormatError(event_type, str(error)) from error
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = ChaCha20Poly1305(key).encrypt(nonce, plain.encode(), _bound_to(log_id, event_id))
    return SealedPayload(key_id, nonce + sealed)


def open_payload(stored: bytes, key: bytes, *, log_id: str, event_id: str) -> dict[str, object]:
    """Decrypt what `seal_payload` stored. Raises PayloadDamagedError if it does not open."""
    nonce, sealed = stored[:NONCE_BYTES], stored[NONCE_BYTES:]
    try:
        plain = ChaCha20Poly1305(key).decrypt(nonce, sealed, _bound_to(log_id, event_id))
        value = json.loads(plain)
    except (InvalidTag, ValueError) as error:
        raise PayloadDamagedError(event_id) from error
    if not isinstance(value, dict):
        raise PayloadDamagedError(event_id)
    return value


def _bound_to(log_id: str, event_id: str) -> bytes:
    return f"{_CONTEXT}\n{log_id}\n{event_id}".encode()
