"""The suite of all vector stores for Chroma, the exact one and the stand-in; what only Chroma does.

The store on a server has a module of its own, `test_pgvector`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.chroma import ChromaVectors, drop_unused, open_chroma, stored_configuration
from index.errors import InvalidName, ViewDamaged
from index.exact import ExactVectors
from index.files import FileLock
from tests.index.standins import ListVectors
from tests.index.vector_conformance import (
    SMALL,
    Bench,
    PersistentConformance,
    VectorStoreConformance,
    none,
    rows,
)


def chroma(folder: Path) -> ChromaVectors:
    store = open_chroma(folder / "chroma", FileLock(folder / "chroma.lock"))
    assert store is not None
    return store


class TestChroma(PersistentConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        return Bench(
            lambda _dimensions: chroma(tmp_path),
            durable=True,
            exact=False,
            child=("chroma", str(tmp_path)),
        )


class TestExact(VectorStoreConformance):
    @pytest.fixture
    def bench(self) -> Bench:
        return Bench(ExactVectors)


class TestStandIn(VectorStoreConformance):
    @pytest.fixture
    def bench(self) -> Bench:
        return Bench(lambda _dimensions: ListVectors())


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
    exact, plain = ExactVectors(SMALL), ListVectors()
    for generation, (removed, names) in enumerate(steps, 1):
        for each in (exact, plain):
            each.apply("a", removed, rows(*names) if names else none(), generation)
    query = rows("query/1").vectors[0]
    assert exact.chunks("a") == plain.chunks("a")
    assert exact.generation("a") == plain.generation("a")
    ours = exact.search("a", query, limit)
    theirs = plain.search("a", query, limit)
    assert [each.score for each in ours] == pytest.approx([each.score for each in theirs], abs=1e-6)
    assert {each.chunk for each in ours} == {each.chunk for each in theirs}


def test_exact_can_start_from_a_later_generation() -> None:
    exact = ExactVectors(SMALL)
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
