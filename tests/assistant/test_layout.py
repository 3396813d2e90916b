from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant import asked, evidence, packing, quotes, tables
from assistant.evidence import Ranking
from assistant.layout import Unit, lay_out
from assistant.sentences import Kind
from index.document import Box, Chunk, Hit, Page
from tests.assistant.pipeline_standins import document
from tests.index.standins import HashEmbedder

LINE = 12.0  # points from one line to the next
GLYPH = 5.0  # points that a character takes


def drawn(*lines: list[tuple[float, str]], top: float = 100.0) -> Page:
    """A page of lines, each given as (left, words) pieces; the boxes are those of the words."""
    text, boxes = "", []
    for number, pieces in enumerate(lines):
        for left, words in pieces:
            for word in words.split():
                if text and not text.endswith("\n"):
                    text += " "
                start, width = len(text), GLYPH * len(word)
                text += word
                above = top + LINE * number
                boxes.append(Box(start, len(text), left, above, left + width, above + 10))
                left += width + 3
        text += "\n"
    return Page(1, text.rstrip("\n"), "1", 595, 842, tuple(boxes))


TABLE = drawn(
    [(70, "Periods are shown in the table. They count from closing.")],
    [(70, "Record"), (200, "Period"), (320, "Owner")],
    [(70, "Due diligence"), (200, "six"), (320, "Onboarding")],
    [(200, "years")],
    [(70, "Call"), (200, "24 months"), (320, "Contact")],
    [(320, "Centre")],
    [(70, "Files may be extended by the owner if there is a good reason for it.")],
)


def test_a_drawn_table_is_found_by_where_its_words_stand() -> None:
    (table,) = tables.find(TABLE)
    assert table.header is not None
    assert table.header.cells == ("Record", "Period", "Owner")
    assert [row.cells for row in table.rows[1:]] == [
        ("Due diligence", "six years", "Onboarding"),
        ("Call", "24 months", "Contact Centre"),
    ]
    for row in table.rows:
        for cell in row.cells:
            for word in cell.split():
                assert word in TABLE.text[row.start : row.end]


def test_rows_are_shown_under_their_header_and_text_around_stays_text() -> None:
    units = lay_out(TABLE)
    rows = [unit for unit in units if unit.kind is Kind.ROW and not unit.aside]
    assert rows[0].shown == "Record: Due diligence; Period: six years; Owner: Onboarding"
    assert rows[0].plain == "Due diligence | six years | Onboarding"
    assert units[-1].text.startswith("Files may be extended")
    assert units[-1].kind is Kind.SENTENCE


def test_a_list_of_two_columns_has_no_header() -> None:
    page = drawn(
        [(70, "Document"), (200, "SOP-012")],
        [(70, "Version"), (200, "3.0")],
        [(70, "Owner"), (200, "Ada Lind")],
    )
    assert [unit.shown for unit in lay_out(page)] == [
        "Document: SOP-012", "Version: 3.0", "Owner: Ada Lind",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "page",
    [
        drawn([(70, "4.1"), (100, "Either party may leave at any")], [(100, "time it likes to.")]),
        drawn([(70, "A paragraph of ordinary text that")], [(70, "goes on for two lines.")]),
        Page(1, "no boxes   at all\n1   2"),
        Page(1, ""),
    ],
)
def test_running_text_is_no_table(page: Page) -> None:
    assert tables.find(page) == ()


def test_what_is_printed_in_the_margins_is_never_quoted() -> None:
    body = drawn([(70, "Records are kept for six years.")])
    moved = tuple(
        Box(box.start + 9, box.end + 9, box.left, box.top, box.right, box.bottom)
        for box in body.boxes
    )
    page = Page(1, "Page 1/9\n" + body.text, "", 595, 842, (Box(0, 8, 70, 20, 110, 30), *moved))
    units = lay_out(page)
    assert [unit.text for unit in units if unit.aside] == ["Page 1/9"]
    assert [unit.text for unit in units if not unit.aside] == [body.text]


MARKED = """## 5 How long

The periods are:

Data | How long
--- | ---
calls | 24 months
files | six years

They count from closing. It is not shorter for copies.
Exceptions:
- none for banks
- two for clinics"""


def shown_for(question: str, text: str = MARKED) -> list[str]:
    embedder = HashEmbedder(64)
    about = document("a.md", "Rules", text)
    hit = Hit(Chunk("c", about.id, 1, 0, len(text), text), about, 1, 1.0, 0.5, 1.0)
    pages = {(about.id, 1): Page(1, text)}
    layouts = {place: lay_out(page) for place, page in pages.items()}
    read = asked.read(question)
    found = evidence.candidates([hit], pages, layouts)
    vectors = embedder.embed_passages([each.embedded for each in found])
    ranked = evidence.rank(read, found, [hit], embedder.embed_query(question), vectors)
    made = quotes.build([Ranking(read, ranked)], layouts)
    for each in made:
        given = " ".join(text[span.start : span.end] for span in each.spans)
        assert all(word.strip(":;") in given for word in each.text.split())
    return [each.text for each in made]


def test_a_row_is_quoted_with_its_header() -> None:
    assert shown_for("How long are calls kept?") == ["Data: calls; How long: 24 months"]


def test_a_sentence_that_leans_on_the_one_before_brings_it() -> None:
    (text,) = shown_for("Is it shorter for copies?")
    assert text == "They count from closing. It is not shorter for copies."


