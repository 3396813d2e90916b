"""From pages to chunks: passages that stay on one page, under their headings, with exact spans.

A chunk is made of whole units: table rows, paragraphs, or, where a paragraph is too long, whole
sentences. It is opened by a heading once it holds enough, never crosses a page, and together with
title and heading path fits the embedder's window; only a table row that is longer than that stands
in a chunk of its own, whole, so that it is found by all its words. What names a table's rows goes
with them as the last entries of the heading path. Pure, but for the tokenizer it is given.

The cutting is fixed by `SPLITTER`: a change here that moves any span needs a new name there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, pairwise

from langchain_text_splitters import RecursiveCharacterTextSplitter

from index.context import searchable_text
from index.document import Chunk
from ingest.chunk_tables import NO_TABLE, TableContext
from ingest.pages import Kind, ReadPage

SPLITTER = "cloister-3"

CountTokens = Callable[[Sequence[str]], Sequence[int]]
"""Tokens of each text, the markers at its two ends included."""

_PATH_CHARACTERS = 240  # of a heading path; beyond that the outermost headings are left out
_HEADING_CHARACTERS = 120  # of one heading in a path
_OVERLAP_TOKENS = 32  # of the sentence that two chunks of one paragraph may share
_ENOUGH = 0.25  # of the target; a chunk with fewer tokens goes on under the next heading
_LEAST_TOKENS = 32  # for text, however long the title
_ROW_TOKENS = 2000  # a longer row is a document in a table: it is cut between its cells
_ROWS_SHARE = 0.5  # of the window is for rows, however long the head of their table
_TABLE_SHARE = 0.4  # of the target: a row is found by few words, which many other rows would drown
_CELL_EDGE = re.compile(r" \| |\n|\t")
_ROWS = (Kind.ROW, Kind.HEADER_ROW)
_SENTENCE = re.compile(
    r"(?<=[.!?;:])[\"”’)\]]*\s+(?=[A-Z0-9(\[\"“‘§•–-])"  # a sentence ends, another begins
    r"|\n(?=\s*(?:[-–•*▪◦]|\(?[0-9a-zA-Z]{1,4}[.)])\s)"  # or an item of a list begins
)
_SEPARATORS = ["\n", ". ", "; ", ", ", " "]


@dataclass(frozen=True, slots=True)
class Window:
    """How much fits a chunk, in the embedder's tokens: `limit` with title, headings and markers
    at most, `target` of text alone.
    """

    limit: int = 256
    target: int = 200


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is never cut further, `[start, end)` of the page's text."""

    start: int
    end: int
    kind: Kind
    tokens: int
    block: int  # which block of the page it belongs to
    path: tuple[str, ...]  # the headings above it, and it itself if it is one
    table: TableContext = NO_TABLE  # what names a row
    part: int = 0  # of the page, whose parts running heads and feet keep from each other


@dataclass(frozen=True, slots=True)
class Cut:
    """Something to be cut: a document's id, its title, and its pages."""

    document_id: str
    title: str
    pages: Sequence[ReadPage]
    whole: bool = False  # one chunk if it fits, whatever its headings: a record


def chunk_id(document_id: str, page: int, start: int, end: int) -> str:
    """The id of a chunk, by the rule of `index.document.Chunk`."""
    named = f"{document_id}\n{page}\n{start}\n{end}\n{SPLITTER}"
    return hashlib.sha256(named.encode()).hexdigest()[:32]


def cut_all(items: Sequence[Cut], count: CountTokens, window: Window) -> list[tuple[Chunk, ...]]:
    """The chunks of each item, in order; all records are measured at once."""
    wholes = [_whole(item) if item.whole else None for item in items]
    texts = [searchable_text(item.title, c) for item, c in zip(items, wholes, strict=True) if c]
    sizes = iter(count(texts) if texts else ())
    found: list[tuple[Chunk, ...]] = []
    for item, whole in zip(items, wholes, strict=True):
        fits = whole is not None and next(sizes) <= window.limit
        found.append((whole,) if whole and fits else cut(item, count, window))
    return found


def _whole(item: Cut) -> Chunk | None:
    """The one chunk that holds all of a document of one page, None if there is no such chunk."""
    if len(item.pages) != 1 or not item.pages[0].page.text.strip():
        return None
    page = item.pages[0].page
    start = len(page.text) - len(page.text.lstrip())
    return _chunk(item.document_id, page.number, page.text, start, len(page.text.rstrip()), ())


def _chunk(
    document_id: str, page: int, text: str, start: int, end: int, path: tuple[str, ...]
) -> Chunk:
    return Chunk(
        chunk_id(document_id, page, start, end),
        document_id,
        page,
        start,
        end,
        text[start:end],
        path,
    )


