"""The commands below `cloister ingest`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ui import cli_sync, terminal
from ui.context import shared
from ui.errors import SomeFailed
from ui.options import DEFAULT, In, Json, checked_collection

app = typer.Typer(help="Take documents in, and look after them.", no_args_is_help=True)
NAMES = typer.Argument(metavar="[NAME]...", help="Sources, or nothing for all of them.")


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

    checked_collection(collection)
    bar = show_ingest.progress_bar(terminal.err())
    with composition.ingestor(shared(context).home) as ingestor, bar as report:
        summary = ingestor.add(paths, collection, report)
    if json:
        terminal.say_json(show_ingest.summary_json(summary))
    else:
        show_ingest.summary(terminal.out(), summary)
    show_ingest.failures(terminal.err(), summary.failed)
    cli_sync.refuse_failed(len(summary.failed))


app.command("sync")(cli_sync.sync)
app.command("watch")(cli_sync.watch)


@app.command()
def retry(
    context: typer.Context,
    names: Annotated[list[str] | None, NAMES] = None,
    collection: In = DEFAULT,
    json: Json = False,
) -> None:
    """Read again what failed or is in quarantine."""
    from ui import composition, show_ingest

    checked_collection(collection)
    bar = show_ingest.progress_bar(terminal.err())
    with composition.ingestor(shared(context).home) as ingestor, bar as report:
        summary = ingestor.retry(names or (), collection, report)
    if json:
        terminal.say_json(show_ingest.summary_json(summary))
    else:
        show_ingest.summary(terminal.out(), summary)
    show_ingest.failures(terminal.err(), summary.failed)
    cli_sync.refuse_failed(len(summary.failed))


@app.command()
def release(
    context: typer.Context,
    names: Annotated[list[str] | None, NAMES] = None,
    collection: In = DEFAULT,
    json: Json = False,
) -> None:
    """Take files out of quarantine, so that the next run tries them again."""
    from ui import composition

    with composition.ingestor(shared(context).home) as ingestor:
        released = ingestor.release(names or (), checked_collection(collection))
    for source in released:
        if json:
            terminal.say_json({"released": source, "collection": collection})
        else:
            typer.echo(f"Released {terminal.visible(source)}")


@app.command("list")
def list_documents(
    context: typer.Context,
    collection: In = DEFAULT,
    every: Annotated[
        bool, typer.Option("--all", help="Drafts, withdrawn and superseded ones, too.")
    ] = False,
    json: Json = False,
) -> None:
    """List the documents of a collection."""
    from ui import composition, show_ingest

    with composition.ingestor(shared(context).home) as ingestor:
        documents = ingestor.list(checked_collection(collection), every)
    if json:
        for document in documents:
            terminal.say_json(show_ingest.document_json(document))
    else:
        show_ingest.documents(terminal.out(), documents, collection)


@app.command()
def status(context: typer.Context, json: Json = False) -> None:
    """Count what each collection holds, and list what failed, is in quarantine or incomplete."""
    from ui import composition, show_ingest

    with composition.ingestor(shared(context).home) as ingestor:
        stands = ingestor.status()
        found = stands.collections
        failed = [
            state
            for each in found
            if each.failed_sources or each.quarantined
            for state in ingestor.sources(each.name)
            if state.error
        ]
        documents = [
            document
            for each in found
            if json or each.incomplete
            for document in ingestor.list(each.name)
        ]
    if json:
        terminal.say_json(show_ingest.status_json(found, failed, documents, stands.catching_up))
    else:
        show_ingest.status(terminal.out(), found, failed, stands.catching_up)
        show_ingest.warnings(terminal.out(), documents)


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
            for source in ingestor.remove(name, checked_collection(collection)):
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
    purge: Annotated[
        bool, typer.Option("--purge", help="Then remove every byte of what was deleted.")
    ] = False,
    json: Json = False,
) -> None:
    """Compare originals, catalogue and search views with each other."""
    from ui import composition, show_ingest

    with composition.ingestor(shared(context).home) as ingestor:
        problems = ingestor.verify(repair, purge)
    if json:
        terminal.say_json(show_ingest.problems_json(problems))
    else:
        show_ingest.problems(terminal.out(), problems)
    left = sum(not problem.repaired for problem in problems)
    if left:
        advice = "remove and ingest these documents again" if repair else "run it with --repair"
        raise SomeFailed(f"{left} of {len(problems)} problems remain: {advice}.")
