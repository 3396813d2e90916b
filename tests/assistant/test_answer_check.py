"""The independent checker: what it finds, what it lets pass, and that it shares no code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import assistant
from assistant.answer_check import check, unsupported

QUOTE = (
    "Customer due diligence records shall be retained for six (6) years after the end of the "
    "business relationship, as approved by Marta Kovacs on 5 March 2024. Exceptions must not "
    "exceed EUR 5,000 a year."
)
TABLE = ("(in millions) | 2019 | 2018", "Total sales | $1,496.5 | $1,202.9")


@pytest.mark.parametrize(
    "sentence",
    [
        "Records are retained for 6 years after the end of the business relationship.",
        "Records are retained for 72 months after the end of the business relationship.",
        "Marta Kovacs approved that records be retained on March 5, 2024.",
        "This was approved in March 2024.",
        "It was approved in 2024.",
        "1. Exceptions must not exceed 5,000 a year.",
        "One of the exceptions must not exceed EUR 5000 a year.",
    ],
)
def test_what_a_quote_says_in_other_words_is_supported(sentence: str) -> None:
    assert list(unsupported(sentence, [QUOTE])) == []


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("Records are retained for 24 months.", "number: 24 month"),
        ("Records are retained for six months.", "number: 6 month"),
        ("Records are retained for sixty-six years.", "number: 792 month"),
        ("Exceptions must not exceed EUR 5 million a year.", "number: 5000000"),
        ("Marta Kovacs approved exceptions on 6 March 2024.", "date: 2024-3-6"),
        ("Exceptions are approved by John Kovacs.", "name: John"),
        ("Exceptions must exceed EUR 5,000 a year.", "negation: given, not said"),
        ("Records shall not be retained for six years.", "negation: said, not given"),
        ("Bananas grow quickly in warm weather.", "words: bananas, grow, quickly, warm, weather"),
    ],
)
def test_each_kind_of_unsupported_thing_is_found(sentence: str, found: str) -> None:
    assert [str(each) for each in unsupported(sentence, [QUOTE])] == [found]


def test_a_scale_may_stand_in_the_head_of_a_table() -> None:
    assert not list(unsupported("Total sales were $1,496.5 million in 2019.", TABLE))
    wrong = [each.kind for each in unsupported("Total sales were $1,496.5 billion.", TABLE)]
    assert wrong == ["number"]
    assert not list(unsupported("The limit is 13.5%.", ["Limit: 13.5 percent"]))
    assert list(unsupported("The limit is 13.5%.", ["Limit: 13.5 months"]))


def test_a_day_written_both_ways_round_may_be_either() -> None:
    assert not list(unsupported("It was declared on 11/03/2020.", ["declared 2020-03-11"]))
    assert not list(unsupported("It was declared on 03/11/2020.", ["declared 2020-03-11"]))
    assert list(unsupported("It was declared on 13/03/2020.", ["declared 2020-03-11"]))


def test_a_quote_may_be_broken_where_the_paper_ended() -> None:
    quote = (
        "Each custodian\nacknowledges it within three days; the office calls those\nwho have not."
    )
    told = "Each custodian acknowledges it within three days; the office calls those who have not."
    assert not list(unsupported(told, [quote]))
    listed = "The bank:\n- keeps all records\n- does not sell data"
    assert not list(unsupported("The bank keeps all records.", [listed]))
    assert list(unsupported("The bank does sell data.", [listed]))


def test_a_row_told_cell_by_cell_denies_what_its_quote_denies() -> None:
    told = "What: AESI, serious or not; To whom: VCL Safety Desk"
    assert not list(unsupported(told, ["What To whom", "AESI, serious or not VCL Safety Desk"]))
    assert list(unsupported("What: AESI, serious; To whom: VCL Safety Desk",
                            ["What To whom", "AESI, not serious VCL Safety Desk"]))  # fmt: skip


def test_only_the_quotes_that_a_sentence_cites_support_it() -> None:
    quotes = [("a.md", 1, "Visitor logs are kept for 90 days."), ("b.md", 2, QUOTE)]
    sentences = [("Visitor logs are kept for 90 days.", (1,)), ("Logs are kept 90 days.", (2,))]
    first, second = check(sentences, quotes)
    assert not first and {each.kind for each in second} == {"number", "words"}
    # A system that cites nothing is held against all that it was given; one without either fails.
    assert not check([("Visitor logs are kept for 90 days.", ())], (), quotes)[0]
    assert check([("Visitor logs are kept for 90 days.", ())], ())[0]
    assert check([("Visitor logs are kept for 90 days.", ())], quotes)[0]


def test_the_check_shares_no_code_with_the_gate() -> None:
    """Of the project it may import what belongs to the check itself, and nothing else."""
    folder = Path(assistant.__file__).parent
    for name in ("answer_check", "answer_reading"):
        tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
        imported = {
            each
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for each in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom) and node.module != "assistant"
                else [f"assistant.{alias.name}" for alias in node.names]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
            )
        }
        ours = {each for each in imported if each.split(".")[0] in ("assistant", "index", "audit")}
        assert ours <= {"assistant.answer_reading"}, name
        assert not any(isinstance(n, ast.ImportFrom) and n.level for n in ast.walk(tree)), name
