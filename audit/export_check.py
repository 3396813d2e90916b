"""Check an export in another format without the log: `python -m audit.export_check FILE --key KEY`.

Each line is taken apart, its record's exact bytes are rebuilt and hashed, and the hashes together
with the parts in `FILE.proof.json` must lead to the root of the signed checkpoint. Then the line is
written again from the record and must come out the same, so that no column can say something else
than the record. What stays unproven: that the filter named in the proof is all that was left out by
(compare it with the record `log.exported`), and everything after the checkpoint.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from audit.checkpoint import Checkpoint, VerifierKey, open_checkpoint
from audit.envelope import parse_envelope
from audit.errors import AuditError, ExportRefusedError, LogUnreadableError, ProofError
from audit.export_formats import (
    FORMATS,
    PROOF_FORMAT,
    RENDERING,
    Format,
    Summary,
    matches,
    proof_path,
)
from audit.export_proof import Assembly, Part
from audit.keys import read_verifier_key
from audit.store import Filter, Leaf

_MOST_LINE_BYTES = (
    1024 * 1024
)  # an envelope is under 64 KiB, and no format makes it 16 times longer
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Checked:
    """`summary` as the proof states it and the file bears out. `text_compared`: whether the lines
    were also written again; not where another version of Cloister wrote them."""

    summary: Summary
    text_compared: bool


@dataclass(frozen=True, slots=True)
class _Proof:
    summary: Summary
    chosen: Filter
    omitted: Sequence[Part]
    checkpoint: str
    rendering: int


def check_file(path: Path, keys: Sequence[VerifierKey]) -> Checked:
    """Check the export `path` and the proof beside it against the log's public keys.

    Raises LogUnreadableError, ExportRefusedError, CheckpointError or ProofError.
    """
    proof = _read_proof(proof_path(path))
    checkpoint = open_checkpoint(proof.checkpoint.encode(), keys)
    stated = proof.summary
    if (checkpoint.size, checkpoint.origin) != (stated.size, stated.origin):
        raise ExportRefusedError("its proof does not belong to its checkpoint")
    try:
        with path.open("rb") as file:
            _check_content(file, proof, checkpoint)
    except OSError as error:
        raise LogUnreadableError(path, error.strerror or str(error)) from error
    return Checked(stated, proof.rendering == RENDERING)


def _read_proof(path: Path) -> _Proof:
    try:
        values = json.loads(path.read_bytes())
        stated, chosen = values["export"], values["filter"]
        if values["format"] != PROOF_FORMAT or stated["format"] not in FORMATS:
            raise ValueError("another format")
        since, until = (chosen[name] and int(chosen[name]) for name in ("since", "until"))
        asked = Filter(
            chosen["type"], since, until, chosen["request_id"], contains=chosen["contains"]
        )
        omitted = tuple(
            (int(level), int(position), bytes.fromhex(digest))
            for level, position, digest in values["omitted"]
        )
        rendering = int(values["rendering"])
        return _Proof(Summary(**stated), asked, omitted, str(values["checkpoint"]), rendering)
    except OSError as error:
        raise LogUnreadableError(path, error.strerror or str(error)) from error
    except _MALFORMED as error:
        raise ExportRefusedError(f"its proof does not have the form {PROOF_FORMAT}") from error


def _check_content(file: IO[bytes], proof: _Proof, checkpoint: Checkpoint) -> None:
    stated, format = proof.summary, FORMATS[proof.summary.format]
    total = hashlib.sha256()
    assembly, waiting = Assembly(), iter(proof.omitted)
    count = length = longest = 0
    for number, line in enumerate(_lines(file)):
        total.update(line)
        length += len(line)
        longest = max(longest, len(line))
        if number == 0 and format.header:
            if line != (format.header + format.newline).encode():
                raise ExportRefusedError("its first line is not the header")
            continue
        leaf = _leaf(line, format, again=proof.rendering == RENDERING)
        if not stated.first <= leaf.seq <= stated.last or not matches(leaf, proof.chosen):
            raise ExportRefusedError(f"record {leaf.seq} is not one of those that were asked for")
        _fill(assembly, waiting, leaf.seq)
        assembly.add(0, leaf.hash)
        count += 1
    _fill(assembly, waiting, checkpoint.size)
    if next(waiting, None) is not None or assembly.root() != checkpoint.root:
        raise ProofError("its records and the parts left out do not lead to the checkpoint's root")
    found = (count, total.hexdigest(), length, longest)
    if found != (stated.count, stated.digest, stated.file_bytes, stated.longest):
        raise ExportRefusedError("its content is not what its proof states")


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(_MOST_LINE_BYTES):
        yield line


def _leaf(line: bytes, format: Format, *, again: bool) -> Leaf:
    """The record of a line, whose hash is that of its rebuilt bytes."""
    try:
        text = line.decode("utf-8")
        if not text.endswith(format.newline):
            raise ValueError("the line does not end")
        text = text.removesuffix(format.newline)
        leaf = format.parse(text).leaf()
        same = not again or format.line(leaf, parse_envelope(leaf.envelope)) == text
    except (*_MALFORMED, AuditError) as error:
        raise ExportRefusedError(f"a line is no record of the log ({error})") from error
    if not same:
        raise ExportRefusedError(f"the line of record {leaf.seq} says something else than it")
    return leaf


def _fill(assembly: Assembly, waiting: Iterator[Part], end: int) -> None:
    """Add the parts that were left out, up to record `end`."""
    while assembly.size < end:
        part = next(waiting, None)
        if part is None:
            raise ProofError(f"nothing is known of record {assembly.size}")
        level, position, digest = part
        if position << level != assembly.size:
            raise ProofError(f"a part of it is not at record {assembly.size}")
        assembly.add(level, digest)
    if assembly.size != end:
        raise ProofError(f"record {end} is there twice")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 0 if the export holds, 7 if not or if unreadable."""
    parser = argparse.ArgumentParser(prog="python -m audit.export_check", description=__doc__)
    parser.add_argument("file", type=Path, help="the export; its proof stands beside it")
    parser.add_argument("--key", type=Path, action="append", required=True, help="a public key")
    parser.add_argument("--json", action="store_true", help="print one object")
    given = parser.parse_args(arguments)
    try:
        checked = check_file(given.file, [read_verifier_key(key) for key in given.key])
    except AuditError as error:
        print(json.dumps({"holds": False, "error": str(error)}) if given.json else error)
        return error.exit_code
    told = checked.summary
    if given.json:
        values = {"holds": True, "text_compared": checked.text_compared, **told.as_json()}
        print(json.dumps(values))
    else:
        print(
            f"The export holds: {told.count} of the records {told.first} to {told.last} of "
            f"{told.origin}, under its checkpoint of {told.size} records."
        )
        if not checked.text_compared:
            print("Another version wrote it: hashes were checked, display columns were not.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
