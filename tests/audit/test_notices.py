"""Notices: who is told of which earlier answers, once their documents have changed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit.affected import catch_up, note
from audit.erasure import erase_payload
from audit.errors import AuditError, LogLockedError
from audit.log import Log
from audit.notices import A_DOCUMENT, count, dismiss, notices
from audit.record import Actor, Event
from tests.audit.standins import ANN, open_test_log
from tests.audit.test_affected import answer
from tests.audit.test_view import BOB, DOC_A, DOC_B

CHAT = Actor("person", "ann", auth="one-time-link", client="browser")


def filled(log: Log) -> None:
    """Two answers of Ann's and one of Bob's on a document that has been superseded."""
    answer(log, "r1", cited=(DOC_A,))
    answer(log, "r2", cited=(DOC_A, DOC_B))
    answer(log, "r3", cited=(DOC_A,), who=BOB)
    change = {"document": DOC_A, "version": 1, "collection": "policies"}
    log.append(Event("ingest.superseded", ANN, change, {"source": "retention.txt"}))
    catch_up(log, ANN)


def last(log: Log) -> dict[str, object]:
    value = json.loads(log.leaf(log.size() - 1).envelope)
    return {"type": value["type"], "who": value["actor"]["id"], **value["fields"]}


def test_each_is_told_of_their_own_answers_and_of_nobody_elses(home: Path) -> None:
    with open_test_log(home) as log:
        assert notices(log, CHAT) == () and count(log, CHAT) == 0
        filled(log)
        (mine,) = notices(log, CHAT, {"policies"}.__contains__)
        assert (mine.document, mine.cause, mine.count) == ("retention.txt", "superseded", 2)
        assert [each.question for each in mine.answers] == ["What of r2?", "What of r1?"]
        assert {each.strength for each in mine.answers} == {"cited"}
        shown = last(log)
        assert (shown["type"], shown["who"], shown["requests"]) == (
            "impact.shown",
            "ann",
            ["r2", "r1"],
        )
        (his,) = notices(log, BOB, {"default"}.__contains__)
        assert [each.request for each in his.answers] == ["r3"]
        assert his.document == A_DOCUMENT  # he may not be told its name
        before = log.size()
        assert notices(log, Actor("person", "eve")) == ()
        assert log.size() == before  # nothing shown, nothing recorded


def test_a_notice_is_dismissed_by_its_reader_alone_and_for_them_alone(home: Path) -> None:
    with open_test_log(home) as log:
        filled(log)
        (mine,) = notices(log, CHAT)
        assert dismiss(log, Actor("person", "eve"), [mine.number]) == 0
        assert dismiss(log, CHAT, [mine.number, 0, 999]) == 1
        assert last(log)["impacts"] == [mine.number]
        assert notices(log, CHAT) == ()
        assert len(notices(log, BOB)) == 1
        note(log, ANN, {DOC_A: 2}, "withdrawn")  # what happens later is a notice of its own
        assert [each.cause for each in notices(log, CHAT)] == ["withdrawn"]


def test_it_is_shown_for_some_days_and_until_it_was_seen(home: Path) -> None:
    with open_test_log(home) as log:
        filled(log)
        much_later = datetime.now(UTC) + timedelta(days=90)
        assert len(notices(log, CHAT, now=much_later)) == 1  # never seen before
        assert notices(log, CHAT, now=much_later) == ()
        assert len(notices(log, CHAT)) == 1


def test_the_line_in_passing_counts_what_was_not_seen_yet(home: Path) -> None:
    with open_test_log(home) as log:
        filled(log)
        assert count(log, CHAT) == 2
        assert (last(log)["type"], last(log)["answers"]) == ("impact.counted", 2)
        assert count(log, CHAT) == 2
        notices(log, CHAT)
        assert count(log, CHAT) == 0


def test_what_holds_from_a_day_ahead_waits_for_it(home: Path) -> None:
    with open_test_log(home) as log:
        answer(log, "r1", cited=(DOC_A,))
        note(log, ANN, {DOC_A: 1}, "superseded", {DOC_A: "2099-06-01"})
        assert notices(log, CHAT) == () and count(log, CHAT) == 0
        (then,) = notices(log, CHAT, now=datetime(2099, 6, 2, tzinfo=UTC))
        assert then.since == "2099-06-01"


def test_a_document_that_is_in_force_again_is_no_news(home: Path) -> None:
    with open_test_log(home) as log:
        filled(log)
        log.append(Event("ingest.restored", ANN, {"document": DOC_A, "collection": "c"}))
        assert notices(log, CHAT) == ()


def test_erased_questions_are_not_told(home: Path) -> None:
    with open_test_log(home) as log:
        filled(log)
        for leaf in tuple(log.scan()):
            if leaf.type == "question.received":
                erase_payload(log, ANN, leaf.seq, "asked")
        (mine,) = notices(log, CHAT)
        assert [each.question for each in mine.answers] == ["", ""]


def test_nothing_is_shown_that_cannot_be_recorded(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_test_log(home) as log:
        filled(log)

        def refuse(event: Event) -> None:
            raise LogLockedError(home)

        monkeypatch.setattr(log, "append", refuse)
        for look in (notices, count):
            with pytest.raises(AuditError):
                look(log, CHAT)
