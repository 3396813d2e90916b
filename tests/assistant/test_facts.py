from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant import names, numerals
from assistant.facts import Fact, Kind, entails, extract


def values(text: str, kind: Kind) -> list[str]:
    return [fact.value for fact in extract(text) if fact.kind is kind]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("kept for six years", Kind.DURATION, "72 month"),
        ("kept for 6 years", Kind.DURATION, "72 month"),
        ("kept for six (6) years", Kind.DURATION, "72 month"),
        ("a six-year period", Kind.DURATION, "72 month"),
        ("kept for 72 months", Kind.DURATION, "72 month"),
        ("within 72 hours", Kind.DURATION, "4320 minute"),
        ("within 3 days", Kind.DURATION, "3 day"),
        ("two weeks later", Kind.DURATION, "14 day"),
        ("within 30 calendar days", Kind.DURATION, "30 day"),
        ("within five business days", Kind.DURATION, "5 business day"),
        ("within 5 working days", Kind.DURATION, "5 business day"),
        ("twenty-four months", Kind.DURATION, "24 month"),
        ("2.5 years", Kind.DURATION, "30 month"),
        ("EUR 5,000", Kind.AMOUNT, "EUR 5000"),
        ("€5,000.00", Kind.AMOUNT, "EUR 5000"),
        ("5 000 euros", Kind.AMOUNT, "EUR 5000"),
        ("5.000,00 EUR", Kind.AMOUNT, "EUR 5000"),
        ("£2.5m", Kind.AMOUNT, "GBP 2500000"),
        ("2.5 million pounds", Kind.AMOUNT, "GBP 2500000"),
        ("USD 1.2bn", Kind.AMOUNT, "USD 1200000000"),
        ("25%", Kind.PERCENT, "25 %"),
        ("twenty-five per cent", Kind.PERCENT, "25 %"),
        ("50 basis points", Kind.PERCENT, "50 bp"),
        ("5 March 2025", Kind.DATE, "2025-03-05"),
        ("March 5th, 2025", Kind.DATE, "2025-03-05"),
        ("the 5th of March 2025", Kind.DATE, "2025-03-05"),
        ("2025-03-05", Kind.DATE, "2025-03-05"),
        ("05.03.2025", Kind.DATE, "2025-03-05"),
        ("13/05/2025", Kind.DATE, "2025-05-13"),
        ("05/13/2025", Kind.DATE, "2025-05-13"),
        ("03/05/2025", Kind.DATE, "03/05/2025"),
        ("March 2025", Kind.DATE, "2025-03"),
        ("31 March of each year", Kind.DATE, "--03-31"),
        ("Q3 2024", Kind.DATE, "2024-Q3"),
        ("the third quarter of 2024", Kind.DATE, "2024-Q3"),
        ("at 17:00", Kind.TIME, "17:00"),
        ("at 5 pm", Kind.TIME, "17:00"),
        ("20 mg", Kind.QUANTITY, "20 mg"),
        ("half a year", Kind.DURATION, "6 month"),
        ("one and a half years", Kind.DURATION, "18 month"),
        ("within a year", Kind.DURATION, "12 month"),
        ("two thirds of them", Kind.NUMBER, "2/3"),
        ("½ of it", Kind.NUMBER, "0.5"),
        ("a ratio of 3:1", Kind.NUMBER, "3:1"),
        ("3,5 Prozent", Kind.NUMBER, "3.5"),
        ("a change of -5%", Kind.PERCENT, "-5 %"),
        ("a change of \u22125%", Kind.PERCENT, "-5 %"),
        ("a loss of $(1,234)", Kind.AMOUNT, "$ -1234"),
        ("(5.2)%", Kind.PERCENT, "-5.2 %"),
        ("EBITDA | (12) | none", Kind.NUMBER, "-12"),
        ("A$5", Kind.AMOUNT, "AUD 5"),
        ("five US dollars", Kind.AMOUNT, "USD 5"),
        ("EUR 5 a month", Kind.FREQUENCY, "1/month"),
        ("the third quarter", Kind.DATE, "--Q3"),
        ("fiscal 2019", Kind.DATE, "FY2019"),
        ("FY19", Kind.DATE, "FY2019"),
        ("31 Dec 19", Kind.DATE, "2019-12-31"),
        ("05/13/25", Kind.DATE, "2025-05-13"),
        ("Rule \u200e4.2.1", Kind.IDENTIFIER, "rule 4.2.1"),
        ("www.firm.example/a", Kind.EMAIL, "www.firm.example/a"),
        ("one hundred and twenty-five thousand", Kind.NUMBER, "125000"),
        ("1,250,000 records", Kind.NUMBER, "1250000"),
        ("reviewed twice a year", Kind.FREQUENCY, "2/year"),
        ("reviewed annually", Kind.FREQUENCY, "1/year"),
        ("every year", Kind.FREQUENCY, "1/year"),
        ("SOP-CL-014", Kind.IDENTIFIER, "SOP-CL-014"),
        ("clause 12.3 (b)", Kind.IDENTIFIER, "clause 12.3(b)"),
        ("§ 4.2", Kind.IDENTIFIER, "section 4.2"),
        ("Section 4.2", Kind.IDENTIFIER, "section 4.2"),
        ("Annex B", Kind.IDENTIFIER, "annex B"),
        ("21 CFR 11.10(e)", Kind.IDENTIFIER, "21CFR 11.10(e)"),
        ("dpo@firm.example", Kind.EMAIL, "dpo@firm.example"),
    ],
)
def test_one_normal_form(text: str, kind: Kind, value: str) -> None:
    assert values(text, kind) == [value]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("six years", "six months"),
        ("72 hours", "3 days"),
        ("30 days", "one month"),
        ("5 days", "5 business days"),
        ("EUR 5,000", "GBP 5,000"),
        ("5 million", "5 billion"),
        ("5 March 2025", "5 May 2025"),
        ("March 2025", "5 March 2025"),  # the fuller is not given by the shorter
        ("section 4.2", "article 4.2"),
        ("20 mg", "20 g"),
        ("25 %", "25 basis points"),
    ],
)
def test_what_differs_stays_apart(one: str, other: str) -> None:
    stated, given_ = extract(other), extract(one)
    assert not any(entails(fact, each) for fact in stated for each in given_)


