"""Puts the rows of a table together again that an engine took apart into columns. Pure decisions.

An engine that looks for columns of text takes a wide gap between the labels of a table and its
figures for one, and gives all labels first. A block of which most words are figures and whose lines
stand beside those of a block at its left is no column of text: its lines are the rest of those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ingest.ocr_layout import OcrWord

_FIGURE = re.compile(r"[($€£¥+\-–—.,%*]*\d[\d.,%)*]*|[$€£¥%()\-–—]+|N/?A")
_FIGURES = 0.5  # of a block's words must be such for it to be one of figures
_BESIDE = 0.6  # of its lines must stand beside a line of the block at its left
_OVERLAP = 0.5  # of the lower line's height that two lines share if they stand beside each other


@dataclass(slots=True)
class _Run:
    """The words of one line and how high it stands (pixels)."""

    words: list[OcrWord]

    @property
    def top(self) -> float:
        return min(word.top for word in self.words)

    @property
    def bottom(self) -> float:
        return max(word.bottom for word in self.words)

    def beside(self, other: _Run) -> bool:
        """Whether the two stand at one height."""
        shared = min(self.bottom, other.bottom) - max(self.top, other.top)
        lower = min(self.bottom - self.top, other.bottom - other.top)
        return lower > 0 and shared >= _OVERLAP * lower


@dataclass(slots=True)
class _Block:
    """The lines of one block, downwards."""

    runs: list[_Run]

    @property
    def left(self) -> float:
        return min(word.left for run in self.runs for word in run.words)

    @property
    def right(self) -> float:
        return max(word.right for run in self.runs for word in run.words)

    @property
    def of_figures(self) -> bool:
        """Whether most of its words are figures."""
        words = [word.text for run in self.runs for word in run.words]
        return sum(bool(_FIGURE.fullmatch(word)) for word in words) >= _FIGURES * len(words)


def rejoined(words: Sequence[OcrWord]) -> list[OcrWord]:
    """`words` with blocks of figures made the right part of the block of labels beside them."""
    blocks: list[_Block] = []
    for block in _blocks(words):
        home = _labels(block, blocks) if block.of_figures else None
        if home is None:
            blocks.append(block)
        else:
            _merge(home, block)
    return [
        replace(word, block=number, line=line)
        for number, block in enumerate(blocks)
        for line, run in enumerate(block.runs)
        for word in run.words
    ]


def _blocks(words: Sequence[OcrWord]) -> Iterator[_Block]:
    for _, of_block in groupby(words, key=lambda word: word.block):
        lines = groupby(of_block, key=lambda word: word.line)
        yield _Block([_Run(list(of_line)) for _, of_line in lines])


def _labels(figures: _Block, before: Sequence[_Block]) -> _Block | None:
    """The block whose rows `figures` goes on with: the nearest at its left, beside which it is."""
    found: _Block | None = None
    for block in before:
        at_left = block.left < figures.left and block.right < figures.right
        if not at_left or (found is not None and block.right <= found.right):
            continue
        beside = sum(any(run.beside(other) for other in block.runs) for run in figures.runs)
        if beside >= _BESIDE * len(figures.runs):
            found = block
    return found


def _merge(labels: _Block, figures: _Block) -> None:
    """Give each line of `figures` to the line it stands beside, or its own place among them."""
    for run in figures.runs:
        home = next((other for other in labels.runs if other.beside(run)), None)
        if home is None:
            at = next(
                (at for at, other in enumerate(labels.runs) if other.top > run.top),
                len(labels.runs),
            )
            labels.runs.insert(at, run)
        else:
            home.words += run.words
