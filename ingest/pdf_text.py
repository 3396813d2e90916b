"""The text layer of a PDF page: characters, words with their boxes, lines.

Each character of a page's text has a known place on the page. Line ends are "\\n"; a hyphen at the
end of a line stays where it is drawn. Only PDFium's order of the text is used: a page whose columns
are stored out of order is read out of order.

A page holds thousands of characters, so PDFium is asked for the text in one piece, for places at
both ends of each word only, and for the type at both ends of each line.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest import pdf_native as native
from ingest.pages import Box
from ingest.pdf_layout import Line, Word
from ingest.pdf_objects import Floats, placed

_BOLD = 600  # font weight; 400 is regular
_TWO_LINES = 1.5  # times as high as its first character: such a word has parts above others
_NEWLINE, _ZERO = ord("\n"), np.uint32(ord("0"))
_WIDE_SPACES = (0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
_HYPHENS = "\x02\xad\ufffe"  # PDFium writes 2 or U+FFFE for a hyphen at the end of a line
_ODD = re.compile("[\x02\xad\ufffe\t\xa0]")
_PLAIN = {**dict.fromkeys(map(ord, _HYPHENS), "-"), 0x09: " ", 0xA0: " "}
_DROPPED = re.compile("[\x00\x01\x03-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\uffff]|\r(?!\n)")
_SURROGATES = range(0xD800, 0xE000)


# What `_make` does, without a call of Python for each of some hundred thousand words.
_NEW_BOX: Callable[[Iterable[Any]], Box] = partial(tuple.__new__, Box)
_NEW_WORD: Callable[[Iterable[Any]], Word] = partial(tuple.__new__, Word)


@dataclass(frozen=True, slots=True)
class Characters:
    """The characters of a text page: `text[i]` is PDFium's character `sources[i]`.

    `sources` is None where that is `i`. Lines end in "\\n", or in "\\r\\n" where sources is None.
    """

    text: str
    sources: Sequence[int] | None = None

    def source(self, at: int) -> int:
        return at if self.sources is None else self.sources[at]

    def without(self, hidden: Collection[int]) -> Characters:
        """These without the characters whose numbers in the text page are in `hidden`."""
        kept: list[str] = []
        sources: list[int] = []
        for at, char in enumerate(self.text):
            source = self.source(at)
            blank = char == " " and (not kept or kept[-1].isspace())
            if source not in hidden and not blank and char != "\r":
                kept.append(char)
                sources.append(source)
        return Characters("".join(kept), sources)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a page and where they stand, in parallel.

    `starts` and `ends` are offsets into the page's text `text`; `firsts` and `lasts` the numbers of
    their first and last characters in the text page, `objects` the text objects of their first
    ones, None where there is none; `digits` are the numbers of digits. `edges` has a row (left,
    top, right, bottom,
    points from the top left) for each. Line `i` holds the words `[lines[i], lines[i + 1])`.
    """

    text: str
    starts: list[int]
    ends: list[int]
    firsts: list[int]
    lasts: list[int]
    objects: list[int | None]
    digits: list[int]
    edges: Floats
    heights: Floats  # of the first character of each
    lines: list[int]


def characters(page: native.LoadedPage) -> Characters:
    """The characters of the page, as text."""
    text = page.text()
    if len(text) != page.count or _DROPPED.search(text):
        return _one_by_one(page)
    return Characters(text.translate(_PLAIN) if _ODD.search(text) else text)


def _one_by_one(page: native.LoadedPage) -> Characters:
    """The same, for a page with characters that are no text, or that PDFium splits in two."""
    codes = list(map(native.char_unicode, repeat(page.text_address), range(page.count)))
    kept: list[str] = []
    sources: list[int] = []
    high = 0
    for index, code in enumerate(codes):
        if high and 0xDC00 <= code < 0xE000:  # the second half of a pair
            kept[-1] = chr(0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00))
            high = 0
            continue
        high = code if 0xD800 <= code < 0xDC00 else 0
        char = _character(code)
        if char:
            kept.append(char)
            sources.append(index)
    return Characters("".join(kept), sources)


def _character(code: int) -> str:
    """PDFium's code for a character as one character of our text, "" for none."""
    if code > 0x10FFFF:
        return ""
    if code in _SURROGATES:
        return "\ufffd"
    char = chr(code).translate(_PLAIN)
    return "" if char == "\r" or _DROPPED.match(char) else char


