"""`cloister compare`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar, cast

import typer

from ui import failures, terminal
from ui.context import shared
from ui.errors import UsageError
from ui.options import checked_day

if TYPE_CHECKING:
    from assistant.compare import Comparison

_Result = TypeVar("_Result")

Left = Annotated[str, typer.Argument(metavar="LEFT", help="The earlier document: source or id.")]
Right = Annotated[
    str | None,
    typer.Argument(
        metavar="RIGHT",
        help="The later one. Without it: the version of LEFT before the one in force, with that "
        "one; or LEFT on two days.",
    ),
]
In = Annotated[
    list[str] | None,
    typer.Option(
        "--collection", metavar="NAME", help="Only this collection; may be given several times."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object to stdout, nothing else.")]


class Tasks(Protocol):
    """What does tasks: `assistant.pipeline.Assistant`."""

    def run(self, request: Any, cancelled: Callable[[], bool] | None = None) -> Iterator[object]:
        """Progress, items and at the end the result of what is asked for."""
        ...


def compare(
    context: typer.Context,
    left: Left,
    right: Right = None,
    as_of_left: Annotated[
        str | None,
        typer.Option("--as-of-left", metavar="DATE", help="LEFT as it was in force on that day."),
    ] = None,
    as_of_right: Annotated[
        str | None,
        typer.Option("--as-of-right", metavar="DATE", help="RIGHT as it was in force on that day."),
    ] = None,
    collection: In = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Show what moved or changed in wording only, too.")
    ] = False,
    json: Json = False,
) -> None:
    """Compare two documents, or two versions of one, clause by clause."""
    from assistant.compare import Comparison, Request
    from ui import composition, show_compare

    days = [None if day is None else checked_day(day) for day in (as_of_left, as_of_right)]
    if not left.strip() or (right is not None and not right.strip()):
        raise UsageError("Name the documents to compare by their source or id.")
    request = Request(
        composition.terminal_asker(),
        left,
        right or "",
        frozenset(collection) if collection else None,
        *days,
    )
    with composition.assistant(shared(context).home) as assistant:
        found = finished(cast(Tasks, assistant), request, Comparison)
    if json:
        terminal.say_json(comparison_json(found))
    else:
        show_compare.comparison(terminal.out(), found, everything)


def finished(assistant: Tasks, request: object, wanted: type[_Result]) -> _Result:
    """The result of a task, its progress shown on stderr meanwhile. Ends the command with the code
    of an interruption if it was cancelled."""
    from assistant.task import Progress

    console = terminal.err()
    status = console.status("") if console.is_terminal else None
    with status or nullcontext(), closing(_generator(assistant.run(request))) as steps:
        for step in steps:
            if isinstance(step, wanted):
                return step
            if isinstance(step, Progress) and status is not None:
                status.update(terminal.visible(f"{step.done} of {step.total}: {step.about}"))
    raise typer.Exit(failures.INTERRUPTED)


def _generator(steps: Iterator[_Result]) -> Any:
    """`steps` as something that can be closed: leaving early is recorded by whoever makes them."""
    yield from steps


def comparison_json(found: Comparison) -> dict[str, object]:
    """What `compare --json` prints. The keys are an interface."""
    return {
        "left": asdict(found.left),
        "right": asdict(found.right),
        "counts": dict(found.counts),
        "unchanged": found.unchanged,
        "changes": [asdict(change) for change in found.changes],
        "citations": [asdict(citation) for citation in found.citations],
        "notes": list(found.notes),
        "record": found.record,
        "timings": dict(found.timings),
    }
