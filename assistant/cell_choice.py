"""Which cell of a table answers a question: its value alone, with the labels that make it so.

Pure. The cell whose labels (`assistant.cell_labels`) hold the question's words and the period that
it names, and little else, answers; if another does nearly as well with another value, none does,
since a wrong figure beside the right one is worth nothing. Questions for the year or the row with
the largest, the smallest or a bounded value are `assistant.cell_comparison`'s.

Scores are sums of fixed shares, set by hand on questions that are not those it is measured with
(docs/table-answers.md says which). What is not seen: a table in which the answer must be reckoned
out, and labels in other words than the question's ("Men" for "male").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assistant import periods
from assistant.asked import Asked
from assistant.cell_labels import (
    Value,
    answerable,
    period_of,
    plain,
    share_of,
    value_at,
    weight,
    words_in,
    words_of,
)
from assistant.grid import Cell, GridRow, is_value
from assistant.periods import Period
from assistant.terms import fold

ENOUGH = 0.7  # of the question's words, by weight, that a cell's labels must hold
CLEAR = 0.05  # by so much the best cell must be better than any with another value
FITTING = 0.45  # of a row's label, at least, must be in the question
_VERBATIM = 0.06  # what a label gains that stands in the question word for word
_FEWEST = 2  # words of such a label
_IN_SECTION = 0.9  # what a word counts for that only the section's name holds
_IN_CONTEXT = 0.7  # ... and one that stands over the table only
_IN_BRACKETS = 0.3  # what a label's words in brackets count for
_DENIED = 0.08  # what a label loses that says "non-" where the question does not, or the reverse
_COVERAGE, _ROW, _COLUMN = 0.55, 0.3, 0.15  # shares of the score
_WRONG_KIND = 0.2  # what a percentage loses that was not asked for, beside plain figures

_CHANGE = re.compile(
    r"\b(?:chang\w*|increas\w*|decreas\w*|grow\w*|growth|differ\w*|variance|declin\w*|r[io]se"
    r"|fell|movement)\b|[+]/[-–]",
    re.IGNORECASE,
)
_SHARE = re.compile(r"\bper ?cent\w*|%|\bproportion\b", re.IGNORECASE)
_RATIO = re.compile(r"\b(?:rate|margin|ratio|yield|weight\w*|share|average)\b", re.IGNORECASE)
_RECKONED = re.compile(
    r"\b(?:average|difference|ratio of|proportion|sum of|combined|how many times)\b", re.IGNORECASE
)
_EXPLAINS = re.compile(
    r"\s*(?:why|how (?:is|are|does|do|did|has|have|was|were) (?!.*\bmuch\b)|what (?:does|do|did)\b"
    r"|what (?:caused|led|drove|factors)\b|what (?:is|was|are|were) (?:[\w'’-]+ ){0,3}"
    r"(?:included|excluded|composed|comprised|reasons?|factors?|methods?|meaning|definition)\b"
    r"|what .*\b(?:due|driven|related?|attributable|attributed|refers?|referred|represents?"
    r"|represented|means?|meant|calculated|determined|defined|based|indicates?|consists?|includes?"
    r"|comprises?)(?: to| by| on| of| as| for)?\s*\?*\s*$)",
    re.IGNORECASE,
)
_ASKS_LABEL = re.compile(
    r"\b(?:which|what)\s+(?:fiscal |financial |reporting )?(?:years?|fy|quarters?|periods?|months?"
    r"|dates?|units?|currenc\w+)\b",
    re.IGNORECASE,
)
_NO_FIGURE = re.compile(
    r"\s*(?:when|who|whom|whose|where|did|does|do|is|are|was|were|has|have|had|can|will|should"
    r"|must)\b(?! much| many)",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"\([^()]*(?:\([^()]*\)[^()]*)*\)")
_NOT = frozenset({"non", "not"})
_GLUED = re.compile(r"(?<=[A-Za-z]{3})\d{1,2}\b")


@dataclass(frozen=True, slots=True)
class CellAnswer:
    """The cells that answer, in the order asked for, and how sure that is, 0..1. `pointed` are the
    very answers: the cells themselves, or the labels if a label was asked for. `coverage` is the
    share of the question's words that the labels hold."""

    values: tuple[Value, ...]
    pointed: tuple[Cell, ...]
    confidence: float
    coverage: float

    @property
    def sentence(self) -> str:
        """All values, one after another."""
        return "; ".join(value.sentence for value in self.values)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a question asks of a table: `words` (comparable forms) that name the row or the column,
    the `period`, and whether it is about a `change`, a `share` (per cent) or a reckoned figure."""

    text: str
    words: frozenset[str]
    period: Period
    change: bool
    share: bool
    reckoned: bool


@dataclass(frozen=True, slots=True)
class Scored:
    """A cell, how well its labels agree with the question, how much of it they hold, and how much
    of its row's label the question holds, each 0..1."""

    value: Value
    score: float
    coverage: float
    fit: float = 1.0


