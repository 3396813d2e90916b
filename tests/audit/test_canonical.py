"""Canonical JSON against an independent implementation of RFC 8785, and what it must refuse."""

from __future__ import annotations

import json
import math

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from audit.canonical import MAX_INTEGER, canonical
from audit.errors import AuditError, CanonicalError

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | _TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner),
    max_leaves=20,
)


@given(_VALUES)
def test_agrees_with_an_independent_implementation(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(_VALUES)
def test_reading_it_back_gives_the_value_and_the_same_bytes(value: object) -> None:
    encoded = canonical(value)
    assert json.loads(encoded) == value
    assert canonical(json.loads(encoded)) == encoded


def test_names_are_ordered_by_utf16_code_units() -> None:
    # U+1F600 is written with surrogates from D83D, which come before U+FB33 although 1F600 > FB33.
    assert canonical({"\ufb33": 1, "\U0001f600": 2, "a": 3}) == (
        '{"a":3,"\U0001f600":2,"\ufb33":1}'.encode()
    )


def test_escapes_are_the_short_ones_and_lower_case() -> None:
    assert canonical('\b\t\n\f\r"\\/\x00\x1f\x7f') == (
        b'"\\b\\t\\n\\f\\r\\"\\\\/\\u0000\\u001f\x7f"'
    )


def test_tuples_are_arrays() -> None:
    assert canonical({"groups": ("a", "b")}) == b'{"groups":["a","b"]}'


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": [1, 2.0]}, "a[1]"),
        ({"a": math.nan}, "a"),
        (math.inf, "(top)"),
        ({"a": {"b": "\ud800"}}, "a.b"),
        (MAX_INTEGER + 1, "(top)"),
        ({"n": -MAX_INTEGER - 1}, "n"),
        ({"b": b"bytes"}, "b"),
        ({1: "x"}, "(top)"),
        ({"s": {1, 2}}, "s"),
    ],
)
def test_what_has_no_canonical_form_is_refused_with_its_place(value: object, place: str) -> None:
    with pytest.raises(CanonicalError, match=r"cannot be recorded") as caught:
        canonical(value)
    assert f"`{place}`" in str(caught.value)
    assert isinstance(caught.value, AuditError)
    assert caught.value.exit_code == 7


def test_a_lone_surrogate_in_a_name_is_refused() -> None:
    with pytest.raises(CanonicalError, match="surrogate"):
        canonical({"\udcff": 1})
