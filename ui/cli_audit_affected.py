"""`cloister audit affected`: which past answers relied on a document, a model or a prompt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import UsageError
from ui.options import Json

if TYPE_CHECKING:
    from audit.ports import AuditLog

What = Annotated[
    str | None,
    typer.Argument(
        metavar="WHAT",
        help="A document (id or source), a version (source@2), a model or prompt (name or digest).",
    ),
]
Mine = Annotated[
    bool, typer.Option("--mine", help="Your own answers whose documents have changed since.")
]
Dismiss = Annotated[
    list[int] | None,
    typer.Option("--dismiss", metavar="N", help="With --mine: put this notice away."),
]
Clear = Annotated[
    bool, typer.Option("--clear", help="Open no payloads: only what is cited or was read.")
]
_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_VERSION = re.compile(r"(.+)@([0-9]{1,9})")


def register(app: typer.Typer) -> None:
    """Add the command to `cloister audit`."""
    app.command("affected")(affected)


def affected(
    context: typer.Context,
    what: What = None,
    mine: Mine = False,
    dismiss: Dismiss = None,
    clear: Clear = False,
    json: Json = False,
) -> None:
    """List past answers, tasks and searches that relied on something, and how much."""
    if (what is None) != mine:
        raise UsageError("Name what they relied on, or ask for --mine.")
    if dismiss and not mine:
        raise UsageError("Only your own notices can be put away: add --mine.")
    from audit.affected import affected as recall
    from ui import composition, show_audit
    from ui.cli_audit import require_log

    home = shared(context).home
    require_log(home)
    if what is None:
        _mine(home, dismiss or [], json)
        return
    with composition.log(home) as log:
        actor = composition.actor_of(composition.terminal_asker())
        found = recall(log, actor, _wanted(home, log, what), deep=not clear)
    if json:
        terminal.say_json(found.as_json())
    else:
        show_audit.affected(terminal.out(), found)


def _wanted(home: Path, log: AuditLog, what: str) -> list[str]:
    """What the argument means: an id or digest as it is, a source as the ids that it held, and
    what is no source as a name of a model or prompt. Raises UsageError for an unknown version."""
    from audit.affected import documents_named

    if _DIGEST.fullmatch(what.lower()):
        return [what.lower()]
    exact = _in_catalogue(home, log, what, None) or [*documents_named(log, what)]
    if exact:
        return exact
    versioned = _VERSION.fullmatch(what)
    if versioned is None:
        return [what]
    source, version = versioned[1], int(versioned[2])
    ids = [*documents_named(log, source, version)]
    ids = ids or _in_catalogue(home, log, source, version)
    if not ids:
        raise UsageError(
            f"No source {source} of version {version} is on record; "
            "`cloister ingest list --all` shows sources and versions."
        )
    return ids


def _in_catalogue(home: Path, log: AuditLog, source: str, version: int | None) -> list[str]:
    """The ids of the documents, old versions too, that the catalogue has of this source."""
    from ingest.compose import open_ingestor
    from ui import composition

    if not (home / "catalogue.db").exists():
        return []
    actor = composition.actor_of(composition.terminal_asker())
    with open_ingestor(home, log, actor) as ingesting:
        return [
            each.id
            for collection in ingesting.status().collections
            for each in ingesting.list(collection.name, every=True)
            if (each.source == source or each.source.endswith(f"/{source}"))
            and version in (None, each.version)
        ]


def _mine(home: Path, dismissed: list[int], json: bool) -> None:
    from audit import notices
    from ui import composition, show_audit
    from ui.notices import readable_here

    asker = composition.terminal_asker()
    actor = composition.actor_of(asker)
    with composition.log(home) as log:
        if dismissed and notices.dismiss(log, actor, dismissed) < len(set(dismissed)):
            raise UsageError(
                "Not every number is a notice of yours: `cloister audit affected --mine` lists "
                "them."
            )
        found = notices.notices(log, actor, readable_here(home, log, asker))
    if json:
        terminal.say_json({"notices": [each.as_json() for each in found]})
    else:
        show_audit.notices(terminal.out(), found)
