"""What a crash leaves: never called tampering, never an acknowledged record or its key lost."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audit.log import Limits
from audit.record import Event
from audit.report import State
from audit.snapshot import open_snapshot
from audit.wal import has_torn_tail
from tests.audit.standins import ANN, copy_home, open_test_log, verify_home, written_log

_WRITER = """
import sys
from pathlib import Path
from audit.log import Limits, Log
from audit.record import Actor, Event
log = Log(Path(sys.argv[1]), build="test", process="writer", limits=Limits(seal_records=7))
number = 0
while number < int(sys.argv[2]):
    event = Event("step.done", Actor("service", sys.argv[3]), {"number": number}, {"n": number})
    record = log.append(event)
    print(record.seq, record.event_id, number, flush=True)
    number += 1
log.close()
"""


def _writer(home: Path, count: int, name: str = "w") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(home / "audit"), str(count), name],
        stdout=subprocess.PIPE,
        text=True,
    )


def _crashed(home: Path, count: int = 10) -> None:
    """A process records and dies without closing: a fork, which is quicker than a new program."""
    child = os.fork()
    if child == 0:
        log = open_test_log(home, limits=Limits(seal_records=7))
        for number in range(count):
            log.append(Event("step.done", ANN, {"number": number}, {"n": number}))
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def _wal(home: Path) -> Path:
    return home / "audit" / "log.db-wal"


def _tear(home: Path, extra: int = 2000) -> None:
    """Leave the WAL as an interrupted write does: part of one more frame with the same salts."""
    raw = _wal(home).read_bytes()
    _wal(home).write_bytes(raw + raw[32 : 32 + extra])


def test_a_process_that_dies_leaves_an_unsealed_tail(home: Path) -> None:
    _crashed(home)
    assert not has_torn_tail(_wal(home))
    assert verify_home(home).headline() == "UNSEALED_TAIL(6)"


def test_the_next_opening_records_the_recovery(home: Path) -> None:
    _crashed(home)
    with open_test_log(home) as log:
        assert log.recovered
        dead, opened = json.loads(log.leaf(1).envelope), json.loads(log.leaf(13).envelope)
        recovered = json.loads(log.leaf(14).envelope)
        assert opened["type"] == "log.opened"
        assert opened["fields"]["recovered"] is True
        assert recovered["type"] == "log.recovered"
        assert recovered["fields"] == {"run": dead["fields"]["run"]}
        assert log.read_payload(12) == {"n": 9}
        report = verify_home(home)
        assert (report.headline(), report.exit_code) == ("TORN_TAIL(recovered)", 0)
    with open_test_log(home) as log:
        assert not log.recovered
    report = verify_home(home)
    assert (report.state, report.recoveries) == (State.OK, 1)


def test_a_torn_wal_is_no_tampering_and_stays_as_it_is(home: Path) -> None:
    _crashed(home)
    _tear(home)
    before = {path: _digest(path) for path in (home / "audit" / "log.db", _wal(home))}
    report = verify_home(home)
    assert (report.headline(), report.torn, report.records) == ("TORN_TAIL(recovered)", True, 13)
    assert "no sign of alteration" in report.explanation()
    assert {path: _digest(path) for path in before} == before


def test_a_copy_with_its_wal_verifies_without_being_touched(home: Path, tmp_path: Path) -> None:
    _crashed(home)
    _tear(home)
    copied = copy_home(home, tmp_path / "copy")
    (copied / "audit" / "log.db-shm").unlink()
    before = {path: _digest(path) for path in copied.rglob("*") if path.is_file()}
    assert verify_home(copied).headline() == "TORN_TAIL(recovered)"
    assert {path: _digest(path) for path in copied.rglob("*") if path.is_file()} == before


def test_a_shared_memory_file_that_cannot_be_used_is_got_around(home: Path) -> None:
    _crashed(home)
    shared = home / "audit" / "log.db-shm"
    shared.unlink()
    shared.mkdir()  # what a read-only medium amounts to: it is there and cannot be opened
    assert verify_home(home).headline() == "UNSEALED_TAIL(6)"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_wal_cut_anywhere_is_no_tampering(home: Path) -> None:
    _crashed(home, 4)  # nothing sealed: what a disk that lies about syncing may lose
    raw = _wal(home).read_bytes()
    (home / "audit" / "log.db-shm").unlink()
    for cut in (1, 500, 3000, 4119, 4120, 5000, 20_000):
        _wal(home).write_bytes(raw[:-cut])
        report = verify_home(home)
        assert report.state in (State.TORN_TAIL, State.UNSEALED_TAIL)
        assert report.records < 6
        assert (report.state is State.TORN_TAIL) == has_torn_tail(_wal(home))


def test_torn_ends_are_told_from_whole_ones(home: Path) -> None:
    _crashed(home)
    raw = _wal(home).read_bytes()
    assert raw
    flipped = bytearray(raw)
    flipped[-1] ^= 1
    stale = bytearray(raw[-4120:])
    stale[8:16] = b"\x01\x02\x03\x04\x05\x06\x07\x08"
    cases = {
        raw: False,
        raw + bytes(stale): False,  # a frame of an earlier round of the file
        b"": False,
        raw[:20]: True,
        b"\x00" * 32: True,
        raw + bytes(4120): True,
        raw + raw[32:1000]: True,
        bytes(flipped): True,
    }
    for content, torn in cases.items():
        _wal(home).write_bytes(content)
        assert has_torn_tail(_wal(home)) is torn
    _wal(home).unlink()
    assert not has_torn_tail(_wal(home))


def test_a_crash_between_key_and_record_leaves_only_a_spare_key(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_test_log(home) as log:
        with monkeypatch.context() as patched:
            seen: list[int] = []

            def stop(*_: object) -> None:
                seen.append(1)
                raise KeyboardInterrupt

            patched.setattr(log._parts.store, "insert", stop)
            with pytest.raises(KeyboardInterrupt):
                log.append(Event("step.done", ANN, {}, {"n": 1}))
            assert seen == [1]
        record = log.append(Event("step.done", ANN, {}, {"n": 2}))
        assert log.read_payload(record.seq) == {"n": 2}
    assert verify_home(home).state is State.OK


def test_a_reader_sees_one_moment_of_a_log_at_work(home: Path) -> None:
    with open_test_log(home) as log, open_snapshot(home / "audit" / "log.db") as snapshot:
        count = "SELECT count(*) FROM leaf"
        before = snapshot.execute(count).fetchone()
        log.append(Event("step.done", ANN))
        assert snapshot.execute(count).fetchone() == before
    assert verify_home(home).state is State.OK


def test_a_log_at_rest_gets_no_new_files_from_a_reader(home: Path) -> None:
    written_log(home)
    before = sorted((home / "audit").rglob("*"))
    assert verify_home(home).state is State.OK
    assert sorted((home / "audit").rglob("*")) == before


@pytest.mark.slow
def test_four_processes_write_one_dense_log(home: Path) -> None:
    writers = [_writer(home, 150, f"w{number}") for number in range(4)]
    acknowledged = []
    for writer in writers:
        out, _ = writer.communicate()
        assert writer.returncode == 0
        acknowledged += [line.split() for line in out.splitlines()]
    assert len(acknowledged) == 600
    assert len({seq for seq, _, _ in acknowledged}) == 600
    with open_test_log(home) as log:
        counters = log.counters()
        signed = counters.pop("checkpoint.signed")
        assert counters == {
            "log.closed": 4,
            "log.created": 1,
            "log.opened": 5,
            "step.done": 600,
        }
        for seq, event_id, number in random.Random(1).sample(acknowledged, 50):
            leaf = log.leaf(int(seq))
            assert leaf.event_id == event_id
            assert log.read_payload(event_id) == {"n": int(number)}
    report = verify_home(home)
    # One more checkpoint than that at least: the one that closing made has no record after it.
    assert (report.state, report.stored_checkpoints) == (State.OK, signed + 1)
    assert report.records == 611 + signed


@pytest.mark.slow
def test_a_verifier_beside_a_writer_never_sees_tampering(home: Path) -> None:
    written_log(home, 1)
    writer = _writer(home, 300)
    states = set()
    while writer.poll() is None and len(states) < 1000:
        states.add(verify_home(home).state)
        if writer.stdout is not None:
            writer.stdout.readline()
    writer.communicate()
    states.add(verify_home(home).state)
    assert State.OK in states
    assert states <= {State.OK, State.UNSEALED_TAIL}


@pytest.mark.slow
def test_killing_writers_loses_no_acknowledged_record(home: Path) -> None:
    moments = random.Random(7)
    acknowledged: list[list[str]] = []
    for round_number in range(12):
        writers = [_writer(home, 100_000, f"{round_number}-{number}") for number in range(2)]
        first = writers[0].stdout
        assert first is not None
        acknowledged += [first.readline().split() for _ in range(moments.randint(1, 40))]
        time.sleep(moments.random() * 0.02)
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            out, _ = writer.communicate()
            # The last line may be cut: it was then not acknowledged.
            acknowledged += [line.split() for line in out.split("\n")[:-1]]
        report = verify_home(home)
        assert report.state in (State.UNSEALED_TAIL, State.TORN_TAIL, State.OK), report.findings
    assert len(acknowledged) > 100
    with open_test_log(home) as log:
        size = log.size()
        assert [leaf.seq for leaf in log.range(0, size)] == list(range(size))
        for seq, event_id, number in acknowledged:
            assert log.leaf(int(seq)).event_id == event_id
            assert log.read_payload(event_id) == {"n": int(number)}
    report = verify_home(home)
    assert report.state is State.OK
    assert report.recoveries > 0
    shutil.rmtree(home)
