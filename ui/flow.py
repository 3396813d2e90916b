"""Runs one question of the chat and yields what the page should show after each step.

The assistant's stream is read in a thread of its own, so that Stop takes effect at once: the page
is told straight away, and the stream is closed by the thread that reads it as soon as its current
step returns. Sentences already released stand in the log and stay shown.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator

from assistant.answer import Answer, Asker, Event, Question
from ui import failures, render, turn
from ui.ports import Answers
from ui.turn import View
from ui.web_session import Conversation, Session

POLL_SECONDS = 0.1  # how soon Stop is noticed
HISTORY_SENT = 6  # earlier turns that a follow-up may lean on


def converse(
    assistant: Answers, session: Session, text: str, as_of: str | None = None
) -> Iterator[View]:
    """The views of a new turn, the last one finished. Raises nothing but what ends the process.

    `as_of` is the day (ISO 8601) that the question is about, None for today. A second question
    while one runs in the same session is answered with a sentence.
    """
    conversation = session.conversation
    if not conversation.busy.acquire(blocking=False):
        yield turn.failed(View(0, text), "One question at a time: wait for the answer above.")
        return
    try:
        begun = View(conversation.begin(), text)
        yield begun
        for view in _views(assistant, session.asker, conversation, begun, as_of):
            conversation.places |= turn.places(view)
            if view.answer is not None:
                conversation.finish(text, view.answer, render.turn(view))
            yield view
    finally:
        conversation.stop.set()  # whoever stopped listening also stops the work
        conversation.busy.release()


def _views(
    assistant: Answers,
    asker: Asker,
    conversation: Conversation,
    view: View,
    as_of: str | None,
) -> Generator[View, None, None]:
    history = tuple(conversation.history[-HISTORY_SENT:])
    stop = conversation.stop
    question = Question(view.question, asker, history, as_of=as_of)
    steps = _started(assistant, question, stop)
    while not view.done:
        if stop.is_set():
            yield turn.stopped(view)
            return
        try:
            step = steps.get(timeout=POLL_SECONDS)
        except queue.Empty:
            continue
        if isinstance(step, BaseException):
            view = turn.failed(view, failures.describe(step).sentence)
        else:
            view = turn.advance(view, step)
        yield view


def _started(
    assistant: Answers, question: Question, stop: threading.Event
) -> queue.SimpleQueue[Event | BaseException]:
    steps: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()

    def read() -> None:
        finished = False
        try:
            events = assistant.stream(question)
            for event in events:
                steps.put(event)
                finished = finished or isinstance(event, Answer)
                if stop.is_set():
                    break
            close = getattr(events, "close", None)
            if close is not None:
                close()
            if not finished and not stop.is_set():
                raise RuntimeError("the answer ended without a verdict")
        except BaseException as error:  # noqa: BLE001 - handed to the thread that shows it
            steps.put(error)

    threading.Thread(target=read, name="answer", daemon=True).start()
    return steps
