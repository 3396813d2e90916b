"""One ingestion with the hash embedder in small batches: `python -m ... HOME FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.ingest.standins import ingestor, log_in


def main() -> None:
    """Entry point; prints one line when it is about to begin."""
    home, folder = map(Path, sys.argv[1:])
    with log_in(home) as log, ingestor(home, log, batch_chunks=8) as ingest:
        print("ready", flush=True)
        ingest.add([folder])


if __name__ == "__main__":
    main()
