"""What an evaluation of answers tells a person or a program: figures, differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ui.terminal import visible

if TYPE_CHECKING:
    from assistant.answer_figures import Summary
    from assistant.answer_outcome import AnswerRun
    from assistant.answer_sets import AnswerSet
    from assistant.statistics import Difference, Mean


def as_json(
    set_: AnswerSet,
    runs: Sequence[AnswerRun],
    summaries: Sequence[Summary],
    extras: Sequence[dict[str, Mean]],
    failed: Sequence[str],
    missing: Sequence[str],
) -> Iterator[dict[str, object]]:
    """One object a configuration. Figures are rounded to 4 digits, null where there is nothing to
    measure; latencies are milliseconds."""
    for run, summary, more in zip(runs, summaries, extras, strict=True):
        every = {**summary.figures, **more}
        line: dict[str, object] = {
            "set": set_.name,
            "form": set_.form.value,
            "questions": len(set_.cases),
            "configuration": summary.name,
        }
        line |= {name: _rounded(mean.value) for name, mean in every.items()}
        line["latency_p50_ms"] = round(summary.latency_p50 * 1000, 1)
        line["latency_p95_ms"] = round(summary.latency_p95 * 1000, 1)
        line |= {name: _rounded(mean.value) for name, mean in summary.costs.items()}
        line["counts"] = {
            name: getattr(summary.counts, name) for name in type(summary.counts).__slots__
        }
        line["intervals"] = {
            name: [_rounded(mean.low), _rounded(mean.high)] for name, mean in every.items()
        }
        if summary.differences:
            line["differences"] = {
                name: {"to": summaries[0].name, **_difference(each)}
                for name, each in summary.differences.items()
            }
        line |= {"model": run.model, "prompt": run.prompt, "set_sha256": set_.digest}
        line |= {"failed": len(failed), "missing": len(missing)}
        yield line


def _difference(each: Difference) -> dict[str, object]:
    return {
        "difference": _rounded(each.value),
        "interval": [_rounded(each.low), _rounded(each.high)],
        "p": _rounded(each.p),
    }


def _rounded(value: float) -> float | None:
    return None if value != value else round(value, 4)  # JSON has no nan


def tables(
    console: Console,
    set_: AnswerSet,
    summaries: Sequence[Summary],
    extras: Sequence[dict[str, Mean]],
) -> None:
    """The figures with their intervals, what the answers cost, and the differences to the first
    configuration."""
    count = summaries[0].counts
    title = (
        f"{visible(set_.name)} ({set_.form}): {count.answerable:,} questions that the documents "
        f"answer, {count.unanswerable:,} that they do not"
    )
    table = _table(title, "figure", [summary.name for summary in summaries])
    for name in summaries[0].figures:
        table.add_row(name, *(_with_interval(summary.figures[name]) for summary in summaries))
    for name in extras[0]:
        table.add_row(name, *(_with_interval(each[name]) for each in extras))
    for label, seconds in (
        ("latency p50", [each.latency_p50 for each in summaries]),
        ("latency p95", [each.latency_p95 for each in summaries]),
    ):
        table.add_row(label, *(f"{value:.2f} s" for value in seconds))
    for name in summaries[0].costs:
        table.add_row(name, *(_cost(summary.costs[name]) for summary in summaries))
    console.print(table)
    if len(summaries) > 1:
        console.print(_differences(summaries))
    console.print(
        "In brackets: 95 % intervals over questions. Tokens and joules: means a question."
    )


def _table(title: str, first: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column(first)
    for name in columns:
        table.add_column(visible(name), justify="right")
    return table


def _with_interval(mean: Mean) -> str:
    if not mean.count:
        return "–"
    return f"{mean.value:.3f} [{mean.low:.2f}, {mean.high:.2f}]"


def _cost(mean: Mean) -> str:
    return f"{mean.value:.1f}" if mean.count else "–"


def _differences(summaries: Sequence[Summary]) -> Table:
    first, *others = summaries
    title = f"Differences to {visible(first.name)}, question by question"
    table = _table(title, "figure", [summary.name for summary in others])
    for name in first.figures:
        cells = []
        for summary in others:
            each = summary.differences[name]
            known = each.value == each.value
            told = f"{each.value:+.3f} [{each.low:+.2f}, {each.high:+.2f}] p {each.p:.3f}"
            cells.append(told if known else "–")
        table.add_row(name, *cells)
    return table