def wanted(asked: Asked) -> Wanted:
    """What `asked` wants of a table."""
    text = asked.text
    period = periods.read(text).joined(periods.read(" ".join(asked.carried)))
    return Wanted(
        text,
        words_in(_GLUED.sub("", text)) | asked.carried_keys,
        period,
        bool(_CHANGE.search(text)),
        bool(_SHARE.search(text)),
        bool(_RECKONED.search(text)),
    )


def agrees(want: Wanted, row: GridRow, value: Value) -> bool:
    """Whether a cell is of the period and the kind asked for. Where the question names a year, the
    labels must name that one and no other; a column of changes, or one that the question names, is
    of all the years beside it."""
    own = period_of((*value.heads, *value.labels))
    changes = any(_CHANGE.search(head.text) for head in value.heads)
    if not own.years:
        over = period_of(row.captions)
        own = own.joined(over) if len(over.years) == 1 else own
    asked = want.period
    if changes and not want.change:
        return False
    if asked.years and own.years != asked.years:
        beside = {year for heads in row.columns[1:] for year in period_of(heads).years}
        implied = changes and not own.years and asked.years <= (beside or asked.years)
        either = changes and asked.years <= own.years
        moves = not own.years and asked.years <= beside and _all_in(value.heads, want.words)
        if not (implied or either or moves):
            return False
    if asked.parts != own.parts and not changes:
        return False
    if asked.months and own.months and not (asked.months & own.months):
        return False
    if want.share and "%" not in f"{value.cell.text} {value.unit.text if value.unit else ''}":
        return any(_SHARE.search(cell.text) for cell in (*value.labels, *value.heads))
    return True


def _all_in(heads: Sequence[Cell], words: frozenset[str]) -> bool:
    named = words_of(heads)
    return bool(named) and named <= words


def score(want: Wanted, row: GridRow, value: Value) -> Scored:
    """How well the labels of a cell agree with the question's words: how much of the question
    they hold, and how much of them is in the question."""
    label, heads = words_of([row.line.label]), words_of(value.heads)
    path = words_of(row.path) - label
    changes = any(_CHANGE.search(head.text) for head in value.heads)
    words = frozenset(
        w
        for w in want.words
        if not (changes and _CHANGE.match(w)) and not (want.share and _SHARE.match(w))
    )
    whole = weight(words)
    if not whole or not (label or path or period_of(value.labels).named):
        return Scored(value, 0.0, 0.0, 0.0)
    context = words_of(row.captions) | words_of(row.heads(0))
    held = weight(words & (label | heads))
    held += _IN_SECTION * weight(words & (path - heads))
    held += _IN_CONTEXT * weight((words & context) - label - heads - path)
    coverage = held / whole
    fit = _fit(words, row.line.label if label else row.path[-1] if row.path else Cell(""))
    row_fit = (fit + 0.25 * share_of(path, words)) / 1.25 if path else fit
    other = heads if not changes else frozenset(w for w in heads if not _CHANGE.match(w))
    points = _COVERAGE * coverage + _ROW * row_fit + _COLUMN * share_of(other, words)
    points -= _WRONG_KIND * _unasked_share(want, row, value)
    points -= _DENIED * bool((want.words ^ (label | heads)) & _NOT)
    points += _VERBATIM * _stands_in(row.line.label, want.text)
    return Scored(value, points, coverage, fit)


