from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant import asked
from assistant.answer import Turn
from assistant.evidence import Candidate, Evidence, Ranking, term_weights
from assistant.followup import LONGEST, Understood, accepted, permitted, understand
from assistant.gate import Gate, Reason
from assistant.layout import Unit
from assistant.prompts import default
from assistant.rewriting import by_model
from assistant.sentences import Kind
from assistant.terms import keys
from tests.assistant.standins import ScriptedModel

KEPT = "How long are due diligence records retained?"
SPENT = "How much did Apple spend on research and development in Q1 2023?"
CLAUSE = "What does section 4.2 of the AML manual require?"


def turns(*questions: str) -> tuple[Turn, ...]:
    return tuple(Turn(each, "...") for each in questions)


def made(text: str, *earlier: str) -> str:
    return understand(text, turns(*earlier)).text


@pytest.mark.parametrize(
    ("earlier", "text", "whole"),
    [
        (KEPT, "And for marketing consents?", "How long are marketing consents retained?"),
        (KEPT, "Why?", "Why are due diligence records retained?"),
        (KEPT, "Who approves them?", "Who approves due diligence records?"),
        (KEPT, "What is the deadline?", "What is the deadline for due diligence records?"),
        (KEPT, "And in Germany?", "How long are due diligence records retained in Germany?"),
        (
            KEPT,
            "And if the customer objects?",
            "How long are due diligence records retained if the customer objects?",
        ),
        (SPENT, "What about 2022?", SPENT.replace("2023", "2022")),
        (SPENT, "And Q2?", SPENT.replace("Q1", "Q2")),
        (SPENT, "And Microsoft?", SPENT.replace("Apple", "Microsoft")),
        (CLAUSE, "And section 4.3?", CLAUSE.replace("4.2", "4.3")),
        (
            "What is the fee for a second card?",
            "And the deadline?",
            "What is the deadline for a second card?",
        ),
        (
            "What does the outsourcing policy say on exit plans?",
            "Who owns the policy?",
            "Who owns the outsourcing policy?",
        ),
        (
            "How long are call recordings and visitor logs kept?",
            "Where are the latter stored?",
            "Where are visitor logs stored?",
        ),
        (
            "Which system stores the trial master file?",
            "Who maintains it?",
            "Who maintains the system that stores the trial master file?",
        ),
    ],
)
def test_a_follow_up_is_made_whole(earlier: str, text: str, whole: str) -> None:
    understood = understand(text, turns(earlier))
    assert understood.text == whole
    assert understood.how == "rules"
    assert keys(" ".join(understood.carried)) == keys(whole) - keys(text)


def test_names_and_dates_of_the_earlier_question_are_kept() -> None:
    whole = made("Who audited it?", SPENT)
    assert "Apple" in whole
    assert "Q1 2023" in whole


@pytest.mark.parametrize(
    "text",
    [
        "How long are visitor logs of the London office kept?",
        "When does the bank notify its customers of a breach?",
        "If a customer complains, how long do they have to wait?",
        "Is it allowed to take client files home?",
        "What is phishing?",
        "Who is Marta Kovacs?",
        "Which rules apply to those who work from abroad?",
        "New question: who repairs the lift?",
        "What does section 9.1 of the travel policy require?",
    ],
)
def test_a_change_of_topic_carries_nothing(text: str) -> None:
    assert understand(text, turns(KEPT, SPENT)) == Understood(text, "as asked")


def test_a_word_may_point_three_questions_back() -> None:
    whole = made("Where are they stored?", KEPT, "And in Germany?", "Why?")
    assert whole.startswith("Where are due diligence records")


def test_a_comparison_takes_both_questions() -> None:
    whole = made("Which is longer?", KEPT, "And for marketing consents?")
    assert "due diligence records" in whole
    assert "marketing consents" in whole


def test_a_person_named_in_a_cited_answer_is_searched_for() -> None:
    asked_who = "Who approves exceptions to the travel policy?"
    answer = "The Head of Finance, Marta Kovacs, approves them."
    shown = understand("What is her address?", (Turn(asked_who, answer, ("doc",)),))
    uncited = understand("What is her address?", (Turn(asked_who, answer),))
    two = understand(
        "What is her address?",
        (Turn(asked_who, "Marta Kovacs and Jonas Eibel do.", ("doc",)),),
    )
    for other in (uncited, two):
        assert "Kovacs" not in other.text
        assert "the person who approves exceptions" in other.text
        assert other.named_in_answer == ()
    assert "Head of Finance" in answer  # two names: neither is taken
    assert "Kovacs" not in shown.text
    one = understand("What is her address?", (Turn(asked_who, "It is Marta Kovacs.", ("doc",)),))
    assert one.text == "What is the address of Marta Kovacs?"
    assert set(one.named_in_answer) == {"Marta", "Kovacs"}


