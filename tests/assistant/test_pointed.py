from __future__ import annotations

import pytest

from assistant import asked, pointed
from assistant.layout import lay_out
from index.document import Page


def part(question: str, sentence: str) -> str | None:
    page = Page(1, f"Before it.\n\n{sentence}")
    unit = lay_out(page)[-1]
    found = pointed.answer(asked.read(question), unit)
    return None if found is None else page.text[found.start : found.end]


@pytest.mark.parametrize(
    ("question", "sentence", "answer"),
    [
        ("When did the company adopt ASC 606?",
         "The Company adopted ASC 606 effective January 1, 2018 using the modified method.",
         "January 1, 2018"),
        ("What was the total unrecognised cost?",
         "Total unrecognised cost was $1.2 billion and is recognised over 2.5 years.",
         "$1.2 billion"),
        ("How many years is the cost recognised over?",
         "Total unrecognised cost was $1.2 billion and is recognised over 2.5 years.",
         "2.5 years"),
        ("How much was the amortization cost in 2018?",
         "Amortization for 2019, 2018 and 2017 was $95.1 million, $97.2 million and $80.0 million, "
         "respectively.",
         "$97.2 million"),
        ("Why did revenue fall?",
         "Revenue fell by 3%, primarily due to lower prices in Europe.",
         "lower prices in Europe"),
        ("What do purchase obligations represent?",
         "Purchase obligations represent an estimate of open orders.",
         "an estimate of open orders"),
        ("What is the report based on?",
         "The report is based on royalty statements.",
         "royalty statements"),
        ("What is the hedging reserve?",
         "The hedging reserve is the cumulative gain on hedges.",
         "the cumulative gain on hedges"),
    ],
)  # fmt: skip
def test_the_part_of_a_sentence_that_answers(question: str, sentence: str, answer: str) -> None:
    assert part(question, sentence) == answer


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("How much was paid in fees?", "Fees were $5 or $6 or $7."),
        ("Why did revenue fall?", "Revenue fell by 3% in Europe."),
        ("What is the reserve?", "Hedges are valued at cost."),
        ("When was it adopted?", "The standard was adopted by the company."),
    ],
)
def test_nothing_is_marked_where_it_is_not_clear(question: str, sentence: str) -> None:
    assert part(question, sentence) is None


def test_a_row_is_no_sentence() -> None:
    unit = lay_out(Page(1, "Fees | 2019\nAudit | $5"))[-1]
    assert pointed.answer(asked.read("How much were audit fees?"), unit) is None
