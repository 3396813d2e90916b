"""Options that several commands share."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from ui.errors import UsageError

In = Annotated[str, typer.Option("--collection", metavar="NAME", help="The collection.")]
Json = Annotated[bool, typer.Option("--json", help="JSON to stdout, nothing else.")]
Gated = Annotated[
    bool,
    typer.Option(
        "--gated", help="Ask the sets of gates.toml first; refused if a figure is beyond its bound."
    ),
]
GateSet = Annotated[
    str, typer.Option("--set", metavar="SET", help="Only this set of gates.toml; with --gated.")
]
DEFAULT = "default"


def checked_collection(collection: str) -> str:
    """A collection's name, which becomes the name of a folder, so it must be a plain word.

    Raises UsageError.
    """
    word = collection.replace("-", "").replace("_", "").replace(".", "")
    if not word.isalnum() or not collection[0].isalnum() or len(collection) > 64:
        raise UsageError(
            f"The name {collection!r} cannot be used for a collection; use up to 64 letters, "
            "digits, dots, dashes and underscores, the first a letter or digit."
        )
    return collection


def checked_day(text: str) -> str:
    """A day as ISO 8601 writes it. Raises UsageError."""
    try:
        day = date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        day = ""
    if day != text.strip() or not day:
        raise UsageError(f"{text!r} is not a day; write it as 2025-06-30.")
    return day