@pytest.mark.parametrize(
    ("stated", "evidence"),
    [
        ("March 2025", "5 March 2025"),
        ("in 2025", "5 March 2025"),
        ("5 March", "2025-03-05"),
        ("USD 5", "$5"),
        ("clause 12.3(b)", "12.3(b)"),
    ],
)
def test_a_fuller_statement_gives_a_shorter_one(stated: str, evidence: str) -> None:
    wanted = [fact for fact in extract(stated) if fact.kind is not Kind.NAME]
    assert wanted
    for fact in wanted:
        assert any(entails(fact, other) for other in extract(evidence))


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("at least 5 years", "min"),
        ("no less than 5 years", "min"),
        ("5 years or more", "min"),
        ("at most 5 years", "max"),
        ("no later than 5 years", "max"),
        ("within 5 years", "max"),
        ("up to a total of 5 years", "max"),
        ("for 5 years", ""),
    ],
)
def test_direction_of_a_bound(text: str, bound: str) -> None:
    assert [fact.bound for fact in extract(text)] == [bound]


def test_what_a_number_counts() -> None:
    nouns = {fact.value: fact.noun for fact in extract("It has five members and 3 committees.")}
    assert nouns["5"] == "member"
    assert nouns["3"] != nouns["5"]


@pytest.mark.parametrize("text", ["It may be one of these.", "no one", "It may happen.", "a m b"])
def test_words_that_are_no_facts(text: str) -> None:
    assert [fact for fact in extract(text) if fact.kind is not Kind.NAME] == []


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("between two and three years", [("24 month", "min"), ("36 month", "max")]),
        ("3 to 5 years", [("36 month", "min"), ("60 month", "max")]),
        ("2 to 8 °C", [("2 °C", "min"), ("8 °C", "max")]),
        ("3–5 %", [("3 %", "min"), ("5 %", "max")]),
        ("$3 to $5 million", [("$ 3000000", "min"), ("$ 5000000", "max")]),
    ],
)
def test_both_ends_of_a_range_carry_its_unit(text: str, ends: list[tuple[str, str]]) -> None:
    assert [(fact.value, fact.bound) for fact in extract(text) if fact.ranged] == ends


