"""What names the rows of a table, so that a row is found apart from the top of its table.

Pure. Followed block by block down a document's pages: the column heads with the caption and the
units above them, and the name of the section of the table ("Operating expenses:") that a row stands
in. A table that goes on at the top of the next page without heads of its own keeps these.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from index.document import Page
from ingest.pages import Block, Kind

_HEAD_CHARACTERS = 480
_CAPTION_CHARACTERS = 240  # of the sentence that leads to a table: "... as follows (in millions):"
_NAME_CHARACTERS = 100  # of the name of a table
_SECTION_CHARACTERS = 100
_CELL_GAP = 1.5  # words further apart than so many heights of a line are in two cells
_PARTS = 8  # a head of one line is shortened by such parts
_HEAD_ONLY = -1  # in place of a number of cells: no row has come yet
_SENTENCE_END = re.compile(r"[.!?;]\s+(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class TableContext:
    """The table that a place in a document is in: the lines of its head, and the last name of a
    section. `open` while the last block was part of it; `cells` counts the marks between the cells
    of its last row.
    """

    caption: str = ""
    head: tuple[str, ...] = ()
    section: str = ""
    open: bool = False
    cells: int = 0
    turned: bool = False  # the page was turned since the last block

    def entries(self) -> tuple[str, ...]:
        """For a heading path: caption and heads, then the section."""
        head = " ".join(part for part in (self.caption, *self.head) if part)
        return tuple(part for part in (head[:_HEAD_CHARACTERS], self.section) if part)

    def shorter(self) -> Iterator[tuple[str, ...]]:
        """`entries`, then with ever less of them: without the caption, without the upper lines of
        the head (the units, the title), with less of its last line, the section alone, nothing.
        """
        yield self.entries()
        for first in range(len(self.head)):
            yield replace(self, caption="", head=self.head[first:]).entries()
        last = self.head[-1] if self.head else ""
        for part in range(_PARTS - 1, 0, -1):
            less = last[: len(last) * part // _PARTS]
            yield replace(self, caption="", head=(less,) if less else ()).entries()
        if self.section:
            yield (self.section,)
        yield ()

    def on_next_page(self) -> TableContext:
        """The same, at the top of the next page."""
        return replace(self, turned=True)

    def after(self, page: Page, block: Block) -> TableContext:
        """What holds for `block` itself, given what held before it."""
        body = page.text[block.start : block.end]
        if block.kind is Kind.HEADER_ROW:
            lines = tuple(" ".join(line.split()) for line in body.split("\n"))
            if self.open and not self.turned and self.cells == _HEAD_ONLY:
                lines = (*self.head, *lines)
            return TableContext(self.caption, _within(lines), "", open=True, cells=_HEAD_ONLY)
        if block.kind is Kind.ROW:
            cells = body.count(" | ")
            same = self.open and (not self.turned or self.cells in (cells, _HEAD_ONLY))
            kept = self if same else TableContext(caption=self.caption)
            return replace(kept, open=True, cells=cells, turned=False)
        caption = _caption(body) if block.kind is Kind.TEXT else ""
        return TableContext(caption=caption)

    def below(self, page: Page, block: Block) -> TableContext:
        """What holds for the block after `block`."""
        if block.kind is Kind.ROW and _names_section(page, block):
            section = " ".join(page.text[block.start : block.end].split())
            return replace(self, section=section)
        return self


NO_TABLE = TableContext()


def _within(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The last of the lines that are not too long together: the heads stand below the title."""
    while len(lines) > 1 and sum(map(len, lines)) + len(lines) > _HEAD_CHARACTERS:
        lines = lines[1:]
    return (lines[0][:_HEAD_CHARACTERS], *lines[1:])


def _caption(body: str) -> str:
    """The sentence that leads to a table, if a paragraph ends with one or is no more than a name:
    "Table 2. Systems of record".
    """
    if body.endswith(":"):
        last = " ".join(_SENTENCE_END.split(body)[-1].split())
        return last if len(last) <= _CAPTION_CHARACTERS else ""
    is_name = len(body) <= _NAME_CHARACTERS and not body.endswith((".", ";"))
    return " ".join(body.split()) if is_name else ""


def _names_section(page: Page, block: Block) -> bool:
    """Whether a row is the name of a section: one short cell of words."""
    body = page.text[block.start : block.end]
    if len(body) > _SECTION_CHARACTERS or " | " in body or re.search(r"\d|\t", body):
        return False
    at = bisect_left(page.boxes, block.start, key=lambda box: box.start)
    words = []
    for box in page.boxes[at:]:
        if box.start >= block.end:
            break
        words.append(box)
    return all(
        -1.0 < right.left - left.right < _CELL_GAP * (left.bottom - left.top)
        or right.top >= left.bottom - 1.0
        for left, right in pairwise(words)
    )
