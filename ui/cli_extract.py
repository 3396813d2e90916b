"""`cloister extract`: the fields of a JSON Schema from documents, each with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Protocol, cast

import typer

from ui import terminal
from ui.context import shared
from ui.errors import SomeFailed, UsageError
from ui.options import checked_day

Documents = Annotated[
    list[str] | None,
    typer.Argument(metavar="[DOCUMENT]...", help="Sources or ids; without any, all documents."),
]
In = Annotated[
    list[str] | None,
    typer.Option(
        "--collection", metavar="NAME", help="Only this collection; may be given several times."
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="What was in force on that day, not today."),
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON object a document to stdout, nothing else.")
]


class Tasks(Protocol):
    """What does tasks: `assistant.pipeline.Assistant`."""

    def run(self, request: Any, cancelled: Callable[[], bool] | None = None) -> Iterator[object]:
        """Progress, items and at the end the result of what is asked for."""
        ...


def extract(
    context: typer.Context,
    schema: Annotated[
        Path, typer.Argument(metavar="SCHEMA.json", help="JSON Schema of what is wanted.")
    ],
    documents: Documents = None,
    collection: In = None,
    as_of: AsOf = None,
    rules_only: Annotated[
        bool, typer.Option("--rules-only", help="Do not ask the language model.")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a table there, as CSV.")
    ] = None,
    json: Json = False,
) -> None:
    """Fill the fields of a JSON Schema from each document, with the exact place of each value."""
    from assistant import extract as extracting
    from assistant import extract_schema
    from ui import composition, show_extract

    text = read_file(schema, "schema")
    wanted = extract_schema.parse(text)
    refuse_folder(csv)
    request = extracting.Request(
        composition.terminal_asker(),
        text,
        tuple(documents or ()),
        frozenset(collection) if collection else None,
        None if as_of is None else checked_day(as_of),
        rules_only,
    )
    result: extracting.Result | None = None
    with composition.assistant(shared(context).home) as assistant:
        events = cast(Tasks, assistant).run(request)
        with closing(cast("Any", events)):
            for event in show_extract.watched(events, terminal.err()):
                if isinstance(event, extracting.Result):
                    result = event
    if result is None:
        raise RuntimeError("the extraction ended without a result")
    for form in result.forms:
        if json:
            terminal.say_json(show_extract.form_json(form))
        else:
            show_extract.form(terminal.out(), form)
    if csv is not None:
        write_file(csv, show_extract.to_csv(result, wanted.fields))
    show_extract.remarks(result, terminal.complain)
    end(len(result.failed), len(result.forms))


def end(failed: int, done: int) -> None:
    """Raises SomeFailed if documents failed."""
    if failed:
        raise SomeFailed(f"{failed} of {failed + done} documents failed; the lines above say why.")


def read_file(path: Path, what: str) -> str:
    """The text of a file that the command line names. Raises UsageError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"The {what} {path} cannot be read ({error.strerror}); check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The {what} {path} is not UTF-8 text; save it as UTF-8.") from error


def refuse_folder(path: Path | None) -> None:
    """Raises UsageError, before anything is done, if a file cannot be written there."""
    if path is not None and (path.is_dir() or not path.parent.is_dir()):
        raise UsageError(f"{path} cannot be written; name a file in a folder that is there.")


def write_file(path: Path, text: str) -> None:
    """Write a table. Raises UsageError."""
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); name another.") from error
