"""What ingestion tells a person or a program: progress, summary, lists."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from ingest.statement import statement
from ui.ports import CollectionCounts, DocumentLine, FailedLine, ProblemLine
from ui.terminal import visible

if TYPE_CHECKING:
    from ingest.progress import FailedSource, Summary
    from ingest.progress import Progress as Report


class CatchUpLine(Protocol):
    """A search view that a process is bringing up to date. Counts are of chunks."""

    @property
    def view(self) -> str: ...
    @property
    def shelf(self) -> str: ...
    @property
    def collection(self) -> str: ...
    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def since(self) -> str: ...
    @property
    def process(self) -> int: ...


FAILURES_SHOWN = 50
WIDE = 120  # columns from which titles are shown beside sources


@contextmanager
def progress_bar(console: Console) -> Iterator[Callable[[Report], None]]:
    """A bar with files, pages, chunks a second and time left; quiet if this is no terminal."""
    bar = Progress(
        TextColumn("{task.fields[files]}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[counts]}"),
        TextColumn("{task.fields[left]}", style="cyan"),
        TextColumn("{task.fields[current]}", style="dim"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=None, files="looking", counts="", left="", current="")

        def report(now: Report) -> None:
            bar.update(
                task,
                total=now.files_total or None,
                completed=now.files_done,
                files=f"{now.files_done}/{now.files_total} files",
                counts=f"{now.pages:,} pages · {now.chunks_per_second:,.0f} chunks/s",
                left="" if now.seconds_left is None else f"{duration(now.seconds_left)} left",
                current=visible(now.current)[-32:],
            )

        yield report


def duration(seconds: float) -> str:
    """'42 s', '3 min 05 s', '2 h 10 min'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if whole >= 10 else f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _plain_table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        numeric = column.startswith("#")
        table.add_column(column.lstrip("#"), justify="right" if numeric else "left")
    return table


