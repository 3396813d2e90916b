"""The chat as a Gradio page: a conversation, a composer, and nothing that Gradio offers beside.

What is drawn inside is `ui.render`'s; the behaviour around it is `assets/chat.js`. Who asks is
taken from the server-side session of the request's cookie, never from a component's value.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import gradio as gr

from ui import chat_sweep, failures, render, render_sweep
from ui import notices as recalled
from ui.chat_sweep import Sweeps
from ui.errors import UsageError
from ui.flow import converse
from ui.notices import Told
from ui.options import checked_day
from ui.web_session import KEPT_SESSIONS, Session

Find = Callable[[gr.Request], Session | None]
Examples = Callable[[Sequence[str]], list[str]]
_SIGNED_OUT = "You are not signed in any more; reload the page."
_ONE_AT_A_TIME = "One question at a time: wait until what you asked before has ended."
_NO_OFFER = "This belongs to a conversation that was ended; ask the question again."


class Page:
    """The handlers behind the page's events.

    `find` gives the session of a request; `examples` the questions to offer a reader of documents
    with these sources; `sweeps` is the folder where rows of sweeps are kept until they are done,
    None for nowhere; `notices` tells whose earlier answers rely on what has changed, None nobody.
    """

    def __init__(
        self,
        assistant: Sweeps,
        find: Find,
        examples: Examples,
        sweeps: Path | None = None,
        notices: Told | None = None,
    ) -> None:
        self._assistant, self._find, self._examples = assistant, find, examples
        self._sweeps, self._notices = sweeps, notices

    def restore(self, request: gr.Request) -> tuple[str, str]:
        """What stands on the page when it is loaded: the conversation so far, or the welcome."""
        session = self._find(request)
        if session is None:
            return render.note(_SIGNED_OUT), ""
        if session.conversation.shown:
            return _joined(session.conversation.shown), ""
        sources = [document.source for document in self._assistant.documents(session.asker)]
        return render.welcome(self._examples(sources), len(sources)), ""

    def model(self, request: gr.Request) -> tuple[object, object]:
        """Which model answers now, and what was decided otherwise than configured."""
        if self._find(request) is None:
            return gr.skip(), gr.skip()
        status = self._assistant.model_status()
        return render.model(status), render.notes(status.notes)

    def ask(self, text: str, day: str, request: gr.Request) -> Iterator[tuple[object, ...]]:
        """Updates of (conversation, live turn, question, ask, stop) until the answer is whole.

        `day` is what stands in the date field, empty for today.
        """
        session = self._find(request)
        if session is None:
            yield (gr.skip(), render.note(_SIGNED_OUT), *_composer(busy=False, text=text))
            return
        if not text.strip():
            yield (gr.skip(), gr.skip(), *_composer(busy=False, text=""))
            return
        try:
            as_of = checked_day(day) if day.strip() else None
        except UsageError as error:
            yield (gr.skip(), render.note(str(error)), *_composer(busy=False, text=text))
            return
        earlier = _joined(session.conversation.shown)
        shown = None
        with closing(converse(self._assistant, session, text.strip(), as_of)) as views:
            for view in views:
                if view is shown:
                    yield _UNCHANGED
                else:
                    yield (earlier, render.turn(view), *_composer(busy=not view.done))
                shown = view
        if shown is None or not shown.done:  # another conversation was begun meanwhile
            yield (gr.skip(), gr.skip(), *_composer(busy=False))

    def sweep(self, number: str, request: gr.Request) -> Iterator[tuple[object, ...]]:
        """The same updates for the sweep that the turn of this number offered; what stands in the
        question field stays."""
        session = self._find(request)
        if session is None:
            yield (gr.skip(), render.note(_SIGNED_OUT), *_composer(busy=False, text=None))
            return
        turn = int(number) if number.isdecimal() and len(number) < 10 else 0
        earlier = _joined(session.conversation.shown)
        shown = None
        sweep = chat_sweep.sweep(self._assistant, session, turn, self._sweeps)
        with closing(sweep) as views:
            for view in views:
                if view is shown:
                    yield _UNCHANGED
                else:
                    drawn = render_sweep.sweep(view)
                    yield (earlier, drawn, *_composer(busy=not view.over, text=None))
                shown = view
        if shown is None:
            busy = session.conversation.busy.locked()
            why = _ONE_AT_A_TIME if busy else _NO_OFFER
            yield (earlier, render.note(why), *_composer(busy=False, text=None))
        elif not shown.over:  # another conversation was begun meanwhile
            yield (gr.skip(), gr.skip(), *_composer(busy=False, text=None))

    def recalls(self, request: gr.Request) -> str:
        """The notices of this person: earlier answers whose documents have changed since."""
        session = self._find(request)
        if session is None or self._notices is None:
            return ""
        try:
            return recalled.drawn(self._notices.of(session.asker))
        except Exception as error:  # noqa: BLE001 - told in one sentence; nothing else is shown
            return render.notes([failures.describe(error).sentence])

    def dismiss(self, number: str, request: gr.Request) -> str:
        """Put one notice away; the others."""
        session = self._find(request)
        if session is not None and self._notices is not None and number.isdecimal():
            self._notices.dismiss(session.asker, int(number[:18]))
        return self.recalls(request)

    def stop(self, request: gr.Request) -> None:
        """Stop the answer that is being written."""
        session = self._find(request)
        if session is not None:
            session.conversation.stop.set()

    def renew(self, request: gr.Request) -> tuple[str, str]:
        """A new conversation: earlier questions are no context any more."""
        session = self._find(request)
        if session is not None:
            session.conversation.clear()
        return self.restore(request)


_UNCHANGED = (gr.skip(),) * 5


def _joined(turns: list[str]) -> str:
    return f'<div class="turns">{"".join(turns)}</div>' if turns else ""


def _composer(*, busy: bool, text: str | None = "") -> tuple[object, object, object]:
    """The question field and its buttons; `text` None leaves the field as it is."""
    field = {} if text is None else {"value": text}
    return (
        gr.update(**field, interactive=not busy),
        gr.update(visible=not busy),
        gr.update(visible=busy),
    )


def build(page: Page, who: str) -> gr.Blocks:
    """The Gradio page. `who` is shown beside the sign-out button."""
    with gr.Blocks(title="Cloister", analytics_enabled=False, fill_width=True) as blocks:
        with gr.Row(elem_id="cl-top"):
            gr.Markdown(_head(who), elem_id="cl-head", latex_delimiters=[])
            new = gr.Button("New conversation", elem_id="cl-new", size="sm")
        notes = _words("cl-notes")
        recalls = _words("cl-recalls")
        with gr.Column(elem_id="cl-talk"):
            shown = _words("cl-shown")
            live = _words("cl-live")
        with gr.Row(elem_id="cl-composer"):
            question = gr.Textbox(
                elem_id="cl-question",
                label="Your question",
                show_label=False,
                container=False,
                placeholder="Ask about your documents",
                lines=1,
                max_lines=6,
                scale=1,
            )
            ask = gr.Button("Ask", elem_id="cl-ask", variant="primary", scale=0)
            stop = gr.Button("Stop", elem_id="cl-stop", visible=False, scale=0)
            with gr.Row(elem_id="cl-when"):
                model = _words("cl-model")
                day = gr.Textbox(  # the page's script makes a date field of it
                    elem_id="cl-day",
                    label="In force on",
                    container=False,
                    show_label=False,
                    placeholder="today",
                    lines=1,
                    max_lines=1,
                    scale=0,
                )
        # The page's script fills these in and presses the buttons; nobody sees them.
        turn = gr.Textbox(elem_id="cl-turn", container=False, show_label=False)
        sweep = gr.Button("Read all documents", elem_id="cl-sweep")
        notice = gr.Textbox(elem_id="cl-notice", container=False, show_label=False)
        dismiss = gr.Button("Put away", elem_id="cl-dismiss")
        _wire(page, blocks, (shown, live, question, day, ask, stop, new))
        blocks.load(page.recalls, None, [recalls], **_QUIET)
        dismiss.click(page.dismiss, [notice], [recalls], **_QUIET)
        everything = [shown, live, question, ask, stop]
        sweep.click(page.sweep, [turn], everything, trigger_mode="once", **_QUIET)
        _watch_model(page, blocks, [model, notes])
    # One answer at a time per session is seen to by the session, and the model has a line of its
    # own that tells where one stands; Gradio's would only be silent. Each answer under way takes a
    # thread of Gradio's, and Stop must find one free.
    blocks.max_threads = 2 * KEPT_SESSIONS
    blocks.queue(default_concurrency_limit=KEPT_SESSIONS, max_size=KEPT_SESSIONS, api_open=False)
    return blocks


def _words(name: str) -> gr.Markdown:
    """A place for `ui.render`'s HTML; the browser cleans it once more, formulas stay off."""
    return gr.Markdown("", elem_id=name, latex_delimiters=[], sanitize_html=True, show_label=False)


