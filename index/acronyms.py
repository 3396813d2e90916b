"""Acronyms as documents define them: "Anti-Money Laundering (AML)", "AML means ...". Pure.

A definition is believed only if its letters are the first letters of its words, in order. What a
hostile text can do is bounded: so many definitions a chunk, so many words each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

MAX_WORDS = 8  # of a long form
MAX_DEFINITIONS = 8  # of a chunk

_ACRONYM = r"[A-Z][A-Z0-9&]{1,6}[A-Z0-9]s?|[A-Z]{2}"
_WORD = re.compile(r"[^\W\d_]+")
_AFTER = re.compile(rf"[(\[][\"“‘']?({_ACRONYM})[\"”’']?[)\]]")  # Long Form (LF)
_BEFORE = re.compile(rf"\b({_ACRONYM})\s*[(\[]([^()\[\]]{{4,120}})[)\]]")  # LF (Long Form)
_MEANS = re.compile(
    rf"[\"“‘']?\b({_ACRONYM})\b[\"”’']?,?\s+(?:means|stands for|refers to|bedeutet|steht für|"
    r"signifie|désigne|significa|betekent)\s+(?:the |a |an |die |der |das |le |la |el |il |o |de )?"
    r"([^.;:()\n]{4,120})"
)
_SMALL = """
    a an and for in of on or the to with und für der des die zur von et de du des la le les pour y e
    del della di do da dos das en el los las voor van het
"""
_SMALL_WORDS = frozenset(_SMALL.split())
_REACH = 160  # characters before a bracket in which its long form begins


def definitions(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Acronyms (small letters) and the small words that each stands for; the first few of a text.

    "Regulations on Anti-Money Laundering (AML)" gives ("aml", ("anti", "money", "laundering")).
    """
    if not re.search(r"[(\[]|\b[A-Z]{2}", text):
        return []
    found: dict[tuple[str, tuple[str, ...]], None] = {}
    for acronym, words in _defined(text):
        found.setdefault((acronym, words))
        if len(found) == MAX_DEFINITIONS:
            break
    return list(found)


def _defined(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for match in _AFTER.finditer(text):
        before = text[max(0, match.start() - _REACH) : match.start()]
        words = _WORD.findall(re.split(r"[.;:()\[\]]", before)[-1])
        yield from _checked(match.group(1), _ending(match.group(1), words))
    for match in (*_BEFORE.finditer(text), *_MEANS.finditer(text)):
        words = _WORD.findall(match.group(2))
        yield from _checked(match.group(1), _beginning(match.group(1), words))


def _checked(acronym: str, words: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    if 2 <= len(words) <= MAX_WORDS:
        yield _letters(acronym), tuple(word.lower() for word in words)


def _letters(acronym: str) -> str:
    return acronym.removesuffix("s").lower()


def _ending(acronym: str, words: Sequence[str]) -> Sequence[str]:
    """The shortest end of `words` whose first letters are the acronym; empty if there is none."""
    for count in range(1, min(len(words), MAX_WORDS) + 1):
        tail = words[-count:]
        if _spells(_letters(acronym), tail):
            return tail
    return ()


def _beginning(acronym: str, words: Sequence[str]) -> Sequence[str]:
    for count in range(1, min(len(words), MAX_WORDS) + 1):
        if _spells(_letters(acronym), words[:count]):
            return words[:count]
    return ()


def _spells(letters: str, words: Sequence[str]) -> bool:
    """Whether the first letters of `words` are `letters`; small words may be passed over."""
    wanted = [letter for letter in letters if letter.isalpha()]
    first = words[0].lower()
    if len(wanted) < 2 or (first in _SMALL_WORDS and first[0] != wanted[0]):
        return False
    all_of_them = [word[0].lower() for word in words]
    telling = [word[0].lower() for word in words if word.lower() not in _SMALL_WORDS]
    return wanted in (all_of_them, telling)
