"""Chunks are exact spans of one page, leave nothing out, and fit the embedder's window."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from index.context import searchable_text
from index.document import Chunk, Page
from ingest.chunk import Cut, Window, chunk_id, cut, cut_all
from ingest.pages import Kind, Piece, ReadPage, clean, lay_out, paragraphs
from tests.index.standins import HashEmbedder

WINDOW = Window(limit=120, target=60)
count = HashEmbedder().token_counts

words = st.lists(
    st.sampled_from(
        ["six", "years", "The", "records", "2024", "a" * 30, "GDPR;", "end.", "Art.", "\n"]
    ),
    max_size=120,
).map(" ".join)
pieces = st.builds(
    Piece,
    st.one_of(words, st.text(max_size=200), st.text("ab", min_size=200, max_size=400)),
    st.sampled_from(Kind),
    st.integers(1, 4),
)
documents = st.lists(st.lists(pieces, max_size=8), min_size=1, max_size=4).map(
    lambda pages: lay_out(pages, [""] * len(pages))
)


def chunks_of(pages: Sequence[ReadPage], title: str = "", whole: bool = False) -> tuple[Chunk, ...]:
    return cut_all([Cut("d" * 64, title, pages, whole)], count, WINDOW)[0]


@settings(max_examples=150, deadline=None)
@given(documents, st.text(max_size=60).map(clean))
def test_spans_are_exact_and_nothing_is_left_out(pages: tuple[ReadPage, ...], title: str) -> None:
    found = chunks_of(pages, title)
    assert len({chunk.id for chunk in found}) == len(found)
    for read in pages:
        text = read.page.text
        covered = [False] * len(text)
        running = [block for block in read.blocks if block.kind is Kind.RUNNING]
        for chunk in (one for one in found if one.page == read.page.number):
            assert text[chunk.start : chunk.end] == chunk.text
            assert chunk.text == chunk.text.strip() != ""
            covered[chunk.start : chunk.end] = [True] * (chunk.end - chunk.start)
        for block in running:
            assert not any(covered[block.start : block.end])
            covered[block.start : block.end] = [True] * (block.end - block.start)
        assert not "".join(c for c, seen in zip(text, covered, strict=True) if not seen).strip()


@settings(max_examples=150, deadline=None)
@given(documents, st.text("ab ", max_size=40))
def test_title_headings_and_text_fit_the_window(pages: tuple[ReadPage, ...], title: str) -> None:
    for chunk in chunks_of(pages, title):
        whole, text = count([searchable_text(title, chunk), chunk.text])
        too_long_a_context = whole - text > WINDOW.limit - 34  # then text has its least share
        assert whole <= WINDOW.limit or too_long_a_context


@settings(max_examples=50, deadline=None)
@given(documents)
def test_cutting_twice_gives_the_same(pages: tuple[ReadPage, ...]) -> None:
    assert chunks_of(pages) == chunks_of(pages)


def one_page(*parts: Piece) -> tuple[ReadPage, ...]:
    return lay_out([parts], [""])


def test_no_row_is_cut() -> None:
    rows = [Piece("Kind | Period | Basis", Kind.HEADER_ROW)]
    rows += [Piece(f"Kind {n} | {n} years | section {n} of the act", Kind.ROW) for n in range(40)]
    pages = one_page(Piece("Periods", Kind.HEADING, 1), *rows)
    found = chunks_of(pages)
    assert len(found) > 3
    lines = pages[0].page.text.split("\n")
    for chunk in found:
        assert set(chunk.text.split("\n")) <= set(lines)
    for chunk in found[1:]:
        assert chunk.heading_path == ("Periods", "Kind | Period | Basis")


def test_a_heading_opens_a_chunk_and_goes_with_its_text() -> None:
    body = "Records are kept for six years after the end of the contract. " * 5
    pages = one_page(
        Piece("One", Kind.HEADING, 1), Piece(body), Piece("Two", Kind.HEADING, 2), Piece(body)
    )
    found = chunks_of(pages)
    starts = [chunk for chunk in found if chunk.text.startswith(("One", "Two"))]
    assert [chunk.text.split("\n")[0] for chunk in starts] == ["One", "Two"]
    assert all("Records" in chunk.text for chunk in starts)
    assert starts[1].heading_path == ("One", "Two")


def test_a_chunk_under_two_headings_stands_under_the_one_with_more_text() -> None:
    pages = one_page(
        Piece("Running head"), Piece("Scope", Kind.HEADING, 1), Piece("All of the staff, always.")
    )
    (chunk,) = chunks_of(pages)
    assert chunk.heading_path == ("Scope",)


def test_headings_hold_on_the_next_page() -> None:
    pages = lay_out(
        [[Piece("Retention", Kind.HEADING, 1), Piece("First.")], [Piece("It is six years.")]],
        ["", ""],
    )
    assert chunks_of(pages)[-1].heading_path == ("Retention",)
    assert chunks_of(pages)[-1].page == 2


def test_a_record_that_fits_is_one_chunk() -> None:
    text = "1. INTRODUCTION\n\nA sentence. Another one.\n\n(a) an item;\n(b) another."
    pages = (ReadPage(Page(1, text), paragraphs(text)),)
    (chunk,) = chunks_of(pages, "Rules", whole=True)
    assert chunk.text == text


def test_a_record_that_does_not_fit_is_cut() -> None:
    text = " ".join(f"Sentence number {n} says little." for n in range(60))
    found = chunks_of((ReadPage(Page(1, text), paragraphs(text)),), whole=True)
    assert len(found) > 3
    assert found[0].text.endswith(".")


def test_neighbours_share_at_most_one_sentence() -> None:
    text = " ".join(f"Sentence number {n} says a little more than nothing." for n in range(40))
    found = cut(Cut("d" * 64, "", (ReadPage(Page(1, text), paragraphs(text)),)), count, WINDOW)
    for before, after in pairwise(found):
        shared = text[after.start : before.end]
        assert before.start < after.start
        assert shared.count(".") <= 1


def test_an_id_depends_on_document_page_and_span() -> None:
    ids = {
        chunk_id("a", 1, 0, 5), chunk_id("b", 1, 0, 5), chunk_id("a", 2, 0, 5),
        chunk_id("a", 1, 1, 5), chunk_id("a", 1, 0, 6),
    }  # fmt: skip
    assert len(ids) == 5
    assert all(len(each) == 32 for each in ids)
