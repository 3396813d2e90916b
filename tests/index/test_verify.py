"""Verification: what differs is said, what can be mended is mended."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index import nearest
from index.chroma import ChromaVectors
from index.document import Scope
from index.errors import ViewUnavailable
from index.ports import TextRow, VectorRows
from index.records import Problem
from index.store import Index
from index.verify import Verifier
from index.views import Views
from tests.index.standins import new_document, small_index

DEFAULT = Scope(frozenset({"default"}))


@pytest.fixture(autouse=True)
def _every_collection_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few chunks are kept in Chroma."""
    monkeypatch.setattr(nearest, "LARGE", 1)
    monkeypatch.setattr(nearest, "SMALL", 1)


@pytest.fixture
def index(home: Path) -> Iterator[Index]:
    with small_index(home, view="chroma") as opened:
        opened.put_many([new_document(f"records number {n}", f"{n}.txt") for n in range(4)])
        opened.refresh()
        yield opened


def places(problems: list[Problem]) -> list[tuple[str, bool]]:
    return [(each.where, each.repaired) for each in problems]


def test_nothing_to_say(index: Index) -> None:
    assert index.verify() == []
    assert index.verify(repair=True) == []


def test_a_blob_of_no_document_is_removed_on_repair(index: Index, home: Path) -> None:
    orphan = home / "blobs" / "ab" / ("ab" + "0" * 62)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"left by a crash")
    (home / "tmp" / "blob-half").write_bytes(b"half")
    assert places(index.verify()) == [("blobs", False)]
    assert orphan.exists()
    assert places(index.verify(repair=True)) == [("blobs", True)]
    assert not orphan.exists()
    assert not (home / "tmp" / "blob-half").exists()
    assert index.verify() == []


def test_a_lost_or_altered_original_is_said_and_stays_so(index: Index) -> None:
    first, second, *_rest = index.documents(DEFAULT)
    index.original(first.id, DEFAULT).unlink()
    index.original(second.id, DEFAULT).write_bytes(b"other")
    found = index.verify(repair=True)
    assert places(found) == [("blobs", False), ("blobs", False)]
    assert first.id in found[0].what
    assert second.id in found[1].what
    assert len(index.verify()) == 2


def test_views_that_hold_too_little_or_too_much_are_rebuilt(index: Index) -> None:
    level = index.generation
    chroma = index._views.chroma()
    assert chroma is not None
    stray = VectorRows(("stray",), ("stray",), np.full((1, 16), 0.25, np.float32))
    known = index.documents(DEFAULT)[0].id
    chroma.apply("default", [known], stray, level)
    index._views.lexical.apply("default", [known], [TextRow("stray", "stray", "x")], level)
    found = index.verify()
    assert places(found) == [("lexical", False), ("chroma", False)]
    assert all("lacks 1 chunks and holds 1" in each.what for each in found)
    assert {hit.chunk.id for hit in index.search("x", DEFAULT, 9).hits}.isdisjoint({"stray"})
    assert places(index.verify(repair=True)) == [("lexical", True), ("chroma", True)]
    assert index.verify() == []


def test_a_vector_that_is_not_the_catalogues_is_found_and_mended(index: Index) -> None:
    """The ids agree: only what stands under one of them is another's."""
    chroma = index._views.chroma()
    assert chroma is not None
    ids = sorted(chroma.chunks("default"))
    held = chroma.rows("default", ids)
    turned = held.vectors.copy()
    turned[1] = held.vectors[2]
    chroma.apply("default", [], replace(held, vectors=turned), index.generation)
    found = index.verify()
    assert places(found) == [("chroma", False)]
    assert "1 of 4 vectors" in found[0].what
    moved = replace(held, documents=held.documents[1:] + held.documents[:1])
    chroma.apply("default", [], moved, index.generation)
    assert "4 of 4 vectors" in index.verify()[0].what
    assert places(index.verify(repair=True)) == [("chroma", True)]
    assert index.verify() == []


def test_a_row_of_the_vector_view_that_changed_on_disk_is_found(home: Path) -> None:
    with small_index(home, view="chroma") as index:
        text = "".join(f"records number {n} kept by rule {n * n}".ljust(160) for n in range(1_200))
        index.put(new_document(text, "long.txt"))  # Chroma writes its graph at every 1,000 rows
        index.refresh()
        chroma = index._views.chroma()
        assert chroma is not None
        held = chroma.rows("default", sorted(chroma.chunks("default"))).vectors.astype("<f4")
    (graph,) = (home / "views" / "chroma").glob("*/data_level0.bin")
    stored = graph.read_bytes()
    vector = next(each for each in held if stored.count(each.tobytes()) == 1)
    graph.write_bytes(stored.replace(vector.tobytes(), (-vector).tobytes()))
    with small_index(home, view="chroma") as index:
        found = index.verify()
        assert places(found) == [("chroma", False)]
        assert "1 of 1200 vectors" in found[0].what
        assert places(index.verify(repair=True)) == [("chroma", True)]
        assert index.verify() == []


