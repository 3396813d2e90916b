"""What every `VectorStore` must do, whatever keeps it: a test class for each adapter to inherit.

A subclass has a fixture `bench` with a `Bench`: how to open the store, and which of the promises
depend on its kind (is it durable, does it compare every vector).
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import pytest

from index.persistent import PersistentVectors
from index.ports import Scored, VectorRows, VectorStore
from index.records import Vectors

SMALL, REAL = 8, 384  # dimensions of hand-made vectors, and of the default embedder's
NAMES = ["a", "a-1", "a_1", "0", "a-", "a_", "x" * 64, "x" * 63 + "y", "select", "home", "rows_1"]
ODD = ["o'neil", "tab\t", "line\n", "ä ß 東", "100%s", "\\N", "{a,b}", "NULL", '"', ":n", "-"]


@dataclass(frozen=True)
class Bench:
    """One kind of store. `open(dimensions)` twice gives the same store if it is durable."""

    open: Callable[[int], VectorStore]
    durable: bool = False
    exact: bool = True
    child: tuple[str, ...] = ()  # arguments of `tests.index.vector_writer` for the same store


def rows(*names: str, seed: int = 0, dimensions: int = SMALL) -> VectorRows:
    """A chunk `<document>/<n>` per name, with a random unit vector of its own."""
    vectors = np.stack(
        [
            np.random.default_rng([seed, *name.encode()]).standard_normal(dimensions)
            for name in names
        ]
    )
    return VectorRows(names, tuple(name.rsplit("/", 1)[0] for name in names), unit(vectors))


def none(dimensions: int = SMALL) -> VectorRows:
    return VectorRows((), (), np.zeros((0, dimensions), np.float32))


def unit(vectors: np.ndarray) -> Vectors:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clustered(count: int, queries: int, seed: int = 7) -> tuple[VectorRows, Vectors]:
    """Chunks in clusters of about 100, twenty a document, and questions close to some of them."""
    random_ = np.random.default_rng(seed)
    centres = random_.standard_normal((max(1, count // 100), REAL))
    held = centres[random_.integers(0, len(centres), count)]
    held = unit(held + 0.7 * random_.standard_normal((count, REAL)))
    asked = held[random_.integers(0, count, queries)]
    asked = unit(asked + 0.03 * random_.standard_normal((queries, REAL)))
    chunks = tuple(f"{place:032x}" for place in range(count))
    documents = tuple(f"{place // 20:064x}" for place in range(count))
    return VectorRows(chunks, documents, held), asked


def part(whole: VectorRows, first: int, end: int) -> VectorRows:
    return VectorRows(whole.chunks[first:end], whole.documents[first:end], whole.vectors[first:end])


def best(held: VectorRows, query: np.ndarray, limit: int) -> list[str]:
    """The chunks that brute force finds, best first."""
    order = np.argsort(-(held.vectors @ query), kind="stable")[:limit]
    return [held.chunks[place] for place in order]


def recall(store: VectorStore, held: VectorRows, asked: Vectors, limit: int) -> float:
    """Share of what brute force finds that `store` finds too, over all questions."""
    found = [
        len(
            {each.chunk for each in store.search("a", query, limit)} & set(best(held, query, limit))
        )
        for query in asked
    ]
    return sum(found) / (limit * len(asked))


def ids(found: list[Scored]) -> list[str]:
    return [each.chunk for each in found]


class VectorStoreConformance:
    """The suite. Fast but for the tests marked slow."""

    @pytest.fixture
    def store(self, bench: Bench) -> Iterator[VectorStore]:
        opened = bench.open(SMALL)
        yield opened
        opened.close()

    def test_nothing_is_held_at_first(self, store: VectorStore) -> None:
        assert (store.generation("a"), store.count("a"), store.chunks("a")) == (0, 0, set())
        assert store.search("a", rows("x/1").vectors[0], 5) == []

    def test_nearest_first_with_their_cosine(self, store: VectorStore) -> None:
        held = rows("x/1", "x/2", "y/1", "z/1")
        store.apply("a", [], held, 4)
        query = rows("query/1", seed=3).vectors[0]
        found = store.search("a", query, 3)
        assert ids(found) == best(held, query, 3)
        assert [each.score for each in found] == pytest.approx(
            sorted((held.vectors @ query).tolist(), reverse=True)[:3], abs=1e-5
        )
        opposite = store.search("a", -held.vectors[0], 4)[-1]
        assert (opposite.chunk, opposite.score) == ("x/1", pytest.approx(-1.0, abs=1e-5))

    @pytest.mark.parametrize(("limit", "expected"), [(-1, 0), (0, 0), (1, 1), (3, 3), (50, 3)])
    def test_limits(self, store: VectorStore, limit: int, expected: int) -> None:
        held = rows("x/1", "x/2", "y/1")
        store.apply("a", [], held, 1)
        assert (
            ids(store.search("a", held.vectors[1], limit))
            == best(held, held.vectors[1], 3)[:expected]
        )

    def test_applying_twice_is_applying_once(self, store: VectorStore) -> None:
        for _time in range(2):
            store.apply("a", ["x"], rows("x/1", "x/2"), 3)
        assert (store.generation("a"), store.count("a")) == (3, 2)
        assert store.chunks("a") == {"x/1", "x/2"}

    def test_a_document_put_again_leaves_nothing_of_the_old(self, store: VectorStore) -> None:
        store.apply("a", [], rows("x/1", "x/2", "y/1"), 3)
        renewed = rows("x/2", "x/3", seed=1)
        store.apply("a", [], renewed, 4)
        assert store.chunks("a") == {"x/2", "x/3", "y/1"}
        nearest = store.search("a", renewed.vectors[0], 1)[0]
        assert (nearest.chunk, nearest.score) == ("x/2", pytest.approx(1.0, abs=1e-5))

    def test_removed_documents_are_gone(self, store: VectorStore) -> None:
        held = rows("x/1", "x/2", "y/1")
        store.apply("a", [], held, 3)
        store.apply("a", ["x", "never-there"], none(), 5)
        assert ids(store.search("a", held.vectors[0], 5)) == ["y/1"]
        assert store.generation("a") == 5
        store.apply("a", ["y"], none(), 6)
        assert store.search("a", held.vectors[0], 5) == []
        assert (store.generation("a"), store.count("a")) == (6, 0)

    def test_what_is_left_is_found_when_most_is_removed(self, store: VectorStore) -> None:
        held = rows(*(f"d{number}/1" for number in range(600)))
        store.apply("a", [], held, 1)
        store.apply("a", [f"d{number}" for number in range(590)], none(), 2)
        assert set(ids(store.search("a", held.vectors[0], 10))) == set(held.chunks[590:])

    def test_generation_zero_says_that_the_view_is_not_whole(self, store: VectorStore) -> None:
        store.apply("a", [], rows("x/1"), 0)
        assert (store.generation("a"), store.chunks("a")) == (0, {"x/1"})
        store.apply("a", [], none(), 7)
        assert (store.generation("a"), store.count("a")) == (7, 1)
        store.apply("a", [], rows("y/1"), 0)
        assert store.generation("a") == 0
        store.apply("a", [], none(), 8)
        assert len(store.search("a", rows("y/1").vectors[0], 9)) == 2

    def test_a_collection_without_a_chunk_can_be_whole(self, store: VectorStore) -> None:
        store.apply("a", [], none(), 5)
        assert (store.generation("a"), store.count("a")) == (5, 0)
        assert store.search("a", rows("x/1").vectors[0], 3) == []

    def test_a_dropped_collection_begins_anew(self, store: VectorStore) -> None:
        store.drop("a")
        store.apply("a", [], rows("x/1", "x/2"), 9)
        store.drop("a")
        assert (store.generation("a"), store.count("a")) == (0, 0)
        assert store.search("a", rows("x/1").vectors[0], 3) == []
        store.apply("a", [], rows("y/1"), 2)
        assert (store.generation("a"), store.chunks("a")) == (2, {"y/1"})

    def test_collections_of_any_name_do_not_know_each_other(self, store: VectorStore) -> None:
        for number, name in enumerate(NAMES, 1):
            store.apply(name, [], rows("x/1", f"own{number}/1"), number)
        query = rows("x/1").vectors[0]
        for number, name in enumerate(NAMES, 1):
            assert (
                store.chunks(name)
                == {"x/1", f"own{number}/1"}
                == set(ids(store.search(name, query, 99)))
            )
        store.apply(NAMES[0], ["x"], none(), 50)
        store.drop(NAMES[1])
        assert store.chunks(NAMES[0]) == {"own1/1"}
        assert [store.generation(name) for name in NAMES] == [50, 0, *range(3, len(NAMES) + 1)]

    def test_ids_of_any_characters(self, store: VectorStore) -> None:
        names = [f"{each}/{number}" for each in ODD for number in (1, 2)]
        held = rows(*names)
        store.apply("a", [], held, 1)
        assert store.chunks("a") == set(names)
        for place in range(0, len(names), 2):
            assert ids(store.search("a", held.vectors[place], 1)) == [names[place]]
        store.apply("a", ODD[:5], none(), 2)
        assert store.chunks("a") == set(names[10:])
        store.apply("a", [], rows(f"{ODD[5]}/3"), 3)
        assert store.chunks("a") == {*names[12:], f"{ODD[5]}/3"}

    def test_equal_vectors_are_all_found(self, store: VectorStore) -> None:
        one = rows("x/1").vectors[0]
        names = tuple(f"d{number}/1" for number in range(30))
        same = VectorRows(names, tuple(each[:-2] for each in names), np.tile(one, (30, 1)))
        store.apply("a", [], same, 1)
        found = store.search("a", one, 30)
        assert sorted(ids(found)) == sorted(names)
        assert [each.score for each in found] == pytest.approx([1.0] * 30, abs=1e-5)

    def test_vectors_rounded_to_half_precision(self, bench: Bench) -> None:
        """As the catalogue gives them: rounded, and their length made 1 again."""
        held, asked = clustered(400, 8)
        rounded = unit(held.vectors.astype(np.float16).astype(np.float32))
        store = bench.open(REAL)
        try:
            store.apply("a", [], VectorRows(held.chunks, held.documents, rounded), 1)
            for query in asked:
                found = store.search("a", query, 5)
                true = [float(held.vectors[int(each.chunk, 16)] @ query) for each in found]
                assert [each.score for each in found] == pytest.approx(true, abs=1e-3)
                assert found == sorted(found, key=lambda each: -each.score)
        finally:
            store.close()

    def test_what_was_applied_is_there_after_closing(self, bench: Bench) -> None:
        if not bench.durable:
            pytest.skip("this store is held in memory and begins empty by design")
        first = bench.open(SMALL)
        first.apply("a", [], rows("x/1", "y/1"), 12)
        first.apply("b", [], rows("z/1"), 0)
        first.close()
        second = bench.open(SMALL)
        assert (second.generation("a"), second.chunks("a")) == (12, {"x/1", "y/1"})
        assert (second.generation("b"), second.count("b")) == (0, 1)
        assert ids(second.search("a", rows("y/1").vectors[0], 1)) == ["y/1"]
        second.close()

    def test_searching_while_another_thread_applies(self, store: VectorStore) -> None:
        """A document that stays is found by every search; a search never sees what is no chunk."""
        stays = rows("stays/1")
        store.apply("a", [], stays, 1)
        stop = threading.Event()
        wrong: list[object] = []

        def search() -> None:
            try:
                while not stop.is_set():
                    found = ids(store.search("a", stays.vectors[0], 5))
                    if found[:1] != ["stays/1"] or len(set(found)) != len(found):
                        wrong.append(found)
            except Exception as error:  # noqa: BLE001  it is what the test reports
                wrong.append(repr(error))

        threads = [threading.Thread(target=search) for _each in range(3)]
        for each in threads:
            each.start()
        for generation in range(2, 14):
            store.apply(
                "a", [], rows(*(f"moves/{n}" for n in range(20)), seed=generation), generation
            )
        stop.set()
        for each in threads:
            each.join()
        assert wrong == []
        assert (store.generation("a"), store.count("a")) == (13, 21)

    @pytest.mark.slow
    def test_recall_among_twenty_thousand(self, bench: Bench) -> None:
        held, asked = clustered(20_000, 30)
        store = bench.open(REAL)
        try:
            for first in range(0, 20_000, 4_000):
                store.apply("a", [], part(held, first, first + 4_000), 0)
            store.apply("a", [], none(REAL), 1)
            assert store.count("a") == 20_000
            floor = 1.0 if bench.exact else 0.95
            assert recall(store, held, asked, 10) >= floor
            assert recall(store, held, asked, 100) >= floor
            # Half of it removed, the other half still found, as many as asked for.
            gone = sorted(set(held.documents[:10_000]))
            store.apply("a", gone, none(REAL), 2)
            assert recall(store, part(held, 10_000, 20_000), asked, 50) >= floor
        finally:
            store.close()

    @pytest.mark.slow
    def test_a_writer_killed_in_the_middle(self, bench: Bench) -> None:
        """The generation held is one that was applied whole; applying again mends all else."""
        if not bench.durable:
            pytest.skip("this store is held in memory and begins empty by design")
        random_ = random.Random(5)
        command = [sys.executable, "-m", "tests.index.vector_writer", *bench.child]
        for _kill in range(3):
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
                assert child.stdout is not None
                said = [int(child.stdout.readline())]  # something of this run is applied
                time.sleep(random_.uniform(0.0, 0.7))
                child.kill()
                said += [int(line) for line in child.stdout.read().split()]
            store = bench.open(REAL)
            reached = store.generation("a")
            assert reached in (said[-1], said[-1] + 1)
            for generation in (reached, reached + 1):
                store.apply("a", [], writer_batch(generation), generation)
            assert store.chunks("a") == writer_chunks(reached + 1)
            store.close()


class PersistentConformance(VectorStoreConformance):
    """The suite for a store that outlives its process, with what `PersistentVectors` adds."""

    @pytest.fixture
    def kept(self, bench: Bench) -> Iterator[PersistentVectors]:
        opened = cast(PersistentVectors, bench.open(SMALL))
        yield opened
        opened.close()

    def test_asking_creates_nothing(self, kept: PersistentVectors) -> None:
        query = rows("x/1").vectors[0]
        assert (kept.count("a"), kept.chunks("a"), kept.search("a", query, 3)) == (0, set(), [])
        kept.drop("a")
        assert len(kept.rows("a", ["x/1"]).chunks) == 0
        assert (kept.holds("a"), kept.names(), kept.wasted("a")) == (False, [], 0)

    def test_names_of_what_it_holds(self, kept: PersistentVectors) -> None:
        for name in reversed(NAMES):
            kept.apply(name, [], none(), 0)
        assert kept.names() == sorted(NAMES)
        kept.drop(NAMES[0])
        assert kept.names() == sorted(NAMES[1:])
        assert (kept.holds(NAMES[0]), kept.holds(NAMES[1])) == (False, True)

    def test_rows_are_given_back_as_they_were(self, kept: PersistentVectors) -> None:
        held = rows("x/1", "x/2", "y/1", "o'neil/\\N")
        kept.apply("a", [], held, 1)
        found = kept.rows("a", ["y/1", "never/1", "o'neil/\\N", "x/1"])
        assert set(found.chunks) == {"y/1", "o'neil/\\N", "x/1"}
        for chunk, document, vector in zip(
            found.chunks, found.documents, found.vectors, strict=True
        ):
            place = held.chunks.index(chunk)
            assert document == held.documents[place]
            assert vector.tolist() == pytest.approx(held.vectors[place].tolist(), abs=1e-6)
        assert len(kept.rows("a", []).chunks) == 0

    def test_discarded_it_begins_anew(self, bench: Bench) -> None:
        first = cast(PersistentVectors, bench.open(SMALL))
        for name in ("a", "b"):
            first.apply(name, [], rows("x/1"), 4)
        first.discard()
        second = cast(PersistentVectors, bench.open(SMALL))
        assert (second.names(), second.generation("a"), second.count("b")) == ([], 0, 0)
        second.apply("a", [], rows("y/1"), 5)
        assert (second.generation("a"), second.chunks("a")) == (5, {"y/1"})
        second.close()


def writer_batch(generation: int) -> VectorRows:
    """What the process that is killed applies: 25 documents of 40 chunks, other ones each time."""
    random_ = np.random.default_rng(generation)
    names = [f"{n // 40}/{generation}-{n}" for n in range(1_000)]
    return VectorRows(
        tuple(names),
        tuple(each.split("/")[0] for each in names),
        unit(random_.standard_normal((1_000, REAL))),
    )


def writer_chunks(generation: int) -> set[str]:
    return {f"{n // 40}/{generation}-{n}" for n in range(1_000)}
