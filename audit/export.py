"""Exports: a range of records with the proof that each stands in the log, as JSON lines.

The first line is the header (kind "header": log, range, count, signed checkpoint), then one line a
record (kind "record": number, exact envelope text, leaf hash and inclusion proof in hex) or, where
retention removed the record, one of kind "pruned" (number, leaf hash, proof), then the trailer
(kind "digest": SHA-256 over the envelopes, each followed by a newline). `count` counts both kinds.
Payloads are not exported; the envelopes name their ciphertexts by digest.

A line is accepted only if it is, byte for byte, what this module would write for what it says.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from audit.canonical import read_exact
from audit.checkpoint import Checkpoint, VerifierKey, open_checkpoint, origin_of
from audit.envelope import SCHEMA
from audit.errors import ExportRefusedError, LogUnreadableError
from audit.merkle import NodeReader, inclusion_proof, leaf_hash, verify_inclusion
from audit.snapshot import open_regular

if TYPE_CHECKING:
    from audit.store import Leaf, PrunedLeaf

FORMAT = "cloister.audit.export/1"
MAX_LINE_BYTES = 1 << 20  # an envelope of 64 KiB, escaped once more, with its proof


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What an export holds: records `first` to `last` of the log `origin`, under a checkpoint of
    `size` records, `pruned` of the `count` with their hash only; `digest` is the hex SHA-256 of the
    trailer."""

    origin: str
    first: int
    last: int
    count: int
    size: int
    digest: str
    pruned: int = 0

    def as_json(self) -> dict[str, object]:
        """Plain values for `json.dumps`."""
        return asdict(self)


class ExportLines:
    """The lines of an export, made one after the other; `summary` stands after the last one."""

    def __init__(
        self,
        leaves: Iterable[Leaf | PrunedLeaf],
        read: NodeReader,
        summary: ExportSummary,
        checkpoint: str,
    ) -> None:
        """`leaves` are consecutive, `summary.first` to `summary.last`, under the checkpoint of
        `summary.size` records; its digest and number of pruned ones are yet to be filled in."""
        self._leaves, self._read, self._checkpoint = leaves, read, checkpoint
        self.summary = summary

    def __iter__(self) -> Iterator[str]:
        """Raises ExportRefusedError if a record is missing between the first and the last."""
        told = self.summary
        yield _header(told.origin, told.first, told.last, told.size, self._checkpoint)
        total, pruned, expected = hashlib.sha256(), 0, told.first
        for leaf in self._leaves:
            if leaf.seq != expected:
                break
            proof = inclusion_proof(self._read, leaf.seq, told.size)
            # By its shape: the verifier reads exports without the modules that write logs.
            envelope: bytes | None = getattr(leaf, "envelope", None)
            text = None if envelope is None else envelope.decode("utf-8")
            yield _entry(leaf.seq, text, leaf.hash, proof)
            if envelope is None:
                pruned += 1
            else:
                total.update(envelope + b"\n")
            expected += 1
        if expected != told.last + 1:
            raise ExportRefusedError(f"record {expected} is missing in the log")
        yield _trailer(total.hexdigest())
        self.summary = replace(told, digest=total.hexdigest(), pruned=pruned)


def stretch(
    kept: Iterator[Leaf], pruned: Sequence[PrunedLeaf], first: int, last: int
) -> Iterator[Leaf | PrunedLeaf]:
    """Records and pruned ones numbered `first` to `last` in one sequence, in order of number."""
    gone = (leaf for leaf in pruned if first <= leaf.seq <= last)
    return heapq.merge(kept, gone, key=lambda leaf: leaf.seq)


def _header(origin: str, first: int, last: int, size: int, checkpoint: str) -> str:
    return _line(
        kind="header",
        format=FORMAT,
        origin=origin,
        first=first,
        last=last,
        count=last - first + 1,
        size=size,
        checkpoint=checkpoint,
    )


def _entry(seq: int, envelope: str | None, leaf: bytes, proof: Sequence[bytes]) -> str:
    steps = [step.hex() for step in proof]
    if envelope is None:
        return _line(kind="pruned", seq=seq, leaf_hash=leaf.hex(), proof=steps)
    return _line(kind="record", seq=seq, envelope=envelope, leaf_hash=leaf.hex(), proof=steps)


def _trailer(digest: str) -> str:
    return _line(kind="digest", sha256=digest)


def _line(**values: object) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n"


def verify_export(path: Path, keys: Sequence[VerifierKey]) -> ExportSummary:
    """Check an export against the log's public keys, without the log.

    Raises LogUnreadableError, ExportRefusedError, CheckpointError or ProofError.
    """
    try:
        with open_regular(path) as file:
            return _verify_lines(_lines(file), keys)
    except OSError as error:
        raise LogUnreadableError(path, error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError) as error:
        raise ExportRefusedError(f"it does not have the form {FORMAT}") from error


def _lines(file: BinaryIO) -> Iterator[str]:
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise ExportRefusedError(f"a line is longer than {MAX_LINE_BYTES} bytes")
        yield line.decode("utf-8")


def _verify_lines(lines: Iterator[str], keys: Sequence[VerifierKey]) -> ExportSummary:
    line = next(lines, "null")
    header = json.loads(line)
    checkpoint = open_checkpoint(header["checkpoint"].encode("utf-8"), keys)
    first, last = header["first"], header["last"]
    if type(first) is not int or type(last) is not int or not 0 <= first <= last:
        raise ExportRefusedError("its header names no range of records")
    origin, size = checkpoint.origin, checkpoint.size
    if line != _header(origin, first, last, size, header["checkpoint"]):
        raise ExportRefusedError("its header contradicts itself or its checkpoint")
    total, pruned = hashlib.sha256(), 0
    for seq in range(first, last + 1):
        envelope = verify_entry(next(lines, "null"), seq, checkpoint)
        if envelope is None:
            pruned += 1
        else:
            total.update(envelope + b"\n")
    digest = total.hexdigest()
    if next(lines, "") != _trailer(digest) or next(lines, None) is not None:
        raise ExportRefusedError("its end does not match its records")
    return ExportSummary(origin, first, last, last - first + 1, size, digest, pruned)


def verify_entry(line: str, seq: int, checkpoint: Checkpoint) -> bytes | None:
    """The envelope of one line, proven to be record `seq`; None for a pruned record.

    Raises ExportRefusedError or ProofError, and what `verify_export` turns into the former:
    ValueError, KeyError, TypeError, AttributeError, RecursionError.
    """
    item = json.loads(line)
    text = item.get("envelope")
    raw = None if text is None else text.encode("utf-8")
    leaf = bytes.fromhex(item["leaf_hash"]) if raw is None else leaf_hash(raw)
    proof = [bytes.fromhex(step) for step in item["proof"]]
    verify_inclusion(leaf, seq, checkpoint.size, proof, checkpoint.root)
    if line != _entry(seq, text, leaf, proof):
        raise ExportRefusedError(f"the line of record {seq} is not as it was written")
    if raw is not None:
        envelope = read_exact(raw)
        place = (envelope.get("seq"), envelope.get("schema"))
        if place != (seq, SCHEMA) or origin_of(str(envelope.get("log_id"))) != checkpoint.origin:
            raise ExportRefusedError(f"record {seq} is not at its place")
    return raw
