"""`cloister ingest sync` and `cloister ingest watch`: a collection kept in step with a folder."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ui import terminal
from ui.context import shared
from ui.errors import SomeFailed
from ui.options import DEFAULT, In, Json, checked_collection

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.sync import SyncSummary
    from ingest.walk import FoundFile

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to follow.")]


def sync(
    context: typer.Context,
    folder: Folder,
    collection: In = DEFAULT,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")
    ] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Delete even if much, or the whole folder, is gone.")
    ] = False,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Compare bytes even where size and time are the same.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a collection say what a folder says: add, change, move and delete."""
    from ui import composition, show_ingest, show_sync

    checked_collection(collection)
    bar = show_ingest.progress_bar(terminal.err())
    with composition.ingestor(shared(context).home) as ingestor, bar as report:
        done = ingestor.sync(
            folder,
            collection,
            dry_run=dry_run,
            confirmed=confirm,
            rehash=rehash,
            progress=report,
        )
    if json:
        terminal.say_json(show_sync.sync_json(done, str(folder), collection))
    else:
        show_sync.sync(terminal.out(), done, dry_run)
    if done.summary is not None:
        show_ingest.failures(terminal.err(), done.summary.failed)
        refuse_failed(len(done.summary.failed))


def refuse_failed(count: int) -> None:
    """End with the code for a run of which something failed. Raises SomeFailed, unless 0 did."""
    if count:
        raise SomeFailed(
            f"{count} {'file was' if count == 1 else 'files were'} not taken in; correct what is "
            "listed above and run the same command again, everything else is kept."
        )


def watch(
    context: typer.Context,
    folder: Folder,
    collection: In = DEFAULT,
    json: Json = False,
) -> None:
    """Follow a folder until stopped: what `sync` does, whenever something changes."""
    from ingest.settings import IngestSettings
    from ingest.watch import keep_level
    from ui import composition, show_ingest, show_sync

    checked_collection(collection)
    home = shared(context).home
    composition.check_settings(home)
    settings = IngestSettings.load(home)

    def once(*, waits: Callable[[FoundFile], bool], keep_missing: bool = False) -> SyncSummary:
        # Opened anew each time, so that the chat, not an idle watch, holds the search views.
        with composition.ingestor(home) as ingestor:
            return ingestor.sync(folder, collection, waits=waits, keep_missing=keep_missing)

    def tell(what: SyncSummary | str) -> None:
        if isinstance(what, str):
            terminal.complain(what)
        elif json:
            terminal.say_json(show_sync.sync_json(what, str(folder), collection))
        else:
            show_sync.line(terminal.out(), what)
            if what.summary is not None:
                show_ingest.failures(terminal.err(), what.summary.failed)

    with until_told() as stop:
        terminal.complain(f"Watching {folder}; Ctrl+C ends it, and nothing is lost by that.")
        keep_level(
            folder,
            once,
            stop,
            settle_seconds=settings.settle_seconds,
            rescan_seconds=settings.rescan_seconds,
            tell=tell,
        )


@contextmanager
def until_told() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set: the comparison under way is finished first. A second
    Ctrl+C interrupts that, too.
    """
    stop = threading.Event()

    def end(_number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
