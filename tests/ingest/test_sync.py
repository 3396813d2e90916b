"""Keeping step with a folder: the plan, on plain values and on random folders; then end to end."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.log import Log
from index.document import Status
from index.records import SourceState, SourceStatus
from ingest import manifest
from ingest.chunk import SPLITTER
from ingest.errors import Failure, FolderMissing, NoSuchPath, NotAFolder, TooManyDeletions
from ingest.pipeline import Ingestor
from ingest.sync import SyncPlan, guard, plan
from ingest.walk import FoundFile, Unusable
from tests.ingest.standins import BOX, ingestor, log_in

LONG_AGO = 1_000_000_000 * 10**9
TAKEN_IN = "2020-01-01T00:00:00+00:00"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def file(name: str, text: str, mtime_ns: int = LONG_AGO) -> FoundFile:
    return FoundFile(name, Path("/f") / name, "f", len(text), mtime_ns, Path("/f"))


def state(name: str, text: str, status: SourceStatus = SourceStatus.INDEXED) -> SourceState:
    return SourceState(
        collection="default",
        source=name,
        path=f"/f/{name}",
        size=len(text),
        mtime_ns=LONG_AGO,
        status=status,
        attempts=0,
        error="",
        document_id=sha(text) if status is SourceStatus.INDEXED else None,
        splitter=SPLITTER,
        digest=sha(text),
        at=TAKEN_IN,
    )


def planned(
    found: list[tuple[FoundFile, str]], known: list[SourceState], **options: bool
) -> tuple[SyncPlan, list[str]]:
    """The plan, and which files were hashed for it."""
    texts = {each.source: text for each, text in found}
    hashed: list[str] = []

    def digest_of(each: FoundFile) -> str:
        hashed.append(each.source)
        return sha(texts[each.source])

    made = plan([each for each, _ in found], known, digest_of, lambda _: "", **options)
    return made, hashed


def names(files: tuple[FoundFile, ...]) -> list[str]:
    return [each.source for each in files]


def test_an_unchanged_folder_is_not_hashed() -> None:
    made, hashed = planned([(file("a", "one"), "one")], [state("a", "one")])
    assert (made.is_empty, made.unchanged, hashed) == (True, 1, [])


def test_every_kind_of_difference() -> None:
    found = [
        (file("same", "1"), "1"),
        (file("new", "22"), "22"),
        (file("longer", "333"), "333"),
        (file("other", "4x", LONG_AGO + 1), "4x"),
        (file("touched", "5", LONG_AGO + 1), "5"),
        (file("there", "66666"), "66666"),
    ]
    known = [
        state("same", "1"),
        state("longer", "33"),
        state("other", "44"),
        state("touched", "5"),
        state("here", "66666"),
        state("gone", "7777777"),
    ]
    made, hashed = planned(found, known)
    assert names(made.added) == ["new"]
    assert names(made.changed) == ["longer", "other"]
    assert [(move.old.source, move.file.source) for move in made.moved] == [("here", "there")]
    assert [each.source for each in made.deleted] == ["gone"]
    assert [each.source for each, _ in made.touched] == ["touched"]
    assert made.unchanged == 1
    assert sorted(hashed) == ["other", "there", "touched"]  # by size, the rest is clear


def test_a_file_that_was_written_as_it_was_taken_in_is_hashed() -> None:
    racy = replace(state("a", "one"), at="2001-09-09T01:46:41+00:00")  # a second after LONG_AGO
    made, hashed = planned([(file("a", "two"), "two")], [racy])
    assert (names(made.changed), hashed) == (["a"], ["a"])
    assert not manifest.is_racy(replace(racy, at="2001-09-09T01:46:43+00:00"))


def test_rehashing_finds_what_size_and_time_hide() -> None:
    known = [state("a", "one")]
    assert planned([(file("a", "two"), "two")], known)[0].is_empty
    assert names(planned([(file("a", "two"), "two")], known, rehash=True)[0].changed) == ["a"]


def test_of_two_gone_with_the_same_bytes_the_one_of_the_same_name_has_moved() -> None:
    known = [state("x/a", "one"), state("x/b", "one")]
    made, _ = planned([(file("y/b", "one"), "one")], known)
    assert [(move.old.source, move.file.source) for move in made.moved] == [("x/b", "y/b")]
    assert [each.source for each in made.deleted] == ["x/a"]


def test_below_what_cannot_be_read_nothing_is_deleted() -> None:
    known = [state("closed/a", "one"), state("closed-not/b", "two")]
    made = plan(
        [Unusable("closed", "/f/closed", Failure.UNREADABLE)], known, lambda _: "", lambda _: ""
    )
    assert [each.source for each in made.deleted] == ["closed-not/b"]


def test_the_quarantined_are_left_alone_until_their_bytes_change() -> None:
    bad = replace(state("a", "one", SourceStatus.QUARANTINED), failure="corrupt")
    made, _ = planned([(file("a", "one"), "one")], [bad])
    assert (made.is_empty, [each.source for each in made.quarantined]) == (True, ["a"])
    made, _ = planned([(file("a", "two!"), "two!")], [bad])
    assert names(made.changed) == ["a"]
    failed = replace(bad, status=SourceStatus.FAILED)
    assert names(planned([(file("a", "one"), "one")], [failed])[0].again) == ["a"]


def test_a_container_with_a_part_that_failed_is_opened_again() -> None:
    outer = state("a.zip", "zip", SourceStatus.CONTAINER)
    inner = replace(state("a.zip/b.zip", "in", SourceStatus.CONTAINER), container="a.zip",
                    path="/f/a.zip")  # fmt: skip
    part = replace(state("a.zip/b.zip/c", "bad", SourceStatus.FAILED), container="a.zip/b.zip",
                   path="/f/a.zip")  # fmt: skip
    found = [(file("a.zip", "zip"), "zip")]
    assert names(planned(found, [outer, inner, part])[0].again) == ["a.zip"]
    part = replace(part, status=SourceStatus.QUARANTINED)
    made, _ = planned(found, [outer, inner, part])
    assert (made.is_empty, made.unchanged) == (True, 1)


def test_what_may_not_be_whole_waits_and_so_does_what_may_be_on_its_way_there() -> None:
    found = [file("same", "1"), file("coming", "22"), file("changing", "333", LONG_AGO + 1)]
    known = [state("same", "1"), state("here", "22"), state("changing", "444"), state("gone", "5")]
    made = plan(found, known, lambda _: "", lambda _: "", waits=lambda each: each.source != "same")
    assert names(made.waiting) == ["coming", "changing"]
    assert [each.source for each in made.deleted] == ["gone"]
    assert (made.unchanged, made.to_read) == (1, ())


def test_the_guard() -> None:
    known = [state(f"{n}", str(n)) for n in range(100)]

    def gone(count: int) -> SyncPlan:
        return SyncPlan(deleted=tuple(known[:count]))

    guard("/f", gone(20), known, 80, 0.2)
    with pytest.raises(TooManyDeletions, match="21"):
        guard("/f", gone(21), known, 79, 0.2)
    guard("/f", gone(5), known[:6], 1, 0.2)  # a handful is never too many
    with pytest.raises(TooManyDeletions):
        guard("/f", gone(1), known[:1], 0, 0.2)  # but for an empty folder


_FOLDER = st.dictionaries(
    st.sampled_from("abcdef"), st.tuples(st.sampled_from(["", "x", "yy", "zz"]), st.integers(0, 1))
)


@given(_FOLDER, _FOLDER)
def test_every_file_and_every_source_is_in_exactly_one_place(
    now: dict[str, tuple[str, int]], before: dict[str, tuple[str, int]]
) -> None:
    found = [(file(name, text, LONG_AGO + time), text) for name, (text, time) in now.items()]
    known = [
        replace(state(name, text), mtime_ns=LONG_AGO + time)
        for name, (text, time) in before.items()
    ]
    made, _ = planned(found, known)
    moved = [move.file.source for move in made.moved]
    touched = [each.source for each, _ in made.touched]
    listed = [*names(made.added), *names(made.changed), *moved, *touched]
    unchanged = set(now) - set(listed)
    assert len(listed) == len(set(listed))
    assert len(unchanged) == made.unchanged
    assert all(now[name][1] == before[name][1] for name in unchanged)
    assert all(len(now[name][0]) == len(before[name][0]) for name in unchanged)
    left = [move.old.source for move in made.moved] + [each.source for each in made.deleted]
    assert sorted(left) == sorted(set(before) - set(now))
    assert all(now[move.file.source][0] == before[move.old.source][0] for move in made.moved)


# -- end to end ---------------------------------------------------------------------------------


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
    for n in range(8):
        write(made / "in" / f"{n}.txt", f"Rule number {n} applies.")
    return made


def write(path: Path, text: str, age: int = 3600) -> None:
    """A file that was written a while ago, so that its time vouches for its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    then = path.stat().st_mtime_ns - age * 10**9
    os.utime(path, ns=(then, then))


