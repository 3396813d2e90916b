"""A sentence laid along its evidence: what was put in, left out, replaced or turned round."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant import alignment, cells, conformity, gate, guards
from assistant.alignment import profile
from assistant.evidence import Candidate
from assistant.gate import Reason
from assistant.guards import Class
from assistant.layout import lay_out
from assistant.sentences import Kind
from assistant.terms import keys
from index.document import Page


def found(sentence: str, evidence: str) -> Reason | None:
    laid = alignment.align(profile(sentence), profile(evidence))
    difference = conformity.differs(laid)
    return difference[0] if difference else None


def candidates(text: str) -> list[Candidate]:
    return [
        Candidate("d", 1, n, unit, 0, False, keys(unit.plain), keys(unit.heading), frozenset())
        for n, unit in enumerate(lay_out(Page(1, text)))
        if unit.kind is not Kind.HEADING
    ]


def judged(sentence: str, text: str) -> Reason | None:
    return gate.over(candidates(text)).judge(sentence).reason


BANK = "The bank must inform the supplier before the audit unless the contract has ended."
PAID = "The lender pays 5% in 2018 and 10% in 2019 to the borrower."
KEPT = "All files are kept for at least six years in Paris, and copies may be sent to clients."


@pytest.mark.parametrize(
    ("sentence", "evidence", "reason"),
    [
        ("The supplier must inform the bank before the audit unless the contract has ended.",
         BANK, Reason.ROLES),
        ("The bank must be informed by the supplier before the audit unless the contract has "
         "ended.", BANK, Reason.ROLES),
        ("The bank may inform the supplier before the audit unless the contract has ended.",
         BANK, Reason.OBLIGATION),
        ("The bank must not inform the supplier before the audit unless the contract has ended.",
         BANK, Reason.NEGATION),
        ("The bank is not required to inform the supplier before the audit unless the contract "
         "has ended.", BANK, Reason.NEGATION),
        ("The bank must inform the supplier after the audit unless the contract has ended.",
         BANK, Reason.COMPARISON),
        ("The bank must inform the supplier before the audit.", BANK, Reason.CONDITION),
        ("The bank must inform the regulator before the audit unless the contract has ended.",
         BANK, Reason.UNSUPPORTED_TERM),
        ("The lender pays 10% in 2018 and 5% in 2019 to the borrower.", PAID,
         Reason.MISATTRIBUTED),
        ("The lender pays 5% in 2018 and 10% in 2019 from the borrower.", PAID, Reason.ROLES),
        ("The borrower pays 5% in 2018 and 10% in 2019 to the lender.", PAID, Reason.ROLES),
        ("All files are kept for six years in Paris.", KEPT, Reason.COMPARISON),
        ("All files are kept for at most six years in Paris.", KEPT, Reason.COMPARISON),
        ("Some files are kept for at least six years in Paris.", KEPT, Reason.QUANTITY),
        ("Only copies may be sent to clients.", KEPT, Reason.QUANTITY),
        ("The rate is higher than the fee.", "The fee is higher than the rate.", Reason.ROLES),
        ("Records are kept for 5 years.", "Records are kept for 3 to 5 years.",
         Reason.COMPARISON),
        ("It may sell shares or bonds.", "It may sell shares and bonds.", Reason.CONTRADICTION),
        ("Access is open to professional clients.",
         "Access is open to professional clients only.", Reason.QUANTITY),
        ("The fee is due.", "If the sale fails, the fee is due.", Reason.CONDITION),
        ("Die Frist beträgt 3,5 Jahre.", "Die Frist beträgt nicht 3,5 Jahre.", Reason.NEGATION),
        ("Le client paie la taxe.", "Le client ne paie pas la taxe.", Reason.NEGATION),
    ],
)  # fmt: skip
def test_what_differs(sentence: str, evidence: str, reason: Reason) -> None:
    wrong = found(sentence, evidence)
    assert wrong is reason or (wrong and reason in (Reason.ROLES, Reason.MISATTRIBUTED))


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        ("The supplier must be informed by the bank before the audit unless the contract has "
         "ended.", BANK),
        ("Unless the contract has ended, the bank must inform the supplier before the audit.",
         BANK),
        ("The bank shall notify the vendor prior to the audit unless the contract has ended.",
         BANK),
        ("The lender pays 5% in 2018.", PAID),
        ("Files are kept for at least 72 months in Paris.", KEPT),
        ("Copies may be sent to clients.", KEPT),
        ("Records are kept for up to 5 years.", "Records are kept for 3 to 5 years."),
        ("Insurers and banks pay the levy.", "Banks and insurers pay the levy."),
        ("Jonas Lind signed the manual.",
         "Marta Kovacs approved the manual and Jonas Lind signed it."),
    ],
)  # fmt: skip
def test_what_says_the_same(sentence: str, evidence: str) -> None:
    assert found(sentence, evidence) is None


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab not must 5%,.;() all the by from 20"), max_size=160))
def test_a_text_says_what_it_says(text: str) -> None:
    laid = alignment.align(profile(text), profile(text))
    assert all(a == b for a, b in laid.pairs)
    assert conformity.differs(laid) is None


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("need not", [Class.FREE]),
        ("must never", [Class.FORBIDDEN]),
        ("shall not exceed 5", [Class.MOST]),
        ("not only", []),
        ("No. 5", []),
        ("over 5 but over there", [Class.ABOVE]),
        ("if any", []),
        ("doesn't", [Class.NOT]),
        ("the third", [Class.THIRD]),
        ("prior to", [Class.BEFORE]),
    ],
)
def test_guards(text: str, classes: list[Class]) -> None:
    assert [guard.is_ for guard in guards.find(text)] == classes


LIST = """A firm must not:
(a) share client data with others; or
(b) sell client data to brokers."""


def test_an_item_is_not_true_without_the_line_that_negates_it() -> None:
    assert judged("A firm must not sell client data to brokers.", LIST) is None
    assert judged("A firm must sell client data to brokers.", LIST) is Reason.CONDITION
    assert judged("Sell client data to brokers.", LIST) is Reason.CONDITION


TABLE = """Sales by region (in millions)

Region | 2019 | 2018
--- | --- | ---
Asia | $1,496 | $1,202
Europe | $44 | (12)"""


def test_a_cell_has_the_scale_and_column_of_its_table() -> None:
    assert judged("In Asia it was $1,496 million in 2019.", TABLE) is None
    assert judged("In Asia it was $1,496 in 2019.", TABLE) is Reason.UNSUPPORTED_NUMBER
    assert judged("In Asia it was $1,202 million in 2019.", TABLE) is Reason.MISATTRIBUTED
    assert judged("In Asia it was $44 million.", TABLE) is not None
    assert judged("In Europe it was 12 million.", TABLE) is Reason.UNSUPPORTED_NUMBER


def test_scale_leaves_years_alone() -> None:
    row = next(c for c in candidates(TABLE) if "Asia" in c.unit.plain)
    kept = cells.scaled(profile("2019 | 5").facts, [row])
    assert [fact.value for fact in kept][:2] == ["2019", "5000000"]


def test_two_units_do_not_mend_what_one_says_otherwise() -> None:
    text = "The bank informs the supplier. The supplier informs nobody of the bank."
    assert judged("The supplier informs the bank.", text) is not None
