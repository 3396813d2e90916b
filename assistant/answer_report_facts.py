"""What a report on answers tells, whatever it is written in: facts in, sentences and rows out.

Written for a reader who decides and does not program. Pure; nothing is escaped here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from assistant.answer_figures import FIGURES, Figure, Row, Summary, rows
from assistant.answer_outcome import AnswerRun, Case
from assistant.statistics import DRAWS, RESAMPLES, SEED, Difference, Mean

LONGEST = 1_500  # characters of a shown text; the rest stands in results.json
NOTHING = "nothing to count"
OUTCOMES = (  # name of a class of the style sheet, and what it stands for
    ("right", "right answer shown"),
    ("partial", "right place shown, answer not singled out"),
    ("refused", "refused"),
    ("wrong", "wrong answer shown"),
)


class Questions(Protocol):
    """A set of questions with known answers, as `assistant.answer_sets` reads them."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str: ...

    @property
    def cases(self) -> tuple[Case, ...]: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a report is written from; the first run is the one it is about."""

    name: str
    digest: str
    cases: tuple[Case, ...]
    runs: tuple[AnswerRun, ...]
    summaries: tuple[Summary, ...]
    date: str
    version: str
    machine: str
    seeds: Mapping[str, int]
    remarks: tuple[str, ...] = ()

    def rows(self, position: int) -> tuple[Row, ...]:
        """The questions of one run."""
        return rows(self.cases, self.runs[position])


@dataclass(frozen=True, slots=True)
class Unsupported:
    """One thing in a shown text that the checker did not find in what the text cites."""

    kind: str
    what: str
    row: Row


def percent(value: float) -> str:
    """Such as 85.3%."""
    return f"{100 * value:.1f}%"


def between(mean: Mean) -> str:
    """The interval, such as [79.0 to 90.1%]."""
    return f"[{100 * mean.low:.1f} to {100 * mean.high:.1f}%]"


def cell(mean: Mean) -> str:
    """A share with its interval, or that there is nothing to share."""
    return f"{percent(mean.value)} {between(mean)}" if mean.count else NOTHING


def change(difference: Difference) -> str:
    """A difference in percentage points with its interval and p."""
    if difference.value != difference.value:
        return NOTHING
    low, high = 100 * difference.low, 100 * difference.high
    least = 1 / (1 + DRAWS)
    p = "p < 0.001" if difference.p < max(0.001, least) else f"p {difference.p:.3f}"
    return f"{100 * difference.value:+.1f} points [{low:+.1f} to {high:+.1f}], {p}"


def label(figure: Figure) -> str:
    """What a figure is called, and of what it is a share."""
    return f"{figure.title}: {figure.of}"


def _were(number: int) -> str:
    return f"{_count(number)} {'were' if number > 1 else 'was'}"


def _count(number: int) -> str:
    return f"{number:,}" if number else "none"


def lead(facts: Facts) -> Iterator[str]:
    """The whole in a few sentences, about the first run; then each other beside it."""
    first = facts.summaries[0]
    yield from _told(first)
    for other in facts.summaries[1:]:
        yield _beside(first, other)


def _told(summary: Summary) -> Iterator[str]:
    counts, figures = summary.counts, summary.figures
    if counts.answerable:
        partial = (
            f"for {counts.partial:,} the right place was shown without singling the answer out, "
            if counts.partial
            else ""
        )
        yield (
            f"Of {counts.answerable:,} questions that the documents answer, {counts.right:,} got "
            f"the right answer ({cell(figures['correct'])}), {partial}"
            f"{_were(counts.refused)} refused, and {_count(counts.wrong)} got a wrong answer."
        )
    if counts.unanswerable:
        yield (
            f"Of {counts.unanswerable:,} questions that the documents do not answer, "
            f"{_were(counts.rightly_refused)} refused, as they should be "
            f"({cell(figures['refusal_recall'])}), and {_count(counts.wrongly_shown)} got an "
            "answer all the same."
        )
    if counts.shown:
        yield (
            f"Of everything shown ({counts.shown:,} answers), "
            f"{percent(figures['wrong_of_shown'].value)} was wrong "
            f"{between(figures['wrong_of_shown'])}."
        )
        yield _support(figures)
    if counts.failed:
        yield f"{_were(counts.failed)} not answered because something broke; they count as refused."


def _support(figures: Mapping[str, Mean]) -> str:
    made_up, loose = figures["unsupported_facts"], figures["unsupported"]
    first = (
        "No shown sentence holds a number, date or name that its source does not hold "
        f"(at most {percent(made_up.high)} at 95% confidence)"
        if made_up.value == 0
        else f"{percent(made_up.value)} of the shown sentences {between(made_up)} hold a number, "
        "date or name that their source does not hold"
    )
    return f"{first}; {percent(loose.value)} {between(loose)} are unsupported in any way."


def _beside(first: Summary, other: Summary) -> str:
    told = (
        f"Beside it, {other.name}: {percent(other.figures['wrong_shown'].value)} of all questions "
        f"got a wrong answer, against {percent(first.figures['wrong_shown'].value)}"
    )
    difference = other.differences["wrong_shown"]
    sure = (difference.low > 0 or difference.high < 0) and difference.p < 0.05
    told += f" (difference {change(difference)})"
    return told + ("." if sure else "; that may be chance.")


def reading() -> tuple[str, ...]:
    """How the figures are to be read."""
    return (
        "In brackets stands the 95% interval: what the figure might be with other questions of "
        "the same kind. A narrow one needs many questions; none says anything about other "
        "documents. Shares of counted things have Wilson's interval, the others are from "
        f"{RESAMPLES:,} resamples of the questions.",
        "Two configurations are compared question by question. p is how often chance alone, "
        f"exchanging the two at random ({DRAWS:,} draws), makes a difference as large; look at "
        "the interval first.",
        "A question is answerable if the set has an answer to it from these documents. Refused "
        "means that nothing was shown as an answer: the reader is told that the documents "
        "do not answer, with the nearest passages.",
        "Refusal F1 is the harmonic mean of two shares: of the questions that nothing answers, "
        "those refused, and of the refusals, those that were right.",
        "What is called unsupported was found by rules that share no code with the gate that "
        "decides what is shown.",
        "Time is the wall clock from the question to the whole answer, one question at a time.",
    )


def limits() -> tuple[str, ...]:
    """What the figures do not say."""
    return (
        "Right and wrong are judged by rules that compare words, numbers and places with the "
        "expected answer. A right answer in quite other words may be judged wrong, and a wrong "
        "one that holds the expected words right: read the cases below.",
        "The set's own answers may be wrong or incomplete.",
        "The checker of support compares what can be compared by rules (numbers, dates, names, "
        "words); it does not understand a sentence.",
        "The figures hold for these documents and questions, this model, prompt, version and "
        "these settings. After a change of any of them they must be measured again.",
    )


def used(facts: Facts) -> Iterator[tuple[str, str]]:
    """What was measured with: a name and a value each."""
    yield "Set of questions", f"{facts.name}, {len(facts.cases):,} questions"
    yield "SHA-256 of the set", facts.digest
    for run in facts.runs:
        yield f"{run.configuration}: model", run.model or "none"
        yield f"{run.configuration}: prompt", run.prompt or "none"
        shown = ", ".join(f"{key} = {value}" for key, value in run.settings.items())
        yield f"{run.configuration}: settings", shown or "as they come"
    yield "Cloister", facts.version
    yield "Date", facts.date
    yield "Machine", facts.machine
    yield "Seeds", ", ".join(f"{name} {seed}" for name, seed in facts.seeds.items())


def seeds(runs: Sequence[AnswerRun]) -> dict[str, int]:
    """Every seed that a figure depends on."""
    named = {
        f"{run.configuration} model": seed
        for run in runs
        if isinstance(seed := run.settings.get("seed"), int)
    }
    return {"statistics": SEED, **named}


def figure_rows(facts: Facts) -> Iterator[list[str]]:
    """Every figure that any run has, with its interval, one column a run."""
    for figure in FIGURES:
        means = [each.figures[figure.name] for each in facts.summaries]
        if any(mean.count for mean in means):
            yield [label(figure), *map(cell, means)]


def difference_rows(facts: Facts) -> Iterator[list[str]]:
    """Every figure's difference to the first run, one column a further run."""
    others = facts.summaries[1:]
    for figure in FIGURES:
        if facts.summaries[0].figures[figure.name].count:
            good = "more" if figure.rises else "less"
            found = [change(each.differences[figure.name]) for each in others]
            yield [f"{figure.title} ({good} is better)", *found]


