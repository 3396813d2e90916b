"""Shaping: neighbours joined, the same text once, a share for each document."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from index.document import Chunk, Document, Hit
from index.shaping import (
    DISTINCTIVE,
    GAP,
    LONGEST,
    REACH,
    Candidate,
    Shaped,
    TextOf,
    cap,
    normalised,
    shape,
)

Pages = dict[tuple[str, str, int], str]


def document(name: str, version: int = 1, collection: str = "c", source: str = "") -> Document:
    return Document(name, collection, source or f"{name}.pdf", name, "application/pdf", version)


def candidate(
    owner: Document,
    page: int,
    start: int,
    text: str,
    score: float = 0.5,
    headings: tuple[str, ...] = (),
) -> Candidate:
    name = f"{owner.id}:{page}:{start}:{start + len(text)}"
    chunk = Chunk(name, owner.id, page, start, start + len(text), text, headings)
    return Candidate(chunk, owner, score, score, None)


def one_of(owner: Document, number: int, score: float = 0.5) -> Candidate:
    """A passage that touches no other, on a page of its own."""
    return candidate(owner, number, 0, f"Passage {number} of {owner.id} says so.", score)


def no_text(_document: Document, _page: int, _start: int, _end: int) -> str:
    raise AssertionError("nothing is joined, so no page is asked for")


def chunks(found: Shaped) -> list[str]:
    return [hit.chunk.id for hit in found.hits]


# Neighbours


PAGE = "First part of it. Second part of it. Third part, further down.\n\nAn end."


def cut(*spans: tuple[int, int]) -> list[Candidate]:
    return [candidate(document("d"), 1, start, PAGE[start:end]) for start, end in spans]


def on_page(_document: Document, _page: int, start: int, end: int) -> str:
    return PAGE[start:end]


def test_chunks_that_touch_become_one_hit_at_the_place_of_the_best() -> None:
    second, far, first = cut((18, 36), (64, 71), (0, 17))
    found = shape([second, far, first], 3, on_page)
    assert chunks(found) == [second.chunk.id, far.chunk.id]
    best = found.hits[0]
    assert best.joined == (first.chunk,)
    assert (best.start, best.end) == (0, 36)
    assert best.text == "First part of it. Second part of it."
    assert found.merged == 1


def test_chunks_that_share_a_sentence_become_one_hit() -> None:
    found = shape(cut((0, 36), (18, 62)), 3, on_page)
    assert [hit.text for hit in found.hits] == [PAGE[:62]]


def test_a_chunk_between_two_hits_makes_them_one() -> None:
    first, third, second = cut((0, 17), (37, 62), (18, 36))
    found = shape([first, third, second], 5, on_page)
    assert chunks(found) == [first.chunk.id]
    assert found.hits[0].joined == (second.chunk, third.chunk)
    assert found.hits[0].text == PAGE[:62]
    assert found.merged == 2


def test_what_stands_between_two_chunks_keeps_them_apart() -> None:
    apart = candidate(document("d"), 1, 0, PAGE[:17]), candidate(document("d"), 1, 37, PAGE[37:62])
    assert len(shape(apart, 5, no_text).hits) == 2


@pytest.mark.parametrize("other", [document("e"), document("d", collection="other")])
def test_only_chunks_of_one_page_are_joined(other: Document) -> None:
    one = candidate(document("d"), 1, 0, "a" * 10)
    beside = [candidate(document("d"), 2, 10, "b" * 10), candidate(other, 1, 10, "c" * 10)]
    assert len(shape([one, *beside], 5, no_text).hits) == 3


def test_a_passage_grows_to_its_limit_and_no_further() -> None:
    page = "".join(f"{number:04d} " * 160 for number in range(6))  # 800 characters each
    pieces = [
        candidate(document("d"), 1, at, page[at : at + 800].rstrip())
        for at in range(0, len(page), 800)
    ]
    found = shape(pieces, 6, lambda _d, _p, start, end: page[start:end])
    assert [(hit.start, hit.end) for hit in found.hits] == [(0, 2_399), (2_400, 4_799)]
    assert all(len(hit.text) <= LONGEST for hit in found.hits)


def test_a_longer_chunk_stands_alone_and_takes_what_lies_within_it() -> None:
    page = "x" * (LONGEST + 500)
    whole = candidate(document("d"), 1, 0, page)
    within = candidate(document("d"), 1, 100, page[100:300])
    found = shape([within, whole], 5, lambda _d, _p, start, end: page[start:end])
    assert [(hit.chunk.id, hit.text) for hit in found.hits] == [(within.chunk.id, page)]


def test_a_chunk_that_ranks_too_low_to_be_a_hit_is_not_joined() -> None:
    first, far, second = cut((0, 17), (64, 71), (18, 36))
    found = shape([first, far, second], 2, no_text)
    assert chunks(found) == [first.chunk.id, far.chunk.id]
    assert found.merged == 0


# The same text


CLAUSE = "The lessee shall return the vehicle clean and with a full tank, at the place of delivery."


def test_the_same_text_counts_once() -> None:
    first = candidate(document("a"), 1, 0, CLAUSE)
    copy = candidate(document("b"), 9, 40, CLAUSE.upper().replace(" ", "\n  "), 0.4)
    other = candidate(document("b"), 3, 0, "Something else.", 0.3)
    found = shape([first, copy, other], 2, no_text)
    assert chunks(found) == [first.chunk.id, other.chunk.id]
    assert found.repeated == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Net sales were $82,959 million.", "Net sales were $82,989 million."),
        ("Other income | (334)", "Other income | 334"),
        ("Growth: -5 %", "Growth: 5 %"),
        ("Price: 1.000", "Price: 1,000"),
        ("Up to 10² Pa", "Up to 102 Pa"),
    ],
)
def test_texts_that_differ_in_a_digit_or_sign_are_two(one: str, other: str) -> None:
    padding = " " + "As stated in the condensed consolidated statements of this quarter. " * 2
    for more in ("", padding):
        pair = [
            candidate(document("a"), 1, 0, one + more),
            candidate(document("b"), 1, 0, other + more),
        ]
        assert len(shape(pair, 2, no_text).hits) == 2


def test_a_short_text_is_the_same_only_below_the_same_heading() -> None:
    row = "Total | 5"
    assert len(row) < DISTINCTIVE
    under = [
        candidate(document(name), 1, 0, row, headings=(heading,))
        for name, heading in [("a", "Leases"), ("b", "Taxes"), ("c", "LEASES")]
    ]
    found = shape(under, 3, no_text)
    assert chunks(found) == [under[0].chunk.id, under[1].chunk.id]


def test_of_equal_copies_the_newest_version_then_the_first_source_is_kept() -> None:
    old, new = document("a", 1, source="x"), document("b", 2, source="x")
    both = [candidate(old, 1, 0, CLAUSE), candidate(new, 1, 0, CLAUSE)]
    assert shape(both, 2, no_text).hits[0].document is new
    late, early = document("a", source="z"), document("b", source="y")
    both = [candidate(late, 1, 0, CLAUSE), candidate(early, 1, 0, CLAUSE)]
    assert shape(both, 2, no_text).hits[0].document is early
    better = [candidate(late, 1, 0, CLAUSE, 0.9), candidate(early, 1, 0, CLAUSE, 0.8)]
    assert shape(better, 2, no_text).hits[0].document is late


def test_what_the_document_in_question_says_is_kept_at_the_place_of_its_best_copy() -> None:
    copy = candidate(document("a"), 1, 0, CLAUSE, 0.9)
    other = candidate(document("a"), 2, 0, "Something else.", 0.8)
    asked = candidate(document("b"), 7, 0, CLAUSE, 0.1)
    found = shape([copy, other, asked], 3, no_text, frozenset({"b"}))
    assert chunks(found) == [asked.chunk.id, other.chunk.id]
    assert found.repeated == 1


def test_two_documents_in_question_may_say_the_same() -> None:
    copies = [candidate(document(name), 1, 0, CLAUSE) for name in ("a", "b", "c")]
    found = shape(copies, 3, no_text, frozenset({"a", "b"}))
    assert [hit.document.id for hit in found.hits] == ["a", "b"]
    assert found.repeated == 1


@given(st.text())
def test_normalising_twice_is_normalising_once_of_white_space(text: str) -> None:
    once = normalised(text)
    assert once == " ".join(once.split())
    assert [c for c in once if c.isdigit()] == [c for c in text.casefold() if c.isdigit()]


# A share for each document


def long_and_others(others: int) -> list[Candidate]:
    """Fifteen of one document, then one of each of the others, all within reach."""
    long = [one_of(document("long"), number) for number in range(15)]
    return long + [one_of(document(f"o{number}"), number, 0.4) for number in range(others)]


def names(found: Shaped) -> list[str]:
    return [hit.document.id for hit in found.hits]


@pytest.mark.parametrize(("k", "most"), [(1, 3), (5, 3), (6, 3), (7, 4), (10, 5), (20, 10)])
def test_the_cap_is_half_of_the_list_and_three_at_least(k: int, most: int) -> None:
    assert cap(k) == most


def test_beyond_its_share_a_document_stands_behind_the_others() -> None:
    found = shape(long_and_others(3), 10, no_text)
    assert names(found) == ["long"] * 5 + ["o0", "o1", "o2"] + ["long"] * 2
    assert [hit.rank for hit in found.hits] == list(range(1, 11))
    assert found.deferred == 5
    numbers = [hit.chunk.page for hit in found.hits if hit.document.id == "long"]
    assert numbers == sorted(numbers)


def test_a_question_about_the_document_lifts_the_cap() -> None:
    found = shape(long_and_others(3), 10, no_text, frozenset({"long"}))
    assert names(found) == ["long"] * 10
    assert found.deferred == 0


def test_alone_a_document_has_the_whole_list() -> None:
    found = shape([one_of(document("long"), number) for number in range(15)], 10, no_text)
    assert [hit.chunk.page for hit in found.hits] == list(range(10))
    assert found.deferred == 0


def test_others_are_not_fetched_from_any_depth() -> None:
    deep = [one_of(document("long"), number) for number in range(REACH * 4)]
    found = shape([*deep, one_of(document("o"), 1, 0.01)], 4, no_text)
    assert names(found) == ["long"] * 4


def test_what_was_skipped_fills_the_list_when_joining_makes_room() -> None:
    owner, other = document("long"), document("o")
    own = [candidate(owner, number, 0, f"Point {number}") for number in range(4)]
    ends = [candidate(other, 1, 0, PAGE[:17]), candidate(other, 1, 37, PAGE[37:62])]
    late = [one_of(owner, number) for number in range(20, 24)]
    between = candidate(other, 1, 18, PAGE[18:36])
    found = shape([*own, *ends, late[0], between, *late[1:]], 6, on_page)
    assert len(found.hits) == 6
    assert names(found) == ["long"] * 3 + ["o"] + ["long"] * 2
    assert found.hits[-1].chunk.id == late[0].chunk.id


def test_nothing_comes_of_nothing() -> None:
    assert shape([], 5, no_text) == Shaped(())
    assert shape(long_and_others(1), 0, no_text) == Shaped(())


# Whatever comes


@st.composite
def corpora(draw: st.DrawFn) -> tuple[Pages, list[Candidate]]:
    """Pages cut into pieces that touch, overlap or leave room, some of them copies of others, and
    a ranking of the pieces."""
    pages: Pages = {}
    found: list[Candidate] = []
    for name in draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True)):
        owner = document(name)
        for number in range(1, draw(st.integers(1, 3)) + 1):
            words = draw(st.integers(0, 5))  # pages of one number have one text: copies
            text = " ".join(f"w{words}{at}" * (at % 7 + 1) for at in range(700))
            pages[owner.collection, name, number] = text
            at = 0
            for _ in range(draw(st.integers(1, 6))):
                at = max(0, at + draw(st.integers(-40, 12)))
                size = draw(st.sampled_from([30, 200, 900, 2_600]))
                piece = text[at : at + size]
                score = draw(st.sampled_from([0.2, 0.5, 0.9]))
                if not any(each.chunk.id == f"{name}:{number}:{at}:{at + size}" for each in found):
                    found.append(candidate(owner, number, at, piece, score))
                at += size
    order = draw(st.permutations(found))
    return pages, sorted(order, key=lambda each: -each.score)


def reader(pages: Pages) -> TextOf:
    def text_of(owner: Document, page: int, start: int, end: int) -> str:
        return pages[owner.collection, owner.id, page][start:end]

    return text_of


def same_page(one: Hit, other: Hit) -> bool:
    return (one.document.id, one.chunk.page) == (other.document.id, other.chunk.page)


def said(each: Candidate) -> str:
    return normalised(each.chunk.text)


@settings(max_examples=60, deadline=None)
@given(corpora(), st.integers(1, 12), st.sets(st.sampled_from("abcd"), max_size=2))
def test_invariants(corpus: tuple[Pages, list[Candidate]], k: int, about: set[str]) -> None:
    pages, candidates = corpus
    text_of = reader(pages)
    found = shape(candidates, k, text_of, frozenset(about))
    assert found == shape(candidates, k, text_of, frozenset(about))

    assert [hit.rank for hit in found.hits] == list(range(1, len(found.hits) + 1))
    assert len(found.hits) <= k
    place = {each.chunk.id: index for index, each in enumerate(candidates)}
    for hit in found.hits:
        assert hit.text == text_of(hit.document, hit.chunk.page, hit.start, hit.end)
        parts = sorted((each.start, each.end) for each in (hit.chunk, *hit.joined))
        reached = parts[0][1]
        for start, end in parts[1:]:
            assert start <= reached + GAP
            reached = max(reached, end)
        assert len(hit.text) <= max(LONGEST, *(end - start for start, end in parts))
        assert {hit.document.id} == {each.document_id for each in (hit.chunk, *hit.joined)}

    # Each chunk is in one hit, and each text is said once by all documents out of focus together.
    shown = [each.id for hit in found.hits for each in (hit.chunk, *hit.joined)]
    assert len(shown) == len(set(shown))
    texts = [said(candidates[place[name]]) for name in shown]
    if not about:
        assert len(texts) == len(set(texts))

    # Passages of a page that could be one are one.
    for one, other in combinations(found.hits, 2):
        if same_page(one, other):
            apart = max(one.start, other.start) - min(one.end, other.end)
            length = max(one.end, other.end) - min(one.start, other.start)
            longest = max(one.end - one.start, other.end - other.start)
            assert apart > GAP or length > max(LONGEST, longest)

    # A list that is not full has left out nothing but repetitions.
    if len(found.hits) < k:
        assert {said(each) for each in candidates} == set(texts)

    # Hits are in the order of their best chunks, those beyond a document's share at the end.
    if not about:
        first = {said(each): index for index, each in reversed(list(enumerate(candidates)))}
        ranked = sorted(found.hits, key=lambda hit: first[normalised(hit.chunk.text)])
        seen: Counter[str] = Counter()
        ahead: list[Hit] = []
        behind: list[Hit] = []
        for hit in ranked:
            seen[hit.document.id] += 1
            (ahead if seen[hit.document.id] <= cap(k) else behind).append(hit)
        assert list(found.hits) == ahead + behind
        # Not where the other documents only say what this one says: then it is alone.
        if len({hit.document.id for hit in found.hits}) > 1:
            assert found.deferred >= len(behind)


@settings(max_examples=100, deadline=None)
@given(corpora(), st.integers(1, 12))
def test_shaping_what_is_shaped_changes_nothing(
    corpus: tuple[Pages, list[Candidate]], k: int
) -> None:
    """Where no passage comes near the longest: there, what joins first decides what still fits."""
    pages, candidates = corpus
    assume(all(2 * len(each.chunk.text) < LONGEST for each in candidates))
    text_of = reader(pages)
    first = shape(candidates, k, text_of)
    assume(all(len(hit.text) < LONGEST / 2 for hit in first.hits))
    by_id = {each.chunk.id: each for each in candidates}
    again = [
        by_id[each.id]
        for hit in first.hits
        for each in (hit.chunk, *sorted(hit.joined, key=lambda one: _away(hit.chunk, one)))
    ]
    second = shape(again, k, text_of)
    assert [(hit.start, hit.end, hit.text) for hit in second.hits] == [
        (hit.start, hit.end, hit.text) for hit in first.hits
    ]


def _away(best: Chunk, other: Chunk) -> int:
    """How far a chunk is from the best of its passage: in this order each touches the last."""
    return max(other.start - best.end, best.start - other.end)
