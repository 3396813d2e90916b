"""From recognised words to the text, boxes and lines of a page. Pure decisions.

An engine gives words with tight boxes. A line of a PDF is as high as its type allows, whatever
letters it holds, so that sizes can be compared and gaps measured; the same is worked out here from
which letters of a word rise above or hang below the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from statistics import median
from typing import Protocol

from ingest.pages import Box, clean
from ingest.pdf_layout import Edges, Line, Word

_SURE = 0.30  # words recognised with less are specks more often than letters
_SURE_MARK = 0.60  # and this for what holds no letter or digit
_ALIKE = 1.6  # times as high or low as others may a word of a line be
_RULE = 3.0  # a dash longer than so many letters are high is a rule
_LONG = 3  # letters of a word that is wider than high if it is upright
_SNAP = 0.12  # sizes that differ by less from the page's usual one are that one
_ASCENT, _DESCENT, _X_HEIGHT = 0.72, 0.21, 0.50  # of the em, about, in most text faces
_ABOVE, _BELOW = 0.92, 0.25  # of the em: from the base line to the edges of a line of type
_HIGH = re.compile(r"[A-Zbdfhklt0-9()\[\]{}|/\\$%&!?@#'\"“”‘’€£]")
_LOW = re.compile(r"[gjpqyQ()\[\]{}|,;$@/\\]")
_LEVEL = re.compile(r"[A-Za-z0-9]")
_TEXTUAL = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class OcrWord:
    """A recognised run without white space; its box in pixels, its confidence 0..1.

    Words with the same `block` and `line` stand on one line.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    confidence: float
    block: int
    line: int


class Placed(Protocol):
    """What knows where the pixels that the engine saw lie on the page."""

    def upright(self, edges: Edges) -> Edges:
        """A box in points of the page turned upright and straightened."""

    def original(self, edges: Edges) -> Edges:
        """A box in points of the page as it was given."""


def readable(words: Sequence[OcrWord]) -> list[OcrWord]:
    """`words` without specks, rules and what else is no writing, cleaned of odd characters.

    An engine may be unsure of a word that it got right, a figure above all. So a doubtful word
    with letters or digits stays if most of its line is beyond doubt and it is as high as the rest.
    """
    high = median([word.bottom - word.top for word in words] or [0.0])
    found = []
    for _, group in groupby(words, key=lambda word: (word.block, word.line)):
        line = list(group)
        sure = [word.bottom - word.top for word in line if word.confidence >= _SURE_MARK]
        usual = median(sure) if 2 * len(sure) > len(line) else None
        for word in line:
            text = "".join(clean(word.text).split())
            rule = not set(text) - set("|_") or (
                not set(text) - set("-–—=~.") and word.right - word.left > _RULE * high
            )
            if text and not rule and _believed(word, text, usual):
                found.append(replace(word, text=text))
    return found


def _believed(word: OcrWord, text: str, usual: float | None) -> bool:
    """Whether a word counts; `usual` is the height of its line's sure words, if they prevail."""
    if not _TEXTUAL.search(text):
        return word.confidence >= _SURE_MARK
    fits = usual is not None and 1 / _ALIKE < (word.bottom - word.top) / usual < _ALIKE
    return fits or word.confidence >= _SURE


def level(words: Sequence[OcrWord]) -> bool:
    """Whether the words run across the page, not up or down it."""
    long = [word for word in words if len(word.text) >= _LONG]
    lying = sum(word.right - word.left >= word.bottom - word.top for word in long)
    return 2 * lying >= len(long)


def confidence_of(words: Sequence[OcrWord]) -> float | None:
    """The mean confidence over the characters of `words`; None without any."""
    characters = sum(len(word.text) for word in words)
    if not characters:
        return None
    return sum(len(word.text) * word.confidence for word in words) / characters


def lay_out(words: Sequence[OcrWord], placed: Placed) -> tuple[str, tuple[Box, ...], list[Line]]:
    """The page's text with "\\n" between lines, a box for each word, and its lines."""
    parts: list[str] = []
    boxes: list[Box] = []
    lines: list[Line] = []
    at = 0
    for _, group in groupby(words, key=lambda word: (word.block, word.line)):
        run = list(group)
        if level(run):
            run.sort(key=lambda word: word.left)
        text = " ".join(word.text for word in run)
        lines.append(_line(at, text, run, placed))
        starts = [word.start for word in lines[-1].words]
        for start, word in zip(starts, run, strict=True):
            edges = placed.original((word.left, word.top, word.right, word.bottom))
            left, top, right, bottom = (round(edge, 2) for edge in edges)
            boxes.append(Box(start, start + len(word.text), left, top, right, bottom))
        parts.append(text)
        at += len(text) + 1
    return "\n".join(parts), tuple(boxes), _snapped(lines)


def _line(at: int, text: str, run: Sequence[OcrWord], placed: Placed) -> Line:
    words: list[Word] = []
    start = at
    for word in run:
        edges = placed.upright((word.left, word.top, word.right, word.bottom))
        words.append(Word(start, start + len(word.text), word.text, *edges))
        start += len(word.text) + 1
    em, base = _type(words)
    return Line(
        start=at,
        end=at + len(text),
        text=text,
        left=words[0].left,
        right=max(word.right for word in words),
        top=base - _ABOVE * em,
        bottom=base + _BELOW * em,
        size=round((_ABOVE + _BELOW) * em, 1),
        bold=False,
        widest_gap=max((b.left - a.right for a, b in pairwise(words)), default=0.0),
        words=tuple(words),
    )


def _type(words: Sequence[Word]) -> tuple[float, float]:
    """The em and the height of the base line (points) of the words of one line."""
    ems, bases = [], []
    for word in words:
        if not _LEVEL.search(word.text):
            continue
        above = _ASCENT if _HIGH.search(word.text) else _X_HEIGHT
        below = _DESCENT if _LOW.search(word.text) else 0.0
        em = (word.bottom - word.top) / (above + below)
        ems += [em] * len(word.text)
        bases += [word.bottom - below * em] * len(word.text)
    if not ems:
        high = max(word.bottom for word in words) - min(word.top for word in words)
        return high / (_ASCENT + _DESCENT), max(word.bottom for word in words)
    return median(ems), median(bases)


def _snapped(lines: Sequence[Line]) -> list[Line]:
    """`lines` with sizes that measuring has blurred made equal, so that they can be counted."""
    if not lines:
        return []
    sizes = sorted(line.size for line in lines for _ in line.text)
    usual = sizes[len(sizes) // 2]
    body = round(2 * usual) / 2
    return [
        replace(line, size=body if abs(line.size - usual) <= _SNAP * usual else _half(line.size))
        for line in lines
    ]


def _half(size: float) -> float:
    return round(2 * size) / 2
