"""The cells of a report's tables, read plainly and apart from the product: gold for `tables.py`.

Characters come straight from PDFium; lines are what stands at one height, columns are told by the
right edges of figures, a column's head is what stands above it. Only what this reads without doubt
is kept; a table in any doubt is left out whole.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import pypdfium2

_FIGURE = re.compile(r"[$(]*-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?[)%]*")
_YEAR = re.compile(r"(?:19|20)\d\d")
_MARK = re.compile(r"[$()%—–-]+|N/?[AM]|\*")


@dataclass(frozen=True, slots=True)
class Seen:
    """A word, or a run of them, as drawn (points from the top left)."""

    text: str
    left: float
    right: float
    top: float
    bottom: float

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


@dataclass(frozen=True, slots=True)
class Cell:
    """A value and how a person would ask for it."""

    report: str
    page: int
    label: str
    head: str
    value: str


def drawn_lines(page: pypdfium2.PdfPage) -> list[list[Seen]]:
    """The words of a page in lines, downwards, each from left to right."""
    height = page.get_height()
    textpage = page.get_textpage()
    words: list[Seen] = []
    run: list[tuple[str, tuple[float, float, float, float]]] = []

    def flush() -> None:
        if run:
            boxes = [box for _, box in run]
            left, right = min(b[0] for b in boxes), max(b[2] for b in boxes)
            top, bottom = height - max(b[3] for b in boxes), height - min(b[1] for b in boxes)
            words.append(Seen("".join(char for char, _ in run), left, right, top, bottom))
            run.clear()

    text = textpage.get_text_range()
    for index in range(min(len(text), textpage.count_chars())):
        char = text[index]
        if char.isspace():
            flush()
            continue
        box = textpage.get_charbox(index, loose=True)
        if run and not -1 < box[0] - run[-1][1][2] < 3:
            flush()
        run.append((char, box))
    flush()
    textpage.close()
    lines: list[list[Seen]] = []
    for word in sorted(words, key=lambda one: one.middle):
        if lines and word.middle - lines[-1][0].middle < 0.35 * (word.bottom - word.top):
            lines[-1].append(word)
        else:
            lines.append([word])
    return [sorted(line, key=lambda one: one.left) for line in lines]


def runs(words: Sequence[Seen]) -> list[Seen]:
    """Words of one line joined where only a space parts them."""
    found: list[Seen] = []
    for word in words:
        last = found[-1] if found else None
        if last and word.left - last.right < 0.45 * (word.bottom - word.top):
            found[-1] = Seen(
                f"{last.text} {word.text}", last.left, word.right,
                min(last.top, word.top), max(last.bottom, word.bottom),
            )  # fmt: skip
        else:
            found.append(word)
    return found


def row_of(line: Sequence[Seen]) -> tuple[str, list[Seen]] | None:
    """A line's label and values, if it is words first and then only figures and marks."""
    at = len(line)
    while at and (_FIGURE.fullmatch(line[at - 1].text) or _MARK.fullmatch(line[at - 1].text)):
        at -= 1
    label = " ".join(word.text for word in line[:at])
    values = [word for word in line[at:] if re.search(r"\d|[—–]", word.text)]
    if not at or not values or all(_YEAR.fullmatch(value.text) for value in values):
        return None
    return label, values


def tables(lines: Sequence[list[Seen]]) -> Iterator[tuple[int, list[tuple[str, list[Seen]]]]]:
    """Runs of rows with the same columns: the first row's line number, and the rows.

    Lines of a few words between rows (a section's name) do not end a run.
    """
    rows: list[tuple[str, list[Seen]]] = []
    first = quiet = 0
    for number, line in enumerate([*lines, []]):
        row = row_of(line) if line else None
        fits = row is not None and rows and len(row[1]) == len(rows[0][1]) and all(
            abs(one.right - other.right) < 5
            for one, other in zip(row[1], rows[0][1], strict=True)
        )  # fmt: skip
        near = bool(rows) and bool(line) and line[0].top - rows[-1][1][0].bottom < 45
        if row and fits and near:
            rows.append(row)
            quiet = 0
            continue
        quiet += 1
        section = row is None and line and line[-1].right < (rows[0][1][0].left if rows else 0)
        if rows and (not section or quiet > 2 or not near):
            if len(rows) >= 3:
                yield first, rows
            rows, quiet = [], 0
        if row and not rows:
            rows, first, quiet = [row], number, 0


