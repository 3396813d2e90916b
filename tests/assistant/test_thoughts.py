"""What a model thinks is never part of what it answers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.thoughts import Thoughts

MARKS = ("<think>", "</think>")


def split(text: bytes, cuts: list[int], *, inside: bool = False) -> tuple[bytes, Thoughts]:
    thoughts = Thoughts(MARKS, inside=inside)
    edges = [0, *sorted({c % (len(text) + 1) for c in cuts}), len(text)]
    given = b"".join(thoughts.push(text[a:b]) for a, b in pairwise(edges))
    return given + thoughts.finish(), thoughts


@given(st.lists(st.integers(0, 200)))
def test_thoughts_come_first_and_are_kept_apart(cuts: list[int]) -> None:
    text = "\n<think>\nIs it six? Grüße.\n</think>\n\nSix years."
    answer, thoughts = split(text.encode(), cuts)
    assert answer == b"Six years."
    assert thoughts.text == "Is it six? Grüße."
    assert not thoughts.inside


@given(st.lists(st.integers(0, 200)))
def test_the_prompt_may_have_opened_them(cuts: list[int]) -> None:
    answer, thoughts = split(b"Hm.</think>\nSix.", cuts, inside=True)
    assert (answer, thoughts.text) == (b"Six.", "Hm.")


@given(st.binary(max_size=40), st.lists(st.integers(0, 60)))
def test_a_text_without_marks_is_the_answer(text: bytes, cuts: list[int]) -> None:
    if b"<think>" not in text:
        assert split(text, cuts)[0] == text


@pytest.mark.parametrize("text", [b"a <think>b</think> c", b"<thin", b"<thinking>x", b"", b" \n "])
def test_what_only_looks_like_a_mark_is_text(text: bytes) -> None:
    answer, thoughts = split(text, list(range(len(text))))
    assert answer == text
    assert thoughts.text == ""


def test_thoughts_without_end_leave_no_answer() -> None:
    answer, thoughts = split(b"<think>on and on", [9])
    assert answer == b""
    assert thoughts.inside
    assert thoughts.text == "on and on"


def test_a_model_that_does_not_think_says_all() -> None:
    thoughts = Thoughts(None)
    assert thoughts.push(b"<think>x</think>") == b"<think>x</think>"
    assert not thoughts.inside
