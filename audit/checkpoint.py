"""Signed checkpoints: the log's size and root at one moment, in a form that can be kept elsewhere.

Formats: https://c2sp.org/tlog-checkpoint (the text: origin, size, root) and
https://c2sp.org/signed-note (the envelope of signature lines), with Ed25519 (type 0x01).

Parsing is strict on purpose: every byte of a checkpoint that this log writes is either exactly as
it must be or the whole note is refused. Only well-formed signature lines of *unknown* keys are
passed over, as signed-note demands, so that other parties may add theirs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.errors import CheckpointError, KeyFormatError
from audit.merkle import HASH_BYTES, MAX_SIZE

ORIGIN_PREFIX = "cloister.invalid/log/"  # a name, not an address: RFC 2606 keeps .invalid free
ED25519 = b"\x01"  # signature type byte of signed-note
ED25519_BYTES = 64
MAX_NOTE_BYTES = 64 * 1024
MAX_SIGNATURES = 16
_SIGNATURE_PREFIX = "\u2014 "  # em dash, space
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def origin_of(log_id: str) -> str:
    """The origin line and key name of the log with this id."""
    return ORIGIN_PREFIX + log_id


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head. `root` is 32 bytes; `size` counts records."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The note text that is signed, its last newline included."""
        return f"{self.origin}\n{self.size}\n{_b64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key as signed-note names it: key name (the log's origin) and 32 bytes of Ed25519."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || 0x0A || 0x01 || public key), first 4 bytes."""
        named = self.name.encode("utf-8") + b"\n" + ED25519 + self.public
        return hashlib.sha256(named).digest()[:4]

    def text(self) -> str:
        """One line, `name+hex key id+base64(0x01 || key)`: the form Go's note package reads."""
        return f"{self.name}+{self.key_id.hex()}+{_b64(ED25519 + self.public)}"


def parse_verifier_key(text: str) -> VerifierKey:
    """Read one `VerifierKey.text()` line. Raises KeyFormatError unless it is exact."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = _unb64(encoded)
    if not _is_key_name(name) or raw is None or len(raw) != 33 or raw[:1] != ED25519:
        raise KeyFormatError("The given text")
    key = VerifierKey(name, raw[1:])
    if key.key_id.hex() != key_id:
        raise KeyFormatError("The given text")
    return key


def sign_checkpoint(checkpoint: Checkpoint, private: Ed25519PrivateKey) -> str:
    """The signed note of `checkpoint`, under the key name that equals its origin."""
    return _signed(checkpoint.text(), checkpoint.origin, private)


def sign_text(text: str, name: str, private: Ed25519PrivateKey) -> str:
    """A signed note over `text` (its lines end in a newline) under the key name `name`.

    The first line says what the text is, so that nothing signed here can pass for a checkpoint,
    whose first line is an origin. Raises ValueError for a text that could.
    """
    if text.startswith(ORIGIN_PREFIX) or not text.endswith("\n") or "\n\n" in text:
        raise ValueError("a text to be signed needs a first line of its own and no blank line")
    return _signed(text, name, private)


def _signed(text: str, name: str, private: Ed25519PrivateKey) -> str:
    key = VerifierKey(name, private.public_key().public_bytes_raw())
    signature = private.sign(text.encode("utf-8"))
    return f"{text}\n{_SIGNATURE_PREFIX}{key.name} {_b64(key.key_id + signature)}\n"


def signing_key_id(note: bytes) -> str:
    """The hex key id of a note's first signature. Raises CheckpointError."""
    return _split_note(note)[1][0][1].hex()


def open_text(note: bytes, keys: Sequence[VerifierKey]) -> tuple[str, VerifierKey]:
    """The text of a note that one of `keys` signed, and that key.

    Raises CheckpointError if a byte is out of place, if a signature by a known key does not hold,
    or if no known key signed it.
    """
    body, signatures = _split_note(note)
    signed = body.encode("utf-8")
    signer: VerifierKey | None = None
    for name, key_id, signature in signatures:
        for key in keys:
            if (key.name, key.key_id) == (name, key_id):
                _verify_signature(key, signature, signed)
                signer = signer or key
    if signer is None:
        raise CheckpointError("none of the given public keys signed it")
    return body, signer


def open_checkpoint(note: bytes, keys: Sequence[VerifierKey]) -> Checkpoint:
    """Parse a signed note and check it against `keys`.

    Raises CheckpointError if a byte is out of place, if a signature by a known key does not hold,
    if no known key signed it, or if a signing key is named otherwise than the origin.
    """
    checkpoint = _parse_text(_split_note(note)[0])
    _, signer = open_text(note, keys)
    if signer.name != checkpoint.origin:
        raise CheckpointError("it was signed by the key of another log")
    return checkpoint


def _verify_signature(key: VerifierKey, signature: bytes, signed: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, signed)
    except (InvalidSignature, ValueError):
        raise CheckpointError("its signature does not match its text") from None


def _split_note(note: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    if len(note) > MAX_NOTE_BYTES:
        raise CheckpointError(f"it is longer than {MAX_NOTE_BYTES} bytes")
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError:
        raise CheckpointError("it is not UTF-8") from None
    if any(character < " " and character != "\n" for character in text):
        raise CheckpointError("it holds a control character")
    body, blank, tail = text.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise CheckpointError("it has no signature lines after a blank line")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise CheckpointError(f"it has more than {MAX_SIGNATURES} signatures")
    return body + "\n", [_parse_signature(line) for line in lines]


def _parse_signature(line: str) -> tuple[str, bytes, bytes]:
    if not line.startswith(_SIGNATURE_PREFIX):
        raise CheckpointError("a signature line does not begin with an em dash and a space")
    name, _, encoded = line[len(_SIGNATURE_PREFIX) :].partition(" ")
    raw = _unb64(encoded)
    if not _is_key_name(name) or raw is None or len(raw) <= 4:
        raise CheckpointError("a signature line is malformed")
    return name, raw[:4], raw[4:]


def _parse_text(body: str) -> Checkpoint:
    lines = body.split("\n")
    if len(lines) != 4 or lines[3] != "" or not lines[0]:
        raise CheckpointError("its text is not the three lines origin, size and root")
    origin, size, root = lines[:3]
    raw = _unb64(root)
    if not _SIZE.fullmatch(size) or int(size) > MAX_SIZE:
        raise CheckpointError("its second line is no tree size")
    if raw is None or len(raw) != HASH_BYTES:
        raise CheckpointError("its third line is no root hash")
    return Checkpoint(origin, int(size), raw)


def _is_key_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(character.isspace() for character in name)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _unb64(text: str) -> bytes | None:
    """Decode RFC 4648 base64; None unless encoding the result gives the same characters back."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # Unused bits in the last character would let two texts mean the same bytes.
    return raw if _b64(raw) == text else None
