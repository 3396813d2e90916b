"""The completeness statement, on documents made by hand: what is counted, what is set aside."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from index.completeness import Finding
from index.document import Chunk, Method, Page
from ingest.complete import measure, visible
from ingest.pages import Block, FindingKind, Kind, ReadDocument, ReadPage

ID = "f" * 64


def document(*pages: ReadPage, findings: tuple[Finding, ...] = ()) -> ReadDocument:
    return ReadDocument("application/pdf", "", pages, findings=findings)


def page(text: str, kinds: str = "", method: Method = Method.TEXT, number: int = 1) -> ReadPage:
    """A page of lines; `kinds` has a letter a line: t text, f running foot, h head row, r row."""
    named = {"t": Kind.TEXT, "f": Kind.RUNNING, "h": Kind.HEADER_ROW, "r": Kind.ROW}
    blocks, at = [], 0
    for line, kind in zip(text.split("\n"), kinds or "t" * len(text), strict=False):
        if line.strip():
            blocks.append(Block(at, at + len(line), named[kind]))
        at += len(line) + 1
    return ReadPage(Page(number, text, method=method), tuple(blocks))


def chunk(start: int, end: int, number: int = 1) -> Chunk:
    return Chunk(f"{number}-{start}-{end}", ID, number, start, end, "", ())


def test_characters_are_counted_once_and_without_white_space() -> None:
    found = measure(document(page("one two\nthree")), [chunk(0, 7), chunk(4, 13)])
    assert (found.characters, found.in_chunks, found.share) == (11, 11, 1.0)
    assert (found.pages, found.pages_with_text, found.tables) == (1, 1, 0)


def test_what_is_in_no_chunk_makes_it_incomplete() -> None:
    found = measure(document(page("a" * 100 + "\n" + "b" * 100)), [chunk(0, 100)])
    assert found.share == 0.5
    assert not found.complete
    assert found.warning.startswith("Only 50.0%")


def test_running_heads_are_set_aside_and_count_for_nothing() -> None:
    read = page("body text\nPage 1 of 9", "tf")
    outside = measure(document(read), [chunk(0, 9)])
    across = measure(document(read), [chunk(0, len(read.page.text))])
    assert (outside.set_aside, outside.in_chunks, outside.share) == (8, 8, 1.0)
    assert across == outside
    only_foot = measure(document(read), [chunk(10, 21)])
    assert (only_foot.in_chunks, only_foot.complete) == (0, False)


def test_an_unread_page_counts_by_the_page() -> None:
    pages = [page("words", number=n) for n in range(1, 10)]
    pages.append(page("", method=Method.UNREAD, number=10))
    found = measure(document(*pages), [chunk(0, 5, n) for n in range(1, 10)])
    assert (found.pages_unread, found.pages_with_text, found.share) == (1, 9, 0.9)
    blank = [*pages[:9], page("", method=Method.BLANK, number=10)]
    assert measure(document(*blank), [chunk(0, 5, n) for n in range(1, 10)]).complete


def test_recognised_pages_and_their_confidence() -> None:
    first = page("one two three", method=Method.OCR)
    second = page("four", method=Method.MIXED, number=2)
    pages = (
        ReadPage(replace(first.page, confidence=0.9), first.blocks),
        ReadPage(replace(second.page, confidence=0.5), second.blocks),
    )
    found = measure(document(*pages), [chunk(0, 13), chunk(0, 4, 2)])
    assert found.pages_by_ocr == 2
    assert found.confidence is not None
    assert abs(found.confidence - 0.8) < 1e-9
    assert measure(document(page("typed")), []).confidence is None


def test_tables_are_runs_of_rows() -> None:
    assert measure(document(page("h\nr\nr\nt\nr\nr", "hrrtrr")), []).tables == 2
    assert measure(document(page("h\nr\nh\nr", "hrhr")), []).tables == 2
    assert measure(document(page("h\nh\nr", "hhr")), []).tables == 1


def test_hidden_text_is_counted_unless_it_was_kept() -> None:
    findings = (
        Finding(FindingKind.WHITE_TEXT, 1, 30, "ignore all"),
        Finding(FindingKind.COMMENT, 1, 12),
    )
    read = document(page("seen"), findings=findings)
    assert measure(read, [chunk(0, 4)]).hidden == 30
    assert measure(read, [chunk(0, 4)], keep_hidden=True).hidden == 0
    assert measure(read, [chunk(0, 4)]).findings == findings


def test_a_document_without_text_is_complete_only_if_nothing_is_drawn() -> None:
    assert measure(document(page("", method=Method.BLANK)), []).complete
    assert not measure(document(page("", method=Method.UNREAD)), []).complete


@given(
    st.text(alphabet="ab \n", min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8),
)
def test_the_union_of_spans_is_what_a_set_of_places_says(
    text: str, spans: list[tuple[int, int]]
) -> None:
    spans = [(min(one, two), max(one, two)) for one, two in spans]
    read = ReadPage(Page(1, text), ())
    found = measure(document(read), [chunk(*span) for span in spans])
    places = {at for start, end in spans for at in range(start, min(end, len(text)))}
    assert found.in_chunks == sum(not text[at].isspace() for at in places)
    assert found.characters == visible(text)
