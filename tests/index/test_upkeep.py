"""Space and erasure: what is deleted takes no room for long, and no byte of it outlives a purge."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from index import nearest, replay, upkeep
from index.chroma import ChromaVectors
from index.document import Scope
from index.errors import HomeFull, ViewDamaged
from index.files import FileLock, remove_folder
from index.lexical import LAYOUT
from index.records import Operation
from index.store import Index
from tests.index.standins import LOCAL, new_document, small_index

DEFAULT = Scope(frozenset({"default"}))


@pytest.fixture(autouse=True)
def _every_collection_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few chunks are kept in Chroma."""
    monkeypatch.setattr(nearest, "LARGE", 1)
    monkeypatch.setattr(nearest, "SMALL", 1)


def text_of(number: int) -> str:
    return f"records marker{number:04d}word kept by rule {number} " * 4


def add(index: Index, numbers: range, collection: str = "default") -> None:
    index.put_many(
        [
            new_document(text_of(n), f"{n}.txt", collection=collection, title=f"marker{n:04d}word")
            for n in numbers
        ]
    )


def settle(index: Index) -> None:
    index.mark_recorded(line.generation for line in index.unrecorded())
    index.refresh()


def markers(home: Path) -> set[int]:
    """The numbers of all documents of which any file still has a word."""
    found: set[int] = set()
    for path in home.rglob("*"):
        if path.is_file():
            pattern = rb"marker(\d{4})word"
            found |= {int(each) for each in re.findall(pattern, path.read_bytes().lower())}
    return found


def sources(index: Index, question: str = "records kept", k: int = 50) -> set[str]:
    return {hit.document.source for hit in index.search(question, DEFAULT, k).hits}


@pytest.fixture(params=["chroma", "exact"])
def index(home: Path, request: pytest.FixtureRequest) -> Iterator[Index]:
    with small_index(home, view=request.param) as opened:
        yield opened


def test_after_a_purge_no_byte_of_what_was_deleted_is_left(index: Index, home: Path) -> None:
    add(index, range(30))
    settle(index)
    index.remove_many("default", [f"{n}.txt" for n in range(20)])
    stray = home / "blobs" / "ab" / ("ab" + "0" * 62)
    stray.parent.mkdir(exist_ok=True)
    stray.write_text("marker0000word")
    (home / "tmp" / "blob-half").write_text("marker0001word")
    left = home / "views" / "lexical" / "default"
    for name in ("layout-0", "layout-1", f"layout-{LAYOUT}.discarded"):
        (left / name).mkdir()
        (left / name / "x.store").write_text("marker0002word")
    settle(index)
    assert markers(home) & set(range(20))
    purged = index.purge()
    assert markers(home) == set(range(20, 30))
    assert purged.problems == ()
    assert purged.views_rebuilt == (2 if index._views.with_chroma else 1)
    assert 0 < purged.bytes_after < purged.bytes_before
    assert sources(index) == {f"{n}.txt" for n in range(20, 30)}
    assert index.verify() == []
    assert not (home / "catalogue.db-wal").stat().st_size


def test_a_purge_keeps_the_generation_and_what_is_not_recorded(index: Index) -> None:
    add(index, range(3))
    settle(index)
    index.remove("default", "1.txt")
    before, unrecorded = index.generation, index.unrecorded()
    index.purge()
    assert index.generation > before
    assert index.unrecorded() == unrecorded
    index.mark_recorded(line.generation for line in unrecorded)
    index.purge()
    with index._catalogue.read() as connection:
        lines = connection.exec_driver_sql("SELECT operation, source FROM changes").all()
    assert [tuple(line) for line in lines] == [(Operation.PURGE.value, "")]
    index.put(new_document("records anew", "new.txt"))
    assert sources(index) == {"0.txt", "2.txt", "new.txt"}
    index.refresh()
    assert index.verify() == []


def test_a_purge_beside_a_process_that_holds_chroma(home: Path) -> None:
    """The other one keeps searching, and throws its old files away when it next refreshes."""
    with small_index(home, view="chroma") as chat, small_index(home, view="chroma") as ingest:
        add(chat, range(10))
        settle(chat)
        old = {path.name for path in (home / "views" / "chroma").iterdir() if path.is_dir()}
        ingest.remove("default", "3.txt")
        settle(ingest)
        purged = ingest.purge()
        assert [problem.where for problem in purged.problems] == ["chroma"]
        assert markers(home) == set(range(10)) - {3}
        assert "3.txt" not in sources(chat)
        assert len(sources(chat)) == 9
        chat.refresh()
        now = {path.name for path in (home / "views" / "chroma").iterdir() if path.is_dir()}
        assert not old & now
        assert chat.search("records", DEFAULT, 3).vectors_from == "chroma"
        assert len(sources(chat)) == 9
        assert chat.verify() == []


