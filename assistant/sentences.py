"""Page text into the units that can be quoted: sentences, list items, table rows, headings.

Pure. A page of a PDF arrives as lines broken where the paper ended, a table as rows of cells, a
web page as paragraphs; the splitter looks only at the text. Every unit is a span of the page, so
quoting it can never differ from the page. It is a heuristic: a unit may be too long (a heading run
into its paragraph) or too short (an abbreviation taken for an end), which makes a quote clumsy but
never untrue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from assistant.terms import STOPWORDS, WORD, fold

LONGEST = 1_200  # characters; text without any punctuation is cut at a space before this


class Kind(StrEnum):
    """What a unit is on its page."""

    SENTENCE = "sentence"
    ITEM = "item"  # of a list
    ROW = "row"  # of a table
    HEADING = "heading"


@dataclass(frozen=True, slots=True)
class Unit:
    """`text[start:end]` of the text that was split; no white space at either end."""

    start: int
    end: int
    kind: Kind


_ITEM = re.compile(
    r"[ \t]*(?:[-*•●▪◦‣–]|\d{1,3}[.)]|\(?[a-z]\)|\(?[ivx]{1,4}\)|\(\d{1,3}\))[ \t]+\S"
)
_NUMBERED = re.compile(r"[ \t]*(?:§\s*)?\d{1,2}(?:\.\d{1,3}){0,4}\.?[ \t]+[A-Z]")
_MARKED_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]+\S")
_CELLS = re.compile(r"\S[ \t]*\|[ \t]*\S|^[ \t]*\|.*\|[ \t]*$|\S\t+\S|\S {3,}\S")
_MARK_GAP = re.compile(  # a clause number or bullet set off by a tab or spaces is no cell
    r"[ \t]*(?:(?:§\s*)?\d{1,3}(?:\.\d{1,3}){0,4}[.)]?|\(?[a-zA-Z]{1,4}[.)]|\([a-z\d]{1,4}\)"
    r"|[-*•])[ \t]+(?![ \t]*\|)"
)
_RULE = re.compile(r"[\s|:+=_*\-–—.]*$")  # a line that only draws: table rules, underlines
_END = re.compile(r"[.!?…](?:[\"'”’)\]]*)(?=\s)|[.!?…](?:[\"'”’)\]]*)$")
_SHORTENED = """e.g i.e cf vs etc no nos art arts sec secs para paras fig figs tab p pp ch
    vol ed eds dr mr mrs ms prof st jr sr inc ltd co corp dept approx ca incl excl resp ref
    refs max min jan feb mar apr jun jul aug sep sept oct nov dec al op rev ver viz ibid fn cl sch
    subsec reg regs est assoc univ gov sen gen col lt sgt capt mt ft plc llc
    abs nr bzw vgl ggf núm sra mme mlle"""
_ABBREVIATIONS = frozenset(_SHORTENED.split())
# These often end a sentence too: they do where a capitalised "The" or the like follows.
_MAY_END = frozenset(("inc", "ltd", "co", "corp", "jr", "sr", "etc", "dept", "al", "plc", "llc"))
_LETTERED = re.compile(
    r"\b(?:annex|appendix|schedule|part|class|type|grade|category|group|option|vitamin|team)\s+$",
    re.IGNORECASE,
)
_DOTTED = re.compile(r"(?:[a-z]\.)+[a-z]")
_NUMBERED_WORDS = "no nos art arts sec secs para paras fig figs tab p pp ch vol cl sch abs nr"
_NEEDS_A_NUMBER = frozenset(_NUMBERED_WORDS.split())


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    text: str


def _lines(text: str) -> Iterator[_Line]:
    at = 0
    for raw in text.splitlines(keepends=True):
        yield _Line(at, at + len(raw), raw)
        at += len(raw)


def _looks_like_heading(line: str, following: str, preceded: bool) -> bool:
    """A short line that ends without punctuation, after a finished block, before a new start."""
    stripped = line.strip()
    if _MARKED_HEADING.match(line):
        return True
    if not stripped or len(stripped) > 80 or stripped[-1] in ".;:,!?-–|":
        return False
    begins = stripped[0].isupper() or stripped[0].isdigit() or stripped[0] == "§"
    if not begins or len(stripped.split()) > 12:
        return False
    if stripped.isupper() and len(stripped) > 3:
        return True
    starts_new = (
        not following.strip()
        or following.strip()[0].isupper()
        or bool(_ITEM.match(following) or _NUMBERED.match(following))
    )
    return starts_new and not preceded


def _blocks(text: str) -> Iterator[tuple[int, int, Kind]]:
    """Runs of lines that belong together, before they are split into sentences."""
    lines = list(_lines(text))
    open_at: int | None = None
    open_kind = Kind.SENTENCE
    end = 0
    for number, line in enumerate(lines):
        following = lines[number + 1].text if number + 1 < len(lines) else ""
        blank = not line.text.strip()
        row = not blank and bool(_CELLS.search(_MARK_GAP.sub("", line.text, count=1)))
        unfinished = open_at is not None and not text[open_at:end].rstrip().endswith(
            (".", ":", ";", "!", "?")
        )
        heading = not row and _looks_like_heading(line.text, following, unfinished)
        item = bool(_ITEM.match(line.text)) or (bool(_NUMBERED.match(line.text)) and not unfinished)
        if open_at is not None and (blank or row or heading or item):
            yield open_at, end, open_kind
            open_at = None
        if blank or (not row and _RULE.match(line.text)):
            continue
        if row or heading:
            if not _RULE.match(line.text):
                yield line.start, line.end, Kind.ROW if row else Kind.HEADING
            continue
        if open_at is None:
            open_at, open_kind = line.start, Kind.ITEM if item else Kind.SENTENCE
        end = line.end
    if open_at is not None:
        yield open_at, end, open_kind


def _ends_sentence(block: str, at: int, after: int) -> bool:
    """Whether the full stop (or mark) before `after` ends a sentence; `at` is its position."""
    rest = block[after:].lstrip()
    if not rest:
        return True
    if block[at] != ".":
        return not rest[0].islower()
    word = re.search(r"[\w.]*$", block[:at])
    last = word.group().lower().rstrip(".") if word else ""
    if last in _NEEDS_A_NUMBER:
        return not (rest[0].isdigit() or rest[0] == "(")
    if last in _ABBREVIATIONS and last not in _MAY_END:
        return False
    if last in _MAY_END or _DOTTED.fullmatch(last):  # "B.V. is", "B.V. Lind"; but "B.V. The"
        following = WORD.match(rest)
        return following is not None and fold(following.group()) in STOPWORDS and rest[0].isupper()
    if len(last) == 1 and last.isalpha():  # an initial, unless it is the letter of "Annex B."
        return bool(_LETTERED.search(block[: at - 1]))
    if re.fullmatch(r"(?:\d{1,2}|[ivx]+)", last) and not block[: at - len(last)].strip():
        return False  # the number of a list item
    return not rest[0].islower()


def _cut(block: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A span cut at spaces so that no piece is longer than LONGEST."""
    while end - start > LONGEST:
        limit = start + LONGEST
        at = max(block.rfind(" ", start + 1, limit), block.rfind("\n", start + 1, limit))
        at = at if at > start else limit
        yield start, at
        start = at
    yield start, end


