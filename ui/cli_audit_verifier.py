"""`cloister audit verifier` and `cloister audit proof`: what an auditor is handed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.options import Json


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("verifier")(verifier)
    app.command("proof")(proof)


def verifier(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="OUT.pyz", help="A new file to write to.")],
    json: Json = False,
) -> None:
    """Write the verifier as one file that an auditor can run without Cloister.

    The same version of Cloister always writes the same bytes: publish the SHA-256 it prints.
    """
    from audit import handover
    from ui import composition

    home = _require_log(context)
    with composition.log(home) as log:
        actor = composition.actor_of(composition.terminal_asker())
        made = handover.hand_over_verifier(log, actor, out)
    if json:
        terminal.say_json(
            {
                "file": str(made.path),
                "bytes": made.size,
                "sha256": made.sha256,
                "modules": list(made.modules),
            }
        )
        return
    typer.echo(
        f"Wrote the verifier to {terminal.visible(str(out))} ({made.size} bytes, SHA-256 "
        f"{made.sha256}); run it with: python3 {terminal.visible(out.name)} --help"
    )


def proof(
    context: typer.Context,
    record: Annotated[str, typer.Argument(metavar="RECORD", help="Number or id of a record.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new file to write to.")],
    json: Json = False,
) -> None:
    """Write one record with the proof that it stands in the log, to be verified anywhere."""
    from audit import handover
    from ui import composition

    home = _require_log(context)
    # A longer number is no record of any log, and no id of one either.
    key = int(record) if record.isascii() and record.isdigit() and len(record) < 19 else record
    with composition.log(home) as log:
        actor = composition.actor_of(composition.terminal_asker())
        made = handover.hand_over_proof(log, actor, key, out)
        public = log.verifier_key.text()
    if json:
        terminal.say_json(
            {
                "file": str(out),
                "record": made.seq,
                "bytes": len(made.text()),
                "proof_bytes": made.overhead,
                "key": public,
            }
        )
        return
    typer.echo(
        f"Wrote the proof of record {made.seq} to {terminal.visible(str(out))} ({made.overhead} "
        "bytes besides the record); verify it with: cloister-verify --proof "
        f"{terminal.visible(out.name)} --key {terminal.visible(public)}"
    )


def _require_log(context: typer.Context) -> Path:
    """The data folder. Raises LogMissingError: looking at a log must not begin a new one."""
    from ui.cli_audit import require_log

    home = shared(context).home
    require_log(home)
    return home