def test_a_purge_beside_a_long_reader_says_that_the_log_is_left(home: Path) -> None:
    with small_index(home) as index:
        add(index, range(3))
        settle(index)
        index._catalogue._busy_timeout_ms = 1
        index._catalogue._engine.dispose()
        other = sqlite3.connect(home / "catalogue.db", isolation_level=None)
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM documents").fetchone()
        index.remove("default", "1.txt")
        assert [problem.where for problem in index.purge().problems] == ["catalogue"]
        other.close()
        assert index.purge().problems == ()
        assert 1 not in markers(home)


@pytest.mark.parametrize("where", ["blobs", "refresh_words", "refresh_vectors", "vacuum"])
def test_an_interrupted_purge_is_finished_by_whoever_comes_next(
    home: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with small_index(home, view="chroma") as index:
        add(index, range(12))
        settle(index)
        index.remove_many("default", ["3.txt", "4.txt"])
        settle(index)
        owner, name = {
            "blobs": (index._blobs, "clean"),
            "vacuum": (index._catalogue, "vacuum"),
        }.get(where, (index._views, where))
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, killed)
            with pytest.raises(KeyboardInterrupt):
                index.purge()
    with small_index(home, view="chroma") as index:
        assert len(sources(index)) == 10
        index.refresh()
        assert index.search("records", DEFAULT, 3).vectors_from == "chroma"
        assert len(sources(index)) == 10
        assert index.verify() == []
        index.purge()
        assert markers(home) == set(range(12)) - {3, 4}


def test_compacting_rebuilds_wasteful_views_and_does_nothing_twice(
    index: Index, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "WASTE_LEAST", 5)
    index.ensure_collection("other", LOCAL)
    add(index, range(100, 110), "other")
    add(index, range(40))
    settle(index)
    assert index.compact().views_rebuilt == 0
    index.remove_many("default", [f"{n}.txt" for n in range(30)])
    settle(index)
    rebuilt = index.compact()
    assert rebuilt.views_rebuilt == (2 if index._views.with_chroma else 1)
    assert rebuilt.problems == ()
    assert index.compact().views_rebuilt == 0
    assert sources(index) == {f"{n}.txt" for n in range(30, 40)}
    assert index.verify() == []