def cut(item: Cut, count: CountTokens, window: Window) -> tuple[Chunk, ...]:
    """The chunks of one document, page by page; every character is in one, but for white space
    and running heads and feet.
    """
    measure = _Measure(count, count([""])[0])
    titled = measure([item.title])[0] if item.title.strip() else 0
    room = max(window.limit - measure.markers - titled, _LEAST_TOKENS)
    target = max(min(window.target, room), _LEAST_TOKENS)
    chunks: list[Chunk] = []
    above: tuple[tuple[int, str], ...] = ()
    table = NO_TABLE
    for read in item.pages:
        units, above, table = _units(read, above, table, measure, target)
        rooms = _rooms(units, measure, room, target)
        enough, rows = round(target * _ENOUGH), round(target * _TABLE_SHARE)
        for group in _packed(units, rooms, enough, rows):
            first, last = group[0], group[-1]
            number, text = read.page.number, read.page.text
            path = _path(group, measure, room)
            chunks.append(_chunk(item.document_id, number, text, first.start, last.end, path))
    return tuple(chunks)


def _rooms(units: Sequence[_Unit], measure: _Measure, room: int, target: int) -> list[int]:
    """How many tokens of text a chunk that begins with each unit may have."""
    contexts = list({_context(unit) for unit in units})
    costs = dict(zip(contexts, measure([" > ".join(one) for one in contexts]), strict=True))
    rows = min(target, round(room * _ROWS_SHARE))
    return [
        max(
            min(target, room - costs[_context(unit)]),
            rows if unit.kind is Kind.ROW else 0,
            _LEAST_TOKENS,
        )
        for unit in units
    ]


@dataclass(frozen=True, slots=True)
class _Measure:
    """Counts the tokens of texts without the markers at their ends."""

    count: CountTokens
    markers: int

    def __call__(self, texts: Sequence[str]) -> list[int]:
        return [size - self.markers for size in self.count(texts)] if texts else []


def _context(unit: _Unit) -> tuple[str, ...]:
    return (*unit.path, *unit.table.entries())


def _path(group: Sequence[_Unit], measure: _Measure, room: int) -> tuple[str, ...]:
    """Under which headings most of a chunk stands; a table that began earlier adds its heads. What
    the text leaves no room for is left out: of the heads first, then the outermost headings.
    """
    first = group[0]
    left = room - sum(unit.tokens for unit in group)
    path = first.path if first.kind in _ROWS else _heaviest(group)
    entries = first.table.shorter() if first.kind in _ROWS else ((),)
    choices = chain(
        ((*path, *each) for each in entries), (path[outer:] for outer in range(1, len(path)))
    )
    return next((one for one in choices if not one or measure([" > ".join(one)])[0] <= left), ())


def _heaviest(group: Sequence[_Unit]) -> tuple[str, ...]:
    """The headings above most of a chunk's text."""
    shares: dict[tuple[str, ...], int] = {}
    for unit in group:
        if unit.kind is not Kind.HEADING:
            shares[unit.path] = shares.get(unit.path, 0) + unit.tokens
    return max(shares, key=lambda path: shares[path]) if shares else group[-1].path


def _units(
    read: ReadPage,
    above: tuple[tuple[int, str], ...],
    table: TableContext,
    measure: _Measure,
    target: int,
) -> tuple[list[_Unit], tuple[tuple[int, str], ...], TableContext]:
    """The units of a page, and what holds where it ends: the headings (level, text), the table."""
    text = read.page.text
    most = target * 3 // 4  # leaves room for the headings above a unit
    sizes = measure([text[block.start : block.end] for block in read.blocks])
    units: list[_Unit] = []
    part = 0
    table = table.on_next_page()
    for index, (block, size) in enumerate(zip(read.blocks, sizes, strict=True)):
        if block.kind is Kind.RUNNING:
            part += 1
            continue
        body = text[block.start : block.end]
        if block.kind is Kind.HEADING:
            above = (*(entry for entry in above if entry[0] < block.level), (block.level, body))
        path = _outline(above)
        table = table.after(read.page, block)
        own = table if block.kind is Kind.ROW else NO_TABLE
        if block.kind is Kind.HEADER_ROW:
            own = TableContext(table.caption)
        units.extend(
            _Unit(
                block.start + start, block.start + end, block.kind, tokens, index, path, own, part
            )
            for start, end, tokens in _spans(body, block.kind, size, measure, most)
        )
        table = table.below(read.page, block)
    return units, above, table


def _spans(
    body: str, kind: Kind, size: int, measure: _Measure, most: int
) -> list[tuple[int, int, int]]:
    """(start, end, tokens) of the units of a block."""
    if size <= (_ROW_TOKENS if kind in _ROWS else most):
        return [(0, len(body), size)]
    if kind not in _ROWS:
        return _split(body, measure, most)
    edges = [0, *(match.end() for match in _CELL_EDGE.finditer(body)), len(body)]
    spans = [_stripped(body, start, end) for start, end in pairwise(edges)]
    return [
        (start + one, start + other, tokens)
        for start, end in spans
        for one, other, tokens in _split(body[start:end], measure, most)
    ]


