"""Searching within named documents: what is found of them, and that naming widens nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from index import within
from index.document import Scope
from index.records import Declared, NewDocument, Vector
from index.store import Index
from tests.index.standins import HashEmbedder, new_document, small_index

DEFAULT = Scope(frozenset({"default"}))
BOTH = Scope(frozenset({"default", "other"}))
QUESTION = "records kept six years"


@pytest.fixture
def index(home: Path) -> Iterator[Index]:
    with small_index(home, candidates=10) as opened:
        opened.ensure_collection("other", frozenset({"board"}))
        yield opened


def _unlike(number: int) -> NewDocument:
    """A document far from the question whose third chunk alone has a word of it."""
    pages = [f"minutes of meeting {number} {word} ".ljust(160, "x") for word in "ab"]
    return new_document("".join(pages) + f"clause {number}: six boats", f"minutes{number}.txt")


def _sources(index: Index, named: set[str], scope: Scope = DEFAULT, **more: str) -> set[str]:
    found = index.search(QUESTION, scope, 50, documents=frozenset(named), **more)
    return {f"{hit.document.collection}/{hit.document.source}" for hit in found.hits}


def test_the_best_place_of_a_document_is_found_however_badly_it_ranks(index: Index) -> None:
    near = [new_document(f"{QUESTION} in branch {n}", f"{n}.txt") for n in range(40)]
    far = _unlike(7)
    index.put_many([*near, far])
    ordinary = index.search(QUESTION, DEFAULT, 10)
    assert far.id not in {hit.document.id for hit in ordinary.hits}
    narrowed = index.search(QUESTION, DEFAULT, 10, documents=frozenset({far.id}))
    assert "six boats" in narrowed.hits[0].text
    assert {hit.document.id for hit in narrowed.hits} == {far.id}
    # every chunk of it, each in a passage of its own or joined to one beside it
    shown = [chunk.id for hit in narrowed.hits for chunk in (hit.chunk, *hit.joined)]
    assert sorted(shown) == sorted(chunk.id for chunk in far.chunks)
    assert narrowed.vectors_from == "exact"


def test_naming_all_documents_finds_what_naming_none_does(index: Index) -> None:
    rng = random.Random(1)
    words = "records kept six years of every customer in branch and office".split()  # noqa: SIM905
    new = [new_document(" ".join(rng.choices(words, k=25)), f"{n}.txt") for n in range(5)]
    index.put_many(new)
    everything = index.search(QUESTION, DEFAULT, 5).hits
    assert index.search(QUESTION, DEFAULT, 5, documents=frozenset(n.id for n in new)).hits == (
        everything
    )


def test_what_may_not_be_searched_is_as_what_does_not_exist(index: Index) -> None:
    mine, theirs = (new_document(f"{QUESTION}: {who}", f"{who}.txt") for who in ("mine", "theirs"))
    draft = replace(
        new_document(f"{QUESTION}: draft", "draft.txt"),
        declared=Declared(effective_from="2999-01-01"),
    )
    index.put_many([mine, replace(theirs, collection="other"), draft])
    unknown = index.search(QUESTION, DEFAULT, 5, documents=frozenset({"0" * 64}))
    for forbidden in (theirs.id, draft.id, theirs.id[:8], "%", ""):
        asked = index.search(QUESTION, DEFAULT, 5, documents=frozenset({forbidden}))
        assert replace(asked, timings=unknown.timings) == unknown
        assert asked.timings.keys() == unknown.timings.keys()
    assert _sources(index, {mine.id, theirs.id, draft.id}) == {"default/mine.txt"}
    assert _sources(index, {draft.id}, day="2999-06-01") == {"default/draft.txt"}
    assert index.search(QUESTION, DEFAULT, 5, documents=frozenset()).hits == ()


def test_the_scope_decides_which_of_two_collections_a_document_is_searched_in(
    index: Index,
) -> None:
    same = new_document(QUESTION, "a.txt")
    index.put_many([same, replace(same, collection="other", source="b.txt")])
    assert _sources(index, {same.id}) == {"default/a.txt"}
    assert _sources(index, {same.id}, Scope(frozenset({"other"}))) == {"other/b.txt"}


def test_versions_are_asked_on_their_day(index: Index) -> None:
    old, new = (new_document(f"{QUESTION}, version {n}", "a.txt") for n in (1, 2))
    index.put(old)
    index.put(replace(new, declared=Declared(effective_from="2020-01-01")))
    both = {old.id, new.id}
    found = index.search(QUESTION, DEFAULT, 5, documents=frozenset(both))
    assert [hit.document.id for hit in found.hits] == [new.id]
    before = index.search(QUESTION, DEFAULT, 5, day="2019-06-01", documents=frozenset(both))
    assert [hit.document.id for hit in before.hits] == [old.id]


def test_very_many_chunks_are_measured_in_batches(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best of each signal in all batches is what becomes a candidate, and no more."""
    new = [_unlike(number) for number in range(30)]
    best = new_document("xxxx ".ljust(640, "x") + QUESTION, "long.txt")
    index.put_many([*new, best])
    named = frozenset(each.id for each in (*new, best))
    whole = index.search(QUESTION, DEFAULT, 3, documents=named)
    monkeypatch.setattr(within, "AT_ONCE", 4)
    monkeypatch.setattr(within, "EVERY", 12)
    kept: list[int] = []
    candidates = within.candidates

    def counted(*arguments: object) -> within.Rows:
        found = candidates(*arguments)  # type: ignore[arg-type]
        kept.append(len(found))
        return found

    monkeypatch.setattr(within, "candidates", counted)
    again = index.search(QUESTION, DEFAULT, 3, documents=named)
    assert [hit.chunk.id for hit in again.hits] == [hit.chunk.id for hit in whole.hits]
    assert QUESTION in again.hits[0].text
    assert 6 <= kept[0] <= 12


def test_a_question_is_embedded_however_few_documents_are_named(home: Path) -> None:
    class Counting(HashEmbedder):
        asked = 0

        def embed_query(self, text: str) -> Vector:
            self.asked += 1
            return super().embed_query(text)

    embedder = Counting()
    with small_index(home, embedder=embedder) as index:
        index.search(QUESTION, DEFAULT, 3, documents=frozenset({"0" * 64}))
        assert embedder.asked == 1  # what is unknown takes the time that what is known takes
