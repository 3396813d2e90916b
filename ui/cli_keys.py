"""The commands below `cloister keys`: who may use the API of `cloister serve`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared

if TYPE_CHECKING:
    from pathlib import Path

    from audit.ports import AuditLog
    from ui.api_keys import ApiKey

app = typer.Typer(help="Keys for the API of `cloister serve`.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="JSON to stdout, nothing else.")]


@app.command()
def add(
    context: typer.Context,
    user: Annotated[str, typer.Argument(metavar="USER", help="Whose key it is, for the log.")],
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            metavar="GROUP",
            help="A group whose collections the key may read; may be repeated; without it: local.",
        ),
    ] = None,
    expires: Annotated[
        float | None,
        typer.Option("--expires", metavar="DAYS", min=0.01, max=36_500, help="How long it holds."),
    ] = None,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What it is for.")] = "",
    json: Json = False,
) -> None:
    """Make a key and print it; it is not shown again."""
    from ui import composition
    from ui.api_keys import KeyFile

    home = shared(context).home
    groups = group or [composition.LOCAL_GROUP]
    with composition.log(home) as log:
        record = _recording(log, "key.added")
        key, secret = KeyFile(home).add(user, groups, record, expires, note)
    if json:
        terminal.say_json({**_told(key), "key": secret})
        return
    typer.echo(secret)
    until = f"until {key.expires}" if key.expires else "until it is revoked"
    typer.echo(
        f"This is the only time that the key is shown. It is {key.id}, of {key.user}, for "
        f"{', '.join(key.groups)}, and holds {until}.",
        err=True,
    )


@app.command("list")
def list_keys(context: typer.Context, json: Json = False) -> None:
    """List the keys, the revoked ones too, without their secrets."""
    from datetime import UTC, datetime

    from ui import composition
    from ui.api_keys import KeyFile

    home = shared(context).home
    composition.check_settings(home)
    now = datetime.now(UTC)
    keys = [{**_told(key), "state": key.refusal(now) or "valid"} for key in KeyFile(home).every()]
    if json:
        for key in keys:
            terminal.say_json(key)
        return
    _table(keys)


def _table(keys: list[dict[str, object]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("Key", "User", "Groups", "State", "Made", "Expires", "Last used", "Note"):
        table.add_column(name)
    for key in keys:
        groups = key["groups"]
        cells = (
            key["id"],
            key["user"],
            ", ".join(groups) if isinstance(groups, tuple) else "",
            key["state"],
            str(key["created"])[:10],
            str(key["expires"] or "never")[:10],
            key["last_used"] or "never",
            key["note"],
        )
        table.add_row(*(Text(terminal.visible(str(cell))) for cell in cells))
    terminal.out().print(table)


@app.command()
def revoke(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id, as `keys list` shows it.")],
) -> None:
    """Let a key open nothing any more, from the next request on."""
    from ui import composition
    from ui.api_keys import KeyFile

    home: Path = shared(context).home
    with composition.log(home) as log:
        revoked = KeyFile(home).revoke(key, _recording(log, "key.revoked"))
    typer.echo(f"The key {revoked.id} of {terminal.visible(revoked.user)} opens nothing any more.")


def _told(key: ApiKey) -> dict[str, object]:
    return {name: value for name, value in asdict(key).items() if name != "sha256"}


def _recording(log: AuditLog, kind: str) -> Callable[[ApiKey], object]:
    """What puts a change of a key into the log."""
    from audit.record import Event
    from ui import composition

    def record(key: ApiKey) -> object:
        fields = {
            "key": key.id,
            "user": key.user,
            "groups": list(key.groups),
            "expires": key.expires,
        }
        actor = composition.actor_of(composition.terminal_asker())
        return log.append(Event(kind, actor, fields, {"note": key.note} if key.note else None))

    return record
