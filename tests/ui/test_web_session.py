"""Links work once and for a while; sessions end; nothing secret is kept in clear."""

from __future__ import annotations

import threading

from tests.ui.serving import READER
from ui.web_session import KEPT_SESSIONS, Sessions


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_link_signs_in_once() -> None:
    sessions = Sessions(60, 600)
    token = sessions.new_link(READER)
    assert sessions.redeem("wrong") is None
    assert sessions.redeem(token) == READER
    assert sessions.redeem(token) is None


def test_a_link_ends_and_a_newer_one_voids_it() -> None:
    clock = Clock()
    sessions = Sessions(60, 600, clock)
    token = sessions.new_link(READER)
    clock.now += 61
    assert sessions.redeem(token) is None
    older = sessions.new_link(READER)
    newer = sessions.new_link(READER)
    assert sessions.redeem(older) is None
    assert sessions.redeem(newer) == READER


def test_a_session_is_found_by_its_secret_until_it_ends() -> None:
    clock = Clock()
    sessions = Sessions(60, 600, clock)
    secret, session = sessions.open(READER)
    assert sessions.find(secret) is session
    assert sessions.find("x") is None
    assert sessions.find(None) is None
    clock.now += 601
    assert sessions.find(secret) is None


def test_signing_out_ends_the_session_and_stops_its_answer() -> None:
    sessions = Sessions(60, 600)
    secret, session = sessions.open(READER)
    assert sessions.close(secret) is session
    assert session.conversation.stop.is_set()
    assert sessions.find(secret) is None
    assert sessions.close(secret) is None


def test_the_number_of_sessions_is_bounded() -> None:
    sessions = Sessions(60, 600)
    first, _ = sessions.open(READER)
    for _ in range(KEPT_SESSIONS):
        last, _session = sessions.open(READER)
    assert sessions.find(first) is None
    assert sessions.find(last) is not None


def test_secrets_are_long_and_not_kept() -> None:
    sessions = Sessions(60, 600)
    token = sessions.new_link(READER)
    secret, session = sessions.open(READER)
    kept = repr(vars(sessions))
    assert token not in kept
    assert secret not in kept
    assert session.number not in secret
    assert min(len(token), len(secret)) >= 43  # 256 bits in base64


def test_places_of_turns_long_gone_are_forgotten() -> None:
    _, session = Sessions(60, 600).open(READER)
    talk = session.conversation
    for _ in range(60):
        number = talk.begin(threading.Event())
        talk.places |= dict.fromkeys([f"{number}:a1"])  # type: ignore[arg-type]
    assert "60:a1" in talk.places
    assert "1:a1" not in talk.places
    assert len(talk.places) == 50


def test_every_end_of_a_conversation_is_told_once_with_its_own_name() -> None:
    clock, forgotten = Clock(), list[str]()
    sessions = Sessions(60, 600, clock, forgotten.append)
    names = []
    for _ in range(4):
        secret, session = sessions.open(READER)
        names.append(session.conversation.name)
    sessions.close(secret)
    sessions.close(secret)
    session.conversation.clear()  # whoever still holds it
    assert forgotten[0] == names[3]
    assert forgotten[1] not in names
    late, _ = sessions.open(READER)
    clock.now += 601
    sessions.find(late)
    sessions.sweep()
    sessions.sweep()
    assert sorted(forgotten[3:]) == sorted(names[:3])
    assert len(forgotten) == len(set(forgotten)) == 6


def test_the_session_pushed_out_is_ended() -> None:
    forgotten = list[str]()
    sessions = Sessions(60, 600, forget=forgotten.append)
    _, first = sessions.open(READER)
    name = first.conversation.name
    for _ in range(KEPT_SESSIONS):
        sessions.open(READER)
    assert forgotten == [name]
    assert first.conversation.stop.is_set()


def test_time_ends_the_answer_that_is_being_written() -> None:
    clock = Clock()
    sessions = Sessions(60, 600, clock)
    _, session = sessions.open(READER)
    stop = threading.Event()
    session.conversation.begin(stop)
    sessions.sweep()
    assert not stop.is_set()
    clock.now += 601
    sessions.sweep()
    assert stop.is_set()
    later = threading.Event()
    session.conversation.begin(later)
    assert later.is_set()
