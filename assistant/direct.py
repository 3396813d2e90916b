"""An answer straight from a table's cell or from one fact or phrase of a sentence, before any
model is asked.

Pure. From what was retrieved either cells that clearly answer are taken, each shown with its labels
and nothing of the row's other values, or the best sentence, shown as it stands with the part marked
that answers. None where neither is clear: then a model writes and quotations stand by, as ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assistant import cell_choice, cell_comparison, facts, periods, pointed, quotes
from assistant.cell_choice import CellAnswer
from assistant.cell_labels import Value
from assistant.evidence import Candidate, Evidence, PageKey, answering
from assistant.facts import Kind as FactKind
from assistant.grid import Cell, GridRow, is_value
from assistant.quotes import Quote, Span
from assistant.retrieval import Found

_SENTENCE_CLEARER = 0.15  # by so much more of the question a sentence must hold than a cell

_ROW = 0.6  # how sure a row is of which only the kind of fact in one of its cells is known
_NEAR = 0.7  # of the best score: a sentence this near is quoted in place of a row of figures


@dataclass(frozen=True, slots=True)
class Direct:
    """What to release: `quotes`, each with its spans, in order. `pointed` are the stretches that
    answer, `values` their text; `source` is "cell", "label", "row" or "sentence"; `confidence` is
    0..1."""

    quotes: tuple[Quote, ...]
    pointed: tuple[Span, ...]
    values: tuple[str, ...]
    source: str
    confidence: float


@dataclass(frozen=True, slots=True)
class _Placed:
    place: PageKey
    row: GridRow


def _rows(found: Found) -> tuple[_Placed, ...]:
    """The rows of all tables of the pages found, best page first, but for those that speak to a
    language model and those that such text names (a planted head, section or caption)."""
    rows = []
    for place, units in found.layouts.items():
        planted = [(unit.start, unit.end) for unit in units if unit.addressed]
        rows += [
            _Placed(place, unit.row)
            for unit in units
            if unit.row is not None and not unit.addressed and not _named_by(unit.row, planted)
        ]
    return tuple(rows)


def _named_by(row: GridRow, stretches: Sequence[tuple[int, int]]) -> bool:
    """Whether something that names the row's cells stands in one of these stretches of the page."""
    over = (*row.path, *row.captions, *(head for heads in row.columns for head in heads))
    return any(
        first <= start < last
        for cell in over
        for start, _ in cell.places
        for first, last in stretches
    )


def _spans(place: PageKey, parts: Sequence[Cell]) -> Iterator[Span]:
    """Where cells stand, each stretch once, in the order of the page."""
    places = sorted({each for cell in parts for each in cell.places})
    for start, end in places:
        yield Span(*place, start, end)


def _of_cells(answer: CellAnswer, rows: Sequence[_Placed]) -> Direct:
    def place_of(value: Value) -> PageKey:
        return rows[value.row].place

    made = tuple(
        Quote(value.sentence, tuple(_spans(place_of(value), value.parts)))
        for value in answer.values
    )
    first = place_of(answer.values[0])
    pointed_at = tuple(
        Span(*(place_of(value) if len(answer.pointed) > 1 else first), start, end)
        for value, cell in zip(answer.values, answer.pointed, strict=False)
        for start, end in cell.places
    )
    label = answer.pointed[0] not in [value.cell for value in answer.values]
    texts = tuple(cell.text for cell in answer.pointed)
    return Direct(made, pointed_at, texts, "label" if label else "cell", answer.confidence)


def _best_sentence(found: Found) -> Evidence | None:
    """The best evidence that is no row of a table, if it is the best or next to it."""
    return next((e for e in found.ranked[:2] if not e.candidate.unit.cells), None)


