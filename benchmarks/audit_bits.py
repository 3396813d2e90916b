"""Flip every single bit of a log, its checkpoints, a proof and an export: each must be detected.

    python benchmarks/audit_bits.py [--records 2000] [--lines 100] [--sample 1000] [--processes 2]

Makes a log of N records (some with payloads, several checkpoints, one rotation of the key, a few
records pruned) and closes it. Then, exhaustively, each bit is flipped at the level at which it is
checked: every column of every record and every payload, tree node, pruned row and checkpoint
through the verifier's own functions for one of them; every bit of `latest.note`, `closed.note` and
a proof through the whole parser and verifier of each; every bit of `--lines` lines of an export of
everything, of its header and of its trailer. Last, random bits of the database file go through
the whole verifier: with the note of the closed file, and without it, where a flip that is not
detected must leave every row of every table as it was.

Prints one JSON object with the flips made and missed in each part, and ends with 1 if any was
missed or if anything but an AuditError or a report came of one. Floor: none missed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit import review
from audit.checkpoint import VerifierKey, open_checkpoint
from audit.closed import closed_path, closed_problem
from audit.database import decode_text
from audit.errors import AuditError
from audit.export import verify_entry, verify_export
from audit.findings import Findings
from audit.keys import read_verifier_keys
from audit.log import Limits, Log
from audit.proof import make_proof, verify_proof
from audit.record import Actor, Event
from audit.report import State
from audit.snapshot import file_digest
from audit.verify import verify_log
from audit.verify_checkpoints import Note, Tree, check_stored
from audit.verify_epochs import epochs_of
from audit.verify_pruned import check_pruned
from audit.verify_rows import Notable, check_row, payload_problem, wrong_nodes
from benchmarks.audit_attack_base import Clock

ACTOR = Actor(kind="person", id="ann", auth="local-user", groups=("local",), client="cli")
_FIXED = ("seq", "ts_utc")  # columns of whole numbers, of 64 bits
# What the verifiers of exports turn into one of our errors (see `audit.export.verify_export`).
_REFUSED = (AuditError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Made:
    """A closed log and what goes with it."""

    home: Path
    keys: tuple[VerifierKey, ...]
    proof: bytes
    export: Path

    @property
    def folder(self) -> Path:
        return self.home / "audit"


def make(home: Path, records: int) -> Made:
    """Write the log, a proof, and an export of everything."""
    limits = Limits(seal_records=max(records // 8, 2))
    clock = Clock(9)
    folder = home / "audit"
    with clock.shown(), Log(folder, build="benchmark", process="benchmark", limits=limits) as log:
        for number in range(records - log.size()):
            payload = {"text": f"text {number}"} if number % 10 == 0 else None
            event = Event("answer.sentence", ACTOR, {"number": number}, payload, "s", f"r{number}")
            log.append(event)
            if number == records // 2:
                log.rotate_key()
        log.seal()
        clock.go_on(9)
        gone = [leaf.seq for leaf in log.range(3, 30) if leaf.type == "answer.sentence"][:4]
        log.prune(gone, Event("retention.pruned", ACTOR, {"profiles": ["benchmark=1d"]}))
        review.export(log, ACTOR, home / "export.jsonl", gone[-1] + 1)
        return Made(
            home, log.trusted_keys, make_proof(log, records // 3).text(), home / "export.jsonl"
        )


def flips(raw: bytes) -> Iterator[bytes]:
    """Every copy of `raw` with one bit other."""
    changed = bytearray(raw)
    for place in range(len(raw)):
        for bit in range(8):
            changed[place] ^= 1 << bit
            yield bytes(changed)
            changed[place] ^= 1 << bit


def number_flips(number: int) -> Iterator[int]:
    """Every signed 64-bit number with one bit other."""
    for bit in range(64):
        changed = (number ^ 1 << bit) & (2**64 - 1)
        yield changed - 2**64 if changed >> 63 else changed


Counted = tuple[int, int]
"""Flips made, flips missed."""


def _count(outcomes: Iterator[bool]) -> Counted:
    made = missed = 0
    for detected in outcomes:
        made += 1
        missed += not detected
    return made, missed


def _connect(made: Made) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{made.folder / 'log.db'}?mode=ro&immutable=1", uri=True)
    connection.text_factory = decode_text
    return connection


def _row_flips(made: Made, part: int, parts: int) -> dict[str, Counted]:
    """Every bit of every column of the records of one part of the log."""
    connection = _connect(made)
    (log_id,) = connection.execute("SELECT value FROM meta").fetchone()
    hashes = dict(
        connection.execute("SELECT seq, hash FROM leaf UNION SELECT seq, hash FROM pruned")
    )
    columns = "seq, event_id, type, ts_utc, session, request_id, hash, envelope"
    names = columns.split(", ")
    totals: dict[str, Counted] = {}
    rows = connection.execute(
        f"SELECT {columns} FROM leaf WHERE seq % ? = ?",  # noqa: S608 - constants
        (parts, part),
    )
    for row in rows:
        previous = "0" * 64 if row[0] == 0 else hashes[row[0] - 1].hex()
        assert not check_row(row, previous, log_id)
        if row[0] == 0:
            other_ids = (decode_text(raw) for raw in flips(log_id.encode()))
            _add(
                totals, "meta.log_id", _count(bool(check_row(row, previous, n)) for n in other_ids)
            )
        for column, name in enumerate(names):
            made_flips = (
                bool(check_row((*row[:column], value, *row[column + 1 :]), previous, log_id))
                for value in _column_flips(name, row[column])
            )
            _add(totals, f"leaf.{name}", _count(made_flips))
    return totals


def _column_flips(name: str, value: object) -> Iterator[object]:
    if isinstance(value, int):
        return iter(number_flips(value))
    if isinstance(value, str):
        return (decode_text(raw) for raw in flips(value.encode()))
    assert isinstance(value, bytes)
    return iter(flips(value))


def _payload_flips(made: Made, part: int, parts: int) -> dict[str, Counted]:
    import hashlib

    connection = _connect(made)
    rows = connection.execute(
        "SELECT payload.seq, stored, envelope FROM payload JOIN leaf USING (seq) "
        "WHERE payload.seq % ? = ?",
        (parts, part),
    )
    totals: dict[str, Counted] = {}
    for _, stored, envelope in rows:
        reference = json.loads(envelope)["payload"]
        found = (
            bool(payload_problem(reference, len(raw), hashlib.sha256(raw).hexdigest()))
            for raw in flips(stored)
        )
        _add(totals, "payload.stored", _count(found))
    return totals


def _node_flips(made: Made, part: int, parts: int) -> dict[str, Counted]:
    totals: dict[str, Counted] = {}
    rows = _connect(made).execute(
        "SELECT position, hash FROM node WHERE position % ? = ?", (parts, part)
    )
    for position, digest in rows:
        right = [(position, digest)]
        _add(
            totals,
            "node.hash",
            _count(bool(wrong_nodes([(position, raw)], right)) for raw in flips(digest)),
        )
        _add(
            totals,
            "node.position",
            _count(bool(wrong_nodes([(n, digest)], right)) for n in number_flips(position)),
        )
    return totals


def _export_flips(made: Made, part: int, parts: int, lines: int) -> dict[str, Counted]:
    """Every bit of `lines` lines, evenly spread over the export."""
    with made.export.open("rb") as file:
        written = file.readlines()
    header = json.loads(written[0])
    checkpoint = open_checkpoint(header["checkpoint"].encode(), made.keys)
    step = max((len(written) - 2) // lines, 1)
    totals: dict[str, Counted] = {}

    def refused(raw: bytes, seq: int) -> bool:
        try:
            verify_entry(raw.decode("utf-8"), seq, checkpoint)
        except _REFUSED:
            return True
        return False

    for number in range(1 + step * part, len(written) - 1, step * parts):
        seq = header["first"] + number - 1
        assert not refused(written[number], seq)
        _add(totals, "export.lines", _count(refused(raw, seq) for raw in flips(written[number])))
    return totals


def _add(totals: dict[str, Counted], name: str, more: Counted) -> None:
    made, missed = totals.get(name, (0, 0))
    totals[name] = (made + more[0], missed + more[1])


def _note_flips(made: Made) -> dict[str, Counted]:
    """Every bit of every stored checkpoint and its size, of latest.note and of closed.note."""
    connection = _connect(made)
    notable: list[Notable] = [
        (seq, kind, json.loads(envelope)["fields"])
        for seq, kind, envelope in connection.execute(
            "SELECT seq, type, envelope FROM leaf "
            "WHERE type IN ('log.created', 'key.rotated') ORDER BY seq"
        )
    ]
    origin = made.keys[0].name
    epochs = epochs_of(notable, origin, Findings())
    notes = connection.execute("SELECT size, note FROM checkpoint").fetchall()
    roots = {size: open_checkpoint(note.encode(), made.keys).root for size, note in notes}
    tree = Tree(origin, epochs, 2**62, roots)

    def detected(note: Note) -> bool:
        findings = Findings()
        check_stored([note], tree, made.keys, findings)
        return bool(findings.count)

    totals: dict[str, Counted] = {}
    for size, text in notes:
        raw = text.encode()
        assert not detected(Note("", raw, size))
        _add(
            totals,
            "checkpoint.note",
            _count(detected(Note("", flip, size)) for flip in flips(raw)),
        )
        _add(
            totals,
            "checkpoint.size",
            _count(detected(Note("", raw, n)) for n in number_flips(size)),
        )
    latest = (made.folder / "checkpoints" / "latest.note").read_bytes()
    totals["latest.note"] = _count(detected(Note("", flip)) for flip in flips(latest))
    closed, digest = closed_path(made.folder).read_bytes(), file_digest(made.folder / "log.db")
    assert not closed_problem(closed, digest, origin, epochs[-1].key)
    totals["closed.note"] = _count(
        bool(closed_problem(flip, digest, origin, epochs[-1].key)) for flip in flips(closed)
    )
    return totals


def _pruned_flips(made: Made) -> dict[str, Counted]:
    """Every bit of the table of pruned records, against the records that account for them."""
    connection = _connect(made)
    notable: list[Notable] = [
        (seq, "retention.pruned", json.loads(envelope)["fields"])
        for seq, envelope in connection.execute(
            "SELECT seq, envelope FROM leaf WHERE type = 'retention.pruned'"
        )
    ]
    rows = connection.execute("SELECT seq, hash, by_seq FROM pruned").fetchall()
    scratch = sqlite3.connect(":memory:", isolation_level=None)
    scratch.execute("CREATE TABLE pruned (seq INTEGER, hash BLOB, by_seq INTEGER)")
    scratch.executemany("INSERT INTO pruned VALUES (?, ?, ?)", rows)

    def detected(column: str, seq: int, value: object) -> bool:
        scratch.execute("BEGIN")
        scratch.execute(f"UPDATE pruned SET {column} = ? WHERE seq = ?", (value, seq))  # noqa: S608 - one of three constants
        findings = Findings()
        check_pruned(scratch, notable, findings)
        scratch.execute("ROLLBACK")
        return bool(findings.count)

    totals: dict[str, Counted] = {}
    for seq, digest, by_seq in rows:
        for column, values in (
            ("seq", number_flips(seq)),
            ("hash", flips(digest)),
            ("by_seq", number_flips(by_seq)),
        ):
            _add(
                totals,
                f"pruned.{column}",
                _count(detected(column, seq, value) for value in values),
            )
    return totals


def _proof_flips(made: Made) -> dict[str, Counted]:
    def refused(raw: bytes) -> bool:
        try:
            verify_proof(raw, made.keys)
        except AuditError:
            return True
        return False

    assert not refused(made.proof)
    return {"proof": _count(refused(raw) for raw in flips(made.proof))}


def _export_rim_flips(made: Made) -> dict[str, Counted]:
    """Every bit of an export's header and trailer, through the whole verifier of a short one."""
    short = made.home / "short.jsonl"
    flipped = made.home / "flipped.jsonl"
    with Log(made.folder, build="benchmark", process="benchmark", limits=Limits()) as log:
        review.export(log, ACTOR, short, 20, 20)
    lines = short.read_bytes().splitlines(keepends=True)
    ends = {0, len(lines) - 1}

    def refused(raw: bytes) -> bool:
        flipped.write_bytes(raw)
        try:
            verify_export(flipped, made.keys)
        except AuditError:
            return True
        return False

    assert not refused(b"".join(lines))
    totals: dict[str, Counted] = {}
    for number in ends:
        found = (
            refused(b"".join((*lines[:number], raw, *lines[number + 1 :])))
            for raw in flips(lines[number])
        )
        _add(totals, "export.header_and_trailer", _count(found))
    return totals