def _split_block(block: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _END.finditer(block):
        if match.start() >= start and _ends_sentence(block, match.start(), match.end()):
            yield from _cut(block, start, match.end())
            start = match.end()
    if block[start:].strip():
        yield from _cut(block, start, len(block))


def split(text: str) -> tuple[Unit, ...]:
    """The units of `text` in order; they do not overlap, and only white space and drawn rules lie
    between them."""
    units = []
    for start, end, kind in _blocks(text):
        pieces = (
            _cut(text[start:end], 0, end - start)
            if kind in (Kind.ROW, Kind.HEADING)
            else _split_block(text[start:end])
        )
        for number, (left, right) in enumerate(pieces):
            raw = text[start + left : start + right]
            lead = len(raw) - len(raw.lstrip())
            body = raw.strip()
            if body:
                own = Kind.SENTENCE if kind is Kind.ITEM and number else kind
                units.append(Unit(start + left + lead, start + left + lead + len(body), own))
    return tuple(units)


def sentence_end(text: str) -> int:
    """Where the first sentence or line of a text that is still growing ends, 0 while that is not
    known: what follows its full stop must have begun."""
    line = text.find("\n", len(text) - len(text.lstrip()))
    for match in _END.finditer(text):
        if 0 <= line < match.end():
            break
        if text[match.end() :].strip() and _ends_sentence(text, match.start(), match.end()):
            return match.end()
    return line + 1 if line >= 0 else 0


def one_line(text: str) -> str:
    """Verbatim text for showing: line breaks and runs of white space become one space."""
    return " ".join(text.split())
