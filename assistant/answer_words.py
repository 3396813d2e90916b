"""Words as an evaluation compares them, and how far one text holds another. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from assistant.terms import keys, terms

LEAST_RUN = 3
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
_ARTICLES = frozenset({"a", "an", "the"})
_NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen twenty"""
_DIGITS = {word: str(number) for number, word in enumerate(_NUMBERS.split())} | {
    "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80",
    "ninety": "90",
}  # fmt: skip


def tokens(text: str) -> tuple[str, ...]:
    """The words and numbers of a text as SQuAD's metric takes them: lower case, without articles
    and punctuation. Numbers lose their thousands' separators, small ones in words become digits,
    and one said twice ("six (6) years") counts once."""
    found: list[str] = []
    for match in _TOKEN.finditer(text.lower()):
        word = match.group().replace(",", "") if match.group()[0].isdigit() else match.group()
        word = _DIGITS.get(word, word)
        if word in _ARTICLES or (found and word[0].isdigit() and found[-1] == word):
            continue
        found.append(word)
    return tuple(found)


def holds(text: str, words: str) -> bool:
    """Whether the words stand in `text` in a row; no words stand nowhere."""
    wanted = tokens(words)
    return bool(wanted) and f" {' '.join(wanted)} " in f" {' '.join(tokens(text))} "


def common_run(one: str, other: str) -> float:
    """The longest run of words that two texts share, as a share of the shorter one, 0..1. A run of
    less than `LEAST_RUN` words that is not the whole of it is chance and counts as 0."""
    left, right = tokens(one), tokens(other)
    if not left or not right:
        return 0.0
    found = SequenceMatcher(None, left, right, autojunk=False).find_longest_match()
    share = found.size / min(len(left), len(right))
    return share if found.size >= LEAST_RUN or share == 1 else 0.0


def token_f1(text: str, answers: Iterable[str]) -> float:
    """SQuAD's F1 of a text's words with the nearest of the answers, 0..1; 0.0 without answers."""
    return max((_f1(tokens(text), tokens(answer)) for answer in answers), default=0.0)


def _f1(one: Sequence[str], other: Sequence[str]) -> float:
    shared = sum((Counter(one) & Counter(other)).values())
    return 2 * shared / (len(one) + len(other)) if shared else 0.0


def share_held(text: str, by: Iterable[str]) -> float:
    """The share of the content words of `text` that the texts `by` hold, 0..1; 0.0 without any."""
    wanted = [term.key for term in terms(text)]
    held = frozenset[str]().union(*map(keys, by))
    return sum(key in held for key in wanted) / len(wanted) if wanted else 0.0
