"""Amounts, dates, sections and identifiers as single tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.acronyms import MAX_DEFINITIONS, MAX_WORDS, definitions
from index.calendars import times
from index.spellings import spellings

BILLION = "=1234500000"


@pytest.mark.parametrize(
    ("text", "token"),
    [
        *((each, BILLION) for each in ("$1,234.5 million", "1.2345 billion", "USD 1234.5m")),
        ("1,234,500,000", BILLION),
        ("CHF 1'234.56", "=1234.56"),
        ("4.5 per cent", "%4.5"),
        ("Section 14.2.3(a)", "§14.2"),
        ("14.2 Termination", "§14"),
        ("§164.312(b)", "§164.312(b)"),
        ("SOP CL 014", "#sopcl014"),
        ("SOP-CL-014", "#sopcl014"),
        ("31 December 2022", "d:2022-12-31"),
        ("12/31/22", "d:2022-12-31"),
        ("31 décembre 2022", "m:2022-12"),
        ("third quarter of fiscal year 2023", "q:2023-3"),
        ("drittes Quartal 2022", "q:2022-3"),
        ("FY 23", "fy:2023"),
    ],
)
def test_what_a_passage_is_found_by(text: str, token: str) -> None:
    assert token in spellings(text, "en")


def test_a_number_is_read_as_its_language_does_and_asked_for_both_ways() -> None:
    assert "=1234.5" in spellings("1.234,5 EUR", "de")
    assert "=1234" in spellings("EUR 1.234", "de")
    assert "=1.234" in spellings("EUR 1.234", "en")
    assert {"=1234", "=1.234"} <= set(spellings("EUR 1.234", None, question=True))


@pytest.mark.parametrize("text", ["in 2024", "7 days", "no number", "31.02.2022", "Clause 1.2.22"])
def test_what_is_no_amount_or_day(text: str) -> None:
    assert not [each for each in spellings(text, "en") if each[0] in "=%" or each[:2] == "d:"]


def test_a_day_is_asked_for_by_day_and_found_by_month_too() -> None:
    assert times("31 December 2022", question=True) == ["d:2022-12-31"]
    assert times("December 2022", question=True) == ["m:2022-12"]
    assert sorted(set(times("3/4/2022"))) == [
        "d:2022-03-04",
        "d:2022-04-03",
        "m:2022-03",
        "m:2022-04",
    ]


@given(st.text(), st.booleans())
def test_any_text_has_spellings_without_spaces(text: str, question: bool) -> None:
    assert all(each and not each.isspace() for each in spellings(text, None, question))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rules on Anti-Money Laundering (AML)", ("aml", ("anti", "money", "laundering"))),
        ("AML (Anti-Money Laundering)", ("aml", ("anti", "money", "laundering"))),
        ("MLRO means Money Laundering Reporting Officer.",
         ("mlro", ("money", "laundering", "reporting", "officer"))),
        ("the Terms of Reference (“TOR”)", ("tor", ("terms", "of", "reference"))),
    ],
)  # fmt: skip
def test_definitions_are_read(text: str, expected: tuple[str, tuple[str, ...]]) -> None:
    assert definitions(text) == [expected]


@pytest.mark.parametrize("text", ["see the annex (AML)", "AML means nothing here", "(A) (AB)"])
def test_letters_must_match(text: str) -> None:
    assert definitions(text) == []


@given(st.lists(st.sampled_from(["Alpha", "Mu", "Lambda", "(AML)", "AML", "means", "(", ")"])))
def test_definitions_are_bounded(words: list[str]) -> None:
    found = definitions(" ".join(words * 5))
    assert len(found) <= MAX_DEFINITIONS
    assert all(2 <= len(long_form) <= MAX_WORDS for _, long_form in found)
