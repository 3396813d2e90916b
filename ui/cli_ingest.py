"""The commands below `cloister ingest`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import SomeFailed, UsageError

app = typer.Typer(help="Take documents in, and look after them.", no_args_is_help=True)

In = Annotated[str, typer.Option("--collection", metavar="NAME", help="The collection.")]
Json = Annotated[bool, typer.Option("--json", help="JSON to stdout, nothing else.")]
DEFAULT = "default"


def _checked(collection: str) -> str:
    """A collection's name becomes the name of a folder, so it must be a plain word."""
    word = collection.replace("-", "").replace("_", "").replace(".", "")
    if not word.isalnum() or not collection[0].isalnum() or len(collection) > 64:
        raise UsageError(
            f"The name {collection!r} cannot be used for a collection; use up to 64 letters, "
            "digits, dots, dashes and underscores, the first a letter or digit."
        )
    return collection


@app.command()
def add(
    context: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files and folders to read.")
    ],
    collection: In = DEFAULT,
    json: Json = False,
) -> None:
    """Read files and folders into a collection; unchanged files are skipped."""
    from ui import composition, show_ingest

    _checked(collection)
    bar = show_ingest.progress_bar(terminal.err())
    with composition.ingestor(shared(context).home) as ingestor, bar as report:
        summary = ingestor.add(paths, collection, report)
    if json:
        terminal.say_json(show_ingest.summary_json(summary))
    else:
        show_ingest.summary(terminal.out(), summary)
    show_ingest.failures(terminal.err(), summary.failed)
    if summary.failed:
        count = len(summary.failed)
        raise SomeFailed(
            f"{count} {'file was' if count == 1 else 'files were'} not taken in; correct what is "
            "listed above and run the same command again, everything else is kept."
        )


@app.command("list")
def list_documents(context: typer.Context, collection: In = DEFAULT, json: Json = False) -> None:
    """List the documents of a collection."""
    from ui import composition, show_ingest

    with composition.ingestor(shared(context).home) as ingestor:
        documents = ingestor.list(_checked(collection))
    if json:
        for document in documents:
            terminal.say_json(show_ingest.document_json(document))
    else:
        show_ingest.documents(terminal.out(), documents, collection)


@app.command()
def status(context: typer.Context, json: Json = False) -> None:
    """Count what each collection holds, and what failed."""
    from ui import composition, show_ingest

    with composition.ingestor(shared(context).home) as ingestor:
        found = ingestor.status().collections
        failed = [
            state
            for each in found
            if each.failed_sources
            for state in ingestor.sources(each.name)
            if state.error
        ]
    if json:
        terminal.say_json(show_ingest.status_json(found, failed))
    else:
        show_ingest.status(terminal.out(), found, failed)


@app.command()
def remove(
    context: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="Source, document id (8 digits or more) or file name."
        ),
    ],
    collection: In = DEFAULT,
    json: Json = False,
) -> None:
    """Remove documents; they are not found any more from then on."""
    from ui import composition

    with composition.ingestor(shared(context).home) as ingestor:
        for name in names:
            for source in ingestor.remove(name, _checked(collection)):
                if json:
                    terminal.say_json({"removed": source, "collection": collection})
                else:
                    typer.echo(f"Removed {terminal.visible(source)}")


@app.command()
def verify(
    context: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild what can be rebuilt from the catalogue.")
    ] = False,
    json: Json = False,
) -> None:
    """Compare originals, catalogue and search views with each other."""
    from ui import composition, show_ingest

    with composition.ingestor(shared(context).home) as ingestor:
        problems = ingestor.verify(repair)
    if json:
        terminal.say_json(show_ingest.problems_json(problems))
    else:
        show_ingest.problems(terminal.out(), problems)
    left = sum(not problem.repaired for problem in problems)
    if left:
        advice = "remove and ingest these documents again" if repair else "run it with --repair"
        raise SomeFailed(f"{left} of {len(problems)} problems remain: {advice}.")