def _file_flips(made: Made, seed: int, sample: int, with_note: bool) -> dict[str, Counted]:
    """Random bits of the database file through the whole verifier."""
    name = "file, closed note" if with_note else "file, no note"
    copy = Path(tempfile.mkdtemp(dir=made.home)) / "audit"
    shutil.copytree(made.folder, copy)
    if not with_note:
        closed_path(copy).unlink()
    path, numbers = copy / "log.db", random.Random(seed)
    raw = bytearray(path.read_bytes())
    rows = _all_rows(path)
    made_flips = missed = harmless = 0
    for _ in range(sample):
        place, bit = numbers.randrange(len(raw)), 1 << numbers.randrange(8)
        with path.open("r+b") as file:
            file.seek(place)
            file.write(bytes([raw[place] ^ bit]))
        made_flips += 1
        try:
            detected = verify_log(copy, made.keys, processes=1).state is State.TAMPERED
        except AuditError:
            detected = True
        if not detected:
            same = not with_note and _all_rows(path) == rows
            harmless += same
            missed += not same
        with path.open("r+b") as file:
            file.seek(place)
            file.write(bytes([raw[place]]))
    shutil.rmtree(copy.parent)
    totals = {name: (made_flips, missed)}
    if not with_note:
        totals["file, no note: in space that no row uses"] = (harmless, 0)
    return totals


