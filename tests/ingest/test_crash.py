"""kill -9 at any moment: run again, the result is that of an uninterrupted run, all recorded."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest

from audit.keys import read_verifier_keys
from audit.report import State
from audit.verify import verify_log
from index.document import Scope
from index.records import SourceStatus
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


def mail(n: int) -> bytes:
    message = EmailMessage()
    message["Subject"] = f"Mail {n}"
    message.set_content(f"Dear reader {n}.")
    message.add_attachment(f"Attachment {n}.", filename="note.txt")
    return message.as_bytes()


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    for n in range(20):
        (folder / f"policy-{n}.md").write_text(policy(f"{n} years"))
        (folder / f"report-{n}.pdf").write_bytes(pdf([[(72, 700, f"Report {n}.")]] * 3))
    for n in range(5):
        (folder / f"mail-{n}.eml").write_bytes(mail(n))
    with zipfile.ZipFile(folder / "post.zip", "w") as archive:
        for n in range(3):
            archive.writestr(f"{n}.txt", f"Letter {n}.")
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
    assert len(result) == 153
    with log_in(home) as log:
        counters = log.counters()
    assert counters["ingest.added"] == 153  # each commit recorded once, killed or not
    with hash_index(home) as index:
        states = index.sources("default")
    assert len(states) == 155  # with the archive and the file of records
    assert {state.status for state in states} == {SourceStatus.INDEXED, SourceStatus.CONTAINER}
    left = [path.name for path in (home / "tmp").iterdir()]
    assert not [name for name in left if name.startswith(("staged-", "reading-"))]
    report = verify_log(home / "audit", read_verifier_keys(home / "audit" / "keys"))
    assert report.state is not State.TAMPERED
