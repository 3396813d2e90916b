"""Notes of what is being caught up: for any process, never half, never of a dead one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from index import catching, nearest, replay
from index.catching import Notes
from index.document import Shelf
from index.records import CatchUp
from index.views import Views
from tests.index.standins import HashEmbedder, ListLexical, new_document, small_index


def test_a_note_tells_another_reader_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catching, "_EVERY", 0.0)
    reader = Notes(tmp_path / "notes", Shelf.PAST)
    assert reader.all() == []
    with Notes(tmp_path / "notes", Shelf.CURRENT).note("words", "default", 900) as tell:
        tell(300)
        (found,) = reader.all()
        since = found.since
        expected = CatchUp("words", Shelf.CURRENT, "default", 300, 900, since, os.getpid())
        assert found == expected
        assert since.endswith("+00:00")
    assert reader.all() == []
    assert list((tmp_path / "notes").iterdir()) == []


def test_notes_are_written_now_and_then_only(tmp_path: Path) -> None:
    with Notes(tmp_path, Shelf.CURRENT).note("words", "default", 900) as tell:
        before = [path.stat().st_ino for path in tmp_path.iterdir()]
        for done in range(50):
            tell(done)
        assert [path.stat().st_ino for path in tmp_path.iterdir()] == before


def test_the_note_of_a_dead_process_is_passed_over(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from index.catching import Notes;"
        "from index.document import Shelf;"
        "note = Notes(Path(sys.argv[1]), Shelf.CURRENT).note('words', 'a', 9);"
        "note.__enter__(); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=Path(__file__).parents[2])
    (left,) = tmp_path.glob("*.json")
    reader = Notes(tmp_path, Shelf.CURRENT)
    assert reader.all() == []
    noted = json.loads(left.read_text())
    left.write_text(json.dumps(noted | {"process": os.getpid()}))  # its number, given again
    assert reader.all() == []
    for junk in ("", "{}", "[1]", "null"):
        left.write_text(junk)
        assert reader.all() == []
    with reader.note("words", "a", 9):
        assert len(reader.all()) == 1


def test_what_cannot_be_noted_is_done_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with Notes(tmp_path / "file" / "notes", Shelf.CURRENT).note("words", "a", 9) as tell:
        tell(3)
    with Notes(None, Shelf.CURRENT).note("words", "a", 9) as tell:
        tell(3)
    assert Notes(None, Shelf.CURRENT).all() == []


def test_views_note_what_takes_more_than_one_step(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "CHUNKS_AT_ONCE", 4)
    monkeypatch.setattr(catching, "_EVERY", 0.0)
    with small_index(home) as index:
        index.put_many([new_document(f"records {n}", f"{n}.txt") for n in range(10)])
        views = Views(
            index._catalogue,
            HashEmbedder().dimensions,
            ListLexical(home / "words"),
            None,
            notes=home / "views" / "notes",
        )
        seen: list[CatchUp] = []
        views.refresh_words("default", lambda _what, _done: seen.extend(views.progress()))
        assert [(each.view, each.done, each.total) for each in seen] == [
            ("words", 4, 10),
            ("words", 8, 10),
            ("words", 10, 10),
        ]
        assert views.progress() == []
        index.put(new_document("records more", "more.txt"))
        seen.clear()
        views.refresh_words("default", lambda _what, _done: seen.extend(views.progress()))
        assert seen == []


def test_a_question_does_not_wait_for_a_view_that_lags_by_much(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("index.wording.AT_ONCE", 5)
    monkeypatch.setattr(nearest, "LARGE", 10_000)
    with small_index(home) as index:
        index.put_many([new_document(f"records {n}", f"{n}.txt") for n in range(6)])
        dimensions = HashEmbedder().dimensions
        views = Views(index._catalogue, dimensions, ListLexical(home / "words"), None)
        assert not views.freshen_words("default")
        assert "6 passages" in caplog.text
        assert views.words("default", "records", 9) == []
        assert len(views.nearest("default", HashEmbedder().embed_query("records"), 9)[0]) == 6
        views.refresh("default")
        index.put_many([new_document(f"records {n}", f"{n}.txt") for n in range(6, 11)])
        assert len(views.words("default", "records", 20)) == 6
        assert views.freshen_words("default")
        assert len(views.words("default", "records", 20)) == 11
