"""`cloister classify`: documents sorted under given labels, with the sentences that say so."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from ui import terminal
from ui.cli_extract import AsOf, Documents, In, Json, Tasks, end, read_file
from ui.context import shared
from ui.options import checked_day


def classify(
    context: typer.Context,
    labels: Annotated[
        Path,
        typer.Argument(metavar="LABELS.json", help="Labels and their descriptions, JSON or TOML."),
    ],
    documents: Documents = None,
    collection: In = None,
    as_of: AsOf = None,
    multi: Annotated[
        bool, typer.Option("--multi", help="Any number of labels may hold for a document.")
    ] = False,
    likelihood: Annotated[
        bool,
        typer.Option("--likelihood", help="Let the language model decide what is left unclear."),
    ] = False,
    json: Json = False,
) -> None:
    """Sort documents under labels, with the sentences that speak for each."""
    from assistant import label_file
    from assistant import labels as classifying
    from ui import composition, show_extract

    toml = labels.suffix.lower() == ".toml"
    request = classifying.Request(
        composition.terminal_asker(),
        label_file.parse_labels(read_file(labels, "file of labels"), toml=toml),
        tuple(documents or ()),
        frozenset(collection) if collection else None,
        multi,
        None if as_of is None else checked_day(as_of),
        likelihood,
    )
    result: classifying.Result | None = None
    with composition.assistant(shared(context).home) as assistant:
        events = cast(Tasks, assistant).run(request)
        with closing(cast("Any", events)):
            for event in show_extract.watched(events, terminal.err()):
                if isinstance(event, classifying.Result):
                    result = event
                elif isinstance(event, classifying.Classified):
                    if json:
                        terminal.say_json(show_extract.classified_json(event))
                    else:
                        show_extract.classified(terminal.out(), event)
    if result is None:
        raise RuntimeError("the classification ended without a result")
    show_extract.remarks(result, terminal.complain)
    end(len(result.failed), len(result.documents))
