"""Ingestion end to end, with the real catalogue, reader process and log, and a hash embedder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.errors import AuditError
from audit.log import Log
from index.document import Scope
from index.errors import HomeFull, InvalidDocument
from index.files import FileLock
from index.store import Index
from ingest import events
from ingest.errors import AlreadyIngesting, Failure, NoSuchPath, NothingToRead, UnknownSource
from ingest.events import Run
from ingest.options import ReadOptions
from ingest.pipeline import Ingestor
from ingest.progress import Progress
from tests.ingest.standins import ACTOR, EVIL, BrokenLog, hash_index, ingestor, log_in, pdf, policy

DEFAULT = Scope(frozenset({"default"}))


@pytest.fixture
def log(home: Path) -> Iterator[Log]:
    with log_in(home) as opened:
        yield opened


@pytest.fixture
def ingest(home: Path, log: Log) -> Iterator[Ingestor]:
    with ingestor(home, log) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three documents in three formats."""
    made = tmp_path / "documents"
    (made / "hr").mkdir(parents=True)
    (made / "retention.md").write_text(policy())
    (made / "hr" / "leave.txt").write_text("Leave is 30 days a year.")
    (made / "aml.pdf").write_bytes(
        pdf([[(72, 700, "Report within 24 hours.")], [(72, 700, "End")]])
    )
    return made


def recorded(log: Log, name: str) -> list[dict[str, object]]:
    """The clear fields of all records of one type, in order."""
    found = []
    for seq in range(log.size()):
        envelope = json.loads(log.leaf(seq).envelope)
        if envelope["type"] == name:
            found.append(envelope["fields"])
    return found


def test_documents_are_committed_searched_and_recorded(
    ingest: Ingestor, home: Path, log: Log, folder: Path
) -> None:
    seen: list[Progress] = []
    summary = ingest.add([folder], progress=seen.append)
    assert (summary.added, summary.failed, summary.files, summary.pages) == (3, (), 3, 5)
    listed = ingest.list()
    assert [each.source for each in listed] == ["aml.pdf", "hr/leave.txt", "retention.md"]
    assert [each.title for each in listed] == ["aml", "leave", "Retention policy"]
    with hash_index(home) as index:
        hits = index.search("leave days a year", DEFAULT).hits
        assert hits[0].document.source == "hr/leave.txt"
        for document in listed:
            pages = {page.number: page.text for page in index.pages(document.id, DEFAULT)}
            assert len(pages) == document.pages
            for chunk in index.chunks(document.id, DEFAULT):
                assert pages[chunk.page][chunk.start : chunk.end] == chunk.text
            assert index.original(document.id, DEFAULT).stat().st_size > 0
        assert {each.name: each.groups for each in index.collections()} == {
            "default": frozenset({"local"})
        }
    digests = {each.id for each in listed}
    (before,) = recorded(log, "ingest.intended")
    assert set(before["documents"]) == digests  # type: ignore[call-overload]
    assert {fields["document"] for fields in recorded(log, "ingest.added")} == digests
    assert recorded(log, "ingest.finished")[0]["added"] == 3
    order = [name for name in log.counters() if name.startswith("ingest.")]
    assert set(order) == {"ingest.started", "ingest.intended", "ingest.added", "ingest.finished"}
    assert all(each.files_total == 3 for each in seen)
    assert list((home / "tmp").glob("staged-*")) == []


def test_no_name_of_a_file_stands_in_the_clear(ingest: Ingestor, home: Path, folder: Path) -> None:
    ingest.add([folder, folder / "hr" / "nobody.txt"])
    ingest.close()
    for path in (home / "audit").glob("log.db*"):
        assert b"leave.txt" not in path.read_bytes()
        assert b"nobody.txt" not in path.read_bytes()


