"""The journal: quarantine, containers and their parts, moving, removing many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from index.document import Scope, Status
from index.errors import NotFound, SourceTaken, UnknownCollection
from index.records import NewDocument, Operation, SourceState, SourceStatus
from index.store import Index
from tests.index.standins import LOCAL, new_document, small_index

DEFAULT = Scope(frozenset({"default"}))
A, B = "a" * 64, "b" * 64


@pytest.fixture
def index(home: Path) -> Iterator[Index]:
    with small_index(home) as opened:
        yield opened


def fail(
    index: Index, digest: str, *, mtime_ns: int = 1, limit: int = 3, source: str = "a.txt"
) -> SourceState:
    return index.record_failure(
        "default",
        source,
        f"/folder/{source}",
        9,
        mtime_ns,
        "It is encrypted.",
        failure="encrypted",
        digest=digest,
        limit=limit,
    )


def state_of(index: Index, source: str) -> SourceState:
    found = index.source_state("default", source)
    assert found is not None
    return found


def part(source: str, container: str, text: str = "") -> NewDocument:
    return replace(
        new_document(text or f"records within {source}", source),
        parent=container,
        path=f"/folder/{container}",
    )


def archive(index: Index) -> None:
    """`in/box.zip` holds a text and a mail, which is a document and holds a text."""
    index.hold_container("default", "in/box.zip", "/folder/in/box.zip", 5, 6, A, "cut-1")
    index.put_many(
        [
            part("in/box.zip/a.txt", "in/box.zip"),
            part("in/box.zip/m.eml", "in/box.zip"),
            part("in/box.zip/m.eml/b.txt", "in/box.zip/m.eml"),
            new_document("records beside it", "in/box.zip.txt"),
        ]
    )


def test_the_third_failure_with_the_same_bytes_is_quarantined(index: Index) -> None:
    states = [fail(index, A) for _attempt in range(4)]
    assert [(each.status, each.attempts) for each in states] == [
        (SourceStatus.FAILED, 1),
        (SourceStatus.FAILED, 2),
        (SourceStatus.QUARANTINED, 3),
        (SourceStatus.QUARANTINED, 4),
    ]
    assert (states[0].failure, states[0].digest, states[0].error) == (
        "encrypted",
        A,
        "It is encrypted.",
    )
    (counted,) = index.status().collections
    assert (counted.quarantined, counted.failed_sources) == (1, 0)
    changed = fail(index, B, mtime_ns=2)
    assert (changed.status, changed.attempts) == (SourceStatus.FAILED, 1)
    assert fail(index, B, limit=2).status is SourceStatus.QUARANTINED


def test_bytes_that_could_not_be_read_are_told_apart_by_size_and_time(index: Index) -> None:
    assert fail(index, A, mtime_ns=1).attempts == 1
    assert fail(index, "", mtime_ns=1).attempts == 2
    assert fail(index, "", mtime_ns=2).attempts == 3
    assert fail(index, B, mtime_ns=3).attempts == 1


def test_a_success_ends_the_count(index: Index) -> None:
    fail(index, A)
    fail(index, A)
    new = new_document("records", "a.txt")
    index.put(new)
    state = state_of(index, "a.txt")
    assert (state.status, state.attempts, state.failure, state.digest) == (
        SourceStatus.INDEXED,
        0,
        "",
        new.id,
    )
    assert fail(index, A).attempts == 1
    assert state_of(index, "a.txt").document_id == new.id


def test_releasing_lets_the_next_run_try_again(index: Index) -> None:
    for _attempt in range(3):
        fail(index, A)
    released = index.release("default", "a.txt")
    assert (released.status, released.attempts) == (SourceStatus.FAILED, 0)
    assert fail(index, A).attempts == 1
    index.put(new_document("records", "b.txt"))
    for source in ("b.txt", "nowhere.txt"):
        with pytest.raises(NotFound):
            index.release("default", source)


def test_touching_keeps_what_is_not_said(index: Index) -> None:
    new = part("box.zip/a.txt", "box.zip")
    index.put(new)
    fail(index, B, source="box.zip/a.txt")
    index.touch_source("default", "box.zip/a.txt", "/new", 7, 8)
    state = state_of(index, "box.zip/a.txt")
    assert (state.status, state.digest, state.path) == (SourceStatus.INDEXED, new.id, "/new")
    index.hold_container("default", "box.zip", "/folder/box.zip", 5, 6, A, "cut-1", declared="d")
    index.touch_source("default", "box.zip", "/folder/box.zip", 5, 7)
    held = state_of(index, "box.zip")
    assert (held.status, held.digest, held.splitter) == (SourceStatus.CONTAINER, A, "cut-1")
    assert (held.declared, held.mtime_ns, held.document_id) == ("d", 7, None)


def test_a_file_that_becomes_a_container_is_no_document(index: Index) -> None:
    old = index.put(new_document("records", "box"))
    index.hold_container("default", "box", "/folder/box", 5, 6, A, "cut-1")
    assert index.documents(DEFAULT) == []
    assert index.document(old.id, DEFAULT).status is Status.SUPERSEDED
    with pytest.raises(UnknownCollection):
        index.hold_container("nowhere", "box", "/folder/box", 5, 6, A, "cut-1")
    index.remove("default", "box")
    assert index.all_documents(DEFAULT) == []


def test_removing_a_container_removes_its_parts_at_any_depth(index: Index) -> None:
    archive(index)
    removed = index.remove_many("default", ["in/box.zip"])
    assert [each.source for each in removed] == [
        "in/box.zip/a.txt",
        "in/box.zip/m.eml",
        "in/box.zip/m.eml/b.txt",
    ]
    assert [each.source for each in index.sources("default")] == ["in/box.zip.txt"]
    assert [each.source for each in index.documents(DEFAULT)] == ["in/box.zip.txt"]
    assert index.verify() == []


def test_removing_one_gives_what_it_held(index: Index) -> None:
    archive(index)
    mail = index.remove("default", "in/box.zip/m.eml")
    assert mail is not None
    assert mail.source == "in/box.zip/m.eml"
    assert index.remove("default", "in/box.zip") is None
    assert [each.source for each in index.sources("default")] == ["in/box.zip.txt"]


def test_a_part_that_lies_elsewhere_too_stays_and_is_no_part_any_more(index: Index) -> None:
    inside = index.put(part("box.zip/a.txt", "box.zip", "records twice"))
    index.hold_container("default", "box.zip", "/folder/box.zip", 5, 6, A, "cut-1")
    index.link_source("default", "copy.txt", "/folder/copy.txt", 1, 1, inside.id)
    index.remove("default", "box.zip")
    (left,) = index.documents(DEFAULT)
    assert (left.id, left.source, left.parent) == (inside.id, "copy.txt", "")


def test_many_are_removed_in_one_transaction_and_few_statements(index: Index, home: Path) -> None:
    new = [new_document(f"records number {n}", f"{n}.txt") for n in range(250)]
    index.put_many(new)
    index.put(new_document("records number 0, second edition", "0.txt"))
    shared = index.link_source("default", "keep.txt", "/folder/keep.txt", 1, 1, new[1].id)
    counted = 0

    def count(*_arguments: object) -> None:
        nonlocal counted
        counted += 1

    sa.event.listen(index._catalogue._engine, "before_cursor_execute", count)
    removed = index.remove_many("default", [f"{n}.txt" for n in range(250)] + ["never.txt"])
    sa.event.remove(index._catalogue._engine, "before_cursor_execute", count)
    assert counted < 40
    assert len(removed) == 250
    assert index.documents(DEFAULT) == [index.document(shared.id, DEFAULT)]
    assert index.all_documents(DEFAULT)[0].source == "keep.txt"
    assert len([path for path in (home / "blobs").rglob("*") if path.is_file()]) == 1
    lines = [line.operation for line in index.unrecorded()][-251:]
    assert lines.count(Operation.REMOVE) == 250  # one of them the first edition
    assert lines.count(Operation.UNLINK) == 1
    assert index.verify() == []
    assert index.remove_many("default", []) == []


def test_two_sources_of_one_document_removed_together(index: Index) -> None:
    first = index.put(new_document("records", "a.txt"))
    index.link_source("default", "b.txt", "/folder/b.txt", 1, 1, first.id)
    assert [each.id for each in index.remove_many("default", ["a.txt", "b.txt"])] == [first.id]
    assert [line.operation for line in index.unrecorded()][2:] == [
        Operation.UNLINK,
        Operation.REMOVE,
    ]
    assert index.all_documents(DEFAULT) == []


def test_a_moved_source_keeps_its_document_and_versions(index: Index) -> None:
    old = index.put(new_document("records, first edition", "a.txt"))
    new = index.put(new_document("records, second edition", "a.txt"))
    index.mark_recorded(line.generation for line in index.unrecorded())
    fail(index, B, source="sub/b.txt")  # a failure noted at the new name gives way
    index.move_source("default", "a.txt", "sub/b.txt", "/folder/sub/b.txt", 23, 77)
    (state,) = index.sources("default")
    assert (state.source, state.path, state.size, state.mtime_ns) == (
        "sub/b.txt",
        "/folder/sub/b.txt",
        23,
        77,
    )
    assert (state.document_id, state.status) == (new.id, SourceStatus.INDEXED)
    assert {each.source for each in index.all_documents(DEFAULT)} == {"sub/b.txt"}
    (line,) = index.unrecorded()
    assert (line.operation, line.source, line.document_id) == (
        Operation.MOVE,
        "sub/b.txt",
        new.id,
    )
    assert index.search("records", DEFAULT, 1).hits[0].document.source == "sub/b.txt"
    assert index.put(new_document("records, third edition", "sub/b.txt")).version == 3
    index.remove("default", "sub/b.txt")
    with pytest.raises(NotFound):
        index.document(old.id, DEFAULT)


def test_a_moved_container_takes_its_parts_along(index: Index) -> None:
    archive(index)
    index.move_source("default", "in/box.zip", "out/x.zip", "/folder/out/x.zip", 5, 6)
    states = {each.source: each for each in index.sources("default")}
    assert {name: each.container for name, each in states.items()} == {
        "in/box.zip.txt": "",
        "out/x.zip": "",
        "out/x.zip/a.txt": "out/x.zip",
        "out/x.zip/m.eml": "out/x.zip",
        "out/x.zip/m.eml/b.txt": "out/x.zip/m.eml",
    }
    assert states["out/x.zip/a.txt"].path == "/folder/out/x.zip"
    assert states["in/box.zip.txt"].path == "/folder/in/box.zip.txt"
    assert {each.source: each.parent for each in index.documents(DEFAULT)} == {
        name: state.container for name, state in states.items() if state.document_id
    }
    assert index.verify() == []


def test_a_move_onto_a_document_or_from_nowhere_is_refused(index: Index) -> None:
    index.put_many([new_document("records one", "a.txt"), new_document("records two", "b.txt")])
    with pytest.raises(SourceTaken, match=r"b\.txt") as caught:
        index.move_source("default", "a.txt", "b.txt", "/folder/b.txt", 1, 1)
    assert caught.value.exit_code == 2
    with pytest.raises(NotFound):
        index.move_source("default", "never.txt", "c.txt", "/folder/c.txt", 1, 1)
    assert [each.source for each in index.sources("default")] == ["a.txt", "b.txt"]
    index.move_source("default", "a.txt", "a.txt", "/elsewhere/a.txt", 3, 4)
    assert state_of(index, "a.txt").path == "/elsewhere/a.txt"


def test_sources_under_a_folder_of_any_collection(index: Index) -> None:
    index.ensure_collection("legal", LOCAL)
    for number, (collection, path) in enumerate(
        [
            ("default", "/folder/a.txt"),
            ("legal", "/folder/sub/b.txt"),
            ("default", "/folder"),
            ("default", "/folder-2/a.txt"),
            ("default", "/folder.txt"),
            ("default", "/FOLDER/a.txt"),
            ("default", "/folder/50%_\u00fc.txt"),
        ]
    ):
        index.record_failure(collection, f"{number}", path, 1, 1, "why")

    def under(prefix: str) -> list[str]:
        return [each.path for each in index.sources_under(prefix)]

    below = ["/folder/a.txt", "/folder", "/folder/50%_\u00fc.txt", "/folder/sub/b.txt"]
    assert under("/folder") == under("/folder/") == below
    assert under("/folder/sub") == ["/folder/sub/b.txt"]
    assert under("/folder/a.txt") == ["/folder/a.txt"]
    assert under("/fold") == []
    assert len(under("/")) == 7


def test_vectors_of_another_collection_can_be_used_again(index: Index) -> None:
    index.ensure_collection("legal", LOCAL)
    new = new_document("records kept for six years " * 20, "a.txt", title="Manual")
    index.put(new)
    known = index.known_vectors(new.id, "test-1", "Manual")
    assert known is not None
    assert (known.pages, known.chunks) == (new.pages, new.chunks)
    assert known.vectors == pytest.approx(new.vectors, abs=1e-3)
    assert index.known_vectors(new.id, "test-1", "Handbook") is None
    assert index.known_vectors(new.id, "test-2", "Manual") is None
    index.put(replace(new, collection="legal", vectors=known.vectors))
    again = index.known_vectors(new.id, "test-1", "Manual")
    assert again is not None
    assert (again.vectors == known.vectors).all()
