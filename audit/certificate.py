"""The certificate of an erasure: what was erased, for whom, and what a search found afterwards.

A JSON object in canonical form (`audit.canonical`) with two members: `certificate`, all that is
said, and `signature`, a C2SP signed note over three lines: `cloister erasure certificate 1`, the
log's origin, and the hex SHA-256 of the canonical bytes of `certificate`. With the log's public key
alone `verify` checks the signature, that the records `erasure.begun`, `erasure.probed` and
`erasure.finished` (their exact bytes are in it) are in the tree of the signed checkpoint that it
carries, and that the certificate says what these records say. On whose request it was stands in an
encrypted payload; for that the signature alone vouches. `audit.certifying` issues certificates.

What it does not prove: that the probe told the truth (its code does), that no copy lay outside the
data folder, or that the file system or a disk kept no old block.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.canonical import canonical
from audit.checkpoint import VerifierKey, open_checkpoint, open_text
from audit.envelope import parse_envelope
from audit.errors import AuditError, CheckpointError, ProofError
from audit.errors_duties import CertificateError
from audit.merkle import leaf_hash, verify_inclusion

SCHEMA = "cloister.erasure-certificate/1"
TITLE = "cloister erasure certificate 1"
MAX_BYTES = 64 << 20
_PARTS = ("begun", "probed", "finished")


@dataclass(frozen=True, slots=True)
class Verified:
    """What a certificate proves: which erasure, when it was finished (RFC 3339), of which kind, and
    how many needles the probe looked for and found."""

    erasure: str
    origin: str
    kind: str
    finished: str
    needles: int
    found: int
    records: int

    def text(self) -> str:
        """One sentence for people."""
        return (
            f"Erasure {self.erasure} ({self.kind}) was finished on {self.finished}: the payload "
            f"keys of {self.records} records were destroyed, and {self.found} of {self.needles} "
            "pieces of the erased text were found afterwards."
        )


def verify(data: bytes, keys: Sequence[VerifierKey]) -> Verified:
    """Check a certificate with the public keys of the log alone. Raises CertificateError."""
    said = _signed(data, keys)
    try:
        evidence = _members(said["evidence"])
        checkpoint = open_checkpoint(str(evidence["checkpoint"]).encode(), keys)
        records = {
            name: _proven(evidence[name], checkpoint.size, checkpoint.root) for name in _PARTS
        }
        _agree(said, records, checkpoint.origin)
        probe = _members(said["probe"])
        return Verified(
            str(said["erasure"]),
            checkpoint.origin,
            str(said["kind"]),
            str(said["finished"]),
            int(str(probe["needles"])),
            int(str(probe["found"])),
            int(str(said["records_count"])),
        )
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise CertificateError("it lacks a part or a part is malformed") from error
    except (CheckpointError, ProofError) as error:
        raise CertificateError("its records are not proven by its checkpoint") from error


def _signed(data: bytes, keys: Sequence[VerifierKey]) -> dict[str, object]:
    """What the certificate says, once its signature holds."""
    if len(data) > MAX_BYTES:
        raise CertificateError("it is too long")
    try:
        whole = json.loads(data)
        said, signature = whole["certificate"], whole["signature"]
        again = canonical(whole)
        if again != data or set(whole) != {"certificate", "signature"}:
            raise CertificateError("its bytes are not in canonical form")
        text, key = open_text(str(signature).encode(), keys)
    except CertificateError:
        raise
    except CheckpointError as error:
        raise CertificateError("its signature does not hold under the given keys") from error
    except (AuditError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CertificateError("it is no certificate") from error
    digest = hashlib.sha256(canonical(said)).hexdigest()
    if text != f"{TITLE}\n{key.name}\n{digest}\n":
        raise CertificateError("its signature is of something else")
    if not isinstance(said, dict) or said.get("schema") != SCHEMA:
        raise CertificateError("it is of an unknown form")
    return said


def _proven(part: object, size: int, root: bytes) -> dict[str, object]:
    """The envelope of a record that the tree holds."""
    if not isinstance(part, dict):
        raise CertificateError("a record is missing in it")
    envelope = base64.b64decode(part["envelope"], validate=True)
    proof = [base64.b64decode(each, validate=True) for each in part["proof"]]
    verify_inclusion(leaf_hash(envelope), int(part["number"]), size, proof, root)
    parsed = parse_envelope(envelope)
    if parsed.get("seq") != part["number"]:
        raise CertificateError("a record has another number than it says")
    return parsed


def _agree(
    said: Mapping[str, object], records: Mapping[str, Mapping[str, object]], origin: str
) -> None:
    """Raise CertificateError unless the certificate says what its records say."""
    fields: dict[str, Mapping[str, object]] = {}
    for name in _PARTS:
        record, values = records[name], _members(records[name].get("fields"))
        fields[name] = values
        told = (record.get("type"), values.get("erasure"), record.get("log_id"))
        if told != (f"erasure.{name}", said["erasure"], said["log_id"]):
            raise CertificateError("its records are of another erasure")
    probe, actor = _members(said["probe"]), _members(records["begun"].get("actor"))
    erased, listed = _texts(said["records_erased"]), _texts(said["documents"])
    documents = hashlib.sha256("\n".join(listed).encode()).hexdigest() if listed else ""
    agreed = (
        origin == said["origin"],
        fields["begun"].get("basis") == said["basis"],
        fields["begun"].get("documents_sha256") == documents,
        *(
            fields["begun"].get(name) == said[name]
            for name in ("kind", "person", "collection", "whole_request")
        ),
        fields["begun"].get("target_seq") == said["record"],
        {name: actor.get(name) for name in ("kind", "id")} == said["acted"],
        records["begun"].get("ts_utc") == said["begun"],
        records["finished"].get("ts_utc") == said["finished"],
        all(fields["probed"].get(name) == value for name, value in probe.items()),
        fields["finished"].get("records") == said["records_count"],
        fields["finished"].get("places_cleared") == said["places_cleared"],
        fields["finished"].get("records_sha256")
        == hashlib.sha256(",".join(erased).encode()).hexdigest(),
    )
    if not all(agreed):
        raise CertificateError("it says otherwise than its records")


def _members(value: object) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    raise CertificateError("a part of it is malformed")


def _texts(value: object) -> list[str]:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    raise CertificateError("a part of it is malformed")