def _fit(words: frozenset[str], label: Cell) -> float:
    """The share of a label that is in the question, 0..1; what stands in brackets counts little."""
    bare = words_in(plain(_BRACKETS.sub(" ", label.text)))
    rest = words_of([label]) - bare
    whole = weight(bare) + _IN_BRACKETS * weight(rest)
    return (weight(words & bare) + _IN_BRACKETS * weight(words & rest)) / whole if whole else 1.0


def _unasked_share(want: Wanted, row: GridRow, value: Value) -> bool:
    """Whether a cell is a percentage beside plain figures, and none was asked for."""
    if "%" not in value.cell.text or want.share or _RATIO.search(want.text):
        return False
    return any("%" not in cell.text for cell in row.line.values if is_value(cell.text))


def _stands_in(label: Cell, text: str) -> bool:
    """Whether a label of several words is in the question word for word."""
    said = " ".join(re.findall(r"\w+", fold(plain(label.text))))
    asked = " ".join(re.findall(r"\w+", fold(text)))
    return len(said.split()) >= _FEWEST and f" {said} " in f" {asked} "


def scored(want: Wanted, rows: Sequence[GridRow]) -> list[Scored]:
    """Every cell that could be meant, best first."""
    found = []
    for number, row in enumerate(rows):
        for column in range(1, len(row.line.cells)):
            if not answerable(row, column):
                continue
            value = value_at(row, number, column)
            if agrees(want, row, value):
                each = score(want, row, value)
                if each.score > 0:
                    found.append(each)
    return sorted(found, key=lambda each: (-each.score, each.value.row, each.value.column))


def _same(one: Cell, other: Cell) -> bool:
    signs = str.maketrans("", "", " $€£¥,%")
    return one.text.translate(signs) == other.text.translate(signs)


def clear(found: Sequence[Scored]) -> Scored | None:
    """The best cell, if it holds enough of the question and no other value comes near it."""
    if not found or found[0].coverage < ENOUGH or found[0].fit < FITTING:
        return None
    best = found[0]
    for other in found[1:]:
        if best.score - other.score >= CLEAR:
            break
        if not _same(best.value.cell, other.value.cell):
            return None
    return best


def _single(want: Wanted, rows: Sequence[GridRow]) -> CellAnswer | None:
    best = clear(scored(want, rows))
    if best is None:
        return None
    return CellAnswer((best.value,), (best.value.cell,), min(1.0, best.score), best.coverage)


def _of_years(want: Wanted, rows: Sequence[GridRow]) -> CellAnswer | None:
    """A value for each of the years that the question names, from one row."""
    found: list[CellAnswer] = []
    for year in sorted(want.period.years):
        period = Period(frozenset({year}), want.period.parts, want.period.months)
        one = _single(replace(want, period=period), rows)
        if one is None:
            return None
        found.append(one)
    if len({answer.values[0].row for answer in found}) != 1:
        return None
    return CellAnswer(
        tuple(answer.values[0] for answer in found),
        tuple(answer.pointed[0] for answer in found),
        min(answer.confidence for answer in found),
        min(answer.coverage for answer in found),
    )


def explains(asked: Asked) -> bool:
    """Whether a question asks for words, not for a figure: a reason, a meaning, what is in it, yes
    or no, a person, a label of the table."""
    return bool(
        _EXPLAINS.match(asked.text)
        or _NO_FIGURE.match(asked.text)
        or _ASKS_LABEL.search(asked.text)
    )


def choose(asked: Asked, rows: Sequence[GridRow]) -> CellAnswer | None:
    """The cell of `rows` that answers, several if the question names several years; None when
    that is not clear."""
    if explains(asked):
        return None
    want = wanted(asked)
    one = _single(want, rows)
    if one is None and len(want.period.years) > 1 and not want.change and not want.reckoned:
        return _of_years(want, rows)
    return one
