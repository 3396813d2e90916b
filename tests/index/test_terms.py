"""Identifiers and neighbouring words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.terms import identifiers, pairs, with_beginnings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("as in rule 14.2.3, shall", ["14.2.3"]),
        ("see 164.312(b)(1) and SOP-CL-014.", ["164.312(b)(1)", "sop-cl-014"]),
        ("1.1.1.(2) Nothing", ["1.1.1(2)"]),
        ("BC-2.1 applies", ["bc-2.1"]),
        ("a well-known trade-off", []),
        ("in 2024 and 7 days", []),
        ("§17a-4(f)", ["17a-4(f)"]),
    ],
)
def test_identifiers_are_found_whole(text: str, expected: list[str]) -> None:
    assert identifiers(text) == expected


def test_beginnings_lead_from_a_section_to_its_paragraphs() -> None:
    assert with_beginnings("164.312(b)(1)") == ["164.312(b)(1)", "164.312(b)", "164.312"]
    assert with_beginnings("14.2") == ["14.2"]


@given(st.text())
def test_any_text_can_be_searched_for_identifiers(text: str) -> None:
    for each in identifiers(text):
        assert each == each.strip()
        assert with_beginnings(each)[0] == each


def test_pairs_leave_out_function_words_and_repetitions() -> None:
    words = ["the", "retent", "period", "of", "the", "period", "period"]
    assert pairs(words, {"the", "of"}) == [
        ("the", "retent"),
        ("retent", "period"),
        ("period", "of"),
        ("the", "period"),
    ]
    assert pairs([], set()) == []
