"""A sweep for a terminal: the coverage meter while it runs, then the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ui.render import shortened
from ui.terminal import visible

if TYPE_CHECKING:
    from assistant.sweep import Row, SweepResult
    from assistant.task import Progress as Step

STYLES = {"FOUND": "bold green", "NOT_FOUND": "dim", "UNCLEAR": "bold yellow", "FAILED": "bold red"}
WORDS = {"FOUND": "found", "NOT_FOUND": "not found", "UNCLEAR": "unclear", "FAILED": "failed"}
QUOTE_SHOWN = 240  # characters
_SAID_EVERY = 0.1  # of the documents, where there is no terminal to draw a meter on


def watched(
    events: Iterable[Step | Row | SweepResult],
    progress: Console,
    each: Callable[[Row], None] | None,
) -> SweepResult:
    """Run a sweep to its end with a meter on `progress`; the result. `each` is given every row.

    Raises what `events` raises, and RuntimeError if they end without a result.
    """
    from assistant.sweep import Row, SweepResult

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    result: SweepResult | None = None
    said = 0.0
    drawn = progress.is_terminal
    meter = Progress(*columns, console=progress, transient=True)
    bar = meter.add_task("Reading", total=None)
    with meter if drawn else nullcontext():
        for event in events:
            if isinstance(event, SweepResult):
                result = event
            elif isinstance(event, Row):
                if each is not None:
                    each(event)
            elif drawn:
                about = visible(shortened(event.about, 40)) or "Reading"
                meter.update(bar, completed=event.done, total=event.total, description=about)
            elif event.total and event.done / event.total >= said:
                progress.print(f"{event.done:,} of {event.total:,} documents read")
                said = event.done / event.total + _SAID_EVERY
    if result is None:
        raise RuntimeError("the sweep ended without a result")
    return result


def table(console: Console, result: SweepResult) -> None:
    """The rows and the sentence. Rows without evidence are left to the end."""
    shown = Table(box=None, pad_edge=False, show_edge=False)
    for name, ratio in (("Document", 3), ("", 1), ("Value", 2), ("Evidence", 7)):
        shown.add_column(name, ratio=ratio, overflow="fold")
    order = {name: place for place, name in enumerate(("FOUND", "UNCLEAR", "FAILED", "NOT_FOUND"))}
    for row in sorted(result.rows, key=lambda each: order[each.verdict.value]):
        shown.add_row(
            visible(row.source),
            Text(WORDS[row.verdict.value], STYLES[row.verdict.value]),
            visible(row.value),
            _evidence(row),
        )
    console.print(visible(result.question), style="bold")
    console.print(shown)
    for value, count in result.values:
        console.print(f"{visible(value)}: {count:,}")
    console.print(visible(result.sentence), style="bold")


def _evidence(row: Row) -> Text:
    text = Text(visible(shortened(row.quote, QUOTE_SHOWN)))
    pages = dict.fromkeys(each.label or str(each.page) for each in row.citations)
    if pages:
        text.append(f" (page {visible(', '.join(pages))})", "dim")
    for remark in (row.reason, row.warning):
        if remark:
            text.append(f"{' ' if text else ''}{visible(remark)}", "italic")
    return text
