"""Verification: what differs is said, what can be mended is mended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index.document import Scope
from index.ports import TextRow, VectorRows
from index.records import Problem
from index.store import Index
from tests.index.standins import new_document, small_index

DEFAULT = Scope(frozenset({"default"}))


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
