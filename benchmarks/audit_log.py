"""What recording costs: commits a second and latency, beside a bare SQLite insert in the same run.

    python benchmarks/audit_log.py [--records N] [--folder DIR]

Prints one JSON object: for one and for four writer processes, records with and without a payload,
the commits a second and the 50th and 99th percentile of one append in milliseconds; the same for
the alternative, which is one `INSERT` of as many bytes with `synchronous=FULL` in WAL mode and
nothing else; the ratios; verified records a second; the time to open a log in milliseconds.

Floor: the log keeps a tenth of the bare insert's rate with one writer (it hashes, signs, encrypts
and syncs a key as well).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from audit.keys import read_verifier_keys
from audit.log import Limits, Log
from audit.record import Actor, Event
from audit.verify import verify_log

ACTOR = Actor(kind="service", id="benchmark")
PAYLOAD = {"text": "x" * 400}
ROW_BYTES = 900  # about what an envelope takes
Work = Callable[[Path, int], list[float]]


def _open(folder: Path) -> Log:
    return Log(folder / "audit", build="benchmark", process="benchmark", limits=Limits())


def _log_appends(folder: Path, count: int, payload: dict[str, object] | None) -> list[float]:
    times = []
    with _open(folder) as log:
        for number in range(count):
            start = time.perf_counter()
            log.append(Event("benchmark.step", ACTOR, {"number": number}, payload))
            times.append(time.perf_counter() - start)
    return times


def with_payload(folder: Path, count: int) -> list[float]:
    """Seconds for each append of an event with a payload."""
    return _log_appends(folder, count, dict(PAYLOAD))


def without_payload(folder: Path, count: int) -> list[float]:
    """Seconds for each append of an event without one."""
    return _log_appends(folder, count, None)


def bare_insert(folder: Path, count: int) -> list[float]:
    """Seconds for each bare insert: the alternative."""
    connection = sqlite3.connect(folder / "bare.db", timeout=30, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS row (id INTEGER PRIMARY KEY, value BLOB)")
    times = []
    for _ in range(count):
        start = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO row (value) VALUES (?)", (b"x" * ROW_BYTES,))
        connection.execute("COMMIT")
        times.append(time.perf_counter() - start)
    connection.close()
    return times


def _measure(work: Work, writers: int, records: int, parent: Path) -> dict[str, float]:
    folder = Path(tempfile.mkdtemp(dir=parent))
    work(folder, 1)  # creating the files is not what is measured
    each = records // writers
    with multiprocessing.get_context("spawn").Pool(writers) as pool:
        pool.starmap(time.sleep, [(0.2,)] * writers)  # let every process start first
        start = time.perf_counter()
        times = sorted(t for part in pool.starmap(work, [(folder, each)] * writers) for t in part)
        wall = time.perf_counter() - start
    shutil.rmtree(folder)
    return {
        "commits_per_s": round(len(times) / wall, 1),
        "p50_ms": round(times[len(times) // 2] * 1000, 3),
        "p99_ms": round(times[int(len(times) * 0.99)] * 1000, 3),
    }


def _verified_per_second(records: int, parent: Path) -> float:
    folder = Path(tempfile.mkdtemp(dir=parent))
    with _open(folder) as log:
        for _ in range(records // 500):
            log.append_many([Event("benchmark.step", ACTOR, {}, PAYLOAD)] * 500)
    keys = read_verifier_keys(folder / "audit" / "keys")
    start = time.perf_counter()
    report = verify_log(folder / "audit", keys)
    seconds = time.perf_counter() - start
    assert report.exit_code == 0, report.explanation()
    shutil.rmtree(folder)
    return round(report.records / seconds, 1)


def _open_ms(parent: Path) -> float:
    folder = Path(tempfile.mkdtemp(dir=parent))
    without_payload(folder, 500)
    times = []
    for _ in range(15):
        start = time.perf_counter()
        log = _open(folder)
        times.append(time.perf_counter() - start)
        log.close()
    shutil.rmtree(folder)
    return round(sorted(times)[len(times) // 2] * 1000, 2)


def main() -> int:
    """Run all measurements; return 1 if the floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=2000, help="records for each measurement")
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure")
    chosen = parser.parse_args()
    parent = Path(tempfile.mkdtemp(prefix="cloister-audit-", dir=chosen.folder))
    works: dict[str, Work] = {
        "bare insert": bare_insert,
        "log without payload": without_payload,
        "log with payload": with_payload,
    }
    results: dict[str, object] = {}
    ratios: dict[str, float] = {}
    for writers in (1, 4):
        measured = {
            name: _measure(work, writers, chosen.records, parent) for name, work in works.items()
        }
        results[f"{writers} writer(s)"] = measured
        bare = measured.pop("bare insert")
        measured["bare insert"] = bare
        for name in ("log without payload", "log with payload"):
            rate = measured[name]["commits_per_s"]
            ratios[f"{name} / bare insert, {writers} writer(s)"] = round(
                rate / bare["commits_per_s"], 3
            )
    results["ratios"] = ratios
    results["verified records per s"] = _verified_per_second(chosen.records, parent)
    results["open_ms p50"] = _open_ms(parent)
    shutil.rmtree(parent)
    print(json.dumps(results, indent=1))
    return 0 if ratios["log with payload / bare insert, 1 writer(s)"] >= 0.1 else 1


if __name__ == "__main__":
    sys.exit(main())
