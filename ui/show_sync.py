"""What `sync` and `watch` tell a person or a program."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from ui import show_ingest
from ui.terminal import visible

if TYPE_CHECKING:
    from ingest.sync import SyncPlan, SyncSummary

SHOWN = 50  # names of each kind
_WORDS = {
    "added": "new",
    "changed": "changed",
    "moved": "moved",
    "deleted": "deleted",
    "described": "described anew",
    "again": "tried again",
    "quarantined": "in quarantine",
}


def sync_json(done: SyncSummary, folder: str, collection: str) -> dict[str, object]:
    """What `ingest sync --json` prints; `summary` is null for a dry run."""
    plan = done.plan
    return {
        "folder": folder,
        "collection": collection,
        "counts": plan.counts,
        "added": [file.source for file in plan.added],
        "changed": [file.source for file in plan.changed],
        "moved": [{"from": move.old.source, "to": move.file.source} for move in plan.moved],
        "deleted": [state.source for state in plan.deleted],
        "described": [file.source for file in plan.described],
        "quarantined": [state.source for state in plan.quarantined],
        "summary": None if done.summary is None else show_ingest.summary_json(done.summary),
    }


def sync(console: Console, done: SyncSummary, dry_run: bool) -> None:
    """The plan, file by file for a dry run, and what came of it."""
    if done.plan.is_empty:
        console.print(f"Nothing to do: {_unchanged(done.plan):,} files are unchanged.")
    elif dry_run:
        console.print("Would be done:")
    else:
        console.print(Text(counted(done.plan)))
    if dry_run:
        for kind, names in _named(done.plan):
            for name in names[:SHOWN]:
                console.print(Text(f"  {kind:<14} {visible(name)}"), soft_wrap=True)
            if len(names) > SHOWN:
                console.print(f"  {kind:<14} and {len(names) - SHOWN:,} more")
    if done.summary is not None and not done.plan.is_empty:
        show_ingest.summary(console, done.summary)


def line(console: Console, done: SyncSummary) -> None:
    """One line for a round of `watch`."""
    seconds = f", {show_ingest.duration(done.summary.seconds)}" if done.summary else ""
    console.print(Text(f"{time.strftime('%H:%M:%S')} {counted(done.plan)}{seconds}"))


def counted(plan: SyncPlan) -> str:
    """'2 new, 1 changed, 40 unchanged'."""
    counts = plan.counts
    parts = [f"{counts[key]:,} {word}" for key, word in _WORDS.items() if counts[key]]
    return ", ".join([*parts, f"{_unchanged(plan):,} unchanged"])


def _unchanged(plan: SyncPlan) -> int:
    """Files whose bytes are what they were, though some have another time."""
    return plan.unchanged + len(plan.touched)


def _named(plan: SyncPlan) -> Iterator[tuple[str, list[str]]]:
    yield "new", [file.source for file in plan.added]
    yield "changed", [file.source for file in plan.changed]
    yield "moved", [f"{move.old.source} → {move.file.source}" for move in plan.moved]
    yield "deleted", [state.source for state in plan.deleted]
    yield "described anew", [file.source for file in plan.described]
    yield "tried again", [file.source for file in plan.again]
    yield "in quarantine", [state.source for state in plan.quarantined]
