"""Searching: what is asked of the stores, what is checked, what comes out."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from index import nearest, removing
from index.document import Scope
from index.errors import HomeFull
from index.proposals import Proposals, propose
from index.records import Declared, Vector
from index.search import MAX_QUESTION
from index.store import Index
from tests.index.standins import LOCAL, HashEmbedder, new_document, small_index

DEFAULT = Scope(frozenset({"default"}))


class Untouchable(HashEmbedder):
    """An embedder that must not be asked."""

    def embed_query(self, text: str) -> Vector:
        raise AssertionError(text)


class Remembering(HashEmbedder):
    """An embedder that keeps what it was asked last."""

    asked = ""

    def embed_query(self, text: str) -> Vector:
        self.asked = text
        return super().embed_query(text)


@pytest.fixture
def index(home: Path) -> Iterator[Index]:
    with small_index(home) as opened:
        yield opened


@pytest.mark.parametrize(
    ("question", "scope", "k"),
    [
        ("records", Scope(frozenset()), 5),
        ("", DEFAULT, 5),
        (" \n\t", DEFAULT, 5),
        ("records", DEFAULT, 0),
        ("records", DEFAULT, -1),
    ],
)
def test_nothing_to_search_touches_no_store(
    home: Path, question: str, scope: Scope, k: int
) -> None:
    with small_index(home, embedder=Untouchable()) as index:
        result = index.search(question, scope, k)
    assert (result.hits, result.vectors_from) == ((), "none")
    assert not (home / "views" / "lexical" / "default").exists()


def test_a_scope_that_names_what_is_not_there_finds_nothing(index: Index) -> None:
    assert index.search("records", Scope(frozenset({"gone"})), 5).hits == ()


def test_a_question_of_any_length_is_answered(home: Path) -> None:
    embedder = Remembering()
    with small_index(home, embedder=embedder) as index:
        index.put(new_document("records are kept", "a.txt"))
        assert index.search("records " * 12_500, DEFAULT, 5).hits
    assert len(embedder.asked) <= MAX_QUESTION


def test_every_hit_has_a_cosine_and_scores_fall(index: Index) -> None:
    index.put_many(
        [new_document(f"records of kind number {n} are kept", f"{n}.txt") for n in range(40)]
    )
    hits = index.search("records of kind 7", DEFAULT, 10).hits
    assert len(hits) == 10
    assert all(hit.dense is not None and -1.0 <= hit.dense <= 1.001 for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(0.0 <= hit.score <= 1.0 for hit in hits)


def _everything_in_chroma(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small a collection is."""
    monkeypatch.setattr(nearest, "LARGE", 1)
    monkeypatch.setattr(nearest, "SMALL", 1)


def test_the_same_text_is_shown_once(index: Index) -> None:
    clause = "Records are kept for six years. " + " " * 128
    assert len(clause) == 160
    index.put(new_document(clause + "First contract.", "a.txt"))
    index.put(new_document(clause + "Second contract.", "b.txt"))
    shown = [hit.text for hit in index.search("six years records", DEFAULT, 10).hits]
    assert sorted(shown) == sorted([clause + "First contract.", "Second contract."])


def test_passages_beside_each_other_are_one_hit(index: Index) -> None:
    first = "Records of every transfer are kept for six years. " + "x" * 110
    index.put(new_document(first + "After six years records are destroyed.", "a.txt"))
    (hit,) = index.search("records six years", DEFAULT, 10).hits
    assert len(hit.joined) == 1
    (document,) = index.documents(DEFAULT)
    page = index.page(document.id, hit.chunk.page, DEFAULT)
    assert hit.text == page.text[hit.start : hit.end]
    assert (hit.start, hit.end) == (0, len(page.text))


def test_the_document_that_a_question_names_comes_first(index: Index) -> None:
    said = "The effective tax rate was {} per cent."
    for firm, rate in (("Harrow", 21), ("Velmont", 24), ("Merrow", 19)):
        index.put(new_document(said.format(rate), f"{firm}_2023.txt", title=f"{firm} 2023"))
    for firm, rate in (("Velmont", "24"), ("Merrow", "19"), ("Harrow", "21")):
        hits = index.search(f"What was the effective tax rate of {firm} in 2023?", DEFAULT, 3).hits
        assert rate in hits[0].text
        assert hits[0].score > hits[1].score


def test_the_latest_of_the_documents_named_comes_first(index: Index) -> None:
    for quarter in ("Q1", "Q3", "Q2"):
        text = f"Sales were good. Report of {quarter}."
        index.put(new_document(text, f"Harrow_2023_{quarter}.txt", title=f"Harrow 2023 {quarter}"))
    hits = index.search("How were sales in Harrow's most recent report?", DEFAULT, 3).hits
    assert hits[0].document.source == "Harrow_2023_Q3.txt"


def test_dropped_candidates_do_not_shorten_the_list(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chroma lags behind 60 removals: all it proposes at first is gone."""
    _everything_in_chroma(monkeypatch)
    with small_index(home, view="chroma", candidates=10) as index:
        gone = [new_document(f"records kept six years, copy {n}", f"{n}.txt") for n in range(60)]
        index.put_many(gone)
        index.refresh()
        kept = [new_document(f"minutes of meeting {n}", f"minutes{n}.txt") for n in range(8)]
        index.put_many(kept)
        index.refresh()
        with index._catalogue.write() as connection:
            removing.remove(connection, "default", [each.source for each in gone])
        result = index.search("zzz", DEFAULT, 5)
    assert len(result.hits) == 5
    assert {hit.document.id for hit in result.hits} <= {each.id for each in kept}
    assert result.vectors_from == "chroma"


def test_many_threads_search_one_index_while_it_changes(home: Path) -> None:
    with small_index(home, view="chroma") as index:
        index.put_many([new_document(f"records number {n}", f"{n}.txt") for n in range(50)])
        scope = index.scope(LOCAL)

        def ask(number: int) -> int:
            if number % 5 == 0:
                index.remove("default", f"{number}.txt")
            return len(index.search(f"records number {number}", scope, 5).hits)

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ask, range(50))) == [5] * 50
        assert index.verify() == []


def test_a_full_disk_does_not_stop_searching(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_index(home) as index:
        index.put(new_document("records are kept", "a.txt"))

        def full(*_arguments: object) -> None:
            raise HomeFull(home)

        monkeypatch.setattr(index._views.lexical, "apply", full)
        hits = index.search("records", DEFAULT, 5).hits
        assert [(hit.document.source, hit.lexical) for hit in hits] == [("a.txt", None)]
        with pytest.raises(HomeFull):
            index.refresh()


def test_what_comes_while_a_question_is_asked_is_not_shown_before_its_day(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check asks what is in force in the state of the catalogue that it looks at."""
    with small_index(home) as index:
        index.put(new_document("records of the office", "a.txt"))
        coming = replace(
            new_document("records of the office, as of 2999", "b.txt"),
            declared=Declared(effective_from="2999-01-01"),
        )

        def late(*arguments: Any) -> Proposals:
            index.put(coming)
            index.refresh()
            return propose(*arguments)

        monkeypatch.setattr("index.search.propose", late)
        found = index.search("records of the office", Scope(frozenset({"default"})), 9)
        assert [hit.document.source for hit in found.hits] == ["a.txt"]
