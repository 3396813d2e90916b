"""One suite for all lexical stores: tantivy and the stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.errors import InvalidName, ViewDamaged
from index.lexical import TantivyStore
from index.ports import LexicalStore, TextRow
from tests.index.standins import ListLexical

OPENERS: dict[str, Callable[[Path], LexicalStore]] = {
    "tantivy": lambda folder: TantivyStore(folder / "lexical"),
    "stand-in": ListLexical,
}

ROWS = [
    TextRow("k/1", "k", "Records are kept for six years, see 164.312(b)(1)."),
    TextRow("k/2", "k", "Storage temperature is 2 to 8 degrees under SOP-CL-014."),
    TextRow("m/1", "m", "The board approved clause 14.2.3 and rule BC-2.1."),
    TextRow("m/2", "m", "Clause 14.2 is about terminating the contract."),
]


@pytest.fixture(params=list(OPENERS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LexicalStore]:
    opened = OPENERS[request.param](tmp_path)
    yield opened
    opened.close()


def found(store: LexicalStore, question: str, limit: int = 10) -> list[str]:
    return [each.chunk for each in store.search("a", question, limit)]


def test_empty(store: LexicalStore) -> None:
    assert (store.generation("a"), store.count("a"), store.chunks("a")) == (0, 0, set())
    assert found(store, "anything") == []


def test_any_shared_word_is_found_best_first(store: LexicalStore) -> None:
    store.apply("a", [], ROWS, 3)
    results = store.search("a", "six years of records", 10)
    assert results[0].chunk == "k/1"
    assert all(each.score > 0 for each in results)
    assert [each.score for each in results] == sorted(
        (each.score for each in results), reverse=True
    )
    assert found(store, "zebra") == []
    assert len(found(store, "the clause records", 1)) == 1
    assert found(store, "clause", 0) == []


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("164.312(b)(1)", "k/1"),
        ("what does 164.312(b) ask?", "k/1"),
        ("SOP-CL-014", "k/2"),
        ("sop-cl-014", "k/2"),
        ("rule BC-2.1", "m/1"),
        ("clause 14.2.3", "m/1"),
    ],
)
def test_identifiers_are_findable(store: LexicalStore, question: str, first: str) -> None:
    store.apply("a", [], ROWS, 3)
    assert found(store, question)[0] == first


def test_applying_twice_is_applying_once(store: LexicalStore) -> None:
    store.apply("a", [], ROWS, 3)
    store.apply("a", ["k", "m"], ROWS, 4)
    assert store.chunks("a") == {row.chunk for row in ROWS}
    assert (store.count("a"), store.generation("a")) == (4, 4)


def test_what_is_removed_or_replaced_is_gone(store: LexicalStore) -> None:
    store.apply("a", [], ROWS, 3)
    store.apply("a", ["k"], [TextRow("m/9", "m", "records")], 7)
    assert store.chunks("a") == {"m/9"}
    assert found(store, "six years of records") == ["m/9"]
    assert store.generation("a") == 7


def test_collections_do_not_know_each_other(store: LexicalStore) -> None:
    store.apply("a", [], ROWS[:2], 3)
    store.apply("b", [], ROWS[2:], 5)
    assert found(store, "clause") == []
    store.drop("b")
    assert (store.generation("b"), store.count("b")) == (0, 0)
    assert store.count("a") == 2
    store.drop("b")


def test_one_writer_at_a_time(store: LexicalStore) -> None:
    first, second = store.lock("a"), store.lock("a")
    assert first.acquire()
    assert not second.acquire()
    assert store.lock("b").acquire()
    first.release()
    assert second.acquire()


QUESTIONS = st.one_of(
    st.text(max_size=200),
    st.text("+-&|!(){}[]^\"'~*?:\\/ AND OR NOT TO", max_size=60),
    st.text(st.characters(codec=None), max_size=30),  # lone surrogates included
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(QUESTIONS)
def test_no_question_is_read_as_syntax_or_fails(store: LexicalStore, question: str) -> None:
    if not store.generation("a"):
        store.apply("a", [], ROWS, 3)
    assert set(found(store, question)) <= {row.chunk for row in ROWS}


@pytest.mark.parametrize(
    "question", ["chunk:k/1", "document:k", "kind:state", "*", "words:[a TO z]"]
)
def test_field_names_and_wildcards_mean_nothing(tmp_path: Path, question: str) -> None:
    store = TantivyStore(tmp_path)
    store.apply("a", [], [TextRow("k/1", "k", "nothing in common")], 3)
    assert found(store, question) == []


def test_tantivy_stems_and_weighs_neighbours(tmp_path: Path) -> None:
    store = TantivyStore(tmp_path)
    store.apply(
        "a",
        [],
        [
            TextRow("x/1", "x", "limits on retained records and periods of notice"),
            TextRow("y/1", "y", "records and limits on notice: retention periods"),
        ],
        1,
    )
    assert found(store, "the retention period")[0] == "y/1"
    assert set(found(store, "recorded notices")) == {"x/1", "y/1"}


def test_a_very_long_question_is_answered(tmp_path: Path) -> None:
    store = TantivyStore(tmp_path)
    store.apply("a", [], ROWS, 3)
    assert found(store, "records " + " ".join(f"w{n}" for n in range(30_000)))[0] == "k/1"


def test_tantivy_keeps_what_it_was_given(tmp_path: Path) -> None:
    first = TantivyStore(tmp_path)
    first.apply("a", [], ROWS, 12)
    first.close()
    second = TantivyStore(tmp_path)
    assert (second.generation("a"), second.count("a")) == (12, 4)
    # A reader sees what another instance commits later.
    first.apply("a", ["k"], [], 13)
    assert (second.generation("a"), second.count("a")) == (13, 2)


def test_reading_creates_nothing(tmp_path: Path) -> None:
    store = TantivyStore(tmp_path)
    store.search("a", "records", 5)
    store.generation("a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["meta", "segments", "no segments"])
def test_a_damaged_index_says_so_and_can_be_dropped(tmp_path: Path, damage: str) -> None:
    store = TantivyStore(tmp_path)
    store.apply("a", [], ROWS, 3)
    store.close()
    for path in tmp_path.rglob("*"):
        if damage == "meta" and path.name == "meta.json":
            path.write_text("{]")
        elif path.suffix in {".term", ".idx", ".store"} and damage != "meta":
            path.write_bytes(b"") if damage == "segments" else path.unlink()
    store = TantivyStore(tmp_path)
    with pytest.raises(ViewDamaged):
        store.search("a", "records", 3)
    store.drop("a")
    store.apply("a", [], ROWS, 3)
    assert found(store, "records") == ["k/1"]


@pytest.mark.parametrize("name", ["", "../a", "A", "a/b", "a.1", "a" * 65])
def test_safe_names_only(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidName):
        TantivyStore(tmp_path).search(name, "x", 1)


def test_tantivy_counts_deleted_entries_and_sweeps_what_others_left(tmp_path: Path) -> None:
    store = TantivyStore(tmp_path)
    assert store.wasted("a") == 0
    store.apply("a", [], ROWS, 3)
    assert store.wasted("a") == 0
    store.apply("a", ["k"], [], 4)
    assert store.wasted("a") >= 2
    for name in ("layout-0", "layout-1.discarded"):
        (tmp_path / "a" / name).mkdir()
    store.sweep("a")
    assert {path.name for path in (tmp_path / "a").iterdir() if path.is_dir()} == {"layout-1"}
    assert store.count("a") == 2
    (tmp_path / "a" / "layout-1" / "meta.json").write_text("{]")
    with pytest.raises(ViewDamaged):
        store.wasted("a")
