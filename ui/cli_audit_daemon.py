"""The hardened mode: `cloister audit daemon`, the only process that may write the log, and the
command that begins a new signing key."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import UsageError
from ui.options import Json

if TYPE_CHECKING:
    from audit.daemon import Grant

Accounts = list[str] | None


def register(app: typer.Typer) -> None:
    """Add the commands to the `audit` ones."""
    app.command("daemon")(daemon)
    app.command("rotate-key")(rotate_key)


def daemon(
    context: typer.Context,
    socket: Annotated[
        Path, typer.Option("--socket", metavar="PATH", help="Where programs connect.")
    ],
    writer: Annotated[
        Accounts,
        typer.Option("--writer", metavar="ACCOUNT", help="May record; may be repeated."),
    ] = None,
    reader: Annotated[
        Accounts,
        typer.Option("--reader", metavar="ACCOUNT", help="May record and read; may be repeated."),
    ] = None,
    manager: Annotated[
        Accounts,
        typer.Option(
            "--manager",
            metavar="ACCOUNT",
            help="May also open payloads, erase, prune and change keys; may be repeated.",
        ),
    ] = None,
) -> None:
    """Be the only writer of the log, under an account of its own, until stopped.

    The programs that use it have `socket` in [audit] of their settings. An account is a name or a
    user id of this machine.
    """
    from audit.compose import open_files
    from audit.daemon import Daemon, Grant
    from audit.settings import AuditSettings

    home = shared(context).home
    grants = {
        **_granted(writer or (), Grant.WRITE),
        **_granted(reader or (), Grant.READ),
        **_granted(manager or (), Grant.MANAGE),
    }
    with open_files(home, AuditSettings.load(home)) as log:
        served = Daemon(log, socket, grants)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: served.stop())
        typer.echo(f"Serving the audit log of {home} at {socket}.")
        served.serve()


def _granted(accounts: Sequence[str], grant: Grant) -> dict[int, Grant]:
    return {_user_id(account): grant for account in accounts}


def _user_id(account: str) -> int:
    import pwd

    if account.isascii() and account.isdigit():
        return int(account)
    try:
        return pwd.getpwnam(account).pw_uid
    except KeyError:
        raise UsageError(
            f"There is no account `{account}` on this machine; give a name from `getent passwd` or "
            "a user id."
        ) from None


def rotate_key(
    context: typer.Context,
    json: Json = False,
) -> None:
    """Begin a new signing key, vouched for by the one before, which is destroyed.

    This also happens by itself every `rotate_days` days.
    """
    from ui import composition
    from ui.cli_audit import require_log

    home = shared(context).home
    require_log(home)
    with composition.log(home) as log:
        record = log.rotate_key(composition.actor_of(composition.terminal_asker()))
        key = log.verifier_key.text()
    if json:
        terminal.say_json({"record": record.seq, "verifier_key": key})
    else:
        typer.echo(
            f"Record {record.seq} begins a new key; hand its public half to whoever verifies the "
            f"log, if they do not follow the chain:\n{key}"
        )
