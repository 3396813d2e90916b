"""kill -9 at any moment: run again, the result is that of an uninterrupted run, all recorded."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audit.keys import read_verifier_keys
from audit.report import State
from audit.verify import verify_log
from index.document import Scope
from tests.ingest.standins import hash_index, log_in, pdf, policy

ROOT = Path(__file__).parents[2]
KILLS = 10


def start(home: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.ingest.killed_run", str(home), str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def content(home: Path) -> list[object]:
    scope = Scope(frozenset({"default"}))
    with hash_index(home) as index:
        return [
            (document.source, document.version, index.pages(document.id, scope),
             index.chunks(document.id, scope))
            for document in index.documents(scope)
        ]  # fmt: skip


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    for n in range(20):
        (folder / f"policy-{n}.md").write_text(policy(f"{n} years"))
        (folder / f"report-{n}.pdf").write_bytes(pdf([[(72, 700, f"Report {n}.")]] * 3))
    records = [json.dumps({"_id": f"r{n}", "text": f"Rule {n}."}) for n in range(100)]
    (folder / "rules.jsonl").write_text("\n".join(records))

    began = time.monotonic()
    with start(tmp_path / "whole", folder) as whole:
        assert whole.wait() == 0
    seconds = time.monotonic() - began

    chosen = random.Random(7)
    home = tmp_path / "killed"
    for _ in range(KILLS):
        with start(home, folder) as process:
            time.sleep(chosen.uniform(0, seconds / 4))
            process.kill()
    with start(home, folder) as last:
        assert last.wait() == 0

    result = content(home)
    assert result == content(tmp_path / "whole")
    assert len(result) == 140
    with log_in(home) as log:
        counters = log.counters()
    assert counters["ingest.added"] == 140  # each commit recorded once, killed or not
    assert list((home / "tmp").glob("staged-*")) == []
    report = verify_log(home / "audit", read_verifier_keys(home / "audit" / "keys"))
    assert report.state is not State.TAMPERED
