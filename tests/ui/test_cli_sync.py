"""`cloister ingest sync`, `watch`, `retry` and `release` on a real index with a hash embedder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ingest import standins
from ui import composition
from ui.main import run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose ingestor embeds without a model."""
    folder = tmp_path / "home"

    @contextmanager
    def opened(home: Path) -> Iterator[object]:
        with standins.log_in(home) as log, standins.ingestor(home, log) as found:
            yield found

    monkeypatch.setattr(composition, "ingestor", opened)
    monkeypatch.setenv("CLOISTER_HOME", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "documents"
    found.mkdir()
    for name in ("one", "two", "three"):
        (found / f"{name}.txt").write_text(f"The {name} contract ends in six years.")
    return found


def _json(captured: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(captured.readouterr().out))


def test_a_dry_run_names_files_and_does_nothing(
    home: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ingest", "sync", str(folder), "--dry-run"]) == 0
    assert "one.txt" in capsys.readouterr().out

    assert run(["ingest", "sync", str(folder), "--dry-run", "--json"]) == 0
    said = _json(capsys)
    assert sorted(said["added"]) == ["one.txt", "three.txt", "two.txt"]
    assert said["summary"] is None

    assert run(["ingest", "list", "--json"]) == 0
    assert capsys.readouterr().out == ""


def test_sync_follows_what_happens_in_the_folder(
    home: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ingest", "sync", str(folder), "--json"]) == 0
    assert _json(capsys)["summary"]["added"] == 3
    (folder / "one.txt").rename(folder / "moved.txt")
    (folder / "two.txt").unlink()
    (folder / "three.txt").write_text("The third contract ends in nine years.")

    assert run(["ingest", "sync", str(folder), "--json"]) == 0
    said = _json(capsys)

    assert said["moved"] == [{"from": "one.txt", "to": "moved.txt"}]
    assert said["deleted"] == ["two.txt"]
    assert said["changed"] == ["three.txt"]
    assert run(["ingest", "sync", str(folder)]) == 0
    assert "Nothing to do: 2 files are unchanged." in capsys.readouterr().out


def test_a_missing_folder_deletes_nothing(
    home: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ingest", "sync", str(folder)]) == 0
    folder.rename(folder.with_name("elsewhere"))
    capsys.readouterr()

    assert run(["ingest", "sync", str(folder)]) == 2
    assert "nothing was deleted" in capsys.readouterr().err
    assert run(["ingest", "list", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3

    assert run(["ingest", "sync", str(folder), "--confirm"]) == 0
    capsys.readouterr()
    assert run(["ingest", "list", "--json"]) == 0
    assert capsys.readouterr().out == ""


def test_status_tells_of_quarantine_and_retry_ends_it(
    home: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = folder / "bad.pdf"
    bad.write_bytes(b"%PDF-1.7\nnothing of the kind")
    for _ in range(3):
        assert run(["ingest", "add", str(folder)]) == 4
    capsys.readouterr()

    assert run(["ingest", "add", str(folder)]) == 0
    assert "In quarantine" in capsys.readouterr().out
    assert run(["ingest", "status", "--json"]) == 0
    said = _json(capsys)
    (held,) = said["failed"]
    assert (held["source"], held["status"], held["attempts"]) == ("bad.pdf", "quarantined", 3)
    assert said["collections"][0]["quarantined"] == 1
    stated = {each["source"]: each["completeness"] for each in said["documents"]}
    assert stated["one.txt"]["share"] == 1.0

    assert run(["ingest", "status"]) == 0
    assert "in quarantine after 3 attempts" in capsys.readouterr().out
    assert run(["ingest", "retry", "bad.pdf"]) == 4
    capsys.readouterr()
    assert run(["ingest", "release", "nothing.pdf"]) == 2
    capsys.readouterr()

    bad.write_bytes(standins.pdf([[(50, 700, "Now it is a document.")]]))
    assert run(["ingest", "retry"]) == 0
    assert run(["ingest", "status", "--json"]) == 0
    capsys.readouterr()


def test_a_draft_is_listed_on_demand_and_not_searched(
    home: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "one.txt.cloister.toml").write_text('status = "draft"\n')
    assert run(["ingest", "sync", str(folder)]) == 0
    capsys.readouterr()

    assert run(["ingest", "list"]) == 0
    assert "one.txt" not in capsys.readouterr().out
    assert run(["ingest", "list", "--all"]) == 0
    assert "draft" in capsys.readouterr().out


def test_purge_is_part_of_verify(
    home: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ingest", "sync", str(folder)]) == 0
    assert run(["ingest", "remove", "one.txt"]) == 0
    assert run(["ingest", "verify", "--purge"]) == 0
    capsys.readouterr()

    held = [path for path in home.rglob("*") if path.is_file() and path.parent.name != "audit"]
    assert not [path for path in held if b"The one contract" in path.read_bytes()]


@pytest.mark.slow
def test_watch_takes_in_what_comes_and_forgets_what_goes(tmp_path: Path, folder: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "cloister.toml").write_text("[ingest]\nsettle_seconds = 0.2\nrescan_seconds = 1\n")
    command = [sys.executable, "-m", "ui.main", "--home", str(home), "ingest"]
    watching = subprocess.Popen(
        [*command, "watch", str(folder), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert watching.stdout is not None
        first = json.loads(watching.stdout.readline())
        assert sorted(first["added"]) == ["one.txt", "three.txt", "two.txt"]

        (folder / "four.txt").write_text("The fourth contract ends in ten years.")
        (folder / "one.txt").unlink()
        seen: dict[str, list[str]] = {"added": [], "deleted": []}
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not all(seen.values()):
            said = json.loads(watching.stdout.readline())
            for key in seen:
                seen[key] += said[key]
        assert seen == {"added": ["four.txt"], "deleted": ["one.txt"]}
        found = subprocess.run(
            [*command, "list", "--json"], capture_output=True, text=True, check=True
        )
        held = {json.loads(line)["source"] for line in found.stdout.splitlines()}
        assert held == {"two.txt", "three.txt", "four.txt"}
    finally:
        os.kill(watching.pid, signal.SIGTERM)
        assert watching.wait(60) == 0