def held(ingest: Ingestor, collection: str = "default") -> dict[str, int]:
    return {each.source: each.version for each in ingest.list(collection)}


def recorded(log: Log, name: str) -> list[dict[str, object]]:
    leaves = (json.loads(log.leaf(seq).envelope) for seq in range(log.size()))
    return [each["fields"] for each in leaves if each["type"] == name]


def test_a_folder_is_followed(ingest: Ingestor, log: Log, folder: Path) -> None:
    first = ingest.sync(folder)
    assert first.plan.counts["added"] == 8
    assert first.summary is not None
    assert first.summary.added == 8
    size = log.size()
    again = ingest.sync(folder)
    assert again.summary is not None
    assert (again.plan.is_empty, again.summary.unchanged) == (True, 8)
    assert log.size() == size  # nothing was done, so nothing is recorded

    write(folder / "in" / "1.txt", "Rule number 1 applies no more.")
    (folder / "in" / "2.txt").rename(folder / "moved.txt")
    (folder / "in" / "3.txt").unlink()
    write(folder / "new.txt", "Something new.")
    dry = ingest.sync(folder, dry_run=True)
    assert dry.summary is None
    assert log.size() == size
    assert len(held(ingest)) == 8
    done = ingest.sync(folder)
    assert done.plan.counts == dry.plan.counts
    assert done.summary is not None
    assert (done.summary.added, done.summary.changed) == (1, 1)
    assert (done.summary.moved, done.summary.removed) == (1, 1)
    now = held(ingest)
    assert now["in/1.txt"] == 2
    assert now["moved.txt"] == 1
    assert {"in/2.txt", "in/3.txt"}.isdisjoint(now)
    assert len(recorded(log, "ingest.moved")) == 1
    assert len(recorded(log, "ingest.removed")) == 1
    assert [each["action"] for each in recorded(log, "ingest.intended")] == [
        "add",
        "move",
        "remove",
        "add",
    ]
    assert recorded(log, "ingest.planned")[-1]["deleted"] == 1


