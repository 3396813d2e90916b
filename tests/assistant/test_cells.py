from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant import asked, cell_choice, cell_comparison, cell_labels, periods
from assistant.cell_choice import CellAnswer
from assistant.grid import Cell, GridRow
from assistant.layout import lay_out
from index.document import Page

TEXT = """Balance sheets at the end of each year (in thousands):

| December 31, 2019 | December 31, 2018 | Change | % Change
Current assets:
Receivables | 120 | 100 | 20 | 20%
Other | 7 | 9 | (2) | (22)%
Total current assets | 127 | 109 | 18 | 17%
Non-current assets:
Other | 40 | 30 | 10 | 33%
Gross margin | 41.1% | 39.0% | 2.1% | 5%
Loss from operations | (25) | (34) | 9 | 26%"""

OTHERS = """| Segment charges 2019 | Segment charges 2018
Transport | 16 | 3
Industry | 14 | 5
Communications | 5 | 5
Total | 35 | 13"""


def rows_of(text: str) -> list[GridRow]:
    return [unit.row for unit in lay_out(Page(1, text)) if unit.row is not None]


def chosen(question: str, text: str = TEXT) -> CellAnswer | None:
    read = asked.read(question)
    if cell_comparison.compares(read):
        return cell_comparison.choose(read, rows_of(text))
    return cell_choice.choose(read, rows_of(text))


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("What were receivables in 2018?",
         "Current assets – Receivables, December 31, 2018: 100 (in thousands)"),
        ("What were the total current assets as of December 31, 2019?",
         "Total current assets, December 31, 2019: 127 (in thousands)"),
        ("What was the change in receivables from 2018 to 2019?",
         "Current assets – Receivables, Change: 20 (in thousands)"),
        ("What was the percentage change in total current assets in 2019?",
         "Total current assets, % Change: 17%"),
        ("What were other non-current assets in FY19?",
         "Non-current assets – Other, December 31, 2019: 40 (in thousands)"),
        ("What was the gross margin in 2019?", "Gross margin, December 31, 2019: 41.1%"),
    ],
)  # fmt: skip
def test_the_cell_that_a_question_names_answers_alone(question: str, sentence: str) -> None:
    answer = chosen(question)
    assert answer is not None
    said = answer.sentence.replace("Current assets – Total", "Total")
    assert said.replace("Non-current assets – Gross", "Gross") == sentence
    assert 0 < answer.confidence <= 1


@pytest.mark.parametrize(
    "question",
    [
        "What were other assets?",  # two sections, two years
        "What were receivables in 2017?",  # no such year
        "What were receivables?",  # which year?
        "What were the inventories in 2019?",
        "Why did receivables rise in 2019?",
        "What does the total of current assets represent?",
        "When were receivables recognised?",
        "Who approved receivables in 2019?",
        "Which years does the table show?",
        "What was the second highest of the segment charges in 2019?",
    ],
)
def test_what_is_not_clear_is_not_answered(question: str) -> None:
    assert chosen(question) is None


def test_several_years_are_answered_each_with_its_label() -> None:
    answer = chosen("What were receivables in 2018 and 2019, respectively?")
    assert answer is not None
    assert [cell.text for cell in answer.pointed] == ["100", "120"]
    assert "December 31, 2018: 100" in answer.sentence
    assert "December 31, 2019: 120" in answer.sentence


@pytest.mark.parametrize(
    ("question", "label"),
    [
        ("In which year were receivables the highest?", "December 31, 2019"),
        ("In which year were receivables less than 110 thousand?", "December 31, 2018"),
        ("In which year was the loss from operations larger?", "December 31, 2018"),
    ],
)
def test_a_year_is_told_by_comparing_the_values_of_a_row(question: str, label: str) -> None:
    answer = chosen(question)
    assert answer is not None
    assert [cell.text for cell in answer.pointed] == [label]


def test_a_row_is_told_by_comparing_a_column_and_totals_are_left_out() -> None:
    answer = chosen("Which segment had the highest segment charges in 2019?", OTHERS)
    assert answer is not None
    assert [cell.text for cell in answer.pointed] == ["Transport"]
    assert chosen("Which segment had the highest segment charges in 2018?", OTHERS) is None  # two


def test_the_same_label_twice_with_one_value_is_no_doubt() -> None:
    again = TEXT.replace("Gross margin |", "Receivables | 120 | 100 | 20 | 20%\nGross margin |")
    assert chosen("What were receivables in 2018?", again) is not None
    other = TEXT.replace("Gross margin |", "Receivables | 121 | 101 | 20 | 20%\nGross margin |")
    assert chosen("What were receivables in 2018?", other) is None


@pytest.mark.parametrize(
    ("text", "years", "parts"),
    [
        ("FY19", {2019}, set()),
        ("2017/2018", {2018}, set()),
        ("2021-2022", {2021, 2022}, set()),
        ("Period (1/1/19)", {2019}, set()),
        ("Fiscal 2019 third quarter", {2019}, {"Q3"}),
        ("Q4 2018", {2018}, {"Q4"}),
        ("Third", set(), {"Q3"}),
        ("$2,019.5 and 2,018 shares", set(), set()),
    ],
)
def test_periods(text: str, years: set[int], parts: set[str]) -> None:
    read = periods.read(text)
    assert (set(read.years), set(read.parts)) == (years, parts)


def test_a_verb_is_no_month() -> None:
    assert periods.read("sales may rise in March").months == {3}
    assert periods.without("Marketing costs") == "Marketing costs"


@settings(deadline=None)
@given(
    st.lists(st.text(alphabet="abc 12(),.%$-", max_size=8), min_size=4, max_size=12),
    st.sampled_from(["2019 | 2018", "Cost | Value", "in thousands | 2020"]),
)
def test_what_is_shown_of_a_cell_stands_on_the_page(cells: list[str], head: str) -> None:
    """Property: the parts of a cell's sentence are stretches of the page, letter by letter."""
    text = f"Item | {head}\n" + "\n".join(
        f"{one or 'x'} | {two} | 5" for one, two in zip(cells[::2], cells[1::2], strict=False)
    )
    for number, row in enumerate(rows_of(text)):
        for column in range(1, len(row.line.cells)):
            for part in cell_labels.value_at(row, number, column).parts:
                said = " ".join(text[start:end] for start, end in part.places)
                assert " ".join(said.split()) == part.text


def test_units_that_are_shown_already_are_not_shown_again() -> None:
    (row,) = rows_of("| 2019 | 2018\n| €m | €m\nTax | 21 | 70")
    value = cell_labels.value_at(row, 0, 1)
    assert value.sentence == "Tax, 2019: 21 €m"
    assert value.unit == Cell("€m", value.unit.places if value.unit else ())
