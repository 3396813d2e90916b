"""A file that fails again and again: counted, set aside with its reason, retried, released."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from audit.errors import AuditError
from audit.log import Log
from index.records import SourceState, SourceStatus, Vectors
from ingest import marks
from ingest.errors import Failure, UnknownSource
from ingest.items import Item, Origin
from ingest.marks import Mark
from ingest.pipeline import Ingestor
from ingest.walk import FoundFile
from tests.index.standins import HashEmbedder
from tests.ingest.standins import BOX, BrokenLog, ingestor, log_in


@pytest.fixture
def log(home: Path) -> Iterator[Log]:
    with log_in(home) as opened:
        yield opened


@pytest.fixture
def ingest(home: Path, log: Log) -> Iterator[Ingestor]:
    with ingestor(home, log, stand_in=BOX) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "documents"
    made.mkdir()
    (made / "good.txt").write_text("Good words.")
    return made


def state(ingest: Ingestor, source: str) -> SourceState:
    (found,) = [each for each in ingest.sources() if each.source == source]
    return found


def recorded(log: Log, name: str) -> list[dict[str, object]]:
    leaves = (json.loads(log.leaf(seq).envelope) for seq in range(log.size()))
    return [each["fields"] for each in leaves if each["type"] == name]


@pytest.mark.parametrize(
    ("order", "failure"), [("bad", Failure.CORRUPT), ("die", Failure.READER_DIED)]
)
def test_after_three_failures_a_file_is_left_alone(
    ingest: Ingestor, log: Log, folder: Path, order: str, failure: Failure
) -> None:
    (folder / "x.txt").write_text(order)
    for attempt in (1, 2, 3):
        summary = ingest.add([folder])
        assert [each.failure for each in summary.failed] == [failure]
        assert state(ingest, "x.txt").attempts == attempt
        assert len(summary.quarantined) == (attempt == 3)
    for _ in range(2):
        summary = ingest.add([folder])
        assert summary.failed == ()
        (set_aside,) = summary.quarantined
        assert (set_aside.source, set_aside.attempts) == ("x.txt", 3)
        assert set_aside.sentence.startswith("x.txt ")
    (told,) = recorded(log, "ingest.quarantined")
    assert (told["reason"], told["attempts"]) == (failure.value, 3)
    assert len(recorded(log, "ingest.failed")) == 3
    (listed,) = ingest.quarantined()
    assert (listed.source, listed.failure, listed.attempts) == ("x.txt", failure.value, 3)
    (collection,) = ingest.status().collections
    assert collection.quarantined == 1
    assert [each.source for each in ingest.list()] == ["good.txt"]


def test_what_is_certain_to_fail_is_counted_and_not_read_again(
    ingest: Ingestor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "x.txt").write_text("bad")
    ingest.add([folder])

    def never(*_: object) -> None:
        raise AssertionError("the same bytes were read again")

    monkeypatch.setattr("ingest.intake.stage", never)
    summary = ingest.add([folder])
    assert [each.failure for each in summary.failed] == [Failure.CORRUPT]
    assert state(ingest, "x.txt").attempts == 2


def test_other_bytes_begin_anew(ingest: Ingestor, folder: Path) -> None:
    (folder / "x.txt").write_text("bad")
    for _ in range(3):
        ingest.add([folder])
    (folder / "x.txt").write_text("bad\nand worse")
    summary = ingest.add([folder])
    assert len(summary.failed) == 1
    assert (state(ingest, "x.txt").status, state(ingest, "x.txt").attempts) == (
        SourceStatus.FAILED,
        1,
    )
    (folder / "x.txt").write_text("Good now.")
    assert ingest.add([folder]).added == 1
    found = state(ingest, "x.txt")
    assert (found.status, found.attempts, found.failure) == (SourceStatus.INDEXED, 0, "")


def test_the_same_bytes_with_another_time_stay_in_quarantine(
    ingest: Ingestor, folder: Path
) -> None:
    (folder / "x.txt").write_text("die")
    for _ in range(3):
        ingest.add([folder])
    os.utime(folder / "x.txt", (1, 1))
    summary = ingest.add([folder])
    assert (summary.failed, len(summary.quarantined)) == ((), 1)


def test_a_version_held_before_stays_while_the_new_one_fails(
    ingest: Ingestor, folder: Path
) -> None:
    ingest.add([folder])
    (folder / "good.txt").write_text("bad")
    for _ in range(3):
        ingest.add([folder])
    assert [(each.source, each.version) for each in ingest.list()] == [("good.txt", 1)]
    assert state(ingest, "good.txt").status is SourceStatus.QUARANTINED


def test_retry_reads_at_once_and_counts_from_the_beginning(
    ingest: Ingestor, log: Log, folder: Path
) -> None:
    (folder / "x.txt").write_text("bad")
    (folder / "y.txt").write_text("die")
    for _ in range(3):
        ingest.add([folder])
    summary = ingest.retry(["x.txt"])
    assert [each.source for each in summary.failed] == ["x.txt"]
    assert state(ingest, "x.txt").attempts == 1
    assert state(ingest, "y.txt").attempts == 3
    assert [each["attempts"] for each in recorded(log, "ingest.released")] == [3]
    assert len(ingest.retry().failed) == 2
    assert ingest.retry().quarantined == ()
    assert recorded(log, "ingest.started")[-1]["action"] == "retry"
    with pytest.raises(UnknownSource, match=r"good\.txt"):
        ingest.retry(["good.txt"])


def test_what_cannot_be_recorded_is_not_released(ingest: Ingestor, log: Log, folder: Path) -> None:
    (folder / "x.txt").symlink_to(folder / "nowhere")  # its bytes were never read
    for _ in range(3):
        ingest.add([folder])
    log.__class__ = BrokenLog
    assert isinstance(log, BrokenLog)
    log.good_appends = 0
    with pytest.raises(AuditError):
        ingest.release()
    with pytest.raises(AuditError):
        ingest.remove("x.txt")
    log.__class__ = Log
    assert state(ingest, "x.txt").status is SourceStatus.QUARANTINED


def test_release_lets_the_next_run_try_again(ingest: Ingestor, log: Log, folder: Path) -> None:
    (folder / "x.txt").write_text("bad")
    for _ in range(3):
        ingest.add([folder])
    assert ingest.release(["x.txt"]) == ("x.txt",)
    assert state(ingest, "x.txt").status is SourceStatus.FAILED
    assert ingest.release() == ()
    assert len(recorded(log, "ingest.released")) == 1
    assert len(ingest.sync(folder).plan.again) == 1
    assert state(ingest, "x.txt").attempts == 1


def test_what_is_wrong_outside_the_bytes_is_looked_at_again(ingest: Ingestor, folder: Path) -> None:
    (folder / "link.txt").symlink_to(folder.parent / "later.txt")
    for _ in range(4):
        summary = ingest.add([folder])
    assert (summary.failed, [each.source for each in summary.quarantined]) == ((), ["link.txt"])
    assert ingest.sync(folder).plan.is_empty
    (folder.parent / "later.txt").write_text("There at last.")
    assert ingest.add([folder]).added == 1


def marked(home: Path, path: Path, machine: list[str] | None = None) -> None:
    """As if a run had been killed while it read the file, on a machine that was like this then."""
    found = path.stat()
    origin = Origin("default", path.name, str(path), found.st_size, found.st_mtime_ns)
    told = {"origin": asdict(origin), "digest": "5e" * 32, "machine": machine or marks._machine()}
    (home / "tmp" / "reading-0").write_text(json.dumps(told))


@pytest.mark.parametrize("run", ["add", "sync"])
def test_what_was_being_read_when_the_machine_gave_out_counts_as_an_attempt(
    ingest: Ingestor, log: Log, home: Path, folder: Path, run: str
) -> None:
    path = folder / "x.txt"
    path.write_text("die")
    for _ in range(3):
        marked(home, path, ["another boot", "oom_kill 0"])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ingest.job.Job.work", lambda *_: None)
            ingest.add([folder]) if run == "add" else ingest.sync(folder)
    found = state(ingest, "x.txt")
    assert (found.status, found.failure) == (SourceStatus.QUARANTINED, "interrupted")
    assert len(recorded(log, "ingest.quarantined")) == 1
    assert marks.left(home / "tmp") == []


def test_a_run_that_somebody_killed_is_hardly_held_against_the_file(
    ingest: Ingestor, home: Path, folder: Path
) -> None:
    path = folder / "x.txt"
    path.write_text("Words that did nothing.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingest.job.Job.work", lambda *_: None)
        for _ in range(3 * marks.UNEXPLAINED - 1):
            marked(home, path)
            ingest.add([folder])
        assert state(ingest, "x.txt").status is SourceStatus.FAILED
    assert ingest.add([folder]).added == 2
    assert state(ingest, "x.txt").attempts == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingest.job.Job.work", lambda *_: None)
        for _ in range(3 * marks.UNEXPLAINED):
            marked(home, path)
            ingest.add([folder])
    assert state(ingest, "x.txt").status is SourceStatus.QUARANTINED


def test_a_mark_says_whether_memory_ran_out_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("nr_free_pages 5\noom_kill 3\n")
    monkeypatch.setattr(marks, "_VMSTAT", vmstat)
    with Mark(tmp_path, "0").on(Origin("default", "a", "/a", 1, 1), "5e" * 32):
        (same,) = marks.left(tmp_path)
        vmstat.write_text("nr_free_pages 9\noom_kill 4\n")
        (other,) = marks.left(tmp_path)
    assert (same.explained, other.explained) == (False, True)
    assert marks.left(tmp_path) == []


def test_a_document_large_enough_to_end_the_process_is_marked_while_it_is_embedded(
    ingest: Ingestor, home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked: list[str] = []
    embed = HashEmbedder.embed_passages

    def looking(embedder: HashEmbedder, texts: Sequence[str]) -> Vectors:
        marked.extend(each.origin.source for each in marks.left(home / "tmp"))
        return embed(embedder, texts)

    monkeypatch.setattr(HashEmbedder, "embed_passages", looking)
    monkeypatch.setattr("ingest.commit._LARGE", 100)
    (folder / "large.txt").write_text("Many words. " * 50)
    assert ingest.add([folder]).added == 2
    assert set(marked) == {"large.txt"}
    assert marks.left(home / "tmp") == []


def test_retrying_what_a_sidecar_sent_elsewhere_leaves_it_with_its_folder(
    ingest: Ingestor, folder: Path
) -> None:
    (folder / "x.txt").write_text("bad")
    (folder / "x.txt.cloister.toml").write_text('collection = "hr"\n')
    for _ in range(3):
        ingest.sync(folder)
    assert [each.source for each in ingest.quarantined()] == ["x.txt"]
    assert len(ingest.retry(collection="hr").failed) == 1
    (folder / "x.txt").unlink()
    (folder / "x.txt.cloister.toml").unlink()
    assert len(ingest.sync(folder).plan.deleted) == 1
    assert ingest.sources("hr") == ()


def test_what_a_run_was_killed_with_comes_last(ingest: Ingestor, home: Path, folder: Path) -> None:
    for name in ("a.txt", "b.txt", "z.txt"):
        (folder / name).write_text(f"Words of {name}.")
    marked(home, folder / "a.txt")
    read: list[str] = []

    def noted(entry: FoundFile) -> list[Item]:
        read.append(entry.source)
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingest.intake.Intake._entry", lambda _, each, __: noted(each))
        patch.setattr(ingest._sandboxes, "benches", ingest._sandboxes.benches[:1])
        ingest.add([folder])
    assert read == ["b.txt", "good.txt", "z.txt", "a.txt"]
    assert ingest.add([folder]).added == 4
    assert state(ingest, "a.txt").attempts == 0


def test_a_mark_that_was_cut_short_says_nothing(ingest: Ingestor, home: Path, folder: Path) -> None:
    (home / "tmp" / "reading-0").write_text('{"origin": {"coll')
    (home / "tmp" / "reading-1").write_text("")
    summary = ingest.add([folder])
    assert (summary.added, summary.failed, summary.quarantined) == (1, (), ())
    assert list((home / "tmp").glob("reading-*")) == []
