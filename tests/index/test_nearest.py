"""Where vectors are searched: in Chroma or exactly, by size alone, with the same answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from index import nearest
from index.chroma import open_chroma
from index.errors import ViewDamaged
from index.exact import ExactVectors, cosines, nearest_rows
from index.files import FileLock
from index.ports import Scored, VectorRows
from index.records import NewDocument
from index.store import Index
from index.views import Views
from tests.index.standins import HashEmbedder, ListLexical, new_document, small_index

EMBEDDER = HashEmbedder()
QUERY = EMBEDDER.embed_query("records number 3")


def note(number: int, collection: str = "default") -> NewDocument:
    return new_document(f"records number {number} kept", f"{number}.txt", collection=collection)


@pytest.fixture
def index(home: Path) -> Iterator[Index]:
    with small_index(home) as opened:
        opened.ensure_collection("other", frozenset())
        yield opened


@pytest.fixture
def opened(index: Index, home: Path) -> Iterator[Callable[[], Views]]:
    """Opens views with Chroma on the index's catalogue, from 20 chunks on and down to 10."""
    made: list[Views] = []
    lock = FileLock(home / "chroma.lock")

    def build() -> Views:
        folder = home / "chroma"
        views = Views(
            index._catalogue,
            EMBEDDER.dimensions,
            ListLexical(home / "words"),
            lambda: open_chroma(folder, lock),
            stored=folder.exists,
        )
        made.append(views)
        return views

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(nearest, "LARGE", 20)
        patched.setattr(nearest, "SMALL", 10)
        yield build
        for views in made:
            views.close()


def test_a_small_collection_writes_nothing_and_is_level(
    index: Index, home: Path, opened: Callable[[], Views]
) -> None:
    views = opened()
    index.put_many([note(number) for number in range(19)])
    assert views.refresh_vectors("default")
    assert not (home / "chroma").exists()
    assert views.reached_vectors("default") == index.generation
    found, places = views.nearest("default", QUERY, 5)
    assert (len(found), places) == (5, {"exact"})


def test_it_goes_into_chroma_when_large_and_stays_until_it_is_much_smaller(
    index: Index, home: Path, opened: Callable[[], Views]
) -> None:
    views = opened()
    index.put_many([note(number) for number in range(20)])
    assert views.reached_vectors("default") == 0
    exactly, _places = views.nearest("default", QUERY, 8)
    assert views.refresh_vectors("default")
    assert views.reached_vectors("default") == index.generation
    found, places = views.nearest("default", QUERY, 8)
    assert places == {"chroma"}
    assert [each.chunk for each in found] == [each.chunk for each in exactly]
    assert [each.score for each in found] == pytest.approx(
        [each.score for each in exactly], abs=1e-5
    )
    index.remove_many("default", [f"{number}.txt" for number in range(10)])
    views.refresh_vectors("default")
    assert views.nearest("default", QUERY, 8)[1] == {"chroma"}
    index.remove("default", "10.txt")
    views.refresh_vectors("default")
    assert not (home / "chroma").exists()
    found, places = views.nearest("default", QUERY, 30)
    assert (len(found), places) == (9, {"exact"})
    assert views.reached_vectors("default") == index.generation


def test_one_that_shrinks_leaves_the_others_in_chroma_and_no_graph_behind(
    index: Index, home: Path, opened: Callable[[], Views]
) -> None:
    views = opened()
    index.put_many([note(number) for number in range(20)])
    index.put_many([note(number, "other") for number in range(30)])
    views.refresh_vectors("default")
    views.refresh_vectors("other")
    graphs = {path.name for path in (home / "chroma").iterdir() if path.is_dir()}
    index.remove_many("default", [f"{number}.txt" for number in range(15)])
    views.refresh_vectors("default")
    left = {path.name for path in (home / "chroma").iterdir() if path.is_dir()}
    assert (len(graphs), len(left), left < graphs) == (2, 1, True)
    assert views.nearest("default", QUERY, 3)[1] == {"exact"}
    assert views.nearest("other", QUERY, 3)[1] == {"chroma"}
    views.close()
    again = opened()
    assert not again.in_chroma("default")
    assert again.in_chroma("other")


def test_what_is_too_much_for_memory_is_compared_in_one_pass(
    index: Index, opened: Callable[[], Views], monkeypatch: pytest.MonkeyPatch
) -> None:
    index.put_many([note(number) for number in range(19)])
    views = opened()
    held, _places = views.nearest("default", QUERY, 6)
    monkeypatch.setattr(ExactVectors, "fits", lambda _self, count: count <= 4)
    monkeypatch.setattr(nearest, "_READ_AT_ONCE", 5)
    fresh = opened()
    assert fresh.nearest("default", QUERY, 6) == (held, {"exact"})
    assert fresh._vectors._exact.count("default") == 0


