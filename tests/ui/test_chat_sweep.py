"""A sweep in the chat: its views, what Stop and errors do to it, and what is drawn of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.answer import Asker
from assistant.sweep_rows import Request, Row
from assistant.sweep_verdict import Verdict
from assistant.task import Progress
from tests.ui.payloads import PAYLOADS
from tests.ui.standins import (
    COUNTING,
    OFFERED,
    FullDisk,
    ScriptedAssistant,
    sweep_result,
    sweep_row,
)
from tests.ui.test_render import ALLOWED, ALLOWED_ATTRIBUTES, read
from tests.ui.test_turn_and_flow import until
from ui import chat_sweep, render_sweep, sweep_view
from ui.flow import converse
from ui.sweep_view import View
from ui.web_session import KEPT_TURNS, Offered, Session

READER = Asker("anna", frozenset({"local"}), auth="one-time-link", client="browser")
ROWS = tuple(sweep_row(number) for number in range(1, 41))
REQUEST = Request(READER, COUNTING)
BEGUN = chat_sweep._begun(2, REQUEST, Offered(COUNTING))
TAGS = ALLOWED | {"progress", "caption"}
ATTRIBUTES = ALLOWED_ATTRIBUTES | {"max"}


@pytest.fixture
def session() -> Session:
    return Session("s1", READER, ends=1e12)


def offered(session: Session, rows: tuple[Row, ...] = ROWS) -> ScriptedAssistant:
    """An assistant that has offered a sweep over these rows in the first turn."""
    assistant = ScriptedAssistant(answers={"Which of these": OFFERED}, rows=rows)
    list(converse(assistant, session, COUNTING, "2025-06-30"))
    assistant.closed.clear()
    return assistant


def whole(rows: Sequence[Row], question: str = COUNTING) -> View:
    """A view that is over, of these rows."""
    result = sweep_result(replace(REQUEST, question=question), rows)
    return sweep_view.advance(BEGUN, [*rows, result])


def test_the_views_end_with_the_result_and_its_places_can_be_opened(
    session: Session, tmp_path: Path
) -> None:
    assistant = offered(session)
    views = list(chat_sweep.sweep(assistant, session, 1, tmp_path))
    assert views[0].rows == ()
    assert views[-1].result is not None
    assert views[-1].rows == ROWS
    (request,) = assistant.requests
    assert request == Request(READER, COUNTING, as_of="2025-06-30", folder=tmp_path)
    found = [row for row in ROWS if row.citations]
    assert {f"2:a{row.citations[0].number}" for row in found} < set(session.conversation.places)
    assert len(session.conversation.shown) == 2
    assert [turn.question for turn in session.conversation.history] == [COUNTING]
    assert not session.conversation.busy.locked()


@pytest.mark.parametrize("number", [0, 2, 99])
def test_only_what_was_offered_in_this_conversation_is_run(session: Session, number: int) -> None:
    assistant = offered(session)
    assert list(chat_sweep.sweep(assistant, session, number)) == []
    session.conversation.clear()
    assert list(chat_sweep.sweep(assistant, session, 1)) == []
    assert assistant.requests == []


def test_offers_of_turns_long_gone_are_forgotten(session: Session) -> None:
    offered(session)
    for _ in range(KEPT_TURNS):
        session.conversation.begin(threading.Event())
    assert session.conversation.offers == {}


def test_stop_ends_it_keeps_the_rows_and_it_can_be_gone_on_with(session: Session) -> None:
    assistant = offered(session)
    assistant.hold_after = 7
    assistant.go.clear()
    for view in chat_sweep.sweep(assistant, session, 1):
        if len(view.rows) == 7:
            session.conversation.stop.set()
    assert view.over
    assert view.rows == ROWS[:7]
    assert "33 documents were not read" in view.ended
    assert assistant.closed.wait(5)
    assert 'class="sweep" value="2"' in session.conversation.shown[-1]
    assistant.go.set()
    *_, last = chat_sweep.sweep(assistant, session, 2)
    assert last.rows == ROWS


def test_a_new_conversation_ends_it_without_a_word(session: Session) -> None:
    assistant = offered(session)
    assistant.hold_after = 7
    assistant.go.clear()
    views = chat_sweep.sweep(assistant, session, 1)
    assert until(lambda: len(next(views).rows) == 7)
    session.conversation.clear()
    assert list(views) == []
    assert assistant.closed.wait(5)
    assert session.conversation.shown == []
    assert session.conversation.places == {}


def test_one_thing_at_a_time(session: Session) -> None:
    assistant = offered(session)
    first = chat_sweep.sweep(assistant, session, 1)
    next(first)
    assert list(chat_sweep.sweep(assistant, session, 1)) == []
    *_, refused = converse(assistant, session, "How long?")
    assert refused.answer is not None
    assert "One question at a time" in refused.answer.explanation
    first.close()
    assert not session.conversation.busy.locked()


class Broken(ScriptedAssistant):
    """Fails after the first row."""

    def run(
        self, request: Request, cancelled: Callable[[], bool] | None = None
    ) -> Iterator[object]:
        yield Progress(0, 2)
        yield ROWS[0]
        raise FullDisk("The disk is full; free some space.")


def test_an_error_is_one_sentence_below_the_rows(session: Session) -> None:
    offered(session)
    *_, last = chat_sweep.sweep(Broken(), session, 1)
    assert last.rows == ROWS[:1]
    page = read(render_sweep.sweep(last))
    assert "The disk is full; free some space." in page.text
    assert "Something went wrong" in page.text


def test_the_coverage_counts_what_was_read_and_names_what_failed() -> None:
    view = sweep_view.advance(BEGUN, [Progress(0, 412), *ROWS])
    assert render_sweep.coverage(view) == "39 of 412 read, 1 failed"
    html = render_sweep.sweep(view)
    assert 'value="40" max="412"' in html
    assert "Reading 412 documents" in read(html).text  # said aloud, for the first tenth
    page = read(render_sweep.sweep(whole(ROWS)))
    assert "39 of 40 read, 1 failed: contracts/2021/corvane-033.pdf." in page.text
    assert "27 documents: not found" in page.text


def test_those_without_it_come_first_if_they_are_asked_for() -> None:
    lacking = "Which of these contracts do not have a change-of-control clause?"
    html = render_sweep.sweep(whole(ROWS, lacking))
    assert "8 documents: found" in read(html).text
    assert html.index(ROWS[1].title) < html.index(ROWS[6].title) < html.index(ROWS[0].title)


def test_a_value_has_a_column_and_a_count() -> None:
    rows = [replace(row, value="three months") for row in ROWS if row.quote]
    html = render_sweep.sweep(whole(rows))
    assert '<th role="columnheader" scope="col">Value</th>' in html
    assert f"three months {len(rows)}" in read(html).text


def test_a_page_stays_small_whatever_the_number_of_documents() -> None:
    many = [replace(sweep_row(1), source=f"{n}.pdf") for n in range(3_000)]
    cited = replace(many[0].citations[0], number=1_000)
    many[5] = replace(many[5], citations=(cited,))  # a place that the guard would not let through
    page = read(html := render_sweep.sweep(view := whole(many)))
    assert html.count('scope="row"') == render_sweep.MOST_ROWS
    assert "2,700 more rows are not drawn here" in page.text
    assert "2:a1000" not in page.values
    assert "2:a1000" not in sweep_view.places(view)


def hostile(text: str) -> Row:
    """A row in which `text` stands wherever a document's text can stand."""
    row = sweep_row(7)
    cited = replace(row.citations[0], title=text, label=text, quote=text, source=text)
    return replace(
        row, document=text, source=text, title=text, collection=text, value=text, quote=text,
        citations=(cited,), reason=text, warning=text,
    )  # fmt: skip