def words(page: native.LoadedPage, found: Characters) -> Words:
    """The words of the page. Blank lines and white space at the ends of lines are left out."""
    codes = np.frombuffer(found.text.encode("utf-32-le"), np.uint32)
    black = ~_white(codes)
    edge = np.flatnonzero(np.diff(black, prepend=False, append=False))
    raw_starts, raw_ends = edge[::2], edge[1::2]
    breaks = np.flatnonzero(codes == _NEWLINE)
    line = np.searchsorted(breaks, raw_starts)  # the raw line of each word
    firsts = np.flatnonzero(np.diff(line, prepend=-1))  # the first word of each line that has any
    if not len(firsts):
        return Words("", [], [], [], [], [], [], np.empty((0, 4)), np.empty(0), [0])
    line_starts = np.concatenate(([0], breaks + 1))[line[firsts]]
    line_ends = raw_ends[np.append(firsts[1:], len(raw_ends)) - 1]
    text = "\n".join(map(found.text.__getitem__, map(slice, line_starts, line_ends)))
    placed = np.concatenate(([0], np.cumsum(line_ends - line_starts + 1)[:-1]))
    shift = np.repeat(placed - line_starts, np.diff(firsts, append=len(raw_starts)))
    if found.sources is None:
        sources = raw_starts, raw_ends - 1
    else:
        numbers = np.asarray(found.sources)
        sources = numbers[raw_starts], numbers[raw_ends - 1]
    digits = np.flatnonzero(codes - _ZERO < 10)  # unsigned: what is below wraps around
    edges, heights = _edges(page, *sources)
    numbers_of_firsts = sources[0].tolist()
    return Words(
        text=text,
        starts=(raw_starts + shift).tolist(),
        ends=(raw_ends + shift).tolist(),
        firsts=numbers_of_firsts,
        lasts=sources[1].tolist(),
        objects=list(map(native.char_object, repeat(page.text_address), numbers_of_firsts)),
        digits=(digits if found.sources is None else numbers[digits]).tolist(),
        edges=edges,
        heights=heights,
        lines=[*firsts.tolist(), len(raw_starts)],
    )


def _white(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Which characters are white space; of those below U+0021 nothing else is left."""
    white = codes <= 0x20
    if codes.size and codes.max() >= _WIDE_SPACES[0]:
        white |= np.isin(codes, _WIDE_SPACES)
    return white


def _edges(
    page: native.LoadedPage, firsts: npt.NDArray[np.int64], lasts: npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """The box around each word, and the height of its first character."""
    every = _places(page, [*firsts.tolist(), *lasts.tolist()]).T
    one, other = every[:, : len(firsts)], every[:, len(firsts) :]
    heights = one[3] - one[1]
    edges = np.vstack((np.minimum(one[:2], other[:2]), np.maximum(one[2:], other[2:]))).T
    tall = edges[:, 3] - edges[:, 1] > _TWO_LINES * heights
    for word in np.flatnonzero(tall):  # parted by a hyphen at the end of a line, or slanted
        each = _places(page, range(firsts[word], lasts[word] + 1))
        edges[word] = *each[:, :2].min(axis=0), *each[:, 2:].max(axis=0)
    return edges, heights


def _places(page: native.LoadedPage, asked: Sequence[int]) -> Floats:
    """Where characters are drawn: a row (left, top, right, bottom) for each."""
    buffer = ctypes.create_string_buffer(16 * len(asked) + 1)
    base = ctypes.addressof(buffer)
    targets = range(base, base + 16 * len(asked), 16)
    sum(map(native.char_box, repeat(page.text_address), asked, targets))
    rects = np.frombuffer(buffer.raw, np.float32, 4 * len(asked)).reshape(-1, 4)
    return placed(rects[:, (0, 3, 2, 1)], page.affine)  # an FS_RECTF has its top before its right


def laid(page: native.LoadedPage, found: Words) -> tuple[tuple[Box, ...], list[Line]]:
    """The boxes of the words, and the lines."""
    columns = found.edges.round(2).T.tolist()
    boxes = tuple(map(_NEW_BOX, zip(found.starts, found.ends, *columns, strict=True)))
    texts = found.text.split()
    if len(texts) != len(boxes):  # "\\x1c" and its like are white space to one and not the other
        texts = [found.text[box.start : box.end] for box in boxes]
    every = list(map(_NEW_WORD, zip(found.starts, found.ends, texts, *columns, strict=True)))
    return boxes, _lines(page, found, every)


def _lines(page: native.LoadedPage, found: Words, every: Sequence[Word]) -> list[Line]:
    if not every:
        return []
    firsts = np.asarray(found.lines[:-1])
    left, top, right, bottom = found.edges.T
    tops = np.minimum.reduceat(top, firsts).tolist()
    bottoms = np.maximum.reduceat(bottom, firsts).tolist()
    gaps = np.zeros(len(every))
    gaps[1:] = left[1:] - right[:-1]
    gaps[firsts] = 0.0
    widest = np.maximum.reduceat(gaps, firsts).tolist()
    lefts, rights = left[firsts].tolist(), right[np.asarray(found.lines[1:]) - 1].tolist()
    sizes = found.heights[firsts].round(1).tolist()
    is_bold = _Weights(page)
    lines = []
    for at, (first, end) in enumerate(zip(found.lines, found.lines[1:], strict=False)):
        start, stop = found.starts[first], found.ends[end - 1]
        lines.append(
            Line(
                start=start,
                end=stop,
                text=found.text[start:stop],
                left=lefts[at],
                right=rights[at],
                top=tops[at],
                bottom=bottoms[at],
                size=sizes[at],
                bold=is_bold(found.firsts[first]) and is_bold(found.lasts[end - 1]),
                widest_gap=widest[at],
                words=tuple(every[first:end]),
            )
        )
    return lines


class _Weights:
    """Says whether a character is set bold, by its font's weight or, if that is unset, its name."""

    def __init__(self, page: native.LoadedPage) -> None:
        self._page = page
        self._buffer = ctypes.create_string_buffer(136)
        self._name = ctypes.addressof(self._buffer)

    def __call__(self, index: int) -> bool:
        text: Any = self._page.text_address
        if native.char_weight(text, index) >= _BOLD:
            return True
        length = native.char_font(text, index, self._name, 128, self._name + 128)
        return 0 < length <= 128 and b"bold" in self._buffer.raw[:length].lower()