def confusion_rows(facts: Facts) -> Iterator[list[str]]:
    """Refused or not, by whether the documents answer."""
    for each in facts.summaries:
        counts = each.counts
        for said, total, refused in (
            ("answerable", counts.answerable, counts.refused),
            ("unanswerable", counts.unanswerable, counts.rightly_refused),
        ):
            numbers = (total, total - refused, refused)
            yield [f"{each.name}, {said}", *(f"{number:,}" for number in numbers)]


CONFUSION_HEAD = ("questions", "all", "answered", "refused")


def count_rows(facts: Facts) -> Iterator[list[str]]:
    """What the stacked bars show, in figures, one column a run."""
    counted = [each.counts for each in facts.summaries]
    for said, numbers in (
        ("answerable: right answer", [each.right for each in counted]),
        ("answerable: right place only", [each.partial for each in counted]),
        ("answerable: refused", [each.refused for each in counted]),
        ("answerable: wrong answer", [each.wrong for each in counted]),
        ("unanswerable: refused", [each.rightly_refused for each in counted]),
        ("unanswerable: answered", [each.wrongly_shown for each in counted]),
    ):
        yield [said, *(f"{number:,}" for number in numbers)]


def cost_rows(facts: Facts) -> Iterator[list[str]]:
    """Time, tokens and energy, one column a run."""
    summaries = facts.summaries
    yield ["Time of half the answers, at most", *(f"{s.latency_p50:.2f} s" for s in summaries)]
    yield ["Time of 95% of the answers, at most", *(f"{s.latency_p95:.2f} s" for s in summaries)]
    for name, title, unit in (
        ("prompt_tokens", "Tokens read, mean of a question", ""),
        ("completion_tokens", "Tokens written, mean of a question", ""),
        ("joules", "Energy, mean of a question", " J"),
    ):
        means = [each.costs[name] for each in summaries]
        found = [f"{mean.value:,.1f}{unit}" if mean.count else "not measured" for mean in means]
        yield [title, *found]


