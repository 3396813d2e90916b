"""Views: level, lagging, held by another, damaged, rebuilt."""

from __future__ import annotations

from pathlib import Path

import pytest

from index import nearest
from index.document import Hit, Scope
from index.files import FileLock
from index.records import Change, Operation
from index.replay import first_lines
from index.store import Index
from tests.index.standins import new_document, small_index

DEFAULT = Scope(frozenset({"default"}))
QUESTIONS = ("records number 3", "kept", "contract 14.2.3", "number")


@pytest.fixture(autouse=True)
def _every_collection_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few chunks are kept in Chroma."""
    monkeypatch.setattr(nearest, "LARGE", 1)
    monkeypatch.setattr(nearest, "SMALL", 1)


def filled(home: Path, view: str = "chroma") -> Index:
    index = small_index(home, view=view)
    index.put_many(
        [
            new_document(f"records number {n} are kept by rule {n}.2.3", f"{n}.txt")
            for n in range(30)
        ]
    )
    return index


def answers(index: Index) -> list[list[tuple[str, float, float | None]]]:
    """What matters of the answers to some questions, rounded over float noise."""

    def told(hit: Hit) -> tuple[str, float, float | None]:
        dense = None if hit.dense is None else round(hit.dense, 3)
        return hit.chunk.id, round(hit.score, 3), dense

    return [
        sorted(told(hit) for hit in index.search(question, DEFAULT, 8).hits)
        for question in QUESTIONS
    ]


def origin(index: Index) -> str:
    return index.search("records", DEFAULT, 3).vectors_from


def test_vectors_come_from_chroma_from_memory_or_from_both(home: Path) -> None:
    with filled(home) as index:
        assert origin(index) == "exact"  # Chroma has nothing yet
        index.refresh()
        assert origin(index) == "chroma"
        index.put(new_document("records added later", "late.txt"))
        assert origin(index) == "both"
        found = index.search("records added later", DEFAULT, 1).hits[0]
        assert found.document.source == "late.txt"
        assert found.lexical is not None
        index.refresh()
        assert origin(index) == "chroma"


def test_progress_is_told(home: Path) -> None:
    told: list[tuple[str, int]] = []
    with filled(home) as index:
        index.refresh(lambda what, done: told.append((what, done)))
    assert told == [("words of default", 30), ("vectors of default", 30)]


def test_chroma_and_exact_search_find_the_same(home: Path) -> None:
    with filled(home) as index:
        exact = answers(index)
        index.refresh()
        assert origin(index) == "chroma"
        assert answers(index) == exact


def test_a_second_process_searches_exactly_until_the_first_ends(home: Path) -> None:
    holder = FileLock(home / "views" / "chroma.lock")
    assert holder.acquire()
    with filled(home) as index:
        index.refresh()
        assert not (home / "views" / "chroma").exists()
        assert origin(index) == "exact"
        assert index.status().collections[0].chroma_lag is None
        expected = answers(index)
        holder.release()
        index.refresh()
        assert origin(index) == "chroma"
        assert answers(index) == expected


def test_a_closed_index_lets_go_of_chroma(home: Path) -> None:
    with filled(home) as first:
        first.refresh()
        with small_index(home, view="chroma") as second:
            assert origin(second) == "exact"
    with small_index(home, view="chroma") as third:
        assert origin(third) == "chroma"


def test_rebuilt_views_equal_those_before(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(home) as index:
        index.put(new_document("records number 3 anew", "3.txt"))
        index.remove("default", "4.txt")
        index.refresh()
        before = answers(index)
        level = index.generation

        def never(*_arguments: object) -> None:
            raise AssertionError("embedding is not needed to rebuild a view")

        monkeypatch.setattr(index.embedder, "embed_passages", never)
        assert index._views.rebuild_words("default")
        assert index._views.rebuild_vectors(["default"])
        # What was deleted no longer counts among the documents of BM25, so its scores move a bit.
        for rebuilt, old in zip(answers(index), before, strict=True):
            assert [(chunk, dense) for chunk, _score, dense in rebuilt] == [
                (chunk, dense) for chunk, _score, dense in old
            ]
            assert [score for _chunk, score, _dense in rebuilt] == pytest.approx(
                [score for _chunk, score, _dense in old], abs=0.01
            )
        assert index._views.reached_vectors("default") == level
        assert index.verify() == []


@pytest.mark.parametrize("what", ["sqlite", "folder"])
def test_a_damaged_chroma_folder_is_rebuilt_from_the_catalogue(
    home: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    with filled(home) as index:
        index.refresh()
        before = answers(index)
    folder = home / "views" / "chroma"
    if what == "sqlite":
        (folder / "chroma.sqlite3").write_bytes(b"junk" * 500)
    else:
        for path in sorted(folder.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
    with small_index(home, view="chroma") as index:
        assert answers(index) == before
        index.refresh()
        assert origin(index) == "chroma"
        assert answers(index) == before
    assert ("without embedding" in caplog.text) == (what == "sqlite")


def test_chroma_that_breaks_while_open_is_gone_around_and_rebuilt(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with filled(home) as index:
        index.refresh()
        before = answers(index)
        chroma = index._views.chroma()
        assert chroma is not None
        # Another process that ignores the lock drops the collection behind Chroma's back.
        chroma._client.delete_collection("cloister-default-c")
        assert answers(index) == before
        assert origin(index) == "exact"
        assert "without embedding" in caplog.text
        index.refresh()
        assert origin(index) == "chroma"


@pytest.mark.parametrize("when", ["closed", "open"])
def test_a_damaged_lexical_index_is_rebuilt_from_the_catalogue(home: Path, when: str) -> None:
    index = filled(home, "exact")
    before = answers(index)
    if when == "closed":
        index.close()
    for path in (home / "views" / "lexical").rglob("*"):
        if path.suffix in {".term", ".idx", ".store"}:
            path.write_bytes(b"")
        elif path.name == "meta.json" and when == "open":
            path.write_text("{]")
    if when == "closed":
        index = small_index(home)
    assert answers(index) == before
    assert index.verify() == []
    index.close()


def test_a_lexical_view_that_another_process_is_writing_is_not_waited_for(home: Path) -> None:
    with filled(home, "exact") as index:
        lock = FileLock(home / "views" / "lexical" / "default" / "lock")
        assert lock.acquire()
        hits = index.search("records number 3", DEFAULT, 5).hits
        assert len(hits) == 5
        assert all(hit.lexical is None for hit in hits)
        lock.release()
        assert index.search("records number 3", DEFAULT, 5).hits[0].lexical is not None


def change(generation: int, document: str) -> Change:
    return Change(generation, "default", Operation.ADD, document, "s", 1, "", False)


def test_a_batch_is_bounded_by_its_chunks_and_never_empty() -> None:
    lines = [change(1, "a"), change(2, "b"), change(3, "c")]
    assert first_lines(lines, {"a": 3_000, "b": 900, "c": 900}) == lines[:2]
    assert first_lines(lines, {"a": 9_000, "b": 1, "c": 1}) == lines[:1]
    assert first_lines(lines, {}) == lines