def _clearer(found: Found, sentence: Evidence, answer: CellAnswer) -> bool:
    """Whether a sentence holds more of the question than a cell, and a figure beside."""
    if sentence.coverage - answer.coverage < _SENTENCE_CLEARER:
        return False
    kinds = {FactKind.AMOUNT, FactKind.NUMBER, FactKind.QUANTITY}
    if cell_choice.wanted(found.asked).share or FactKind.PERCENT in found.asked.kinds:
        kinds.add(FactKind.PERCENT)
    stated = {(fact.kind, fact.value) for fact in found.asked.facts}
    return any(
        fact.kind in kinds and (fact.kind, fact.value) not in stated
        for fact in facts.extract(sentence.candidate.unit.plain)
    )


def _of_sentence(found: Found, evidence: Evidence) -> Direct | None:
    candidate: Candidate = evidence.candidate
    place = (candidate.document, candidate.page)
    part = pointed.answer(found.asked, candidate.unit)
    if part is None:
        return None
    made = quotes.quote(candidate, found.layouts[place])
    text = " ".join(found.pages[place].text[part.start : part.end].split())
    span = Span(*place, part.start, part.end)
    return Direct((made,), (span,), (text,), "sentence", part.confidence)


def _cells(found: Found, rows: Sequence[_Placed]) -> CellAnswer | None:
    grid = [each.row for each in rows]
    if cell_comparison.compares(found.asked):
        return cell_comparison.choose(found.asked, grid)
    return cell_choice.choose(found.asked, grid)


def _figures(evidence: Evidence) -> bool:
    """Whether evidence is a row with several figures, of which one alone could answer."""
    row = evidence.candidate.unit.row
    return row is not None and sum(is_value(cell.text) for cell in row.line.values) > 1


def _worded(found: Found) -> Evidence | None:
    """The best evidence, or if that is a row of figures and words are asked for, the first that
    is not and comes near it."""
    best = found.ranked[0] if found.ranked else None
    if best is None or not _figures(best):
        return best
    if not cell_choice.explains(found.asked):
        return None
    near = (each for each in found.ranked if not _figures(each))
    other = next(near, None)
    return other if other is not None and other.score >= _NEAR * best.score else None


def find(found: Found) -> Direct | None:
    """The cells or the sentence that answer, whichever holds more of the question; None if it is
    not clear."""
    rows = _rows(found)
    answer = _cells(found, rows)
    sentence = _best_sentence(found)
    if answer is not None and not (sentence and _clearer(found, sentence, answer)):
        return _of_cells(answer, rows)
    best = _worded(found)
    if best is None or not best.answers:
        return None
    return _of_row(found, best) if best.candidate.unit.cells else _of_sentence(found, best)


def _of_row(found: Found, evidence: Evidence) -> Direct | None:
    """A whole row under its heads, if one of its cells alone states a fact of the kind asked for;
    None for an open question."""
    candidate = evidence.candidate
    row = candidate.unit.row
    if row is None or not found.asked.kinds:
        return None
    stating = [
        cell
        for cell in row.line.values
        if cell.places and answering(found.asked, facts.extract(cell.text))
    ]
    if len(stating) != 1:
        return None
    place = (candidate.document, candidate.page)
    made = quotes.quote(candidate, found.layouts[place])
    pointed_at = tuple(Span(*place, start, end) for start, end in stating[0].places)
    return Direct((made,), pointed_at, (stating[0].text,), "row", _ROW)


def ambiguous(found: Found) -> bool:
    """Whether a figure is asked for that a row holds for several periods, and `find` cannot tell
    which: the whole row would show wrong figures beside the right one. Where columns differ in
    anything else the row with its heads is a fair answer."""
    best = found.ranked[0] if found.ranked else None
    return best is not None and _figures(best) and _by_period(best) and _worded(found) is None


def _by_period(evidence: Evidence) -> bool:
    """Whether the row's figures are of different periods, or nothing says what they are of."""
    row = evidence.candidate.unit.row
    if row is None:
        return False
    heads = [
        " ".join(head.text for head in row.heads(number))
        for number, cell in enumerate(row.line.cells)
        if is_value(cell.text)
    ]
    named = [head for head in heads if head.strip()]
    return not named or any(periods.read(head).named for head in named)
