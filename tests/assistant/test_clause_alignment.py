"""Documents cut into clauses, and the clauses of two set side by side."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from assistant.clause_alignment import Likely, align, gathered, heaviest_chain, renumbered
from assistant.layout import lay_out
from assistant.provisions import Clause, clauses_of
from assistant.task import Placed, Reading
from index.document import Document, Page
from index.effective import Standing


def clauses(text: str) -> tuple[Clause, ...]:
    """The clauses of a document, form feeds between its pages."""
    pages = tuple(Page(number, body) for number, body in enumerate(text.split("\f"), start=1))
    units = tuple(
        Placed(page.number, position, unit)
        for page in pages
        for position, unit in enumerate(lay_out(page))
    )
    document = Document("0", "default", "a", "A", "text/plain", pages=len(pages))
    return clauses_of(Reading(document, Standing(in_force=True), pages, units))


def told(left: str, right: str) -> set[tuple[str, str, bool]]:
    """Which text corresponds to which, and whether it moved."""
    one, other = clauses(left), clauses(right)
    return {
        (
            " ".join(one[at].body for at in pair.left),
            " ".join(other[at].body for at in pair.right),
            pair.moved,
        )
        for pair in align(one, other)
    }


def test_numbers_lead_to_a_clause_and_are_no_part_of_its_body() -> None:
    found = clauses(
        "4.2 The bank shall keep:\n(a) contracts;\n(b) mails:\n(i) sent; and\n(ii) received;\n"
        "(c) logs.\n\n4.3 It may delete the rest.\n"
    )
    assert [(each.place, each.body) for each in found] == [
        ("4.2", "The bank shall keep:"),
        ("4.2 (a)", "contracts;"),
        ("4.2 (b)", "mails:"),
        ("4.2 (b) (i)", "sent; and"),
        ("4.2 (b) (ii)", "received;"),
        ("4.2 (c)", "logs."),
        ("4.3", "It may delete the rest."),
    ]


def test_the_letter_i_follows_h_and_is_no_roman_numeral() -> None:
    listed = "1.1 The bank keeps:\n" + "".join(f"({c}) item {c} of it;\n" for c in "abcdefghij")
    assert [each.place for each in clauses(listed)][-2:] == ["1.1 (i)", "1.1 (j)"]


def test_a_sentence_that_a_page_break_cut_is_one_and_has_a_part_on_each_page() -> None:
    before = (
        "Records of customers that are not listed in the annex of this policy shall be kept for"
    )
    after = "five years after the end of the contract."
    (cut,) = clauses(f"{before}\f{after}")
    (whole,) = clauses(f"{before} {after}")
    assert cut.normal == whole.normal
    assert [part.page for part in cut.parts] == [1, 2]


def test_a_word_that_a_line_end_cut_has_not_changed() -> None:
    (cut,) = clauses("The reten-\ntion of records is a duty of the bank.")
    (whole,) = clauses("The retention of records is a duty of the bank.")
    assert cut.normal == whole.normal


def test_lines_that_every_page_prints_are_left_out() -> None:
    pages = [f"Bank plc, confidential {n}\n\nRule number {n} binds the bank." for n in range(1, 6)]
    assert [each.text for each in clauses("\f".join(pages))] == [
        f"Rule number {n} binds the bank." for n in range(1, 6)
    ]


A = "Customer records shall be kept for five years."
B = "The board approves every exception in writing."
C = "Suspicious transactions are reported within three days."
D = "Staff are trained once a year by the compliance officer."


def text(*sentences: str) -> str:
    return "\n\n".join(sentences)


def test_what_was_put_in_or_taken_out_has_no_counterpart() -> None:
    assert told(text(A, B, C), text(A, D, C)) == {
        (A, A, False), (B, "", False), ("", D, False), (C, C, False),
    }  # fmt: skip


def test_a_clause_that_moved_is_found_and_the_rest_stays_in_order() -> None:
    assert told(text(A, B, C, D), text(B, C, D, A)) == {
        (A, A, True), (B, B, False), (C, C, False), (D, D, False),
    }  # fmt: skip


def test_a_sentence_that_was_cut_in_two_is_set_against_both() -> None:
    long = "The bank keeps customer records for five years and deletes all of their copies at once."
    halves = (
        "The bank keeps customer records for five years.",
        "It deletes all of their copies at once.",
    )
    assert (long, " ".join(halves), False) in told(text(A, long, C), text(A, " ".join(halves), C))


def test_of_many_equal_clauses_the_neighbours_decide() -> None:
    left = text(A, "Reserved.", B, "Reserved.", C, "Reserved.")
    right = text(A, "Reserved.", B, C, "Reserved.")
    one, other = clauses(left), clauses(right)
    pairs = {(pair.left, pair.right) for pair in align(one, other)}
    assert ((3,), ()) in pairs
    assert ((1,), (1,)) in pairs and ((5,), (4,)) in pairs


def test_renumbering_is_told_from_what_the_numbers_stand_before() -> None:
    one = clauses("1.1 " + A + "\n\n1.2 " + B)
    other = clauses("1.1 " + D + "\n\n1.2 " + A + "\n\n1.3 " + B)
    assert renumbered(one, other, align(one, other)) == {"1.1": "1.2", "1.2": "1.3"}


def test_the_sentences_of_one_added_clause_are_one_addition() -> None:
    one, other = clauses("1.1 " + A), clauses("1.1 " + A + f"\n\n1.2 {B} {C} {D}\n\n1.3 {D}")
    added = [pair.right for pair in gathered(one, other, align(one, other)) if not pair.left]
    assert added == [(1, 2, 3), (4,)]


@pytest.mark.parametrize("seed", range(20))
def test_the_chain_is_the_heaviest_of_all_that_keep_the_order(seed: int) -> None:
    """Against every chain there is."""
    chance = random.Random(seed)
    places = [(a, b) for a in range(5) for b in range(5)]
    likely = [Likely(*place, 1.0, chance.random()) for place in chance.sample(places, 9)]

    def heaviest(rest: list[Likely], left: int, right: int) -> float:
        following = [each for each in rest if each.left > left and each.right > right]
        return max(
            (each.worth + heaviest(rest, each.left, each.right) for each in following), default=0.0
        )

    chain = heaviest_chain(likely, 5)
    assert sum(each.worth for each in chain) == pytest.approx(heaviest(likely, -1, -1))
    assert all(a.left < b.left and a.right < b.right for a, b in pairwise(chain))


@pytest.mark.parametrize("seed", range(5))
def test_every_clause_is_in_exactly_one_pair(seed: int) -> None:
    chance = random.Random(seed)
    pool = [
        A,
        B,
        C,
        D,
        "Reserved.",
        "It is so.",
        "1.1 " + A,
        "(a) " + B,
        "4 Retention",
        "x | y | z",
    ]
    one = clauses(text(*chance.choices(pool, k=15)))
    other = clauses(text(*chance.choices(pool, k=12)))
    pairs = align(one, other)
    assert sorted(at for pair in pairs for at in pair.left) == list(range(len(one)))
    assert sorted(at for pair in pairs for at in pair.right) == list(range(len(other)))