def drawn(text: str) -> list[str]:
    """A sweep under way, one that is over, one that was stopped and one that broke."""
    rows = [hostile(text), replace(hostile(text), verdict=Verdict.NOT_FOUND, quote="")]
    rows.append(replace(rows[0], verdict=Verdict.FAILED))
    over = whole(rows, text)
    assert over.result is not None
    result = replace(over.result, sentence=text, record=text, question=text)
    begun = replace(BEGUN, question=text, asked=replace(BEGUN.asked, question=text), as_of=text)
    under_way = sweep_view.advance(begun, [Progress(1, 9, text), *rows])
    views = [under_way, replace(begun, rows=result.rows, result=result, documents=3)]
    views += [replace(under_way, ended=text), replace(under_way, ended=text, broke=True)]
    return [render_sweep.sweep(view) for view in views]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payloads_become_text(payload: str) -> None:
    for html in drawn(payload):
        page = read(html)
        assert page.tags <= TAGS
        assert page.attributes <= ATTRIBUTES
        assert "\n" not in html


@given(st.text(max_size=120))
def test_any_text_is_one_line_of_inert_html(text: str) -> None:
    for html in drawn(text):
        page = read(html)
        assert page.tags <= TAGS
        assert page.attributes <= ATTRIBUTES
        assert len(html.splitlines()) == 1
        assert set(page.values) <= {"2", "2:a7", "3"}  # the button, a chip, the meter