def test_an_item_brings_the_line_that_leads_its_list_in() -> None:
    assert shown_for("Which exceptions for clinics?")[0] == "Exceptions: - two for clinics"


def test_superseded_pages_and_lists_of_changes_come_last() -> None:
    old = "SUPERSEDED on 1 May 2025.\n\nVisitor logs are kept for 30 days."
    new = "Visitor logs are kept for 90 days by the facilities team of the company."
    embedder = HashEmbedder(64)
    docs = [document("old.md", "Rules", old), document("new.md", "Rules", new)]
    texts = [old, new]
    hits = [
        Hit(Chunk(f"c{n}", d.id, 1, 0, len(t), t), d, n, 1.0, 0.5, 1.0)
        for n, (d, t) in enumerate(zip(docs, texts, strict=True), start=1)
    ]
    pages = {(d.id, 1): Page(1, t) for d, t in zip(docs, texts, strict=True)}
    layouts = {place: lay_out(page) for place, page in pages.items()}
    found = evidence.candidates(hits, pages, layouts)
    vectors = embedder.embed_passages([each.embedded for each in found])

    def first(question: str) -> str:
        read = asked.read(question)
        ranked = evidence.rank(read, found, hits, embedder.embed_query(question), vectors)
        return ranked[0].candidate.document

    assert first("How long are visitor logs kept?") == docs[1].id
    assert first("How long were visitor logs kept before version 2?") == docs[0].id


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab A.\n\t|-1:"), max_size=300))
def test_units_are_spans_of_their_page(text: str) -> None:
    units = lay_out(Page(1, text))
    assert all(unit.text == text[unit.start : unit.end] for unit in units)
    assert all(one.end <= other.start for one, other in pairwise(units))


# Packing


def block(text: str, start: int = 0, hits: tuple[int, ...] = (0,)) -> packing.Block:
    page = Page(1, " " * start + text)
    made = packing.Block("d", 1, start, start + len(text), text, "T", hits)
    return packing.with_lines(made, lay_out(page))


def hit(start: int, end: int, page: Page, rank: int = 1) -> Hit:
    about = document("a", "T", page.text)
    chunk = Chunk(f"{start}-{end}", about.id, 1, start, end, page.text[start:end])
    return Hit(chunk, about, rank, 1.0 / rank, 0.5, 1.0)


def count(text: str) -> int:
    return len(text.split())


def test_overlapping_hits_are_read_once() -> None:
    page = Page(1, "One two three four five six seven. Eight nine ten.")
    hits = [hit(20, 50, page, 1), hit(0, 30, page, 2)]
    (merged,) = packing.merge(hits, {(hits[0].chunk.document_id, 1): page})
    assert (merged.start, merged.end) == (0, 50)
    assert merged.text == page.text
    assert merged.hits == (0, 1)


@settings(deadline=None)
@given(
    st.lists(st.integers(min_value=1, max_value=120), max_size=6),
    st.integers(min_value=0, max_value=300),
    st.integers(min_value=1, max_value=5),
)
def test_a_budget_is_kept_and_nothing_is_lost_silently(
    sizes: list[int], budget: int, most: int
) -> None:
    blocks = [
        block(" ".join(f"Word {n} stands here." for n in range(size)), hits=(number,))
        for number, size in enumerate(sizes)
    ]
    packed = packing.pack(blocks, budget, most, count, around=5)
    assert packed.tokens <= budget
    assert len(packed.kept) <= most
    assert sum(each.tokens + 5 for each in packed.kept) == packed.tokens
    dropped = {each.hit for each in packed.dropped if each.reason == "budget"}
    assert dropped | {each.hits[0] for each in packed.kept} == set(range(len(sizes)))
    for each in packed.kept:
        original = blocks[each.hits[0]]
        assert each.start == original.start
        assert original.text.startswith(each.text)
        cut = {d.hit for d in packed.dropped if d.reason == "cut"}
        assert (each.end < original.end) is (each.hits[0] in cut)


def test_units_of_a_row_without_a_header() -> None:
    assert Unit(0, 3, Kind.ROW, "a b", cells=("a", "b", "c")).shown == "a – b – c"


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (("Products", "$ 63,355", "$ 63,948"), False),
        (("Services", "(21.5)", "20.2%"), False),
        (("Level", "2024", "2025"), True),
        (("Branch", "Product", "Rate", "Volume"), True),
        (("Item", "June 24, 2023", "June 25, 2022"), True),
    ],
)
def test_amounts_name_no_columns(cells: tuple[str, ...], names: bool) -> None:
    assert tables.names_columns(tables.Row(0, 1, cells)) is names


def test_sentences_of_all_chunks_that_were_joined_are_candidates() -> None:
    page = Page(1, "Records are kept. They are kept for six years. Then they are destroyed.")
    first = hit(0, 17, page)
    rest = Chunk("rest", first.chunk.document_id, 1, 18, len(page.text), page.text[18:])
    whole = replace(first, joined=(rest,), joined_text=page.text)
    place = (first.chunk.document_id, 1)
    found = evidence.candidates([whole], {place: page}, {place: lay_out(page)})
    assert [each.unit.plain for each in found] == [
        "Records are kept.",
        "They are kept for six years.",
        "Then they are destroyed.",
    ]
