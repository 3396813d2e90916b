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


@settings(max_examples=60, deadline=None)
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


@settings(max_examples=60, deadline=None)
@given(documents, st.text("ab ", max_size=40))
def test_title_headings_and_text_fit_the_window(pages: tuple[ReadPage, ...], title: str) -> None:
    for chunk in chunks_of(pages, title):
        whole, text, named = count([searchable_text(title, chunk), chunk.text, title])
        too_long_a_title = named > WINDOW.limit - 46  # then text has three quarters of its target
        alone = text > WINDOW.limit - named  # a row that is longer than the window
        assert whole <= WINDOW.limit or too_long_a_title or (alone and not chunk.heading_path)


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


def rows_of(found: Sequence[Chunk]) -> list[str]:
    return [line for chunk in found for line in chunk.text.split("\n")]


HEAD = "STATEMENTS OF INCOME\n(In millions)\nThree Months Ended\n2023 2022"
FLAT = "STATEMENTS OF INCOME (In millions) Three Months Ended 2023 2022"


def test_a_long_table_repeats_its_head_and_the_section_that_a_row_is_in() -> None:
    rows = [Piece(HEAD, Kind.HEADER_ROW), Piece("Operating expenses:", Kind.ROW)]
    rows += [Piece(f"Cost of kind {n} 1,{n}00 2,{n}00", Kind.ROW) for n in range(20)]
    found = chunks_of(one_page(Piece("Income", Kind.HEADING, 1), *rows))
    assert len(found) > 2
    assert "2023 2022\n\nOperating" in found[0].text or "2023 2022\nOperating" in found[0].text
    for chunk in found[1:]:
        assert chunk.heading_path == ("Income", FLAT, "Operating expenses:")


def test_the_sentence_that_leads_to_a_table_goes_with_its_rows() -> None:
    rows = [Piece("2023 2022", Kind.HEADER_ROW)]
    rows += [Piece(f"Cost of kind {n} 1,{n}00 2,{n}00", Kind.ROW) for n in range(20)]
    lead = Piece("Nothing to say. Costs were as follows (in millions):")
    found = chunks_of(one_page(lead, *rows))
    assert found[-1].heading_path == ("Costs were as follows (in millions): 2023 2022",)
    apart = chunks_of(one_page(lead, Piece("A sentence comes between."), *rows))
    assert apart[-1].heading_path == ("2023 2022",)


def test_a_table_that_goes_on_at_the_next_page_keeps_its_head() -> None:
    pages = lay_out(
        [
            [Piece(HEAD, Kind.HEADER_ROW), Piece("Rent 1 2", Kind.ROW), Piece("7", Kind.RUNNING)],
            [Piece("8", Kind.RUNNING), Piece("Heat 3 4", Kind.ROW)],
            [Piece("A paragraph."), Piece("Light 5 6", Kind.ROW)],
        ],
        [""] * 3,
    )
    assert [chunk.heading_path for chunk in chunks_of(pages)] == [(), (FLAT,), ()]


def test_a_table_with_other_cells_at_the_next_page_is_another() -> None:
    pages = lay_out(
        [
            [Piece("Kind | Period", Kind.HEADER_ROW), Piece("File | six years", Kind.ROW)],
            [Piece("Ann | Bo | Cy", Kind.ROW)],
            [Piece("Kind | Period", Kind.HEADER_ROW)],
            [Piece("Call | two years", Kind.ROW)],
        ],
        [""] * 4,
    )
    paths = [chunk.heading_path for chunk in chunks_of(pages)]
    assert paths == [(), (), (), ("Kind | Period",)]


def test_a_row_longer_than_the_window_stays_whole_and_a_document_in_a_row_is_cut() -> None:
    long = " | ".join(f"cell {n} of many words" for n in range(60))
    (chunk,) = chunks_of(one_page(Piece(long, Kind.ROW)))
    assert chunk.text == long
    assert count([chunk.text])[0] > WINDOW.limit
    huge = " | ".join(f"cell {n} of many words" for n in range(600))
    found = chunks_of(one_page(Piece(huge, Kind.ROW)))
    assert max(count([chunk.text for chunk in found])) <= WINDOW.limit
    cells = {cell for chunk in found for cell in chunk.text.removesuffix(" |").split(" | ")}
    assert cells == set(huge.split(" | "))


def test_rows_win_over_a_head_that_leaves_no_room() -> None:
    head = "\n".join(["TITLE " * 30, "Units " * 20, "2023 2022"])
    rows = [Piece(f"Cost of kind {n} 1,{n}00 2,{n}00", Kind.ROW) for n in range(30)]
    found = chunks_of(one_page(Piece(head, Kind.HEADER_ROW), *rows), "T")
    later = [chunk for chunk in found if chunk.text.startswith("Cost")]
    for chunk in later:
        assert count([searchable_text("T", chunk)])[0] <= WINDOW.limit
        assert chunk.heading_path[0].endswith("2023 2022")  # the columns' heads are the last to go
    assert all("\n" in chunk.text for chunk in later[:-1])  # several rows in each, all the same
    wide = [Piece(" ".join(f"word{n}" for n in range(110)), Kind.ROW)]
    (_, full) = chunks_of(one_page(Piece(head, Kind.HEADER_ROW), *wide))
    assert full.text == wide[0].text
    assert count([searchable_text("", full)])[0] <= WINDOW.limit


def test_a_head_does_not_stay_behind_its_rows() -> None:
    body = Piece(" ".join(f"Sentence number {n} says little." for n in range(9)))
    pages = one_page(body, Piece("Kind | Period", Kind.HEADER_ROW), *[
        Piece(f"Kind {n} | {n} years after the end of it | section {n}", Kind.ROW) for n in range(9)
    ])  # fmt: skip
    (held,) = [chunk for chunk in chunks_of(pages) if "Kind | Period" in chunk.text]
    assert "Kind 0 |" in held.text


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