def heads(lines: Sequence[list[Seen]], first: int, rows: list[tuple[str, list[Seen]]]) -> list[str]:
    """The head of each column, [] if they cannot be told for sure."""
    rights = [median(values[k].right for _, values in rows) for k in range(len(rows[0][1]))]
    widths = [right - left for left, right in pairwise(rights)]
    lefts = [rights[0] - (widths[0] if widths else 80.0), *rights[:-1]]
    above: list[list[Seen]] = []
    below = lines[first][0].top
    at = first - 1
    while at >= 0 and below - max(word.bottom for word in lines[at]) < 30:
        found = runs(lines[at])
        if row_of(lines[at]) and not any(_YEAR.search(w.text) for w in lines[at]):
            return []
        over = [run for run in found if run.right > lefts[0] + 5]
        if over:
            if all(re.fullmatch(r"\(.*\)", run.text) for run in over):  # units, below the caption
                break
            wide = max(run.right - run.left for run in over) > 0.55 * (rights[-1] - 20)
            if wide or (above and below - over[0].bottom > 9) or over[0].left < 60:
                break
            above.append(found)
        elif above:
            break
        below = min(word.top for word in lines[at])
        at -= 1
    return _composed(above, lefts, rights)


def _composed(above: list[list[Seen]], lefts: list[float], rights: list[float]) -> list[str]:
    if not above or len(above) > 4:
        return []
    parts: list[list[str]] = [[] for _ in rights]
    told = False
    for level in reversed(above):
        beside = " ".join(run.text for run in level if run.right <= lefts[0] + 5)
        beside = re.sub(r"\([^)]*\)", "", beside).strip()
        mine = _shared_out([run for run in level if run.right > lefts[0] + 5], lefts, rights)
        if any(len(texts) > 1 for texts in mine):
            return []
        if beside and all(_YEAR.fullmatch("".join(texts)) for texts in mine):
            mine = [[f"{beside} {texts[0]}"] for texts in mine]
        told = all(mine)  # the lowest level must name every column
        for k, texts in enumerate(mine):
            parts[k].extend(texts)
    composed = [" ".join(part) for part in parts]
    sure = told and len(set(composed)) == len(composed)
    return composed if sure and all(map(_says_enough, composed)) else []


def _shared_out(level: list[Seen], lefts: list[float], rights: list[float]) -> list[list[str]]:
    """What of one level of heads stands over each column: an equal number of columns under each
    head if it is set in their middle, or is a date at their right; else what a head overlaps."""
    each, rest = divmod(len(rights), max(1, len(level)))
    groups = [range(at * each, (at + 1) * each) for at in range(len(level))]
    if level and not rest and all(
        _set_over(run, lefts[group[0]], rights[group[-1]])
        for run, group in zip(level, groups, strict=True)
    ):  # fmt: skip
        return [[level[k // each].text] for k in range(len(rights))]
    mine: list[list[str]] = [[] for _ in rights]
    for run in level:
        for k, (left, right) in enumerate(zip(lefts, rights, strict=True)):
            overlap = min(run.right, right + 4) - max(run.left, left + 2)
            if overlap > 0.35 * min(run.right - run.left, right - left):
                mine[k].append(run.text)
    return mine


def _set_over(run: Seen, left: float, right: float) -> bool:
    middle = abs((run.left + run.right) / 2 - (left + right) / 2) < 0.2 * (right - left)
    date = abs(run.right - right) < 8 and re.search(r"Ended$|^[A-Z][a-z]+ \d{1,2},$", run.text)
    return left - 8 < run.left and run.right < right + 8 and bool(middle or date)


def _says_enough(head: str) -> bool:
    words = re.findall(r"[A-Za-z]{3,}", head)
    return bool(words) and len(head) < 90 and (len(words) > 1 or bool(_YEAR.search(head)))


def _asked_for(label: str) -> bool:
    words = re.findall(r"[A-Za-z][a-z]{2,}", label)
    plain = re.fullmatch(r"[A-Z][A-Za-z ,&’'/()-]*[A-Za-z)]", label)
    return bool(plain) and len(words) >= 2 and 8 <= len(label) <= 70


def cells_of(path: Path) -> list[Cell]:
    """Every cell of a report that the plain reading is sure of."""
    named: dict[tuple[str, str], dict[str, Cell]] = defaultdict(dict)
    with pypdfium2.PdfDocument(path) as pdf:
        for number, page in enumerate(pdf, start=1):
            lines = drawn_lines(page)
            for first, rows in tables(lines):
                columns = heads(lines, first, rows)
                for label, values in rows if columns else ():
                    texts = [re.sub(r"[$()%—–]", "", value.text) for value in values]
                    for head, text in zip(columns, texts, strict=True):
                        if _asked_for(label) and texts.count(text) == 1 and len(text) >= 3:
                            cell = Cell(path.name, number, label, head, text)
                            named[key(label), key(head)].setdefault(text, cell)
    return [cell for found in named.values() if len(found) == 1 for cell in found.values()]


def key(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