def summary(console: Console, done: Summary) -> None:
    """The table at the end of a run."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(justify="left")
    table.add_column(justify="right")
    rows = {
        "New documents": done.added,
        "New versions": done.changed,
        "Moved": done.moved,
        "Described anew": done.described,
        "Removed": done.removed,
        "Unchanged": done.unchanged,
        "Same content, other name": done.duplicates,
        "Failed": len(done.failed),
        "In quarantine": len(done.quarantined),
        "Incomplete": len(done.incomplete),
        "Pages": done.pages,
        "Chunks": done.chunks,
    }
    table.add_row("Collection", visible(done.collection))
    for name, count in rows.items():
        if count or name in ("New documents", "Failed", "Pages", "Chunks"):
            table.add_row(name, f"{count:,}")
    table.add_row("Time", duration(done.seconds))
    console.print(table)
    for each in done.incomplete[:FAILURES_SHOWN]:
        said = f"{visible(each.source)}: {visible(each.warning)}"
        console.print(Text(said, style="yellow"), soft_wrap=True)
    if len(done.incomplete) > FAILURES_SHOWN:
        console.print(f"and {len(done.incomplete) - FAILURES_SHOWN:,} more incomplete documents")
    if done.quarantined:
        console.print(
            "What is in quarantine is left alone until it changes; `cloister ingest status` says "
            "why, `cloister ingest retry` tries again."
        )


def failures(console: Console, failed: Sequence[FailedSource]) -> None:
    """One sentence for each file that was not taken in."""
    for each in failed[:FAILURES_SHOWN]:
        console.print(Text(visible(each.sentence), style="red"), soft_wrap=True)
    if len(failed) > FAILURES_SHOWN:
        more = len(failed) - FAILURES_SHOWN
        console.print(f"and {more:,} more; `cloister ingest status` lists them all.")


def summary_json(done: Summary) -> dict[str, object]:
    """What `ingest add --json` prints."""
    values = dataclasses.asdict(done)
    values["failed"] = [
        {"source": f.source, "failure": f.failure.value, "sentence": f.sentence}
        for f in done.failed
    ]
    return values


def document_json(document: DocumentLine) -> dict[str, object]:
    """What `ingest list --json` prints for a document."""
    return {
        "document": document.id,
        "collection": document.collection,
        "source": document.source,
        "title": document.title,
        "media_type": document.media_type,
        "version": document.version,
        "pages": document.pages,
        "chunks": document.chunks,
        "added_at": document.added_at,
        "status": document.status.value,
        "effective_from": document.effective_from,
        "effective_to": document.effective_to,
        "supersedes": list(document.supersedes),
        "parent": document.parent or None,
        "completeness": statement(document.completeness),
    }


def warnings(console: Console, found: Sequence[DocumentLine]) -> None:
    """One line for each document of which too little could be read."""
    for document in found:
        stated = document.completeness
        if stated is not None and stated.warning:
            said = f"{visible(document.source)}: {stated.warning}"
            console.print(Text(said, style="yellow"), soft_wrap=True)


def documents(console: Console, found: Sequence[DocumentLine], collection: str) -> None:
    """The documents of a collection as a table."""
    if not found:
        console.print(f"The collection {visible(collection)} holds no document.")
        return
    standings = {document.status.value for document in found}
    shown = () if standings == {"current"} else ("Status",)
    table = _plain_table("Source", "#Version", "#Pages", "#Chunks", "Id", *shown)
    table.columns[0].overflow = "fold"
    if console.width >= WIDE:
        table.add_column("Title")
    for document in found:
        title = (Text(visible(document.title)),) if console.width >= WIDE else ()
        table.add_row(
            Text(visible(document.source)),
            str(document.version),
            f"{document.pages:,}",
            f"{document.chunks:,}",
            document.id[:8],
            *((document.status.value,) if shown else ()),
            *title,
        )
    console.print(table)


def status_json(
    found: Sequence[CollectionCounts],
    failed: Sequence[FailedLine],
    documents: Sequence[DocumentLine] = (),
    catching_up: Sequence[CatchUpLine] = (),
) -> dict[str, object]:
    """What `ingest status --json` prints; a lag is how many changes a search view is behind.

    `catching_up` says which views a process is bringing up to date, and how many chunks are done.
    """
    counts = ("documents", "superseded", "pages", "chunks")
    troubles = ("failed_sources", "quarantined", "incomplete")
    keys = ("name", *counts, *troubles, "lexical_lag", "chroma_lag")
    return {
        "collections": [
            {**{key: getattr(each, key) for key in keys}, "groups": sorted(each.groups)}
            for each in found
        ],
        "failed": [
            {
                "collection": s.collection,
                "source": s.source,
                "status": s.status.value,
                "failure": s.failure,
                "attempts": s.attempts,
                "sentence": s.error,
            }
            for s in failed
        ],
        "documents": [
            {
                "collection": document.collection,
                "source": document.source,
                "document": document.id,
                "completeness": statement(document.completeness),
            }
            for document in documents
        ],
        "catching_up": [
            {
                "collection": each.collection,
                "view": each.view,
                "shelf": str(each.shelf),
                "done": each.done,
                "total": each.total,
                "since": each.since,
                "process": each.process,
            }
            for each in catching_up
        ],
    }


def catching_up(console: Console, found: Sequence[CatchUpLine]) -> None:
    """One line for each search view that is being brought up to date."""
    for each in found:
        share = 100 * min(each.done, each.total) // max(each.total, 1)
        past = " of past documents" if str(each.shelf) == "past" else ""
        console.print(
            f"Catching up: {each.view}{past} of {visible(each.collection)}, {share} % "
            f"({each.done:,} of {each.total:,} chunks) since {each.since}, "
            f"by process {each.process}.",
            markup=False,
            soft_wrap=True,
        )


def status(
    console: Console,
    found: Sequence[CollectionCounts],
    failed: Sequence[FailedLine],
    views: Sequence[CatchUpLine] = (),
) -> None:
    """Counts by collection, then views that lag and are being caught up, then what failed."""
    if not found:
        console.print("Nothing is ingested yet; begin with `cloister ingest add FOLDER`.")
        return
    troubles = [
        (heading, key)
        for heading, key in (("#Quarantined", "quarantined"), ("#Incomplete", "incomplete"))
        if any(getattr(each, key) for each in found)
    ]
    headings = [heading for heading, _ in troubles]
    table = _plain_table(
        "Collection", "#Documents", "#Pages", "#Chunks", "#Failed", *headings, "Readers"
    )
    for each in found:
        table.add_row(
            Text(visible(each.name)),
            f"{each.documents:,}",
            f"{each.pages:,}",
            f"{each.chunks:,}",
            f"{each.failed_sources:,}",
            *(f"{getattr(each, key):,}" for _, key in troubles),
            Text(visible(", ".join(sorted(each.groups)))),
        )
    console.print(table)
    catching_up(console, views)
    for state in failed:
        held = (
            f" (in quarantine after {state.attempts} attempts)"
            if state.status == "quarantined"
            else ""
        )
        console.print(Text(f"{visible(state.error)}{held}", style="red"), soft_wrap=True)


def problems_json(found: Sequence[ProblemLine]) -> dict[str, object]:
    """What `ingest verify --json` prints."""
    return {"problems": [{"where": p.where, "what": p.what, "repaired": p.repaired} for p in found]}


def problems(console: Console, found: Sequence[ProblemLine]) -> None:
    """What does not fit together, one line each."""
    if not found:
        console.print("Originals, catalogue and search views agree.")
    for problem in found:
        mended = " (mended)" if problem.repaired else ""
        console.print(Text(f"{problem.where}: {visible(problem.what)}{mended}"), soft_wrap=True)
