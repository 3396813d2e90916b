"""Questions that a comparison of cells answers: "in which year was X the largest", "which segment
had the lowest Y in 2019", "in which year was Z less than 20,000".

Pure. The row (or the column) is found by its labels as in `assistant.cell_choice`; its values are
compared as exact decimals; the answer is the label of the one that is meant, shown with its value.
Two equal extremes, several values within the bound, or values of different kinds answer nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from assistant import cell_choice, cell_labels
from assistant.asked import Asked
from assistant.cell_choice import CellAnswer, Scored, Wanted
from assistant.cell_labels import Value
from assistant.grid import Cell, GridRow, is_value
from assistant.periods import Period

_MOST = r"(?:larg|high|great|bigg|longe|old)(?:er|est)|most|more|maximum|peak|best"
_LEAST = r"(?:small|low|few|short)(?:er|est)|least|less|fewer|minimum|cheapest"
_BOUND = re.compile(
    r"\b(?:(?P<over>more|greater|higher|larger|above|over|exceed\w*)"
    r"|(?P<under>less|lower|smaller|fewer|below|under))(?: than)?\s*[$€£]?\s*"
    r"(?P<number>\d[\d,]*(?:\.\d+)?)\s*(?P<scale>thousands?|millions?|billions?|%|per ?cent)?",
    re.IGNORECASE,
)
_SUPERLATIVE = re.compile(
    rf"\b(?:the )?(?:(?P<most>{_MOST})|(?P<least>{_LEAST}))(?: (?:number|amount|value)s? of)?"
    r"(?: expensive| costly)?\b",
    re.IGNORECASE,
)
_WHEN = re.compile(
    r"\b(?:in |for |during )?(?:which|what)\b(?:\s+(?:fiscal|financial|of the|reporting))*"
    r"\s+(?:years?|fy|fiscal|periods?|quarters?)\b(?:\s+(?:has|had|have|was|were|is|did|does))?",
    re.IGNORECASE,
)
_WHICH = re.compile(
    r"\b(?:which|what)\b(?:\s+[\w'’-]+){1,4}?\s+(?:has|had|have|was|were|is)\b", re.I
)
_WHICH_IN = re.compile(
    r"^\s*(?:in|for|from|under) (?:which|what) (?:[\w'’-]+ ){1,3}", re.IGNORECASE
)
_SECOND = re.compile(r"\b(?:second|third|2nd|3rd|next)[ -](?:most|least|\w+est)\b", re.IGNORECASE)
_TOTAL = re.compile(r"\b(?:total|subtotal|sum)\b|^(?:net|gross)\b", re.IGNORECASE)
_SCALES = {"t": Decimal(1000), "m": Decimal(10**6), "b": Decimal(10**9)}


def number(text: str) -> Decimal | None:
    """A cell's figure: "(1,234.5)" is negative, a dash is nothing, per cent signs and currency are
    left out. None for what is no single figure."""
    if re.fullmatch(r"[$€£¥ ]*[-–—]+", text):
        return Decimal(0)
    if not is_value(text):
        return None
    digits = re.findall(r"\d[\d,'’ ]*(?:\.\d+)?", text)
    if not digits:
        return None
    try:
        found = Decimal(re.sub(r"[^\d.]", "", digits[0]))
    except InvalidOperation:
        return None
    front = text[: text.index(digits[0])]
    return -found if re.search(r"[(\-–—−]", front) else found


def _size(found: Sequence[tuple[Value, Decimal]]) -> Callable[[Decimal], Decimal]:
    """How figures are compared: those that are all negative by their size, as outflows and losses
    are spoken of."""
    return abs if all(n <= 0 for _, n in found) else Decimal


def _extreme(found: Sequence[tuple[Value, Decimal]], most: bool) -> Value | None:
    """The value that is above (or below) all others."""
    if len(found) < 2:
        return None
    size = _size(found)
    ordered = sorted(found, key=lambda each: size(each[1]), reverse=most)
    return None if size(ordered[0][1]) == size(ordered[1][1]) else ordered[0][0]


def _bounded(
    found: Sequence[tuple[Value, Decimal]], bound: re.Match[str], scale_of: str
) -> Value | None:
    """The only value on the asked side of a bound. A scale that the table is in is left out of
    the comparison; any other is reckoned in."""
    limit = Decimal(bound.group("number").replace(",", ""))
    said = (bound.group("scale") or "").lower()
    if said[:1] in _SCALES and said.rstrip("s") not in scale_of.lower():
        limit *= _SCALES[said[0]]
        table = next((s for s in ("thousand", "million", "billion") if s in scale_of.lower()), "")
        limit /= _SCALES[table[0]] if table else 1
    over = bound.group("over") is not None
    size = _size(found)
    kept = [v for v, n in found if (size(n) > limit if over else size(n) < limit)]
    return kept[0] if len(kept) == 1 and len(found) > 1 else None


def _picked(asked: Asked, found: Sequence[tuple[Value, Decimal]], row: GridRow) -> Value | None:
    bound = _BOUND.search(asked.text)
    if bound:
        said = " ".join(unit.text for unit in row.units)
        return _bounded(found, bound, said)
    superlative = _SUPERLATIVE.search(asked.text)
    return _extreme(found, bool(superlative and superlative.group("most")))


def _stripped(asked: Asked, *patterns: re.Pattern[str]) -> Wanted:
    text = asked.text
    for pattern in patterns:
        text = pattern.sub(" ", text)
    return cell_choice.wanted(replace(asked, text=text))


def _numbers(found: Sequence[Scored]) -> list[tuple[Value, Decimal]]:
    pairs = [(each.value, number(each.value.cell.text)) for each in found]
    return [(value, n) for value, n in pairs if n is not None]


def _years(asked: Asked, rows: Sequence[GridRow]) -> CellAnswer | None:
    """The year of one row whose value is meant."""
    want = _stripped(asked, _WHEN, _BOUND, _SUPERLATIVE)
    asked_of = want.period.years
    found = cell_choice.scored(replace(want, period=Period(parts=want.period.parts)), rows)
    if not found:
        return None
    best = found[0]
    row = rows[best.value.row]
    rival = next((each for each in found if each.value.row != best.value.row), None)
    if best.coverage < cell_choice.ENOUGH or (
        rival and best.score - rival.score < cell_choice.CLEAR
    ):
        return None
    own = [
        each
        for each in found
        if each.value.row == best.value.row
        and each.score > best.score - cell_choice.CLEAR
        and len(cell_labels.period_of(each.value.heads).years) == 1
        and (not asked_of or cell_labels.period_of(each.value.heads).years <= asked_of)
    ]
    periods_ = [tuple(sorted(cell_labels.period_of(each.value.heads).years)) for each in own]
    if len(set(periods_)) != len(own):
        return None
    value = _picked(asked, _numbers(own), row)
    return None if value is None else _labelled(value, value.heads, best)


def _labelled(value: Value, label: Sequence[Cell], best: Scored) -> CellAnswer:
    named = [cell for cell in label if cell_labels.period_of([cell]).years] or list(label)
    return CellAnswer((value,), tuple(named[-1:]), min(1.0, best.score), best.coverage)


def _rows(asked: Asked, rows: Sequence[GridRow]) -> CellAnswer | None:
    """The row whose value in one column is meant; totals are none of those compared."""
    want = _stripped(asked, _WHICH_IN, _WHICH, _BOUND, _SUPERLATIVE)
    columns: dict[tuple[int, int], list[Scored]] = {}
    for at, row in enumerate(rows):
        for column in range(1, len(row.line.cells)):
            if not cell_labels.answerable(row, column) or _TOTAL.search(row.line.label.text):
                continue
            value = cell_labels.value_at(row, at, column)
            if cell_choice.agrees(want, row, value):
                held = cell_labels.words_of((*value.heads, *row.path, *row.captions, *row.heads(0)))
                covered = cell_labels.share_of(want.words, held)
                heads = cell_labels.words_of(value.heads)
                exact = cell_labels.share_of(heads, want.words) if heads else 1.0
                columns.setdefault((row.table, column), []).append(
                    Scored(value, 0.7 * covered + 0.3 * exact, covered)
                )
    ranked = sorted(columns.values(), key=lambda each: -max(s.score for s in each))
    if not ranked or not ranked[0]:
        return None
    best = max(ranked[0], key=lambda each: each.score)
    if best.coverage < cell_choice.ENOUGH:
        return None
    if len(ranked) > 1 and best.score - max(s.score for s in ranked[1]) < cell_choice.CLEAR:
        return None
    own = [each for each in ranked[0] if each.score > best.score - cell_choice.CLEAR]
    if len({"%" in each.value.cell.text for each in own}) > 1:
        return None
    picked = _picked(asked, _numbers(own), rows[best.value.row])
    if picked is None:
        return None
    return CellAnswer((picked,), picked.labels[-1:], min(1.0, best.score), best.coverage)


def compares(asked: Asked) -> bool:
    """Whether a question asks for the label of a largest, smallest or bounded value."""
    which = _WHEN.search(asked.text) or _WHICH.search(asked.text) or _WHICH_IN.search(asked.text)
    if _SECOND.search(asked.text):
        return False
    return bool(which and (_SUPERLATIVE.search(asked.text) or _BOUND.search(asked.text)))


def choose(asked: Asked, rows: Sequence[GridRow]) -> CellAnswer | None:
    """The label that answers, with its value; None for a question that compares nothing, or where
    the answer is not clear."""
    if not compares(asked):
        return None
    return _years(asked, rows) if _WHEN.search(asked.text) else _rows(asked, rows)
