"""How fast an unchanged folder is found to be unchanged, against ingesting it.

    python benchmarks/sync_unchanged.py                 10,000 small files, the real embedder
    python benchmarks/sync_unchanged.py --files 500     fewer, to see that it works

Makes that many text files of about 60 words, ingests them with `sync`, then compares the folder
again, several times: each time one look at the journal, one walk of the folder, no file opened,
nothing embedded, nothing recorded. The first ingestion and the comparisons run in one process and
one after the other. Prints one JSON object; ends with 1 if the comparison is less than 100 times
as fast as the first ingestion, or finds anything to do.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from audit.compose import open_log
from audit.record import Actor
from ingest.compose import open_ingestor

FLOOR = 100.0  # times as fast as the first ingestion
_TEXT = (
    "the retention period of records is years after end contract archive report supervisor "
    "customer must be kept deleted review annual policy data protection officer within hours "
    "breach notify authority bank account risk control internal audit committee approve"
)


def make(folder: Path, files: int, seed: int) -> None:
    """Files in folders of a hundred, written long enough ago that their times vouch for them."""
    chosen = random.Random(seed)
    then = time.time() - 3600
    for number in range(files):
        path = folder / f"{number // 100:03}" / f"{number:05}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        words = " ".join(chosen.choices(_TEXT.split(), k=60))
        path.write_text(f"Document {number}. {words}.\n")
        os.utime(path, (then, then))


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="sync-unchanged-"))
    try:
        folder, home = scratch / "documents", scratch / "home"
        make(folder, options.files, options.seed)
        with open_log(home) as log, open_ingestor(home, log, Actor("service", "bench")) as ingest:
            began = time.monotonic()
            first = ingest.sync(folder).summary
            ingestion = time.monotonic() - began
            assert first is not None
            assert first.added == options.files
        seconds = []
        idle = True
        with open_log(home) as log, open_ingestor(home, log, Actor("service", "bench")) as ingest:
            size = log.store.size()
            for _ in range(options.rounds):
                began = time.monotonic()
                plan = ingest.sync(folder).plan
                seconds.append(time.monotonic() - began)
                idle = idle and plan.is_empty and plan.unchanged == options.files
            idle = idle and log.store.size() == size
            began = time.monotonic()
            rehashed = ingest.sync(folder, rehash=True).plan
            hashing = time.monotonic() - began
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    ratio = ingestion / statistics.median(seconds)
    result = {
        "files": options.files,
        "first_ingestion_seconds": round(ingestion, 2),
        "first_sync_of_a_new_process_seconds": round(seconds[0], 3),
        "median_sync_seconds": round(statistics.median(seconds), 3),
        "rehash_seconds": round(hashing, 3),
        "times_as_fast": round(ratio),
        "floor": FLOOR,
        "nothing_done": idle and rehashed.is_empty,
    }
    print(json.dumps(result, indent=2))
    return 0 if result["nothing_done"] and ratio >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
