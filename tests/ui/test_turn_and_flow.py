"""A turn from question to verdict, and what Stop, errors and impatience do to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from assistant.answer import (
    Answer,
    Asker,
    Event,
    Question,
    Released,
    Sentence,
    Stage,
    Turn,
    Verdict,
)
from tests.ui.standins import ANSWERED, CONFLICTING, BrokenAssistant, FullDisk, ScriptedAssistant
from ui import turn
from ui.flow import converse, ended_first
from ui.web_session import Conversation, Session, Sessions

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


def line(*ahead: int) -> turn.View:
    """A view after these places in the line, told after the writing was announced."""
    view = turn.View(1, "q")
    for stage in (Stage("reading", 5), Stage("writing"), *(Stage("waiting", n) for n in ahead)):
        view = turn.advance(view, stage)
    return view


def test_the_line_is_shown_while_it_is_stood_in_and_only_then() -> None:
    assert line(2, 1).stages == (Stage("reading", 5), Stage("waiting", 1))
    served_at_once = line(0)
    assert served_at_once.stages == (Stage("reading", 5), Stage("writing"))
    called = turn.advance(line(2, 1), Stage("writing"))
    assert called == line(2, 0)
    assert called.stages == (Stage("reading", 5), Stage("waiting", 0))
    assert turn.advance(called, Stage("writing")) is called
    after = turn.advance(called, Stage("checking"))
    assert after.stages == (Stage("reading", 5), Stage("checking"))


def test_a_larger_model_has_a_line_of_its_own() -> None:
    view = turn.advance(turn.advance(line(1), Stage("writing")), Stage("escalating"))
    assert view.stages == (Stage("reading", 5), Stage("escalating"))
    view = turn.advance(turn.advance(view, Stage("writing")), Stage("waiting", 3))
    assert view.stages == (Stage("reading", 5), Stage("escalating"), Stage("waiting", 3))


def test_the_same_place_told_again_changes_nothing() -> None:
    view = line(2)
    assert turn.advance(view, Stage("waiting", 2)) is view


def test_loading_is_told_of_whoever_waits_for_the_model() -> None:
    early = turn.advance(turn.View(1, "q"), Stage("searching"))
    assert turn.noticed(early, True) is early
    view = turn.noticed(line(), True)
    assert view.loading
    assert turn.noticed(view, True) is view
    assert not turn.noticed(view, False).loading
    assert not turn.advance(view, Stage("checking")).loading
    assert not turn.advance(view, Released(ANSWERED.sentences[0], ())).loading
    assert not turn.advance(view, ANSWERED).loading


def test_the_views_end_with_the_answer_and_are_kept(session: Session) -> None:
    assistant = ScriptedAssistant()
    views = list(converse(assistant, session, "How long?"))
    assert views[0].stages == ()
    assert views[-1].answer == ANSWERED
    assert not assistant.forgotten
    assert all(not view.done for view in views[:-1])
    assert len(session.conversation.shown) == 1
    assert set(session.conversation.places) == {"1:a1", "1:a2"}
    list(converse(assistant, session, "And the alerts?"))
    assert assistant.asked[1].history == (Turn("How long?", ANSWERED.text, ("pdf", "md")),)
    assert assistant.asked[1].asker == READER


def test_a_turn_is_kept_with_the_question_as_it_was_asked(session: Session) -> None:
    list(converse(ScriptedAssistant(answers={"then": CONFLICTING}), session, "And then?"))
    assert [turn.question for turn in session.conversation.history] == ["And then?"]
    assert "Understood as" in session.conversation.shown[0]


def test_a_result_is_seen_once_nothing_is_left_to_do() -> None:
    done: list[str] = []

    def work() -> Iterator[object]:
        try:
            yield "step"
            yield ANSWERED
            done.append("whole")
        finally:
            done.append("closed")

    steps = ended_first(work(), Answer)
    assert next(steps) == "step"
    assert next(steps) is ANSWERED
    assert done == ["whole", "closed"]
    done.clear()
    left = ended_first(work(), Answer)
    next(left)
    left.close()
    assert done == ["closed"]


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

    def stream(
        self, question: Question, cancelled: Callable[[], bool] | None = None
    ) -> Iterator[Event]:
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
    views.close()
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
    def stream(
        self, question: Question, cancelled: Callable[[], bool] | None = None
    ) -> Iterator[Event]:
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
    first.close()


class Owning(ScriptedAssistant):
    """Ends with an answer of its own once it is cancelled, as the pipeline does."""

    def stream(
        self, question: Question, cancelled: Callable[[], bool] | None = None
    ) -> Iterator[Event]:
        assert cancelled is not None
        yield Stage("writing")
        while not cancelled():
            threading.Event().wait(0.01)
        yield Answer(Verdict.FAILED, "", explanation="The reader left.")


def test_whoever_stopped_is_told_so_in_one_way(session: Session) -> None:
    for _ in range(10):
        for view in converse(Owning(), session, "Go on"):
            if view.stages:
                session.conversation.stop.set()
            last = view
        assert last.answer is not None
        assert "You stopped" in last.answer.explanation


@pytest.fixture
def writing() -> ScriptedAssistant:
    """Writes on and on without a sentence: its stream returns only once it is cancelled."""
    assistant = ScriptedAssistant()
    assistant.go.clear()
    return assistant


def begun(assistant: ScriptedAssistant, session: Session) -> Iterator[turn.View]:
    """The views of a turn, up to where the model writes."""
    views = converse(assistant, session, "Go on")
    for view in views:
        if view.stages and view.stages[-1].name == "writing":
            return views
    raise AssertionError("nothing was written")


def test_stop_ends_a_step_that_would_not_return(
    session: Session, writing: ScriptedAssistant
) -> None:
    views = begun(writing, session)
    session.conversation.stop.set()
    *_, last = views
    assert last.answer is not None
    assert "before anything was answered" in last.answer.explanation
    assert writing.closed.wait(5)
    assert len(writing.cancelled_after) == 1


def test_a_reader_who_leaves_ends_a_step_that_would_not_return(
    session: Session, writing: ScriptedAssistant
) -> None:
    views = begun(writing, session)
    views.close()  # type: ignore[attr-defined]
    assert writing.closed.wait(5)
    assert len(writing.cancelled_after) == 1


def test_signing_out_ends_the_work_and_forgets_the_conversation_afterwards(
    writing: ScriptedAssistant,
) -> None:
    sessions = Sessions(60, 600, forget=writing.forget)
    secret, session = sessions.open(READER)
    views = begun(writing, session)
    sessions.close(secret)
    assert list(views) == []
    assert writing.closed.wait(5)
    name = writing.asked[0].conversation
    # Once at the sign-out, once when the model is done: it kept the prompt until then.
    assert until(lambda: writing.forgotten == [name, name])
    assert list(converse(writing, session, "again"))[-1].answer is not None
    assert len(writing.asked) == 1


def until(condition: Callable[[], bool]) -> bool:
    """Whether `condition` comes true within seconds; for what another thread does at its end."""
    pause = threading.Event()
    return any(condition() or pause.wait(0.01) for _ in range(500))


def test_a_new_conversation_ends_the_old_answer_and_knows_nothing_of_it(
    session: Session, writing: ScriptedAssistant
) -> None:
    views = begun(writing, session)
    session.conversation.clear()
    assert list(views) == []
    assert writing.closed.wait(5)
    assert session.conversation.shown == []
    assert session.conversation.history == []
    writing.go.set()
    *_, last = converse(writing, session, "Go on")
    assert last.answer == ANSWERED
    first, second = (question.conversation for question in writing.asked)
    assert first != second


def test_while_nothing_happens_the_same_view_comes_again(
    session: Session, writing: ScriptedAssistant
) -> None:
    views = begun(writing, session)
    view = next(views)
    assert next(views) is view
    writing.status = replace(writing.status, state="loading")
    assert until(lambda: next(views).loading)
    session.conversation.stop.set()
    *_, last = views
    assert last.done


def test_the_conversation_is_named_by_the_server_and_by_nothing_guessable() -> None:
    names = {Conversation().name for _ in range(100)}
    assert len(names) == 100
    assert min(map(len, names)) >= 43
    assert not any(name in repr(Conversation(name=name)) for name in names)
