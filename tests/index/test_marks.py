"""Terms kept as numbers: what is counted and found in them is what stands in the terms."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from index.analysis import Analysis
from index.lexical import stemmers
from index.marks import SIZE, Found, count, find, marks

TERMS = st.lists(st.sampled_from(["a", "b", "c", "§14.2", "über", "¶"]), max_size=12)
KNOWN = st.lists(st.sampled_from(["a", "b", "§14.2", "unheard"]), unique=True)


@given(st.lists(TERMS, min_size=1, max_size=6), KNOWN)
def test_known_terms_are_counted_in_each_text(texts: list[list[str]], known: list[str]) -> None:
    found = Found.of([marks(each) for each in texts], known)
    assert found.lengths.tolist() == [len(each) for each in texts]
    expected = [[each.count(term) for term in known] for each in texts]
    assert found.counts(len(known)).tolist() == expected


@given(st.lists(TERMS, min_size=1, max_size=6), KNOWN)
def test_neighbours_are_those_of_one_text(texts: list[list[str]], known: list[str]) -> None:
    found = Found.of([marks(each) for each in texts], known)
    beside = found.neighbours()
    first, second = found.codes[:-1][beside], found.codes[1:][beside]
    met = [(known[a - 1], known[b - 1]) for a, b in zip(first, second, strict=True)]
    expected = [
        pair for each in texts for pair in pairwise(each) if pair[0] in known and pair[1] in known
    ]
    assert met == expected


@given(TERMS, st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3))
def test_a_run_of_terms_is_found_where_it_first_stands(terms: list[str], run: list[str]) -> None:
    places = [at for at in range(len(terms)) if terms[at : at + len(run)] == run]
    assert find(marks(terms), marks(run)) == (places[0] if places else -1)


def test_a_run_is_not_found_across_the_bytes_of_two_terms() -> None:
    kept = bytes(range(2 * SIZE))
    assert find(kept, kept[1 : 1 + SIZE]) == -1
    assert find(kept, kept[SIZE:]) == 1
    assert count(kept) == 2


def test_many_known_terms_are_told_apart() -> None:
    known = [f"term{number}" for number in range(5_000)]  # many share the half that is looked at
    found = Found.of([marks(known)], known)
    assert (found.counts(len(known)) == np.ones((1, len(known)))).all()


def test_old_letters_that_read_as_s_break_no_number_and_no_date() -> None:
    analysis = Analysis(stemmers())
    text = "5 million\u017f in the fir\u017ft quarter of 2023, on 3 Augu\u017ft 2023"
    assert {"=5000000", "q:2023-1", "d:2023-08-03"} <= set(analysis.passage(text, "en"))