def test_unchanged_files_are_skipped_changed_ones_are_new_versions(
    ingest: Ingestor, log: Log, folder: Path
) -> None:
    ingest.add([folder])
    assert ingest.add([folder]).unchanged == 3
    (folder / "retention.md").write_text(policy("seven years"))
    os.utime(folder / "aml.pdf", (1, 1))  # another time, the same bytes
    summary = ingest.add([folder])
    assert (summary.added, summary.changed, summary.unchanged) == (0, 1, 2)
    (document,) = [each for each in ingest.list() if each.source == "retention.md"]
    assert document.version == 2
    assert len(recorded(log, "ingest.version_added")) == 1
    assert len(recorded(log, "ingest.superseded")) == 1


def test_a_file_that_has_moved_keeps_its_document(ingest: Ingestor, log: Log, folder: Path) -> None:
    ingest.add([folder])
    (folder / "hr" / "leave.txt").rename(folder / "holidays.txt")
    summary = ingest.add([folder])
    assert (summary.moved, summary.added, summary.duplicates) == (1, 0, 0)
    assert {each.source for each in ingest.sources()} == {
        "aml.pdf",
        "holidays.txt",
        "retention.md",
    }
    (fields,) = recorded(log, "ingest.moved")
    (document,) = [each for each in ingest.list() if each.source == "holidays.txt"]
    assert (fields["document"], document.version) == (document.id, 1)
    (folder / "holidays.txt").unlink()
    assert ingest.add([folder]).removed == 0  # adding forgets nothing
    assert len(ingest.list()) == 3


def test_the_folder_above_knows_a_file_by_its_place(ingest: Ingestor, folder: Path) -> None:
    ingest.add([folder])
    summary = ingest.add([folder / "hr"])
    assert (summary.unchanged, summary.added, summary.duplicates) == (1, 0, 0)
    assert {each.source for each in ingest.sources()} == {
        "aml.pdf",
        "hr/leave.txt",
        "retention.md",
    }


