"""What recording costs: commits a second and latency, beside a bare SQLite insert in the same run.

    python benchmarks/audit_log.py [--records N] [--folder DIR]

Prints one JSON object: for one and for four writer processes, records with and without a payload,
the commits a second and the 50th and 99th percentile of one append in milliseconds; the same for
the alternative, which is one `INSERT` of as many bytes with `synchronous=FULL` in WAL mode and
nothing else; the ratios; what the records of one answer add to it (8 records, of which one payload
of 8,000 characters) beside 8 bare inserts; four threads of one process, which share transactions;
the hardened mode, where a daemon writes; the time to open a log in milliseconds.

Floors: 1,000 commits a second with one writer and with four; the records of an answer add less than
5 ms at the 99th percentile, or less than 5 times what bare inserts add on the same disk in the same
minute if that alone is over 1 ms.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from audit.daemon import Daemon
from audit.log import Limits, Log
from audit.record import Actor, Event
from audit.remote import RemoteLog

ACTOR = Actor(kind="service", id="benchmark")
PAYLOAD = {"text": "x" * 400}
RECORDS_OF_AN_ANSWER = 8  # received, called, finished, four sentences, released
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


def _answers(folder: Path, count: int, append: Callable[[Event], object]) -> list[float]:
    """Seconds that the records of each of `count` answers take."""
    times = []
    for number in range(count):
        request = f"request-{number}"
        events = [
            Event(
                f"benchmark.step{place}",
                ACTOR,
                {"number": place, "sha256": "a" * 64, "citations": ["b" * 64 + ":1:0:9"] * 3},
                {"text": "x" * (8000 if place == 1 else 400)},
                request_id=request,
            )
            for place in range(RECORDS_OF_AN_ANSWER)
        ]
        start = time.perf_counter()
        for event in events:
            append(event)
        times.append(time.perf_counter() - start)
    return times


def _percentiles(times: list[float]) -> dict[str, float]:
    times = sorted(times)
    return {
        "p50_ms": round(times[len(times) // 2] * 1000, 2),
        "p99_ms": round(times[int(len(times) * 0.99)] * 1000, 2),
    }


def _added_to_an_answer(count: int, parent: Path) -> dict[str, dict[str, float]]:
    """What recording adds to an answer: in the log, and as bare inserts of the same bytes; in turns
    of twenty, so that both meet the same disk."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, value BLOB)")

    def insert(event: Event) -> None:
        length = ROW_BYTES + len(str((event.payload or {}).get("text", "")))
        connection.execute("INSERT INTO row (value) VALUES (?)", (b"x" * length,))

    logged: list[float] = []
    bare: list[float] = []
    with _open(folder) as log:
        _answers(folder, 20, log.append)
        for _ in range(count // 20):
            logged += _answers(folder, 20, log.append)
            bare += _answers(folder, 20, insert)
    connection.close()
    shutil.rmtree(folder)
    return {"log": _percentiles(logged), "bare inserts": _percentiles(bare)}


def _threads_per_second(records: int, parent: Path) -> float:
    folder = Path(tempfile.mkdtemp(dir=parent))
    with _open(folder) as log, ThreadPoolExecutor(4) as pool:
        event = Event("benchmark.step", ACTOR, {}, PAYLOAD)
        start = time.perf_counter()
        for _ in pool.map(lambda _: log.append(event), range(records)):
            pass
        rate = records / (time.perf_counter() - start)
    shutil.rmtree(folder)
    return round(rate, 1)


def _through_the_daemon(records: int, parent: Path) -> dict[str, float]:
    folder = Path(tempfile.mkdtemp(dir=parent))
    with _open(folder) as log:
        served = Daemon(log, folder / "s", {})
        thread = threading.Thread(target=served.serve)
        thread.start()
        times = []
        with RemoteLog(folder / "s", build="b", process="p", timeout_ms=5000) as remote:
            event = Event("benchmark.step", ACTOR, {}, PAYLOAD)
            begin = time.perf_counter()
            for _ in range(records):
                start = time.perf_counter()
                remote.append(event)
                times.append(time.perf_counter() - start)
            rate = records / (time.perf_counter() - begin)
        served.stop()
        thread.join()
    shutil.rmtree(folder)
    return {"commits_per_s": round(rate, 1), **_percentiles(times)}


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
    results: dict[str, Any] = {}
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
    added = _added_to_an_answer(chosen.records // 4, parent)
    results["added to an answer"] = added
    results["4 threads, commits_per_s"] = _threads_per_second(chosen.records, parent)
    results["through the daemon"] = _through_the_daemon(chosen.records, parent)
    results["open_ms p50"] = _open_ms(parent)
    shutil.rmtree(parent)
    print(json.dumps(results, indent=1))
    rates = [results[f"{writers} writer(s)"]["log with payload"] for writers in (1, 4)]
    bound = max(5.0, 5 * added["bare inserts"]["p99_ms"])
    kept = min(rate["commits_per_s"] for rate in rates) >= 1000 and added["log"]["p99_ms"] < bound
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
