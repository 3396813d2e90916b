"""Several callers in one transaction: everybody gets their own outcome."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from audit.commit import Ticket
from audit.errors import AuditError, EnvelopeTooLargeError, LogClosedError
from audit.log import Log
from audit.record import Event
from audit.report import State
from tests.audit.standins import ANN, open_test_log, question, verify_home


def _beside(log: Log, events: list[list[Event]]) -> list[object]:
    """Append each list in a thread of its own while the log is held, so that all wait together;
    what each got: its numbers, or its error."""
    outcomes: list[object] = [None] * len(events)

    def work(place: int) -> None:
        try:
            outcomes[place] = [record.seq for record in log.append_many(events[place])]
        except AuditError as error:
            outcomes[place] = error

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(events))]
    with log.reading:
        for thread in threads:
            thread.start()
        while len(log._committer._waiting) < len(events):
            pass
    for thread in threads:
        thread.join()
    return outcomes


def _transactions(log: Log, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of tickets in each transaction from now on."""
    seen: list[int] = []
    transact = log._committer._transact

    def counted(tickets: list[Ticket]) -> object:
        seen.append(len(tickets))
        return transact(tickets)

    monkeypatch.setattr(log._committer, "_transact", counted)
    return seen


def test_callers_that_wait_together_are_committed_together(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_test_log(home) as log:
        seen = _transactions(log, monkeypatch)
        outcomes = _beside(log, [[question(n), question(n)] for n in range(6)])
        assert seen == [6]
        numbers = sorted(number for each in outcomes for number in each)  # type: ignore[attr-defined]
        assert numbers == list(range(2, 14))
        assert all(pair[1] == pair[0] + 1 for pair in outcomes)  # type: ignore[index]
        assert log.appended()["question.received"] == 12
    assert verify_home(home).state is State.OK


def test_a_bad_record_keeps_nobody_elses_out(home: Path) -> None:
    with open_test_log(home) as log:
        huge = Event("step.done", ANN, {"text": "x" * 70_000})
        outcomes = _beside(log, [[question(1)], [question(2), huge], [question(3)]])
        assert isinstance(outcomes[1], EnvelopeTooLargeError)
        kept = [log.leaf(outcome[0]).request_id for outcome in (outcomes[0], outcomes[2])]  # type: ignore[index]
        assert sorted(kept) == ["r1", "r3"]
        assert log.counters()["question.received"] == 2
        assert log.appended()["question.received"] == 2
    assert verify_home(home).state is State.OK


def test_an_interrupted_caller_does_not_take_the_others_along(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl+C reaches whoever happens to write for all."""
    with open_test_log(home) as log:
        insert = log._parts.store.insert
        interrupted: list[int] = []

        def once(*arguments: object) -> None:
            if not interrupted:
                interrupted.append(1)
                raise KeyboardInterrupt
            insert(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(log._parts.store, "insert", once)
        monkeypatch.setattr(threading, "excepthook", lambda _: None)
        outcomes = _beside(log, [[question(n)] for n in range(4)])
        assert outcomes.count(None) == 1  # the interrupted one
        assert len([each for each in outcomes if isinstance(each, list)]) == 3
        assert log.counters()["question.received"] == 3
    assert verify_home(home).state is State.OK


def test_who_waits_when_the_log_closes_is_told(home: Path) -> None:
    log = open_test_log(home)
    outcomes: list[object] = []

    def late() -> None:
        try:
            log.append(question())
        except AuditError as error:
            outcomes.append(error)

    with log.reading:
        thread = threading.Thread(target=late)
        thread.start()
        while not log._committer._waiting:
            pass
        log._open = False
        log._committer.give_up()
        log._open = True
    thread.join()
    log.close()
    assert isinstance(outcomes[0], LogClosedError)


def test_keys_are_made_ahead_in_growing_blocks_and_leftovers_removed(home: Path) -> None:
    with open_test_log(home) as log:
        puts: list[int] = []
        store = log._parts.keystore
        put = store.put
        store.put = lambda keys: (puts.append(len(keys)), put(keys))[1]  # type: ignore[func-returns-value, method-assign]
        for number in range(30):
            log.append(question(number))
        assert puts == [8, 16, 32]
    import sqlite3

    with sqlite3.connect(home / "audit" / "keystore.db") as connection:
        assert connection.execute("SELECT count(*) FROM payload_key").fetchone() == (30,)
