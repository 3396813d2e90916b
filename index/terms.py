"""What lexical search looks for besides single words: identifiers and neighbouring words. Pure.

A word tokenizer turns `164.312(b)` into three common words. Kept whole as well, such a term is
rare, and rare terms decide a BM25 ranking; its beginnings (`164.312`) are kept too, so that a
question about a section finds the paragraphs in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import pairwise

# Word characters joined by . - / or parentheses, with a digit somewhere: 14.2.3, SOP-CL-014.
# Possessive: a word that no joint follows is not tried again from each of its letters.
_CANDIDATE = re.compile(r"\w++(?:[.\-/:]\w+|\(\w{1,5}\)|\.\(\w{1,5}\))+")
_DIGIT = re.compile(r"\d")
_JOINT = re.compile(r"(?=[.\-/:(])")
_MAX_LENGTH = 64  # characters; longer runs are links or rubbish, not identifiers


def pairs(words: Sequence[str], function_words: Collection[str]) -> list[tuple[str, str]]:
    """Neighbouring words, in order; not those of two function words, nor a word with itself.

    "of the" is in nearly every passage: it costs the most to look up and says the least.
    """
    return [
        (first, second)
        for first, second in pairwise(words)
        if first != second and not (first in function_words and second in function_words)
    ]


def identifiers(text: str) -> list[str]:
    """The identifiers in `text`, in small letters, in order, each as often as it occurs."""
    # No identifier holds a space, and most words hold no digit: these are not looked at closely.
    numbered = [word for word in text.split() if _DIGIT.search(word)]
    found = [match.group().lower() for word in numbered for match in _CANDIDATE.finditer(word)]
    return [_plain(each) for each in found if len(each) <= _MAX_LENGTH and _DIGIT.search(each)]


def with_beginnings(identifier: str) -> list[str]:
    """An identifier and its proper beginnings of at least two parts, longest first."""
    parts = [part for part in _JOINT.split(identifier) if part]
    whole = ["".join(parts[:count]) for count in range(len(parts), 1, -1)]
    return whole or [identifier]


def beginnings_of(number: str) -> list[str]:
    """A section's number and that of every section it lies in, longest first: to a single part."""
    parts = [part for part in _JOINT.split(number) if part]
    return ["".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _plain(identifier: str) -> str:
    """`1.1.1.(2)` and `1.1.1(2)` are the same clause."""
    return identifier.replace(".(", "(")