@pytest.mark.parametrize(
    "text",
    ["from 3 to 5 years", "rose 3% to 5%", "2018 to 2019", "COVID-19 to 20", "10-12", "5-3 %"],
)
def test_what_is_no_range(text: str) -> None:
    assert not any(fact.ranged for fact in extract(text))


def test_a_year_that_goes_on_a_date_is_a_date() -> None:
    assert values("at June 30, 2019 and 2018", Kind.DATE) == ["2019-06-30", "2018-06-30"]
    assert values("in fiscal 2019, 2018 and 2017", Kind.DATE) == ["FY2019", "FY2018", "FY2017"]


@pytest.mark.parametrize("text", ["six (6) of them", "clause (2)", "since (2019)", "(4.2.1)"])
def test_brackets_that_are_no_minus(text: str) -> None:
    assert not any(fact.value.startswith("-") and fact.value[1].isdigit() for fact in extract(text))


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**12))
def test_separators_do_not_change_a_number(number: int) -> None:
    plain = values(f"there were {number} of them", Kind.NUMBER)
    assert plain == [str(number)]
    assert values(f"there were {number:,} of them", Kind.NUMBER) == plain


ONES = dict(
    enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
)
TENS = dict(
    enumerate(
        ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    )
)


def spelled(number: int) -> str:
    """An independent speller, 1 to 999,999."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f"-{ONES[number % 10]}" if number % 10 else "")
    if number < 1000:
        rest = f" and {spelled(number % 100)}" if number % 100 else ""
        return f"{ONES[number // 100]} hundred{rest}"
    rest = f" {spelled(number % 1000)}" if number % 1000 else ""
    return f"{spelled(number // 1000)} thousand{rest}"


@settings(deadline=None)
@given(st.integers(min_value=2, max_value=999_999))
def test_numbers_in_words(number: int) -> None:
    assert values(f"after {spelled(number)} days", Kind.DURATION) == [f"{number} day"]


@settings(deadline=None)
@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2099, 12, 31)))
def test_spellings_of_a_date_agree(day: date) -> None:
    spellings = [
        day.isoformat(),
        f"{day.day} {day:%B} {day.year}",
        f"{day:%B} {day.day}, {day.year}",
        f"{day.day} {day:%b} {day.year}",
        f"{day.day:02d}.{day.month:02d}.{day.year}",
    ]
    assert {tuple(values(f"on {each} at last", Kind.DATE)) for each in spellings} == {
        (day.isoformat(),)
    }


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_gives_facts_that_are_in_it_and_do_not_overlap(text: str) -> None:
    found = extract(text)
    assert all(0 <= fact.start < fact.end <= len(text) for fact in found)
    assert all(one.end <= other.start for one, other in pairwise(found))


@settings(deadline=None)
@given(st.text(max_size=200))
def test_a_text_supports_itself(text: str) -> None:
    found = extract(text)
    for fact in found:
        if fact.kind is not Kind.NAME:
            assert any(entails(fact, other) for other in found)


def test_names() -> None:
    found = {
        fact.value: fact.noun
        for fact in extract("Records go to Marta Kovacs, Head of Compliance at the EBA.")
        if fact.kind is Kind.NAME
    }
    assert found == {
        "records": "initial", "marta kovacs": "", "head of compliance": "", "eba": "",
    }  # fmt: skip


def test_a_name_occurs_only_whole() -> None:
    present = names.words("Marta Kovacs’s deputy met Jonas Lind.")
    assert names.occurs("marta kovacs", present)
    assert not names.occurs("marta lind", present)
    assert not names.occurs("kovac", present)


def test_canonical_numbers() -> None:
    assert numerals.canonical(numerals.from_digits("1,250.500")) == "1250.5"
    assert numerals.canonical(numerals.from_digits("1.250,50")) == "1250.5"


def test_facts_are_plain_values() -> None:
    assert Fact(Kind.NUMBER, "6", 0, 1) == Fact(Kind.NUMBER, "6", 0, 1)
