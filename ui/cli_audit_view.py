"""`cloister audit view`: the log filtered, by answers or by records, saying what it leaves out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import UsageError
from ui.options import Json

if TYPE_CHECKING:
    from audit.ports import AuditLog
    from audit.view_data import Page, Wanted

DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
TAMPERED = 7

Request = Annotated[
    str | None,
    typer.Argument(metavar="REQUEST", help="All records of this request, or of this record's."),
]
Person = Annotated[str | None, typer.Option("--person", metavar="ID", help="Who acted.")]
Since = Annotated[
    datetime | None, typer.Option("--since", formats=DATES, help="From this moment on (local).")
]
Until = Annotated[
    datetime | None, typer.Option("--until", formats=DATES, help="Before this moment (local).")
]
Document = Annotated[
    str | None,
    typer.Option("--document", metavar="ID", help="Names this document; 8 hex digits do."),
]
Verdict = Annotated[
    str | None, typer.Option("--verdict", metavar="VERDICT", help="Such as ANSWERED, ABSTAINED.")
]
Model = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="A model, by name or digest.")
]
Type = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help="Such as task.released, answer.*")
]
Session = Annotated[
    str | None, typer.Option("--session", metavar="ID", help="A session of the chat.")
]
Oldest = Annotated[bool, typer.Option("--oldest", help="The oldest first.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="Rows of a page.")]
Cursor = Annotated[
    int | None, typer.Option("--cursor", metavar="N", help="Go on where the page before ended.")
]
Records = Annotated[bool, typer.Option("--records", help="One line for each record.")]
Payload = Annotated[
    bool, typer.Option("--payload", help="Open the payloads: question, passages, answer.")
]
Quick = Annotated[
    bool, typer.Option("--quick", help="Ask the database's index only; nothing is verified.")
]
Notes = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkpoint", metavar="FILE", help="A checkpoint kept elsewhere; may be repeated."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to `cloister audit`."""
    app.command("view")(view)


def view(
    context: typer.Context,
    request: Request = None,
    person: Person = None,
    since: Since = None,
    until: Until = None,
    document: Document = None,
    verdict: Verdict = None,
    model: Model = None,
    type: Type = None,
    session: Session = None,
    oldest: Oldest = False,
    limit: Limit = 50,
    cursor: Cursor = None,
    records: Records = False,
    payload: Payload = False,
    quick: Quick = False,
    checkpoint: Notes = None,
    json: Json = False,
) -> None:
    """Look at answers, tasks, searches and refusals, or at single records, and check the log.

    Every record is hashed, and the tree compared with the newest checkpoint and those given.
    """
    from audit.view_data import Order, Page, Wanted

    if payload and request is None and not records:
        raise UsageError("Payloads are opened record by record: name a REQUEST or add --records.")
    wanted = Wanted(
        person=person,
        since=_nanoseconds(since),
        until=_nanoseconds(until),
        document=document.lower() if document else None,
        verdict=verdict.upper() if verdict else None,
        model=model,
        type=type,
        request=request,
        session=session,
    )
    single = request is not None
    order = Order.OLDEST if oldest or single else Order.NEWEST
    page = Page(order, 10_000 if single and limit == 50 else limit, cursor)
    notes = [(str(path), _read(path)) for path in checkpoint or []]
    _shown(shared(context).home, wanted, page, records or single, payload, quick, notes, json)


def _shown(
    home: Path,
    wanted: Wanted,
    page: Page,
    records: bool,
    payload: bool,
    quick: bool,
    notes: list[tuple[str, bytes]],
    json: bool,
) -> None:
    from dataclasses import replace

    from audit.view import look
    from audit.view_data import Trust
    from ui import composition, show_audit
    from ui.cli_audit import require_log

    require_log(home)
    with composition.log(home) as log:
        if wanted.request is not None:
            wanted = replace(wanted, request=_request_of(log, wanted.request))
        actor = composition.actor_of(composition.terminal_asker())
        found = look(
            log,
            actor,
            wanted,
            page,
            records=records,
            payloads=payload,
            quick=quick,
            checkpoints=notes,
        )
    if json:
        terminal.say_json(found.as_json())
    else:
        show_audit.view(terminal.out(), found)
    if found.checked.trust is Trust.TAMPERED:
        raise typer.Exit(TAMPERED)


def _request_of(log: AuditLog, named: str) -> str:
    """The request that is meant: one of its records may be named instead, by number or id."""
    from audit.errors import RecordNotFoundError
    from audit.view_envelope import head_of

    key = int(named) if named.isascii() and named.isdigit() and len(named) < 19 else named
    try:
        head = head_of(log.leaf(key).envelope)
    except RecordNotFoundError:
        return named
    if head is None or not head.request_id:
        raise UsageError(
            f"Record {named} belongs to no request: `cloister audit show {named}` shows it."
        )
    return head.request_id


def _nanoseconds(moment: datetime | None) -> int | None:
    """Nanoseconds since 1970; a time without a zone is this machine's."""
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.astimezone()
    return int(aware.timestamp()) * 1_000_000_000 + aware.microsecond * 1000


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"The checkpoint {path} cannot be read ({error.strerror}); check the path."
        ) from error