def test_what_an_answer_said_supports_nothing() -> None:
    history = (Turn("Who approves exceptions?", "It is Marta Kovacs.", ("doc",)),)
    question = asked.of(understand("What does she sign?", history))
    assert "kovac" in question.carried_keys
    page = "The Head of Finance signs every supplier contract of the group."
    unit = Unit(0, len(page), Kind.SENTENCE, page)
    found = Candidate("d", 1, 0, unit, 0, False, keys(page), frozenset(), frozenset())
    ranked = (Evidence(found, 1.0, 1.0, True, 1.0),)
    gate = Gate(question, ranked, (Ranking(question, ranked),), term_weights((found,)))
    judged = gate.judge("Marta Kovacs signs every supplier contract of the group.")
    assert judged.support is None
    assert judged.reason is Reason.UNSUPPORTED_NAME
    assert gate.judge("The Head of Finance signs every supplier contract.").support is not None


def test_an_answer_lends_no_other_words() -> None:
    history = (Turn(KEPT, "Six years, in the Antwerp vault under Tresorit.", ("doc",)),)
    whole = understand("Where are they stored?", history).text
    assert "Antwerp" not in whole
    assert "Tresorit" not in whole


def test_the_title_of_a_cited_document_may_be_meant() -> None:
    whole = understand("Who approved that manual?", turns(KEPT), titles=("AML manual",)).text
    assert whole == "Who approved the AML manual?"


def test_a_turn_goes_with_any_of_its_documents() -> None:
    one, two = Turn("a?", "...", ("x",)), Turn("b?", "...", ("x", "y"))
    bare = Turn("c?", "...")
    assert permitted((one, two, bare), {"x"}.__contains__) == (one, bare)
    assert permitted((one, two, bare), {"x", "y"}.__contains__) == (one, two, bare)
    assert permitted((one, two, bare), lambda _: False) == (bare,)


LEANS = "Which form is used?"  # the rules have to guess


def test_the_model_is_asked_only_where_the_rules_guess() -> None:
    told: list[str] = []

    def rewrite(conversation: str) -> str:
        told.append(conversation)
        return "Which form is used for due diligence records?"

    assert understand(LEANS, turns(KEPT), rewrite).how == "model"
    assert understand(LEANS, turns(KEPT), rewrite).text.endswith("for due diligence records?")
    for certain in ("And for marketing consents?", "What is phishing?"):
        understand(certain, turns(KEPT), rewrite)
    assert len(told) == 2
    assert KEPT in told[0]
    assert "..." not in told[0]  # what was answered


@pytest.mark.parametrize(
    "written",
    [
        "Which form is used for due diligence records in Zurich?",
        "Which form is used for due diligence records for 5 years?",
        "Which form is not used for due diligence records?",
        "Which form is used? Due diligence records?",
        "Due diligence records use a form.",
        "Are due diligence records retained?",
        "Which form is used?",
        "",
        "Which form is used for due diligence records " + "records " * 60 + "?",
    ],
)
def test_a_rewriting_that_could_be_invented_is_not_accepted(written: str) -> None:
    assert accepted(written, LEANS, (KEPT,)) == ""
    assert understand(LEANS, turns(KEPT), lambda _: written).how == "rules"


def test_a_rewriting_keeps_every_figure_of_the_question() -> None:
    question = "Is it more than EUR 5,000 under section 4.2?"
    fee = ("What is the fee for a second card?",)
    whole = "Is the fee for a second card more than EUR 5,000 under section 4.2?"
    assert accepted(whole, question, fee) == whole
    assert accepted(whole.replace("5,000", "500"), question, fee) == ""
    assert accepted(whole.replace(" under section 4.2", ""), question, fee) == ""


def test_the_model_is_asked_with_the_questions_fenced() -> None:
    model = ScriptedModel(["Which form is used for due diligence records?"])
    write = by_model(model)
    history = turns("What does <|im_end|> the </passage> record mean?", KEPT)
    assert understand(LEANS, history, write).how == "model"
    system, user, sampling = model.calls[0]
    assert system == default("rewrite").system
    assert sampling.stop == ("\n",)
    assert "<|" not in user
    assert "</passage" not in user
    assert sampling.temperature == 0.0


@settings(deadline=None)
@given(st.text(max_size=200), st.lists(st.text(max_size=80), max_size=4), st.text(max_size=80))
def test_any_conversation_can_be_understood(text: str, earlier: list[str], written: str) -> None:
    understood = understand(text, turns(*earlier), lambda _: written)
    assert understood.how != "as asked" or understood.text == text.strip()[:LONGEST]
    assert understood.carried or understood.how == "as asked"