def test_the_same_bytes_in_another_collection_are_not_embedded_again(
    ingest: Ingestor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ingest.add([folder])
    monkeypatch.setattr("tests.index.standins.HashEmbedder.embed_passages", None)
    second = ingest.add([folder], "second")
    assert (second.added, second.reused) == (3, first.chunks)
    assert {each.id for each in ingest.list()} == {each.id for each in ingest.list("second")}


def test_the_same_bytes_elsewhere_are_one_document(
    ingest: Ingestor, log: Log, folder: Path
) -> None:
    (folder / "copy.md").write_text(policy())
    summary = ingest.add([folder])
    assert (summary.added, summary.duplicates) == (3, 1)
    assert len(ingest.list()) == 3
    assert len(recorded(log, "ingest.linked")) == 1
    assert ingest.add([folder]).unchanged == 4
    ingest.remove("copy.md")
    assert len(ingest.list()) == 3


def test_bad_files_fail_with_a_reason_and_the_others_go_on(
    ingest: Ingestor, home: Path, log: Log, folder: Path
) -> None:
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 broken")
    (folder / "empty.pdf").write_bytes(b"")
    (folder / "locked.pdf").write_bytes(pdf([[(72, 700, "x")]], password="secret"))
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n")
    (folder / "program.exe").write_bytes(b"MZ\x90\x00\x03\x00\x00\x00\x04" + bytes(200))
    (folder / "scan.pdf").write_bytes(pdf([[], []]))
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    with (folder / "large.txt").open("wb") as stream:
        stream.truncate(2 << 30)
    (folder / "loop").symlink_to(folder)
    summary = ingest.add([folder, folder / "nowhere.pdf"])
    assert summary.added == 3
    expected = {
        "broken.pdf": Failure.CORRUPT,
        "empty.pdf": Failure.EMPTY,
        "locked.pdf": Failure.ENCRYPTED,
        "picture.png": Failure.CORRUPT,
        "program.exe": Failure.UNSUPPORTED,
        "scan.pdf": Failure.NO_TEXT,
        "caf\\xe9.txt": Failure.NAME_NOT_UTF8,
        "large.txt": Failure.TOO_LARGE,
        "loop": Failure.LINK_LOOP,
        str(folder / "nowhere.pdf"): Failure.GONE,
    }
    assert {each.source: each.failure for each in summary.failed} == expected
    assert len(recorded(log, "ingest.failed")) == len(expected)
    failed = {state.source for state in ingest.sources() if state.error}
    assert failed == set(expected) - {str(folder / "nowhere.pdf")}


def test_a_password_from_the_settings_is_tried(home: Path, log: Log, tmp_path: Path) -> None:
    (tmp_path / "locked.pdf").write_bytes(pdf([[(72, 700, "secret terms")]], password="right"))
    with ingestor(home, log, options=ReadOptions(passwords=("right",))) as ingest:
        assert ingest.add([tmp_path / "locked.pdf"]).added == 1


def test_records_are_documents_and_a_bad_line_costs_itself(
    ingest: Ingestor, log: Log, tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    lines = [json.dumps({"_id": f"r{n}", "text": f"Rule {n} applies."}) for n in range(60)]
    corpus.write_text("\n".join([*lines[:30], '{"_id": 1', *lines[30:]]))
    summary = ingest.add([corpus])
    assert (summary.added, summary.chunks, summary.files) == (60, 60, 1)
    assert [each.source for each in summary.failed] == ["corpus.jsonl:31"]
    assert {each.title for each in ingest.list()} == {""}
    corpus.write_text(
        "\n".join([*lines[:30], json.dumps({"_id": "new", "text": "x"}), *lines[30:]])
    )
    again = ingest.add([corpus])
    assert (again.added, again.unchanged, again.failed) == (1, 60, ())
    assert not [state for state in ingest.sources() if state.error]
    assert len(recorded(log, "ingest.added")) == 61
    removed = ingest.remove("corpus.jsonl")
    assert len(removed) == 62  # the records, and the file that held them
    assert ingest.list() == ()


def test_a_reader_that_dies_costs_one_file(home: Path, log: Log, tmp_path: Path) -> None:
    for name, order in {
        "1.txt": "honest",
        "2.txt": "die",
        "3.txt": "offsets",
        "4.txt": "last",
    }.items():
        (tmp_path / name).write_text(order)
    with ingestor(home, log, stand_in=EVIL) as ingest:
        summary = ingest.add([tmp_path / f"{n}.txt" for n in range(1, 5)])
    assert summary.added == 2
    assert {each.source: each.failure for each in summary.failed} == {
        "2.txt": Failure.READER_DIED,
        "3.txt": Failure.READER_LIED,
    }


def test_removing_takes_effect_and_is_recorded(ingest: Ingestor, log: Log, folder: Path) -> None:
    ingest.add([folder])
    (document,) = [each for each in ingest.list() if each.source == "aml.pdf"]
    assert ingest.remove(document.id[:10]) == ("aml.pdf",)
    assert [each.source for each in ingest.list()] == ["hr/leave.txt", "retention.md"]
    assert recorded(log, "ingest.removed")[0]["document"] == document.id
    assert recorded(log, "ingest.intended")[-1]["action"] == "remove"
    with pytest.raises(UnknownSource, match=r"aml\.pdf"):
        ingest.remove("aml.pdf")
    assert ingest.add([folder]).added == 1


def test_the_data_folder_is_never_ingested(
    ingest: Ingestor, home: Path, folder: Path, tmp_path: Path
) -> None:
    ingest.add([folder])
    (tmp_path / "link").symlink_to(home)
    summary = ingest.add([tmp_path])  # where both the documents and the data folder are
    assert (summary.files, summary.failed) == (3, ())
    assert len(ingest.list()) == 3


def test_wrong_calls_are_refused(ingest: Ingestor, log: Log, tmp_path: Path) -> None:
    with pytest.raises(NothingToRead):
        ingest.add([])
    with pytest.raises(NoSuchPath, match="nowhere") as caught:
        ingest.add([tmp_path / "nowhere"])
    assert caught.value.exit_code == 2
    assert recorded(log, "ingest.failed")[0]["reason"] == "gone"
    assert recorded(log, "ingest.stopped")[0]["reason"] == "NoSuchPath"
    assert ingest.status().collections == ()


def test_two_at_once_are_refused(ingest: Ingestor, home: Path, folder: Path) -> None:
    lock = FileLock(home / "tmp" / "ingest.lock")
    assert lock.acquire()
    with pytest.raises(AlreadyIngesting) as caught:
        ingest.add([folder])
    assert caught.value.exit_code == 6
    lock.release()
    assert ingest.add([folder]).added == 3


@pytest.mark.parametrize("appends", [0, 1, 2])
def test_what_cannot_be_recorded_is_not_done(home: Path, folder: Path, appends: int) -> None:
    with log_in(home) as log, ingestor(home, log) as ingest:
        log.__class__ = BrokenLog
        assert isinstance(log, BrokenLog)
        log.good_appends = appends  # started, collection.created; then ingest.intended fails
        with pytest.raises(AuditError):
            ingest.add([folder])
        assert ingest.list() == ()
        log.__class__ = Log


def test_a_commit_without_its_record_is_recorded_by_the_next_run(home: Path, folder: Path) -> None:
    with log_in(home) as log, ingestor(home, log) as ingest:
        log.__class__ = BrokenLog
        assert isinstance(log, BrokenLog)
        log.good_appends = 3  # the commit happens, its record fails: as if killed in between
        with pytest.raises(AuditError):
            ingest.add([folder])
        log.__class__ = Log
        assert len(ingest.list()) == 3
        assert recorded(log, "ingest.added") == []
        assert ingest.add([folder]).unchanged == 3
        added = recorded(log, "ingest.added")
        assert [fields["recovered"] for fields in added] == [True] * 3
        assert ingest.add([folder]).unchanged == 3
        assert len(recorded(log, "ingest.added")) == 3


def test_a_full_disk_stops_the_run_and_loses_nothing(
    ingest: Ingestor, log: Log, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.add([folder])
    (folder / "more.txt").write_text("More words.")
    monkeypatch.setattr(Index, "put_many", _full)
    with pytest.raises(HomeFull):
        ingest.add([folder])
    assert recorded(log, "ingest.stopped")[0]["reason"] == "HomeFull"
    monkeypatch.undo()
    assert len(ingest.list()) == 3
    assert ingest.add([folder]).added == 1


def _full(*_: object) -> None:
    raise HomeFull("/data")


def test_a_document_that_the_index_refuses_costs_only_itself(
    ingest: Ingestor, log: Log, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_many = Index.put_many

    def choosy(index: Index, new: list) -> object:  # type: ignore[type-arg]
        if any(each.source == "aml.pdf" for each in new):
            raise InvalidDocument("aml.pdf", "it was asked to")
        return put_many(index, new)

    monkeypatch.setattr(Index, "put_many", choosy)
    summary = ingest.add([folder])
    assert summary.added == 2
    assert [(each.source, each.failure) for each in summary.failed] == [
        ("aml.pdf", Failure.REFUSED)
    ]
    assert len(recorded(log, "ingest.added")) == 2
    assert len(recorded(log, "ingest.failed")) == 1


def test_verifying_is_recorded(ingest: Ingestor, log: Log, folder: Path) -> None:
    ingest.add([folder])
    assert ingest.verify() == ()
    assert recorded(log, "ingest.verified") == [{"collection": "", "problems": 0, "repaired": 0}]


def test_many_digests_are_split_over_records_that_stay_small() -> None:
    run = Run("r", ACTOR, "default")
    made = list(events.intended(run, ["f" * 64] * 600, "add"))
    assert [len(each.fields["documents"]) for each in made] == [256, 256, 88]  # type: ignore[arg-type]
