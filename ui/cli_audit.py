"""The commands below `cloister audit`. Each look at the log is itself recorded in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import UsageError
from ui.options import Json

if TYPE_CHECKING:
    from audit.report import Report
    from audit.review import Shown
    from audit.view_data import Line

app = typer.Typer(help="Read and verify the audit log.", no_args_is_help=True)

DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]


def require_log(home: Path) -> Path:
    """The log's folder. Raises LogMissingError: looking at a log must not begin a new one."""
    from audit.errors import LogMissingError
    from ui import composition

    folder = home / "audit"
    if not composition.has_log(home):
        raise LogMissingError(folder)
    return folder


@app.command()
def verify(
    context: typer.Context,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint", metavar="FILE", help="A checkpoint kept elsewhere; may be repeated."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Prove that no record was changed, removed or put in.

    The state is OK, UNSEALED_TAIL, TORN_TAIL(recovered) or TAMPERED; only the last ends with 7.
    """
    home = shared(context).home
    notes = [(str(path), _read(path)) for path in checkpoint or []]
    report = _verified(home, require_log(home), notes)
    if json:
        terminal.say_json(report.as_json())
    else:
        from rich.text import Text

        style = "bold red" if report.exit_code else "bold green"
        console = terminal.out()
        console.print(Text(report.headline(), style=style))
        console.print(Text(terminal.visible(report.explanation())))
    raise typer.Exit(report.exit_code)


def _verified(home: Path, folder: Path, notes: Sequence[tuple[str, bytes]]) -> Report:
    """The report, recorded in the log unless the log is in no state to take a record."""
    from audit import review
    from audit.errors import AuditError
    from audit.keys import read_verifier_keys
    from audit.report import State
    from audit.verify import verify_log
    from ui import composition

    # First as it lies there: opening a log mends what a crash left, which must be seen before.
    found = verify_log(folder, read_verifier_keys(folder / "keys"), notes)
    if found.state is State.TAMPERED:
        terminal.complain("The log was not opened, so this verification is not recorded in it.")
        return found
    try:
        with composition.log(home) as log:
            recorded = review.verify(log, composition.actor_of(composition.terminal_asker()), notes)
    except AuditError as error:
        if error.exit_code != 7:
            raise
        terminal.complain(f"This verification could not be recorded: {error}")
        return found
    return found if found.state is State.TORN_TAIL else recorded


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"The checkpoint {path} cannot be read ({error.strerror}); check the path."
        ) from error


@app.command("list")
def list_records(
    context: typer.Context,
    type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Such as answer.released, ingest.*")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=DATES, help="From this moment on (UTC).")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=DATES, help="Before this moment (UTC).")
    ] = None,
    request: Annotated[
        str | None, typer.Option("--request", metavar="ID", help="All records of one request.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=100_000, help="The newest so many.")
    ] = 50,
    json: Json = False,
) -> None:
    """List records, the newest last, and check the log. Payloads stay sealed.

    Every record is hashed, and the tree compared with the newest checkpoint.
    """
    from audit.view import look
    from audit.view_data import Page, Trust, Wanted
    from ui import composition

    home = shared(context).home
    require_log(home)
    wanted = Wanted(
        type=type, since=_nanoseconds(since), until=_nanoseconds(until), request=request
    )
    with composition.log(home) as log:
        actor = composition.actor_of(composition.terminal_asker())
        found = look(log, actor, wanted, Page(limit=limit), records=True)
    # Before the list, and not in it: what is wrong is to be seen where the output is piped on, too.
    if found.checked.trust is not Trust.CHECKED:
        terminal.complain(found.checked.told())
    lines = found.lines[::-1]
    if json:
        for line in lines:
            terminal.say_json(_line(line))
    else:
        _print_lines(lines)
    if found.checked.trust is Trust.TAMPERED:
        raise typer.Exit(7)


def _nanoseconds(moment: datetime | None) -> int | None:
    """Nanoseconds since 1970 of a moment in whole seconds, UTC."""
    return None if moment is None else int(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def _line(line: Line) -> dict[str, object]:
    """One record as `audit list --json` and `audit show --json` write it."""
    return {
        "seq": line.seq,
        "event_id": line.event_id,
        "type": line.type,
        "ts_utc": line.ts_utc,
        "time": line.time,
        "actor_kind": line.person_kind,
        "actor_id": line.person,
        "session": line.session,
        "request_id": line.request,
        "fields": line.fields,
        "payload": line.payload,
        "leaf_hash": line.leaf_hash,
    }


def _print_lines(lines: Sequence[Line]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("Number", "Time (UTC)", "Type", "Who", "Payload"):
        table.add_column(name, justify="right" if name == "Number" else "left")
    for line in lines:
        cells = (str(line.seq), line.time[:19], line.type, line.person, line.payload)
        table.add_row(*(Text(terminal.visible(cell)) for cell in cells))
    terminal.out().print(table)


@app.command()
def show(
    context: typer.Context,
    record: Annotated[str, typer.Argument(metavar="RECORD", help="Number or id of a record.")],
    json: Json = False,
) -> None:
    """Show one record in full, its payload opened."""
    from audit import review
    from ui import composition

    home = shared(context).home
    require_log(home)
    key = int(record) if record.isascii() and record.isdigit() else record
    with composition.log(home) as log:
        found = review.show(log, composition.actor_of(composition.terminal_asker()), key)
    values: dict[str, object] = {
        "record": _entry(found),
        "envelope": dict(found.envelope),
        "payload": None if found.payload is None else dict(found.payload),
        "erased": found.erased,
    }
    if json:
        terminal.say_json(values)
    else:
        _print_record(values)


def _entry(found: Shown) -> dict[str, object]:
    import dataclasses

    return dataclasses.asdict(found.entry)


def _print_record(values: dict[str, object]) -> None:
    import json

    for name in ("envelope", "payload"):
        text = json.dumps(values[name], ensure_ascii=False, indent=2, sort_keys=True)
        if name == "payload" and values["payload"] is None:
            text = "erased" if values["erased"] else "none"
        typer.echo(f"{name.capitalize()}:\n{terminal.visible(text)}")


@app.command()
def checkpoint(
    context: typer.Context,
    json: Json = False,
) -> None:
    """Seal the log now and print the signed checkpoint, to be kept off this machine."""
    from ui import composition

    home = shared(context).home
    require_log(home)
    with composition.log(home) as log:
        note = log.seal()
    if json:
        terminal.say_json({"checkpoint": note})
    else:
        typer.echo(note, nl=not note.endswith("\n"))


def _add_the_others() -> None:
    from ui import (
        cli_audit_affected,
        cli_audit_daemon,
        cli_audit_export,
        cli_audit_pack,
        cli_audit_reconcile,
        cli_audit_replay,
        cli_audit_retention,
        cli_audit_stream,
        cli_audit_verifier,
        cli_audit_view,
    )

    for module in (
        *(cli_audit_verifier, cli_audit_view, cli_audit_affected, cli_audit_replay, cli_audit_pack),
        *(cli_audit_export, cli_audit_stream, cli_audit_reconcile),
        *(cli_audit_retention, cli_audit_daemon),
    ):
        module.register(app)


_add_the_others()
