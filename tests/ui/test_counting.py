"""What goes to readers is counted as it passes, and compared with what was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.answer import Answer, Event, Released, Sentence, Stage, Verdict
from audit.errors import DiskFullError
from audit.record import SYSTEM
from audit.record import Event as LogEvent
from audit.tally import ANSWERS_SHOWN, QUESTIONS, SENTENCES_SHOWN, Tally
from ui import composition, counting


@pytest.fixture
def tally(monkeypatch: pytest.MonkeyPatch) -> Tally:
    fresh = Tally()
    monkeypatch.setattr(counting, "PROCESS", fresh)
    return fresh


def _steps(verdict: Verdict = Verdict.ANSWERED) -> Iterator[Event]:
    yield Stage("searching")
    yield Released(Sentence("One.", ()), ())
    yield Answer(verdict, "One.")


def test_each_thing_that_passes_is_counted_once(tally: Tally) -> None:
    assert len(list(counting.counted(_steps()))) == 3
    assert tally.ended() == {QUESTIONS: 1, SENTENCES_SHOWN: 1, ANSWERS_SHOWN: 1}
    list(counting.counted(_steps(Verdict.FAILED)))
    assert tally.ended()[ANSWERS_SHOWN] == 1


def test_leaving_closes_what_is_counted(tally: Tally) -> None:
    closed: list[int] = []

    def steps() -> Iterator[Event]:
        try:
            yield from _steps()
        finally:
            closed.append(1)

    events = counting.counted(steps())
    next(events)
    events.close()
    assert closed == [1]
    assert tally.ended() == {QUESTIONS: 1}


def test_what_could_not_be_recorded_did_not_happen(tally: Tally) -> None:
    def steps() -> Iterator[Event]:
        raise DiskFullError(Path("/x"))
        yield

    with pytest.raises(DiskFullError):
        list(counting.counted(steps()))
    assert (tally.ended(), tally.refused()) == ({}, {QUESTIONS: 1})


def test_an_answer_without_its_record_is_complained_of(home: Path, tally: Tally) -> None:
    told: list[str] = []
    with composition.log(home) as log:
        for kind in ("question.received", "answer.sentence", "answer.released"):
            log.append(LogEvent(kind, SYSTEM))
        list(counting.counted(_steps()))
        counting.reconcile(log, told.append)
        assert told == []
        list(counting.counted(_steps()))
        counting.reconcile(log, told.append)
        assert len(told) == 3
        assert "cloister audit reconcile" in told[0]
        assert log.counters()["audit.reconciled"] == 2
