"""Records streamed over real sockets: in order, at least once, resumable, and honest about gaps."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from audit import streaming
from audit.delivery import parse_address
from audit.errors import LogCorruptError, LogLockedError, SettingsError
from audit.errors_duties import DeliveryError
from audit.log import Log
from audit.merkle import leaf_hash
from audit.record import Event
from audit.report import State
from audit.runs import setup_lock
from audit.streaming import Cursor, Plan, Streamed, formatter, stream
from tests.audit.receivers import Receiver, frames, tcp_receiver
from tests.audit.standins import ANN, alter, open_test_log, question, verify_home


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_PAUSE", "LONGEST_PAUSE", "POLL_SECONDS"):
        monkeypatch.setattr(streaming, name, 0.005)


def _plan(receiver: Receiver, form: str = "jsonl", **more: object) -> Plan:
    return Plan(parse_address(receiver.address, "--to"), form, timeout=5, **more)  # type: ignore[arg-type]


def _numbers(receiver: Receiver) -> list[int]:
    lines = b"".join(receiver.received).splitlines()
    return [json.loads(line)["seq"] for line in lines]


def _told(log: Log) -> list[dict[str, object]]:
    found = [json.loads(leaf.envelope) for leaf in log.scan()]
    return [each["fields"] for each in found if each["type"] == "log.exported"]


def test_all_records_arrive_in_order_and_the_next_stream_goes_on(home: Path) -> None:
    with tcp_receiver() as receiver, open_test_log(home) as log:
        log.append_many([question(number) for number in range(20)])
        size = log.size()
        done = stream(log, ANN, _plan(receiver))
        assert (done.first, done.last, done.count, done.outcome) == (0, size - 1, size, "done")
        assert _numbers(receiver) == list(range(size))
        lines = b"".join(receiver.received).splitlines()
        for line, leaf in zip(lines, log.scan(0, size - 1), strict=True):
            exact = line[line.index(b'"envelope":') + 11 : -1]  # the very bytes that are hashed
            assert leaf_hash(exact).hex() == json.loads(line)["leaf_hash"] == leaf.hash.hex()
        begun, ended = _told(log)
        assert (begun["stage"], begun["first"], begun["last"]) == ("begun", 0, size - 1)
        assert ended == {"stage": "ended", **done.as_json()}
        again = stream(log, ANN, _plan(receiver))
        assert (again.first, again.last) == (size, size + 1)  # what the first one recorded
        assert _numbers(receiver) == list(range(size + 2))
        twice = stream(log, ANN, _plan(receiver, first=3))
        assert (twice.first, _numbers(receiver)[size + 2]) == (3, 3)
    assert verify_home(home).state is State.OK


def test_a_broken_connection_loses_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "BATCH_RECORDS", 4)
    said: list[str] = []
    with tcp_receiver() as receiver, open_test_log(home) as log:
        log.append_many([question(number) for number in range(18)])
        receiver.broken = 3
        done = stream(log, ANN, _plan(receiver), tell=said.append)
        assert _numbers(receiver) == list(range(done.count))
        assert len(receiver.received) == 5
        assert len(said) == 1


def test_a_server_that_stays_away_ends_the_stream_where_it_stands(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "BATCH_RECORDS", 4)
    monkeypatch.setattr(streaming, "TRIES", 2)
    with tcp_receiver() as receiver, open_test_log(home) as log:
        log.append_many([question(number) for number in range(10)])
        size = log.size()
        plan = _plan(receiver)
        write = Cursor.write

        def write_and_break(cursor: Cursor, following: int) -> None:
            write(cursor, following)
            receiver.broken = 2 if following == 8 else 0

        with monkeypatch.context() as patched:
            patched.setattr(Cursor, "write", write_and_break)
            with pytest.raises(DeliveryError):
                stream(log, ANN, plan)
        ended = _told(log)[-1]
        assert (ended["outcome"], ended["count"], ended["last"]) == ("UNREACHABLE", 8, 7)
        stream(log, ANN, plan)
        assert _numbers(receiver) == list(range(size + 2))


def test_who_is_killed_before_the_cursor_is_written_sends_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    with tcp_receiver() as receiver, open_test_log(home) as log:
        size = log.size()
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(Cursor, "write", kill)
            stream(log, ANN, _plan(receiver))
        stream(log, ANN, _plan(receiver))
        assert _numbers(receiver) == [*range(size), *range(size + 1)]


def test_following_sends_what_comes_and_is_not_woken_by_itself(home: Path) -> None:
    stop = threading.Event()
    results: list[Streamed] = []
    with tcp_receiver() as receiver, open_test_log(home) as log:
        size = log.size()
        thread = threading.Thread(
            target=lambda: results.append(stream(log, ANN, _plan(receiver, follow=True), stop=stop))
        )
        thread.start()
        receiver.wait_for(1)
        assert not stop.wait(0.1)
        assert _numbers(receiver) == list(range(size))  # its own record alone is no news
        log.append(question(1))
        receiver.wait_for(2)
        assert _numbers(receiver) == list(range(size + 2))
        log.append(question(2))
        receiver.wait_for(3)
        stop.set()
        thread.join(10)
        assert (results[0].outcome, results[0].last) == ("stopped", size + 2)
        assert [each["stage"] for each in _told(log)] == ["begun", "ended"]


@pytest.mark.parametrize("form", ["rfc5424", "cef", "ocsf"])
def test_every_format_is_sent_by_its_own_writer(home: Path, form: str) -> None:
    write = formatter(form)
    with tcp_receiver() as receiver, open_test_log(home) as log:
        log.append(question(1))
        expected = [write(leaf, json.loads(leaf.envelope)).encode() for leaf in log.scan()]
        stream(log, ANN, _plan(receiver, form))
        content = receiver.wait_for(1)[0]
        sent = frames(content) if form == "rfc5424" else content.splitlines()
        assert sent == expected
    with pytest.raises(SettingsError):
        formatter("leef")


def test_a_log_that_no_longer_holds_what_was_streamed_is_refused(home: Path) -> None:
    with tcp_receiver() as receiver:
        plan = _plan(receiver)
        with open_test_log(home) as log:
            log.append_many([question(number) for number in range(6)])
            stream(log, ANN, plan)
            cursor = Cursor(log, plan)
            values = json.loads(cursor.path.read_bytes())
            for changed in ({"next": 999}, {"leaf_hash": "00" * 32}):
                cursor.path.write_text(json.dumps(values | changed))
                with pytest.raises(LogCorruptError):
                    stream(log, ANN, plan)
            cursor.path.write_text(json.dumps(values | {"log_id": "another"}))
            assert cursor.read() == 0
            cursor.path.write_text("[]")
            with pytest.raises(SettingsError, match="remove it"):
                stream(log, ANN, plan)
            with setup_lock(cursor.lock, timeout_ms=0), pytest.raises(LogLockedError):
                stream(log, ANN, plan)


def test_pruned_records_are_a_gap_that_is_counted(home: Path) -> None:
    with tcp_receiver() as receiver, open_test_log(home) as log:
        records = log.append_many([question(number) for number in range(6)])
        log.seal()
        gone = [record.seq for record in records[1:3]]
        log.prune(gone, Event("retention.pruned", ANN))
        done = stream(log, ANN, _plan(receiver))
        assert (done.pruned, done.count) == (2, done.last + 1 - 2)
        assert set(range(done.last + 1)) - set(_numbers(receiver)) == set(gone)


def test_an_altered_or_missing_record_is_not_streamed(home: Path) -> None:
    with tcp_receiver() as receiver:
        with open_test_log(home) as log:
            log.append_many([question(number) for number in range(6)])
        alter(
            home,
            "UPDATE leaf SET envelope = CAST(replace(envelope, 'ann', 'bob') AS BLOB) "
            "WHERE seq = 4",
        )
        with open_test_log(home) as log, pytest.raises(LogCorruptError, match="record 4"):
            stream(log, ANN, _plan(receiver))
        alter(
            home,
            "PRAGMA foreign_keys=OFF",
            "DELETE FROM payload WHERE seq = 4",
            "DELETE FROM leaf WHERE seq = 4",
        )
        with open_test_log(home) as log, pytest.raises(LogCorruptError, match="record 4"):
            stream(log, ANN, _plan(receiver))
        assert receiver.received == []
