"""Runs one question of the chat and yields what the page should show after each step.

The assistant's stream is read in a thread of its own. Stop, sign-out and a reader who closes the
page all set the conversation's `stop`, which the model asks between tokens: it ends within one
token, also in a long stretch of which nothing is released. Sentences already released stand in the
log and stay shown.

That a page was closed is only noticed by whoever yields to it: Gradio 6 marks the call as dead as
soon as the browser's connection ends, but closes this generator only after its next step. So while
nothing happens the last view is yielded again, every `POLL_SECONDS`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

from assistant.answer import Answer, Event, Question, Verdict
from ui import failures, render, turn
from ui.counting import counted
from ui.ports import Answers
from ui.turn import View
from ui.web_session import Conversation, Offered, Session

_Step = TypeVar("_Step")

POLL_SECONDS = 0.25  # how soon a page notices Stop, and Gradio's closing is noticed
HISTORY_SENT = 6  # earlier turns that a follow-up may lean on


def converse(
    assistant: Answers, session: Session, text: str, as_of: str | None = None
) -> Generator[View, None, None]:
    """The views of a new turn, the last one finished. Raises nothing but what ends the process.

    A view that is yielded again, the same object, says that nothing has changed. `as_of` is the
    day (ISO 8601) that the question is about, None for today. A second question while one runs in
    the same session is answered with a sentence. If the conversation is ended meanwhile (a new one
    was begun, or its reader signed out) the views end without an answer.
    """
    conversation = session.conversation
    if not conversation.busy.acquire(blocking=False):
        yield turn.failed(View(0, text), "One question at a time: wait for the answer above.")
        return
    stop = threading.Event()
    try:
        begun = View(conversation.begin(stop), text)
        question = Question(
            text,
            session.asker,
            tuple(conversation.history[-HISTORY_SENT:]),
            as_of=as_of,
            conversation=conversation.name,
        )
        yield begun
        for view in _views(assistant, question, conversation, begun, stop):
            if conversation.name != question.conversation:
                return
            conversation.places |= turn.places(view)
            if view.answer is not None:
                if view.answer.offer is not None:
                    conversation.offers[view.number] = Offered(text, as_of)
                conversation.finish(text, view.answer, render.turn(view))
            yield view
    finally:
        stop.set()  # whoever stopped listening also stops the work
        conversation.busy.release()


def _views(
    assistant: Answers,
    question: Question,
    conversation: Conversation,
    view: View,
    stop: threading.Event,
) -> Generator[View, None, None]:
    if stop.is_set():  # signed out before it began
        yield turn.stopped(view)
        return

    def forget() -> None:
        if conversation.name != question.conversation:  # ended before the model was done
            assistant.forget(question.conversation)

    def begin() -> Iterator[Event]:
        events = assistant.stream(question, cancelled=stop.is_set)
        return ended_first(counted(events), Answer)

    steps = read_apart(begin, stop, forget)
    while not view.done:
        try:
            step = steps.get(timeout=POLL_SECONDS)
        except queue.Empty:
            step = None
        if stop.is_set() and not _whole(step):
            view = turn.stopped(view)
        elif step is None:
            view = turn.noticed(view, assistant.model_status().state == "loading")
        elif isinstance(step, BaseException):
            view = turn.failed(view, failures.describe(step).sentence)
        else:
            view = turn.advance(view, step)
        yield view


def _whole(step: Event | BaseException | None) -> bool:
    """Whether this is an answer that was made before Stop could end it."""
    return isinstance(step, Answer) and step.verdict is not Verdict.FAILED


def ended_first(steps: Iterator[_Step], *results: type) -> Generator[_Step, None, None]:
    """`steps`, their result (of one of these types) held back until they have come to their end:
    whoever leaves on seeing it cannot cut off what they still had to do, or have them record that
    they were left."""
    held: list[_Step] = []
    try:
        for step in steps:
            if isinstance(step, results):
                held.append(step)
            else:
                yield step
    finally:
        close = getattr(steps, "close", None)
        if close is not None:
            close()
    yield from held


def read_apart(
    begin: Callable[[], Iterator[_Step]], stop: threading.Event, over: Callable[[], object]
) -> queue.SimpleQueue[_Step | BaseException]:
    """What an iterator yields, read in a thread of its own until it ends or `stop` is set; `over`
    is called after that. What it raises comes as a step too, and at its end a RuntimeError, which
    only whoever misses a result reads."""
    steps: queue.SimpleQueue[_Step | BaseException] = queue.SimpleQueue()

    def read() -> None:
        try:
            events = begin()
            for event in events:
                steps.put(event)
                if stop.is_set():
                    break
            close = getattr(events, "close", None)
            if close is not None:
                close()
            steps.put(RuntimeError("the work ended without a result"))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that shows it
            steps.put(error)
        finally:
            over()

    threading.Thread(target=read, name="answer", daemon=True).start()
    return steps
