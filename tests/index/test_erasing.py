"""Erasing documents from an index with its real stores: what goes, what stays, what is left."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from index import nearest
from index.document import Scope
from index.erasing import Doomed
from index.errors import IndexFailure
from index.lexical import TantivyStore
from index.ports import TextRow
from index.records import Operation
from index.store import Index
from tests.index.standins import LOCAL, new_document, small_index

SCOPE = Scope(frozenset({"default", "other"}))
MARK = "marmalade"
FILLER = " ".join(f"ordinary{number} words" for number in range(60))
SAVED = 1_000  # rows after which Chroma writes a graph to its files for the first time
SMALL = nearest.SMALL  # as it is shipped, below which a collection is kept in no store


@pytest.fixture(params=[pytest.param("chroma", marks=pytest.mark.slow), "exact"])
def index(
    home: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Index]:
    monkeypatch.setattr(nearest, "LARGE", 1)  # so that Chroma keeps even a small collection
    monkeypatch.setattr(nearest, "SMALL", 1)
    with small_index(home, view=request.param) as opened:
        opened.ensure_collection("other", LOCAL)
        yield opened


def put(index: Index, text: str, source: str, collection: str = "default", parent: str = "") -> str:
    made = new_document(f"{text} {FILLER}", source, collection=collection)
    return index.put(replace(made, parent=parent)).id


def put_large(index: Index, text: str, source: str) -> str:
    """A document that makes its collection's graph in Chroma one that has been saved.

    Until then its files hold what the process's memory held before (chroma#7688); no collection
    that the product keeps in Chroma is so small.
    """
    words = " ".join(f"staying{number}" for number in range(2_000))
    made = new_document(f"{text} {words}", source, size=20)
    assert len(made.chunks) > SAVED
    return index.put(made).id


def settle(index: Index) -> None:
    index.refresh()
    index.search("warm", SCOPE)
    index.mark_recorded(line.generation for line in index.unrecorded())


def gone(index: Index, doomed: Doomed) -> dict[str, int]:
    """Erase, clear, and what is left then."""
    erasing = index.erasing()
    assert erasing.erase(doomed) == len(doomed.documents)
    index.mark_recorded(line.generation for line in index.unrecorded())
    assert erasing.clear(doomed.collections) == ()
    return {k: n for k, n in erasing.remains(doomed.ids, doomed.chunks).items() if n}


def files_with(home: Path, word: str) -> list[str]:
    return [p.name for p in home.rglob("*") if p.is_file() and word.encode() in p.read_bytes()]


def strays(home: Path) -> int:
    """Bytes of the graphs' files that are of no row and not zero. `header.bin` begins with a
    version, an offset, for how many rows there is room, how many there are, and a row's size
    (`persistHeader` in chroma-core/hnswlib)."""
    found = 0
    headers = list(home.rglob("header.bin"))
    assert headers
    for header in headers:
        _, _, _, rows, size = struct.unpack_from("<iQQQQ", header.read_bytes())
        assert rows >= SAVED
        for name, each in (("data_level0.bin", size), ("length.bin", 4)):
            rest = header.with_name(name).read_bytes()[rows * each :]
            found += len(rest) - rest.count(0)
    return found


def test_a_source_goes_with_its_versions_and_no_byte_of_it_is_left(
    index: Index, home: Path
) -> None:
    first = put(index, f"{MARK}one", f"{MARK}.txt")
    second = put(index, f"{MARK}two", f"{MARK}.txt")
    stays = (put_large if index._views.with_chroma else put)(index, "pencil", "stays.txt")
    settle(index)
    erasing = index.erasing()
    doomed = erasing.find(f"{MARK}.txt")
    assert doomed.ids == tuple(sorted([first, second]))
    before = erasing.remains(doomed.ids, doomed.chunks)
    assert before["catalogue (by its library)"] == 2
    assert before["words, current (by tantivy)"] > 0
    if index._views.with_chroma:
        assert before["vectors (by chroma)"] > 0
    assert len(list(erasing.originals(doomed))) == 2
    assert files_with(home, MARK)
    assert gone(index, doomed) == {}
    assert files_with(home, MARK) == []
    assert files_with(home, first) == files_with(home, second) == []
    if index._views.with_chroma:
        assert strays(home) == 0
        assert SMALL > 2 * SAVED  # whatever is kept in Chroma has been saved
    assert [each.id for each in index.all_documents(SCOPE)] == [stays]
    assert {hit.document.id for hit in index.search(f"{MARK}one pencil", SCOPE).hits} == {stays}
    assert index.verify() == []
    assert gone(index, erasing.with_ids(doomed.ids, [("default", f"{MARK}.txt")])) == {}


def test_one_version_goes_by_its_id_and_the_others_stay(index: Index) -> None:
    old = put(index, "old", "a.txt")
    new = put(index, "new", "a.txt")
    settle(index)
    doomed = index.erasing().find(old[:10])
    assert (doomed.ids, doomed.sources) == ((old,), ())
    assert gone(index, doomed) == {}
    assert [each.id for each in index.all_documents(SCOPE)] == [new]
    assert index.source_state("default", "a.txt") is not None
    doomed = index.erasing().find(new)
    assert [each.source for each in doomed.sources] == ["a.txt"]
    assert gone(index, doomed) == {}
    assert index.source_state("default", "a.txt") is None


def test_the_same_bytes_go_wherever_they_are_held(index: Index) -> None:
    same = put(index, "twin", "a.txt")
    assert put(index, "twin", "b.txt") == put(index, "twin", "c.txt", "other") == same
    settle(index)
    doomed = index.erasing().find("a.txt")
    assert [(each.collection, each.source) for each in doomed.sources] == [
        ("default", "a.txt"),
        ("default", "b.txt"),
        ("other", "c.txt"),
    ]
    only = index.erasing().find("a.txt", "default")
    assert {each.collection for each in only.sources} == {"default"}
    assert list(index.erasing().originals(only)) == []  # the other collection holds them
    assert len(list(index.erasing().kept_originals(only))) == 1
    assert index.erasing().erase(only) == 1
    assert index.erasing().clear({"default"}) == ()
    left = index.erasing().remains(only.ids, only.chunks, "default")
    assert not any(left.values())
    assert index.original(same, SCOPE).exists()
    assert gone(index, index.erasing().find("c.txt")) == {}


def test_parts_go_with_the_whole_and_a_part_names_the_whole_it_is_in(index: Index) -> None:
    mail = put(index, "mail", "m.eml")
    part = put(index, "part", "m.eml/a.txt", parent="m.eml")
    settle(index)
    assert set(index.erasing().find("m.eml").ids) == {mail, part}
    alone = index.erasing().find("m.eml/a.txt")
    assert [each.id for each in alone.within] == [mail]


def test_names_are_found_like_people_give_them_and_a_guess_is_none(index: Index) -> None:
    made = put(index, "text", "folder/a.txt")
    put(index, "else", "folder/b.txt")
    find = index.erasing().find
    assert find("/folder/folder/a.txt").ids == (made,)  # by path
    assert find(made.upper()[:8]).ids == (made,)
    for name in ("", made[:7], "%", "a.txt", "f" * 64, "folder/a.tx_"):
        assert find(name) == Doomed(), name


def test_what_stays_and_what_goes_are_told_apart(index: Index) -> None:
    put(index, "going", "a.txt")
    put(index, "staying", "b.txt")
    index.record_failure("default", "c.pdf", "/x/c.pdf", 1, 1, "damaged", digest="9" * 64, limit=1)
    erasing = index.erasing()
    doomed = erasing.find("a.txt")
    texts, kept = "\n".join(erasing.texts(doomed)), "\n".join(erasing.kept_texts(doomed))
    assert ("going" in texts, "staying" in texts) == (True, False)
    assert ("going" in kept, "staying" in kept, "c.pdf" in kept) == (False, True, True)
    assert erasing.kept_names(doomed) == {"b.txt", "/folder/b.txt", "c.pdf", "/x/c.pdf"}
    failed = erasing.find("c.pdf")
    assert (failed.documents, failed.ids) == ((), ("9" * 64,))
    assert gone(index, failed) == {}
    assert index.source_state("default", "c.pdf") is None


def test_the_line_of_an_erased_document_names_no_file(index: Index) -> None:
    put(index, "going", "a.txt")
    settle(index)
    index.erasing().erase(index.erasing().find("a.txt"))
    (line,) = index.unrecorded()
    assert (line.operation, line.source) == (Operation.ERASE, "")


def test_beside_a_server_that_goes_on_searching(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds the document no more from the commit on, and its own view follows. The collection
    is too small for Chroma, which only one of the two could have."""
    monkeypatch.setattr(nearest, "LARGE", 50_000)
    monkeypatch.setattr(nearest, "SMALL", 25_000)
    with small_index(home, view="chroma") as server, small_index(home, view="chroma") as ours:
        put(ours, f"{MARK}one", "a.txt")
        stays = put(ours, "pencil", "b.txt")
        settle(server)
        doomed = ours.erasing().find("a.txt")
        ours.erasing().erase(doomed)
        assert {hit.document.id for hit in server.search(MARK, SCOPE).hits} == {stays}
        assert ours.erasing().clear({"default"}) == ()
        assert not any(ours.erasing().remains(doomed.ids, doomed.chunks).values())
        assert files_with(home, MARK) == []
        server.refresh()
        assert {hit.document.id for hit in server.search(f"{MARK}one", SCOPE).hits} == {stays}
        assert files_with(home, MARK) == []


