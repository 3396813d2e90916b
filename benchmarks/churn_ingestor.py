"""The same question as `churn.py`, asked of the whole way in: files, readers, journal, records.

    PYTHONPATH=. python benchmarks/churn_ingestor.py --documents 300

Text files of recombined words, each with a marker that no other has, are kept in step with a home
by `Ingestor.sync` (real readers, Chroma, tantivy and log; a hash embedder). Ten rounds delete half
of the files and add as many. Then the home is compared with a fresh one of the same files, and
after `Ingestor.verify(purge=True)` every file of the home is searched for the markers of what was
deleted. The audit log is reported apart: it only ever grows, because it is evidence.

Floors: 1.2 times the fresh home without the log; 0 markers of deleted documents anywhere, and all
markers of those that are left.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from audit.compose import open_log
from audit.record import Actor
from benchmarks.churn import RATIO, ROUNDS, marker, markers_in, vocabulary
from index.compose import assemble
from index.files import size_of
from index.settings import IndexSettings
from ingest.pipeline import Ingestor, Plan
from tests.index.standins import HashEmbedder

ACTOR = Actor("service", "benchmark")
WORDS = 500  # in a file


def write(folder: Path, number: int, words: list[str]) -> None:
    """One file with its marker in the middle."""
    at = number * 7919 % len(words)
    drawn = [words[(at + step * 31) % len(words)] for step in range(WORDS)]
    drawn[WORDS // 2] = marker(number)
    (folder / f"{number}.txt").write_text(" ".join(drawn), encoding="utf-8")


def opened(home: Path, log: object) -> Ingestor:
    """Ingestion into `home` without a model."""
    index = assemble(home, IndexSettings(), HashEmbedder())
    return Ingestor(index, log, ACTOR, Plan(folder=home / "tmp"))  # type: ignore[arg-type]


def sync(home: Path, folder: Path, *, purge: bool = False) -> list[str]:
    """Bring `home` level with `folder`; with `purge`, then purge it. Problems found."""
    with open_log(home) as log, opened(home, log) as ingestor:
        ingestor.sync(folder, confirmed=True)
        return [each.what for each in ingestor.verify(purge=True)] if purge else []


def weighed(home: Path) -> tuple[int, int]:
    """Bytes of the home without the log, and of the log."""
    log = size_of(home / "audit")
    return size_of(home) - log, log


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=300)
    options = parser.parse_args()
    words, half = vocabulary(), options.documents // 2
    with tempfile.TemporaryDirectory() as scratch:
        folder, home, fresh = (Path(scratch) / name for name in ("files", "home", "fresh"))
        folder.mkdir()
        live = list(range(options.documents))
        for number in live:
            write(folder, number, words)
        sync(home, folder)
        following = options.documents
        for _ in range(ROUNDS):
            for number in live[:half]:
                (folder / f"{number}.txt").unlink()
            new = list(range(following, following + half))
            for number in new:
                write(folder, number, words)
            live, following = live[half:] + new, following + half
            sync(home, folder)
        sync(fresh, folder)
        (churned, log), (anew, _) = weighed(home), weighed(fresh)
        problems = sync(home, folder, purge=True)
        found = set(markers_in(home))
        kept = {marker(number).encode() for number in live}
        facts = {
            "documents": options.documents,
            "ratio": round(churned / anew, 3),
            "home_mb": round(churned / 1e6, 2),
            "fresh_mb": round(anew / 1e6, 2),
            "log_mb": round(log / 1e6, 2),
            "deleted_markers_found": len(found - kept),
            "kept_markers_found": len(found & kept),
            "problems": problems,
        }
        print(json.dumps(facts))
        good = churned <= RATIO * anew and not found - kept and len(found) == len(kept)
        return 0 if good and not problems else 1


if __name__ == "__main__":
    sys.exit(main())
