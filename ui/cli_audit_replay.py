"""`cloister audit replay`: a recorded answer made again and held against its record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.failures import REPLAY_DIFFERS
from ui.options import Json

if TYPE_CHECKING:
    from assistant.replay_tasks import Verified
    from assistant.replaying import Replay


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("replay")(replay)


def replay(
    context: typer.Context,
    record: Annotated[
        str,
        typer.Argument(
            metavar="RECORD", help="Number or id of any record of the answer, or its request's id."
        ),
    ],
    remote: Annotated[
        bool,
        typer.Option("--remote", help="Ask the larger model's server again too, if it was asked."),
    ] = False,
    json: Json = False,
) -> None:
    """Make a recorded answer again and compare it with its record.

    The prompt is rebuilt from the pinned document versions and given to the pinned model. Ends with
    0 if all is the same, 8 if not, and 4 if it cannot be replayed. What is compared goes to stdout.
    """
    from assistant.replay_open import open_replayer
    from assistant.replay_open import replay as run
    from assistant.replay_tasks import Verified
    from ui import composition, show_replay
    from ui.cli_audit import require_log

    home = shared(context).home
    require_log(home)
    key = int(record) if record.isascii() and record.isdigit() and len(record) < 19 else record
    with composition.log(home) as log:
        actor = composition.actor_of(composition.terminal_asker())
        found = run(log, actor, key, lambda: open_replayer(home), remote=remote)
    if json:
        terminal.say_json(show_replay.as_json(found))
    elif isinstance(found, Verified):
        show_replay.verified(terminal.out(), found)
    else:
        show_replay.replayed(terminal.out(), found)
    raise typer.Exit(0 if _same(found) else REPLAY_DIFFERS)


def _same(found: Replay | Verified) -> bool:
    from assistant.replay_tasks import Verified

    return not found.broken if isinstance(found, Verified) else found.equal
