"""What a fact becomes as a value, and what a sentence answers to yes or no."""

from __future__ import annotations

import pytest

from assistant import facts
from assistant.extract_phrases import defined, parties, phrases
from assistant.extract_polarity import cell, verdict
from assistant.extract_schema import Field, Type
from assistant.extract_values import holds, kinds_of, made, scale_in
from assistant.terms import keys


def field(label: str, type_: Type = Type.NUMBER, description: str = "") -> Field:
    return Field((label,), type_, label, description)


@pytest.mark.parametrize(
    ("label", "type_", "text", "value"),
    [
        ("fee", Type.NUMBER, "The fee is EUR 1.2 million.", 1_200_000),
        ("fee", Type.NUMBER, "The fee is €1.250.000,50.", 1_250_000.5),
        ("result", Type.NUMBER, "Result: -4.5%", -4.5),
        ("result", Type.NUMBER, "Net result | (1,234)", -1_234),
        ("notice days", Type.INTEGER, "on thirty (30) days' notice", 30),
        ("notice days", Type.INTEGER, "on two weeks' notice", 14),
        ("notice days", Type.INTEGER, "on one month's notice", None),
        ("term years", Type.INTEGER, "for 36 months", 3),
        ("term years", Type.INTEGER, "for 30 months", None),
        ("notice", Type.INTEGER, "two years", 2),
        ("fee in EUR", Type.NUMBER, "USD 500", None),
        ("start", Type.DATE, "on March 5, 2024", "2024-03-05"),
        ("start", Type.DATE, "in March 2024", None),
        ("start", Type.DATE, "on 03/05/2024", None),
        ("start", Type.DATE, "on 31.02.2024", None),
        ("period", Type.STRING, "for  ninety\n(90) days", "ninety (90) days"),
    ],
)
def test_a_value_is_read_from_its_fact(label: str, type_: Type, text: str, value: object) -> None:
    wanted = field(label, type_)
    kinds = kinds_of(wanted) or frozenset({facts.Kind.DURATION})
    found = next(fact for fact in facts.extract(text) if fact.kind in kinds)
    given = made(wanted, text, found)
    assert (given.value if given else None) == value
    if given is not None:
        assert holds(wanted, given.value, text)
        assert not holds(wanted, given.value, "The text says nothing of it but 7 and 8.")


def test_a_table_gives_its_scale_to_its_cells() -> None:
    assert [scale_in(each) for each in ("EUR million", "in thousands", "$000", "Amount")] == [
        6,
        3,
        3,
        0,
    ]
    (fact,) = facts.extract("1,234")
    given = made(field("revenue"), "1,234", fact, 6)
    assert given is not None and given.value == 1_234_000_000


@pytest.mark.parametrize(
    ("question", "sentence", "said"),
    [
        ("May the supplier subcontract?", "The Supplier may subcontract its duties.", True),
        ("May the supplier subcontract?", "The Supplier shall not subcontract.", False),
        ("May the supplier subcontract?", "Subcontracting is prohibited.", False),
        ("May the supplier subcontract?", "It may not subcontract without consent.", False),
        ("May the supplier subcontract?", "Unless agreed, it may subcontract.", True),
        ("May the supplier subcontract?", "Nothing herein shall not limit subcontracting.", None),
        ("Does the contract renew automatically?", "It renews automatically.", True),
        ("Does the contract renew automatically?", "It does not renew automatically.", False),
        ("Does it renew automatically?", "It renews automatically unless notice is given.", True),
        ("Must records be encrypted?", "Records may be encrypted.", None),
        ("Must records be encrypted?", "Records must be encrypted.", True),
        ("Is the licence exclusive?", "The licence is non-exclusive.", False),
        ("Is the licence exclusive?", "The licence is exclusive.", True),
        ("Is there a non-compete obligation?", "It contains no non-compete obligation.", False),
        ("Does it contain a change of control clause?", "A change of control ends it.", True),
        ("Does it contain a change of control clause?", "A change of control does not.", None),
    ],
)
def test_a_sentence_says_yes_no_or_neither(question: str, sentence: str, said: bool | None) -> None:
    assert verdict(question, keys("subcontract renew encrypted exclusive control"), sentence) is (
        said
    )


def test_a_form_says_yes_or_no_by_a_word_or_a_box() -> None:
    assert [cell(each) for each in ("Yes", "☒", "no.", "[ ]", "on request", "")] == [
        True,
        True,
        False,
        False,
        None,
        None,
    ]


def test_names_are_taken_whole() -> None:
    text = (
        "between Müller & Söhne GmbH and Banca Meridiana S.p.A. on 1 May 2020, in England and Wales"
    )
    assert [each.text for each in phrases(text)] == [
        "Müller & Söhne GmbH",
        "Banca Meridiana S.p.A.",
        "England and Wales",
    ]


def test_a_definition_names_who_is_meant() -> None:
    text = (
        "This Agreement is made on 1 March 2024 between Acme Ltd, a company registered in England "
        '(the "Supplier"), and Bank of Ireland (hereinafter the "Customer").'
    )
    supplier = defined(text, lambda term: term == "Supplier")
    customer = defined(text, lambda term: term == "Customer")
    assert supplier is not None and supplier.text == "Acme Ltd"
    assert customer is not None and customer.text == "Bank of Ireland"
    assert [each.text for each in parties(text)] == ["Acme Ltd", "Bank of Ireland"]
    lets = 'The Landlord lets to the Tenant the house at 1 High Street (the "Premises").'
    assert defined(lets, lambda term: term == "Premises") is None
