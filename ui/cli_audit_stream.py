"""`cloister audit stream`: the log's records sent to a SIEM inside the premises."""

from __future__ import annotations

from typing import Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.options import Json

To = Annotated[
    str,
    typer.Option("--to", metavar="ADDRESS", help="unix:/path, udp:host:port or tcp:host:port."),
]
Format = Annotated[
    str, typer.Option("--format", metavar="FORMAT", help="rfc5424, cef, ocsf or jsonl.")
]
Follow = Annotated[
    bool, typer.Option("--follow", help="Go on with new records until Ctrl+C or SIGTERM.")
]
First = Annotated[
    int | None,
    typer.Option("--from", min=0, metavar="SEQ", help="Begin at this record, not at the cursor."),
]


def register(app: typer.Typer) -> None:
    """Add the command to `cloister audit`."""
    app.command("stream")(stream)


def stream(
    context: typer.Context,
    to: To,
    format: Format = "rfc5424",
    follow: Follow = False,
    first: First = None,
    json: Json = False,
) -> None:
    """Send records to a SIEM, in order and at least once, from where the last stream ended."""
    from audit import streaming
    from audit.delivery import parse_address
    from ui import composition
    from ui.cli_audit import require_log
    from ui.cli_sync import until_told

    home = shared(context).home
    require_log(home)
    streaming.formatter(format)
    plan = streaming.Plan(parse_address(to, "--to"), format, first, follow)
    actor = composition.actor_of(composition.terminal_asker())
    with composition.log(home) as log, until_told() as stop:
        if follow:
            terminal.complain(f"Streaming to {to}; Ctrl+C ends it, and nothing is lost by that.")
        done = streaming.stream(log, actor, plan, stop=stop, tell=terminal.complain)
    if json:
        terminal.say_json(done.as_json())
    elif done.count:
        sent = f"Sent records {done.first} to {done.last} ({done.count}) to {to}"
        typer.echo(f"{terminal.visible(sent)}; digest {done.digest}.")
    else:
        typer.echo("Nothing was sent: there are no records after the last one streamed there.")
