"""`cloister summarise`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ui import terminal
from ui.cli_compare import In, Json, Tasks, finished
from ui.context import shared
from ui.options import checked_day

if TYPE_CHECKING:
    from assistant.summarise import Summary

Documents = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="DOCUMENT...",
        help="Sources or ids; without any, all that you may read (or of --collection).",
    ),
]


def summarise(
    context: typer.Context,
    documents: Documents = None,
    collection: In = None,
    about: Annotated[
        str, typer.Option("--about", metavar="TEXT", help="Only what is near to these words.")
    ] = "",
    length: Annotated[
        int, typer.Option("--length", metavar="N", min=1, max=200, help="Statements a document.")
    ] = 8,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="DATE", help="What was in force on that day, not today."),
    ] = None,
    verbatim: Annotated[
        bool, typer.Option("--verbatim", help="The document's own sentences only, no model.")
    ] = False,
    json: Json = False,
) -> None:
    """Summarise documents, with the exact place for every statement."""
    from assistant.summarise import Request, Summary
    from ui import composition, show_compare

    request = Request(
        composition.terminal_asker(),
        tuple(documents or ()),
        frozenset(collection) if collection else None,
        about,
        length,
        None if as_of is None else checked_day(as_of),
        verbatim,
    )
    with composition.assistant(shared(context).home) as assistant:
        found = finished(cast(Tasks, assistant), request, Summary)
    if json:
        terminal.say_json(summary_json(found))
    else:
        show_compare.summary(terminal.out(), found)


def summary_json(found: Summary) -> dict[str, object]:
    """What `summarise --json` prints. The keys are an interface."""
    return {
        "documents": [asdict(each) for each in found.documents],
        "common": [asdict(each) for each in found.common],
        "citations": [asdict(each) for each in found.citations],
        "notes": list(found.notes),
        "model": found.model,
        "removed": len(found.removed),
        "record": found.record,
        "timings": dict(found.timings),
    }
