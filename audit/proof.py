"""A single proof: one record, exactly as recorded, and that it stands in the log at its place.

A proof is UTF-8 text whose lines end in a newline:

    cloister.audit.proof/1
    <number of the record>
    <its envelope: the exact bytes that were hashed, which hold no line break>
    <one line for each hash of the inclusion proof, leaf upwards, base64>
    <an empty line>
    <the signed checkpoint, as it stands in the log>

It can be verified with the log's public key alone. Whatever is not exactly what `Proof.text` would
write is refused, so that no bit of a proof can be other than it was.

What this does not protect against: who holds the signing key can prove a record of their own
making, unless its checkpoint agrees with one that is kept out of their reach.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.canonical import read_exact
from audit.checkpoint import (
    MAX_NOTE_BYTES,
    Checkpoint,
    VerifierKey,
    open_checkpoint,
    open_text,
    origin_of,
)
from audit.envelope import MAX_ENVELOPE_BYTES, SCHEMA
from audit.errors import ProofError
from audit.merkle import MAX_SIZE, inclusion_proof, leaf_hash, verify_inclusion

if TYPE_CHECKING:
    from audit.ports import AuditLog

FORMAT = "cloister.audit.proof/1"
MAX_HASHES = 64
MAX_PROOF_BYTES = MAX_ENVELOPE_BYTES + MAX_NOTE_BYTES + 64 * MAX_HASHES


@dataclass(frozen=True, slots=True)
class Proof:
    """Record `seq` with its exact `envelope`; `path`: the hashes of the inclusion proof, leaf
    upwards; `note`: the signed checkpoint to whose root they lead."""

    seq: int
    envelope: bytes
    path: tuple[bytes, ...]
    note: str

    def text(self) -> bytes:
        """The file form."""
        path = "".join(f"{base64.b64encode(step).decode()}\n" for step in self.path)
        head = f"{FORMAT}\n{self.seq}\n".encode()
        return head + self.envelope + f"\n{path}\n{self.note}".encode()

    @property
    def overhead(self) -> int:
        """The bytes of the file that are not the envelope: the proof and the checkpoint."""
        return len(self.text()) - len(self.envelope)


@dataclass(frozen=True, slots=True)
class ProvenRecord:
    """What a proof shows: this envelope is record `seq` of the log under `checkpoint`, which the
    key with the hex id `key_id` signed."""

    seq: int
    envelope: dict[str, object]
    checkpoint: Checkpoint
    key_id: str

    def as_json(self) -> dict[str, object]:
        """Plain values for `json.dumps`."""
        return {
            "origin": self.checkpoint.origin,
            "record": self.seq,
            "size": self.checkpoint.size,
            "root": self.checkpoint.root.hex(),
            "key": self.key_id,
            "envelope": self.envelope,
        }


def make_proof(log: AuditLog, key: int | str) -> Proof:
    """The proof of one record, by number or event id, under the newest checkpoint.

    The log is sealed first if that does not cover the record. Raises RecordNotFoundError (also for
    a pruned record) or another AuditError.
    """
    with log.reading:
        leaf = log.leaf(key)
        newest = log.newest_checkpoint()
        note = newest[1] if newest is not None and newest[0] > leaf.seq else log.seal()
        size = int(note.split("\n")[1])
        return Proof(leaf.seq, leaf.envelope, inclusion_proof(log.node, leaf.seq, size), note)


def parse_proof(raw: bytes) -> Proof:
    """Read the file form. Raises ProofError unless every byte is as `Proof.text` writes it."""
    if len(raw) > MAX_PROOF_BYTES:
        raise ProofError(f"it is longer than {MAX_PROOF_BYTES} bytes")
    head, blank, note = raw.partition(b"\n\n")
    lines = head.split(b"\n")
    if not blank or len(lines) < 3 or lines[0] != FORMAT.encode():
        raise ProofError(f"it does not have the form {FORMAT}")
    try:
        seq = int(lines[1]) if len(lines[1]) < 20 else -1
        path = tuple(base64.b64decode(line, validate=True) for line in lines[3:])
        proof = Proof(seq, lines[2], path, note.decode("utf-8"))
    except (ValueError, binascii.Error):
        raise ProofError(f"it does not have the form {FORMAT}") from None
    if not 0 <= seq <= MAX_SIZE or len(path) > MAX_HASHES or proof.text() != raw:
        raise ProofError(f"it does not have the form {FORMAT}")
    return proof


def verify_proof(raw: bytes, keys: Sequence[VerifierKey]) -> ProvenRecord:
    """Check a proof against public keys, without the log. Raises ProofError or CheckpointError."""
    proof = parse_proof(raw)
    checkpoint = open_checkpoint(proof.note.encode("utf-8"), keys)
    verify_inclusion(
        leaf_hash(proof.envelope), proof.seq, checkpoint.size, proof.path, checkpoint.root
    )
    try:
        envelope = read_exact(proof.envelope)
    except ValueError:
        raise ProofError("its record is not in canonical form") from None
    place = {"seq": proof.seq, "schema": SCHEMA}
    said = {name: envelope.get(name) for name in place}
    if said != place or origin_of(str(envelope.get("log_id"))) != checkpoint.origin:
        raise ProofError("its record names another place or another log")
    _, signer = open_text(proof.note.encode("utf-8"), keys)
    return ProvenRecord(proof.seq, envelope, checkpoint, signer.key_id.hex())
