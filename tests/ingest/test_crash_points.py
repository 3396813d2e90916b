"""An ingestion whose writes fail: some of the points that `benchmarks/crash.py` takes all of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import shim

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "every"), [("kill", 70), ("full", 150), ("broken", 150)])
def test_a_failed_write_loses_nothing(tmp_path: Path, mode: str, every: int) -> None:
    library = shim.build(tmp_path)
    root = tmp_path / "work"
    root.mkdir()
    environment = {**os.environ, "FAULT_ROOT": str(root), "LD_PRELOAD": str(library)}
    command = [sys.executable, "-m", "tests.faults.crash_points", "--mode", mode]

    ran = subprocess.run(
        [*command, "--first", "11", "--every", str(every)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    facts = json.loads(ran.stdout.splitlines()[-1])
    assert facts["points"] >= 3
    assert facts["calls"] > 100  # the shim sees what the stores write
