"""Measure retrieval on judged questions: ask them all, score every ranking, compare configurations.

The measures are trec_eval's (`assistant.metrics`), means over the questions that are judged at the
level that is scored: pages where a set judges pages, and documents. The means carry bootstrap
intervals; of several configurations each is compared with the first, question by question
(`assistant.statistics`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assistant import statistics
from assistant.judged import JudgedQuestion
from assistant.metrics import (
    average_precision_at,
    first_rank,
    ndcg_at,
    percentile,
    recall_at,
    reciprocal_rank_at,
    relevant_ids,
    success_at,
)
from assistant.ranking import Gold, Level, Names, Place, Ranked, ranked
from assistant.statistics import Difference, Mean, Values

Search = Callable[[JudgedQuestion, int], Sequence[Place]]  # question, hits -> best first

CURVE = 20  # cut-offs of the recall curve; at least so many ids are ranked
_HITS_PER_ID = 2  # a page or record lies in several chunks; fewer hits than ids would cut the list
_DEEPER, _MOST_HITS = 2, 640
_ROUNDING = 1e-9  # a mean of 0.6 may be 0.5999999999999999

MEASURES = {
    "recall": recall_at,
    "map": average_precision_at,
    "ndcg": ndcg_at,
    "mrr": reciprocal_rank_at,
    "success": success_at,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which measures: all of them cut at `k`, and single ones besides, such as "recall@5"."""

    k: int
    extra: tuple[str, ...] = ()

    @property
    def deepest(self) -> int:
        """The deepest cut-off of a measure."""
        return max([self.k, *(cut_of(name) for name in self.extra)])

    @property
    def ids(self) -> int:
        """How many ids are to be ranked, for the measures and the curve."""
        return max(CURVE, self.deepest)

    def names(self, levels: Sequence[Level]) -> list[str]:
        """The measures' names, main level first; of the extra ones those that there are."""
        found = [f"{prefix(level, levels)}{name}@{self.k}" for level in levels for name in MEASURES]
        known = {f"{prefix(level, levels)}{name}" for level in levels for name in MEASURES}
        more = [name for name in self.extra if name.partition("@")[0] in known]
        return list(dict.fromkeys([*found, *more]))


def cut_of(measure: str) -> int:
    """The k of "recall@k"."""
    return int(measure.partition("@")[2])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one question found. `seconds`: wall clock of the search, which ran alone."""

    question: JudgedQuestion
    gold: Gold
    ranking: Mapping[Level, tuple[Ranked, ...]]
    seconds: float

    def ids(self, level: Level) -> list[str]:
        return [each.id for each in self.ranking[level]]

    def gold_rank(self, level: Level) -> int | None:
        """Where the first relevant id stands, from 1; None if it was not found."""
        return first_rank(self.ids(level), self.gold[level])


@dataclass(frozen=True, slots=True)
class Run:
    """One configuration's outcomes, in the order of the questions. `settings`: of `[index]`."""

    name: str
    settings: Mapping[str, object]
    embedder: str  # fingerprint
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in figures. `means`: "recall@10" or, where pages are judged, "document_recall@10" for
    the documents that hold them; `curves`: by level, recall at 1, 2, ... `CURVE`; `differences`:
    to the first run, empty for the first itself; latencies in seconds."""

    name: str
    questions: int
    means: Mapping[str, Mean]
    curves: Mapping[Level, tuple[Mean, ...]]
    differences: Mapping[str, Difference]
    latency_p50: float
    latency_p95: float


def ask_all(
    questions: Sequence[JudgedQuestion],
    search: Search,
    names: Names,
    wanted: Wanted,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[Outcome, ...]:
    """Ask every question once, in order, one at a time.

    Several hits may lie in one page or document. Where the first search gives too few different
    ones for the measures, more hits are asked for, beyond the clock; what the first search gave
    stays where it stood.
    """
    found = []
    for done, question in enumerate(questions, start=1):
        gold = names.gold(question.judged)
        depth = _HITS_PER_ID * wanted.ids
        started = time.perf_counter()
        places = list(search(question, depth))
        seconds = time.perf_counter() - started
        ranking = ranked(places, names)
        while _too_short(ranking, gold, wanted) and len(places) >= depth < _MOST_HITS:
            depth *= _DEEPER
            further = [each for each in search(question, depth) if each not in places]
            if not further:
                break
            places += further
            ranking = ranked(places, names)
        found.append(Outcome(question, gold, ranking, seconds))
        progress(done)
    return tuple(found)


def _too_short(ranking: Mapping[Level, Sequence[Ranked]], gold: Gold, wanted: Wanted) -> bool:
    """Whether the finer level is shorter than the curve, or the documents than a cut-off."""
    finest = Level.PAGE if gold[Level.PAGE] else Level.DOCUMENT
    return len(ranking[finest]) < wanted.ids or len(ranking[Level.DOCUMENT]) < wanted.deepest


def levels_of(golds: Iterable[Gold]) -> tuple[Level, ...]:
    """The levels that are scored, the main one first: pages if any question's gold is a page."""
    if any(gold[Level.PAGE] for gold in golds):
        return (Level.PAGE, Level.DOCUMENT)
    return (Level.DOCUMENT,)


