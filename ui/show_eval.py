"""What an evaluation tells a person or a program: progress, trouble, figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from ui.terminal import visible

if TYPE_CHECKING:
    from assistant.evaluate import Summary
    from assistant.judged import JudgedSet
    from assistant.statistics import Mean

_SHOWN = 20  # refused and missing documents that are named


@contextmanager
def asking(console: Console, name: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with the questions asked so far; quiet if this is no terminal."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"Asking ({visible(name)})", total=total)
        yield lambda done: bar.update(task, completed=done)


def trouble(console: Console, failed: Sequence[str], missing: Sequence[str], meaning: str) -> None:
    """What was not taken in, and what a set names that is not in the index: `meaning` says what
    that is, as in "Judged documents that are not in the index"."""
    for sentence in failed[:_SHOWN]:
        console.print(Text(visible(sentence), style="red"), soft_wrap=True)
    if len(failed) > _SHOWN:
        console.print(f"and {len(failed) - _SHOWN:,} more that were not taken in")
    if missing:
        named = ", ".join(visible(each) for each in missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else ""
        said = f"{meaning}: {named}{more}."
        console.print(Text(said, style="yellow"), soft_wrap=True)


def as_json(
    judged: JudgedSet,
    summaries: Sequence[Summary],
    k: int,
    failed: Sequence[str],
    missing: Sequence[str],
) -> Iterator[dict[str, object]]:
    """One object a configuration. Measures are rounded to 4 digits, milliseconds to 1."""
    for summary in summaries:
        line: dict[str, object] = {
            "set": judged.name,
            "split": judged.split,
            "questions": summary.questions,
        }
        # Programs rely on these keys; others may come after them.
        first = [f"{name}@{k}" for name in ("recall", "map", "ndcg")]
        rest = [name for name in summary.means if name not in first]
        line |= {name: _rounded(summary.means[name].value) for name in first}
        line["latency_p50_ms"] = round(summary.latency_p50 * 1000, 1)
        line["latency_p95_ms"] = round(summary.latency_p95 * 1000, 1)
        line |= {name: _rounded(summary.means[name].value) for name in rest}
        line["configuration"] = summary.name
        line["intervals"] = {
            name: [_rounded(mean.low), _rounded(mean.high)] for name, mean in summary.means.items()
        }
        if summary.differences:
            line["differences"] = {
                name: {
                    "to": summaries[0].name,
                    "difference": _rounded(each.value),
                    "interval": [_rounded(each.low), _rounded(each.high)],
                    "p": _rounded(each.p),
                }
                for name, each in summary.differences.items()
            }
        line["failed"] = len(failed)
        line["missing"] = len(missing)
        yield line


def _rounded(value: float) -> float | None:
    return None if value != value else round(value, 4)  # JSON has no nan


def tables(console: Console, judged: JudgedSet, summaries: Sequence[Summary]) -> None:
    """The means with their intervals, and the differences to the first configuration."""
    questions = summaries[0].questions
    title = f"{visible(judged.name)}, {visible(judged.split)}: {questions:,} questions"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("measure")
    for summary in summaries:
        table.add_column(visible(summary.name), justify="right")
    for name in summaries[0].means:
        table.add_row(name, *(_with_interval(summary.means[name]) for summary in summaries))
    for label, values in (
        ("latency p50", [each.latency_p50 for each in summaries]),
        ("latency p95", [each.latency_p95 for each in summaries]),
    ):
        table.add_row(label, *(f"{value * 1000:.1f} ms" for value in values))
    console.print(table)
    if len(summaries) > 1:
        console.print(_differences(summaries))
    console.print("In brackets: 95 % intervals over questions.")


def _with_interval(mean: Mean) -> str:
    if not mean.count:
        return "no gold"
    return f"{mean.value:.4f} [{mean.low:.3f}, {mean.high:.3f}]"


def _differences(summaries: Sequence[Summary]) -> Table:
    first, *others = summaries
    title = f"Differences to {visible(first.name)}, question by question"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("measure")
    for summary in others:
        table.add_column(visible(summary.name), justify="right")
    for name in first.means:
        cells = []
        for summary in others:
            each = summary.differences[name]
            cells.append(f"{each.value:+.4f} [{each.low:+.3f}, {each.high:+.3f}] p {each.p:.4f}")
        table.add_row(name, *cells)
    return table
