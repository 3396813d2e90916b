"""Exports: a range of records with the proof that each stands in the log, as JSON lines.

The first line is the header (kind "header": log, range, count, signed checkpoint), then one line a
record (kind "record": number, exact envelope text, leaf hash and inclusion proof in hex), then the
trailer (kind "digest": SHA-256 over the envelopes, each followed by a newline). Payloads are not
exported; the envelopes name their ciphertexts by digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from audit.checkpoint import VerifierKey, open_checkpoint
from audit.envelope import parse_envelope
from audit.errors import ExportRefusedError, LogUnreadableError
from audit.merkle import NodeReader, inclusion_proof, leaf_hash, verify_inclusion
from audit.store import Leaf

FORMAT = "cloister.audit.export/1"


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What an export holds: records `first` to `last` of the log `origin`, under a checkpoint of
    `size` records; `digest` is the hex SHA-256 of the trailer."""

    origin: str
    first: int
    last: int
    count: int
    size: int
    digest: str

    def as_json(self) -> dict[str, object]:
        """Plain values for `json.dumps`."""
        return asdict(self)


def export_lines(
    leaves: Sequence[Leaf], read: NodeReader, *, origin: str, size: int, checkpoint: str
) -> Iterator[str]:
    """The lines of an export of consecutive `leaves` under the checkpoint of `size` records."""
    yield _line(
        kind="header",
        format=FORMAT,
        origin=origin,
        first=leaves[0].seq,
        last=leaves[-1].seq,
        count=len(leaves),
        size=size,
        checkpoint=checkpoint,
    )
    for leaf in leaves:
        yield _line(
            kind="record",
            seq=leaf.seq,
            envelope=leaf.envelope.decode("utf-8"),
            leaf_hash=leaf.hash.hex(),
            proof=[step.hex() for step in inclusion_proof(read, leaf.seq, size)],
        )
    yield _line(kind="digest", sha256=digest_of(leaf.envelope for leaf in leaves))


def digest_of(envelopes: Iterator[bytes]) -> str:
    """SHA-256 (hex) over the envelopes, each followed by a newline."""
    total = hashlib.sha256()
    for envelope in envelopes:
        total.update(envelope + b"\n")
    return total.hexdigest()


def _line(**values: object) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n"


def verify_export(path: Path, keys: Sequence[VerifierKey]) -> ExportSummary:
    """Check an export against the log's public keys, without the log.

    Raises LogUnreadableError, ExportRefusedError, CheckpointError or ProofError.
    """
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            return _verify_lines(file, keys)
    except OSError as error:
        raise LogUnreadableError(path, error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError) as error:
        raise ExportRefusedError(f"it does not have the form {FORMAT}") from error


def _verify_lines(lines: Iterator[str], keys: Sequence[VerifierKey]) -> ExportSummary:
    header = json.loads(next(lines, "null"))
    checkpoint = open_checkpoint(header["checkpoint"].encode(), keys)
    first, last, count = int(header["first"]), int(header["last"]), int(header["count"])
    if header["format"] != FORMAT or header["origin"] != checkpoint.origin:
        raise ExportRefusedError("its header does not belong to its checkpoint")
    if count != last - first + 1 or header["size"] != checkpoint.size:
        raise ExportRefusedError("its header contradicts itself")
    total = hashlib.sha256()
    for seq in range(first, last + 1):
        item = json.loads(next(lines, "null"))
        envelope = item["envelope"].encode("utf-8")
        proof = [bytes.fromhex(step) for step in item["proof"]]
        verify_inclusion(leaf_hash(envelope), seq, checkpoint.size, proof, checkpoint.root)
        if item["seq"] != seq or parse_envelope(envelope)["seq"] != seq:
            raise ExportRefusedError(f"record {seq} is not at its place")
        total.update(envelope + b"\n")
    trailer = json.loads(next(lines, "null"))
    if trailer["sha256"] != total.hexdigest() or next(lines, None) is not None:
        raise ExportRefusedError("its end does not match its records")
    return ExportSummary(checkpoint.origin, first, last, count, checkpoint.size, total.hexdigest())