def prefix(level: Level, levels: Sequence[Level]) -> str:
    """What stands before a measure's name: nothing at the main level."""
    return "" if level is levels[0] else f"{level}_"


def scores(outcome: Outcome, names: Sequence[str], levels: Sequence[Level]) -> list[float]:
    """The measures `names` of one question; nan at a level at which it has no gold."""
    found = []
    for name in names:
        level = next(
            (each for each in levels[1:] if name.startswith(prefix(each, levels))), levels[0]
        )
        measure = MEASURES[name.removeprefix(prefix(level, levels)).partition("@")[0]]
        gold = outcome.gold[level]
        held = measure(outcome.ids(level), gold, cut_of(name)) if gold else float("nan")
        found.append(held)
    return found


def _curve(outcomes: Sequence[Outcome], level: Level) -> tuple[Mean, ...]:
    rows = []
    for each in outcomes:
        relevant = relevant_ids(each.gold[level])
        found = np.array([id_ in relevant for id_ in each.ids(level)[:CURVE]], dtype=np.float64)
        found = np.pad(found, (0, CURVE - len(found)))
        judged = bool(each.gold[level])
        rows.append(np.cumsum(found) / (len(relevant) or 1) if judged else found * np.nan)
    return tuple(statistics.means(np.array(rows).reshape(-1, CURVE)))


def summarize(runs: Sequence[Run], wanted: Wanted) -> list[Summary]:
    """Each run in figures; the runs are of the same questions in the same order."""
    levels = levels_of(each.gold for each in runs[0].outcomes)
    names = wanted.names(levels)
    first: Values | None = None
    found = []
    for run in runs:
        values = np.array([scores(each, names, levels) for each in run.outcomes], dtype=np.float64)
        differences = {}
        if first is not None:
            differences = {
                name: statistics.difference(first[:, at], values[:, at])
                for at, name in enumerate(names)
            }
        first = values if first is None else first
        seconds = [each.seconds for each in run.outcomes]
        found.append(
            Summary(
                run.name,
                len(run.outcomes),
                dict(zip(names, statistics.means(values), strict=True)),
                {level: _curve(run.outcomes, level) for level in levels},
                differences,
                percentile(seconds, 0.5),
                percentile(seconds, 0.95),
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Floor:
    """A value that a measure must reach, of one configuration or (empty) of every one."""

    measure: str
    value: float
    configuration: str = ""


def missed(floors: Sequence[Floor], summaries: Sequence[Summary]) -> list[str]:
    """One clause for each floor that is not held: measured, demanded, and what it lacks.

    What is compared is the mean itself, not its interval: a gate must not depend on chance.
    """
    found = []
    for floor in floors:
        for summary in summaries:
            if floor.configuration not in ("", summary.name):
                continue
            mean = summary.means[floor.measure]
            if mean.value >= floor.value - _ROUNDING:
                continue
            lacks = floor.value - mean.value
            questions = int(-(-lacks * mean.count // 1)) if mean.count else 0
            found.append(
                f"{floor.measure} of {summary.name} is {mean.value:.4f} and the floor "
                f"{floor.value:g}; it lacks {lacks:.4g}, as much as {questions} of the "
                f"{mean.count} questions found whole instead of not at all"
            )
    return found
