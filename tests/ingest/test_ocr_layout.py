"""From words with boxes to text, boxes and lines: pure."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.ocr_image import Prepared
from ingest.ocr_layout import OcrWord, confidence_of, lay_out, level, readable
from ingest.pages import Kind
from ingest.pdf_layout import blocks, typography
from tests.ingest.ocr_pages import drawn


def word(
    text: str, left: float, top: float, *, line: int = 1, em: float = 40, sure: float = 0.95
) -> OcrWord:
    """A word whose letters all have ascenders and descenders, or digits, as engines box them."""
    high = 0.93 if any(char in "gjpqy" for char in text) else 0.72
    return OcrWord(text, left, top, left + 20 * len(text), top + high * em, sure, 1, line)


FLAT = Prepared(drawn(), 300, 300, 1240, 900, 0, 1.0, 0.0)


def test_text_boxes_and_lines_agree() -> None:
    words = [
        word("Total", 10, 10),
        word("assets", 120, 10),
        word("352,583", 10, 80, line=2),
    ]

    text, boxes, lines = lay_out(words, FLAT)

    assert text == "Total assets\n352,583"
    assert [text[box.start : box.end] for box in boxes] == ["Total", "assets", "352,583"]
    assert boxes[1].left == pytest.approx(120 * 72 / 300)
    assert [text[line.start : line.end] for line in lines] == [line.text for line in lines]
    assert [each.text for each in lines[0].words] == ["Total", "assets"]
    assert all(text[each.start : each.end] == each.text for each in lines[0].words)


def test_words_of_a_line_stand_from_left_to_right() -> None:
    text, _, _ = lay_out([word("second", 300, 10), word("first", 10, 10)], FLAT)

    assert text == "first second"


@pytest.mark.parametrize("text", ["moon", "moor", "Hall", "gypsy", "Egypt", "2023", "some"])
def test_the_size_of_a_line_does_not_depend_on_its_letters(text: str) -> None:
    em = 40
    above = (
        0.72 if any(char.isupper() or char.isdigit() or char in "dhlbkt" for char in text) else 0.5
    )
    below = 0.21 if any(char in "gjpqy" for char in text) else 0.0
    found = OcrWord(text, 0, 100 - above * em, 90, 100 + below * em, 0.9, 1, 1)

    _, _, (line,) = lay_out([found], FLAT)

    assert line.size == pytest.approx(1.17 * em * 72 / 300, abs=0.3)
    assert line.bottom == pytest.approx((100 + 0.25 * em) * 72 / 300, abs=0.1)


def test_sizes_that_measuring_blurs_are_one_size_and_a_headline_is_a_heading() -> None:
    words = [word("Chapter", 10, 10, em=70, line=1)]
    words += [word("body", 10, 100 + 50 * n, em=40 + (n % 3), line=2 + n) for n in range(9)]

    text, _, lines = lay_out(words, FLAT)
    style = typography([lines])
    found = blocks(lines, style)

    assert len({line.size for line in lines[1:]}) == 1
    assert found[0].kind is Kind.HEADING
    assert text[found[0].start : found[0].end] == "Chapter"
    assert {block.kind for block in found[1:]} == {Kind.TEXT}


def test_a_wide_gap_makes_a_row() -> None:
    words = [word("Revenue", 10, 10), word("1,204", 600, 10)]

    _, _, lines = lay_out(words, FLAT)

    assert lines[0].widest_gap == pytest.approx((600 - 150) * 72 / 300)
    assert [block.kind for block in blocks(lines, typography([lines]))] == [Kind.ROW]


def test_specks_and_rules_are_no_words_but_dashes_are() -> None:
    words = [
        word("kept", 10, 10),
        word("|", 100, 10),
        word("speck", 10, 10, sure=0.1),
        word("~", 10, 10, sure=0.5),
        OcrWord("—", 0, 50, 900, 54, 0.95, 1, 2),
        OcrWord("—", 0, 60, 30, 64, 0.95, 1, 3),
        OcrWord("a\x07b", 0, 90, 30, 120, 0.95, 1, 4),
    ]

    assert [each.text for each in readable(words)] == ["kept", "—", "ab"]


def test_confidence_is_a_mean_over_characters() -> None:
    words = [word("four", 0, 0, sure=1.0), word("x", 0, 0, sure=0.5)]

    assert confidence_of(words) == pytest.approx(0.9)
    assert confidence_of([]) is None


@given(
    st.lists(
        st.builds(
            OcrWord,
            st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=9),
            st.floats(0, 600),
            st.floats(0, 400),
            st.floats(600, 1240),
            st.floats(400, 900),
            st.floats(0, 1),
            st.integers(0, 3),
            st.integers(0, 3),
        ),
        max_size=12,
    )
)
def test_offsets_hold_for_any_words(words: list[OcrWord]) -> None:
    kept = readable(words)
    text, boxes, lines = lay_out(kept, FLAT)

    assert sorted(text[box.start : box.end] for box in boxes) == sorted(w.text for w in kept)
    assert all(a.end < b.start for a, b in pairwise(boxes))
    assert "\n".join(line.text for line in lines) == text
    assert all(box.left <= box.right and box.top <= box.bottom for box in boxes)


def test_doubtful_words_stay_in_the_company_of_sure_ones() -> None:
    words = [
        word("Total", 10, 10),
        word("assets", 120, 10),
        word("77", 300, 10, sure=0.0),
        word("speck", 10, 300, sure=0.0, line=2),
        OcrWord("i", 500, 10, 502, 14, 0.0, 1, 1),
    ]

    assert [each.text for each in readable(words)] == ["Total", "assets", "77"]


def test_words_that_run_up_the_page_keep_the_order_of_the_engine() -> None:
    upwards = [OcrWord("first", 20, 300, 50, 400, 0.9, 1, 1)]
    upwards += [OcrWord("second", 10, 150, 40, 280, 0.9, 1, 1)]

    text, _, _ = lay_out(upwards, FLAT)

    assert text == "first second"
    assert not level(upwards)
    assert level([word("across", 0, 0)])
