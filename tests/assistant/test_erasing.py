"""What of an erased document lies beside the index: rows of sweeps, evaluation folders."""

from __future__ import annotations

from pathlib import Path

from assistant.erasing import forget_sweeps, forget_trials
from assistant.sweep_store import Kept, KeptRow

DOC, OTHER = "d" * 64, "e" * 64
SETTINGS = {"version": "1", "embedder": "hash", "day": "2026-01-01"}


def keep(folder: Path, sweep: str, document: str) -> Kept:
    kept = Kept(folder, sweep, SETTINGS, fresh=True)
    kept.keep(KeptRow("default", document, "s", "FOUND", "R"))
    return kept


def test_rows_go_by_document_or_by_sweep_and_a_running_one_is_said(home: Path) -> None:
    folder = home / "sweeps"
    for sweep, document in (("a", DOC), ("b", OTHER), ("c", OTHER)):
        keep(folder, sweep, document).close()
    (folder / "torn.jsonl").write_text("no header")
    with keep(folder, "busy", DOC):
        assert forget_sweeps(home, [DOC], ["c"]) == (3, ("busy",))
    assert sorted(path.stem for path in folder.glob("*.jsonl")) == ["b", "busy"]
    assert forget_sweeps(home, [DOC], []) == (1, ())
    assert forget_sweeps(home / "nowhere", [DOC], []) == (0, ())


def test_an_evaluation_folder_that_knows_the_document_goes_whole(home: Path) -> None:
    for name, held in (("one", DOC), ("two", OTHER)):
        (home / "eval" / name).mkdir(parents=True)
        (home / "eval" / name / "catalogue.db").write_bytes(b"x" * 9_000_000 + held.encode())
    (home / "eval" / "three" / "blobs").mkdir(parents=True)
    (home / "eval" / "three" / "blobs" / DOC).write_bytes(b"")
    assert forget_trials(home, [DOC]) == 2
    assert [path.name for path in (home / "eval").iterdir()] == ["two"]
    assert forget_trials(home, []) == 0
