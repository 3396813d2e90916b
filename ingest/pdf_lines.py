"""The words and lines of a drawn page, as readers hand them to the layout of a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Word(NamedTuple):
    """A run without white space, `[start, end)` of a page's text, and where it stands (points).

    A tuple, as there are hundreds of thousands of them in a long document.
    """

    start: int
    end: int
    text: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page's text, `[start, end)`: where it stands and how it is set (points)."""

    start: int
    end: int
    text: str
    left: float
    right: float
    top: float
    bottom: float
    size: float  # height of a line of this type
    bold: bool  # from its first to its last character
    widest_gap: float  # between two neighbouring characters of it
    words: tuple[Word, ...] = ()
