"""Rows of tables that an engine took apart into columns."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.ocr_layout import OcrWord
from ingest.ocr_rows import rejoined


def _block(number: int, left: float, lines: Sequence[tuple[float, str]]) -> list[OcrWord]:
    """Words of 40 by 20 pixels, 50 apart; `lines` are (top, text)."""
    return [
        OcrWord(text, left + 50 * at, top, left + 50 * at + 40, top + 20, 0.95, number, line)
        for line, (top, said) in enumerate(lines)
        for at, text in enumerate(said.split())
    ]


def _lines(words: Sequence[OcrWord]) -> list[str]:
    found: dict[tuple[int, int], list[str]] = {}
    for word in words:
        found.setdefault((word.block, word.line), []).append(word.text)
    return [" ".join(texts) for texts in found.values()]


LABELS = _block(1, 0, [(100, "Revenue"), (140, "Cost of sales"), (180, "Gross profit")])


def test_figures_beside_labels_are_the_rest_of_their_rows() -> None:
    figures = _block(2, 600, [(60, "2024 2023"), (103, "$ 12 9"), (142, "(7) (5)"), (181, "5 4")])

    assert _lines(rejoined([*LABELS, *figures])) == [
        "2024 2023",
        "Revenue $ 12 9",
        "Cost of sales (7) (5)",
        "Gross profit 5 4",
    ]


def test_a_second_block_of_figures_goes_on_with_the_same_rows() -> None:
    first = _block(2, 600, [(100, "12"), (140, "7"), (180, "5")])
    second = _block(3, 900, [(100, "9"), (140, "5"), (180, "4")])

    assert _lines(rejoined([*LABELS, *first, *second])) == [
        "Revenue 12 9",
        "Cost of sales 7 5",
        "Gross profit 5 4",
    ]


def test_two_columns_of_prose_stay_apart() -> None:
    right = _block(2, 600, [(100, "Kept for six"), (140, "years after 2024"), (180, "by law")])
    words = [*LABELS, *right]

    assert _lines(rejoined(words)) == _lines(words)


def test_figures_below_stay_where_they_are() -> None:
    words = [*LABELS, *_block(2, 600, [(300, "12"), (340, "7")])]

    assert _lines(rejoined(words)) == _lines(words)