@pytest.mark.slow
def test_chroma_held_by_another_process_is_said_and_not_passed_over(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "LARGE", 1)
    monkeypatch.setattr(nearest, "SMALL", 1)
    with small_index(home, view="chroma") as server:
        put(server, f"{MARK}one", "a.txt")
        put_large(server, "pencil", "b.txt")
        settle(server)
        with small_index(home, view="chroma") as ours:
            doomed = ours.erasing().find("a.txt")
            ours.erasing().erase(doomed)
            assert [each.where for each in ours.erasing().clear({"default"})] == ["chroma"]
            with pytest.raises(IndexFailure, match="held by another"):
                ours.erasing().remains(doomed.ids, doomed.chunks)
    with small_index(home, view="chroma") as ours:
        assert ours.erasing().clear({"default"}) == ()
        assert not any(ours.erasing().remains(doomed.ids, doomed.chunks).values())
        assert files_with(home, MARK) == []
        assert strays(home) == 0


def test_a_reader_goes_on_while_a_view_is_thrown_away_and_filled_anew(tmp_path: Path) -> None:
    rows = [TextRow("c1", "d1", "a pencil", "a.txt")]
    writer, reader = TantivyStore(tmp_path), TantivyStore(tmp_path)
    writer.apply("a", [], rows, 1)
    assert [each.chunk for each in reader.search("a", "pencil", 5)] == ["c1"]
    writer.drop("a")  # as another process does; the reader has had it open
    assert reader.search("a", "pencil", 5) == []
    assert reader.generation("a") == reader.count("a") == 0
    assert not list(tmp_path.rglob("meta.json"))  # reading makes nothing
    writer.apply("a", [], rows, 2)
    assert [each.chunk for each in reader.search("a", "pencil", 5)] == ["c1"]
    assert reader.generation("a") == 2
