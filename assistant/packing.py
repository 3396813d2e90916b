"""Which passages the model reads, under its own token budget.

Pure but for the token counter that is passed in. Overlapping spans of one page become one passage,
so nothing is read twice. Passages are taken whole in the order given; the first that does not fit
is cut at its end, at the end of a sentence, if a fair part of it fits, and is dropped if not. What
stands at the front of a passage is never cut. Everything dropped or cut is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from assistant.evidence import PageKey
from assistant.layout import Unit
from index.document import Hit, Page

SMALLEST_CUT = 40  # tokens: less of a passage than this is not worth reading


@dataclass(frozen=True, slots=True)
class Line:
    """A unit of a passage as the model reads it, and where it ends on the page."""

    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """A passage for the prompt: `page.text[start:end] == text`; `hits` are indices of the hits
    that it joins, best first; `lines` are what the model reads of it."""

    document: str
    page: int
    start: int
    end: int
    text: str
    title: str
    hits: tuple[int, ...]
    lines: tuple[Line, ...] = ()
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Dropped:
    """A passage that the model did not read in full. `reason`: "budget" (not at all), "cut" (its
    end is missing from `end` on) or "overlap" (its text is inside another passage)."""

    hit: int
    reason: str
    end: int = 0


@dataclass(frozen=True, slots=True)
class Packed:
    """What the model reads, in that order, and what it does not."""

    kept: tuple[Block, ...]
    dropped: tuple[Dropped, ...]
    tokens: int


def merge(hits: Sequence[Hit], pages: Mapping[PageKey, Page]) -> tuple[Block, ...]:
    """One block per stretch of a page that hits cover, those that overlap joined, in the order of
    their best hits."""
    by_page: dict[PageKey, list[int]] = {}
    for number, hit in enumerate(hits):
        by_page.setdefault((hit.chunk.document_id, hit.chunk.page), []).append(number)
    blocks: list[Block] = []
    for place, numbers in by_page.items():
        page = pages[place]
        open_block: Block | None = None
        for number in sorted(numbers, key=lambda n: (hits[n].start, hits[n].end)):
            hit, title = hits[number], hits[number].document.title
            if open_block and hit.start < open_block.end:
                end = max(open_block.end, hit.end)
                joined = (*open_block.hits, number)
                text = page.text[open_block.start : end]
                open_block = replace(open_block, end=end, text=text, hits=joined)
                continue
            if open_block:
                blocks.append(open_block)
            open_block = Block(
                *place, hit.start, hit.end, page.text[hit.start : hit.end], title, (number,)
            )
        if open_block:
            blocks.append(open_block)
    ordered = [replace(block, hits=tuple(sorted(block.hits))) for block in blocks]
    return tuple(sorted(ordered, key=lambda block: block.hits[0]))


def with_lines(block: Block, units: Sequence[Unit]) -> Block:
    """The block with its lines: the units of its page that begin inside it, headings included."""
    inside = [unit for unit in units if block.start <= unit.start < block.end]
    return replace(block, lines=tuple(Line(min(u.end, block.end), u.shown) for u in inside))


def _fit(block: Block, room: int, count: Callable[[str], int]) -> Block | None:
    """The block with as many of its lines, from the first, as fit `room` tokens; None if that is
    too little to be worth reading."""
    lines: list[Line] = []
    tokens = 0
    for line in block.lines:
        needed = count(line.text + "\n")
        if tokens + needed > room:
            break
        lines.append(line)
        tokens += needed
    if not lines or (len(lines) < len(block.lines) and tokens < min(SMALLEST_CUT, room)):
        return None
    end = block.end if len(lines) == len(block.lines) else lines[-1].end
    text = block.text[: end - block.start]
    return replace(block, end=end, text=text, lines=tuple(lines), tokens=tokens)


def pack(
    blocks: Sequence[Block], budget: int, most: int, count: Callable[[str], int], around: int
) -> Packed:
    """As many of `blocks` as fit `budget` tokens, `most` at the most, in the order given.

    `count` counts the tokens of a text, `around` is what the fence of each passage costs.
    """
    kept: list[Block] = []
    dropped: list[Dropped] = []
    left = budget
    for block in blocks:
        room = left - around
        if len(kept) >= most or room < SMALLEST_CUT:
            dropped.extend(Dropped(hit, "budget") for hit in block.hits)
            continue
        fitting = _fit(block, room, count)
        if fitting is None:
            dropped.extend(Dropped(hit, "budget") for hit in block.hits)
            continue
        if fitting.end < block.end:
            dropped.extend(Dropped(hit, "cut", fitting.end) for hit in block.hits)
        kept.append(fitting)
        left -= fitting.tokens + around
    return Packed(tuple(kept), tuple(dropped), budget - left)
