"""Files within files: mails with attachments, archives, files of records, and each in the other."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from audit.log import Log
from index.document import Scope
from index.records import SourceStatus
from index.store import Index
from ingest.errors import Failure
from ingest.options import ReadOptions
from ingest.pipeline import Ingestor
from tests.ingest.standins import BOX, hash_index, ingestor, log_in

DEFAULT = Scope(frozenset({"default"}))


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
    return made


def held(ingest: Ingestor) -> dict[str, str]:
    """The parent of each current document, by source."""
    return {each.source: each.parent for each in ingest.list()}


def statuses(ingest: Ingestor) -> dict[str, SourceStatus]:
    return {each.source: each.status for each in ingest.sources()}


def mail(body: str, **attached: bytes) -> bytes:
    message = EmailMessage()
    message["Subject"] = "The contract"
    message["From"] = "anna@example.org"
    message["To"] = "ben@example.org"
    message["Date"] = "Mon, 03 Mar 2025 10:00:00 +0000"
    message.set_content(body)
    for name, data in attached.items():
        message.add_attachment(
            data, maintype="application", subtype="octet-stream", filename=name.replace("_", ".")
        )
    return message.as_bytes()


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_", "."), data)
    return buffer.getvalue()


def test_a_real_mail_in_a_real_archive(home: Path, log: Log, folder: Path) -> None:
    inner = mail("Please sign.", terms_txt=b"The term is six years.", data_zip=zipped(n_txt=b"No."))
    (folder / "post.zip").write_bytes(zipped(first_eml=inner, note_txt=b"A note about leave."))
    with ingestor(home, log) as ingest:
        summary = ingest.add([folder])
        assert summary.failed == ()
        assert held(ingest) == {
            "post.zip/first.eml": "post.zip",
            "post.zip/first.eml/terms.txt": "post.zip/first.eml",
            "post.zip/first.eml/data.zip/n.txt": "post.zip/first.eml/data.zip",
            "post.zip/note.txt": "post.zip",
        }
        assert {each.path for each in ingest.sources()} == {str(folder / "post.zip")}
        assert statuses(ingest)["post.zip"] is SourceStatus.CONTAINER
        assert ingest.add([folder]).unchanged == 1  # not opened
    with hash_index(home) as index:
        hits = index.search("term six years", DEFAULT).hits
        assert hits[0].document.source == "post.zip/first.eml/terms.txt"
        original = index.original(hits[0].document.id, DEFAULT)
        assert original.read_bytes() == b"The term is six years."


def test_a_mail_is_a_document_and_holds_others(ingest: Ingestor, folder: Path) -> None:
    (folder / "m.eml").write_text("box: Dear all\na.txt: First\nb.txt: Second\n")
    assert ingest.add([folder]).added == 3
    assert held(ingest) == {"m.eml": "", "m.eml/a.txt": "m.eml", "m.eml/b.txt": "m.eml"}
    assert ingest.add([folder]).unchanged == 1


def test_a_document_becomes_an_archive_and_back(ingest: Ingestor, log: Log, folder: Path) -> None:
    path = folder / "x"
    path.write_text("A document.")
    ingest.add([folder])
    path.write_text("box\na.txt: First\n")
    ingest.add([folder])
    assert set(held(ingest)) == {"x/a.txt"}
    assert log.counters()["ingest.superseded"] == 1
    path.write_text("A document.")
    ingest.add([folder])
    assert set(held(ingest)) == {"x"}
    assert set(statuses(ingest)) == {"x"}


def test_an_untouched_container_is_not_opened_again(
    ingest: Ingestor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.zip").write_text("box\nx.txt: Ex\n")
    (folder / "r.jsonl").write_text("rows\nr1: one\n")
    ingest.add([folder])
    monkeypatch.setattr("ingest.intake.stage", None)
    assert ingest.add([folder]).unchanged == 2
    assert ingest.sync(folder).plan.unchanged + len(ingest.sync(folder).plan.touched) == 2


def test_parts_that_are_gone_are_removed_and_kept_ones_stay(ingest: Ingestor, folder: Path) -> None:
    path = folder / "m.eml"
    path.write_text("box: Dear all\na.txt: First\nin.zip: box\\nb.txt: Second\\nc.txt: Third\n")
    ingest.add([folder])
    path.write_text("box: Dear all\na.txt: First\nin.zip: box\\nc.txt: Third\n")
    summary = ingest.add([folder])
    assert (summary.removed, summary.added, summary.changed) == (1, 0, 1)
    assert set(held(ingest)) == {"m.eml", "m.eml/a.txt", "m.eml/in.zip/c.txt"}
    path.write_text("box: Dear all\n")
    ingest.add([folder])
    assert set(statuses(ingest)) == {"m.eml"}
    path.write_text("No mail any more.")
    ingest.add([folder])
    assert held(ingest) == {"m.eml": ""}


def test_with_a_container_all_of_it_goes(ingest: Ingestor, log: Log, folder: Path) -> None:
    (folder / "m.eml").write_text("box: Dear all\nin.zip: box\\nb.txt: Second\n")
    (folder / "r.jsonl").write_text("rows\nr1: one\nr2: two\n")
    (folder / "x.txt").write_text("Stays.")
    ingest.sync(folder)
    (folder / "m.eml").unlink()
    (folder / "r.jsonl").unlink()
    ingest.sync(folder)
    assert set(statuses(ingest)) == {"x.txt"}
    assert log.counters()["ingest.removed"] == 4


def test_a_container_moves_with_its_parts(ingest: Ingestor, folder: Path) -> None:
    (folder / "m.eml").write_text("box: Dear all\nin.zip: box\\nb.txt: Second\n")
    (folder / "a.zip").write_text("box\nz.txt: Zed\n")
    (folder / "r.jsonl").write_text("rows\nr1: one\nbroken\n")
    ingest.add([folder])
    (folder / "post").mkdir()
    for name in ("m.eml", "a.zip", "r.jsonl"):
        (folder / name).rename(folder / "post" / name)
    summary = ingest.add([folder])
    assert (summary.moved, summary.added, summary.chunks) == (3, 0, 0)
    assert held(ingest) == {
        "post/a.zip/z.txt": "post/a.zip",
        "post/m.eml": "",
        "post/m.eml/in.zip/b.txt": "post/m.eml/in.zip",
        "r1": "post/r.jsonl",
    }
    assert all(each.path.startswith(str(folder / "post")) for each in ingest.sources())
    assert statuses(ingest)["post/r.jsonl:3"] is SourceStatus.FAILED
    assert not ingest.sync(folder).plan.deleted


def test_a_part_that_fails_costs_only_itself(ingest: Ingestor, folder: Path) -> None:
    (folder / "m.eml").write_text(
        "box: Dear all\na.txt: bad\nb.txt: locked\nc.txt: die\nd.txt: D\n"
    )
    for attempt in (1, 2, 3):
        summary = ingest.add([folder])
        assert {each.source: each.failure for each in summary.failed} == {
            "m.eml/a.txt": Failure.CORRUPT,
            "m.eml/b.txt": Failure.MEMBER_ENCRYPTED,
            "m.eml/c.txt": Failure.READER_DIED,
        }
        assert set(held(ingest)) == {"m.eml", "m.eml/d.txt"}
        assert {each.attempts for each in ingest.sources() if each.error} == {attempt}
    summary = ingest.add([folder])
    assert (summary.failed, len(summary.quarantined), summary.unchanged) == ((), 3, 1)
    assert len(ingest.retry(["m.eml/a.txt"]).failed) == 1


def test_what_nests_too_deep_is_refused_by_name(home: Path, log: Log, folder: Path) -> None:
    (folder / "a.zip").write_text("box\nb.zip: box\\nc.zip: box\\\\nd.txt: Deep\nx.txt: Ex\n")
    with ingestor(home, log, stand_in=BOX, max_depth=1) as ingest:
        summary = ingest.add([folder])
        assert [(each.source, each.failure) for each in summary.failed] == [
            ("a.zip/b.zip/c.zip", Failure.TOO_DEEP)
        ]
        assert set(held(ingest)) == {"a.zip/x.txt"}


def test_a_container_may_unpack_to_so_much_in_all(home: Path, log: Log, folder: Path) -> None:
    inner = "box\\n" + "\\n".join(f"{n}.txt: {'x' * 200} {n}" for n in range(5))
    (folder / "a.zip").write_text(f"box\none.zip: {inner}\ntwo.zip: {inner} 2\n")
    options = ReadOptions(max_member_bytes=3000)
    with ingestor(home, log, stand_in=BOX, options=options) as ingest:
        summary = ingest.add([folder])
        assert summary.added < 10
        assert {each.source for each in summary.failed} <= {"a.zip/one.zip", "a.zip/two.zip"}
        assert summary.failed
    assert list((home / "tmp").glob("staged-*")) == []


def test_an_archive_that_holds_itself_comes_to_an_end(home: Path, log: Log, folder: Path) -> None:
    reader = folder.parent / "quine.py"
    reader.write_text(
        "from ingest.pages import Member\n"
        "def read(name, data, options):\n    yield Member('self.zip', data)\n"
    )
    (folder / "a.zip").write_text("round and round")
    (folder / "b.zip").write_text("round and round")
    with ingestor(home, log, stand_in=reader) as ingest:
        summary = ingest.add([folder])
    assert [each.failure for each in summary.failed] == [Failure.TOO_DEEP] * 2


def test_the_same_attachment_of_two_mails_is_embedded_once(
    home: Path, log: Log, folder: Path
) -> None:
    (folder / "1.eml").write_text("box: Dear Anna\nterms.txt: The terms\n")
    (folder / "2.eml").write_text("box: Dear Ben\nterms.txt: The terms\n")
    (folder / "3.eml").write_text("box: Dear Anna\nterms.txt: The terms\n")  # as the first
    # By one reader: two that open different mails at one moment do not wait for each other's parts.
    with ingestor(home, log, stand_in=BOX, readers=1) as ingest:
        summary = ingest.add([folder])
        assert (summary.added, summary.chunks, summary.duplicates) == (3, 3, 3)
        assert {each.source: each.container for each in ingest.sources()} == {
            "1.eml": "",
            "1.eml/terms.txt": "1.eml",
            "2.eml": "",
            "2.eml/terms.txt": "2.eml",
            "3.eml": "",
            "3.eml/terms.txt": "3.eml",
        }
        ingest.remove("1.eml")
        ingest.remove("3.eml")
        assert set(held(ingest)) == {"2.eml", "2.eml/terms.txt"}


def test_what_a_sidecar_says_of_a_container_holds_for_its_parts(
    ingest: Ingestor, folder: Path
) -> None:
    (folder / "m.eml").write_text("box: Dear all\na.txt: First\n")
    (folder / "r.jsonl").write_text("rows\nr1: one\n")
    ingest.sync(folder)
    for name in ("m.eml", "r.jsonl"):
        (folder / f"{name}.cloister.toml").write_text(
            'effective_from = 2025-01-01\nsupersedes = "old.txt"\n'
        )
    done = ingest.sync(folder)
    assert done.summary is not None
    assert (done.summary.described, done.summary.chunks) == (3, 0)
    assert {each.source: each.effective_from for each in ingest.list()} == {
        "m.eml": "2025-01-01",
        "m.eml/a.txt": "2025-01-01",
        "r1": "2025-01-01",
    }
    assert {each.source: each.supersedes for each in ingest.list()} == {
        "m.eml": ("old.txt",),
        "m.eml/a.txt": (),
        "r1": (),
    }
    (folder / "m.eml.cloister.toml").write_text('collection = "hr"\n')
    ingest.sync(folder)
    assert {each.source for each in ingest.list("hr")} == {"m.eml", "m.eml/a.txt"}
    assert set(held(ingest)) == {"r1"}


def test_what_a_person_removes_while_a_run_goes_on_does_not_end_it(
    ingest: Ingestor, home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        (folder / f"{n}.txt").write_text(f"Number {n}.")
    ingest.add([folder])
    for n in range(3):
        os.utime(folder / f"{n}.txt", (n, n))
    touch = Index.touch_source

    def removed_before(index: Index, collection: str, source: str, *rest: Any, **more: Any) -> None:
        index.remove(collection, source)
        touch(index, collection, source, *rest, **more)

    monkeypatch.setattr(Index, "touch_source", removed_before)
    assert ingest.add([folder]).unchanged == 3
    monkeypatch.undo()
    assert ingest.add([folder]).added == 3


def test_records_that_are_gone_are_removed(ingest: Ingestor, folder: Path) -> None:
    path = folder / "r.jsonl"
    path.write_text("rows\nr1: one\nr2: two\nbroken\n")
    ingest.add([folder])
    assert statuses(ingest) == {
        "r.jsonl": SourceStatus.CONTAINER,
        "r.jsonl:4": SourceStatus.FAILED,
        "r1": SourceStatus.INDEXED,
        "r2": SourceStatus.INDEXED,
    }
    path.write_text("rows\nr2: two\nr3: three\n")
    summary = ingest.add([folder])
    assert (summary.added, summary.unchanged, summary.removed) == (1, 1, 2)
    assert set(statuses(ingest)) == {"r.jsonl", "r2", "r3"}


def test_the_log_says_how_complete_each_document_is(
    ingest: Ingestor, log: Log, folder: Path
) -> None:
    (folder / "a.txt").write_text("Some words.")
    ingest.add([folder])
    leaves = [json.loads(log.leaf(seq).envelope) for seq in range(log.size())]
    (added,) = [each["fields"] for each in leaves if each["type"] == "ingest.added"]
    assert (added["pages"], added["characters"], added["characters_in_chunks"]) == (1, 10, 10)
    assert (added["share_permille"], added["complete"], added["doubtful"]) == (1000, True, False)
    (document,) = ingest.list()
    assert document.completeness is not None
    assert document.completeness.complete