def _all_rows(path: Path) -> list[object]:
    connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    connection.text_factory = bytes
    found: list[object] = []
    for table in ("meta", "leaf", "payload", "node", "checkpoint", "pruned"):
        found.append(
            connection.execute(f"SELECT * FROM {table} NOT INDEXED ORDER BY 1, 2").fetchall()  # noqa: S608 - constants
        )
    connection.close()
    return found


Job = tuple[Callable[..., dict[str, Counted]], Sequence[object]]


def _jobs(made: Made, lines: int, sample: int, parts: int) -> list[Job]:
    jobs: list[Job] = []
    for part in range(parts):
        jobs += [
            (_row_flips, (made, part, parts)),
            (_payload_flips, (made, part, parts)),
            (_node_flips, (made, part, parts)),
            (_export_flips, (made, part, parts, lines)),
            (_file_flips, (made, part, sample // parts, False)),
        ]
    jobs += [
        (_note_flips, (made,)),
        (_pruned_flips, (made,)),
        (_proof_flips, (made,)),
        (_file_flips, (made, 99, max(sample // 5, 1), True)),
    ]
    return jobs


def _run(job: Job) -> dict[str, Counted]:
    work, arguments = job
    return work(*arguments)


def main() -> int:
    """Flip everything; return 1 if a flip was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--lines", type=int, default=100, help="lines of the export")
    parser.add_argument("--sample", type=int, default=1000, help="random bits of the file")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="cloister-bits-"))
    start = time.monotonic()
    made = make(home, chosen.records)
    report = verify_log(made.folder, read_verifier_keys(made.folder / "keys"))
    assert report.state is State.OK, report.explanation()
    assert report.closed
    totals: dict[str, Counted] = {}
    jobs = _jobs(made, chosen.lines, chosen.sample, 4 * chosen.processes)
    with multiprocessing.get_context("fork").Pool(chosen.processes) as pool:
        for found in pool.imap_unordered(_run, jobs):
            for name, counted in found.items():
                _add(totals, name, counted)
    totals.update(_export_rim_flips(made))  # last: it opens the log, and so changes it
    missed = sum(each for _, each in totals.values())
    print(
        json.dumps(
            {
                "records": report.records,
                "checkpoints": report.stored_checkpoints,
                "epochs": len(report.epochs),
                "file bytes": (made.folder / "log.db").stat().st_size,
                "flips": {name: flipped for name, (flipped, _) in sorted(totals.items())},
                "total": sum(each for each, _ in totals.values()),
                "missed": {name: each for name, (_, each) in totals.items() if each},
                "seconds": round(time.monotonic() - start),
            },
            indent=1,
        )
    )
    shutil.rmtree(home)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
