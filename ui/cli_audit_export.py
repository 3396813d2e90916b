"""`cloister audit export`: records to a file, with proofs in it or beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import UsageError
from ui.options import Json

if TYPE_CHECKING:
    from audit.export import ExportSummary
    from audit.export_formats import Summary

NAME = "export"
DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]


class FormatName(StrEnum):
    """What `--format` takes."""

    JSONL = "jsonl"
    CSV = "csv"
    OCSF = "ocsf"
    CEF = "cef"
    SYSLOG = "syslog"


def register(app: typer.Typer) -> None:
    """Add the command to `app`, in place of one of that name."""
    app.registered_commands[:] = [
        each
        for each in app.registered_commands
        if NAME not in (each.name, getattr(each.callback, "__name__", ""))
    ]
    app.command(NAME)(export)


def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file to write to.")],
    format: Annotated[
        FormatName,
        typer.Option("--format", help="With the proofs in it: jsonl; beside it: the others."),
    ] = FormatName.JSONL,
    first: Annotated[int, typer.Option("--from", min=0, help="Number of the first record.")] = 0,
    last: Annotated[
        int | None, typer.Option("--to", min=0, help="Number of the last record.")
    ] = None,
    type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Such as answer.released, ingest.*")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=DATES, help="From this moment on (UTC).")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=DATES, help="Before this moment (UTC).")
    ] = None,
    json: Json = False,
) -> None:
    """Write records with their proofs to a file that can be verified anywhere."""
    from ui.cli_audit import require_log

    home = shared(context).home
    require_log(home)
    if format is FormatName.JSONL:
        if type is not None or since is not None or until is not None:
            raise UsageError(
                "An export as jsonl holds consecutive records; choose them with --from and --to, "
                "or another --format."
            )
        _tell(_with_proofs(home, file, first, last), file, as_json=json)
        return
    done = _other(home, file, format.value, (first, last), (type, since, until))
    _tell(done, file, as_json=json)
    if not json:
        _tell_more(done, file)


def _with_proofs(home: Path, file: Path, first: int, last: int | None) -> ExportSummary:
    from audit import review
    from ui import composition

    with composition.log(home) as log:
        actor = composition.actor_of(composition.terminal_asker())
        return review.export(log, actor, file, first, last)


def _other(
    home: Path,
    file: Path,
    name: str,
    span: tuple[int, int | None],
    chosen: tuple[str | None, datetime | None, datetime | None],
) -> Summary:
    from audit.export_formats import FORMATS, export_file
    from audit.store import Filter
    from ui import composition

    kind, since, until = chosen
    asked = Filter(type=kind, since=_nanoseconds(since), until=_nanoseconds(until))
    first, last = span
    with composition.log(home) as log:
        actor = composition.actor_of(composition.terminal_asker())
        return export_file(log, actor, file, FORMATS[name], first=first, last=last, chosen=asked)


def _nanoseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def _tell(done: ExportSummary | Summary, file: Path, *, as_json: bool) -> None:
    if as_json:
        terminal.say_json(done.as_json())
        return
    typer.echo(
        f"Wrote records {done.first} to {done.last} ({done.count}) to "
        f"{terminal.visible(str(file))}; digest {done.digest}."
    )


def _tell_more(done: Summary, file: Path) -> None:
    from audit.export_formats import proof_path
    from audit.export_syslog import COMMON_LIMIT

    typer.echo(f"The proof is in {terminal.visible(str(proof_path(file)))}; keep the two together.")
    if done.pruned:
        typer.echo(f"Retention had removed {done.pruned} records of that range before.")
    if done.format == FormatName.SYSLOG and done.longest > COMMON_LIMIT:
        typer.echo(
            f"The longest message has {done.longest} bytes: set the receiver's limit above that, "
            f"since many cut at {COMMON_LIMIT}."
        )
