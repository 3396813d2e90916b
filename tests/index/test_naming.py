"""Which documents a question names, and which of them is the latest."""

from __future__ import annotations

import pytest

from index import naming
from index.recency import asks_for_latest, dated, latest


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("2023 Q3 ACME", "2023-09"),
        ("acme_q1_2024_report", "2024-03"),
        ("Acme 10-Q\nFor the quarterly period ended July 1, 2023\nFile 001-36743", "2023-07-01"),
        ("Stand 5. März", ""),
        ("Records policy, 30 June 2025, replaces that of 1 May 2019", "2025-06-30"),
        ("minutes-2025-11-26", "2025-11-26"),
        ("Annual report 2022 2023", "2023"),
        ("Net sales of $2,024 million", ""),
        ("", ""),
    ],
)
def test_a_name_is_dated_by_the_latest_exact_date_in_it(name: str, day: str) -> None:
    assert dated(name) == day


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("What was the gross margin in the most recent 10-Q?", True),
        ("Which risks does the latest report add?", True),
        ("Was sagt die neueste Fassung?", True),
        ("What is the latest day on which notice can be given?", True),  # costs little if wrong
        ("How long are records kept?", False),
    ],
)
def test_questions_for_the_latest(question: str, asks: bool) -> None:
    assert asks_for_latest(question) is asks


def test_the_latest_is_the_one_with_the_greatest_date() -> None:
    days = {"a": "2022-09-30", "b": "2023-09-30", "c": "", "d": "2023-09-30"}
    assert latest(days, ["a", "b", "c", "d"]) == {"b", "d"}
    assert latest(days, ["c"]) == frozenset()
    assert latest({"year": "2023", "day": "2023-09-30"}, ["year", "day"]) == {"year", "day"}


def test_the_documents_named_best_are_named_unless_that_is_chance() -> None:
    documents = {"a": 1, "b": 2, "c": 3}
    assert naming.named({"a": 0.9, "b": 0.75, "c": 0.4}, documents) == {1, 2}
    assert naming.named({"a": 0.2, "b": 0.2}, documents) == frozenset()
    assert naming.named({}, documents) == frozenset()


def test_a_question_is_about_few_documents_or_about_none() -> None:
    documents = {"a1": 1, "a2": 1, "b1": 2, "c1": 3, "d1": 4, "e1": 5}
    shares = {"a1": 1.0, "a2": 1.0, "b1": 0.85, "c1": 0.3}
    about = naming.named(shares, documents)
    assert about == {1, 2}
    assert naming.focus(about, len(set(documents.values()))) == {1, 2}
    every = naming.named(dict.fromkeys(documents, 1.0), documents)
    assert naming.focus(every, 5) == frozenset()


def test_only_a_question_for_the_latest_picks_it() -> None:
    names = {1: "Acme Q2 2023", 2: "Acme Q3 2023"}
    assert naming.latest("Acme's margin in the latest report", names) == {2}
    assert naming.latest("Acme's margin", names) == frozenset()
