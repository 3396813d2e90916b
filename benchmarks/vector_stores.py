"""The vector stores beside each other: time to fill, time to search, and what they find.

    PYTHONPATH=. python benchmarks/vector_stores.py                 20,000 vectors of 384
    PYTHONPATH=. python benchmarks/vector_stores.py --rows 100000

Chroma, PostgreSQL with pgvector (a server of its own, started here from the wheel that the tests
use) and the exact comparison hold the same clustered vectors. Each is filled as a view is, in
batches of 4,000 that are made whole at the end, then asked the same questions in turns, so that
other work on the machine falls on all alike. Recall is the share of what brute force finds. Prints
one JSON object; ends with 1 if an approximate store's recall@10 is below 0.95.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from index.chroma import open_chroma
from index.exact import ExactVectors
from index.files import FileLock
from index.pgvector import PgVectors
from index.ports import VectorStore
from tests.index.pgserver import PgServer
from tests.index.vector_conformance import REAL, best, clustered, none, part

FLOOR = 0.95  # recall@10
_AT_ONCE = 4_000


def fill(store: VectorStore, rows: int) -> float:
    """Seconds until the store is whole."""
    held, _asked = clustered(rows, 1)
    begun = time.perf_counter()
    for first in range(0, rows, _AT_ONCE):
        store.apply("a", [], part(held, first, first + _AT_ONCE), 0)
    store.apply("a", [], none(REAL), 1)
    return time.perf_counter() - begun


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--questions", type=int, default=200)
    options = parser.parse_args()
    scratch, server = Path(tempfile.mkdtemp(prefix="vector-stores-")), PgServer()
    try:
        chroma = open_chroma(scratch / "chroma", FileLock(scratch / "chroma.lock"))
        assert chroma is not None
        pgvector = PgVectors(server.server(), "bench", REAL, "bench")
        stores: dict[str, VectorStore] = {
            "chroma": chroma,
            "pgvector": pgvector,
            "exact": ExactVectors(REAL),
        }
        report: dict[str, dict[str, float]] = {
            name: {"fill_s": round(fill(store, options.rows), 1)} for name, store in stores.items()
        }
        held, asked = clustered(options.rows, options.questions)
        truth = [best(held, query, 200) for query in asked]
        for limit in (10, 200):
            seconds: dict[str, list[float]] = {name: [] for name in stores}
            found = dict.fromkeys(stores, 0)
            for query, true in zip(asked, truth, strict=True):
                for name, store in stores.items():
                    begun = time.perf_counter()
                    hits = store.search("a", query, limit)
                    seconds[name].append(time.perf_counter() - begun)
                    found[name] += len({each.chunk for each in hits} & set(true[:limit]))
            for name, times in seconds.items():
                report[name] |= {
                    f"recall@{limit}": round(found[name] / limit / len(asked), 4),
                    f"p50_ms@{limit}": round(1e3 * float(np.quantile(times, 0.5)), 2),
                    f"p95_ms@{limit}": round(1e3 * float(np.quantile(times, 0.95)), 2),
                    f"least_ms@{limit}": round(1e3 * min(times), 2),
                }
        for each in stores.values():
            each.close()
    finally:
        server.stop()
        shutil.rmtree(scratch, ignore_errors=True)
    print(json.dumps({"rows": options.rows, **report}, indent=1))
    return int(any(each["recall@10"] < FLOOR for each in report.values()))


if __name__ == "__main__":
    sys.exit(main())