_QUIET = {"api_visibility": "private", "show_progress": "hidden"}


def _wire(page: Page, blocks: gr.Blocks, parts: tuple[gr.Component, ...]) -> None:
    shown, live, question, day, ask, stop, new = parts
    everything = [shown, live, question, ask, stop]
    blocks.load(page.restore, None, [shown, live], **_QUIET)
    for event in (ask.click, question.submit):
        event(page.ask, [question, day], everything, trigger_mode="once", **_QUIET)
    stop.click(page.stop, None, None, **_QUIET)
    new.click(page.renew, None, [shown, live], **_QUIET)


def _watch_model(page: Page, blocks: gr.Blocks, parts: list[gr.Component]) -> None:
    """Keep the line about the model true while the page is open, whoever swapped it.

    The page's script presses the button, which nobody sees. Gradio's own timer would go on when the
    reader is signed out or the server has stopped, and pile up one error on the other.
    """
    blocks.load(page.model, None, parts, **_QUIET)
    gr.Button("Refresh", elem_id="cl-refresh").click(page.model, None, parts, **_QUIET)


def _head(who: str) -> str:
    return (
        '<div class="brand"><span class="mark"></span><span class="name">Cloister</span></div>'
        f'<div class="account"><span class="who">{html.escape(who)}</span>'
        '<button type="button" id="cl-theme" title="Light or dark">Light or dark</button>'
        '<button type="button" id="cl-signout" title="Sign out">Sign out</button></div>'
    )