def _outline(above: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    """Headings for a path: each on one line and not too long, the innermost as far as they fit."""
    kept: list[str] = []
    room = _PATH_CHARACTERS
    for _, text in reversed(above):
        heading = " ".join(text.split())[:_HEADING_CHARACTERS].rstrip()
        room -= len(heading)
        if kept and room < 0:
            break
        kept.insert(0, heading)
    return tuple(kept)


def _split(text: str, measure: _Measure, most: int) -> list[tuple[int, int, int]]:
    """(start, end, tokens) of the sentences of a text; one too long is cut at line ends, clauses,
    words, and in the end anywhere.
    """
    edges = [0, *(match.end() for match in _SENTENCE.finditer(text)), len(text)]
    spans = [_stripped(text, start, end) for start, end in pairwise(edges)]
    spans = [span for span in spans if span[0] < span[1]]
    found: list[tuple[int, int, int]] = []
    sizes = measure([text[start:end] for start, end in spans])
    for (start, end), size in zip(spans, sizes, strict=True):
        if size <= most:
            found.append((start, end, size))
            continue
        parts = _clauses(text[start:end], measure, most)
        measured = measure([text[start + one : start + other] for one, other in parts])
        for (one, other), tokens in zip(parts, measured, strict=True):
            found.append((start + one, start + other, tokens))
    return found


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    """`[start, end)` without white space at its ends."""
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())


def _clauses(text: str, measure: _Measure, most: int) -> list[tuple[int, int]]:
    """Spans of at most `most` tokens each that leave out nothing but white space."""

    @cache
    def tokens(part: str) -> int:
        return measure([part])[0]

    splitter = RecursiveCharacterTextSplitter(
        separators=_SEPARATORS,
        keep_separator="end",
        chunk_size=most,
        chunk_overlap=0,
        length_function=tokens,
        strip_whitespace=True,
    )
    spans: list[tuple[int, int]] = []
    at = 0
    for part in splitter.split_text(text):
        start = text.index(part, at)
        at = start + len(part)
        spans.extend(_halved(text, start, at, tokens, most))
    return spans


def _halved(
    text: str, start: int, end: int, tokens: Callable[[str], int], most: int
) -> Iterator[tuple[int, int]]:
    """A run without any place to cut it, cut in the middle until it fits."""
    if end - start < 2 or (end - start <= most * 20 and tokens(text[start:end]) <= most):
        yield start, end
        return
    middle = (start + end) // 2
    yield from _halved(text, start, middle, tokens, most)
    yield from _halved(text, middle, end, tokens, most)


def _packed(
    units: Sequence[_Unit], rooms: Sequence[int], enough: int, rows: int
) -> Iterator[list[_Unit]]:
    """Units in groups that fit; `rooms[i]` is how many tokens a chunk with unit i may have, `rows`
    how many its rows. A heading, or the head of a table, ends a group of `enough` tokens.
    """
    group: list[_Unit] = []
    limit = 0
    for unit, room in zip(units, rooms, strict=True):
        if group and group[-1].part != unit.part:
            yield group
            group = []
        limit = min(limit, room) if group else room
        size = _tokens(group)
        opens = unit.kind in (Kind.HEADING, Kind.HEADER_ROW) and size >= enough
        held = _tokens(group, Kind.ROW)
        full = size + unit.tokens > limit or (
            unit.kind is Kind.ROW and held > 0 and held + unit.tokens > rows
        )
        if group and (opens or full):
            kept, group = _parted(group, unit, room, opens)
            yield kept
            limit = room
        group.append(unit)
    if group:
        yield group


def _tokens(group: Sequence[_Unit], kind: Kind | None = None) -> int:
    return sum(unit.tokens for unit in group if kind in (None, unit.kind))


def _parted(
    group: list[_Unit], coming: _Unit, room: int, opens: bool
) -> tuple[list[_Unit], list[_Unit]]:
    """Where a full group ends, and what the next begins with: headings, and heads of tables, that
    would stand alone at its end move on; of a paragraph cut in two, a short last sentence stands
    in both.
    """
    at = len(group)
    while at > 0 and group[at - 1].kind in (Kind.HEADING, Kind.HEADER_ROW):
        at -= 1
    moved = group[at:]
    if moved and at > 0 and sum(one.tokens for one in moved) + coming.tokens <= room:
        return group[:at], moved
    last = group[-1]
    shared = (
        not opens
        and len(group) > 1
        and last.kind not in _ROWS
        and last.block == coming.block
        and last.tokens <= min(_OVERLAP_TOKENS, room - coming.tokens)
    )
    return group, [last] if shared else []