def test_much_that_chroma_lacks_is_compared_in_one_pass_and_little_in_memory(
    index: Index, opened: Callable[[], Views], monkeypatch: pytest.MonkeyPatch
) -> None:
    views = opened()
    monkeypatch.setattr(ExactVectors, "fits", lambda _self, count: count <= 4)
    index.put_many([note(number) for number in range(25)])
    views.refresh_vectors("default")
    index.put_many([note(number) for number in range(25, 28)])
    found, places = views.nearest("default", QUERY, 40)
    assert (len(found), places) == (28, {"chroma", "exact"})
    assert views._vectors._exact.count("default") == 3
    index.put_many([note(number) for number in range(28, 34)])
    found, places = views.nearest("default", QUERY, 40)
    assert (len(found), places) == (34, {"exact"})
    views.refresh_vectors("default")
    assert views.nearest("default", QUERY, 40)[1] == {"chroma"}


def test_a_second_process_searches_a_large_collection_exactly(
    index: Index, opened: Callable[[], Views], home: Path
) -> None:
    first = opened()
    index.put_many([note(number) for number in range(20)])
    first.refresh_vectors("default")
    second = Views(
        index._catalogue,
        EMBEDDER.dimensions,
        ListLexical(home / "words"),
        lambda: open_chroma(home / "chroma", FileLock(home / "chroma.lock")),
        stored=(home / "chroma").exists,
    )
    assert second.reached_vectors("default") is None
    assert not second.refresh_vectors("default")
    found, places = second.nearest("default", QUERY, 5)
    assert places == {"exact"}
    assert {each.chunk for each in found} == {
        each.chunk for each in first.nearest("default", QUERY, 5)[0]
    }
    second.close()


def test_a_store_that_breaks_is_built_anew_and_searched_exactly_until_then(
    index: Index, opened: Callable[[], Views], monkeypatch: pytest.MonkeyPatch
) -> None:
    views = opened()
    index.put_many([note(number) for number in range(20)])
    views.refresh_vectors("default")
    before, _places = views.nearest("default", QUERY, 5)
    store = views.chroma()
    assert store is not None

    def broken(*_arguments: object) -> list[Scored]:
        raise ViewDamaged("chroma", "x")

    monkeypatch.setattr(store, "search", broken)
    found, places = views.nearest("default", QUERY, 5)
    assert ([each.chunk for each in found], places) == ([each.chunk for each in before], {"exact"})
    assert views.refresh_vectors("default")
    assert views.nearest("default", QUERY, 5)[1] == {"chroma"}


# -- exact search -------------------------------------------------------------------------------


def rows(count: int, prefix: str = "d", seed: int = 5) -> VectorRows:
    numbers = np.random.default_rng(seed).standard_normal((count, 48)).astype(np.float32)
    unit = numbers / np.linalg.norm(numbers, axis=1, keepdims=True)
    names = tuple(f"{prefix}{number:05d}" for number in range(count))
    return VectorRows(names, names, unit)


def test_the_answer_does_not_depend_on_the_order_in_which_vectors_came() -> None:
    """Nor does it where equal vectors tie at the last place."""
    one = rows(1_500)
    twice = VectorRows(
        one.chunks + tuple(f"e{name}" for name in one.chunks),
        one.documents + tuple(f"e{name}" for name in one.documents),
        np.concatenate([one.vectors, one.vectors]),
    )
    query = one.vectors[7]
    told = None
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(twice.chunks))
        mixed = VectorRows(
            tuple(twice.chunks[at] for at in order),
            tuple(twice.documents[at] for at in order),
            twice.vectors[order],
        )
        store = ExactVectors(48)
        store.fill("a", [mixed], 1)
        found = store.search("a", query, 51)
        told = told or found
        assert found == told
        pieces = [
            VectorRows(
                mixed.chunks[at : at + 700],
                mixed.documents[at : at + 700],
                mixed.vectors[at : at + 700],
            )
            for at in range(0, len(order), 700)
        ]
        assert nearest_rows(pieces, query, 51) == told
    assert told is not None
    assert [each.chunk for each in told[:2]] == ["d00007", "ed00007"]
    assert told[50].chunk.startswith("d")  # of the two that tie the one with the smaller id
    assert told[0].score == pytest.approx(float(cosines(one.vectors[7:8], query)[0]))


def test_what_was_not_searched_for_longest_makes_room() -> None:
    room = 3 * 100 * 48 * 4
    store = ExactVectors(48, budget=room)
    for number, name in enumerate("abc"):
        store.fill(name, [rows(100, name)], number + 1)
    store.search("a", QUERY_48, 3)
    store.fill("d", [rows(100, "d")], 4)
    assert [store.count(name) for name in "abcd"] == [100, 0, 100, 100]
    assert store.generation("b") == 0  # as if dropped, so that it is read again
    assert store.fits(150)
    assert not store.fits(151)
    store.fill("big", [rows(900)], 5)
    assert [store.count(name) for name in ("a", "c", "d", "big")] == [0, 0, 0, 900]


QUERY_48 = rows(1, seed=9).vectors[0]
