from __future__ import annotations

import pytest

from assistant.expects import expected
from assistant.facts import Kind


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What year was the company founded?", Kind.DATE),
        ("In which year was it sold?", Kind.DATE),
        ("What is the effective date?", Kind.DATE),
        ("How long are records kept?", Kind.DURATION),
        ("What percentage of sales was it?", Kind.PERCENT),
        ("What was the fee?", Kind.AMOUNT),
        ("Who approved it?", Kind.NAME),
    ],
)
def test_the_kind_that_a_question_asks_for(question: str, kind: Kind) -> None:
    assert kind in expected(question)


def test_a_year_that_only_says_when_is_not_asked_for() -> None:
    assert Kind.DATE not in expected("What is the total assets for year 2019?")
    assert Kind.DATE not in expected("What was the expense for the year ended June 30, 2019?")
