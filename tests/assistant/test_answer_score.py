"""Judging what was shown: values, spans, sentences, refusals, citations."""

from __future__ import annotations

import pytest

from assistant.answer_outcome import AnswerRun, Case, Gold, Shown
from assistant.answer_score import declines, extras, judge
from assistant.answer_values import sole, states, values
from assistant.answer_words import common_run, holds, token_f1


def shown(text: str, *quotes: tuple[str, int, str], verdict: str = "ANSWERED") -> Shown:
    numbers = tuple(range(1, len(quotes) + 1))
    return Shown("q", verdict, text, ((text, numbers),), quotes)


def value(answer: str, question: str = "What were sales in 2019?", *more: str) -> Case:
    return Case("q", question, (answer, *more), form="value", together=bool(more))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("$1,496.5 million", "1,496.5 million", True),
        ("1496.5", "$1,496.5 million", True),  # a cell, whose scale stands in the table's head
        ("1,496.5 billion", "$1,496.5 million", False),
        ("1,496.5 million", "1,496.5", False),
        ("EUR 5,000", "5000 €", True),
        ("EUR 5,000", "USD 5,000", False),
        ("(1.9)", "-1.9", True),
        ("1.9", "(1.9)", False),
        ("30%", "30 percent", True),
        ("30 per cent", "30", False),
        ("12", "12.0", True),
        ("121", "12", False),
    ],
)
def test_values_are_compared_and_not_their_spelling(one: str, other: str, same: bool) -> None:
    given, gold = sole(one), sole(other)
    assert given is not None and gold is not None
    assert states(given, gold) is same


def test_numbers_inside_words_are_no_values() -> None:
    found = values("In Q3 of COVID-19 it cost 1,000, or 5-10 % more (v2)")
    assert [str(each.number) for each in found] == ["1000", "5", "10"]
    assert sole("about 5") is None and sole("five") is None


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("Sales were $1,496.5 million in 2019. [1]", "correct"),
        ("Sales: 1,496.5 [1][2]", "correct"),
        ("Sales were $1,202.9 million in 2019.", "wrong"),
        ("Sales; 2019: 1,496.5; 2018: 1,202.9 [1]", "partial"),
        ("Sales | 1,496.5 | 1,202.9", "partial"),
        ("Sales; 2019: 1,496.5 [1]", "correct"),
        ("Sales; dollars: $1,496.5; euros: EUR 1,300; growth: 12.5%", "correct"),
        ("Sales rose from $1,202.9 million to $1,496.5 million in 2019.", "correct"),
    ],
)
def test_a_value_must_be_singled_out_in_a_row(text: str, outcome: str) -> None:
    judged = judge(value("$1,496.5 million"), shown(text))
    assert (judged.correct, judged.partial, judged.wrong_shown) == (
        outcome == "correct",
        outcome == "partial",
        outcome == "wrong",
    )


def test_a_year_must_be_singled_out_everywhere() -> None:
    asked = value("2018", "In which year were sales lower?")
    assert judge(asked, shown("Sales were lower in 2018.")).correct
    assert judge(asked, shown("Sales of 2019 exceeded those of 2018.")).partial
    both = value("2018", "In which years were sales lower?", "2017")
    assert judge(both, shown("Sales were lower in 2017 and 2018.")).correct
    assert not judge(both, shown("Sales were lower in 2018.")).correct


def test_a_span_may_stand_in_a_quote_and_numbers_in_words() -> None:
    case = Case("q", "How long?", ("six years",), (Gold("a.md", "", 2),), form="span")
    assert judge(case, shown("For six (6) years.")).correct
    assert judge(case, shown("Long.", ("a.md", 2, "It is kept 6 years."))).correct
    missed = judge(case, shown("For sixty years."))
    assert missed.wrong_shown and missed.overlap == pytest.approx(0.4)
    parts = Case("q", "Which?", ("tea", "coffee"), form="span", together=True)
    assert not judge(parts, shown("Only tea.")).correct
    assert judge(parts, shown("Coffee, then tea.")).correct