def unsupported(of: Sequence[Row]) -> list[Unsupported]:
    """Everything that the checker found, by kind and then in the order of the questions."""
    found = []
    for row in of:
        for each in row.judged.unsupported:
            kind, colon, what = each.partition(":")
            found.append(Unsupported(kind.strip() if colon else "other", what.strip() or each, row))
    return sorted(found, key=lambda each: each.kind)


def kinds(found: Sequence[Unsupported]) -> dict[str, int]:
    """How many of each kind."""
    counts: dict[str, int] = {}
    for each in found:
        counts[each.kind] = counts.get(each.kind, 0) + 1
    return counts


def wrong(of: Sequence[Row]) -> list[Row]:
    """The questions that got a wrong answer, those that the documents answer first."""
    found = [row for row in of if row.judged.wrong_shown]
    return sorted(found, key=lambda row: not row.judged.answerable)


def removed(of: Sequence[Row]) -> dict[str, int]:
    """How many sentences the gate removed, by reason code, most first."""
    counts: dict[str, int] = {}
    for row in of:
        for code in row.shown.removed:
            counts[code] = counts.get(code, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))


def expected(case: Case) -> str:
    """What the set expects."""
    if not case.answers:
        return "nothing: the documents do not answer it"
    return (" and " if case.together else " or ").join(f"“{each}”" for each in case.answers)


def shortened(text: str) -> str:
    """A text, cut where it is very long."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
