"""An independent check of what was shown: does each sentence say only what its quotes say?

Written from another idea than the gate's, whose work it checks, and sharing no code with it: the
gate finds typed facts with rules for each type and asks whether a span entails them; here a
sentence is cut into tokens, runs of tokens are read as quantities and calendar days, and sets of
values are compared (`assistant.answer_reading`). A test holds the imports.

What it finds, by kind:

    number    a quantity (digits or words, with its scale, percent or unit of time) that is in no
              quote that the sentence cites
    date      a calendar date, whole or in part, that is in none
    name      a capitalised word inside the sentence, or an acronym, that is in none
    negation  the clause of the quote that is nearest to the sentence is negated and the sentence is
              not, or the other way round
    words     more than `MOST_NEW` of the content words are in none

It does not see a true value put with the wrong subject inside one quote, nor a wrong order of true
words. It is stricter than a reader: a name or number that only the question, a heading or another
document states counts as unsupported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assistant.answer_reading import NEGATIONS, SCALES, Date, Quantity, bare, read

MOST_NEW = 0.34
FACTS = frozenset({"number", "date", "name"})

_CLAUSE = re.compile(r"[;:,—–.!?\n]|\b(?:but|whereas|while|although|which|who)\b", re.IGNORECASE)
_BROKEN = re.compile(r"(?<=[^.;:!?|\n])[ \t]*\n(?=[^\n|•*-])")  # a line that ended where paper did
_MARK = re.compile(r"^\s*(?:\d{1,2}[.)]|[-*•])\s+")  # of a list: counts nothing
_NUMBER = re.compile(r"\bNos?\.\s*(?=\d)")  # "No. 3" denies nothing
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one sentence says and its quotes do not."""

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


def check(
    sentences: Sequence[tuple[str, tuple[int, ...]]],
    quotes: Sequence[tuple[str, int, str]],
    passages: Sequence[tuple[str, int, str]] = (),
) -> tuple[tuple[Finding, ...], ...]:
    """The findings of each sentence, held against the quotes that it cites, by number from 1.

    `passages` stand in for the quotes of a system that cites nothing: all that it was given. A
    sentence without either has its every word unsupported.
    """
    everything = [text for _, _, text in passages]
    found = []
    for text, cited in sentences:
        held = [quotes[number - 1][2] for number in cited if 0 < number <= len(quotes)]
        found.append(tuple(unsupported(text, held if cited or quotes else everything)))
    return tuple(found)


def unsupported(sentence: str, quotes: Sequence[str]) -> Iterator[Finding]:
    """What `sentence` says and none of `quotes` does."""
    sentence = _MARK.sub("", sentence)
    said, given = read(sentence), [read(quote) for quote in quotes]
    dates = [way for each in given for ways in each.dates for way in ways]
    for ways in said.dates:
        if not any(_within(way, other) for way in ways for other in dates):
            yield Finding("date", "-".join(str(part or "?") for part in ways[0]))
    numbers = {each for one in given for each in one.numbers}
    units = {unit for one in given for unit in one.units}
    for number in said.quantities:
        if not _known(number, numbers, units):
            yield Finding("number", f"{number.amount.normalize():f} {number.unit}".strip())
    words = frozenset(word for each in given for word in each.folded)
    for name in dict.fromkeys(said.names):
        if bare(name) not in words:
            yield Finding("name", name)
    yield from _negation(sentence, quotes)
    new = [word for word in said.content if not _among(word, words)]
    if said.content and len(new) > MOST_NEW * len(said.content):
        yield Finding("words", ", ".join(dict.fromkeys(new)))


# -- comparing -------------------------------------------------------------------------------------


def _within(said: Date, given: Date) -> bool:
    """Whether every part that is said is so given."""
    return all(part is None or part == other for part, other in zip(said, given, strict=True))


def _known(said: Quantity, given: set[Quantity], words: set[str]) -> bool:
    """Whether a quantity is given: in the same unit, or without any where its scale or percent
    stands elsewhere in the quotes (`words`), as in the head of a table."""
    scales = {SCALES[word] for word in words if word in SCALES}
    for each in given:
        if each.amount == said.amount and each.unit in (said.unit, ""):
            elsewhere = not said.unit or said.unit in words
            if each.unit == said.unit or elsewhere:
                return True
        if not said.unit and each.bare == said.bare:
            if said.amount == said.bare:  # "24", where the quote says 24 months
                return True
            if each.amount == each.bare and any(said.bare * n == said.amount for n in scales):
                return True
    return False


def _alike(one: str, other: str) -> bool:
    """Whether two words begin alike for all but their last letters: "retained", "retention"."""
    shorter = min(len(one), len(other))
    same = max(4, shorter - 3)
    return one == other or (shorter >= 4 and one[:same] == other[:same])


def _negated(text: str) -> int:
    """How many words of `text` negate."""
    words = [match.group().lower() for match in re.finditer(r"[A-Za-z'’]+", _NUMBER.sub("", text))]
    return sum(word in NEGATIONS or word.endswith(("n't", "n’t")) for word in words)


def _negation(sentence: str, quotes: Sequence[str]) -> Iterator[Finding]:
    """Hold each part of the sentence against the part of the quotes that is nearest, and there
    against the clauses that share words with it: a negation in another clause is about something
    else."""
    parts = [part for quote in quotes for part in _SENTENCE.split(_BROKEN.sub(" ", quote))]
    given = [(part, frozenset(read(part).content)) for part in parts]
    for said in _SENTENCE.split(sentence):
        words = frozenset(read(said).content)
        shared = [sum(_among(word, other) for word in words) for _, other in given]
        if not any(shared):
            continue
        nearest = given[shared.index(max(shared))][0]
        about = [
            clause
            for clause in _CLAUSE.split(nearest)
            if any(_among(word, words) for word in read(clause).content)
        ]
        denied = any(map(_negated, about))
        if _negated(said) and not denied and not _negated(nearest):
            yield Finding("negation", "said, not given")
        # A row is told cell by cell, and the quote's has no marks between them: count on the whole.
        if denied and not _negated(said) and _negated(nearest) > _negated(sentence):
            yield Finding("negation", "given, not said")


def _among(word: str, others: frozenset[str]) -> bool:
    return word in others or any(_alike(word, other) for other in others)
