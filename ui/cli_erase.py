"""`cloister erase`: a document, a person's text or a record's, everywhere, with a certificate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import UsageError
from ui.options import Json

if TYPE_CHECKING:
    from ui.erasing import Outcome, Parts, Plan

_SHOWN = 20  # sources listed before it is asked for good


def erase(
    context: typer.Context,
    document: Annotated[
        str | None,
        typer.Option(
            "--document",
            metavar="ID|SOURCE",
            help="A source with all its versions and parts, or one version by its id.",
        ),
    ] = None,
    person: Annotated[
        str | None,
        typer.Option("--person", metavar="ID", help="All text of what this person asked."),
    ] = None,
    record: Annotated[
        int | None,
        typer.Option("--record", metavar="NUMBER", min=0, help="The payload of one record."),
    ] = None,
    request: Annotated[
        bool, typer.Option("--request", help="With --record: of all records of its request.")
    ] = False,
    collection: Annotated[
        str,
        typer.Option(
            "--collection", "-c", metavar="NAME", help="With --document: only from this one."
        ),
    ] = "",
    basis: Annotated[
        str, typer.Option("--basis", metavar="CODE", help="On what ground, such as gdpr-17-1-a.")
    ] = "",
    requested_by: Annotated[
        str, typer.Option("--requested-by", metavar="WHO", help="Who asked for it.")
    ] = "",
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why, in words; kept encrypted.")
    ] = "",
    resume: Annotated[
        bool, typer.Option("--resume", help="Finish erasures that were cut short.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before erasing.")] = False,
    json: Json = False,
) -> None:
    """Erase a document, a person's text or a record's everywhere, and certify it."""
    from ui import erasing

    home = shared(context).home
    chosen = sum(each is not None for each in (document, person, record)) + resume
    if chosen != 1:
        raise UsageError("Give one of --document, --person, --record and --resume.")
    if request and record is None:
        raise UsageError("--request goes with --record.")
    if collection and document is None:
        raise UsageError("--collection goes with --document.")
    if resume:
        _resume(home, json)
        return
    _require(basis, requested_by)
    with _opened(home) as parts:
        if erasing.unfinished(parts.log):
            terminal.complain("An earlier erasure is not finished: run `cloister erase --resume`.")
        if document is not None:
            plan = erasing.plan_document(parts, document, collection)
        elif person is not None:
            plan = erasing.plan_person(parts, person)
        else:
            plan = erasing.plan_record(parts, record or 0, request)
        if not yes:
            _ask(plan)
        outcome = erasing.erase(parts, plan, basis=basis, requested_by=requested_by, reason=reason)
        _show(outcome, json)
        for path in plan.again:
            terminal.complain(
                f"{path} is outside the data folder and still there: the next `ingest sync` or "
                "`ingest add` of its folder takes it in again unless you remove it."
            )


def _require(basis: str, requested_by: str) -> None:
    from audit.erasure import BASES

    if basis not in BASES:
        codes = "; ".join(f"{code}: {meaning}" for code, meaning in BASES.items())
        raise UsageError(f"Give --basis with one of these codes: {codes}.")
    if not requested_by.strip():
        raise UsageError("Give --requested-by with the name of who asked for the erasure.")


@contextmanager
def _opened(home: Path) -> Iterator[Parts]:
    """What erasing works with, while nothing else ingests. A log that never was is not begun."""
    from ui import composition
    from ui.cli_audit import require_log
    from ui.erasing import Parts

    require_log(home)
    actor = composition.actor_of(composition.terminal_asker())
    with composition.ingestor(home) as ingestor, ingestor.erasing() as documents:
        yield Parts(home, documents.log, actor, documents)


def _resume(home: Path, json: bool) -> None:
    from ui import erasing

    with _opened(home) as parts:
        waiting = erasing.unfinished(parts.log)
        for each in waiting:
            _show(erasing.resume(parts, each), json)
    if not waiting and not json:
        typer.echo("No erasure is unfinished.")


def _ask(plan: Plan) -> None:
    """Say what goes and ask for good. Raises UsageError where nobody can be asked."""
    import sys

    subject = plan.subject
    if not sys.stdin.isatty():
        raise UsageError("Nobody can be asked here whether to erase; give --yes to erase.")
    for source in plan.sources[:_SHOWN]:
        typer.echo(terminal.visible(source))
    if len(plan.sources) > _SHOWN:
        typer.echo(f"and {len(plan.sources) - _SHOWN} more")
    typer.echo(
        f"To be erased: {len(subject.documents)} document(s), and the text of "
        f"{len(plan.work.records)} record(s) of the log. It cannot be undone."
    )
    typer.confirm("Erase?", abort=True)


def _show(outcome: Outcome, json: bool) -> None:
    said = outcome.certificate
    if json:
        terminal.say_json(
            {
                "erasure": outcome.erasure.id,
                "certificate": str(outcome.file),
                "records": said["records_count"],
                "probe": said["probe"],
                "restart_needed": outcome.others,
            }
        )
    else:
        _show_places(outcome)
        typer.echo(f"Erased. Certificate: {terminal.visible(str(outcome.file))}")
    if outcome.others:
        terminal.complain(
            "Another Cloister program is running; what it has read stays in its memory until it "
            "ends, so restart it."
        )


def _show_places(outcome: Outcome) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("Place", "Files", "Bytes", "Pieces sought", "Found"):
        table.add_column(name, justify="left" if name == "Place" else "right")
    for each in outcome.places:
        numbers = (each.files, each.bytes, each.needles, each.found)
        table.add_row(Text(each.name), *(Text(f"{number:,}") for number in numbers))
    terminal.out().print(table)


def register(app: typer.Typer) -> None:
    """Add the command to the `cloister` app."""
    app.command("erase")(erase)
