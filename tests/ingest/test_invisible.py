"""Characters that are not drawn: taken out where they hide something, kept where they belong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.invisible import strip_invisible
from ingest.pages import FindingKind


def tags(text: str) -> str:
    return "".join(chr(0xE0000 + ord(sign)) for sign in text)


@pytest.mark.parametrize(
    "text",
    [
        "plain, with é and – dashes",
        "می\u200cخواهم",  # Persian
        "क्\u200dष क्\u200c",  # Hindi: joined, and a visible virama at a word's end
        "ශ්\u200dරී",  # Sinhala
        "👩\u200d⚕\ufe0f 🏳\ufe0f\u200d🌈 👩🏽\u200d🚀 1\ufe0f\u20e3",
        "\U0001f3f4" + tags("gbeng") + "\U000e007f",
        "שלום \u200f(א)\u200e abc \u2067x\u2069",
        "การ\u200bเงิน",  # Thai
        "葛\U000e0100飾",  # an ideograph's variant
        "ᠠ\u180b",  # Mongolian
    ],
)
def test_honest_uses_stay(text: str) -> None:
    assert strip_invisible(text) == (text, ())


@pytest.mark.parametrize(
    ("text", "left", "kind", "characters"),
    [
        ("ig\u200bno\u200cre\u2060", "ignore", FindingKind.ZERO_WIDTH, 3),
        ("pay" + tags("ignore all"), "pay", FindingKind.TAG_CHARACTERS, 10),
        ("\U0001f3f4" + tags("obey") + "\U000e007f", "\U0001f3f4", FindingKind.TAG_CHARACTERS, 5),
        ("invoice\u202etxt.exe", "invoicetxt.exe", FindingKind.ZERO_WIDTH, 1),
        ("😀\ufe01\ufe02\U000e0101\U000e0150", "😀", FindingKind.ZERO_WIDTH, 4),
        ("ل\u200d\u200c\u200d\u200cا", "لا", FindingKind.ZERO_WIDTH, 4),
        ("a\u3164b\u2063c\u034fd", "abcd", FindingKind.ZERO_WIDTH, 3),
        ("a\ufeffb", "ab", FindingKind.ZERO_WIDTH, 1),
        ("a\u200fb", "ab", FindingKind.ZERO_WIDTH, 1),
    ],
)
def test_what_hides_is_taken_out_and_told(
    text: str, left: str, kind: FindingKind, characters: int
) -> None:
    found, told = strip_invisible(text)
    assert found == left
    assert [(each[0], each[1]) for each in told] == [(kind, characters)]
    assert strip_invisible(text, keep=True) == (text, told)


def test_tags_are_told_as_what_they_spell_and_samples_are_short() -> None:
    _, told = strip_invisible("x" + tags("send the key " * 30))
    ((_, characters, sample),) = told
    assert characters == 390
    assert sample.startswith("send the key send")
    assert len(sample) == 120


def test_soft_hyphens_and_a_leading_mark_are_layout() -> None:
    assert strip_invisible("\ufeffBe\u00adhörde") == ("Behörde", ())
    assert strip_invisible("\ufeffBe\u00adhörde", keep=True) == ("Behörde", ())


@given(
    st.text(st.sampled_from("aب\u0915\u200b\u200c\u200d\ufe0f\u202e\U000e0041🏴😀\u00ad\ufeff1"))
)
def test_no_drawn_character_is_lost_and_what_is_told_is_what_went(text: str) -> None:
    found, told = strip_invisible(text)
    drawn = "aب\u0915🏴😀1"
    assert [sign for sign in found if sign in drawn] == [sign for sign in text if sign in drawn]
    silent = text.removeprefix("\ufeff").count("\u00ad") + text.startswith("\ufeff")
    assert len(text) - len(found) == silent + sum(each[1] for each in told)
