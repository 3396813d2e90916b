"""A sweep in the chat: the question of an earlier turn put to every document, row by row.

The rows are read in a thread of their own, as answers are (`ui.flow`): Stop, sign-out and a reader
who closes the page end the sweep at the next document. What was shown stands in the log, and with a
folder it is kept, so that the same sweep goes on where it was.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from assistant.sweep import Request, SweepResult
from assistant.sweep_rows import asked_of
from ui import render_sweep
from ui.flow import POLL_SECONDS, ended_first, read_apart
from ui.ports import Assistant
from ui.sweep_view import View, advance, places, stopped
from ui.web_session import Conversation, Offered, Session

_SLOWER = 400  # rows that slow drawing by a second: the page is drawn anew each time


class Sweeps(Assistant, Protocol):
    """What the chat needs of an assistant."""

    def run(
        self, request: Request, cancelled: Callable[[], bool] | None = None
    ) -> Iterator[object]:
        """Progress, rows as they are done, and the result."""
        ...


def sweep(
    assistant: Sweeps, session: Session, number: int, folder: Path | None = None
) -> Generator[View, None, None]:
    """The views of the sweep that turn `number` offered, the last one over; none if it offered
    nothing. Raises nothing but what ends the process.

    A view that is yielded again, the same object, says that nothing has changed. `folder` is where
    rows are kept until the sweep is finished. While something else runs in the same session nothing
    is begun. If the conversation is ended meanwhile the views end without a result.
    """
    conversation = session.conversation
    offered = conversation.offers.get(number)
    if offered is None or not conversation.busy.acquire(blocking=False):
        return
    stop = threading.Event()
    try:
        name = conversation.name
        request = Request(session.asker, offered.question, as_of=offered.as_of, folder=folder)
        begun = _begun(conversation.begin(stop), request, offered)
        conversation.offers[begun.number] = offered
        yield begun
        for view in _views(assistant, request, begun, stop):
            if conversation.name != name:
                return
            _keep(conversation, view)
            yield view
    finally:
        stop.set()  # whoever stopped listening also stops the work
        conversation.busy.release()


def _begun(number: int, request: Request, offered: Offered) -> View:
    kept = request.folder is not None
    return View(number, offered.question, asked_of(request), offered.as_of, kept)


def _keep(conversation: Conversation, view: View) -> None:
    conversation.places |= places(view)
    if view.over:
        conversation.keep(render_sweep.sweep(view))


def _views(
    assistant: Sweeps, request: Request, view: View, stop: threading.Event
) -> Generator[View, None, None]:
    def begin() -> Iterator[object]:
        return ended_first(assistant.run(request, stop.is_set), SweepResult)

    steps = read_apart(begin, stop, lambda: None)
    while not view.over:
        told = _next(steps)
        view = advance(view, told if not stop.is_set() else _whole(told))
        if stop.is_set() and not view.over:
            view = stopped(view)
        yield view
        if not view.over:
            stop.wait(min(len(view.rows), _SLOWER) / _SLOWER)


def _next(steps: queue.SimpleQueue[object]) -> list[object]:
    """What has come since, waiting a moment for the first."""
    found: list[object] = []
    try:
        found.append(steps.get(timeout=POLL_SECONDS))
        while True:
            found.append(steps.get_nowait())
    except queue.Empty:
        return found


def _whole(steps: Iterable[object]) -> list[object]:
    """Of steps that came with Stop those that still count: rows, and a result that was made."""
    return [step for step in steps if not isinstance(step, BaseException)]
