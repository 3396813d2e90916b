"""The figures of an evaluation of answers, with intervals and paired differences. Pure.

Every figure is a quotient of sums over the questions (`assistant.statistics.Ratio`), so that one
rule gives its value, one its interval and one its difference between two configurations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assistant.answer_outcome import AnswerRun, Case, Judgement, Shown
from assistant.statistics import (
    Difference,
    Mean,
    Ratio,
    means,
    quotient,
    quotient_difference,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One question of one run."""

    case: Case
    shown: Shown
    judged: Judgement


Term = Callable[[Row], tuple[float, float]]  # what a question adds above and below the line


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: its name in files, what it is called in a report, of what it is a share ("of all
    questions"), and whether more of it is better."""

    name: str
    title: str
    of: str
    rises: bool
    term: Term


def _of(condition: Callable[[Row], bool], hit: Callable[[Row], bool]) -> Term:
    """The share of the rows under `condition` that are hits."""

    def term(row: Row) -> tuple[float, float]:
        counts = condition(row)
        return (float(counts and hit(row)), float(counts))

    return term


def _answerable(row: Row) -> bool:
    return row.judged.answerable


def _unanswerable(row: Row) -> bool:
    return not row.judged.answerable


def _refused(row: Row) -> bool:
    return row.judged.refused


def _shown(row: Row) -> bool:
    return not row.judged.refused


def _wrong(row: Row) -> bool:
    return row.judged.wrong_shown


def _refusal_f1(row: Row) -> tuple[float, float]:
    """2 tp over 2 tp + fp + fn, where a positive is a refusal and right where nothing answers."""
    right = row.judged.refused and not row.judged.answerable
    wrong = row.judged.refused == row.judged.answerable
    return 2.0 * right, 2.0 * right + wrong


def _sentences(row: Row, unsupported: int) -> tuple[float, float]:
    """Sentences without support, of the shown ones; a text that nobody cut counts as one."""
    if row.judged.refused:
        return 0.0, 0.0
    return float(unsupported), float(max(len(row.shown.sentences), unsupported, 1))


def _value(value: Callable[[Row], float | None]) -> Term:
    """The mean of a value over the rows that have it."""

    def term(row: Row) -> tuple[float, float]:
        found = value(row)
        return (0.0, 0.0) if found is None else (found, 1.0)

    return term


FIGURES: tuple[Figure, ...] = (
    Figure(
        "correct",
        "Right answer shown",
        "of answerable questions",
        True,
        _of(_answerable, lambda row: row.judged.correct),
    ),
    Figure(
        "answered",
        "Any answer shown",
        "of answerable questions",
        True,
        _of(_answerable, _shown),
    ),
    Figure(
        "cited_gold",
        "A right place cited",
        "of answerable questions whose place is known",
        True,
        _of(
            lambda row: row.judged.answerable and bool(row.case.gold),
            lambda row: not row.judged.refused and row.judged.cited_gold is True,
        ),
    ),
    Figure(
        "refusal_recall",
        "Rightly refused",
        "of unanswerable questions",
        True,
        _of(_unanswerable, _refused),
    ),
    Figure(
        "refusal_precision",
        "Refusals that were right",
        "of all refusals",
        True,
        _of(_refused, _unanswerable),
    ),
    Figure(
        "refusal_f1",
        "Refusal F1",
        "the harmonic mean of the two above",
        True,
        _refusal_f1,
    ),
    Figure(
        "wrong_shown",
        "Wrong answer shown",
        "of all questions",
        False,
        _of(lambda row: True, _wrong),
    ),
    Figure(
        "wrong_of_shown",
        "Wrong, of what was shown",
        "of all answers that were shown",
        False,
        _of(_shown, _wrong),
    ),
    Figure(
        "unsupported_facts",
        "Unsupported number, date or name",
        "of all sentences that were shown",
        False,
        lambda row: _sentences(row, row.judged.unsupported_facts),
    ),
    Figure(
        "unsupported",
        "Unsupported in any way",
        "of all sentences that were shown",
        False,
        lambda row: _sentences(row, row.judged.unsupported_sentences),
    ),
    Figure(
        "citation_precision",
        "Citation precision",
        "of an answer's citations, those that touch a right place",
        True,
        _value(lambda row: row.judged.citation_precision),
    ),
    Figure(
        "citation_recall",
        "Citation recall",
        "of a question's right places, those that a citation touches",
        True,
        _value(lambda row: row.judged.citation_recall),
    ),
)
NAMES = tuple(figure.name for figure in FIGURES)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many questions came to what. `partial`: the right place was shown, and the answer not
    singled out in it."""

    answerable: int
    right: int
    wrong: int
    partial: int
    refused: int
    unanswerable: int
    rightly_refused: int
    wrongly_shown: int
    failed: int  # of the refused: a question that broke (verdict FAILED)

    @property
    def shown(self) -> int:
        return self.right + self.wrong + self.partial + self.wrongly_shown

    @property
    def wrong_in_all(self) -> int:
        return self.wrong + self.wrongly_shown


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a run: `differences` are to the first run, empty for that one. `costs` are
    means a question: prompt and completion tokens, joules (nan where no meter was); the latencies
    are seconds, of all questions."""

    name: str
    counts: Counts
    figures: Mapping[str, Mean]
    differences: Mapping[str, Difference]
    costs: Mapping[str, Mean]
    latency_p50: float
    latency_p95: float


def rows(cases: Sequence[Case], run: AnswerRun) -> tuple[Row, ...]:
    """The run, question by question. ValueError if it is not one of these questions in order."""
    held = zip(cases, run.shown, run.judged, strict=True)
    found = tuple(Row(*each) for each in held)
    for row in found:
        if not row.case.id == row.shown.case == row.judged.case:
            raise ValueError(f"the run {run.configuration} has another question at {row.case.id}")
    return found


def ratio(figure: Figure, of: Sequence[Row]) -> Ratio:
    """The figure's terms, one a row."""
    terms = np.array([figure.term(row) for row in of], dtype=np.float64).reshape(-1, 2)
    return Ratio(terms[:, 0], terms[:, 1])


def summarize(cases: Sequence[Case], runs: Sequence[AnswerRun]) -> tuple[Summary, ...]:
    """A summary for each run, in their order. ValueError as `rows` says."""
    every = [rows(cases, run) for run in runs]
    ratios = [{figure.name: ratio(figure, each) for figure in FIGURES} for each in every]
    return tuple(
        Summary(
            name=run.configuration,
            counts=count(each),
            figures={name: quotient(one) for name, one in found.items()},
            differences={
                name: quotient_difference(ratios[0][name], one) for name, one in found.items()
            }
            if position
            else {},
            costs=_costs(each),
            latency_p50=quantile([row.shown.seconds for row in each], 0.5),
            latency_p95=quantile([row.shown.seconds for row in each], 0.95),
        )
        for position, (run, each, found) in enumerate(zip(runs, every, ratios, strict=True))
    )


def measured(cases: Sequence[Case], run: AnswerRun) -> dict[str, float]:
    """The value of every figure that has one, as gates compare them."""
    held = rows(cases, run)
    values = {figure.name: quotient(ratio(figure, held)) for figure in FIGURES}
    found = {name: mean.value for name, mean in values.items() if mean.count}
    seconds = [row.shown.seconds for row in held]
    return found | {"latency_p95_seconds": quantile(seconds, 0.95)}


def count(of: Sequence[Row]) -> Counts:
    """How many questions came to what."""
    answerable = [row.judged for row in of if row.judged.answerable]
    unanswerable = [row.judged for row in of if not row.judged.answerable]
    refused = sum(each.refused for each in answerable)
    wrong = sum(each.wrong_shown for each in answerable)
    right = sum(each.correct and not each.refused for each in answerable)
    return Counts(
        answerable=len(answerable),
        right=right,
        wrong=wrong,
        partial=len(answerable) - refused - wrong - right,
        refused=refused,
        unanswerable=len(unanswerable),
        rightly_refused=sum(each.refused for each in unanswerable),
        wrongly_shown=sum(not each.refused for each in unanswerable),
        failed=sum(row.shown.verdict == "FAILED" for row in of),
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that at least `share` of them do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)] if ordered else 0.0


def _costs(of: Sequence[Row]) -> dict[str, Mean]:
    columns = [
        [
            row.shown.prompt_tokens,
            row.shown.completion_tokens,
            float("nan") if row.shown.joules is None else row.shown.joules,
        ]
        for row in of
    ]
    found = means(np.array(columns, dtype=np.float64).reshape(-1, 3))
    return dict(zip(("prompt_tokens", "completion_tokens", "joules"), found, strict=True))