def test_prose_is_judged_by_the_same_rule_with_and_without_citations() -> None:
    gold = "Customer records shall be retained for six years after the relationship ends."
    case = Case("q", "How long?", ("Six years after the end.",), (Gold("a", gold),))
    cited = judge(case, shown(gold, ("a", 1, gold)))
    plain = judge(case, Shown("q", "ANSWERED", gold, ((gold, ()),), passages=(("a", 1, gold),)))
    assert cited.correct and plain.correct
    assert (cited.cited_gold, cited.citation_precision, cited.citation_recall) == (True, 1.0, 1.0)
    assert (plain.cited_gold, plain.citation_precision, plain.citation_recall) == (None,) * 3
    other = "Marketing consent forms must not be stored on personal devices."
    assert judge(case, shown(other, ("a", 1, other))).wrong_shown


def test_without_words_of_the_place_the_answer_itself_must_be_said() -> None:
    case = Case("q", "Why?", ("Because the regulator demands an annual independent audit.",),
                (Gold("a", "", 3),))  # fmt: skip
    assert judge(case, shown("The regulator demands an independent audit every year.")).correct
    assert judge(case, shown("Audits are expensive.")).wrong_shown


def test_refusals_and_unanswerable_questions() -> None:
    none, some = Case("q", "Who?", ()), Case("q", "Who?", ("Ada",), (Gold("a", "Ada"),), "span")
    nothing = Shown("q", "ABSTAINED", "The documents do not answer this question.")
    assert judge(none, nothing).correct and not judge(none, nothing).wrong_shown
    wrongly = judge(some, nothing)
    assert (wrongly.correct, wrongly.wrong_shown, wrongly.cited_gold) == (False, False, False)
    assert judge(none, shown("Ada did.")).wrong_shown
    assert judge(none, Shown("q", "FAILED", "It broke.")).refused


@pytest.mark.parametrize(
    ("text", "is_refusal"),
    [
        ("I don't know.", True),
        ("I’m sorry, but I cannot find this.", True),
        ("The passage does not mention who founded the bank.", True),
        ("The provided context is not clear on that.", True),
        ("Not mentioned in the text.", True),
        ("There is no information on that.", True),
        ("Unknown", True),
        ("", True),
        ("The website does not share your data.", False),
        ("Nobody knows.", False),
        ("It was Ada. The passage does not mention when.", False),
        ("Records must not be destroyed.", False),
    ],
)
def test_a_plain_chain_refuses_in_its_first_sentence(text: str, is_refusal: bool) -> None:
    assert declines(text) is is_refusal


def test_a_quote_touches_a_place_by_document_page_and_words() -> None:
    sentence = "Visitor logs are kept for ninety days in the lobby."
    case = Case("q", "How long?", ("ninety days",),
                (Gold("a", sentence, 2), Gold("b", "Nothing of it here.")), "span")  # fmt: skip
    judged = judge(
        case,
        shown(
            "Ninety days.",
            ("a", 2, "Visitor logs are kept for ninety days"),
            ("a", 1, sentence),
            ("c", 2, sentence),
            ("a", 2, "Something else, long enough to be told apart."),
        ),
    )
    assert (judged.citation_precision, judged.citation_recall) == (0.25, 0.5)
    assert judged.cited_gold


def test_a_short_run_of_common_words_is_no_touch() -> None:
    assert common_run("they may collect data", "we collect") == 0.0
    assert common_run("so we collect data", "We collect") == 1.0
    assert holds("A list of the Acts", "list of acts") and not holds("ten", "")
    assert token_f1("", ["x"]) == token_f1("x", []) == 0.0


def test_unsupported_sentences_are_counted_once() -> None:
    case = Case("q", "How long?", ("six years",), form="span")
    quote = ("a", 1, "Records are kept for six years.")
    two = (("Records are kept for nine years by John.", (1,)), ("Records are kept.", (1,)))
    judged = judge(case, Shown("q", "ANSWERED", "…", two, (quote,)))
    assert (judged.unsupported_sentences, judged.unsupported_facts) == (1, 1)
    assert judged.unsupported == ("number: 108 month", "name: John")


def test_extras_are_shares_and_means() -> None:
    case = value("$1,496.5 million")
    judged = tuple(judge(case, shown(text)) for text in ("Sales | 1,496.5 | 2.0", "1,496.5"))
    run = AnswerRun("default", "m", "p", {}, (), judged)
    found = extras(run)
    assert found["partial"].value == 0.5 and found["token_f1"].count == 2
