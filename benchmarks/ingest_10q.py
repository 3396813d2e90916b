"""Ingests a folder of PDF files and checks that nothing is lost.

    python benchmarks/ingest_10q.py FOLDER            pages and chunks a second; every page there
    python benchmarks/ingest_10q.py FOLDER --kills 10 the same after so many kill -9 at random
                                                      moments, compared chunk for chunk

Prints one JSON object; ends with 1 if a page is missing or the two results differ.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import sqlalchemy as sa

from audit.compose import open_log
from audit.keys import read_verifier_keys
from audit.record import Actor
from audit.verify import verify_log
from ingest.compose import open_ingestor

_TOLERANCE = 1e-2  # between two float16 vectors of one text, embedded in other company


def ingest(home: Path, folder: Path) -> dict[str, Any]:
    """One uninterrupted run in this process."""
    actor = Actor("service", "benchmark")
    with open_log(home) as log, open_ingestor(home, log, actor) as ingestor:
        began = time.monotonic()
        summary = ingestor.add(sorted(folder.glob("*.pdf")))
        seconds = time.monotonic() - began
    return {
        "added": summary.added,
        "unchanged": summary.unchanged,
        "failed": [each.sentence for each in summary.failed],
        "pages": summary.pages,
        "chunks": summary.chunks,
        "seconds": round(seconds, 1),
        "pages_per_second": round(summary.pages / seconds, 1),
        "chunks_per_second": round(summary.chunks / seconds, 1),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def expected_pages(folder: Path) -> dict[str, int]:
    """How many pages PDFium counts in each file."""
    pages = {}
    for path in sorted(folder.glob("*.pdf")):
        with pypdfium2.PdfDocument(path) as pdf:
            pages[path.name] = len(pdf)
    return pages


def content(home: Path) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], dict[str, Any]]:
    """Pages, chunks and vectors of the current documents, read from the catalogue's tables."""
    engine = sa.create_engine(f"sqlite:///{home / 'catalogue.db'}")
    with engine.connect() as connection:
        pages = connection.exec_driver_sql(
            "select d.source, p.number, p.label, p.text, p.width, p.height, p.boxes from pages p"
            " join documents d on d.key = p.document_key where d.status = 'current' order by 1, 2"
        ).all()
        chunks = connection.exec_driver_sql(
            'select c.id, d.source, c.page, c.start, c."end", c.heading_path, v.vector'
            " from chunks c"
            " join documents d on d.key = c.document_key join vectors v on v.chunk_key = c.key"
            " where d.status = 'current' order by d.source, c.ordinal"
        ).all()
    engine.dispose()
    vectors = {row[0]: np.frombuffer(row[6], "<f2").astype(np.float32) for row in chunks}
    return [tuple(row) for row in pages], [tuple(row)[:6] for row in chunks], vectors


def killed_run(home: Path, folder: Path, kills: int, seconds: float, seed: int) -> list[float]:
    """Start over and over, killed at random moments, and at last left to end; the moments."""
    moments = []
    chosen = random.Random(seed)
    command = [sys.executable, str(Path(__file__)), str(folder), "--once", str(home)]
    for _ in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        moment = chosen.uniform(0.5, max(1.0, seconds / kills * 2))
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        moments.append(round(moment, 2))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return moments


def compared(first: Path, second: Path) -> dict[str, Any]:
    """What differs between two results."""
    pages, chunks, vectors = content(first)
    other_pages, other_chunks, other_vectors = content(second)
    shared = vectors.keys() & other_vectors.keys()
    farthest = max(
        (float(np.abs(vectors[key] - other_vectors[key]).max()) for key in shared), default=0.0
    )
    return {
        "pages_equal": pages == other_pages,
        "chunks_equal": chunks == other_chunks,
        "vectors_equal": vectors.keys() == other_vectors.keys() and farthest <= _TOLERANCE,
        "farthest_vector": round(farthest, 5),
    }


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--once", type=Path, metavar="HOME", help="only ingest into this home")
    options = parser.parse_args()
    if options.once:
        print(json.dumps(ingest(options.once, options.folder)))
        return 0
    scratch = Path(tempfile.mkdtemp(prefix="ingest-10q-"))
    try:
        result = ingest(scratch / "whole", options.folder)
        counted: dict[str, int] = {}
        for row in content(scratch / "whole")[0]:
            counted[row[0]] = counted.get(row[0], 0) + 1
        result["every_page"] = counted == expected_pages(options.folder)
        good = result["every_page"]
        if options.kills:
            arguments = (options.kills, result["seconds"], options.seed)
            result["killed_after"] = killed_run(scratch / "killed", options.folder, *arguments)
            result |= compared(scratch / "whole", scratch / "killed")
            audit = scratch / "killed" / "audit"
            result["log"] = verify_log(audit, read_verifier_keys(audit / "keys")).state.name
            with open_log(scratch / "killed") as log:
                result["recorded"] = log.counters().get("ingest.added")
            result["every_commit_recorded"] = result["recorded"] == result["added"]
            good = all(value for value in result.values() if isinstance(value, bool))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(json.dumps(result, indent=2))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