def test_the_log_is_shortened_up_to_what_both_views_have(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_LOG_LINES", 0)
    add(index, range(5))
    settle(index)
    index.remove_many("default", [f"{n}.txt" for n in range(4)])
    last = index.generation
    assert index.compact().log_lines == 5
    index.refresh()
    assert index.compact().log_lines == 0
    assert len(index.unrecorded()) == 4  # never taken out
    index.mark_recorded(line.generation for line in index.unrecorded())
    assert index.compact().log_lines == 3  # the last one stays
    assert index.generation == last
    assert index.compact().log_lines == 0
    index.put(new_document("records anew", "new.txt"))
    assert sources(index) == {"4.txt", "new.txt"}
    assert index.verify() == []


def test_a_view_that_the_log_no_longer_reaches_is_filled_from_the_documents(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_LOG_LINES", 0)
    with small_index(home, view="chroma") as index:
        add(index, range(8))
        settle(index)
        index.remove_many("default", [f"{n}.txt" for n in range(6)])
        settle(index)
        assert index.compact().log_lines
        with small_index(home) as exact:  # a process of its own, whose memory is empty
            assert exact.search("records", DEFAULT, 5).vectors_from == "exact"
            assert sources(exact) == {"6.txt", "7.txt"}
    remove_folder(home / "views" / "chroma")
    remove_folder(home / "views" / "lexical" / "default" / f"layout-{LAYOUT}")
    with small_index(home, view="chroma") as index:
        assert sources(index) == {"6.txt", "7.txt"}
        told: list[tuple[str, int]] = []
        index.refresh(lambda what, done: told.append((what, done)))
        assert told[-1][0] == "vectors of default"
        assert index.search("records", DEFAULT, 5).vectors_from == "chroma"
        assert index.verify() == []


@pytest.mark.parametrize("which", ["words", "vectors"])
def test_half_a_filled_view_is_never_taken_for_the_whole(
    home: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of filling: what is there counts for nothing and is built again."""
    monkeypatch.setattr(replay, "CHUNKS_AT_ONCE", 2)
    with small_index(home, view="chroma") as index:
        add(index, range(8))
        settle(index)
        store = index._views.lexical if which == "words" else type(index._views.chroma())
        apply = store.apply
        calls = 0

        def killed(*arguments: object) -> None:
            nonlocal calls
            calls += 1
            if calls == 3:
                raise KeyboardInterrupt
            apply(*arguments)  # type: ignore[arg-type]

        with monkeypatch.context() as patched:
            patched.setattr(store, "apply", killed)
            with pytest.raises(KeyboardInterrupt):
                if which == "words":
                    index._views.rebuild_words("default")
                else:
                    index._views.rebuild_vectors(["default"])
        assert len(sources(index)) == 8
    with small_index(home, view="chroma") as index:
        assert len(sources(index)) == 8
        index.refresh()
        assert index.verify() == []


def test_what_a_crash_left_is_cleaned_at_the_end_of_the_next_run(index: Index, home: Path) -> None:
    add(index, range(2))
    orphan = home / "blobs" / "ab" / ("ab" + "0" * 62)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"left")
    (home / "tmp" / "blob-half").write_bytes(b"half")
    settle(index)
    assert index.compact().problems == ()
    assert not orphan.exists()
    assert not (home / "tmp" / "blob-half").exists()
    assert index.verify() == []


@pytest.mark.slow
def test_free_space_is_given_back(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_index(home) as index:
        index.put_many(
            [new_document(f"{n} " + "records " * 5_000, f"{n}.txt", size=9_999) for n in range(60)]
        )
        settle(index)
        index.remove_many("default", [f"{n}.txt" for n in range(50)])
        settle(index)
        assert index._catalogue.slack() > 0.5
        before = index._catalogue.path.stat().st_size
        assert index.compact().vacuumed
        assert index._catalogue.path.stat().st_size < before / 2
        assert index._catalogue.slack() < 0.01
        assert not index.compact().vacuumed
        assert len(sources(index, k=20)) == 10


def test_upkeep_that_fails_is_said_and_fails_nothing(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(index, range(3))
    settle(index)

    def full(*_arguments: object) -> None:
        raise HomeFull("/disk")

    def damaged(*_arguments: object) -> None:
        raise ViewDamaged("lexical", "x")

    monkeypatch.setattr(index._catalogue, "slack", full)
    monkeypatch.setattr(index._views.lexical, "wasted", damaged)
    assert [each.where for each in index.compact().problems] == ["lexical", "catalogue"]
    assert len(sources(index)) == 3


def test_a_removed_folder_is_gone_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "view"
    folder.mkdir()
    (folder / "file").write_text("x")
    (tmp_path / "view.discarded").mkdir()
    remove_folder(folder)
    assert list(tmp_path.iterdir()) == []
    remove_folder(folder)


def test_a_lexical_view_that_another_process_writes_is_left_to_it(home: Path) -> None:
    with small_index(home) as index:
        add(index, range(3))
        settle(index)
        lock = FileLock(home / "views" / "lexical" / "default" / "lock")
        assert lock.acquire()
        assert [each.where for each in index.purge().problems] == ["lexical"]
        lock.release()
        assert len(sources(index)) == 3
        assert index.purge().problems == ()


@pytest.mark.parametrize("which", ["words", "vectors"])
def test_searching_goes_on_while_another_thread_fills_a_view(
    home: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "CHUNKS_AT_ONCE", 2)
    with small_index(home, view="chroma") as index:
        add(index, range(8))
        settle(index)
        store = index._views.lexical if which == "words" else ChromaVectors
        apply = store.apply
        found: list[set[str]] = []

        def searched(*arguments: object) -> None:
            apply(*arguments)  # type: ignore[arg-type]
            thread = threading.Thread(target=lambda: found.append(sources(index)), daemon=True)
            thread.start()
            thread.join(20)

        with monkeypatch.context() as patched:
            patched.setattr(store, "apply", searched)
            if which == "words":
                assert index._views.rebuild_words("default")
            else:
                assert index._views.rebuild_vectors(["default"])
        assert len(found) > 4
        assert all(len(each) == 8 for each in found)
