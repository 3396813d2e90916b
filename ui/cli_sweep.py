"""`cloister sweep`: a question put to every document, a row each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, cast

import typer

from ui import terminal
from ui.context import shared
from ui.errors import SomeFailed, UsageError
from ui.options import checked_day

if TYPE_CHECKING:
    from assistant.counting import Kind
    from assistant.sweep import Request, Row, SweepResult
    from assistant.task import Progress

FOLDER = "sweeps"  # below the data folder


class Sweeps(Protocol):
    """What runs a sweep, as far as this command needs it."""

    def run(
        self, request: Request, cancelled: Callable[[], bool] | None = None
    ) -> Generator[Progress | Row | SweepResult, None, None]:
        """Progress, rows as they are done, and the result."""
        ...


def sweep(
    context: typer.Context,
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="What each document is asked.")
    ],
    collection: Annotated[
        list[str] | None,
        typer.Option(
            "--collection", metavar="NAME", help="Only this collection; may be given several times."
        ),
    ] = None,
    document: Annotated[
        list[str] | None,
        typer.Option(
            "--document", metavar="SOURCE", help="Only this document; may be given several times."
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind", metavar="KIND", help="yes_no, value or find, if the rules take it wrongly."
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="DATE", help="What was in force on that day, not today."),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the table there, as CSV.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the table there, as HTML.")
    ] = None,
    resume: Annotated[
        bool | None,
        typer.Option(
            "--resume/--fresh",
            help="Go on with an interrupted sweep, or begin anew; without either you are asked.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object a row and one for the whole, no table.")
    ] = False,
) -> None:
    """Put a question to every document and show a row for each, with its place."""
    from assistant.sweep import Request
    from ui import composition

    home = shared(context).home
    request = Request(
        composition.terminal_asker(),
        question,
        frozenset(collection) if collection else None,
        tuple(document or ()),
        _kind(kind),
        None if as_of is None else checked_day(as_of),
        home / FOLDER,
    )
    _refuse_folders(csv, html)
    result = _swept(home, _begun(request, resume), json)
    _write_tables(result, question, csv, html)
    _show(result, json)


def _swept(home: Path, request: Request, json: bool) -> SweepResult:
    """Run the sweep, with its progress on stderr and, for `json`, its rows as lines on stdout."""
    from ui import composition, show_sweep

    with (
        composition.assistant(home) as assistant,
        closing(cast(Sweeps, assistant).run(request)) as events,
    ):
        return show_sweep.watched(events, terminal.err(), _as_line if json else None)


def _write_tables(result: SweepResult, question: str, csv: Path | None, html: Path | None) -> None:
    from assistant import sweep_table

    if csv is not None:
        _write(csv, sweep_table.to_csv(result))
    if html is not None:
        _write(html, sweep_table.to_html(result, question))


def _show(result: SweepResult, json: bool) -> None:
    """The result as one line of JSON or a table. Raises SomeFailed if documents failed."""
    from assistant import sweep_table
    from ui import show_sweep

    if json:
        terminal.say_json(sweep_table.summary_json(result))
    else:
        show_sweep.table(terminal.out(), result)
    if result.failed:
        raise SomeFailed(result.sentence)


def _kind(kind: str | None) -> Kind | None:
    if kind not in (None, "yes_no", "value", "find"):
        raise UsageError(f"{kind!r} is no kind of question; give yes_no, value or find.")
    return cast("Kind | None", kind)


def _begun(request: Request, resume: bool | None) -> Request:
    """The request, to go on with what is kept of it or to begin anew."""
    from dataclasses import replace

    from assistant.sweep import identity
    from assistant.sweep_store import waiting

    assert request.folder is not None  # noqa: S101 - for the type checker
    rows = waiting(request.folder, identity(request))
    if resume is None and rows:
        kept = f"{rows:,} rows are kept of this sweep, which did not end or had failures"
        if sys.stdin.isatty() and sys.stderr.isatty():
            resume = typer.confirm(f"{kept}. Go on with it?", default=True, err=True)
        else:
            terminal.complain(f"{kept}: going on with it (--fresh begins anew).")
    return replace(request, fresh=resume is False)


def _as_line(row: Row) -> None:
    from assistant.sweep_table import row_json

    terminal.say_json(row_json(row))


def _refuse_folders(*paths: Path | None) -> None:
    """Say before hours of work that a table cannot be written there."""
    for path in paths:
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise UsageError(f"The file {path} cannot be written; name one in a folder that is.")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(
            f"The file {path} cannot be written ({error.strerror}); choose another."
        ) from error
