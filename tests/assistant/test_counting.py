"""Questions that count or list documents, told from those that count inside one."""

from __future__ import annotations

import pytest

from assistant.counting import for_each, offer, recognised

DOCUMENTS = [  # question, what each document is asked, kind
    ("Which of these contracts have a change-of-control clause?",
     "Does this document have a change-of-control clause?", "yes_no"),
    ("how many of our contracts contain an exclusivity clause",
     "Does this document contain an exclusivity clause?", "yes_no"),
    ("Which policies mention Marta Kovacs?", "Does this document mention Marta Kovacs?", "yes_no"),
    ("Which of the policies require two-factor authentication?",
     "Does this document require two-factor authentication?", "yes_no"),
    ("How many of the supplier contracts with companies in Spain allow subcontracting?",
     "Does this document allow subcontracting?", "yes_no"),
    ("Do any of our suppliers have the right to terminate without notice?",
     "Does this document have the right to terminate without notice?", "yes_no"),
    ("Do all of the policies require approval by the board?",
     "Does this document require approval by the board?", "yes_no"),
    ("Does every contract contain a confidentiality clause?",
     "Does this document contain a confidentiality clause?", "yes_no"),
    ("Does any policy mention artificial intelligence?",
     "Does this document mention artificial intelligence?", "yes_no"),
    ("Are any of the contracts governed by the law of Delaware?",
     "Is this document governed by the law of Delaware?", "yes_no"),
    ("How many agreements are governed by English law?",
     "Is this document governed by English law?", "yes_no"),
    ("Is there any contract that allows assignment without consent?",
     "Does this document allow assignment without consent?", "yes_no"),
    ("Are there any policies which prohibit personal devices?",
     "Does this document prohibit personal devices?", "yes_no"),
    ("Are there any agreements with a most-favoured-nation clause?",
     "Does this document have a most-favoured-nation clause?", "yes_no"),
    ("List all contracts that mention penalties for late delivery.",
     "Does this document mention penalties for late delivery?", "yes_no"),
    ("List every policy that refers to GDPR", "Does this document refer to GDPR?", "yes_no"),
    ("Show me all documents mentioning Project Aurora",
     "Does this document mention Project Aurora?", "yes_no"),
    ("Give me a list of contracts with automatic renewal",
     "Does this document have automatic renewal?", "yes_no"),
    ("Find all reports that discuss liquidity risk",
     "Does this document discuss liquidity risk?", "yes_no"),
    ("Name the agreements which expire in 2026.", "Does this document expire in 2026?", "yes_no"),
    ("List the contracts where the liability is capped.",
     "Does this document say that the liability is capped?", "yes_no"),
    ("In which documents is Marta Kovacs mentioned?",
     "Is Marta Kovacs mentioned in this document?", "yes_no"),
    ("In how many contracts is the liability capped?",
     "Is the liability capped in this document?", "yes_no"),
    ("What notice period does each contract have?",
     "What notice period does this document have?", "value"),
    ("Which retention period does each of our policies set?",
     "Which retention period does this document set?", "value"),
    ("What is the governing law of each contract?",
     "What is the governing law in this document?", "find"),
    ("What is the notice period in all of our contracts?",
     "What is the notice period in this document?", "value"),
    ("List all retention periods in all our policies",
     "What retention periods does this document give?", "find"),
    ("What are the payment terms in each of the agreements?",
     "What are the payment terms in this document?", "find"),
    ("Which procedures describe the handling of deviations?",
     "Does this document describe the handling of deviations?", "yes_no"),
    ("How many SOPs refer to form QA-12?", "Does this document refer to form QA-12?", "yes_no"),
    ('What documents contain the word "Basel"?',
     'Does this document contain the word "Basel"?', "yes_no"),
    ("Please list all leases that permit subletting.",
     "Does this document permit subletting?", "yes_no"),
    ("Which of our vendors offer a service level of 99.9 %?",
     "Does this document offer a service level of 99.9 %?", "yes_no"),
    ("Can you list all invoices that exceed EUR 10,000?",
     "Does this document exceed EUR 10,000?", "yes_no"),
    ("Which 10-Qs disclose a material weakness?",
     "Does this document disclose a material weakness?", "yes_no"),
]  # fmt: skip
WITHOUT = [
    ("Which agreements do not have a limitation of liability?", "a limitation of liability"),
    ("Which contracts lack a termination for convenience clause?",
     "a termination for convenience clause"),
    ("Are there contracts without an expiry date?", "an expiry date"),
    ("Which NDAs don't define confidential information?", "define confidential information"),
    ("Which documents are silent on data retention?", "data retention"),
]  # fmt: skip
INSIDE = [
    "How many days' notice does the contract ask for?",
    "How many members has the board?",
    "How many reports must the supplier file each year?",
    "How many documents are needed to open an account?",
    "Which documents must a customer show?",
    "What documents are required for onboarding?",
    "How many contracts have we signed?",
    "How many policies does the board approve each year?",
    "Which policy applies to contractors?",
    "What records must be kept for six years?",
    "How many records are kept?",
    "Which forms do visitors fill in?",
    "What does the policy say about each employee?",
    "Does the contract have a change-of-control clause?",
    "List all duties of the data protection officer.",
    "What reports does the auditor provide?",
    "Do all employees have to sign the policy?",
    "Are any documents required?",
    "Is there any notice period?",
    "In which year was the contract signed?",
    "What is the fee for each document?",
    "Which of the parties may terminate?",
    "How many copies of each contract are kept?",
    "What are the established procedures for employees to report suspicions?",
    "What must be included in every report to the regulator?",
    "",
]


@pytest.mark.parametrize(("text", "question", "kind"), DOCUMENTS)
def test_what_counts_or_lists_documents_becomes_a_question_to_each(
    text: str, question: str, kind: str
) -> None:
    found = recognised(text)
    assert found is not None
    assert (found.question, found.kind, found.absent) == (question, kind, False)


@pytest.mark.parametrize(("text", "about"), WITHOUT)
def test_what_asks_for_documents_without_it_asks_each_whether_it_has_it(
    text: str, about: str
) -> None:
    found = recognised(text)
    assert found is not None
    assert (found.about, found.absent) == (about, True)
    assert " not " not in found.question


@pytest.mark.parametrize("text", INSIDE)
def test_what_counts_inside_a_document_is_an_ordinary_question(text: str) -> None:
    assert recognised(text) is None
    assert offer(text, 400) is None


def test_any_question_can_be_put_to_each() -> None:
    assert for_each("change of control").kind == "find"
    assert for_each("What is the notice period?").kind == "value"
    asked = for_each("Does this contract have a change-of-control clause?")
    assert (asked.kind, asked.about) == ("yes_no", "a change-of-control clause")
    assert for_each("Which policies mention X-Ray?") == recognised("Which policies mention X-Ray?")


def test_the_offer_says_how_many_documents_and_is_made_for_several_only() -> None:
    text = DOCUMENTS[0][0]
    made = offer(text, 1_412)
    assert made is not None
    assert (made.task, made.documents, made.question) == ("sweep", 1_412, DOCUMENTS[0][1])
    assert "reads all 1,412" in made.sentence
    assert offer(text, 1) is None


def test_a_question_that_backtracks_ends_at_once() -> None:
    for filler in ("of the ", "list all ", "which ", "in ", "contracts with a "):
        assert recognised("which " + filler * 400 + "contracts") is None