def test_words_that_stand_under_another_passage_are_found_and_mended(index: Index) -> None:
    """The ids agree: only what stands under two of them has been exchanged."""
    texts = ("minutes of the board meeting", "lease for the office building")
    added = index.put_many([new_document(text, f"{text}.txt") for text in texts])
    index.refresh()
    assert index.verify() == []
    chunks = [index.chunks(each.id, DEFAULT)[0].id for each in added]
    mixed = [
        TextRow(chunk, document.id, text)
        for chunk, document, text in zip(chunks, added, reversed(texts), strict=True)
    ]
    index._views.lexical.apply("default", [], mixed, index.generation)
    found = index.verify()
    assert [each.where for each in found] == ["lexical"]
    assert "2 of 6 passages looked at" in found[0].what
    assert places(index.verify(repair=True)) == [("lexical", True)]
    assert index.verify() == []


def test_a_catalogue_that_contradicts_itself_is_said(index: Index, home: Path) -> None:
    with sqlite3.connect(home / "catalogue.db") as raw:
        raw.execute("DELETE FROM vectors WHERE chunk_key = (SELECT min(chunk_key) FROM vectors)")
        raw.execute("DELETE FROM pages WHERE document_key = (SELECT max(key) FROM documents)")
    found = [each for each in index.verify() if each.where == "catalogue"]
    assert len(found) == 2
    assert any("embedded" in each.what for each in found)
    assert any("pages" in each.what for each in found)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE sources SET document_key = NULL WHERE source = '1.txt'", "holds no document"),
        ("UPDATE sources SET status = 'container' WHERE source = '1.txt'", "is a container"),
        ("UPDATE sources SET document_key = 99 WHERE source = '1.txt'", "is not there"),
        ("UPDATE sources SET container = 'x.zip' WHERE source = '1.txt'", "part of 'x.zip'"),
        ("UPDATE documents SET status = 'draft' WHERE source = '1.txt'", "should not be draft"),
        ("UPDATE documents SET complete = 0 WHERE source = '1.txt'", "completeness"),
    ],
)
def test_a_journal_that_contradicts_the_documents_is_said(
    index: Index, home: Path, damage: str, said: str
) -> None:
    with sqlite3.connect(home / "catalogue.db") as raw:
        raw.execute(damage)
    found = [each for each in index.verify() if each.where == "catalogue"]
    assert any(said in each.what for each in found)


# -- a store on a server --------------------------------------------------------------------------


def served(index: Index, opened: Callable[[], ChromaVectors | None]) -> Verifier:
    """Verifies with what `opened` gives for a server's store; the words are the index's."""
    views = Views(index._catalogue, 16, index._views.lexical, opened, store="server")
    return Verifier(index._catalogue, index._blobs, views)


@pytest.mark.parametrize("repair", [False, True])
def test_a_server_that_is_away_is_said_once(index: Index, repair: bool) -> None:
    index.ensure_collection("legal", frozenset({"local"}))
    found = served(index, lambda: None).run(repair)
    assert places(found) == [("server", False)]
    assert "run `cloister ingest verify` again" in found[0].what.lower()


@pytest.mark.parametrize("method", ["holds", "chunks", "rows"])
def test_a_server_that_goes_away_meanwhile_is_said(
    index: Index, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    store = index._views.chroma()
    assert isinstance(store, ChromaVectors)

    def gone(*_arguments: object) -> None:
        raise ViewUnavailable("db.invalid", "the connection ended")

    monkeypatch.setattr(store, method, gone)
    found = served(index, lambda: store).run(True)
    assert places(found) == [("server", False)]
    assert found[0].what.startswith("Collection default: The vector view at db.invalid")


def test_a_server_that_goes_away_while_it_is_mended_leaves_it_unmended(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = index._views.chroma()
    assert isinstance(store, ChromaVectors)
    stray = VectorRows(("stray",), ("stray",), np.full((1, 16), 0.25, np.float32))
    store.apply("default", [], stray, index.generation)

    def gone() -> None:
        raise ViewUnavailable("db.invalid", "the connection ended")

    monkeypatch.setattr(store, "discard", gone)
    found = served(index, lambda: store).run(True)
    assert places(found) == [("server", False)]
    assert "holds 1" in found[0].what
    assert "the connection ended" in found[0].what


def test_chroma_in_another_process_is_no_problem(index: Index, home: Path) -> None:
    with small_index(home, view="chroma") as other:
        assert other._views.chroma() is None
        assert other.verify() == []
