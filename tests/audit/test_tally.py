"""Counting beside the log, also while things are under way, and what is said of a difference."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from audit.errors import LogClosedError
from audit.reconcile import Balance, balance
from audit.tally import ANSWERS_SHOWN, MODEL_CALLS, QUESTIONS, Tally


def _of(found: tuple[Balance, ...], counter: str) -> Balance:
    return next(each for each in found if each.equation.counter == counter)


def _balanced(appended: dict[str, int], tally: Tally) -> set[str]:
    """The counters that do not balance."""
    found = balance(appended, tally.ended(), tally.begun(), tally)
    return {each.equation.counter for each in found if not each.balanced}


def test_each_thing_needs_its_record_and_each_question_record_its_question() -> None:
    tally = Tally()
    with tally.underway(QUESTIONS):
        pass
    tally.add(MODEL_CALLS, 2)
    tally.add(ANSWERS_SHOWN)
    whole = {"question.received": 1, "model.called": 2, "answer.released": 1}
    assert _balanced(whole, tally) == set()
    for kind, counter in (
        ("question.received", QUESTIONS),
        ("model.called", MODEL_CALLS),
        ("answer.released", ANSWERS_SHOWN),
    ):
        assert _balanced({**whole, kind: whole[kind] - 1}, tally) == {counter}
    # An answer that its reader left, a call that the engine never took: a record and no more.
    more = {"question.received": 1, "model.called": 3, "answer.released": 2}
    assert _balanced(more, tally) == set()
    assert _balanced({**whole, "question.received": 2}, tally) == {QUESTIONS}


def test_what_is_under_way_may_or_may_not_stand_in_the_log_yet() -> None:
    tally = Tally()
    with tally.underway(QUESTIONS):
        assert _balanced({}, tally) == set()
        assert _balanced({"question.received": 1}, tally) == set()
        assert _balanced({"question.received": 2}, tally) == {QUESTIONS}
    assert _balanced({}, tally) == {QUESTIONS}


def test_what_could_not_be_recorded_was_refused_and_breaks_no_balance() -> None:
    tally = Tally()
    with pytest.raises(LogClosedError), tally.underway(QUESTIONS):
        raise LogClosedError
    with pytest.raises(ZeroDivisionError), tally.underway(QUESTIONS):
        raise ZeroDivisionError
    assert (tally.refused(), tally.ended()) == ({QUESTIONS: 1}, {QUESTIONS: 1})
    assert _balanced({}, tally) == {QUESTIONS}
    assert _balanced({"question.received": 1}, tally) == set()
    assert _balanced({"question.received": 2}, tally) == set()  # its first record did stand
    found = _of(balance({}, tally.ended(), tally.begun(), tally), QUESTIONS)
    assert found.text() == "questions: question.received recorded=0 observed=1 underway=0 refused=1"


def test_a_busy_process_balances_at_every_moment() -> None:
    tally, over = Tally(), threading.Event()
    appended: Counter[str] = Counter()
    lock = threading.Lock()

    def work() -> None:
        while not over.is_set():
            with tally.underway(QUESTIONS):
                with lock:
                    appended["question.received"] += 1
                    appended["model.called"] += 1
                tally.add(MODEL_CALLS)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        ended = tally.ended()
        with lock:
            now = dict(appended)
        found = balance(now, ended, tally.begun(), tally)
        assert all(each.balanced for each in found), [each.text() for each in found]
    over.set()
    for thread in threads:
        thread.join()
    last = _of(balance(appended, tally.ended(), tally.begun(), tally), QUESTIONS)
    assert last.recorded == last.ended == last.begun > 0
