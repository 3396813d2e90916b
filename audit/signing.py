"""Which key signs: the epochs of a log, as its own records tell them.

Epoch 1 begins with `log.created`; each `key.rotated` record begins the next. A checkpoint of size S
is signed by epoch 1 + (the number of `key.rotated` records numbered below S - 1): the checkpoint
that just covers a rotation (the handover, of size r + 1) is still signed by the key before it,
which thereby vouches for the next one. After the handover the earlier private key is destroyed. So
the thief of today's key cannot sign any size that an earlier epoch has sealed, and whoever trusts
the first public key can follow the chain to every later one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.checkpoint import Checkpoint, VerifierKey, open_checkpoint, parse_verifier_key
from audit.envelope import parse_envelope
from audit.errors import CheckpointError, KeyFormatError, LogCorruptError
from audit.keys import (
    FIRST_EPOCH,
    destroy_private,
    make_signing_key,
    private_epochs,
    private_path,
    publish_verifier_key,
    read_private,
    read_verifier_keys,
)
from audit.store import LogStore


def epoch_of(size: int, rotations: Sequence[int]) -> int:
    """The epoch whose key signs a checkpoint of `size`, given the numbers of the rotations."""
    return FIRST_EPOCH + sum(number < size - 1 for number in rotations)


class Signing:
    """The keys of one log: the private one in force, and all public ones."""

    def __init__(self, public: Path, private: Path, origin: str) -> None:
        """`public` and `private` are the folders of the `.pub` and `.key` files."""
        self._public, self._private = public, private
        self.origin = origin
        self._epoch = 0
        self._signer: Ed25519PrivateKey | None = None
        self.trusted: tuple[VerifierKey, ...] = read_verifier_keys(public)

    def begin(self) -> None:
        """Make the first key if there is none, and publish it."""
        if FIRST_EPOCH not in private_epochs(self._private):
            make_signing_key(self._private, FIRST_EPOCH)
        self._publish(FIRST_EPOCH, self._load(FIRST_EPOCH))

    def signer(self, store: LogStore, size: int) -> Ed25519PrivateKey:
        """The private key for a checkpoint of `size`.

        Raises LogIncompleteError if its file is gone, LogCorruptError if it is not the key that the
        log names for that epoch.
        """
        rotations = store.rotations()
        epoch = epoch_of(size, [number for number, _ in rotations])
        key = self._load(epoch)
        if epoch > FIRST_EPOCH:
            named = _named_key(store, rotations[epoch - FIRST_EPOCH - 1])
            if named.public != key.public_key().public_bytes_raw():
                raise LogCorruptError(store.path, f"epoch {epoch} has another key than it names")
            self._publish(epoch, key)
        return key

    def opened(self, note: str) -> Checkpoint:
        """A checkpoint that one of the public keys signed. Raises CheckpointError."""
        try:
            return open_checkpoint(note.encode(), self.trusted)
        except CheckpointError:
            # Another process may have begun a new epoch since the keys were read.
            self.trusted = read_verifier_keys(self._public)
            return open_checkpoint(note.encode(), self.trusted)

    def _load(self, epoch: int) -> Ed25519PrivateKey:
        if self._signer is None or epoch != self._epoch:
            self._signer = read_private(private_path(self._private, epoch))
            self._epoch = epoch
        return self._signer

    def _publish(self, epoch: int, key: Ed25519PrivateKey) -> None:
        verifier = self.verifier_of(key)
        if verifier not in self.trusted:
            publish_verifier_key(self._public, epoch, verifier)
            self.trusted = read_verifier_keys(self._public)

    def verifier_of(self, key: Ed25519PrivateKey) -> VerifierKey:
        """The public half, named for this log."""
        return VerifierKey(self.origin, key.public_key().public_bytes_raw())

    def make_next(self, epoch: int) -> VerifierKey:
        """A key for `epoch`, on disk; nothing is signed with it until a rotation names it."""
        return self.verifier_of(make_signing_key(self._private, epoch))

    def destroy_outdated(self, in_force: int) -> tuple[int, ...]:
        """Destroy every private key but that of the epoch `in_force`; the epochs of those that had
        been in force."""
        gone = [epoch for epoch in private_epochs(self._private) if epoch != in_force]
        for epoch in gone:
            destroy_private(private_path(self._private, epoch))
        return tuple(epoch for epoch in gone if epoch < in_force)


def _named_key(store: LogStore, rotation: tuple[int, bytes]) -> VerifierKey:
    number, envelope = rotation
    try:
        fields = parse_envelope(envelope)["fields"]
        named = fields["verifier_key"] if isinstance(fields, dict) else None
        return parse_verifier_key(str(named))
    except (ValueError, KeyError, RecursionError, KeyFormatError) as error:
        raise LogCorruptError(store.path, f"record {number} names no key") from error
