"""Two texts word by word: which stretches both have, and which only one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from assistant.terms import fold

_TOKEN = re.compile(r"\d+(?:[.,:/]\d+)*|[^\W\d_]+(?:['’-][^\W\d_]+)*|\S")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a word-level diff: `text` stands in both ("same"), only in the earlier
    ("removed") or only in the later one ("added"). `[start, end)` of the text that it is from, the
    later one for "same"."""

    op: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Token:
    folded: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Region:
    """Stretches that differ, as spans of each text; one may be empty."""

    left: tuple[int, int]
    right: tuple[int, int]


class Two:
    """Two texts and where they differ."""

    def __init__(self, left: str, right: str) -> None:
        self.left, self.right = left, right
        self.tokens = (_tokens(left), _tokens(right))
        matcher = SequenceMatcher(
            None, [t.folded for t in self.tokens[0]], [t.folded for t in self.tokens[1]], False
        )
        self.codes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
        self.regions = tuple(
            Region(_span(self.tokens[0], a, b), _span(self.tokens[1], c, d))
            for _, a, b, c, d in self.codes
        )

    def of(self, region: Region) -> tuple[str, str]:
        """The two stretches of a region as written."""
        return self.left[slice(*region.left)], self.right[slice(*region.right)]


def _tokens(text: str) -> list[_Token]:
    return [_Token(fold(m.group()), m.start(), m.end()) for m in _TOKEN.finditer(text)]


def _span(tokens: Sequence[_Token], first: int, last: int) -> tuple[int, int]:
    """Where the tokens `[first, last)` stand; for none, the point where they would."""
    if first < last:
        return tokens[first].start, tokens[last - 1].end
    at = tokens[first - 1].end if first else 0
    return at, at


def pieces_of(two: Two) -> Iterator[Piece]:
    """The word-level diff, in the order in which it is read."""
    at = 0
    for region in two.regions:
        start, end = region.right
        if two.right[at:start].strip():
            yield Piece("same", two.right[at:start].strip(), at, start)
        before, after = two.of(region)
        if before:
            yield Piece("removed", before, *region.left)
        if after:
            yield Piece("added", after, start, end)
        at = max(at, end)
    if two.right[at:].strip():
        yield Piece("same", two.right[at:].strip(), at, len(two.right))