def test_a_folder_that_was_moved_is_not_read_again(
    ingest: Ingestor, folder: Path, tmp_path: Path
) -> None:
    ingest.sync(folder)
    ids = {each.source: each.id for each in ingest.list()}
    folder.rename(tmp_path / "elsewhere")
    done = ingest.sync(tmp_path / "elsewhere")
    assert done.summary is not None
    assert (done.summary.moved, done.summary.chunks, done.summary.removed) == (8, 0, 0)
    assert {each.source: each.id for each in ingest.list()} == ids
    with pytest.raises(NoSuchPath):
        ingest.sync(folder)


def test_a_missing_folder_deletes_nothing_unless_confirmed(
    ingest: Ingestor, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(NoSuchPath):
        ingest.sync(folder / "never")
    ingest.sync(folder)
    shutil.rmtree(folder)
    with pytest.raises(FolderMissing, match="8"):
        ingest.sync(folder)
    folder.mkdir()
    with pytest.raises(TooManyDeletions, match="8"):
        ingest.sync(folder)
    assert len(held(ingest)) == 8
    folder.rmdir()
    assert ingest.sync(folder, dry_run=True, confirmed=True).plan.counts["deleted"] == 8
    assert len(held(ingest)) == 8
    ingest.sync(folder, confirmed=True)
    assert held(ingest) == {}
    write(tmp_path / "file.txt", "x")
    with pytest.raises(NotAFolder):
        ingest.sync(tmp_path / "file.txt")


def test_many_deletions_need_a_confirmation(ingest: Ingestor, log: Log, folder: Path) -> None:
    ingest.sync(folder)
    for n in range(6):
        (folder / "in" / f"{n}.txt").unlink()
    size = log.size()
    with pytest.raises(TooManyDeletions, match="6"):
        ingest.sync(folder)
    assert log.size() == size
    assert len(held(ingest)) == 8
    ingest.sync(folder, confirmed=True)
    assert set(held(ingest)) == {"in/6.txt", "in/7.txt"}


def test_what_is_missing_can_be_kept_and_all_else_be_done(ingest: Ingestor, folder: Path) -> None:
    ingest.sync(folder)
    for n in range(7):
        (folder / "in" / f"{n}.txt").unlink()
    write(folder / "new.txt", "Something new.")
    write(folder / "half.txt", "Half of a")
    done = ingest.sync(folder, keep_missing=True, waits=lambda each: each.source == "half.txt")
    assert (done.plan.counts["added"], done.plan.counts["waiting"]) == (1, 1)
    assert len(held(ingest)) == 9
    assert ingest.sync(folder, keep_missing=True, waits=lambda _: True).plan.is_empty


def test_what_others_added_is_not_deleted(ingest: Ingestor, folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "other" / "x.txt", "Another folder.")
    ingest.add([tmp_path / "other"])
    ingest.add([folder], "second")
    ingest.sync(folder)
    (folder / "in" / "0.txt").unlink()
    ingest.sync(folder)
    assert set(held(ingest)) == {"x.txt", *(f"in/{n}.txt" for n in range(1, 8))}
    assert len(held(ingest, "second")) == 8


def test_sidecars_describe_without_reading_again(ingest: Ingestor, log: Log, folder: Path) -> None:
    ingest.sync(folder)
    sidecar = folder / "in" / "1.txt.cloister.toml"
    sidecar.write_text('effective_from = 2025-01-01\nstatus = "draft"\n')
    done = ingest.sync(folder)
    assert done.summary is not None
    assert (done.plan.counts["described"], done.summary.described) == (1, 1)
    assert (done.summary.changed, done.summary.chunks) == (0, 0)
    assert len(recorded(log, "ingest.withdrawn")) == 1
    assert ingest.sync(folder).plan.is_empty
    sidecar.unlink()
    done = ingest.sync(folder)
    assert done.summary is not None
    assert done.summary.described == 1
    assert len(recorded(log, "ingest.restored")) == 1
    assert ingest.sync(folder).plan.is_empty


def test_a_sidecar_adds_to_front_matter_and_does_not_forget_it(
    ingest: Ingestor, folder: Path
) -> None:
    write(folder / "p.txt", "---\neffective_from: 2024-05-01\n---\nThe policy.")
    ingest.sync(folder)
    (folder / "p.txt.cloister.toml").write_text("effective_to = 2026-01-01\n")
    done = ingest.sync(folder)
    assert done.summary is not None
    assert (done.summary.described, done.summary.chunks) == (1, 0)
    (found,) = [each for each in ingest.list() if each.source == "p.txt"]
    assert (found.effective_from, found.effective_to) == ("2024-05-01", "2026-01-01")


def test_a_declared_title_is_embedded_anew(ingest: Ingestor, folder: Path) -> None:
    ingest.sync(folder)
    sidecar = folder / "in" / "1.txt.cloister.toml"
    sidecar.write_text('title = "The first rule"\n')
    done = ingest.sync(folder)
    assert done.summary is not None
    assert done.summary.chunks == 1
    (found,) = [each for each in ingest.list() if each.source == "in/1.txt"]
    assert (found.title, found.version) == ("The first rule", 1)
    sidecar.unlink()
    ingest.sync(folder)
    assert {each.title for each in ingest.list()} == {str(n) for n in range(8)}
    assert ingest.sync(folder).plan.is_empty


def test_a_document_is_superseded_by_the_one_that_says_so(
    ingest: Ingestor, log: Log, folder: Path
) -> None:
    ingest.sync(folder)
    write(folder / "new.txt", "---\nsupersedes: in/1.txt\n---\nThe new rule.")
    ingest.sync(folder)
    assert len(recorded(log, "ingest.superseded")) == 1
    assert "in/1.txt" not in held(ingest)
    (folder / "new.txt").unlink()
    ingest.sync(folder)
    assert "in/1.txt" in held(ingest)
    assert len(recorded(log, "ingest.restored")) == 1


def test_a_sidecar_sends_a_file_to_another_collection_and_back(
    ingest: Ingestor, folder: Path
) -> None:
    ingest.sync(folder)
    sidecar = folder / "in" / "1.txt.cloister.toml"
    sidecar.write_text('collection = "hr"\n')
    done = ingest.sync(folder)
    assert done.summary is not None
    assert set(held(ingest, "hr")) == {"in/1.txt"}
    assert "in/1.txt" not in held(ingest)
    assert done.summary.reused == 1  # the same chunks, known from the other collection
    assert ingest.sync(folder).plan.is_empty
    assert ingest.add([folder]).unchanged == 8
    sidecar.unlink()
    ingest.sync(folder)
    assert (held(ingest, "hr"), len(held(ingest))) == ({}, 8)
    sidecar.write_text('collection = "hr"\n')
    ingest.sync(folder)
    (folder / "in" / "1.txt").unlink()
    sidecar.unlink()
    ingest.sync(folder)
    assert (held(ingest, "hr"), len(held(ingest))) == ({}, 7)


def test_front_matter_sends_a_file_to_another_collection(ingest: Ingestor, folder: Path) -> None:
    write(folder / "p.txt", "---\ncollection: legal\n---\nThe policy.")
    ingest.sync(folder)
    assert set(held(ingest, "legal")) == {"p.txt"}
    assert ingest.sync(folder).plan.is_empty
    write(folder / "p.txt", "---\ncollection: legal\n---\nThe other policy.")
    ingest.sync(folder)
    assert held(ingest, "legal") == {"p.txt": 2}
    write(folder / "p.txt", "The policy of all.")
    ingest.sync(folder)
    assert (held(ingest, "legal"), held(ingest)["p.txt"]) == ({}, 1)


def test_a_bad_sidecar_keeps_the_version_held_before(ingest: Ingestor, folder: Path) -> None:
    ingest.sync(folder)
    sidecar = folder / "in" / "1.txt.cloister.toml"
    sidecar.write_text("effective_from = 'soon'\n")
    done = ingest.sync(folder)
    assert done.summary is not None
    (failed,) = done.summary.failed
    assert failed.failure is Failure.BAD_FACTS
    assert "1.txt" in failed.sentence
    assert "effective_from" in failed.sentence
    assert len(held(ingest)) == 8
    for _ in range(3):
        ingest.sync(folder)
    assert ingest.sync(folder).plan.counts["quarantined"] == 1
    sidecar.write_text("effective_from = 2025-01-01\n")
    ingest.sync(folder)
    (found,) = [each for each in ingest.list() if each.source == "in/1.txt"]
    assert found.effective_from == "2025-01-01"
    assert found.status is Status.CURRENT
    assert ingest.sync(folder).plan.is_empty


def test_a_folder_says_something_of_all_its_files(ingest: Ingestor, folder: Path) -> None:
    ingest.sync(folder)
    (folder / "drafts").mkdir()
    (folder / "drafts" / ".cloister.toml").write_text('status = "draft"\n')
    (folder / "in" / "1.txt").rename(folder / "drafts" / "1.txt")
    done = ingest.sync(folder)
    assert done.summary is not None
    assert (done.summary.moved, done.summary.chunks) == (1, 0)
    assert len(held(ingest)) == 7  # moved, and a draft from now on
    assert ingest.sync(folder).plan.is_empty


def test_an_unchanged_folder_starts_no_reader_and_loads_no_embedder(
    ingest: Ingestor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.sync(folder)

    def never(*_: object) -> None:
        raise AssertionError("an unchanged folder needs none")

    monkeypatch.setattr("ingest.sandbox._Child.__init__", never)
    monkeypatch.setattr("tests.index.standins.HashEmbedder.embed_passages", never)
    monkeypatch.setattr("tests.index.standins.HashEmbedder.token_counts", never)
    monkeypatch.setattr("index.store.Index.sources", never)
    assert ingest.sync(folder).plan.is_empty
