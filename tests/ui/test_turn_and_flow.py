"""A turn from question to verdict, and what Stop, errors and impatience do to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from assistant.answer import Asker, Event, Question, Released, Sentence, Stage, Verdict
from tests.ui.standins import ANSWERED, BrokenAssistant, FullDisk, ScriptedAssistant
from ui import turn
from ui.flow import converse
from ui.web_session import Session

READER = Asker("anna", frozenset({"local"}), auth="one-time-link", client="browser")


@pytest.fixture
def session() -> Session:
    return Session("s1", READER, ends=1e12)


def test_a_turn_gathers_stages_sentences_and_the_answer() -> None:
    view = turn.View(1, "q")
    view = turn.advance(view, Stage("reading", 5))
    view = turn.advance(view, Stage("reading", 6))
    assert view.stages == (Stage("reading", 6),)
    cited = ANSWERED.citations[:1]
    view = turn.advance(view, Released(ANSWERED.sentences[0], cited))
    view = turn.advance(view, Released(ANSWERED.sentences[1], cited))
    assert view.citations == cited
    assert not view.done
    view = turn.advance(view, ANSWERED)
    assert view.done
    assert view.citations == ANSWERED.citations
    assert turn.advance(view, Stage("late")) is view


def test_the_views_end_with_the_answer_and_are_kept(session: Session) -> None:
    assistant = ScriptedAssistant()
    views = list(converse(assistant, session, "How long?"))
    assert views[0].stages == ()
    assert views[-1].answer == ANSWERED
    assert all(not view.done for view in views[:-1])
    assert len(session.conversation.shown) == 1
    assert set(session.conversation.places) == {"1:a1", "1:a2"}
    list(converse(assistant, session, "And the alerts?"))
    assert [t.question for t in assistant.asked[1].history] == ["How long?"]
    assert assistant.asked[1].asker == READER


def test_a_new_conversation_forgets_the_context_and_the_places(session: Session) -> None:
    assistant = ScriptedAssistant()
    list(converse(assistant, session, "How long?"))
    session.conversation.clear()
    views = list(converse(assistant, session, "Why?"))
    assert assistant.asked[1].history == ()
    assert views[-1].number == 2
    assert set(session.conversation.places) == {"2:a1", "2:a2"}


class Endless(ScriptedAssistant):
    """Releases one sentence and then never stops writing."""

    def stream(self, question: Question) -> Iterator[Event]:
        try:
            yield Stage("writing")
            yield Released(Sentence("One thing is certain.", ()), ())
            while True:
                threading.Event().wait(0.01)
                yield Stage("writing")
        finally:
            self.closed.set()


def test_stop_ends_the_turn_keeps_what_was_released_and_closes_the_stream(
    session: Session,
) -> None:
    assistant = Endless()
    last = None
    for view in converse(assistant, session, "Go on"):
        last = view
        if view.sentences:
            session.conversation.stop.set()
    assert last is not None
    assert last.answer is not None
    assert last.answer.sentences[0].text == "One thing is certain."
    assert "stopped" in last.answer.explanation
    assert assistant.closed.wait(5)


def test_a_reader_who_leaves_also_stops_the_work(session: Session) -> None:
    assistant = Endless()
    views = converse(assistant, session, "Go on")
    next(views)
    next(views)
    views.close()  # type: ignore[attr-defined]
    assert assistant.closed.wait(5)
    assert not session.conversation.busy.locked()


@pytest.mark.parametrize("error", [FullDisk("The disk is full; free some space."), KeyError("x")])
def test_an_error_becomes_one_sentence_and_the_next_question_works(
    session: Session, error: Exception
) -> None:
    views = list(converse(BrokenAssistant(error), session, "q"))
    answer = views[-1].answer
    assert answer is not None
    assert answer.verdict is Verdict.FAILED
    assert answer.explanation.endswith(".")
    assert list(converse(ScriptedAssistant(), session, "q"))[-1].answer == ANSWERED


class Silent(ScriptedAssistant):
    def stream(self, question: Question) -> Iterator[Event]:
        yield Stage("searching")


def test_a_stream_without_a_verdict_is_an_error(session: Session) -> None:
    answer = list(converse(Silent(), session, "q"))[-1].answer
    assert answer is not None
    assert answer.verdict is Verdict.FAILED


def test_one_question_at_a_time(session: Session) -> None:
    first = converse(Endless(), session, "one")
    next(first)
    second = list(converse(ScriptedAssistant(), session, "two"))
    assert len(second) == 1
    assert second[0].answer is not None
    assert "One question at a time" in second[0].answer.explanation
    first.close()  # type: ignore[attr-defined]
