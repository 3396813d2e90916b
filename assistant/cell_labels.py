"""What a cell of a table is called: its row's label with the sections above it, the heads over its
column, the period that these name, and in what it is given.

Pure. What is shown of a cell consists of the page's own words with separators between them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from assistant import periods
from assistant.grid import Cell, GridRow
from assistant.periods import Period
from assistant.terms import fold, is_light, keys

_FOOTNOTE = re.compile(r"\s?\((?:\d{1,2}|[a-z]|[ivx]+)\)|(?<=[A-Za-z]{3})\d{1,2}\b|[*†‡]+")
SMALL = frozenset(
    ["other", "not", "non", "before", "after", "over", "under", "below", "above", "within"]
)
_TELLING = keys("current certain")  # light elsewhere; "current assets" are not "assets"
_HALF = keys("expense cost balance total")  # words that a label or a question leaves out
_ASKING = frozenset(
    keys(
        "amount value number figure company group respective year fiscal table state report record"
        " show present corporation entity firm organisation level much many sum"
    )
)


@dataclass(frozen=True, slots=True)
class Value:
    """One cell that answers: `row` counts the rows given, `column` the row's cells. `labels` are
    its row's label after its sections, `heads` those over its column, `unit` in what it is."""

    row: int
    column: int
    cell: Cell
    labels: tuple[Cell, ...]
    heads: tuple[Cell, ...]
    unit: Cell | None

    @property
    def parts(self) -> tuple[Cell, ...]:
        """Everything of the page that its sentence shows, in that order."""
        return (*self.labels, *self.heads, self.cell, *((self.unit,) if self.unit else ()))

    @property
    def sentence(self) -> str:
        """As in "Revenue – Domestic, 2019: $1,496.5 (in millions)"."""
        row = " – ".join(cell.text.rstrip(" :") for cell in self.labels)
        named = ", ".join(part for part in (row, " ".join(h.text for h in self.heads)) if part)
        shown = f"{named}: {self.cell.text}" if named else self.cell.text
        return f"{shown} {self.unit.text}" if self.unit else shown


def words_in(text: str) -> frozenset[str]:
    """Comparable forms of the words of a text, without its periods, with those that tell one row
    from another though they tell nothing elsewhere ("Other", "Not vested")."""
    text = periods.without(text)
    return keys(text) | {word for word in fold(text).split() if word in SMALL}


def plain(label: str) -> str:
    """A label without the marks of footnotes."""
    return _FOOTNOTE.sub(" ", label)


def words_of(cells: Iterable[Cell]) -> frozenset[str]:
    """Comparable forms of what labels say, without periods and footnote marks."""
    found: frozenset[str] = frozenset()
    for cell in cells:
        found |= words_in(plain(cell.text))
    return found


def period_of(cells: Iterable[Cell]) -> Period:
    """The period that labels name together."""
    texts = [plain(cell.text) for cell in cells]
    found = periods.read(" ".join(texts))
    for text in texts:
        found = found.joined(periods.read(text))
    return found


def weight(words: Iterable[str]) -> float:
    """What words count for: little if they ask or fill, much if they tell figures apart. To the
    last bit the same in whatever order a set is gone through."""
    return math.fsum(map(_weight, words))


def _weight(word: str) -> float:
    if word in _ASKING:
        return 0.1
    if word in _HALF or word in SMALL:
        return 0.4
    return 0.25 if is_light(word) and word not in _TELLING else 1.0


def share_of(words: frozenset[str], held: frozenset[str]) -> float:
    """The weighted share of `words` that is `held`, 0..1; 1.0 for none."""
    whole = weight(words)
    return weight(words & held) / whole if whole else 1.0


def _within(unit: Cell, cells: Iterable[Cell]) -> bool:
    start, end = unit.places[0]
    return any(a <= start and end <= b for cell in cells for a, b in cell.places)


def value_at(row: GridRow, number: int, column: int) -> Value:
    """The cell of a row with its labels: heads that say only the unit are told as the unit."""
    cell = row.line.cells[column]
    near = [row.line.label, *row.path, *row.heads(column)]
    over = [*row.heads(0), *row.captions]
    own = [unit for unit in row.units if _within(unit, near)]
    far = [unit for unit in row.units if _within(unit, over)]
    percent = "%" in cell.text or "%" in row.line.label.text
    unit = next((each for each in (*own, *far) if not percent), None)
    alone = {each.text for each in row.units}
    heads = tuple(head for head in row.heads(column) if head.text not in alone)
    labels = tuple(each for each in (*row.path, row.line.label) if each.text)
    if unit is not None and any(_within(unit, [part]) for part in (*labels, *heads)):
        unit = None  # it is shown already
    return Value(number, column, cell, labels, heads, unit)


def answerable(row: GridRow, column: int) -> bool:
    """Whether a cell states something: a figure, words, or the sign for nothing."""
    return column > 0 and bool(row.line.cells[column].text)
