"""One suite for all vector stores: Chroma, the exact one, and the stand-in."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.chroma import ChromaVectors, drop_unused, open_chroma, stored_configuration
from index.errors import InvalidName, ViewDamaged
from index.exact import ExactVectors
from index.files import FileLock
from index.ports import VectorRows, VectorStore
from tests.index.standins import ListVectors

DIMENSIONS = 8
NONE = VectorRows((), (), np.zeros((0, DIMENSIONS), np.float32))


def rows(*names: str, seed: int = 0) -> VectorRows:
    """A chunk `<document>/<n>` per name, with a random unit vector of its own."""
    vectors = np.stack(
        [
            np.random.default_rng([seed, *name.encode()]).standard_normal(DIMENSIONS)
            for name in names
        ]
    )
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return VectorRows(names, tuple(name.split("/")[0] for name in names), unit)


def chroma(folder: Path) -> ChromaVectors:
    store = open_chroma(folder / "chroma", FileLock(folder / "chroma.lock"))
    assert store is not None
    return store


OPENERS: dict[str, Callable[[Path], VectorStore]] = {
    "chroma": chroma,
    "exact": lambda folder: ExactVectors(DIMENSIONS),
    "stand-in": lambda folder: ListVectors(),
}


@pytest.fixture(params=list(OPENERS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorStore]:
    opened = OPENERS[request.param](tmp_path)
    yield opened
    opened.close()


def test_empty(store: VectorStore) -> None:
    assert store.generation("a") == 0
    assert store.count("a") == 0
    assert store.chunks("a") == set()
    assert store.search("a", rows("x/1").vectors[0], 5) == []


def test_nearest_first_with_their_cosine(store: VectorStore) -> None:
    held = rows("x/1", "x/2", "y/1", "z/1")
    store.apply("a", [], held, 4)
    query = held.vectors[2]
    found = store.search("a", query, 3)
    expected = sorted(zip(held.vectors @ query, held.chunks, strict=True), reverse=True)[:3]
    assert [each.chunk for each in found] == [chunk for _score, chunk in expected]
    assert [each.score for each in found] == pytest.approx(
        [score for score, _chunk in expected], abs=1e-5
    )
    assert store.generation("a") == 4


def test_a_limit_beyond_the_count_gives_all(store: VectorStore) -> None:
    held = rows("x/1", "x/2")
    store.apply("a", [], held, 1)
    assert len(store.search("a", held.vectors[0], 50)) == 2
    assert store.search("a", held.vectors[0], 0) == []


def test_applying_twice_is_applying_once(store: VectorStore) -> None:
    for _time in range(2):
        store.apply("a", ["x"], rows("x/1", "x/2"), 3)
    assert store.chunks("a") == {"x/1", "x/2"}
    assert store.count("a") == 2


def test_a_document_put_again_leaves_nothing_of_the_old(store: VectorStore) -> None:
    store.apply("a", [], rows("x/1", "x/2", "y/1"), 3)
    store.apply("a", [], rows("x/3", seed=1), 4)
    assert store.chunks("a") == {"x/3", "y/1"}


def test_removed_documents_are_gone(store: VectorStore) -> None:
    held = rows("x/1", "x/2", "y/1")
    store.apply("a", [], held, 3)
    store.apply("a", ["x", "never-there"], NONE, 5)
    assert [each.chunk for each in store.search("a", held.vectors[0], 5)] == ["y/1"]
    assert store.generation("a") == 5


def test_collections_do_not_know_each_other(store: VectorStore) -> None:
    held = rows("x/1")
    store.apply("a", [], held, 1)
    store.apply("a-1", [], rows("y/1"), 2)
    assert [each.chunk for each in store.search("a", held.vectors[0], 9)] == ["x/1"]
    store.drop("a")
    assert (store.generation("a"), store.count("a")) == (0, 0)
    assert store.count("a-1") == 1
    store.drop("a")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from("uvwxyz"), max_size=3),
            st.lists(st.sampled_from([f"{d}/{n}" for d in "uvwxyz" for n in "12"]), unique=True),
        ),
        max_size=8,
    ),
    st.integers(1, 12),
)
def test_exact_agrees_with_the_plainest_store(
    steps: list[tuple[list[str], list[str]]], limit: int
) -> None:
    exact, plain = ExactVectors(DIMENSIONS), ListVectors()
    for generation, (removed, names) in enumerate(steps, 1):
        for each in (exact, plain):
            each.apply("a", removed, rows(*names) if names else NONE, generation)
    query = rows("query/1").vectors[0]
    assert exact.chunks("a") == plain.chunks("a")
    assert exact.generation("a") == plain.generation("a")
    ours = exact.search("a", query, limit)
    theirs = plain.search("a", query, limit)
    assert [each.score for each in ours] == pytest.approx([each.score for each in theirs], abs=1e-6)
    assert {each.chunk for each in ours} == {each.chunk for each in theirs}


def test_exact_can_start_from_a_later_generation() -> None:
    exact = ExactVectors(DIMENSIONS)
    exact.start_from("a", 7)
    assert exact.generation("a") == 7
    exact.apply("a", [], rows("x/1"), 9)
    exact.start_from("a", 7)
    assert exact.count("a") == 1
    exact.start_from("a", 8)
    assert (exact.generation("a"), exact.count("a")) == (8, 0)


def test_chroma_keeps_what_it_was_given(tmp_path: Path) -> None:
    first = chroma(tmp_path)
    first.apply("a", [], rows("x/1", "y/1"), 12)
    first.close()
    second = chroma(tmp_path)
    assert (second.generation("a"), second.chunks("a")) == (12, {"x/1", "y/1"})
    second.close()


def test_chroma_stores_no_embedding_function(tmp_path: Path) -> None:
    store = chroma(tmp_path)
    store.apply("a", [], rows("x/1"), 1)
    store.close()
    stored = stored_configuration(tmp_path / "chroma")
    assert '"space": "cosine"' in stored
    assert '"embedding_function": {"type": "legacy"}' in stored  # Chroma's word for "none"
    assert "onnx" not in stored.lower()


def test_chroma_is_opened_by_one_holder_only(tmp_path: Path) -> None:
    handle = os.open(tmp_path / "chroma.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    lock = FileLock(tmp_path / "chroma.lock")
    assert open_chroma(tmp_path / "chroma", lock) is None
    assert not (tmp_path / "chroma").exists()
    os.close(handle)
    store = open_chroma(tmp_path / "chroma", lock)
    assert store is not None
    store.close()
    assert not lock.held


@pytest.mark.parametrize("size", [0, 5_000, 40_000])
def test_a_chroma_folder_that_does_not_open_is_begun_anew(
    tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    store = chroma(tmp_path)
    store.apply("a", [], rows("x/1"), 1)
    store.close()
    database = tmp_path / "chroma" / "chroma.sqlite3"
    whole = database.read_bytes()
    database.write_bytes(b"junk" * 100 if size == 0 else whole[:size])
    renewed = chroma(tmp_path)
    assert renewed.generation("a") == 0
    assert "without embedding" in caplog.text
    renewed.apply("a", [], rows("x/1"), 1)
    assert renewed.count("a") == 1
    renewed.close()


def test_a_chroma_that_loses_its_files_says_so(tmp_path: Path) -> None:
    store = chroma(tmp_path)
    store.apply("a", [], rows(*(f"x/{n}" for n in range(1_500))), 1)
    store.close()
    for path in (tmp_path / "chroma").rglob("*.bin"):
        path.write_bytes(b"x")
    store = chroma(tmp_path)
    with pytest.raises(ViewDamaged):
        store.search("a", rows("x/1").vectors[0], 3)
    store.discard()
    assert not (tmp_path / "chroma").exists()
    shutil.rmtree(tmp_path / "chroma", ignore_errors=True)


@pytest.mark.parametrize("name", ["", "../a", "A", "a/b", "ä", "a" * 65, "-a", "a.b"])
def test_chroma_takes_safe_names_only(tmp_path: Path, name: str) -> None:
    store = chroma(tmp_path)
    with pytest.raises(InvalidName):
        store.count(name)
    store.close()


def test_chroma_counts_what_its_graph_carries_though_it_is_deleted(tmp_path: Path) -> None:
    store = chroma(tmp_path)
    store.apply("a", [], rows("x/1", "x/2", "y/1"), 1)
    assert store.wasted("a") == 0
    store.apply("a", ["y"], rows("x/1", "x/2"), 2)
    assert (store.count("a"), store.wasted("a")) == (2, 3)
    store.close()
    store = chroma(tmp_path)
    assert store.wasted("a") == 3
    store.discard()


def test_chroma_that_is_switched_off_is_thrown_away_unless_in_use(tmp_path: Path) -> None:
    store = chroma(tmp_path)
    store.apply("a", [], rows("x/1"), 1)
    other = FileLock(tmp_path / "chroma.lock")
    drop_unused(tmp_path / "chroma", other)
    assert (tmp_path / "chroma").exists()
    store.close()
    drop_unused(tmp_path / "chroma", other)
    assert not (tmp_path / "chroma").exists()
    assert not other.held
