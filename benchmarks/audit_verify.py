"""How fast the verifier goes through a log, by number of processes, beside only reading its bytes.

    python benchmarks/audit_verify.py [--records 200000] [--payload-records 20000] [--folder DIR]

Writes a log of N records without payloads (envelopes of about 700 bytes) and one of M records with
payloads of 4 KiB, closes them, and verifies each with one and with as many processes as there are
processors. The alternative, in the same run, reads and hashes every record's bytes and payload and
checks nothing. Prints one JSON object: records a second, the ratio to the alternative, and the size
of the proof of one record.

Floor: 50,000 records a second without payloads, with all processors (issue 7: on 2 cores).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from audit.keys import read_verifier_keys
from audit.log import Limits, Log
from audit.proof import make_proof, verify_proof
from audit.record import Actor, Event
from audit.report import State
from audit.verify import verify_log

ACTOR = Actor(
    kind="person", id="ann@example.org", auth="local-user", groups=("audit", "legal"), client="cli"
)
FIELDS = {"number": 1, "origin": "model", "places": ["annual-report:12:1044:1190"]}
BATCH = 500
FLOOR = 50_000


def _write(folder: Path, records: int, payload: dict[str, object] | None) -> int:
    """Write the log; return the bytes of a proof that are not its record."""
    event = Event("answer.sentence", ACTOR, FIELDS, payload, "session-1", "request-1")
    with Log(folder / "audit", build="cloister 0.1.0", process="cloister", limits=Limits()) as log:
        for _ in range(max(records // BATCH, 1)):
            log.append_many([event] * BATCH)
        proof = make_proof(log, records // 3)
        verify_proof(proof.text(), log.trusted_keys)
        return proof.overhead


def _only_read(folder: Path) -> float:
    """Seconds to read and hash every envelope and payload: the alternative."""
    start = time.perf_counter()
    connection = sqlite3.connect(f"file:{folder / 'audit/log.db'}?mode=ro&immutable=1", uri=True)
    for table, column in (("leaf", "envelope"), ("payload", "stored")):
        for (raw,) in connection.execute(f"SELECT {column} FROM {table}"):  # noqa: S608 - constants
            hashlib.sha256(raw).digest()
    connection.close()
    return time.perf_counter() - start


def _verify(folder: Path, processes: int) -> tuple[float, int]:
    """Seconds to verify the log, and how many records it has."""
    keys = read_verifier_keys(folder / "audit" / "keys")
    start = time.perf_counter()
    report = verify_log(folder / "audit", keys, processes=processes)
    seconds = time.perf_counter() - start
    assert report.state is State.OK, report.explanation()
    return seconds, report.records


def _measure(folder: Path, repeats: int) -> dict[str, object]:
    """The best of several runs of each, taken in turn."""
    counts = sorted({1, len(os.sched_getaffinity(0))})
    read: list[float] = []
    times: dict[int, list[float]] = {count: [] for count in counts}
    records = 0
    for _ in range(repeats):
        read.append(_only_read(folder))
        for count in counts:
            seconds, records = _verify(folder, count)
            times[count].append(seconds)
    rates = {count: records / min(times[count]) for count in counts}
    return {
        "records": records,
        "file_mib": (folder / "audit" / "log.db").stat().st_size >> 20,
        "records_per_s": {f"{count} process(es)": round(rate) for count, rate in rates.items()},
        "only reading and hashing, records_per_s": round(records / min(read)),
        "ratio of times, all processors / only reading": round(
            min(times[counts[-1]]) / min(read), 2
        ),
    }


def main() -> int:
    """Run it; return 1 if the floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--payload-records", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure")
    chosen = parser.parse_args()
    parent = Path(tempfile.mkdtemp(prefix="cloister-verify-", dir=chosen.folder))
    plain, heavy = parent / "plain", parent / "heavy"
    overhead = _write(plain, chosen.records, None)
    _write(heavy, chosen.payload_records, {"text": "x" * 4096})
    measured = _measure(plain, chosen.repeats)
    results = {
        "without payloads": measured,
        "with payloads of 4 KiB": _measure(heavy, chosen.repeats),
        "proof_bytes": overhead,
    }
    shutil.rmtree(parent)
    print(json.dumps(results, indent=1))
    rates = measured["records_per_s"]
    assert isinstance(rates, dict)
    return 0 if max(rates.values()) >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
