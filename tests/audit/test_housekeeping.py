"""What the writer notices by itself: the clock, the disk, a checkpoint that was made."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import pytest

from audit import housekeeping
from audit.errors import DiskFullError, LogCorruptError
from audit.errors_duties import ProtectedRecordError
from audit.log import Limits, Log
from audit.record import SYSTEM, Event
from audit.report import State
from tests.audit.standins import (
    ANN,
    PRUNED,
    alter,
    days_ago,
    open_test_log,
    question,
    verify_home,
)

_MIB = 1024 * 1024


def _of(log: Log, kind: str) -> list[dict[str, object]]:
    return [json.loads(leaf.envelope)["fields"] for leaf in log.scan() if leaf.type == kind]


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_that_was_set_is_recorded_before_what_follows(
    home: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    real = time.time_ns
    with open_test_log(home) as log:
        log.append(question(1))
        monkeypatch.setattr(time, "time_ns", lambda: real() + seconds * 10**9)
        record = log.append(question(2))
        log.append(question(3))
        steps = _of(log, "clock.stepped")
        assert [abs(int(str(each["step_ms"])) - seconds * 1000) < 100 for each in steps] == [True]
        assert log.leaf(record.seq - 1).type == "clock.stepped"


def test_a_clock_that_was_set_back_between_two_runs_is_recorded(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_test_log(home) as log:
        log.append(question())
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() - 3600 * 10**9)
    with open_test_log(home) as log:
        assert len(_of(log, "clock.stepped")) == 1
    assert verify_home(home).state is State.OK


def test_a_disk_that_fills_is_recorded_and_then_stops_what_can_wait(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 5000 * _MIB
    monkeypatch.setattr(housekeeping, "free_bytes", lambda _: free)
    monkeypatch.setattr(housekeeping, "_DISK_SECONDS", 0.0)
    with open_test_log(home) as log:
        log.append(question())
        free = 500 * _MIB
        log.append(question())
        log.append(question())
        assert _of(log, "disk.low") == [{"free_mib": 500}]
        free = 50 * _MIB
        with pytest.raises(DiskFullError):
            log.append(question())
        log.append(Event("erasure.begun", ANN))  # what frees space goes on
        free = 5000 * _MIB
        log.append(question())
        assert _of(log, "disk.recovered") == [{"free_mib": 5000}]
        assert log.counters()["question.received"] == 4
    assert verify_home(home).state is State.OK


def test_a_checkpoint_that_was_made_is_on_record(home: Path) -> None:
    with open_test_log(home) as log:
        log.append(question())
        note = log.seal()
        record = log.append(question())
        (signed,) = _of(log, "checkpoint.signed")
        lines = note.split("\n")
        assert signed["size"] == int(lines[1]) == record.seq - 1
        assert signed["key"] == log.verifier_key.key_id.hex()


def _filled(home: Path) -> Log:
    log = open_test_log(home)
    log.append_many([question(number) for number in range(6)])
    log.seal()
    return log


def test_pruned_records_leave_their_hashes_and_every_proof(home: Path) -> None:
    with days_ago(9):
        filled = _filled(home)
    with filled as log:
        old = log.seal().encode()
        hashes = {seq: log.node(0, seq) for seq in range(8)}
        record = log.prune([2, 3, 5], PRUNED)
        assert [leaf.seq for leaf in log.scan(0, 7)] == [0, 1, 4, 6, 7]
        assert {seq: log.node(0, seq) for seq in range(8)} == hashes
        assert [(leaf.seq, leaf.by_seq) for leaf in log.pruned()] == [
            (2, record.seq),
            (3, record.seq),
            (5, record.seq),
        ]
        fields = json.loads(log.leaf(record.seq).envelope)["fields"]
        assert (fields["count"], fields["first"], fields["last"]) == (3, 2, 5)
        assert log.read_payload(4) is not None
        assert log.append(question(9)).seq == log.size() - 1
    report = verify_home(home, old)
    assert (report.state, report.findings) == (State.OK, ())
    database = (home / "audit" / "log.db").read_bytes()
    assert hashes[2] in database
    assert b'"number":1' not in database  # overwritten, not only given free
    assert b'"number":2' in database


@pytest.mark.parametrize("seq", [0, 8, 9])
def test_what_carries_the_evidence_is_never_pruned(home: Path, seq: int) -> None:
    with _filled(home) as log:
        log.append(question(9))  # 8 is checkpoint.signed, 9 is not sealed
        with pytest.raises(ProtectedRecordError) as caught:
            log.prune([2, seq], Event("retention.pruned", ANN))
        assert caught.value.exit_code == 2
        assert log.pruned() == ()
        assert log.leaf(2).type == "question.received"


def test_a_guard_stops_pruning_inside_the_transaction(home: Path) -> None:
    def held() -> None:
        raise ProtectedRecordError(2, "held")

    with _filled(home) as log:
        with pytest.raises(ProtectedRecordError):
            log.prune([2], Event("retention.pruned", SYSTEM), held)
        assert log.pruned() == ()
        assert "retention.pruned" not in log.counters()
        assert log.read_payload(2) is not None


def test_two_processes_cannot_prune_the_same_record(home: Path) -> None:
    with _filled(home) as log, open_test_log(home, limits=Limits()) as other:
        gone = other.leaf(2)
        log.prune([2], Event("retention.pruned", SYSTEM))
        # The other one had chosen before: what it finds in its transaction counts.
        patched = pytest.MonkeyPatch()
        patched.setattr(other, "leaf", lambda _: gone)
        with pytest.raises(LogCorruptError, match="another process"):
            other.prune([2], Event("retention.pruned", SYSTEM))
        patched.undo()
        assert len(log.pruned()) == 1


def test_rows_of_a_log_stay_as_they_are_after_pruning(home: Path) -> None:
    with _filled(home) as log:
        log.prune([2], Event("retention.pruned", SYSTEM))
        connection = log._parts.store._connection
        for statement in ("DELETE FROM leaf", "DELETE FROM payload", "DELETE FROM pruned"):
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                connection.execute(statement)


def test_a_log_of_an_earlier_version_gets_what_it_lacks(home: Path) -> None:
    with days_ago(9), open_test_log(home) as log:
        log.append_many([question(number) for number in range(3)])
    alter(home, "DROP TABLE pruned")
    with open_test_log(home) as log:
        assert log.pruned() == ()
        log.prune([2], PRUNED)
    assert verify_home(home).state is State.OK
