from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.answer import Turn
from assistant.asked import ANALYSED, read
from assistant.expects import expected
from assistant.facts import Kind
from assistant.terms import keys


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("How long are records kept?", Kind.DURATION),
        ("How much notice must we give?", Kind.DURATION),
        ("How many weeks of leave are there?", Kind.DURATION),
        ("What is the retention period for invoices?", Kind.DURATION),
        ("How often is a customer reviewed?", Kind.FREQUENCY),
        ("By when do I have to answer?", Kind.DURATION),
        ("When was the policy approved?", Kind.DATE),
        ("What date does it take effect?", Kind.DATE),
        ("Until what time can payments be sent?", Kind.TIME),
        ("What percentage must arrive on time?", Kind.PERCENT),
        ("How much may be paid at once?", Kind.AMOUNT),
        ("What is the fee for a second card?", Kind.AMOUNT),
        ("What does a participant get paid?", Kind.AMOUNT),
        ("What dose is given in week two?", Kind.QUANTITY),
        ("How many members does the board have?", Kind.NUMBER),
        ("Who approves an exception?", Kind.NAME),
        ("Which firm audits the accounts?", Kind.NAME),
        ("Which clause deals with exit?", Kind.IDENTIFIER),
    ],
)
def test_the_kind_of_fact_asked_for(text: str, kind: Kind) -> None:
    assert kind in expected(text)


@pytest.mark.parametrize(
    "text",
    [
        "What happens after an incident?",
        "When you call me to check who I am, must I send a copy?",
        "Why was the site closed?",
        "Is encryption required?",
    ],
)
def test_no_kind_is_asked_for(text: str) -> None:
    assert expected(text) == frozenset()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("How long are invoices kept?", []),
        ("Who approves and signs the supplier contract?", []),
        (
            "How long are invoices kept, and who owns the contract files?",
            ["How long are invoices kept", "who owns the contract files"],
        ),
        (
            "How do the periods for visitor logs and call recordings differ?",
            ["How do the periods for visitor logs", "call recordings differ"],
        ),
    ],
)
def test_parts(text: str, parts: list[str]) -> None:
    assert [part.text for part in read(text).parts] == parts


def test_a_part_takes_over_what_it_leaves_out() -> None:
    _, second = read("What does the firm pay staff per kilometre, and to trial guests?").parts or (
        None, None,
    )  # fmt: skip
    assert second is not None
    assert "kilometre" in second.query
    assert Kind.AMOUNT in second.kinds


def turns(*questions: str) -> tuple[Turn, ...]:
    return tuple(Turn(each, "an answer") for each in questions)


@pytest.mark.parametrize(
    ("text", "carried"),
    [
        ("And for marketing consents?", True),
        ("What about them?", True),
        ("Who approves it?", True),
        ("Why?", True),
        ("How long are visitor logs of the London office kept?", False),
    ],
)
def test_a_follow_up_is_completed_from_the_question_before(text: str, carried: bool) -> None:
    made = read(text, turns("How long are due diligence records retained?"))
    assert bool(made.carried) is carried
    assert made.query == made.text


def test_own_words_and_carried_words_stay_apart() -> None:
    made = read("Who approves it?", turns("How long are due diligence records retained?"))
    assert made.keys == keys("approves")
    assert made.carried_keys == keys("due diligence records")
    alone = read("Who approves due diligence records?", turns("What is the fee for a card?"))
    assert alone.carried_keys == frozenset()
    assert alone.keys == keys("approves due diligence records")


def test_a_follow_up_inherits_what_was_asked_for() -> None:
    made = read("And for marketing consents?", turns("How long are records retained?"))
    assert Kind.DURATION in made.kinds


def test_a_chain_of_follow_ups_goes_back_to_a_full_question() -> None:
    made = read("Why?", turns("How long are due diligence records retained?", "And it?"))
    assert "diligence" in made.query


def test_without_history_nothing_is_carried() -> None:
    assert read("And for them?").carried == ()


@settings(deadline=None)
@given(st.text(max_size=300), st.lists(st.text(max_size=60), max_size=3))
def test_any_question_can_be_read(text: str, earlier: list[str]) -> None:
    made = read(text, turns(*earlier))
    assert len(made.text) <= ANALYSED
    assert made.query.startswith(made.text)
