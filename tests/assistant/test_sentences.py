from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.sentences import LONGEST, Kind, one_line, sentence_end, split
from assistant.terms import keys, stem, terms, weights


def texts(text: str) -> list[str]:
    return [one_line(text[unit.start : unit.end]) for unit in split(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("See No. 5 and Art. 12 of it. Then go.", ["See No. 5 and Art. 12 of it.", "Then go."]),
        ("Dr. Ames of Lind Ltd. left, e.g. in May.", ["Dr. Ames of Lind Ltd. left, e.g. in May."]),
        ("It costs 3.50 euros. Pay.", ["It costs 3.50 euros.", "Pay."]),
        ("See Annex B. Keep it.", ["See Annex B.", "Keep it."]),
        ("J. Smith left.", ["J. Smith left."]),
        ("Corvane B.V. is paid. So is Lind B.V. The rest waits.",
         ["Corvane B.V. is paid.", "So is Lind B.V.", "The rest waits."]),
        ("a line that\nthe paper broke. Next.", ["a line that the paper broke.", "Next."]),
        ("Take:\n- one\n- two", ["Take:", "- one", "- two"]),
        ("4.2\tAnna may leave.\n4.3\tNobody stays.", ["4.2 Anna may leave.", "4.3 Nobody stays."]),
        ("", []),
    ],
)  # fmt: skip
def test_units(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


def test_kinds() -> None:
    text = "# Title\n\nA sentence here.\n\n- an item\n\nA | B\n--- | ---\n1 | 2\n"
    assert [unit.kind for unit in split(text)] == [
        Kind.HEADING, Kind.SENTENCE, Kind.ITEM, Kind.ROW, Kind.ROW,
    ]  # fmt: skip


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab A.!?\n\t|-•1:;,()éß…"), max_size=400))
def test_units_lose_nothing_but_space_and_rules(text: str) -> None:
    units = split(text)
    assert all(one.end <= other.start for one, other in pairwise(units))
    for unit in units:
        body = text[unit.start : unit.end]
        assert body == body.strip() != ""
        assert len(body) <= LONGEST
    between = [0, *(place for unit in units for place in (unit.start, unit.end)), len(text)]
    for start, end in zip(between[::2], between[1::2], strict=True):
        assert not any(letter.isalnum() for letter in text[start:end])


def test_text_without_an_end_is_cut() -> None:
    units = split("word " * 2000)
    assert len(units) > 1
    assert max(unit.end - unit.start for unit in units) <= LONGEST


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("One. Two", 4),
        ("One.", 0),
        ("One. ", 0),
        ("at 3.5 years", 0),
        ("One\nTwo", 4),
        ("Dr. A", 0),
    ],
)
def test_a_growing_text_ends_only_when_that_is_sure(text: str, end: int) -> None:
    assert sentence_end(text) == end


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("retained", "kept"),
        ("stored", "keeps"),
        ("notification", "informs"),
        ("approvals", "approve"),
        ("authorized", "authorised"),
        ("policies", "policy"),
        ("suppliers", "vendor"),
        ("terminated", "end"),
    ],
)
def test_words_that_mean_the_same_compare_equal(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize(
    ("one", "other"), [("approve", "reject"), ("internal", "external"), ("policy", "police")]
)
def test_words_that_do_not_stay_apart(one: str, other: str) -> None:
    assert stem(one) != stem(other)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_terms_are_where_they_say(text: str) -> None:
    for term in terms(text):
        assert text[term.start : term.end] == term.text


def test_a_word_that_occurs_nowhere_weighs_most() -> None:
    weigh = weights([keys("records and files"), keys("records and rules"), keys("records")])
    assert weigh.of(stem("salary")) > weigh.of(stem("rules")) > weigh.of(stem("records"))
    assert weigh.coverage(keys("records"), keys("records")) == 1.0
    assert weigh.coverage(keys("records salary"), keys("records")) < 0.5
    assert weigh.coverage(frozenset(), frozenset()) == 1.0
