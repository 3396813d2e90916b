"""Kills, full disks and broken writes at every point of an ingestion, and at random moments.

    PYTHONPATH=. python benchmarks/crash.py     every point in each mode, then 200 random kills
    PYTHONPATH=. python benchmarks/crash.py --modes kill --every 10 --random 0

The points are all writes, flushes, truncations, renames and unlinks below the data folder, counted
by `tests/faults/fault.c`; what must hold after each is written in `tests/faults/crash_points.py`.
The random kills hit runs of `tests/ingest/test_crash.py` one after another on one home. Floor: no
trouble. A full run takes about an hour on 2 cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import shim
from tests.ingest import test_crash

MODES = ("kill", "full", "broken", "torn")


def points(mode: str, every: int, folder: Path, library: Path) -> int:
    """All points of one mode; the exit code."""
    root = folder / mode
    root.mkdir()
    environment = {**os.environ, "FAULT_ROOT": str(root), "LD_PRELOAD": str(library)}
    command = [sys.executable, "-m", "tests.faults.crash_points"]
    command += ["--mode", mode, "--every", str(every)]
    return subprocess.run(command, env=environment).returncode


def random_kills(count: int, folder: Path) -> None:
    """So many kill -9 at random moments of one ingestion, then one whole run."""
    began = time.monotonic()
    test_crash.KILLS = count
    home = folder / "random"
    home.mkdir()
    test_crash.test_a_killed_run_goes_on_where_it_was(home)
    print(f"{count} random kills: as an uninterrupted run, {time.monotonic() - began:.0f} s")


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modes", nargs="*", choices=MODES, default=MODES)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--random", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        library = shim.build(folder)
        codes = [points(mode, options.every, folder, library) for mode in options.modes]
        if options.random:
            random_kills(options.random, folder)
    return max(codes, default=0)


if __name__ == "__main__":
    sys.exit(main())
