"""The records of one request as an evidence pack takes them: exact bytes, texts, keys and proofs.

Reading here is not itself recorded: `assistant.evidence_pack` records `log.packed` before anything
of it is written.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audit.checkpoint import open_text, parse_verifier_key
from audit.envelope import parse_envelope
from audit.errors import LogCorruptError, RecordNotFoundError
from audit.errors_duties import PackRefusedError
from audit.merkle import consistency_proof, inclusion_proof
from audit.ports import AuditLog
from audit.proof import Proof
from audit.store import Filter, Leaf, PrunedLeaf

MOST_RECORDS = 10_000
_REQUEST = re.compile(r"[0-9a-f]{32}")
Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Packed:
    """One record. `stored` and `key` are the ciphertext of its payload and what opens it, None if
    it has none or the key was destroyed; `state`: "none", "open" or "erased"."""

    leaf: Leaf
    envelope: Data
    state: str
    stored: bytes | None = None
    key: bytes | None = None
    payload: Data | None = None

    @property
    def fields(self) -> Data:
        found = self.envelope["fields"]
        return found if isinstance(found, dict) else {}

    @property
    def time(self) -> str:
        """RFC 3339 with nanoseconds."""
        return str(self.envelope["ts_utc"])


@dataclass(frozen=True, slots=True)
class Request:
    """All records of one request, of which `target` was asked for; `pruned`: those between its
    first and its last that retention removed, which may be of this request or not."""

    id: str
    target: Packed
    records: tuple[Packed, ...]
    pruned: tuple[PrunedLeaf, ...]

    def of(self, *types: str) -> Packed | None:
        """The first record of one of these types."""
        return next((each for each in self.records if each.leaf.type in types), None)


@dataclass(frozen=True, slots=True)
class Sealing:
    """What proves the records: `proofs` by number; the path of each pruned one; the checkpoint
    with its root; the public keys by epoch; the proofs of the changes of keys by number; and the
    newest anchored checkpoint with the hashes that lead from it to the other, if there is one."""

    note: str
    size: int
    root: str
    key_id: str
    proofs: dict[int, bytes]
    paths: dict[int, list[str]]
    keys: dict[int, str]
    rotations: dict[int, bytes]
    anchored: str = ""
    anchored_size: int = 0
    anchored_in: str = ""
    consistency: tuple[str, ...] = ()


def find(log: AuditLog, key: int | str) -> Leaf:
    """The record that is meant, by number, event id or the id of its request; of a request its
    last one. Raises RecordNotFoundError, or PackRefusedError if it was pruned or is of no request.
    """
    with log.reading:
        if isinstance(key, str) and _REQUEST.fullmatch(key):
            found = log.leaves(Filter(request_id=key, limit=1))
            if not found:
                raise RecordNotFoundError(key)
            return found[-1]
        if isinstance(key, int) and 0 <= key < log.size() and not log.range(key, key):
            raise PackRefusedError(
                f"record {key} is not in the log any more, because retention removed it; only its "
                "hash is left, which `cloister audit verify` covers"
            )
        leaf = log.leaf(key)
    if not leaf.request_id:
        raise PackRefusedError(
            f"record {leaf.seq} ({leaf.type}) belongs to no question or task; choose one with "
            "`cloister audit list --type answer.released`"
        )
    return leaf


def read(log: AuditLog, target: Leaf) -> Request:
    """All records of the request that `target` belongs to, their payloads opened. Raises
    AuditError."""
    with log.reading:
        leaves = log.leaves(Filter(request_id=target.request_id, limit=MOST_RECORDS + 1))
        if len(leaves) > MOST_RECORDS:
            raise PackRefusedError(f"this request has more than {MOST_RECORDS} records")
        records = tuple(_packed(log, each) for each in leaves)
        first, last = leaves[0].seq, leaves[-1].seq
        whole = sum(1 for _ in log.scan(first, last)) == last - first + 1
        removed = () if whole else log.pruned()
        pruned = tuple(each for each in removed if first < each.seq < last)
    chosen = next(each for each in records if each.leaf.seq == target.seq)
    return Request(target.request_id, chosen, records, pruned)


def _packed(log: AuditLog, leaf: Leaf) -> Packed:
    try:
        envelope = parse_envelope(leaf.envelope)
    except (ValueError, RecursionError) as error:
        why = f"record {leaf.seq} cannot be read"
        raise LogCorruptError(log.folder / "log.db", why) from error
    if envelope.get("payload") is None:
        return Packed(leaf, envelope, "none")
    if log.payload_erased(leaf):
        return Packed(leaf, envelope, "erased")
    payload = log.read_payload(leaf.seq)
    return Packed(
        leaf, envelope, "open", log.stored_payload(leaf.seq), log.payload_key(leaf), payload
    )


def seal(log: AuditLog, request: Request) -> Sealing:
    """Seal the log and prove the records under that checkpoint. Raises AuditError."""
    with log.reading:
        note = log.seal()
        size = int(note.split("\n")[1])
        root = base64.b64decode(note.split("\n")[2]).hex()
        proofs = {
            each.leaf.seq: _proof(log, each.leaf, size, note).text() for each in request.records
        }
        paths = {
            each.seq: _encoded(inclusion_proof(log.node, each.seq, size)) for each in request.pruned
        }
        keys, rotations = _epochs(log, size)
        signer = open_text(note.encode(), log.trusted_keys)[1]
        where, anchored = _anchored(log)
        old = int(anchored.split("\n")[1]) if anchored else 0
        path = _encoded(consistency_proof(log.node, old, size)) if anchored else []
    return Sealing(
        note, size, root, signer.key_id.hex(), proofs, paths, keys, rotations,
        anchored, old, where, tuple(path),
    )  # fmt: skip


def _proof(log: AuditLog, leaf: Leaf, size: int, note: str) -> Proof:
    return Proof(leaf.seq, leaf.envelope, inclusion_proof(log.node, leaf.seq, size), note)


def _encoded(hashes: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(each).decode() for each in hashes]


def _epochs(log: AuditLog, size: int) -> tuple[dict[int, str], dict[int, bytes]]:
    """The public keys by epoch as the log itself names them; and the proof of each change of keys
    under the checkpoint that the key before it signed."""
    created = log.first_of("log.created")
    named = parse_envelope(created.envelope)["fields"] if created is not None else {}
    first = str(named.get("verifier_key", "")) if isinstance(named, dict) else ""
    keys = {1: first or log.trusted_keys[0].text()}
    proofs: dict[int, bytes] = {}
    rotations = log.leaves(Filter("key.rotated", limit=1_000_000))
    notes = dict(log.checkpoints()) if rotations else {}
    for leaf in rotations:
        handover = notes.get(leaf.seq + 1)
        fields = parse_envelope(leaf.envelope)["fields"]
        if leaf.seq + 1 > size or handover is None or not isinstance(fields, dict):
            continue
        keys[len(keys) + 1] = parse_verifier_key(str(fields["verifier_key"])).text()
        proofs[leaf.seq] = _proof(log, leaf, leaf.seq + 1, handover).text()
    return keys, proofs


def extra_files(log: AuditLog) -> int:
    """How many files of a pack depend on the log alone: public keys, proofs of their changes, and
    the anchored checkpoint."""
    keys, rotations = _epochs(log, log.size())
    return len(keys) + len(rotations) + bool(_anchored(log)[1])


def _anchored(log: AuditLog) -> tuple[str, str]:
    """Where the newest anchored checkpoint was sent, and the checkpoint; empty if there is none."""
    sent = log.leaves(Filter("checkpoint.anchored", limit=100))
    notes = dict(log.checkpoints()) if sent else {}
    for leaf in reversed(sent):
        fields = parse_envelope(leaf.envelope)["fields"]
        if isinstance(fields, dict) and (size := fields.get("size")) in notes:
            return str(fields.get("anchor", "")), notes[size]
    return "", ""
